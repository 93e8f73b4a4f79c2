/* alert_cover_test.c - spans and waiting times against a plain line of moments. */
#include "alert_cover.c"

#include "lb_test.h"

enum { LINE = 200 };

static void a_cover_is_what_its_parts_cover(void **state)
{
    uint64_t random = lb_seed();

    (void)state;
    for (int turn = 0; turn < 3000; turn++) {
        struct lb_alert_cover cover = { 0 };
        bool line[LINE] = { false };

        /* Never more apart than there is room for. */
        for (int i = 0; i < LB_ALERT_SPANS; i++) {
            int64_t from = (int64_t)(lb_random(&random) % LINE);
            int64_t to = from + (int64_t)(lb_random(&random) % 30);

            lb_alert_cover_add(&cover, from, to);
            for (int64_t t = from; t <= to && t < LINE; t++)
                line[t] = true;
        }
        for (int64_t t = 0; t < LINE; t++)
            assert_int_equal(lb_alert_cover_has(&cover, t), line[t]);
        lb_alert_cover_forget(&cover, 100);
        for (int64_t t = 100; t < LINE; t++)
            assert_int_equal(lb_alert_cover_has(&cover, t), line[t]);
        assert_true(cover.count == 0 || cover.spans[0].to >= 100);
    }
}

static void of_too_many_spans_the_oldest_goes(void **state)
{
    struct lb_alert_cover cover = { 0 };

    (void)state;
    for (int64_t i = 0; i < 20; i++)
        lb_alert_cover_add(&cover, i * 10, i * 10 + 1);
    assert_int_equal(cover.count, LB_ALERT_SPANS);
    assert_true(lb_alert_cover_has(&cover, 190));
    assert_true(lb_alert_cover_has(&cover, 140));
    assert_false(lb_alert_cover_has(&cover, 130));
    lb_alert_cover_add(&cover, 0, 1);
    assert_false(lb_alert_cover_has(&cover, 0));
    lb_alert_cover_add(&cover, 0, 1000);
    assert_int_equal(cover.count, 1);
}

static void times_wait_in_order(void **state)
{
    struct lb_alert_waiting waiting = { 0 };
    int64_t time;

    (void)state;
    for (int64_t i = 0; i < 10; i++)
        lb_alert_waiting_add(&waiting, i * 7 % 10, 1);
    assert_int_equal(waiting.count, LB_ALERT_WAITING);
    for (uint64_t i = 1; i < waiting.count; i++)
        assert_true(waiting.times[i - 1] <= waiting.times[i]);
    assert_int_equal(waiting.times[0], 0);
    assert_true(lb_alert_waiting_take(&waiting, 8, 20, &time));
    assert_int_equal(time, 8);
    assert_true(lb_alert_waiting_take(&waiting, 8, 20, &time));
    assert_int_equal(time, 9);
    assert_false(lb_alert_waiting_take(&waiting, 8, 20, &time));
    assert_int_equal(waiting.count, LB_ALERT_WAITING - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cover_is_what_its_parts_cover),
        cmocka_unit_test(of_too_many_spans_the_oldest_goes),
        cmocka_unit_test(times_wait_in_order),
    };

    return cmocka_run_group_tests_name("route/alert_cover", tests, NULL, NULL);
}
