/*
 * tail_file.c - the table of followed files, and their descriptors.
 *
 * An open descriptor is what keeps a renamed or deleted file within reach,
 * and its inode from being used again, so as many as the bound allows stay
 * open; the one used longest ago is closed first, but never that of a file
 * that no path leads to.
 */
#include "tail.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    CLOSE_TRIES = 64,
    CALL_TRIES = 5, /* of a call whose failure may pass: what follows from it, a log read from its head, stays */
};

static uint64_t path_key(const char *path)
{
    return XXH64(path, strlen(path), 0);
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = lb_alloc(size);

    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

int64_t lb_tail_mtime(const struct stat *status)
{
    return status->st_mtim.tv_sec * LB_SECOND + status->st_mtim.tv_nsec;
}

static bool make_room(struct lb_tail *self)
{
    struct lb_tail_file **files = lb_grown(self->files, self->file_count, &self->file_capacity, sizeof(void *));

    if (files == NULL)
        return false;
    self->files = files;
    return true;
}

static void free_file(struct lb_tail_file *file)
{
    if (file->name != file->path)
        lb_free(file->name);
    lb_free(file->path);
    lb_free(file);
}

static struct lb_tail_file *new_file(const char *path, const struct stat *status)
{
    struct lb_tail_file *file = lb_alloc(sizeof(*file));
    char resolved[PATH_MAX];

    if (file == NULL)
        return NULL;
    if (realpath(path, resolved) == NULL)
        snprintf(resolved, sizeof(resolved), "%s", path);
    file->fd = -1;
    file->packed = (uint8_t)lb_unpack_kind(path);
    file->identity.device = status->st_dev;
    file->identity.inode = status->st_ino;
    file->size = (uint64_t)status->st_size;
    file->modified_ns = lb_tail_mtime(status);
    file->changed_ns = lb_clock_monotonic();
    file->path = copy_text(resolved);
    file->name = strcmp(resolved, path) != 0 ? copy_text(path) : file->path;
    if (file->path == NULL || file->name == NULL) {
        free_file(file);
        return NULL;
    }
    return file;
}

struct lb_tail_file *lb_tail_add(struct lb_tail *self, const char *path, const struct stat *status)
{
    struct lb_tail_file *file = new_file(path, status);

    if (file == NULL || !make_room(self))
        goto failed;
    if (!lb_tail_map_put(&self->by_inode, file->identity.inode, file))
        goto failed;
    if (!lb_tail_map_put(&self->by_path, path_key(file->path), file)) {
        lb_tail_map_remove(&self->by_inode, file->identity.inode, file);
        goto failed;
    }
    file->index = self->file_count;
    file->generation = self->generation;
    self->files[self->file_count++] = file;
    lb_metric_set(self->metrics.files, self->file_count);
    lb_tail_watch_parent(self, file->path);
    return file;
failed:
    LB_ERROR("source.file", "out of memory, file is left for later path=%s", path);
    if (file != NULL)
        free_file(file);
    return NULL;
}

void lb_tail_drop(struct lb_tail *self, struct lb_tail_file *file)
{
    /* Nothing of it can be read again, so its marks are of no more use, even those that are still to come. */
    if (file->stream != NULL)
        lb_stream_forget(file->stream);
    lb_tail_release(self, file);
}

void lb_tail_release(struct lb_tail *self, struct lb_tail_file *file)
{
    lb_tail_packed_let_go(self, file);
    lb_tail_file_close(self, file);
    if (file->ready)
        TAILQ_REMOVE(&self->ready, file, ready_link);
    if (file->stream != NULL)
        lb_stream_unref(file->stream);
    lb_tail_map_remove(&self->by_inode, file->identity.inode, file);
    lb_tail_map_remove(&self->by_path, path_key(file->path), file);
    self->files[file->index] = self->files[--self->file_count];
    self->files[file->index]->index = file->index;
    lb_metric_set(self->metrics.files, self->file_count);
    free_file(file);
}

struct lb_tail_file *lb_tail_find(struct lb_tail *self, uint64_t device, uint64_t inode)
{
    uint32_t cursor = 0;
    struct lb_tail_file *file;

    while ((file = lb_tail_map_each(&self->by_inode, inode, &cursor)) != NULL)
        if (file->identity.inode == inode && file->identity.device == device)
            return file;
    return NULL;
}

struct lb_tail_file *lb_tail_find_path(struct lb_tail *self, const char *path)
{
    uint32_t cursor = 0;
    struct lb_tail_file *file;

    /* A file that lost its path keeps the text; the one that has it now comes first. */
    struct lb_tail_file *lost = NULL;
    while ((file = lb_tail_map_each(&self->by_path, path_key(path), &cursor)) != NULL) {
        if (strcmp(file->path, path) != 0)
            continue;
        if (!file->gone)
            return file;
        lost = file;
    }
    return lost;
}

bool lb_tail_set_path(struct lb_tail *self, struct lb_tail_file *file, const char *path)
{
    char resolved[PATH_MAX];
    char *copy = copy_text(realpath(path, resolved) != NULL ? resolved : path);

    if (copy == NULL || !lb_tail_map_put(&self->by_path, path_key(copy), file)) {
        lb_free(copy);
        return false;
    }
    lb_tail_map_remove(&self->by_path, path_key(file->path), file);
    if (file->name != file->path)
        lb_free(file->name);
    lb_free(file->path);
    file->path = file->name = copy;
    lb_tail_watch_parent(self, file->path);
    return true;
}

bool lb_tail_leads_to(const char *path, const struct lb_tail_identity *identity)
{
    struct stat status;

    return stat(path, &status) == 0 && status.st_ino == identity->inode && status.st_dev == identity->device;
}

void lb_tail_file_close(struct lb_tail *self, struct lb_tail_file *file)
{
    if (file->fd < 0)
        return;
    close(file->fd);
    file->fd = -1;
    TAILQ_REMOVE(&self->fds, file, fd_link);
    self->fd_count--;
}

/* Prefers files that are read to their end: nothing is lost with them if they are deleted now. */
static void close_oldest(struct lb_tail *self)
{
    struct lb_tail_file *behind = NULL;
    struct lb_tail_file *file = TAILQ_FIRST(&self->fds);

    for (unsigned tries = 0; file != NULL && tries < CLOSE_TRIES; tries++, file = TAILQ_NEXT(file, fd_link)) {
        if (!file->gone && file->offset >= file->size) {
            lb_tail_file_close(self, file);
            return;
        }
        if (!file->gone && behind == NULL)
            behind = file;
    }
    if (behind != NULL)
        lb_tail_file_close(self, behind);
}

int lb_tail_open_path(const char *path)
{
    int fd = -1;

    for (unsigned tries = 0; fd < 0 && tries < CALL_TRIES; tries++) {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && errno != EINTR && errno != EIO && errno != EMFILE && errno != ENFILE)
            break;
    }
    return fd;
}

ssize_t lb_tail_pread(int fd, char *bytes, size_t length, uint64_t offset)
{
    size_t done = 0;
    unsigned failed = 0;

    while (done < length) {
        ssize_t got = pread(fd, bytes + done, length - done, (off_t)(offset + done));

        if (got == 0)
            break;
        if (got < 0 && errno != EINTR && ++failed == CALL_TRIES)
            return -1;
        if (got > 0)
            done += (size_t)got;
    }
    return (ssize_t)done;
}

int lb_tail_open_inode(const char *path, uint64_t device, uint64_t inode)
{
    struct stat status;
    int fd = lb_tail_open_path(path);

    if (fd < 0 || (fstat(fd, &status) == 0 && status.st_ino == inode && status.st_dev == device))
        return fd;
    close(fd);
    errno = ESTALE;
    return -1;
}

static enum lb_err open_path(struct lb_tail *self, struct lb_tail_file *file)
{
    int fd = lb_tail_open_inode(file->path, file->identity.device, file->identity.inode);

    if (fd < 0)
        return errno == ESTALE ? LB_END : LB_IO;
    file->fd = fd;
    TAILQ_INSERT_TAIL(&self->fds, file, fd_link);
    self->fd_count++;
    return LB_OK;
}

bool lb_tail_file_open(struct lb_tail *self, struct lb_tail_file *file)
{
    if (file->fd < 0 && file->gone)
        return false;
    if (file->fd >= 0) {
        TAILQ_REMOVE(&self->fds, file, fd_link);
        TAILQ_INSERT_TAIL(&self->fds, file, fd_link);
        return true;
    }
    if (self->fd_count >= LB_TAIL_FDS_MAX)
        close_oldest(self);
    enum lb_err err = open_path(self, file);
    if (err == LB_OK)
        return true;
    if (err == LB_END || errno == ENOENT || errno == ENOTDIR || errno == ESTALE) {
        lb_tail_missing(self, file);
        return !file->gone && open_path(self, file) == LB_OK;
    }
    if (!file->unreadable)
        LB_ERROR("source.file", "cannot open file, it is tried again when it changes path=%s error=\"%s\"", file->path,
                 strerror(errno));
    file->unreadable = true;
    return false;
}
