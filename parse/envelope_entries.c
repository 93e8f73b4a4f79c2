/*
 * envelope_entries.c - entries: a head of fixed size, then service, host,
 * fields and message, one behind the other.
 *
 * They were written by this process, so the head is taken at its word; its
 * sum is looked at all the same. Fields are members of JSON text in the slab.
 */
#include "lb_entry.h"

#include "lb_json.h"
#include "lb_limits.h"

#include <string.h>

struct head {
    int64_t time_ns;
    uint32_t delta; /* from the batch's position */
    uint32_t service;
    uint32_t host;
    uint32_t fields;
    uint8_t level;
    uint8_t truncated;
};

size_t lb_entry_size(const struct lb_entry *entry)
{
    return sizeof(struct head) + entry->service.len + entry->host.len + entry->fields.len + entry->message.len;
}

static void put(struct lb_batch *batch, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(batch->bytes + batch->length, bytes, len);
    batch->length += (uint32_t)len;
}

bool lb_entry_append(struct lb_batch *batch, const struct lb_entry *entry)
{
    size_t size = lb_entry_size(entry);
    uint64_t delta = entry->position - batch->position;
    struct head head;

    if (lb_batch_room(batch, 1) < size || delta >= UINT32_MAX)
        return false;
    memset(&head, 0, sizeof(head)); /* its padding too */
    head.time_ns = entry->time_ns;
    head.delta = (uint32_t)delta;
    head.service = (uint32_t)entry->service.len;
    head.host = (uint32_t)entry->host.len;
    head.fields = (uint32_t)entry->fields.len;
    head.level = entry->level;
    head.truncated = entry->truncated;
    lb_batch_note(batch, batch->length, size);
    put(batch, &head, sizeof(head));
    put(batch, entry->service.ptr, entry->service.len);
    put(batch, entry->host.ptr, entry->host.len);
    put(batch, entry->fields.ptr, entry->fields.len);
    put(batch, entry->message.ptr, entry->message.len);
    batch->position_end = entry->position + 1;
    return true;
}

/* --- records ----------------------------------------------------------------------- */

static struct lb_value next_text(const char **at, size_t len)
{
    struct lb_str text = { *at, len };

    *at += len;
    return len > 0 ? lb_value_text(text) : (struct lb_value){ .kind = LB_VALUE_NONE };
}

static void add_fields(struct lb_batch *batch, struct lb_str text, struct lb_record *record)
{
    struct lb_field fields[LB_RECORD_FIELDS_MAX];
    struct lb_json_object object = { .fields = fields, .field_max = LB_RECORD_FIELDS_MAX };

    if (lb_json_read_object(text, &object) != LB_OK || object.field_count == 0)
        return;
    record->fields = lb_arena_alloc(&batch->arena, object.field_count * sizeof(*fields));
    if (record->fields == NULL)
        return;
    memcpy(record->fields, fields, object.field_count * sizeof(*fields));
    record->field_count = record->field_capacity = (uint16_t)object.field_count;
    record->rest = object.rest;
}

static void fill(struct lb_batch *batch, uint32_t i, struct lb_record *record)
{
    const struct lb_event *event = lb_batch_event(batch, i);
    const char *at = batch->bytes + event->start;
    const char *end = at + event->length;
    struct head head = { 0 };

    *record = (struct lb_record){ .time_ns = batch->arrival_ns, .level = LB_LEVEL_NONE, .flags = LB_RECORD_NO_TIME };
    if (event->length >= sizeof(head))
        memcpy(&head, at, sizeof(head));
    at += sizeof(head);
    if (event->length < sizeof(head) ||
        (uint64_t)head.service + head.host + head.fields > event->length - sizeof(head)) {
        record->flags |= LB_RECORD_PARSE_ERROR;
        record->reason = LB_STR("no such entry");
        record->message = lb_value_text(LB_STR(""));
        return;
    }
    record->start = head.delta;
    record->end = head.delta + 1;
    record->level = head.level;
    if (head.time_ns != LB_TIME_NONE) {
        record->time_ns = head.time_ns;
        record->flags = 0;
    }
    if (head.truncated != 0)
        record->flags |= LB_RECORD_TRUNCATED;
    record->service = next_text(&at, head.service);
    record->host = next_text(&at, head.host);
    add_fields(batch, (struct lb_str){ at, head.fields }, record);
    at += head.fields;
    record->message = lb_value_text((struct lb_str){ at, (size_t)(end - at) });
}

static enum lb_err open_entries(struct lb_batch *batch)
{
    batch->record_count = 0;
    if (batch->event_count == 0)
        return LB_OK;
    batch->records = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*batch->records));
    if (batch->records == NULL)
        return LB_NOMEM;
    for (uint32_t i = 0; i < batch->event_count; i++)
        fill(batch, i, &batch->records[i]);
    batch->record_count = batch->event_count;
    return LB_OK;
}

const struct lb_envelope lb_envelope_entries = { "entries", open_entries };
