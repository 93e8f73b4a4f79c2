/*
 * notice_outcomes.h - which outcome in the history belongs to which notice.
 *
 * A notice carries the id of its record as `notice_id`; an outcome is a line
 * `{"delivery":ID,"sink":…}` somewhere behind it. They are collected while the
 * file is searched and put to the notices that were found. Lines borrow the
 * bytes of the file. One thread.
 */
#ifndef NOTICE_OUTCOMES_H
#define NOTICE_OUTCOMES_H

#include "lb_buffer.h"
#include "lb_sink.h"

struct notice_outcome {
    struct lb_str id;
    struct lb_str members; /* `"sink":…}` */
    size_t order;          /* in which it was collected: the newest first */
};

struct notice_outcomes {
    struct notice_outcome *items;
    size_t count;
    size_t capacity;
    bool sorted;
};

/* A line of the history, with its end. */
void notice_outcome_write(const struct lb_delivery_outcome *outcome, int64_t time, struct lb_buffer *out);

/* True: the line is an outcome, and is kept (but for want of memory). */
bool notice_outcomes_take(struct notice_outcomes *self, struct lb_str line);

/* Those of that notice as a JSON array, the oldest first. */
void notice_outcomes_list(struct notice_outcomes *self, struct lb_str id, struct lb_buffer *out);

/* The id of a notice; empty: an earlier version has noted it. */
struct lb_str notice_id_of(struct lb_str line);

/*
 * After a crash a notice that some sink has not had is noted again: of lines of the same notice, the newest first, the
 * oldest stays. Returns how many stay, in order.
 */
size_t notices_keep_once(struct lb_str *lines, size_t count);

void notice_outcomes_free(struct notice_outcomes *self);

#endif
