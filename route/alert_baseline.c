/* alert_baseline.c - exponentially weighted means of 168 hours (West's update of the variance). */
#include "alert_baseline.h"

#include <math.h>

#define SMALLEST_STEP 0.159 /* 1 - 2^(-1/4): a half-life of four weeks */
#define FAR 3.0

enum { DAY_HOURS = 24 };

static int hour_of_week(int64_t hour)
{
    int64_t rest = hour % LB_ALERT_WEEK_HOURS;

    return (int)(rest < 0 ? rest + LB_ALERT_WEEK_HOURS : rest);
}

static double deviation_of(double variance, double mean, bool poisson)
{
    double deviation = sqrt(variance);
    double least = poisson ? sqrt(mean > 1 ? mean : 1) : 0;

    return deviation > least ? deviation : least;
}

void lb_alert_baseline_learn(struct lb_alert_baseline *baseline, int64_t hour, double value, bool poisson)
{
    int i = hour_of_week(hour);
    double seen = baseline->hours[i].seen;
    double step = 1 / (seen + 1) > SMALLEST_STEP ? 1 / (seen + 1) : SMALLEST_STEP;
    double mean;
    double deviation;
    double off;

    if (!isfinite(value))
        return;
    if (lb_alert_baseline_usual(baseline, hour, poisson, &mean, &deviation)) {
        /* What never varied so far may still begin to. */
        deviation = fmax(deviation, fabs(mean) / 10);
        deviation = deviation > 0 ? deviation : INFINITY;
        value = value > mean + FAR * deviation ? mean + FAR * deviation : value;
        value = value < mean - FAR * deviation ? mean - FAR * deviation : value;
    }
    mean = baseline->hours[i].mean;
    off = value - mean;
    baseline->hours[i].mean = (float)(mean + step * off);
    baseline->hours[i].variance = (float)((1 - step) * (baseline->hours[i].variance + step * off * off));
    baseline->hours[i].seen = (float)(seen < 1000 ? seen + 1 : seen);
}

bool lb_alert_baseline_usual(const struct lb_alert_baseline *baseline, int64_t hour, bool poisson, double *mean,
                             double *deviation)
{
    int this = hour_of_week(hour);
    bool alone = baseline->hours[this].seen >= LB_ALERT_USUAL_LEAST;
    int first = alone ? this : this % DAY_HOURS;
    int last = alone ? this : LB_ALERT_WEEK_HOURS - 1;
    double seen = 0;
    double sum = 0;
    double squares = 0;

    for (int i = first; i <= last; i += DAY_HOURS) {
        double weight = baseline->hours[i].seen;

        seen += weight;
        sum += weight * baseline->hours[i].mean;
        squares += weight * (baseline->hours[i].variance + (double)baseline->hours[i].mean * baseline->hours[i].mean);
    }
    if (seen < LB_ALERT_USUAL_LEAST)
        return false;
    *mean = sum / seen;
    squares = squares / seen - *mean * *mean;
    *deviation = deviation_of(squares > 0 ? squares : 0, *mean, poisson);
    return true;
}

bool lb_alert_baseline_sound(const struct lb_alert_baseline *baseline)
{
    for (int i = 0; i < LB_ALERT_WEEK_HOURS; i++)
        if (!isfinite(baseline->hours[i].mean) || !(baseline->hours[i].variance >= 0) ||
            !isfinite(baseline->hours[i].variance) || !(baseline->hours[i].seen >= 0) ||
            !(baseline->hours[i].seen <= 1000))
            return false;
    return true;
}
