/*
 * mark.c - tokens, and the marks that move over them.
 *
 * A track is the list of what is on its way to one consumer, oldest first.
 * Tokens are done in any order; the mark moves to the end of each that is
 * done at the front. The tricky thing: what goes to nobody needs no token. It
 * only extends the last one, or moves the mark itself when nothing is before
 * it. And a token that moves to a spool leaves a stand-in, done, in its place:
 * its own address is what the sink holds.
 */
#include "stream.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define MODULE "marks"

enum { TOKENS_PER_BLOCK = 64 };

struct lb_token_block {
    struct lb_token_block *next;
    struct lb_token tokens[TOKENS_PER_BLOCK];
};

static const char *const outcome_names[] = { "delivered", "dead-lettered", "refused", "dropped" };

/* --- tokens from a list ------------------------------------------------------------- */

static struct lb_metric *count_batches(const char *name, const char *help, struct lb_str consumer)
{
    char text[256];
    char labels[600];

    snprintf(text, sizeof(text), LB_STR_FMT, LB_STR_ARG(consumer));
    return lb_metric(LB_COUNTER, name, help, lb_metric_labels(labels, sizeof(labels), "sink", text, (char *)NULL));
}

void lb_marks_open(struct lb_streams *streams, uint32_t consumer)
{
    struct lb_str name = streams->consumers[consumer];

    streams->refused_batches[consumer] = count_batches(
        "logboom_refused_batches_total", "Batches of which the sink refused records for good, which are lost", name);
    streams->dead_letter_batches[consumer] =
        count_batches("logboom_dead_letter_batches_total",
                      "Batches of which the sink refused records for good, which are kept elsewhere", name);
}

void lb_marks_free(struct lb_streams *streams)
{
    struct lb_token_block *block = streams->blocks;

    while (block != NULL) {
        struct lb_token_block *next = block->next;

        lb_free(block);
        block = next;
    }
}

/* With the token lock held. */
static void add_block(struct lb_streams *streams)
{
    struct lb_token_block *block = lb_alloc(sizeof(*block));

    if (block == NULL)
        return;
    block->next = streams->blocks;
    streams->blocks = block;
    for (unsigned i = 0; i < TOKENS_PER_BLOCK; i++) {
        block->tokens[i].next = streams->free_tokens;
        streams->free_tokens = &block->tokens[i];
    }
}

static struct lb_token *take_token(struct lb_streams *streams)
{
    pthread_mutex_lock(&streams->token_lock);
    if (streams->free_tokens == NULL)
        add_block(streams);
    struct lb_token *token = streams->free_tokens;
    if (token != NULL)
        streams->free_tokens = token->next;
    pthread_mutex_unlock(&streams->token_lock);
    return token;
}

/* A chain of them. */
static void put_tokens(struct lb_streams *streams, struct lb_token *token)
{
    pthread_mutex_lock(&streams->token_lock);
    while (token != NULL) {
        struct lb_token *next = token->next;

        token->next = streams->free_tokens;
        streams->free_tokens = token;
        token = next;
    }
    pthread_mutex_unlock(&streams->token_lock);
}

/* --- the mark ------------------------------------------------------------------------- */

/* Never backwards: after a restart a consumer that was ahead is told of what it has already. */
static void move_mark(struct lb_track *track, uint64_t end)
{
    if (end > track->limit)
        end = track->limit;
    if (end > track->mark) {
        track->mark = end;
        track->changed = true;
    }
}

static void append(struct lb_track *track, struct lb_token *token)
{
    if (track->last != NULL)
        track->last->next = token;
    else
        track->first = token;
    track->last = token;
}

/* Moves the mark over what is done at the front; the chain of what was passed. */
static struct lb_token *advance(struct lb_track *track)
{
    struct lb_token *passed = track->first;
    struct lb_token *end = NULL;

    while (track->first != NULL && track->first->done) {
        end = track->first;
        move_mark(track, end->end);
        track->first = end->next;
    }
    if (end == NULL)
        return NULL;
    end->next = NULL;
    if (track->first == NULL)
        track->last = NULL;
    return passed;
}

static void issue_empty(struct lb_track *track, uint64_t end)
{
    if (track->last == NULL)
        move_mark(track, end);
    else if (end > track->last->end)
        track->last->end = end;
}

/* Without a token nobody can tell when these records are safe: the mark must not pass them in this run. */
static void stop_mark(struct lb_stream_entry *entry, uint32_t consumer)
{
    LB_ERROR(MODULE, "no memory for a token; what follows in the stream comes again after a restart stream=%016" PRIx64,
             entry->stream.id);
    pthread_mutex_lock(&entry->lock);
    struct lb_track *track = &entry->tracks[consumer];
    uint64_t limit = track->last != NULL ? track->last->end : track->mark;
    if (limit < track->limit)
        track->limit = limit;
    pthread_mutex_unlock(&entry->lock);
}

static void init_token(struct lb_token *token, struct lb_stream *stream, uint32_t consumer, uint64_t end)
{
    atomic_init(&token->stream, stream);
    token->next = NULL;
    token->end = end;
    token->consumer = consumer;
    token->done = false;
    atomic_init(&token->holds, 1);
    atomic_init(&token->outcome, LB_DELIVERED);
    lb_stream_ref(stream);
}

struct lb_token *lb_token_issue(struct lb_stream *stream, uint32_t consumer, uint64_t end, bool empty)
{
    struct lb_streams *streams = stream->registry;
    struct lb_stream_entry *entry = lb_stream_entry(stream);

    struct lb_token *token = empty ? NULL : take_token(streams);
    if (token == NULL && !empty) {
        stop_mark(entry, consumer);
        return NULL;
    }
    if (token != NULL) {
        init_token(token, stream, consumer, end);
        atomic_fetch_add(&streams->outstanding[consumer], 1);
        atomic_fetch_add(&streams->outstanding[LB_CONSUMERS_MAX], 1);
    }
    pthread_mutex_lock(&entry->lock);
    assert(consumer < entry->track_capacity);
    if (token != NULL)
        append(&entry->tracks[consumer], token);
    else
        issue_empty(&entry->tracks[consumer], end);
    pthread_mutex_unlock(&entry->lock);
    return token;
}

void lb_token_hold(struct lb_token *token, uint32_t count)
{
    unsigned before = atomic_fetch_add_explicit(&token->holds, count, memory_order_relaxed);

    assert(before > 0);
    (void)before;
}

bool lb_token_is_last(const struct lb_token *token)
{
    return atomic_load_explicit(&token->holds, memory_order_acquire) == 1;
}

void lb_token_take_back(struct lb_token *token)
{
    atomic_store(&token->holds, 1);
}

/* With the lock of its stream's entry. */
static void put_in_place(struct lb_track *track, struct lb_token *token, struct lb_token *stand_in)
{
    struct lb_token **link = &track->first;

    while (*link != token)
        link = &(*link)->next;
    *link = stand_in;
    stand_in->next = token->next;
    if (track->last == token)
        track->last = stand_in;
}

/* Tokens that the mark has passed, all of that stream. */
static void let_go(struct lb_streams *streams, struct lb_stream *stream, struct lb_token *passed)
{
    uint32_t count = 0;

    for (struct lb_token *each = passed; each != NULL; each = each->next)
        count++;
    if (passed != NULL)
        put_tokens(streams, passed);
    for (; count > 0; count--)
        lb_stream_unref(stream);
}

bool lb_token_move(struct lb_token *token, struct lb_stream *stream, uint64_t end)
{
    struct lb_stream *from = token->stream;
    struct lb_streams *streams = from->registry;
    struct lb_stream_entry *entry = lb_stream_entry(from);
    struct lb_token *stand_in = take_token(streams);
    uint32_t consumer = token->consumer;

    if (stand_in == NULL)
        return false;
    /* The reference that the token held goes over to what stands in for it. */
    atomic_init(&stand_in->stream, from);
    stand_in->consumer = consumer;
    pthread_mutex_lock(&entry->lock);
    stand_in->end = token->end;
    stand_in->done = true;
    put_in_place(&entry->tracks[consumer], token, stand_in);
    struct lb_token *passed = advance(&entry->tracks[consumer]);
    pthread_mutex_unlock(&entry->lock);

    lb_stream_ref(stream);
    atomic_store(&token->stream, stream);
    token->next = NULL;
    token->end = end;
    entry = lb_stream_entry(stream);
    pthread_mutex_lock(&entry->lock);
    append(&entry->tracks[consumer], token);
    pthread_mutex_unlock(&entry->lock);
    let_go(streams, from, passed);
    return true;
}

/* Nobody holds it any more. */
static void finish(struct lb_token *token)
{
    struct lb_stream *stream = token->stream;
    struct lb_streams *streams = stream->registry;
    struct lb_stream_entry *entry = lb_stream_entry(stream);
    uint32_t consumer = token->consumer;
    unsigned outcome = atomic_load_explicit(&token->outcome, memory_order_relaxed);

    if (outcome == LB_REFUSED)
        lb_metric_add(streams->refused_batches[consumer], 1);
    else if (outcome == LB_DEAD_LETTERED)
        lb_metric_add(streams->dead_letter_batches[consumer], 1);
    pthread_mutex_lock(&entry->lock);
    token->done = true;
    struct lb_token *passed = advance(&entry->tracks[consumer]);
    pthread_mutex_unlock(&entry->lock);
    if (passed != NULL && stream->urgent)
        atomic_store_explicit(&streams->urgent[consumer], true, memory_order_release);
    let_go(streams, stream, passed);
    /* After the marks: who sees 0 here and collects then, finds them moved. */
    atomic_fetch_sub(&streams->outstanding[consumer], 1);
    atomic_fetch_sub(&streams->outstanding[LB_CONSUMERS_MAX], 1);
}

static void note_outcome(struct lb_token *token, enum lb_outcome outcome, const char *reason)
{
    const struct lb_stream *stream = token->stream;
    const struct lb_streams *streams = stream->registry;
    unsigned worst = atomic_load_explicit(&token->outcome, memory_order_relaxed);

    while (worst < outcome && !atomic_compare_exchange_weak_explicit(&token->outcome, &worst, outcome,
                                                                     memory_order_relaxed, memory_order_relaxed))
        ;
    if (outcome == LB_DROPPED)
        return;
    LB_WARN(MODULE, "records were not accepted sink=" LB_STR_FMT " outcome=%s stream=%016" PRIx64 " reason=\"%s\"",
            LB_STR_ARG(streams->consumers[token->consumer]), outcome_names[outcome], stream->id,
            reason != NULL ? reason : "none given");
}

void lb_token_done(struct lb_token *token, enum lb_outcome outcome, const char *reason)
{
    if (outcome != LB_DELIVERED)
        note_outcome(token, outcome, reason);
    unsigned before = atomic_fetch_sub_explicit(&token->holds, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        finish(token);
}

bool lb_streams_are_urgent(const struct lb_streams *streams, uint32_t consumer)
{
    return atomic_load_explicit(&streams->urgent[consumer], memory_order_acquire);
}

/* --- a consumer that is no more -------------------------------------------------------- */

struct lb_token *lb_marks_take(struct lb_track *track, struct lb_token *chain)
{
    if (track->first == NULL)
        return chain;
    track->last->next = chain;
    chain = track->first;
    track->first = NULL;
    track->last = NULL;
    return chain;
}

void lb_marks_give_back(struct lb_streams *streams, uint32_t consumer, struct lb_token *chain)
{
    uint64_t left = 0;

    for (struct lb_token *token = chain; token != NULL; token = token->next) {
        left += !token->done; /* those that are done behind a gap were counted off */
        lb_stream_unref(token->stream);
    }
    put_tokens(streams, chain);
    atomic_fetch_sub(&streams->outstanding[consumer], left);
    atomic_fetch_sub(&streams->outstanding[LB_CONSUMERS_MAX], left);
}

uint64_t lb_stream_mark(struct lb_stream *stream, uint32_t consumer)
{
    struct lb_stream_entry *entry = lb_stream_entry(stream);

    pthread_mutex_lock(&entry->lock);
    uint64_t mark = entry->tracks[consumer].mark;
    pthread_mutex_unlock(&entry->lock);
    return mark;
}

uint64_t lb_streams_outstanding(struct lb_streams *streams, uint32_t consumer)
{
    return atomic_load(&streams->outstanding[consumer == UINT32_MAX ? LB_CONSUMERS_MAX : consumer]);
}

/* --- into the ledger --------------------------------------------------------------------- */

/*
 * Which tracks a collect of `consumer` is about. The alert engine has no commits of its own: its marks go with those
 * of the carrier, as identities do.
 */
static bool goes_with(const struct lb_streams *streams, uint32_t consumer, uint32_t track)
{
    return consumer == UINT32_MAX || track == consumer || (consumer == streams->carrier && track == streams->engine);
}

static bool carries_identities(const struct lb_streams *streams, uint32_t consumer)
{
    return consumer == streams->carrier || consumer == UINT32_MAX;
}

/* What was put the last time is durable: nobody has said that it failed. */
static void collect_identity(struct lb_streams *streams, struct lb_stream_entry *entry, struct lb_ledger_txn *txn)
{
    struct lb_stream *stream = &entry->stream;

    if (entry->pending == LB_PENDING_IN_COMMIT) {
        entry->pending = LB_PENDING_NONE;
        lb_free((void *)entry->identity.ptr);
        entry->identity = (struct lb_str){ NULL, 0 };
    }
    if (entry->pending != LB_PENDING_CHANGED)
        return;
    if (entry->forgotten)
        lb_stream_delete_all(streams, txn, stream->id);
    else
        lb_stream_put_identity(txn, stream->id, lb_source_name(stream->source), entry->identity);
    entry->pending = LB_PENDING_IN_COMMIT;
}

/* True if there is any. */
static bool collect_marks(struct lb_streams *streams, struct lb_stream_entry *entry, uint32_t consumer,
                          struct lb_ledger_txn *txn)
{
    bool any = false;

    for (uint32_t i = 0; i < streams->consumer_count; i++) {
        struct lb_track *track = &entry->tracks[i];

        if (!goes_with(streams, consumer, i))
            continue;
        pthread_mutex_lock(&entry->lock);
        uint64_t mark = track->mark;
        track->in_commit = track->changed;
        track->changed = false;
        bool put = track->in_commit;
        pthread_mutex_unlock(&entry->lock);
        if (put && !entry->forgotten)
            lb_stream_put_mark(streams, txn, i, entry->stream.id, mark);
        any = any || put;
    }
    return any;
}

/*
 * No mark may be durable before the identity that was known when it moved: what was read of a file tells it from
 * others, and its copy. So that goes with every mark until the carrier has brought it.
 */
static void repeat_identity(const struct lb_stream_entry *entry, struct lb_ledger_txn *txn)
{
    if (entry->pending != LB_PENDING_NONE && !entry->forgotten)
        lb_stream_put_identity(txn, entry->stream.id, lb_source_name(entry->stream.source), entry->identity);
}

static void collect_failed(struct lb_streams *streams, struct lb_stream_entry *entry, uint32_t consumer)
{
    if (carries_identities(streams, consumer) && entry->pending == LB_PENDING_IN_COMMIT)
        entry->pending = LB_PENDING_CHANGED;
    pthread_mutex_lock(&entry->lock);
    for (uint32_t i = 0; i < streams->consumer_count; i++) {
        struct lb_track *track = &entry->tracks[i];

        if (!goes_with(streams, consumer, i))
            continue;
        track->changed = track->changed || track->in_commit;
        track->in_commit = false;
    }
    pthread_mutex_unlock(&entry->lock);
}

static void collect_bucket(struct lb_streams *streams, struct lb_stream **link, uint32_t consumer,
                           struct lb_ledger_txn *txn)
{
    while (*link != NULL) {
        struct lb_stream_entry *entry = lb_stream_entry(*link);

        bool carries = carries_identities(streams, consumer);

        if (entry->stream.durable && carries)
            collect_identity(streams, entry, txn);
        if (entry->stream.durable && collect_marks(streams, entry, consumer, txn) && !carries)
            repeat_identity(entry, txn);
        if (lb_stream_is_over(streams, entry))
            lb_stream_remove(link);
        else
            link = &(*link)->next;
    }
}

void lb_streams_collect(struct lb_streams *streams, uint32_t consumer, struct lb_ledger_txn *txn)
{
    /* First: what moves from here on may or may not be collected, and is urgent again. */
    if (consumer < LB_CONSUMERS_MAX)
        atomic_store_explicit(&streams->urgent[consumer], false, memory_order_release);
    pthread_mutex_lock(&streams->lock);
    for (unsigned i = 0; i < LB_STREAM_BUCKETS; i++)
        collect_bucket(streams, &streams->buckets[i], consumer, txn);
    pthread_mutex_unlock(&streams->lock);
}

void lb_streams_collect_failed(struct lb_streams *streams, uint32_t consumer)
{
    pthread_mutex_lock(&streams->lock);
    for (unsigned i = 0; i < LB_STREAM_BUCKETS; i++) {
        for (struct lb_stream *stream = streams->buckets[i]; stream != NULL; stream = stream->next)
            collect_failed(streams, lb_stream_entry(stream), consumer);
    }
    pthread_mutex_unlock(&streams->lock);
}

/*
 * Collected and committed under one lock, or an identity that one consumer takes along could be committed behind the
 * next one, that the carrier brought meanwhile; or behind the end of its stream, which then would be back. The ledger
 * takes one commit at a time anyway.
 */
enum lb_err lb_streams_commit(struct lb_streams *streams, uint32_t consumer, struct lb_ledger_txn *txn,
                              void (*add)(void *context, struct lb_ledger_txn *txn), void *context)
{
    pthread_mutex_lock(&streams->commit_lock);
    lb_streams_collect(streams, consumer, txn);
    if (add != NULL)
        add(context, txn);
    enum lb_err err = lb_ledger_commit(streams->ledger, txn);
    int cause = errno;
    if (err != LB_OK)
        lb_streams_collect_failed(streams, consumer);
    pthread_mutex_unlock(&streams->commit_lock);
    errno = cause;
    return err;
}
