/*
 * Any bytes as the text of a calendar: refused with a fault, or windows that hold what they say: the next one begins
 * at or after the instant, is not empty, and holds its own beginning.
 */
#include "route/calendar.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW (INT64_C(1796083200) * LB_SECOND)

static void check(const struct lb_calendar *calendar, bool moments)
{
    struct lb_span next;
    struct lb_span held;

    if (!lb_calendar_next(calendar, NOW, &next))
        return;
    assert(next.from >= NOW);
    if (moments)
        return;
    assert(next.from < next.until);
    assert(lb_calendar_find(calendar, next.from, &held));
    assert(held.from <= next.from && held.until >= next.until);
    assert(lb_calendar_find(calendar, next.until - 1, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const zones[] = { "UTC", "Europe/Berlin", "Australia/Sydney", "+05:30" };
    unsigned how = size > 0 ? data[0] : 0;
    size_t len = size > 0 ? size - 1 : 0;
    char *copy = malloc(len == 0 ? 1 : len); /* of the exact size: reading past it is caught */
    struct lb_str text = { copy, len };
    struct lb_strs texts = { &text, 1 };
    struct lb_calendar_text written = { .zone = lb_str_from(zones[how & 3]),
                                        .moments = (how & 4) != 0,
                                        .place = { "fuzz", 1, 1 } };
    struct lb_arena arena;
    struct lb_diag diag = { 0 };

    if (len > 0)
        memcpy(copy, data + 1, len);
    if ((how & 24) == 0)
        written.every = texts;
    else if ((how & 24) == 8)
        written.weekly = texts;
    else if ((how & 24) == 16)
        written.monthly = texts;
    else
        written.until = text;
    lb_arena_init(&arena, 1 << 20);
    const struct lb_calendar *calendar = lb_calendar_new(&arena, &written, &diag);

    assert((calendar == NULL) == (diag.errors > 0));
    if (calendar != NULL)
        check(calendar, written.moments);
    lb_diag_free(&diag);
    lb_arena_free(&arena);
    free(copy);
    return 0;
}
