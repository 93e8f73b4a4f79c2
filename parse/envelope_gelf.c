/*
 * envelope_gelf.c - messages of GELF 1.0 and 1.1: one JSON object each.
 *
 * Fields stay where they stand; an additional one loses the underscore before its name. What is no GELF is a record
 * with its whole text as message and the reason, so that nothing is dropped. Read leniently where no harm comes of it:
 * a version may be missing, a number may be written as text.
 */
#include "envelope_peer.h"
#include "json_reader.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_parser.h"
#include "lb_time.h"

enum { ROOM_FOR_OTHERS = 4 }; /* fields of the peer, and of filters */

struct gelf {
    struct lb_batch *batch;
    struct lb_json_shape shape;
    struct lb_field fields[LB_RECORD_FIELDS_MAX];
    uint32_t kept; /* of them, moved to the front */
};

static bool is_name(struct lb_value key)
{
    for (uint32_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9');

        if (!letter && c != '_' && c != '.' && c != '-')
            return false;
    }
    return key.len > 0;
}

static struct lb_str bytes_of(struct lb_value value)
{
    return (struct lb_str){ value.ptr, value.len };
}

static bool take_time(struct lb_record *record, struct lb_value value)
{
    int64_t time_ns;

    if ((value.kind != LB_VALUE_NUMBER && value.kind != LB_VALUE_CLEAN) || !lb_time_epoch(bytes_of(value), &time_ns))
        return false;
    record->time_ns = time_ns;
    record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
    return true;
}

static bool take_level(struct lb_record *record, struct lb_value value)
{
    bool known = (value.kind == LB_VALUE_NUMBER && value.len == 1) || value.kind == LB_VALUE_CLEAN;
    uint8_t level = known ? lb_level_parse(bytes_of(value)) : LB_LEVEL_NONE;

    if (level == LB_LEVEL_NONE)
        return false;
    record->level = level;
    return true;
}

static bool take_text(struct lb_value *member, struct lb_value value)
{
    if (!lb_value_is_string(value))
        return false;
    *member = value;
    return true;
}

/* A member that the record has a place of its own for. False: it stays a field. */
static bool take(struct lb_record *record, const struct lb_field *field)
{
    struct lb_str key = bytes_of(field->key);

    if (lb_str_is(key, "short_message"))
        return take_text(&record->message, field->value);
    if (lb_str_is(key, "host"))
        return take_text(&record->host, field->value);
    if (lb_str_is(key, "_service"))
        return take_text(&record->service, field->value);
    if (lb_str_is(key, "timestamp"))
        return take_time(record, field->value);
    if (lb_str_is(key, "level"))
        return take_level(record, field->value);
    return lb_str_is(key, "version");
}

/* Sorts the members. Returns why it is no GELF, or NULL. */
static const char *sort(struct gelf *self, uint32_t count, struct lb_record *record)
{
    self->kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct lb_field field = self->fields[i];

        if (take(record, &field))
            continue;
        if (field.key.len > 0 && field.key.ptr[0] == '_') {
            field.key.ptr++;
            field.key.len--;
            if (!is_name(field.key))
                return "a field's name has other than letters, digits, '_', '.' and '-'";
        }
        self->fields[self->kept++] = field;
    }
    if (record->host.kind == LB_VALUE_NONE)
        return "expected \"host\", a string";
    if (record->message.kind == LB_VALUE_NONE)
        return "expected \"short_message\", a string";
    return NULL;
}

static bool keep_fields(const struct gelf *self, struct lb_record *record)
{
    uint32_t capacity = self->kept + ROOM_FOR_OTHERS;

    record->fields = lb_arena_alloc(&self->batch->arena, capacity * sizeof(*record->fields));
    if (record->fields == NULL)
        return false;
    memcpy(record->fields, self->fields, self->kept * sizeof(*record->fields));
    record->field_count = (uint16_t)self->kept;
    record->field_capacity = (uint16_t)capacity;
    return true;
}

/* Why it is no GELF, or NULL. */
static const char *read_message(struct gelf *self, struct lb_str text, struct lb_record *record)
{
    struct lb_json_object object = { .shape = &self->shape, .fields = self->fields, .field_max = LB_RECORD_FIELDS_MAX };
    const char *reason;

    if (lb_json_read_object(text, &object) != LB_OK)
        return object.reason;
    if (json_skip_blanks(text.ptr + object.end, text.ptr + text.len) != text.ptr + text.len)
        return "expected nothing behind the object";
    reason = sort(self, object.field_count, record);
    if (reason == NULL && !keep_fields(self, record))
        reason = "no room in the batch";
    record->rest = object.rest;
    return reason;
}

static void fill(struct gelf *self, uint32_t i, struct lb_record *record)
{
    struct lb_batch *batch = self->batch;
    const struct lb_event *event = lb_batch_event(batch, i);
    struct lb_str text = { batch->bytes + event->start, event->length };
    const struct lb_record empty = {
        .time_ns = batch->arrival_ns,
        .start = lb_batch_offset(batch, i),
        .end = lb_batch_end(batch, i),
        .flags = (uint16_t)(LB_RECORD_NO_TIME | (event->truncated ? LB_RECORD_TRUNCATED : 0)),
        .level = LB_LEVEL_NONE,
    };
    const char *reason;

    *record = empty;
    reason = read_message(self, text, record);
    if (reason != NULL) {
        *record = empty;
        record->message = lb_value_text(text);
        record->flags |= LB_RECORD_PARSE_ERROR;
        record->reason = lb_str_from(reason);
    }
    envelope_peer(batch, i, record);
}

static enum lb_err open_gelf(struct lb_batch *batch)
{
    struct gelf self;

    self.batch = batch;
    memset(&self.shape, 0, sizeof(self.shape));
    batch->record_count = 0;
    batch->records = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*batch->records));
    if (batch->records == NULL)
        return LB_NOMEM;
    for (uint32_t i = 0; i < batch->event_count; i++)
        fill(&self, i, &batch->records[i]);
    batch->record_count = batch->event_count;
    return LB_OK;
}

const struct lb_envelope lb_envelope_gelf = { "gelf", open_gelf };
