/*
 * alert_measure.c - the functions of rules, over samples and over slots.
 *
 * Means and deviations merge by Chan, Golub and LeVeque ("Updating formulae and
 * a pairwise algorithm for computing sample variances", 1979), which does not
 * lose digits as a sum of squares would.
 */
#include "alert_measure.h"

#include "lb_alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool lb_alert_needs_detail(enum lb_alert_function function)
{
    switch (function) {
    case LB_ALERT_COUNT:
    case LB_ALERT_RATE:
    case LB_ALERT_RATIO:
    case LB_ALERT_SUM:
    case LB_ALERT_AVG: return false;
    default: return true;
    }
}

/* --- details -------------------------------------------------------------- */

static void add_spread(struct lb_alert_detail *detail, double number)
{
    double distance = number - detail->mean;

    detail->mean += distance / (double)detail->count;
    detail->square += distance * (number - detail->mean);
}

static void add_run(struct lb_alert_detail *detail, double number)
{
    detail->run = number != 0 ? detail->run + 1 : 0;
    detail->broken = detail->broken || number == 0;
}

/* What all functions but a percentile are made of. */
static bool add_one(struct lb_alert_detail *detail, const struct lb_alert_measure *measure,
                    const struct lb_alert_sample *sample)
{
    double number = sample->number;

    if (detail->count == 0 || number < detail->least)
        detail->least = number;
    if (detail->count == 0 || number > detail->most)
        detail->most = number;
    detail->count++;
    if (detail->count == 1 || sample->time_ns >= detail->last_ns) {
        detail->last = number;
        detail->last_ns = sample->time_ns;
    }
    switch (measure->function) {
    case LB_ALERT_STDDEV: add_spread(detail, number); return true;
    case LB_ALERT_CONSECUTIVE: add_run(detail, number); return true;
    case LB_ALERT_DISTINCT: return lb_alert_distinct_add(&detail->distinct, number);
    default: return true;
    }
}

static bool add_to_sketch(struct lb_alert_detail *detail, struct lb_alert_bin bin)
{
    detail->count++;
    return lb_alert_sketch_add(&detail->sketch, bin);
}

bool lb_alert_detail_add(struct lb_alert_detail *detail, struct lb_alert_detail *also,
                         const struct lb_alert_measure *measure, const struct lb_alert_sample *sample)
{
    bool added;

    if (measure->function == LB_ALERT_PERCENTILE) {
        struct lb_alert_bin bin = lb_alert_sketch_bin(sample->number);

        added = add_to_sketch(detail, bin);
        return (also == NULL || add_to_sketch(also, bin)) && added;
    }
    added = add_one(detail, measure, sample);
    return (also == NULL || add_one(also, measure, sample)) && added;
}

static void merge_spread(struct lb_alert_detail *detail, const struct lb_alert_detail *later)
{
    double ours = (double)detail->count;
    double theirs = (double)later->count;
    double distance = later->mean - detail->mean;

    detail->mean += distance * theirs / (ours + theirs);
    detail->square += later->square + distance * distance * ours * theirs / (ours + theirs);
}

bool lb_alert_detail_merge(struct lb_alert_detail *detail, const struct lb_alert_measure *measure,
                           const struct lb_alert_detail *later)
{
    if (later->count == 0)
        return true;
    if (measure->function == LB_ALERT_STDDEV)
        merge_spread(detail, later);
    if (detail->count == 0 || later->least < detail->least)
        detail->least = later->least;
    if (detail->count == 0 || later->most > detail->most)
        detail->most = later->most;
    if (detail->count == 0 || later->last_ns >= detail->last_ns) {
        detail->last = later->last;
        detail->last_ns = later->last_ns;
    }
    detail->run = later->broken ? later->run : detail->run + later->run;
    detail->broken = detail->broken || later->broken;
    detail->count += later->count;
    if (measure->function == LB_ALERT_PERCENTILE)
        return lb_alert_sketch_merge(&detail->sketch, &later->sketch);
    return measure->function != LB_ALERT_DISTINCT || lb_alert_distinct_merge(&detail->distinct, &later->distinct);
}

void lb_alert_detail_reset(struct lb_alert_detail *detail)
{
    struct lb_alert_sketch sketch = detail->sketch;

    if (sketch.total > 0)
        lb_alert_sketch_reset(&sketch);
    lb_alert_distinct_reset(&detail->distinct);
    *detail = (struct lb_alert_detail){ .sketch = sketch, .distinct = detail->distinct };
}

void lb_alert_detail_free(struct lb_alert_detail *detail)
{
    lb_alert_sketch_free(&detail->sketch);
    lb_alert_distinct_free(&detail->distinct);
    *detail = (struct lb_alert_detail){ 0 };
}

double lb_alert_detail_value(struct lb_alert_detail *detail, const struct lb_alert_measure *measure)
{
    if (detail->count == 0)
        return 0;
    switch (measure->function) {
    case LB_ALERT_MIN: return detail->least;
    case LB_ALERT_MAX: return detail->most;
    case LB_ALERT_LAST: return detail->last;
    case LB_ALERT_STDDEV: return sqrt(detail->square / (double)detail->count);
    case LB_ALERT_CONSECUTIVE: return detail->run;
    case LB_ALERT_PERCENTILE: return lb_alert_sketch_quantile(&detail->sketch, measure->quantile);
    case LB_ALERT_DISTINCT: return lb_alert_distinct_estimate(&detail->distinct);
    default: return 0;
    }
}

/* --- samples -------------------------------------------------------------- */

static size_t copy_numbers(const struct lb_alert_samples *samples, double *numbers)
{
    size_t count = 0;

    for (int piece = 0; piece < 2; piece++)
        for (size_t i = 0; i < samples->counts[piece]; i++)
            numbers[count++] = samples->pieces[piece][i].number;
    return count;
}

/* The number that would stand at `place` if they were sorted (Hoare's FIND): asked for at every record. */
static double number_at(double *numbers, size_t count, size_t place)
{
    size_t low = 0;
    size_t high = count - 1;

    while (low < high) {
        double middle = numbers[low + (high - low) / 2];
        size_t left = low;
        size_t right = high;

        for (;;) {
            while (numbers[left] < middle)
                left++;
            while (middle < numbers[right])
                right--;
            if (left >= right)
                break;
            double number = numbers[left];
            numbers[left++] = numbers[right];
            numbers[right--] = number;
        }
        /* What lies before `left` is at most the middle one, and what lies behind `right` at least. */
        if (place <= right)
            high = right;
        else
            low = right + 1;
    }
    return numbers[low];
}

/* The numbers on both sides of `middle`: how many are less, how many are not greater, and the next ones. */
struct sides {
    size_t less;
    size_t not_greater;
    double next_less;
    double next_greater;
};

static struct sides sides_of(const struct lb_alert_samples *samples, double middle)
{
    struct sides sides = { 0, 0, -INFINITY, INFINITY };

    for (int piece = 0; piece < 2; piece++) {
        for (size_t i = 0; i < samples->counts[piece]; i++) {
            double number = samples->pieces[piece][i].number;

            sides.less += number < middle;
            sides.not_greater += number <= middle;
            sides.next_less = number < middle && number > sides.next_less ? number : sides.next_less;
            sides.next_greater = number > middle && number < sides.next_greater ? number : sides.next_greater;
        }
    }
    return sides;
}

/* True if the number of that rank (0: the least) is `*number` or one of its next ones, which it then becomes. */
static bool is_near(const struct lb_alert_samples *samples, size_t rank, double *number)
{
    enum { STEPS = 3 };

    for (int i = 0; i < STEPS; i++) {
        struct sides sides = sides_of(samples, *number);

        if (rank >= sides.less && rank < sides.not_greater)
            return true;
        *number = rank < sides.less ? sides.next_less : sides.next_greater;
    }
    return false;
}

/* One sample more or less moves it by a step at most: it is looked for where it was the last time. */
static double quantile_of(const struct lb_alert_samples *samples, double quantile, double *last)
{
    size_t count = samples->counts[0] + samples->counts[1];
    size_t rank = (size_t)ceil(quantile * (double)count);
    double numbers[LB_ALERT_EXACT_MAX];

    if (count == 0)
        return 0;
    rank -= rank > 0;
    if (!is_near(samples, rank, last))
        *last = number_at(numbers, copy_numbers(samples, numbers), rank);
    return *last;
}

static uint32_t hash_of(double number)
{
    double plain = number + 0; /* -0 is 0 */
    uint64_t bits;

    memcpy(&bits, &plain, sizeof(bits));
    return (uint32_t)((bits * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* An open table of places among the numbers, at most half full. */
static double distinct_of(const struct lb_alert_samples *samples)
{
    double numbers[LB_ALERT_EXACT_MAX];
    uint16_t table[2 * LB_ALERT_EXACT_MAX]; /* 0: free */
    size_t count = copy_numbers(samples, numbers);
    size_t capacity = 16;
    uint16_t different = 0;

    while (capacity < 2 * count)
        capacity *= 2;
    memset(table, 0, capacity * sizeof(*table));
    for (size_t i = 0; i < count; i++) {
        size_t at = hash_of(numbers[i]) & (capacity - 1);

        while (table[at] != 0 && numbers[table[at] - 1] != numbers[i])
            at = (at + 1) & (capacity - 1);
        if (table[at] == 0) {
            numbers[different] = numbers[i]; /* those that are found stand in front */
            table[at] = ++different;
        }
    }
    return different;
}

double lb_alert_samples_value(const struct lb_alert_samples *samples, const struct lb_alert_measure *measure,
                              double *last)
{
    struct lb_alert_detail detail = { 0 };

    if (measure->function == LB_ALERT_PERCENTILE)
        return quantile_of(samples, measure->quantile, last);
    if (measure->function == LB_ALERT_DISTINCT)
        return distinct_of(samples);
    for (int piece = 0; piece < 2; piece++)
        for (size_t i = 0; i < samples->counts[piece]; i++)
            (void)add_one(&detail, measure, &samples->pieces[piece][i]);
    return lb_alert_detail_value(&detail, measure);
}
