/* parser_cri_test.c - lines of container runtimes, and the text inside; the corpus. */
#include "parser_cri.c"

#include "lb_test_parser.h"

static struct cri_state state;
static struct test_parser test;

static void lines_are_cut_and_the_text_inside_is_read(void **unused)
{
    static const struct parser_case cases[] = {
        { "2026-03-01T11:00:00.123456789+01:00 stderr F hello  world",
          "2026-03-01T10:00:00.123456789Z||||hello  world|stream=stderr;" },
        { "2026-03-01T10:00:00Z stdout P part", "2026-03-01T10:00:00Z||||part|stream=stdout;partial=[true];" },
        { "2026-03-01T10:00:00Z stdout F:x part", "2026-03-01T10:00:00Z||||part|stream=stdout;" },
        { "2026-03-01T10:00:00Z stdout F {\"level\":\"warn\",\"msg\":\"m\",\"n\":1}",
          "2026-03-01T10:00:00Z|warn|||m|stream=stdout;n=[1];" },
        { "2026-03-01T10:00:00Z stdout F ", "2026-03-01T10:00:00Z|||||stream=stdout;" },
        { "2026-03-01T10:00:00Z stdout F", "2026-03-01T10:00:00Z|||||stream=stdout;" },
        { "2026-03-01T10:00:00Z stdout", NULL },
        { "2026-03-01T10:00:00Z stdin F x", NULL },
        { "2026-03-01T10:00:00Z stdout X x", NULL },
        { "yesterday stdout F x", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void the_text_inside_has_parsers_of_its_own(void **unused)
{
    static struct test_parser inner;
    const struct lb_parser *parsers[] = { lb_parser_builtin(LB_STR("logfmt")) };
    struct lb_parser_chain chain = { .parsers = parsers, .count = 1 };
    struct cri_state own = { .then = &chain };

    (void)unused;
    test_parser_init(&inner, &lb_parser_cri, &own);
    assert_int_equal(test_parser_open(&inner), LB_OK);
    assert_int_equal(test_parse(&inner, LB_STR("2026-03-01T10:00:00Z stdout F level=warn a=1")), LB_OK);
    assert_string_equal(test_summary(&inner), "2026-03-01T10:00:00Z|warn||||stream=stdout;a=1;");
    assert_int_equal(test_parse(&inner, LB_STR("2026-03-01T10:00:00Z stdout F prose")), LB_OK);
    assert_true((inner.record.flags & LB_RECORD_PARSE_ERROR) != 0);
    test_parser_free(&inner);
}

static void cri_inside_of_cri_is_a_fault(void **unused)
{
    static struct test_parser inner;
    const struct lb_parser *parsers[] = { lb_parser_builtin(LB_STR("cri")) };
    struct lb_parser_chain chain = { .parsers = parsers, .count = 1 };
    struct cri_state own = { .then = &chain };

    (void)unused;
    test_parser_init(&inner, &lb_parser_cri, &own);
    assert_int_equal(test_parser_open(&inner), LB_BAD_CONF);
    test_parser_free(&inner);
}

static void lines_of_the_corpus_agree(void **unused)
{
    static const struct field_name names[] = { { "message", "message" },
                                               { "stream", "stream" },
                                               { "time", "timestamp" },
                                               { "partial", "partial" },
                                               { NULL, NULL } };
    static const char *const logs[] = { "cri-logs", "envoy-http-bad-user-agent", "envoy-logs" };
    static struct test_parser plain;
    struct lb_parser_chain none = { 0 };
    struct cri_state own = { .then = &none };
    struct corpus_score score = { 0 };

    (void)unused;
    test_parser_init(&plain, &lb_parser_cri, &own);
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        struct corpus lines, rows;
        struct lb_str line, row;
        char name[128];

        snprintf(name, sizeof(name), "container/cri/crowdsec_%s.log", logs[i]);
        if (!corpus_open(&lines, name))
            continue;
        snprintf(name, sizeof(name), "container/cri/crowdsec_%s.log.expected.jsonl", logs[i]);
        assert_true(corpus_open(&rows, name));
        while (corpus_next(&lines, &line) && corpus_next(&rows, &row))
            corpus_count(&score, test_parse(&plain, line) == LB_OK && corpus_agrees_in(&plain, row, names), row);
        corpus_close(&lines);
        corpus_close(&rows);
    }
    test_parser_free(&plain);
    if (score.all == 0)
        skip();
    printf("[ CORPUS   ] lines: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut_and_the_text_inside_is_read),
        cmocka_unit_test(the_text_inside_has_parsers_of_its_own),
        cmocka_unit_test(cri_inside_of_cri_is_a_fault),
        cmocka_unit_test(lines_of_the_corpus_agree),
    };

    test_parser_init(&test, &lb_parser_cri, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_cri", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
