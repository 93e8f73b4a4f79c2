/* parser_klog_test.c - klog, glog and structured messages; the corpus. */
#include "parser_klog.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

static void lines_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "I20260301 10:00:00.123456   28133 klog.go:70] hello from klog",
          "2026-03-01T10:00:00.123456Z|info|||hello from klog|tid=[28133];source_file=klog.go;line=[70];" },
        { "E1231 23:59:59.000001 1 a.cc:1] last year's",
          "2025-12-31T23:59:59.000001Z|error|||last year's|tid=[1];source_file=a.cc;line=[1];" },
        { "W20260301 10:00:00.5 1 a.go:1] \"Pod \\\"x\\\" gone\" pod=\"ns/x\" n=3 list=[a,b]",
          "2026-03-01T10:00:00.500Z|warn|||Pod \"x\" gone|tid=[1];source_file=a.go;line=[1];pod=ns/x;n=3;list=[a,b];" },
        { "F20260301 10:00:00 1 a.go:1] \"quoted\" but no pairs",
          "2026-03-01T10:00:00Z|critical|||\"quoted\" but no pairs|tid=[1];source_file=a.go;line=[1];" },
        { "I20260301 10:00:00 1 a.go:1] one\ntwo",
          "2026-03-01T10:00:00Z|info|||one\ntwo|tid=[1];source_file=a.go;line=[1];" },
        { "X20260301 10:00:00 1 a.go:1] x", NULL },
        { "I20261301 10:00:00 1 a.go:1] x", NULL },
        { "I20260301 10:00:00 a.go:1] x", NULL },
        { "I20260301 10:00:00 1 a.go] x", NULL },
        { "In the beginning", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void check(struct lb_str row, struct corpus_score *score)
{
    static const struct field_name names[] = { { "id", "tid" }, { "file", "source_file" }, { NULL, NULL } };
    struct lb_str input = corpus_text(corpus_get(row, "in"));
    bool valid = lb_str_is(corpus_get(row, "valid"), "true");
    bool same = (test_parse(&test, input) == LB_OK) == valid;

    if (same && valid)
        same = corpus_agrees(&test, corpus_get(row, "expect"), names);
    corpus_count(score, same, row);
    free((char *)(uintptr_t)input.ptr);
}

static void the_corpus_agrees(void **unused)
{
    struct corpus_score score = { 0 };
    struct corpus corpus;
    struct lb_str row;

    (void)unused;
    if (!corpus_open(&corpus, "parse/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &row)) {
        struct lb_str kind = corpus_get(row, "kind");

        if (lb_str_is(kind, "\"klog\"") || lb_str_is(kind, "\"glog\""))
            check(row, &score);
    }
    corpus_close(&corpus);
    printf("[ CORPUS   ] cases: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
    assert_true(corpus_samples(&test, "\"glog_log\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines_are_cut), cmocka_unit_test(the_corpus_agrees) };

    test_parser_init(&test, &lb_parser_klog, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_klog", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
