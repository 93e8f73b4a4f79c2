/*
 * alert_clock.c - a small open table of streams.
 *
 * Streams are never removed one by one. When the table has its full size and
 * is half used, it is built anew with the half that was active last.
 */
#include "alert_clock.h"

#include "lb_alloc.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 64, CAPACITY_MAX = 2 * LB_ALERT_STREAMS_MAX };

void lb_alert_clocks_free(struct lb_alert_clocks *clocks)
{
    lb_free(clocks->table);
    *clocks = (struct lb_alert_clocks){ 0 };
}

/* The stream's place, or the free one where it belongs. Ids are random, but sockets' may count up: mix them. */
static struct lb_alert_stream *place(struct lb_alert_stream *table, uint32_t capacity, uint64_t id)
{
    uint32_t i = (uint32_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (capacity - 1);

    while (table[i].id != 0 && table[i].id != id)
        i = (i + 1) & (capacity - 1);
    return &table[i];
}

static int by_arrival(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* The arrival that half of the streams lie before. */
static int64_t middle_arrival(const struct lb_alert_clocks *clocks, int64_t *arrivals)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < clocks->capacity; i++)
        if (clocks->table[i].id != 0)
            arrivals[count++] = clocks->table[i].arrival;
    qsort(arrivals, count, sizeof(*arrivals), by_arrival);
    return arrivals[count / 2];
}

static bool rebuild(struct lb_alert_clocks *clocks, uint32_t capacity, int64_t after)
{
    struct lb_alert_stream *table = lb_alloc(capacity * sizeof(*table));
    uint32_t count = 0;

    if (table == NULL)
        return false;
    for (uint32_t i = 0; i < clocks->capacity; i++) {
        const struct lb_alert_stream *stream = &clocks->table[i];

        if (stream->id == 0 || stream->arrival < after || (uint64_t)count * 2 + 2 > capacity)
            continue;
        *place(table, capacity, stream->id) = *stream;
        count++;
    }
    lb_free(clocks->table);
    *clocks = (struct lb_alert_clocks){ table, capacity, count };
    return true;
}

static bool forget_half(struct lb_alert_clocks *clocks)
{
    int64_t *arrivals = lb_alloc(clocks->count * sizeof(*arrivals));
    int64_t middle;

    if (arrivals == NULL)
        return false;
    middle = middle_arrival(clocks, arrivals);
    lb_free(arrivals);
    /* When most came at the same moment: none is older than the others, so all go. */
    return rebuild(clocks, clocks->capacity, middle) &&
           (clocks->count * 2 < clocks->capacity || rebuild(clocks, clocks->capacity, INT64_MAX));
}

static bool reserve(struct lb_alert_clocks *clocks)
{
    if ((clocks->count + 1) * 2 <= clocks->capacity)
        return true;
    if (clocks->capacity == CAPACITY_MAX)
        return forget_half(clocks);
    return rebuild(clocks, clocks->capacity == 0 ? CAPACITY_FIRST : clocks->capacity * 2, INT64_MIN);
}

static int64_t time_at(const struct lb_alert_stream *stream, int64_t now)
{
    return stream->newest + (now - stream->arrival);
}

void lb_alert_clocks_see(struct lb_alert_clocks *clocks, uint64_t stream, int64_t time, int64_t now,
                         int64_t lateness_ns)
{
    struct lb_alert_stream *seen;

    if (stream == 0 || !reserve(clocks))
        return;
    seen = place(clocks->table, clocks->capacity, stream);
    clocks->count += seen->id == 0;
    if (seen->id == 0 || time >= time_at(seen, now) || time < time_at(seen, now) - lateness_ns)
        *seen = (struct lb_alert_stream){ stream, time, now };
}

bool lb_alert_clocks_time(const struct lb_alert_clocks *clocks, uint64_t stream, int64_t now, int64_t *time)
{
    const struct lb_alert_stream *seen;

    if (clocks->capacity == 0)
        return false;
    seen = place(clocks->table, clocks->capacity, stream);
    if (seen->id == 0)
        return false;
    *time = time_at(seen, now);
    return true;
}
