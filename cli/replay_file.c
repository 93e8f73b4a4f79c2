/*
 * replay_file.c - reads a file of dead letters, and replaces it by what is
 * left of it.
 *
 * The daemon may append at any time: what is behind the part that was read is
 * copied as it is, under the lock that the daemon takes for writing.
 */
#include "replay.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_directories.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STDIN_BYTES_MAX = 1024 * 1024 * 1024, ID_STREAM_DIGITS = 16, LOCK_TRIES = 500, LOCK_PAUSE_US = 20000 };

static bool fail(const char *path, const char *what)
{
    fprintf(stderr, "logboom: %s: %s: %s\n", path, what, strerror(errno));
    return false;
}

/* --- one letter ------------------------------------------------------------------- */

static bool read_id(struct lb_str id, struct letter *letter)
{
    char text[LB_RECORD_ID_SIZE];
    char *end;

    if (id.len <= ID_STREAM_DIGITS + 1 || id.len >= sizeof(text) || id.ptr[ID_STREAM_DIGITS] != '-')
        return false;
    memcpy(text, id.ptr, id.len);
    text[id.len] = '\0';
    letter->stream = strtoull(text, &end, 16);
    if (end != text + ID_STREAM_DIGITS)
        return false;
    letter->position = strtoull(text + ID_STREAM_DIGITS + 1, &end, 16);
    return *end == '\0';
}

static const struct lb_sink *find_sink(const struct lb_config *config, struct lb_str name)
{
    for (uint32_t i = 0; i < config->sink_count; i++) {
        if (lb_str_equal(config->sinks[i].section.name, name))
            return &config->sinks[i];
    }
    return NULL;
}

static struct lb_str member(struct lb_value object, const char *name)
{
    struct lb_value value = lb_value_member(object, lb_str_from(name));

    return value.kind != LB_VALUE_NONE ? (struct lb_str){ value.ptr, value.len } : (struct lb_str){ NULL, 0 };
}

static bool is_asked_for(const struct letter_choice *choice, struct lb_str timestamp)
{
    int64_t time;

    if (choice->since_ns == INT64_MIN && choice->until_ns == INT64_MAX)
        return true;
    return lb_time_rfc3339(timestamp, &time) && time >= choice->since_ns && time < choice->until_ns;
}

/* NULL: it is due or not asked for; otherwise what is wrong with it. */
static const char *read_letter(struct lb_str line, const struct letter_choice *choice, struct letter *letter)
{
    static char text[160];
    struct lb_value object = lb_value_of(line, LB_VALUE_OBJECT);

    if (line.len == 0 || *line.ptr != '{' || !lb_json_valid(line))
        return "not a dead letter: it is not JSON";
    struct lb_value record = lb_value_member(object, LB_STR("record"));
    if (record.kind != LB_VALUE_OBJECT || !read_id(member(object, "id"), letter))
        return "not a dead letter: id or record is missing";
    struct lb_str name = choice->sink.len > 0 ? choice->sink : member(object, "sink");
    const struct lb_sink *sink = find_sink(choice->config, name);
    letter->record = (struct lb_str){ record.ptr, record.len };
    if (!is_asked_for(choice, member(object, "timestamp")))
        return NULL;
    if (sink == NULL) {
        snprintf(text, sizeof(text), "the configuration has no sink \"%.*s\"; name one with --sink",
                 (int)(name.len < 80 ? name.len : 80), name.len > 0 ? name.ptr : "");
        return text;
    }
    letter->sink = sink->index;
    letter->alert = lb_str_is(member(object, "alert"), "true");
    letter->state = LETTER_DUE;
    return NULL;
}

static bool add_letter(struct letter_file *file, size_t *capacity, const struct letter *letter)
{
    struct letter *letters = lb_grown(file->letters, file->count, capacity, sizeof(*letters));

    if (letters == NULL)
        return false;
    file->letters = letters;
    file->letters[file->count++] = *letter;
    return true;
}

/* Each fault once in a row: a file that belongs to another configuration has the same one a thousand times. */
static void tell_fault(const struct letter_file *file, const char *fault, const char **last)
{
    static char before[160];

    if (*last != NULL && strcmp(before, fault) == 0)
        return;
    snprintf(before, sizeof(before), "%s", fault);
    *last = before;
    fprintf(stderr, "logboom: %s:%zu: %s; it stays in the file\n", file->path, file->count + 1, fault);
}

static bool read_letters(struct letter_file *file, const struct letter_choice *choice)
{
    const char *last = NULL;
    size_t capacity = 0;

    for (size_t at = 0; at < file->length;) {
        const char *newline = memchr(file->text + at, '\n', file->length - at);
        size_t len = newline != NULL ? (size_t)(newline - file->text) - at : file->length - at;
        struct letter letter = { .offset = at, .length = (uint32_t)len, .state = LETTER_KEPT };
        const char *fault = read_letter((struct lb_str){ file->text + at, len }, choice, &letter);

        if (fault != NULL)
            tell_fault(file, fault, &last);
        if (!add_letter(file, &capacity, &letter)) {
            errno = ENOMEM;
            return fail(file->path, "cannot be read");
        }
        at += len + 1;
    }
    return true;
}

/* --- reading ------------------------------------------------------------------------- */

/* Whole lines only: the last one may still be on its way. Everything of standard input. */
static bool read_text(struct letter_file *file)
{
    struct lb_buffer text;
    bool is_file = strcmp(file->path, "-") != 0;
    ssize_t got = 0;

    lb_buffer_init(&text, STDIN_BYTES_MAX);
    while (lb_buffer_reserve(&text, (size_t)256 * 1024) &&
           (got = read(file->fd, text.ptr + text.len, (size_t)256 * 1024)) > 0)
        text.len += (size_t)got;
    if (text.failed)
        errno = EFBIG;
    file->text = text.ptr;
    file->length = text.len;
    while (is_file && file->length > 0 && file->text[file->length - 1] != '\n')
        file->length--;
    return (!text.failed && got == 0) || fail(file->path, "cannot be read");
}

static bool is_named(const struct letter_file *file)
{
    struct stat named;
    struct stat ours;

    return stat(file->path, &named) == 0 && fstat(file->fd, &ours) == 0 && named.st_ino == ours.st_ino &&
           named.st_dev == ours.st_dev;
}

static bool open_locked(struct letter_file *file)
{
    file->fd = open(file->path, O_RDWR | O_CLOEXEC);
    if (file->fd < 0)
        return fail(file->path, "cannot be opened");
    if (!lb_dead_letter_lock(file->fd, LB_DEAD_LETTER_LOCK_REPLAY)) {
        fprintf(stderr, "logboom: %s: another replay is working on it\n", file->path);
        return false;
    }
    /* It may have been replaced between the two by a replay that has just ended. */
    if (is_named(file))
        return true;
    fprintf(stderr, "logboom: %s: was replaced a moment ago; try again\n", file->path);
    return false;
}

bool letter_file_open(struct letter_file *file, const char *path, const struct letter_choice *choice,
                      const char *scratch_dir)
{
    bool is_stdin = strcmp(path, "-") == 0;

    *file = (struct letter_file){ .path = path, .fd = -1 };
    if (is_stdin)
        file->fd = STDIN_FILENO;
    else if (!open_locked(file))
        return false;
    if (is_stdin)
        snprintf(file->refused_path, sizeof(file->refused_path), "%s/refused", scratch_dir);
    else
        snprintf(file->refused_path, sizeof(file->refused_path), "%s.refused", path);
    unlink(file->refused_path); /* of a replay that was killed: its letters are all in the file itself */
    return read_text(file) && read_letters(file, choice);
}

void letter_file_close(struct letter_file *file)
{
    if (file->fd > STDIN_FILENO)
        close(file->fd);
    if (file->refused_path[0] != '\0')
        unlink(file->refused_path);
    lb_free(file->text);
    lb_free(file->letters);
    *file = (struct letter_file){ .fd = -1 };
}

/* --- what is left ---------------------------------------------------------------------- */

static bool copy_letters(const struct letter_file *file, FILE *out, uint64_t *left)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct letter *letter = &file->letters[i];

        if (letter->state == LETTER_DONE)
            continue;
        (*left)++;
        if (fwrite(file->text + letter->offset, 1, letter->length, out) != letter->length || fputc('\n', out) == EOF)
            return false;
    }
    return true;
}

/* Those that were refused again, with their new reasons, and only as far as they count. */
static bool copy_refused(struct letter_file *file, FILE *out)
{
    FILE *in = file->refused_end > 0 ? fopen(file->refused_path, "re") : NULL;
    bool copied = file->refused_end == 0 || in != NULL;
    int c;

    for (uint64_t i = 0; copied && i < file->refused_end && (c = getc(in)) != EOF; i++) {
        file->refused += c == '\n';
        copied = putc(c, out) != EOF;
    }
    if (in != NULL)
        fclose(in);
    return copied;
}

/* What the daemon has added since the file was read. */
static bool copy_added(const struct letter_file *file, FILE *out, uint64_t *left)
{
    char bytes[64 * 1024];
    off_t at = (off_t)file->length;
    ssize_t got;

    while ((got = pread(file->fd, bytes, sizeof(bytes), at)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            *left += bytes[i] == '\n';
        if (fwrite(bytes, 1, (size_t)got, out) != (size_t)got)
            return false;
        at += got;
    }
    return got == 0;
}

static bool lock_for_writing(const struct letter_file *file)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (lb_dead_letter_lock(file->fd, LB_DEAD_LETTER_LOCK_WRITE))
            return true;
        usleep(LOCK_PAUSE_US);
    }
    return false;
}

static bool write_new(struct letter_file *file, const char *path, uint64_t *left)
{
    struct stat info;
    FILE *out = fopen(path, "we");

    if (out == NULL)
        return false;
    bool written = fstat(file->fd, &info) == 0 && fchmod(fileno(out), info.st_mode & 0777) == 0;
    /* The daemon, which may be another user, goes on appending to it. */
    if (written && geteuid() == 0)
        written = fchown(fileno(out), info.st_uid, info.st_gid) == 0;
    written = written && copy_letters(file, out, left) && copy_refused(file, out) && copy_added(file, out, left) &&
              fflush(out) == 0 && fsync(fileno(out)) == 0;
    *left += file->refused;
    return fclose(out) == 0 && written;
}

static bool replace(struct letter_file *file, uint64_t *left)
{
    char path[PATH_MAX + 8];

    snprintf(path, sizeof(path), "%s.new", file->path);
    if (!write_new(file, path, left)) {
        int error = errno;

        unlink(path);
        errno = error;
        return false;
    }
    if (*left > 0)
        return rename(path, file->path) == 0 && lb_directories_sync(file->path);
    unlink(path);
    return unlink(file->path) == 0 && lb_directories_sync(file->path);
}

static bool anything_done(const struct letter_file *file)
{
    for (size_t i = 0; i < file->count; i++) {
        if (file->letters[i].state == LETTER_DONE)
            return true;
    }
    return false;
}

/* Under the lock: the daemon does not rename it now, but it may have done so while the letters were sent. */
static bool replace_named(struct letter_file *file, uint64_t *left)
{
    if (is_named(file))
        return replace(file, left) || fail(file->path, "cannot be replaced, delivered letters are still in it");
    fprintf(stderr,
            "logboom: %s: was removed, or reached its bound and became %s.2, while its letters were sent; those that "
            "were delivered are still in it, and go again under the same ids if that is replayed\n",
            file->path, file->path);
    *left = file->count;
    return false;
}

bool letter_file_finish(struct letter_file *file, uint64_t *left)
{
    *left = 0;
    if (strcmp(file->path, "-") == 0)
        return (copy_letters(file, stdout, left) && copy_refused(file, stdout) && fflush(stdout) == 0) ||
               fail("standard output", "cannot write what is left");
    if (!anything_done(file)) {
        *left = file->count;
        return true;
    }
    if (!lock_for_writing(file))
        return fail(file->path, "cannot be locked, delivered letters are still in it");
    bool replaced = replace_named(file, left);
    lb_dead_letter_unlock(file->fd, LB_DEAD_LETTER_LOCK_WRITE);
    return replaced;
}
