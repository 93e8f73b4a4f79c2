/*
 * docker_line.h - one line as Docker's json-file driver writes it.
 */
#ifndef DOCKER_LINE_H
#define DOCKER_LINE_H

#include "lb_batch.h"

/* The last second that was read: lines of one file share it a thousandfold. */
struct docker_clock {
    char text[19]; /* "2026-01-31T12:34:56" */
    bool set;
    int64_t second_ns;
};

struct docker_line {
    struct lb_value log; /* unescaped in its place, TEXT or CLEAN, without its newline */
    bool whole;          /* there was a newline: otherwise more parts follow */
    struct lb_value stream;
    bool timed;
    int64_t time_ns;
    struct lb_field *fields; /* all other members, in the arena; NULL if there are none */
    uint32_t field_count;
    struct lb_str rest;
    const char *reason; /* of a line that is none of Docker's: what was expected, a literal */
};

/* False: not Docker's; the line's bytes are as they were. */
bool docker_read_line(char *line, size_t len, struct docker_clock *clock, struct lb_arena *arena,
                      struct docker_line *out);

#endif
