/* parsers_test.c - every parser that is ready by name works with a state of zeroes, on any line. */
#include "parsers.c"

#include "lb_test_parser.h"

static const struct lb_str lines[] = {
    LB_STR(""),
    LB_STR(" "),
    LB_STR("-"),
    LB_STR("\n"),
    LB_STR("\xff\xfe"),
    LB_STR("a,b\tc"),
    LB_STR("key=value"),
    LB_STR("{\"a\":1}"),
    LB_STR("[01/Mar/2026:10:00:00 +0000]"),
    LB_STR("2026-03-01T10:00:00Z stdout F x"),
    LB_STR("2026-03-01 10:00:00 UTC [1] LOG:  x"),
    LB_STR("1:M 01 Mar 2026 10:00:00.000 * x"),
    LB_STR("CEF:0|a|b|c|d|e|5|"),
};

static void those_that_are_ready_take_any_line(void **state)
{
    int count = 0;

    (void)state;
    for (size_t i = 0; types[i] != NULL; i++) {
        static struct test_parser test;
        const struct lb_parser *parser = lb_parser_builtin(lb_str_from(types[i]->module.name));

        if (parser == NULL)
            continue;
        count++;
        test_parser_init(&test, types[i], parser->state);
        for (size_t n = 0; n < sizeof(lines) / sizeof(lines[0]); n++)
            (void)test_parse(&test, lines[n]);
        test_parser_free(&test);
    }
    assert_true(count > 15);
}

static void those_that_need_settings_are_not_ready(void **state)
{
    (void)state;
    assert_null(lb_parser_builtin(LB_STR("regex")));
    assert_null(lb_parser_builtin(LB_STR("grok")));
    assert_null(lb_parser_builtin(LB_STR("nosuch")));
}

static void every_name_is_found_and_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; types[i] != NULL; i++)
        assert_ptr_equal(lb_parser_find(lb_str_from(types[i]->module.name)), types[i]);
    assert_null(lb_parser_find(LB_STR("nosuch")));
    assert_ptr_equal(lb_parser_types(), types);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_are_ready_take_any_line),
        cmocka_unit_test(those_that_need_settings_are_not_ready),
        cmocka_unit_test(every_name_is_found_and_of_its_own),
    };

    return cmocka_run_group_tests_name("parse/parsers", tests, NULL, NULL);
}
