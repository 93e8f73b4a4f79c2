/* alert_group_test.c - many alerts, one notice: when it comes, and what it says. */
#include "alert_notifier_ground.h"

static void what_comes_together_is_told_together(void **state)
{
    struct fixture *self = ground();

    (void)state;
    route_all(self, grouped());
    self->alerting.rule_count = 2;
    start(self);
    hit_key(self, 0, "ip=1", 0);
    hit_key(self, 2 * LB_SECOND, "ip=2", 0);
    hit_key(self, 3 * LB_SECOND, "ip=3", 1);
    idle(self, 4 * LB_SECOND, 9 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    idle(self, 10 * LB_SECOND, 20 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "group {} firing critical");
    assert_non_null(strstr(self->told[0].message, "3 alerts fire, 0 ended: logins critical, logins critical, other"));
    hit_key(self, 21 * LB_SECOND, "ip=4", 0);
    idle(self, 22 * LB_SECOND, 69 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    idle(self, 70 * LB_SECOND, 75 * LB_SECOND);
    assert_string_equal(self->told[1].line, "group {} updated critical");
    assert_non_null(strstr(self->told[1].message, "4 alerts fire"));
    idle(self, 76 * LB_SECOND, 10 * MINUTE);
    assert_string_equal(self->told[self->told_count - 1].line, "group {} resolved critical");
    for (uint32_t i = 1; i < self->told_count; i++)
        assert_string_equal(self->told[i].id, self->told[0].id);
    close_ground(self);
}

static struct lb_str group_fields[] = { { "rule", 4 }, { "ip", 2 } };

static void groups_are_by_the_values_of_fields(void **state)
{
    struct lb_alert_manner manner = grouped();
    struct fixture *self = ground();

    (void)state;
    manner.group_by = (struct lb_strs){ group_fields, 2 };
    route_all(self, manner);
    self->alerting.rule_count = 2;
    start(self);
    hit_key(self, 0, "ip=1", 0);
    hit_key(self, 0, "ip=1", 1);
    idle(self, LB_SECOND, 20 * LB_SECOND);
    assert_int_equal(self->told_count, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_true(strcmp(self->told[i].line, "group {\"rule\":\"logins\",\"ip\":\"1\"} firing critical") == 0 ||
                    strcmp(self->told[i].line, "group {\"rule\":\"other\",\"ip\":\"1\"} firing critical") == 0);
    close_ground(self);
}

static void what_ended_while_the_group_waited_is_told_all_the_same(void **state)
{
    struct lb_alert_manner manner = grouped();
    struct fixture *self = ground();

    (void)state;
    manner.wait_ns = 10 * MINUTE;
    route_all(self, manner);
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 30 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "group {} resolved critical");
    assert_non_null(strstr(self->told[0].message, "0 alerts fire, 1 ended"));
    close_ground(self);
}

/* A mute that begins while the group waits, before anybody was told; what outlasts it is told at its end. */
static void what_is_held_back_while_its_group_waits_is_not_told(void **state)
{
    struct lb_mutes mutes = { BEGIN + 5 * LB_SECOND, BEGIN + 3 * MINUTE };
    struct fixture *self = ground();

    (void)state;
    for (int64_t over = MINUTE; over <= 10 * MINUTE; over += 9 * MINUTE) {
        self->rules[0].over_ns = over;
        route_all(self, grouped());
        start(self);
        mute(self, &mutes);
        hit(self, 0);
        idle(self, LB_SECOND, 179 * LB_SECOND);
        assert_int_equal(self->told_count, 0);
        idle(self, 180 * LB_SECOND, 20 * MINUTE);
        assert_int_equal(self->told_count, over == MINUTE ? 0 : 2);
        if (over == MINUTE) {
            close_ground(self);
            self = ground();
        }
    }
    assert_string_equal(self->told[0].line, "group {} firing critical");
    assert_string_equal(self->told[1].line, "group {} resolved critical");
    close_ground(self);
}

static void a_group_is_repeated_until_all_of_it_is_acknowledged(void **state)
{
    struct lb_alert_manner manner = grouped();
    struct fixture *self = ground();

    (void)state;
    manner.repeat_ns = 5 * MINUTE;
    self->rules[0].over_ns = 60 * MINUTE;
    route_all(self, manner);
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 11 * MINUTE);
    expect_states(self, 1 << PAGER, "firing repeated repeated");
    assert_int_equal(acknowledge(self, self->told[0].id), LB_OK);
    idle(self, 11 * MINUTE + LB_SECOND, 12 * MINUTE - LB_SECOND);
    begin_again(self);
    hit(self, 12 * MINUTE);
    idle(self, 12 * MINUTE + LB_SECOND, 100 * MINUTE);
    expect_states(self, 1 << PAGER, "firing repeated repeated acknowledged resolved");
    close_ground(self);
}

static void a_digest_lists_what_came_and_went(void **state)
{
    struct fixture *self = ground();

    (void)state;
    route_all(self, (struct lb_alert_manner){
                        .grouped = true, .digest = true, .wait_ns = 60 * MINUTE, .interval_ns = 60 * MINUTE });
    start(self);
    hit_key(self, 0, "ip=1", 0);
    idle(self, LB_SECOND, 30 * MINUTE);
    hit_key(self, 30 * MINUTE, "ip=2", 0);
    idle(self, 30 * MINUTE + LB_SECOND, 61 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "group {} digest critical");
    assert_non_null(strstr(self->told[0].message, "2 ended"));
    close_ground(self);
}

/* It ended hours before the list is told. */
static void a_digest_of_a_day_forgets_nothing(void **state)
{
    struct fixture *self = ground();

    (void)state;
    route_all(self, (struct lb_alert_manner){
                        .grouped = true, .digest = true, .wait_ns = 1440 * MINUTE, .interval_ns = 1440 * MINUTE });
    start(self);
    hit_key(self, 0, "ip=1", 0);
    idle(self, LB_SECOND, 1441 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_non_null(strstr(self->told[0].message, "1 ended"));
    close_ground(self);
}

/* --- who else is called ---------------------------------------------------- */

static struct lb_alert_call_up step = { 10 * MINUTE, 1 << ARCHIVE };

static struct lb_alert_manner escalated(void)
{
    struct lb_alert_manner manner = grouped();

    manner.escalate = (struct lb_alert_escalation){ &step, 1 };
    return manner;
}

static void nobody_came_for_a_group_so_others_are_called_and_called_off(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 20 * MINUTE;
    route_all(self, escalated());
    start(self);
    hit_key(self, 0, "ip=1", 0);
    hit_key(self, 0, "ip=2", 0);
    idle(self, LB_SECOND, 40 * MINUTE);
    expect_states(self, 1 << PAGER, "firing resolved");
    expect_states(self, 1 << ARCHIVE, "escalated resolved");
    /* Ten minutes behind the first notice, not behind the first alert. */
    assert_string_equal(self->told[1].line, "group {} escalated critical");
    assert_non_null(strstr(self->told[1].message, "2 alerts fire"));
    assert_non_null(strstr(self->told[1].message, "nobody acknowledged it for 10m"));
    assert_string_equal(self->told[1].id, self->told[0].id);
    assert_int_equal(self->told_count, 3);
    close_ground(self);
}

static void the_rules_of_its_alerts_say_who_is_called_where_the_route_does_not(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = self->rules[1].over_ns = 20 * MINUTE;
    self->rules[1].escalate = (struct lb_alert_escalation){ &step, 1 };
    self->alerting.rule_count = 2;
    route_all(self, grouped());
    start(self);
    hit_key(self, 0, "ip=1", 0);
    idle(self, LB_SECOND, 15 * MINUTE);
    hit_key(self, 15 * MINUTE, "ip=1", 1);
    idle(self, 15 * MINUTE + LB_SECOND, 24 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "");
    idle(self, 24 * MINUTE, 60 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "escalated resolved");
    close_ground(self);
}

static void an_acknowledged_group_is_not_escalated_but_for_what_comes_later(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 60 * MINUTE;
    route_all(self, escalated());
    start(self);
    hit_key(self, 0, "ip=1", 0);
    idle(self, LB_SECOND, 5 * MINUTE);
    assert_int_equal(acknowledge(self, self->told[0].id), LB_OK);
    idle(self, 5 * MINUTE + LB_SECOND, 20 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "");
    hit_key(self, 20 * MINUTE, "ip=2", 0);
    idle(self, 20 * MINUTE + LB_SECOND, 29 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "");
    idle(self, 29 * MINUTE, 120 * MINUTE);
    expect_states(self, 1 << PAGER, "firing acknowledged updated updated resolved");
    expect_states(self, 1 << ARCHIVE, "escalated updated resolved");
    close_ground(self);
}

/* Those who were called hear all that follows, and are not called again for the next that comes. */
static void who_was_called_hears_of_the_group_to_its_end(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 20 * MINUTE;
    route_all(self, escalated());
    start(self);
    hit_key(self, 0, "ip=1", 0);
    idle(self, LB_SECOND, 15 * MINUTE);
    hit_key(self, 15 * MINUTE, "ip=2", 0);
    idle(self, 15 * MINUTE + LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << PAGER, "firing updated updated resolved");
    expect_states(self, 1 << ARCHIVE, "escalated updated updated resolved");
    close_ground(self);
}

static void over_a_restart_others_are_called_once_and_called_off_once(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 20 * MINUTE;
    route_all(self, escalated());
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 5 * MINUTE);
    begin_again(self);
    hit(self, 5 * MINUTE); /* the windows are not restored here: it fires on */
    idle(self, 5 * MINUTE + LB_SECOND, 11 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "escalated");
    begin_again(self);
    hit(self, 11 * MINUTE);
    idle(self, 11 * MINUTE + LB_SECOND, 15 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "escalated");
    idle(self, 15 * MINUTE, 60 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "escalated resolved");
    expect_states(self, 1 << PAGER, "firing resolved");
    close_ground(self);
}

static void who_was_called_is_called_off_when_the_route_goes(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 20 * MINUTE;
    route_all(self, escalated());
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 15 * MINUTE);
    self->alerting.route_count = 0;
    begin_again(self);
    hit(self, 15 * MINUTE);
    idle(self, 15 * MINUTE + LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "escalated resolved");
    expect_states(self, 1 << PAGER, "firing resolved");
    close_ground(self);
}

static void a_digest_calls_nobody(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 180 * MINUTE;
    self->rules[0].escalate = (struct lb_alert_escalation){ &step, 1 };
    route_all(self, (struct lb_alert_manner){
                        .grouped = true, .digest = true, .wait_ns = 60 * MINUTE, .interval_ns = 60 * MINUTE });
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 150 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "");
    close_ground(self);
}

/* --- what comes and goes ---------------------------------------------------- */

/* It fires eight times, 40 s apart, and is then left alone. */
static void flap(struct fixture *self, const char *key, int times)
{
    for (int64_t at = 0; at < times * 40 * LB_SECOND; at += 40 * LB_SECOND) {
        hit_key(self, at, key, 0);
        idle(self, at + LB_SECOND, at + 39 * LB_SECOND);
    }
}

static struct fixture *ground_that_flaps(struct lb_alert_manner manner)
{
    struct fixture *self = ground();

    self->rules[0].over_ns = LB_SECOND;
    self->rules[0].settle_ns = LB_ALERT_SETTLE_BY_HOLD;
    route_all(self, manner);
    start(self);
    return self;
}

static void an_alert_that_flaps_is_told_three_times_in_a_group_too(void **state)
{
    struct fixture *self = ground_that_flaps(grouped());

    (void)state;
    flap(self, "ip=1", 8);
    idle(self, 320 * LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << PAGER, "firing flapping resolved");
    assert_non_null(strstr(self->told[1].message, "1 alert fires, 0 ended, 1 flapping: logins flapping"));
    for (uint32_t i = 1; i < self->told_count; i++)
        assert_string_equal(self->told[i].id, self->told[0].id);
    close_ground(self);
}

static void ends_that_do_not_wait_are_told_until_it_flaps(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = LB_SECOND;
    route_all(self, (struct lb_alert_manner){ .grouped = true });
    start(self);
    flap(self, "ip=1", 8);
    idle(self, 320 * LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << PAGER, "firing resolved firing resolved flapping resolved");
    close_ground(self);
}

static void what_flaps_does_not_hide_the_others_of_its_group(void **state)
{
    struct fixture *self = ground_that_flaps(grouped());

    (void)state;
    flap(self, "ip=1", 8);
    hit_key(self, 320 * LB_SECOND, "ip=2", 0);
    idle(self, 321 * LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << PAGER, "firing flapping updated updated resolved");
    assert_non_null(strstr(self->told[2].message, "2 alerts fire, 0 ended, 1 flapping"));
    close_ground(self);
}

/* Those who are told at once are told once that it is worse, though the group has yet to tell. */
static void what_flaps_and_gets_worse_is_told_once_beside_its_group(void **state)
{
    struct fixture *self = ground();
    struct shot three[3];

    (void)state;
    set(&self->rules[0], LB_SEVERITY_CRITICAL, "at least 3");
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 1");
    self->rules[0].over_ns = LB_SECOND;
    self->rules[0].settle_ns = LB_ALERT_SETTLE_BY_HOLD;
    struct lb_alert_manner manner = grouped();
    manner.interval_ns = 10 * MINUTE;
    route_all(self, manner);
    self->rules[0].sinks = 1 << ARCHIVE;
    start(self);
    flap(self, "ip=1", 4);
    for (int64_t at = 160 * LB_SECOND; at < 360 * LB_SECOND; at += 40 * LB_SECOND) {
        for (int i = 0; i < 3; i++)
            three[i] = (struct shot){ at, "ip=1", false, 0 };
        send(self, three, 3, at);
        idle(self, at + LB_SECOND, at + 39 * LB_SECOND);
    }
    idle(self, 360 * LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing flapping updated resolved");
    close_ground(self);
}

static void what_flaps_goes_on_over_a_restart(void **state)
{
    struct fixture *self = ground_that_flaps(grouped());

    (void)state;
    flap(self, "ip=10.0.0.1", 8);
    begin_again(self);
    idle(self, 320 * LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << PAGER, "firing flapping resolved");
    close_ground(self);
}

static void what_flaps_in_a_group_and_nobody_looks_at_is_escalated(void **state)
{
    struct fixture *self = ground_that_flaps(escalated());

    (void)state;
    flap(self, "ip=1", 20);
    idle(self, 800 * LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << PAGER, "firing flapping resolved");
    expect_states(self, 1 << ARCHIVE, "escalated resolved");
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_together_is_told_together),
        cmocka_unit_test(groups_are_by_the_values_of_fields),
        cmocka_unit_test(what_ended_while_the_group_waited_is_told_all_the_same),
        cmocka_unit_test(what_is_held_back_while_its_group_waits_is_not_told),
        cmocka_unit_test(a_group_is_repeated_until_all_of_it_is_acknowledged),
        cmocka_unit_test(a_digest_lists_what_came_and_went),
        cmocka_unit_test(a_digest_of_a_day_forgets_nothing),
        cmocka_unit_test(nobody_came_for_a_group_so_others_are_called_and_called_off),
        cmocka_unit_test(the_rules_of_its_alerts_say_who_is_called_where_the_route_does_not),
        cmocka_unit_test(an_acknowledged_group_is_not_escalated_but_for_what_comes_later),
        cmocka_unit_test(who_was_called_hears_of_the_group_to_its_end),
        cmocka_unit_test(over_a_restart_others_are_called_once_and_called_off_once),
        cmocka_unit_test(who_was_called_is_called_off_when_the_route_goes),
        cmocka_unit_test(a_digest_calls_nobody),
        cmocka_unit_test(an_alert_that_flaps_is_told_three_times_in_a_group_too),
        cmocka_unit_test(ends_that_do_not_wait_are_told_until_it_flaps),
        cmocka_unit_test(what_flaps_does_not_hide_the_others_of_its_group),
        cmocka_unit_test(what_flaps_and_gets_worse_is_told_once_beside_its_group),
        cmocka_unit_test(what_flaps_goes_on_over_a_restart),
        cmocka_unit_test(what_flaps_in_a_group_and_nobody_looks_at_is_escalated),
    };

    return cmocka_run_group_tests_name("route/alert_group", tests, NULL, NULL);
}
