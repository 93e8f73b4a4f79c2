/* alert_distinct_test.c - what is kept up to date is what counting all anew gives. */
#include "lb_test.h"

#include "alert_measure.h"
#include "lb_alloc.h"

#include <math.h>

static double number_of(uint64_t value)
{
    return lb_alert_distinct_number((struct lb_str){ (const char *)&value, sizeof(value) });
}

/* The estimate of a set that has the same registers and has counted nothing yet. */
static double counted_anew(const struct lb_alert_distinct *set)
{
    struct lb_alert_distinct fresh = { 0 };

    assert_true(lb_alert_distinct_load(&fresh, set->registers));
    double estimate = lb_alert_distinct_estimate(&fresh);
    lb_alert_distinct_free(&fresh);
    return estimate;
}

static void the_estimate_goes_with_what_comes(void **state)
{
    uint64_t random = lb_seed();
    struct lb_alert_distinct sets[2] = { 0 };

    (void)state;
    assert_true(lb_alert_distinct_estimate(&sets[0]) == 0);
    for (int i = 0; i < 20000; i++) {
        struct lb_alert_distinct *set = &sets[lb_random(&random) % 2];
        uint64_t what = lb_random(&random) % 1000;

        if (what == 0)
            lb_alert_distinct_reset(set);
        else if (what == 1)
            assert_true(lb_alert_distinct_merge(set, &sets[set == &sets[0]]));
        else
            assert_true(lb_alert_distinct_add(set, number_of(lb_random(&random) % 5000)));
        if (set->registers != NULL && lb_alert_distinct_estimate(set) != counted_anew(set))
            fail_msg("LB_SEED=%llu: %d: %g is %g", (unsigned long long)lb_seed(), i, lb_alert_distinct_estimate(set),
                     counted_anew(set));
    }
    lb_alert_distinct_free(&sets[0]);
    lb_alert_distinct_free(&sets[1]);
}

static void it_is_near_the_truth(void **state)
{
    enum { ERRORS = 4 }; /* standard errors of 2.3 % */
    static const int counts[] = { 1, 10, 1000, 5000, 100000 };
    struct lb_alert_distinct set = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        lb_alert_distinct_reset(&set);
        for (int k = 0; k < counts[i]; k++)
            assert_true(lb_alert_distinct_add(&set, number_of((uint64_t)k)));
        assert_true(fabs(lb_alert_distinct_estimate(&set) - counts[i]) <= ERRORS * 0.023 * counts[i]);
    }
    lb_alert_distinct_free(&set);
}

static void exact_samples_are_counted_as_they_are(void **state)
{
    struct lb_alert_measure measure = { .function = LB_ALERT_DISTINCT };
    struct lb_alert_sample pieces[2][LB_ALERT_EXACT_MAX / 2] = { 0 };
    uint64_t random = lb_seed();

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct lb_alert_samples samples = { { pieces[0], pieces[1] }, { 0, 0 } };
        uint64_t values = 1 + lb_random(&random) % 900;
        bool seen[1000] = { false };
        double different = 0;

        for (int piece = 0; piece < 2; piece++) {
            samples.counts[piece] = lb_random(&random) % (LB_ALERT_EXACT_MAX / 2 + 1);
            for (size_t i = 0; i < samples.counts[piece]; i++) {
                uint64_t value = lb_random(&random) % values;

                pieces[piece][i].number = value == 0 && i % 2 == 0 ? -0.0 : (double)value;
                different += !seen[value];
                seen[value] = true;
            }
        }
        assert_true(lb_alert_samples_value(&samples, &measure, &(double){ 0 }) == different);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_estimate_goes_with_what_comes),
        cmocka_unit_test(it_is_near_the_truth),
        cmocka_unit_test(exact_samples_are_counted_as_they_are),
    };

    return cmocka_run_group_tests_name("route/alert_distinct", tests, NULL, NULL);
}
