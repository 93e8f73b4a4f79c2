/*
 * tail.h - what `logboom tail` follows and how it prints.
 *
 * The last records are found in the newest files, reading blocks from the
 * end; then each growing file is read on from where it stood, and files that
 * appear are read from their beginning. A file that is sealed keeps its name
 * and gets another inode: it holds what was read already. One thread.
 */
#ifndef TAIL_COMMAND_H
#define TAIL_COMMAND_H

#include "archive_paths.h"
#include "lb_line_records.h"
#include "selection.h"

#include "lb_archive.h"
#include "lb_format.h"

#include <sys/types.h>

struct tail_file {
    char *path;
    dev_t device;
    ino_t inode;
    struct lb_archive *archive; /* NULL: it grows no more */
    uint32_t next;              /* the first block that was not read */
    struct tail_file *following;
};

/* A line to print. */
struct tail_line {
    int64_t time_ns;
    uint64_t order;
    char *text;
    size_t length;
};

struct tail {
    const char *directory;
    uint64_t count; /* -n */
    bool follow;
    bool as_is; /* without --format */
    bool colour;
    bool prefix; /* the service before each line */
    struct selection selection;
    struct lb_line_records lines;
    struct lb_formatter formatter;
    struct lb_archive_decoder *decoder;
    struct lb_buffer out;
    struct lb_buffer line;

    struct tail_line *kept; /* the last ones, by time */
    size_t kept_count, kept_capacity;
    uint64_t order;
    struct tail_file *files;
    bool failed;
};

/* Fills `out` with the line as it is to be printed. */
void tail_format(struct tail *self, struct lb_str line, const struct lb_record *record, struct lb_buffer *out);

/* Calls `each` with every record of `text` that is asked for. */
void tail_text(struct tail *self, struct lb_str text,
               void (*each)(struct tail *self, struct lb_str line, const struct lb_record *record));

/* Prints the last records of all files and notes how far each was read. */
void tail_last(struct tail *self);

/* Until a signal ends it, or nobody reads any more. */
void tail_follow(struct tail *self);

/* False: nobody reads any more. */
bool tail_flush(struct tail *self);

#endif
