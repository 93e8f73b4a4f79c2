/*
 * output_file.c - makes, opens, closes and syncs the files.
 *
 * A new file is written under a hidden name, until output_name.c shows it. At
 * most `open_max` files are open; the one unused for longest is closed. A
 * file whose fsync fails is given up: output_journal.c has what it held.
 */
#include "output.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

struct output_file *output_file_new(struct output *self)
{
    struct output_file *file = lb_alloc(sizeof(*file));

    if (file == NULL)
        return NULL;
    file->fd = -1;
    file->number = 1;
    file->last_ns = lb_clock_now();
    *self->files_tail = file;
    self->files_tail = &file->next;
    return file;
}

void output_file_close(struct output *self, struct output_file *file)
{
    if (file->fd < 0)
        return;
    close(file->fd);
    file->fd = -1;
    self->open_count--;
}

void output_file_unhide(struct output *self, struct output_file *file)
{
    if (!file->hidden)
        return;
    output_unlink_at(self, file->temp);
    file->hidden = false;
    self->hidden_count--;
}

void output_file_remove(struct output *self, struct output_file *file)
{
    struct output_file **link = &self->files;

    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    if (self->files_tail == &file->next)
        self->files_tail = link;
    output_file_close(self, file);
    output_file_unhide(self, file);
    if (file->partition != NULL)
        file->partition->file = NULL;
    lb_free(file->path);
    lb_free(file->base);
    lb_free(file->temp);
    lb_free(file);
}

void output_file_finish(struct output_file *file)
{
    file->finished = true;
    if (file->partition != NULL)
        file->partition->file = NULL;
    file->partition = NULL;
}

void output_file_written(struct output *self, struct output_file *file)
{
    file->dirty = true;
    file->last_ns = lb_clock_now();
    if (self->kind->numbered && self->rotate_size > 0 && file->length >= self->rotate_size)
        output_file_finish(file);
}

/* --- open and close ------------------------------------------------------------------ */

bool output_file_sync(struct output *self, struct output_file *file)
{
    if (!file->dirty)
        return true;
    if (fdatasync(file->fd) == 0) {
        file->dirty = false;
        file->synced = file->length;
        return true;
    }
    output_trouble(self, "sync", file->path != NULL ? file->path : file->temp);
    output_file_give_up(self, file);
    return false;
}

bool output_file_shut(struct output *self, struct output_file *file)
{
    if (file->fd < 0)
        return true;
    if (!output_file_sync(self, file))
        return false;
    output_file_close(self, file);
    return true;
}

static struct output_file *longest_unused(const struct output *self)
{
    struct output_file *found = NULL;

    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        if (file->fd >= 0 && !file->hidden && (found == NULL || file->last_ns < found->last_ns))
            found = file;
    }
    return found;
}

/* Sees that one more file may be opened. */
static bool make_room(struct output *self)
{
    if (self->open_count < self->open_max)
        return true;

    struct output_file *file = longest_unused(self);

    if (file == NULL) {
        if (!output_publish(self))
            return false;
        file = longest_unused(self);
    }
    return file == NULL || output_file_shut(self, file);
}

/* Opens a file again that was closed. False with errno ENOENT: it is not there any more. */
static bool reopen(struct output *self, struct output_file *file)
{
    struct stat status;
    int fd = output_open_at(self, file->path, O_WRONLY, false);

    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && status.st_ino == file->inode && (uint64_t)status.st_size >= file->end) {
        file->fd = fd;
        self->open_count++;
        return true;
    }
    close(fd);
    errno = ENOENT;
    return false;
}

/* Somebody removed it while it is open: what is written now would be lost. */
static bool is_deleted(const struct output_file *file)
{
    struct stat status;

    return fstat(file->fd, &status) == 0 && status.st_nlink == 0;
}

/* Giving space back is no writing: the oldest files are told by their times. What cannot be set stays as it is. */
static void keep_time(const struct output_file *file)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { file->last_ns / LB_SECOND, file->last_ns % LB_SECOND } };

    if (futimens(file->fd, times) != 0)
        LB_DEBUG("sink", "cannot keep the time of a file path=%s reason=%s", file->path, strerror(errno));
}

bool output_file_trim(struct output *self, struct output_file *file)
{
    /* What is sealed is replaced as a whole; a reader that is passing over the reserve just now would miss its end. */
    if (file->end == file->length || file->hidden || file->lost || self->sealer != NULL)
        return true;
    if (file->fd < 0 && (!make_room(self) || !reopen(self, file)))
        return errno == ENOENT;
    if (ftruncate(file->fd, (off_t)file->length) != 0)
        return false;
    file->end = file->length;
    keep_time(file);
    return true;
}

bool output_file_ready(struct output *self, struct output_partition *partition)
{
    struct output_file *file = partition->file;

    if (file != NULL && file->fd >= 0 && !is_deleted(file))
        return true;
    if (!make_room(self))
        return false;
    if (file != NULL) {
        if (file->fd < 0 && reopen(self, file))
            return true;
        if (file->fd < 0 && errno != ENOENT)
            return output_trouble(self, "open", file->path);
        LB_WARN("sink", "a file was removed or replaced while it was in use, a new one begins path=%s", file->path);
        output_file_finish(file);
    }
    return output_file_create(self, partition);
}

/* --- new files ------------------------------------------------------------------------- */

/* `path` up to its last slash, then the hidden name. */
static char *temp_path(struct output *self, const char *path)
{
    char name[64];
    const char *slash = strrchr(path, '/');
    int directory = slash == NULL ? 0 : (int)(slash - path) + 1;
    size_t size = (size_t)directory + sizeof(name);
    char *temp = lb_alloc(size);
    char prefix[32];

    output_temp_prefix(self, prefix, sizeof(prefix));
    snprintf(name, sizeof(name), "%s%llu", prefix, (unsigned long long)self->temp_count++);
    if (temp != NULL)
        snprintf(temp, size, "%.*s%s", directory, path, name);
    return temp;
}

/*
 * A plain file that stands there already is continued: whatever it holds counts as committed, so it has to be on disk,
 * and its name with the first commit.
 */
static bool adopt(struct output *self, struct output_file *file, const char *path)
{
    struct stat status;
    int fd = output_open_at(self, path, O_WRONLY, false);

    if (fd < 0)
        return false;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        errno = EINVAL;
        return false;
    }
    file->fd = fd;
    self->open_count++;
    if (fsync(fd) != 0)
        return false;
    file->fresh = true;
    file->inode = status.st_ino;
    file->length = file->end = file->committed = file->synced = (uint64_t)status.st_size;
    file->path = output_path_numbered(&self->pattern, lb_str_from(path), 1);
    if (file->path == NULL)
        return false;
    file->path_hash = XXH3_64bits(file->path, strlen(file->path));
    output_ledger_put(self, &self->intentions, file, file->length);
    file->known = output_commit_intentions(self);
    return file->known;
}

static bool make_hidden(struct output *self, struct output_file *file, struct output_partition *partition)
{
    struct stat status;

    file->base = output_path_numbered(&self->pattern, lb_str_from(partition->path), 1);
    file->temp = temp_path(self, partition->path);
    if (file->base == NULL || file->temp == NULL)
        return false;
    int fd = output_open_at(self, file->temp, O_WRONLY | O_CREAT | O_EXCL, true);

    if (fd < 0)
        return false;
    file->fd = fd;
    self->open_count++;
    file->hidden = true;
    self->hidden_count++;
    if (fstat(fd, &status) != 0)
        return false;
    file->inode = status.st_ino;
    return true;
}

bool output_file_create(struct output *self, struct output_partition *partition)
{
    struct output_file *file = output_file_new(self);
    struct stat status;
    bool ok;

    if (file == NULL)
        return output_trouble(self, "make", partition->path);
    file->first_ns = lb_clock_now();
    if (!self->kind->numbered && output_stat_at(self, partition->path, &status))
        ok = adopt(self, file, partition->path);
    else
        ok = make_hidden(self, file, partition);
    if (!ok) {
        output_trouble(self, "make", partition->path);
        output_file_remove(self, file);
        return false;
    }
    file->partition = partition;
    file->home = partition;
    partition->file = file;
    return true;
}
