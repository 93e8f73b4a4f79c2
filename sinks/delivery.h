/*
 * delivery.h - what the delivery_*.c share: one sink's queue, thread, tokens
 * and state.
 *
 * `lock` guards the first group; the second belongs to the sink's thread
 * alone, but for what is atomic.
 */
#ifndef LB_DELIVERY_H
#define LB_DELIVERY_H

#include "lb_clock.h"
#include "lb_metrics.h"
#include "lb_sink.h"

#include <pthread.h>

enum {
    PENDING_MAX = 8192,                   /* tokens between two commits: many small batches commit early */
    PENDING_BYTES_MAX = 64 * 1024 * 1024, /* raw bytes between two commits */
    QUEUE_FIRST = 64,                     /* entries; grows by doubling, never shrinks */
};

#define PAUSE_FIRST (100 * LB_MILLISECOND)
#define PAUSE_MAX (5 * LB_SECOND)
#define MARKS_EVERY LB_SECOND

/* One batch on its way to the sink. */
struct delivery_item {
    struct lb_batch *batch; /* NULL: none */
    const struct lb_selection *selection;
    struct lb_token *token;
};

struct delivery_metrics {
    struct lb_metric *records;
    struct lb_metric *bytes;
    struct lb_metric *queue;
    struct lb_metric *blocked;
    struct lb_metric *errors;
    struct lb_metric *commits;
    struct lb_metric *last_commit;
};

struct lb_delivery {
    struct lb_sink *sink;
    struct lb_streams *streams;
    struct delivery_metrics metrics;
    pthread_t thread;
    bool joined;

    pthread_mutex_t lock;
    pthread_cond_t more; /* an item, or the word to stop */
    struct delivery_item *ring;
    uint32_t capacity; /* a power of two */
    uint32_t head;
    uint32_t count;
    bool overflowed; /* no memory for an item: from here on nothing is taken, so that no record is written twice */
    bool stopping;
    bool pausing; /* the thread shall end and leave all that waits where it is */
    int64_t deadline;         /* of stopping or pausing, monotonic */
    char problem[200];        /* empty: fine */
    int64_t blocked_since_ns; /* Unix time; 0: not blocked */

    struct delivery_item current; /* popped, not yet taken by the sink */
    struct lb_selection trimmed;  /* stands in for current.selection where records are left out */
    uint32_t trimmed_capacity;
    struct lb_token **pending; /* written, waiting for the commit */
    uint32_t pending_count;
    uint64_t pending_bytes;
    int64_t pending_since; /* monotonic */
    int64_t commit_ns;
    struct lb_ledger_txn txn;
    bool files_due;     /* the sink's files are part of the commit under way */
    bool ledger_failed; /* told as the sink's problem */
    int64_t marks_at;   /* when to look for moved marks next */
    int64_t retry_at;   /* pausing until then; 0: not */
    int64_t pause_ns;   /* length of the next pause */
    int64_t tick_at;
    int64_t blocked_noted; /* monotonic: blocked seconds are counted up to here */
    bool complete;         /* at the end: nothing is left; of a pause: but what waits */
};

/* delivery_trim.c: the selection without the records that this consumer had before the start. False: no memory. */
bool delivery_trim(struct lb_delivery *self);

/* delivery_commit.c */
void delivery_written(struct lb_delivery *self, struct lb_token *token, uint64_t bytes);
int64_t delivery_commit_at(const struct lb_delivery *self); /* when the next commit is due */
bool delivery_commit(struct lb_delivery *self);             /* false: failed, try again after a pause */

/* delivery_state.c */
void delivery_metrics_open(struct lb_delivery *self);
void delivery_blocked(struct lb_delivery *self, bool blocked);

#endif
