/*
 * timed_lines.h - the lines of many archives in the order of their times.
 *
 * Each file is read from front to back and gives its next line; the earliest
 * of these comes first. A sealed file is not touched before its time comes,
 * and blocks outside of [since, until) are never unpacked. So memory is a
 * block for each file whose times overlap, whatever the files hold. A line
 * without a time has that of the line before it; one that goes back in its
 * file comes at once. One thread.
 */
#ifndef TIMED_LINES_H
#define TIMED_LINES_H

#include "archive_paths.h"
#include "progress.h"

#include "lb_str.h"

struct timed_line {
    struct lb_str text; /* without its newline; until the next call */
    int64_t time_ns;
    uint32_t file; /* index among the paths */
};

struct timed_lines;

/* `progress` may be NULL; it counts bytes as they are in the files. NULL: no memory, said on stderr. */
struct timed_lines *timed_lines_open(const struct archive_paths *paths, int64_t since_ns, int64_t until_ns,
                                     struct progress *progress);
void timed_lines_close(struct timed_lines *lines);

/* The next line without taking it. False: there is none. */
bool timed_lines_peek(struct timed_lines *lines, struct timed_line *line);
void timed_lines_take(struct timed_lines *lines);

/* Something could not be read; it was said on stderr and passed over. */
bool timed_lines_failed(const struct timed_lines *lines);

/* Blocks that were unpacked, of all that there are. */
void timed_lines_blocks(const struct timed_lines *lines, uint64_t *read, uint64_t *all);

#endif
