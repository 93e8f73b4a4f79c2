/*
 * intake.c - the list of what came, and the thread that writes it and passes it on.
 *
 * One thread does both, so the order in which batches go on is that of the journal without any agreement. It passes
 * them on from memory, unless it is behind: then it reads them back, and what is written meanwhile is let go. It gets
 * behind at a restart, and when those behind the queue lag; it has caught up when the journal holds nothing more.
 *
 * The tricky thing is a sync that fails: what was appended may be safe in part, for a segment that was full was synced
 * on the way. The end of the journal, after undoing the rest, says which.
 */
#include "intake.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define MODULE "intake"

/* --- lists --------------------------------------------------------------------- */

static void clear(struct intake_list *list)
{
    *list = (struct intake_list){ .last = &list->first };
}

void intake_list_add(struct intake_list *list, struct lb_batch *batch)
{
    batch->next = NULL;
    *list->last = batch;
    list->last = &batch->next;
    list->count++;
    list->bytes += batch->length;
}

static struct lb_batch *take_first(struct intake_list *list)
{
    struct lb_batch *batch = list->first;

    list->first = batch->next;
    if (list->first == NULL)
        list->last = &list->first;
    list->count--;
    list->bytes -= batch->length;
    batch->next = NULL;
    return batch;
}

/* --- what is wrong ---------------------------------------------------------------- */

void intake_problem(struct lb_intake *self, const char *format, ...)
{
    char text[sizeof(self->problem)] = "";

    if (format != NULL) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
    }
    pthread_mutex_lock(&self->lock);
    bool changed = strcmp(text, self->problem) != 0;
    memcpy(self->problem, text, sizeof(text));
    pthread_mutex_unlock(&self->lock);
    if (!changed)
        return;
    lb_metric_set(self->metrics.failing, format != NULL);
    if (format != NULL)
        LB_ERROR(MODULE, "%s source=" LB_STR_FMT, text, LB_STR_ARG(self->source->section.name));
    else
        LB_INFO(MODULE, "works again source=" LB_STR_FMT, LB_STR_ARG(self->source->section.name));
}

static void tell_stuck(struct lb_intake *self, enum lb_err err, int cause)
{
    if (err == LB_LIMIT)
        intake_problem(self, "the intake is full (durable.max_size: %" PRIu64 " bytes); the source waits",
                       self->options.max_bytes);
    else
        intake_problem(self, "cannot write to %s: %s; the source waits, and it goes on when that is mended",
                       self->directory, err == LB_IO ? strerror(cause) : lb_err_name(err));
}

/* --- going on ------------------------------------------------------------------------ */

static void push(struct lb_intake *self, struct lb_batch *batch, uint64_t position, uint64_t end)
{
    batch->position = position;
    batch->position_end = end;
    self->passed = end;
    lb_queue_push(self->source->queue, batch);
}

/* From memory: it becomes a batch of the intake's stream. */
static void pass_on(struct lb_intake *self, struct lb_batch *batch, const struct intake_place *place)
{
    struct lb_stream *before = batch->stream;

    if (!intake_note_origin(batch, before->name, (struct lb_str){ before->host.ptr, before->host.len }))
        LB_ERROR(MODULE, "no memory to note where records came from source=" LB_STR_FMT,
                 LB_STR_ARG(self->source->section.name));
    lb_stream_ref(self->stream);
    batch->stream = self->stream;
    lb_stream_unref(before);
    push(self, batch, place->position, place->end);
}

void intake_let_pass(struct lb_intake *self, struct intake_list *list)
{
    if (list->count > 0)
        LB_ERROR(MODULE,
                 "cannot be written at the end, goes on as if it were not durable source=" LB_STR_FMT " batches=%u",
                 LB_STR_ARG(self->source->section.name), list->count);
    while (list->count > 0)
        lb_queue_push(self->source->queue, take_first(list));
}

/* True when what goes on has to be read back. */
static bool falls_behind(struct lb_intake *self, bool ending)
{
    if (self->reader != NULL || self->stream == NULL)
        return true;
    if (ending || lb_share_used(self->source->share) <= self->options.lag_bytes)
        return false;
    self->reader = lb_journal_reader_new(self->journal, self->passed);
    return self->reader != NULL;
}

/* --- writing ---------------------------------------------------------------------------- */

static bool is_full(struct lb_intake *self, size_t length)
{
    lb_journal_tidy(self->journal);
    uint64_t bytes = lb_journal_bytes(self->journal);

    return bytes > 0 && bytes + length + INTAKE_OVERHEAD > self->options.max_bytes;
}

static enum lb_err append(struct lb_intake *self, const struct lb_batch *batch, bool ending, struct intake_place *place)
{
    lb_buffer_reset(&self->encoded);
    intake_encode(batch, &self->encoded);
    if (self->encoded.failed)
        return LB_NOMEM;
    if (!ending && is_full(self, self->encoded.len))
        return LB_LIMIT;
    enum lb_err err = lb_journal_append(self->journal, lb_buffer_str(&self->encoded), &place->end);
    /* The payload ends where the entry does, so whoever reads it back knows its position as well. */
    place->position = place->end - self->encoded.len;
    return err;
}

/* How many of the group are on disk now. */
static uint32_t write_group(struct lb_intake *self, bool ending)
{
    struct lb_batch *batch = self->group.first;
    enum lb_err err = self->journal != NULL ? LB_OK : LB_AGAIN;
    uint32_t appended = 0;
    uint32_t count = 0;
    int cause = 0;

    while (err == LB_OK && batch != NULL && appended < INTAKE_GROUP_BATCHES) {
        err = append(self, batch, ending, &self->places[appended]);
        cause = errno;
        appended += err == LB_OK;
        batch = batch->next;
    }
    if (appended > 0 && lb_journal_sync(self->journal) != LB_OK) {
        cause = errno;
        err = LB_IO;
        lb_journal_undo(self->journal);
    }
    while (count < appended && self->places[count].end <= lb_journal_end(self->journal))
        count++;
    if (count > 0)
        lb_metric_add(self->metrics.syncs, 1);
    lb_metric_add(self->metrics.entries, count);
    self->retry_at = err != LB_OK ? lb_clock_monotonic() + INTAKE_RETRY : 0;
    if (self->journal != NULL && err != LB_OK)
        tell_stuck(self, err, cause);
    else if (self->journal != NULL)
        intake_problem(self, NULL);
    return count;
}

static void drop_large_buffer(struct lb_buffer *buffer)
{
    if (buffer->capacity <= INTAKE_BUFFER_KEEP)
        return;
    lb_buffer_free(buffer);
    lb_buffer_init(buffer, INTAKE_ENTRY_MAX);
}

static void settle(struct lb_intake *self, uint32_t count, bool ending)
{
    bool behind = count > 0 && falls_behind(self, ending);

    if (behind) { /* whoever hears that it is safe must not hear then that nothing is left */
        pthread_mutex_lock(&self->lock);
        self->behind = true;
        pthread_mutex_unlock(&self->lock);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct lb_batch *batch = take_first(&self->group);

        if (behind)
            lb_batch_unref(batch);
        else
            pass_on(self, batch, &self->places[i]);
    }
    self->safe_number += count;
    if (count > 0 && self->options.safe != NULL)
        self->options.safe(self->options.safe_context, self->safe_number);
    drop_large_buffer(&self->encoded);
}

/* What could not be written is in front again. With the lock held. */
static void put_back(struct lb_intake *self)
{
    if (self->group.count == 0)
        return;
    *self->group.last = self->list.first;
    if (self->list.first == NULL)
        self->list.last = self->group.last;
    self->list.first = self->group.first;
    self->list.count += self->group.count;
    self->list.bytes += self->group.bytes;
    clear(&self->group);
}

/* With the lock held. Bounded, for the journal keeps a copy until it is synced. */
static void take_group(struct lb_intake *self)
{
    clear(&self->group);
    while (self->list.count > 0 && self->group.count < INTAKE_GROUP_BATCHES && self->group.bytes < INTAKE_GROUP_BYTES)
        intake_list_add(&self->group, take_first(&self->list));
}

static void write_what_came(struct lb_intake *self, bool ending)
{
    pthread_mutex_lock(&self->lock);
    take_group(self);
    bool more = self->list.count > 0; /* they have waited long enough */
    pthread_mutex_unlock(&self->lock);
    if (self->group.count > 0)
        settle(self, write_group(self, ending), ending);
    pthread_mutex_lock(&self->lock);
    put_back(self);
    self->since = more ? 0 : lb_clock_monotonic();
    pthread_mutex_unlock(&self->lock);
}

/* --- reading back -------------------------------------------------------------------------- */

void intake_wake(void *context)
{
    struct lb_intake *self = context;

    pthread_mutex_lock(&self->lock);
    self->credit = true;
    pthread_cond_signal(&self->work);
    pthread_mutex_unlock(&self->lock);
}

static void caught_up(struct lb_intake *self)
{
    lb_journal_reader_free(self->reader);
    self->reader = NULL;
    drop_large_buffer(&self->payload);
}

/* The next entry is in `payload`. False: there is none, or not now. */
static bool read_next(struct lb_intake *self)
{
    uint64_t start;

    if (self->payload_waits)
        return true;
    if (lb_clock_monotonic() < self->read_at)
        return false;
    switch (lb_journal_read(self->reader, &self->payload, &start, &self->payload_end)) {
    case LB_OK: self->payload_waits = true; return true;
    case LB_AGAIN: caught_up(self); return false;
    default:
        LB_WARN(MODULE, "cannot read what waits, trying again directory=%s error=%s", self->directory, strerror(errno));
        self->read_at = lb_clock_monotonic() + INTAKE_RETRY;
        return false;
    }
}

static void pass_over(struct lb_intake *self)
{
    LB_ERROR(MODULE, "no batch of this version, skipping an entry directory=%s position=%" PRIu64, self->directory,
             self->payload_end);
    lb_metric_add(self->metrics.damaged, 1);
    self->payload_waits = false;
}

/* The entry in `payload` goes on. False: no credit, or no memory. */
static bool pass_back(struct lb_intake *self)
{
    struct lb_str payload = lb_buffer_str(&self->payload);
    struct intake_head head;

    if (intake_decode_head(payload, &head) != LB_OK) {
        pass_over(self);
        return true;
    }
    pthread_mutex_lock(&self->lock);
    self->credit = false; /* it may be there from now on */
    self->arrived = head.arrival_ns;
    pthread_mutex_unlock(&self->lock);
    struct lb_batch *batch = lb_pool_take(self->options.read_share, intake_slab_bytes(&head), self->stream);
    if (batch == NULL)
        return false;
    switch (intake_decode(payload, batch)) {
    case LB_OK: break;
    case LB_BAD_INPUT:
        lb_batch_unref(batch);
        pass_over(self);
        return true;
    default:
        lb_batch_unref(batch);
        self->read_at = lb_clock_monotonic() + INTAKE_RETRY;
        intake_wake(self);
        return false;
    }
    lb_metric_add(self->metrics.restored, batch->event_count);
    self->payload_waits = false;
    push(self, batch, self->payload_end - payload.len, self->payload_end);
    return true;
}

static void read_back(struct lb_intake *self)
{
    size_t bytes = 0;

    while (self->reader != NULL && bytes < INTAKE_READ_BYTES && lb_clock_monotonic() >= self->read_at &&
           read_next(self)) {
        bytes += self->payload.len;
        if (!pass_back(self))
            break;
    }
}

/* --- from time to time ------------------------------------------------------------------------ */

static void show(struct lb_intake *self)
{
    uint64_t bytes = self->journal != NULL ? lb_journal_bytes(self->journal) : 0;
    uint64_t damaged = self->journal != NULL ? lb_journal_damaged(self->journal) : 0;

    pthread_mutex_lock(&self->lock);
    self->bytes = bytes;
    self->behind = self->reader != NULL || self->stream == NULL; /* without its stream it has not looked yet */
    if (self->reader == NULL)
        self->arrived = self->list.count > 0 ? self->list.first->arrival_ns : 0;
    int64_t arrived = self->arrived;
    pthread_mutex_unlock(&self->lock);
    lb_metric_set(self->metrics.bytes, (int64_t)bytes);
    lb_metric_set(self->metrics.oldest, arrived / LB_MILLISECOND);
    lb_metric_add(self->metrics.damaged, (int64_t)(damaged - self->damaged));
    self->damaged = damaged;
}

/* Marks move with the commits of others, who tell nobody. */
static void look_around(struct lb_intake *self, bool stuck)
{
    int64_t now = lb_clock_monotonic();

    if (now < self->look_at && !stuck)
        return;
    self->look_at = now + INTAKE_LOOK_EVERY;
    if (self->journal == NULL || self->stream == NULL) {
        if (intake_open_parts(self) != LB_OK)
            self->look_at = now + INTAKE_GROUP_AGE;
        if (self->journal == NULL || self->stream == NULL)
            return;
        intake_problem(self, NULL);
    }
    lb_journal_trim(self->journal, lb_stream_committed(self->stream));
    lb_journal_tidy(self->journal);
}

/* --- the thread --------------------------------------------------------------------------------- */

/* With the lock held: when there is something to do, monotonic. */
static int64_t due_at(const struct lb_intake *self)
{
    int64_t at = self->look_at;

    if (self->ending)
        return 0;
    if (self->list.count > 0) {
        bool many = self->list.bytes >= INTAKE_GROUP_BYTES || self->list.count >= INTAKE_GROUP_BATCHES;
        int64_t write_at = many ? 0 : self->since + INTAKE_GROUP_AGE;

        write_at = write_at > self->retry_at ? write_at : self->retry_at;
        at = write_at < at ? write_at : at;
    }
    if (self->reader != NULL && (!self->payload_waits || self->credit))
        at = self->read_at < at ? self->read_at : at;
    return at;
}

/* With the lock held. */
static void wait_for_work(struct lb_intake *self)
{
    int64_t at;

    while ((at = due_at(self)) > lb_clock_monotonic()) {
        int64_t left = at - lb_clock_monotonic();
        struct timespec until;

        if (left <= 0)
            return;
        /* The condition waits by the real clock, which tests do not set. */
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t wake_at = until.tv_sec * LB_SECOND + until.tv_nsec + left;
        until = (struct timespec){ wake_at / LB_SECOND, wake_at % LB_SECOND };
        pthread_cond_timedwait(&self->work, &self->lock, &until);
    }
}

/* With the lock held. */
static bool is_write_due(const struct lb_intake *self)
{
    int64_t now = lb_clock_monotonic();

    if (self->list.count == 0 || self->ending)
        return self->list.count > 0;
    return now >= self->retry_at && (now >= self->since + INTAKE_GROUP_AGE || self->list.bytes >= INTAKE_GROUP_BYTES ||
                                     self->list.count >= INTAKE_GROUP_BATCHES);
}

/* Until nothing more can be written, within the bounds of what the source had credit for. */
static void write_the_rest(struct lb_intake *self)
{
    uint32_t before;

    do {
        before = self->list.count;
        write_what_came(self, true);
    } while (self->list.count > 0 && self->list.count < before);
    intake_let_pass(self, &self->list);
}

void *intake_run(void *context)
{
    struct lb_intake *self = context;
    bool ending = false;

    while (!ending) {
        pthread_mutex_lock(&self->lock);
        wait_for_work(self);
        ending = self->ending;
        bool write = is_write_due(self);
        pthread_mutex_unlock(&self->lock);
        look_around(self, self->retry_at != 0);
        if (ending)
            write_the_rest(self); /* nobody else is there any more who would use the list */
        else if (write)
            write_what_came(self, false);
        if (!ending)
            read_back(self);
        show(self);
    }
    return NULL;
}

/* --- from the source --------------------------------------------------------------------------- */

uint64_t lb_intake_put(struct lb_intake *self, struct lb_batch *batch)
{
    pthread_mutex_lock(&self->lock);
    bool was_empty = self->list.count == 0;
    intake_list_add(&self->list, batch);
    if (was_empty)
        self->since = lb_clock_monotonic();
    uint64_t number = ++self->number;
    if (was_empty || self->list.bytes >= INTAKE_GROUP_BYTES || self->list.count >= INTAKE_GROUP_BATCHES)
        pthread_cond_signal(&self->work);
    pthread_mutex_unlock(&self->lock);
    return number;
}

void lb_intake_state(struct lb_intake *self, struct lb_intake_state *state)
{
    pthread_mutex_lock(&self->lock);
    state->ok = self->problem[0] == '\0';
    memcpy(state->problem, self->problem, sizeof(state->problem));
    state->bytes = self->bytes;
    state->behind = self->behind;
    state->oldest_ns = self->arrived != 0 ? lb_clock_now() - self->arrived : 0;
    pthread_mutex_unlock(&self->lock);
}
