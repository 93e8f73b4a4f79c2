/* metrics_test.c - the text that Prometheus reads. */
#include "lb_test.h"

#include "metrics.c"

#include <unistd.h>

static struct lb_buffer text;

static int set_up(void **state)
{
    (void)state;
    lb_buffer_init(&text, 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lb_buffer_free(&text);
    lb_metrics_free_all();
    return 0;
}

static void expect(const char *expected)
{
    lb_buffer_reset(&text);
    lb_metrics_write(&text);
    assert_text(lb_buffer_str(&text), expected);
}

static void the_same_name_and_labels_are_the_same_metric(void **state)
{
    struct lb_metric *metric = lb_metric(LB_COUNTER, "logboom_a_total", "A", "x=\"1\"");

    (void)state;
    lb_metric_add(metric, 2);
    assert_ptr_equal(lb_metric(LB_COUNTER, "logboom_a_total", "A", "x=\"1\""), metric);
    assert_ptr_not_equal(lb_metric(LB_COUNTER, "logboom_a_total", "A", "x=\"2\""), metric);
    assert_ptr_not_equal(lb_metric(LB_COUNTER, "logboom_a_total", "A", NULL), metric);
    expect("# HELP logboom_a_total A\n# TYPE logboom_a_total counter\n"
           "logboom_a_total 0\nlogboom_a_total{x=\"1\"} 2\nlogboom_a_total{x=\"2\"} 0\n");
}

static void one_head_per_name_in_order_whatever_the_order_of_registering(void **state)
{
    (void)state;
    lb_metric_set(lb_metric(LB_GAUGE, "logboom_b_bytes", "B", "s=\"2\""), -5);
    lb_metric_set(lb_metric(LB_COUNTER, "logboom_c_total", "C", NULL), 3);
    lb_metric_set(lb_metric(LB_GAUGE, "logboom_a_bytes", "A \\ and\nmore", NULL), 1);
    lb_metric_set(lb_metric(LB_GAUGE, "logboom_b_bytes", "B", "s=\"1\""), INT64_MAX);
    expect("# HELP logboom_a_bytes A \\\\ and\\nmore\n# TYPE logboom_a_bytes gauge\nlogboom_a_bytes 1\n"
           "# HELP logboom_b_bytes B\n# TYPE logboom_b_bytes gauge\n"
           "logboom_b_bytes{s=\"1\"} 9223372036854775807\nlogboom_b_bytes{s=\"2\"} -5\n"
           "# HELP logboom_c_total C\n# TYPE logboom_c_total counter\nlogboom_c_total 3\n");
}

static double answer(void *context)
{
    return *(const double *)context;
}

static void numbers_are_written_the_same_way_everywhere(void **state)
{
    static const struct {
        double number;
        const char *expected;
    } cases[] = {
        { 0, "0" },     { 0.1, "0.1" },       { 1.5, "1.5" },
        { -2, "-2" },   { 1e15, "1e+15" },    { 123456789, "123456789" },
        { NAN, "NaN" }, { INFINITY, "+Inf" }, { -INFINITY, "-Inf" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[200];
        double number = cases[i].number;

        lb_metric_ask(LB_GAUGE, "logboom_x", "X", NULL, answer, &number);
        snprintf(expected, sizeof(expected), "# HELP logboom_x X\n# TYPE logboom_x gauge\nlogboom_x %s\n",
                 cases[i].expected);
        expect(expected);
    }
}

static void nanoseconds_are_shown_as_seconds(void **state)
{
    struct lb_metric *metric = lb_metric(LB_COUNTER, "logboom_busy_seconds_total", "Busy", NULL);

    (void)state;
    metric->scale = 1e-9;
    lb_metric_add(metric, 100000000);
    expect("# HELP logboom_busy_seconds_total Busy\n# TYPE logboom_busy_seconds_total counter\n"
           "logboom_busy_seconds_total 0.1\n");
    lb_metric_add(metric, 3600 * INT64_C(1000000000));
    expect("# HELP logboom_busy_seconds_total Busy\n# TYPE logboom_busy_seconds_total counter\n"
           "logboom_busy_seconds_total 3600.1\n");
}

static void label_values_are_escaped_and_valid_utf8(void **state)
{
    static const struct {
        const char *value;
        const char *expected;
    } cases[] = {
        { "plain", "v=\"plain\"" },
        { "", "v=\"\"" },
        { "a\"b\\c\nd", "v=\"a\\\"b\\\\c\\nd\"" },
        { "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\xaa\xb5",
          "v=\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\xaa\xb5\"" },
        { "\xff\xc3", "v=\"\?\?\"" },
        { "\xc0\xaf", "v=\"\?\?\"" },             /* overlong */
        { "\xed\xa0\x80x", "v=\"\?\?\?x\"" },     /* a surrogate */
        { "\xf4\x90\x80\x80", "v=\"\?\?\?\?\"" }, /* past U+10FFFF */
        { "\xe2\x82", "v=\"\?\?\"" },
    };
    char out[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(lb_metric_labels(out, sizeof(out), "v", cases[i].value, NULL), cases[i].expected);
    lb_metric_labels(out, sizeof(out), "a", "1", "b", "2", NULL);
    assert_string_equal(out, "a=\"1\",b=\"2\"");
}

static void a_pair_that_does_not_fit_is_left_out_whole(void **state)
{
    char out[24];

    (void)state;
    for (size_t size = 1; size <= sizeof(out); size++) {
        lb_metric_labels(out, size, "a", "1", "b", "\"\"\"", NULL);
        assert_in_range(strlen(out), 0, size - 1);
        if (strlen(out) > 0 && strcmp(out, "a=\"1\"") != 0 && strcmp(out, "b=\"\\\"\\\"\\\"\"") != 0)
            assert_string_equal(out, "a=\"1\",b=\"\\\"\\\"\\\"\"");
    }
    assert_string_equal(out, "a=\"1\",b=\"\\\"\\\"\\\"\"");
}

static void without_memory_there_is_a_metric_that_nobody_sees(void **state)
{
    (void)state;
    for (long n = 1; n <= 7; n++) {
        lb_alloc_fail_at = n;
        struct lb_metric *metric = lb_metric(LB_COUNTER, "logboom_a_total", "A", NULL);
        lb_alloc_fail_at = 0;
        lb_metric_add(metric, 1);
        if (n <= 6)
            assert_ptr_equal(metric, &unseen);
        lb_metrics_free_all();
    }
}

/* promtool is Prometheus' own judge. */
static void promtool_accepts_it(void **state)
{
    char labels[100];

    (void)state;
    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        print_message("promtool is absent: skipped\n");
        skip();
    }
    lb_metric_add(lb_metric(LB_COUNTER, "logboom_records_total", "Records that came in",
                            lb_metric_labels(labels, sizeof(labels), "source", "a\"\\\n\xff", NULL)),
                  7);
    lb_metric(LB_COUNTER, "logboom_busy_seconds_total", "Time at work", NULL)->scale = 1e-9;
    double number = NAN;
    lb_metric_ask(LB_GAUGE, "logboom_pool_bytes", "Memory \\ in use", NULL, answer, &number);
    lb_metrics_write(&text);
    FILE *promtool = popen("promtool check metrics", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(text.ptr, 1, text.len, promtool), text.len);
    assert_int_equal(pclose(promtool), 0);
}

#define METRICS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        METRICS_TEST(the_same_name_and_labels_are_the_same_metric),
        METRICS_TEST(one_head_per_name_in_order_whatever_the_order_of_registering),
        METRICS_TEST(numbers_are_written_the_same_way_everywhere),
        METRICS_TEST(nanoseconds_are_shown_as_seconds),
        METRICS_TEST(label_values_are_escaped_and_valid_utf8),
        METRICS_TEST(a_pair_that_does_not_fit_is_left_out_whole),
        METRICS_TEST(without_memory_there_is_a_metric_that_nobody_sees),
        METRICS_TEST(promtool_accepts_it),
    };

    return cmocka_run_group_tests_name("core/metrics", tests, NULL, NULL);
}
