/*
 * alert_journal.c - the thread that writes what is told.
 *
 * The tricky thing is a disk that fails between append and fsync: nobody can
 * tell how much of it is there. So all that is not synced is undone, which
 * cuts it off, before it is given back; otherwise it would be told twice. What
 * was synced on the way, for its segment was full, is there and stays.
 */
#include "alert_journal.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_metrics.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define MODULE "route.alert"

enum { SEGMENT_BYTES = 4 * 1024 * 1024, JOURNAL_BYTES = 64 * 1024 * 1024 };

struct lb_alert_journal {
    struct lb_journal *disk;
    pthread_t thread;
    bool started;
    bool failing; /* the thread's: told as that */
    struct lb_metric *failed;
    struct lb_metric *syncs;
    void (*ready)(void *context);
    void *context;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t more;
    struct lb_alert_entry *first; /* to be written */
    struct lb_alert_entry *last;
    struct lb_alert_entry *returned;
    struct lb_alert_entry *returned_last;
    uint64_t settled;
    uint64_t trim;
    bool ending;
};

static void append(struct lb_alert_entry **first, struct lb_alert_entry **last, struct lb_alert_entry *entry)
{
    if (*last != NULL)
        (*last)->next = entry;
    else
        *first = entry;
    *last = entry;
}

/* --- the thread ----------------------------------------------------------- */

static enum lb_err write_all(struct lb_alert_journal *self, struct lb_alert_entry *entry)
{
    enum lb_err err = LB_OK;

    for (struct lb_alert_entry *each = entry; each != NULL; each = each->next)
        each->end = UINT64_MAX;
    for (; entry != NULL && err == LB_OK; entry = entry->next)
        err = lb_journal_append(self->disk, (struct lb_str){ entry->bytes, entry->length }, &entry->end);
    if (err == LB_OK)
        err = lb_journal_sync(self->disk);
    int cause = errno;
    if (err != LB_OK)
        lb_journal_undo(self->disk);
    errno = cause;
    return err;
}

static void note(struct lb_alert_journal *self, enum lb_err err)
{
    if (err != LB_OK && !self->failing)
        LB_ERROR(MODULE,
                 "alerts cannot be written to disk and are told without; after a crash now they may be lost or come "
                 "twice; goes on by itself when the disk takes them reason=%s",
                 err == LB_IO      ? strerror(errno)
                 : err == LB_LIMIT ? "the journal is full, sinks lag"
                                   : lb_err_name(err));
    else if (err == LB_OK && self->failing)
        LB_WARN(MODULE, "alerts are written to disk again");
    self->failing = err != LB_OK;
    lb_metric_set(self->failed, self->failing);
    if (err == LB_OK)
        lb_metric_add(self->syncs, 1);
}

/* Takes what waits; false at the end. */
static bool take(struct lb_alert_journal *self, struct lb_alert_entry **first, uint64_t *trim)
{
    pthread_mutex_lock(&self->lock);
    while (self->first == NULL && self->trim == 0 && !self->ending)
        pthread_cond_wait(&self->more, &self->lock);
    *first = self->first;
    *trim = self->trim;
    self->first = self->last = NULL;
    self->trim = 0;
    bool over = *first == NULL && self->ending;
    pthread_mutex_unlock(&self->lock);
    return !over;
}

/* They are on disk, or go back. */
static void settle(struct lb_alert_journal *self, struct lb_alert_entry *entry)
{
    uint64_t end = lb_journal_end(self->disk);
    struct lb_alert_entry *next;

    pthread_mutex_lock(&self->lock);
    for (; entry != NULL; entry = next) {
        next = entry->next;
        entry->next = NULL;
        self->settled = entry->number;
        if (entry->end <= end)
            lb_free(entry);
        else
            append(&self->returned, &self->returned_last, entry);
    }
    pthread_mutex_unlock(&self->lock);
    self->ready(self->context);
}

static void *run(void *context)
{
    struct lb_alert_journal *self = context;
    struct lb_alert_entry *entry;
    uint64_t trim;

    while (take(self, &entry, &trim)) {
        if (trim > 0)
            lb_journal_trim(self->disk, trim);
        if (entry == NULL)
            continue;
        enum lb_err err = write_all(self, entry);
        note(self, err);
        settle(self, entry);
    }
    return NULL;
}

/* --- making and freeing --------------------------------------------------- */

static enum lb_err open_disk(struct lb_alert_journal *self, const char *directory, uint64_t end)
{
    struct lb_journal_options options = { .segment_bytes = SEGMENT_BYTES, .max_bytes = JOURNAL_BYTES };
    enum lb_err err = lb_journal_open(&self->disk, directory, &options);

    if (err != LB_OK || lb_journal_end(self->disk) >= end)
        return err;
    /* It was deleted or damaged: sinks would take new positions for ones that they have had. */
    lb_journal_close(self->disk);
    self->disk = NULL;
    options.end_known = true;
    options.end = end;
    return lb_journal_open(&self->disk, directory, &options);
}

struct lb_alert_journal *lb_alert_journal_open(const char *directory, uint64_t end, void (*ready)(void *context),
                                               void *context)
{
    struct lb_alert_journal *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->ready = ready;
    self->context = context;
    self->failed = lb_metric(LB_GAUGE, "logboom_alert_journal_failing",
                             "1 while alerts are told without being on disk first", NULL);
    self->syncs = lb_metric(LB_COUNTER, "logboom_alert_journal_syncs_total",
                            "Writes of alerts to disk, each of all that waited", NULL);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->more, NULL);
    if (open_disk(self, directory, end) == LB_OK)
        self->started = pthread_create(&self->thread, NULL, run, self) == 0;
    if (self->started) {
        pthread_setname_np(self->thread, "alert journal");
        return self;
    }
    int cause = errno;
    lb_alert_journal_close(self);
    errno = cause;
    return NULL;
}

static void free_chain(struct lb_alert_entry *entry)
{
    while (entry != NULL) {
        struct lb_alert_entry *next = entry->next;

        lb_free(entry);
        entry = next;
    }
}

void lb_alert_journal_close(struct lb_alert_journal *self)
{
    if (self == NULL)
        return;
    if (self->started) {
        pthread_mutex_lock(&self->lock);
        self->ending = true;
        pthread_cond_signal(&self->more);
        pthread_mutex_unlock(&self->lock);
        pthread_join(self->thread, NULL);
    }
    free_chain(self->first);
    free_chain(self->returned);
    if (self->disk != NULL)
        lb_journal_close(self->disk);
    pthread_cond_destroy(&self->more);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}

/* --- at work -------------------------------------------------------------- */

void lb_alert_journal_put(struct lb_alert_journal *self, struct lb_alert_entry *entry)
{
    pthread_mutex_lock(&self->lock);
    append(&self->first, &self->last, entry);
    pthread_cond_signal(&self->more);
    pthread_mutex_unlock(&self->lock);
}

uint64_t lb_alert_journal_settled(struct lb_alert_journal *self)
{
    pthread_mutex_lock(&self->lock);
    uint64_t settled = self->settled;
    pthread_mutex_unlock(&self->lock);
    return settled;
}

struct lb_alert_entry *lb_alert_journal_returned(struct lb_alert_journal *self)
{
    pthread_mutex_lock(&self->lock);
    struct lb_alert_entry *returned = self->returned;
    self->returned = self->returned_last = NULL;
    pthread_mutex_unlock(&self->lock);
    return returned;
}

struct lb_journal *lb_alert_journal_disk(struct lb_alert_journal *self)
{
    return self->disk;
}

void lb_alert_journal_trim(struct lb_alert_journal *self, uint64_t position)
{
    pthread_mutex_lock(&self->lock);
    self->trim = position;
    pthread_cond_signal(&self->more);
    pthread_mutex_unlock(&self->lock);
}
