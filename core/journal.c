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
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODULE "journal"

enum { STARTS_FIRST = 16 };

/* --- the list of segments: with the lock held ----------------------------------------- */

static bool add_start(struct lb_journal *self, uint64_t start)
{
    if (self->count == self->capacity) {
        uint32_t capacity = self->capacity == 0 ? STARTS_FIRST : self->capacity * 2;
        uint64_t *starts = lb_realloc(self->starts, capacity * sizeof(*starts));

        if (starts == NULL)
            return false;
        self->starts = starts;
        self->capacity = capacity;
    }
    self->starts[self->count++] = start;
    return true;
}

static void delete_file(const struct lb_journal *self, uint64_t start)
{
    char name[LB_JOURNAL_NAME_SIZE];

    if (unlinkat(self->directory_fd, lb_journal_name(start, name), 0) != 0 && errno != ENOENT)
        LB_WARN(MODULE, "cannot delete a segment directory=%s name=%s error=%s", self->directory, name,
                strerror(errno));
}

static void remove_first(struct lb_journal *self, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        delete_file(self, self->starts[i]);
    self->count -= count;
    memmove(self->starts, self->starts + count, self->count * sizeof(*self->starts));
}

static void remove_last(struct lb_journal *self)
{
    delete_file(self, self->starts[--self->count]);
}

static uint64_t begin_of(const struct lb_journal *self)
{
    return self->count > 0 ? self->starts[0] : self->end;
}

/* The last segment that begins at or below `position`, or the first. */
static uint32_t find_segment(const struct lb_journal *self, uint64_t position)
{
    uint32_t low = 0;
    uint32_t high = self->count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (self->starts[middle] <= position)
            low = middle;
        else
            high = middle;
    }
    return low;
}

bool lb_journal_locate(struct lb_journal *self, uint64_t position, struct lb_journal_place *place)
{
    pthread_mutex_lock(&self->lock);
    bool found = self->count > 0 && position < self->synced;
    if (found) {
        uint32_t i = find_segment(self, position);
        uint64_t first = self->starts[i] + LB_JOURNAL_HEAD;

        *place = (struct lb_journal_place){
            .position = position > first ? position : first,
            .start = self->starts[i],
            .next = i + 1 < self->count ? self->starts[i + 1] : UINT64_MAX,
            .synced = self->synced,
        };
        found = place->position < self->synced;
    }
    pthread_mutex_unlock(&self->lock);
    return found;
}

void lb_journal_tell_damage(struct lb_journal *self, uint64_t start, uint64_t position, const char *what)
{
    char name[LB_JOURNAL_NAME_SIZE];

    pthread_mutex_lock(&self->lock);
    self->damaged++;
    pthread_mutex_unlock(&self->lock);
    LB_ERROR(MODULE, "damaged, skipping %s file=%s/%s offset=%" PRIu64, what, self->directory,
             lb_journal_name(start, name), position - start);
}

/* --- opening ---------------------------------------------------------------------------- */

static bool sync_fd_of(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return synced;
}

/* Each part that is missing, and its name durable. */
static bool make_directories(const char *directory)
{
    char path[PATH_MAX];
    size_t len = strlen(directory);

    if (len == 0 || len >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t i = 1; i <= len; i++) {
        if (directory[i] != '/' && directory[i] != '\0')
            continue;
        memcpy(path, directory, i);
        path[i] = '\0';
        if (mkdir(path, 0700) != 0) {
            if (errno != EEXIST)
                return false;
            continue;
        }
        char *slash = strrchr(path, '/');
        if (slash != NULL)
            slash[slash == path] = '\0';
        if (!sync_fd_of(slash != NULL ? path : "."))
            return false;
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static enum lb_err list_segments(struct lb_journal *self)
{
    DIR *directory = opendir(self->directory);
    const struct dirent *entry;
    bool room = true;

    if (directory == NULL)
        return LB_IO;
    errno = 0;
    while (room && (entry = readdir(directory)) != NULL) {
        uint64_t start;

        if (lb_journal_read_name(entry->d_name, &start))
            room = add_start(self, start);
    }
    int cause = errno;
    closedir(directory);
    errno = cause;
    if (!room)
        return LB_NOMEM;
    if (self->count > 0)
        qsort(self->starts, self->count, sizeof(*self->starts), by_number);
    return cause == 0 ? LB_OK : LB_IO;
}

/* The end of the last segment, cut to what counts. */
static enum lb_err settle_last(struct lb_journal *self, const struct lb_journal_options *options)
{
    uint64_t start = self->starts[self->count - 1];
    int fd = lb_journal_open_segment(self, start, O_RDWR);
    struct stat status;
    enum lb_err err = LB_IO;

    if (fd < 0)
        return LB_IO;
    if (fstat(fd, &status) == 0) {
        uint64_t size = (uint64_t)status.st_size;
        int64_t length = options->end_known ? (int64_t)(options->end - start) : lb_journal_good_end(fd, start, size);

        if (length >= 0 && ((uint64_t)length >= size || ftruncate(fd, length) == 0)) {
            self->end = start + (uint64_t)length;
            err = LB_OK;
        }
    }
    int cause = errno;
    close(fd);
    errno = cause;
    return err;
}

static enum lb_err settle(struct lb_journal *self, const struct lb_journal_options *options)
{
    /* What lies wholly behind the end never counted. */
    while (options->end_known && self->count > 0 && self->starts[self->count - 1] + LB_JOURNAL_HEAD >= options->end)
        remove_last(self);
    self->end = options->end_known ? options->end : 0;
    enum lb_err err = self->count > 0 ? settle_last(self, options) : LB_OK;
    /* A segment that never got a whole entry (or head) is in the way of the next one of its name. */
    if (err == LB_OK && self->count > 0 && self->end <= self->starts[self->count - 1] + LB_JOURNAL_HEAD) {
        self->end = self->starts[self->count - 1];
        remove_last(self);
    }
    self->synced = self->end;
    self->trimmed = begin_of(self);
    return err;
}

enum lb_err lb_journal_open(struct lb_journal **journal, const char *directory,
                            const struct lb_journal_options *options)
{
    struct lb_journal *self = lb_alloc(sizeof(*self));
    enum lb_err err = LB_NOMEM;

    if (self == NULL)
        return LB_NOMEM;
    pthread_mutex_init(&self->lock, NULL);
    self->fd = -1;
    self->directory_fd = -1;
    self->segment_bytes = options->segment_bytes != 0 ? options->segment_bytes : LB_JOURNAL_SEGMENT_BYTES;
    self->max_bytes = options->max_bytes != 0 ? options->max_bytes : UINT64_MAX;
    lb_buffer_init(&self->pending, (size_t)2 * LB_JOURNAL_ENTRY_MAX);
    self->directory = lb_alloc(strlen(directory) + 1);
    if (self->directory != NULL) {
        memcpy(self->directory, directory, strlen(directory) + 1);
        err = make_directories(directory) ? LB_OK : LB_IO;
    }
    if (err == LB_OK) {
        self->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        err = self->directory_fd >= 0 ? list_segments(self) : LB_IO;
    }
    if (err == LB_OK)
        err = settle(self, options);
    if (err == LB_OK) {
        *journal = self;
        return LB_OK;
    }
    int cause = errno;
    lb_journal_close(self);
    errno = cause;
    return err;
}

void lb_journal_close(struct lb_journal *self)
{
    if (self->fd >= 0)
        close(self->fd);
    if (self->directory_fd >= 0)
        close(self->directory_fd);
    lb_buffer_free(&self->pending);
    lb_free(self->directory);
    lb_free(self->starts);
    pthread_mutex_destroy(&self->lock);
    lb_free(self);
}

/* --- appending ---------------------------------------------------------------------------- */

/* Nobody wants anything that is there: the segment's room is worth more than its name. */
static void retire_spent(struct lb_journal *self)
{
    pthread_mutex_lock(&self->lock);
    bool spent = self->count > 0 && !self->broken && self->trimmed >= self->end && self->synced == self->end;
    if (spent)
        remove_first(self, self->count);
    pthread_mutex_unlock(&self->lock);
    if (spent && self->fd >= 0) {
        close(self->fd);
        self->fd = -1;
    }
}

/* A segment that begins at `start` becomes the active one. */
static enum lb_err begin_segment(struct lb_journal *self, uint64_t start)
{
    int fd = lb_journal_create(self, start);

    if (fd < 0)
        return LB_IO;
    pthread_mutex_lock(&self->lock);
    bool added = add_start(self, start);
    pthread_mutex_unlock(&self->lock);
    if (!added) {
        close(fd);
        delete_file(self, start);
        return LB_NOMEM;
    }
    self->fd = fd;
    self->active = start;
    self->directory_dirty = true;
    return LB_OK;
}

static bool sync_segment(struct lb_journal *self)
{
    if (fdatasync(self->fd) != 0 || (self->directory_dirty && fsync(self->directory_fd) != 0))
        return false;
    self->directory_dirty = false;
    return true;
}

static void note_synced(struct lb_journal *self)
{
    pthread_mutex_lock(&self->lock);
    self->synced = self->end;
    pthread_mutex_unlock(&self->lock);
    lb_buffer_reset(&self->pending);
    if (self->pending.capacity > LB_JOURNAL_PENDING_KEEP) {
        lb_buffer_free(&self->pending);
        lb_buffer_init(&self->pending, (size_t)2 * LB_JOURNAL_ENTRY_MAX);
    }
}

/* The active segment ends where the last sync was, and is never written again. */
static void give_up_segment(struct lb_journal *self, int cause)
{
    LB_ERROR(MODULE, "a segment cannot be synced, going on in a new one directory=%s error=%s", self->directory,
             strerror(cause));
    pthread_mutex_lock(&self->lock);
    uint64_t length = self->synced - self->active;
    bool empty = length <= LB_JOURNAL_HEAD;
    if (empty)
        remove_last(self);
    pthread_mutex_unlock(&self->lock);
    /* If this fails, what stays there lies behind the start of the next segment, and does not count. */
    if (!empty && ftruncate(self->fd, (off_t)length) != 0)
        LB_DEBUG(MODULE, "cannot cut a segment directory=%s error=%s", self->directory, strerror(errno));
    close(self->fd);
    self->fd = -1;
    self->broken = true;
}

/* What is not synced goes to a new segment, at the same positions. */
static enum lb_err mend(struct lb_journal *self)
{
    /* All of it is in `pending`; the lock is not needed to read what only this thread writes. */
    enum lb_err err = begin_segment(self, self->synced - LB_JOURNAL_HEAD);

    if (err != LB_OK)
        return err;
    if (lb_journal_write_at(self->fd, self->pending.ptr, self->pending.len, LB_JOURNAL_HEAD) && sync_segment(self)) {
        self->broken = false;
        note_synced(self);
        return LB_OK;
    }
    int cause = errno;
    close(self->fd);
    self->fd = -1;
    pthread_mutex_lock(&self->lock);
    remove_last(self);
    pthread_mutex_unlock(&self->lock);
    errno = cause;
    return LB_IO;
}

enum lb_err lb_journal_sync(struct lb_journal *self)
{
    if (self->broken)
        return mend(self);
    if (self->pending.len == 0)
        return LB_OK;
    if (sync_segment(self)) {
        note_synced(self);
        return LB_OK;
    }
    give_up_segment(self, errno);
    return mend(self);
}

void lb_journal_undo(struct lb_journal *self)
{
    if (self->pending.len == 0)
        return;
    pthread_mutex_lock(&self->lock);
    self->end = self->synced;
    pthread_mutex_unlock(&self->lock);
    lb_buffer_reset(&self->pending);
    self->broken = false; /* the next append begins a segment, where there is none */
    if (self->fd >= 0 && ftruncate(self->fd, (off_t)(self->end - self->active)) != 0)
        LB_DEBUG(MODULE, "cannot cut a segment directory=%s error=%s", self->directory, strerror(errno));
}

/* The active segment is there and has room, or is new. */
static enum lb_err prepare(struct lb_journal *self, uint64_t size)
{
    if (self->broken) {
        enum lb_err err = mend(self);

        if (err != LB_OK)
            return err;
    }
    uint64_t length = self->end - self->active;
    if (self->fd >= 0 && length > LB_JOURNAL_HEAD && length + size > self->segment_bytes) {
        enum lb_err err = lb_journal_sync(self);

        if (err != LB_OK)
            return err;
        close(self->fd);
        self->fd = -1;
    }
    if (self->fd >= 0)
        return LB_OK;
    uint64_t start = self->end;
    enum lb_err err = begin_segment(self, start);
    if (err == LB_OK) {
        pthread_mutex_lock(&self->lock);
        self->end = start + LB_JOURNAL_HEAD;
        self->synced = self->end; /* all before is synced */
        pthread_mutex_unlock(&self->lock);
    }
    return err;
}

/* `self->end` is written by this thread alone. */
static bool is_full(struct lb_journal *self, uint64_t size)
{
    uint64_t bytes = lb_journal_bytes(self);

    return bytes > LB_JOURNAL_HEAD && (bytes + LB_JOURNAL_HEAD + size > self->max_bytes);
}

enum lb_err lb_journal_append(struct lb_journal *self, struct lb_str payload, uint64_t *end)
{
    uint64_t size = LB_JOURNAL_ENTRY_HEAD + (uint64_t)payload.len;
    size_t before;

    assert(payload.len > 0);
    if (payload.len > LB_JOURNAL_ENTRY_MAX)
        return LB_LIMIT;
    retire_spent(self);
    if (is_full(self, size))
        return LB_LIMIT;
    enum lb_err err = prepare(self, size);
    if (err != LB_OK)
        return err;
    before = self->pending.len;
    lb_journal_frame(&self->pending, payload, self->end);
    if (self->pending.failed) {
        self->pending.failed = false;
        return LB_NOMEM;
    }
    if (!lb_journal_write_at(self->fd, self->pending.ptr + before, (size_t)size, self->end - self->active)) {
        int cause = errno;

        /* What stays of it is written over by the next entry, or cut as a torn tail. */
        if (ftruncate(self->fd, (off_t)(self->end - self->active)) != 0)
            LB_DEBUG(MODULE, "cannot cut a segment directory=%s error=%s", self->directory, strerror(errno));
        self->pending.len = before;
        errno = cause;
        return LB_IO;
    }
    pthread_mutex_lock(&self->lock);
    self->end += size;
    pthread_mutex_unlock(&self->lock);
    if (end != NULL)
        *end = self->end;
    return LB_OK;
}

/* --- what is there ------------------------------------------------------------------------- */

static uint64_t ask(const struct lb_journal *journal, uint64_t (*what)(const struct lb_journal *self))
{
    struct lb_journal *self = (struct lb_journal *)(uintptr_t)journal; /* the lock is not what is asked for */

    pthread_mutex_lock(&self->lock);
    uint64_t answer = what(self);
    pthread_mutex_unlock(&self->lock);
    return answer;
}

static uint64_t end_of(const struct lb_journal *self)
{
    return self->end;
}

static uint64_t bytes_of(const struct lb_journal *self)
{
    return self->end - begin_of(self);
}

static uint64_t damaged_of(const struct lb_journal *self)
{
    return self->damaged;
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

void lb_journal_trim(struct lb_journal *self, uint64_t position)
{
    uint32_t below = 0;

    pthread_mutex_lock(&self->lock);
    /* The head of a successor may lie over the last entry of one that was given up. */
    while (below + 1 < self->count && self->starts[below + 1] + LB_JOURNAL_HEAD <= position)
        below++;
    remove_first(self, below);
    if (position > self->trimmed)
        self->trimmed = position;
    pthread_mutex_unlock(&self->lock);
}

struct dropping {
    void (*visit)(void *context, struct lb_str payload, uint64_t start);
    void *context;
};

static void visit_until(struct lb_journal *self, uint64_t begin, uint64_t limit, const struct dropping *dropping)
{
    struct lb_journal_reader *reader = lb_journal_reader_quiet(self, begin);
    struct lb_buffer payload;
    uint64_t start = 0;
    uint64_t end;

    lb_buffer_init(&payload, LB_JOURNAL_ENTRY_MAX);
    while (reader != NULL && lb_journal_read(reader, &payload, &start, &end) == LB_OK && start < limit)
        dropping->visit(dropping->context, lb_buffer_str(&payload), start);
    lb_buffer_free(&payload);
    lb_journal_reader_free(reader);
}

enum lb_err lb_journal_drop_oldest(struct lb_journal *self,
                                   void (*visit)(void *context, struct lb_str payload, uint64_t start), void *context)
{
    const struct dropping dropping = { visit, context };

    pthread_mutex_lock(&self->lock);
    bool has_one = self->count > 1 || (self->count == 1 && self->fd < 0 && !self->broken);
    uint64_t begin = begin_of(self);
    uint64_t limit = self->count > 1 ? self->starts[1] : self->end;
    pthread_mutex_unlock(&self->lock);
    if (!has_one)
        return LB_END;
    if (visit != NULL)
        visit_until(self, begin, limit, &dropping);
    pthread_mutex_lock(&self->lock);
    if (self->count > 0 && self->starts[0] == begin) /* unless it was trimmed meanwhile */
        remove_first(self, 1);
    pthread_mutex_unlock(&self->lock);
    return LB_OK;
}
