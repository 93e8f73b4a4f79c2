/*
 * alert_measure.h - what a rule measures in a window, besides count and sum.
 *
 * While a window's samples are kept one by one, a measure reads them. When
 * they are counted in slots, each slot carries a detail: what the measure
 * needs to be put together from parts.
 *
 * Errors with slots: percentiles 1 % of the value, distinct 2.3 % (standard
 * error), the others none but that of the window's old edge.
 */
#ifndef LB_ALERT_MEASURE_H
#define LB_ALERT_MEASURE_H

#include "alert_distinct.h"
#include "alert_sketch.h"
#include "lb_alert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LB_ALERT_EXACT = 256, LB_ALERT_EXACT_MAX = 1024 };

struct lb_alert_sample {
    int64_t time_ns;
    double number;
};

/* The same for all windows of a rule. */
struct lb_alert_measure {
    enum lb_alert_function function;
    double quantile;
    double over_s;
};

/* Of the samples in one slot, in order of arrival. Zero: of none. */
struct lb_alert_detail {
    uint64_t count;
    double least;
    double most;
    double mean;
    double square; /* sum of squares of the distances from the mean */
    double last;   /* the number of the newest sample, */
    int64_t last_ns;
    uint32_t run; /* and how many behind it are not 0, */
    bool broken;  /* unless all are: then false */
    struct lb_alert_sketch sketch;
    struct lb_alert_distinct distinct;
};

/* True if slots need details for this function: count, sum and what is made of them do not. */
bool lb_alert_needs_detail(enum lb_alert_function function);

/* To one, and to another one unless that is NULL. False: no memory; the sample is missing in it. */
bool lb_alert_detail_add(struct lb_alert_detail *detail, struct lb_alert_detail *also,
                         const struct lb_alert_measure *measure, const struct lb_alert_sample *sample);

/* `later` holds what came behind `detail`. False: no memory. */
bool lb_alert_detail_merge(struct lb_alert_detail *detail, const struct lb_alert_measure *measure,
                           const struct lb_alert_detail *later);
void lb_alert_detail_reset(struct lb_alert_detail *detail); /* keeps its memory */
void lb_alert_detail_free(struct lb_alert_detail *detail);

/* The value of a window whose slots are united in `detail`. */
double lb_alert_detail_value(struct lb_alert_detail *detail, const struct lb_alert_measure *measure);

/* Samples in order of time, in two pieces (of a ring); LB_ALERT_EXACT_MAX at most. */
struct lb_alert_samples {
    const struct lb_alert_sample *pieces[2];
    size_t counts[2];
};

/* `last`: the value at the last question, which spares most of the work of a percentile; any number does. */
double lb_alert_samples_value(const struct lb_alert_samples *samples, const struct lb_alert_measure *measure,
                              double *last);

#endif
