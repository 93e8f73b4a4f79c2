/*
 * delivery.h - what the delivery_*.c share: one sink's queue, thread, tokens
 * and state.
 *
 * `lock` guards the first group; the second belongs to the sink's thread
 * alone, but for what is atomic. `commit_lock` is held while tokens are let
 * go or moved and marks are committed, so that a transaction of the ledger
 * never has a part of what belongs together; it is taken before `lock`.
 *
 * The queue of a sink that may spool also keeps what was given to the sink and
 * is not delivered: [written …][trying][waiting …]. Of other sinks it has
 * only what waits.
 */
#ifndef LB_DELIVERY_H
#define LB_DELIVERY_H

#include "lb_buffer.h"
#include "lb_clock.h"
#include "lb_metrics.h"
#include "lb_sink.h"

#include <pthread.h>

enum {
    PENDING_MAX = 8192,                   /* tokens between two commits: many small batches commit early */
    PENDING_BYTES_MAX = 64 * 1024 * 1024, /* raw bytes between two commits */
    UNTOLD_BYTES_MAX = 1024 * 1024,       /* ids of notices of alerts between two commits; more are not told of */
    QUEUE_FIRST = 64,                     /* entries; grows by doubling, never shrinks */
    HOLD_PART = 4, /* of the pool: all sinks that lag together hold at most 1/4; a source may have 1/2 */
};

#define PAUSE_FIRST (100 * LB_MILLISECOND)
#define PAUSE_MAX (5 * LB_SECOND)
#define MARKS_EVERY LB_SECOND
#define SPOOL_AGE (5 * LB_SECOND) /* a record that has waited so long for its delivery goes to the spool */

struct delivery_spool;

/* One batch on its way to the sink. */
struct delivery_item {
    struct lb_batch *batch; /* NULL: none */
    const struct lb_selection *selection;
    struct lb_token *token;
    size_t bytes;  /* of the pool that it holds */
    int64_t since; /* monotonic: when it came */
};

/* Where the batch that is being given to the sink comes from. */
enum delivery_from {
    FROM_QUEUE, /* it was taken out */
    FROM_RING,  /* it is still there: the spool may take it meanwhile */
    FROM_SPOOL, /* it was read back, or copied; on the heap */
};

struct delivery_current {
    struct lb_batch *batch; /* NULL: none. A reference is held, but FROM_SPOOL */
    const struct lb_selection *selection;
    struct lb_token *token;
    enum delivery_from from;
};

/* A selection that stands in for another, where records are left out. One thread's. */
struct delivery_trimmed {
    struct lb_selection selection;
    uint32_t capacity;
};

enum delivery_drop { DROP_QUEUE, DROP_SPOOL, DROP_REASONS };

struct delivery_metrics {
    struct lb_metric *records;
    struct lb_metric *bytes;
    struct lb_metric *queue;
    struct lb_metric *queue_bytes;
    struct lb_metric *blocked;
    struct lb_metric *blocked_since;
    struct lb_metric *failing_since;
    struct lb_metric *errors;
    struct lb_metric *commits;
    struct lb_metric *last_commit;
    struct lb_metric *oldest;
    struct lb_metric *spool_bytes;
    struct lb_metric *spooled;
    struct lb_metric *damaged;
    struct lb_metric *dropped[DROP_REASONS];
};

/* Readers that wait for the sink to show what it has. delivery_flush.c */
struct delivery_flush {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t served;
    atomic_bool wanted; /* a hint for the thread: somebody may wait */
    uint64_t asked;     /* how often, */
    uint64_t seen;      /* how far the thread saw it, */
    uint64_t done;      /* and how far it was served */
    int64_t since;      /* monotonic: the first who waits */
};

struct lb_delivery {
    struct delivery_flush flush;
    struct lb_sink *sink;
    struct lb_streams *streams;
    struct delivery_metrics metrics;
    struct delivery_spool *spool; /* NULL: it never goes to disk */
    bool spools;                  /* what lags goes to the spool; otherwise it is only read back from one */
    pthread_t thread;
    bool joined;

    pthread_mutex_t commit_lock;
    pthread_mutex_t lock;
    pthread_cond_t more; /* an item, or the word to stop */
    struct delivery_item *ring;
    uint32_t capacity; /* a power of two */
    uint32_t head;
    uint32_t count;
    uint32_t written;    /* the first of them: with the sink, not delivered */
    bool trying;         /* the one behind them is `current` */
    uint64_t held_bytes; /* of the pool, by all of them */
    uint64_t hold_max;
    int64_t spool_age_ns;
    bool overflowed; /* no memory for an item: from here on nothing is taken, so that no record is written twice */
    bool stopping;
    bool pausing;             /* the thread shall end and leave all that waits where it is */
    int64_t deadline;         /* of stopping or pausing, monotonic */
    char problem[200];        /* the sink's; empty: fine */
    char spool_problem[200];  /* the spool's */
    int64_t blocked_since_ns; /* Unix time; 0: not blocked */
    int64_t oldest_arrival;   /* Unix time; 0: nothing waits */
    uint64_t spool_bytes;
    _Atomic uint64_t dropped;
    _Atomic int64_t drop_told; /* monotonic: when it was last logged */

    struct delivery_current current; /* not yet taken by the sink */
    struct delivery_trimmed trimmed;
    struct lb_token **pending; /* written, waiting for the commit */
    uint32_t pending_count;
    uint64_t pending_bytes;
    struct lb_buffer untold; /* ids of the notices of alerts among them, each with a NUL */
    int64_t pending_since;   /* monotonic */
    int64_t commit_ns;
    struct lb_ledger_txn txn;
    bool files_due;     /* the sink's files are part of the commit under way; under commit_lock */
    bool ledger_failed; /* told as the sink's problem; under commit_lock */
    int64_t marks_at;   /* when to look for moved marks next */
    int64_t retry_at;   /* pausing until then; 0: not */
    int64_t pause_ns;   /* length of the next pause */
    int64_t tick_at;
    int64_t blocked_noted; /* monotonic: blocked seconds are counted up to here */
    bool complete;         /* at the end: nothing is left; of a pause: but what waits */
};

static inline struct delivery_item *delivery_at(struct lb_delivery *self, uint32_t i)
{
    return &self->ring[(self->head + i) & (self->capacity - 1)];
}

/* --- delivery.c ----------------------------------------------------------------------- */

bool delivery_allocate_pending(struct lb_delivery *self);
enum lb_err delivery_start_threads(struct lb_delivery *self); /* LB_OK: both run */
void delivery_count_holder(const struct lb_delivery *self, bool starts);

/* A sink that spools gets half of the time to deliver what it has; none if it is in trouble. */
int64_t delivery_drain_until(struct lb_delivery *self);

/* --- delivery_exchange.c -------------------------------------------------------------- */

void delivery_rest(struct lb_delivery *self); /* the end of a thread that pauses */

/* --- delivery_queue.c: with the lock held, unless said otherwise ------------------- */

bool delivery_ring_push(struct lb_delivery *self, struct delivery_item item);
struct delivery_item delivery_ring_pop(struct lb_delivery *self); /* there is one, and nobody needs its place */

/* What waits, not yet given to the sink. */
uint32_t delivery_waiting(const struct lb_delivery *self);

/* Without the lock. Bounds the queue of a sink that drops; counts records that were lost. */
void delivery_drop_excess(struct lb_delivery *self);
void delivery_note_dropped(struct lb_delivery *self, enum delivery_drop reason, uint64_t records);

/* --- delivery_trim.c ---------------------------------------------------------------- */

/* The selection without the records that this consumer had before the start. NULL: no memory. */
const struct lb_selection *delivery_trim(struct lb_delivery *self, const struct lb_batch *batch,
                                         const struct lb_selection *selection, struct delivery_trimmed *trimmed);

/* --- delivery_commit.c -------------------------------------------------------------- */

void delivery_written(struct lb_delivery *self, struct lb_token *token, uint64_t bytes);
int64_t delivery_commit_at(const struct lb_delivery *self); /* when the next commit is due */
bool delivery_commit(struct lb_delivery *self);             /* false: failed, try again after a pause */

/* Puts what the ledger must know of marks; with commit_lock. False: it could not be written. */
bool delivery_commit_marks(struct lb_delivery *self);

/* --- delivery_spool.c: the way to the disk ------------------------------------------- */

enum lb_err delivery_spool_open(struct lb_delivery *self, bool spools);
bool delivery_spool_start(struct lb_delivery *self);

/* The thread takes all that is left, by `deadline`, and ends. Then the stream is let go. */
void delivery_spool_finish(struct lb_delivery *self, int64_t deadline);
void delivery_spool_free(struct lb_delivery *self);

/* The spool's end, as the ledger has to know it; what is below its mark can go. With commit_lock. */
void delivery_spool_put_end(struct lb_delivery *self, struct lb_ledger_txn *txn);
void delivery_spool_trim(struct lb_delivery *self, uint64_t mark);
uint64_t delivery_spool_mark(struct lb_delivery *self);

/* With the lock held: more is held than may be, or for too long. */
bool delivery_lags(const struct lb_delivery *self, int64_t now);

/* --- delivery_backlog.c: the way back; the sink's thread ------------------------------ */

/* With the lock held: whether the next batch for the sink comes from the spool. */
bool delivery_reads_spool(struct lb_delivery *self);
bool delivery_backlog_left(const struct lb_delivery *self);

/* Makes the next entry the current one. False: not now. `*pause`: and only after a pause. */
bool delivery_backlog_next(struct lb_delivery *self, bool *pause);

/* The current batch of the ring was taken; was not taken. What is delivered of what was given leaves the queue. */
void delivery_ring_taken(struct lb_delivery *self, uint64_t bytes);
void delivery_ring_refused(struct lb_delivery *self);
void delivery_reap(struct lb_delivery *self);

/* A sink with commit() goes over to the spool: with nothing written that is not committed. */
void delivery_go_over(struct lb_delivery *self);
bool delivery_wants_over(struct lb_delivery *self);

/* --- delivery_flush.c ------------------------------------------------------------------ */

void delivery_flush_init(struct delivery_flush *self);
void delivery_flush_free(struct delivery_flush *self);
void delivery_flush_serve(struct lb_delivery *delivery, bool idle); /* `idle`: nothing waits in the queue */

/* --- delivery_outcome.c ---------------------------------------------------------------- */

/* The sink took that; said of notices of alerts, if it does not say more itself: now, or when it has committed them. */
void delivery_tell_taken(struct lb_delivery *self, const struct lb_batch *batch, const struct lb_selection *selection);
void delivery_tell_committed(struct lb_delivery *self);

/* --- delivery_state.c ------------------------------------------------------------------ */

void delivery_metrics_open(struct lb_delivery *self);
void delivery_blocked(struct lb_delivery *self, bool blocked);
void delivery_show(struct lb_delivery *self);
void delivery_spool_problem(struct lb_delivery *self, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
