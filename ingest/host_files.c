/*
 * host_files.c - files of /proc and /sys, line by line.
 *
 * Whatever stands there (a pipe, a device without an end, one line of many
 * megabytes) costs a bounded time: it is opened without waiting, lines are
 * cut at the buffer, and no file is read past its bound.
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 0))) static bool open_path(struct host_file *file, struct lb_str root, const char *fmt,
                                                            va_list args)
{
    char path[PATH_MAX];
    struct stat status;
    size_t len = root.len;

    *file = (struct host_file){ .fd = -1 };
    while (len > 0 && root.ptr[len - 1] == '/')
        len--;
    if (len >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(path, root.ptr, len);
    int more = vsnprintf(path + len, sizeof(path) - len, fmt, args);
    if (more < 0 || (size_t)more >= sizeof(path) - len) {
        errno = ENAMETOOLONG;
        return false;
    }
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file->fd < 0)
        return false;
    if (fstat(file->fd, &status) == 0 && S_ISREG(status.st_mode))
        return true;
    close(file->fd);
    file->fd = -1;
    errno = EINVAL;
    return false;
}

bool host_open(struct host_file *file, struct lb_str root, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    bool opened = open_path(file, root, fmt, args);
    va_end(args);
    return opened;
}

void host_close(struct host_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* More bytes behind what is there. False at the end. */
static bool fill(struct host_file *file)
{
    if (file->start > 0) {
        memmove(file->text, file->text + file->start, file->len - file->start);
        file->len -= file->start;
        file->start = 0;
    }
    if (file->total >= HOST_FILE_BYTES_MAX || file->len == sizeof(file->text))
        return false;
    ssize_t got = read(file->fd, file->text + file->len, sizeof(file->text) - file->len);
    if (got <= 0)
        return false;
    file->len += (size_t)got;
    file->total += (size_t)got;
    return true;
}

/* The rest of a long line is passed over. */
static bool take_line(struct host_file *file, const char *newline, struct lb_str *line)
{
    bool skipped = file->skipping;

    *line = (struct lb_str){ file->text + file->start, (size_t)(newline - file->text) - file->start };
    file->start += line->len + 1;
    file->skipping = false;
    return !skipped;
}

static bool take_rest(struct host_file *file, struct lb_str *line)
{
    bool taken = file->len > file->start && !file->skipping;
    bool full = file->len == sizeof(file->text) && file->start == 0;

    *line = (struct lb_str){ file->text + file->start, file->len - file->start };
    file->start = file->len;
    file->skipping = full;
    return taken;
}

bool host_line(struct host_file *file, struct lb_str *line)
{
    for (;;) {
        const char *newline = memchr(file->text + file->start, '\n', file->len - file->start);

        if (newline != NULL && take_line(file, newline, line))
            return true;
        if (newline != NULL || fill(file))
            continue;
        bool at_end = file->len < sizeof(file->text) || file->total >= HOST_FILE_BYTES_MAX;
        if (take_rest(file, line))
            return true;
        if (at_end)
            return false;
    }
}

/* --- words and numbers ---------------------------------------------------------- */

static void skip_blanks(struct lb_str *text)
{
    while (text->len > 0 && (*text->ptr == ' ' || *text->ptr == '\t')) {
        text->ptr++;
        text->len--;
    }
}

struct lb_str host_take_word(struct lb_str *text)
{
    skip_blanks(text);
    struct lb_str word = { text->ptr, 0 };
    while (word.len < text->len && word.ptr[word.len] != ' ' && word.ptr[word.len] != '\t')
        word.len++;
    text->ptr += word.len;
    text->len -= word.len;
    return word;
}

bool host_take_number(struct lb_str *text, uint64_t *number)
{
    uint64_t value = 0;
    size_t digits = 0;

    skip_blanks(text);
    for (; digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9'; digits++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text->ptr[digits] - '0'), &value))
            return false;
    }
    if (digits == 0)
        return false;
    text->ptr += digits;
    text->len -= digits;
    *number = value;
    return true;
}

bool host_number(struct lb_str root, uint64_t *number, const char *fmt, ...)
{
    struct host_file file;
    struct lb_str line;
    va_list args;

    va_start(args, fmt);
    bool found = open_path(&file, root, fmt, args);
    va_end(args);
    found = found && host_line(&file, &line) && host_take_number(&line, number);
    host_close(&file);
    return found;
}

bool host_keyed(struct lb_str root, const char *path, const char *key, uint64_t *number)
{
    struct host_file file;
    struct lb_str line;
    bool found = false;

    if (!host_open(&file, root, "%s", path))
        return false;
    while (!found && host_line(&file, &line))
        found = lb_str_is(host_take_word(&line), key) && host_take_number(&line, number);
    host_close(&file);
    return found;
}
