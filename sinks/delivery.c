/*
 * delivery.c - the engine's side of a sink: its queue and its thread.
 *
 * The thread takes a batch, trims it after a restart, gives it to the sink,
 * and commits when it is time. When the sink (or the ledger) cannot take, it
 * pauses and tries the same again: order is kept and nothing is dropped. What
 * is not done when the deadline of a stop has passed stays unacknowledged,
 * and is read again at the next start.
 */
#include "delivery.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

/* --- the queue ---------------------------------------------------------------- */

static bool ring_grow(struct lb_delivery *self)
{
    uint32_t capacity = self->capacity * 2;
    struct delivery_item *ring = lb_alloc(capacity * sizeof(*ring));

    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < self->count; i++)
        ring[i] = self->ring[(self->head + i) & (self->capacity - 1)];
    lb_free(self->ring);
    self->ring = ring;
    self->capacity = capacity;
    self->head = 0;
    return true;
}

/* Under the lock. */
static bool ring_push(struct lb_delivery *self, struct delivery_item item)
{
    if (self->overflowed || (self->count == self->capacity && !ring_grow(self))) {
        self->overflowed = true;
        return false;
    }
    self->ring[(self->head + self->count) & (self->capacity - 1)] = item;
    self->count++;
    lb_metric_set(self->metrics.queue, self->count);
    return true;
}

void lb_delivery_push(struct lb_delivery *delivery, struct lb_batch *batch, const struct lb_selection *selection,
                      struct lb_token *token)
{
    pthread_mutex_lock(&delivery->lock);
    bool taken = ring_push(delivery, (struct delivery_item){ batch, selection, token });
    pthread_cond_signal(&delivery->more);
    pthread_mutex_unlock(&delivery->lock);
    if (taken)
        return;
    /* Its token is never done, so the mark stays below it, and all from here on comes again at the next start. */
    lb_delivery_problem(delivery->sink, "out of memory: takes nothing more; restart logboom with more memory");
    lb_batch_unref(batch);
}

static void pop(struct lb_delivery *self)
{
    pthread_mutex_lock(&self->lock);
    if (self->count > 0) {
        self->current = self->ring[self->head];
        self->head = (self->head + 1) & (self->capacity - 1);
        self->count--;
        lb_metric_set(self->metrics.queue, self->count);
    }
    pthread_mutex_unlock(&self->lock);
}

/* --- pauses ------------------------------------------------------------------- */

static void pause_tries(struct lb_delivery *self)
{
    self->retry_at = lb_clock_monotonic() + self->pause_ns;
    self->pause_ns = self->pause_ns * 2 < PAUSE_MAX ? self->pause_ns * 2 : PAUSE_MAX;
    lb_metric_add(self->metrics.errors, 1);
    delivery_blocked(self, true);
}

static void resume_tries(struct lb_delivery *self)
{
    self->pause_ns = PAUSE_FIRST;
    if (self->retry_at == 0)
        return;
    self->retry_at = 0;
    delivery_blocked(self, false);
}

/* --- the thread --------------------------------------------------------------- */

static void finish_current(struct lb_delivery *self)
{
    lb_batch_unref(self->current.batch);
    self->current.batch = NULL;
}

/* Raw bytes behind a selection, by its share of the batch. */
static uint64_t bytes_of(const struct lb_batch *batch, const struct lb_selection *selection)
{
    return batch->record_count == 0 ? 0 : (uint64_t)batch->length * selection->count / batch->record_count;
}

/* Tries to give the current batch to the sink. */
static void write_current(struct lb_delivery *self)
{
    struct delivery_item *item = &self->current;

    if (!delivery_trim(self)) {
        pause_tries(self);
        return;
    }
    if (item->selection->count == 0) {
        if (item->token != NULL)
            lb_token_done(item->token, LB_DELIVERED, NULL);
    } else if (self->sink->type->write(self->sink, item->batch, item->selection, item->token) == LB_OK) {
        delivery_written(self, item->token, bytes_of(item->batch, item->selection));
    } else {
        pause_tries(self);
        return;
    }
    resume_tries(self);
    finish_current(self);
}

static void commit_now(struct lb_delivery *self)
{
    if (!delivery_commit(self))
        pause_tries(self);
    else if (self->current.batch == NULL)
        resume_tries(self);
}

static void tick(struct lb_delivery *self, int64_t now)
{
    self->tick_at = self->sink->type->tick != NULL ? self->sink->type->tick(self->sink, now) : INT64_MAX;
}

/* One step of work. False when there is nothing to do before some time or event. */
static bool step(struct lb_delivery *self)
{
    int64_t now = lb_clock_monotonic();

    if (now >= self->tick_at)
        tick(self, now);
    if (now < self->retry_at)
        return false;
    if (now >= delivery_commit_at(self)) {
        commit_now(self);
        return true;
    }
    if (self->current.batch == NULL)
        pop(self);
    if (self->current.batch == NULL)
        return false;
    write_current(self);
    if (self->current.batch == NULL)
        tick(self, now);
    return true;
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Waits for an item, the next thing to do by time, or the word to stop. Under the lock. */
static void wait_for_work(struct lb_delivery *self)
{
    int64_t now = lb_clock_monotonic();
    int64_t until = earliest(self->tick_at, self->retry_at > now ? self->retry_at : delivery_commit_at(self));
    struct timespec at;

    if (self->stopping)
        until = earliest(until, self->deadline);
    if (until <= now)
        return;
    if (until - now > PAUSE_MAX)
        until = now + PAUSE_MAX;
    /* The condition waits by the real clock, which tests do not set. */
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t wake = at.tv_sec * LB_SECOND + at.tv_nsec + (until - now);
    at.tv_sec = wake / LB_SECOND;
    at.tv_nsec = wake % LB_SECOND;
    pthread_cond_timedwait(&self->more, &self->lock, &at);
}

/* Waits where there is nothing to do. False when the thread shall end. */
static bool go_on(struct lb_delivery *self, bool idle)
{
    pthread_mutex_lock(&self->lock);
    bool pausing = lb_clock_monotonic() < self->retry_at;

    if (idle && !self->pausing && (pausing || self->count == 0) && !(self->stopping && self->count == 0 && !pausing))
        wait_for_work(self);

    bool left = self->count > 0 || self->current.batch != NULL;
    bool late = self->stopping && lb_clock_monotonic() >= self->deadline;
    bool end = self->pausing || (self->stopping && (late || (!left && idle)));
    pthread_mutex_unlock(&self->lock);
    return !end;
}

/* What the queue still holds comes again at the next start. */
static void drop_queue(struct lb_delivery *self)
{
    if (self->current.batch != NULL)
        finish_current(self);
    for (pop(self); self->current.batch != NULL; pop(self))
        finish_current(self);
}

static void end(struct lb_delivery *self)
{
    const struct lb_sink_type *type = self->sink->type;

    drop_queue(self);
    if (type->drain != NULL)
        type->drain(self->sink, self->deadline);
    self->complete = delivery_commit(self) && !self->ledger_failed && !self->overflowed &&
                     lb_streams_outstanding(self->streams, self->sink->index) == 0;
}

/* What waits stays: with a sink that commits, only what was never given to it; others have it in flight. */
static void rest(struct lb_delivery *self)
{
    const struct lb_sink_type *type = self->sink->type;

    if (type->drain != NULL)
        type->drain(self->sink, self->deadline);
    self->complete = delivery_commit(self) && !self->ledger_failed;
    pthread_mutex_lock(&self->lock);
    uint64_t waiting = self->count + (self->current.batch != NULL);
    pthread_mutex_unlock(&self->lock);
    if (type->commit == NULL)
        self->complete = self->complete && lb_streams_outstanding(self->streams, self->sink->index) <= waiting;
}

static void *run(void *context)
{
    struct lb_delivery *self = context;
    bool idle = false;

    while (go_on(self, idle))
        idle = !step(self);
    if (self->pausing)
        rest(self);
    else
        end(self);
    return NULL;
}

/* --- start and stop ------------------------------------------------------------ */

static bool allocate_pending(struct lb_delivery *self)
{
    if (self->sink->type->commit != NULL && self->pending == NULL)
        self->pending = lb_alloc(PENDING_MAX * sizeof(struct lb_token *));
    return self->pending != NULL || self->sink->type->commit == NULL;
}

static bool allocate(struct lb_delivery *self)
{
    self->ring = lb_alloc(QUEUE_FIRST * sizeof(*self->ring));
    self->capacity = QUEUE_FIRST;
    return self->ring != NULL && allocate_pending(self);
}

static void init(struct lb_delivery *self, int64_t commit_ns)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->more, &attr);
    pthread_condattr_destroy(&attr);
    lb_ledger_txn_init(&self->txn);
    self->commit_ns = commit_ns;
    self->marks_at = lb_clock_monotonic();
    self->pause_ns = PAUSE_FIRST;
}

static enum lb_err start_thread(struct lb_delivery *self)
{
    char name[16];

    errno = pthread_create(&self->thread, NULL, run, self);
    if (errno != 0)
        return LB_NOMEM;
    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->sink->section.name));
    pthread_setname_np(self->thread, name);
    return LB_OK;
}

enum lb_err lb_delivery_start(struct lb_sink *sink, struct lb_streams *streams, int64_t commit_ns)
{
    struct lb_delivery *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return LB_NOMEM;
    self->sink = sink;
    self->streams = streams;
    init(self, commit_ns);
    delivery_metrics_open(self);
    sink->delivery = self;
    errno = ENOMEM;
    if (allocate(self) && start_thread(self) == LB_OK)
        return LB_OK;
    self->joined = true;
    lb_delivery_free(sink);
    return LB_NOMEM;
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

enum lb_err lb_delivery_resume(struct lb_delivery *delivery, struct lb_sink *sink, int64_t commit_ns)
{
    /* An instance that comes back has both, and others read them. */
    if (sink->delivery != delivery) {
        sink->delivery = delivery;
        sink->index = delivery->sink->index;
    }
    pthread_mutex_lock(&delivery->lock);
    delivery->sink = sink;
    delivery_metrics_open(delivery);
    pthread_mutex_unlock(&delivery->lock);
    delivery->commit_ns = commit_ns;
    delivery->pausing = false;
    delivery->retry_at = 0;
    delivery->tick_at = 0;
    delivery->pause_ns = PAUSE_FIRST;
    lb_delivery_fine(sink);
    return allocate_pending(delivery) ? start_thread(delivery) : LB_NOMEM;
}

bool lb_delivery_stop(struct lb_delivery *delivery, int64_t deadline)
{
    pthread_mutex_lock(&delivery->lock);
    delivery->stopping = true;
    delivery->deadline = deadline;
    pthread_cond_signal(&delivery->more);
    pthread_mutex_unlock(&delivery->lock);
    pthread_join(delivery->thread, NULL);
    delivery->joined = true;
    return delivery->complete;
}

bool lb_delivery_stopping(const struct lb_sink *sink)
{
    struct lb_delivery *self = sink->delivery;

    if (self == NULL)
        return false;
    pthread_mutex_lock(&self->lock);
    bool late = (self->stopping || self->pausing) && lb_clock_monotonic() >= self->deadline;
    pthread_mutex_unlock(&self->lock);
    return late;
}

void lb_delivery_free(struct lb_sink *sink)
{
    struct lb_delivery *self = sink->delivery;

    if (self == NULL)
        return;
    assert(self->joined);
    sink->delivery = NULL;
    pthread_cond_destroy(&self->more);
    pthread_mutex_destroy(&self->lock);
    lb_ledger_txn_free(&self->txn);
    lb_free(self->trimmed.indexes);
    lb_free(self->pending);
    lb_free(self->ring);
    lb_free(self);
}
