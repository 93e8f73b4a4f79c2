/*
 * internal_lines.h - lines of logboom's own log on their way to its pipeline.
 *
 * What a line says may come from what became of the line before it: a sink
 * that fails logs that, the line goes to the sink, which fails. So it must
 * not go on as it comes. A sentence that has passed passes again after a
 * second, then after two, four … five minutes, and begins anew when it was
 * quiet for a minute; what was held back is counted and told with the next
 * one. However many lines feed each other, they come to nearly nothing.
 *
 * hear() on any thread that logs; the rest on the loop of the source.
 */
#ifndef INTERNAL_LINES_H
#define INTERNAL_LINES_H

#include "lb_log.h"
#include "lb_metrics.h"

#include <pthread.h>

enum {
    INTERNAL_TEXT_BYTES = 1024, /* of a line; longer ones are cut */
    INTERNAL_MODULE_BYTES = 32,
    INTERNAL_LINES_MAX = 64,  /* that wait for the loop */
    INTERNAL_SITES = 256,     /* sentences that are remembered */
    INTERNAL_SECOND_MAX = 50, /* lines in one second, of all sentences */
};

#define INTERNAL_GAP_FIRST (1 * LB_SECOND)
#define INTERNAL_GAP_MAX (300 * LB_SECOND)
#define INTERNAL_QUIET (60 * LB_SECOND)

struct internal_line {
    int64_t time_ns;
    uint8_t level;
    uint32_t held_back; /* lines of the same sentence since the one before */
    size_t len;
    char module[INTERNAL_MODULE_BYTES];
    char text[INTERNAL_TEXT_BYTES];
};

/* A call that logs, with the sink, source or rule that it names. */
struct internal_site {
    uint64_t hash;   /* 0: free */
    int64_t next_ns; /* monotonic: when it may pass again */
    int64_t gap_ns;
    uint32_t held_back;
};

struct internal_lines {
    pthread_mutex_t lock; /* guards all below: threads that log, and the loop */
    struct internal_site sites[INTERNAL_SITES];
    struct internal_line lines[INTERNAL_LINES_MAX]; /* a ring */
    uint32_t first;
    uint32_t count;
    int64_t second;
    uint32_t in_second;
    struct lb_metric *held_back;
    int wake_fd; /* an eventfd, written when a line is put in; or -1 */
};

void internal_lines_open(struct internal_lines *self, struct lb_metric *held_back, int wake_fd);
void internal_lines_close(struct internal_lines *self);

/* For struct lb_log_listener; `context` is a struct internal_lines. */
void internal_lines_hear(void *context, const struct lb_log_line *line);

bool internal_lines_take(struct internal_lines *self, struct internal_line *line); /* the oldest */

/* What waits and what is remembered; nobody hears into `from` any more. */
void internal_lines_move(struct internal_lines *self, struct internal_lines *from);

#endif
