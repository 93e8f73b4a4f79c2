/*
 * output.c - the life of a sink that writes files: open, write, tick, commit,
 * close.
 *
 * write() takes a whole batch into the buffers before anything goes to disk,
 * so it takes all or nothing. When a write to disk fails, the sink stalls:
 * the next write() tries the disk first and takes nothing until that works.
 */
#include "output.h"

#include "sealer.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RETAIN_EVERY (60 * LB_SECOND)
#define RETAIN_MORE LB_SECOND /* when not all went at once */
#define IDLE_EVERY (60 * LB_SECOND)
#define AROUND_EVERY (600 * LB_SECOND)
#define STALLED_EVERY (5 * LB_SECOND)

/* --- trouble --------------------------------------------------------------------- */

static const char *advice_for(int err)
{
    switch (err) {
    case ENOSPC:
    case EDQUOT: return "free some space there";
    case EACCES:
    case EPERM: return "let logboom's user write there";
    case EROFS: return "mount it writable";
    case EMFILE:
    case ENFILE: return "raise the limit of open files or lower max_open";
    case ENOTDIR:
    case EISDIR:
    case EEXIST: return "something else is in its place";
    default: return "see the kernel's log";
    }
}

bool output_trouble(struct output *self, const char *what, const char *path)
{
    int err = errno;

    self->stalled = true;
    lb_delivery_problem(self->sink, "cannot %s %s: %s; %s, it goes on by itself", what, path, strerror(err),
                        advice_for(err));
    if (err == ENOSPC || err == EDQUOT) {
        self->retention_at = 0;
        self->disk_full = true;
    }
    errno = err;
    return false;
}

static void fine(struct output *self)
{
    if (!self->stalled)
        return;
    self->stalled = false;
    lb_delivery_fine(self->sink);
}

static void retain_when_due(struct output *self)
{
    int64_t now = lb_clock_monotonic();

    if (now < self->retention_at)
        return;
    self->retention_at = now + (output_retain(self) ? RETAIN_EVERY : RETAIN_MORE);
}

/* --- open and close ----------------------------------------------------------------- */

static bool check_age(const struct output *self, struct lb_sink *sink, const char *key, int64_t age_ns,
                      struct lb_diag *diag)
{
    if (age_ns == 0 || age_ns >= self->keep_at_least_ns)
        return true;
    lb_diag_error(diag, lb_section_place(&sink->section, key),
                  "%s is less than keep.at_least, so it says nothing; make it longer or leave one out", key);
    return false;
}

static bool check_keep(const struct output *self, struct lb_sink *sink, struct lb_diag *diag)
{
    bool ok = check_age(self, sink, "keep.age", self->keep_age_ns, diag);

    return check_age(self, sink, "keep.per_service.age", self->keep_service_age_ns, diag) && ok;
}

/* The nearest directory above the files that exists must be writable. */
static bool check_directory(const struct output *self, struct lb_sink *sink, struct lb_diag *diag)
{
    char path[PATH_MAX];
    size_t len = self->pattern.root_len;

    if (len >= sizeof(path)) {
        lb_diag_error(diag, lb_section_place(&sink->section, "path"), "the path is too long");
        return false;
    }
    memcpy(path, self->pattern.text, len);
    path[len] = '\0';
    while (len > 1 && access(path, F_OK) != 0) {
        do
            len--;
        while (len > 0 && path[len - 1] != '/');
        path[len] = '\0';
    }
    if (access(len > 0 ? path : ".", W_OK | X_OK) == 0)
        return true;
    lb_diag_error(diag, lb_section_place(&sink->section, "path"),
                  "cannot write below %s: %s; let logboom's user write there", len > 0 ? path : ".", strerror(errno));
    return false;
}

enum lb_err output_check(struct output *self, struct lb_sink *sink, struct lb_diag *diag)
{
    if (!output_pattern_open(&self->pattern, self->template))
        return LB_NOMEM;
    bool ok = check_keep(self, sink, diag);
    ok = check_directory(self, sink, diag) && ok;
    output_pattern_free(&self->pattern);
    return ok ? LB_OK : LB_BAD_CONF;
}

static void take_stock(void *context, const struct output_found *found)
{
    struct output *self = context;

    if (!found->temporary)
        output_service_note(self, found->path);
    else if (!output_unlink_at(self, found->path))
        LB_WARN("sink", "cannot delete a file left by a crash path=%s reason=%s", found->path, strerror(errno));
}

static void open_metrics(struct output *self)
{
    char name[256];
    char labels[320];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->sink->section.name));
    lb_metric_labels(labels, sizeof(labels), "sink", name, (char *)NULL);
    self->deleted = lb_metric(LB_COUNTER, "logboom_expired_files_total", "Files that retention deleted", labels);
    self->given_up = lb_metric(LB_COUNTER, "logboom_given_up_files_total",
                               "Files that ended early because they could not be synced", labels);
}

enum lb_err output_open(struct output *self, struct lb_sink *sink, const struct output_kind *kind, struct lb_diag *diag)
{
    self->sink = sink;
    self->kind = kind;
    self->files_tail = &self->files;
    self->flush_at = INT64_MAX;
    lb_ledger_txn_init(&self->intentions);
    lb_buffer_init(&self->path, PATH_MAX * 4);
    lb_buffer_init(&self->journal, SIZE_MAX);
    self->journal_max = self->buffer_bytes > OUTPUT_JOURNAL_MIN ? self->buffer_bytes : OUTPUT_JOURNAL_MIN;
    self->scratch.ptr = lb_alloc(LB_SCRATCH_BYTES);
    self->scratch.size = LB_SCRATCH_BYTES;
    self->services = lb_alloc(2 * OUTPUT_SERVICES_MAX * sizeof(*self->services));
    self->formatter = (struct lb_formatter){ .format = (enum lb_format)self->format, .scratch = &self->scratch };
    self->formatter.time.second = INT64_MIN;

    open_metrics(self);

    enum lb_err err = LB_NOMEM;

    if (self->scratch.ptr != NULL && self->services != NULL && output_pattern_open(&self->pattern, self->template)) {
        output_walk(self, take_stock, self);
        err = output_ledger_load(self, diag);
    }
    if (err == LB_NOMEM)
        lb_diag_error(diag, lb_section_place(&sink->section, "path"), "out of memory at start");
    if (err != LB_OK)
        output_close(self);
    return err;
}

void output_close(struct output *self)
{
    /* Bytes behind the last commit, and the reserve, may stay: the next open() knows the committed length. */
    while (self->files != NULL)
        output_file_remove(self, self->files);
    output_journal_free(self);
    output_partitions_free(self);
    output_pattern_free(&self->pattern);
    lb_ledger_txn_free(&self->intentions);
    lb_buffer_free(&self->path);
    lb_free(self->scratch.ptr);
    lb_free(self->services);
    self->scratch.ptr = NULL;
    self->services = NULL;
}

bool output_writes(const struct output *self, const char *path)
{
    struct output_pattern pattern = { 0 };

    if (!output_pattern_open(&pattern, self->template))
        return false;
    bool matches = output_pattern_matches(&pattern, path);
    output_pattern_free(&pattern);
    return matches;
}

/* --- write --------------------------------------------------------------------------- */

/* Takes back what this write() put into buffers. */
static void roll_back(struct output *self)
{
    for (size_t i = 0; i < OUTPUT_BUCKETS; i++) {
        for (struct output_partition *p = self->buckets[i]; p != NULL; p = p->next) {
            if (p->serial != self->serial)
                continue;
            self->buffered -= p->buffer.len - p->length_before;
            p->buffer.len = p->length_before;
            p->buffer.failed = false;
        }
    }
}

static bool add(struct output *self, const struct lb_batch *batch, const struct lb_record *record, int64_t now)
{
    struct output_partition *partition = output_partition_of(self, batch, record);

    if (partition == NULL)
        return false;

    struct lb_buffer *buffer = &partition->buffer;
    size_t capacity = buffer->capacity;
    size_t len = buffer->len;

    if (partition->serial != self->serial) {
        partition->serial = self->serial;
        partition->length_before = buffer->len;
    }
    if (buffer->len == 0)
        partition->oldest = now;
    self->scratch.used = 0;
    lb_format_write(&self->formatter, batch, record, buffer);
    self->held += buffer->capacity - capacity;
    self->buffered += buffer->len - len;
    if (buffer->len >= self->kind->full && !partition->full) {
        partition->full = true;
        partition->next_full = self->full;
        self->full = partition;
    }
    return !buffer->failed;
}

/* True when the disk takes writes again. */
static bool recover(struct output *self)
{
    retain_when_due(self);
    if (!output_redo(self) || !output_flush_all(self) || !output_publish(self) || !output_relieve(self))
        return false;
    fine(self);
    return true;
}

enum lb_err output_write(struct output *self, const struct lb_batch *batch, const struct lb_selection *selection)
{
    int64_t now = lb_clock_monotonic();

    if (self->stalled && !recover(self))
        return LB_AGAIN;
    self->serial++;
    for (uint32_t i = 0; i < selection->count; i++) {
        if (add(self, batch, lb_batch_selected(batch, selection, i), now))
            continue;
        roll_back(self);
        errno = ENOMEM;
        output_trouble(self, "take", "a batch");
        return LB_AGAIN;
    }
    lb_delivery_count(self->sink, selection->count, 0);
    if (now + self->flush_ns < self->flush_at)
        self->flush_at = now + self->flush_ns;
    /* If this fails it is not this batch's fault, which is taken: the next one finds the sink stalled. */
    output_relieve(self);
    return LB_OK;
}

/* What has to be done though nothing comes. */
static void work_when_idle(struct output *self, int64_t now)
{
    int64_t every =
        self->rotate_every_ns > 0 && self->rotate_every_ns / 8 < IDLE_EVERY ? self->rotate_every_ns / 8 : IDLE_EVERY;

    self->idle_at = now + (self->stalled ? STALLED_EVERY : every);
    if (self->stalled && !recover(self))
        return;
    output_finish_idle(self);
    retain_when_due(self);
    if (now >= self->around_at || (self->sealer != NULL && sealer_is_hungry(self->sealer))) {
        self->around_at = now + AROUND_EVERY;
        output_look_around(self);
    }
}

int64_t output_tick(struct output *self, int64_t now)
{
    if (!self->stalled && now >= self->flush_at)
        output_flush_aged(self, now);
    if (now >= self->idle_at)
        work_when_idle(self, now);
    return self->stalled || self->idle_at < self->flush_at ? self->idle_at : self->flush_at;
}

void output_flush_now(struct output *self)
{
    if (!self->stalled && output_redo(self) && output_flush_all(self))
        output_publish(self);
}

/* --- commit --------------------------------------------------------------------------- */

static bool settle(struct output *self, struct output_file *file)
{
    if (file->lost)
        output_bury(self, file);
    if (file->finished && !output_file_trim(self, file))
        return output_trouble(self, "cut", file->path);
    return output_file_sync(self, file);
}

static bool settle_all(struct output *self)
{
    int64_t now = lb_clock_now();

    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        output_finish_due(self, file, now);
        if (!settle(self, file))
            return false;
    }
    if (!output_sync_directories(self))
        return false;
    output_journal_reset(self);
    return true;
}

static void note(struct output *self, struct lb_ledger_txn *txn, const struct output_file *file)
{
    if (file->path == NULL)
        return; /* was given up before it had a name */
    if (file->finished && !file->lost)
        output_ledger_delete(self, txn, file);
    else if (file->length != file->committed || !file->known)
        output_ledger_put(self, txn, file, file->length);
}

enum lb_err output_commit(struct output *self, struct lb_ledger_txn *txn)
{
    if (self->stalled)
        retain_when_due(self);
    if (!output_redo(self) || !output_flush_all(self) || !output_publish(self) || !settle_all(self))
        return LB_AGAIN;
    for (const struct output_file *file = self->files; file != NULL; file = file->next)
        note(self, txn, file);
    fine(self);
    return LB_OK;
}

void output_committed(struct output *self)
{
    struct output_file *next;
    bool finished = false;

    for (struct output_file *file = self->files; file != NULL; file = next) {
        next = file->next;
        file->committed = file->length;
        file->fresh = false;
        if (file->lost)
            file->home = NULL;
        if (!file->finished || file->lost)
            continue;
        output_retire(self, file);
        finished = true;
    }
    if (finished)
        output_partitions_prune(self);
    retain_when_due(self);
}
