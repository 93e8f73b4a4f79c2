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

/* Numbers pushed batches 0, 1, 2 … in `sequence`, and gives each a reference of the queue's generation. */
struct lb_queue {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct lb_batch *head;
    struct lb_batch **tail;
    uint64_t next_sequence;
    struct lb_generation *generation; /* of what is pushed from now on; the owner's reference */
    uint32_t depth;
    bool closed;
};

void lb_queue_init(struct lb_queue *queue);
void lb_queue_free(struct lb_queue *queue);
void lb_queue_push(struct lb_queue *queue, struct lb_batch *batch);

/*
 * What is pushed from now on belongs to `generation`. `marker`, which is the caller's and has no pool, takes the place
 * in between: when it leaves the sequencer, every batch of the generation before has left it.
 */
void lb_queue_switch(struct lb_queue *queue, struct lb_generation *generation, struct lb_batch *marker);

/* Waits. NULL when the queue is closed and empty. */
struct lb_batch *lb_queue_pop(struct lb_queue *queue);

/* No more pushes; receivers drain what is there, then get NULL. */
void lb_queue_close(struct lb_queue *queue);
uint64_t lb_queue_pushed(struct lb_queue *queue); /* how many so far */
uint32_t lb_queue_depth(struct lb_queue *queue);

#endif
