/* alert_state_test.c - when an alert changes, and what is told of it. */
#include "alert_state.c"

#include "lb_test.h"

enum {
    HIGH = 1 << LB_SEVERITY_HIGH,
    CRITICAL = 1 << LB_SEVERITY_CRITICAL,
};

static struct lb_alert_state fresh(void)
{
    struct lb_alert_state state;

    lb_alert_state_init(&state, 0);
    return state;
}

static void expect(struct lb_alert_state *state, const struct lb_alert_policy *policy, int64_t limit, int64_t at,
                   int from, int to)
{
    struct lb_alert_transition transition;

    assert_true(lb_alert_state_next(state, policy, limit, &transition));
    assert_int_equal(transition.at, at);
    assert_int_equal(transition.from, from);
    assert_int_equal(transition.to, to);
}

static void expect_none(struct lb_alert_state *state, const struct lb_alert_policy *policy, int64_t limit)
{
    struct lb_alert_transition transition;

    assert_false(lb_alert_state_next(state, policy, limit, &transition));
}

static void fires_at_once_and_ends_when_the_bridge_has_passed(void **unused)
{
    struct lb_alert_policy policy = { .bridge_ns = 30 };
    struct lb_alert_state state = fresh();

    (void)unused;
    lb_alert_state_hold(&state, &policy, HIGH, 100, 150);
    expect(&state, &policy, 150, 100, LB_ALERT_QUIET, LB_SEVERITY_HIGH);
    expect_none(&state, &policy, 180);
    expect(&state, &policy, 500, 181, LB_SEVERITY_HIGH, LB_ALERT_QUIET);
    expect_none(&state, &policy, 500);
    assert_int_equal(state.started_ns, 100);
}

static void bridges_a_dip_and_not_a_gap(void **unused)
{
    struct lb_alert_policy policy = { .bridge_ns = 30 };
    struct lb_alert_state state = fresh();

    (void)unused;
    lb_alert_state_hold(&state, &policy, HIGH, 100, 150);
    expect(&state, &policy, 150, 100, LB_ALERT_QUIET, LB_SEVERITY_HIGH);
    expect_none(&state, &policy, 179);
    lb_alert_state_hold(&state, &policy, HIGH, 180, 200);
    expect_none(&state, &policy, 200);
    expect(&state, &policy, 231, 231, LB_SEVERITY_HIGH, LB_ALERT_QUIET);
    lb_alert_state_hold(&state, &policy, HIGH, 232, 240);
    expect(&state, &policy, 240, 232, LB_ALERT_QUIET, LB_SEVERITY_HIGH);
    assert_int_equal(state.started_ns, 232);
}

static void waits_for_as_long_as_told(void **unused)
{
    struct lb_alert_policy policy = { .for_ns = 60, .bridge_ns = 10 };
    struct lb_alert_state state = fresh();

    (void)unused;
    lb_alert_state_hold(&state, &policy, HIGH, 100, 159);
    expect_none(&state, &policy, 159);
    assert_true(lb_alert_state_open(&state, &policy, 159));
    lb_alert_state_hold(&state, &policy, HIGH, 160, 170);
    expect(&state, &policy, 170, 160, LB_ALERT_QUIET, LB_SEVERITY_HIGH);
    assert_int_equal(state.started_ns, 100);
}

static void a_spike_shorter_than_for_never_fires(void **unused)
{
    struct lb_alert_policy policy = { .for_ns = 60, .bridge_ns = 100 };
    struct lb_alert_state state = fresh();

    (void)unused;
    lb_alert_state_hold(&state, &policy, HIGH, 100, 159);
    expect_none(&state, &policy, 1000);
    assert_false(lb_alert_state_open(&state, &policy, 1000));
}

static void levels_rise_and_fall_within_one_incident(void **unused)
{
    struct lb_alert_policy policy = { .bridge_ns = 10 };
    struct lb_alert_state state = fresh();

    (void)unused;
    lb_alert_state_hold(&state, &policy, HIGH, 100, 300);
    expect(&state, &policy, 100, 100, LB_ALERT_QUIET, LB_SEVERITY_HIGH);
    expect_none(&state, &policy, 149);
    lb_alert_state_hold(&state, &policy, CRITICAL, 150, 200);
    expect(&state, &policy, 200, 150, LB_SEVERITY_HIGH, LB_SEVERITY_CRITICAL);
    /* One step over both ends finds both, in order. */
    expect(&state, &policy, 900, 211, LB_SEVERITY_CRITICAL, LB_SEVERITY_HIGH);
    expect(&state, &policy, 900, 311, LB_SEVERITY_HIGH, LB_ALERT_QUIET);
    expect_none(&state, &policy, 900);
    assert_int_equal(state.highest, LB_SEVERITY_CRITICAL);
    assert_int_equal(state.started_ns, 100);
}

static void a_late_record_makes_it_fire_now(void **unused)
{
    struct lb_alert_policy policy = { .bridge_ns = 30 };
    struct lb_alert_state state = fresh();

    (void)unused;
    expect_none(&state, &policy, 500);
    lb_alert_state_hold(&state, &policy, HIGH, 475, 480);
    expect(&state, &policy, 500, 500, LB_ALERT_QUIET, LB_SEVERITY_HIGH);
    assert_int_equal(state.started_ns, 475);
    expect(&state, &policy, 600, 511, LB_SEVERITY_HIGH, LB_ALERT_QUIET);
}

static void what_ended_long_ago_does_not_fire(void **unused)
{
    struct lb_alert_policy policy = { .bridge_ns = 30 };
    struct lb_alert_state state = fresh();

    (void)unused;
    expect_none(&state, &policy, 500);
    lb_alert_state_hold(&state, &policy, HIGH, 400, 460);
    expect_none(&state, &policy, 500);
}

/* What was told so far, as severities; QUIET is the end. */
struct telling {
    int64_t now;
    int severity;
    enum lb_alert_notice notice;
};

static void tells_within_the_cooldown_only_what_is_worse(void **unused)
{
    static const struct telling steps[] = {
        { 1000, LB_SEVERITY_MEDIUM, LB_NOTICE_FIRING },    { 1010, LB_ALERT_QUIET, LB_NOTICE_RESOLVED },
        { 1020, LB_SEVERITY_MEDIUM, LB_NOTICE_NONE },      { 1030, LB_ALERT_QUIET, LB_NOTICE_NONE },
        { 1040, LB_SEVERITY_LOW, LB_NOTICE_NONE },         { 1050, LB_SEVERITY_HIGH, LB_NOTICE_FIRING },
        { 1060, LB_SEVERITY_MEDIUM, LB_NOTICE_NONE },      { 1070, LB_SEVERITY_HIGH, LB_NOTICE_NONE },
        { 1080, LB_SEVERITY_CRITICAL, LB_NOTICE_UPDATED }, { 1090, LB_SEVERITY_MEDIUM, LB_NOTICE_NONE },
        { 1179, LB_SEVERITY_MEDIUM, LB_NOTICE_NONE },      { 1180, LB_SEVERITY_MEDIUM, LB_NOTICE_UPDATED },
        { 1181, LB_SEVERITY_MEDIUM, LB_NOTICE_NONE },      { 1190, LB_ALERT_QUIET, LB_NOTICE_RESOLVED },
        { 1191, LB_ALERT_QUIET, LB_NOTICE_NONE },          { 1280, LB_SEVERITY_LOW, LB_NOTICE_FIRING },
    };
    struct lb_alert_policy policy = { .cooldown_ns = 100 };
    struct lb_alert_told told;

    (void)unused;
    lb_alert_told_init(&told);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (lb_alert_tell(&told, &policy, (int8_t)steps[i].severity, steps[i].now, false) != steps[i].notice)
            fail_msg("step %zu at %lld", i, (long long)steps[i].now);
    }
}

static void tells_a_firing_that_outlasts_the_cooldown(void **unused)
{
    struct lb_alert_policy policy = { .cooldown_ns = 100 };
    struct lb_alert_told told;

    (void)unused;
    lb_alert_told_init(&told);
    assert_int_equal(lb_alert_tell(&told, &policy, LB_SEVERITY_HIGH, 1000, false), LB_NOTICE_FIRING);
    assert_int_equal(lb_alert_tell(&told, &policy, LB_ALERT_QUIET, 1010, false), LB_NOTICE_RESOLVED);
    assert_int_equal(lb_alert_tell(&told, &policy, LB_SEVERITY_HIGH, 1099, false), LB_NOTICE_NONE);
    assert_int_equal(lb_alert_tell(&told, &policy, LB_SEVERITY_HIGH, 1100, false), LB_NOTICE_FIRING);
}

static void tells_nobody_of_what_is_too_old_but_ends_what_was_told(void **unused)
{
    struct lb_alert_policy policy = { 0 };
    struct lb_alert_told told;

    (void)unused;
    lb_alert_told_init(&told);
    assert_int_equal(lb_alert_tell(&told, &policy, LB_SEVERITY_HIGH, 1000, true), LB_NOTICE_NONE);
    assert_int_equal(lb_alert_tell(&told, &policy, LB_SEVERITY_HIGH, 1001, false), LB_NOTICE_FIRING);
    assert_int_equal(lb_alert_tell(&told, &policy, LB_ALERT_QUIET, 1002, true), LB_NOTICE_RESOLVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_at_once_and_ends_when_the_bridge_has_passed),
        cmocka_unit_test(bridges_a_dip_and_not_a_gap),
        cmocka_unit_test(waits_for_as_long_as_told),
        cmocka_unit_test(a_spike_shorter_than_for_never_fires),
        cmocka_unit_test(levels_rise_and_fall_within_one_incident),
        cmocka_unit_test(a_late_record_makes_it_fire_now),
        cmocka_unit_test(what_ended_long_ago_does_not_fire),
        cmocka_unit_test(tells_within_the_cooldown_only_what_is_worse),
        cmocka_unit_test(tells_a_firing_that_outlasts_the_cooldown),
        cmocka_unit_test(tells_nobody_of_what_is_too_old_but_ends_what_was_told),
    };

    return cmocka_run_group_tests_name("route/alert_state", tests, NULL, NULL);
}
