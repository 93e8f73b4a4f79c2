/*
 * dead_letter_file.c - a file of letters: appended to, bounded, shared.
 *
 * Appending happens under a lock of the file, and only to the file that has
 * the name at that moment: `logboom replay` puts another one in its place.
 * The tricky thing: a letter that was written right before a crash comes
 * again, for the mark behind it was not yet committed. So the end of the file
 * as it was at the start is remembered, and what stands there is not written
 * twice.
 */
#include "dead_letter.h"

#include "lb_alloc.h"
#include "lb_directories.h"
#include "lb_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* --- locks -------------------------------------------------------------------- */

static bool lock_byte(int fd, int which, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = which, .l_len = 1 };

    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool lb_dead_letter_lock(int fd, int which)
{
    return lock_byte(fd, which, F_WRLCK);
}

void lb_dead_letter_unlock(int fd, int which)
{
    lock_byte(fd, which, F_UNLCK);
}

/* --- letters of the last run ----------------------------------------------------- */

/* `{"timestamp":"…","sink":"…","id":"…"`: from the second key to the end of the id. */
static struct lb_str head_of(struct lb_str line)
{
    static const char begin[] = "\"sink\":\"";
    static const char id[] = ",\"id\":\"";
    const char *from = memmem(line.ptr, line.len < 128 ? line.len : 128, begin, sizeof(begin) - 1);
    const char *end = line.ptr + line.len;

    if (from == NULL)
        return (struct lb_str){ NULL, 0 };
    const char *at = memmem(from, (size_t)(end - from), id, sizeof(id) - 1);
    const char *quote = at != NULL ? memchr(at + sizeof(id) - 1, '"', (size_t)(end - at) - (sizeof(id) - 1)) : NULL;
    if (quote == NULL)
        return (struct lb_str){ NULL, 0 };
    return (struct lb_str){ from, (size_t)(quote + 1 - from) };
}

static uint64_t hash_of(struct lb_str head)
{
    uint64_t hash = XXH3_64bits(head.ptr, head.len);

    return hash != 0 ? hash : 1;
}

static uint64_t *slot_of(uint64_t *seen, uint64_t hash)
{
    size_t i = (size_t)hash & (DEAD_LETTER_SEEN_SLOTS - 1);

    while (seen[i] != 0 && seen[i] != hash)
        i = (i + 1) & (DEAD_LETTER_SEEN_SLOTS - 1);
    return &seen[i];
}

/* At most half of the slots are used: the shortest letter has more than 2 * TAIL_BYTES / SLOTS = 128 bytes. */
static void remember(struct dead_letter_file *self, struct lb_str text)
{
    unsigned room = DEAD_LETTER_SEEN_SLOTS / 2;

    while (text.len > 0 && room > 0) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t len = newline != NULL ? (size_t)(newline - text.ptr) : text.len;
        struct lb_str head = head_of((struct lb_str){ text.ptr, len });

        if (head.len > 0) {
            *slot_of(self->seen, hash_of(head)) = hash_of(head);
            room--;
        }
        len += newline != NULL;
        text = (struct lb_str){ text.ptr + len, text.len - len };
    }
}

/* A process that was killed may not have synced what it wrote: it counts once it is on disk. */
static void load_tail(struct dead_letter_file *self)
{
    struct stat info;
    char *text;

    self->seen = lb_alloc(DEAD_LETTER_SEEN_SLOTS * sizeof(*self->seen));
    if (self->seen == NULL || self->fd < 0 || fdatasync(self->fd) != 0 || fstat(self->fd, &info) != 0 ||
        info.st_size == 0)
        return;
    off_t from = info.st_size > DEAD_LETTER_TAIL_BYTES ? info.st_size - DEAD_LETTER_TAIL_BYTES : 0;
    text = lb_alloc(DEAD_LETTER_TAIL_BYTES);
    if (text == NULL)
        return;
    ssize_t got = pread(self->fd, text, DEAD_LETTER_TAIL_BYTES, from);
    if (got > 0)
        remember(self, (struct lb_str){ text, (size_t)got });
    lb_free(text);
}

/* --- open ------------------------------------------------------------------------- */

static bool is_current(const struct dead_letter_file *self)
{
    struct stat named;
    struct stat ours;

    return self->fd >= 0 && stat(self->path, &named) == 0 && fstat(self->fd, &ours) == 0 &&
           named.st_ino == ours.st_ino && named.st_dev == ours.st_dev;
}

static bool open_file(struct dead_letter_file *self, int flags)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = open(self->path, O_RDWR | O_CLOEXEC | flags, 0640);
    return self->fd >= 0;
}

/* A file from before may have been made by a process that was killed before it synced the name. */
static bool open_durably(struct dead_letter_file *self)
{
    if (!open_file(self, 0) && (errno != ENOENT || !lb_directories_make(self->path, 0750) || !open_file(self, O_CREAT)))
        return false;
    if (lb_directories_sync(self->path))
        return true;
    int cause = errno;
    close(self->fd);
    self->fd = -1;
    errno = cause;
    return false;
}

/* Opens the file that has the name and locks it. It may be replaced between the two. */
static enum lb_err open_locked(struct dead_letter_file *self)
{
    enum { TRIES = 10 };

    for (int i = 0; i < TRIES; i++) {
        if (!is_current(self) && !open_durably(self))
            return LB_IO;
        if (!lb_dead_letter_lock(self->fd, LB_DEAD_LETTER_LOCK_WRITE))
            return errno == EAGAIN || errno == EACCES ? LB_AGAIN : LB_IO;
        if (is_current(self))
            return LB_OK;
        lb_dead_letter_unlock(self->fd, LB_DEAD_LETTER_LOCK_WRITE);
    }
    return LB_AGAIN;
}

void dead_letter_file_init(struct dead_letter_file *self)
{
    self->fd = -1;
}

void dead_letter_file_close(struct dead_letter_file *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
    lb_free(self->seen);
    self->seen = NULL;
}

bool dead_letter_file_has(struct dead_letter_file *self, struct lb_str line)
{
    struct lb_str head = head_of(line);

    if (self->seen == NULL) {
        if (self->fd < 0)
            open_file(self, 0);
        load_tail(self);
    }
    return self->seen != NULL && head.len > 0 && *slot_of(self->seen, hash_of(head)) != 0;
}

/* --- the bound ----------------------------------------------------------------------- */

static uint64_t count_lines(const char *path)
{
    char bytes[64 * 1024];
    uint64_t count = 0;
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (got = read(fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < got; i++)
            count += bytes[i] == '\n';
    }
    if (fd >= 0)
        close(fd);
    return count;
}

/* The file becomes PATH.2, what was there goes, and a new one begins. */
static enum lb_err drop_oldest(struct dead_letter_file *self)
{
    char older[LB_DEAD_LETTER_PATH_SIZE + 2];
    uint64_t lost;

    snprintf(older, sizeof(older), "%s.2", self->path);
    lost = count_lines(older);
    if (rename(self->path, older) != 0)
        return LB_IO;
    lb_dead_letter_unlock(self->fd, LB_DEAD_LETTER_LOCK_WRITE);
    self->dropped += lost;
    LB_WARN("sink", "dead letters reached their bound path=%s kept_as=%s letters_lost=%llu", self->path, older,
            (unsigned long long)lost);
    return open_locked(self);
}

static enum lb_err make_room(struct dead_letter_file *self, uint64_t size, size_t more)
{
    /* One letter alone is always taken: it could never be written otherwise. */
    if (size == 0 || size + more <= (self->drop_oldest ? self->max_bytes / 2 : self->max_bytes))
        return LB_OK;
    return self->drop_oldest ? drop_oldest(self) : LB_LIMIT;
}

/* --- write ------------------------------------------------------------------------------ */

/* Behind the last whole line: a crash may have left a part of one. -1: errno says why. */
static off_t end_of_lines(int fd)
{
    char bytes[64 * 1024];
    struct stat info;
    off_t end;

    if (fstat(fd, &info) != 0)
        return -1;
    for (end = info.st_size; end > 0;) {
        size_t want = end < (off_t)sizeof(bytes) ? (size_t)end : sizeof(bytes);
        ssize_t got = pread(fd, bytes, want, end - (off_t)want);

        if (got != (ssize_t)want)
            return -1;
        const char *newline = memrchr(bytes, '\n', want);
        if (newline != NULL)
            return end - (off_t)want + (newline - bytes) + 1;
        end -= (off_t)want;
    }
    return 0;
}

static bool write_all(int fd, struct lb_str lines, off_t at)
{
    while (lines.len > 0) {
        ssize_t wrote = pwrite(fd, lines.ptr, lines.len, at);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        lines = (struct lb_str){ lines.ptr + wrote, lines.len - (size_t)wrote };
        at += wrote;
    }
    return true;
}

static enum lb_err write_locked(struct dead_letter_file *self, struct lb_str lines)
{
    off_t end = end_of_lines(self->fd);
    enum lb_err err = end < 0 ? LB_IO : make_room(self, (uint64_t)end, lines.len);

    if (err != LB_OK)
        return err;
    end = end_of_lines(self->fd);
    if (end < 0)
        return LB_IO;
    /* After a failed fsync the same bytes are written again, so that they are dirty again and not only thought safe. */
    if (write_all(self->fd, lines, end) && fdatasync(self->fd) == 0)
        return LB_OK;
    int error = errno;
    if (ftruncate(self->fd, end) != 0)
        LB_WARN("sink", "cannot cut a half-written dead letter off path=%s errno=%d", self->path, errno);
    errno = error;
    return LB_IO;
}

enum lb_err dead_letter_file_write(struct dead_letter_file *self, struct lb_str lines)
{
    enum lb_err err = open_locked(self);

    if (err != LB_OK)
        return err;
    err = write_locked(self, lines);
    int error = errno;
    if (self->fd >= 0)
        lb_dead_letter_unlock(self->fd, LB_DEAD_LETTER_LOCK_WRITE);
    errno = error;
    return err;
}
