/* alert_sketch_test.c - the place that is kept between two questions never changes the answer. */
#include "alert_sketch.c"

#include "lb_test.h"

#include <stdlib.h>

enum { VALUES = 4000, PARTS = 8 };

static const double asked[] = { 0, 0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1 };

/* Numbers of a latency's kind; in `mixed` also zeros and negative ones. */
static double any_value(bool mixed)
{
    double value = exp((double)(rand() % 2000) / 200 - 3);

    if (!mixed)
        return value;
    return rand() % 7 == 0 ? 0 : (rand() % 3 == 0 ? -value : value);
}

/* As a sketch says it that was never asked before. */
static double anew(const struct lb_alert_sketch *sketch, double q)
{
    struct lb_alert_sketch fresh = { 0 };
    double value;

    assert_true(lb_alert_sketch_merge(&fresh, sketch));
    value = lb_alert_sketch_quantile(&fresh, q);
    lb_alert_sketch_free(&fresh);
    return value;
}

static void says_what_a_new_one_says(bool mixed)
{
    struct lb_alert_sketch whole = { 0 };
    struct lb_alert_sketch parts[PARTS] = { 0 };

    srand(7);
    for (int i = 0; i < VALUES; i++) {
        struct lb_alert_sketch *part = &parts[i / 100 % PARTS];
        double value = any_value(mixed);

        if (i % 100 == 0) { /* the oldest part leaves, as a slot does */
            lb_alert_sketch_subtract(&whole, part);
            lb_alert_sketch_reset(part);
        }
        assert_true(lb_alert_sketch_add(part, lb_alert_sketch_bin(value)));
        assert_true(lb_alert_sketch_add(&whole, lb_alert_sketch_bin(value)));
        for (size_t k = 0; k < sizeof(asked) / sizeof(asked[0]); k++)
            assert_true(lb_alert_sketch_quantile(&whole, asked[k]) == anew(&whole, asked[k]));
    }
    for (int i = 0; i < PARTS; i++)
        lb_alert_sketch_free(&parts[i]);
    lb_alert_sketch_free(&whole);
}

static void positive_values(void **unused)
{
    (void)unused;
    says_what_a_new_one_says(false);
}

static void values_of_any_sign(void **unused)
{
    (void)unused;
    says_what_a_new_one_says(true);
}

/* By sorting, within the one percent that is promised. */
static void is_right_within_one_percent(void **unused)
{
    struct lb_alert_sketch sketch = { 0 };

    (void)unused;
    for (int i = -500; i <= 500; i++) {
        assert_true(lb_alert_sketch_add(&sketch, lb_alert_sketch_bin(i)));
        for (size_t k = 0; k < sizeof(asked) / sizeof(asked[0]); k++) {
            double rank = fmax(1, ceil(asked[k] * (i + 501)));
            double expected = -500 + rank - 1;

            assert_true(fabs(lb_alert_sketch_quantile(&sketch, asked[k]) - expected) <= fabs(expected) * 0.0101);
        }
    }
    lb_alert_sketch_free(&sketch);
}

/* The short way finds the bin that the logarithm says, at the edges of bins too. */
static void bins_are_those_of_the_logarithm(void **unused)
{
    (void)unused;
    for (int i = 0; i < 400000; i++) {
        double value = exp((double)rand() / RAND_MAX * 50 - 22);
        double edge = pow(1.01 / 0.99, rand() % 2000 - 900);
        double values[] = { value, edge, nextafter(edge, 0), nextafter(edge, 1e300) };

        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            double expected = fmin(fmax(ceil(log(values[k]) * inverse_log_gamma), BIN_MIN), BIN_MAX);

            assert_true(lb_alert_sketch_bin(values[k]).number == (int32_t)expected);
        }
    }
    assert_int_equal(lb_alert_sketch_bin(5e-324).number, BIN_MIN);
    assert_int_equal(lb_alert_sketch_bin(-1e300).number, BIN_MAX);
    assert_int_equal(lb_alert_sketch_bin(-1e300).sign, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positive_values),
        cmocka_unit_test(values_of_any_sign),
        cmocka_unit_test(is_right_within_one_percent),
        cmocka_unit_test(bins_are_those_of_the_logarithm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
