/* tail_names_test.c - `{name}` in patterns: what it stands for, and what it does not. */
#include "lb_test.h"
#include "ingest/tail.h"

#include <stdio.h>

static void read_as(const char *pattern, const char *path, const char *expected)
{
    struct lb_tail_names names;
    char text[512] = "no";
    size_t len = 0;

    /* Both sides must agree on what a pattern covers, or a file would be read without its names. */
    assert_int_equal(lb_glob_match(pattern, path), lb_tail_read_names(pattern, path, &names));
    if (lb_tail_read_names(pattern, path, &names)) {
        text[0] = '\0';
        for (uint32_t i = 0; i < names.count; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, LB_STR_FMT "=" LB_STR_FMT ";",
                                    LB_STR_ARG(names.items[i].name), LB_STR_ARG(names.items[i].value));
    }
    assert_string_equal(text, expected);
}

static void names_stand_for_parts_of_a_path(void **state)
{
    (void)state;
    read_as("/srv/{service}/log/*.log", "/srv/auth/log/a.log", "service=auth;");
    read_as("/srv/{service}/log/*.log", "/srv/auth/x/log/a.log", "no");
    read_as("/srv/{service}/log/*.log", "/srv/.hidden/log/a.log", "no");
    read_as("/{a}/{b}.log", "/x/y.log", "a=x;b=y;");
    read_as("/l/{app}-{env}.log", "/l/web-one-prod.log", "app=web;env=one-prod;");
    read_as("/l/{app}-*.log", "/l/web-2026-01-01.log", "app=web;");
    read_as("/l/{app}.log", "/l/.log", "no");
    read_as("/l/x{app}.log", "/l/x.log", "no");
    read_as("/l/x{app}.log", "/l/xy.log", "app=y;");
    read_as("/l/**/{app}.log", "/l/a/b/c.log", "app=c;");
    read_as("/l/**/{app}/*", "/l/a/b/c.log", "app=b;");
    read_as("/l/**/{app}/*", "/l/c.log", "no");
    read_as("/l/{app}/[ab].log", "/l/x/b.log", "app=x;");
    read_as("/l/{not a name}.log", "/l/{not a name}.log", "");
    read_as("/l/{}", "/l/{}", "");
    read_as("/l/{open", "/l/{open", "");
}

static void patterns_that_match_in_many_ways_end(void **state)
{
    struct lb_tail_names names;

    (void)state;
    assert_false(lb_tail_read_names("/{a}-{b}-{c}-{d}-{e}-{f}.log",
                                    "/------------------------------------------------------------------------------"
                                    "------------------------------------------------------------------------------.x",
                                    &names));
    assert_false(lb_tail_read_names("/{a}{b}{c}{d}{e}{f}{g}{h}{i}", "/123456789", &names));
}

static void names_have_letters_digits_and_underscores(void **state)
{
    (void)state;
    assert_int_equal(lb_tail_name_length("{a}"), 3);
    assert_int_equal(lb_tail_name_length("{_a1}x"), 5);
    assert_int_equal(lb_tail_name_length("{1a}"), 0);
    assert_int_equal(lb_tail_name_length("{a-b}"), 0);
    assert_int_equal(lb_tail_name_length("{a"), 0);
    assert_int_equal(lb_tail_name_length("a}"), 0);
    assert_int_equal(lb_tail_name_length(""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_for_parts_of_a_path),
        cmocka_unit_test(patterns_that_match_in_many_ways_end),
        cmocka_unit_test(names_have_letters_digits_and_underscores),
    };

    return cmocka_run_group_tests_name("ingest/tail_names", tests, NULL, NULL);
}
