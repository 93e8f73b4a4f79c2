/*
 * tail.c - whose turn it is.
 *
 * Ready files stand in a queue; each turn reads one slab of the first few and
 * puts those that have more behind the others. Without credit a turn ends
 * and the file stays first. A tick finds what becomes ready by time alone.
 */
#include "tail.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum {
    FILES_PER_TURN = 64,
    STREAMS_PER_SYNC = 1024,  /* opened with one fsync */
    SAFETY_SECONDS = 5,       /* between scans where inotify sees everything */
    GONE_SECONDS = 30,        /* a deleted file is let go when its writer was silent for so long */
    MOVED_AWAY_SECONDS = 300, /* and one that was moved to where we do not look */
    EVENT_BYTES_FIRST = 200,
};

static struct lb_str absolute(struct lb_tail *self, struct lb_str pattern)
{
    char here[PATH_MAX];

    if (pattern.len > 0 && pattern.ptr[0] == '/')
        return lb_arena_copy(&self->arena, pattern);
    if (getcwd(here, sizeof(here)) == NULL)
        return (struct lb_str){ 0 };
    return lb_arena_print(&self->arena, "%s/" LB_STR_FMT, here, LB_STR_ARG(pattern));
}

/* `whole_paths`: every pattern is one; otherwise only those with a slash. */
static bool copy_patterns(struct lb_tail *self, struct lb_strs *to, const struct lb_strs *from, bool whole_paths)
{
    to->items = lb_arena_zalloc(&self->arena, (from->count + 1) * sizeof(*to->items));
    if (to->items == NULL)
        return false;
    for (to->count = 0; to->count < from->count; to->count++) {
        struct lb_str pattern = from->items[to->count];
        bool is_path = whole_paths || (pattern.len > 0 && memchr(pattern.ptr, '/', pattern.len) != NULL);
        struct lb_str copy = is_path ? absolute(self, pattern) : lb_arena_copy(&self->arena, pattern);

        if (copy.ptr == NULL)
            return false;
        to->items[to->count] = copy;
    }
    return true;
}

static void register_metrics(struct lb_tail *self)
{
    char labels[256];
    char name[128];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, (char *)NULL);
    self->metrics = (struct lb_tail_metrics){
        .files = lb_metric(LB_GAUGE, "logboom_tail_files", "Files that are followed.", labels),
        .bytes = lb_metric(LB_COUNTER, "logboom_tail_bytes_total", "Bytes read from files.", labels),
        .lines = lb_metric(LB_COUNTER, "logboom_tail_lines_total", "Lines read from files.", labels),
        .truncated = lb_metric(LB_COUNTER, "logboom_tail_truncated_lines_total", "Lines cut at max_line.", labels),
        .rotations = lb_metric(LB_COUNTER, "logboom_tail_rotations_total", "Files renamed or truncated.", labels),
        .lag = lb_metric(LB_GAUGE, "logboom_tail_lag_bytes", "Bytes of followed files not read yet.", labels),
    };
}

struct lb_tail *lb_tail_new(struct lb_source *source, const struct lb_tail_options *options,
                            const struct lb_tail_kind *kind)
{
    struct lb_tail *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->source = source;
    self->options = *options;
    self->kind = kind;
    self->watch.fd = -1;
    self->event_bytes = EVENT_BYTES_FIRST;
    lb_arena_init(&self->arena, SIZE_MAX);
    TAILQ_INIT(&self->ready);
    TAILQ_INIT(&self->fds);
    if (!copy_patterns(self, &self->options.include, &options->include, true) ||
        !copy_patterns(self, &self->options.exclude, &options->exclude, false)) {
        lb_tail_free(self);
        return NULL;
    }
    self->since_ns = lb_arena_zalloc(&self->arena, (self->options.include.count + 1) * sizeof(*self->since_ns));
    if (self->since_ns == NULL) {
        lb_tail_free(self);
        return NULL;
    }
    register_metrics(self);
    return self;
}

static void free_known(struct lb_tail *self)
{
    for (uint32_t i = 0; i < self->known_count; i++)
        lb_free(self->known[i].path);
    lb_free(self->known);
    lb_tail_map_free(&self->known_by_inode);
    lb_tail_map_free(&self->known_by_path);
    lb_tail_map_free(&self->known_by_log);
}

void lb_tail_free(struct lb_tail *self)
{
    while (self->file_count > 0)
        lb_tail_release(self, self->files[self->file_count - 1]);
    lb_free(self->files);
    lb_tail_map_free(&self->by_inode);
    lb_tail_map_free(&self->by_path);
    lb_tail_packed_free(self);
    lb_tail_watch_close(self);
    free_known(self);
    lb_arena_free(&self->arena);
    lb_free(self);
}

static void scan(struct lb_tail *self)
{
    int64_t before = lb_clock_monotonic();

    lb_tail_scan(self);
    int64_t now = lb_clock_monotonic();
    int64_t poll_ns = self->options.poll_ns;

    if (!self->watch.blind && poll_ns < SAFETY_SECONDS * LB_SECOND)
        poll_ns = SAFETY_SECONDS * LB_SECOND;
    self->scan_after_ns = now + 10 * (now - before); /* at most a tenth of the time goes into scanning */
    self->scan_due_ns = now + poll_ns;
}

void lb_tail_start(struct lb_tail *self)
{
    if (!self->source->exit_at_eof)
        lb_tail_watch_open(self);
    lb_tail_load_known(self);
    self->started_ns = lb_tail_file_time();
    lb_tail_note_since(self);
    self->starting = true;
    scan(self);
    lb_tail_settle_known(self);
    lb_tail_watch_searches(self);
    /* From here on a file that is truncated before its first turn is known to have been another. */
    for (uint32_t opened = 0; opened < self->file_count; opened += STREAMS_PER_SYNC)
        lb_tail_open_streams(self, STREAMS_PER_SYNC);
    self->starting = false;
    LB_INFO("source.file", "started source=" LB_STR_FMT " files=%u", LB_STR_ARG(self->source->section.name),
            self->file_count);
}

void lb_tail_ready(struct lb_tail *self, struct lb_tail_file *file)
{
    if (file->ready || file->hold_ns != 0)
        return;
    file->ready = true;
    TAILQ_INSERT_TAIL(&self->ready, file, ready_link);
}

static enum lb_tail_step read_first(struct lb_tail *self)
{
    struct lb_tail_file *file = TAILQ_FIRST(&self->ready);

    if (file->stream == NULL)
        lb_tail_open_streams(self, STREAMS_PER_SYNC);
    file = TAILQ_FIRST(&self->ready); /* opening may have put the first one on hold */
    if (file == NULL)
        return LB_TAIL_STEP_IDLE;
    TAILQ_REMOVE(&self->ready, file, ready_link);
    file->ready = false;
    if (file->stream == NULL)
        return LB_TAIL_STEP_IDLE; /* still empty, or for a later tick */
    enum lb_tail_step step = lb_tail_read(self, file);
    if (step == LB_TAIL_STEP_MORE) {
        lb_tail_ready(self, file);
    } else if (step == LB_TAIL_STEP_NO_CREDIT && !file->ready) {
        file->ready = true;
        TAILQ_INSERT_HEAD(&self->ready, file, ready_link);
    }
    return step;
}

enum lb_tail_next lb_tail_turn(struct lb_tail *self)
{
    lb_tail_watch_drain(self);
    if (self->scan_wanted && lb_clock_monotonic() >= self->scan_after_ns)
        scan(self);
    if (self->search_wanted)
        lb_tail_watch_searches(self);
    for (unsigned i = 0; i < FILES_PER_TURN && !TAILQ_EMPTY(&self->ready); i++)
        if (read_first(self) == LB_TAIL_STEP_NO_CREDIT)
            return LB_TAIL_WAIT;
    if (!TAILQ_EMPTY(&self->ready) || self->search_wanted)
        return LB_TAIL_MORE;
    return self->scan_wanted ? LB_TAIL_SOON : LB_TAIL_DONE;
}

/* --- time --------------------------------------------------------------------------- */

static bool is_deleted(const struct lb_tail_file *file)
{
    struct stat status;

    return fstat(file->fd, &status) != 0 || status.st_nlink == 0;
}

static bool may_let_go(const struct lb_tail_file *file, int64_t now)
{
    int64_t silent = now - file->changed_ns;

    if (!file->gone || file->ready || silent < GONE_SECONDS * LB_SECOND)
        return false;
    if (file->fd < 0)
        return true; /* nothing can be read of it any more */
    bool read = file->packed != LB_UNPACK_NONE ? file->finished : file->offset >= file->size;
    return read && (is_deleted(file) || silent >= MOVED_AWAY_SECONDS * LB_SECOND);
}

static void tick_file(struct lb_tail *self, struct lb_tail_file *file, int64_t now)
{
    if (file->hold_ns != 0 && now >= file->hold_ns && !lb_tail_may_take_over(self, file)) {
        file->hold_ns = 0;
        lb_tail_ready(self, file);
    }
    if (may_let_go(file, now)) {
        lb_tail_drop(self, file);
        return;
    }
    if (lb_tail_delete(self, file, now))
        return;
    if (file->packed != LB_UNPACK_NONE) {
        lb_tail_tick_packed(self, file);
        return;
    }
    bool unfinished = file->offset < file->size &&
                      (file->gone || file->rotated || file->open_ns != 0 || self->options.line_timeout_ns > 0);
    bool unopened = file->stream == NULL && file->size > file->offset;
    if (unfinished || unopened || file->unreadable)
        lb_tail_ready(self, file);
}

/* While no credit is left nobody looks at the files, and what was last seen of their sizes is old. */
static void look_again(struct lb_tail_file *file)
{
    struct stat status;

    if (!file->finished && file->fd >= 0 && fstat(file->fd, &status) == 0 && (uint64_t)status.st_size > file->size)
        file->size = (uint64_t)status.st_size;
}

static int64_t note_unread(const struct lb_tail *self, struct lb_tail_file *file)
{
    /* A line that has not ended yet was read all the same. */
    uint64_t read = file->scanned > file->offset ? file->scanned : file->offset;

    if (file->packed != LB_UNPACK_NONE) {
        uint64_t unread = lb_tail_packed_unread(self, file);

        if (file->stream != NULL)
            lb_stream_note_unread(file->stream, unread);
        return (int64_t)unread;
    }
    if (file->stream != NULL)
        lb_stream_note_unread(file->stream, file->size > read ? file->size - read : 0);
    return file->size > file->offset ? (int64_t)(file->size - file->offset) : 0;
}

void lb_tail_tick(struct lb_tail *self)
{
    int64_t now = lb_clock_monotonic();
    int64_t lag = 0;
    bool stuck = !TAILQ_EMPTY(&self->ready);

    self->unopened = false;
    for (uint32_t i = self->file_count; i-- > 0;) {
        if (stuck)
            look_again(self->files[i]);
        lag += note_unread(self, self->files[i]);
        tick_file(self, self->files[i], now);
    }
    lb_metric_set(self->metrics.lag, lag);
    if (self->kind->look != NULL)
        self->kind->look(self, now);
    if (now >= self->scan_due_ns && !self->source->exit_at_eof)
        self->scan_wanted = true;
}
