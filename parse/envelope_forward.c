/*
 * envelope_forward.c - records that came by the Forward protocol.
 *
 * An event is the time in nanoseconds, a blank, and the record as a JSON object, as ingest wrote them. Members that are
 * the record's own level, message, service and host become that; its time is what the sender says, so `time` and the
 * like stay fields. The message is then read by the source's parser.
 */
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_parser.h"
#include "leading.h"

/* No member is called so: none is taken for the time. */
static const struct leading_settings settings = { .keys[LEADING_TIME] = { "\x01", 1 } };

/* False: it is no event of ours. */
static bool read_time(struct lb_str *text, int64_t *time_ns)
{
    enum { DIGITS_MAX = 19 };
    uint64_t number = 0;
    size_t i = 0;

    for (; i < text->len && i < DIGITS_MAX && text->ptr[i] >= '0' && text->ptr[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(text->ptr[i] - '0');
    if (i == 0 || i >= text->len || text->ptr[i] != ' ' || number > INT64_MAX)
        return false;
    *time_ns = (int64_t)number;
    *text = (struct lb_str){ text->ptr + i + 1, text->len - i - 1 };
    return true;
}

/* Parsers of text read what the application wrote. In place, for nobody else looks at these bytes again. */
static void unescape(const struct lb_batch *batch, struct lb_value *message)
{
    if (message->kind != LB_VALUE_ESCAPED)
        return;
    char *bytes = batch->bytes + (message->ptr - batch->bytes);
    message->len = (uint32_t)lb_json_unescape((struct lb_str){ bytes, message->len }, bytes);
    message->kind = LB_VALUE_TEXT;
    message->flags = 0;
}

static bool read_event(struct lb_str text, struct lb_parse_context *context, struct lb_record *record)
{
    struct lb_field fields[LB_RECORD_FIELDS_MAX];
    struct lb_json_object object = { &context->shape, fields, LB_RECORD_FIELDS_MAX, 0, { NULL, 0 }, 0, NULL, 0 };
    struct leading leading = { .settings = &settings, .context = context, .shape = &context->shape, .fields = fields };
    int64_t time_ns;
    bool timed = read_time(&text, &time_ns); /* who explains a record may leave the time out */

    if (lb_json_read_object(text, &object) != LB_OK)
        return false;
    leading.field_count = object.field_count;
    if (leading_done(&leading, record) != LB_OK)
        return false;
    if (timed) {
        record->time_ns = time_ns;
        record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
    }
    if (object.rest.len > 0)
        record->rest = object.rest;
    unescape(context->batch, &record->message);
    return true;
}

static void fill(struct lb_parse_context *context, uint32_t i, struct lb_record *record)
{
    struct lb_batch *batch = context->batch;
    const struct lb_event *event = lb_batch_event(batch, i);
    struct lb_str text = { batch->bytes + event->start, event->length };

    *record = (struct lb_record){
        .time_ns = batch->arrival_ns,
        .start = lb_batch_offset(batch, i),
        .end = lb_batch_end(batch, i),
        .flags = (uint16_t)(LB_RECORD_NO_TIME | (event->truncated ? LB_RECORD_TRUNCATED : 0)),
        .level = LB_LEVEL_NONE,
    };
    if (read_event(text, context, record))
        return;
    record->message = lb_value_text(text);
    record->flags |= LB_RECORD_PARSE_ERROR;
    record->reason = LB_STR("expected a time and an object, or there is no room in the batch");
}

static enum lb_err open_forward(struct lb_batch *batch)
{
    struct lb_parse_context context = { .batch = batch };

    batch->record_count = 0;
    batch->records = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*batch->records));
    if (batch->records == NULL)
        return LB_NOMEM;
    for (uint32_t i = 0; i < batch->event_count; i++)
        fill(&context, i, &batch->records[i]);
    batch->record_count = batch->event_count;
    return LB_OK;
}

const struct lb_envelope lb_envelope_forward = { "forward", open_forward };
