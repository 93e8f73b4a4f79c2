/* alert_hold_test.c - what a mute or another alert holds back: told once, and then how it stands. */
#include "alert_notifier_ground.h"

/* --- mutes ---------------------------------------------------------------- */

static void a_mute_is_told_once_and_then_how_it_stands(void **state)
{
    struct lb_mutes mutes = { BEGIN + MINUTE, BEGIN + 3 * MINUTE };
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = 10 * MINUTE;
    self->rules[0].repeat_ns = 30 * LB_SECOND;
    start(self);
    mute(self, &mutes);
    hit(self, 0);
    idle(self, LB_SECOND, 4 * MINUTE);
    assert_string_equal(self->told[2].line, "logins " IP1 " suppressed critical");
    assert_non_null(strstr(self->told[2].message, "maintenance backup until 2026-01-01T00:03:00"));
    idle(self, 4 * MINUTE + LB_SECOND, 20 * MINUTE);
    /* Repeated at 30 s; quiet from 1 to 3 min; then it stands, and is repeated until it ends. */
    assert_string_equal(self->told[3].line, "logins " IP1 " firing critical");
    assert_true(self->told[3].at >= BEGIN + 3 * MINUTE);
    uint32_t ends = 0;
    for (uint32_t i = 0; i < self->told_count; i++)
        ends += strstr(self->told[i].line, "resolved") != NULL;
    assert_int_equal(ends, 1);
    close_ground(self);
}

static void what_fires_and_ends_in_a_mute_is_never_told(void **state)
{
    struct lb_mutes mutes = { BEGIN, BEGIN + 10 * MINUTE };
    struct fixture *self = ground();

    (void)state;
    start(self);
    mute(self, &mutes);
    hit(self, 0);
    idle(self, LB_SECOND, 15 * MINUTE);
    assert_int_equal(self->told_count, 0);
    close_ground(self);
}

static void what_outlasts_a_mute_is_told_at_its_end(void **state)
{
    struct lb_mutes mutes = { BEGIN, BEGIN + MINUTE };
    struct fixture *self = ground();

    (void)state;
    start(self);
    mute(self, &mutes);
    hit(self, 0);
    idle(self, LB_SECOND, 10 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    assert_true(self->told[0].at >= BEGIN + MINUTE - LB_SECOND);
    close_ground(self);
}

static void an_end_is_told_also_in_a_mute_and_once(void **state)
{
    struct lb_mutes mutes = { BEGIN + 30 * LB_SECOND, BEGIN + 10 * MINUTE };
    struct fixture *self = ground();

    (void)state;
    start(self);
    mute(self, &mutes);
    hit(self, 0);
    idle(self, LB_SECOND, 15 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing suppressed resolved");
    close_ground(self);
}

/* --- inhibition ----------------------------------------------------------- */

static struct lb_str others[] = { { "other", 5 } };

static void another_alert_holds_back_those_of_the_same_values(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].inhibits = (struct lb_strs){ others, 1 };
    self->rules[1].over_ns = 10 * MINUTE;
    self->alerting.rule_count = 2;
    start(self);
    hit_key(self, 0, "ip=10.0.0.1", 0);
    hit_key(self, LB_SECOND, "ip=10.0.0.1", 1);
    hit_key(self, LB_SECOND, "ip=10.0.0.2", 1);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "other " IP2 " firing critical");
    idle(self, 2 * LB_SECOND, 80 * LB_SECOND);
    assert_int_equal(self->told_count, 2);
    /* At 90 s the first ends, and the other one still fires. */
    idle(self, 81 * LB_SECOND, 20 * MINUTE);
    assert_string_equal(self->told[2].line, "logins " IP1 " resolved critical");
    assert_string_equal(self->told[3].line, "other " IP1 " firing critical");
    assert_int_equal(self->told_count, 6);
    close_ground(self);
}

static void what_was_told_before_is_told_to_be_suppressed_and_loses_no_end(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].inhibits = (struct lb_strs){ others, 1 };
    self->rules[0].over_ns = 10 * MINUTE;
    self->alerting.rule_count = 2;
    start(self);
    hit_key(self, 0, "ip=10.0.0.1", 1);
    hit_key(self, LB_SECOND, "ip=10.0.0.1", 0);
    idle(self, 2 * LB_SECOND, 5 * MINUTE);
    assert_int_equal(self->told_count, 4);
    assert_string_equal(self->told[2].line, "other " IP1 " suppressed critical");
    assert_non_null(strstr(self->told[2].message, "logins fires"));
    assert_string_equal(self->told[3].line, "other " IP1 " resolved critical");
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mute_is_told_once_and_then_how_it_stands),
        cmocka_unit_test(what_fires_and_ends_in_a_mute_is_never_told),
        cmocka_unit_test(what_outlasts_a_mute_is_told_at_its_end),
        cmocka_unit_test(an_end_is_told_also_in_a_mute_and_once),
        cmocka_unit_test(another_alert_holds_back_those_of_the_same_values),
        cmocka_unit_test(what_was_told_before_is_told_to_be_suppressed_and_loses_no_end),
    };

    return cmocka_run_group_tests_name("route/alert_hold", tests, NULL, NULL);
}
