/*
 * queue.c - a linked list of batches under one lock.
 *
 * The tricky thing: the number of a batch is given under the same lock that
 * orders the list, so the sequencer sees no gap and streams keep their order.
 */
#include "lb_queue.h"

#include "pool.h"

#include <assert.h>

void lb_queue_init(struct lb_queue *queue)
{
    *queue = (struct lb_queue){ .tail = &queue->head };
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->more, NULL);
}

void lb_queue_free(struct lb_queue *queue)
{
    struct lb_batch *batch = queue->head;

    while (batch != NULL) {
        struct lb_batch *next = batch->next;

        lb_batch_unref(batch);
        batch = next;
    }
    queue->head = NULL;
    queue->tail = &queue->head;
    pthread_cond_destroy(&queue->more);
    pthread_mutex_destroy(&queue->lock);
}

/* Under the lock. */
static void append(struct lb_queue *queue, struct lb_batch *batch)
{
    assert(!queue->closed);
    batch->next = NULL;
    batch->sequence = queue->next_sequence++;
    batch->generation = lb_generation_ref(queue->generation);
    *queue->tail = batch;
    queue->tail = &batch->next;
    queue->depth++;
    pthread_cond_signal(&queue->more);
}

void lb_queue_push(struct lb_queue *queue, struct lb_batch *batch)
{
    lb_pool_moving(batch);
    pthread_mutex_lock(&queue->lock);
    append(queue, batch);
    pthread_mutex_unlock(&queue->lock);
}

void lb_queue_switch(struct lb_queue *queue, struct lb_generation *generation, struct lb_batch *marker)
{
    pthread_mutex_lock(&queue->lock);
    queue->generation = generation;
    append(queue, marker);
    pthread_mutex_unlock(&queue->lock);
}

struct lb_batch *lb_queue_pop(struct lb_queue *queue)
{
    struct lb_batch *batch;

    pthread_mutex_lock(&queue->lock);
    while (queue->head == NULL && !queue->closed)
        pthread_cond_wait(&queue->more, &queue->lock);
    batch = queue->head;
    if (batch != NULL) {
        queue->head = batch->next;
        if (queue->head == NULL)
            queue->tail = &queue->head;
        queue->depth--;
        batch->next = NULL;
    }
    pthread_mutex_unlock(&queue->lock);
    return batch;
}

void lb_queue_close(struct lb_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->more);
    pthread_mutex_unlock(&queue->lock);
}

uint32_t lb_queue_depth(struct lb_queue *queue)
{
    uint32_t depth;

    pthread_mutex_lock(&queue->lock);
    depth = queue->depth;
    pthread_mutex_unlock(&queue->lock);
    return depth;
}

uint64_t lb_queue_pushed(struct lb_queue *queue)
{
    uint64_t pushed;

    pthread_mutex_lock(&queue->lock);
    pushed = queue->next_sequence;
    pthread_mutex_unlock(&queue->lock);
    return pushed;
}
