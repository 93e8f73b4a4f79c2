/* alert_clock_test.c - the time of each stream. */
#include "alert_clock.c"

#include "lb_test.h"

static void see(struct lb_alert_clocks *clocks, uint64_t stream, int64_t time, int64_t now)
{
    lb_alert_clocks_see(clocks, stream, time, now, 30);
}

static int64_t time_of(const struct lb_alert_clocks *clocks, uint64_t stream, int64_t now)
{
    int64_t time = -1;

    return lb_alert_clocks_time(clocks, stream, now, &time) ? time : -1;
}

static void goes_on_with_the_clock_while_nothing_comes(void **state)
{
    struct lb_alert_clocks clocks = { 0 };

    (void)state;
    assert_int_equal(time_of(&clocks, 7, 1000), -1);
    see(&clocks, 7, 990, 1000);
    assert_int_equal(time_of(&clocks, 7, 1000), 990);
    assert_int_equal(time_of(&clocks, 7, 1060), 1050);
    assert_int_equal(time_of(&clocks, 8, 1060), -1);
    lb_alert_clocks_free(&clocks);
}

static void does_not_go_back_for_a_straggler(void **state)
{
    struct lb_alert_clocks clocks = { 0 };

    (void)state;
    see(&clocks, 7, 990, 1000);
    see(&clocks, 7, 970, 1000);
    assert_int_equal(time_of(&clocks, 7, 1000), 990);
    lb_alert_clocks_free(&clocks);
}

static void goes_back_for_a_stream_that_is_behind(void **state)
{
    struct lb_alert_clocks clocks = { 0 };

    (void)state;
    see(&clocks, 7, 990, 1000);
    see(&clocks, 7, 995, 5000);
    assert_int_equal(time_of(&clocks, 7, 5000), 995);
    lb_alert_clocks_free(&clocks);
}

static void forgets_the_silent_half_when_it_is_full(void **state)
{
    struct lb_alert_clocks clocks = { 0 };

    (void)state;
    for (int i = 1; i <= 3 * LB_ALERT_STREAMS_MAX; i++)
        see(&clocks, (uint64_t)i, i, i);
    assert_true(clocks.count <= LB_ALERT_STREAMS_MAX);
    assert_int_equal(clocks.capacity, 2 * LB_ALERT_STREAMS_MAX);
    assert_int_equal(time_of(&clocks, 3 * LB_ALERT_STREAMS_MAX, 60000), 60000);
    assert_int_equal(time_of(&clocks, 1, 60000), -1);
    lb_alert_clocks_free(&clocks);
}

static void stays_bounded_when_all_come_at_once(void **state)
{
    struct lb_alert_clocks clocks = { 0 };

    (void)state;
    for (int i = 1; i <= 3 * LB_ALERT_STREAMS_MAX; i++)
        see(&clocks, (uint64_t)i, 5, 5);
    assert_true(clocks.count <= LB_ALERT_STREAMS_MAX);
    assert_int_equal(time_of(&clocks, 3 * LB_ALERT_STREAMS_MAX, 5), 5);
    lb_alert_clocks_free(&clocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_with_the_clock_while_nothing_comes),
        cmocka_unit_test(does_not_go_back_for_a_straggler),
        cmocka_unit_test(goes_back_for_a_stream_that_is_behind),
        cmocka_unit_test(forgets_the_silent_half_when_it_is_full),
        cmocka_unit_test(stays_bounded_when_all_come_at_once),
    };

    return cmocka_run_group_tests_name("route/alert_clock", tests, NULL, NULL);
}
