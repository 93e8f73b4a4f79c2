/*
 * delivery_exchange.c - another instance takes the place of a sink.
 *
 * The queue stays, and is pushed to all the while. What the old instance was
 * given and has not delivered must not be lost with it: a sink with commit()
 * commits it; one that spools has it put into its spool, from where the new
 * one reads it; any other gets time to deliver it. The tricky thing is the
 * spool's own stream: tokens of what was read back and never delivered are
 * nobody's any more, so they are dropped, and the spool is opened again at its
 * mark as after a restart.
 */
#include "spool.h"

#include "lb_log.h"

/* Of a sink that spools: all that it was given goes to the disk. True: it did. */
static bool spool_given(struct lb_delivery *self)
{
    if (self->sink->type->commit != NULL && delivery_commit(self))
        delivery_go_over(self);
    delivery_reap(self);
    delivery_spool_finish(self, self->deadline);
    if (self->current.batch != NULL)
        delivery_ring_refused(self);
    delivery_reap(self);
    pthread_mutex_lock(&self->lock);
    bool none = self->written == 0 && !self->trying;
    pthread_mutex_unlock(&self->lock);
    return none && self->pending_count == 0;
}

/* Of another: with commit() all is committed; without, no token is out but those of what waits. */
static bool has_delivered(struct lb_delivery *self)
{
    if (self->sink->type->commit != NULL)
        return true;
    pthread_mutex_lock(&self->lock);
    uint64_t waiting = self->count + (self->current.batch != NULL);
    pthread_mutex_unlock(&self->lock);
    return lb_streams_outstanding(self->streams, self->sink->index) <= waiting;
}

void delivery_rest(struct lb_delivery *self)
{
    const struct lb_sink_type *type = self->sink->type;

    if (type->drain != NULL)
        type->drain(self->sink, delivery_drain_until(self));
    lb_dead_letters_flush(self->sink, delivery_drain_until(self));
    bool safe = !self->spools || spool_given(self);
    bool committed = delivery_commit(self) && !self->ledger_failed;
    self->complete = committed && safe && (self->spools || has_delivered(self));
}

bool lb_delivery_pause(struct lb_delivery *delivery, int64_t deadline)
{
    pthread_mutex_lock(&delivery->lock);
    delivery->pausing = true;
    delivery->deadline = deadline;
    pthread_cond_signal(&delivery->more);
    pthread_mutex_unlock(&delivery->lock);
    pthread_join(delivery->thread, NULL);
    return delivery->complete;
}

/* What the old instance was trying to take is given to the new one whole; the pieces that it had went with it. */
static void take_back_current(struct lb_delivery *self)
{
    const struct delivery_current *current = &self->current;

    if (current->batch != NULL && current->from == FROM_QUEUE && current->token != NULL)
        lb_token_take_back(current->token);
}

/* The spool of the old instance is let go, that of the new one opened, at the mark. */
static enum lb_err renew_spool(struct lb_delivery *self)
{
    bool spools = self->sink->options.when_full == LB_FULL_SPOOL;

    pthread_mutex_lock(&self->lock);
    self->spools = false; /* who pushes looks no further */
    pthread_mutex_unlock(&self->lock);
    if (self->current.batch != NULL && self->current.from == FROM_SPOOL)
        self->current.batch = NULL;
    if (self->spool != NULL && self->spool->stream != NULL) /* an instance before it could not open it */
        lb_stream_drop(self->spool->stream, self->sink->index);
    delivery_spool_free(self);
    enum lb_err err = delivery_spool_open(self, spools);
    pthread_mutex_lock(&self->lock);
    self->spools = spools && err == LB_OK;
    pthread_mutex_unlock(&self->lock);
    return err;
}

static enum lb_err take_over(struct lb_delivery *self, struct lb_sink *sink)
{
    if (sink->delivery != self) { /* an instance that comes back has both, and others read them */
        sink->delivery = self;
        sink->index = self->sink->index;
    }
    delivery_count_holder(self, false);
    lb_dead_letters_free(self->sink);
    take_back_current(self);
    pthread_mutex_lock(&self->lock);
    self->sink = sink;
    delivery_metrics_open(self);
    pthread_mutex_unlock(&self->lock);
    enum lb_err err = renew_spool(self);
    delivery_count_holder(self, true);
    return err;
}

enum lb_err lb_delivery_resume(struct lb_delivery *delivery, struct lb_sink *sink, bool fresh, int64_t commit_ns)
{
    enum lb_err err = LB_OK;

    if (fresh)
        err = take_over(delivery, sink);
    else if (delivery->spool != NULL)
        delivery->spool->ending = false;
    delivery->commit_ns = commit_ns;
    delivery->pausing = false;
    delivery->retry_at = 0;
    delivery->tick_at = 0;
    delivery->pause_ns = PAUSE_FIRST;
    if (fresh)
        lb_delivery_fine(sink);
    if (err == LB_OK && !delivery_allocate_pending(delivery))
        err = LB_NOMEM;
    return err == LB_OK ? delivery_start_threads(delivery) : err;
}
