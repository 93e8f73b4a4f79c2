/* alert_cells.c - a ring of counts and sums. */
#include "alert_cells.h"

#include "lb_clock.h"

#include <math.h>

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

bool lb_alert_cells_measure(enum lb_alert_function function)
{
    switch (function) {
    case LB_ALERT_COUNT:
    case LB_ALERT_RATE:
    case LB_ALERT_RATIO:
    case LB_ALERT_SUM:
    case LB_ALERT_AVG:
    case LB_ALERT_MIN:
    case LB_ALERT_MAX: return true;
    default: return false;
    }
}

void lb_alert_cells_shape(struct lb_alert_cells_shape *shape, enum lb_alert_function function, int64_t over_ns,
                          int64_t behind_ns, int64_t lateness_ns)
{
    int64_t behind = behind_ns > over_ns ? behind_ns : over_ns;
    int64_t span = behind + over_ns + lateness_ns;

    *shape = (struct lb_alert_cells_shape){ .function = function, .parts = LB_ALERT_CELL_PARTS };
    /* The further back it looks, the coarser. */
    while (shape->parts > 1 && span / (over_ns / shape->parts) + 4 > LB_ALERT_CELLS_MAX)
        shape->parts--;
    shape->cell_ns = over_ns / shape->parts;
    if (span / shape->cell_ns + 4 > LB_ALERT_CELLS_MAX)
        shape->cell_ns = span / (LB_ALERT_CELLS_MAX - 4) + 1;
    shape->shift = (behind + shape->cell_ns / 2) / shape->cell_ns;
    shape->ring = span / shape->cell_ns + 4;
}

int64_t lb_alert_cell_of(const struct lb_alert_cells_shape *shape, int64_t time_ns)
{
    return floor_div(time_ns, shape->cell_ns);
}

struct lb_alert_cell *lb_alert_cell_at(const struct lb_alert_cells_shape *shape, struct lb_alert_cell *cells,
                                       int64_t cell)
{
    int64_t i = cell % shape->ring;

    return &cells[i < 0 ? i + shape->ring : i];
}

void lb_alert_cells_advance(const struct lb_alert_cells_shape *shape, struct lb_alert_cell *cells, int64_t *newest,
                            int64_t cell)
{
    int64_t fresh = cell - *newest < shape->ring ? cell - *newest : shape->ring;

    for (int64_t i = 0; i < fresh; i++)
        *lb_alert_cell_at(shape, cells, cell - i) = (struct lb_alert_cell){ 0 };
    if (fresh > 0)
        *newest = cell;
}

static void merge(enum lb_alert_function function, struct lb_alert_cell *into, const struct lb_alert_cell *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0)
        into->number = from->number;
    else if (function == LB_ALERT_MIN)
        into->number = fmin(into->number, from->number);
    else if (function == LB_ALERT_MAX)
        into->number = fmax(into->number, from->number);
    else
        into->number += from->number;
    into->count += from->count;
}

void lb_alert_cell_add(enum lb_alert_function function, struct lb_alert_cell *cell, double number)
{
    bool counts = function == LB_ALERT_COUNT || function == LB_ALERT_RATE;

    if (!counts || number > 0)
        merge(function, cell, &(struct lb_alert_cell){ .number = number, .count = 1 });
}

double lb_alert_cell_value(const struct lb_alert_cells_shape *shape, const struct lb_alert_cell *cell)
{
    switch (shape->function) {
    case LB_ALERT_COUNT: return cell->count;
    case LB_ALERT_RATE: return cell->count / ((double)(shape->cell_ns * shape->parts) / (double)LB_SECOND);
    case LB_ALERT_SUM: return cell->count > 0 ? cell->number : 0;
    case LB_ALERT_RATIO:
    case LB_ALERT_AVG: return cell->count > 0 ? cell->number / cell->count : NAN;
    default: return cell->count > 0 ? cell->number : NAN;
    }
}

struct lb_alert_amount lb_alert_cells_amount(const struct lb_alert_cells_shape *shape, struct lb_alert_cell *cells,
                                             int64_t newest, int64_t last)
{
    struct lb_alert_cell sum = { 0 };

    for (int64_t cell = last - shape->parts + 1; cell <= last && cell <= newest; cell++)
        if (cell > newest - shape->ring)
            merge(shape->function, &sum, lb_alert_cell_at(shape, cells, cell));
    return (struct lb_alert_amount){ sum.count, lb_alert_cell_value(shape, &sum) };
}
