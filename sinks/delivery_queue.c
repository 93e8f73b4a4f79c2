/*
 * delivery_queue.c - what waits for one sink.
 *
 * The queue itself has room for the whole pool, so pushing never fails and
 * never blocks; what may lie in it is a matter of the sink's policy.
 */
#include "delivery.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <inttypes.h>

#define TELL_EVERY (60 * LB_SECOND)

static bool grow(struct lb_delivery *self)
{
    uint32_t capacity = self->capacity * 2;
    struct delivery_item *ring = lb_alloc(capacity * sizeof(*ring));

    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < self->count; i++)
        ring[i] = *delivery_at(self, i);
    lb_free(self->ring);
    self->ring = ring;
    self->capacity = capacity;
    self->head = 0;
    return true;
}

static void show_depth(struct lb_delivery *self)
{
    lb_metric_set(self->metrics.queue, self->count);
    lb_metric_set(self->metrics.queue_bytes, (int64_t)self->held_bytes);
}

bool delivery_ring_push(struct lb_delivery *self, struct delivery_item item)
{
    if (self->overflowed || (self->count == self->capacity && !grow(self))) {
        self->overflowed = true;
        return false;
    }
    *delivery_at(self, self->count) = item;
    self->count++;
    self->held_bytes += item.bytes;
    show_depth(self);
    return true;
}

struct delivery_item delivery_ring_pop(struct lb_delivery *self)
{
    struct delivery_item item = *delivery_at(self, 0);

    self->head = (self->head + 1) & (self->capacity - 1);
    self->count--;
    self->held_bytes -= item.bytes;
    show_depth(self);
    return item;
}

uint32_t delivery_waiting(const struct lb_delivery *self)
{
    return self->count - self->written - self->trying;
}

/* --- dropping --------------------------------------------------------------------- */

void delivery_note_dropped(struct lb_delivery *self, enum delivery_drop reason, uint64_t records)
{
    static const char *const texts[] = {
        [DROP_QUEUE] = "the sink does not keep up", [DROP_SPOOL] = "spool.max_size is reached"
    };
    int64_t now = lb_clock_monotonic();
    int64_t told = self->drop_told;
    uint64_t all = atomic_fetch_add(&self->dropped, records) + records;

    lb_metric_add(self->metrics.dropped[reason], (int64_t)records);
    if (told != 0 && now - told < TELL_EVERY)
        return;
    if (atomic_compare_exchange_strong(&self->drop_told, &told, now))
        LB_WARN("sink", "dropping the oldest records, %s sink=" LB_STR_FMT " dropped=%" PRIu64, texts[reason],
                LB_STR_ARG(self->sink->section.name), all);
}

void delivery_drop_excess(struct lb_delivery *self)
{
    for (;;) {
        pthread_mutex_lock(&self->lock);
        bool excess = self->held_bytes > self->hold_max && self->count > 1;
        struct delivery_item item = { 0 };

        if (excess)
            item = delivery_ring_pop(self);
        pthread_mutex_unlock(&self->lock);
        if (!excess)
            return;
        delivery_note_dropped(self, DROP_QUEUE, item.selection->count);
        if (item.token != NULL)
            lb_token_done(item.token, LB_DROPPED, NULL);
        lb_batch_unref(item.batch);
    }
}
