/*
 * Any bytes as a message of the Forward protocol: where it ends does not depend on cuts, slices stay inside it, and
 * every record that is written is a time and valid JSON of at most max_line, which the envelope reads.
 */
#include "ingest/forward.h"
#include "lb_json.h"

#include <assert.h>
#include <stdlib.h>

enum { MAX_LINE = 1024, SLACK = 64 * 1024, TEXT_ROOM = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the first value ends, `step` bytes coming at a time. SIZE_MAX: it does not. */
static size_t end_of(const char *bytes, size_t size, size_t step, enum lb_err *err)
{
    struct msgpack_extent extent = { .at = 0 };
    size_t len = 0;

    *err = LB_AGAIN;
    while (*err == LB_AGAIN && len < size) {
        len = size - len < step ? size : len + step;
        *err = msgpack_extend(&extent, bytes, len);
        assert(extent.at <= len);
        assert(*err != LB_AGAIN || extent.needed > len);
    }
    return *err == LB_OK ? extent.at : SIZE_MAX;
}

static void check_line(const struct lb_buffer *line)
{
    const char *blank = line->len > 0 ? memchr(line->ptr, ' ', line->len) : NULL;

    assert(blank != NULL && !line->failed && line->len <= MAX_LINE + TEXT_ROOM);
    assert(lb_json_valid((struct lb_str){ blank + 1, line->len - (size_t)(blank + 1 - line->ptr) }));

    struct lb_batch batch = { .bytes = malloc(2 * MAX_LINE), .capacity = 2 * MAX_LINE, .counted = true };
    lb_arena_init(&batch.arena, SLACK);
    memcpy(batch.bytes, line->ptr, line->len);
    batch.length = (uint32_t)line->len;
    lb_batch_note(&batch, 0, line->len);
    batch.position_end = 1;
    assert(lb_envelope_forward.open(&batch) == LB_OK && batch.record_count == 1);
    assert((batch.records[0].flags & LB_RECORD_PARSE_ERROR) == 0);
    lb_arena_free(&batch.arena);
    free(batch.bytes);
}

static bool read_entry(struct forward_peer *peer, struct lb_str tag, struct msgpack_reader *reader)
{
    struct forward_entry entry = { tag, 0, true };
    struct forward_line line;

    if (!forward_read_time(reader, &entry.time_ns))
        return false;
    switch (forward_write(peer, &entry, reader, &line)) {
    case FORWARD_RECORD: check_line(&forward_of(peer)->line); break;
    case FORWARD_BAD: return false;
    default: break;
    }
    if (line.part != NULL)
        forward_part_free(line.part);
    return true;
}

static void read_entries(struct forward_peer *peer, const struct forward_message *message, const char *bytes)
{
    struct lb_str tag = { bytes + message->tag, message->tag_len };
    struct msgpack_reader reader = { bytes + message->at, bytes + message->end };
    struct msgpack_item pair;

    if (message->mode == FORWARD_ONE)
        (void)read_entry(peer, tag, &reader);
    if (message->mode == FORWARD_ONE || message->compressed)
        return;
    while (reader.at < reader.end && msgpack_next(&reader, &pair) == LB_OK && pair.kind == MSGPACK_ARRAY &&
           pair.count == 2 && read_entry(peer, tag, &reader))
        ;
}

static void read_all(const char *bytes, size_t size)
{
    struct forward_source source = { .peers.unfinished_bytes = 0 };
    struct lb_source of = { .options.max_line = MAX_LINE };
    struct forward_peer peer = { .peer.owner = &source.peers };
    struct forward_message message;
    struct forward_part *part;

    source.peers.source = &of;
    lb_buffer_init(&source.line, MAX_LINE + SLACK);
    if (forward_read_message(&message, (struct lb_str){ bytes, size }) == NULL && message.mode != FORWARD_NOTHING) {
        assert(message.tag + message.tag_len <= size && message.at <= message.end && message.end <= size);
        assert(message.chunk + message.chunk_len <= size);
        read_entries(&peer, &message, bytes);
    }
    while ((part = forward_part_late(&peer, true)) != NULL) {
        forward_write_part(&peer, part);
        check_line(&source.line);
        forward_part_free(part);
    }
    forward_parts_free(&peer);
    lb_buffer_free(&source.line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size);
    enum lb_err err;
    enum lb_err err_by_cuts;

    if (size > 0)
        memcpy(copy, data, size);
    size_t end = end_of(copy, size, size + 1, &err);
    for (size_t step = 1; step < 8; step += 3) {
        assert(end_of(copy, size, step, &err_by_cuts) == end);
        assert(err_by_cuts == err);
    }
    if (end != SIZE_MAX)
        read_all(copy, end);
    free(copy);
    return 0;
}
