/*
 * output_file.c - makes, opens, closes and syncs the files.
 *
 * A new file is written under a hidden name. output_publish() notes all
 * hidden files in the ledger with one fsync, then renames them, never over a
 * file that exists. So what a user sees is either committed or known to the
 * ledger as to be removed, and it has been whole from its first byte.
 *
 * At most `open_max` files are open; the one unused for longest is closed.
 */
#include "output.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { FILE_MODE = 0640, DIRECTORY_MODE = 0750 };

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

static void close_fd(struct output *self, struct output_file *file)
{
    if (file->fd < 0)
        return;
    close(file->fd);
    file->fd = -1;
    self->open_count--;
}

void output_file_remove(struct output *self, struct output_file *file)
{
    struct output_file **link = &self->files;

    while (*link != file)
        link = &(*link)->next;
    *link = file->next;
    if (self->files_tail == &file->next)
        self->files_tail = link;
    close_fd(self, file);
    if (file->hidden) {
        unlink(file->temp);
        self->hidden_count--;
    }
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

/* --- directories ------------------------------------------------------------------ */

/* Syncs the directory that holds `path`. */
static bool sync_parent(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');

    snprintf(parent, sizeof(parent), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1, slash == NULL ? "." : path);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool ok = fsync(fd) == 0;
    int err = errno;
    close(fd);
    errno = err;
    return ok;
}

/* Makes the directories above `path`, each durable in its own parent. */
static bool make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdir(path, DIRECTORY_MODE) == 0;
        bool ok = (made || errno == EEXIST) && (!made || sync_parent(path));
        *slash = '/';
        if (!ok)
            return false;
    }
    return true;
}

/* --- open and close ------------------------------------------------------------------ */

bool output_file_sync(struct output *self, struct output_file *file)
{
    if (!file->dirty)
        return true;
    if (fdatasync(file->fd) != 0) {
        /*
         * The kernel may have dropped the pages and call the next fsync fine: nothing since the last commit can be
         * trusted. It is not acknowledged either, so the sources have it; a restart cuts the file and writes it anew.
         */
        self->broken = true;
        lb_delivery_problem(self->sink,
                            "cannot sync %s: %s; takes nothing more: mend the disk, then restart logboom, which writes "
                            "again what is not safe",
                            file->path != NULL ? file->path : file->temp, strerror(errno));
        return false;
    }
    file->dirty = false;
    return true;
}

bool output_file_shut(struct output *self, struct output_file *file)
{
    if (file->fd < 0)
        return true;
    if (!output_file_sync(self, file))
        return false;
    close_fd(self, file);
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
    int fd = open(file->path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

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

bool output_file_trim(struct output *self, struct output_file *file)
{
    if (file->end == file->length || file->hidden)
        return true;
    if (file->fd < 0 && (!make_room(self) || !reopen(self, file)))
        return errno == ENOENT;
    if (ftruncate(file->fd, (off_t)file->length) != 0)
        return false;
    file->end = file->length;
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

static bool commit_intentions(struct output *self)
{
    if (lb_ledger_commit(self->sink->ledger, &self->intentions) == LB_OK)
        return true;
    int err = errno;
    lb_ledger_txn_free(&self->intentions);
    lb_ledger_txn_init(&self->intentions);
    errno = err;
    return false;
}

/* A plain file that stands there already is continued: whatever it holds counts as committed. */
static bool adopt(struct output *self, struct output_file *file, const char *path)
{
    struct stat status;
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return false;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        errno = EINVAL;
        return false;
    }
    file->fd = fd;
    self->open_count++;
    file->inode = status.st_ino;
    file->length = file->end = file->committed = (uint64_t)status.st_size;
    file->path = output_path_numbered(&self->pattern, lb_str_from(path), 1);
    if (file->path == NULL)
        return false;
    file->path_hash = XXH3_64bits(file->path, strlen(file->path));
    output_ledger_put(self, &self->intentions, file);
    file->known = commit_intentions(self);
    return file->known;
}

static int open_new(char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
}

static bool make_hidden(struct output *self, struct output_file *file, struct output_partition *partition)
{
    struct stat status;

    file->base = output_path_numbered(&self->pattern, lb_str_from(partition->path), 1);
    file->temp = temp_path(self, partition->path);
    if (file->base == NULL || file->temp == NULL)
        return false;
    int fd = open_new(file->temp);

    if (fd < 0 && errno == ENOENT && make_directories(partition->path))
        fd = open_new(file->temp);
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
    if (!self->kind->numbered && lstat(partition->path, &status) == 0)
        ok = adopt(self, file, partition->path);
    else
        ok = make_hidden(self, file, partition);
    if (!ok) {
        output_trouble(self, "make", partition->path);
        output_file_remove(self, file);
        return false;
    }
    file->partition = partition;
    partition->file = file;
    return true;
}

/* --- real names --------------------------------------------------------------------------- */

static bool is_taken(const struct output *self, const char *path, uint64_t hash)
{
    struct stat status;

    for (const struct output_file *file = self->files; file != NULL; file = file->next) {
        if (file->path != NULL && file->path_hash == hash && strcmp(file->path, path) == 0)
            return true;
    }
    return lstat(path, &status) == 0;
}

/* The first free name from `number` on becomes the file's path. */
static bool choose_name(struct output *self, struct output_file *file, struct lb_str base, uint32_t number)
{
    for (; number < UINT32_MAX; number++) {
        char *path = output_path_numbered(&self->pattern, base, number);

        if (path == NULL)
            return false;
        uint64_t hash = XXH3_64bits(path, strlen(path));
        if (!is_taken(self, path, hash)) {
            file->path = path;
            file->path_hash = hash;
            file->number = number;
            return true;
        }
        lb_free(path);
    }
    return false;
}

/* Never over a file that exists: EEXIST then. */
static bool rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    return link(from, to) == 0 && unlink(from) == 0;
}

void output_file_rename_full(struct output *self, struct output_file *file)
{
    char *from = file->path;

    if (choose_name(self, file, lb_str_from(from), 2) && rename_new(from, file->path)) {
        lb_free(from);
        return;
    }
    LB_WARN("sink", "cannot rename a full file, it is continued path=%s reason=%s", from, strerror(errno));
    if (file->path != from)
        lb_free(file->path);
    file->path = from;
}

static bool name_hidden(struct output *self)
{
    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        if (!file->hidden)
            continue;
        if (file->path == NULL && !choose_name(self, file, lb_str_from(file->base), 1))
            return output_trouble(self, "name", file->temp);
        output_ledger_put(self, &self->intentions, file);
    }
    return commit_intentions(self) || output_trouble(self, "note in the ledger", "a new file");
}

static bool show(struct output *self, struct output_file *file)
{
    if (!rename_new(file->temp, file->path)) {
        bool taken = errno == EEXIST;

        if (!taken)
            return output_trouble(self, "rename to", file->path);
        /* Somebody was faster: another name at the next try, and the ledger forgets this one. */
        output_ledger_delete(self, &self->intentions, file);
        lb_free(file->path);
        file->path = NULL;
        return true;
    }
    file->hidden = false;
    self->hidden_count--;
    lb_free(file->temp);
    file->temp = NULL;
    file->known = true;
    file->fresh = true;
    return true;
}

bool output_publish(struct output *self)
{
    while (self->hidden_count > 0) {
        if (!name_hidden(self))
            return false;
        for (struct output_file *file = self->files; file != NULL; file = file->next) {
            if (file->hidden && !show(self, file))
                return false;
        }
    }
    return true;
}

bool output_sync_directories(struct output *self)
{
    const char *synced = NULL;

    for (struct output_file *file = self->files; file != NULL; file = file->next) {
        if (!file->fresh)
            continue;
        const char *slash = strrchr(file->path, '/');
        size_t len = slash == NULL ? 0 : (size_t)(slash - file->path) + 1;
        bool same = synced != NULL && strncmp(synced, file->path, len) == 0 && strchr(synced + len, '/') == NULL;

        if (!same && !sync_parent(file->path))
            return output_trouble(self, "sync the directory of", file->path);
        synced = file->path;
    }
    return true;
}
