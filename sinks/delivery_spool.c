/*
 * delivery_spool.c - from memory to the disk, on a thread of its own.
 *
 * The thread takes the front of the queue as a group, writes and syncs it,
 * and then settles it: what only waited is done where it came from; what the
 * sink already has (but not delivered) moves its token to the spool's stream,
 * for its place in the journal is behind the sink and before what it reads
 * next. Only then may the slabs go.
 *
 * The tricky thing: while a group is on its way, the sink's thread may finish
 * with what it is trying. So who has what is decided under the lock, once.
 */
#include "spool.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

/* --- when ------------------------------------------------------------------------- */

/* One large batch alone is no sign, as long as the sink has not had it yet. */
static bool holds_too_much(const struct lb_delivery *self)
{
    return self->held_bytes > self->hold_max &&
           (self->count > 1 || self->written > 0 || self->blocked_since_ns != 0 || self->spool->engaged);
}

bool delivery_lags(const struct lb_delivery *self, int64_t now)
{
    if (!self->spools || self->count == 0)
        return false;
    return holds_too_much(self) || now - self->ring[self->head].since >= self->spool_age_ns;
}

/* With the lock: when the thread has something to do, monotonic; INT64_MAX: nobody knows. */
static int64_t due_at(const struct lb_delivery *self)
{
    const struct delivery_spool *spool = self->spool;
    int64_t at;

    if (self->count == 0)
        return INT64_MAX;
    if (spool->ending || holds_too_much(self))
        at = 0;
    else
        at = self->ring[self->head].since + (spool->engaged ? SPOOL_GROUP_AGE : self->spool_age_ns);
    return at > spool->retry_at ? at : spool->retry_at;
}

static void wait_until(struct delivery_spool *spool, pthread_mutex_t *lock, int64_t until)
{
    int64_t now = lb_clock_monotonic();
    struct timespec at;

    if (until <= now)
        return;
    if (spool->ending && spool->deadline < until)
        until = spool->deadline > now ? spool->deadline : now + LB_MILLISECOND;
    if (until - now > LB_SECOND)
        until = now + LB_SECOND;
    /* The condition waits by the real clock, which tests do not set. */
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t wake = at.tv_sec * LB_SECOND + at.tv_nsec + (until - now);
    at.tv_sec = wake / LB_SECOND;
    at.tv_nsec = wake % LB_SECOND;
    pthread_cond_timedwait(&spool->work, lock, &at);
}

/* With the lock. False: the sink has to go over first. */
static bool engage(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;

    if (spool->engaged)
        return true;
    if (self->sink->type->commit == NULL || spool->ending) {
        spool->engaged = self->sink->type->commit == NULL;
        return spool->engaged;
    }
    spool->wanted = true;
    pthread_cond_signal(&self->more);
    return false;
}

/* With the lock: the front of the queue becomes the group. */
static void take_group(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;
    uint32_t count = self->count < SPOOL_GROUP_ITEMS ? self->count : SPOOL_GROUP_ITEMS;

    for (uint32_t i = 0; i < count; i++)
        spool->items[i] = *delivery_at(self, i);
    spool->group = count;
    /* While there is a group the sink takes nothing from the queue: these stay the same. */
    spool->given = self->written + self->trying;
}

/* --- writing ------------------------------------------------------------------------- */

static void note_lost(void *context, struct lb_str payload, uint64_t start)
{
    struct delivery_spool *spool = context;
    struct spool_head head;

    /* Neither the delivery's lock nor the sink can change read_at: `reading` is held. */
    if (start >= spool->read_at && start >= spool->given_end && spool_decode_head(payload, &head) == LB_OK)
        spool->dropping += head.count;
}

static bool drop_segment(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;

    spool->dropping = 0;
    pthread_mutex_lock(&spool->reading);
    enum lb_err err = lb_journal_drop_oldest(spool->journal, note_lost, spool);
    pthread_mutex_unlock(&spool->reading);
    if (spool->dropping > 0)
        delivery_note_dropped(self, DROP_SPOOL, spool->dropping);
    return err == LB_OK;
}

static void tell_stuck(struct lb_delivery *self, enum lb_err err)
{
    if (err == LB_LIMIT)
        delivery_spool_problem(self, "its spool is full (spool.max_size: %" PRIu64 " bytes); its sources wait",
                               self->sink->options.spool_max);
    else
        delivery_spool_problem(self,
                               "cannot write its spool below " LB_STR_FMT
                               "/spool: %s; its sources wait, and it goes on when that is mended",
                               LB_STR_ARG(self->sink->data_dir), err == LB_IO ? strerror(errno) : lb_err_name(err));
}

static enum lb_err append(struct lb_delivery *self, const struct delivery_item *item, uint64_t *end, uint32_t *records)
{
    struct delivery_spool *spool = self->spool;
    const struct lb_selection *selection = delivery_trim(self, item->batch, item->selection, &spool->trimmed);

    if (selection == NULL)
        return LB_NOMEM;
    *records = selection->count;
    if (selection->count == 0)
        return LB_OK;
    lb_buffer_reset(&spool->encoded);
    spool_encode(item->batch, selection, &spool->encoded);
    if (spool->encoded.failed)
        return LB_NOMEM;
    bool dropping = self->sink->options.spool_then == LB_SPOOL_DROP_OLDEST;
    enum lb_err err;
    do
        err = lb_journal_append(spool->journal, lb_buffer_str(&spool->encoded), end);
    while (err == LB_LIMIT && dropping && drop_segment(self));
    if (err != LB_LIMIT || !dropping)
        return err;
    /* It would not fit if all else went: it is dropped itself. */
    delivery_note_dropped(self, DROP_SPOOL, selection->count);
    *records = 0;
    return LB_OK;
}

/* How many of the group are safe now. */
static uint32_t write_group(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;
    uint64_t end = lb_journal_end(spool->journal);
    uint64_t before = end;
    enum lb_err err = LB_OK;
    uint32_t count = 0;

    while (count < spool->group && end - before < SPOOL_GROUP_BYTES) {
        err = append(self, &spool->items[count], &end, &spool->records[count]);
        if (err != LB_OK)
            break;
        spool->ends[count++] = end;
        if (count <= spool->given)
            spool->given_end = end;
    }
    int cause = errno;
    if (lb_journal_sync(spool->journal) != LB_OK) {
        cause = errno;
        err = LB_IO;
        lb_journal_undo(spool->journal);
        /* A segment that was full was synced on the way: what is in it is there, and must not be written again. */
        while (count > 0 && spool->ends[count - 1] > lb_journal_end(spool->journal))
            count--;
    }
    if (spool->encoded.capacity > SPOOL_BUFFER_KEEP) {
        lb_buffer_free(&spool->encoded);
        lb_buffer_init(&spool->encoded, SPOOL_ENTRY_MAX);
    }
    spool->retry_at = err != LB_OK ? lb_clock_monotonic() + SPOOL_RETRY : 0;
    pthread_mutex_lock(&self->lock);
    spool->stuck = err != LB_OK;
    pthread_mutex_unlock(&self->lock);
    errno = cause;
    if (err != LB_OK)
        tell_stuck(self, err);
    else
        delivery_spool_problem(self, NULL);
    return count;
}

/* --- settling -------------------------------------------------------------------------- */

/* The group leaves the queue. `*given`: so many of it are the sink's already, the last one perhaps being tried. */
static void take_out(struct lb_delivery *self, uint32_t count, uint32_t *given)
{
    struct delivery_spool *spool = self->spool;

    pthread_mutex_lock(&self->lock);
    uint32_t written = self->written < count ? self->written : count;
    bool tried = self->trying && self->written < count;

    for (uint32_t i = 0; i < count; i++)
        delivery_ring_pop(self);
    self->written -= written;
    *given = written + tried;
    if (tried) {
        self->trying = false;
        spool->spooled = true;
        /* Its hold stays with who tries it: this one is for the move. */
        if (spool->items[written].token != NULL)
            lb_token_hold(spool->items[written].token, 1);
    }
    spool->group = 0;
    spool->settling = true;
    pthread_mutex_unlock(&self->lock);
}

/* With commit_lock. The records are in the journal up to `end`. */
static void settle_token(struct lb_delivery *self, struct lb_token *token, uint64_t end, bool given)
{
    struct lb_stream *stream = self->spool->stream;
    uint32_t consumer = self->sink->index;

    if (!given) {
        lb_token_done(token, LB_DELIVERED, NULL);
        return;
    }
    /* Without memory to move it, it stays where it is: its source's mark waits, and a crash repeats it. */
    if (lb_token_is_last(token) || !lb_token_move(token, stream, end))
        lb_token_issue(stream, consumer, end, true);
    lb_token_done(token, LB_DELIVERED, NULL);
}

static void settle(struct lb_delivery *self, uint32_t count)
{
    struct delivery_spool *spool = self->spool;
    uint32_t given;

    pthread_mutex_lock(&self->commit_lock);
    take_out(self, count, &given);
    for (uint32_t i = 0; i < count; i++) {
        if (spool->items[i].token != NULL)
            settle_token(self, spool->items[i].token, spool->ends[i], i < given);
    }
    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < given; i++)
        spool_note_flight(spool, spool->ends[i], spool->items[i].batch->arrival_ns);
    if (spool->read_at >= spool->settled)
        spool->unread_arrival = spool->items[given < count ? given : 0].batch->arrival_ns;
    spool->settled = spool->ends[count - 1];
    spool->settling = false;
    if (given > 0)
        spool->read_at = spool->ends[given - 1];
    pthread_cond_signal(&self->more);
    pthread_mutex_unlock(&self->lock);
    /* While files are due, their lengths must go along: the sink's thread commits. */
    if (!self->files_due)
        (void)delivery_commit_marks(self);
    pthread_mutex_unlock(&self->commit_lock);
    for (uint32_t i = 0; i < count; i++) {
        lb_metric_add(self->metrics.spooled, spool->records[i]);
        lb_batch_unref(spool->items[i].batch);
    }
    delivery_show(self);
}

static void nothing_settled(struct lb_delivery *self)
{
    pthread_mutex_lock(&self->lock);
    self->spool->group = 0;
    pthread_cond_signal(&self->more);
    pthread_mutex_unlock(&self->lock);
}

static void spool_group(struct lb_delivery *self)
{
    uint32_t count = write_group(self);

    if (count > 0)
        settle(self, count);
    else
        nothing_settled(self);
}

/* With the lock, given up meanwhile. Nothing has to go to the disk, so it is no problem if it does not take it. */
static void rest(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;

    if (spool->engaged || delivery_lags(self, lb_clock_monotonic()))
        return;
    bool was_stuck = spool->stuck;
    spool->stuck = false;
    pthread_mutex_unlock(&self->lock);
    if (was_stuck)
        delivery_spool_problem(self, NULL);
    lb_journal_tidy(spool->journal);
    pthread_mutex_lock(&self->lock);
}

static void *run(void *context)
{
    struct lb_delivery *self = context;
    struct delivery_spool *spool = self->spool;

    pthread_mutex_lock(&self->lock);
    while (!spool->ending || (self->count > 0 && lb_clock_monotonic() < spool->deadline)) {
        rest(self);
        int64_t at = due_at(self);

        if (at > lb_clock_monotonic() || !engage(self)) {
            if (spool->ending && !spool->engaged && self->sink->type->commit != NULL)
                break; /* the sink could not go over: what is written and what waits must not be torn apart */
            wait_until(spool, &self->lock, at > lb_clock_monotonic() ? at : INT64_MAX);
            continue;
        }
        take_group(self);
        pthread_mutex_unlock(&self->lock);
        spool_group(self);
        pthread_mutex_lock(&self->lock);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* --- the thread ---------------------------------------------------------------------------- */

bool delivery_spool_start(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;

    if (spool == NULL || !self->spools)
        return true;
    errno = pthread_create(&spool->thread, NULL, run, self);
    spool->started = errno == 0;
    if (spool->started)
        pthread_setname_np(spool->thread, "spool");
    return spool->started;
}

void delivery_spool_finish(struct lb_delivery *self, int64_t deadline)
{
    struct delivery_spool *spool = self->spool;

    if (spool == NULL || !spool->started)
        return;
    pthread_mutex_lock(&self->lock);
    spool->ending = true;
    spool->deadline = deadline;
    pthread_cond_signal(&spool->work);
    pthread_mutex_unlock(&self->lock);
    pthread_join(spool->thread, NULL);
    spool->started = false;
}
