/* time_argument_test.c - times and durations as people type them. */
#include "time_argument.c"

#include "lb_test.h"

static const int64_t now = 1769862600 * LB_SECOND; /* 2026-01-31T12:30:00Z */

static void times_are_read_in_the_local_zone(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        { "now", 1769862600 },
        { "today", 1769814000 }, /* midnight in Berlin */
        { "yesterday", 1769727600 },
        { "90m", 1769857200 },
        { "1h30m ago", 1769857200 },
        { "@1700000000", 1700000000 },
        { "2026-01-31", 1769814000 },
        { "2026-01-31 13:30", 1769862600 },
        { "2026-01-31T13:30:00", 1769862600 },
        { "13:30", 1769862600 },
        { "2026-07-01 02:00", 1782864000 }, /* summer time */
        { "2026-01-31T12:30:00Z", 1769862600 },
        { "2026-01-31T14:30:00+02:00", 1769862600 },
    };
    int64_t time_ns;

    (void)state;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!time_argument(cases[i].text, now, &time_ns) || time_ns != cases[i].seconds * LB_SECOND)
            fail_msg("%s: %lld", cases[i].text, (long long)(time_ns / LB_SECOND));
    }
    assert_true(time_argument("2026-01-31 13:30:00.250", now, &time_ns));
    assert_int_equal(time_ns, now + 250 * LB_MILLISECOND);
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = { "", "soon", "12", "2h later", "2026-13-01", "25:00", "@", "-5m" };
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (time_argument(texts[i], now, &ns))
            fail_msg("%s", texts[i]);
    }
    assert_false(duration_argument("0s", &ns));
    assert_false(duration_argument("5", &ns));
    assert_false(duration_argument("1m ago", &ns));
    assert_true(duration_argument("1m30s", &ns));
    assert_int_equal(ns, 90 * LB_SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_in_the_local_zone),
        cmocka_unit_test(what_is_no_time_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
