/*
 * cri_line.h - one line as containerd and CRI-O write it:
 * `2026-03-01T10:00:00.000000000Z stdout F text`.
 */
#ifndef CRI_LINE_H
#define CRI_LINE_H

#include "lb_str.h"

#include <stdbool.h>
#include <stdint.h>

struct cri_line {
    int64_t time_ns;
    struct lb_str stream; /* stdout or stderr */
    bool partial;         /* P: the next line of the stream goes on with it */
    struct lb_str text;
    const char *reason; /* of a line that is none: what was expected, a literal, */
    const char *at;     /* and where */
};

/* False: it is none. All slices point into `line`. */
bool cri_read_line(struct lb_str line, struct cri_line *out);

#endif
