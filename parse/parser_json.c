/*
 * parser_json.c - a message that is one JSON object.
 *
 * Members are noted in a table on the stack; those that are the record's own
 * time, level, message, service or host are consumed, the others are copied
 * behind the fields that the envelope made. Nothing of the record changes
 * before all of it has room.
 */
#include "json_reader.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "leading.h"

static enum lb_err refuse(struct lb_parse_context *context, const char *reason, size_t at)
{
    context->reason = reason;
    context->reason_at = (uint32_t)at;
    return LB_BAD_INPUT;
}

/* The text to read. A message that is itself the inside of a JSON string is unescaped into the arena. */
static enum lb_err message_text(const struct lb_record *record, struct lb_arena *arena, struct lb_str *text)
{
    *text = (struct lb_str){ record->message.ptr, record->message.len };
    if (record->message.kind != LB_VALUE_ESCAPED)
        return lb_value_is_string(record->message) ? LB_OK : LB_BAD_INPUT;
    char *unescaped = lb_arena_alloc(arena, text->len);
    if (unescaped == NULL)
        return LB_LIMIT;
    *text = (struct lb_str){ unescaped, lb_json_unescape(*text, unescaped) };
    return LB_OK;
}

static enum lb_err parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct lb_field fields[LB_RECORD_FIELDS_MAX];
    struct lb_json_object object = { &context->shape, fields, LB_RECORD_FIELDS_MAX, 0, { NULL, 0 }, 0, NULL, 0 };
    struct leading leading = { .settings = state, .context = context, .shape = &context->shape, .fields = fields };
    struct lb_str text;
    enum lb_err err = message_text(record, &context->batch->arena, &text);

    if (err == LB_LIMIT)
        return err;
    if (err != LB_OK)
        return refuse(context, "expected an object", 0);
    if (lb_json_read_object(text, &object) != LB_OK)
        return refuse(context, object.reason, object.reason_at);
    if (json_skip_blanks(text.ptr + object.end, text.ptr + text.len) != text.ptr + text.len)
        return refuse(context, "expected nothing behind the object", object.end);
    leading.field_count = object.field_count;
    if (leading_done(&leading, record) != LB_OK)
        return LB_LIMIT;
    if (object.rest.len > 0)
        record->rest = object.rest;
    return LB_OK;
}

static const struct lb_option options[] = { LEADING_OPTIONS, { .name = NULL } };

const struct lb_parser_type lb_parser_json = {
    .module = { .name = "json",
                .help = "one JSON object a message",
                .state_size = sizeof(struct leading_settings),
                .options = options },
    .open = leading_open,
    .parse = parse,
    .close = leading_close,
};
