/*
 * alert_cells.h - one key's past in cells of equal length, to hold a window
 * against another one: the one before it, or the same of an hour, a day, a
 * week ago.
 *
 * Cells are numbered since 1970, so all keys have the same edges; a window is
 * `parts` whole cells. A ring of as many as both windows and the lateness
 * need; the memory is the caller's.
 */
#ifndef LB_ALERT_CELLS_H
#define LB_ALERT_CELLS_H

#include "lb_alert.h"

enum { LB_ALERT_CELLS_MAX = 12288, LB_ALERT_CELL_PARTS = 12 };

struct lb_alert_cell {
    double number;
    uint32_t count;
    uint32_t told; /* the window that ends with it was a hit */
};

struct lb_alert_cells_shape {
    enum lb_alert_function function;
    int64_t cell_ns;
    int64_t parts; /* of a window */
    int64_t shift; /* how far back the other window lies */
    int64_t ring;
};

struct lb_alert_amount {
    uint64_t count;
    double value; /* NAN: there is none, of no records */
};

/* `behind_ns`: how far the other window lies behind; 0: just before. */
void lb_alert_cells_shape(struct lb_alert_cells_shape *shape, enum lb_alert_function function, int64_t over_ns,
                          int64_t behind_ns, int64_t lateness_ns);

int64_t lb_alert_cell_of(const struct lb_alert_cells_shape *shape, int64_t time_ns);
struct lb_alert_cell *lb_alert_cell_at(const struct lb_alert_cells_shape *shape, struct lb_alert_cell *cells,
                                       int64_t cell);

/* Moves the newest cell on; those that come into use are empty. */
void lb_alert_cells_advance(const struct lb_alert_cells_shape *shape, struct lb_alert_cell *cells, int64_t *newest,
                            int64_t cell);

/* A record into its cell. `number`: of the field, or 1 where the predicate holds. */
void lb_alert_cell_add(enum lb_alert_function function, struct lb_alert_cell *cell, double number);

/* What is measured in `amount` put together of records in these cells. */
double lb_alert_cell_value(const struct lb_alert_cells_shape *shape, const struct lb_alert_cell *cell);

/* Of the window that ends with the cell; those behind `newest` are empty. */
struct lb_alert_amount lb_alert_cells_amount(const struct lb_alert_cells_shape *shape, struct lb_alert_cell *cells,
                                             int64_t newest, int64_t last);

/* True if it can be measured in cells: count, rate, ratio, sum, avg, min, max. */
bool lb_alert_cells_measure(enum lb_alert_function function);

#endif
