/* units_test.c - durations and sizes. */
#include "units.c"

#include "lb_test.h"

static void reads_durations(void **state)
{
    static const struct {
        const char *text;
        enum lb_unit_result result;
        int64_t ns;
    } cases[] = {
        { "500ms", LB_UNIT_OK, 500000000 },
        { "5s", LB_UNIT_OK, INT64_C(5000000000) },
        { "1m30s", LB_UNIT_OK, INT64_C(90000000000) },
        { "7d", LB_UNIT_OK, 7 * INT64_C(86400000000000) },
        { "2w", LB_UNIT_OK, 14 * INT64_C(86400000000000) },
        { "0.1s", LB_UNIT_OK, 100000000 },
        { "1.5h", LB_UNIT_OK, INT64_C(5400000000000) },
        { "0", LB_UNIT_OK, 0 },
        { "5", LB_UNIT_MISSING, 0 },
        { "1m30", LB_UNIT_MISSING, 0 },
        { "5 s", LB_UNIT_UNKNOWN, 0 },
        { "5x", LB_UNIT_UNKNOWN, 0 },
        { "5.s", LB_UNIT_UNKNOWN, 0 },
        { "-5s", LB_UNIT_NO_NUMBER, 0 },
        { "", LB_UNIT_NO_NUMBER, 0 },
        { "s", LB_UNIT_NO_NUMBER, 0 },
        { "15251w", LB_UNIT_TOO_LARGE, 0 },
        { "99999999999999999999s", LB_UNIT_TOO_LARGE, 0 },
        { "15249w15249w", LB_UNIT_TOO_LARGE, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ns = -1;

        if (lb_duration_read(lb_str_from(cases[i].text), &ns) != cases[i].result)
            fail_msg("\"%s\"", cases[i].text);
        if (cases[i].result == LB_UNIT_OK && ns != cases[i].ns)
            fail_msg("\"%s\" is %lld", cases[i].text, (long long)ns);
    }
}

static void reads_sizes(void **state)
{
    static const struct {
        const char *text;
        enum lb_unit_result result;
        uint64_t size;
    } cases[] = {
        { "100B", LB_UNIT_OK, 100 },
        { "64KiB", LB_UNIT_OK, 65536 },
        { "64kB", LB_UNIT_OK, 64000 },
        { "1KB", LB_UNIT_OK, 1000 },
        { "1MB", LB_UNIT_OK, 1000000 },
        { "1.5GiB", LB_UNIT_OK, UINT64_C(1610612736) },
        { "2TiB", LB_UNIT_OK, UINT64_C(2199023255552) },
        { "0", LB_UNIT_OK, 0 },
        { "64", LB_UNIT_MISSING, 0 },
        { "64K", LB_UNIT_UNKNOWN, 0 },
        { "1MiB2KiB", LB_UNIT_UNKNOWN, 0 },
        { "banana", LB_UNIT_NO_NUMBER, 0 },
        { "8388608TiB", LB_UNIT_TOO_LARGE, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t size = 1;

        if (lb_size_read(lb_str_from(cases[i].text), &size) != cases[i].result)
            fail_msg("\"%s\"", cases[i].text);
        if (cases[i].result == LB_UNIT_OK && size != cases[i].size)
            fail_msg("\"%s\" is %llu", cases[i].text, (unsigned long long)size);
    }
}

static void writes_what_it_reads(void **state)
{
    static const char *const durations[] = { "1ms", "5s", "1m", "1m30s", "1h", "1d", "1w", "8d", "365d", "1h1m1s1ms" };
    static const char *const sizes[] = { "1B", "64KiB", "1000B", "16MiB", "3GiB", "1025B" };
    char text[LB_UNIT_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        int64_t ns;
        int64_t again;

        assert_int_equal(lb_duration_read(lb_str_from(durations[i]), &ns), LB_UNIT_OK);
        lb_duration_print(ns, text);
        assert_int_equal(lb_duration_read(lb_str_from(text), &again), LB_UNIT_OK);
        assert_int_equal(ns, again);
        assert_string_equal(text, durations[i]);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t size;
        uint64_t again;

        assert_int_equal(lb_size_read(lb_str_from(sizes[i]), &size), LB_UNIT_OK);
        lb_size_print(size, text);
        assert_int_equal(lb_size_read(lb_str_from(text), &again), LB_UNIT_OK);
        assert_int_equal(size, again);
    }
    lb_duration_print(0, text);
    assert_string_equal(text, "0s");
}

static void guesses_the_unit_that_was_meant(void **state)
{
    char text[LB_UNIT_TEXT_SIZE];

    (void)state;
    assert_true(lb_unit_guess(LB_STR("64M"), true, text));
    assert_string_equal(text, "64MiB");
    assert_true(lb_unit_guess(LB_STR("5min"), false, text));
    assert_string_equal(text, "5m");
    assert_false(lb_unit_guess(LB_STR("5min"), true, text));
    assert_false(lb_unit_guess(LB_STR("5Q"), true, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations),
        cmocka_unit_test(reads_sizes),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(guesses_the_unit_that_was_meant),
    };

    return cmocka_run_group_tests_name("conf/units", tests, NULL, NULL);
}
