/*
 * delivery_backlog.c - from the disk, and between disk and memory.
 *
 * All of it is on the sink's thread. The tricky thing: a batch that is being
 * tried may go to the spool meanwhile. The sink may have taken a part of it
 * already and must get the same again, so it goes on with a copy, and with
 * the token, which has moved; only the slab is let go.
 */
#include "spool.h"

#include "lb_log.h"

#include <errno.h>
#include <inttypes.h>

#define MODULE "spool"

/* --- whose turn it is: with the lock held ------------------------------------------------ */

bool delivery_backlog_left(const struct lb_delivery *self)
{
    const struct delivery_spool *spool = self->spool;

    return spool != NULL && (spool->read_at < spool->settled || spool->group > 0 || spool->settling);
}

bool delivery_reads_spool(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;

    if (spool == NULL || !spool->engaged)
        return false;
    if (spool->read_at < spool->settled)
        return true;
    /* All is read. What lags in memory goes to the disk first, unless the disk does not take it. */
    if (spool->group == 0 && !spool->settling && (spool->stuck || !delivery_lags(self, lb_clock_monotonic())))
        spool->engaged = false;
    return spool->engaged;
}

/* --- reading ------------------------------------------------------------------------------- */

void spool_note_flight(struct delivery_spool *spool, uint64_t end, int64_t arrival_ns)
{
    if (spool->flights == SPOOL_FLIGHT)
        spool->flight[SPOOL_FLIGHT - 1].end = end; /* the older time counts */
    else
        spool->flight[spool->flights++] = (struct spool_flight){ end, arrival_ns };
}

static void show_damage(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;
    uint64_t damaged = lb_journal_damaged(spool->journal);

    lb_metric_add(self->metrics.damaged, (int64_t)(damaged - spool->damaged));
    spool->damaged = damaged;
}

static bool place_reader(struct delivery_spool *spool, uint64_t position)
{
    if (spool->reader != NULL && spool->reader_at == position)
        return true;
    lb_journal_reader_free(spool->reader);
    spool->reader = lb_journal_reader_new(spool->journal, position);
    spool->reader_at = position;
    return spool->reader != NULL;
}

/* Reads one entry below `settled`. LB_AGAIN: nothing is left there that can be read. */
static enum lb_err read_entry(struct delivery_spool *spool, uint64_t settled, uint64_t *start, uint64_t *end)
{
    enum lb_err err = lb_journal_read(spool->reader, &spool->payload, start, end);

    if (err == LB_OK && *start < settled) {
        spool->reader_at = *end;
        return LB_OK;
    }
    if (err == LB_IO)
        return LB_IO;
    /* Behind damage, what was found may not count yet. */
    spool->reader_at = UINT64_MAX;
    return LB_AGAIN;
}

/* Where the sink is now, in the journal. */
static void pass(struct lb_delivery *self, uint64_t to, bool skipped)
{
    struct delivery_spool *spool = self->spool;

    if (skipped)
        lb_token_issue(spool->stream, self->sink->index, to, true);
    pthread_mutex_lock(&self->lock);
    spool->read_at = to;
    pthread_mutex_unlock(&self->lock);
}

static enum lb_err decode(struct lb_delivery *self, uint64_t start)
{
    struct delivery_spool *spool = self->spool;
    enum lb_err err = spool_decode(lb_buffer_str(&spool->payload), &spool->back);

    if (err == LB_BAD_INPUT) {
        LB_ERROR(MODULE, "an entry cannot be understood, skipping it sink=" LB_STR_FMT " position=%" PRIu64,
                 LB_STR_ARG(self->sink->section.name), start);
        lb_metric_add(self->metrics.damaged, 1);
    }
    return err;
}

static void be_current(struct lb_delivery *self, struct lb_token *token, enum delivery_from from)
{
    struct delivery_spool *spool = self->spool;

    spool->back.batch.stream = spool->stream;
    self->current = (struct delivery_current){ &spool->back.batch, &spool->back.selection, token, from };
}

/* With `reading`. */
static enum lb_err next(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;
    uint64_t start = 0;
    uint64_t end = 0;

    pthread_mutex_lock(&self->lock);
    uint64_t read_at = spool->read_at;
    uint64_t settled = spool->settled;
    pthread_mutex_unlock(&self->lock);
    if (read_at >= settled)
        return LB_AGAIN;
    if (!place_reader(spool, read_at))
        return LB_NOMEM;
    enum lb_err err = read_entry(spool, settled, &start, &end);
    show_damage(self);
    if (err == LB_AGAIN)
        pass(self, settled, true);
    if (err != LB_OK)
        return err;
    err = decode(self, start);
    if (err == LB_BAD_INPUT)
        pass(self, end, true);
    if (err != LB_OK) {
        spool->reader_at = UINT64_MAX;
        return err;
    }
    struct lb_token *token = lb_token_issue(spool->stream, self->sink->index, end, false);
    if (token == NULL) {
        spool->reader_at = UINT64_MAX;
        return LB_NOMEM;
    }
    be_current(self, token, FROM_SPOOL);
    pthread_mutex_lock(&self->lock);
    spool->read_at = end;
    spool_note_flight(spool, end, spool->back.batch.arrival_ns);
    spool->unread_arrival = spool->back.batch.arrival_ns;
    pthread_mutex_unlock(&self->lock);
    return LB_OK;
}

bool delivery_backlog_next(struct lb_delivery *self, bool *pause)
{
    struct delivery_spool *spool = self->spool;

    pthread_mutex_lock(&spool->reading);
    enum lb_err err = next(self);
    int cause = errno;
    pthread_mutex_unlock(&spool->reading);
    errno = cause;
    *pause = err == LB_IO || err == LB_NOMEM;
    if (*pause)
        LB_WARN(MODULE, "cannot read the spool, trying again sink=" LB_STR_FMT " error=%s",
                LB_STR_ARG(self->sink->section.name), err == LB_IO ? strerror(cause) : lb_err_name(err));
    return err == LB_OK || err == LB_BAD_INPUT;
}

/* --- what is in memory --------------------------------------------------------------------- */

/* The slab of what is being tried is let go, when its records are in the spool and a copy of them is there. */
void delivery_ring_refused(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;
    struct delivery_current *current = &self->current;

    if (current->from != FROM_RING)
        return;
    pthread_mutex_lock(&self->lock);
    bool spooled = spool->spooled;
    pthread_mutex_unlock(&self->lock);
    if (!spooled)
        return;
    struct lb_batch *batch = current->batch;
    lb_buffer_reset(&spool->payload);
    spool_encode(batch, current->selection, &spool->payload);
    spool->reader_at = UINT64_MAX;
    if (spool->payload.failed || spool_decode(lb_buffer_str(&spool->payload), &spool->back) != LB_OK)
        return; /* no memory: the slab stays until there is some */
    pthread_mutex_lock(&self->lock);
    spool->spooled = false;
    pthread_mutex_unlock(&self->lock);
    be_current(self, current->token, FROM_SPOOL);
    lb_batch_unref(batch);
}

void delivery_reap(struct lb_delivery *self)
{
    if (!self->spools)
        return;
    for (;;) {
        struct delivery_item item = { 0 };

        pthread_mutex_lock(&self->lock);
        if (self->written > 0 && self->spool->group == 0) {
            const struct lb_token *token = delivery_at(self, 0)->token;

            if (token == NULL || lb_token_is_last(token)) {
                item = delivery_ring_pop(self);
                self->written--;
            }
        }
        pthread_mutex_unlock(&self->lock);
        if (item.batch == NULL)
            return;
        if (item.token != NULL)
            lb_token_done(item.token, LB_DELIVERED, NULL);
        lb_batch_unref(item.batch);
    }
}

/* A sink with commit(): it is out of the queue now, and waits for the commit. */
static void take_committing(struct lb_delivery *self, uint64_t bytes)
{
    struct lb_token *token = self->current.token;

    pthread_mutex_lock(&self->lock);
    struct delivery_item item = delivery_ring_pop(self);
    self->trying = false;
    pthread_mutex_unlock(&self->lock);
    lb_batch_unref(item.batch);
    delivery_written(self, token, bytes);
}

void delivery_ring_taken(struct lb_delivery *self, uint64_t bytes)
{
    struct lb_token *token = self->current.token;

    if (self->sink->type->commit != NULL) {
        take_committing(self, bytes);
        return;
    }
    pthread_mutex_lock(&self->lock);
    bool spooled = self->spool->spooled;
    self->spool->spooled = false;
    if (!spooled) {
        self->trying = false;
        self->written++;
    }
    pthread_mutex_unlock(&self->lock);
    if (spooled && token != NULL)
        lb_token_done(token, LB_DELIVERED, NULL);
}

/* --- going over ------------------------------------------------------------------------------ */

bool delivery_wants_over(struct lb_delivery *self)
{
    if (self->spool == NULL || self->sink->type->commit == NULL)
        return false;
    pthread_mutex_lock(&self->lock);
    bool wanted = self->spool->wanted && !self->spool->engaged;
    pthread_mutex_unlock(&self->lock);
    return wanted;
}

/* After a commit that held. What was tried was not taken: it waits again, at its place. */
void delivery_go_over(struct lb_delivery *self)
{
    struct lb_batch *batch = NULL;

    pthread_mutex_lock(&self->lock);
    if (self->current.batch != NULL && self->current.from == FROM_RING) {
        batch = self->current.batch;
        self->current.batch = NULL;
        self->trying = false;
    }
    self->spool->wanted = false;
    self->spool->engaged = true;
    pthread_cond_signal(&self->spool->work);
    pthread_mutex_unlock(&self->lock);
    if (batch != NULL)
        lb_batch_unref(batch);
}
