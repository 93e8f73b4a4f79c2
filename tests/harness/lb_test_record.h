/*
 * lb_test_record.h - a record for tests, written as JSON: the members `level`,
 * `service`, `host` and `message` become the leading keys, the others fields.
 */
#ifndef LB_TEST_RECORD_H
#define LB_TEST_RECORD_H

#include "lb_json.h"
#include "lb_level.h"
#include "lb_limits.h"
#include "lb_record.h"

#include <assert.h>

static inline struct lb_record lb_test_record(struct lb_arena *arena, const char *json)
{
    struct lb_field *fields = lb_arena_alloc(arena, 64 * sizeof(*fields));
    struct lb_json_object object = { .fields = fields, .field_max = 64 };
    struct lb_record record = { .level = LB_LEVEL_NONE, .time_ns = 1767225600 * LB_SECOND };
    enum lb_err err = lb_json_read_object(lb_arena_copy(arena, lb_str_from(json)), &object);

    assert(err == LB_OK);
    (void)err;
    record.fields = fields;
    record.field_capacity = 64;
    for (uint32_t i = 0; i < object.field_count; i++) {
        struct lb_field field = fields[i];
        struct lb_str key = { field.key.ptr, field.key.len };

        if (lb_str_is(key, "level"))
            record.level = lb_level_parse((struct lb_str){ field.value.ptr, field.value.len });
        else if (lb_str_is(key, "service"))
            record.service = field.value;
        else if (lb_str_is(key, "host"))
            record.host = field.value;
        else if (lb_str_is(key, "message"))
            record.message = field.value;
        else
            fields[record.field_count++] = field;
    }
    return record;
}

#endif
