/* alert_hours_test.c - a route with hours calls nobody outside of them, and whoever it called is called off. */
#include "alert_ground.h"

#include "calendar.h"

static struct lb_alert_manner manners[1];

/* BEGIN is midnight; the route's hours are 00:10-01:00 and 02:00-03:00 of each day. One alert for each hit, over 10 m.
 */
static struct fixture *ground(struct lb_arena *arena)
{
    struct fixture *self = open_ground();
    struct lb_str hours = LB_STR("00:10-01:00, 02:00-03:00");
    struct lb_calendar_text text = { .every = { &hours, 1 }, .zone = LB_STR("UTC") };
    struct lb_diag diag = { 0 };

    lb_arena_init(arena, 1024 * 1024);
    manners[0] = (struct lb_alert_manner){ .hours = lb_calendar_new(arena, &text, &diag) };
    assert_non_null(manners[0].hours);
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 1");
    self->rules[0].sinks = 0;
    self->routes[0] = (struct lb_route){ .sinks = 1 << PAGER };
    self->alerting.route_count = 1;
    self->alerting.manners = manners;
    start(self);
    return self;
}

static void end(struct fixture *self, struct lb_arena *arena)
{
    close_ground(self);
    lb_arena_free(arena);
}

static void what_still_fires_when_hours_begin_is_told_then(void **state)
{
    struct lb_arena arena;
    struct fixture *self = ground(&arena);

    (void)state;
    hit(self, 5 * MINUTE);
    idle(self, 5 * MINUTE + LB_SECOND, 10 * MINUTE - LB_SECOND);
    assert_int_equal(self->told_count, 0);
    idle(self, 10 * MINUTE, 30 * MINUTE);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[0].line, "logins " IP1 " firing critical");
    assert_string_equal(self->told[1].line, "logins " IP1 " resolved critical");
    end(self, &arena);
}

static void what_came_and_went_outside_is_never_told(void **state)
{
    struct lb_arena arena;
    struct fixture *self = ground(&arena);

    (void)state;
    hit(self, 65 * MINUTE);
    idle(self, 65 * MINUTE + LB_SECOND, 150 * MINUTE);
    assert_int_equal(self->told_count, 0);
    end(self, &arena);
}

static void who_was_called_is_called_off_outside_too(void **state)
{
    struct lb_arena arena;
    struct fixture *self = ground(&arena);

    (void)state;
    hit(self, 55 * MINUTE);
    idle(self, 55 * MINUTE + LB_SECOND, 90 * MINUTE);
    assert_int_equal(self->told_count, 2);
    expect_told(self, 0, "logins " IP1 " firing critical", 55 * MINUTE);
    assert_string_equal(self->told[1].line, "logins " IP1 " resolved critical");
    assert_true(self->told[1].at > BEGIN + 60 * MINUTE);
    end(self, &arena);
}

static void says_what_is_wrong_with_them(void **state)
{
    static const struct {
        const char *route;
        const char *says; /* NULL: nothing */
    } rows[] = {
        { "{to: s, hours: 'Mon-Fri 09:00-17:00', zone: Europe/Berlin, stop: true}\n    - {to: s}", NULL },
        { "{to: s, hours: 'Mon-Fri 09:00'}", "and the time at which the window ends" },
        { "{to: s, hours: '09:00-17:00', zone: Europe/Berlinn}", "time zone 'Europe/Berlinn' is not in" },
        { "{to: s, zone: Europe/Berlin}", "add \"hours\"" },
        { "{to: s, stop: true}\n    - {to: s}", "never reached" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[1024];
        struct lb_diag diag = { 0 };

        snprintf(text, sizeof(text),
                 "data_dir: /tmp\nsources: {a: {type: stdin}}\nroutes: [{to: s}]\nsinks: {s: {type: stdout}}\n"
                 "alerting:\n  rules: {r: {value: count(), over: 1m, critical: above 1}}\n  routes:\n    - %s\n",
                 rows[i].route);
        struct lb_config *config = lb_config_parse("test", lb_str_from(text), &diag);

        assert_int_equal(config != NULL, rows[i].says == NULL);
        if (rows[i].says != NULL)
            assert_non_null(strstr(diag.entries[0].text, rows[i].says));
        if (config != NULL)
            lb_config_free(config);
        lb_diag_free(&diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_still_fires_when_hours_begin_is_told_then),
        cmocka_unit_test(what_came_and_went_outside_is_never_told),
        cmocka_unit_test(who_was_called_is_called_off_outside_too),
        cmocka_unit_test(says_what_is_wrong_with_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
