/*
 * stream.h - what stream.c (who is there), stream_known.c (what the ledger
 * knows of them) and mark.c (how far each consumer is) share.
 *
 * Locks, in this order: commit_lock, streams->lock, entry->lock; token_lock and
 * the ledger's own are taken last. No fsync happens under a lock of these but
 * the first.
 */
#ifndef LB_CORE_STREAM_H
#define LB_CORE_STREAM_H

#include "lb_limits.h"
#include "lb_metrics.h"
#include "lb_stream.h"

#include <pthread.h>

enum {
    LB_STREAM_BUCKETS = 1024,
    LB_STREAM_KEY_SIZE = 64,
    LB_STREAM_ID_DIGITS = 16,
    LB_CONSUMERS_MAX = LB_SINKS_MAX + 1, /* at once: those that come and those that go, and the alert engine */
    LB_TRACKS_STEP = 4,                  /* room for consumers that come while it runs */
};

/* One batch on its way to one consumer. */
struct lb_token {
    _Atomic(struct lb_stream *) stream; /* a reference is held; changes when it moves to a spool */
    struct lb_token *next;
    uint64_t end;
    uint32_t consumer;
    bool done; /* guarded by the lock of the stream's entry */
    atomic_uint holds;
    atomic_uint outcome; /* the worst, enum lb_outcome */
};

/* How far one consumer is in one stream; guarded by the lock of the stream's entry. */
struct lb_track {
    uint64_t mark;
    uint64_t limit; /* the mark goes no further in this run: memory for a token was missing there */
    bool changed;   /* since it was last put into a transaction */
    bool in_commit; /* put, and not known to be durable */
    struct lb_token *first;
    struct lb_token *last;
};

/* A change of the identity, or its end, on the way into the ledger. */
enum lb_pending { LB_PENDING_NONE, LB_PENDING_CHANGED, LB_PENDING_IN_COMMIT };

struct lb_stream_entry {
    struct lb_stream stream; /* the first member: one is the other */
    pthread_mutex_t lock;    /* of the tracks */

    /* Guarded by streams->lock. */
    enum lb_pending pending;
    bool forgotten;
    struct lb_str identity; /* on the heap, while it is pending */

    struct lb_generation *generation; /* a reference: the source lives in it */
    uint32_t adopted;                 /* streams->changes when its marks were loaded */
    bool written;                     /* its identity, when it was opened */
    bool follows;                     /* the same stream had ended and was still there when it was looked for, */
    bool went;                        /* and was not any more when this one took its place */
    uint32_t track_capacity;
    struct lb_track *tracks; /* one per consumer; moves, under both locks, when consumers are added */
};

struct lb_token_block;

struct lb_str_link {
    struct lb_str_link *next;
    struct lb_str text;
    char bytes[];
};

struct lb_streams {
    struct lb_ledger *ledger;

    pthread_mutex_t commit_lock; /* what is collected first is committed first */
    pthread_mutex_t lock;
    struct lb_str consumers[LB_CONSUMERS_MAX]; /* names; empty: nobody, the number is free */
    uint32_t consumer_count;                   /* numbers in use are below it */
    uint32_t engine;                           /* the alert engine */
    uint32_t carrier;                          /* takes along what has no commits of its own */
    uint32_t changes;                          /* how often consumers were added */
    struct lb_str_link *names;                 /* the memory of all names ever, so that a copy of one never dangles */
    struct lb_stream *buckets[LB_STREAM_BUCKETS]; /* by id, chained by `next` */

    bool grouping; /* between begin and end, for one thread */
    pthread_t grouping_thread;
    uint32_t group_changes; /* `changes` at its beginning */
    struct lb_ledger_txn group;

    pthread_mutex_t token_lock;
    struct lb_token *free_tokens;
    struct lb_token_block *blocks;
    _Atomic uint64_t outstanding[LB_CONSUMERS_MAX + 1]; /* per consumer, and of all behind them */
    atomic_bool urgent[LB_CONSUMERS_MAX];
    struct lb_metric *refused_batches[LB_CONSUMERS_MAX];
    struct lb_metric *dead_letter_batches[LB_CONSUMERS_MAX];
};

static inline struct lb_stream_entry *lb_stream_entry(struct lb_stream *stream)
{
    return (struct lb_stream_entry *)(void *)stream;
}

/* --- stream.c ------------------------------------------------------------------ */

/* Nobody refers to it and nothing of it has to reach the ledger. With streams->lock held. */
bool lb_stream_is_over(struct lb_streams *streams, struct lb_stream_entry *entry);

/* Takes it out of its bucket (`*link`) and frees it. With streams->lock held. */
void lb_stream_remove(struct lb_stream **link);

/* --- stream_consumers.c ---------------------------------------------------------- */

/* The name gets the lowest free number. False: no memory, or too many. With streams->lock held. */
bool lb_streams_name(struct lb_streams *streams, struct lb_str name, uint32_t *consumer);
void lb_streams_free_names(struct lb_streams *streams);

/* Makes room for all consumers. False: no memory. With streams->lock held; takes the lock of the entry. */
bool lb_stream_grow(struct lb_streams *streams, struct lb_stream_entry *entry);

/* --- stream_known.c -------------------------------------------------------------- */

/* At start, and when consumers have changed: marks of consumers and streams that are no more go, new consumers start
 * at the highest mark. */
enum lb_err lb_streams_adopt(struct lb_streams *streams) LB_MUST_USE;
enum lb_err lb_streams_adopt_locked(struct lb_streams *streams) LB_MUST_USE; /* with commit_lock */

/* The marks that the ledger has of the stream; a consumer that has none is new and gets the highest. */
void lb_stream_load_marks(struct lb_streams *streams, struct lb_stream_entry *entry);

/* LB_END: the ledger does not know it. `changed`: it has another identity or source. */
enum lb_err lb_stream_look_up(struct lb_streams *streams, uint64_t id, struct lb_str source, struct lb_str identity,
                              bool *changed) LB_MUST_USE;

void lb_stream_put_identity(struct lb_ledger_txn *txn, uint64_t id, struct lb_str source, struct lb_str identity);
void lb_stream_put_mark_of(struct lb_ledger_txn *txn, struct lb_str consumer, uint64_t id, uint64_t mark);
void lb_stream_put_mark(const struct lb_streams *streams, struct lb_ledger_txn *txn, uint32_t consumer, uint64_t id,
                        uint64_t mark);

/* Deletes the identity and every mark. */
void lb_stream_delete_all(const struct lb_streams *streams, struct lb_ledger_txn *txn, uint64_t id);

struct lb_str lb_source_name(const struct lb_source *source);

/* --- mark.c ------------------------------------------------------------------------ */

void lb_marks_free(struct lb_streams *streams);

/* The metrics of a new consumer. */
void lb_marks_open(struct lb_streams *streams, uint32_t consumer);

/* Takes the tokens of a consumer that is no more out of the track, in front of `chain`. With the entry's lock held. */
struct lb_token *lb_marks_take(struct lb_track *track, struct lb_token *chain);

/* Gives such a chain back, with the references of its streams. With no lock held. */
void lb_marks_give_back(struct lb_streams *streams, uint32_t consumer, struct lb_token *chain);

#endif
