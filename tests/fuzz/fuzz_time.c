/* Any bytes as a timestamp: refused or read, never a byte outside of the text, and what is read can be written. */
#include "lb_time.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(int64_t time_ns)
{
    char text[LB_TIME_TEXT_SIZE];
    size_t len = lb_time_write(time_ns, text);
    int64_t again = 0;

    assert(len >= 20 && len <= 30);
    assert(lb_time_rfc3339((struct lb_str){ text, len }, &again) && again == time_ns);
}

/* The first byte says where the format ends and the text begins. */
static void check_format(struct lb_str bytes)
{
    struct lb_arena arena;
    struct lb_diag diag = { 0 };
    size_t split = bytes.len == 0 ? 0 : (unsigned char)bytes.ptr[0] % bytes.len;
    struct lb_str text = { bytes.ptr + split, bytes.len - split };
    struct lb_time_format *format;
    int64_t time_ns;

    lb_arena_init(&arena, 1 << 20);
    format = lb_time_format_new(&arena, (struct lb_str){ bytes.ptr, split }, LB_STR(""),
                                (struct lb_place){ "fuzz", 1, 1 }, &diag);
    if (format != NULL && lb_time_format_parse(format, text, INT64_C(1700000000) * LB_SECOND, &time_ns))
        check_written(time_ns);
    assert(format != NULL || diag.errors == 1);
    lb_diag_free(&diag);
    lb_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of the exact size: reading past it is caught. */
    char *copy = malloc(size == 0 ? 1 : size);
    struct lb_str text = { copy, size };
    int64_t time_ns;
    size_t used;

    if (size > 0)
        memcpy(copy, data, size);
    if (lb_time_guess(text, INT64_C(1700000000) * LB_SECOND, &time_ns))
        check_written(time_ns);
    if (lb_time_rfc3339(text, &time_ns))
        check_written(time_ns);
    if (lb_time_rfc3164(text, INT64_C(1700000000) * LB_SECOND, &time_ns, &used))
        check_written(time_ns);
    assert(used <= size);
    check_format(text);
    free(copy);
    return 0;
}
