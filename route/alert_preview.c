/*
 * alert_preview.c - which of the alerts that fire a silence would match.
 *
 * What is known of an alert outside the engine is its JSON; here it becomes a
 * record again with the fields that its events have, for expressions to ask.
 */
#include "alert_mute.h"

#include "lb_alloc.h"
#include "lb_expr.h"
#include "lb_json.h"
#include "lb_time.h"

enum { FIELDS_MAX = 48, ARENA_BYTES = 1024 * 1024 };

/* The last one to come; NONE: the alert has none. */
static struct lb_value take(struct lb_record *record, const char *name)
{
    struct lb_field *field = lb_record_field(record, lb_str_from(name));
    struct lb_value value = { 0 };

    if (field == NULL)
        return value;
    value = field->value;
    field->value = (struct lb_value){ 0 };
    return value;
}

bool lb_alert_record_read(struct lb_str json, struct lb_arena *arena, struct lb_record *record)
{
    struct lb_json_object object = { .field_max = FIELDS_MAX };
    char room[256];
    struct lb_scratch scratch = { room, sizeof(room), 0 };

    *record = (struct lb_record){ .time_ns = LB_TIME_NONE, .flags = LB_RECORD_ALERT, .level = LB_LEVEL_NONE };
    object.fields = lb_arena_alloc(arena, FIELDS_MAX * sizeof(struct lb_field));
    if (object.fields == NULL || lb_json_read_object(json, &object) != LB_OK)
        return false;
    record->fields = object.fields;
    record->field_count = (uint16_t)object.field_count;
    record->field_capacity = FIELDS_MAX;
    record->message = take(record, "message");
    record->service = take(record, "service");
    record->level = lb_level_parse(lb_value_str(take(record, "level"), &scratch));
    (void)lb_time_rfc3339(lb_value_str(take(record, "timestamp"), &scratch), &record->time_ns);
    if (record->service.kind == LB_VALUE_NONE) {
        const struct lb_field *key = lb_record_field(record, LB_STR("key"));

        if (key != NULL)
            record->service = lb_value_member(key->value, LB_STR("service"));
    }
    if (lb_record_field(record, LB_STR("event")) == NULL)
        return lb_record_add(record, arena, lb_value_of(LB_STR("event"), LB_VALUE_CLEAN),
                             lb_value_of(LB_STR("alert"), LB_VALUE_CLEAN));
    return true;
}

int lb_mutes_preview(struct lb_str where, struct lb_str alerts, struct lb_buffer *out, struct lb_diag *diag)
{
    struct lb_arena arena;
    struct lb_value element;
    size_t at = 1;
    int count = 0;

    lb_arena_init(&arena, ARENA_BYTES);
    struct lb_expr *expr = lb_expr_new(&arena, where, (struct lb_place){ "where", 1, 1 }, diag);
    struct lb_arena each;
    struct lb_scratch scratch = { lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };

    lb_arena_init(&each, ARENA_BYTES);
    lb_buffer_append_char(out, '[');
    while (expr != NULL && scratch.ptr != NULL && lb_json_next_element(alerts, &at, &element) == LB_OK) {
        struct lb_str text = { element.ptr, element.len };
        struct lb_record record;

        lb_arena_reset(&each, ARENA_BYTES);
        scratch.used = 0;
        if (!lb_alert_record_read(text, &each, &record) || !lb_expr_match(expr, &record, &scratch))
            continue;
        if (count++ > 0)
            lb_buffer_append_char(out, ',');
        lb_buffer_append_str(out, text);
    }
    lb_buffer_append_char(out, ']');
    if (expr != NULL)
        lb_expr_free(expr);
    lb_arena_free(&each);
    lb_arena_free(&arena);
    lb_free(scratch.ptr);
    return expr != NULL ? count : -1;
}
