/*
 * lb_disk.h - a disk that fails when a test says so.
 *
 * Takes the place of the system's calls in the test's program, for files
 * whose path holds `disk.only`. A fault strikes from its n-th call on, for a
 * number of calls. Short writes and EINTR can come with every write; but as
 * the kernel never cuts a write within a page, 8 bytes or fewer are written
 * whole or not at all: the archive's last step counts on that, and half of one
 * would stay in the file if the process were killed just then.
 */
#ifndef LB_DISK_H
#define LB_DISK_H

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DISK_WHOLE_BYTES = 8 };

struct disk_fault {
    _Atomic long after; /* calls that still work */
    _Atomic long count; /* and then so many fail; 0: none */
    _Atomic int err;
    _Atomic long struck; /* how many did */
};

static struct {
    const char *only;
    struct disk_fault write, sync, truncate;
    _Atomic bool odd;  /* writes are short or interrupted, in turn */
    _Atomic bool slow; /* a sync that begins lasts until this ends */
    _Atomic unsigned turn;
} disk;

static inline void disk_fail(struct disk_fault *fault, long after, long count, int err)
{
    atomic_store(&fault->after, after);
    atomic_store(&fault->err, err);
    atomic_store(&fault->struck, 0);
    atomic_store(&fault->count, count);
}

static inline bool disk_is_ours(int fd)
{
    char name[64];
    char path[PATH_MAX];

    if (disk.only == NULL)
        return true;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(name, path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = '\0';
    return strstr(path, disk.only) != NULL;
}

/* True when this call fails; errno is set. */
static inline bool disk_strikes(struct disk_fault *fault, int fd)
{
    if (atomic_load(&fault->count) == 0 || !disk_is_ours(fd))
        return false;
    if (atomic_load(&fault->after) > 0) {
        atomic_fetch_sub(&fault->after, 1);
        return false;
    }
    atomic_fetch_sub(&fault->count, 1);
    atomic_fetch_add(&fault->struck, 1);
    errno = atomic_load(&fault->err);
    return true;
}

ssize_t pwrite(int fd, const void *ptr, size_t len, off_t offset)
{
    if (disk_strikes(&disk.write, fd))
        return -1;
    if (atomic_load(&disk.odd) && disk_is_ours(fd)) {
        unsigned turn = atomic_fetch_add(&disk.turn, 1);

        if (turn % 3 == 1) {
            errno = EINTR;
            return -1;
        }
        if (turn % 3 == 2 && len > DISK_WHOLE_BYTES)
            len /= 2;
    }
    return syscall(SYS_pwrite64, fd, ptr, len, offset);
}

int fdatasync(int fd)
{
    while (atomic_load(&disk.slow) && disk_is_ours(fd))
        usleep(1000);
    return disk_strikes(&disk.sync, fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return disk_strikes(&disk.sync, fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t length)
{
    return disk_strikes(&disk.truncate, fd) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

#endif
