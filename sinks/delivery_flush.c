/*
 * delivery_flush.c - a reader asks for what a sink still has in memory.
 *
 * The sink's own thread does it, as soon as nothing waits in the queue, or
 * after a moment on a busy sink. Who asks waits, and wakes the thread until
 * it is served; so the thread needs to know nothing of who asks.
 */
#include "delivery.h"

#include <time.h>

#define BUSY_AFTER (100 * LB_MILLISECOND) /* then what came so far is enough */
#define WAKE_EVERY (20 * LB_MILLISECOND)

void delivery_flush_init(struct delivery_flush *self)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->served, &attr);
    pthread_condattr_destroy(&attr);
}

void delivery_flush_free(struct delivery_flush *self)
{
    pthread_cond_destroy(&self->served);
    pthread_mutex_destroy(&self->lock);
}

/*
 * True when somebody waits and it is time. `idle` was true before this call: it says something only of those who asked
 * before the call before, for what they pushed has been looked for since.
 */
static bool is_due(struct delivery_flush *self, bool idle, uint64_t *number)
{
    pthread_mutex_lock(&self->lock);
    bool due = self->seen != self->done && (idle || lb_clock_monotonic() - self->since >= BUSY_AFTER);
    *number = self->seen;
    self->seen = self->asked;
    pthread_mutex_unlock(&self->lock);
    return due;
}

void delivery_flush_serve(struct lb_delivery *delivery, bool idle)
{
    struct delivery_flush *self = &delivery->flush;
    uint64_t number;

    if (!atomic_load_explicit(&self->wanted, memory_order_relaxed))
        return;
    if (!is_due(self, idle, &number) || lb_clock_monotonic() < delivery->retry_at)
        return; /* a sink that takes nothing now cannot show it either */
    delivery->sink->type->flush(delivery->sink);
    pthread_mutex_lock(&self->lock);
    self->done = number;
    atomic_store_explicit(&self->wanted, self->asked != self->done, memory_order_relaxed);
    pthread_cond_broadcast(&self->served);
    pthread_mutex_unlock(&self->lock);
}

static void wait_a_moment(struct delivery_flush *self)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += WAKE_EVERY;
    if (at.tv_nsec >= LB_SECOND) {
        at.tv_sec++;
        at.tv_nsec -= LB_SECOND;
    }
    pthread_cond_timedwait(&self->served, &self->lock, &at);
}

bool lb_delivery_flush(struct lb_delivery *delivery, int64_t deadline)
{
    struct delivery_flush *self = &delivery->flush;

    if (delivery->sink->type->flush == NULL)
        return true;
    pthread_mutex_lock(&self->lock);
    if (self->asked == self->done)
        self->since = lb_clock_monotonic();
    uint64_t number = ++self->asked;
    atomic_store_explicit(&self->wanted, true, memory_order_relaxed);
    while (self->done < number && lb_clock_monotonic() < deadline) {
        pthread_cond_signal(&delivery->more);
        wait_a_moment(self);
    }
    bool served = self->done >= number;
    pthread_mutex_unlock(&self->lock);
    return served;
}
