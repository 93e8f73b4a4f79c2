/*
 * daemon_self.c - the daemon watches itself: a thread that measures once a second.
 *
 * It stands beside the flow of records, so nothing that is full or stuck there
 * keeps it from looking; a disk that does not answer keeps nobody but it. What
 * it found waits for the alert engine under a lock of its own. A file in
 * data_dir is touched as it goes, so that the next run knows how long there was
 * none.
 */
#include "daemon.h"

#include "self_watch.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { ALIVE_MODE = 0640, ALIVE_EVERY = 5, PROBLEM_BYTES = 240 };

/* Found once for a configuration: looking for them costs more than reading them. */
struct counters {
    uint32_t generation;
    const struct lb_metric *failing[LB_SINKS_MAX];
    const struct lb_metric *records[LB_SOURCES_MAX];
    const struct lb_metric *parse_errors[LB_SOURCES_MAX];
    const struct lb_metric *rotation_left[LB_SOURCES_MAX];
    const struct lb_metric *ahead;
    const struct lb_metric *lost;
};

/* What facts point into. */
struct texts {
    char disks[SELF_DISKS_MAX][PATH_MAX];
    char sinks[LB_SINKS_MAX][LB_NAME_BYTES_MAX + 1];
    char problems[LB_SINKS_MAX][PROBLEM_BYTES];
    char letters[LB_SINKS_MAX][PROBLEM_BYTES];
    char sources[LB_SOURCES_MAX][LB_NAME_BYTES_MAX + 1];
};

struct self {
    struct lb_daemon *daemon;
    struct self_watch *watch;
    char alive[PATH_MAX];
    int64_t alive_until;

    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* guards these: */
    pthread_cond_t wake;
    bool stopping;
    struct lb_self_finding findings[LB_SELF_FINDINGS_MAX];
    uint32_t count;

    /* The thread's. */
    struct lb_self_finding found[LB_SELF_FINDINGS_MAX];
    struct lb_self_options options;
    struct self_facts facts;
    struct texts texts;
    struct counters counters;
};

/* --- measuring ------------------------------------------------------------ */

static int64_t value_of(const struct lb_metric **metric, const char *name, const char *labels)
{
    if (*metric == NULL)
        *metric = lb_metric_find(name, labels);
    return *metric != NULL ? atomic_load_explicit(&(*metric)->value, memory_order_relaxed) : 0;
}

static void copy_name(char *to, size_t size, struct lb_str name)
{
    snprintf(to, size, LB_STR_FMT, LB_STR_ARG(name));
}

/* With the daemon's lock, as are those below. */
static void measure_sink(struct self *self, const struct lb_sink *sink, uint32_t i)
{
    struct self_sink *fact = &self->facts.sinks[self->facts.sink_count++];
    struct lb_delivery_state state = { 0 };
    struct lb_dead_letter_state letters;
    char labels[4 * LB_NAME_BYTES_MAX];

    copy_name(self->texts.sinks[i], sizeof(self->texts.sinks[i]), sink->section.name);
    lb_metric_labels(labels, sizeof(labels), "sink", self->texts.sinks[i], "type", sink->type->module.name,
                     (char *)NULL);
    lb_delivery_state(sink->delivery, &state);
    lb_dead_letter_state(sink, &letters);
    snprintf(self->texts.problems[i], PROBLEM_BYTES, "%.*s", PROBLEM_BYTES - 1, state.ok ? "" : state.text);
    snprintf(self->texts.letters[i], PROBLEM_BYTES, "%.*s", PROBLEM_BYTES - 1, letters.count > 0 ? letters.last : "");
    *fact = (struct self_sink){
        .name = self->texts.sinks[i],
        .failing_since = value_of(&self->counters.failing[i], "logboom_sink_failing_since_timestamp_seconds", labels),
        .blocked_since = state.blocked_since_ns,
        .problem = self->texts.problems[i],
        .dead_letters = letters.count,
        .dead_letter_last = self->texts.letters[i],
    };
}

static void measure_source(struct self *self, const struct lb_source *source, uint32_t i)
{
    struct self_source *fact = &self->facts.sources[self->facts.source_count++];
    char labels[4 * LB_NAME_BYTES_MAX];

    copy_name(self->texts.sources[i], sizeof(self->texts.sources[i]), source->section.name);
    lb_metric_labels(labels, sizeof(labels), "source", self->texts.sources[i], (char *)NULL);
    *fact = (struct self_source){
        .name = self->texts.sources[i],
        .records = value_of(&self->counters.records[i], "logboom_records_total", labels),
        .parse_errors = value_of(&self->counters.parse_errors[i], "logboom_parse_errors_total", labels),
    };
    int64_t left = value_of(&self->counters.rotation_left[i], "logboom_rotation_left_seconds", labels);
    fact->rotation_left = self->counters.rotation_left[i] != NULL ? left * LB_SECOND : -1;
    fact->behind_ns = lb_streams_behind_of(self->daemon->streams, source->section.name, &fact->unread);
}

static void add_disk(struct self *self, struct lb_str path)
{
    if (self->facts.disk_count == SELF_DISKS_MAX)
        return;
    char *to = self->texts.disks[self->facts.disk_count];

    copy_name(to, PATH_MAX, path);
    self->facts.disks[self->facts.disk_count++].path = to;
}

/* The directory of what a file or an archive writes: what stands before the first field or date. */
static void add_output(struct self *self, const struct lb_sink *sink)
{
    const struct lb_node *path = lb_node_get(sink->section.node, "path");
    struct lb_str text;
    size_t len;

    if (path == NULL || path->kind != LB_NODE_SCALAR)
        return;
    text = path->text;
    for (len = 0; len < text.len && text.ptr[len] != '{' && text.ptr[len] != '%'; len++)
        continue;
    while (len > 1 && text.ptr[len - 1] != '/')
        len--;
    if (len > 1)
        add_disk(self, (struct lb_str){ text.ptr, len - 1 });
}

static void measure_parts(struct self *self)
{
    struct lb_daemon *daemon = self->daemon;

    pthread_mutex_lock(&daemon->lock); /* no part is closed meanwhile */
    const struct generation *current = daemon->current;

    self->options = current->config->alerting.self;
    if (self->counters.generation != current->number)
        self->counters = (struct counters){ .generation = current->number };
    add_disk(self, current->config->data_dir);
    for (uint32_t i = 0; i < daemon->sinks_open && i < current->config->sink_count; i++) {
        measure_sink(self, current->sinks[i].sink, i);
        add_output(self, current->sinks[i].sink);
    }
    for (uint32_t i = 0; i < daemon->sources_open && i < current->config->source_count; i++)
        measure_source(self, current->sources[i].source, i);
    pthread_mutex_unlock(&daemon->lock);
    self->facts.ahead = value_of(&self->counters.ahead, "logboom_alert_ahead_records_total", NULL);
    self->facts.lost = value_of(&self->counters.lost, "logboom_alert_events_lost_total", NULL);
}

/* What is not there yet is looked for where it will be. False: nobody knows. */
static bool find_directory(char *path, struct stat *status)
{
    while (stat(path, status) != 0) {
        char *slash = strrchr(path, '/');

        if (errno != ENOENT || slash == NULL || slash == path)
            return false;
        *slash = '\0';
    }
    return true;
}

/* Each disk once: paths on the same are told by the first. */
static void measure_disks(struct self *self)
{
    dev_t known[SELF_DISKS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < self->facts.disk_count; i++) {
        struct self_disk disk = self->facts.disks[i];
        struct statvfs sizes;
        struct stat status;
        bool is_known = false;

        if (!find_directory(self->texts.disks[i], &status))
            continue;
        for (uint32_t k = 0; k < count; k++)
            is_known = is_known || known[k] == status.st_dev;
        if (is_known || statvfs(disk.path, &sizes) != 0 || sizes.f_blocks == 0)
            continue;
        disk.bytes = (uint64_t)sizes.f_blocks * sizes.f_frsize;
        disk.free = (uint64_t)sizes.f_bavail * sizes.f_frsize;
        known[count] = status.st_dev;
        self->facts.disks[count++] = disk;
    }
    self->facts.disk_count = count;
}

static void look(struct self *self)
{
    uint32_t count = 0;

    self->facts.now = lb_clock_now();
    self->facts.disk_count = self->facts.sink_count = self->facts.source_count = 0;
    measure_parts(self);
    if (self->options.enabled) {
        measure_disks(self);
        count = self_watch_step(self->watch, &self->options, &self->facts, self->found, LB_SELF_FINDINGS_MAX);
    }
    pthread_mutex_lock(&self->lock);
    memcpy(self->findings, self->found, count * sizeof(self->found[0]));
    self->count = count;
    pthread_mutex_unlock(&self->lock);
}

uint32_t self_findings(struct self *self, struct lb_self_finding *items, uint32_t room)
{
    pthread_mutex_lock(&self->lock);
    uint32_t count = self->count < room ? self->count : room;
    memcpy(items, self->findings, count * sizeof(items[0]));
    pthread_mutex_unlock(&self->lock);
    return count;
}

/* --- a sign of life ------------------------------------------------------- */

/* For the next run; what cannot be written is told nowhere, for then nothing else can be. */
static void touch(const struct self *self)
{
    int fd = open(self->alive, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, ALIVE_MODE);

    if (fd < 0)
        return;
    (void)!futimens(fd, NULL);
    close(fd);
}

int64_t self_alive_until(const struct self *self)
{
    return self->alive_until;
}

static void *run(void *context)
{
    struct self *self = context;
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    pthread_mutex_lock(&self->lock);
    for (unsigned round = 0; !self->stopping; round++) {
        pthread_mutex_unlock(&self->lock);
        look(self);
        reports_look_due(self->daemon->reports, self->facts.now);
        if (round % ALIVE_EVERY == 0)
            touch(self);
        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec++;
        pthread_mutex_lock(&self->lock);
        while (!self->stopping && pthread_cond_timedwait(&self->wake, &self->lock, &at) != ETIMEDOUT)
            continue;
    }
    pthread_mutex_unlock(&self->lock);
    touch(self);
    return NULL;
}

/* --- from start to end ---------------------------------------------------- */

struct self *self_open(struct lb_daemon *daemon)
{
    struct self *self = lb_alloc(sizeof(*self));
    pthread_condattr_t attr;
    struct stat status;

    if (self == NULL)
        return NULL;
    self->daemon = daemon;
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&self->wake, &attr);
    pthread_condattr_destroy(&attr);
    snprintf(self->alive, sizeof(self->alive), LB_STR_FMT "/alive", LB_STR_ARG(daemon->current->config->data_dir));
    if (stat(self->alive, &status) == 0)
        self->alive_until = status.st_mtim.tv_sec * LB_SECOND + status.st_mtim.tv_nsec;
    self->watch = self_watch_new();
    if (self->watch != NULL)
        return self;
    self_close(self);
    return NULL;
}

bool self_start(struct self *self)
{
    self->running = pthread_create(&self->thread, NULL, run, self) == 0;
    return self->running;
}

void self_stop(struct self *self)
{
    if (self == NULL || !self->running)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    self->running = false;
}

void self_close(struct self *self)
{
    if (self == NULL)
        return;
    self_stop(self);
    self_watch_free(self->watch);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}
