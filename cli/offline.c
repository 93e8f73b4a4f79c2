/*
 * offline.c - the pipeline without sources, sinks and threads.
 *
 * The batch is this file's own and used again and again: nobody keeps a
 * reference of it, for worker, judge and engine are done when their calls
 * return.
 */
#include "offline.h"

#include "lb_alloc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    SLAB_BYTES = 512 * 1024,
    ARENA_BYTES = 256 * 1024 * 1024,
    ARENA_KEEP = 4 * 1024 * 1024,
    POOL_BYTES = 8 * 1024 * 1024,
    FLUSH_TRIES = 50 * 1000, /* ten seconds */
};

#define JOURNAL "alerts"

static const char *const names[] = { "ledger", "alerts.state", "alerts.state.new", "silences", NULL };

static void file_path(const struct offline *self, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", self->dir, name);
}

/* --- opening ------------------------------------------------------------------------ */

static bool make_dir(struct offline *self)
{
    if (temporary_dir_make(self->dir))
        return true;
    fprintf(stderr, "logboom: cannot make a directory below TMPDIR: %s\n", strerror(errno));
    return false;
}

static bool no_memory(void)
{
    fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
    return false;
}

bool offline_open(struct offline *self)
{
    if (!make_dir(self))
        return false;
    self->pool = lb_pool_new(POOL_BYTES);
    self->share = self->pool != NULL ? lb_share_new(self->pool, POOL_BYTES) : NULL;
    self->batch.bytes = lb_alloc(SLAB_BYTES);
    self->batch.capacity = SLAB_BYTES;
    lb_arena_init(&self->batch.arena, ARENA_BYTES);
    if (self->share == NULL || self->batch.bytes == NULL)
        return no_memory();
    return true;
}

void offline_close(struct offline *self)
{
    offline_end(self);
    lb_arena_free(&self->batch.arena);
    lb_free(self->batch.bytes);
    if (self->share != NULL)
        lb_share_free(self->share);
    if (self->pool != NULL)
        lb_pool_free(self->pool);
    if (self->dir[0] != '\0') {
        offline_forget(self);
        temporary_dir_remove(self->dir, names);
    }
    *self = (struct offline){ .config = NULL };
}

/* --- one run -------------------------------------------------------------------------- */

/* What was handed on is known as that after a restart: the caller's sinks keep it, as a spool would. */
static void settle(struct offline *self, struct lb_batch *batch)
{
    struct lb_ledger_txn txn;

    for (uint32_t i = 0; i <= self->config->sink_count; i++) {
        bool empty = i == self->config->sink_count || batch->selections[i].count == 0;
        struct lb_token *token = lb_token_issue(batch->stream, i, batch->position_end, empty);

        if (token != NULL)
            lb_token_done(token, LB_DELIVERED, NULL);
    }
    lb_ledger_txn_init(&txn);
    enum lb_err err = lb_streams_commit(self->streams, UINT32_MAX, &txn, NULL, NULL);
    (void)err; /* what could not be saved goes with the next batch */
    lb_ledger_txn_free(&txn);
}

/* Whatever is told has left when this returns. The journal's thread needs real time, of which there is enough. */
static void flush(struct offline *self)
{
    const struct timespec pause = { .tv_nsec = 200 * 1000 };

    for (int i = 0; !lb_alert_engine_flush(self->engine) && i < FLUSH_TRIES; i++)
        nanosleep(&pause, NULL);
}

static void deliver(void *context, struct lb_batch *batch)
{
    struct offline *self = context;
    uint64_t sinks;

    for (uint32_t i = 0; i < batch->record_count; i++) {
        sinks = 0;
        for (uint32_t sink = 0; sink < self->config->sink_count; sink++) {
            const struct lb_selection *selection = &batch->selections[sink];

            for (uint32_t k = 0; k < selection->count; k++)
                if (lb_batch_selected(batch, selection, k) == &batch->records[i])
                    sinks |= UINT64_C(1) << sink;
        }
        self->told(self->context, batch, &batch->records[i], sinks);
    }
    if (self->remembers)
        settle(self, batch);
    lb_batch_unref(batch);
}

static bool open_streams(struct offline *self)
{
    struct lb_config *config = self->config;
    char path[128];

    file_path(self, "ledger", path, sizeof(path));
    if (!self->remembers)
        unlink(path);
    self->consumers.count = config->sink_count + 1;
    self->consumers.items = lb_arena_alloc(&config->arena, self->consumers.count * sizeof(struct lb_str));
    if (self->consumers.items == NULL || lb_ledger_open(&self->ledger, path) != LB_OK)
        return false;
    for (uint32_t i = 0; i < config->sink_count; i++)
        self->consumers.items[i] = config->sinks[i].section.name;
    self->consumers.items[config->sink_count] = LB_STR(LB_ALERTS_CONSUMER);
    self->streams = lb_streams_new(self->ledger, &self->consumers);
    return self->streams != NULL;
}

/* The windows of the configuration; of silences there are none. */
static bool open_mutes(struct offline *self)
{
    struct lb_diag diag = { 0 };
    char path[128];

    file_path(self, "silences", path, sizeof(path));
    self->mutes = lb_mutes_open(path, &diag);
    lb_diag_free(&diag);
    if (self->mutes == NULL)
        return false;
    lb_mutes_configure(self->mutes, &self->config->alerting);
    lb_alert_engine_mute(self->engine, self->mutes);
    return true;
}

static bool open_engine(struct offline *self)
{
    char path[128];
    char journal[128];

    self->engine = lb_alert_engine_new(&self->config->alerting, self->config->sink_count, self->streams, self->share,
                                       deliver, self);
    file_path(self, "alerts.state", path, sizeof(path));
    file_path(self, JOURNAL, journal, sizeof(journal));
    return self->engine != NULL && (!self->remembers || (lb_alert_engine_remember(self->engine, path) &&
                                                         lb_alert_engine_keep(self->engine, journal)));
}

bool offline_begin(struct offline *self, const struct offline_start *start)
{
    self->config = start->config;
    self->plan = start->config->plan;
    self->plan.alerting = &start->config->alerting;
    if (start->records_only) {
        self->plan.filter_count = 0;
        self->plan.route_count = 0;
    }
    self->remembers = start->remember;
    lb_clock_set(start->now_ns);
    self->worker = lb_worker_new(&self->plan);
    self->judge = lb_judge_needed(&self->plan) ? lb_judge_new(&self->plan) : NULL;
    if (self->worker != NULL && (self->judge != NULL || !lb_judge_needed(&self->plan)) && open_streams(self) &&
        open_engine(self) && (start->unmuted || open_mutes(self)))
        return true;
    offline_end(self);
    return no_memory();
}

void offline_end(struct offline *self)
{
    lb_alert_engine_free(self->engine);
    if (self->mutes != NULL)
        lb_mutes_free(self->mutes);
    self->mutes = NULL;
    if (self->streams != NULL)
        lb_streams_free(self->streams);
    if (self->ledger != NULL)
        lb_ledger_close(self->ledger);
    if (self->judge != NULL)
        lb_judge_free(self->judge);
    lb_worker_free(self->worker);
    self->engine = NULL;
    self->streams = NULL;
    self->ledger = NULL;
    self->judge = NULL;
    self->worker = NULL;
    self->batch.event_count = 0;
    self->batch.length = 0;
    self->config = NULL;
}

/* The journal is a directory of files. */
static void remove_journal(const struct offline *self)
{
    char path[128];
    char file[512];
    struct dirent *entry;

    file_path(self, JOURNAL, path, sizeof(path));
    DIR *directory = opendir(path);
    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL) {
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(file);
    }
    closedir(directory);
    rmdir(path);
}

void offline_forget(const struct offline *self)
{
    temporary_dir_clear(self->dir, names);
    remove_journal(self);
}

/* --- lines ---------------------------------------------------------------------------- */

void offline_stream_init(struct offline_stream *stream, const struct lb_source *source, uint64_t id,
                         enum offline_lines lines)
{
    static struct lb_parser_chain automatic = { .automatic = true };

    *stream = (struct offline_stream){ .source = *source, .type = *source->type };
    stream->source.type = &stream->type;
    stream->records = lines == OFFLINE_RECORDS;
    if (stream->records) {
        stream->type.envelope = &lb_envelope_lines;
        stream->source.options.parse = &automatic;
    }
    stream->stream.id = id;
    stream->stream.durable = source->type->file_like || source->options.durable != NULL;
    stream->stream.level = LB_LEVEL_NONE;
    stream->stream.source = &stream->source;
    stream->stream.name = LB_STR("(test)");
}

/* The first line of a batch; one that is longer than all before gets a larger slab. */
static bool begin_batch(struct offline *self, struct offline_stream *stream, struct lb_str line, uint64_t position)
{
    struct lb_batch *batch = &self->batch;
    size_t wanted = (line.len + sizeof(struct lb_event) + 64) & ~(size_t)7;

    if (wanted > batch->capacity) {
        char *bytes = lb_alloc(wanted);

        if (bytes == NULL)
            return no_memory();
        lb_free(batch->bytes);
        batch->bytes = bytes;
        batch->capacity = (uint32_t)wanted;
    }
    batch->stream = &stream->stream;
    batch->position = position;
    batch->length = 0;
    return true;
}

/* The line belongs to the event before it, as the source would find; containers are joined by the worker. */
static bool goes_on(struct offline_stream *stream, struct lb_str line)
{
    const struct lb_multiline *rule = stream->source.multiline;

    return rule != NULL && !stream->records && stream->type.envelope == &lb_envelope_lines &&
           lb_multiline_joins(rule, &stream->joining, line);
}

bool offline_add(struct offline *self, struct offline_stream *stream, struct lb_str line, uint64_t position)
{
    struct lb_batch *batch = &self->batch;

    if (batch->event_count == 0 && !begin_batch(self, stream, line, position))
        return true; /* no memory for it, which was said */
    if (batch->stream != &stream->stream || position != batch->position + batch->length ||
        lb_batch_room(batch, 1) < line.len + 1)
        return false;
    memcpy(batch->bytes + batch->length, line.ptr, line.len);
    if (goes_on(stream, line) && batch->event_count > 0)
        lb_batch_event(batch, batch->event_count - 1)->length += (uint32_t)line.len + 1;
    else
        lb_batch_note(batch, batch->length, line.len);
    batch->bytes[batch->length + line.len] = '\n';
    batch->length += line.len + 1;
    batch->position_end = batch->position + batch->length;
    return true;
}

struct lb_str offline_record(struct lb_buffer *buffer, struct lb_str line)
{
    static const char name[] = "\"message\":";

    if (line.len < 2 || line.ptr[0] != '{' || line.ptr[1] != '"' ||
        memmem(line.ptr, line.len, name, sizeof(name) - 1) != NULL)
        return line;
    lb_buffer_reset(buffer);
    lb_buffer_append_str(buffer, LB_STR("{\"message\":\"\","));
    lb_buffer_append(buffer, line.ptr + 1, line.len - 1);
    return buffer->failed ? line : lb_buffer_str(buffer);
}

void offline_send(struct offline *self, int64_t now_ns)
{
    struct lb_batch *batch = &self->batch;

    lb_clock_set(now_ns);
    if (batch->event_count == 0)
        return;
    batch->arrival_ns = now_ns;
    lb_worker_process(self->worker, batch);
    if (self->judge != NULL)
        lb_judge_apply(self->judge, batch);
    if (self->seen != NULL)
        self->seen(self->context, batch);
    lb_alert_engine_apply(self->engine, batch);
    flush(self);
    lb_alert_engine_applied(self->engine, batch);
    batch->event_count = 0;
    batch->length = 0;
    lb_arena_reset(&batch->arena, ARENA_KEEP);
}

void offline_tick(struct offline *self, int64_t now_ns, bool last)
{
    lb_clock_set(now_ns);
    lb_alert_engine_tick(self->engine, now_ns, last);
    flush(self);
}
