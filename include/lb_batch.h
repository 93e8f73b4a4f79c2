/*
 * lb_batch.h - the unit that moves between threads.
 *
 *   source ─▶ [queue] ─▶ worker ─▶ sequencer ─▶ sinks, alert engine
 *
 * A batch is a slab of raw bytes of one stream with the arena of all that is
 * derived from them. Ingest writes the bytes from the front of the slab and
 * a table of events (where each line or datagram lies) from its end, so one
 * slab holds both. The slab ends at an event boundary: no worker ever needs
 * a neighbour. A worker adds records and selections; then the batch is
 * frozen and any number of consumers read it, one reference each. The last
 * lb_batch_unref() gives slab and credit back to the pool.
 *
 * Position: where in its stream a byte stands. For files it is the byte
 * offset, for sockets a counter of messages.
 */
#ifndef LB_BATCH_H
#define LB_BATCH_H

#include "lb_arena.h"
#include "lb_generation.h"
#include "lb_record.h"

#include <stdatomic.h>
#include <stdint.h>

struct lb_pool;
struct lb_share;
struct lb_stream;

/* One line, frame or datagram: bytes[start, start + length), without its terminator. */
struct lb_event {
    uint32_t start;
    uint32_t length : 31;
    uint32_t truncated : 1; /* cut at max_line */
};

/* Records of a batch that go to one consumer, rising. `indexes` NULL: all records [0, count). */
struct lb_selection {
    uint32_t count;
    uint32_t *indexes;
};

/* What one alert rule needs of one record; written by workers, in record order. */
struct lb_feed {
    uint32_t record;
    uint16_t rule;
    uint16_t bits;     /* bit n: the rule's n-th predicate holds */
    double number;     /* of the field that the rule measures; for distinct() it stands for the value; NAN: none */
    struct lb_str key; /* of the `by` fields: `name=value` pairs joined by 0x1f, empty without `by` */
};

/* By what a filter with memory judges a record; written by workers, in order of records and filters. */
struct lb_filter_key {
    uint64_t key;
    uint32_t record;
    uint32_t filter;
};

struct lb_batch {
    /* Ingest writes these. */
    char *bytes;
    uint32_t length;   /* of the bytes in use */
    uint32_t capacity; /* of the slab: bytes and event table share it */
    uint32_t event_count;
    bool counted;          /* positions count events, not bytes */
    uint64_t position;     /* of the first event in the stream */
    uint64_t position_end; /* behind the last byte that this batch covers, terminators included */
    int64_t arrival_ns;
    struct lb_stream *stream; /* a reference is held */
    uint64_t origin; /* of a batch that comes back from a spool: the id of its first stream, for record ids; or 0 */
    struct lb_str *peers; /* the sender of each event, in the arena: its host, then lines `name=value`, which are fields
                             of its records; NULL: all that is known is of the stream */
    struct lb_str name;   /* from an intake (lb_intake.h): of the stream it came from, in the arena; else empty */
    struct lb_str host;   /* the same */

    /* Workers write these. */
    struct lb_arena arena;
    struct lb_record *records;
    uint32_t record_count;
    struct lb_selection *selections; /* one per sink */
    struct lb_feed *feeds;
    uint32_t feed_count;
    struct lb_filter_key *keys; /* judged behind the sequencer, before anybody else reads the batch */
    uint32_t key_count;

    /* The engine's. */
    uint64_t sequence;
    struct lb_generation *generation; /* the configuration it belongs to; a reference is held */
    atomic_uint references;
    struct lb_pool *pool;
    struct lb_share *share;
    size_t credit; /* bytes it holds of the pool */
    struct lb_batch *next;
};

/* Event `i`. The table grows downwards from the end of the slab. */
static inline struct lb_event *lb_batch_event(const struct lb_batch *batch, uint32_t i)
{
    return (struct lb_event *)(void *)(batch->bytes + batch->capacity) - 1 - i;
}

/* Bytes that may still be appended if `events` more events are to be noted. */
static inline size_t lb_batch_room(const struct lb_batch *batch, uint32_t events)
{
    size_t table = (size_t)(batch->event_count + events) * sizeof(struct lb_event);
    size_t used = batch->length + table;

    return used >= batch->capacity ? 0 : batch->capacity - used;
}

/* Notes bytes[start, start + length) as the next event. The caller has seen that there is room. */
static inline void lb_batch_note(struct lb_batch *batch, size_t start, size_t length)
{
    *lb_batch_event(batch, batch->event_count++) =
        (struct lb_event){ (uint32_t)start, (uint32_t)length & 0x7fffffff, 0 };
}

/* Position of event `i` relative to batch->position. `i` == event_count: the end. */
static inline uint32_t lb_batch_offset(const struct lb_batch *batch, uint32_t i)
{
    if (batch->counted)
        return i;
    if (i < batch->event_count)
        return lb_batch_event(batch, i)->start;
    return (uint32_t)(batch->position_end - batch->position);
}

/*
 * Behind the last byte of event `i`, relative to batch->position. Terminators and blank lines that follow do not count:
 * a mark that covers the event is never below it, wherever the batch that held it was cut.
 */
static inline uint32_t lb_batch_end(const struct lb_batch *batch, uint32_t i)
{
    const struct lb_event *event = lb_batch_event(batch, i);

    return batch->counted ? i + 1 : event->start + event->length;
}

/* The record behind entry `i` of a selection. */
static inline const struct lb_record *lb_batch_selected(const struct lb_batch *batch,
                                                        const struct lb_selection *selection, uint32_t i)
{
    return &batch->records[selection->indexes == NULL ? i : selection->indexes[i]];
}

/* The stable id of a record, "<stream, 16 hex>-<position, hex>", the same from a spool: `id` has room for
 * LB_RECORD_ID_SIZE bytes. Returns its length. */
enum { LB_RECORD_ID_SIZE = 34 };
size_t lb_record_id(const struct lb_batch *batch, const struct lb_record *record, char *id);

/* A batch without a pool (one line to explain, a test) stays with who made it. */
void lb_batch_ref(struct lb_batch *batch);
void lb_batch_unref(struct lb_batch *batch);

#endif
