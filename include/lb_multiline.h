/*
 * lb_multiline.h - which lines are one event: stack traces, statements,
 * anything that an application writes over several lines.
 *
 * A rule is asked line by line, in order, whether a line goes on with the
 * event that is open. What it must remember between lines is a few bytes, one
 * state for each sequence of lines (a file, or each stream of a container).
 * Ingest asks, to cut batches only between events; where the lines stand in
 * an envelope the worker asks again, to join them.
 *
 * A rule is const once it is read; any thread may use it with its own state.
 */
#ifndef LB_MULTILINE_H
#define LB_MULTILINE_H

#include "lb_diag.h"
#include "lb_str.h"

#include <stdbool.h>
#include <stdint.h>

struct lb_config;
struct lb_node;
struct lb_multiline;

/* Zero: no event is open. */
struct lb_multiline_state {
    bool open;
    bool closed;   /* the event is over, whatever comes */
    bool headed;   /* its first line had a time or the like in front, */
    bool bad;      /* and told of an error */
    bool expects;  /* the last line said that the next one belongs to it */
    uint8_t trace; /* what kind of trace it is in */
    uint32_t lines;
};

/* Does `line` go on with the event that is open? Moves the state; false: it begins another. */
bool lb_multiline_joins(const struct lb_multiline *rule, struct lb_multiline_state *state, struct lb_str line);

/* So long after its last line an event that is still open counts as whole. */
int64_t lb_multiline_timeout(const struct lb_multiline *rule);

/*
 * Reads the value of `multiline:`: none, auto, or a map of patterns. `*rule` is NULL for none, otherwise the caller's
 * to free. False: told to `diag`; `subject` opens the words.
 */
bool lb_multiline_read(struct lb_config *config, const struct lb_node *node, const char *subject,
                       struct lb_multiline **rule, struct lb_diag *diag);
void lb_multiline_free(struct lb_multiline *rule);

#endif
