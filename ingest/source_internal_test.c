/* source_internal_test.c - lines and metrics as records, pairs of a line, and memory that runs out. */
#include "lb_source_ground.h"

#include "source_internal.c"

static struct ground ground;
static struct internal_source state;

static void lay(void)
{
    memset(&state, 0, sizeof(state));
    state.level = LB_LEVEL_WARN;
    state.wake_fd = -1;
    ground_lay(&ground, &lb_source_internal, &state, LB_POOL_BYTES);
}

static void end(void)
{
    stop(&ground.source);
    close_source(&ground.source);
    ground_clear(&ground);
}

static void a_line_is_a_record_with_its_pairs(void **unused)
{
    (void)unused;
    lay();
    assert_int_equal(open_source(&ground.source, &ground.diag), LB_OK);
    LB_WARN("sink.http", "delivery failed sink=%s status=%d reason=\"a b\"", "hook", 503);
    ground_wait(&ground, "hook");
    assert_non_null(strstr(ground.text, "\"level\":\"warn\",\"message\":\"delivery failed sink=hook status=503 "
                                        "reason=\\\"a b\\\"\",\"event\":\"log\",\"module\":\"sink.http\","
                                        "\"details\":{\"sink\":\"hook\",\"status\":\"503\",\"reason\":\"a b\"}}"));
    end();
    LB_WARN("sink.http", "nobody hears any more");
}

static void pairs_are_found_in_any_text(void **unused)
{
    static const struct {
        const char *text;
        const char *pairs;
    } cases[] = {
        { "", "" },          { "=", "" },         { "a", "" },           { "a=", "a:;" },
        { "a=b", "a:b;" },   { "x a=b", "a:b;" }, { "a=\"b", "a:b;" },   { "a=\"b c\" d=e", "a:b c;d:e;" },
        { "a==b", "a:=b;" }, { "A=b", "" },       { "a=b=c", "a:b=c;" }, { "a=\"\" b=1", "a:;b:1;" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].text);
        char *copy = malloc(len > 0 ? len : 1); /* ASan sees what is read behind it */
        struct lb_str text = { copy, len };
        struct lb_str key;
        struct lb_str value;
        char found[128] = "";

        memcpy(copy, cases[i].text, len);
        while (take_pair(&text, &key, &value)) {
            if (key.len > 0)
                snprintf(found + strlen(found), sizeof(found) - strlen(found), LB_STR_FMT ":" LB_STR_FMT ";",
                         LB_STR_ARG(key), LB_STR_ARG(value));
        }
        assert_string_equal(found, cases[i].pairs);
        free(copy);
    }
}

static void metrics_keep_their_labels_and_numbers(void **unused)
{
    char labels[128];

    (void)unused;
    lay();
    state.metrics_every_ns = 10 * LB_MILLISECOND;
    lb_metric_labels(labels, sizeof(labels), "file", "a \"b\"\\\n,c=d", "sink", "x", (char *)NULL);
    lb_metric_set(lb_metric(LB_GAUGE, "logboom_test_bytes", "A test.", labels), 42);
    lb_metric(LB_GAUGE, "logboom_test_ratio", "Another.", NULL)->scale = (double)NAN;
    assert_int_equal(open_source(&ground.source, &ground.diag), LB_OK);
    ground_wait(&ground, "logboom_test_bytes");
    assert_non_null(strstr(ground.text,
                           "\"event\":\"metric\",\"metric\":\"logboom_test_bytes\",\"labels\":{\"file\":\"a "
                           "\\\"b\\\"\\\\\\n,c=d\",\"sink\":\"x\"},\"value\":42}"));
    assert_null(strstr(ground.text, "logboom_test_ratio"));
    end();
    lb_metrics_free_all();
}

static void memory_that_runs_out_is_told_and_leaks_nothing(void **unused)
{
    unsigned failed = 0;

    (void)unused;
    for (long n = 1; n < 8; n++) {
        lay();
        atomic_store(&lb_alloc_fail_at, n);
        enum lb_err err = open_source(&ground.source, &ground.diag);
        atomic_store(&lb_alloc_fail_at, 0);
        if (err == LB_OK) {
            end();
            continue;
        }
        failed++;
        assert_int_equal(err, LB_NOMEM);
        ground_clear(&ground);
    }
    assert_true(failed >= 2);
    lb_metrics_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_record_with_its_pairs),
        cmocka_unit_test(pairs_are_found_in_any_text),
        cmocka_unit_test(metrics_keep_their_labels_and_numbers),
        cmocka_unit_test(memory_that_runs_out_is_told_and_leaks_nothing),
    };

    return cmocka_run_group_tests_name("ingest/source_internal", tests, NULL, NULL);
}
