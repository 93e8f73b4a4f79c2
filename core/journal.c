/*
 * journal.c - segments, appending and syncing.
 *
 * The tricky thing is a failed fsync: the kernel may have dropped the pages
 * and call the next one a success. So what is not synced is kept in memory,
 * the segment is cut where the last sync was and never written again, and the
 * rest goes to a new one, at the same positions.
 */
#include "journal.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define MODULE "journal"

/* --- the list of segments: with the lock held ----------------------------------------- */

bool lb_journal_add_start(struct lb_journal *journal, uint64_t start)
{
    uint64_t *starts = lb_grown(journal->starts, journal->count, &journal->capacity, sizeof(*starts));

    if (starts == NULL)
        return false;
    journal->starts = starts;
    journal->starts[journal->count++] = start;
    return true;
}

static void delete_file(const struct lb_journal *journal, uint64_t start)
{
    char name[LB_JOURNAL_NAME_SIZE];

    if (unlinkat(journal->directory_fd, lb_journal_name(start, name), 0) != 0 && errno != ENOENT)
        LB_WARN(MODULE, "cannot delete a segment directory=%s name=%s error=%s", journal->directory, name,
                strerror(errno));
}

static void remove_first(struct lb_journal *journal, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        delete_file(journal, journal->starts[i]);
    if (count == 0)
        return;
    journal->count -= count;
    memmove(journal->starts, journal->starts + count, journal->count * sizeof(*journal->starts));
}

void lb_journal_remove_last(struct lb_journal *journal)
{
    delete_file(journal, journal->starts[--journal->count]);
}

static uint64_t begin_of(const struct lb_journal *journal)
{
    return journal->count > 0 ? journal->starts[0] : journal->end;
}

/* The last segment that begins at or below `position`, or the first. */
static uint32_t find_segment(const struct lb_journal *journal, uint64_t position)
{
    uint32_t low = 0;
    uint32_t high = journal->count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (journal->starts[middle] <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}

bool lb_journal_locate(struct lb_journal *journal, uint64_t position, struct lb_journal_place *place)
{
    pthread_mutex_lock(&journal->lock);
    bool found = journal->count > 0 && position < journal->synced;
    if (found) {
        uint32_t i = find_segment(journal, position);
        uint64_t first = journal->starts[i] + LB_JOURNAL_HEAD;

        *place = (struct lb_journal_place){
            .position = position > first ? position : first,
            .start = journal->starts[i],
            .next = i + 1 < journal->count ? journal->starts[i + 1] : UINT64_MAX,
            .synced = journal->synced,
        };
        found = place->position < journal->synced;
    }
    pthread_mutex_unlock(&journal->lock);
    return found;
}

void lb_journal_tell_damage(struct lb_journal *journal, uint64_t start, uint64_t position, const char *what)
{
    char name[LB_JOURNAL_NAME_SIZE];

    pthread_mutex_lock(&journal->lock);
    journal->damaged++;
    pthread_mutex_unlock(&journal->lock);
    LB_ERROR(MODULE, "damaged, skipping %s file=%s/%s offset=%" PRIu64, what, journal->directory,
             lb_journal_name(start, name), position - start);
}

/* --- appending ---------------------------------------------------------------------------- */

/* Positions go on from `end`, so the name of the next segment is a new one. */
void lb_journal_tidy(struct lb_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    bool spent =
        journal->count > 0 && !journal->broken && journal->trimmed >= journal->end && journal->synced == journal->end;
    if (spent)
        remove_first(journal, journal->count);
    pthread_mutex_unlock(&journal->lock);
    if (spent && journal->fd >= 0) {
        close(journal->fd);
        journal->fd = -1;
    }
}

/* A segment that begins at `start` becomes the active one. */
static enum lb_err begin_segment(struct lb_journal *journal, uint64_t start)
{
    int fd = lb_journal_create(journal, start);

    if (fd < 0)
        return LB_IO;
    pthread_mutex_lock(&journal->lock);
    bool added = lb_journal_add_start(journal, start);
    pthread_mutex_unlock(&journal->lock);
    if (!added) {
        close(fd);
        delete_file(journal, start);
        return LB_NOMEM;
    }
    journal->fd = fd;
    journal->active = start;
    journal->directory_dirty = true;
    return LB_OK;
}

static bool sync_segment(struct lb_journal *journal)
{
    if (fdatasync(journal->fd) != 0 || (journal->directory_dirty && fsync(journal->directory_fd) != 0))
        return false;
    journal->directory_dirty = false;
    return true;
}

static void note_synced(struct lb_journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    journal->synced = journal->end;
    pthread_mutex_unlock(&journal->lock);
    lb_buffer_reset(&journal->pending);
    if (journal->pending.capacity > LB_JOURNAL_PENDING_KEEP) {
        lb_buffer_free(&journal->pending);
        lb_buffer_init(&journal->pending, (size_t)2 * LB_JOURNAL_ENTRY_MAX);
    }
}

/* The active segment ends where the last sync was, and is never written again. */
static void give_up_segment(struct lb_journal *journal, int cause)
{
    LB_ERROR(MODULE, "a segment cannot be synced, going on in a new one directory=%s error=%s", journal->directory,
             strerror(cause));
    pthread_mutex_lock(&journal->lock);
    uint64_t length = journal->synced - journal->active;
    bool empty = length <= LB_JOURNAL_HEAD;
    if (empty)
        lb_journal_remove_last(journal);
    pthread_mutex_unlock(&journal->lock);
    /* If this fails, what stays there lies behind the start of the next segment, and does not count. */
    if (!empty && ftruncate(journal->fd, (off_t)length) != 0)
        LB_DEBUG(MODULE, "cannot cut a segment directory=%s error=%s", journal->directory, strerror(errno));
    close(journal->fd);
    journal->fd = -1;
    journal->broken = true;
}

/* What is not synced goes to a new segment, at the same positions. */
static enum lb_err mend(struct lb_journal *journal)
{
    /* All of it is in `pending`; the lock is not needed to read what only this thread writes. */
    enum lb_err err = begin_segment(journal, journal->synced - LB_JOURNAL_HEAD);

    if (err != LB_OK)
        return err;
    if (lb_journal_write_at(journal->fd, journal->pending.ptr, journal->pending.len, LB_JOURNAL_HEAD) &&
        sync_segment(journal)) {
        journal->broken = false;
        note_synced(journal);
        return LB_OK;
    }
    int cause = errno;
    close(journal->fd);
    journal->fd = -1;
    pthread_mutex_lock(&journal->lock);
    lb_journal_remove_last(journal);
    pthread_mutex_unlock(&journal->lock);
    errno = cause;
    return LB_IO;
}

enum lb_err lb_journal_sync(struct lb_journal *journal)
{
    if (journal->broken)
        return mend(journal);
    if (journal->pending.len == 0)
        return LB_OK;
    if (sync_segment(journal)) {
        note_synced(journal);
        return LB_OK;
    }
    give_up_segment(journal, errno);
    return mend(journal);
}

void lb_journal_undo(struct lb_journal *journal)
{
    if (journal->pending.len == 0)
        return;
    pthread_mutex_lock(&journal->lock);
    journal->end = journal->synced;
    pthread_mutex_unlock(&journal->lock);
    lb_buffer_reset(&journal->pending);
    journal->broken = false; /* the next append begins a segment, where there is none */
    if (journal->fd >= 0 && ftruncate(journal->fd, (off_t)(journal->end - journal->active)) != 0)
        LB_DEBUG(MODULE, "cannot cut a segment directory=%s error=%s", journal->directory, strerror(errno));
}

/* The active segment is there and has room, or is new. */
static enum lb_err prepare(struct lb_journal *journal, uint64_t size)
{
    if (journal->broken) {
        enum lb_err err = mend(journal);

        if (err != LB_OK)
            return err;
    }
    uint64_t length = journal->end - journal->active;
    if (journal->fd >= 0 && length > LB_JOURNAL_HEAD && length + size > journal->segment_bytes) {
        enum lb_err err = lb_journal_sync(journal);

        if (err != LB_OK)
            return err;
        close(journal->fd);
        journal->fd = -1;
    }
    if (journal->fd >= 0)
        return LB_OK;
    uint64_t start = journal->end;
    enum lb_err err = begin_segment(journal, start);
    if (err == LB_OK) {
        pthread_mutex_lock(&journal->lock);
        journal->end = start + LB_JOURNAL_HEAD;
        journal->synced = journal->end; /* all before is synced */
        pthread_mutex_unlock(&journal->lock);
    }
    return err;
}

/* `journal->end` is written by this thread alone. */
static bool is_full(struct lb_journal *journal, uint64_t size)
{
    uint64_t bytes = lb_journal_bytes(journal);

    return bytes > LB_JOURNAL_HEAD && (bytes + LB_JOURNAL_HEAD + size > journal->max_bytes);
}

enum lb_err lb_journal_append(struct lb_journal *journal, struct lb_str payload, uint64_t *end)
{
    uint64_t size = LB_JOURNAL_ENTRY_HEAD + (uint64_t)payload.len;
    size_t before;

    assert(payload.len > 0);
    if (payload.len > LB_JOURNAL_ENTRY_MAX)
        return LB_LIMIT;
    lb_journal_tidy(journal);
    if (is_full(journal, size))
        return LB_LIMIT;
    enum lb_err err = prepare(journal, size);
    if (err != LB_OK)
        return err;
    before = journal->pending.len;
    lb_journal_frame(&journal->pending, payload, journal->end);
    if (journal->pending.failed) {
        journal->pending.failed = false;
        return LB_NOMEM;
    }
    if (!lb_journal_write_at(journal->fd, journal->pending.ptr + before, (size_t)size,
                             journal->end - journal->active)) {
        int cause = errno;

        /* What stays of it is written over by the next entry, or cut as a torn tail. */
        if (ftruncate(journal->fd, (off_t)(journal->end - journal->active)) != 0)
            LB_DEBUG(MODULE, "cannot cut a segment directory=%s error=%s", journal->directory, strerror(errno));
        journal->pending.len = before;
        errno = cause;
        return LB_IO;
    }
    pthread_mutex_lock(&journal->lock);
    journal->end += size;
    pthread_mutex_unlock(&journal->lock);
    if (end != NULL)
        *end = journal->end;
    return LB_OK;
}

/* --- what is there ------------------------------------------------------------------------- */

static uint64_t ask(const struct lb_journal *asked, uint64_t (*what)(const struct lb_journal *journal))
{
    struct lb_journal *journal = (struct lb_journal *)(uintptr_t)asked; /* the lock is not what is asked for */

    pthread_mutex_lock(&journal->lock);
    uint64_t answer = what(journal);
    pthread_mutex_unlock(&journal->lock);
    return answer;
}

static uint64_t end_of(const struct lb_journal *journal)
{
    return journal->end;
}

static uint64_t bytes_of(const struct lb_journal *journal)
{
    return journal->end - begin_of(journal);
}

static uint64_t damaged_of(const struct lb_journal *journal)
{
    return journal->damaged;
}

uint64_t lb_journal_begin(const struct lb_journal *journal)
{
    return ask(journal, begin_of);
}

uint64_t lb_journal_end(const struct lb_journal *journal)
{
    return ask(journal, end_of);
}

uint64_t lb_journal_bytes(const struct lb_journal *journal)
{
    return ask(journal, bytes_of);
}

uint64_t lb_journal_damaged(const struct lb_journal *journal)
{
    return ask(journal, damaged_of);
}

/* --- deleting -------------------------------------------------------------------------------- */

void lb_journal_trim(struct lb_journal *journal, uint64_t position)
{
    uint32_t below = 0;

    pthread_mutex_lock(&journal->lock);
    /* The head of a successor may lie over the last entry of one that was given up. */
    while (below + 1 < journal->count && journal->starts[below + 1] + LB_JOURNAL_HEAD <= position)
        below++;
    remove_first(journal, below);
    if (position > journal->trimmed)
        journal->trimmed = position;
    pthread_mutex_unlock(&journal->lock);
}

struct dropping {
    void (*visit)(void *context, struct lb_str payload, uint64_t start);
    void *context;
};

static void visit_until(struct lb_journal *journal, uint64_t begin, uint64_t limit, const struct dropping *dropping)
{
    struct lb_journal_reader *reader = lb_journal_reader_quiet(journal, begin);
    struct lb_buffer payload;
    uint64_t start = 0;
    uint64_t end;

    lb_buffer_init(&payload, LB_JOURNAL_ENTRY_MAX);
    while (reader != NULL && lb_journal_read(reader, &payload, &start, &end) == LB_OK && start < limit)
        dropping->visit(dropping->context, lb_buffer_str(&payload), start);
    lb_buffer_free(&payload);
    lb_journal_reader_free(reader);
}

enum lb_err lb_journal_drop_oldest(struct lb_journal *journal,
                                   void (*visit)(void *context, struct lb_str payload, uint64_t start), void *context)
{
    const struct dropping dropping = { visit, context };

    pthread_mutex_lock(&journal->lock);
    bool has_one = journal->count > 1 || (journal->count == 1 && journal->fd < 0 && !journal->broken);
    uint64_t begin = begin_of(journal);
    uint64_t limit = journal->count > 1 ? journal->starts[1] : journal->end;
    pthread_mutex_unlock(&journal->lock);
    if (!has_one)
        return LB_END;
    if (visit != NULL)
        visit_until(journal, begin, limit, &dropping);
    pthread_mutex_lock(&journal->lock);
    if (journal->count > 0 && journal->starts[0] == begin) /* unless it was trimmed meanwhile */
        remove_first(journal, 1);
    pthread_mutex_unlock(&journal->lock);
    return LB_OK;
}
