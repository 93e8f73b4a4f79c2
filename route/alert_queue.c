/*
 * alert_queue.c - a ring under one lock, taken once for each batch.
 *
 * The receiver waits by the machine's own clock: a test that stops lb_clock
 * must not stop the thread.
 */
#include "alert_queue.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <time.h>

enum { CAPACITY_FIRST = 16 };

void lb_alert_queue_init(struct lb_alert_queue *queue)
{
    pthread_condattr_t attributes;

    *queue = (struct lb_alert_queue){ 0 };
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->more, &attributes);
    pthread_condattr_destroy(&attributes);
}

void lb_alert_queue_free(struct lb_alert_queue *queue)
{
    lb_free(queue->ring);
    pthread_cond_destroy(&queue->more);
    pthread_mutex_destroy(&queue->lock);
}

static struct lb_alert_delivery *item_at(struct lb_alert_queue *queue, uint32_t i)
{
    return &queue->ring[(queue->first + i) & (queue->capacity - 1)];
}

static bool grow(struct lb_alert_queue *queue)
{
    uint32_t capacity = queue->capacity == 0 ? CAPACITY_FIRST : queue->capacity * 2;
    struct lb_alert_delivery *ring = lb_alloc(capacity * sizeof(*ring));

    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < queue->count; i++)
        ring[i] = *item_at(queue, i);
    lb_free(queue->ring);
    queue->ring = ring;
    queue->capacity = capacity;
    queue->first = 0;
    return true;
}

bool lb_alert_queue_push(struct lb_alert_queue *queue, struct lb_alert_delivery item)
{
    bool room;

    pthread_mutex_lock(&queue->lock);
    room = queue->count < queue->capacity || grow(queue);
    if (room)
        *item_at(queue, queue->count++) = item;
    pthread_cond_signal(&queue->more);
    pthread_mutex_unlock(&queue->lock);
    return room;
}

static struct timespec deadline_in(int64_t wait_ns)
{
    struct timespec deadline;
    int64_t ns;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    ns = deadline.tv_nsec + wait_ns;
    deadline.tv_sec += (time_t)(ns / LB_SECOND);
    deadline.tv_nsec = (long)(ns % LB_SECOND);
    return deadline;
}

enum lb_alert_wait lb_alert_queue_pop(struct lb_alert_queue *queue, int64_t wait_ns, struct lb_alert_delivery *item)
{
    struct timespec deadline = deadline_in(wait_ns);
    enum lb_alert_wait result = LB_ALERT_TIMEOUT;
    int err = 0;

    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->woken && !queue->closed && err == 0)
        err = pthread_cond_timedwait(&queue->more, &queue->lock, &deadline);
    if (queue->count > 0) {
        *item = *item_at(queue, 0);
        queue->first = (queue->first + 1) & (queue->capacity - 1);
        queue->count--;
        result = LB_ALERT_ITEM;
    } else if (queue->woken) {
        queue->woken = false;
        result = LB_ALERT_WOKEN;
    } else if (queue->closed) {
        result = LB_ALERT_CLOSED;
    }
    pthread_mutex_unlock(&queue->lock);
    return result;
}

void lb_alert_queue_wake(struct lb_alert_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->woken = true;
    pthread_cond_signal(&queue->more);
    pthread_mutex_unlock(&queue->lock);
}

void lb_alert_queue_close(struct lb_alert_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_signal(&queue->more);
    pthread_mutex_unlock(&queue->lock);
}

void lb_alert_queue_reopen(struct lb_alert_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = false;
    pthread_mutex_unlock(&queue->lock);
}

uint32_t lb_alert_queue_depth(struct lb_alert_queue *queue)
{
    uint32_t depth;

    pthread_mutex_lock(&queue->lock);
    depth = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return depth;
}
