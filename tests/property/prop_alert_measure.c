/*
 * prop_alert_measure.c - what a window measures against one that keeps every
 * sample and computes each value anew.
 *
 * Exact samples must give the very value. With slots the value is that of the
 * samples in the slots that count: percentiles within 1 %, distinct values
 * within 10 % (four standard errors), all others exact but for rounding.
 */
#include "route/alert_distinct.h"
#include "route/alert_window.c"

#include "lb_test.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLES = 2500, VALUES = 1500, CHECK_EVERY = 7 };

#define SECOND INT64_C(1000000000)

struct brute {
    struct lb_alert_sample samples[SAMPLES]; /* in order of time, then of arrival */
    int count;
};

static void insert(struct brute *brute, struct lb_alert_sample sample)
{
    int i = brute->count++;

    for (; i > 0 && brute->samples[i - 1].time_ns > sample.time_ns; i--)
        brute->samples[i] = brute->samples[i - 1];
    brute->samples[i] = sample;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

/* Plainly, from `count` numbers in order of time. */
static double value_of(const double *numbers, int count, enum lb_alert_function function, double quantile)
{
    static double sorted[SAMPLES];
    double sum = 0;
    double square = 0;
    int run = 0;
    int different = 0;

    memcpy(sorted, numbers, (size_t)count * sizeof(*numbers));
    qsort(sorted, (size_t)count, sizeof(*sorted), compare);
    for (int i = 0; i < count; i++) {
        sum += numbers[i];
        run = numbers[i] != 0 ? run + 1 : 0;
        different += i == 0 || sorted[i] != sorted[i - 1];
    }
    for (int i = 0; i < count; i++)
        square += (numbers[i] - sum / count) * (numbers[i] - sum / count);
    switch (function) {
    case LB_ALERT_SUM: return sum;
    case LB_ALERT_AVG: return count > 0 ? sum / count : 0;
    case LB_ALERT_MIN: return count > 0 ? sorted[0] : 0;
    case LB_ALERT_MAX: return count > 0 ? sorted[count - 1] : 0;
    case LB_ALERT_STDDEV: return count > 0 ? sqrt(square / count) : 0;
    case LB_ALERT_LAST: return count > 0 ? numbers[count - 1] : 0;
    case LB_ALERT_CONSECUTIVE: return run;
    case LB_ALERT_DISTINCT: return different;
    case LB_ALERT_PERCENTILE: return count > 0 ? sorted[(int)ceil(quantile * count) - 1] : 0;
    default: fail(); return 0;
    }
}

static double tolerance(enum lb_alert_function function, bool slotted, double value)
{
    if (slotted && function == LB_ALERT_PERCENTILE)
        return fabs(value) * 0.0101;
    if (slotted && function == LB_ALERT_DISTINCT)
        return 1 + value * 0.1;
    return 1e-7 + fabs(value) * 1e-9;
}

/* Every few steps, for it looks at all samples. */
static void check(const struct lb_alert_window *window, const struct lb_alert_shape *shape, const struct brute *brute,
                  const struct lb_alert_segment *segment)
{
    static double numbers[SAMPLES];
    static int steps;
    const struct lb_alert_measure *measure = &shape->measure;
    int count = 0;

    if (steps++ % CHECK_EVERY != 0)
        return;
    for (int i = 0; i < brute->count; i++) {
        int64_t time = brute->samples[i].time_ns;
        int64_t slot = floor_div(time, shape->slot_ns);
        bool in = window->slotted ? slot > window->cursor.low && slot <= window->cursor.high
                                  : time > segment->to - shape->over_ns && time <= segment->to;

        if (in)
            numbers[count++] = brute->samples[i].number;
    }
    double expected = value_of(numbers, count, measure->function, measure->quantile);
    if (fabs(segment->value - expected) > tolerance(measure->function, window->slotted, expected))
        fail_msg("seed %llu: function %d of %d samples (%s) expected %.17g, found %.17g", (unsigned long long)lb_seed(),
                 measure->function, count, window->slotted ? "slots" : "exact", expected, segment->value);
}

/* Of a different size for each function: what is counted, what is sorted, signs, zeros. */
static double number_for(enum lb_alert_function function, uint64_t *random)
{
    uint64_t draw = lb_random(random);

    if (function == LB_ALERT_CONSECUTIVE)
        return draw % 20 != 0;
    if (function == LB_ALERT_DISTINCT) {
        uint64_t value = draw % VALUES;

        return lb_alert_distinct_number((struct lb_str){ (const char *)&value, sizeof(value) });
    }
    double number = (double)(draw % 100000) / 7;
    return draw % 50 == 0 ? 0 : draw % 9 == 0 ? -number : number;
}

/* Returns in how many steps the slots were used. `late`: also out of order. */
static int run(uint64_t *random, enum lb_alert_function function, double quantile, bool late)
{
    static struct brute brute;
    struct lb_alert_window window = { 0 };
    struct lb_alert_shape shape;
    struct lb_alert_segment segment;
    int64_t newest = 1000 * SECOND;
    int64_t pace = 1 + (int64_t)(lb_random(random) % 80) * (SECOND / 1000);
    int slotted = 0;

    lb_alert_shape_init(&shape, 60 * SECOND, 5 * SECOND, false);
    lb_alert_shape_measure(&shape, function, quantile);
    lb_alert_window_init(&window, &shape, newest - 1);
    brute.count = 0;
    for (int i = 0; i < SAMPLES; i++) {
        bool behind = late && lb_random(random) % 4 == 0;
        int64_t time = behind ? newest - (int64_t)(lb_random(random) % (uint64_t)(4 * SECOND))
                              : newest + (int64_t)(lb_random(random) % (uint64_t)pace);
        struct lb_alert_sample sample = { time, number_for(function, random) };

        newest = time > newest ? time : newest;
        while (lb_alert_window_next(&window, &shape, time - 1, &segment))
            check(&window, &shape, &brute, &segment);
        insert(&brute, sample);
        assert_int_equal(lb_alert_window_add(&window, &shape, sample), LB_OK);
        while (lb_alert_window_next(&window, &shape, time, &segment))
            check(&window, &shape, &brute, &segment);
        segment = (struct lb_alert_segment){ 0, window.cursor.end, window.cursor.totals,
                                             lb_alert_window_value(&window, &shape) };
        check(&window, &shape, &brute, &segment);
        slotted += window.slotted;
    }
    lb_alert_window_free(&window);
    return slotted;
}

static void measures_like_one_that_keeps_everything(void **state)
{
    static const struct {
        enum lb_alert_function function;
        double quantile;
        bool late; /* a run has no meaning out of order within a slot */
    } cases[] = {
        { LB_ALERT_SUM, 0, true },
        { LB_ALERT_AVG, 0, true },
        { LB_ALERT_MIN, 0, true },
        { LB_ALERT_MAX, 0, true },
        { LB_ALERT_STDDEV, 0, true },
        { LB_ALERT_LAST, 0, true },
        { LB_ALERT_DISTINCT, 0, true },
        { LB_ALERT_CONSECUTIVE, 0, false },
        { LB_ALERT_PERCENTILE, 0.5, true },
        { LB_ALERT_PERCENTILE, 0.99, true },
        { LB_ALERT_PERCENTILE, 0.999, true },
    };
    uint64_t random = lb_seed();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int slotted = 0;

        for (uint32_t round = 0; round < lb_rounds(3); round++)
            slotted += run(&random, cases[i].function, cases[i].quantile, cases[i].late);
        assert_true(slotted > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_like_one_that_keeps_everything),
    };

    return cmocka_run_group_tests_name("property/alert_measure", tests, NULL, NULL);
}
