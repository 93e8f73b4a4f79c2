/* tail_last.c - the last records of many files. */
#include "tail.h"

#include "archive_scan.h"

#include "lb_alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void tail_text(struct tail *self, struct lb_str text,
               void (*each)(struct tail *self, struct lb_str line, const struct lb_record *record))
{
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct lb_str line = { text.ptr, end != NULL ? (size_t)(end - text.ptr) : text.len };
        size_t used = line.len + (end != NULL);
        struct lb_record record;

        lb_line_records_read(&self->lines, line, &record);
        if (selection_match(&self->selection, &record, &self->lines.scratch))
            each(self, line, &record);
        text = (struct lb_str){ text.ptr + used, text.len - used };
    }
}

static int compare_lines(const void *a, const void *b)
{
    const struct tail_line *x = a;
    const struct tail_line *y = b;

    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Leaves the newest `count`. */
static void trim(struct tail *self)
{
    if (self->kept_count <= self->count)
        return;
    size_t over = self->kept_count - self->count;

    qsort(self->kept, self->kept_count, sizeof(*self->kept), compare_lines);
    for (size_t i = 0; i < over; i++)
        lb_free(self->kept[i].text);
    self->kept_count = self->count;
    memmove(self->kept, self->kept + over, self->kept_count * sizeof(*self->kept));
}

static bool make_room(struct tail *self)
{
    if (self->kept_count >= 2 * self->count + 1024)
        trim(self);
    struct tail_line *kept = lb_grown(self->kept, self->kept_count, &self->kept_capacity, sizeof(*kept));
    if (kept == NULL)
        return false;
    self->kept = kept;
    return true;
}

static void keep(struct tail *self, struct lb_str line, const struct lb_record *record)
{
    if (!make_room(self)) {
        self->failed = true;
        return;
    }
    lb_buffer_reset(&self->out);
    tail_format(self, line, record, &self->out);
    char *text = lb_alloc(self->out.len + 1);
    if (text == NULL) {
        self->failed = true;
        return;
    }
    memcpy(text, self->out.ptr, self->out.len);
    self->kept[self->kept_count++] = (struct tail_line){ record->time_ns, self->order++, text, self->out.len };
}

/* When there are enough, the time that older records need not be looked for. */
static int64_t oldest_wanted(struct tail *self)
{
    trim(self);
    if (self->kept_count < self->count)
        return INT64_MIN;
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < self->kept_count; i++) {
        if (self->kept[i].time_ns < oldest)
            oldest = self->kept[i].time_ns;
    }
    return oldest;
}

/* A bit for each block that may hold a wanted record; NULL: all, or memory is out. The caller frees it. */
static uint64_t *wanted_blocks(const struct tail *self, const struct lb_archive *archive)
{
    struct lb_archive_query query = selection_query(&self->selection);
    uint32_t count = lb_archive_summary(archive)->block_count;
    uint64_t *bits = selection_is_all(&self->selection) ? NULL : lb_alloc((count + 64) / 64 * sizeof(*bits));

    if (bits != NULL && lb_archive_select(archive, &query, bits) == LB_NOMEM) {
        lb_free(bits);
        return NULL;
    }
    return bits;
}

/* The last records of one file, from its end. A file is written nearly in order: `count` of it are enough. */
static void keep_blocks(struct tail *self, const char *path, struct lb_archive *archive)
{
    const struct lb_archive_summary *summary = lb_archive_summary(archive);
    uint64_t *bits = wanted_blocks(self, archive);
    uint64_t found = 0;

    for (uint32_t i = summary->block_count; i > 0 && found < self->count; i--) {
        const struct lb_archive_block *block = &lb_archive_blocks(archive)[i - 1];
        lb_archive_reason reason = NULL;
        struct lb_str text;
        char what[BLOCK_TEXT_SIZE];
        uint64_t before = self->order;

        if (bits != NULL && (bits[(i - 1) / 64] >> ((i - 1) % 64) & 1) == 0)
            continue;
        if (block->first_ns <= block->last_ns && block->last_ns < oldest_wanted(self))
            break;
        if (lb_archive_read(archive, self->decoder, i - 1, true, &text, &reason) == LB_OK) {
            lb_line_records_begin(&self->lines);
            tail_text(self, text, keep);
        } else {
            fprintf(stderr, "logboom: %s: %s is left out: %s\n", path, block_text(block, what),
                    reason != NULL ? reason : "it cannot be read");
            self->failed = true;
        }
        found += self->order - before;
    }
    lb_free(bits);
}

static void keep_stream(struct tail *self, const char *path, struct lb_archive *archive)
{
    lb_archive_reason reason = NULL;
    struct lb_str text;
    enum lb_err err;

    lb_line_records_begin(&self->lines);
    while ((err = lb_archive_next(archive, self->decoder, &text, &reason)) == LB_OK)
        tail_text(self, text, keep);
    if (err != LB_END) {
        fprintf(stderr, "logboom: %s: the rest cannot be read: %s\n", path, reason != NULL ? reason : strerror(errno));
        self->failed = true;
    }
}

static void note_file(struct tail *self, const char *path, struct lb_archive *archive)
{
    struct tail_file *file = lb_alloc(sizeof(*file));
    char *copy = archive_path_copy(path);
    struct stat status;

    if (file == NULL || copy == NULL || stat(path, &status) != 0) {
        lb_free(file);
        lb_free(copy);
        lb_archive_close(archive);
        return;
    }
    *file = (struct tail_file){ copy, status.st_dev, status.st_ino, NULL, 0, self->files };
    if (self->follow && lb_archive_summary(archive)->kind == LB_ARCHIVE_BLOCKS) {
        file->archive = archive;
        file->next = lb_archive_summary(archive)->block_count;
    } else {
        lb_archive_close(archive);
    }
    self->files = file;
}

static int newest_first(const void *a, const void *b)
{
    const struct archive_path *x = a;
    const struct archive_path *y = b;

    if (x->modified_ns != y->modified_ns)
        return x->modified_ns > y->modified_ns ? -1 : 1;
    return -archive_path_compare(x->name, y->name);
}

void tail_last(struct tail *self)
{
    struct archive_paths paths = { 0 };

    archive_paths_add(&paths, self->directory);
    self->failed = self->failed || paths.failed;
    if (paths.count > 0)
        qsort(paths.items, paths.count, sizeof(*paths.items), newest_first);
    for (size_t i = 0; i < paths.count; i++) {
        /* A file holds nothing newer than its last write; only those that may still grow are opened for that. */
        bool older = paths.items[i].modified_ns < oldest_wanted(self);
        if (older && !self->follow)
            continue;
        struct lb_archive *archive = archive_open(paths.items[i].name);
        if (archive == NULL) {
            self->failed = true;
            continue;
        }
        if (!older && self->count > 0 && lb_archive_summary(archive)->kind == LB_ARCHIVE_STREAM)
            keep_stream(self, paths.items[i].name, archive);
        else if (!older && self->count > 0)
            keep_blocks(self, paths.items[i].name, archive);
        note_file(self, paths.items[i].name, archive);
    }
    trim(self);
    if (self->kept_count > 0)
        qsort(self->kept, self->kept_count, sizeof(*self->kept), compare_lines);
    lb_buffer_reset(&self->out);
    for (size_t i = 0; i < self->kept_count; i++) {
        lb_buffer_append(&self->out, self->kept[i].text, self->kept[i].length);
        lb_free(self->kept[i].text);
    }
    lb_free(self->kept);
    self->kept = NULL;
    self->kept_count = self->kept_capacity = 0;
    archive_paths_free(&paths);
}
