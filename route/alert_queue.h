/*
 * alert_queue.h - batches on their way to the alert engine, each with its
 * token (a batch's own link belongs to other queues).
 *
 * Any number of senders, one receiver, who also wakes when told to, or after
 * a while to see that time has passed. The pool bounds what can be in it; it
 * grows to that and then allocates no more.
 */
#ifndef LB_ALERT_QUEUE_H
#define LB_ALERT_QUEUE_H

#include "lb_batch.h"

#include <pthread.h>
#include <stdbool.h>

struct lb_alert_change;
struct lb_token;

struct lb_alert_delivery {
    struct lb_batch *batch;
    struct lb_token *token;         /* or NULL */
    struct lb_alert_change *change; /* instead of a batch: what comes is of other rules */
};

struct lb_alert_queue {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct lb_alert_delivery *ring;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t first;
    uint32_t count;
    bool woken;
    bool closed;
};

enum lb_alert_wait { LB_ALERT_ITEM, LB_ALERT_WOKEN, LB_ALERT_TIMEOUT, LB_ALERT_CLOSED };

void lb_alert_queue_init(struct lb_alert_queue *queue);
void lb_alert_queue_free(struct lb_alert_queue *queue);

/* False: no memory; the caller still owns both. */
bool lb_alert_queue_push(struct lb_alert_queue *queue, struct lb_alert_delivery item);

/* The next item; LB_ALERT_CLOSED once it is closed and empty. Waits at most `wait_ns` of real time. */
enum lb_alert_wait lb_alert_queue_pop(struct lb_alert_queue *queue, int64_t wait_ns, struct lb_alert_delivery *item);

void lb_alert_queue_wake(struct lb_alert_queue *queue);
void lb_alert_queue_close(struct lb_alert_queue *queue);

/* Closed and empty, its thread gone: waiting for a wake works again. */
void lb_alert_queue_reopen(struct lb_alert_queue *queue);
uint32_t lb_alert_queue_depth(struct lb_alert_queue *queue);

#endif
