/* alert_baseline_test.c - what is usual is known after three times, and an outage does not become it. */
#include "alert_baseline.c"

#include "lb_test.h"

static void an_hour_is_known_after_three_weeks(void **state)
{
    struct lb_alert_baseline baseline = { 0 };
    double mean;
    double deviation;

    (void)state;
    for (int week = 0; week < 3; week++) {
        assert_false(lb_alert_baseline_usual(&baseline, 1000, true, &mean, &deviation));
        lb_alert_baseline_learn(&baseline, 1000 + week * LB_ALERT_WEEK_HOURS, 90 + 10 * week, true);
    }
    assert_true(lb_alert_baseline_usual(&baseline, 1000, true, &mean, &deviation));
    assert_true(fabs(mean - 100) < 1e-3);
    assert_true(fabs(deviation - 10) < 1e-3);
    assert_false(lb_alert_baseline_usual(&baseline, 1001, true, &mean, &deviation));
}

static void before_that_the_other_days_stand_for_it(void **state)
{
    struct lb_alert_baseline baseline = { 0 };
    double mean;
    double deviation;

    (void)state;
    for (int day = 0; day < 3; day++)
        for (int hour = 0; hour < 24; hour++)
            lb_alert_baseline_learn(&baseline, day * 24 + hour, hour < 12 ? 1000 : 10 + day, true);
    assert_true(lb_alert_baseline_usual(&baseline, 3 * 24 + 5, true, &mean, &deviation));
    assert_true(mean == 1000);
    assert_true(lb_alert_baseline_usual(&baseline, 3 * 24 + 20, true, &mean, &deviation));
    assert_true(fabs(mean - 11) < 1e-3);
}

static void an_outage_does_not_become_the_norm(void **state)
{
    struct lb_alert_baseline baseline = { 0 };
    double mean;
    double deviation;

    (void)state;
    for (int week = 0; week < 10; week++)
        lb_alert_baseline_learn(&baseline, week * LB_ALERT_WEEK_HOURS, 100, true);
    lb_alert_baseline_learn(&baseline, 10 * LB_ALERT_WEEK_HOURS, 1e9, true);
    assert_true(lb_alert_baseline_usual(&baseline, 0, true, &mean, &deviation));
    assert_in_range((int)mean, 100, 106);
    /* But what stays is learned in the end, though it never varied before. */
    for (int week = 0; week < 200; week++)
        lb_alert_baseline_learn(&baseline, week * LB_ALERT_WEEK_HOURS, 500, false);
    assert_true(lb_alert_baseline_usual(&baseline, 0, true, &mean, &deviation));
    assert_in_range((int)mean, 490, 501);
}

static void damage_is_seen(void **state)
{
    struct lb_alert_baseline baseline = { 0 };

    (void)state;
    lb_alert_baseline_learn(&baseline, 5, 3, false);
    lb_alert_baseline_learn(&baseline, 5, NAN, false);
    assert_true(lb_alert_baseline_sound(&baseline));
    baseline.hours[7].variance = -1;
    assert_false(lb_alert_baseline_sound(&baseline));
    baseline.hours[7].variance = 0;
    baseline.hours[7].mean = NAN;
    assert_false(lb_alert_baseline_sound(&baseline));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_is_known_after_three_weeks),
        cmocka_unit_test(before_that_the_other_days_stand_for_it),
        cmocka_unit_test(an_outage_does_not_become_the_norm),
        cmocka_unit_test(damage_is_seen),
    };

    return cmocka_run_group_tests_name("route/alert_baseline", tests, NULL, NULL);
}
