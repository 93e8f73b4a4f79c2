/*
 * grep_file.c - one file: which of its blocks are to be read, and reading
 * them into parts.
 *
 * With context, the blocks beside those that the index names are read too, as
 * far as lines of theirs may be wanted.
 */
#include "grep.h"

#include "archive_scan.h"

#include "lb_alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PART_BYTES_MAX = 1024 * 1024 * 1024, COMPLAINTS_MAX = 1024 * 1024, FEW = 4 };

void grep_part_init(struct grep_part *part)
{
    *part = (struct grep_part){ .following = NULL };
    lb_buffer_init(&part->text, PART_BYTES_MAX);
    lb_buffer_init(&part->lines, PART_BYTES_MAX);
    lb_buffer_init(&part->complaints, COMPLAINTS_MAX);
}

void grep_part_reset(struct grep_part *part)
{
    struct grep_part kept = {
        .worker = part->worker, .text = part->text, .lines = part->lines, .complaints = part->complaints
    };

    lb_buffer_reset(&kept.text);
    lb_buffer_reset(&kept.lines);
    lb_buffer_reset(&kept.complaints);
    *part = kept;
}

void grep_part_free(struct grep_part *part)
{
    lb_buffer_free(&part->text);
    lb_buffer_free(&part->lines);
    lb_buffer_free(&part->complaints);
}

/* --- opening ------------------------------------------------------------------------------ */

static void want(uint64_t *bits, uint32_t block)
{
    bits[block / 64] |= UINT64_C(1) << (block % 64);
}

bool grep_file_wants(const struct grep_file *file, uint32_t block)
{
    return (file->bits[block / 64] >> (block % 64) & 1) != 0;
}

/* Blocks beside the chosen ones, until they have `before` or `after` lines. */
static enum lb_err want_neighbours(struct grep_file *file, uint64_t before, uint64_t after)
{
    uint32_t count = file->summary->block_count;
    uint64_t *wider = lb_alloc((count + 63) / 64 * sizeof(*wider));

    if (wider == NULL)
        return LB_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        if (!grep_file_wants(file, i))
            continue;
        want(wider, i);
        uint64_t lines = 0;
        for (uint32_t k = i; k > 0 && lines < before && !grep_file_wants(file, k - 1); k--) {
            want(wider, k - 1);
            lines += file->blocks[k - 1].lines;
        }
        lines = 0;
        for (uint32_t k = i + 1; k < count && lines < after && !grep_file_wants(file, k); k++) {
            want(wider, k);
            lines += file->blocks[k].lines;
        }
    }
    lb_free(file->bits);
    file->bits = wider;
    return LB_OK;
}

static uint32_t count_wanted(const struct grep_file *file)
{
    uint32_t wanted = 0;

    for (uint32_t i = 0; i < file->summary->block_count; i++)
        wanted += grep_file_wants(file, i);
    return wanted;
}

static enum lb_err select_blocks(struct grep_file *file, const struct grep_options *options,
                                 const struct grep_pattern *pattern)
{
    struct lb_archive_query query = selection_query(&options->selection);
    uint32_t count = file->summary->block_count;
    enum lb_err err = LB_OK;

    file->bits = lb_alloc((count / 64 + 1) * sizeof(*file->bits));
    if (file->bits == NULL)
        return LB_NOMEM;
    if (!options->invert) {
        query.all = pattern->literals.clauses;
        query.count = pattern->literals.count;
        query.fold = pattern->literals.fold;
    }
    if (!options->no_index)
        err = lb_archive_select(file->archive, &query, file->bits);
    for (uint32_t i = 0; i < count && options->no_index; i++)
        want(file->bits, i);
    if (err == LB_OK && (options->before > 0 || options->after > 0))
        err = want_neighbours(file, options->before, options->after);
    file->wanted = count_wanted(file);
    /* Where few blocks are read their checksums cost nothing to speak of; in all of a file, a sixth of the time. */
    file->verify = file->wanted <= count / FEW;
    return err;
}

bool grep_file_open(struct grep_file *file, const char *path, const struct grep_options *options,
                    const struct grep_pattern *pattern, struct lb_buffer *complaints)
{
    bool is_stdin = strcmp(path, "-") == 0;
    lb_archive_reason reason = NULL;

    *file = (struct grep_file){ .fd = -1 };
    enum lb_err err = lb_archive_open(&file->archive, is_stdin ? "/dev/stdin" : path, &reason);
    if (err == LB_OK && reason != NULL)
        lb_buffer_print(complaints, "logboom: %s: %s; it is read without its index\n", path, reason);
    if (err == LB_OK) {
        file->summary = lb_archive_summary(file->archive);
        file->blocks = lb_archive_blocks(file->archive);
        reason = "its index is damaged; it is read without it";
        if (file->summary->kind != LB_ARCHIVE_STREAM)
            err = select_blocks(file, options, pattern);
        if (err == LB_BAD_INPUT) {
            lb_buffer_print(complaints, "logboom: %s: %s\n", path, reason);
            err = LB_OK;
        }
    }
    if (err == LB_OK) {
        if (file->wanted > 1)
            file->fd = open(path, O_RDONLY | O_CLOEXEC);
        return true;
    }
    if (reason == NULL)
        reason = err == LB_IO ? strerror(errno) : err == LB_NOMEM ? strerror(ENOMEM) : lb_err_name(err);
    lb_buffer_print(complaints, "logboom: %s: %s\n", path, reason);
    grep_file_close(file);
    return false;
}

void grep_file_close(struct grep_file *file)
{
    if (file->archive != NULL)
        lb_archive_close(file->archive);
    if (file->fd >= 0)
        close(file->fd);
    lb_free(file->bits);
    *file = (struct grep_file){ .fd = -1 };
}

/* --- reading -------------------------------------------------------------------------------- */

bool grep_file_count(const struct grep_file *file, const struct grep_options *options,
                     const struct grep_pattern *pattern, uint32_t number, uint64_t *lines)
{
    const struct lb_archive_block *block = &file->blocks[number];
    const struct selection *selection = &options->selection;
    bool any_time = selection->since_ns == INT64_MIN && selection->until_ns == INT64_MAX;

    if (block->lines == 0 || !options->count || options->max != UINT64_MAX || options->no_index || options->invert ||
        !pattern->is_all || file->summary->kind != LB_ARCHIVE_SEALED || block->first_ns > block->last_ns)
        return false;
    if (selection->where != NULL || selection->service_count > 0 || selection->host_count > 0)
        return false;
    if (!any_time && !(selection_has_time(selection, block->first_ns) && selection_has_time(selection, block->last_ns)))
        return false;
    *lines = selection->levels == 0 ? block->lines : 0;
    for (uint32_t i = 0; i < LB_LEVEL_COUNT && selection->levels != 0; i++)
        *lines += (selection->levels >> i & 1) != 0 ? block->levels[i] : 0;
    return true;
}

static void complain(struct grep_part *part, const char *path, const char *what, enum lb_err err,
                     lb_archive_reason reason)
{
    if (reason == NULL)
        reason = err == LB_IO ? strerror(errno) : err == LB_NOMEM ? strerror(ENOMEM) : lb_err_name(err);
    lb_buffer_print(&part->complaints, "logboom: %s: %s: %s\n", path, what, reason);
}

bool grep_file_scan(struct grep_file *file, const char *path, uint32_t number, struct lb_archive_decoder *decoder,
                    struct grep_scan *scan, struct grep_part *part)
{
    const struct lb_archive_block *block = &file->blocks[number];
    lb_archive_reason reason = NULL;
    char where[BLOCK_TEXT_SIZE];
    char what[BLOCK_TEXT_SIZE + 16];
    struct lb_str text;
    enum lb_err err = lb_archive_read(file->archive, decoder, number, file->verify, &text, &reason);

    if (err != LB_OK) {
        snprintf(what, sizeof(what), "%s is left out", block_text(block, where));
        complain(part, path, what, err, reason);
        part->line_count += block->lines > 0 ? block->lines : 1; /* what stands beside it is not adjacent */
        return true;
    }
    part->blocks++;
    part->raw += text.len;
    part->packed += block->packed;
    return grep_scan_text(scan, part, text);
}

enum lb_err grep_file_scan_next(struct grep_file *file, const char *path, struct lb_archive_decoder *decoder,
                                struct grep_scan *scan, struct grep_part *part)
{
    bool wants_time =
        scan->options->convert || scan->options->sort_time || !selection_is_all(&scan->options->selection);
    lb_archive_reason reason = NULL;
    struct lb_str text;
    enum lb_err err = lb_archive_next(file->archive, decoder, &text, &reason);

    if (err != LB_OK) {
        if (err != LB_END)
            complain(part, path, "the rest cannot be read", err, reason);
        return LB_END;
    }
    part->blocks++;
    part->raw += text.len;
    bool go_on = grep_scan_text(scan, part, text);
    if (go_on && wants_time)
        grep_filter_carry(scan);
    return go_on ? LB_OK : LB_END;
}
