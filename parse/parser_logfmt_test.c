/* parser_logfmt_test.c - pairs become fields; what is prose or broken is left; the corpus. */
#include "parser_logfmt.c"

#include "lb_test_parser.h"

static struct leading_settings state;
static struct test_parser test;

static void pairs_become_leading_keys_and_fields(void **unused)
{
    static const struct parser_case cases[] = {
        { "time=2026-03-01T10:00:00.5Z level=warn msg=\"disk \\\"a\\\" full\" service=db host=h1 pct=97 note=",
          "2026-03-01T10:00:00.500Z|warn|db|h1|disk \"a\" full|pct=97;note=;" },
        { "ts=1772359200 lvl=eror err=\"eof\"", "2026-03-01T10:00:00Z|error||||err=eof;" },
        { "  a=1   b=2\t c=3  ", "|||||a=1;b=2;c=3;" },
        { "a=\"x\"b=2", "|||||a=x;b=2;" },
        { "a=\"\\x41\\a\" b=\"tab\\there\" c=\"\\u00e9\"", "|||||a=A\a;b=tab\there;c=\xc3\xa9;" },
        { "ready a=1", "|||||ready=;a=1;" },
        { "a=1 a=2", "|||||a=1;a=2;" },
        { "msg=\"one\ntwo\" a=1", "||||one\ntwo|a=1;" },
        { "", NULL },
        { "the server has started", NULL },
        { "date=2026-03-01 time=10:00:00 tz=\"-0700\" level=alert a=1",
          "2026-03-01T17:00:00Z|alert||||date=2026-03-01;time=10:00:00;tz=-0700;a=1;" },
        { "date=2026-03-01 time=10:00:00 n=1", "2026-03-01T10:00:00Z|||||date=2026-03-01;time=10:00:00;n=1;" },
        { "date=soon time=10:00:00 n=1", "|||||date=soon;time=10:00:00;n=1;" },
        { "connection to db lost err=timeout", NULL },
        { "=a", NULL },
        { "a==b", NULL },
        { "a=b=c", NULL },
        { "a=\"never closed", NULL },
        { "a=\"\\u12\"", NULL },
        { "a=b\"c\"", NULL },
        { "\"a\"=b", NULL },
        { "\xff=1", NULL },
        { "{\"a\":1}", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, "a=1");
}

static void a_reason_says_where(void **unused)
{
    (void)unused;
    assert_int_equal(test_parse(&test, LB_STR("a=1 b=\"x")), LB_BAD_INPUT);
    assert_string_equal(test.context.reason, "expected the closing quote");
    assert_int_equal(test.context.reason_at, 6);
}

static void too_many_fields_are_refused(void **unused)
{
    static char line[8192];
    size_t len = 0;

    (void)unused;
    for (int i = 0; i <= LB_RECORD_FIELDS_MAX; i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, "k%d=%d ", i, i);
    assert_int_equal(test_parse(&test, (struct lb_str){ line, len }), LB_BAD_INPUT);
}

static void types_and_keys_can_be_given(void **unused)
{
    static struct lb_pair types[] = { { LB_STR("took"), LB_STR("duration") }, { LB_STR("n"), LB_STR("int") } };
    struct leading_settings own = { .types.pairs = { types, 2 }, .timezone = LB_STR("+02:00") };
    static struct test_parser typed;

    (void)unused;
    own.keys[LEADING_MESSAGE] = LB_STR("what");
    test_parser_init(&typed, &lb_parser_logfmt, &own);
    assert_int_equal(test_parser_open(&typed), LB_OK);
    assert_int_equal(test_parse(&typed, LB_STR("took=250ms n=7 what=w msg=m time=\"2026-03-01 12:00:00\"")), LB_OK);
    assert_string_equal(test_summary(&typed), "2026-03-01T10:00:00Z||||w|took=[0.25];n=[7];msg=m;");
    test_parser_free(&typed);
}

static void a_wrong_type_is_told(void **unused)
{
    static struct lb_pair types[] = { { LB_STR("n"), LB_STR("itn") } };
    struct leading_settings own = { .types.pairs = { types, 1 } };
    static struct test_parser typed;

    (void)unused;
    test_parser_init(&typed, &lb_parser_logfmt, &own);
    assert_int_equal(test_parser_open(&typed), LB_BAD_CONF);
    assert_string_equal(typed.diag.entries[0].text,
                        "'itn' is no type, did you mean 'int'?; expected int, float, bool, duration or bytes");
    test_parser_free(&typed);
}

/* --- the corpus ----------------------------------------------------------------- */

/* Lines of bare words alone are prose here, on purpose. */
static bool is_prose(struct lb_str input)
{
    return memchr(input.ptr, '=', input.len) == NULL;
}

static void check_pairs(struct lb_str row, struct corpus_score *score)
{
    struct lb_str expect = corpus_get(row, "expect");
    struct lb_str input = corpus_bytes(row, "in", "in_b64");
    bool valid = lb_str_is(corpus_get(row, "valid"), "true");

    if (input.len > 0 && (!is_prose(input) || !valid)) {
        enum lb_err err = test_parse(&test, input);
        const char *ptr = expect.ptr != NULL ? expect.ptr + 1 : "";
        bool same = (err == LB_OK) == valid;
        struct lb_str name;
        struct lb_str value;

        while (same && valid && *expect.ptr == '{' && corpus_member(&ptr, &name, &value)) {
            struct lb_str key = corpus_text(name);

            same =
                lb_str_is(key, "level") || same_as_expected(&test, lb_str_is(key, "msg") ? "message" : key.ptr, value);
            free((char *)(uintptr_t)key.ptr);
        }
        corpus_count(score, same, row);
    }
    free((char *)(uintptr_t)input.ptr);
}

static void the_corpus_of_pairs_agrees(void **unused)
{
    struct corpus_score score = { 0 };
    struct corpus corpus;
    struct lb_str row;

    (void)unused;
    if (!corpus_open(&corpus, "parse/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &row)) {
        struct lb_str kind = corpus_get(row, "kind");

        if (lb_str_is(kind, "\"logfmt\"") || lb_str_is(kind, "\"logfmt-stream\""))
            check_pairs(row, &score);
    }
    corpus_close(&corpus);
    printf("[ CORPUS   ] pairs: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

static void check_logger(struct lb_str row, struct corpus_score *score)
{
    struct lb_str input = corpus_text(corpus_get(row, "in"));
    struct lb_str expect = corpus_get(row, "expect");
    struct lb_str time = corpus_get(expect, "time");
    int64_t time_ns = 0;
    bool same = test_parse(&test, input) == LB_OK;

    if (same && time.ptr != NULL)
        same =
            lb_time_rfc3339((struct lb_str){ time.ptr + 1, time.len - 2 }, &time_ns) && test.record.time_ns == time_ns;
    if (same && corpus_get(expect, "level").ptr != NULL)
        same = same_as_expected(&test, "level", corpus_get(expect, "level"));
    if (same && corpus_get(expect, "message").ptr != NULL)
        same = same_as_expected(&test, "message", corpus_get(expect, "message"));
    corpus_count(score, same, row);
    free((char *)(uintptr_t)input.ptr);
}

static void the_loggers_of_the_corpus_are_understood(void **unused)
{
    struct corpus_score score = { 0 };
    struct corpus corpus;
    struct lb_str row;

    (void)unused;
    if (!corpus_open(&corpus, "applog/lines.jsonl"))
        skip();
    while (corpus_next(&corpus, &row))
        if (lb_str_is(corpus_get(row, "style"), "\"logfmt\""))
            check_logger(row, &score);
    corpus_close(&corpus);
    printf("[ CORPUS   ] loggers: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_become_leading_keys_and_fields),
        cmocka_unit_test(a_reason_says_where),
        cmocka_unit_test(too_many_fields_are_refused),
        cmocka_unit_test(types_and_keys_can_be_given),
        cmocka_unit_test(a_wrong_type_is_told),
        cmocka_unit_test(the_corpus_of_pairs_agrees),
        cmocka_unit_test(the_loggers_of_the_corpus_are_understood),
    };

    test_parser_init(&test, &lb_parser_logfmt, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_logfmt", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
