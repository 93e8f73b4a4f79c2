/*
 * delivery.c - the engine's side of a sink: its queue and its thread.
 *
 * The thread takes a batch, trims it after a restart, gives it to the sink,
 * and commits when it is time. When the sink (or the ledger) cannot take, it
 * pauses and tries the same again: order is kept and nothing is dropped. What
 * is not done when the deadline of a stop has passed stays unacknowledged,
 * and is read again at the next start.
 */
#include "spool.h"

#include "lb_alloc.h"
#include "lb_limits.h"
#include "lb_log.h"
#include "lb_pool.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define UNBOUNDED_MAX (30 * LB_SECOND) /* for the spool, where the time is not limited but the disk does not take */

/* Of the last commit, where it is the sink's files that have to get to disk. */
enum { LAST_TRIES = 5, LAST_PAUSE_US = 20 * 1000 };

static atomic_uint holders; /* deliveries that bound what they hold of the pool: they share it */

/* --- the queue ---------------------------------------------------------------- */

static size_t bytes_held_by(const struct lb_batch *batch)
{
    return batch->pool != NULL ? batch->credit : batch->length;
}

/* Under the lock. */
static void bound_by_pool(struct lb_delivery *self, const struct lb_batch *batch)
{
    unsigned sharers = atomic_load_explicit(&holders, memory_order_relaxed);

    if (batch->pool != NULL)
        self->hold_max = lb_pool_max(batch->pool) / HOLD_PART / (sharers > 0 ? sharers : 1);
}

/* Under the lock: the spool's thread looks at the clock by itself, but not at each batch. */
static void wake_spool(struct lb_delivery *self)
{
    if (self->spools && (self->held_bytes > self->hold_max || (self->spool->engaged && self->count == 1)))
        pthread_cond_signal(&self->spool->work);
}

void lb_delivery_push(struct lb_delivery *delivery, struct lb_batch *batch, const struct lb_selection *selection,
                      struct lb_token *token)
{
    struct delivery_item item = { batch, selection, token, bytes_held_by(batch), lb_clock_monotonic() };

    pthread_mutex_lock(&delivery->lock);
    bound_by_pool(delivery, batch);
    bool taken = delivery_ring_push(delivery, item);
    bool drops = delivery->sink->options.when_full == LB_FULL_DROP_OLDEST;
    pthread_cond_signal(&delivery->more);
    wake_spool(delivery);
    pthread_mutex_unlock(&delivery->lock);
    if (!taken) {
        /* Its token is never done, so the mark stays below it, and all from here on comes again at the next start. */
        lb_delivery_problem(delivery->sink, "out of memory: takes nothing more; restart logboom with more memory");
        lb_batch_unref(batch);
    } else if (drops) {
        delivery_drop_excess(delivery);
    }
}

/* Under the lock. The next batch from memory becomes the current one. */
static void take_from_memory(struct lb_delivery *self)
{
    struct delivery_item item;

    if (self->spools) {
        item = *delivery_at(self, self->written);
        self->trying = true;
        lb_batch_ref(item.batch);
    } else {
        item = delivery_ring_pop(self);
    }
    self->current =
        (struct delivery_current){ item.batch, item.selection, item.token, self->spools ? FROM_RING : FROM_QUEUE };
}

/* False: there is nothing now. */
static bool take_next(struct lb_delivery *self, bool *pause)
{
    pthread_mutex_lock(&self->lock);
    bool from_spool = delivery_reads_spool(self);
    if (!from_spool && delivery_waiting(self) > 0)
        take_from_memory(self);
    pthread_mutex_unlock(&self->lock);
    if (from_spool)
        return delivery_backlog_next(self, pause);
    return self->current.batch != NULL;
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
    if (self->current.from != FROM_SPOOL)
        lb_batch_unref(self->current.batch);
    self->current.batch = NULL;
}

/* Raw bytes behind a selection, by its share of the batch. */
static uint64_t bytes_of(const struct lb_batch *batch, const struct lb_selection *selection)
{
    return batch->record_count == 0 ? 0 : (uint64_t)batch->length * selection->count / batch->record_count;
}

/* The sink has the current batch, or nothing of it was for the sink. */
static void current_taken(struct lb_delivery *self)
{
    struct delivery_current *current = &self->current;
    uint64_t bytes = bytes_of(current->batch, current->selection);

    if (current->from == FROM_RING)
        delivery_ring_taken(self, bytes);
    else if (current->selection->count > 0)
        delivery_written(self, current->token, bytes);
    else if (current->token != NULL)
        lb_token_done(current->token, LB_DELIVERED, NULL);
    finish_current(self);
}

/* Tries to give the current batch to the sink. */
static void write_current(struct lb_delivery *self)
{
    struct delivery_current *current = &self->current;
    const struct lb_selection *selection = delivery_trim(self, current->batch, current->selection, &self->trimmed);

    if (selection == NULL) {
        pause_tries(self);
        return;
    }
    current->selection = selection;
    if (selection->count > 0 &&
        self->sink->type->write(self->sink, current->batch, selection, current->token) != LB_OK) {
        delivery_ring_refused(self);
        pause_tries(self);
        return;
    }
    resume_tries(self);
    delivery_tell_taken(self, current->batch, selection);
    current_taken(self);
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

/* Of a sink with commit(): with nothing written that is not committed, it reads on from the spool. */
static bool go_over(struct lb_delivery *self)
{
    if (!delivery_commit(self)) {
        pause_tries(self);
        return false;
    }
    delivery_go_over(self);
    return true;
}

/* False: there is no batch to be had now. */
static bool find_work(struct lb_delivery *self)
{
    bool pause = false;
    bool found = take_next(self, &pause);

    if (pause)
        pause_tries(self);
    return found;
}

/* One step of work. False when there is nothing to do before some time or event. */
static bool step(struct lb_delivery *self)
{
    int64_t now = lb_clock_monotonic();

    if (now >= self->tick_at)
        tick(self, now);
    delivery_reap(self);
    if (now < self->retry_at) {
        if (self->current.batch != NULL)
            delivery_ring_refused(self); /* it may have gone to the spool during the pause */
        return false;
    }
    if (now >= delivery_commit_at(self)) {
        commit_now(self);
        return true;
    }
    if (delivery_wants_over(self))
        return go_over(self);
    if (self->current.batch == NULL && !find_work(self))
        return false;
    if (self->current.batch == NULL)
        return true;
    write_current(self);
    if (self->current.batch == NULL)
        tick(self, now);
    delivery_reap(self);
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

/* Under the lock. */
static bool can_take(struct lb_delivery *self)
{
    if (self->current.batch != NULL)
        return true;
    if (delivery_reads_spool(self))
        return self->spool->read_at < self->spool->settled;
    return delivery_waiting(self) > 0;
}

/* Under the lock: the time is limited, and what is left is better off in the spool. */
static bool must_hurry(const struct lb_delivery *self, bool pausing)
{
    return (self->stopping || self->pausing) && self->spools && self->deadline != INT64_MAX &&
           (pausing || self->spool->engaged || self->problem[0] != '\0');
}

/* Waits where there is nothing to do. False when the thread shall end. */
static bool go_on(struct lb_delivery *self, bool idle)
{
    pthread_mutex_lock(&self->lock);
    bool pausing = lb_clock_monotonic() < self->retry_at;
    bool left = self->current.batch != NULL || delivery_waiting(self) > 0 || delivery_backlog_left(self);

    if (idle && !self->pausing && !must_hurry(self, pausing) && (pausing || !can_take(self)) &&
        (!self->stopping || left || pausing))
        wait_for_work(self);
    left = self->current.batch != NULL || delivery_waiting(self) > 0 || delivery_backlog_left(self);
    bool late = self->stopping && lb_clock_monotonic() >= self->deadline;
    bool over = self->pausing || (self->stopping && (late || must_hurry(self, pausing) || (!left && idle)));
    pthread_mutex_unlock(&self->lock);
    return !over;
}

/* What the queue still holds comes again at the next start. */
static void drop_queue(struct lb_delivery *self)
{
    if (self->current.batch != NULL)
        finish_current(self);
    for (;;) {
        struct delivery_item item = { 0 };

        pthread_mutex_lock(&self->lock);
        if (self->count > 0)
            item = delivery_ring_pop(self);
        self->written = 0;
        self->trying = false;
        pthread_mutex_unlock(&self->lock);
        if (item.batch == NULL)
            return;
        lb_batch_unref(item.batch);
    }
}

int64_t delivery_drain_until(struct lb_delivery *self)
{
    int64_t now = lb_clock_monotonic();

    pthread_mutex_lock(&self->lock);
    bool hurry = must_hurry(self, now < self->retry_at);
    pthread_mutex_unlock(&self->lock);
    if (!self->spools || self->deadline == INT64_MAX || self->deadline <= now)
        return self->deadline;
    return hurry ? now : now + (self->deadline - now) / 2;
}

/* What is not delivered goes to the spool. True: all of it did. */
static bool spool_rest(struct lb_delivery *self)
{
    int64_t deadline = self->deadline != INT64_MAX ? self->deadline : lb_clock_monotonic() + UNBOUNDED_MAX;

    if (!self->spools)
        return false;
    if (self->sink->type->commit != NULL && delivery_commit(self))
        delivery_go_over(self);
    delivery_reap(self);
    delivery_spool_finish(self, deadline);
    delivery_reap(self);
    pthread_mutex_lock(&self->lock);
    bool safe = self->count == 0;
    pthread_mutex_unlock(&self->lock);
    return safe;
}

static bool is_all_delivered(struct lb_delivery *self)
{
    pthread_mutex_lock(&self->lock);
    bool left = delivery_backlog_left(self);
    pthread_mutex_unlock(&self->lock);
    return !left && lb_streams_outstanding(self->streams, self->sink->index) == 0;
}

/* The first try may have found the disk full and a file that may be deleted: the next one makes room. */
static bool commit_last(struct lb_delivery *self)
{
    unsigned tries = self->sink->type->commit != NULL ? LAST_TRIES : 1;

    while (!delivery_commit(self) || self->ledger_failed) {
        if (--tries == 0 || lb_clock_monotonic() >= self->deadline)
            return false;
        usleep(LAST_PAUSE_US);
    }
    return true;
}

static void end(struct lb_delivery *self)
{
    const struct lb_sink_type *type = self->sink->type;

    if (!self->spools)
        drop_queue(self);
    if (type->drain != NULL)
        type->drain(self->sink, delivery_drain_until(self));
    lb_dead_letters_flush(self->sink, delivery_drain_until(self));
    bool safe = spool_rest(self);
    drop_queue(self);
    bool committed = commit_last(self) && !self->overflowed;
    bool all = is_all_delivered(self);
    if (committed && safe && !all)
        LB_INFO("sink", "what is not delivered is in the spool sink=" LB_STR_FMT " bytes=%" PRIu64,
                LB_STR_ARG(self->sink->section.name), self->spool_bytes);
    self->complete = committed && (all || (safe && self->deadline != INT64_MAX));
}

static void *run(void *context)
{
    struct lb_delivery *self = context;
    bool idle = false;

    while (go_on(self, idle)) {
        idle = !step(self);
        delivery_flush_serve(self, idle);
    }
    if (self->pausing)
        delivery_rest(self);
    else
        end(self);
    return NULL;
}

/* --- start and stop ------------------------------------------------------------ */

bool delivery_allocate_pending(struct lb_delivery *self)
{
    if (self->sink->type->commit != NULL && self->pending == NULL)
        self->pending = lb_alloc(PENDING_MAX * sizeof(struct lb_token *));
    return self->pending != NULL || self->sink->type->commit == NULL;
}

static bool allocate(struct lb_delivery *self)
{
    self->ring = lb_alloc(QUEUE_FIRST * sizeof(*self->ring));
    self->capacity = QUEUE_FIRST;
    return self->ring != NULL && delivery_allocate_pending(self);
}

static void init(struct lb_delivery *self, int64_t commit_ns)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&self->commit_lock, NULL);
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->more, &attr);
    pthread_condattr_destroy(&attr);
    delivery_flush_init(&self->flush);
    lb_ledger_txn_init(&self->txn);
    lb_buffer_init(&self->untold, UNTOLD_BYTES_MAX);
    self->commit_ns = commit_ns;
    self->marks_at = lb_clock_monotonic();
    self->pause_ns = PAUSE_FIRST;
    self->spools = self->sink->options.when_full == LB_FULL_SPOOL;
    self->hold_max = LB_POOL_BYTES / HOLD_PART;
    self->spool_age_ns = SPOOL_AGE;
}

void delivery_count_holder(const struct lb_delivery *self, bool starts)
{
    if (self->spools || self->sink->options.when_full == LB_FULL_DROP_OLDEST)
        atomic_fetch_add(&holders, starts ? 1U : -1U);
}

enum lb_err delivery_start_threads(struct lb_delivery *self)
{
    char name[16];

    if (!delivery_spool_start(self))
        return LB_NOMEM;
    errno = pthread_create(&self->thread, NULL, run, self);
    if (errno != 0) {
        int cause = errno;

        delivery_spool_finish(self, 0);
        errno = cause;
        return LB_NOMEM;
    }
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
    enum lb_err err = allocate(self) ? delivery_spool_open(self, self->spools) : LB_NOMEM;
    if (err == LB_OK)
        err = delivery_start_threads(self);
    if (err == LB_OK) {
        delivery_count_holder(self, true);
        return LB_OK;
    }
    int cause = errno;
    self->joined = true;
    lb_delivery_free(sink);
    errno = cause;
    return err;
}

bool lb_delivery_stop(struct lb_delivery *delivery, int64_t deadline)
{
    if (delivery->joined)
        return delivery->complete;
    pthread_mutex_lock(&delivery->lock);
    delivery->stopping = true;
    delivery->deadline = deadline;
    pthread_cond_signal(&delivery->more);
    pthread_mutex_unlock(&delivery->lock);
    pthread_join(delivery->thread, NULL);
    delivery->joined = true;
    delivery_count_holder(delivery, false);
    delivery_spool_free(delivery);
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

    lb_dead_letters_free(sink);
    if (self == NULL)
        return;
    assert(self->joined);
    sink->delivery = NULL;
    delivery_spool_free(self);
    pthread_cond_destroy(&self->more);
    pthread_mutex_destroy(&self->lock);
    delivery_flush_free(&self->flush);
    lb_buffer_free(&self->untold);
    pthread_mutex_destroy(&self->commit_lock);
    lb_ledger_txn_free(&self->txn);
    lb_free(self->trimmed.selection.indexes);
    lb_free(self->pending);
    lb_free(self->ring);
    lb_free(self);
}
