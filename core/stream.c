/*
 * stream.c - the streams of a run, from opening to the last mark.
 *
 * The tricky thing is the end: the last reference may go (file closed, all
 * delivered) before the marks are in the ledger. Such a stream stays in the
 * registry, without references, until the commit that follows has held; if
 * its source opens it again before that, its marks are taken over. Marks come
 * from the ledger first, which takes a while when others commit, and then it
 * may have gone: what was read is then older than what is there.
 */
#include "stream.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_log.h"
#include "lb_source.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define MODULE "stream"

enum { STREAM_ARENA_BYTES = 1024 * 1024 };

/* --- registry -------------------------------------------------------------------- */

static bool name_consumers(struct lb_streams *streams, const struct lb_strs *consumers)
{
    uint32_t last = 0;

    assert(consumers->count > 0);
    pthread_mutex_lock(&streams->lock);
    bool named = true;
    for (size_t i = 0; i < consumers->count && named; i++)
        named = lb_streams_name(streams, consumers->items[i], &last);
    streams->engine = last;
    pthread_mutex_unlock(&streams->lock);
    return named;
}

struct lb_streams *lb_streams_new(struct lb_ledger *ledger, const struct lb_strs *consumers)
{
    struct lb_streams *streams = lb_alloc(sizeof(*streams));

    if (streams == NULL)
        return NULL;
    streams->ledger = ledger;
    pthread_mutex_init(&streams->commit_lock, NULL);
    pthread_mutex_init(&streams->lock, NULL);
    pthread_mutex_init(&streams->token_lock, NULL);
    lb_ledger_txn_init(&streams->group);
    if (name_consumers(streams, consumers) && lb_streams_adopt(streams) == LB_OK)
        return streams;
    lb_streams_free(streams);
    return NULL;
}

static void free_entry(struct lb_stream_entry *entry)
{
    lb_arena_free(&entry->stream.arena);
    lb_generation_unref(entry->generation);
    lb_free((void *)entry->identity.ptr);
    lb_free(entry->tracks);
    pthread_mutex_destroy(&entry->lock);
    lb_free(entry);
}

/* Streams with records that were never delivered are left at the end of a run, and are freed too. */
void lb_streams_free(struct lb_streams *streams)
{
    if (streams == NULL)
        return;
    for (unsigned i = 0; i < LB_STREAM_BUCKETS; i++) {
        while (streams->buckets[i] != NULL)
            lb_stream_remove(&streams->buckets[i]);
    }
    lb_marks_free(streams);
    lb_ledger_txn_free(&streams->group);
    lb_streams_free_names(streams);
    pthread_mutex_destroy(&streams->token_lock);
    pthread_mutex_destroy(&streams->lock);
    pthread_mutex_destroy(&streams->commit_lock);
    lb_free(streams);
}

static struct lb_stream **find_link(struct lb_streams *streams, uint64_t id)
{
    struct lb_stream **link = &streams->buckets[id % LB_STREAM_BUCKETS];

    while (*link != NULL && (*link)->id != id)
        link = &(*link)->next;
    return link;
}

static void insert(struct lb_streams *streams, struct lb_stream_entry *entry)
{
    struct lb_stream **link = &streams->buckets[entry->stream.id % LB_STREAM_BUCKETS];

    entry->stream.next = *link;
    *link = &entry->stream;
}

void lb_stream_remove(struct lb_stream **link)
{
    struct lb_stream_entry *entry = lb_stream_entry(*link);

    *link = entry->stream.next;
    free_entry(entry);
}

/* --- how far behind ------------------------------------------------------------------ */

void lb_stream_note_unread(struct lb_stream *stream, uint64_t bytes)
{
    int64_t none = 0;

    atomic_store_explicit(&stream->unread, bytes, memory_order_relaxed);
    if (bytes == 0)
        atomic_store_explicit(&stream->behind_since, 0, memory_order_relaxed);
    else
        (void)atomic_compare_exchange_strong(&stream->behind_since, &none, lb_clock_monotonic());
}

static int64_t behind_since(const struct lb_stream *stream)
{
    return atomic_load_explicit(&stream->behind_since, memory_order_relaxed);
}

int64_t lb_streams_behind(struct lb_streams *streams, uint64_t id)
{
    int64_t since = 0;

    pthread_mutex_lock(&streams->lock);
    if (id != 0) {
        const struct lb_stream *stream = *find_link(streams, id);

        since = stream != NULL ? behind_since(stream) : 0;
    }
    for (unsigned i = 0; id == 0 && i < LB_STREAM_BUCKETS; i++) {
        for (const struct lb_stream *stream = streams->buckets[i]; stream != NULL; stream = stream->next) {
            int64_t each = behind_since(stream);

            if (each != 0 && (since == 0 || each < since))
                since = each;
        }
    }
    pthread_mutex_unlock(&streams->lock);
    return since != 0 ? lb_clock_monotonic() - since : 0;
}

int64_t lb_streams_behind_of(struct lb_streams *streams, struct lb_str source, uint64_t *bytes)
{
    int64_t since = 0;

    *bytes = 0;
    pthread_mutex_lock(&streams->lock);
    for (unsigned i = 0; i < LB_STREAM_BUCKETS; i++) {
        for (const struct lb_stream *stream = streams->buckets[i]; stream != NULL; stream = stream->next) {
            int64_t each = behind_since(stream);

            if (stream->source == NULL || !lb_str_equal(stream->source->section.name, source))
                continue;
            *bytes += atomic_load_explicit(&stream->unread, memory_order_relaxed);
            if (each != 0 && (since == 0 || each < since))
                since = each;
        }
    }
    pthread_mutex_unlock(&streams->lock);
    return since != 0 ? lb_clock_monotonic() - since : 0;
}

/* --- opening ------------------------------------------------------------------------ */

static uint64_t random_id(void)
{
    uint64_t id = 0;

    while (id == 0) {
        if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
            id = 0;
    }
    return id;
}

static struct lb_stream_entry *new_entry(struct lb_streams *streams, const struct lb_source *source, uint64_t id)
{
    struct lb_stream_entry *entry = lb_alloc(sizeof(*entry));

    if (entry == NULL)
        return NULL;
    pthread_mutex_init(&entry->lock, NULL);
    entry->stream.id = id;
    entry->stream.source = source;
    entry->stream.level = LB_LEVEL_NONE;
    entry->stream.registry = streams;
    entry->generation = lb_generation_ref(source != NULL ? source->generation : NULL);
    atomic_init(&entry->stream.references, 1);
    lb_arena_init(&entry->stream.arena, STREAM_ARENA_BYTES);
    pthread_mutex_lock(&streams->lock);
    bool grown = lb_stream_grow(streams, entry);
    entry->adopted = streams->changes;
    pthread_mutex_unlock(&streams->lock);
    if (grown)
        return entry;
    free_entry(entry);
    return NULL;
}

struct lb_stream *lb_stream_new(struct lb_streams *streams, const struct lb_source *source)
{
    struct lb_stream_entry *entry = new_entry(streams, source, random_id());

    if (entry == NULL)
        return NULL;
    pthread_mutex_lock(&streams->lock);
    bool grown = lb_stream_grow(streams, entry);
    if (grown)
        insert(streams, entry);
    pthread_mutex_unlock(&streams->lock);
    if (grown)
        return &entry->stream;
    free_entry(entry);
    return NULL;
}

/* With the lock held. */
static bool is_grouping(const struct lb_streams *streams)
{
    return streams->grouping && pthread_equal(streams->grouping_thread, pthread_self());
}

static void put_first_marks(struct lb_streams *streams, struct lb_ledger_txn *txn, uint64_t id)
{
    pthread_mutex_lock(&streams->lock);
    for (uint32_t i = 0; i < streams->consumer_count; i++) {
        if (streams->consumers[i].len > 0)
            lb_stream_put_mark(streams, txn, i, id, 0);
    }
    pthread_mutex_unlock(&streams->lock);
}

static void put_new(struct lb_streams *streams, struct lb_ledger_txn *txn, const struct lb_stream_entry *entry,
                    struct lb_str identity, bool is_new)
{
    lb_stream_put_identity(txn, entry->stream.id, lb_source_name(entry->stream.source), identity);
    if (is_new)
        put_first_marks(streams, txn, entry->stream.id);
}

/*
 * The identity (and of a new stream all marks, so that each consumer has one) is durable, or will be by the group. With
 * commit_lock, so that a consumer that comes meanwhile either is among these, or finds the stream when it is adopted.
 */
static enum lb_err write_identity(struct lb_streams *streams, const struct lb_stream_entry *entry,
                                  struct lb_str identity, bool is_new)
{
    struct lb_ledger_txn own;

    pthread_mutex_lock(&streams->lock);
    bool grouping = is_grouping(streams);
    pthread_mutex_unlock(&streams->lock);
    if (grouping) {
        put_new(streams, &streams->group, entry, identity, is_new);
        return LB_OK;
    }
    lb_ledger_txn_init(&own);
    pthread_mutex_lock(&streams->commit_lock);
    put_new(streams, &own, entry, identity, is_new);
    enum lb_err err = lb_ledger_commit(streams->ledger, &own);
    int cause = errno;
    pthread_mutex_unlock(&streams->commit_lock);
    lb_ledger_txn_free(&own);
    errno = cause;
    return err;
}

/* What is not in the ledger yet of the same stream, which ended a moment ago. With the lock held. */
static void take_over(struct lb_streams *streams, struct lb_stream_entry *entry, struct lb_stream_entry *old,
                      struct lb_str identity)
{
    for (uint32_t i = 0; i < streams->consumer_count; i++) {
        entry->tracks[i].mark = old->tracks[i].mark;
        entry->tracks[i].limit = old->tracks[i].limit;
        entry->tracks[i].changed = old->tracks[i].changed;
        entry->tracks[i].in_commit = old->tracks[i].in_commit;
    }
    if (old->pending == LB_PENDING_NONE && !entry->written)
        return;
    /* The older identity may be committed after ours, or may have been: put ours once more. */
    struct lb_str copy = { lb_alloc(identity.len + 1), identity.len };
    if (copy.ptr == NULL)
        return;
    if (identity.len > 0)
        memcpy((char *)copy.ptr, identity.ptr, identity.len);
    entry->identity = copy;
    entry->pending = LB_PENDING_CHANGED;
}

/*
 * A consumer that came while the marks were loaded has none here yet: the caller tries again. So does who opens one
 * that `went`: it had ended and has left the registry meanwhile, so its marks are in the ledger, but only now. All
 * marks of a new stream are 0, whoever comes.
 */
static enum lb_err join(struct lb_streams *streams, struct lb_stream_entry *entry, struct lb_str identity, bool is_new)
{
    enum lb_err err = LB_OK;

    pthread_mutex_lock(&streams->lock);
    struct lb_stream **link = find_link(streams, entry->stream.id);
    struct lb_stream_entry *old = *link != NULL ? lb_stream_entry(*link) : NULL;
    entry->went = old == NULL && entry->follows;
    if (old != NULL && old->forgotten)
        err = LB_END;
    else if ((old != NULL && old->stream.references > 0) || (!is_new && entry->adopted != streams->changes) ||
             entry->went)
        err = LB_AGAIN;
    else if (!lb_stream_grow(streams, entry))
        err = LB_NOMEM;
    if (err == LB_OK && old != NULL) {
        take_over(streams, entry, old, identity);
        lb_stream_remove(link);
    }
    if (err == LB_OK)
        insert(streams, entry);
    pthread_mutex_unlock(&streams->lock);
    return err;
}

static void note_resume(struct lb_streams *streams, struct lb_stream_entry *entry)
{
    struct lb_stream *stream = &entry->stream;

    bool first = true;

    pthread_mutex_lock(&streams->lock);
    for (uint32_t i = 0; i < streams->consumer_count; i++) {
        uint64_t mark = entry->tracks[i].mark;

        if (streams->consumers[i].len == 0)
            continue;
        if (first || mark < stream->resume)
            stream->resume = mark;
        if (mark > stream->resume_until)
            stream->resume_until = mark;
        first = false;
    }
    pthread_mutex_unlock(&streams->lock);
}

/* Whether it may be opened at all, before anything is written. */
static enum lb_err check_known(struct lb_streams *streams, struct lb_stream_entry *entry, struct lb_str identity,
                               bool *changed)
{
    enum lb_err err = LB_OK;

    pthread_mutex_lock(&streams->lock);
    const struct lb_stream *old = *find_link(streams, entry->stream.id);
    if (old != NULL && old->references > 0)
        err = LB_AGAIN;
    entry->follows = old != NULL;
    pthread_mutex_unlock(&streams->lock);
    if (err != LB_OK)
        return err;
    return lb_stream_look_up(streams, entry->stream.id, lb_source_name(entry->stream.source), identity, changed);
}

static enum lb_err open_known(struct lb_streams *streams, struct lb_stream_entry *entry, struct lb_str identity)
{
    enum lb_err err;

    do {
        bool changed = true;

        entry->went = false;
        err = check_known(streams, entry, identity, &changed);
        if (err == LB_OK && changed)
            err = write_identity(streams, entry, identity, false);
        entry->written = entry->written || changed;
        if (err != LB_OK)
            return err;
        lb_stream_load_marks(streams, entry);
        err = join(streams, entry, identity, false);
    } while (err == LB_AGAIN && entry->went);
    return err;
}

static enum lb_err open_new(struct lb_streams *streams, struct lb_stream_entry *entry, struct lb_str identity)
{
    enum lb_err err = write_identity(streams, entry, identity, true);

    return err == LB_OK ? join(streams, entry, identity, true) : err;
}

enum lb_err lb_stream_open(struct lb_streams *streams, const struct lb_source *source, uint64_t id,
                           struct lb_str identity, struct lb_stream **stream)
{
    struct lb_stream_entry *entry = new_entry(streams, source, id != 0 ? id : random_id());

    if (entry == NULL)
        return LB_NOMEM;
    entry->stream.durable = true;
    enum lb_err err = id == 0 ? open_new(streams, entry, identity) : open_known(streams, entry, identity);
    if (err != LB_OK) {
        free_entry(entry);
        return err;
    }
    note_resume(streams, entry);
    *stream = &entry->stream;
    return LB_OK;
}

void lb_streams_begin(struct lb_streams *streams)
{
    pthread_mutex_lock(&streams->lock);
    assert(!streams->grouping);
    streams->grouping = true;
    streams->grouping_thread = pthread_self();
    streams->group_changes = streams->changes;
    pthread_mutex_unlock(&streams->lock);
    lb_ledger_txn_free(&streams->group); /* what an end that failed has left */
}

/* A consumer that came since the beginning did not find these streams when it was adopted: it is adopted once more. */
enum lb_err lb_streams_end(struct lb_streams *streams)
{
    pthread_mutex_lock(&streams->commit_lock);
    pthread_mutex_lock(&streams->lock);
    streams->grouping = false;
    bool came = streams->changes != streams->group_changes;
    pthread_mutex_unlock(&streams->lock);
    enum lb_err err = lb_ledger_commit(streams->ledger, &streams->group);
    if (err == LB_OK && came)
        err = lb_streams_adopt_locked(streams);
    int cause = errno;
    pthread_mutex_unlock(&streams->commit_lock);
    if (err == LB_OK)
        lb_ledger_txn_free(&streams->group);
    errno = cause;
    return err;
}

/* --- changes --------------------------------------------------------------------------- */

void lb_stream_identify(struct lb_stream *stream, struct lb_str identity)
{
    struct lb_stream_entry *entry = lb_stream_entry(stream);
    char *copy = stream->durable ? lb_alloc(identity.len + 1) : NULL;

    if (copy == NULL) {
        if (stream->durable)
            LB_WARN(MODULE, "no memory to note a changed file, the ledger keeps what it knew stream=%016llx",
                    (unsigned long long)stream->id);
        return;
    }
    if (identity.len > 0)
        memcpy(copy, identity.ptr, identity.len);
    pthread_mutex_lock(&stream->registry->lock);
    if (!entry->forgotten) {
        lb_free((void *)entry->identity.ptr);
        entry->identity = (struct lb_str){ copy, identity.len };
        entry->pending = LB_PENDING_CHANGED;
        copy = NULL;
    }
    pthread_mutex_unlock(&stream->registry->lock);
    lb_free(copy);
}

void lb_stream_forget(struct lb_stream *stream)
{
    struct lb_stream_entry *entry = lb_stream_entry(stream);

    struct lb_streams *streams = stream->registry;

    if (!stream->durable)
        return;
    pthread_mutex_lock(&streams->lock);
    if (!entry->forgotten) {
        entry->forgotten = true;
        entry->pending = LB_PENDING_CHANGED;
        /* The group may hold its identity, and be committed behind its end. */
        if (is_grouping(streams))
            lb_stream_delete_all(streams, &streams->group, stream->id);
    }
    pthread_mutex_unlock(&streams->lock);
}

/* --- references -------------------------------------------------------------------------- */

void lb_stream_ref(struct lb_stream *stream)
{
    unsigned before = atomic_fetch_add_explicit(&stream->references, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before;
}

bool lb_stream_is_over(struct lb_streams *streams, struct lb_stream_entry *entry)
{
    if (entry->stream.references > 0)
        return false;
    if (!entry->stream.durable)
        return true;
    if (entry->pending != LB_PENDING_NONE)
        return false;
    if (entry->forgotten)
        return true;
    for (uint32_t i = 0; i < streams->consumer_count; i++) {
        if (entry->tracks[i].changed || entry->tracks[i].in_commit)
            return false;
    }
    return true;
}

/* The last reference goes under the registry's lock, so that nobody finds the stream between going and gone. */
void lb_stream_unref(struct lb_stream *stream)
{
    struct lb_streams *streams = stream->registry;
    unsigned count = atomic_load_explicit(&stream->references, memory_order_relaxed);

    assert(count > 0);
    while (count > 1) {
        if (atomic_compare_exchange_weak_explicit(&stream->references, &count, count - 1, memory_order_release,
                                                  memory_order_relaxed))
            return;
    }
    pthread_mutex_lock(&streams->lock);
    if (atomic_fetch_sub_explicit(&stream->references, 1, memory_order_acq_rel) == 1 &&
        lb_stream_is_over(streams, lb_stream_entry(stream)))
        lb_stream_remove(find_link(streams, stream->id));
    pthread_mutex_unlock(&streams->lock);
}
