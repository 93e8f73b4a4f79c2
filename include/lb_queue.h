/*
 * lb_queue.h - batches on their way from one stage to the next.
 *
 * Any number of senders and receivers, first in, first out. It never fills:
 * the pool bounds what can be in it. Pushing gives the batch away. One lock
 * per batch, never per record.
 */
#ifndef LB_QUEUE_H
#define LB_QUEUE_H

#include "lb_batch.h"

#include <pthread.h>

/* Numbers pushed batches 0, 1, 2 … in `sequence`. */
struct lb_queue {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct lb_batch *head;
    struct lb_batch **tail;
    uint64_t next_sequence;
    uint32_t depth;
    bool closed;
};

void lb_queue_init(struct lb_queue *queue);
void lb_queue_free(struct lb_queue *queue);
void lb_queue_push(struct lb_queue *queue, struct lb_batch *batch);

/* Waits. NULL when the queue is closed and empty. */
struct lb_batch *lb_queue_pop(struct lb_queue *queue);

/* No more pushes; receivers drain what is there, then get NULL. */
void lb_queue_close(struct lb_queue *queue);
uint32_t lb_queue_depth(struct lb_queue *queue);

#endif
