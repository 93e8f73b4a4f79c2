/* parser_key_value_test.c - separators of one's own, quotes, blanks; the corpus. */
#include "parser_key_value.c"

#include "lb_test_parser.h"

static struct key_value_state state;
static struct test_parser test;

static void pairs_are_found_by_the_usual_separators(void **unused)
{
    static const struct parser_case cases[] = {
        { "a=1 b=\"two three\" level=error msg=\"it\\\"s\"", "|error|||it\"s|a=1;b=two three;" },
        { "url=http://x/?a=b&c=d e='f", "|||||url=http://x/?a=b&c=d;e='f;" },
        { "a= b=2", "|||||a=;b=2;" },
        { "started a=1", "|||||started=;a=1;" },
        { "a=\"b\"c d=1", "|||||a=\"b\"c;d=1;" },
        { "=1 a=2", "|||||a=2;" },
        { "a=\"\\u1\"", "|||||a=\\u1;" },
        { "", NULL },
        { "no pair at all", NULL },
    };

    (void)unused;
    state = (struct key_value_state){ 0 };
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, "a=1");
}

static void separators_can_be_longer_and_blanks_around_them_are_dropped(void **unused)
{
    static const struct parser_case cases[] = {
        { "a :: 1 || b::'two || three' ||c::  d e  ", "|||||a=1;b=two || three;c=d e;" },
        { "||a::1||||b::2||", "|||||a=1;b=2;" },
        { "a::'it's'||b::1", "|||||a='it's';b=1;" },
    };

    (void)unused;
    state = (struct key_value_state){ .separator = LB_STR("::"), .delimiter = LB_STR("||"), .quotes = LB_STR("'") };
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
}

static void equal_separators_are_a_fault(void **unused)
{
    static struct test_parser faulty;
    struct key_value_state own = { .separator = LB_STR(","), .delimiter = LB_STR(",") };

    (void)unused;
    test_parser_init(&faulty, &lb_parser_key_value, &own);
    assert_int_equal(test_parser_open(&faulty), LB_BAD_CONF);
    assert_int_equal(faulty.diag.errors, 1);
    test_parser_free(&faulty);
}

/* --- the corpus ----------------------------------------------------------------- */

/*
 * Other on purpose: a separator that stands alone is no key, and of a key that comes twice both are kept, where the
 * corpus has an array or leaves the empty one out.
 */
static bool is_other_on_purpose(struct lb_str row)
{
    struct lb_str name = corpus_get(row, "name");

    return lb_str_is(name, "\"duplicate_keys\"") || lb_str_is(name, "\"duplicate_keys_no_value\"") ||
           lb_str_is(name, "\"unquoted_field_delimiter_followed_by_key_value_delimiter\"");
}

static void check(struct lb_str row, struct corpus_score *score)
{
    struct lb_str args = corpus_get(row, "args");
    struct lb_str input = corpus_text(corpus_get(row, "in"));
    struct lb_str separator = corpus_text(corpus_get(args, "key_value_delimiter"));
    struct lb_str delimiter = corpus_text(corpus_get(args, "field_delimiter"));
    bool valid = lb_str_is(corpus_get(row, "valid"), "true");
    struct lb_str expect = corpus_get(row, "expect");
    static const struct field_name names[] = { { "msg", "message" }, { NULL, NULL } };

    state = (struct key_value_state){ .separator = separator, .delimiter = delimiter };
    corpus_count(score, (test_parse(&test, input) == LB_OK) == valid && (!valid || corpus_agrees(&test, expect, names)),
                 row);
    free((char *)(uintptr_t)input.ptr);
    free((char *)(uintptr_t)separator.ptr);
    free((char *)(uintptr_t)delimiter.ptr);
}

static void the_corpus_agrees(void **unused)
{
    struct corpus_score score = { 0 };
    struct corpus corpus;
    struct lb_str row;

    (void)unused;
    if (!corpus_open(&corpus, "parse/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &row))
        if (lb_str_is(corpus_get(row, "kind"), "\"key_value\"") && !is_other_on_purpose(row))
            check(row, &score);
    corpus_close(&corpus);
    printf("[ CORPUS   ] key_value: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_found_by_the_usual_separators),
        cmocka_unit_test(separators_can_be_longer_and_blanks_around_them_are_dropped),
        cmocka_unit_test(equal_separators_are_a_fault),
        cmocka_unit_test(the_corpus_agrees),
    };

    test_parser_init(&test, &lb_parser_key_value, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_key_value", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
