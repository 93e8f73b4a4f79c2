/*
 * grep_merge.c - `--sort time`: the lines of all files by the time of their
 * records.
 *
 * Each file has a cursor with the next lines of one block, sorted; the
 * earliest of all cursors is printed. A file that is known to begin later
 * stays closed until its time comes. What all cursors hold together is
 * bounded: one that may not keep all lines of a block reads it again for the
 * rest. So lines of one file come by time as far as its blocks do. One thread.
 */
#include "grep.h"

#include "lb_alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
    HELD_MAX = 256 * 1024 * 1024, /* by all cursors, */
    HELD_MIN = 16 * 1024,         /* but each may hold this */
    OUT_BYTES = 64 * 1024,
};

struct cursor {
    const char *path;
    size_t order;    /* of the argument */
    int64_t time_ns; /* of its next line; before it is open: not later than that */
    bool is_open, ended;
    struct grep_file file;
    uint32_t block; /* that `part` is from, or the next one */
    size_t passed;  /* lines of it that were printed, and are not in `part` */
    bool more;      /* it has lines that are not in `part` */
    uint64_t base;  /* lines before it */
    uint64_t block_lines;
    uint64_t matches;
    struct grep_part part;
    size_t at; /* in its lines */
};

struct merge {
    const struct grep_options *options;
    const struct grep_pattern *pattern;
    struct grep_print *print;
    struct grep_totals *totals;
    struct grep_scan scan;
    struct lb_archive_decoder *decoder;
    struct grep_part read; /* a block as it was read */
    struct cursor *cursors;
    struct cursor **heap;
    size_t count;
    size_t held_max; /* by one cursor */
    bool failed;
    bool stopped;
};

/* --- the heap -------------------------------------------------------------------------------- */

static bool comes_first(const struct cursor *a, const struct cursor *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

static void sink(struct merge *self, size_t at)
{
    while (true) {
        size_t first = at;

        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < self->count; child++) {
            if (comes_first(self->heap[child], self->heap[first]))
                first = child;
        }
        if (first == at)
            return;
        struct cursor *moved = self->heap[at];
        self->heap[at] = self->heap[first];
        self->heap[first] = moved;
        at = first;
    }
}

/* --- lines of a cursor ------------------------------------------------------------------------- */

static struct grep_line *lines_of(const struct grep_part *part, size_t *count)
{
    *count = part->lines.len / sizeof(struct grep_line);
    return (struct grep_line *)(void *)part->lines.ptr;
}

static int compare_lines(const void *left, const void *right)
{
    const struct grep_line *a = left;
    const struct grep_line *b = right;

    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->start < b->start ? -1 : 1;
}

static void tell(struct merge *self, struct grep_part *part)
{
    self->failed = self->failed || part->complaints.len > 0 || part->failure != NULL;
    if (part->complaints.len > 0)
        fwrite(part->complaints.ptr, 1, part->complaints.len, stderr);
    lb_buffer_reset(&part->complaints);
    if (part->failure != NULL)
        fprintf(stderr, "logboom: the pattern is given up: %s\n", part->failure);
    self->stopped = self->stopped || part->failure != NULL;
}

/* From what was read to the cursor, behind the lines that it had before; as many as it may hold. */
static void keep_lines(struct merge *self, struct cursor *cursor, bool all)
{
    struct grep_part *part = &cursor->part;
    size_t count;
    struct grep_line *lines = lines_of(&self->read, &count);

    if (count > 0)
        qsort(lines, count, sizeof(*lines), compare_lines);
    grep_part_reset(part);
    cursor->at = 0;
    for (size_t i = cursor->passed; i < count; i++) {
        struct grep_line line = lines[i];

        if (!all && part->text.len > self->held_max)
            break;
        line.start = part->text.len;
        line.number += cursor->base;
        lb_buffer_append(&part->text, self->read.text.ptr + lines[i].start, line.length);
        lb_buffer_append(&part->lines, (const char *)&line, sizeof(line));
        cursor->passed++;
    }
    cursor->more = cursor->passed < count;
    if (part->text.failed || part->lines.failed) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
        self->failed = self->stopped = true;
    }
}

static void count_totals(struct merge *self)
{
    self->totals->blocks += self->read.blocks;
    self->totals->raw += self->read.raw;
    self->totals->packed += self->read.packed;
}

static void begin_block(struct cursor *cursor)
{
    cursor->base += cursor->block_lines;
    cursor->block_lines = 0;
    cursor->passed = 0;
}

/* The next block that is wanted. False: there is none. */
static bool read_block(struct merge *self, struct cursor *cursor)
{
    struct grep_file *file = &cursor->file;

    if (!cursor->more) {
        begin_block(cursor);
        while (cursor->block < file->summary->block_count && !grep_file_wants(file, cursor->block))
            cursor->base += file->blocks[cursor->block++].lines;
    }
    if (cursor->block == file->summary->block_count)
        return false;
    grep_part_reset(&self->read);
    grep_scan_begin(&self->scan, LB_STR(""));
    (void)grep_file_scan(file, cursor->path, cursor->block, self->decoder, &self->scan, &self->read);
    keep_lines(self, cursor, false);
    cursor->block_lines = self->read.line_count;
    cursor->block += !cursor->more;
    return true;
}

static bool read_stream(struct merge *self, struct cursor *cursor)
{
    int64_t carried_ns = cursor->part.text.len > 0 ? cursor->time_ns : LB_TIME_NONE;

    if (cursor->ended)
        return false;
    begin_block(cursor);
    grep_part_reset(&self->read);
    grep_scan_begin(&self->scan, LB_STR(""));
    self->scan.carried_ns = carried_ns;
    cursor->ended = grep_file_scan_next(&cursor->file, cursor->path, self->decoder, &self->scan, &self->read) != LB_OK;
    keep_lines(self, cursor, true);
    cursor->block_lines = self->read.line_count;
    return true;
}

/* Until the cursor has a line. False: its file has no more. */
static bool fill(struct merge *self, struct cursor *cursor)
{
    while (!self->stopped) {
        size_t count;
        const struct grep_line *lines = lines_of(&cursor->part, &count);

        if (cursor->at < count) {
            if (lines[cursor->at].time_ns != INT64_MIN)
                cursor->time_ns = lines[cursor->at].time_ns;
            return true;
        }
        bool read =
            cursor->matches < self->options->max &&
            (cursor->file.summary->kind == LB_ARCHIVE_STREAM ? read_stream(self, cursor) : read_block(self, cursor));
        if (!read)
            return false;
        count_totals(self);
        tell(self, &self->read);
    }
    return false;
}

static bool open_cursor(struct merge *self, struct cursor *cursor)
{
    cursor->is_open =
        grep_file_open(&cursor->file, cursor->path, self->options, self->pattern, &cursor->part.complaints);
    tell(self, &cursor->part);
    if (!cursor->is_open)
        return false;
    self->totals->files++;
    self->totals->blocks_all += cursor->file.summary->block_count;
    self->totals->packed_all += cursor->file.summary->packed_bytes;
    self->totals->index += cursor->file.summary->index_bytes;
    return true;
}

static void close_cursor(struct cursor *cursor)
{
    if (cursor->is_open)
        grep_file_close(&cursor->file);
    cursor->is_open = false;
    grep_part_free(&cursor->part);
}

/* --- all files ----------------------------------------------------------------------------------- */

/* When the file begins, if its index knows. */
static int64_t first_time(const char *path)
{
    struct lb_archive *archive = NULL;
    lb_archive_reason reason = NULL;
    int64_t first_ns = INT64_MIN;

    if (strcmp(path, "-") == 0 || lb_archive_open(&archive, path, &reason) != LB_OK)
        return INT64_MIN; /* what is wrong is told when its time comes */
    const struct lb_archive_summary *summary = lb_archive_summary(archive);
    if (summary->kind == LB_ARCHIVE_SEALED && summary->first_ns <= summary->last_ns)
        first_ns = summary->first_ns;
    lb_archive_close(archive);
    return first_ns;
}

static bool prepare(struct merge *self, const struct archive_paths *paths)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) { /* many files may be open at once */
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    grep_part_init(&self->read);
    self->decoder = lb_archive_decoder_new();
    self->cursors = lb_alloc((paths->count + 1) * sizeof(*self->cursors));
    self->heap = lb_alloc((paths->count + 1) * sizeof(struct cursor *));
    if (!grep_scan_open(&self->scan, self->options, self->pattern) || self->decoder == NULL || self->cursors == NULL ||
        self->heap == NULL)
        return false;
    self->held_max = HELD_MAX / (paths->count + 1) > HELD_MIN ? HELD_MAX / (paths->count + 1) : HELD_MIN;
    for (size_t i = 0; i < paths->count; i++) {
        struct cursor *cursor = &self->cursors[i];

        *cursor =
            (struct cursor){ .path = paths->items[i].name, .order = i, .time_ns = first_time(paths->items[i].name) };
        grep_part_init(&cursor->part);
        self->heap[self->count++] = cursor;
    }
    for (size_t i = self->count; i-- > 0;)
        sink(self, i);
    return true;
}

/* The earliest cursor prints a line, or is opened, or ends. */
static void step(struct merge *self)
{
    struct cursor *cursor = self->heap[0];
    bool goes_on = true;

    if (!cursor->is_open) {
        goes_on = open_cursor(self, cursor) && fill(self, cursor);
    } else {
        size_t count;
        const struct grep_line *line = &lines_of(&cursor->part, &count)[cursor->at++];

        if (!line->more && cursor->matches++ >= self->options->max) {
            goes_on = false;
        } else {
            self->print->total += !line->more;
            if (line->length > 0)
                grep_print_line(self->print, cursor->path, &cursor->part, line);
            goes_on = fill(self, cursor);
        }
    }
    if (self->print->out.len >= OUT_BYTES && !grep_print_flush(self->print))
        self->stopped = true;
    if (!goes_on) {
        close_cursor(cursor);
        self->heap[0] = self->heap[--self->count];
    }
    sink(self, 0);
}

bool grep_merge(const struct grep_options *options, const struct grep_pattern *pattern,
                const struct archive_paths *paths, struct grep_print *print, struct grep_totals *totals)
{
    struct merge self = { .options = options, .pattern = pattern, .print = print, .totals = totals };

    if (!prepare(&self, paths)) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
        self.failed = true;
    }
    while (self.count > 0 && !self.stopped)
        step(&self);
    grep_print_flush(print);
    for (size_t i = 0; i < self.count; i++)
        close_cursor(self.heap[i]);
    grep_scan_close(&self.scan);
    if (self.decoder != NULL)
        lb_archive_decoder_free(self.decoder);
    grep_part_free(&self.read);
    lb_free(self.heap);
    lb_free(self.cursors);
    return !self.failed;
}
