/*
 * intake_record.c - a head, then the table of events, name, host, senders, bytes.
 *
 * The tricky thing is trust: the checksum of a journal says that bytes are what was written, not that this version
 * wrote them. So lengths must add up, and each event must lie within the bytes, before anything is used.
 */
#include "intake_record.h"

#include "lb_stream.h"

#include <endian.h>

enum {
    VERSION = 1,
    HEAD_BYTES = 32,
    EVENT_BYTES = 8,
    PEER_HEAD = 2, /* length */
};

#define TRUNCATED UINT32_C(0x80000000)

/* --- writing ------------------------------------------------------------------- */

static void put32(struct lb_buffer *out, uint32_t number)
{
    uint32_t bytes = htole32(number);

    lb_buffer_append(out, (const char *)&bytes, sizeof(bytes));
}

static void put64(struct lb_buffer *out, uint64_t number)
{
    uint64_t bytes = htole64(number);

    lb_buffer_append(out, (const char *)&bytes, sizeof(bytes));
}

/* Behind the last event a slab may hold an unfinished one, which comes again in the next. */
static uint32_t used_length(const struct lb_batch *batch)
{
    uint32_t length = 0;

    for (uint32_t i = 0; i < batch->event_count; i++) {
        const struct lb_event *event = lb_batch_event(batch, i);

        if (event->start + event->length > length)
            length = event->start + event->length;
    }
    return length;
}

static uint32_t peers_length(const struct lb_batch *batch)
{
    size_t length = 0;

    for (uint32_t i = 0; batch->peers != NULL && i < batch->event_count; i++)
        length += PEER_HEAD + batch->peers[i].len;
    return (uint32_t)length;
}

static void put_peers(struct lb_buffer *out, const struct lb_batch *batch)
{
    for (uint32_t i = 0; batch->peers != NULL && i < batch->event_count; i++) {
        uint16_t length = htole16((uint16_t)batch->peers[i].len);

        lb_buffer_append(out, (const char *)&length, sizeof(length));
        lb_buffer_append_str(out, batch->peers[i]);
    }
}

void intake_encode(const struct lb_batch *batch, struct lb_buffer *out)
{
    const struct lb_stream *stream = batch->stream;
    uint32_t peers = peers_length(batch);
    uint32_t length = used_length(batch);

    if (!lb_buffer_reserve(out, HEAD_BYTES + (size_t)batch->event_count * EVENT_BYTES + stream->name.len +
                                    stream->host.len + peers + length))
        return;
    put32(out, VERSION);
    put32(out, batch->event_count);
    put32(out, length);
    put32(out, (uint32_t)stream->name.len);
    put32(out, (uint32_t)stream->host.len);
    put32(out, peers);
    put64(out, (uint64_t)batch->arrival_ns);
    for (uint32_t i = 0; i < batch->event_count; i++) {
        const struct lb_event *event = lb_batch_event(batch, i);

        put32(out, event->start);
        put32(out, event->length | (event->truncated ? TRUNCATED : 0));
    }
    lb_buffer_append_str(out, stream->name);
    lb_buffer_append(out, stream->host.ptr, stream->host.len);
    put_peers(out, batch);
    lb_buffer_append(out, batch->bytes, length);
}

/* --- reading ------------------------------------------------------------------- */

static uint32_t get32(const char *bytes)
{
    uint32_t number;

    memcpy(&number, bytes, sizeof(number));
    return le32toh(number);
}

enum lb_err intake_decode_head(struct lb_str payload, struct intake_head *head)
{
    uint64_t arrival;

    if (payload.len < HEAD_BYTES)
        return LB_BAD_INPUT;
    memcpy(&arrival, payload.ptr + 24, sizeof(arrival));
    *head = (struct intake_head){
        .version = get32(payload.ptr),
        .events = get32(payload.ptr + 4),
        .length = get32(payload.ptr + 8),
        .name_len = get32(payload.ptr + 12),
        .host_len = get32(payload.ptr + 16),
        .peers_len = get32(payload.ptr + 20),
        .arrival_ns = (int64_t)le64toh(arrival),
    };
    uint64_t length = HEAD_BYTES + (uint64_t)head->events * EVENT_BYTES + head->name_len + head->host_len +
                      head->peers_len + head->length;
    bool good = head->version == VERSION && head->events > 0 && length == payload.len && length <= INTAKE_ENTRY_MAX;
    return good ? LB_OK : LB_BAD_INPUT;
}

size_t intake_slab_bytes(const struct intake_head *head)
{
    /* The table begins at a multiple of 8 below the end, whatever the length. */
    return (size_t)head->length + ((size_t)head->events + 1) * sizeof(struct lb_event);
}

static bool get_events(const char *at, const struct intake_head *head, struct lb_batch *batch)
{
    for (uint32_t i = 0; i < head->events; i++, at += EVENT_BYTES) {
        uint32_t start = get32(at);
        uint32_t length = get32(at + 4);
        bool truncated = (length & TRUNCATED) != 0;

        length &= ~TRUNCATED;
        if (start > head->length || length > head->length - start)
            return false;
        *lb_batch_event(batch, i) = (struct lb_event){ start, length & 0x7fffffff, truncated };
    }
    batch->event_count = head->events;
    return true;
}

static enum lb_err get_peers(const char *at, const struct intake_head *head, struct lb_batch *batch)
{
    uint32_t left = head->peers_len;

    if (left == 0)
        return LB_OK;
    struct lb_str copy = lb_arena_copy(&batch->arena, (struct lb_str){ at, left });
    struct lb_str *peers = lb_arena_alloc(&batch->arena, head->events * sizeof(*peers));
    if (copy.ptr == NULL || peers == NULL)
        return LB_NOMEM;
    at = copy.ptr;
    for (uint32_t i = 0; i < head->events; i++) {
        uint16_t length;

        if (left < PEER_HEAD)
            return LB_BAD_INPUT;
        memcpy(&length, at, sizeof(length));
        length = le16toh(length);
        left -= PEER_HEAD;
        if (length > left)
            return LB_BAD_INPUT;
        peers[i] = (struct lb_str){ at + PEER_HEAD, length };
        at += PEER_HEAD + length;
        left -= length;
    }
    batch->peers = peers;
    return left == 0 ? LB_OK : LB_BAD_INPUT;
}

bool intake_note_origin(struct lb_batch *batch, struct lb_str name, struct lb_str host)
{
    batch->name = name.len > 0 ? lb_arena_copy(&batch->arena, name) : LB_STR("");
    batch->host = host.len > 0 ? lb_arena_copy(&batch->arena, host) : LB_STR("");
    return batch->name.ptr != NULL && batch->host.ptr != NULL;
}

enum lb_err intake_decode(struct lb_str payload, struct lb_batch *batch)
{
    struct intake_head head;
    enum lb_err err = intake_decode_head(payload, &head);

    if (err != LB_OK)
        return err;
    const char *at = payload.ptr + HEAD_BYTES;
    if (batch->capacity < intake_slab_bytes(&head) || !get_events(at, &head, batch))
        return LB_BAD_INPUT;
    at += (size_t)head.events * EVENT_BYTES;
    if (!intake_note_origin(batch, (struct lb_str){ at, head.name_len },
                            (struct lb_str){ at + head.name_len, head.host_len }))
        return LB_NOMEM;
    at += (size_t)head.name_len + head.host_len;
    err = get_peers(at, &head, batch);
    if (err != LB_OK)
        return err;
    memcpy(batch->bytes, at + head.peers_len, head.length);
    batch->length = head.length;
    batch->counted = true;
    batch->arrival_ns = head.arrival_ns;
    return LB_OK;
}
