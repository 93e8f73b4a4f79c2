/*
 * grep_search.c - files searched by several threads, their parts handed out
 * in order.
 *
 * A job is a run of blocks of a file, a whole stream, or the opening of a
 * file. A worker always takes the first one that is free, and holds a part of
 * its own before it does; a few parts each bound what can be ready ahead. The
 * tricky thing is that nobody may wait for ever: whoever has opened a file
 * still holds a part, so the first block of the file that is printed next can
 * always be read; a stream fills its worker's parts one by one as the main
 * thread gives them back.
 */
#include "grep.h"

#include "lb_alloc.h"
#include "lb_limits.h"

#include <fcntl.h>
#include <pthread.h>

enum {
    PARTS_EACH = 4,         /* of a worker */
    FILES_AHEAD = 64,       /* open at most, beside the one that is printed */
    JOB_BYTES = 512 * 1024, /* of small blocks that are one job */
    BLOCKS_AHEAD = 8,       /* the kernel is told of */
};

enum file_state { FILE_CLOSED, FILE_OPENING, FILE_BLOCKS, FILE_STREAM, FILE_TAKEN /* no job is left */ };

struct search_file {
    enum file_state state;
    struct grep_file file;
    bool is_open;
    bool skipped; /* nobody wants more of it */
    uint32_t users;
    uint32_t next;    /* block that no job has */
    uint32_t ordinal; /* of the next job */
    uint32_t ahead;   /* blocks before this one the kernel was told of */
};

struct job {
    uint32_t file;
    enum file_state kind;
    uint32_t first, end; /* blocks */
    uint32_t ordinal;
    uint64_t gap;
    bool last;
    uint32_t told_first, told_end;
};

struct worker {
    struct grep_search *search;
    uint32_t number;
    pthread_t thread;
    struct grep_scan scan;
    bool scan_open;
    struct lb_archive_decoder *decoder;
    struct lb_buffer prefix;
    struct grep_part parts[PARTS_EACH];
    struct grep_part *free;
};

struct grep_search {
    const struct grep_options *options;
    const struct grep_pattern *pattern;
    const struct archive_paths *paths;
    bool names;
    uint32_t worker_count;
    struct worker *workers;

    pthread_mutex_t lock;  /* guards all below, and `free` of the workers */
    pthread_cond_t ready;  /* a part is */
    pthread_cond_t change; /* a part is free, or a job */
    struct search_file *files;
    uint32_t head;   /* the file whose parts are handed out, */
    uint32_t wanted; /* and the ordinal of the next one */
    struct grep_part *pending;
    bool stopped;
    bool broken; /* a worker could not begin */
    struct grep_totals totals;
};

/* --- jobs (under the lock) -------------------------------------------------------------------- */

static uint32_t next_wanted(const struct search_file *file, uint32_t block)
{
    while (block < file->file.summary->block_count && !grep_file_wants(&file->file, block))
        block++;
    return block;
}

static void take_blocks(struct grep_search *self, struct search_file *file, struct job *job)
{
    uint32_t count = file->file.summary->block_count;
    uint32_t first = next_wanted(file, file->next);
    uint64_t bytes = 0;
    uint64_t lines;

    for (uint32_t i = file->next; i < first; i++)
        job->gap += file->file.blocks[i].lines;
    job->first = job->end = first;
    while (job->end < count && grep_file_wants(&file->file, job->end) && bytes < JOB_BYTES) {
        if (!grep_file_count(&file->file, self->options, self->pattern, job->end, &lines))
            bytes += file->file.blocks[job->end].raw;
        job->end++;
    }
    file->next = job->end;
    job->last = next_wanted(file, file->next) == count;
    job->told_first = file->ahead > job->end ? file->ahead : job->end;
    job->told_end = file->ahead = job->end + BLOCKS_AHEAD < count ? job->end + BLOCKS_AHEAD : count;
}

static bool take_job(struct grep_search *self, struct job *job)
{
    for (uint32_t i = self->head; i < self->paths->count && i <= self->head + FILES_AHEAD; i++) {
        struct search_file *file = &self->files[i];

        if (file->skipped || file->state == FILE_OPENING || file->state == FILE_TAKEN)
            continue;
        *job = (struct job){ .file = i, .kind = file->state, .ordinal = file->ordinal, .last = true };
        if (file->state == FILE_CLOSED) {
            file->state = FILE_OPENING;
        } else {
            if (file->state == FILE_BLOCKS)
                take_blocks(self, file, job);
            file->ordinal++;
            if (job->last)
                file->state = FILE_TAKEN;
        }
        file->users++;
        return true;
    }
    return false;
}

/* --- parts (under the lock) --------------------------------------------------------------------- */

static void give_back(struct grep_search *self, struct grep_part *part)
{
    struct worker *worker = &self->workers[part->worker];

    part->following = worker->free;
    worker->free = part;
    pthread_cond_broadcast(&self->change);
}

static struct grep_part *take_part(struct worker *worker)
{
    struct grep_part *part = worker->free;

    if (part != NULL)
        worker->free = part->following;
    return part;
}

static void publish(struct grep_search *self, struct grep_part *part)
{
    if (self->files[part->file].skipped) {
        give_back(self, part);
        return;
    }
    self->totals.blocks += part->blocks;
    self->totals.raw += part->raw;
    self->totals.packed += part->packed;
    part->following = self->pending;
    self->pending = part;
    if (part->file == self->head && part->ordinal == self->wanted)
        pthread_cond_signal(&self->ready);
}

/* Whether the caller closes the file. */
static bool leave(struct search_file *file)
{
    bool closes = --file->users == 0 && file->is_open && (file->state == FILE_TAKEN || file->skipped);

    file->is_open = file->is_open && !closes;
    return closes;
}

/* --- workers ------------------------------------------------------------------------------------ */

static void set_place(struct grep_part *part, const struct job *job)
{
    grep_part_reset(part);
    part->file = job->file;
    part->ordinal = job->ordinal;
    part->last = job->last;
    part->gap = job->gap;
}

/* The part is used when the file has nothing to read; then NULL is returned. */
static struct grep_part *open_file(struct worker *worker, const struct job *job, struct grep_part *part)
{
    struct grep_search *self = worker->search;
    struct search_file *file = &self->files[job->file];
    const char *path = self->paths->items[job->file].name;

    set_place(part, job);
    bool opened = grep_file_open(&file->file, path, self->options, self->pattern, &part->complaints);
    bool is_stream = opened && file->file.summary->kind == LB_ARCHIVE_STREAM;
    bool is_empty = !opened || (!is_stream && next_wanted(file, 0) == file->file.summary->block_count);
    bool complains = part->complaints.len > 0;

    pthread_mutex_lock(&self->lock);
    file->is_open = opened;
    file->state = is_empty ? FILE_TAKEN : is_stream ? FILE_STREAM : FILE_BLOCKS;
    if (opened) {
        self->totals.files++;
        self->totals.blocks_all += file->file.summary->block_count;
        self->totals.packed_all += file->file.summary->packed_bytes;
        self->totals.index += file->file.summary->index_bytes;
    }
    if (is_empty || complains) {
        part->last = is_empty;
        file->ordinal++;
        publish(self, part);
        part = NULL;
    }
    pthread_cond_broadcast(&self->change);
    bool closes = leave(file);
    pthread_mutex_unlock(&self->lock);
    if (closes)
        grep_file_close(&file->file);
    return part;
}

static void tell_kernel(const struct grep_file *file, const struct job *job)
{
    for (uint32_t i = job->told_first; i < job->told_end && file->fd >= 0; i++) {
        if (grep_file_wants(file, i))
            (void)posix_fadvise(file->fd, (off_t)file->blocks[i].offset, file->blocks[i].packed, POSIX_FADV_WILLNEED);
    }
}

static void scan_blocks(struct worker *worker, const struct job *job, struct grep_part *part)
{
    struct grep_search *self = worker->search;
    struct grep_file *file = &self->files[job->file].file;
    bool go_on = true;
    uint64_t lines;

    tell_kernel(file, job);
    for (uint32_t i = job->first; i < job->end && go_on; i++) {
        if (grep_file_count(file, self->options, self->pattern, i, &lines))
            part->matches += lines;
        else
            go_on = grep_file_scan(file, self->paths->items[job->file].name, i, worker->decoder, &worker->scan, part);
    }
}

/* A free part of the worker's, or NULL when nobody wants it. */
static struct grep_part *wait_for_part(struct worker *worker, const struct search_file *file)
{
    struct grep_search *self = worker->search;
    struct grep_part *part = NULL;

    pthread_mutex_lock(&self->lock);
    while (!self->stopped && !file->skipped && (part = take_part(worker)) == NULL)
        pthread_cond_wait(&self->change, &self->lock);
    pthread_mutex_unlock(&self->lock);
    return part;
}

/* One part after the other. Returns the last one, which is not published yet, or NULL. */
static struct grep_part *scan_stream(struct worker *worker, struct job *job, struct grep_part *part)
{
    struct grep_search *self = worker->search;
    struct search_file *file = &self->files[job->file];
    const char *path = self->paths->items[job->file].name;

    while (part != NULL) {
        part->last = grep_file_scan_next(&file->file, path, worker->decoder, &worker->scan, part) != LB_OK;
        if (part->last)
            break;
        pthread_mutex_lock(&self->lock);
        publish(self, part);
        pthread_mutex_unlock(&self->lock);
        part = wait_for_part(worker, file);
        job->ordinal++;
        if (part != NULL)
            set_place(part, job);
    }
    return part;
}

static void do_job(struct worker *worker, struct job *job, struct grep_part *part)
{
    struct grep_search *self = worker->search;
    struct search_file *file = &self->files[job->file];

    set_place(part, job);
    lb_buffer_reset(&worker->prefix);
    if (self->names)
        grep_print_prefix(self->options, self->paths->items[job->file].name, &worker->prefix);
    grep_scan_begin(&worker->scan, lb_buffer_str(&worker->prefix));
    if (job->kind == FILE_STREAM)
        part = scan_stream(worker, job, part);
    else
        scan_blocks(worker, job, part);
    pthread_mutex_lock(&self->lock);
    if (part != NULL)
        publish(self, part);
    bool closes = leave(file);
    pthread_mutex_unlock(&self->lock);
    if (closes)
        grep_file_close(&file->file);
}

static bool prepare(struct worker *worker)
{
    worker->decoder = lb_archive_decoder_new();
    worker->scan_open = grep_scan_open(&worker->scan, worker->search->options, worker->search->pattern);
    return worker->decoder != NULL && worker->scan_open;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct grep_search *self = worker->search;
    bool is_ready = prepare(worker);
    struct grep_part *part = NULL;
    struct job job;

    pthread_mutex_lock(&self->lock);
    self->broken = self->broken || !is_ready;
    while (!self->stopped && is_ready) {
        if (part == NULL)
            part = take_part(worker);
        if (part == NULL || !take_job(self, &job)) {
            pthread_cond_wait(&self->change, &self->lock);
            continue;
        }
        pthread_mutex_unlock(&self->lock);
        if (job.kind == FILE_CLOSED) {
            part = open_file(worker, &job, part);
        } else {
            do_job(worker, &job, part);
            part = NULL;
        }
        pthread_mutex_lock(&self->lock);
    }
    pthread_cond_signal(&self->ready);
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* --- the main thread ---------------------------------------------------------------------------- */

static void free_worker(struct worker *worker)
{
    if (worker->scan_open)
        grep_scan_close(&worker->scan);
    if (worker->decoder != NULL)
        lb_archive_decoder_free(worker->decoder);
    lb_buffer_free(&worker->prefix);
    for (size_t i = 0; i < PARTS_EACH; i++)
        grep_part_free(&worker->parts[i]);
}

static void init_worker(struct worker *worker, struct grep_search *search, uint32_t number)
{
    worker->search = search;
    worker->number = number;
    lb_buffer_init(&worker->prefix, 1024 * 1024);
    for (size_t i = 0; i < PARTS_EACH; i++) {
        grep_part_init(&worker->parts[i]);
        worker->parts[i].worker = number;
        worker->parts[i].following = worker->free;
        worker->free = &worker->parts[i];
    }
}

struct grep_search *grep_search_start(const struct grep_options *options, const struct grep_pattern *pattern,
                                      const struct archive_paths *paths, uint32_t threads)
{
    struct grep_search *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    *self = (struct grep_search){ .options = options, .pattern = pattern, .paths = paths };
    self->names = grep_print_names(options, paths);
    self->files = lb_alloc((paths->count + 1) * sizeof(*self->files));
    self->workers = lb_alloc(threads * sizeof(*self->workers));
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->ready, NULL);
    pthread_cond_init(&self->change, NULL);
    for (uint32_t i = 0; i < threads && self->files != NULL && self->workers != NULL; i++) {
        init_worker(&self->workers[i], self, i);
        if (pthread_create(&self->workers[i].thread, NULL, work, &self->workers[i]) != 0) {
            free_worker(&self->workers[i]);
            break;
        }
        self->worker_count++;
    }
    if (self->worker_count > 0)
        return self;
    grep_search_end(self, NULL);
    return NULL;
}

static struct grep_part *find_pending(struct grep_search *self)
{
    for (struct grep_part **at = &self->pending; *at != NULL; at = &(*at)->following) {
        struct grep_part *part = *at;

        if (part->file == self->head && part->ordinal == self->wanted) {
            *at = part->following;
            return part;
        }
    }
    return NULL;
}

struct grep_part *grep_search_next(struct grep_search *search)
{
    struct grep_part *part = NULL;

    pthread_mutex_lock(&search->lock);
    while (search->head < search->paths->count && !search->broken && (part = find_pending(search)) == NULL)
        pthread_cond_wait(&search->ready, &search->lock);
    if (part != NULL)
        search->wanted++;
    pthread_mutex_unlock(&search->lock);
    return part;
}

void grep_search_give_back(struct grep_search *search, struct grep_part *part)
{
    pthread_mutex_lock(&search->lock);
    if (part->last && part->file == search->head) {
        search->head++;
        search->wanted = 0;
    }
    give_back(search, part);
    pthread_mutex_unlock(&search->lock);
}

void grep_search_skip(struct grep_search *search)
{
    struct search_file *file = &search->files[search->head];

    pthread_mutex_lock(&search->lock);
    file->skipped = true;
    for (struct grep_part **at = &search->pending; *at != NULL;) {
        struct grep_part *part = *at;

        if (part->file != search->head) {
            at = &part->following;
            continue;
        }
        *at = part->following;
        give_back(search, part);
    }
    bool closes = file->users == 0 && file->is_open;
    file->is_open = file->is_open && !closes;
    search->head++;
    search->wanted = 0;
    pthread_cond_broadcast(&search->change);
    pthread_mutex_unlock(&search->lock);
    if (closes)
        grep_file_close(&file->file);
}

void grep_search_end(struct grep_search *search, struct grep_totals *totals)
{
    pthread_mutex_lock(&search->lock);
    search->stopped = true;
    pthread_cond_broadcast(&search->change);
    pthread_mutex_unlock(&search->lock);
    for (uint32_t i = 0; i < search->worker_count; i++) {
        pthread_join(search->workers[i].thread, NULL);
        free_worker(&search->workers[i]);
    }
    for (uint32_t i = 0; search->files != NULL && i < search->paths->count; i++) {
        if (search->files[i].is_open)
            grep_file_close(&search->files[i].file);
    }
    if (totals != NULL)
        *totals = search->totals;
    pthread_cond_destroy(&search->change);
    pthread_cond_destroy(&search->ready);
    pthread_mutex_destroy(&search->lock);
    lb_free(search->workers);
    lb_free(search->files);
    lb_free(search);
}
