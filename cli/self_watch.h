/*
 * self_watch.h - from what can be measured of logboom to what is wrong with it.
 *
 * Once in a while it is given facts (counters, states, free bytes) with the
 * time, remembers as much of them as the longest look back needs, and says
 * what is wrong now. It asks nobody and knows no clock. One thread.
 */
#ifndef SELF_WATCH_H
#define SELF_WATCH_H

#include "lb_limits.h"
#include "lb_self.h"

enum { SELF_DISKS_MAX = 16 };

struct self_disk {
    const char *path;
    uint64_t bytes; /* of the whole disk */
    uint64_t free;  /* for us */
};

struct self_sink {
    const char *name;
    int64_t failing_since; /* Unix time; 0: it delivers */
    int64_t blocked_since; /* it takes nothing; 0: it does */
    const char *problem;
    uint64_t dead_letters; /* so far */
    const char *dead_letter_last;
};

struct self_source {
    const char *name;
    int64_t records; /* so far */
    int64_t parse_errors;
    int64_t behind_ns;
    uint64_t unread;       /* bytes */
    int64_t rotation_left; /* until rotation takes some of them, ns; below 0: nothing is known of that */
};

struct self_facts {
    int64_t now;
    struct self_disk disks[SELF_DISKS_MAX];
    uint32_t disk_count;
    struct self_sink sinks[LB_SINKS_MAX];
    uint32_t sink_count;
    struct self_source sources[LB_SOURCES_MAX];
    uint32_t source_count;
    int64_t ahead; /* records from the future, so far */
    int64_t lost;  /* alerts that nobody was told of, so far */
};

struct self_watch;

struct self_watch *self_watch_new(void); /* NULL: no memory */
void self_watch_free(struct self_watch *self);

/* Returns how many findings there are now. */
uint32_t self_watch_step(struct self_watch *self, const struct lb_self_options *options, const struct self_facts *facts,
                         struct lb_self_finding *findings, uint32_t room);

#endif
