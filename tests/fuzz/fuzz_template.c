/*
 * fuzz_template.c - a template, a zero byte, then the value of its field.
 *
 * In a path the value stays within its component whatever it is: no slash, no
 * leading dot, at most 64 bytes.
 */
#include "lb_template.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lb_record record_of(struct lb_field *field, struct lb_str value)
{
    *field = (struct lb_field){ lb_value_text(LB_STR("a")), lb_value_text(value) };
    return (
        struct lb_record){ .fields = field, .field_count = 1, .field_capacity = 1, .service = lb_value_text(value) };
}

static void check_component(struct lb_arena *arena, struct lb_diag *diag, const struct lb_record *record)
{
    char memory[64];
    struct lb_scratch scratch = { memory, sizeof(memory), 0 };
    struct lb_template *template = lb_template_new(arena, LB_STR("{service}"), (struct lb_place){ 0 }, diag);
    struct lb_buffer out;

    assert(template != NULL);
    lb_buffer_init(&out, 1 << 16);
    for (unsigned flags = LB_TEMPLATE_PATH; flags <= LB_TEMPLATE_TOPIC; flags *= 2) {
        lb_buffer_reset(&out);
        lb_template_write(template, flags, record, 0, &scratch, &out);
        assert(!out.failed && out.len > 0 && out.len <= (flags == LB_TEMPLATE_PATH ? 64 : 249));
        assert(out.ptr[0] != '.' && memchr(out.ptr, '/', out.len) == NULL && memchr(out.ptr, '\0', out.len) == NULL);
    }
    lb_buffer_free(&out);
}

static void write_every_way(const struct lb_template *template, const struct lb_record *record)
{
    char memory[64];
    struct lb_scratch scratch = { memory, sizeof(memory), 0 };
    struct lb_buffer out;

    lb_buffer_init(&out, 1 << 20);
    for (unsigned flags = 0; flags < 8; flags++) {
        lb_buffer_reset(&out);
        lb_template_write(template, flags, record, (int64_t)(flags * UINT64_C(0x2222222222222222)), &scratch, &out);
        assert(scratch.used == 0);
        if (lb_template_is_constant(template))
            assert(lb_str_equal(lb_buffer_str(&out), lb_template_prefix(template)));
        else
            assert(out.failed || out.len == 0 || lb_str_starts(lb_buffer_str(&out), lb_template_prefix(template)));
    }
    lb_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t len = end != NULL ? (size_t)(end - data) : size;
    struct lb_str text = { len > 0 ? (const char *)data : "", len };
    struct lb_str value = LB_STR("");
    struct lb_field field;
    struct lb_arena arena;
    struct lb_diag diag = { 0 };

    if (end != NULL && len + 1 < size)
        value = (struct lb_str){ (const char *)end + 1, size - len - 1 };
    struct lb_record record = record_of(&field, value);
    lb_arena_init(&arena, 1 << 20);
    struct lb_template *template = lb_template_new(&arena, text, (struct lb_place){ "fuzz", 1, 1 }, &diag);
    assert((template == NULL) == (diag.errors == 1));
    if (template != NULL)
        write_every_way(template, &record);
    check_component(&arena, &diag, &record);
    lb_diag_free(&diag);
    lb_arena_free(&arena);
    return 0;
}
