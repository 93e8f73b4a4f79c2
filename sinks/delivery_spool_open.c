/*
 * delivery_spool_open.c - what an earlier run has left, and what the ledger
 * knows of a spool.
 *
 * The tricky thing is that journal and ledger may disagree after a crash, or
 * after somebody deleted one of them: the ledger is right about where the
 * journal ends, and positions never go back behind the mark.
 */
#include "spool.h"

#include "lb_alloc.h"
#include "lb_limits.h"
#include "lb_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define MODULE "spool"

/* --- the ledger ---------------------------------------------------------------------------- */

static struct lb_str end_key(const struct lb_delivery *self, char key[LB_NAME_BYTES_MAX + 32])
{
    int len = snprintf(key, LB_NAME_BYTES_MAX + 32, "spool/" LB_STR_FMT "/end", LB_STR_ARG(self->sink->section.name));

    return (struct lb_str){ key, (size_t)len };
}

void delivery_spool_put_end(struct lb_delivery *self, struct lb_ledger_txn *txn)
{
    char key[LB_NAME_BYTES_MAX + 32];
    char text[24];

    if (self->spool == NULL || self->spool->settled == self->spool->committed_end)
        return;
    int len = snprintf(text, sizeof(text), "%" PRIu64, self->spool->settled);
    lb_ledger_put(txn, end_key(self, key), (struct lb_str){ text, (size_t)len });
}

uint64_t delivery_spool_mark(struct lb_delivery *self)
{
    return self->spool != NULL ? lb_stream_mark(self->spool->stream, self->sink->index) : 0;
}

void delivery_spool_trim(struct lb_delivery *self, uint64_t mark)
{
    if (self->spool == NULL)
        return;
    self->spool->committed_end = self->spool->settled;
    lb_journal_trim(self->spool->journal, mark);
}

/* --- opening --------------------------------------------------------------------------------- */

struct search {
    struct lb_str identity;
    uint64_t id;
};

static void match(void *context, uint64_t id, struct lb_str identity)
{
    struct search *search = context;

    if (lb_str_equal(identity, search->identity))
        search->id = id;
}

/* A stream without a source: its identity says whose spool it is. */
static enum lb_err open_stream(struct lb_delivery *self)
{
    char text[LB_NAME_BYTES_MAX + 32];
    int len = snprintf(text, sizeof(text), "spool " LB_STR_FMT, LB_STR_ARG(self->sink->section.name));
    struct search search = { { text, (size_t)len }, 0 };

    lb_streams_each_known(self->streams, LB_STR(""), match, &search);
    return lb_stream_open(self->streams, NULL, search.id, search.identity, &self->spool->stream);
}

static bool read_end(struct lb_delivery *self, uint64_t *end)
{
    char key[LB_NAME_BYTES_MAX + 32];
    struct lb_buffer value;

    lb_buffer_init(&value, 64);
    bool known = lb_ledger_get(self->sink->ledger, end_key(self, key), &value) == LB_OK;
    lb_buffer_append_char(&value, '\0');
    known = known && !value.failed;
    if (known)
        *end = strtoull(value.ptr, NULL, 10);
    lb_buffer_free(&value);
    return known;
}

static enum lb_err open_journal(struct lb_delivery *self)
{
    const struct lb_sink *sink = self->sink;
    uint64_t mark = delivery_spool_mark(self);
    struct lb_journal_options options = { .max_bytes = sink->options.spool_max };
    char path[PATH_MAX];

    options.segment_bytes = sink->options.spool_max / SPOOL_SEGMENTS_MIN;
    if (options.segment_bytes > 16 * 1024 * 1024 || options.segment_bytes == 0)
        options.segment_bytes = 16 * 1024 * 1024;
    if (options.segment_bytes < SPOOL_SEGMENT_MIN)
        options.segment_bytes = SPOOL_SEGMENT_MIN;
    options.end_known = read_end(self, &options.end);
    if (options.end_known && options.end < mark)
        options.end = mark;
    snprintf(path, sizeof(path), LB_STR_FMT "/spool/" LB_STR_FMT, LB_STR_ARG(sink->data_dir),
             LB_STR_ARG(sink->section.name));
    enum lb_err err = lb_journal_open(&self->spool->journal, path, &options);
    if (err != LB_OK || lb_journal_end(self->spool->journal) >= mark)
        return err;
    /* Its files are gone, and the ledger does not know an end: positions go on behind the mark all the same. */
    lb_journal_close(self->spool->journal);
    self->spool->journal = NULL;
    options.end_known = true;
    options.end = mark;
    return lb_journal_open(&self->spool->journal, path, &options);
}

static void look_back(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;

    spool->settled = lb_journal_end(spool->journal);
    spool->committed_end = UINT64_MAX; /* not looked at: the first commit puts it */
    spool->read_at = delivery_spool_mark(self);
    lb_journal_trim(spool->journal, spool->read_at);
    spool->engaged = spool->read_at < spool->settled;
    if (spool->engaged)
        LB_INFO(MODULE, "records from before are in the spool sink=" LB_STR_FMT " bytes=%" PRIu64,
                LB_STR_ARG(self->sink->section.name), spool->settled - spool->read_at);
}

/* A sink that spools has one; another has one if an earlier run left it something. */
static bool is_needed(struct lb_delivery *self, bool spools)
{
    uint64_t end;

    return spools || (self->sink->ledger != NULL && read_end(self, &end));
}

enum lb_err delivery_spool_open(struct lb_delivery *self, bool spools)
{
    pthread_condattr_t attr;

    if (!is_needed(self, spools))
        return LB_OK;
    struct delivery_spool *spool = lb_alloc(sizeof(*spool));
    if (spool == NULL)
        return LB_NOMEM;
    self->spool = spool;
    pthread_mutex_init(&spool->reading, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&spool->work, &attr);
    pthread_condattr_destroy(&attr);
    lb_buffer_init(&spool->encoded, SPOOL_ENTRY_MAX);
    lb_buffer_init(&spool->payload, SPOOL_ENTRY_MAX);
    spool_batch_init(&spool->back);
    enum lb_err err = open_stream(self);
    if (err == LB_OK)
        err = open_journal(self);
    if (err == LB_OK)
        look_back(self);
    return err;
}

void delivery_spool_free(struct lb_delivery *self)
{
    struct delivery_spool *spool = self->spool;

    if (spool == NULL)
        return;
    self->spool = NULL;
    if (spool->stream != NULL)
        lb_stream_unref(spool->stream);
    lb_journal_reader_free(spool->reader);
    if (spool->journal != NULL)
        lb_journal_close(spool->journal);
    spool_batch_free(&spool->back);
    lb_buffer_free(&spool->payload);
    lb_buffer_free(&spool->encoded);
    lb_free(spool->trimmed.selection.indexes);
    pthread_cond_destroy(&spool->work);
    pthread_mutex_destroy(&spool->reading);
    lb_free(spool);
}

/* --- spools without a sink -------------------------------------------------------------------- */

static bool is_known(const struct lb_strs *sinks, const char *name)
{
    for (size_t i = 0; i < sinks->count; i++) {
        if (lb_str_is(sinks->items[i], name))
            return true;
    }
    return false;
}

static uint64_t bytes_below(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    uint64_t bytes = 0;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        struct stat status;

        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
            bytes += (uint64_t)status.st_size;
    }
    if (directory != NULL)
        closedir(directory);
    return bytes;
}

void lb_delivery_tell_orphans(struct lb_str data_dir, const struct lb_strs *sinks)
{
    char path[PATH_MAX];
    const struct dirent *entry;

    snprintf(path, sizeof(path), LB_STR_FMT "/spool", LB_STR_ARG(data_dir));
    DIR *directory = opendir(path);
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char below[PATH_MAX + NAME_MAX + 2];

        if (entry->d_name[0] == '.' || is_known(sinks, entry->d_name))
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        uint64_t bytes = bytes_below(below);
        if (bytes > 0)
            LB_WARN(MODULE,
                    "a spool belongs to no sink; put the sink back under its name to have it delivered, or delete the "
                    "directory sink=%s directory=%s bytes=%" PRIu64,
                    entry->d_name, below, bytes);
    }
    if (directory != NULL)
        closedir(directory);
}
