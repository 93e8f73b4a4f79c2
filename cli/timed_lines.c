/*
 * timed_lines.c - many archives, one stream of lines by time.
 *
 * A heap of files by the time of their next line. The tricky thing is the
 * file that was not read yet: it stands in the heap with the first time that
 * its zone map knows, and is read when it comes to the top.
 */
#include "timed_lines.h"

#include "archive_scan.h"

#include "lb_alloc.h"
#include "lb_archive.h"
#include "lb_line_records.h"
#include "lb_time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 64 * 1024 * 1024 };

struct timed_file {
    uint32_t index;
    const char *path;
    struct lb_archive *archive;
    struct lb_archive_decoder *decoder; /* of a stream, which goes on where it was */
    uint64_t *bits;                     /* wanted blocks */
    uint32_t next_block;
    struct lb_buffer text;
    size_t at; /* of the line behind the next one */
    struct lb_str line;
    int64_t time_ns; /* of the next line, or what is known of it */
    bool read;       /* `line` is set */
};

struct timed_lines {
    const struct archive_paths *paths;
    struct timed_file *files;
    struct timed_file **heap;
    uint32_t count;
    struct lb_archive_decoder *decoder; /* of all blocks */
    struct lb_line_records records;
    struct lb_time_second second;
    int64_t since_ns;
    int64_t until_ns;
    struct progress *progress;
    uint64_t blocks_read;
    uint64_t blocks;
    bool failed;
};

/* --- the heap ------------------------------------------------------------------------- */

/* Of one time: the file that was named first. */
static bool is_before(const struct timed_file *a, const struct timed_file *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->index < b->index;
}

static void sink_down(struct timed_lines *self, uint32_t i)
{
    for (;;) {
        uint32_t least = i;

        for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < self->count; child++)
            if (is_before(self->heap[child], self->heap[least]))
                least = child;
        if (least == i)
            return;
        struct timed_file *file = self->heap[i];
        self->heap[i] = self->heap[least];
        self->heap[least] = file;
        i = least;
    }
}

/* --- one file --------------------------------------------------------------------------- */

static void close_file(struct timed_file *file)
{
    if (file->archive != NULL)
        lb_archive_close(file->archive);
    if (file->decoder != NULL)
        lb_archive_decoder_free(file->decoder);
    lb_free(file->bits);
    lb_buffer_free(&file->text);
    file->archive = NULL;
    file->decoder = NULL;
    file->bits = NULL;
}

static void complain(struct timed_lines *self, const struct timed_file *file, enum lb_err err, lb_archive_reason reason)
{
    if (self->progress != NULL)
        progress_hide(self->progress);
    if (reason == NULL)
        reason = err == LB_IO ? strerror(errno) : lb_err_name(err);
    fprintf(stderr, "logboom: %s: a part is left out: %s\n", file->path, reason);
    self->failed = true;
}

/* The time of a line: that of archives is found without reading the whole. */
static int64_t time_of(struct timed_lines *self, const struct timed_file *file, struct lb_str line)
{
    static const char head[] = "{\"timestamp\":\"";
    struct lb_record record;
    int64_t time_ns;

    if (lb_str_starts(line, LB_STR("{\"timestamp\":\""))) {
        struct lb_str text = { line.ptr + sizeof(head) - 1, line.len - (sizeof(head) - 1) };
        const char *quote = text.len > 0 ? memchr(text.ptr, '"', text.len) : NULL;

        text.len = quote != NULL ? (size_t)(quote - text.ptr) : 0;
        if (lb_time_rfc3339_cached(&self->second, text, &time_ns))
            return time_ns;
    }
    lb_line_records_begin(&self->records);
    lb_line_records_read(&self->records, line, &record);
    if ((record.flags & LB_RECORD_NO_TIME) == 0 && record.time_ns != LB_TIME_NONE)
        return record.time_ns;
    return file->time_ns != INT64_MIN ? file->time_ns : self->since_ns;
}

/* The next text of the file is in file->text. LB_END: there is no more. */
static enum lb_err read_text(struct timed_lines *self, struct timed_file *file)
{
    const struct lb_archive_summary *summary = lb_archive_summary(file->archive);
    lb_archive_reason reason = NULL;
    struct lb_str text = { NULL, 0 };
    enum lb_err err = LB_OK;

    if (summary->kind == LB_ARCHIVE_STREAM) {
        err = lb_archive_next(file->archive, file->decoder, &text, &reason);
        if (err != LB_OK && self->progress != NULL)
            progress_add(self->progress, summary->packed_bytes);
    } else {
        const struct lb_archive_block *blocks = lb_archive_blocks(file->archive);
        uint32_t i = file->next_block;

        while (i < summary->block_count && (file->bits[i / 64] >> (i % 64) & 1) == 0)
            i++;
        file->next_block = i + 1;
        if (i >= summary->block_count)
            return LB_END;
        err = lb_archive_read(file->archive, self->decoder, i, true, &text, &reason);
        self->blocks_read++;
        if (self->progress != NULL)
            progress_add(self->progress, blocks[i].packed);
    }
    lb_buffer_reset(&file->text);
    file->at = 0;
    if (err == LB_OK)
        lb_buffer_append_str(&file->text, text);
    else if (err != LB_END)
        complain(self, file, err, reason);
    if (file->text.failed)
        return LB_NOMEM;
    /* A damaged block is passed over, a stream ends there. */
    return err == LB_OK || err == LB_END || summary->kind == LB_ARCHIVE_STREAM ? err : LB_OK;
}

/* The next line of the file that is wanted. False: there is none. */
static bool advance(struct timed_lines *self, struct timed_file *file)
{
    for (;;) {
        if (file->at >= file->text.len) {
            if (read_text(self, file) != LB_OK)
                return false;
            continue;
        }
        const char *begin = file->text.ptr + file->at;
        const char *end = memchr(begin, '\n', file->text.len - file->at);
        size_t len = end != NULL ? (size_t)(end - begin) : file->text.len - file->at;

        file->at += len + 1;
        if (len == 0)
            continue;
        file->line = (struct lb_str){ begin, len };
        int64_t time_ns = time_of(self, file, file->line);
        if (time_ns < self->since_ns || time_ns >= self->until_ns)
            continue;
        file->time_ns = time_ns > file->time_ns ? time_ns : file->time_ns;
        file->read = true;
        return true;
    }
}

/* False: nothing of it is wanted, or it cannot be read. */
static bool open_file(struct timed_lines *self, struct timed_file *file)
{
    const struct lb_archive_query query = { .since_ns = self->since_ns, .until_ns = self->until_ns };

    file->archive = archive_open(file->path);
    if (file->archive == NULL) {
        self->failed = true;
        return false;
    }
    const struct lb_archive_summary *summary = lb_archive_summary(file->archive);
    self->blocks += summary->block_count;
    if (summary->kind == LB_ARCHIVE_STREAM) {
        file->decoder = lb_archive_decoder_new();
        return file->decoder != NULL;
    }
    if (summary->block_count == 0)
        return false;
    file->bits = lb_alloc((summary->block_count + 63) / 64 * sizeof(*file->bits));
    if (file->bits == NULL || lb_archive_select(file->archive, &query, file->bits) == LB_NOMEM)
        return false;
    if (summary->kind == LB_ARCHIVE_SEALED && summary->first_ns <= summary->last_ns) {
        if (summary->last_ns < self->since_ns || summary->first_ns >= self->until_ns)
            return false;
        file->time_ns = summary->first_ns;
    }
    return true;
}

/* --- all of them ---------------------------------------------------------------------------- */

static bool open_files(struct timed_lines *self)
{
    for (size_t i = 0; i < self->paths->count; i++) {
        struct timed_file *file = &self->files[i];

        *file = (struct timed_file){ .index = (uint32_t)i, .path = self->paths->items[i].name, .time_ns = INT64_MIN };
        lb_buffer_init(&file->text, TEXT_BYTES_MAX);
        if (open_file(self, file))
            self->heap[self->count++] = file;
        else
            close_file(file);
    }
    for (uint32_t i = self->count; i-- > 0;)
        sink_down(self, i);
    return true;
}

struct timed_lines *timed_lines_open(const struct archive_paths *paths, int64_t since_ns, int64_t until_ns,
                                     struct progress *progress)
{
    struct timed_lines *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->paths = paths;
    self->since_ns = since_ns;
    self->until_ns = until_ns;
    self->progress = progress;
    self->files = lb_alloc((paths->count + 1) * sizeof(*self->files));
    self->heap = lb_alloc((paths->count + 1) * sizeof(struct timed_file *));
    self->decoder = lb_archive_decoder_new();
    if (!lb_line_records_open(&self->records) || self->files == NULL || self->heap == NULL || self->decoder == NULL) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
        timed_lines_close(self);
        return NULL;
    }
    open_files(self);
    return self;
}

void timed_lines_close(struct timed_lines *lines)
{
    if (lines == NULL)
        return;
    for (size_t i = 0; lines->files != NULL && i < lines->paths->count; i++)
        close_file(&lines->files[i]);
    if (lines->decoder != NULL)
        lb_archive_decoder_free(lines->decoder);
    lb_line_records_close(&lines->records);
    lb_free(lines->files);
    lb_free((void *)lines->heap);
    lb_free(lines);
}

/* The top of the heap has another time, or is at its end. */
static void settle(struct timed_lines *self)
{
    struct timed_file *file = self->heap[0];

    if (!advance(self, file)) {
        close_file(file);
        self->heap[0] = self->heap[--self->count];
    }
    sink_down(self, 0);
}

bool timed_lines_peek(struct timed_lines *lines, struct timed_line *line)
{
    while (lines->count > 0 && !lines->heap[0]->read)
        settle(lines);
    if (lines->count == 0)
        return false;
    const struct timed_file *file = lines->heap[0];
    *line = (struct timed_line){ file->line, file->time_ns, file->index };
    return true;
}

void timed_lines_take(struct timed_lines *lines)
{
    lines->heap[0]->read = false;
    settle(lines);
}

bool timed_lines_failed(const struct timed_lines *lines)
{
    return lines->failed;
}

void timed_lines_blocks(const struct timed_lines *lines, uint64_t *read, uint64_t *all)
{
    *read = lines->blocks_read;
    *all = lines->blocks;
}
