/*
 * intake_open.c - the life of an intake: its journal, its stream, its thread.
 *
 * The tricky thing is an instance that takes the place of another one: the journal is there as soon as that has closed
 * it, but the stream only when nothing of it is on its way any more, which a sink that is away may put off for long.
 * So batches are written from then on, and wait in the journal for their stream.
 */
#include "intake.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define MODULE "intake"

static struct lb_str identity(void)
{
    return LB_STR("intake");
}

static void match(void *context, uint64_t id, struct lb_str known)
{
    if (lb_str_equal(known, identity()))
        *(uint64_t *)context = id;
}

static enum lb_err open_stream(struct lb_intake *self)
{
    uint64_t id = 0;

    lb_streams_each_known(self->source->streams, self->source->section.name, match, &id);
    enum lb_err err = lb_stream_open(self->source->streams, self->source, id, identity(), &self->stream);
    if (err == LB_OK)
        self->stream->name = self->source->section.name;
    return err;
}

static enum lb_err open_journal(struct lb_intake *self, bool end_known, uint64_t end)
{
    struct lb_journal_options options = { .end_known = end_known, .end = end };

    options.segment_bytes = self->options.max_bytes / INTAKE_SEGMENTS_MIN;
    if (options.segment_bytes > INTAKE_SEGMENT_MAX)
        options.segment_bytes = INTAKE_SEGMENT_MAX;
    if (options.segment_bytes < INTAKE_SEGMENT_MIN)
        options.segment_bytes = INTAKE_SEGMENT_MIN;
    return lb_journal_open(&self->journal, self->directory, &options);
}

/* What the run before has left. */
static enum lb_err look_back(struct lb_intake *self)
{
    uint64_t resume = self->stream->resume;

    self->passed = resume;
    if (lb_journal_end(self->journal) < self->stream->resume_until) {
        /* Its files are gone: positions go on behind the marks all the same. */
        lb_journal_close(self->journal);
        self->journal = NULL;
        enum lb_err err = open_journal(self, true, self->stream->resume_until);

        if (err != LB_OK)
            return err;
    }
    lb_journal_trim(self->journal, lb_stream_committed(self->stream));
    uint64_t end = lb_journal_end(self->journal);
    if (resume >= end)
        return LB_OK;
    LB_INFO(MODULE, "what is not delivered is read back source=" LB_STR_FMT " bytes=%" PRIu64,
            LB_STR_ARG(self->source->section.name), end - resume);
    self->reader = lb_journal_reader_new(self->journal, resume);
    return self->reader != NULL ? LB_OK : LB_NOMEM;
}

enum lb_err intake_open_parts(struct lb_intake *self)
{
    enum lb_err err = self->journal != NULL ? LB_OK : open_journal(self, false, 0);

    if (err == LB_OK && self->stream == NULL) {
        err = open_stream(self);
        if (err == LB_OK)
            err = look_back(self);
        if (err != LB_OK && self->stream != NULL) {
            int cause = errno;

            lb_stream_unref(self->stream);
            self->stream = NULL;
            errno = cause;
        }
    }
    if (err != LB_OK && err != LB_AGAIN && self->started)
        intake_problem(self, "cannot open %s: %s; the source waits, and it goes on when that is mended",
                       self->directory, err == LB_IO ? strerror(errno) : lb_err_name(err));
    return err;
}

/* --- the beginning ----------------------------------------------------------------- */

static void register_metrics(struct lb_intake *self)
{
    char name[LB_KEY_BYTES_MAX];
    char labels[2 * LB_KEY_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, (char *)NULL);
    self->metrics = (struct intake_metrics){
        .bytes = lb_metric(LB_GAUGE, "logboom_intake_bytes", "What a durable source has on disk", labels),
        .entries = lb_metric(LB_COUNTER, "logboom_intake_entries_total", "Batches written to the intake", labels),
        .syncs = lb_metric(LB_COUNTER, "logboom_intake_syncs_total", "Times the intake was synced to disk", labels),
        .restored = lb_metric(LB_COUNTER, "logboom_intake_read_back_events_total",
                              "Events that were read back from the intake, after a start or while sinks lag", labels),
        .damaged = lb_metric(LB_COUNTER, "logboom_intake_damaged_total",
                             "Damaged entries of the intake that were skipped", labels),
        .oldest =
            lb_metric(LB_GAUGE, "logboom_intake_oldest_timestamp_seconds",
                      "When the oldest batch arrived that has not gone on from the intake; 0: there is none", labels),
        .failing = lb_metric(LB_GAUGE, "logboom_intake_failing",
                             "1 while the intake is full or cannot be written, and its source waits", labels),
    };
    self->metrics.oldest->scale = 1e-3;
}

static void init(struct lb_intake *self, const struct lb_source *source, const struct lb_intake_options *options)
{
    pthread_condattr_t attr;

    self->source = source;
    self->options = *options;
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->work, &attr);
    pthread_condattr_destroy(&attr);
    self->list.last = &self->list.first;
    self->group.last = &self->group.first;
    self->credit = true;
    lb_buffer_init(&self->encoded, INTAKE_ENTRY_MAX);
    lb_buffer_init(&self->payload, INTAKE_ENTRY_MAX);
    register_metrics(self);
}

enum lb_err lb_intake_open(struct lb_intake **intake, const struct lb_source *source,
                           const struct lb_intake_options *options)
{
    struct lb_str name = source->section.name;
    size_t size = options->data_dir.len + name.len + sizeof("/intake/");
    struct lb_intake *self = lb_alloc(sizeof(*self));

    if (self == NULL) {
        lb_share_free(options->read_share);
        return LB_NOMEM;
    }
    init(self, source, options);
    self->directory = lb_alloc(size);
    if (self->directory == NULL || options->read_share == NULL) {
        lb_intake_free(self);
        return LB_NOMEM;
    }
    snprintf(self->directory, size, LB_STR_FMT "/intake/" LB_STR_FMT, LB_STR_ARG(options->data_dir), LB_STR_ARG(name));
    *intake = self;
    return LB_OK;
}

enum lb_err lb_intake_start(struct lb_intake *self, bool later)
{
    enum lb_err err = intake_open_parts(self);

    if (err != LB_OK && !later)
        return err;
    self->behind = true; /* until the thread has looked: what is asked before that must not hear that all is done */
    lb_share_on_credit(self->options.read_share, intake_wake, self);
    errno = pthread_create(&self->thread, NULL, intake_run, self);
    if (errno != 0)
        return LB_IO;
    self->started = true;
    pthread_setname_np(self->thread, "intake");
    return LB_OK;
}

/* --- the end --------------------------------------------------------------------------- */

/* What was behind is on disk, and safe: but nobody should look for it in the archives before the next start. */
static void tell_what_waits(const struct lb_intake *self)
{
    if (self->journal == NULL)
        return;
    uint64_t bytes =
        self->stream != NULL ? lb_journal_end(self->journal) - self->passed : lb_journal_bytes(self->journal);

    if (bytes > 0)
        LB_INFO(MODULE, "what was not read back yet waits for the next start source=" LB_STR_FMT " bytes=%" PRIu64,
                LB_STR_ARG(self->source->section.name), bytes);
}

void lb_intake_finish(struct lb_intake *self)
{
    if (self->finished)
        return;
    self->finished = true;
    if (self->started) {
        pthread_mutex_lock(&self->lock);
        self->ending = true;
        pthread_cond_signal(&self->work);
        pthread_mutex_unlock(&self->lock);
        pthread_join(self->thread, NULL);
        tell_what_waits(self);
    }
    intake_let_pass(self, &self->list); /* of one that was never started */
    lb_share_on_credit(self->options.read_share, NULL, NULL);
}

void lb_intake_free(struct lb_intake *self)
{
    if (self == NULL)
        return;
    lb_journal_reader_free(self->reader);
    if (self->journal != NULL && self->stream != NULL) {
        lb_journal_trim(self->journal, lb_stream_committed(self->stream));
        lb_journal_tidy(self->journal);
    }
    if (self->journal != NULL)
        lb_journal_close(self->journal);
    if (self->stream != NULL)
        lb_stream_unref(self->stream);
    if (self->options.read_share != NULL)
        lb_share_free(self->options.read_share);
    lb_buffer_free(&self->encoded);
    lb_buffer_free(&self->payload);
    lb_free(self->directory);
    pthread_cond_destroy(&self->work);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}
