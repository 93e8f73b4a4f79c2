/*
 * lb_stream.h - where records come from, and how far each consumer is.
 *
 * A stream is one file, one connection, one listening datagram socket. For
 * each consumer (each sink, and the alert engine last) it has one mark: every
 * record that ends at or below it is safe with that consumer. The sequencer
 * issues a token per batch and consumer, in order; tokens are done in any
 * order; the mark moves over those that are done without a gap.
 *
 * A durable stream (a file) has an identity in the ledger, a random 64-bit id
 * written there before its first record is delivered, and its marks are
 * stored by the consumers' commits. An ephemeral one (a socket) has neither.
 *
 * Reference counted; its static part is written before the first batch and
 * never again. Thread-safe but for that.
 */
#ifndef LB_STREAM_H
#define LB_STREAM_H

#include "lb_batch.h"
#include "lb_err.h"
#include "lb_ledger.h"

/* The alert engine among the consumers: no sink can be called so. */
#define LB_ALERTS_CONSUMER "@alerts"

struct lb_source; /* lb_source.h: the instance that reads it */
struct lb_token;

enum lb_outcome {
    LB_DELIVERED,     /* safe */
    LB_DEAD_LETTERED, /* refused for good, kept elsewhere with the reason */
    LB_REFUSED,       /* refused for good and lost; counted */
    LB_DROPPED,       /* lost because its policy says so while the sink lags; counted and told by the delivery code */
};

struct lb_stream {
    uint64_t id;
    bool durable;
    bool urgent;           /* a mark that moves is committed at once, rather than with others */
    uint64_t resume;       /* where to begin: the lowest mark */
    uint64_t resume_until; /* the highest mark at start: up to here consumers may have records already */
    const struct lb_source *source;
    struct lb_str name; /* of the file, or the peer's address */

    /* What the source says of all its records; what a record says itself wins. */
    uint8_t level;
    struct lb_value service;
    struct lb_value host;
    struct lb_field *fields;
    uint16_t field_count;

    /* What the source has not read yet, as far as it knows; see lb_stream_note_unread(). */
    _Atomic uint64_t unread;
    _Atomic int64_t behind_since;

    struct lb_arena arena; /* owns what the slices above point to */
    struct lb_streams *registry;
    atomic_uint references;
    struct lb_stream *next;
};

struct lb_streams;

/*
 * All streams of a run. `consumers`: the names of the sinks in order, then LB_ALERTS_CONSUMER. `ledger` outlives it.
 * Marks of consumers that are no more are deleted, new ones start at the highest mark of each stream. NULL: out of
 * memory, or that could not be written (logged).
 */
struct lb_streams *lb_streams_new(struct lb_ledger *ledger, const struct lb_strs *consumers);
void lb_streams_free(struct lb_streams *streams); /* with all its streams; nobody may use them any more */

/*
 * A consumer that comes while streams are read: add() gives it a number and starts it at the highest mark of all that
 * the ledger knows (LB_LIMIT: there are too many, LB_IO: the ledger cannot be written; then it was not added). begin()
 * comes, on the sequencer, before the first batch that is its own: all before counts as had. One that goes is removed
 * when its last delivery has ended; its marks go, and tokens that were never done with them. One thread at a time.
 */
enum lb_err lb_streams_add(struct lb_streams *streams, struct lb_str name, uint32_t *consumer) LB_MUST_USE;
void lb_streams_begin_consumer(struct lb_streams *streams, uint32_t consumer);
void lb_streams_remove(struct lb_streams *streams, uint32_t consumer);

/* The source says how many bytes it could have read and has not: whenever it looks, and when it has read all (0). */
void lb_stream_note_unread(struct lb_stream *stream, uint64_t bytes);

/* For how long the stream (0: any) has not been read to its end; 0: it was, or nobody knows. Any thread. */
int64_t lb_streams_behind(struct lb_streams *streams, uint64_t id);

/* The same of all streams of a source; `bytes` is what they have not read. */
int64_t lb_streams_behind_of(struct lb_streams *streams, struct lb_str source, uint64_t *bytes);

/* A new ephemeral stream with a random id. NULL: out of memory. */
struct lb_stream *lb_stream_new(struct lb_streams *streams, const struct lb_source *source);

/*
 * A durable stream. `id` 0: a new one; otherwise one that lb_streams_each_known() told of, its marks loaded.
 * `identity` (what the source needs to know it again) is in the ledger, fsynced, when this returns. LB_AGAIN: the same
 * stream was closed, but records of it are still on their way. LB_END: nobody knows that id, or it was forgotten.
 */
enum lb_err lb_stream_open(struct lb_streams *streams, const struct lb_source *source, uint64_t id,
                           struct lb_str identity, struct lb_stream **stream) LB_MUST_USE;

/*
 * Several at once with one fsync: begin, open many, end, on one thread. Streams are usable after end; if that fails,
 * call it again or let the streams go.
 */
void lb_streams_begin(struct lb_streams *streams);
enum lb_err lb_streams_end(struct lb_streams *streams) LB_MUST_USE;

/* A changed identity (renamed, fingerprint grown), and forgetting a stream and its marks. Durable with the next commit
 * of the consumer that takes them along. */
void lb_stream_identify(struct lb_stream *stream, struct lb_str identity);
void lb_stream_forget(struct lb_stream *stream);

/* Every identity that the ledger has for the source of that name. */
void lb_streams_each_known(struct lb_streams *streams, struct lb_str source,
                           void (*visit)(void *context, uint64_t id, struct lb_str identity), void *context);

void lb_stream_ref(struct lb_stream *stream);
void lb_stream_unref(struct lb_stream *stream);

/* --- marks: the engine and the delivery code only ------------------------ */

/*
 * Called by the sequencer, in order, for every consumer of every batch; `end` is batch->position_end. With
 * `empty` (nothing selected) the token counts as done and NULL is returned. Otherwise the token is held once. (Without
 * memory it is NULL too; the mark then stops there for this run, so that the records come again after a restart.)
 */
struct lb_token *lb_token_issue(struct lb_stream *stream, uint32_t consumer, uint64_t end, bool empty);

/* A sink that delivers in pieces takes one hold for each, and lets each go by lb_token_done(). Any thread. */
void lb_token_hold(struct lb_token *token, uint32_t count);

/* The last one moves the mark. The worst outcome counts; `reason` is logged with refusals, may be NULL. */
void lb_token_done(struct lb_token *token, enum lb_outcome outcome, const char *reason);

/* Nobody but the caller, who holds it, holds it: what was given to the sink is settled. */
bool lb_token_is_last(const struct lb_token *token);

/* The caller's hold is the only one now: who had the others is closed, and lets none of them go any more. */
void lb_token_take_back(struct lb_token *token);

/*
 * The records behind the token are safe in a spool: its place in its stream counts as done now, and the token, with
 * what is still held of it, becomes the next one of `stream` for the same consumer, up to `end`. The caller holds it,
 * others may let go meanwhile; one thread moves and issues in `stream`, and nobody collects the marks of the consumer
 * during the call. False: no memory, nothing has changed.
 */
bool lb_token_move(struct lb_token *token, struct lb_stream *stream, uint64_t end) LB_MUST_USE;

uint64_t lb_stream_mark(struct lb_stream *stream, uint32_t consumer);

/* The lowest mark of all consumers as the ledger has it: nobody asks for what is below, not even after a crash. */
uint64_t lb_stream_committed(struct lb_stream *stream);

/* The consumer's tokens in that stream that are not done are nobody's any more; its mark stays. */
void lb_stream_drop(struct lb_stream *stream, uint32_t consumer);

/*
 * Puts every mark of `consumer` that moved since the last commit into `txn`, lets `add` (NULL: nobody) put what belongs
 * to them, and commits it. After a failure they count as moved again; `txn` is the caller's. One consumer, 0 while it
 * is there, takes along what has no commits of its own: changed identities, forgotten streams, and the marks of the
 * alert engine. UINT32_MAX takes all of everybody; only when no other thread commits.
 */
enum lb_err lb_streams_commit(struct lb_streams *streams, uint32_t consumer, struct lb_ledger_txn *txn,
                              void (*add)(void *context, struct lb_ledger_txn *txn), void *context) LB_MUST_USE;

/* Its two parts, for who commits by itself and alone: what is collected first has to be committed first. */
void lb_streams_collect(struct lb_streams *streams, uint32_t consumer, struct lb_ledger_txn *txn);
void lb_streams_collect_failed(struct lb_streams *streams, uint32_t consumer);

/* A mark of that consumer in an urgent stream has moved since the last collect. Any thread. */
bool lb_streams_are_urgent(const struct lb_streams *streams, uint32_t consumer);

/* Tokens issued and not done, for that consumer (or all with UINT32_MAX): 0 after the last delivery. */
uint64_t lb_streams_outstanding(struct lb_streams *streams, uint32_t consumer);

#endif
