/*
 * docker_line.h - one line as Docker's json-file driver writes it.
 */
#ifndef DOCKER_LINE_H
#define DOCKER_LINE_H

#include "lb_batch.h"
#include "lb_time.h"

struct docker_line {
    struct lb_value log; /* unescaped, TEXT or CLEAN, without its newline */
    bool whole;          /* there was a newline: otherwise more parts follow */
    struct lb_value stream;
    bool timed;
    int64_t time_ns;
    struct lb_field *fields; /* all other members, in the arena; NULL if there are none */
    uint32_t field_count;
    struct lb_str rest;
    const char *reason; /* of a line that is none of Docker's: what was expected, a literal */
};

/* Of one batch. Zeroed at first, but for `free`. */
struct docker_reader {
    struct lb_arena *arena;
    char *free; /* from here up to the next line nobody needs the bytes of the slab any more */
    struct lb_time_second second;
};

/*
 * Lines must come in the order in which they stand. What `out` points to is in [free, line + len), and `free` behind
 * it then. False: not Docker's; the bytes of the line are as they were.
 */
bool docker_read_line(struct docker_reader *self, char *line, size_t len, struct docker_line *out);

#endif
