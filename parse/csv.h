/*
 * csv.h - the cells of one line of comma-separated values (RFC 4180, with any delimiter).
 */
#ifndef CSV_H
#define CSV_H

#include "lb_arena.h"
#include "lb_err.h"

struct csv_reader {
    struct lb_str rest; /* of the line */
    char delimiter;
    bool ended;
    struct lb_arena *arena; /* for cells that have doubled quotes */
};

struct csv_cell {
    struct lb_str text;
    bool quoted;
};

/* The next cell; LB_END behind the last. LB_BAD_INPUT: a quote that is never closed, or text behind the closing one. */
enum lb_err csv_next(struct csv_reader *self, struct csv_cell *cell) LB_MUST_USE;

#endif
