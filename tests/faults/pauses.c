/*
 * pauses.c - LD_PRELOAD: a scheduler that is against us. Now and then a thread stands still before a call, so that what
 * another thread or process does in between is done: logs are rotated between the look at one and its opening, a sync
 * ends before the thread that began later.
 *
 *   LB_PAUSES=N   so many of 100,000 calls (0)
 *   LB_PAUSE_MS=N the longest pause; most are much shorter (20)
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PER = 100000, SHORT_US = 300, LONG_ONE_OF = 8 };

static unsigned pauses;
static unsigned longest_us;
static __thread uint64_t random_state;

__attribute__((constructor)) static void begin(void)
{
    const char *per = getenv("LB_PAUSES");
    const char *ms = getenv("LB_PAUSE_MS");

    longest_us = 1000 * (ms != NULL ? (unsigned)strtoul(ms, NULL, 10) : 20);
    pauses = per != NULL ? (unsigned)strtoul(per, NULL, 10) : 0;
}

static uint64_t next_random(void)
{
    if (random_state == 0) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        random_state = ((uint64_t)now.tv_nsec << 20) ^ (uint64_t)(uintptr_t)&random_state ^ 1;
    }
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void stand_still(void)
{
    int error = errno;

    if (pauses == 0 || next_random() % PER >= pauses)
        return;
    uint64_t us = next_random() % (next_random() % LONG_ONE_OF == 0 ? longest_us + 1 : SHORT_US);
    struct timespec pause = { (time_t)(us / 1000000), (long)(us % 1000000 * 1000) };
    nanosleep(&pause, NULL);
    errno = error;
}

#define PAUSED(type, name, parameters, arguments)                                                                      \
    type name parameters                                                                                               \
    {                                                                                                                  \
        static __typeof__(&name) next;                                                                                 \
                                                                                                                       \
        if (next == NULL)                                                                                              \
            *(void **)&next = dlsym(RTLD_NEXT, #name);                                                                 \
        stand_still();                                                                                                 \
        return next arguments;                                                                                         \
    }

PAUSED(int, stat, (const char *restrict path, struct stat *restrict status), (path, status))
PAUSED(int, lstat, (const char *restrict path, struct stat *restrict status), (path, status))
PAUSED(int, fstat, (int fd, struct stat *status), (fd, status))
PAUSED(struct dirent *, readdir, (DIR * directory), (directory))
PAUSED(ssize_t, read, (int fd, void *bytes, size_t len), (fd, bytes, len))
PAUSED(ssize_t, pread, (int fd, void *bytes, size_t len, off_t at), (fd, bytes, len, at))
PAUSED(ssize_t, preadv, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at))
PAUSED(ssize_t, write, (int fd, const void *bytes, size_t len), (fd, bytes, len))
PAUSED(ssize_t, pwrite, (int fd, const void *bytes, size_t len, off_t at), (fd, bytes, len, at))
PAUSED(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
PAUSED(int, rename, (const char *from, const char *to), (from, to))
PAUSED(int, unlink, (const char *path), (path))
PAUSED(int, fsync, (int fd), (fd))
PAUSED(int, fdatasync, (int fd), (fd))
PAUSED(int, close, (int fd), (fd))
PAUSED(int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
PAUSED(int, pthread_mutex_unlock, (pthread_mutex_t * mutex), (mutex))
PAUSED(int, pthread_cond_signal, (pthread_cond_t * condition), (condition))
PAUSED(int, pthread_cond_broadcast, (pthread_cond_t * condition), (condition))

int open(const char *path, int flags, ...)
{
    static __typeof__(&open) next;
    va_list args;

    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t); /* whatever it is, where none was given */
    va_end(args);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "open");
    stand_still();
    return next(path, flags, mode);
}
