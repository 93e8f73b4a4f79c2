/* alert_cover.c - a few spans and a few times, kept in order by moving them. */
#include "alert_cover.h"

#include <string.h>

void lb_alert_cover_add(struct lb_alert_cover *cover, int64_t from, int64_t to)
{
    uint64_t first = 0;
    uint64_t behind;

    while (first < cover->count && cover->spans[first].to < from)
        first++;
    behind = first;
    /* All that it touches become one with it. */
    for (; behind < cover->count && cover->spans[behind].from <= to; behind++) {
        from = cover->spans[behind].from < from ? cover->spans[behind].from : from;
        to = cover->spans[behind].to > to ? cover->spans[behind].to : to;
    }
    if (behind == first && cover->count == LB_ALERT_SPANS) {
        if (first == 0)
            return;
        first--;
        cover->count--;
        memmove(cover->spans, cover->spans + 1, cover->count * sizeof(*cover->spans));
        behind = first;
    }
    memmove(cover->spans + first + 1, cover->spans + behind, (cover->count - behind) * sizeof(*cover->spans));
    cover->count = cover->count - (behind - first) + 1;
    cover->spans[first].from = from;
    cover->spans[first].to = to;
}

bool lb_alert_cover_has(const struct lb_alert_cover *cover, int64_t time)
{
    for (uint64_t i = 0; i < cover->count; i++)
        if (time >= cover->spans[i].from && time <= cover->spans[i].to)
            return true;
    return false;
}

void lb_alert_cover_forget(struct lb_alert_cover *cover, int64_t before)
{
    uint64_t old = 0;

    while (old < cover->count && cover->spans[old].to < before)
        old++;
    cover->count -= old;
    memmove(cover->spans, cover->spans + old, cover->count * sizeof(*cover->spans));
}

static void remove_at(struct lb_alert_waiting *waiting, uint64_t i)
{
    waiting->count--;
    memmove(waiting->times + i, waiting->times + i + 1, (waiting->count - i) * sizeof(*waiting->times));
}

void lb_alert_waiting_add(struct lb_alert_waiting *waiting, int64_t time, uint64_t victim)
{
    uint64_t at;

    if (waiting->count == LB_ALERT_WAITING)
        remove_at(waiting, victim);
    at = waiting->count;
    while (at > 0 && waiting->times[at - 1] > time)
        at--;
    memmove(waiting->times + at + 1, waiting->times + at, (waiting->count - at) * sizeof(*waiting->times));
    waiting->times[at] = time;
    waiting->count++;
}

bool lb_alert_waiting_take(struct lb_alert_waiting *waiting, int64_t from, int64_t to, int64_t *time)
{
    for (uint64_t i = 0; i < waiting->count; i++) {
        if (waiting->times[i] < from || waiting->times[i] > to)
            continue;
        *time = waiting->times[i];
        remove_at(waiting, i);
        return true;
    }
    return false;
}
