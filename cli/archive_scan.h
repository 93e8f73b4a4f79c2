/*
 * archive_scan.h - the text of files, block by block, as far as it can be read.
 *
 * A block that is damaged is told on stderr with file and offset and passed
 * over; so is a file that cannot be opened. One thread.
 */
#ifndef ARCHIVE_SCAN_H
#define ARCHIVE_SCAN_H

#include "archive_paths.h"
#include "progress.h"

#include "lb_archive.h"

/* Whether to go on. `block` is NULL for a file that is read from front to back. */
typedef bool (*archive_scan_text)(void *context, const struct lb_archive_block *block, struct lb_str text);

struct archive_scan {
    const struct lb_archive_query *query; /* NULL: every block */
    bool verify;                          /* checksums too */
    struct progress *progress;            /* may be NULL */
    archive_scan_text text;
    bool (*skip)(void *context, const struct lb_archive_block *block); /* optional: the block need not be read */
    void *context;

    bool failed; /* something could not be read */
    bool stopped;
    struct lb_archive_decoder *decoder; /* made when it is needed; archive_scan_end() frees it */
};

/* False: stop, `text` said so or memory is out. */
bool archive_scan_file(struct archive_scan *scan, const char *path);

/* The same for an archive that is open. */
bool archive_scan_open(struct archive_scan *scan, const char *path, struct lb_archive *archive);
void archive_scan_end(struct archive_scan *scan);

/* Opens `path` ("-" is standard input); NULL: it was said why on stderr. */
struct lb_archive *archive_open(const char *path);

/* "block at byte 123 (45 lines of 2026-… to 2026-…)"; `text` has room for BLOCK_TEXT_SIZE bytes. */
enum { BLOCK_TEXT_SIZE = 192 };
const char *block_text(const struct lb_archive_block *block, char *text);

#endif
