/*
 * alert_sketch.h - quantiles of any number of values within one percent.
 *
 * DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile
 * sketch with relative-error guarantees", VLDB 2019): values are counted in
 * bins whose borders grow by a constant factor. Counts are whole numbers, so a
 * sketch can be taken out of a sum again exactly as it was added: a window is
 * the sum of its slots. Magnitudes outside 1e-9 … 1e12 count at the border.
 */
#ifndef LB_ALERT_SKETCH_H
#define LB_ALERT_SKETCH_H

#include <stdbool.h>
#include <stdint.h>

/* Counts of the bins [first, first + size). */
struct lb_alert_bins {
    uint32_t *counts;
    int32_t first;
    uint32_t size;
};

/* Where the last quantile was found: one sample more moves it by a bin or two. */
struct lb_alert_place {
    bool known;
    int32_t bin;
    uint64_t above; /* values in the positive bins beyond it */
    double value;   /* of that bin */
};

/* All zero: an empty one. */
struct lb_alert_sketch {
    struct lb_alert_bins positive;
    struct lb_alert_bins negative; /* by magnitude */
    uint64_t zeros;
    uint64_t total;
    struct lb_alert_place place;
};

/* Where a value is counted; sign 0: it is zero. */
struct lb_alert_bin {
    int32_t number;
    int32_t sign;
};
struct lb_alert_bin lb_alert_sketch_bin(double value);

/* False: no memory, it is as it was. Bins that exist are used without allocating. */
bool lb_alert_sketch_add(struct lb_alert_sketch *sketch, struct lb_alert_bin bin);
bool lb_alert_sketch_merge(struct lb_alert_sketch *sketch, const struct lb_alert_sketch *other);

/* Takes out what was merged or added before. */
void lb_alert_sketch_subtract(struct lb_alert_sketch *sketch, const struct lb_alert_sketch *other);

/* The value of rank ⌈q·n⌉; 0 of an empty one. */
double lb_alert_sketch_quantile(struct lb_alert_sketch *sketch, double q);

void lb_alert_sketch_reset(struct lb_alert_sketch *sketch); /* keeps its memory */
void lb_alert_sketch_free(struct lb_alert_sketch *sketch);

#endif
