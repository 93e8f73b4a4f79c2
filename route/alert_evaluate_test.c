/* alert_evaluate_test.c - what rules tell, and when. */
#include "alert_ground.h"
#include "lb_expr.h"

/* --- counts --------------------------------------------------------------- */

static void fires_at_the_very_record_that_makes_it_enough(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 5");
    start(self);
    for (int i = 0; i < 4; i++)
        hit(self, i * MINUTE);
    assert_int_equal(self->told_count, 0);
    hit(self, 4 * MINUTE);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 4 * MINUTE);
    assert_true(self->told[0].value == 5);
    assert_string_equal(self->told[0].message,
                        "logins: count() is 5 (at least 5) over 10m for ip=10.0.0.1, since 00:04:00Z");
    close_ground(self);
}

static void two_records_exactly_one_window_apart_are_not_in_one_window(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 2");
    start(self);
    hit(self, 0);
    hit(self, 10 * MINUTE);
    assert_int_equal(self->told_count, 0);
    hit(self, 20 * MINUTE - 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 20 * MINUTE - 1);
    close_ground(self);
}

static void resolves_exactly_once_when_the_window_empties(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    start(self);
    hit(self, 0);
    hit(self, 10 * LB_SECOND);
    idle(self, 11 * LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    expect_told(self, 0, "logins " IP1 " firing critical", 10 * LB_SECOND);
    /* One of them leaves at 60 s; `lateness` later nothing can change that. */
    expect_told(self, 1, "logins " IP1 " resolved critical", 90 * LB_SECOND);
    assert_string_equal(self->told[0].id, self->told[1].id);
    assert_string_equal(self->told[1].message,
                        "logins: resolved after 1m20s for ip=10.0.0.1: count() is 0 over 1m, peak 2");
    close_ground(self);
}

static void counts_on_across_a_match(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 5");
    start(self);
    for (int i = 0; i < 14; i++)
        hit(self, i * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    assert_int_equal(self->engine->runners[0].keys.lists[LB_ALERT_FIRING].head->totals.count, 14);
    close_ground(self);
}

static void keeps_keys_apart(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 3");
    start(self);
    for (int i = 0; i < 8; i++)
        send(self, &(struct shot){ i * LB_SECOND, i % 4 == 0 ? "ip=10.0.0.1" : "ip=10.0.0.2", false, 0 }, 1,
             i * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP2 " firing critical", 3 * LB_SECOND);
    close_ground(self);
}

/* --- ratios and levels ---------------------------------------------------- */

static void a_ratio_waits_for_enough_records(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = ratio_rule("errors", 5 * MINUTE, 50);
    start(self);
    for (int i = 0; i < 49; i++)
        hit(self, i * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    miss(self, 49 * LB_SECOND);
    expect_told(self, 0, "errors " IP1 " firing critical", 49 * LB_SECOND);
    assert_true(self->told[0].value == 0.98);
    close_ground(self);
}

static void levels_rise_and_fall_as_one_alert(void **state)
{
    static const char *const expected[] = { "errors " IP1 " firing medium", "errors " IP1 " updated critical",
                                            "errors " IP1 " updated medium", "errors " IP1 " resolved medium" };
    struct fixture *self = open_ground();
    int64_t at = 0;

    (void)state;
    self->rules[0] = ratio_rule("errors", MINUTE, 50);
    start(self);
    for (int i = 0; i < 100; i++)
        miss(self, at += LB_SECOND / 10);
    for (int i = 0; i < 10; i++)
        hit(self, at += LB_SECOND / 10);
    for (int i = 0; i < 3000; i++)
        miss(self, at += LB_SECOND / 10);
    assert_int_equal(self->told_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(self->told[i].line, expected[i]);
        assert_string_equal(self->told[i].id, self->told[0].id);
    }
    assert_non_null(strstr(self->told[1].message, ", now critical, was medium"));
    close_ground(self);
}

static void too_few_to_judge_keeps_it_for_one_more_window(void **state)
{
    struct fixture *self = open_ground();
    int64_t at = 0;

    (void)state;
    self->rules[0] = ratio_rule("errors", MINUTE, 50);
    start(self);
    for (int i = 0; i < 60; i++)
        hit(self, at += LB_SECOND / 2);
    assert_int_equal(self->told_count, 1);
    /* From 25 s on there are less than 50 in the window, but never none. */
    for (int i = 0; i < 60; i++)
        miss(self, at += 5 * LB_SECOND);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "errors " IP1 " resolved critical");
    assert_in_range(self->told[1].at - BEGIN, 2 * MINUTE, 4 * MINUTE);
    close_ground(self);
}

static void waits_for_as_long_as_for_says(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 2");
    self->rules[0].for_ns = 2 * MINUTE;
    start(self);
    hit(self, 0);
    hit(self, 5 * LB_SECOND);
    idle(self, 6 * LB_SECOND, 2 * MINUTE + 4 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    idle(self, 2 * MINUTE + 5 * LB_SECOND, 2 * MINUTE + 10 * LB_SECOND);
    expect_told(self, 0, "logins " IP1 " firing critical", 2 * MINUTE + 5 * LB_SECOND);
    close_ground(self);
}

static void cooldown_holds_back_all_but_what_is_worse(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 4");
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 2");
    self->rules[0].cooldown_ns = 30 * MINUTE;
    start(self);
    for (int64_t from = 0; from < 20 * MINUTE; from += 5 * MINUTE) {
        hit(self, from);
        hit(self, from + LB_SECOND);
        idle(self, from + 2 * LB_SECOND, from + 4 * MINUTE);
    }
    assert_int_equal(self->told_count, 2);
    expect_told(self, 0, "logins " IP1 " firing low", LB_SECOND);
    for (int i = 0; i < 4; i++)
        hit(self, 20 * MINUTE + i * LB_SECOND);
    assert_int_equal(self->told_count, 3);
    expect_told(self, 2, "logins " IP1 " firing critical", 20 * MINUTE + 3 * LB_SECOND);
    idle(self, 20 * MINUTE, 40 * MINUTE);
    assert_int_equal(self->told_count, 4);
    assert_string_equal(self->told[3].line, "logins " IP1 " resolved low");
    close_ground(self);
}

static void hold_bridges_dips_that_are_longer_than_lateness(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    self->rules[0].hold_ns = 10 * MINUTE;
    start(self);
    for (int64_t from = 0; from < 20 * MINUTE; from += 5 * MINUTE) {
        hit(self, from);
        hit(self, from + LB_SECOND);
        idle(self, from + 2 * LB_SECOND, from + 4 * MINUTE);
    }
    assert_int_equal(self->told_count, 1);
    idle(self, 20 * MINUTE, 40 * MINUTE);
    assert_int_equal(self->told_count, 2);
    /* The last window that held both records ended a minute after the first of them. */
    expect_told(self, 1, "logins " IP1 " resolved critical", 15 * MINUTE + MINUTE + 10 * MINUTE);
    close_ground(self);
}

static void clear_is_the_way_back(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 4");
    assert_true(lb_threshold_read(LB_STR("below 2"), &self->rules[0], &self->rules[0].clear, (struct lb_place){ 0 },
                                  &(struct lb_diag){ 0 }));
    start(self);
    for (int i = 0; i < 4; i++)
        hit(self, i * 2 * MINUTE);
    assert_int_equal(self->told_count, 1);
    /* At 10 min there are three, at 12 two, at 14 one. */
    idle(self, 6 * MINUTE + LB_SECOND, 14 * MINUTE + 20 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    idle(self, 14 * MINUTE + 20 * LB_SECOND, 16 * MINUTE);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "logins " IP1 " resolved critical");
    assert_true(self->told[1].at >= BEGIN + 14 * MINUTE);
    close_ground(self);
}

static void what_still_fires_is_told_again(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 1");
    self->rules[0].repeat_ns = 3 * MINUTE;
    start(self);
    hit(self, 0);
    idle(self, LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 4);
    for (int i = 1; i < 4; i++)
        assert_string_equal(self->told[i].line, "logins " IP1 " repeated critical");
    assert_non_null(strstr(self->told[1].message, "still firing"));
    idle(self, 10 * MINUTE, 20 * MINUTE);
    assert_int_equal(self->told_count, 5);
    assert_string_equal(self->told[4].line, "logins " IP1 " resolved critical");
    close_ground(self);
}

static void a_shadow_tells_nobody(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 1");
    self->rules[0].shadow = true;
    start(self);
    int64_t fired = self->engine->rule_metrics[0].metrics[FIRED]->value;
    hit(self, 0);
    idle(self, LB_SECOND, 5 * MINUTE);
    assert_int_equal(self->told_count, 0);
    /* The metrics of a process outlive its engines. */
    assert_int_equal(self->engine->rule_metrics[0].metrics[FIRED]->value, fired + 1);
    close_ground(self);
}

static void who_was_called_is_called_off(void **state)
{
    struct fixture *self = open_ground();
    struct lb_arena arena;
    struct lb_diag diag = { 0 };

    (void)state;
    lb_arena_init(&arena, 64 * 1024);
    self->rules[0] = count_rule("logins", MINUTE, "at least 4");
    set(&self->rules[0], LB_SEVERITY_LOW, "at least 2");
    self->routes[0].where =
        lb_expr_new(&arena, LB_STR("severity >= high and state != resolved"), (struct lb_place){ 0 }, &diag);
    self->routes[0].sinks = 1 << PAGER;
    self->alerting.route_count = 1;
    start(self);
    hit(self, 0);
    hit(self, 1);
    assert_int_equal(self->told[0].sinks, 1 << ARCHIVE);
    hit(self, 20 * LB_SECOND);
    hit(self, 21 * LB_SECOND);
    idle(self, 22 * LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 4);
    for (int i = 1; i < 4; i++)
        assert_int_equal(self->told[i].sinks, 1 << ARCHIVE | 1 << PAGER);
    assert_string_equal(self->told[2].line, "logins " IP1 " updated low");
    assert_string_equal(self->told[3].line, "logins " IP1 " resolved low");
    close_ground(self);
    lb_arena_free(&arena);
}

/* --- what is missing ------------------------------------------------------ */

static struct lb_alert_rule heartbeat_rule(void)
{
    struct lb_alert_rule rule = count_rule("heartbeat", MINUTE, "below 2");

    rule.by.count = 0;
    return rule;
}

static void silence_is_told_when_a_whole_window_was_silent_and_none_can_come_late(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = heartbeat_rule();
    start(self);
    idle(self, 0, 89 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    idle(self, 90 * LB_SECOND, 100 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "heartbeat {} firing critical", MINUTE);
    for (int64_t at = 101 * LB_SECOND; at < 5 * MINUTE; at += 10 * LB_SECOND)
        send(self, &(struct shot){ at, NULL, false, 0 }, 1, at);
    assert_int_equal(self->told_count, 2);
    expect_told(self, 1, "heartbeat {} resolved critical", 111 * LB_SECOND);
    close_ground(self);
}

/* Nothing of it is missing: the newest value says it all. */
static void a_value_that_is_there_is_judged_before_a_whole_window_was_watched(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("disk", 60 * MINUTE, NULL);
    self->rules[0].function = LB_ALERT_LAST;
    self->rules[0].field = LB_STR("disk_free_pct"); /* 0 in all records here */
    set(&self->rules[0], LB_SEVERITY_CRITICAL, "below 20");
    start(self);
    hit(self, MINUTE);
    idle(self, MINUTE + LB_SECOND, MINUTE + 31 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "disk " IP1 " firing critical", MINUTE);
    close_ground(self);
}

static void a_late_heartbeat_is_no_silence(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = heartbeat_rule();
    start(self);
    /* Every record comes 25 s late, two at a time in the wrong order. */
    for (int64_t at = 0; at < 20 * MINUTE; at += 40 * LB_SECOND) {
        struct shot shots[] = { { at + 20 * LB_SECOND, NULL, false, 0 }, { at, NULL, false, 0 } };

        idle(self, at + 21 * LB_SECOND, at + 24 * LB_SECOND);
        send(self, shots, 2, at + 25 * LB_SECOND);
    }
    assert_int_equal(self->told_count, 0);
    close_ground(self);
}

/* --- clocks --------------------------------------------------------------- */

static void one_record_from_the_future_blinds_nobody(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 5");
    start(self);
    send(self, &(struct shot){ 24 * 60 * MINUTE, "ip=10.0.0.1", false, 0 }, 1, 0);
    for (int i = 1; i < 5; i++)
        hit(self, i * MINUTE);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 4 * MINUTE);
    close_ground(self);
}

/* Read at once, an hour behind: what is still to be read is not late for it, wherever among it that record stands. */
static void one_record_from_the_future_hurries_no_stream_that_is_behind(void **state)
{
    (void)state;
    for (int place = 0; place < 5; place++) {
        struct fixture *self = open_ground();

        self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 4");
        start(self);
        for (int i = 0; i < 5; i++) {
            int64_t at = i == place ? 24 * 60 * MINUTE : i * MINUTE;
            struct shot pair[] = { { at, "ip=10.0.0.1", false, 0 }, { i * MINUTE, "ip=10.0.0.2", false, 0 } };

            send(self, pair, 2, 60 * MINUTE);
        }
        assert_int_equal(self->told_count, 2);
        for (uint32_t i = 0; i < 2; i++)
            assert_non_null(strstr(self->told[i].line, " firing critical"));
        close_ground(self);
    }
}

static void a_clock_that_was_wrong_for_a_while_blinds_nobody(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 3");
    start(self);
    hit(self, 24 * 60 * MINUTE);
    idle(self, 24 * 60 * MINUTE, 24 * 60 * MINUTE + MINUTE);
    for (int i = 0; i < 3; i++)
        hit(self, i * MINUTE);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 2 * MINUTE);
    close_ground(self);
}

static void a_burst_that_is_completed_late_is_found(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 3");
    start(self);
    /* No window that ends at 80 s holds three, but one that ends at 55 s does. */
    hit(self, 0);
    hit(self, 10 * LB_SECOND);
    hit(self, 80 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    send(self, &(struct shot){ 55 * LB_SECOND, "ip=10.0.0.1", false, 0 }, 1, 81 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", 80 * LB_SECOND);
    idle(self, 81 * LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    expect_told(self, 1, "logins " IP1 " resolved critical", 90 * LB_SECOND);
    close_ground(self);
}

static void what_is_too_late_is_counted_and_ignored(void **state)
{
    struct fixture *self = open_ground();

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    start(self);
    hit(self, 10 * MINUTE);
    send(self, &(struct shot){ 0, "ip=10.0.0.1", false, 0 }, 1, 10 * MINUTE);
    assert_int_equal(self->engine->runners[0].late, 1);
    assert_int_equal(self->told_count, 0);
    close_ground(self);
}

static void old_records_end_in_one_summary(void **state)
{
    struct fixture *self = open_ground();
    char keys[50][32];

    (void)state;
    self->rules[0] = count_rule("logins", MINUTE, "at least 2");
    self->rules[0].by.count = 1;
    start(self);
    for (int i = 0; i < 50; i++) {
        struct shot shots[2];

        snprintf(keys[i], sizeof(keys[i]), "ip=10.0.1.%d", i);
        shots[0] = (struct shot){ i * LB_SECOND, keys[i], false, 0 };
        shots[1] = (struct shot){ i * LB_SECOND + 1, keys[i], false, 0 };
        send(self, shots, 2, 3 * 60 * MINUTE);
    }
    assert_int_equal(self->told_count, 0);
    idle(self, 3 * 60 * MINUTE, 3 * 60 * MINUTE + 5 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "logins  summary critical");
    assert_true(self->told[0].late);
    assert_string_equal(self->told[0].message,
                        "logins: 50 alerts in old records, from 2026-01-01T00:00:00Z to 2026-01-01T00:00:49Z, highest "
                        "critical: they came too late to be told one by one");
    close_ground(self);
}

static void what_still_fires_when_it_has_caught_up_is_told(void **state)
{
    struct fixture *self = open_ground();
    int64_t now = 3 * 60 * MINUTE;

    (void)state;
    self->rules[0] = count_rule("logins", 10 * MINUTE, "at least 2");
    start(self);
    for (int64_t at = 0; at <= now; at += MINUTE)
        send(self, &(struct shot){ at, "ip=10.0.0.1", false, 0 }, 1, now);
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "logins " IP1 " firing critical");
    assert_false(self->told[0].late);
    close_ground(self);
}

static void a_stream_that_is_behind_is_judged_by_its_own_time(void **state)
{
    struct fixture *self = open_ground();
    int64_t behind = 40 * MINUTE;

    (void)state;
    self->rules[0] = count_rule("logins", 5 * MINUTE, "at least 2");
    start(self);
    send(self, &(struct shot){ behind, "ip=10.0.0.2", false, 0 }, 1, behind);
    self->input.id = 12;
    /* One a minute, read ten times as fast; the clock ticks in between. */
    for (int i = 0; i < 30; i++) {
        int64_t arrival = behind + i * 6 * LB_SECOND;

        send(self, &(struct shot){ i * MINUTE, "ip=10.0.0.1", false, 0 }, 1, arrival);
        idle(self, arrival + LB_SECOND, arrival + 5 * LB_SECOND);
    }
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "logins " IP1 " firing critical", MINUTE);
    close_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_at_the_very_record_that_makes_it_enough),
        cmocka_unit_test(two_records_exactly_one_window_apart_are_not_in_one_window),
        cmocka_unit_test(resolves_exactly_once_when_the_window_empties),
        cmocka_unit_test(counts_on_across_a_match),
        cmocka_unit_test(keeps_keys_apart),
        cmocka_unit_test(a_ratio_waits_for_enough_records),
        cmocka_unit_test(levels_rise_and_fall_as_one_alert),
        cmocka_unit_test(too_few_to_judge_keeps_it_for_one_more_window),
        cmocka_unit_test(waits_for_as_long_as_for_says),
        cmocka_unit_test(cooldown_holds_back_all_but_what_is_worse),
        cmocka_unit_test(hold_bridges_dips_that_are_longer_than_lateness),
        cmocka_unit_test(clear_is_the_way_back),
        cmocka_unit_test(what_still_fires_is_told_again),
        cmocka_unit_test(a_shadow_tells_nobody),
        cmocka_unit_test(who_was_called_is_called_off),
        cmocka_unit_test(silence_is_told_when_a_whole_window_was_silent_and_none_can_come_late),
        cmocka_unit_test(a_value_that_is_there_is_judged_before_a_whole_window_was_watched),
        cmocka_unit_test(a_late_heartbeat_is_no_silence),
        cmocka_unit_test(one_record_from_the_future_blinds_nobody),
        cmocka_unit_test(one_record_from_the_future_hurries_no_stream_that_is_behind),
        cmocka_unit_test(a_clock_that_was_wrong_for_a_while_blinds_nobody),
        cmocka_unit_test(a_burst_that_is_completed_late_is_found),
        cmocka_unit_test(what_is_too_late_is_counted_and_ignored),
        cmocka_unit_test(old_records_end_in_one_summary),
        cmocka_unit_test(what_still_fires_when_it_has_caught_up_is_told),
        cmocka_unit_test(a_stream_that_is_behind_is_judged_by_its_own_time),
    };

    return cmocka_run_group_tests_name("route/alert_evaluate", tests, NULL, NULL);
}
