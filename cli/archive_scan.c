/* archive_scan.c - the text of files, block by block, as far as it can be read. */
#include "archive_scan.h"

#include "lb_alloc.h"
#include "lb_time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *block_text(const struct lb_archive_block *block, char *text)
{
    char first[LB_TIME_TEXT_SIZE];
    char last[LB_TIME_TEXT_SIZE];
    int length = snprintf(text, BLOCK_TEXT_SIZE, "block at byte %" PRIu64, block->offset);

    if (block->first_ns > block->last_ns)
        return text;
    length += snprintf(text + length, BLOCK_TEXT_SIZE - (size_t)length, " (%" PRIu32 " lines", block->lines);
    if (block->first_ns == INT64_MIN || block->last_ns == INT64_MAX) {
        snprintf(text + length, BLOCK_TEXT_SIZE - (size_t)length, ")");
        return text;
    }
    first[lb_time_write(block->first_ns, first)] = '\0';
    last[lb_time_write(block->last_ns, last)] = '\0';
    snprintf(text + length, BLOCK_TEXT_SIZE - (size_t)length, " of %s to %s)", first, last);
    return text;
}

struct lb_archive *archive_open(const char *path)
{
    struct lb_archive *archive = NULL;
    lb_archive_reason reason = NULL;
    enum lb_err err = lb_archive_open(&archive, strcmp(path, "-") == 0 ? "/dev/stdin" : path, &reason);

    if (err == LB_OK && reason != NULL)
        fprintf(stderr, "logboom: %s: %s; it is read without its index\n", path, reason);
    if (err == LB_OK)
        return archive;
    if (reason == NULL)
        reason = err == LB_IO ? strerror(errno) : err == LB_NOMEM ? strerror(ENOMEM) : lb_err_name(err);
    fprintf(stderr, "logboom: %s: %s\n", path, reason);
    return NULL;
}

static void add_progress(struct archive_scan *scan, uint64_t bytes)
{
    if (scan->progress != NULL)
        progress_add(scan->progress, bytes);
}

static void complain(struct archive_scan *scan)
{
    scan->failed = true;
    if (scan->progress != NULL)
        progress_hide(scan->progress);
}

static bool scan_block(struct archive_scan *scan, const char *path, struct lb_archive *archive, uint32_t number)
{
    const struct lb_archive_block *block = &lb_archive_blocks(archive)[number];
    lb_archive_reason reason = NULL;
    struct lb_str text;
    char what[BLOCK_TEXT_SIZE];

    if (scan->skip != NULL && scan->skip(scan->context, block))
        return true;
    enum lb_err err = lb_archive_read(archive, scan->decoder, number, scan->verify, &text, &reason);
    if (err == LB_OK)
        return scan->text(scan->context, block, text);
    complain(scan);
    if (reason == NULL)
        reason = err == LB_IO ? strerror(errno) : lb_err_name(err);
    fprintf(stderr, "logboom: %s: %s is left out: %s\n", path, block_text(block, what), reason);
    return true;
}

static bool scan_blocks(struct archive_scan *scan, const char *path, struct lb_archive *archive)
{
    uint32_t count = lb_archive_summary(archive)->block_count;
    uint64_t *bits = NULL;
    bool go_on = true;

    if (scan->query != NULL && count > 0) {
        bits = lb_alloc((count + 63) / 64 * sizeof(*bits));
        if (bits == NULL || lb_archive_select(archive, scan->query, bits) == LB_NOMEM) {
            fprintf(stderr, "logboom: %s: %s\n", path, strerror(ENOMEM));
            scan->failed = true;
            lb_free(bits);
            return false;
        }
    }
    for (uint32_t i = 0; i < count && go_on; i++) {
        if (bits == NULL || (bits[i / 64] >> (i % 64) & 1) != 0)
            go_on = scan_block(scan, path, archive, i);
        add_progress(scan, lb_archive_blocks(archive)[i].packed);
    }
    lb_free(bits);
    return go_on;
}

static bool scan_stream(struct archive_scan *scan, const char *path, struct lb_archive *archive)
{
    lb_archive_reason reason = NULL;
    struct lb_str text;
    enum lb_err err;

    while ((err = lb_archive_next(archive, scan->decoder, &text, &reason)) == LB_OK) {
        if (!scan->text(scan->context, NULL, text))
            return false;
    }
    add_progress(scan, lb_archive_summary(archive)->packed_bytes);
    if (err == LB_END)
        return true;
    complain(scan);
    if (reason == NULL)
        reason = err == LB_IO ? strerror(errno) : lb_err_name(err);
    fprintf(stderr, "logboom: %s: the rest cannot be read: %s\n", path, reason);
    return true;
}

bool archive_scan_open(struct archive_scan *scan, const char *path, struct lb_archive *archive)
{
    if (scan->decoder == NULL)
        scan->decoder = lb_archive_decoder_new();
    if (scan->decoder == NULL) {
        fprintf(stderr, "logboom: %s\n", strerror(ENOMEM));
        scan->failed = true;
        return false;
    }
    bool go_on = lb_archive_summary(archive)->kind == LB_ARCHIVE_STREAM ? scan_stream(scan, path, archive)
                                                                        : scan_blocks(scan, path, archive);
    scan->stopped = scan->stopped || !go_on;
    return go_on;
}

bool archive_scan_file(struct archive_scan *scan, const char *path)
{
    struct lb_archive *archive = archive_open(path);

    if (archive == NULL) {
        complain(scan);
        return true;
    }
    bool go_on = archive_scan_open(scan, path, archive);
    lb_archive_close(archive);
    return go_on;
}

void archive_scan_end(struct archive_scan *scan)
{
    if (scan->decoder != NULL)
        lb_archive_decoder_free(scan->decoder);
    scan->decoder = NULL;
}
