/*
 * alert_outbox.h - alert events that wait to become batches.
 *
 * The engine must never wait for credit: the batches in its own queue may be
 * what holds it. So events wait here, in order, and go as soon as there is
 * credit; what they can amount to is bounded by what the pool holds.
 */
#ifndef LB_ALERT_OUTBOX_H
#define LB_ALERT_OUTBOX_H

#include "alert_event.h"
#include "lb_pool.h"
#include "lb_stream.h"

enum { LB_ALERT_EVENTS_MAX = 16384 };

struct lb_alert_outbox {
    struct lb_share *share;
    struct lb_stream *stream; /* a reference is held */
    void (*deliver)(void *context, struct lb_batch *batch);
    void *context;
    struct lb_alert_event *first;
    struct lb_alert_event *last;
    uint32_t count;
    uint64_t position; /* of the next event in the stream */
    uint64_t lost;     /* events past the bound */
};

/* Takes the event, which came from lb_alloc(), and a reference of its generation. */
void lb_alert_outbox_add(struct lb_alert_outbox *outbox, struct lb_alert_event *event);

/* Delivers as many as there is credit and memory for. True when none is left. */
bool lb_alert_outbox_flush(struct lb_alert_outbox *outbox);
void lb_alert_outbox_free(struct lb_alert_outbox *outbox);

#endif
