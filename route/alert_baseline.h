/*
 * alert_baseline.h - what is usual at an hour of the week.
 *
 * For each of the 168 hours a mean and a variance of what was measured there,
 * in which what is older counts less: half as much after four weeks. What is
 * far out is learned as if it were three deviations off, so an outage does not
 * become the norm. Before an hour was seen three times, the same hour of the
 * other days stands for it; before that, nobody knows. Hours are UTC.
 */
#ifndef LB_ALERT_BASELINE_H
#define LB_ALERT_BASELINE_H

#include <stdbool.h>
#include <stdint.h>

enum { LB_ALERT_WEEK_HOURS = 168, LB_ALERT_USUAL_LEAST = 3 };

/* All zero: nothing is known. */
struct lb_alert_baseline {
    struct {
        float seen; /* how often */
        float mean;
        float variance;
    } hours[LB_ALERT_WEEK_HOURS];
};

/* `hour`: since 1970. `poisson`: it is a count, which varies by its root at least. */
void lb_alert_baseline_learn(struct lb_alert_baseline *baseline, int64_t hour, double value, bool poisson);

/* False: not known yet. */
bool lb_alert_baseline_usual(const struct lb_alert_baseline *baseline, int64_t hour, bool poisson, double *mean,
                             double *deviation);

/* True if all of it are numbers that can be. */
bool lb_alert_baseline_sound(const struct lb_alert_baseline *baseline);

#endif
