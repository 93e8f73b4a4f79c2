/* alert_when_test.c - conditions and arithmetic: what is read, what each fault says, and what rules then tell. */
#include "alert_when_ground.h"

#include "alert_parts.h"

#include <math.h>

/* --- several conditions --------------------------------------------------- */

static void both_conditions_must_hold_at_one_time(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: count(level >= error) >= 3 and distinct(user) > 1\n"
                     "      over: 1m\n"
                     "      severity: high\n");
    assert_int_equal(lb_alerting_rule_count(&self.ground->alerting), 1);
    assert_int_equal(self.ground->alerting.rule_count, 3);
    for (int i = 0; i < 5; i++)
        happen(&self, i * LB_SECOND, "error user=a");
    assert_int_equal(self.ground->told_count, 0);
    happen(&self, 5 * LB_SECOND, "info user=b");
    assert_int_equal(self.ground->told_count, 1);
    expect_told(self.ground, 0, "r {} firing high", 5 * LB_SECOND);
    assert_string_equal(self.ground->told[0].message,
                        "r: count(level >= error) >= 3 and distinct(user) > 1, since 00:00:05Z: "
                        "count(level >= error) is 5, distinct(user) is 2");
    /* Two errors are left from 63 s on, and `lateness` later it is over. */
    idle(self.ground, 6 * LB_SECOND, 5 * MINUTE);
    assert_int_equal(self.ground->told_count, 2);
    expect_told(self.ground, 1, "r {} resolved high", 62 * LB_SECOND + 30 * LB_SECOND);
    close_when(&self);
}

static void conditions_may_have_windows_of_their_own(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: count(level >= error, 10s) >= 2 or count(level == warn, 5m) >= 3\n"
                     "      by: service\n"
                     "      severity: critical\n");
    happen(&self, 0, "error service=a");
    happen(&self, 11 * LB_SECOND, "error service=a");
    happen(&self, 60 * LB_SECOND, "warning service=b");
    happen(&self, 120 * LB_SECOND, "warning service=b");
    assert_int_equal(self.ground->told_count, 0);
    happen(&self, 180 * LB_SECOND, "warning service=b");
    expect_told(self.ground, 0, "r {\"service\":\"b\"} firing critical", 180 * LB_SECOND);
    happen(&self, 200 * LB_SECOND, "error service=a");
    happen(&self, 209 * LB_SECOND, "error service=a");
    expect_told(self.ground, 1, "r {\"service\":\"a\"} firing critical", 209 * LB_SECOND);
    close_when(&self);
}

static void one_record_is_seen_by_all_conditions_before_they_are_judged(void **state)
{
    struct when_ground self;

    (void)state;
    /* At the first error the part of errors is 1 for a moment, if counts are not of one record. */
    open_when(&self, "      value: count(level >= error) / count() * 100\n"
                     "      over: 1m\n"
                     "      high: above 60\n"
                     "      critical: above 99\n");
    happen(&self, 0, "info");
    happen(&self, 1 * LB_SECOND, "error");
    happen(&self, 2 * LB_SECOND, "info");
    happen(&self, 3 * LB_SECOND, "error");
    assert_int_equal(self.ground->told_count, 0);
    happen(&self, 4 * LB_SECOND, "error");
    assert_int_equal(self.ground->told_count, 0);
    happen(&self, 5 * LB_SECOND, "error");
    assert_int_equal(self.ground->told_count, 1);
    expect_told(self.ground, 0, "r {} firing high", 5 * LB_SECOND);
    assert_true(self.ground->told[0].value > 66 && self.ground->told[0].value < 67);
    assert_string_equal(self.ground->told[0].message,
                        "r: count(level >= error) / count() * 100 is 66.667 (above 60) over 1m, since 00:00:05Z");
    close_when(&self);
}

static void what_is_divided_by_nothing_is_not_judged(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      value: (count(level >= error) - 1) / count(level == info)\n"
                     "      over: 1m\n"
                     "      high: at least 1\n");
    for (int i = 0; i < 10; i++)
        happen(&self, i * LB_SECOND, "error");
    assert_int_equal(self.ground->told_count, 0);
    happen(&self, 10 * LB_SECOND, "info");
    assert_int_equal(self.ground->told_count, 1);
    assert_true(self.ground->told[0].value == 9);
    close_when(&self);
}

static void a_late_record_changes_what_was_judged_in_all_parts(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: count(level >= error) >= 2 and count(level == warn) >= 1\n"
                     "      over: 10s\n"
                     "      severity: low\n");
    happen(&self, 0, "error");
    happen(&self, 1 * LB_SECOND, "error");
    happen(&self, 20 * LB_SECOND, "info");
    assert_int_equal(self.ground->told_count, 0);
    arrive(&self, 2 * LB_SECOND, 21 * LB_SECOND, "warning");
    assert_int_equal(self.ground->told_count, 1);
    idle(self.ground, 22 * LB_SECOND, 4 * MINUTE);
    assert_int_equal(self.ground->told_count, 2);
    close_when(&self);
}

static void what_looks_down_waits_until_all_has_come(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: count(level >= error) >= 1 and count(level == info) < 2\n"
                     "      over: 1m\n"
                     "      severity: medium\n"
                     "      by: service\n");
    for (int i = 0; i < 70; i += 10)
        happen(&self, i * LB_SECOND, "info service=a");
    happen(&self, 70 * LB_SECOND, "error service=a");
    idle(self.ground, 71 * LB_SECOND, 70 * LB_SECOND + 58 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 0);
    /* At 110 s the window holds one info; that is decided 30 s later. */
    idle(self.ground, 129 * LB_SECOND, 141 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    expect_told(self.ground, 0, "r {\"service\":\"a\"} firing medium", 110 * LB_SECOND);
    close_when(&self);
}

static void pending_and_cooldown_are_those_of_the_whole(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: count() >= 2 and max(ms) > 1s\n"
                     "      over: 20s\n"
                     "      for: 10s\n"
                     "      severity: high\n");
    happen(&self, 0, "info ms=1500");
    happen(&self, 1 * LB_SECOND, "info ms=10");
    happen(&self, 6 * LB_SECOND, "info ms=10");
    assert_int_equal(self.ground->told_count, 0);
    happen(&self, 12 * LB_SECOND, "info ms=10");
    assert_int_equal(self.ground->told_count, 1);
    expect_told(self.ground, 0, "r {} firing high", 11 * LB_SECOND);
    close_when(&self);
}

static void a_single_condition_is_a_rule_like_any_other(void **state)
{
    struct when_ground self;
    const struct lb_alert_rule *rule;

    (void)state;
    open_when(&self, "      when: p95(duration_ms, 5m) above 2s\n"
                     "      severity: P2\n");
    rule = &self.config->alerting.rules[0];
    assert_int_equal(self.config->alerting.rule_count, 1);
    assert_int_equal(rule->part_count, 0);
    assert_int_equal(rule->function, LB_ALERT_PERCENTILE);
    assert_true(rule->thresholds[LB_SEVERITY_HIGH].number == 2000);
    assert_text(rule->threshold_texts[LB_SEVERITY_HIGH], "above 2s");
    assert_text(rule->field, "duration_ms");
    assert_int_equal(rule->over_ns, 5 * MINUTE);
    close_when(&self);
}

static void brackets_and_arithmetic_go_together(void **state)
{
    struct when_ground self;
    const struct lb_alert_rule *rule;

    (void)state;
    open_when(&self, "      when: \"(count(message ~ 'a[)]b|[(]') + count(x in (1, 2), 2m)) * 2 > 8 and "
                     "(count() < 5 or (ratio(level >= error, 1h) >= 50%))\"\n"
                     "      over: 1m\n"
                     "      severity: low\n");
    rule = &self.config->alerting.rules[0];
    assert_int_equal(rule->part_count, 4);
    assert_int_equal(rule->parts[1].over_ns, 2 * MINUTE);
    assert_int_equal(rule->parts[3].over_ns, 60 * MINUTE);
    assert_true(rule->falling);
    double values[] = { 2, 3, 9, 0.5 };
    assert_true(lb_alert_formula_value(&rule->formula, values) == 1);
    values[3] = 0.4;
    assert_true(lb_alert_formula_value(&rule->formula, values) == 0);
    values[2] = 4;
    assert_true(lb_alert_formula_value(&rule->formula, values) == 1);
    values[3] = NAN;
    assert_true(lb_alert_formula_value(&rule->formula, values) == 1);
    values[2] = 9;
    assert_true(isnan(lb_alert_formula_value(&rule->formula, values)));
    values[0] = 0;
    assert_true(lb_alert_formula_value(&rule->formula, values) == 0);
    close_when(&self);
}

/* --- conditions with a memory --------------------------------------------- */

static void what_a_detector_finds_is_a_condition(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: change(version)\n"
                     "      by: service\n"
                     "      severity: low\n");
    assert_int_equal(self.config->alerting.rules[0].over_ns, 5 * MINUTE);
    happen(&self, 0, "info service=a version=1");
    happen(&self, 1 * LB_SECOND, "info service=a version=1");
    assert_int_equal(self.ground->told_count, 0);
    restart(&self);
    happen(&self, 2 * LB_SECOND, "info service=a version=2");
    idle(self.ground, 3 * LB_SECOND, 40 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    assert_string_equal(self.ground->told[0].line, "r {\"service\":\"a\"} firing low");
    assert_non_null(strstr(self.ground->told[0].message, "version"));
    close_when(&self);
}

static void a_detector_is_one_of_several_conditions(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: change(version, 2m) and count(level >= error, 1m) >= 2\n"
                     "      by: service\n"
                     "      severity: high\n");
    assert_int_equal(self.config->alerting.rules[0].parts[0].over_ns, 2 * MINUTE);
    happen(&self, 0, "error service=a version=1");
    happen(&self, 1 * LB_SECOND, "error service=a version=1");
    idle(self.ground, 2 * LB_SECOND, 62 * LB_SECOND);
    restart(&self);
    happen(&self, 63 * LB_SECOND, "info service=a version=2");
    idle(self.ground, 64 * LB_SECOND, 100 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 0);
    happen(&self, 101 * LB_SECOND, "error service=a version=2");
    happen(&self, 102 * LB_SECOND, "error service=a version=2");
    idle(self.ground, 103 * LB_SECOND, 150 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    assert_string_equal(self.ground->told[0].line, "r {\"service\":\"a\"} firing high");
    close_when(&self);
}

/* --- what logboom is asked itself ----------------------------------------- */

static double fullness;

static bool fake_probe(void *context, const struct lb_alert_rule *rule, double *value)
{
    (void)context;
    *value = rule->probe == LB_PROBE_QUEUE ? fullness : 30;
    return true;
}

static int64_t never_behind(void *context, uint64_t stream)
{
    (void)context;
    (void)stream;
    return 0;
}

static void ask_fake(struct when_ground *self)
{
    lb_alert_engine_ask(self->ground->engine,
                        &(struct lb_alert_outside){ .behind = never_behind, .probe = fake_probe });
}

static void a_queue_that_fills_up_is_told(void **state)
{
    struct when_ground self;

    (void)state;
    fullness = 10;
    open_when(&self, "      value: queue(pager)\n      high: above 80%\n      for: 1m\n");
    assert_text(self.config->alerting.rules[0].probe_labels, "sink=\"pager\",type=\"stdout\"");
    ask_fake(&self);
    idle(self.ground, 0, 10 * LB_SECOND);
    fullness = 81;
    idle(self.ground, 11 * LB_SECOND, 70 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 0);
    idle(self.ground, 71 * LB_SECOND, 80 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    expect_told(self.ground, 0, "r {} firing high", 71 * LB_SECOND);
    fullness = 0;
    idle(self.ground, 81 * LB_SECOND, 240 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 2);
    close_when(&self);
}

static void records_and_gauges_meet_in_one_rule(void **state)
{
    struct when_ground self;

    (void)state;
    fullness = 90;
    open_when(&self, "      when: queue(pager) > 80% and lag(in) >= 20s and count(level >= error, 1m) >= 2\n"
                     "      severity: low\n");
    ask_fake(&self);
    idle(self.ground, 0, 10 * LB_SECOND);
    happen(&self, 10 * LB_SECOND, "error");
    idle(self.ground, 11 * LB_SECOND, 12 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 0);
    happen(&self, 12 * LB_SECOND, "error");
    idle(self.ground, 13 * LB_SECOND, 14 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    close_when(&self);
}

/* --- over a restart ------------------------------------------------------- */

static void windows_of_all_parts_survive_a_restart(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: count(level >= error) >= 3 and distinct(user) > 1\n"
                     "      over: 1m\n"
                     "      severity: high\n");
    happen(&self, 0, "error user=a");
    happen(&self, 1 * LB_SECOND, "error user=a");
    restart(&self);
    happen(&self, 2 * LB_SECOND, "error user=b");
    assert_int_equal(self.ground->told_count, 1);
    restart(&self);
    idle(self.ground, 3 * LB_SECOND, 5 * MINUTE);
    assert_int_equal(self.ground->told_count, 2);
    assert_string_equal(self.ground->told[0].id, self.ground->told[1].id);
    close_when(&self);
}

/* --- defaults ------------------------------------------------------------- */

static void what_a_rule_does_not_say_comes_from_the_defaults(void **state)
{
    struct when_ground self;
    const struct lb_alert_rule *rules;

    (void)state;
    open_when_more(
        &self, "  defaults: {severity: high, cooldown: 10m, hold: 2m, min_count: 5, to: pager, labels: {team: a}}\n",
        "      when: each\n"
        "    s: {when: absent, over: 1m, severity: low, cooldown: 0s, hold: 1m, labels: {team: b}, to: archive}\n"
        "    t: {value: count(), over: 1m, critical: above 5}\n");
    rules = self.config->alerting.rules;
    assert_true(rules[0].thresholds[LB_SEVERITY_HIGH].set);
    assert_int_equal(rules[0].cooldown_ns, 10 * MINUTE);
    assert_int_equal(rules[0].hold_ns, 2 * MINUTE);
    assert_int_equal(rules[0].sinks, 1 << PAGER);
    assert_true(rules[1].thresholds[LB_SEVERITY_LOW].set);
    assert_int_equal(rules[1].cooldown_ns, 0);
    assert_int_equal(rules[1].hold_ns, MINUTE);
    assert_int_equal(rules[1].sinks, 1 << ARCHIVE);
    assert_text(rules[1].labels.items[0].value, "b");
    assert_int_equal(rules[2].min_count, 5);
    assert_text(rules[2].labels.items[0].value, "a");
    close_when(&self);
}

static void detectors_alone_ask_for_records_in_their_own_windows(void **state)
{
    struct when_ground self;
    const struct lb_alert_rule *rules;

    (void)state;
    open_when_more(&self, "  defaults: {severity: high}\n",
                   "      when: spike(count(), 2x) or drop(count(), 2x)\n"
                   "      over: 1m\n"
                   "      min_count: 20\n"
                   "    s: {when: 'spike(count(), 2x) or count() > 50', over: 1m, min_count: 20}\n"
                   "    t: {when: 'spike(count(), 2x)', over: 1m, min_count: 20}\n");
    rules = self.config->alerting.rules;
    assert_int_equal(rules[0].min_count, 0);
    assert_int_equal(rules[0].parts[0].min_count, 20);
    assert_int_equal(rules[0].parts[1].min_count, 20);
    assert_int_equal(rules[1].min_count, 20);
    assert_int_equal(rules[2].min_count, 20);
    close_when(&self);
}

/* --- faults --------------------------------------------------------------- */

struct fault_of {
    const char *rules;
    uint32_t line; /* the first of `rules` is 8 */
    uint32_t column;
    const char *text;
};

static bool is_told(const struct lb_diag *diag, const struct fault_of *fault)
{
    for (uint32_t i = 0; i < diag->count; i++)
        if (diag->entries[i].place.line == fault->line &&
            (fault->column == 0 || diag->entries[i].place.column == fault->column) &&
            strstr(diag->entries[i].text, fault->text) != NULL)
            return true;
    return false;
}

#define WHEN(text) "      when: " text "\n      over: 1m\n      severity: high\n"

static void says_what_is_wrong_and_where_within_the_text(void **state)
{
    static const struct fault_of faults[] = {
        { WHEN("cuont() > 5"), 8, 13, "did you mean \"count\"" },
        { WHEN("count() > 5 and absnt"), 8, 29, "did you mean \"absent\"" },
        { WHEN("count() > 5 and ecah"), 8, 29, "did you mean \"each\"" },
        { WHEN("count() > 5 and frobnicate(x)"), 8, 29, "expected a function such as count()" },
        { WHEN("count() > 5 and"), 8, 28, "the text ends here" },
        { WHEN("count() > 5 AND count() < 9"), 8, 25, "write \"and\" for \"AND\"" },
        { WHEN("count() > 5 && count() < 9"), 8, 25, "write \"and\" for \"&&\"" },
        { WHEN("count()"), 8, 20, "expected a limit" },
        { WHEN("count() > "), 8, 0, "expected a number" },
        { WHEN("count() over 5"), 8, 21, "did you mean `above`" },
        { WHEN("count() > 5ms"), 8, 24, "a count has no unit" },
        { WHEN("ratio(level >= error) > 150%"), 8, 37, "0% to 100%" },
        { WHEN("(count() > 5"), 8, 13, "not closed" },
        { WHEN("count() > 5)"), 8, 24, "closes nothing" },
        { WHEN("not count() > 5"), 8, 13, "turn the comparison round" },
        { WHEN("count(levl >= error"), 8, 32, "closing parenthesis" },
        { WHEN("count() > 5 and count(level >= hgih) > 1"), 8, 44, "unknown level" },
        { WHEN("each and count() > 5"), 8, 13, "stands alone" },
        { "      when: count() > 5 and count() < 9\n      severity: high\n", 8, 13, "how far back" },
        { "      when: absent\n      severity: high\n", 8, 13, "absent for how long" },
        { "      when: count() > 5\n      over: 1m\n", 7, 5, "missing \"severity\"" },
        { "      when: count() > 5\n      over: 1m\n      severity: hihg\n", 10, 17, "did you mean \"high\"" },
        { "      when: count() > 5\n      over: 1m\n      high: above 7\n", 10, 0, "write severity: high" },
        { "      when: count() > 5\n      value: count()\n      over: 1m\n      severity: low\n", 9, 0, "not both" },
        { "      value: count()\n      over: 1m\n      severity: low\n      low: above 5\n", 10, 0,
          "belongs to \"when\"" },
        { "      value: count(5m)\n      over: 1m\n      low: above 5\n", 8, 20, "write \"over\"" },
        { "      value: count() / cuont()\n      over: 1m\n      low: above 5\n", 8, 24, "did you mean \"count\"" },
        { "      value: count() / \n      over: 1m\n      low: above 5\n", 8, 0, "ends here" },
        { "      value: 5 * 3\n      over: 1m\n      low: above 5\n", 8, 14, "nothing is measured" },
        { "      value: (count() / count()\n      over: 1m\n      low: above 5\n", 8, 14, "not closed" },
        { "      value: count() / count()\n      low: above 5\n", 8, 14, "how far back" },
        { "      value: queue(pagr)\n      low: above 5%\n", 8, 20, "did you mean \"pager\"" },
        { "      value: lag(out)\n      low: above 5s\n", 8, 18, "needs the name of a source" },
        { "      value: lag(in)\n      low: above 5s\n      by: service\n", 10, 0, "of no record" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct lb_diag diag;
        struct lb_config *config = read_rules_text("", faults[i].rules, &diag);

        if (config != NULL)
            fail_msg("taken:\n%s", faults[i].rules);
        if (!is_told(&diag, &faults[i])) {
            lb_diag_print(&diag, stdout);
            fail_msg("expected %u:%u: %s\nfor\n%s", faults[i].line, faults[i].column, faults[i].text, faults[i].rules);
        }
        lb_diag_free(&diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_conditions_must_hold_at_one_time),
        cmocka_unit_test(conditions_may_have_windows_of_their_own),
        cmocka_unit_test(one_record_is_seen_by_all_conditions_before_they_are_judged),
        cmocka_unit_test(what_is_divided_by_nothing_is_not_judged),
        cmocka_unit_test(a_late_record_changes_what_was_judged_in_all_parts),
        cmocka_unit_test(what_looks_down_waits_until_all_has_come),
        cmocka_unit_test(pending_and_cooldown_are_those_of_the_whole),
        cmocka_unit_test(a_single_condition_is_a_rule_like_any_other),
        cmocka_unit_test(brackets_and_arithmetic_go_together),
        cmocka_unit_test(what_a_detector_finds_is_a_condition),
        cmocka_unit_test(a_detector_is_one_of_several_conditions),
        cmocka_unit_test(a_queue_that_fills_up_is_told),
        cmocka_unit_test(records_and_gauges_meet_in_one_rule),
        cmocka_unit_test(windows_of_all_parts_survive_a_restart),
        cmocka_unit_test(what_a_rule_does_not_say_comes_from_the_defaults),
        cmocka_unit_test(detectors_alone_ask_for_records_in_their_own_windows),
        cmocka_unit_test(says_what_is_wrong_and_where_within_the_text),
    };

    return cmocka_run_group_tests_name("route/alert_when", tests, NULL, NULL);
}
