/* alert_notifier_test.c - who is told what of an alert, and when: on a clock that the tests set. */
#include "alert_notifier_ground.h"

#include "calendar.h"

/* --- who works on it ------------------------------------------------------ */

static struct lb_alert_call_up step = { 10 * MINUTE, 1 << PAGER };

static void nobody_came_so_others_are_called(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 20 * MINUTE;
    self->rules[0].escalate = (struct lb_alert_escalation){ &step, 1 };
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 40 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    expect_states(self, 1 << PAGER, "escalated resolved");
    assert_non_null(strstr(self->told[1].message, "nobody acknowledged it for 10m"));
    assert_int_equal(self->told[1].at, BEGIN + 10 * MINUTE);
    assert_int_equal(self->told_count, 3);
    close_ground(self);
}

static void an_acknowledged_alert_is_not_repeated_nor_escalated_and_ends(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 20 * MINUTE;
    self->rules[0].repeat_ns = 4 * MINUTE;
    self->rules[0].escalate = (struct lb_alert_escalation){ &step, 1 };
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 5 * MINUTE);
    assert_int_equal(acknowledge(self, "1"), LB_END);
    assert_int_equal(acknowledge(self, self->told[0].id), LB_OK);
    idle(self, 5 * MINUTE + LB_SECOND, 8 * MINUTE);
    assert_non_null(strstr(self->told[2].message, "acknowledged by bob: looking"));
    begin_again(self);
    hit(self, 8 * MINUTE); /* the windows are not restored here: it fires on */
    idle(self, 8 * MINUTE + LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing repeated acknowledged resolved");
    expect_states(self, 1 << PAGER, "");
    close_ground(self);
}

/* --- routes --------------------------------------------------------------- */

static void a_route_repeats_for_its_own_people(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 10 * MINUTE;
    route_all(self, (struct lb_alert_manner){ .repeat_ns = 3 * MINUTE });
    self->rules[0].sinks = 1 << ARCHIVE;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 20 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    expect_states(self, 1 << PAGER, "firing repeated repeated repeated resolved");
    close_ground(self);
}

static void a_route_counts_within_its_hours(void **state)
{
    static struct lb_str hours[] = { { "00:02-01:00", 11 } };
    const struct lb_calendar_text text = { .every = { hours, 1 }, .zone = LB_STR("UTC") };
    struct fixture *self = ground();
    struct lb_diag diag = { 0 };
    struct lb_arena arena;

    (void)state;
    lb_arena_init(&arena, 64 * 1024);
    self->rules[0].over_ns = 10 * MINUTE;
    route_all(self, (struct lb_alert_manner){ .hours = lb_calendar_new(&arena, &text, &diag) });
    assert_non_null(manners[0].hours);
    self->rules[0].sinks = 1 << ARCHIVE;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 119 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing");
    expect_states(self, 1 << PAGER, "");
    idle(self, 2 * MINUTE, 20 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    expect_states(self, 1 << PAGER, "firing resolved");
    close_ground(self);
    lb_arena_free(&arena);
}

/* Other rules and routes from now on, with the same sinks. `kept`: of rule 0. */
static void change(struct fixture *self, const struct lb_alerting *after, int32_t kept)
{
    struct lb_alert_change *change = lb_alert_change_new(after, SINKS);

    for (uint32_t i = 0; i < after->rule_count; i++)
        change->kept[i] = kept;
    change->sinks[ARCHIVE] = ARCHIVE;
    change->sinks[PAGER] = PAGER;
    lb_engine_take_change(self->engine, change);
    lb_alert_engine_flush(self->engine);
}

static void a_rule_that_is_no_more_calls_off_whoever_was_called(void **state)
{
    struct lb_alert_manner manner = grouped();
    struct fixture *self = ground();

    (void)state;
    route_all(self, manner);
    self->rules[0].sinks = 1 << ARCHIVE;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 20 * LB_SECOND);
    struct lb_alerting after = self->alerting;
    after.rule_count = 0;
    change(self, &after, -1);
    idle(self, 21 * LB_SECOND, 5 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    expect_states(self, 1 << PAGER, "firing resolved");
    assert_non_null(strstr(self->told[2].message, "its rule was changed or removed"));
    close_ground(self);
}

static void a_rule_that_is_gone_after_a_restart_calls_off_whoever_was_called(void **state)
{
    struct fixture *self = ground();

    (void)state;
    start(self);
    hit(self, 0);
    begin_again_with(self, 0);
    idle(self, LB_SECOND, 2 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    assert_non_null(strstr(self->told[1].message, "ip=10.0.0.1"));
    assert_non_null(strstr(self->told[1].message, "its rule is no more"));
    idle(self, 3 * LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    close_ground(self);
}

static void a_route_that_tells_in_another_way_leaves_nobody_behind(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 10 * MINUTE;
    route_all(self, grouped());
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 20 * LB_SECOND);
    struct lb_alerting after = self->alerting;
    after.manners = NULL; /* the same route, and now at once */
    change(self, &after, 0);
    idle(self, 21 * LB_SECOND, 40 * MINUTE);
    expect_states(self, 1 << PAGER, "firing resolved firing resolved");
    assert_string_equal(self->told[1].line, "group {} resolved critical");
    assert_string_equal(self->told[2].line, "logins " IP1 " firing critical");
    close_ground(self);
}

static void nobody_is_told_twice_by_a_route_that_changes(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 10 * MINUTE;
    route_all(self, (struct lb_alert_manner){ .repeat_ns = 60 * MINUTE });
    start(self);
    hit(self, 0);
    struct lb_alerting after = self->alerting;
    after.manners = NULL;
    change(self, &after, 0);
    idle(self, LB_SECOND, 40 * MINUTE);
    expect_states(self, 1 << PAGER, "firing resolved");
    close_ground(self);
}

static void a_restart_that_forgets_the_windows_ends_what_was_told(void **state)
{
    struct fixture *self = ground();

    (void)state;
    start(self);
    hit(self, 0);
    begin_again(self);
    idle(self, LB_SECOND, 80 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing");
    idle(self, 81 * LB_SECOND, 5 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    assert_non_null(strstr(self->told[1].message, "nothing was heard of it since the restart"));
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_came_so_others_are_called),
        cmocka_unit_test(an_acknowledged_alert_is_not_repeated_nor_escalated_and_ends),
        cmocka_unit_test(a_route_repeats_for_its_own_people),
        cmocka_unit_test(a_route_counts_within_its_hours),
        cmocka_unit_test(a_rule_that_is_no_more_calls_off_whoever_was_called),
        cmocka_unit_test(a_rule_that_is_gone_after_a_restart_calls_off_whoever_was_called),
        cmocka_unit_test(a_route_that_tells_in_another_way_leaves_nobody_behind),
        cmocka_unit_test(nobody_is_told_twice_by_a_route_that_changes),
        cmocka_unit_test(a_restart_that_forgets_the_windows_ends_what_was_told),
    };

    return cmocka_run_group_tests_name("route/alert_notifier", tests, NULL, NULL);
}
