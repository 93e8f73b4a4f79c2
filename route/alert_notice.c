/*
 * alert_notice.c - entry ⇄ record and parts.
 *
 *   version, names, sinks, 1, record (or 0), { part, bytes } …
 *
 * Values keep how they are written (kind and flags), so that what is told
 * after a crash is byte for byte what would have been told before.
 */
#include "alert_notice.h"

#include "lb_err.h"

enum { VERSION = 1, FIELDS_MAX = 64 };

/* --- writing -------------------------------------------------------------- */

static void put_value(struct lb_buffer *out, struct lb_value value)
{
    lb_buffer_append_char(out, (char)value.kind);
    lb_buffer_append_char(out, (char)value.flags);
    lb_alert_put_text(out, (struct lb_str){ value.ptr, value.kind == LB_VALUE_NONE ? 0 : value.len });
}

static void put_record(struct lb_buffer *out, const struct lb_record *record)
{
    lb_alert_put_number(out, (uint64_t)record->time_ns);
    lb_alert_put_number(out, (uint64_t)record->level << 16 | record->flags);
    put_value(out, record->service);
    put_value(out, record->message);
    lb_alert_put_number(out, record->field_count);
    for (uint16_t i = 0; i < record->field_count; i++) {
        put_value(out, record->fields[i].key);
        put_value(out, record->fields[i].value);
    }
}

void lb_alert_notice_write(struct lb_buffer *out, const struct lb_record *record, uint64_t sinks,
                           const struct lb_strs *names)
{
    lb_buffer_append_char(out, VERSION);
    lb_alert_put_number(out, names->count);
    for (size_t i = 0; i < names->count; i++)
        lb_alert_put_text(out, names->items[i]);
    lb_alert_put_number(out, sinks);
    lb_buffer_append_char(out, record != NULL);
    if (record != NULL)
        put_record(out, record);
}

void lb_alert_notice_part(struct lb_buffer *out, enum lb_alert_entry_part part, struct lb_str bytes)
{
    lb_buffer_append_char(out, (char)part);
    lb_alert_put_text(out, bytes);
}

/* --- reading -------------------------------------------------------------- */

static uint8_t take_byte(struct lb_alert_bytes *bytes)
{
    uint8_t byte;

    lb_alert_take(bytes, &byte, 1);
    return byte;
}

static struct lb_value take_value(struct lb_alert_bytes *bytes, struct lb_arena *arena)
{
    uint8_t kind = take_byte(bytes);
    uint8_t flags = take_byte(bytes);
    struct lb_str text = lb_alert_take_text(bytes);
    struct lb_value value = { 0 };

    bytes->bad = bytes->bad || kind > LB_VALUE_ARRAY;
    if (bytes->bad || kind == LB_VALUE_NONE || arena == NULL)
        return value;
    value = lb_value_of(lb_arena_copy(arena, text), (enum lb_value_kind)kind);
    value.flags = flags;
    return value;
}

/* False: the arena is full. */
static bool take_fields(struct lb_alert_bytes *bytes, struct lb_arena *arena, struct lb_record *record)
{
    uint64_t count = lb_alert_take_number(bytes);
    bool full = false;

    bytes->bad = bytes->bad || count > FIELDS_MAX;
    if (bytes->bad)
        return true;
    if (arena != NULL) {
        record->fields = lb_arena_alloc(arena, (count + 1) * sizeof(*record->fields));
        full = record->fields == NULL;
    }
    for (uint64_t i = 0; i < count && !bytes->bad; i++) {
        struct lb_value key = take_value(bytes, arena);
        struct lb_value value = take_value(bytes, arena);

        if (arena == NULL || full)
            continue;
        full = key.ptr == NULL || (value.ptr == NULL && value.kind != LB_VALUE_NONE);
        record->fields[i] = (struct lb_field){ key, value };
        record->field_count = (uint16_t)(i + 1);
    }
    record->field_capacity = record->field_count;
    return !full;
}

/* False: the arena is full. */
static bool take_record(struct lb_alert_bytes *bytes, struct lb_arena *arena, struct lb_record *record)
{
    uint64_t packed;

    *record = (struct lb_record){ .time_ns = (int64_t)lb_alert_take_number(bytes) };
    packed = lb_alert_take_number(bytes);
    record->level = (uint8_t)(packed >> 16);
    record->flags = (uint16_t)packed;
    record->service = take_value(bytes, arena);
    record->message = take_value(bytes, arena);
    return take_fields(bytes, arena, record) && (arena == NULL || bytes->bad || record->message.ptr != NULL);
}

static void map_name(struct lb_alert_read *notice, uint64_t bit, struct lb_str name, const struct lb_strs *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (lb_str_equal(names->items[i], name))
            notice->map[bit] = UINT64_C(1) << i;
}

static void take_names(struct lb_alert_bytes *bytes, const struct lb_strs *names, struct lb_alert_read *notice)
{
    uint64_t count = lb_alert_take_number(bytes);

    bytes->bad = bytes->bad || count > 64;
    for (uint64_t i = 0; i < 64 && count == 0; i++)
        notice->map[i] = UINT64_C(1) << i;
    for (uint64_t i = 0; i < count && !bytes->bad; i++)
        map_name(notice, i, lb_alert_take_text(bytes), names);
}

enum lb_err lb_alert_notice_read(struct lb_str entry, const struct lb_strs *names, struct lb_arena *arena,
                                 struct lb_record *record, struct lb_alert_read *notice)
{
    struct lb_alert_bytes bytes = { entry.ptr, entry.len, false };
    struct lb_record passed;
    bool fits = true;
    uint64_t sinks;

    *notice = (struct lb_alert_read){ 0 };
    if (take_byte(&bytes) != VERSION)
        return LB_BAD_INPUT;
    take_names(&bytes, names, notice);
    sinks = lb_alert_take_number(&bytes);
    for (; sinks != 0; sinks &= sinks - 1)
        notice->sinks |= notice->map[__builtin_ctzll(sinks)];
    notice->told = take_byte(&bytes) != 0;
    if (notice->told)
        fits = take_record(&bytes, arena, record != NULL ? record : &passed);
    notice->parts = bytes;
    if (bytes.bad)
        return LB_BAD_INPUT;
    return fits ? LB_OK : LB_LIMIT;
}

bool lb_alert_notice_next(struct lb_alert_read *notice, enum lb_alert_entry_part *part, struct lb_alert_bytes *bytes)
{
    struct lb_str text;

    if (notice->parts.bad || notice->parts.left == 0)
        return false;
    *part = (enum lb_alert_entry_part)take_byte(&notice->parts);
    text = lb_alert_take_text(&notice->parts);
    *bytes = (struct lb_alert_bytes){ text.ptr, text.len, false };
    return !notice->parts.bad;
}
