/*
 * manifest_writer.c - appends to MANIFEST.jsonl, so that a crash at any
 * instant leaves whole lines and, at worst, the beginning of one that is
 * dropped before the next.
 */
#include "manifest_writer.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_directories.h"
#include "lb_json.h"
#include "lb_time.h"

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
    LINE_BYTES_MAX = 64 * 1024, /* a path whose every byte is escaped, and the rest */
    FIELDS_MAX = 32,
};

struct manifest_file {
    int fd;
    uint64_t size; /* of whole lines */
    char prev[MANIFEST_HEX_SIZE];
};

void manifest_hex(const unsigned char *digest, char *text)
{
    for (unsigned i = 0; i < 32; i++)
        snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
}

void manifest_begin(struct lb_buffer *line, const char *event, const char *path)
{
    char time[LB_TIME_TEXT_SIZE];
    size_t len = lb_time_write(lb_clock_now(), time);

    lb_buffer_print(line, "{\"time\":\"%.*s\",\"event\":\"%s\",\"path\":\"", (int)len, time, event);
    lb_json_escape(line, lb_str_from(path));
    lb_buffer_append_char(line, '"');
}

/* --- the file --------------------------------------------------------------------- */

static bool path_of(const char *root, char *path, size_t size)
{
    size_t len = strlen(root);
    const char *between = len == 0 || root[len - 1] == '/' ? "" : "/";

    if ((size_t)snprintf(path, size, "%s%sMANIFEST.jsonl", root, between) < size)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

/* Reads the last whole line's hash, and cuts off what follows it. */
static bool find_end(struct manifest_file *file)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct stat status;
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (fstat(file->fd, &status) != 0)
        return false;

    uint64_t size = (uint64_t)status.st_size;
    size_t len = size < 2 * LINE_BYTES_MAX ? (size_t)size : 2 * LINE_BYTES_MAX;
    char *tail = lb_alloc(len + 1);
    bool ok = tail != NULL && pread(file->fd, tail, len, (off_t)(size - len)) == (ssize_t)len;
    const char *end = ok && len > 0 ? memrchr(tail, '\n', len) : NULL;

    file->size = end == NULL ? size - len : size - len + (size_t)(end - tail) + 1;
    memcpy(file->prev, zeros, sizeof(zeros));
    if (ok && end != NULL && end > tail) {
        const char *before = memrchr(tail, '\n', (size_t)(end - tail));
        const char *line = before == NULL ? tail : before + 1;

        ok = EVP_Digest(line, (size_t)(end - line), digest, NULL, EVP_sha256(), NULL) == 1;
        if (ok)
            manifest_hex(digest, file->prev);
    }
    lb_free(tail);
    return ok && (file->size == size || ftruncate(file->fd, (off_t)file->size) == 0);
}

static bool lock_file(int fd)
{
    int got;

    do
        got = flock(fd, LOCK_EX);
    while (got != 0 && errno == EINTR);
    return got == 0;
}

static void close_file(struct manifest_file *file)
{
    int err = errno;

    close(file->fd); /* and with it the lock */
    errno = err;
}

static bool open_file(const char *path, bool make, struct manifest_file *file)
{
    file->fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | (make ? O_CREAT : 0), FILE_MODE);
    if (file->fd < 0)
        return false;
    if (lock_file(file->fd) && find_end(file))
        return true;
    close_file(file);
    return false;
}

static bool write_line(const struct manifest_file *file, struct lb_str line)
{
    size_t done = 0;

    while (done < line.len) {
        ssize_t n = pwrite(file->fd, line.ptr + done, line.len - done, (off_t)(file->size + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done == line.len && fdatasync(file->fd) == 0)
        return true;
    /* If this fails as well, the next call finds a line without its end, or a whole one that is told twice. */
    int err = errno;
    errno = ftruncate(file->fd, (off_t)file->size) == 0 || err != 0 ? err : errno;
    return false;
}

bool manifest_append(const char *root, struct lb_str line)
{
    struct manifest_file file;
    struct lb_buffer whole;
    char path[PATH_MAX];

    if (!path_of(root, path, sizeof(path)) || !open_file(path, true, &file))
        return false;
    lb_buffer_init(&whole, LINE_BYTES_MAX);
    lb_buffer_append_str(&whole, line);
    lb_buffer_print(&whole, ",\"prev\":\"%s\"}\n", file.prev);
    errno = ENOMEM;
    /* Its name too, each time: who made the file may have been killed before it was on disk. */
    bool ok = !whole.failed && write_line(&file, lb_buffer_str(&whole)) && lb_directories_sync(path);

    lb_buffer_free(&whole);
    close_file(&file);
    return ok;
}

bool manifest_mend(const char *root)
{
    struct manifest_file file;
    char path[PATH_MAX];

    if (!path_of(root, path, sizeof(path)))
        return false;
    if (!open_file(path, false, &file))
        return errno == ENOENT;
    close_file(&file);
    return true;
}

/* --- reading ------------------------------------------------------------------------- */

static struct lb_str member(const struct lb_json_object *object, const char *key, struct lb_scratch *scratch)
{
    for (uint32_t i = 0; i < object->field_count; i++) {
        if (lb_str_is((struct lb_str){ object->fields[i].key.ptr, object->fields[i].key.len }, key))
            return lb_value_str(object->fields[i].value, scratch);
    }
    return (struct lb_str){ "", 0 };
}

void manifest_each(const char *root, void (*visit)(void *context, struct lb_str path, bool sealed), void *context)
{
    char name[PATH_MAX];
    char room[PATH_MAX + 256] = "";
    struct lb_field fields[FIELDS_MAX];
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    if (!path_of(root, name, sizeof(name)))
        return;
    FILE *file = fopen(name, "re");
    if (file == NULL)
        return;
    while ((len = getline(&line, &size, file)) > 0) {
        struct lb_scratch scratch = { room, sizeof(room), 0 };
        struct lb_json_object object = { .fields = fields, .field_max = FIELDS_MAX };

        if (lb_json_read_object((struct lb_str){ line, (size_t)len }, &object) != LB_OK)
            continue;
        struct lb_str path = member(&object, "path", &scratch);
        if (path.len > 0)
            visit(context, path, lb_str_is(member(&object, "event", &scratch), "sealed"));
    }
    free(line); /* getline's own */
    fclose(file);
}
