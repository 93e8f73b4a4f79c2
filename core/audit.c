/*
 * audit.c - appends to the chain, and follows it.
 *
 * Nothing is kept between two appends: the end of the file says how the chain
 * goes on. So a crash, another process and a disk that fails are one case. The
 * tricky thing is the renaming of a full file: who waited for the lock may
 * hold that of a file which has another name by now, and must begin again.
 */
#include "lb_audit.h"

#include "lb_alloc.h"
#include "lb_buffer.h"
#include "lb_directories.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MODE = 0640,
    LINE_BYTES_MAX = 64 * 1024,
    FILE_BYTES_MAX = 8 * 1024 * 1024,
    FILES_MAX = 4096, /* that are read; 32 GiB */
    HASH_LENGTH = LB_AUDIT_HASH_SIZE - 1,
};

static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
static const char head[] = "{\"sequence\":";
static const char tail[] = ",\"prev\":\"";

/* Where the chain goes on. */
struct end {
    uint64_t sequence; /* of the last line; 0: there is none */
    uint64_t size;     /* of whole lines */
    char hash[LB_AUDIT_HASH_SIZE];
};

static bool hash_line(struct lb_str line, char *hash)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(line.ptr, line.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    for (int i = 0; i < HASH_LENGTH / 2; i++)
        snprintf(hash + (size_t)2 * (size_t)i, 3, "%02x", digest[i]);
    return true;
}

/* Of `{"sequence":12,…`; 0: it does not begin so. */
static uint64_t sequence_of(struct lb_str line)
{
    uint64_t sequence = 0;
    size_t at = sizeof(head) - 1;

    if (line.len <= at || memcmp(line.ptr, head, at) != 0)
        return 0;
    for (; at < line.len && line.ptr[at] >= '0' && line.ptr[at] <= '9' && sequence < UINT64_MAX / 16; at++)
        sequence = sequence * 10 + (uint64_t)(line.ptr[at] - '0');
    return at < line.len && line.ptr[at] == ',' ? sequence : 0;
}

/* --- the directory ------------------------------------------------------------------ */

/* "audit.0000000001.log" */
static bool is_renamed(const char *name)
{
    size_t len = strlen(name);

    return len > 10 && strncmp(name, "audit.", 6) == 0 && name[6] >= '0' && name[6] <= '9' &&
           strcmp(name + len - 4, ".log") == 0;
}

static bool directory_of(const char *path, char *directory)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;

    if (len >= PATH_MAX - NAME_MAX - 2) {
        errno = ENAMETOOLONG;
        return false;
    }
    snprintf(directory, PATH_MAX, "%.*s", slash != NULL ? (int)len : 1, slash != NULL ? path : ".");
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Paths of the renamed files, the oldest first. False: errno says why. */
static bool list_renamed(const char *path, char **files, size_t *count)
{
    char directory[PATH_MAX];
    const struct dirent *entry;

    *count = 0;
    if (!directory_of(path, directory))
        return false;
    DIR *listing = opendir(directory);
    if (listing == NULL)
        return false;
    while ((entry = readdir(listing)) != NULL && *count < FILES_MAX) {
        size_t size = strlen(directory) + strlen(entry->d_name) + 2;

        if (!is_renamed(entry->d_name))
            continue;
        files[*count] = lb_alloc(size);
        if (files[*count] != NULL)
            snprintf(files[(*count)++], size, "%s/%s", directory, entry->d_name);
    }
    closedir(listing);
    qsort((void *)files, *count, sizeof(*files), compare_names);
    return true;
}

static void free_list(char **files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        lb_free(files[i]);
    lb_free((void *)files);
}

/* --- the end of the chain -------------------------------------------------------------- */

/* The last whole line of an open file. */
static bool find_end(int fd, struct end *end)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return false;
    uint64_t size = (uint64_t)status.st_size;
    size_t len = size < 2 * LINE_BYTES_MAX ? (size_t)size : 2 * LINE_BYTES_MAX;
    char *bytes = lb_alloc(len + 1);
    bool ok = bytes != NULL && pread(fd, bytes, len, (off_t)(size - len)) == (ssize_t)len;
    const char *last = ok ? memrchr(bytes, '\n', len) : NULL;

    end->size = last == NULL ? 0 : size - len + (size_t)(last - bytes) + 1;
    if (last != NULL) {
        const char *before = memrchr(bytes, '\n', (size_t)(last - bytes));
        struct lb_str line = { before != NULL ? before + 1 : bytes, 0 };

        line.len = (size_t)(last - line.ptr);
        end->sequence = sequence_of(line);
        ok = hash_line(line, end->hash);
    }
    lb_free(bytes);
    return ok;
}

/* A new file goes on behind the newest of those that were renamed. */
static bool find_end_before(const char *path, struct end *end)
{
    char **files = lb_alloc(FILES_MAX * sizeof(char *));
    size_t count = 0;
    bool ok = files != NULL && list_renamed(path, files, &count);

    if (ok && count > 0) {
        int fd = open(files[count - 1], O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        ok = fd >= 0 && find_end(fd, end);
        if (fd >= 0)
            close(fd);
        end->size = 0;
    }
    free_list(files, count);
    return ok;
}

/* --- appending -------------------------------------------------------------------------- */

static bool lock(int fd)
{
    int got;

    do
        got = flock(fd, LOCK_EX);
    while (got != 0 && errno == EINTR);
    return got == 0;
}

static bool has_name(int fd, const char *path)
{
    struct stat held;
    struct stat named;

    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

static void close_quietly(int fd)
{
    int err = errno;

    close(fd); /* and with it the lock */
    errno = err;
}

/* The file of that name, locked; -1: errno says why. */
static int open_locked(const char *path)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);

        if (fd < 0)
            return -1;
        if (!lock(fd)) {
            close_quietly(fd);
            return -1;
        }
        if (has_name(fd, path))
            return fd;
        close(fd);
    }
}

/* Its new name tells which line it begins with. */
static bool rename_full(int fd, const char *path)
{
    char first[64] = "";
    char directory[PATH_MAX];
    char name[PATH_MAX + 64];

    if (pread(fd, first, sizeof(first) - 1, 0) <= 0 || !directory_of(path, directory))
        return false;
    snprintf(name, sizeof(name), "%s/audit.%010llu.log", directory,
             (unsigned long long)sequence_of(lb_str_from(first)));
    return access(name, F_OK) != 0 && rename(path, name) == 0;
}

static bool write_at(int fd, struct lb_str bytes, uint64_t at)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = pwrite(fd, bytes.ptr + done, bytes.len - done, (off_t)(at + done));

        if (n < 0 && errno != EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* What a crash left of a line is cut, and so is this one when it cannot be made to last. */
static bool write_line(int fd, const char *path, struct lb_str members, const struct end *end)
{
    struct lb_buffer line;

    lb_buffer_init(&line, LINE_BYTES_MAX);
    lb_buffer_print(&line, "%s%llu,", head, (unsigned long long)end->sequence + 1);
    lb_buffer_append_str(&line, members);
    lb_buffer_print(&line, "%s%s\"}\n", tail, end->hash);
    errno = ENOMEM;
    bool ok = !line.failed && ftruncate(fd, (off_t)end->size) == 0 && write_at(fd, lb_buffer_str(&line), end->size) &&
              fsync(fd) == 0 && (end->size > 0 || lb_directories_sync(path));
    int cause = errno;

    if (!ok && ftruncate(fd, (off_t)end->size) != 0)
        cause = errno;
    lb_buffer_free(&line);
    errno = cause;
    return ok;
}

enum lb_err lb_audit_append(const char *path, struct lb_str members)
{
    struct end end = { 0 };

    if (members.len > LB_AUDIT_MEMBERS_MAX)
        return LB_LIMIT;
    memcpy(end.hash, zeros, sizeof(zeros));
    int fd = open_locked(path);
    bool ok = fd >= 0 && find_end(fd, &end);

    if (ok && end.size >= FILE_BYTES_MAX && rename_full(fd, path)) {
        close(fd);
        fd = open_locked(path);
        ok = fd >= 0 && find_end(fd, &end);
    }
    if (ok && end.size == 0)
        ok = find_end_before(path, &end);
    ok = ok && write_line(fd, path, members, &end);
    if (fd >= 0)
        close_quietly(fd);
    return ok ? LB_OK : LB_IO;
}

/* --- following ---------------------------------------------------------------------------- */

struct walk {
    void (*visit)(void *context, const struct lb_audit_line *line);
    void *context;
    uint64_t sequence; /* of the line before */
    char hash[LB_AUDIT_HASH_SIZE];
    bool any;
};

static struct lb_str prev_of(struct lb_str line)
{
    size_t len = sizeof(tail) - 1 + HASH_LENGTH + 2;
    struct lb_str none = { "", 0 };

    if (line.len < len || memcmp(line.ptr + line.len - 2, "\"}", 2) != 0 ||
        memcmp(line.ptr + line.len - len, tail, sizeof(tail) - 1) != 0)
        return none;
    return (struct lb_str){ line.ptr + line.len - HASH_LENGTH - 2, HASH_LENGTH };
}

static const char *judge(const struct walk *walk, struct lb_str line, uint64_t sequence)
{
    struct lb_str prev = prev_of(line);

    if (sequence == 0 || prev.len == 0)
        return "it is no line of an audit log: it was changed";
    if (!walk->any)
        return sequence == 1 && !lb_str_is(prev, zeros) ? "`prev` tells of a line before the first one" : NULL;
    if (!lb_str_is(prev, walk->hash))
        return "`prev` is not the hash of the line before: that line was changed, or lines between are gone";
    return sequence == walk->sequence + 1 ? NULL : "its number does not follow that of the line before";
}

static void visit_line(struct walk *walk, const char *file, size_t number, struct lb_str text)
{
    struct lb_audit_line line = { .file = file, .number = number, .text = text, .sequence = sequence_of(text) };

    line.problem = judge(walk, text, line.sequence);
    if (!hash_line(text, walk->hash))
        line.problem = "its hash cannot be made: no memory";
    line.hash = walk->hash;
    walk->sequence = line.sequence != 0 ? line.sequence : walk->sequence + 1;
    walk->any = true;
    walk->visit(walk->context, &line);
}

static bool walk_file(struct walk *walk, const char *name)
{
    FILE *file = fopen(name, "re");
    char *line = NULL;
    size_t size = 0;
    size_t number = 0;
    ssize_t length;

    if (file == NULL)
        return false;
    while ((length = getline(&line, &size, file)) > 0 && line[length - 1] == '\n')
        visit_line(walk, name, ++number, (struct lb_str){ line, (size_t)length - 1 });
    free(line); /* getline's own */
    bool ok = ferror(file) == 0;
    fclose(file);
    return ok;
}

bool lb_audit_read(const char *path, void (*visit)(void *context, const struct lb_audit_line *line), void *context)
{
    struct walk walk = { .visit = visit, .context = context };
    char **files = lb_alloc(FILES_MAX * sizeof(char *));
    size_t count = 0;
    bool ok = files != NULL && list_renamed(path, files, &count);

    for (size_t i = 0; ok && i < count; i++)
        ok = walk_file(&walk, files[i]);
    ok = ok && (walk_file(&walk, path) || (errno == ENOENT && count > 0));
    int cause = errno;

    free_list(files, count);
    errno = cause;
    return ok;
}
