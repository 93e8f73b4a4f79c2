/*
 * tail_rotate.c - what happens to a file besides growing.
 *
 * Renamed: the same file under another name, read on to its end however far
 * behind. Deleted: read on through the descriptor. Truncated (or its inode
 * used again): a new log, so a new stream; what was unread is looked for in a
 * copy, as copytruncate leaves one: a sibling that shares the stem of the
 * name, begins like the old content and is at least as long as what was read.
 */
#include "tail.h"

#include "lb_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

enum { COPY_HEAD_MIN = 16 };

/* --- siblings -------------------------------------------------------------------- */

/* Calls `test` for every regular file beside `path` until it says true; `found` is then the path of that one. */
static bool each_sibling(const char *path, bool (*test)(void *context, const char *found, const struct stat *status),
                         void *context, char *found)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;
    struct stat status;
    bool hit = false;

    if (len + 2 >= PATH_MAX)
        return false;
    memcpy(found, path, len);
    found[len] = '/';
    found[len + 1] = '\0';
    DIR *directory = opendir(found);
    if (directory == NULL)
        return false;
    for (struct dirent *entry = readdir(directory); entry != NULL && !hit; entry = readdir(directory)) {
        if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN)
            continue;
        if ((size_t)snprintf(found + len + 1, PATH_MAX - len - 1, "%s", entry->d_name) >= PATH_MAX - len - 1)
            continue;
        hit = lstat(found, &status) == 0 && S_ISREG(status.st_mode) && test(context, found, &status);
    }
    closedir(directory);
    return hit;
}

static bool has_inode(void *context, const char *found, const struct stat *status)
{
    const struct lb_tail_identity *identity = context;

    (void)found;
    return status->st_ino == identity->inode && status->st_dev == identity->device;
}

bool lb_tail_find_inode(const char *path, const struct lb_tail_identity *identity, char *found)
{
    struct lb_tail_identity wanted = *identity;

    return each_sibling(path, has_inode, &wanted, found);
}

/* --- copies ------------------------------------------------------------------------ */

struct copy_search {
    struct lb_tail *tail;
    struct lb_tail_identity identity;
    const char *path;
    uint64_t size;
    uint64_t marker; /* of the `marker_len` bytes before `size` */
    uint8_t marker_len;
    struct stat status;
};

/* "app" of "/log/app.2.log": what the names of a log and its copies share. */
static struct lb_str stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    return (struct lb_str){ name, strcspn(name + (*name == '.'), ".-_") + (*name == '.') };
}

static bool holds_content(const struct copy_search *search, const char *found)
{
    char marker[LB_TAIL_MARKER_BYTES];
    int fd = open(found, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return false;
    bool same = lb_tail_same_head(&search->identity, fd);
    if (same && search->marker_len > 0)
        same =
            pread(fd, marker, search->marker_len, (off_t)(search->size - search->marker_len)) == search->marker_len &&
            XXH64(marker, search->marker_len, 0) == search->marker;
    close(fd);
    return same;
}

static bool is_the_copy(void *context, const char *found, const struct stat *status)
{
    struct copy_search *search = context;
    struct lb_str ours = stem(search->path);
    struct lb_str its = stem(found);

    if (!lb_str_equal(ours, its) || (uint64_t)status->st_size < search->size)
        return false;
    if (status->st_ino == search->identity.inode && status->st_dev == search->identity.device)
        return false;
    struct lb_tail_file *file = lb_tail_find(search->tail, status->st_dev, status->st_ino);
    if (file != NULL && (file->stream != NULL || file->id != 0))
        return false;
    search->status = *status;
    return holds_content(search, found);
}

static struct lb_tail_file *find_copy(struct copy_search *search)
{
    char found[PATH_MAX];

    if (search->identity.length < COPY_HEAD_MIN || search->size < search->identity.length)
        return NULL;
    if (!each_sibling(search->path, is_the_copy, search, found))
        return NULL;
    struct lb_tail_file *file = lb_tail_find(search->tail, search->status.st_dev, search->status.st_ino);
    if (file == NULL)
        file = lb_tail_add(search->tail, found, &search->status);
    if (file != NULL) {
        file->rotated = true;
        file->hold_ns = 0;
    }
    return file;
}

struct lb_tail_file *lb_tail_find_copy(struct lb_tail *self, const char *path, const struct lb_tail_identity *identity,
                                       uint64_t size)
{
    struct copy_search search = { .tail = self, .identity = *identity, .path = path, .size = size };

    if (search.size < identity->length)
        search.size = identity->length;
    return find_copy(&search);
}

bool lb_tail_is_copy(struct lb_tail *self, const struct lb_tail_file *file)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct lb_str ours = stem(file->path);
    bool copy = false;

    if (fd < 0)
        return false;
    for (uint32_t i = 0; i < self->file_count && !copy; i++) {
        const struct lb_tail_file *other = self->files[i];

        if (other == file || other->stream == NULL || other->rotated || other->identity.length < COPY_HEAD_MIN)
            continue;
        copy = lb_str_equal(ours, stem(other->path)) &&
               lb_tail_same_head(&other->identity, fd);
    }
    close(fd);
    return copy;
}

/* --- renamed, deleted ---------------------------------------------------------------- */

void lb_tail_renamed(struct lb_tail *self, struct lb_tail_file *file, const char *path)
{
    if (!lb_tail_set_path(self, file, path))
        return; /* found again by the next scan */
    LB_INFO("source.file", "file was renamed path=%s", path);
    lb_metric_add(self->metrics.rotations, 1);
    file->rotated = true;
    file->gone = false;
    file->changed_ns = lb_clock_monotonic();
    lb_tail_identify(file);
    lb_tail_ready(self, file);
}

void lb_tail_missing(struct lb_tail *self, struct lb_tail_file *file)
{
    char found[PATH_MAX];

    if (file->gone)
        return;
    if (lb_tail_find_inode(file->path, &file->identity, found)) {
        int fd = file->fd >= 0 ? -1 : open(found, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        bool same = fd < 0 || lb_tail_same_head(&file->identity, fd);

        if (fd >= 0)
            close(fd);
        if (same) {
            lb_tail_renamed(self, file, found);
            return;
        }
    }
    if (file->fd >= 0)
        LB_INFO("source.file", "file was deleted, it is read to its end path=%s", file->path);
    else if (file->offset < file->size)
        LB_WARN("source.file", "file was deleted before it was read path=%s bytes=%" PRIu64, file->path,
                file->size - file->offset);
    file->gone = true;
    file->changed_ns = lb_clock_monotonic();
    lb_tail_ready(self, file);
}

/* --- truncated -------------------------------------------------------------------------- */

/* The copy takes over the stream, and with it the position. */
static void hand_over(struct lb_tail *self, struct lb_tail_file *file, struct lb_tail_file *copy)
{
    struct lb_tail_identity where = copy->identity;

    copy->identity = file->identity;
    copy->identity.device = where.device;
    copy->identity.inode = where.inode;
    copy->stream = file->stream;
    copy->offset = file->offset;
    copy->scanned = 0;
    copy->marker = file->marker;
    copy->marker_len = file->marker_len;
    file->stream = NULL;
    LB_INFO("source.file",
            "file was copied and truncated, the rest is read from the copy path=%s copy=%s bytes=%" PRIu64, file->path,
            copy->path, copy->size - copy->offset);
    lb_tail_identify(copy);
    lb_tail_ready(self, copy);
}

static void start_over(struct lb_tail_file *file)
{
    struct stat status;

    file->identity.length = 0;
    file->identity.fingerprint = 0;
    file->identity.start = 0;
    file->id = 0;
    file->offset = 0;
    file->scanned = 0;
    file->marker_len = 0;
    file->wanted = 0;
    file->open_ns = 0;
    file->rotated = false;
    file->changed_ns = lb_clock_monotonic();
    file->size = file->fd >= 0 && fstat(file->fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

void lb_tail_truncated(struct lb_tail *self, struct lb_tail_file *file)
{
    struct copy_search search = { .tail = self,
                                  .identity = file->identity,
                                  .path = file->path,
                                  .size = file->offset,
                                  .marker = file->marker,
                                  .marker_len = file->marker_len };

    lb_metric_add(self->metrics.rotations, 1);
    if (file->stream != NULL) {
        if (search.size < file->stream->resume_until)
            search.marker_len = 0;
        if (search.size < file->stream->resume_until)
            search.size = file->stream->resume_until;
        struct lb_tail_file *copy = find_copy(&search);

        if (copy != NULL)
            hand_over(self, file, copy);
        else
            LB_WARN("source.file", "file was truncated, it is read from the start path=%s unread_bytes=%" PRIu64,
                    file->path, file->size > file->offset ? file->size - file->offset : 0);
    }
    if (file->stream != NULL) {
        lb_stream_forget(file->stream);
        lb_stream_unref(file->stream);
        file->stream = NULL;
    }
    start_over(file);
    if (file->size > 0)
        lb_tail_ready(self, file);
}
