/*
 * tail_delete.c - `after: delete`: a file goes when everybody has all of it.
 *
 * All of it means: read to its end, every mark in the ledger there, and
 * nothing of it passed over. The tricky thing is a writer that adds a line
 * between the last look and the deletion. A read lease is only given while
 * nobody has the file open for writing, and whoever opens it then waits until
 * the lease ends; by then it has no name. Where the file system knows no
 * leases, a file must have been quiet for a while. And a name may be given to
 * another file at any time, which nobody has read: so a file first gets a name
 * that is its own.
 */
#include "tail.h"

#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum {
    QUIET_SECONDS = 2,
    QUIET_SECONDS_ALONE = 30, /* without a lease */
};

static bool is_read(const struct lb_tail_file *file)
{
    if (file->stream == NULL || file->gone || file->bad || file->identity.start > 0)
        return false;
    return file->packed != LB_UNPACK_NONE ? file->finished : file->offset > 0 && file->offset >= file->size;
}

/* Does the descriptor still lead to what was read, and the path too? */
static bool is_unchanged(const struct lb_tail_file *file)
{
    struct stat status;

    return fstat(file->fd, &status) == 0 && (uint64_t)status.st_size == file->size &&
           lb_tail_leads_to(file->path, &file->identity);
}

/* Or the name could come back by a power failure, and all of the file with it. */
static void sync_directory(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;

    if (len == 0 || len >= sizeof(parent))
        return;
    memcpy(parent, path, len);
    parent[len] = '\0';
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

/* A hidden name beside it. A start after a crash in between finds the file there, by its inode. */
static bool name_aside(const struct lb_tail_file *file, char aside[PATH_MAX])
{
    const char *slash = strrchr(file->path, '/');
    int directory = slash != NULL ? (int)(slash - file->path) + 1 : 0;

    errno = ENAMETOOLONG;
    return snprintf(aside, PATH_MAX, "%.*s.logboom-delete-%" PRIx64, directory, file->path, file->identity.inode) <
           PATH_MAX;
}

/* It is another file, which took the name just now. */
static void put_back(const char *aside, const char *path)
{
    if (renameat2(AT_FDCWD, aside, AT_FDCWD, path, RENAME_NOREPLACE) != 0 &&
        (link(aside, path) != 0 || unlink(aside) != 0))
        LB_ERROR("source.file",
                 "a file that was rotated just now could not be given its name back path=%s is=%s "
                 "error=\"%s\"",
                 path, aside, strerror(errno));
}

static bool unlink_same(const struct lb_tail_file *file)
{
    char aside[PATH_MAX];

    if (!name_aside(file, aside) || rename(file->path, aside) != 0)
        return false;
    if (lb_tail_leads_to(aside, &file->identity))
        return unlink(aside) == 0;
    put_back(aside, file->path);
    errno = ESTALE;
    return false;
}

/* False: it stays for now. */
static bool unlink_unless_written(struct lb_tail_file *file, int64_t quiet_ns)
{
    /* Whoever breaks the lease makes the kernel send a signal; this one does nothing. */
    bool leased = fcntl(file->fd, F_SETSIG, SIGURG) == 0 && fcntl(file->fd, F_SETLEASE, F_RDLCK) == 0;
    bool written = !leased && (errno == EAGAIN || quiet_ns < QUIET_SECONDS_ALONE * LB_SECOND);
    bool done = !written && is_unchanged(file) && unlink_same(file);
    int error = errno;

    if (leased)
        (void)fcntl(file->fd, F_SETLEASE, F_UNLCK);
    if (!done && !written && (error == EACCES || error == EPERM || error == EROFS)) {
        LB_ERROR("source.file", "file is read and cannot be deleted, it stays path=%s error=\"%s\"", file->path,
                 strerror(error));
        file->kept = true;
    }
    return done;
}

bool lb_tail_delete(struct lb_tail *self, struct lb_tail_file *file, int64_t now)
{
    int64_t quiet_ns = now - file->changed_ns;

    if (self->options.after != LB_TAIL_AFTER_DELETE || file->kept || file->ready || !is_read(file) ||
        quiet_ns < QUIET_SECONDS * LB_SECOND)
        return false;
    uint64_t committed = lb_stream_committed(file->stream);
    if (committed == 0 || committed < file->pushed || !lb_tail_file_open(self, file))
        return false;
    if (file->gone || !is_unchanged(file) || !unlink_unless_written(file, quiet_ns))
        return false;
    LB_INFO("source.file", "file was read by all and is deleted path=%s bytes=%" PRIu64, file->path, file->size);
    sync_directory(file->path);
    lb_tail_drop(self, file);
    return true;
}
