/*
 * format_logfmt.c - timestamp=… level=… service=… host=… message=… key=value
 *
 * A value stands bare unless that would make it ambiguous; in quotes it has
 * the escapes of JSON, which readers of logfmt know, so JSON strings with
 * escapes are copied as they are. Nested values are JSON text in quotes.
 */
#include "format.h"

#include "lb_json.h"

/* No blank, quote, equals sign, backslash or control character, and something at all. */
static bool can_stand_bare(struct lb_value value)
{
    for (uint32_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];

        if (byte <= ' ' || byte == '"' || byte == '=' || byte == '\\' || byte >= 0x7f)
            return false;
    }
    return value.len > 0;
}

void format_logfmt_value(struct lb_value value, struct lb_buffer *out)
{
    if (value.kind == LB_VALUE_ESCAPED || !can_stand_bare(value)) {
        if (value.kind != LB_VALUE_ESCAPED && value.kind != LB_VALUE_CLEAN)
            value.kind = LB_VALUE_TEXT;
        lb_json_write_value(out, value);
        return;
    }
    lb_buffer_append(out, value.ptr, value.len);
}

/* A key has no quotes in logfmt: what cannot stand in it becomes an underscore. */
static void append_key(struct lb_value key, struct lb_buffer *out)
{
    if (!lb_buffer_reserve(out, (size_t)key.len + 1))
        return;
    for (uint32_t i = 0; i < key.len; i++) {
        unsigned char byte = (unsigned char)key.ptr[i];
        bool bare = byte > ' ' && byte != '"' && byte != '=' && byte != '\\' && byte < 0x7f;

        out->ptr[out->len++] = bare ? (char)byte : '_';
    }
    if (key.len == 0)
        out->ptr[out->len++] = '_';
}

static void append_pair(const struct lb_field *field, bool *first, struct lb_buffer *out)
{
    if (field->value.kind == LB_VALUE_NONE)
        return;
    if (!*first)
        lb_buffer_append_char(out, ' ');
    *first = false;
    append_key(field->key, out);
    lb_buffer_append_char(out, '=');
    format_logfmt_value(field->value, out);
}

static void append_named(const char *name, struct lb_value value, bool *first, struct lb_buffer *out)
{
    struct lb_field field = { lb_value_of(lb_str_from(name), LB_VALUE_CLEAN), value };

    append_pair(&field, first, out);
}

void format_pairs(const struct lb_record *record, bool first, struct lb_scratch *scratch, struct lb_buffer *out)
{
    struct lb_field member;
    size_t at = 0;

    if (record->facility != 0)
        append_named("facility", lb_record_get(record, LB_STR("facility"), scratch), &first, out);
    for (uint32_t i = 0; i < record->field_count; i++)
        append_pair(&record->fields[i], &first, out);
    while (record->rest.len > 0 && lb_json_next_member(record->rest, &at, &member) == LB_OK)
        append_pair(&member, &first, out);
    if ((record->flags & LB_RECORD_PARSE_ERROR) != 0)
        append_named("parse_error", lb_value_text(record->reason), &first, out);
    if ((record->flags & LB_RECORD_TRUNCATED) != 0)
        append_named("truncated", lb_value_of(LB_STR("true"), LB_VALUE_BOOL), &first, out);
}

void format_logfmt(struct lb_formatter *formatter, const struct lb_record *record, struct lb_buffer *out)
{
    bool first = false;

    format_literal(out, "timestamp=");
    format_time(formatter, record->time_ns, out);
    if (record->level < LB_LEVEL_COUNT)
        append_named("level", lb_value_of(lb_level_name(record->level), LB_VALUE_CLEAN), &first, out);
    append_named("service", record->service, &first, out);
    append_named("host", record->host, &first, out);
    append_named("message", record->message, &first, out);
    format_pairs(record, false, formatter->scratch, out);
    lb_buffer_append_char(out, '\n');
}
