/*
 * delivery_commit.c - what a sink has becomes what the ledger knows.
 *
 * For a sink with commit(), the lengths of its files and the marks of its
 * streams go into one transaction: after a crash either both are there or
 * neither. When the ledger cannot take it, the files are longer than it
 * knows, which does no harm; nothing more is written before a later try,
 * made from the same facts, succeeds. A sink without commit() has only marks;
 * it goes on, for a lost try costs nothing but repeats.
 */
#include "delivery.h"

#include <errno.h>

void delivery_written(struct lb_delivery *self, struct lb_token *token, uint64_t bytes)
{
    if (self->sink->type->commit == NULL) {
        if (token != NULL)
            lb_token_done(token, LB_DELIVERED, NULL);
        return;
    }
    if (self->pending_count == 0)
        self->pending_since = lb_clock_monotonic();
    self->pending[self->pending_count++] = token;
    self->pending_bytes += bytes;
}

int64_t delivery_commit_at(const struct lb_delivery *self)
{
    if (self->files_due)
        return 0;
    if (self->pending_count == PENDING_MAX || self->pending_bytes >= PENDING_BYTES_MAX)
        return 0;
    if (self->sink->type->commit == NULL && lb_streams_are_urgent(self->streams, self->sink->index))
        return 0;
    return self->pending_count > 0 ? self->pending_since + self->commit_ns : self->marks_at;
}

static void reset_txn(struct lb_delivery *self)
{
    lb_ledger_txn_free(&self->txn);
    lb_ledger_txn_init(&self->txn);
}

static bool commit_files(struct lb_delivery *self)
{
    if (self->sink->type->commit(self->sink, &self->txn) != LB_OK)
        return false;
    delivery_tell_committed(self);
    for (uint32_t i = 0; i < self->pending_count; i++) {
        if (self->pending[i] != NULL)
            lb_token_done(self->pending[i], LB_DELIVERED, NULL);
    }
    self->pending_count = 0;
    self->pending_bytes = 0;
    return true;
}

/* True: go on all the same. */
static bool ledger_failed(struct lb_delivery *self, enum lb_err err)
{
    lb_delivery_problem(self->sink, "cannot save positions below " LB_STR_FMT ": %s; it goes on when that is mended",
                        LB_STR_ARG(self->sink->data_dir), err == LB_IO ? strerror(errno) : lb_err_name(err));
    self->ledger_failed = true;
    reset_txn(self);
    return !self->files_due;
}

static void note_commit(struct lb_delivery *self)
{
    lb_metric_add(self->metrics.commits, 1);
    lb_metric_set(self->metrics.last_commit, lb_clock_now());
    if (self->sink->type->committed != NULL)
        self->sink->type->committed(self->sink);
}

static void put_spool_end(void *context, struct lb_ledger_txn *txn)
{
    delivery_spool_put_end(context, txn);
}

bool delivery_commit_marks(struct lb_delivery *self)
{
    uint64_t mark = delivery_spool_mark(self);

    enum lb_err err = lb_streams_commit(self->streams, self->sink->index, &self->txn, put_spool_end, self);

    if (err != LB_OK)
        return ledger_failed(self, err);
    if (self->ledger_failed)
        lb_delivery_fine(self->sink);
    self->ledger_failed = false;
    delivery_spool_trim(self, mark);
    return true;
}

static bool commit(struct lb_delivery *self)
{
    self->files_due = self->files_due || self->pending_count > 0;
    if (self->files_due && !commit_files(self)) {
        reset_txn(self);
        return false;
    }
    self->marks_at = lb_clock_monotonic() + MARKS_EVERY;
    if (!delivery_commit_marks(self))
        return false;
    if (self->ledger_failed)
        return true;
    if (self->files_due)
        note_commit(self);
    self->files_due = false;
    if (self->sink->type->commit != NULL)
        self->marks_at = lb_clock_monotonic() + self->commit_ns;
    return true;
}

bool delivery_commit(struct lb_delivery *self)
{
    pthread_mutex_lock(&self->commit_lock);
    bool done = commit(self);
    pthread_mutex_unlock(&self->commit_lock);
    delivery_show(self);
    return done;
}
