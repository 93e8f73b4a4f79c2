/* reporter_test.c - records that a source makes are JSON, whatever is put in; without room they are lost and counted.
 */
#include "lb_source_ground.h"

#include "reporter.c"

#include "lb_alloc.h"

static const struct lb_source_type type = { .module = { .name = "test" } };
static struct ground ground;
static struct reporter reporter;

static void begin(size_t pool_bytes)
{
    ground_lay(&ground, &type, NULL, pool_bytes);
    assert_true(reporter_open(&reporter, &ground.source, LB_STR("test"), LB_STR("h1")));
}

static void end(void)
{
    reporter_close(&reporter);
    ground_clear(&ground);
}

static void writes_members_in_order_and_escapes_them(void **state)
{
    (void)state;
    begin(LB_POOL_BYTES);
    reporter_begin(&reporter, INT64_C(1700000000123456789), LB_LEVEL_WARN);
    reporter_text(&reporter, "message", LB_STR("a \"b\"\n\xff"));
    reporter_object(&reporter, "container");
    reporter_text(&reporter, "id", LB_STR("x"));
    reporter_count(&reporter, "n", UINT64_MAX);
    reporter_object_end(&reporter);
    reporter_print(&reporter, "p", "%d%%", 5);
    reporter_value(&reporter, LB_STR("k\"ey"), lb_value_of(LB_STR("[1]"), LB_VALUE_ARRAY));
    reporter_value(&reporter, LB_STR("none"), (struct lb_value){ .kind = LB_VALUE_NONE });
    reporter_end(&reporter);
    reporter_flush(&reporter);
    ground_take(&ground);
    assert_string_equal(
        ground.text, "{\"timestamp\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\",\"message\":\"a "
                     "\\\"b\\\"\\n\xef\xbf\xbd\",\"container\":{\"id\":\"x\",\"n\":18446744073709551615},\"p\":\"5%\","
                     "\"k\\\"ey\":[1]}\n");
    assert_text(((struct lb_str){ reporter.stream->host.ptr, reporter.stream->host.len }), "h1");
    end();
}

static void numbers_are_short_and_finite(void **state)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = { { 0, "0" },
                  { -0.001, "0" },
                  { 12.5, "12.5" },
                  { 100, "100" },
                  { 1e-9, "0" },
                  { -3.14159, "-3.14" },
                  { 1e15, "1000000000000000" } };

    (void)state;
    begin(LB_POOL_BYTES);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[64];

        ground_forget(&ground);
        reporter_begin(&reporter, 0, LB_LEVEL_INFO);
        reporter_number(&reporter, "n", cases[i].number);
        reporter_number(&reporter, "no", (double)NAN);
        reporter_number(&reporter, "no", (double)INFINITY);
        reporter_end(&reporter);
        reporter_flush(&reporter);
        ground_take(&ground);
        snprintf(expected, sizeof(expected), "\"n\":%s}", cases[i].text);
        assert_non_null(strstr(ground.text, expected));
        assert_null(strstr(ground.text, "no"));
    }
    end();
}

static void many_records_fill_several_batches_without_allocating(void **state)
{
    enum { RECORDS = 3000 };

    (void)state;
    begin(LB_POOL_BYTES);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < RECORDS; i++) {
            reporter_begin(&reporter, 0, LB_LEVEL_INFO);
            reporter_count(&reporter, "i", i);
            reporter_text(&reporter, "fill", LB_STR("some more text to make a record of the usual length"));
            reporter_end(&reporter);
        }
        reporter_flush(&reporter);
        ground_take(&ground);
        assert_int_equal(ground.events, RECORDS);
        ground_forget(&ground);
    }
    long before = atomic_load(&lb_alloc_count);
    for (unsigned i = 0; i < RECORDS; i++) {
        reporter_begin(&reporter, 0, LB_LEVEL_INFO);
        reporter_end(&reporter);
    }
    reporter_flush(&reporter);
    assert_in_range(atomic_load(&lb_alloc_count) - before, 0, 20);
    end();
}

static void without_credit_records_are_lost_and_counted(void **state)
{
    (void)state;
    lb_log_level = LB_LEVEL_ERROR;
    begin(LB_SLAB_LARGE);
    for (unsigned i = 0; i < 100000; i++) {
        reporter_begin(&reporter, 0, LB_LEVEL_INFO);
        reporter_end(&reporter);
    }
    reporter_flush(&reporter);
    int64_t lost = atomic_load(&reporter.lost->value);
    int64_t written = atomic_load(&reporter.records->value);
    assert_true(lost > 0);
    assert_true(written > 1000);
    ground_take(&ground);
    reporter_begin(&reporter, 0, LB_LEVEL_INFO);
    reporter_end(&reporter);
    reporter_flush(&reporter);
    ground_take(&ground);
    assert_int_equal(atomic_load(&reporter.lost->value), lost);
    end();
    lb_metrics_free_all();
    lb_log_level = LB_LEVEL_INFO;
}

static void a_record_that_is_too_long_is_lost_alone(void **state)
{
    static char text[2 * REPORT_BYTES_MAX];

    (void)state;
    lb_log_level = LB_LEVEL_ERROR;
    memset(text, 'x', sizeof(text));
    begin(LB_POOL_BYTES);
    reporter_begin(&reporter, 0, LB_LEVEL_INFO);
    reporter_text(&reporter, "long", (struct lb_str){ text, sizeof(text) });
    reporter_end(&reporter);
    reporter_begin(&reporter, 0, LB_LEVEL_INFO);
    reporter_text(&reporter, "large", (struct lb_str){ text, REPORT_BYTES_MAX / 2 });
    reporter_end(&reporter);
    reporter_flush(&reporter);
    ground_take(&ground);
    assert_int_equal(ground.events, 1);
    assert_non_null(strstr(ground.text, "large"));
    end();
    lb_log_level = LB_LEVEL_INFO;
}

static void words_of_sizes_and_times(void **state)
{
    char word[REPORT_WORD_BYTES];

    (void)state;
    assert_string_equal(report_size(0, word), "0 B");
    assert_string_equal(report_size(1536, word), "1.5 KiB");
    assert_string_equal(report_size(UINT64_MAX, word), "16384 PiB");
    assert_string_equal(report_duration(59, word), "59 s");
    assert_string_equal(report_duration(180, word), "3 min");
    assert_string_equal(report_duration(7260, word), "2 h 1 min");
    assert_string_equal(report_duration(200000, word), "2 days");
    assert_string_equal(report_duration((double)NAN, word), "0 s");
    assert_string_equal(report_duration(-5, word), "0 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_members_in_order_and_escapes_them),
        cmocka_unit_test(numbers_are_short_and_finite),
        cmocka_unit_test(many_records_fill_several_batches_without_allocating),
        cmocka_unit_test(without_credit_records_are_lost_and_counted),
        cmocka_unit_test(a_record_that_is_too_long_is_lost_alone),
        cmocka_unit_test(words_of_sizes_and_times),
    };

    return cmocka_run_group_tests_name("ingest/reporter", tests, NULL, NULL);
}
