/* post_step_take.c - the events of a body, into batches as there is credit. */
#include "post_connection.h"

#include <event2/event.h>

enum { EVENTS_MAX = 4096 }; /* of one batch */

static void push(struct post_connection *self, struct lb_batch *batch)
{
    struct lb_str peer = LB_STR("");

    if (self->peer != NULL && batch->event_count > 0) {
        peer = lb_arena_copy(&batch->arena, lb_str_from(self->peer));
        batch->peers = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*batch->peers));
    }
    if (peer.ptr == NULL)
        batch->peers = NULL;
    for (uint32_t i = 0; batch->peers != NULL && i < batch->event_count; i++)
        batch->peers[i] = peer;
    self->awaited = syslog_push(&self->owner->base, batch, &self->position);
    self->pushed = true;
    event_del(self->timer);
}

/* Room for what is left, but no more than a slab unless the next event alone needs it. */
static struct lb_batch *take_batch(struct post_connection *self, size_t next)
{
    size_t left = self->events.text.len - self->start;
    size_t wanted = left + left / 8 + LB_SLAB_SMALL / 2;
    size_t need = next + LB_SLAB_SMALL / 2;

    if (wanted > LB_SLAB_LARGE)
        wanted = LB_SLAB_LARGE;
    return syslog_take(&self->owner->base, need > wanted ? need : wanted, self->stream, &self->waiter);
}

/* True: all events are on their way. False: no credit, it will be resumed. */
bool post_take_events(struct post_connection *self)
{
    size_t max_line = self->owner->base.source->options.max_line;
    struct lb_batch *batch = NULL;

    while (self->has_event || post_body_next(&self->events, &self->start, &self->length) == LB_OK) {
        size_t length = self->length < max_line ? self->length : max_line;

        self->has_event = true;
        if (batch != NULL && (length > lb_batch_room(batch, 1) || batch->event_count == EVENTS_MAX)) {
            push(self, batch);
            batch = NULL;
        }
        if (batch == NULL)
            batch = take_batch(self, length);
        if (batch == NULL)
            return false;
        memcpy(batch->bytes + batch->length, self->events.text.ptr + self->start, length);
        (void)syslog_note(&self->owner->base, batch, batch->length, length, length < self->length);
        batch->length += (uint32_t)length;
        self->has_event = false;
    }
    if (batch != NULL)
        push(self, batch);
    return true;
}

static uint64_t safe_number(struct post_source *owner)
{
    pthread_mutex_lock(&owner->lock);
    uint64_t number = owner->safe_number;
    pthread_mutex_unlock(&owner->lock);
    return number;
}

void post_settle(struct post_connection *self)
{
    lb_metric_add(self->owner->base.metrics.bytes, (int64_t)self->body.len);
    event_del(self->timer);
    post_drop_body(self);
    if (self->awaited > safe_number(self->owner))
        self->step = STEP_SAFE;
    else
        post_answer_taken(self);
}
