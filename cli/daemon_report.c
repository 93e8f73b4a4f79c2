/*
 * daemon_report.c - the daemon counts for its reports, and makes them when it is time.
 *
 * Records are counted where they leave the sequencer, one batch at a time; the
 * thread that watches the daemon looks once a second what is due. Counts are
 * on disk every minute and at the end: a restart loses none, a crash a minute
 * at most, or counts it twice where the source is read again. A report that
 * was due while nobody was there is made at the next start.
 */
#include "daemon.h"
#include "notice_history.h"
#include "report_alerts.h"

#include "lb_alloc.h"
#include "lb_file.h"
#include "lb_log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MODULE "daemon"
#define SAVE_EVERY (60 * LB_SECOND)

enum {
    FILE_BYTES_MAX = 32 * 1024 * 1024,
    ANSWER_BYTES_MAX = 64 * 1024 * 1024,
    DIRECTORY_MODE = 0750,
    NOTICES_MAX = 10000
};

struct entry {
    char name[LB_REPORT_NAME_BYTES];
    struct lb_report_counts *counts;
    bool wanted; /* by the current configuration */
};

struct reports {
    struct lb_daemon *daemon;
    char directory[PATH_MAX - LB_REPORT_NAME_BYTES - 1];
    pthread_mutex_t lock; /* guards the entries: the sequencer counts, the watching thread does the rest */
    struct entry entries[LB_REPORTS_MAX];
    uint32_t count;
    _Atomic uint32_t counted; /* entries; to be asked without the lock */
    int64_t saved_ns;
};

struct reports *reports_open(struct lb_daemon *daemon)
{
    struct reports *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->daemon = daemon;
    snprintf(self->directory, sizeof(self->directory), LB_STR_FMT "/reports",
             LB_STR_ARG(daemon->current->config->data_dir));
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

/* --- on disk -------------------------------------------------------------- */

static void path_of(const struct reports *self, const char *name, char path[PATH_MAX])
{
    if (mkdir(self->directory, DIRECTORY_MODE) != 0 && errno != EEXIST)
        LB_DEBUG(MODULE, "cannot make a directory path=%s reason=%s", self->directory, strerror(errno));
    snprintf(path, PATH_MAX, "%s/%s", self->directory, name);
}

static struct lb_report_counts *load(const struct reports *self, const char *name, int64_t now)
{
    struct lb_report_counts *counts = NULL;
    struct lb_buffer bytes;
    char path[PATH_MAX];

    path_of(self, name, path);
    lb_buffer_init(&bytes, FILE_BYTES_MAX);
    if (lb_file_read(path, &bytes) == LB_OK) {
        counts = lb_report_counts_restore(lb_buffer_str(&bytes));
        if (counts == NULL)
            LB_WARN(MODULE, "the counts of a report are not readable and begin anew path=%s", path);
    }
    lb_buffer_free(&bytes);
    return counts != NULL ? counts : lb_report_counts_new(now);
}

/* With the lock only while the bytes are made. */
static void save(struct reports *self, struct entry *entry)
{
    struct lb_buffer bytes;
    char path[PATH_MAX];

    lb_buffer_init(&bytes, FILE_BYTES_MAX);
    pthread_mutex_lock(&self->lock);
    lb_report_counts_save(entry->counts, &bytes);
    pthread_mutex_unlock(&self->lock);
    path_of(self, entry->name, path);
    if (bytes.failed || !lb_file_replace(path, lb_buffer_str(&bytes)))
        LB_WARN(MODULE, "the counts of a report could not be saved path=%s reason=%s", path,
                bytes.failed ? "no memory" : strerror(errno));
    lb_buffer_free(&bytes);
}

static void save_all(struct reports *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        save(self, &self->entries[i]);
}

/* --- counting ------------------------------------------------------------- */

void reports_count(struct reports *self, const struct lb_batch *batch)
{
    if (atomic_load_explicit(&self->counted, memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < self->count; i++)
        for (uint32_t n = 0; n < batch->record_count; n++)
            lb_report_count(self->entries[i].counts, &batch->records[n]);
    pthread_mutex_unlock(&self->lock);
}

/* --- making --------------------------------------------------------------- */

static void make(struct reports *self, const struct lb_report *report, struct entry *entry, int64_t until)
{
    struct lb_report_alerts *alerts = lb_alloc(sizeof(*alerts));
    struct notice_query query = { .since = lb_report_from(entry->counts), .until = until, .limit = NOTICES_MAX };
    struct lb_buffer notices;
    struct lb_buffer text;

    lb_buffer_init(&notices, ANSWER_BYTES_MAX);
    lb_buffer_init(&text, 4 * LB_REPORT_TEXT_BYTES);
    notice_history_write(self->daemon->history, &query, &notices);
    if (alerts != NULL) {
        report_count_alerts(lb_buffer_str(&notices), query.since, until, alerts);
        pthread_mutex_lock(&self->lock);
        lb_report_write(report, entry->counts, alerts, until, &text);
        lb_report_turn(entry->counts, until);
        pthread_mutex_unlock(&self->lock);
        struct lb_alert_paper paper = { report->name, lb_buffer_str(&text), query.since, until };
        lb_alert_engine_report(self->daemon->alerts, &paper);
        LB_INFO(MODULE, "report is made name=" LB_STR_FMT, LB_STR_ARG(report->name));
    }
    lb_buffer_free(&text);
    lb_buffer_free(&notices);
    lb_free(alerts);
    save(self, entry);
}

static struct entry *entry_of(struct reports *self, const struct lb_report *report, int64_t now)
{
    char name[LB_REPORT_NAME_BYTES];
    struct lb_report_counts *counts;

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(report->name));
    for (uint32_t i = 0; i < self->count; i++)
        if (strcmp(self->entries[i].name, name) == 0)
            return &self->entries[i];
    counts = self->count < LB_REPORTS_MAX ? load(self, name, now) : NULL;
    if (counts == NULL)
        return NULL;
    pthread_mutex_lock(&self->lock);
    struct entry *entry = &self->entries[self->count++];
    memcpy(entry->name, name, sizeof(name));
    entry->counts = counts;
    atomic_store(&self->counted, self->count);
    pthread_mutex_unlock(&self->lock);
    return entry;
}

/* Those that the configuration has no more are forgotten; what they counted stays on disk. */
static void drop_unwanted(struct reports *self)
{
    for (uint32_t i = 0; i < self->count;) {
        struct lb_report_counts *gone = self->entries[i].counts;

        if (self->entries[i].wanted) {
            self->entries[i++].wanted = false;
            continue;
        }
        save(self, &self->entries[i]);
        pthread_mutex_lock(&self->lock);
        self->entries[i] = self->entries[--self->count];
        atomic_store(&self->counted, self->count);
        pthread_mutex_unlock(&self->lock);
        lb_report_counts_free(gone);
    }
}

void reports_look_due(struct reports *self, int64_t now)
{
    struct lb_daemon *daemon = self->daemon;

    pthread_mutex_lock(&daemon->parts_lock); /* the engine stays */
    pthread_mutex_lock(&daemon->lock);
    struct generation *current = daemon->current;
    lb_generation_ref(&current->base);
    pthread_mutex_unlock(&daemon->lock);
    const struct lb_alerting *alerting = &current->config->alerting;

    for (uint32_t i = 0; i < alerting->report_count && daemon->alerts != NULL; i++) {
        const struct lb_report *report = &alerting->reports[i];
        struct entry *entry = entry_of(self, report, now);

        if (entry == NULL)
            continue;
        entry->wanted = true;
        /* After a long outage one report, not one for each day. */
        int64_t due = lb_report_next(report, lb_report_from(entry->counts));
        for (int64_t later = due; later <= now; later = lb_report_next(report, later))
            due = later;
        if (due <= now)
            make(self, report, entry, due);
    }
    drop_unwanted(self);
    lb_generation_unref(&current->base);
    pthread_mutex_unlock(&daemon->parts_lock);
    if (now < self->saved_ns || now >= self->saved_ns + SAVE_EVERY) {
        self->saved_ns = now;
        save_all(self);
    }
}

void reports_close(struct reports *self)
{
    if (self == NULL)
        return;
    save_all(self);
    for (uint32_t i = 0; i < self->count; i++)
        lb_report_counts_free(self->entries[i].counts);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}
