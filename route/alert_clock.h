/*
 * alert_clock.h - what time it is in each stream.
 *
 * A stream's time is that of its newest record, and goes on at the pace of the
 * clock while nothing comes. A stream that brings nothing but old records is
 * behind, and its time goes back with it. No stream holds back or hurries
 * another.
 *
 * Bounded: when there are too many streams the ones silent for the longest
 * time are forgotten; who asks for them gets nothing and has to help himself.
 * One thread.
 */
#ifndef LB_ALERT_CLOCK_H
#define LB_ALERT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { LB_ALERT_STREAMS_MAX = 16384 };

struct lb_alert_stream {
    uint64_t id; /* 0: free */
    int64_t newest;
    int64_t arrival; /* when the clock stood at `newest` */
};

struct lb_alert_clocks {
    struct lb_alert_stream *table;
    uint32_t capacity;
    uint32_t count;
};

void lb_alert_clocks_free(struct lb_alert_clocks *clocks);

/* A batch came at `now`; `time` is that of its newest record. Without memory nothing is noted. */
void lb_alert_clocks_see(struct lb_alert_clocks *clocks, uint64_t stream, int64_t time, int64_t now,
                         int64_t lateness_ns);

/* The stream's time at `now`; false: it is not known. */
bool lb_alert_clocks_time(const struct lb_alert_clocks *clocks, uint64_t stream, int64_t now, int64_t *time);

#endif
