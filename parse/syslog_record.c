/*
 * syslog_record.c - a syslog message becomes a record.
 *
 * Fields are written to one array that replaces the record's when all of it fits.
 */
#include "syslog.h"

#include "lb_level.h"
#include "lb_limits.h"

enum { ROOM_FOR_FILTERS = 1 };

/* What Cisco's header says, in the words of RFC 5424 section 7: {"meta":{"sequenceId":"91"},…} */
static struct lb_value cisco_data(const struct syslog_message *message, struct lb_arena *arena)
{
    struct lb_str sequence = message->sequence;
    const char *comma = sequence.len > 0 && message->clock_mark != '\0' ? "," : "";
    const char *quality = message->clock_mark == '*'   ? "\"timeQuality\":{\"isSynced\":\"0\"}"
                          : message->clock_mark == '.' ? "\"timeQuality\":{\"isSynced\":\"1\"}"
                                                       : "";
    struct lb_str json;

    if (sequence.len > 0)
        json = lb_arena_print(arena, "{\"meta\":{\"sequenceId\":\"" LB_STR_FMT "\"}%s%s}", LB_STR_ARG(sequence), comma,
                              quality);
    else
        json = lb_arena_print(arena, "{%s}", quality);
    return json.ptr != NULL ? lb_value_of(json, LB_VALUE_OBJECT) : (struct lb_value){ .kind = LB_VALUE_NONE };
}

static void add(struct lb_record *record, struct lb_str name, struct lb_value value)
{
    record->fields[record->field_count++] = (struct lb_field){ lb_value_of(name, LB_VALUE_CLEAN), value };
}

/* Room for `count` more fields. */
static bool reserve(struct lb_record *record, uint32_t count, struct lb_arena *arena)
{
    uint32_t capacity = record->field_count + count + ROOM_FOR_FILTERS;
    struct lb_field *fields;

    if (record->field_count + count <= record->field_capacity)
        return true;
    if (record->field_count + count > LB_RECORD_FIELDS_MAX)
        return false;
    fields = lb_arena_alloc(arena, capacity * sizeof(*fields));
    if (fields == NULL)
        return false;
    if (record->field_count > 0)
        memcpy(fields, record->fields, record->field_count * sizeof(*fields));
    record->fields = fields;
    record->field_capacity = (uint16_t)capacity;
    return true;
}

static bool add_fields(const struct syslog_message *message, struct lb_record *record, struct lb_arena *arena)
{
    bool has_data = message->data->text.len > 0 || message->sequence.len > 0 || message->clock_mark != '\0';
    uint32_t count = (message->pid.kind != LB_VALUE_NONE) + (message->msgid.kind != LB_VALUE_NONE) + has_data;
    struct lb_value data;

    if (count == 0)
        return true;
    if (!reserve(record, count, arena))
        return false;
    if (message->pid.kind != LB_VALUE_NONE)
        add(record, LB_STR("pid"), message->pid);
    if (message->msgid.kind != LB_VALUE_NONE)
        add(record, LB_STR("msgid"), message->msgid);
    if (!has_data)
        return true;
    data = message->data->text.len > 0 ? syslog_data_json(message->data, arena) : cisco_data(message, arena);
    if (data.kind == LB_VALUE_NONE)
        return false;
    add(record, LB_STR("structured_data"), data);
    return true;
}

bool syslog_fill(const struct syslog_message *message, bool assume_priority, struct lb_record *record,
                 struct lb_arena *arena)
{
    struct lb_field *fields = record->fields;
    uint16_t field_count = record->field_count;
    uint16_t field_capacity = record->field_capacity;

    if (!add_fields(message, record, arena)) {
        record->fields = fields;
        record->field_count = field_count;
        record->field_capacity = field_capacity;
        return false;
    }
    if (message->has_priority || assume_priority) {
        record->facility = (uint8_t)(message->priority / 8 + 1);
        record->level = message->priority % 8;
    }
    if (message->has_time) {
        record->time_ns = message->time_ns;
        record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
    }
    if (message->host.kind != LB_VALUE_NONE)
        record->host = message->host;
    if (message->service.kind != LB_VALUE_NONE)
        record->service = message->service;
    record->message = lb_value_text(message->message);
    if (message->reason != NULL) {
        record->flags |= LB_RECORD_PARSE_ERROR;
        record->reason = lb_str_from(message->reason);
    }
    return true;
}
