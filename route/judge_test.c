/* judge_test.c - throttle, dedupe and sample: who passes, in what order, and what a batch holds afterwards. */
#include "lb_test.h"
#include "lb_test_filter.h"

#include "lb_metrics.h"

struct step {
    int at_ms; /* since the first */
    const char *line;
    const char *field; /* that the record must have, as JSON, or NULL */
    bool passes;
};

static struct lb_test_filter open_filter(const char *filters)
{
    struct lb_test_filter filter;

    if (!lb_test_filter_open(&filter, filters)) {
        lb_diag_print(&filter.diag, stderr);
        fail_msg("%s", filters);
    }
    return filter;
}

static void check_steps(const char *filters, const struct step *steps, size_t count)
{
    struct lb_test_filter filter = open_filter(filters);
    int64_t start_ns = filter.arrival_ns;

    for (size_t i = 0; i < count; i++) {
        const struct lb_selection *selection;
        struct lb_str written;

        filter.arrival_ns = start_ns + steps[i].at_ms * LB_MILLISECOND;
        lb_test_filter_run(&filter, lb_str_from(steps[i].line));
        selection = &filter.batch.selections[0];
        if (selection->count != (steps[i].passes ? 1 : 0))
            fail_msg("%s: step %zu was expected to %s", filters, i, steps[i].passes ? "pass" : "be dropped");
        written = lb_test_filter_written(&filter, LB_FORMAT_JSON);
        assert_int_equal(written.len > 0, steps[i].passes);
        if (steps[i].field != NULL && memmem(written.ptr, written.len, steps[i].field, strlen(steps[i].field)) == NULL)
            fail_msg("%s: step %zu has no %s: " LB_STR_FMT, filters, i, steps[i].field, LB_STR_ARG(written));
        if (steps[i].field == NULL && memmem(written.ptr, written.len, "ed\":", 4) != NULL)
            fail_msg("%s: step %zu has a number: " LB_STR_FMT, filters, i, LB_STR_ARG(written));
    }
    lb_test_filter_close(&filter);
}

#define CHECK_STEPS(filters, steps) check_steps(filters, steps, sizeof(steps) / sizeof((steps)[0]))

static const char *const a = "{\"message\":\"x\",\"service\":\"a\"}";
static const char *const b = "{\"message\":\"x\",\"service\":\"b\"}";

static void throttle_lets_a_burst_pass_and_then_the_rate(void **state)
{
    const struct step steps[] = {
        { 0, a, NULL, true },     { 0, a, NULL, true },     { 0, a, NULL, false },
        { 1, b, NULL, true },     { 499, a, NULL, false },  { 500, a, "\"throttled\":2", true },
        { 501, a, NULL, false },  { 999, a, NULL, false },  { 1000, a, "\"throttled\":2", true },
        { 60000, a, NULL, true }, { 60000, a, NULL, true }, { 60000, a, NULL, false },
        { 60001, b, NULL, true },
    };
    const struct step slow[] = { { 0, a, NULL, true },
                                 { 9999, a, NULL, false },
                                 { 10000, b, "\"throttled\":1", true } };

    (void)state;
    CHECK_STEPS("[{throttle: {rate: 2/s, by: service}}]", steps);
    CHECK_STEPS("[{throttle: {rate: 6/m, burst: 1}}]", slow);
    CHECK_STEPS("[{throttle: 1/10s}]", slow);
}

static void throttle_opens_again_when_the_clock_was_set_back(void **state)
{
    const struct step steps[] = {
        { 100000, a, NULL, true },
        { 100000, a, NULL, false },
        { 0, a, NULL, false },
        { 1000, a, "\"throttled\":2", true },
    };

    (void)state;
    CHECK_STEPS("[{throttle: {rate: 1/s}}]", steps);
}

static void throttle_counts_only_what_it_is_about(void **state)
{
    const struct step steps[] = {
        { 0, a, NULL, true },
        { 0, a, NULL, false },
        { 0, b, NULL, true },
        { 0, b, NULL, true },
    };

    (void)state;
    CHECK_STEPS("[{throttle: {rate: 1/h, where: service == \"a\"}}]", steps);
}

static void dedupe_lets_one_pass_in_each_time(void **state)
{
    const struct step steps[] = {
        { 0, a, NULL, true },
        { 1, a, NULL, false },
        { 2, b, NULL, true },
        { 9999, a, NULL, false },
        { 10000, a, "\"repeated\":2", true },
        { 10001, a, NULL, false },
        { 10001, "{\"message\":\"y\",\"service\":\"a\"}", NULL, true },
        { 5000, a, "\"repeated\":1", true }, /* the clock was set back */
        { 5001, "{\"service\":\"a\"}", NULL, true },
        { 5001, "{\"message\":\"\",\"service\":\"a\"}", NULL, true },
    };
    const struct step keyless[] = { { 0, a, NULL, true }, { 0, a, NULL, true } };

    (void)state;
    CHECK_STEPS("[{dedupe: 10s}]", steps);
    CHECK_STEPS("[{dedupe: {by: [id], over: 10s}}]", keyless);
}

static void one_filter_after_the_other_judges_what_is_left(void **state)
{
    /* What dedupe drops does not count for throttle, what is dropped at the end for neither. */
    const struct step steps[] = {
        { 0, a, NULL, true },
        { 0, a, NULL, false },
        { 0, b, NULL, true },
        { 0, "{\"message\":\"z\",\"level\":\"debug\"}", NULL, false },
        { 0, "{\"message\":\"z\",\"level\":\"info\"}", NULL, false },
    };

    (void)state;
    CHECK_STEPS("[{dedupe: 10s}, {throttle: {rate: 2/m}}, {drop: level == debug}]", steps);
}

static void keys_are_bounded(void **state)
{
    struct lb_test_filter filter = open_filter("[{dedupe: {by: message, over: 1h, keys: 64}}]");
    char line[64];
    unsigned passed = 0;

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 10000; i++) {
            snprintf(line, sizeof(line), "message %u", i);
            filter.arrival_ns += LB_MILLISECOND;
            lb_test_filter_run(&filter, lb_str_from(line));
            passed += filter.batch.selections[0].count;
        }
        /* Those that came last are still known. */
        snprintf(line, sizeof(line), "message %u", 9999);
        lb_test_filter_run(&filter, lb_str_from(line));
        assert_int_equal(filter.batch.selections[0].count, 0);
    }
    assert_in_range(passed, 19900, 20000);
    lb_test_filter_close(&filter);
}

/* A batch of many: selections and feeds lose what is dropped and keep their order; the metrics say how many. */
static void a_batch_is_thinned_in_order(void **state)
{
    enum { LINES = 300 };
    struct lb_test_filter filter = open_filter("[{throttle: {rate: 1/s, burst: 100, where: message != stays}}]");
    struct lb_batch *batch = &filter.batch;
    struct lb_feed feeds[LINES];
    char labels[128];
    struct lb_metric *dropped;

    (void)state;
    lb_metric_labels(labels, sizeof(labels), "filter", "throttle", "position", "1", NULL);
    dropped = lb_metric(LB_COUNTER, "logboom_filter_dropped_records_total", "Records that a filter dropped", labels);
    size_t size = LINES * (8 + sizeof(struct lb_event));
    int64_t before = atomic_load(&dropped->value);
    *batch = (struct lb_batch){ .bytes = malloc(size),
                                .capacity = (uint32_t)size,
                                .arrival_ns = filter.arrival_ns,
                                .stream = &filter.stream,
                                .arena = batch->arena };
    for (unsigned i = 0; i < LINES; i++) {
        lb_batch_note(batch, batch->length, 5);
        memcpy(batch->bytes + batch->length, i % 3 == 0 ? "stays\n" : "moves\n", 6);
        batch->length += 6;
    }
    batch->position_end = batch->length;
    lb_worker_process(filter.worker, batch);
    assert_int_equal(batch->record_count, LINES);
    assert_int_equal(batch->key_count, LINES * 2 / 3);
    for (unsigned i = 0; i < LINES; i++)
        feeds[i] = (struct lb_feed){ .record = i };
    batch->feeds = feeds;
    batch->feed_count = LINES;
    lb_judge_apply(filter.judge, batch);

    const struct lb_selection *selection = &batch->selections[0];
    assert_int_equal(selection->count, 200);
    assert_int_equal(batch->feed_count, 200);
    for (unsigned i = 0; i < 200; i++) {
        unsigned expected = i < 150 ? i : 150 + (i - 150) * 3;

        assert_int_equal(selection->indexes[i], expected);
        assert_int_equal(batch->feeds[i].record, expected);
    }
    assert_int_equal(atomic_load(&dropped->value) - before, 100);
    lb_test_filter_close(&filter);
}

static unsigned sampled(const char *filters, const char *line, unsigned count)
{
    struct lb_test_filter filter = open_filter(filters);
    unsigned passed = 0;
    char text[256];

    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "{\"message\":\"m\",\"trace\":\"t%u\",\"n\":%u%s}", i / 10, i, line);
        lb_test_filter_run(&filter, lb_str_from(text));
        passed += filter.batch.selections[0].count;
    }
    lb_test_filter_close(&filter);
    return passed;
}

static void sample_keeps_its_part_and_the_same_every_time(void **state)
{
    (void)state;
    assert_int_equal(sampled("[{sample: 100%}]", "", 100), 100);
    assert_int_equal(sampled("[{sample: 0%}]", "", 100), 0);
    assert_int_equal(sampled("[{sample: 1/1}]", "", 100), 100);
    assert_int_equal(sampled("[{sample: {rate: 0%, keep: level >= error}}]", ",\"level\":\"error\"", 100), 100);
    assert_int_equal(sampled("[{sample: {rate: 0%, where: level >= error}}]", "", 100), 100);
    /* Six standard deviations. */
    assert_in_range(sampled("[{sample: 10%}]", "", 10000), 820, 1180);
    assert_in_range(sampled("[{sample: {rate: 1/2, by: n}}]", "", 10000), 4700, 5300);
    assert_int_equal(sampled("[{sample: 10%}]", "", 1000), sampled("[{sample: 10%}]", "", 1000));
    /* Whole traces: tens. */
    assert_int_equal(sampled("[{sample: {rate: 30%, by: trace}}]", "", 1000) % 10, 0);
    assert_in_range(sampled("[{sample: {rate: 30%, by: none}}]", "", 1000), 200, 400);
}

static void faults_are_told(void **state)
{
    static const struct {
        const char *filters;
        const char *told;
    } faults[] = {
        { "[{throttle: 100}]", "such as 100/s" },
        { "[{throttle: 0/s}]", "such as 100/s" },
        { "[{throttle: 5/x}]", "such as 100/s" },
        { "[{throttle: {rate: 1/100000d, burst: 1000000000}}]", "more than a hundred years" },
        { "[{throttle: {rate: 1/s, keys: 0}}]", "at least 1" },
        { "[{dedupe: {by: message}}]", "over" },
        { "[{dedupe: 10}]", "give a unit" },
        { "[{sample: 10}]", "such as 10% or 1/100" },
        { "[{sample: 110%}]", "such as 10% or 1/100" },
        { "[{sample: 3/2}]", "such as 10% or 1/100" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct lb_test_filter filter;
        char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        assert_false(lb_test_filter_open(&filter, faults[i].filters));
        lb_diag_print(&filter.diag, file);
        fclose(file);
        if (strstr(text, faults[i].told) == NULL)
            fail_msg("%s: expected \"%s\" in: %s", faults[i].filters, faults[i].told, text);
        free(text);
        lb_test_filter_close(&filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(throttle_lets_a_burst_pass_and_then_the_rate),
        cmocka_unit_test(throttle_opens_again_when_the_clock_was_set_back),
        cmocka_unit_test(throttle_counts_only_what_it_is_about),
        cmocka_unit_test(dedupe_lets_one_pass_in_each_time),
        cmocka_unit_test(one_filter_after_the_other_judges_what_is_left),
        cmocka_unit_test(keys_are_bounded),
        cmocka_unit_test(a_batch_is_thinned_in_order),
        cmocka_unit_test(sample_keeps_its_part_and_the_same_every_time),
        cmocka_unit_test(faults_are_told),
    };

    return cmocka_run_group_tests_name("route/judge", tests, NULL, NULL);
}
