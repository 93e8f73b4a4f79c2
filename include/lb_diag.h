/*
 * lb_diag.h - faults told to a person: where, what, what was expected.
 *
 * One list collects all faults of a run, so that `check` reports every one of
 * them. Only start-up, configuration and commands use it; a running stage
 * counts and logs. Not thread-safe: one list, one thread.
 */
#ifndef LB_DIAG_H
#define LB_DIAG_H

#include "lb_limits.h"
#include "lb_str.h"

#include <stdint.h>

/* A place in a configuration file. Lines and columns start at 1; line 0: no place. `file` outlives the list. */
struct lb_place {
    const char *file;
    uint32_t line;
    uint32_t column;
};

struct lb_diag_entry {
    struct lb_place place;
    bool warning;
    char *text;
};

struct lb_diag {
    struct lb_diag_entry *entries;
    uint32_t count;
    uint32_t errors;
    uint32_t dropped; /* past LB_DIAGS_MAX */
};

void lb_diag_error(struct lb_diag *diag, struct lb_place place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void lb_diag_warn(struct lb_diag *diag, struct lb_place place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void lb_diag_free(struct lb_diag *diag);

void lb_diag_sort(struct lb_diag *diag); /* by place */

/* Sorted by place, one `file:line:column: error: text` a line, into `out` (a FILE). */
void lb_diag_print(struct lb_diag *diag, void *out);

/* The nearest of `words` (NULL-terminated) to `word` by edit distance, or NULL when none is near. */
const char *lb_nearest(struct lb_str word, const char *const *words);

#endif
