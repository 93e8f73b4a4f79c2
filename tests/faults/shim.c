/*
 * shim.c - LD_PRELOAD: a disk that fails at random, and a journal of what was
 * done to it.
 *
 *   LB_SHIM_OUTPUT=DIR:DIR…  calls on paths below may fail: short writes, EINTR,
 *                            EIO, ENOSPC; fsync, rename, open, … with EIO
 *   LB_SHIM_INPUT=DIR:DIR…   reads of files below may be short, or fail with
 *                            EINTR or EIO
 *   LB_SHIM_RATE=N           so many of 10,000 calls (0)
 *   LB_SHIM_SEED=N           of the choices
 *   LB_SHIM_SWITCH=FILE      faults only while it exists
 *   LB_SHIM_JOURNAL=FILE     appends a record of every change below OUTPUT,
 *                            after it was made (power.py reads it)
 *   LB_SHIM_GRAVE=DIR        and keeps a link there to each file that loses its
 *                            name, so that its inode is not used again
 *
 * A write of 8 bytes or fewer happens whole or not at all: the kernel never
 * cuts one within a page, and the archive's last step counts on that. One lock
 * is held over a change and its record, so the journal has the true order.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS = 4096, WHOLE_BYTES = 8, RECORD_BYTES = 2 * PATH_MAX + 64 };

enum kind { OTHER, OUTPUT, DIRECTORY, INPUT };

struct shim_fd {
    enum kind kind;
    unsigned long inode;
    char *path;
};

static struct shim_fd fds[FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t random_state;
static unsigned rate;
static int journal = -1;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void begin(void)
{
    const char *seed = getenv("LB_SHIM_SEED");
    const char *per = getenv("LB_SHIM_RATE");
    const char *path = getenv("LB_SHIM_JOURNAL");

    random_state = (seed != NULL ? strtoull(seed, NULL, 10) : 1) * 0x9E3779B97F4A7C15U + 1;
    rate = per != NULL ? (unsigned)strtoul(per, NULL, 10) : 0;
    if (path != NULL)
        journal = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* --- whose path is it --------------------------------------------------------- */

static bool is_below(const char *variable, const char *path)
{
    const char *at = getenv(variable);

    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ":");

        if (len > 0 && strncmp(path, at, len) == 0 && (path[len] == '/' || path[len] == '\0'))
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

static enum kind kind_of(const char *path)
{
    if (is_below("LB_SHIM_OUTPUT", path))
        return OUTPUT;
    return is_below("LB_SHIM_INPUT", path) ? INPUT : OTHER;
}

/* The whole path of what is named relative to a directory; NULL: it has none. */
static const char *absolute(int directory, const char *path, char *buffer)
{
    char link[64];

    if (path[0] == '/' || directory == AT_FDCWD)
        return path;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", directory);
    ssize_t len = readlink(link, buffer, PATH_MAX - 1);
    if (len <= 0 || (size_t)len + strlen(path) + 2 > PATH_MAX)
        return NULL;
    snprintf(buffer + len, PATH_MAX - (size_t)len, "/%s", path);
    return buffer;
}

static bool is_output_at(int directory, const char *path)
{
    char buffer[PATH_MAX];
    const char *whole = absolute(directory, path, buffer);

    return whole != NULL && kind_of(whole) == OUTPUT;
}

static struct shim_fd *entry_of(int fd)
{
    return fd >= 0 && fd < FDS && fds[fd].kind != OTHER ? &fds[fd] : NULL;
}

static bool is_kind(int fd, enum kind kind)
{
    const struct shim_fd *entry = entry_of(fd);

    return entry != NULL && entry->kind == kind;
}

/* --- choices ---------------------------------------------------------------------- */

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static bool fails(void)
{
    const char *path = getenv("LB_SHIM_SWITCH");

    if (rate == 0 || next_random() % 10000 >= rate)
        return false;
    return path == NULL || access(path, F_OK) == 0;
}

/* Held, and true with errno set: the call is to fail. */
static bool refused(int error, int other)
{
    if (!fails())
        return false;
    errno = next_random() % 2 == 0 ? error : other;
    return true;
}

/* --- the journal --------------------------------------------------------------------- */

static void note(const char *data, size_t len, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void note(const char *data, size_t len, const char *format, ...)
{
    char head[RECORD_BYTES];
    int error = errno;
    va_list args;

    if (journal < 0)
        return;
    va_start(args, format);
    int size = vsnprintf(head, sizeof(head), format, args);
    va_end(args);
    struct iovec parts[2] = { { head, (size_t)size }, { (void *)data, len } };
    if (REAL(writev)(journal, parts, 2) != size + (ssize_t)len)
        abort();
    errno = error;
}

/* Before `path` loses its file. */
static void bury(const char *path)
{
    const char *grave = getenv("LB_SHIM_GRAVE");
    struct stat status;
    char to[PATH_MAX];

    if (grave == NULL || lstat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    snprintf(to, sizeof(to), "%s/%lu", grave, (unsigned long)status.st_ino);
    (void)REAL(link)(path, to);
}

/* --- open, close ------------------------------------------------------------------------ */

static void remember(int fd, enum kind kind, const char *path)
{
    struct stat status;

    if (fd < 0 || fd >= FDS || fstat(fd, &status) != 0)
        return;
    if (S_ISDIR(status.st_mode))
        kind = kind == OUTPUT ? DIRECTORY : OTHER;
    free(fds[fd].path);
    fds[fd] = (struct shim_fd){ kind, status.st_ino, strdup(path) };
}

static int open_file(const char *path, int flags, mode_t mode)
{
    enum kind kind = kind_of(path);
    struct stat status;

    if (kind == OTHER)
        return REAL(open)(path, flags, mode);
    pthread_mutex_lock(&lock);
    int fd = -1;
    if (!refused(kind == OUTPUT && (flags & O_CREAT) != 0 ? ENOSPC : EMFILE, kind == OUTPUT ? EIO : EINTR)) {
        bool existed = lstat(path, &status) == 0;
        fd = REAL(open)(path, flags, mode);
        remember(fd, kind, path);
        if (fd >= 0 && kind == OUTPUT && (flags & O_TMPFILE) == O_TMPFILE)
            note(NULL, 0, "N %lu\n", fds[fd].inode);
        else if (fd >= 0 && kind == OUTPUT && !existed)
            note(NULL, 0, "C %lu %s\n", fds[fd].inode, path);
        else if (fd >= 0 && kind == OUTPUT && (flags & O_TRUNC) != 0)
            note(NULL, 0, "T %lu 0\n", fds[fd].inode);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t); /* whatever it is, where none was given */
    va_end(args);
    return open_file(path, flags, (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int directory, const char *path, int flags, ...)
{
    char buffer[PATH_MAX];
    const char *whole = absolute(directory, path, buffer);
    va_list args;

    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t);
    va_end(args);
    if ((flags & (O_CREAT | O_TMPFILE)) == 0)
        mode = 0;
    if (whole == NULL || kind_of(whole) == OTHER)
        return REAL(openat)(directory, path, flags, mode);
    return open_file(whole, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) __attribute__((alias("openat")));

int dup(int fd)
{
    int copy = REAL(dup)(fd);
    const struct shim_fd *entry = entry_of(fd);

    if (copy >= 0 && entry != NULL) {
        pthread_mutex_lock(&lock);
        remember(copy, entry->kind == DIRECTORY ? OUTPUT : entry->kind, entry->path);
        pthread_mutex_unlock(&lock);
    }
    return copy;
}

int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS) {
        free(fds[fd].path);
        fds[fd] = (struct shim_fd){ 0 };
    }
    pthread_mutex_unlock(&lock);
    return REAL(close)(fd);
}

/* --- writing ------------------------------------------------------------------------------- */

/* How much of a write goes through, and in `*error` how it ends: 0 well. */
static size_t share_of(size_t len, int *error)
{
    size_t part = len > WHOLE_BYTES ? next_random() % len : 0;

    switch (next_random() % 5) {
    case 0:
    case 1: *error = part > 0 ? 0 : EINTR; return part;
    case 2: *error = EINTR; return 0;
    case 3: *error = EIO; return next_random() % 2 == 0 ? part : 0;
    default: *error = ENOSPC; return next_random() % 2 == 0 ? part : 0;
    }
}

/* `offset` below 0: at the end, as an O_APPEND descriptor or the file's own position has it. */
static ssize_t write_some(int fd, const char *bytes, size_t len, off_t offset)
{
    int error = 0;
    size_t part = fails() ? share_of(len, &error) : len;
    ssize_t done = 0;

    if (part > 0)
        done = offset >= 0 ? REAL(pwrite)(fd, bytes, part, offset) : REAL(write)(fd, bytes, part);
    if (done > 0) {
        off_t at = offset >= 0 ? offset : lseek(fd, 0, SEEK_CUR) - done;

        note(bytes, (size_t)done, "W %lu %lld %zd\n", fds[fd].inode, (long long)at, done);
    }
    if (done < 0 || error == 0)
        return done;
    errno = error;
    return -1;
}

static ssize_t write_output(int fd, const char *bytes, size_t len, off_t offset)
{
    pthread_mutex_lock(&lock);
    ssize_t done = write_some(fd, bytes, len, offset);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    return is_kind(fd, OUTPUT) ? write_output(fd, bytes, len, -1) : REAL(write)(fd, bytes, len);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return is_kind(fd, OUTPUT) ? write_output(fd, bytes, len, offset) : REAL(pwrite)(fd, bytes, len, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset) __attribute__((alias("pwrite")));

/* By its first part that is not empty: a short write, which every caller has to expect. */
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!is_kind(fd, OUTPUT))
        return REAL(writev)(fd, parts, count);
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len > 0)
            return write_output(fd, parts[i].iov_base, parts[i].iov_len, -1);
    return 0;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    if (!is_kind(fd, OUTPUT))
        return REAL(pwritev)(fd, parts, count, offset);
    for (int i = 0; i < count; i++)
        if (parts[i].iov_len > 0)
            return write_output(fd, parts[i].iov_base, parts[i].iov_len, offset);
    return 0;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) __attribute__((alias("pwritev")));

int ftruncate(int fd, off_t size)
{
    if (!is_kind(fd, OUTPUT))
        return REAL(ftruncate)(fd, size);
    pthread_mutex_lock(&lock);
    int result = refused(EIO, EINTR) ? -1 : REAL(ftruncate)(fd, size);
    if (result == 0)
        note(NULL, 0, "T %lu %lld\n", fds[fd].inode, (long long)size);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int fd, off64_t size) __attribute__((alias("ftruncate")));

/* Holes and reserved space read as zeros; both are noted as such. */
int fallocate(int fd, int mode, off_t offset, off_t len)
{
    if (!is_kind(fd, OUTPUT))
        return REAL(fallocate)(fd, mode, offset, len);
    pthread_mutex_lock(&lock);
    int result = refused(ENOSPC, EOPNOTSUPP) ? -1 : REAL(fallocate)(fd, mode, offset, len);
    if (result == 0)
        note(NULL, 0, "%s %lu %lld %lld\n", (mode & FALLOC_FL_PUNCH_HOLE) != 0 ? "Z" : "A", fds[fd].inode,
             (long long)offset, (long long)len);
    pthread_mutex_unlock(&lock);
    return result;
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len) __attribute__((alias("fallocate")));

int posix_fallocate(int fd, off_t offset, off_t len)
{
    if (!is_kind(fd, OUTPUT))
        return REAL(posix_fallocate)(fd, offset, len);
    return fallocate(fd, 0, offset, len) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off64_t offset, off64_t len) __attribute__((alias("posix_fallocate")));

/* --- syncing ---------------------------------------------------------------------------------- */

static int sync_output(int fd, int (*call)(int))
{
    pthread_mutex_lock(&lock);
    struct shim_fd *entry = &fds[fd];
    int result = refused(EIO, EIO) ? -1 : call(fd);
    if (entry->kind == DIRECTORY && result == 0)
        note(NULL, 0, "D %s\n", entry->path);
    else if (entry->kind == OUTPUT)
        note(NULL, 0, "%s %lu\n", result == 0 ? "S" : "F", entry->inode);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd)
{
    return is_kind(fd, OUTPUT) || is_kind(fd, DIRECTORY) ? sync_output(fd, REAL(fsync)) : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    return is_kind(fd, OUTPUT) || is_kind(fd, DIRECTORY) ? sync_output(fd, REAL(fdatasync)) : REAL(fdatasync)(fd);
}

/* --- names --------------------------------------------------------------------------------------- */

static int rename_output(const char *from, const char *to, unsigned flags)
{
    pthread_mutex_lock(&lock);
    int result = -1;
    if (!refused(EIO, ENOSPC)) {
        if (flags == 0)
            bury(to);
        result = flags == 0 ? REAL(rename)(from, to) : REAL(renameat2)(AT_FDCWD, from, AT_FDCWD, to, flags);
    }
    if (result == 0)
        note(NULL, 0, "R %s\t%s\n", from, to);
    pthread_mutex_unlock(&lock);
    return result;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    char from_path[PATH_MAX];
    char to_path[PATH_MAX];

    if (!is_output_at(to_fd, to))
        return REAL(renameat)(from_fd, from, to_fd, to);
    return rename_output(absolute(from_fd, from, from_path), absolute(to_fd, to, to_path), 0);
}

int rename(const char *from, const char *to)
{
    return kind_of(to) == OUTPUT ? rename_output(from, to, 0) : REAL(rename)(from, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    char from_path[PATH_MAX];
    char to_path[PATH_MAX];

    if (!is_output_at(to_fd, to))
        return REAL(renameat2)(from_fd, from, to_fd, to, flags);
    return rename_output(absolute(from_fd, from, from_path), absolute(to_fd, to, to_path), flags);
}

int link(const char *from, const char *to)
{
    if (kind_of(to) != OUTPUT)
        return REAL(link)(from, to);
    pthread_mutex_lock(&lock);
    int result = refused(EIO, ENOSPC) ? -1 : REAL(link)(from, to);
    if (result == 0)
        note(NULL, 0, "L %s\t%s\n", from, to);
    pthread_mutex_unlock(&lock);
    return result;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    char from_path[PATH_MAX];
    char to_path[PATH_MAX];

    if (!is_output_at(to_fd, to))
        return REAL(linkat)(from_fd, from, to_fd, to, flags);
    return link(absolute(from_fd, from, from_path), absolute(to_fd, to, to_path));
}

int unlink(const char *path)
{
    if (kind_of(path) != OUTPUT)
        return REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    int result = -1;
    if (!refused(EIO, EIO)) {
        bury(path);
        result = REAL(unlink)(path);
    }
    if (result == 0)
        note(NULL, 0, "U %s\n", path);
    pthread_mutex_unlock(&lock);
    return result;
}

int rmdir(const char *path)
{
    if (kind_of(path) != OUTPUT)
        return REAL(rmdir)(path);
    pthread_mutex_lock(&lock);
    int result = refused(EIO, EIO) ? -1 : REAL(rmdir)(path);
    if (result == 0)
        note(NULL, 0, "U %s\n", path);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlinkat(int directory, const char *path, int flags)
{
    char buffer[PATH_MAX];

    if (!is_output_at(directory, path))
        return REAL(unlinkat)(directory, path, flags);
    path = absolute(directory, path, buffer);
    return (flags & AT_REMOVEDIR) != 0 ? rmdir(path) : unlink(path);
}

int mkdir(const char *path, mode_t mode)
{
    if (kind_of(path) != OUTPUT)
        return REAL(mkdir)(path, mode);
    pthread_mutex_lock(&lock);
    int result = refused(ENOSPC, EIO) ? -1 : REAL(mkdir)(path, mode);
    if (result == 0)
        note(NULL, 0, "M %s\n", path);
    pthread_mutex_unlock(&lock);
    return result;
}

int mkdirat(int directory, const char *path, mode_t mode)
{
    char buffer[PATH_MAX];

    if (!is_output_at(directory, path))
        return REAL(mkdirat)(directory, path, mode);
    return mkdir(absolute(directory, path, buffer), mode);
}

/* --- reading --------------------------------------------------------------------------------------- */

/* The length that a read of `len` bytes gets; 0 with errno set: it fails. */
static size_t read_share(size_t len)
{
    pthread_mutex_lock(&lock);
    size_t share = len;
    if (len > 0 && fails()) {
        unsigned choice = next_random() % 8;

        share = choice >= 3 && len > 1 ? 1 + next_random() % (len - 1) : 0;
        errno = choice == 0 ? EIO : EINTR;
    }
    pthread_mutex_unlock(&lock);
    return share;
}

ssize_t pread(int fd, void *bytes, size_t len, off_t offset)
{
    size_t share = is_kind(fd, INPUT) ? read_share(len) : len;

    return share == 0 && len > 0 ? -1 : REAL(pread)(fd, bytes, share, offset);
}

ssize_t pread64(int fd, void *bytes, size_t len, off64_t offset) __attribute__((alias("pread")));

ssize_t __pread_chk(int fd, void *bytes, size_t len, off_t offset, size_t size);

ssize_t __pread_chk(int fd, void *bytes, size_t len, off_t offset, size_t size)
{
    if (len > size)
        abort();
    return pread(fd, bytes, len, offset);
}

ssize_t read(int fd, void *bytes, size_t len)
{
    size_t share = is_kind(fd, INPUT) ? read_share(len) : len;

    return share == 0 && len > 0 ? -1 : REAL(read)(fd, bytes, share);
}

ssize_t preadv(int fd, const struct iovec *parts, int count, off_t offset)
{
    struct iovec cut[16];
    size_t len = 0;
    int used = 0;

    if (!is_kind(fd, INPUT) || count > 16)
        return REAL(preadv)(fd, parts, count, offset);
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    size_t share = read_share(len);
    if (share == 0 && len > 0)
        return -1;
    for (; used < count && share > 0; used++) {
        cut[used] = parts[used];
        if (cut[used].iov_len > share)
            cut[used].iov_len = share;
        share -= cut[used].iov_len;
    }
    return REAL(preadv)(fd, cut, used, offset);
}

ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t offset) __attribute__((alias("preadv")));
