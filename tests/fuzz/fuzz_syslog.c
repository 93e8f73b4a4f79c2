/* Any bytes as one syslog message: one record, its text inside the message, its structured data valid JSON. */
#include "lb_json.h"
#include "lb_parser.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const struct lb_batch *batch, struct lb_value value)
{
    if (value.kind != LB_VALUE_NONE && value.len > 0)
        assert(value.ptr >= batch->bytes && value.ptr + value.len <= batch->bytes + batch->length);
}

static void check_record(const struct lb_batch *batch, const struct lb_record *record)
{
    assert(record->level <= LB_LEVEL_DEBUG && record->facility >= 1 && record->facility <= 24);
    assert((record->flags & LB_RECORD_PARSE_ERROR) == 0 || record->reason.len > 0);
    check_inside(batch, record->message);
    check_inside(batch, record->host);
    check_inside(batch, record->service);
    assert(record->field_count <= record->field_capacity);
    for (uint32_t i = 0; i < record->field_count; i++) {
        struct lb_value value = record->fields[i].value;

        if (value.kind == LB_VALUE_OBJECT)
            assert(lb_json_valid((struct lb_str){ value.ptr, value.len }));
        else
            check_inside(batch, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lb_batch batch;
    size_t capacity = (size + sizeof(struct lb_event) + 7) & ~(size_t)7;

    if (batch.arena.bytes_max == 0)
        lb_arena_init(&batch.arena, 1 << 24);
    batch.bytes = malloc(capacity);
    batch.capacity = (uint32_t)capacity;
    batch.length = (uint32_t)size;
    batch.event_count = 0;
    batch.counted = true;
    batch.arrival_ns = INT64_C(1700000000000000000);
    if (size > 0)
        memcpy(batch.bytes, data, size);
    lb_batch_note(&batch, 0, size);
    assert(lb_envelope_syslog.open(&batch) == LB_OK && batch.record_count == 1);
    check_record(&batch, &batch.records[0]);
    lb_arena_reset(&batch.arena, 1 << 20);
    free(batch.bytes);
    return 0;
}
