/*
 * sealer.c - the thread that seals, and what it remembers.
 *
 * Order matters for a crash: rename, then the manifest's line. A file that
 * was sealed and not told is found at the next start, and told then; the
 * thread looks for such files before anything else.
 */
#include "sealer.h"

#include "manifest_writer.h"

#include "lb_alloc.h"
#include "lb_archive.h"
#include "lb_log.h"
#include "lb_metrics.h"
#include "lb_time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    QUEUE_MAX = 1024, /* more are found by the next look around */
    REFUSED_MAX = 64, /* damaged files that are known */
    SEALED_MODE = 0440,
    NICE = 19,
    IO_CLASS_IDLE = 3 << 13, /* of ioprio_set(2) */
};

#define PAUSE (60 * LB_SECOND)
#define DAY (24 * 3600 * LB_SECOND)

/* A file that cannot be sealed as it is. */
struct refused {
    uint64_t inode;
    int64_t written_ns;
};

struct sealer_metrics {
    struct lb_metric *files, *before, *after, *queue, *errors, *failing;
};

struct sealer {
    const struct output *output;
    int level;
    char root[PATH_MAX];
    struct sealer_metrics metrics;
    pthread_t thread;

    pthread_mutex_t lock; /* guards the group below; held while a file is deleted */
    pthread_cond_t more;
    char *queue[QUEUE_MAX];
    uint32_t head;
    uint32_t count;
    bool missed;   /* there were more than the queue takes */
    char *current; /* under way */
    bool stopping;
    char note[200]; /* why it does not go on; empty: it does */

    struct refused refused[REFUSED_MAX]; /* the thread's own, as is all below */
    uint32_t refused_next;
    int64_t pause_until; /* monotonic: after a failure */
    int last_error;      /* errno of the last failure, which was told; 0: it goes well */
};

/* --- the queue ---------------------------------------------------------------------- */

static bool is_waiting(const struct sealer *self, const char *path)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (strcmp(self->queue[(self->head + i) % QUEUE_MAX], path) == 0)
            return true;
    }
    return self->current != NULL && strcmp(self->current, path) == 0;
}

/* Under the lock. */
static void push(struct sealer *self, const char *path)
{
    size_t size = strlen(path) + 1;
    self->missed = self->missed || self->count == QUEUE_MAX;
    char *copy = self->count == QUEUE_MAX || is_waiting(self, path) ? NULL : lb_alloc(size);

    if (copy == NULL)
        return;
    memcpy(copy, path, size);
    self->queue[(self->head + self->count++) % QUEUE_MAX] = copy;
    lb_metric_set(self->metrics.queue, self->count);
    pthread_cond_signal(&self->more);
}

void sealer_add(struct sealer *self, const char *path)
{
    pthread_mutex_lock(&self->lock);
    push(self, path);
    pthread_mutex_unlock(&self->lock);
}

bool sealer_is_hungry(struct sealer *self)
{
    pthread_mutex_lock(&self->lock);
    bool hungry = self->missed && self->count < QUEUE_MAX / 4;
    self->missed = self->missed && !hungry;
    pthread_mutex_unlock(&self->lock);
    return hungry;
}

bool sealer_hold(struct sealer *self, const char *path)
{
    pthread_mutex_lock(&self->lock);
    if (self->current == NULL || strcmp(self->current, path) != 0)
        return true;
    pthread_mutex_unlock(&self->lock);
    return false;
}

void sealer_note(struct sealer *self, char *text, size_t size)
{
    pthread_mutex_lock(&self->lock);
    snprintf(text, size, "%s", self->note);
    pthread_mutex_unlock(&self->lock);
}

void sealer_release(struct sealer *self)
{
    pthread_mutex_unlock(&self->lock);
}

static bool is_stopping(void *context)
{
    struct sealer *self = context;

    pthread_mutex_lock(&self->lock);
    bool stopping = self->stopping;
    pthread_mutex_unlock(&self->lock);
    return stopping;
}

/* Waits for a file, makes it the current one. False: stop. */
static bool take(struct sealer *self)
{
    pthread_mutex_lock(&self->lock);
    lb_free(self->current);
    self->current = NULL;
    while (!self->stopping) {
        int64_t now = lb_clock_monotonic();
        struct timespec at;

        if (self->count > 0 && now >= self->pause_until)
            break;
        if (self->count == 0) {
            pthread_cond_wait(&self->more, &self->lock);
            continue;
        }
        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec += 1; /* the virtual clock of tests wakes nobody */
        pthread_cond_timedwait(&self->more, &self->lock, &at);
    }
    if (!self->stopping) {
        self->current = self->queue[self->head];
        self->head = (self->head + 1) % QUEUE_MAX;
        self->count--;
        lb_metric_set(self->metrics.queue, self->count);
    }
    bool taken = self->current != NULL;
    pthread_mutex_unlock(&self->lock);
    return taken;
}

/* --- the manifest --------------------------------------------------------------------- */

static void write_sealed(struct lb_buffer *line, const char *path, const struct lb_seal_result *result)
{
    char first[LB_TIME_TEXT_SIZE];
    char last[LB_TIME_TEXT_SIZE];
    char hex[MANIFEST_HEX_SIZE];

    manifest_begin(line, "sealed", path);
    lb_buffer_print(line, ",\"bytes\":%" PRIu64 ",\"raw_bytes\":%" PRIu64 ",\"lines\":%" PRIu64, result->packed_bytes,
                    result->raw_bytes, result->lines);
    if (result->first_ns > INT64_MIN && result->last_ns < INT64_MAX && result->first_ns <= result->last_ns) {
        first[lb_time_write(result->first_ns, first)] = '\0';
        last[lb_time_write(result->last_ns, last)] = '\0';
        lb_buffer_print(line, ",\"first\":\"%s\",\"last\":\"%s\"", first, last);
    }
    manifest_hex(result->sha256, hex);
    lb_buffer_print(line, ",\"sha256\":\"%s\"", hex);
}

static bool tell(struct sealer *self, const struct lb_seal_result *result)
{
    struct lb_buffer line;

    lb_buffer_init(&line, 64 * 1024);
    write_sealed(&line, self->current + self->output->pattern.root_len, result);
    errno = ENOMEM;
    bool ok = !line.failed && manifest_append(self->root, lb_buffer_str(&line));

    lb_buffer_free(&line);
    return ok;
}

/* --- one file ----------------------------------------------------------------------------- */

static bool is_refused(const struct sealer *self, const struct stat *status)
{
    int64_t written = status->st_mtim.tv_sec * LB_SECOND + status->st_mtim.tv_nsec;

    for (uint32_t i = 0; i < REFUSED_MAX; i++) {
        if (self->refused[i].inode == status->st_ino && self->refused[i].written_ns == written)
            return true;
    }
    return false;
}

static void refuse(struct sealer *self, const struct stat *status, lb_archive_reason reason)
{
    self->refused[self->refused_next++ % REFUSED_MAX] =
        (struct refused){ status->st_ino, status->st_mtim.tv_sec * LB_SECOND + status->st_mtim.tv_nsec };
    lb_metric_add(self->metrics.errors, 1);
    LB_WARN("sink", "a file cannot be sealed and stays as it is path=%s reason=%s", self->current,
            reason != NULL ? reason : "it is damaged");
}

/* The file stays as it is; all waits for a while. */
static void put_off(struct sealer *self, const char *what)
{
    int err = errno;

    if (err != self->last_error)
        LB_WARN("sink", "cannot %s, it is tried again path=%s reason=%s", what, self->current, strerror(err));
    self->last_error = err;
    self->pause_until = lb_clock_monotonic() + PAUSE;
    lb_metric_add(self->metrics.errors, 1);
    lb_metric_set(self->metrics.failing, 1);
    pthread_mutex_lock(&self->lock);
    snprintf(self->note, sizeof(self->note), "cannot %s: %s; tried again every minute", what, strerror(err));
    char *again = self->current;
    self->current = NULL; /* so that push() takes it */
    push(self, again);
    lb_free(again);
    pthread_mutex_unlock(&self->lock);
}

static void note_success(struct sealer *self)
{
    if (self->last_error != 0)
        LB_INFO("sink", "sealing goes on again path=%s", self->current);
    self->last_error = 0;
    lb_metric_set(self->metrics.failing, 0);
    pthread_mutex_lock(&self->lock);
    self->note[0] = '\0';
    pthread_mutex_unlock(&self->lock);
}

/*
 * Retention goes by the time of the file: that of its newest event, which the index knows. Of a file that was written
 * up to some time that is at most a day before it, or else somebody's clock was wrong.
 */
static struct timespec newest_event(const struct stat *status, const struct lb_seal_result *result)
{
    int64_t written = status->st_mtim.tv_sec * LB_SECOND + status->st_mtim.tv_nsec;
    int64_t newest = result->last_ns;

    if (newest > written || newest < written - DAY || result->first_ns > newest)
        newest = written;
    return (struct timespec){ .tv_sec = newest / LB_SECOND, .tv_nsec = newest % LB_SECOND };
}

static void set_time_and_mode(const struct sealer *self, struct timespec time)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time };
    int fd = output_open_at(self->output, self->current, O_RDONLY, false);

    if (fd < 0)
        return;
    /* If either fails the file is merely kept longer, or looked at again. */
    (void)futimens(fd, times);
    (void)fchmod(fd, SEALED_MODE);
    close(fd);
}

static void finish(struct sealer *self, const struct stat *status, const struct lb_seal_result *result)
{
    set_time_and_mode(self, newest_event(status, result));
    if (!tell(self, result)) {
        put_off(self, "tell the manifest of a sealed file");
        return;
    }
    int64_t on_disk = (int64_t)status->st_blocks * 512; /* its reserve takes no space */

    note_success(self);
    lb_metric_add(self->metrics.files, 1);
    lb_metric_add(self->metrics.before, on_disk);
    lb_metric_add(self->metrics.after, (int64_t)result->packed_bytes);
    LB_INFO("sink", "sealed path=%s bytes_before=%" PRId64 " bytes=%" PRIu64 " lines=%" PRIu64, self->current, on_disk,
            result->packed_bytes, result->lines);
}

/* A hidden name beside the file, which the next start removes if a crash leaves it. */
static bool temp_name(const struct sealer *self, char *temp, size_t size)
{
    const char *slash = strrchr(self->current, '/');
    int directory = slash == NULL ? 0 : (int)(slash - self->current) + 1;
    char prefix[32];

    output_temp_prefix(self->output, prefix, sizeof(prefix));
    errno = ENAMETOOLONG;
    return (size_t)snprintf(temp, size, "%.*s%sseal", directory, self->current, prefix) < size;
}

/* The new file stands beside the old one for a while. What the sink needs to go on is not for sealing. */
static bool has_room(const struct sealer *self, const struct stat *status)
{
    struct statvfs disk;

    if (statvfs(self->current, &disk) != 0)
        return true;
    errno = ENOSPC;
    return (uint64_t)disk.f_bavail * disk.f_frsize >= 2 * (uint64_t)status->st_blocks * 512;
}

static void seal_current(struct sealer *self)
{
    char temp[PATH_MAX];
    struct stat status;
    struct lb_seal_result result;
    lb_archive_reason reason = NULL;
    struct lb_seal_options options = {
        .level = self->level, .temp = temp, .mode = SEALED_MODE, .stop = is_stopping, .context = self
    };

    if (!output_stat_at(self->output, self->current, &status) || !S_ISREG(status.st_mode) || is_refused(self, &status))
        return;
    if (!temp_name(self, temp, sizeof(temp)) || !has_room(self, &status)) {
        put_off(self, "seal a file");
        return;
    }
    switch (lb_archive_seal(self->current, &options, &result, &reason)) {
    case LB_OK: finish(self, &status, &result); break;
    case LB_AGAIN: break; /* stopping */
    case LB_BAD_INPUT: refuse(self, &status, reason); break;
    case LB_NOMEM:
        errno = ENOMEM;
        put_off(self, "seal a file");
        break;
    default:
        if (errno != ENOENT)
            put_off(self, "seal a file");
        break;
    }
}

/* --- the thread ------------------------------------------------------------------------------ */

static void add_untold(void *context, const char *path)
{
    sealer_add(context, path);
}

static void *run(void *context)
{
    struct sealer *self = context;

    /* This thread alone: what it gets is what nobody else wants. */
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    syscall(SYS_ioprio_set, 1, 0, IO_CLASS_IDLE);
    if (!manifest_mend(self->root))
        LB_WARN("sink", "cannot open the manifest directory=%s reason=%s", self->root, strerror(errno));
    sealer_find_untold(self->output, self->root, add_untold, self);
    while (take(self))
        seal_current(self);
    return NULL;
}

static void open_metrics(struct sealer *self)
{
    struct sealer_metrics *m = &self->metrics;
    char name[256];
    char labels[320];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->output->sink->section.name));
    lb_metric_labels(labels, sizeof(labels), "sink", name, (char *)NULL);
    m->files = lb_metric(LB_COUNTER, "logboom_sealed_files_total", "Archives that were sealed", labels);
    m->before = lb_metric(LB_COUNTER, "logboom_sealed_live_bytes_total", "Their bytes before that", labels);
    m->after = lb_metric(LB_COUNTER, "logboom_sealed_bytes_total", "And after it", labels);
    m->queue = lb_metric(LB_GAUGE, "logboom_seal_queue_files", "Finished archives that wait to be sealed", labels);
    m->errors =
        lb_metric(LB_COUNTER, "logboom_seal_errors_total", "Files that could not be sealed, or not at once", labels);
    m->failing = lb_metric(LB_GAUGE, "logboom_seal_failing", "1 while sealing fails and is tried again", labels);
}

static void init(struct sealer *self)
{
    pthread_condattr_t attr;
    size_t len = self->output->pattern.root_len;

    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->more, &attr);
    pthread_condattr_destroy(&attr);
    if (len < sizeof(self->root)) /* a longer one could not be opened either */
        memcpy(self->root, self->output->pattern.text, len);
    open_metrics(self);
}

static void free_sealer(struct sealer *self)
{
    for (; self->count > 0; self->count--, self->head = (self->head + 1) % QUEUE_MAX)
        lb_free(self->queue[self->head]);
    lb_free(self->current);
    pthread_cond_destroy(&self->more);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}

struct sealer *sealer_start(const struct output *output, int level)
{
    struct sealer *self = lb_alloc(sizeof(*self));

    if (self == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    self->output = output;
    self->level = level;
    init(self);
    errno = pthread_create(&self->thread, NULL, run, self);
    if (errno == 0) {
        pthread_setname_np(self->thread, "sealer");
        return self;
    }
    free_sealer(self);
    return NULL;
}

void sealer_stop(struct sealer *self)
{
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->more);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    free_sealer(self);
}
