/*
 * stream_consumers.c - consumers that come and go while streams are read.
 *
 * A number belongs to a consumer until it is removed, then to the next that
 * comes. The tricky thing is when a new one begins: batches that were routed
 * without it are still on their way, so its marks are set when the last of
 * them has left the sequencer, to where each stream has been handed on.
 */
#include "stream.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <assert.h>

#define MODULE "stream"

/* --- names ------------------------------------------------------------------------ */

static struct lb_str keep_name(struct lb_streams *streams, struct lb_str name)
{
    for (struct lb_str_link *link = streams->names; link != NULL; link = link->next) {
        if (lb_str_equal(link->text, name))
            return link->text;
    }
    struct lb_str_link *link = lb_alloc(sizeof(*link) + name.len + 1);
    if (link == NULL)
        return (struct lb_str){ NULL, 0 };
    memcpy(link->bytes, name.ptr, name.len);
    link->text = (struct lb_str){ link->bytes, name.len };
    link->next = streams->names;
    streams->names = link;
    return link->text;
}

bool lb_streams_name(struct lb_streams *streams, struct lb_str name, uint32_t *consumer)
{
    uint32_t number = 0;
    struct lb_str kept = keep_name(streams, name);

    while (number < streams->consumer_count && streams->consumers[number].len > 0)
        number++;
    if (kept.ptr == NULL || number == LB_CONSUMERS_MAX)
        return false;
    streams->consumers[number] = kept;
    if (number == streams->consumer_count)
        streams->consumer_count++;
    lb_marks_open(streams, number);
    *consumer = number;
    return true;
}

void lb_streams_free_names(struct lb_streams *streams)
{
    while (streams->names != NULL) {
        struct lb_str_link *link = streams->names;

        streams->names = link->next;
        lb_free(link);
    }
}

/* --- tracks ------------------------------------------------------------------------- */

bool lb_stream_grow(struct lb_streams *streams, struct lb_stream_entry *entry)
{
    uint32_t capacity = streams->consumer_count;
    bool grown = true;

    if (entry->track_capacity >= capacity)
        return true;
    if (entry->track_capacity > 0)
        capacity += LB_TRACKS_STEP;
    pthread_mutex_lock(&entry->lock);
    struct lb_track *tracks = lb_realloc(entry->tracks, capacity * sizeof(*tracks));
    if (tracks == NULL) {
        grown = false;
    } else {
        for (uint32_t i = entry->track_capacity; i < capacity; i++)
            tracks[i] = (struct lb_track){ .limit = UINT64_MAX };
        entry->tracks = tracks;
        entry->track_capacity = capacity;
    }
    pthread_mutex_unlock(&entry->lock);
    return grown;
}

/* Behind everything that was handed on to anybody. With the entry's lock held. */
static uint64_t handed_on(const struct lb_stream_entry *entry)
{
    uint64_t highest = 0;

    for (uint32_t i = 0; i < entry->track_capacity; i++) {
        const struct lb_track *track = &entry->tracks[i];
        uint64_t end = track->last != NULL ? track->last->end : track->mark;

        if (end > highest)
            highest = end;
    }
    return highest;
}

static void begin_at(struct lb_stream_entry *entry, uint32_t consumer)
{
    pthread_mutex_lock(&entry->lock);
    struct lb_track *track = &entry->tracks[consumer];
    uint64_t mark = handed_on(entry);
    if (track->first == NULL && track->mark < mark) {
        track->mark = mark;
        track->changed = entry->stream.durable;
    }
    pthread_mutex_unlock(&entry->lock);
}

void lb_streams_begin_consumer(struct lb_streams *streams, uint32_t consumer)
{
    pthread_mutex_lock(&streams->lock);
    for (unsigned i = 0; i < LB_STREAM_BUCKETS; i++) {
        for (struct lb_stream *stream = streams->buckets[i]; stream != NULL; stream = stream->next)
            begin_at(lb_stream_entry(stream), consumer);
    }
    pthread_mutex_unlock(&streams->lock);
}

/* --- coming --------------------------------------------------------------------------- */

static bool grow_all(struct lb_streams *streams)
{
    for (unsigned i = 0; i < LB_STREAM_BUCKETS; i++) {
        for (struct lb_stream *stream = streams->buckets[i]; stream != NULL; stream = stream->next) {
            if (!lb_stream_grow(streams, lb_stream_entry(stream)))
                return false;
        }
    }
    return true;
}

enum lb_err lb_streams_add(struct lb_streams *streams, struct lb_str name, uint32_t *consumer)
{
    enum lb_err err = LB_LIMIT;

    pthread_mutex_lock(&streams->lock);
    bool named = lb_streams_name(streams, name, consumer);
    if (named && !grow_all(streams)) {
        streams->consumers[*consumer].len = 0;
        named = false;
        err = LB_NOMEM;
    }
    streams->changes += named;
    pthread_mutex_unlock(&streams->lock);
    if (!named)
        return err;
    /* For now at the highest of what is committed: a crash before begin() repeats little, and loses nothing. */
    lb_streams_begin_consumer(streams, *consumer);
    err = lb_streams_adopt(streams);
    if (err != LB_OK)
        lb_streams_remove(streams, *consumer);
    return err;
}

/* --- going ------------------------------------------------------------------------------ */

static struct lb_token *forget(struct lb_stream_entry *entry, uint32_t consumer, struct lb_token *chain)
{
    pthread_mutex_lock(&entry->lock);
    struct lb_track *track = &entry->tracks[consumer];
    chain = lb_marks_take(track, chain);
    *track = (struct lb_track){ .limit = UINT64_MAX };
    pthread_mutex_unlock(&entry->lock);
    return chain;
}

static void choose_carrier(struct lb_streams *streams)
{
    uint32_t number = 0;

    while (number < streams->consumer_count && (streams->consumers[number].len == 0 || number == streams->engine))
        number++;
    streams->carrier = number;
}

void lb_streams_remove(struct lb_streams *streams, uint32_t consumer)
{
    struct lb_token *chain = NULL;

    pthread_mutex_lock(&streams->lock);
    assert(consumer != streams->engine);
    streams->consumers[consumer].len = 0;
    if (consumer == streams->carrier)
        choose_carrier(streams);
    for (unsigned i = 0; i < LB_STREAM_BUCKETS; i++) {
        for (struct lb_stream *stream = streams->buckets[i]; stream != NULL; stream = stream->next)
            chain = forget(lb_stream_entry(stream), consumer, chain);
    }
    pthread_mutex_unlock(&streams->lock);
    lb_marks_give_back(streams, consumer, chain);
    if (lb_streams_adopt(streams) != LB_OK)
        LB_WARN(MODULE, "marks of a removed sink stay in the ledger until the next start");
}

void lb_stream_drop(struct lb_stream *stream, uint32_t consumer)
{
    struct lb_stream_entry *entry = lb_stream_entry(stream);

    pthread_mutex_lock(&entry->lock);
    struct lb_token *chain = lb_marks_take(&entry->tracks[consumer], NULL);
    pthread_mutex_unlock(&entry->lock);
    lb_marks_give_back(stream->registry, consumer, chain);
}
