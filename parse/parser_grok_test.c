/* parser_grok_test.c - a list of patterns, definitions from options and a file, leading keys, faults. */
#include "parser_grok.c"

#include "lb_test_parser.h"

#include <unistd.h>

static struct test_parser test;

static enum lb_err open_with(struct grok_state *state)
{
    state->match_limit = 1000000;
    test_parser_init(&test, &lb_parser_grok, state);
    return test_parser_open(&test);
}

static void the_first_pattern_that_matches_fills_the_record(void **unused)
{
    struct lb_str patterns[] = { LB_STR("^%{TIMESTAMP_ISO8601:timestamp} %{LOGLEVEL:level} %{GREEDYDATA:message}$"),
                                 LB_STR("^%{IPORHOST:[source][address]} %{NUMBER:took:float}ms") };
    struct grok_state state = { .patterns = { patterns, 2 } };
    static const struct parser_case cases[] = {
        { "2026-03-01T10:00:00Z WARN it is late", "2026-03-01T10:00:00Z|warn|||it is late|" },
        { "192.0.2.1 1.50ms and more", "||||192.0.2.1 1.50ms and more|source.address=192.0.2.1;took=[1.50];" },
        { "nothing", NULL },
        { "", NULL },
    };

    (void)unused;
    assert_int_equal(open_with(&state), LB_OK);
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[1].line);
    test_parser_free(&test);
}

static void names_of_the_stock_are_legacy_or_ecs(void **unused)
{
    static const struct lb_str line =
        LB_STR("192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" \"curl\"");
    struct lb_str pattern = LB_STR("%{COMBINEDAPACHELOG}");
    struct grok_state state = { .patterns = { &pattern, 1 } };
    struct grok_state ecs = { .patterns = { &pattern, 1 }, .names = 1 };

    (void)unused;
    assert_int_equal(open_with(&state), LB_OK);
    assert_int_equal(test_parse(&test, line), LB_OK);
    assert_text(test_field(&test, "clientip"), "192.0.2.1");
    assert_text(test_field(&test, "response"), "200");
    assert_int_equal(test.record.time_ns, INT64_C(1772359200) * LB_SECOND);
    test_parser_free(&test);
    assert_int_equal(open_with(&ecs), LB_OK);
    assert_int_equal(test_parse(&test, line), LB_OK);
    assert_text(test_field(&test, "source.address"), "192.0.2.1");
    assert_text(test_field(&test, "http.response.status_code"), "200");
    test_parser_free(&test);
}

static void definitions_come_from_options_and_a_file(void **unused)
{
    char path[] = "/tmp/lb_grok_XXXXXX";
    int fd = mkstemp(path);
    struct lb_pair own[] = { { LB_STR("ORDER"), LB_STR("o-[0-9]+") } };
    struct lb_str pattern = LB_STR("%{ORDER:order} %{STATE:state}");
    struct grok_state state = { .patterns = { &pattern, 1 }, .definitions = { own, 1 } };

    (void)unused;
    assert_true(fd >= 0);
    static const char text[] = "# states\nSTATE (?:paid|sent)\n\nORDER never\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    state.file = lb_str_from(path);
    assert_int_equal(open_with(&state), LB_OK);
    assert_int_equal(test_parse(&test, LB_STR("o-17 paid")), LB_OK);
    assert_string_equal(test_summary(&test), "||||o-17 paid|order=o-17;state=paid;");
    test_parser_free(&test);
    unlink(path);
    assert_int_equal(open_with(&state), LB_BAD_CONF);
    test_parser_free(&test);
}

static void a_fault_names_its_pattern(void **unused)
{
    struct lb_str patterns[] = { LB_STR("%{INT:a}"), LB_STR("%{NOSUCH}") };
    struct grok_state state = { .patterns = { patterns, 2 } };

    (void)unused;
    assert_int_equal(open_with(&state), LB_BAD_CONF);
    assert_int_equal(test.diag.errors, 1);
    assert_string_equal(test.diag.entries[0].text,
                        "pattern 2: %{NOSUCH} is not known; it can be defined under `definitions` or in "
                        "`file`");
    test_parser_free(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_pattern_that_matches_fills_the_record),
        cmocka_unit_test(names_of_the_stock_are_legacy_or_ecs),
        cmocka_unit_test(definitions_come_from_options_and_a_file),
        cmocka_unit_test(a_fault_names_its_pattern),
    };

    return cmocka_run_group_tests_name("parse/parser_grok", tests, NULL, NULL);
}
