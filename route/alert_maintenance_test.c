/* alert_maintenance_test.c - windows as they are written, and what `check` says of those that make no sense. */
#include "alert_maintenance.c"

#include "lb_test.h"

#include <stdio.h>

#define HEAD                                                                                                           \
    "data_dir: /tmp\nsources: {a: {type: stdin}}\nroutes: [{to: s}]\nsinks: {s: {type: stdout}}\n"                     \
    "alerting:\n  routes: [{to: s}]\n  rules: {r: {value: count(), over: 1m, critical: above 1}}\n"

static void says_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *window;
        const char *says;
        uint32_t line;
        uint32_t column;
        bool warning;
    } rows[] = {
        { "{name: a}", "when? expected weekly, monthly, every, or from and until", 9, 7, false },
        { "{weekly: Sun}", "name", 9, 7, false },
        { "{name: a, weekly: 'Sun 02:00-25:00'}", "expected a time from 00:00 to 24:00 at \"25:00\"", 9, 36, false },
        { "{name: a, weekly: [Sat, 'Sum 02:00-04:00']}", "expected a day of the week at \"Sum", 9, 32, false },
        { "{name: a, weekly: Sun, zone: Europe/Pariss}", "time zone 'Europe/Pariss' is not in", 9, 36, false },
        { "{name: a, monthly: 31, months: [apr, jun]}", "this window never comes", 9, 7, false },
        { "{name: a, weekly: Sun, where: 'false'}", "its `where` is never true", 9, 38, false },
        { "{name: a, weekly: Sun, where: service = = x}", "", 9, 47, false },
        { "{name: a, weekly: Sun, match: x}", "match", 9, 30, false },
        { "{name: a, weekly: Sun}\n    - {name: a, weekly: Mon}", "there is a window named \"a\" already, in line 9",
          10, 14, false },
        { "{name: a, from: 2020-01-01, until: 2020-02-01}", "window \"a\" is over and will not come again", 9, 7,
          true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1024];
        struct lb_diag diag = { 0 };

        snprintf(text, sizeof(text), HEAD "  maintenance:\n    - %s\n", rows[i].window);
        struct lb_config *config = lb_config_parse("test", lb_str_from(text), &diag);

        assert_int_equal(config != NULL, rows[i].warning);
        if (diag.count != 1 || strstr(diag.entries[0].text, rows[i].says) == NULL)
            fail_msg("row %zu: %u faults, the first: %s", i, diag.count, diag.count > 0 ? diag.entries[0].text : "");
        if (diag.entries[0].place.line != rows[i].line || diag.entries[0].place.column != rows[i].column)
            fail_msg("row %zu: at %u:%u", i, diag.entries[0].place.line, diag.entries[0].place.column);
        assert_int_equal(diag.entries[0].warning, rows[i].warning);
        if (config != NULL)
            lb_config_free(config);
        lb_diag_free(&diag);
    }
}

static void is_a_list(void **state)
{
    struct lb_diag diag = { 0 };

    (void)state;
    assert_null(lb_config_parse("test", LB_STR(HEAD "  maintenance: {name: a, weekly: Sun}\n"), &diag));
    assert_non_null(strstr(diag.entries[0].text, "expected a list of windows"));
    lb_diag_free(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_is_wrong_and_where),
        cmocka_unit_test(is_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
