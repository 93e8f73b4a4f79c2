/* parser_ltsv_test.c - labels and values between tabs. */
#include "parser_ltsv.c"

#include "lb_test_parser.h"

static struct leading_settings state;
static struct test_parser test;

static void cells_become_leading_keys_and_fields(void **unused)
{
    static const struct parser_case cases[] = {
        { "time:2026-03-01T10:00:00Z\tlevel:info\tmessage:a:b c\tstatus:200\treferer:",
          "2026-03-01T10:00:00Z|info|||a:b c|status=200;referer=;" },
        { "time:[01/Mar/2026:11:00:00 +0100]\treq:GET / HTTP/1.0", "2026-03-01T10:00:00Z|||||req=GET / HTTP/1.0;" },
        { "a:1\t", "|||||a=1;" },
        { "", NULL },
        { "just text", NULL },
        { "a:1\tb", NULL },
        { ":1", NULL },
        { "a b:1", NULL },
        { "{\"a\":1}", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, "a:1");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(cells_become_leading_keys_and_fields) };

    test_parser_init(&test, &lb_parser_ltsv, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_ltsv", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
