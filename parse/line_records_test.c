/* line_records_test.c - what lines of archives say when they are records again. */
#include "line_records.c"

#include "lb_test.h"

static struct lb_line_records lines;

static struct lb_record read_line(const char *text)
{
    struct lb_record record;

    lb_line_records_read(&lines, lb_str_from(text), &record);
    return record;
}

static void times_and_levels_are_found_in_every_format(void **state)
{
    static const char *const texts[] = {
        "{\"timestamp\":\"2026-03-01T10:00:00Z\",\"level\":\"error\",\"service\":\"a\",\"message\":\"m\"}",
        "2026-03-01T10:00:00Z ERROR host a: m k=v",
        "timestamp=2026-03-01T10:00:00Z level=error service=a message=m",
        "2026-03-01 10:00:00 ERROR m",
        "2026-03-01 10:00:00,000 [error] m",
        "[2026-03-01T10:00:00Z] error: m",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        lb_line_records_begin(&lines);
        struct lb_record record = read_line(texts[i]);

        if (record.time_ns != 1772359200 * LB_SECOND || record.level != LB_LEVEL_ERROR ||
            (record.flags & LB_RECORD_NO_TIME) != 0)
            fail_msg("%s: %lld %d", texts[i], (long long)record.time_ns, record.level);
    }
}

static void a_line_without_a_time_has_that_of_the_one_before(void **state)
{
    (void)state;
    lb_line_records_begin(&lines);
    assert_true((read_line("  at Main.java:5").flags & LB_RECORD_NO_TIME) != 0);
    read_line("2026-03-01T10:00:00Z ERROR host a: m");
    struct lb_record record = read_line("  at Main.java:5");
    assert_int_equal(record.flags & LB_RECORD_NO_TIME, 0);
    assert_int_equal(record.time_ns, 1772359200 * LB_SECOND);
    assert_int_equal(record.level, LB_LEVEL_NONE);
    lb_line_records_begin(&lines);
    assert_true((read_line("").flags & LB_RECORD_NO_TIME) != 0);
}

static void an_ordinary_word_is_no_level(void **state)
{
    (void)state;
    lb_line_records_begin(&lines);
    assert_int_equal(read_line("2026-03-01T10:00:00Z 500 I m").level, LB_LEVEL_NONE);
    assert_int_equal(read_line("2026-03-01T10:00:00Z").level, LB_LEVEL_NONE);
}

static int setup(void **state)
{
    (void)state;
    return lb_line_records_open(&lines) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    lb_line_records_close(&lines);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_and_levels_are_found_in_every_format),
        cmocka_unit_test(a_line_without_a_time_has_that_of_the_one_before),
        cmocka_unit_test(an_ordinary_word_is_no_level),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
