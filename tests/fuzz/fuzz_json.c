/*
 * fuzz_json.c - the JSON reader: every slice lies inside the input, what it
 * accepts as an object is a valid document, and walking it member by member
 * or element by element ends.
 */
#include "lb_json.h"

#include <assert.h>
#include <stdlib.h>

enum { FIELDS = 8, DEPTH = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct lb_str text, struct lb_value value)
{
    assert(value.ptr >= text.ptr && value.ptr + value.len <= text.ptr + text.len);
}

static void check_string(struct lb_value value)
{
    char *out = malloc(value.len + 1);

    assert(lb_json_unescape((struct lb_str){ value.ptr, value.len }, out) <= value.len);
    free(out);
}

static void walk(struct lb_str text, struct lb_value value, int depth)
{
    struct lb_str inner = { value.ptr, value.len };
    struct lb_field member = { .key = value };
    size_t at = 1;

    check_inside(text, value);
    if (lb_value_is_string(value))
        check_string(value);
    if (depth == DEPTH)
        return;
    if (value.kind == LB_VALUE_ARRAY) {
        while (lb_json_next_element(inner, &at, &member.value) == LB_OK)
            walk(text, member.value, depth + 1);
        assert(lb_json_next_element(inner, &at, &member.value) == LB_END);
    }
    if (value.kind == LB_VALUE_OBJECT) {
        while (lb_json_next_member(inner, &at, &member) == LB_OK) {
            check_inside(text, member.key);
            walk(text, member.value, depth + 1);
        }
        assert(lb_json_next_member(inner, &at, &member) == LB_END);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_field fields[FIELDS];
    struct lb_json_object object = { .fields = fields, .field_max = FIELDS };
    struct lb_str text = { (const char *)data, size };
    struct lb_buffer out;

    lb_buffer_init(&out, 8 * size + 64);
    lb_json_escape(&out, text);
    assert(!out.failed && lb_utf8_valid(lb_buffer_str(&out)) == out.len);
    lb_buffer_free(&out);

    if (lb_json_read_object(text, &object) != LB_OK) {
        assert(object.reason != NULL && object.reason_at <= size);
        return 0;
    }
    assert(object.end <= size && text.ptr[object.end - 1] == '}');
    assert(lb_json_valid((struct lb_str){ text.ptr, object.end }));
    for (uint32_t i = 0; i < object.field_count; i++) {
        check_inside(text, fields[i].key);
        walk(text, fields[i].value, 0);
    }
    if (object.rest.len > 0)
        assert(object.rest.ptr >= text.ptr && object.rest.ptr + object.rest.len <= text.ptr + size);
    return 0;
}
