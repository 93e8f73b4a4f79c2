/*
 * journal_open.c - a journal from its directory.
 *
 * Names tell where segments begin; only the last one is looked into, for its
 * end. The tricky thing is who knows the end: its owner, if he has noted it
 * elsewhere; otherwise the last whole entry. That one may be in the kernel's
 * memory alone, if the process that wrote it was killed, and whoever reads it
 * on may note elsewhere that he has: so it is synced first.
 */
#include "journal.h"

#include "lb_alloc.h"
#include "lb_directories.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether or not it was just made: a process that was killed may have left names in it, and its own, unsynced. */
static bool make_directory(const char *directory)
{
    char path[PATH_MAX];

    if (strlen(directory) + 2 > sizeof(path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    snprintf(path, sizeof(path), "%s/", directory);
    return lb_directories_make(path, 0700) && lb_directories_sync(path);
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
            room = lb_journal_add_start(self, start);
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

        if (length >= 0 && ((uint64_t)length >= size || ftruncate(fd, length) == 0) && fdatasync(fd) == 0) {
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
        lb_journal_remove_last(self);
    self->end = options->end_known ? options->end : 0;
    enum lb_err err = self->count > 0 ? settle_last(self, options) : LB_OK;
    /* A segment that never got a whole entry (or head) is in the way of the next one of its name. */
    if (err == LB_OK && self->count > 0 && self->end <= self->starts[self->count - 1] + LB_JOURNAL_HEAD) {
        self->end = self->starts[self->count - 1];
        lb_journal_remove_last(self);
    }
    self->synced = self->end;
    self->trimmed = lb_journal_begin(self);
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
        err = make_directory(directory) ? LB_OK : LB_IO;
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

void lb_journal_close(struct lb_journal *journal)
{
    if (journal->fd >= 0)
        close(journal->fd);
    if (journal->directory_fd >= 0)
        close(journal->directory_fd);
    lb_buffer_free(&journal->pending);
    lb_free(journal->directory);
    lb_free(journal->starts);
    pthread_mutex_destroy(&journal->lock);
    lb_free(journal);
}
