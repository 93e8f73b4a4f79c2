/*
 * Any datagrams as GELF, chunks and compressed ones among them: what comes out is bounded, whatever went in, and is one
 * record. Each datagram of the input is a byte (its peer and the time that passes), two bytes of length, and its bytes.
 */
#include "ingest/gelf_unpack.h"
#include "lb_json.h"
#include "lb_parser.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 64 * 1024, HEAD = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_message(struct lb_str text)
{
    static struct lb_batch batch;
    size_t capacity = (text.len + sizeof(struct lb_event) + 7) & ~(size_t)7;

    if (batch.arena.bytes_max == 0)
        lb_arena_init(&batch.arena, 1 << 24);
    batch.bytes = malloc(capacity);
    batch.capacity = (uint32_t)capacity;
    batch.length = (uint32_t)text.len;
    batch.event_count = 0;
    batch.counted = true;
    memcpy(batch.bytes, text.ptr, text.len);
    lb_batch_note(&batch, 0, text.len);
    assert(lb_envelope_gelf.open(&batch) == LB_OK && batch.record_count == 1);
    const struct lb_record *record = &batch.records[0];
    assert(record->message.kind != LB_VALUE_NONE);
    assert((record->flags & LB_RECORD_PARSE_ERROR) == 0 || record->reason.len > 0);
    assert(record->level < LB_LEVEL_COUNT || record->level == LB_LEVEL_NONE);
    for (uint32_t i = 0; i < record->field_count; i++) {
        struct lb_value value = record->fields[i].value;

        assert(value.kind != LB_VALUE_OBJECT || lb_json_valid((struct lb_str){ value.ptr, value.len }));
    }
    lb_arena_reset(&batch.arena, 1 << 20);
    free(batch.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gelf_unpacker *unpacker;
    static int64_t now = LB_SECOND;

    if (unpacker == NULL)
        unpacker = gelf_unpacker_new(MESSAGE_MAX);
    assert(unpacker != NULL);
    while (size >= HEAD) {
        size_t length = (size_t)data[1] << 8 | data[2];
        struct in6_addr peer = { .s6_addr = { data[0] & 3 } };
        struct lb_str out;

        length = length < size - HEAD ? length : size - HEAD;
        now += (data[0] >> 2) * LB_MILLISECOND * 100;
        char *exact = malloc(length > 0 ? length : 1);
        memcpy(exact, data + HEAD, length);
        if (gelf_unpack(unpacker, (struct lb_str){ exact, length }, &peer, now, &out)) {
            assert(out.ptr == exact || out.len <= (size_t)GELF_PENDING_BYTES);
            read_message(out);
        }
        free(exact);
        data += HEAD + length;
        size -= HEAD + length;
    }
    return 0;
}
