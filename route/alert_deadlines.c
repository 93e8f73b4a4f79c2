/* alert_deadlines.c - an indexed binary heap; what is behind a limit is never walked into. */
#include "alert_deadlines.h"

#include "lb_alloc.h"

#include <string.h>

enum { CAPACITY_FIRST = 16, STACK = 64 };

void lb_alert_deadlines_free(struct lb_alert_deadlines *deadlines)
{
    lb_free(deadlines->heap);
    lb_free(deadlines->positions);
    *deadlines = (struct lb_alert_deadlines){ 0 };
}

/* Places break ties, so that the order is always the same. */
static bool is_before(const struct lb_alert_due *a, const struct lb_alert_due *b)
{
    return a->time != b->time ? a->time < b->time : a->place < b->place;
}

static void put(struct lb_alert_deadlines *deadlines, uint32_t at, struct lb_alert_due deadline)
{
    deadlines->heap[at] = deadline;
    deadlines->positions[deadline.place] = at + 1;
}

/* To where it belongs, from the hole at `at`. */
static void settle(struct lb_alert_deadlines *deadlines, uint32_t at, struct lb_alert_due deadline)
{
    while (at > 0 && is_before(&deadline, &deadlines->heap[(at - 1) / 2])) {
        put(deadlines, at, deadlines->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < deadlines->count && is_before(&deadlines->heap[child + 1], &deadlines->heap[child]))
            child++;
        if (child >= deadlines->count || !is_before(&deadlines->heap[child], &deadline))
            break;
        put(deadlines, at, deadlines->heap[child]);
        at = child;
    }
    put(deadlines, at, deadline);
}

static bool reserve_places(struct lb_alert_deadlines *deadlines, uint32_t place)
{
    uint32_t places = deadlines->places == 0 ? CAPACITY_FIRST : deadlines->places;
    uint32_t *positions;

    if (place < deadlines->places)
        return true;
    while (places <= place)
        places *= 2;
    positions = lb_realloc(deadlines->positions, places * sizeof(*positions));
    if (positions == NULL)
        return false;
    memset(positions + deadlines->places, 0, (places - deadlines->places) * sizeof(*positions));
    deadlines->positions = positions;
    deadlines->places = places;
    return true;
}

static bool reserve(struct lb_alert_deadlines *deadlines)
{
    struct lb_alert_due *heap = lb_grown(deadlines->heap, deadlines->count, &deadlines->capacity, sizeof(*heap));

    if (heap == NULL)
        return false;
    deadlines->heap = heap;
    return true;
}

bool lb_alert_deadlines_set(struct lb_alert_deadlines *deadlines, uint32_t place, int64_t time)
{
    struct lb_alert_due deadline = { time, place };

    if (place < deadlines->places && deadlines->positions[place] != 0) {
        settle(deadlines, deadlines->positions[place] - 1, deadline);
        return true;
    }
    if (!reserve_places(deadlines, place) || !reserve(deadlines))
        return false;
    settle(deadlines, deadlines->count++, deadline);
    return true;
}

void lb_alert_deadlines_remove(struct lb_alert_deadlines *deadlines, uint32_t place)
{
    uint32_t at;

    if (place >= deadlines->places || deadlines->positions[place] == 0)
        return;
    at = deadlines->positions[place] - 1;
    deadlines->positions[place] = 0;
    if (at < --deadlines->count)
        settle(deadlines, at, deadlines->heap[deadlines->count]);
}

size_t lb_alert_deadlines_due(const struct lb_alert_deadlines *deadlines, int64_t limit,
                              bool (*is_due)(void *context, uint32_t place), void *context, uint32_t *places,
                              size_t max)
{
    uint32_t stack[STACK]; /* one brother for each level of 2^32, and one more */
    size_t depth = 0;
    size_t found = 0;

    if (deadlines->count > 0)
        stack[depth++] = 0;
    while (depth > 0 && found < max) {
        uint32_t at = stack[--depth];

        if (deadlines->heap[at].time > limit)
            continue;
        if (is_due(context, deadlines->heap[at].place))
            places[found++] = deadlines->heap[at].place;
        if (2 * at + 2 < deadlines->count)
            stack[depth++] = 2 * at + 2;
        if (2 * at + 1 < deadlines->count)
            stack[depth++] = 2 * at + 1;
    }
    return found;
}
