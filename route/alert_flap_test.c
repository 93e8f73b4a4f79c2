/* alert_flap_test.c - what comes and goes: how often people hear of it, on a clock that the tests set. */
#include "alert_notifier_ground.h"

/* It fires for each of so many records, this far apart, and time goes on to the next of them. */
static void come_and_go(struct fixture *self, int64_t from, int times, int64_t apart)
{
    for (int i = 0; i < times; i++) {
        int64_t at = from + i * apart;

        hit(self, at);
        idle(self, at + LB_SECOND, at + apart - LB_SECOND);
    }
}

static struct fixture *ground_that_settles(int64_t over)
{
    struct fixture *self = ground();

    self->rules[0].over_ns = over;
    self->rules[0].settle_ns = LB_ALERT_SETTLE_BY_HOLD;
    return self;
}

/* --- is it over? ---------------------------------------------------------- */

static void dips_shorter_than_hold_are_one_alert(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = LB_SECOND;
    start(self);
    come_and_go(self, 0, 8, 10 * LB_SECOND);
    idle(self, 80 * LB_SECOND, 30 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    close_ground(self);
}

/* It has ended after 31 s, and is told so four times 30 s later. */
static void the_end_of_a_short_one_waits_for_it_to_come_back(void **state)
{
    struct fixture *self = ground_that_settles(LB_SECOND);

    (void)state;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 150 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing");
    idle(self, 151 * LB_SECOND, 153 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    assert_true(self->told[1].at < BEGIN + 32 * LB_SECOND);
    close_ground(self);
}

static void the_end_of_a_long_one_is_told_at_once(void **state)
{
    struct fixture *self = ground_that_settles(LB_SECOND);

    (void)state;
    start(self);
    come_and_go(self, 0, 3, 20 * LB_SECOND);
    idle(self, 60 * LB_SECOND, 75 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    close_ground(self);
}

static void what_comes_back_at_once_goes_on_as_the_same_and_ends_once(void **state)
{
    struct fixture *self = ground_that_settles(LB_SECOND);

    (void)state;
    self->rules[0].repeat_ns = 100 * LB_SECOND;
    start(self);
    come_and_go(self, 0, 2, 90 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing repeated");
    idle(self, 180 * LB_SECOND, 30 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing repeated resolved");
    assert_string_equal(self->told[2].id, self->told[0].id);
    close_ground(self);
}

/* Ten minutes are no flapping: each is told, and each has its end. */
static void what_comes_again_later_is_another_one(void **state)
{
    struct fixture *self = ground_that_settles(LB_SECOND);

    (void)state;
    start(self);
    come_and_go(self, 0, 3, 10 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved firing resolved firing resolved");
    assert_string_not_equal(self->told[2].id, self->told[0].id);
    close_ground(self);
}

static void settle_0_tells_each_end_at_once(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = LB_SECOND;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 33 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    close_ground(self);
}

static void an_end_that_waits_is_told_once_after_a_restart(void **state)
{
    struct fixture *self = ground_that_settles(LB_SECOND);

    (void)state;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 60 * LB_SECOND);
    begin_again(self);
    idle(self, 61 * LB_SECOND, 150 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing");
    idle(self, 151 * LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    close_ground(self);
}

static void an_end_does_not_wait_where_its_rule_is_no_more(void **state)
{
    struct fixture *self = ground_that_settles(LB_SECOND);

    (void)state;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 60 * LB_SECOND);
    begin_again_with(self, 0);
    idle(self, 61 * LB_SECOND, 63 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing resolved");
    close_ground(self);
}

/* --- flapping ------------------------------------------------------------- */

/* Quickly, slowly, and with a window that makes each of them last. */
static void what_comes_and_goes_is_told_three_times(void **state)
{
    static const struct {
        int64_t over;
        int64_t apart;
    } cases[] = {
        { LB_SECOND, 40 * LB_SECOND },
        { LB_SECOND, 70 * LB_SECOND },
        { MINUTE, 3 * MINUTE },
        { 5 * MINUTE, 7 * MINUTE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *self = ground_that_settles(cases[i].over);

        start(self);
        come_and_go(self, 0, 8, cases[i].apart);
        idle(self, 8 * cases[i].apart, 8 * cases[i].apart + 30 * MINUTE);
        expect_states(self, 1 << ARCHIVE, "firing flapping resolved");
        assert_non_null(strstr(self->told[1].message, "flapping (5 transitions)"));
        assert_non_null(strstr(self->told[2].message, "stable after 16 transitions"));
        assert_string_equal(self->told[2].id, self->told[0].id);
        close_ground(self);
    }
}

static void each_end_was_told_until_it_flaps_where_ends_do_not_wait(void **state)
{
    struct fixture *self = ground();

    (void)state;
    self->rules[0].over_ns = LB_SECOND;
    start(self);
    come_and_go(self, 0, 8, 40 * LB_SECOND);
    idle(self, 320 * LB_SECOND, 30 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing resolved firing resolved flapping resolved");
    /* Quiet for ten minutes behind the last of them. */
    assert_string_equal(self->told[5].id, self->told[4].id);
    close_ground(self);
}

static struct lb_alert_call_up step = { 10 * MINUTE, 1 << PAGER };

static void what_flaps_and_nobody_looks_at_is_escalated(void **state)
{
    struct fixture *self = ground_that_settles(LB_SECOND);

    (void)state;
    self->rules[0].escalate = (struct lb_alert_escalation){ &step, 1 };
    start(self);
    come_and_go(self, 0, 20, 40 * LB_SECOND);
    expect_states(self, 1 << ARCHIVE, "firing flapping");
    expect_states(self, 1 << PAGER, "escalated");
    idle(self, 800 * LB_SECOND, 60 * MINUTE);
    expect_states(self, 1 << ARCHIVE, "firing flapping resolved");
    expect_states(self, 1 << PAGER, "escalated resolved");
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dips_shorter_than_hold_are_one_alert),
        cmocka_unit_test(the_end_of_a_short_one_waits_for_it_to_come_back),
        cmocka_unit_test(the_end_of_a_long_one_is_told_at_once),
        cmocka_unit_test(what_comes_back_at_once_goes_on_as_the_same_and_ends_once),
        cmocka_unit_test(what_comes_again_later_is_another_one),
        cmocka_unit_test(settle_0_tells_each_end_at_once),
        cmocka_unit_test(an_end_that_waits_is_told_once_after_a_restart),
        cmocka_unit_test(an_end_does_not_wait_where_its_rule_is_no_more),
        cmocka_unit_test(what_comes_and_goes_is_told_three_times),
        cmocka_unit_test(each_end_was_told_until_it_flaps_where_ends_do_not_wait),
        cmocka_unit_test(what_flaps_and_nobody_looks_at_is_escalated),
    };

    return cmocka_run_group_tests_name("route/alert_flap", tests, NULL, NULL);
}
