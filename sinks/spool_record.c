/*
 * spool_record.c - a batch's selection as a sequence of msgpack values.
 *
 * The tricky thing is trust: the checksum of a journal says that bytes are
 * what was written, not that this version wrote them. So every value is
 * checked, and compound values are refused before msgpack sees them: it would
 * take memory for as many members as their head promises.
 */
#include "spool_record.h"

#include "lb_stream.h"

#include <msgpack.h>

enum {
    VERSION = 1,
    ARENA_MAX = SPOOL_ENTRY_MAX,
    ARENA_KEEP = 1024 * 1024,
    FLAG_SHIFT = 4, /* of a value: kind | flags << 4, then its bytes */
    RECORD_MIN = 12 /* values of one record, each of a byte at least */
};

/* --- writing ----------------------------------------------------------------------------- */

static int append(void *data, const char *bytes, size_t len)
{
    lb_buffer_append(data, bytes, len);
    return 0; /* the buffer remembers that it failed */
}

static void put_bytes(msgpack_packer *packer, struct lb_str bytes)
{
    msgpack_pack_bin_with_body(packer, bytes.ptr, bytes.len);
}

static void put_value(msgpack_packer *packer, struct lb_value value)
{
    if (value.kind == LB_VALUE_NONE) {
        msgpack_pack_nil(packer);
        return;
    }
    msgpack_pack_uint8(packer, (uint8_t)(value.kind | value.flags << FLAG_SHIFT));
    put_bytes(packer, (struct lb_str){ value.ptr, value.len });
}

static void put_record(msgpack_packer *packer, const struct lb_record *record)
{
    uint32_t fields = 0;

    msgpack_pack_int64(packer, record->time_ns);
    msgpack_pack_uint32(packer, record->start);
    msgpack_pack_uint32(packer, record->end);
    msgpack_pack_uint8(packer, record->level);
    msgpack_pack_uint8(packer, record->facility);
    msgpack_pack_uint16(packer, record->flags);
    put_value(packer, record->service);
    put_value(packer, record->host);
    put_value(packer, record->message);
    put_bytes(packer, record->rest);
    put_bytes(packer, record->reason);
    for (uint32_t i = 0; i < record->field_count; i++)
        fields += record->fields[i].value.kind != LB_VALUE_NONE;
    msgpack_pack_uint32(packer, fields);
    for (uint32_t i = 0; i < record->field_count; i++) {
        const struct lb_field *field = &record->fields[i];

        if (field->value.kind == LB_VALUE_NONE)
            continue;
        put_value(packer, field->key);
        put_value(packer, field->value);
    }
}

void spool_encode(const struct lb_batch *batch, const struct lb_selection *selection, struct lb_buffer *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, append);
    msgpack_pack_uint8(&packer, VERSION);
    msgpack_pack_uint64(&packer, batch->origin != 0 ? batch->origin : batch->stream->id);
    msgpack_pack_uint64(&packer, batch->position);
    msgpack_pack_uint64(&packer, batch->position_end - batch->position);
    if (batch->counted)
        msgpack_pack_true(&packer);
    else
        msgpack_pack_false(&packer);
    msgpack_pack_int64(&packer, batch->arrival_ns);
    msgpack_pack_uint32(&packer, selection->count);
    for (uint32_t i = 0; i < selection->count; i++)
        put_record(&packer, lb_batch_selected(batch, selection, i));
}

/* --- reading ------------------------------------------------------------------------------ */

struct reader {
    struct lb_str bytes;
    size_t at;
    bool bad;
};

static bool is_compound(unsigned char byte)
{
    return (byte >= 0x80 && byte <= 0x9f) || (byte >= 0xdc && byte <= 0xdf);
}

/* The next value; nil where there is none that is plain, and then `bad` is set. */
static msgpack_object next(struct reader *reader)
{
    msgpack_unpacked unpacked;
    msgpack_object object = { .type = MSGPACK_OBJECT_NIL };

    if (reader->bad || reader->at >= reader->bytes.len || is_compound((unsigned char)reader->bytes.ptr[reader->at])) {
        reader->bad = true;
        return object;
    }
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, reader->bytes.ptr, reader->bytes.len, &reader->at) == MSGPACK_UNPACK_SUCCESS)
        object = unpacked.data;
    else
        reader->bad = true;
    /* The zone is empty: bytes stay where they are, in the payload. */
    msgpack_unpacked_destroy(&unpacked);
    return object;
}

static uint64_t get_number(struct reader *reader, uint64_t max)
{
    msgpack_object object = next(reader);

    if (object.type == MSGPACK_OBJECT_POSITIVE_INTEGER && object.via.u64 <= max)
        return object.via.u64;
    reader->bad = true;
    return 0;
}

static int64_t get_time(struct reader *reader)
{
    msgpack_object object = next(reader);

    if (object.type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return object.via.i64;
    if (object.type == MSGPACK_OBJECT_POSITIVE_INTEGER && object.via.u64 <= INT64_MAX)
        return (int64_t)object.via.u64;
    reader->bad = true;
    return 0;
}

static bool get_bool(struct reader *reader)
{
    msgpack_object object = next(reader);

    reader->bad = reader->bad || object.type != MSGPACK_OBJECT_BOOLEAN;
    return object.type == MSGPACK_OBJECT_BOOLEAN && object.via.boolean;
}

static struct lb_str get_bytes(struct reader *reader)
{
    msgpack_object object = next(reader);

    if (object.type == MSGPACK_OBJECT_BIN)
        return (struct lb_str){ object.via.bin.ptr, object.via.bin.size };
    reader->bad = true;
    return LB_STR("");
}

static struct lb_value get_value(struct reader *reader)
{
    msgpack_object object = next(reader);
    struct lb_value value = { "", 0, LB_VALUE_NONE, 0 };

    if (object.type == MSGPACK_OBJECT_NIL)
        return value;
    uint64_t how = object.type == MSGPACK_OBJECT_POSITIVE_INTEGER ? object.via.u64 : 0;
    uint64_t kind = how & ((1U << FLAG_SHIFT) - 1);
    struct lb_str bytes = get_bytes(reader);
    if (kind == LB_VALUE_NONE || kind > LB_VALUE_ARRAY || how >> FLAG_SHIFT > LB_VALUE_BAD_UTF8) {
        reader->bad = true;
        return value;
    }
    value = lb_value_of(bytes, (enum lb_value_kind)kind);
    value.flags = (uint8_t)(how >> FLAG_SHIFT);
    return value;
}

static enum lb_err get_fields(struct reader *reader, struct lb_arena *arena, struct lb_record *record)
{
    uint64_t count = get_number(reader, UINT16_MAX);

    if (reader->bad || count > reader->bytes.len - reader->at)
        return LB_BAD_INPUT;
    record->fields = lb_arena_alloc(arena, (count + 1) * sizeof(*record->fields));
    if (record->fields == NULL)
        return LB_NOMEM;
    record->field_count = (uint16_t)count;
    record->field_capacity = (uint16_t)count;
    for (uint64_t i = 0; i < count && !reader->bad; i++) {
        struct lb_value key = get_value(reader);

        record->fields[i] = (struct lb_field){ key, get_value(reader) };
        reader->bad = reader->bad || !lb_value_is_string(key);
    }
    return reader->bad ? LB_BAD_INPUT : LB_OK;
}

static enum lb_err get_record(struct reader *reader, struct lb_arena *arena, struct lb_record *record)
{
    record->time_ns = get_time(reader);
    record->start = (uint32_t)get_number(reader, UINT32_MAX);
    record->end = (uint32_t)get_number(reader, UINT32_MAX);
    record->level = (uint8_t)get_number(reader, UINT8_MAX);
    record->facility = (uint8_t)get_number(reader, UINT8_MAX);
    record->flags = (uint16_t)get_number(reader, UINT16_MAX);
    record->service = get_value(reader);
    record->host = get_value(reader);
    record->message = get_value(reader);
    record->rest = get_bytes(reader);
    record->reason = get_bytes(reader);
    return get_fields(reader, arena, record);
}

static uint64_t get_head(struct reader *reader, struct spool_head *head, bool *counted)
{
    reader->bad = reader->bad || get_number(reader, UINT8_MAX) != VERSION;
    head->origin = get_number(reader, UINT64_MAX);
    head->position = get_number(reader, UINT64_MAX);
    uint64_t length = get_number(reader, UINT64_MAX);
    *counted = get_bool(reader);
    head->arrival_ns = get_time(reader);
    head->count = (uint32_t)get_number(reader, UINT32_MAX);
    return length;
}

enum lb_err spool_decode_head(struct lb_str payload, struct spool_head *head)
{
    struct reader reader = { payload, 0, false };
    bool counted;

    get_head(&reader, head, &counted);
    return reader.bad ? LB_BAD_INPUT : LB_OK;
}

enum lb_err spool_decode(struct lb_str payload, struct spool_batch *spool)
{
    struct reader reader = { payload, 0, false };
    struct lb_batch *batch = &spool->batch;
    struct spool_head head;
    bool counted;
    uint64_t length = get_head(&reader, &head, &counted);

    if (reader.bad || head.count > (payload.len - reader.at) / RECORD_MIN)
        return LB_BAD_INPUT;
    lb_arena_reset(&batch->arena, ARENA_KEEP);
    *batch =
        (struct lb_batch){ .arena = batch->arena, .length = (uint32_t)(payload.len < INT32_MAX ? payload.len : 0) };
    batch->origin = head.origin;
    batch->position = head.position;
    batch->position_end = head.position + length;
    batch->counted = counted;
    batch->arrival_ns = head.arrival_ns;
    atomic_init(&batch->references, 1);
    batch->records = lb_arena_zalloc(&batch->arena, (head.count + (size_t)1) * sizeof(*batch->records));
    if (batch->records == NULL)
        return LB_NOMEM;
    for (uint32_t i = 0; i < head.count; i++) {
        enum lb_err err = get_record(&reader, &batch->arena, &batch->records[i]);

        if (err != LB_OK)
            return err;
    }
    batch->record_count = head.count;
    spool->selection = (struct lb_selection){ head.count, NULL };
    return reader.at == payload.len ? LB_OK : LB_BAD_INPUT;
}

void spool_batch_init(struct spool_batch *spool)
{
    *spool = (struct spool_batch){ 0 };
    lb_arena_init(&spool->batch.arena, ARENA_MAX);
}

void spool_batch_free(struct spool_batch *spool)
{
    lb_arena_free(&spool->batch.arena);
}
