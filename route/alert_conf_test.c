/*
 * alert_conf_test.c - the alerting section: what is read, and what each fault
 * says and where.
 */
#include "alert_conf.c"

#include "lb_test.h"

#define HEAD                                                                                                           \
    "sources: {in: {type: stdin}}\n"                                                                                   \
    "sinks: {out: {type: stdout}, pager: {type: stdout}}\n"                                                            \
    "routes: [{to: out}]\n"                                                                                            \
    "alerting:\n"

/* The text begins on line 5. */
static struct lb_config *parse(const char *alerting, struct lb_diag *diag)
{
    char text[4096];

    snprintf(text, sizeof(text), HEAD "%s", alerting);
    *diag = (struct lb_diag){ 0 };
    return lb_config_parse("c.yaml", lb_str_from(text), diag);
}

static void expect_errors(const struct lb_diag *diag, const char *alerting, uint32_t line, uint32_t column,
                          const char *text)
{
    for (uint32_t i = 0; i < diag->count; i++) {
        const struct lb_diag_entry *entry = &diag->entries[i];

        if (entry->place.line == line && entry->place.column == column && strstr(entry->text, text) != NULL)
            return;
        print_message("%u:%u: %s\n", entry->place.line, entry->place.column, entry->text);
    }
    fail_msg("expected %u:%u: %s\nfor\n%s", line, column, text, alerting);
}

static void reads_a_rule_whole(void **state)
{
    struct lb_diag diag;
    struct lb_config *config = parse("  lateness: 5s\n"
                                     "  max_keys: 100\n"
                                     "  severities: {critical: P1}\n"
                                     "  routes:\n"
                                     "    - {where: severity >= high, to: pager, stop: true}\n"
                                     "    - to: out\n"
                                     "  rules:\n"
                                     "    errors:\n"
                                     "      where: message contains x\n"
                                     "      value: ratio(level >= error)\n"
                                     "      over: 5m\n"
                                     "      by: [service, host]\n"
                                     "      warning: above 1%\n"
                                     "      P1: '>= 0.05'\n"
                                     "      min_count: 50\n"
                                     "      cooldown: 30m\n"
                                     "      for: 1m\n"
                                     "      text: '{service} fails: {value}'\n"
                                     "      to: [out, pager]\n",
                                     &diag);
    const struct lb_alert_rule *rule;

    (void)state;
    if (config == NULL)
        lb_diag_print(&diag, stdout);
    assert_non_null(config);
    assert_int_equal(config->alerting.rule_count, 1);
    assert_int_equal(config->alerting.route_count, 2);
    assert_int_equal(config->alerting.routes[0].sinks, 2);
    assert_true(config->alerting.routes[0].stop);
    assert_int_equal(config->alerting.lateness_ns, 5 * LB_SECOND);
    assert_int_equal(config->alerting.max_age_ns, 3600 * LB_SECOND);
    assert_int_equal(config->alerting.max_keys, 100);
    assert_text(config->alerting.severities[LB_SEVERITY_CRITICAL], "P1");
    rule = &config->alerting.rules[0];
    assert_text(rule->name, "errors");
    assert_non_null(rule->where);
    assert_non_null(rule->inner);
    assert_int_equal(rule->function, LB_ALERT_RATIO);
    assert_text(rule->value_text, "ratio(level >= error)");
    assert_int_equal(rule->over_ns, 300 * LB_SECOND);
    assert_int_equal(rule->by.count, 2);
    assert_true(rule->thresholds[LB_SEVERITY_MEDIUM].set);
    assert_int_equal(rule->thresholds[LB_SEVERITY_CRITICAL].comparison, LB_AT_LEAST);
    assert_text(rule->threshold_texts[LB_SEVERITY_CRITICAL], ">= 0.05");
    assert_false(rule->thresholds[LB_SEVERITY_HIGH].set);
    assert_int_equal(rule->min_count, 50);
    assert_int_equal(rule->cooldown_ns, 1800 * LB_SECOND);
    assert_int_equal(rule->for_ns, 60 * LB_SECOND);
    assert_int_equal(rule->sinks, 3);
    lb_config_free(config);
    lb_diag_free(&diag);
}

static void reads_how_routes_tell(void **state)
{
    struct lb_diag diag;
    struct lb_config *config =
        parse("  routes:\n"
              "    - to: out\n"
              "    - {to: pager, group_by: [rule, ip], group_wait: 0s, repeat: 4h}\n"
              "    - {to: out, digest: 1h}\n"
              "    - {to: out, escalate: [{after: 1m, to: pager}, {after: 2m, to: [out, pager]}]}\n"
              "    - {to: out, escalate: [{after: 1m, to: pager}, {after: 2m, to: [out, pager]}]}\n"
              "    - {to: out, hours: 'Mon-Fri 09:00-17:00', zone: Europe/Paris}\n"
              "    - {to: out, group_by: [], escalate: [{after: 1m, to: pager}]}\n",
              &diag);
    const struct lb_alert_manner *manners;

    (void)state;
    if (config == NULL)
        lb_diag_print(&diag, stdout);
    assert_non_null(config);
    manners = config->alerting.manners;
    assert_int_equal(manners[0].print, 0);
    assert_true(manners[1].grouped && !manners[1].digest && manners[1].wait_ns == 0);
    assert_int_equal(manners[1].interval_ns, 60 * LB_SECOND);
    assert_int_equal(manners[1].repeat_ns, 4 * 3600 * LB_SECOND);
    assert_true(manners[2].grouped && manners[2].digest && manners[2].interval_ns == 3600 * LB_SECOND);
    assert_int_equal(manners[3].escalate.count, 2);
    assert_int_equal(manners[3].escalate.items[1].sinks, 3);
    assert_non_null(manners[5].hours);
    assert_true(manners[6].grouped && manners[6].escalate.count == 1);
    for (int i = 1; i < 7; i++)
        for (int j = 0; j < i; j++)
            assert_int_not_equal(manners[i].print, manners[j].print);
    lb_config_free(config);
    lb_diag_free(&diag);
}

/* What is not said follows from `hold`; 0s is said. */
static void reads_how_long_an_end_waits(void **state)
{
    static const struct {
        const char *defaults;
        const char *rule;
        int64_t settle;
    } cases[] = {
        { "", "", LB_ALERT_SETTLE_BY_HOLD },
        { "", ", settle: 0s", 0 },
        { "  defaults: {settle: 1m}\n", "", 60 * LB_SECOND },
        { "  defaults: {settle: 1m}\n", ", settle: 0s", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        struct lb_diag diag;

        snprintf(text, sizeof(text), "%s  rules:\n    r: {value: count(), over: 1m, high: at least 1, to: out%s}\n",
                 cases[i].defaults, cases[i].rule);
        struct lb_config *config = parse(text, &diag);
        assert_non_null(config);
        assert_int_equal(config->alerting.rules[0].settle_ns, cases[i].settle);
        lb_config_free(config);
        lb_diag_free(&diag);
    }
}

static void without_a_section_there_are_no_rules_but_fallbacks(void **state)
{
    struct lb_diag diag = { 0 };
    struct lb_config *config = lb_config_parse(
        "c.yaml", LB_STR("sources: {in: {type: stdin}}\nsinks: {out: {type: stdout}}\nroutes: [{to: out}]\n"), &diag);

    (void)state;
    assert_non_null(config);
    assert_int_equal(config->alerting.rule_count, 0);
    lb_config_free(config);
    lb_diag_free(&diag);
}

#define RULE(lines) "  rules:\n    r:\n      to: out\n" lines

struct fault {
    const char *alerting;
    uint32_t line; /* the first of `alerting` is 5 */
    uint32_t column;
    const char *text;
};

static void says_what_is_wrong_and_where(void **state)
{
    static const struct fault faults[] = {
        { RULE("      value: cuont()\n      over: 1m\n      high: above 5\n"), 8, 14, "did you mean \"count\"" },
        { RULE("      value: ratoi(x)\n      over: 1m\n      high: above 5\n"), 8, 14, "did you mean \"ratio\"" },
        { RULE("      value: median(x)\n      over: 1m\n      high: above 5\n"), 8, 14, "unknown function \"median\"" },
        { RULE("      value: p95()\n      over: 1m\n      high: above 5\n"), 8, 18, "the name of one field" },
        { RULE("      value: avg(a == b)\n      over: 1m\n      high: above 5\n"), 8, 18, "the name of one field" },
        { RULE("      value: avg(duration_ms)\n      over: 1m\n      high: above 5 apples\n"), 10, 0,
          "a unit such as" },
        { RULE("      value: rate()\n      over: 1m\n      high: above 5%\n"), 10, 0, "/s, /m or /h" },
        { RULE("      value: stddev(x)\n      over: 1m\n      high: below 0\n"), 10, 0, "can never be crossed" },
        { RULE("      value: errors\n      over: 1m\n      high: above 5\n"), 8, 14, "expected count()" },
        { RULE("      value: ratio()\n      over: 1m\n      high: above 5%\n"), 8, 20, "ratio needs an expression" },
        { RULE("      value: count(level >= error\n      over: 1m\n      high: above 5\n"), 8, 34,
          "closing parenthesis" },
        { RULE("      value: ratio(level >=)\n      over: 1m\n      high: above 5%\n"), 8, 0, "" },
        { RULE("      value: count() over 5m\n      over: 1m\n      high: above 5\n"), 8, 22, "keys of their own" },
        { RULE("      value: count()\n      high: above 5\n"), 6, 0, "missing \"over\"" },
        { RULE("      over: 1m\n      high: above 5\n"), 6, 0, "missing \"value\"" },
        { RULE("      value: count()\n      over: 10\n      high: above 5\n"), 9, 13, "give a unit" },
        { RULE("      value: count()\n      over: 1m\n"), 6, 5, "has no threshold" },
        { RULE("      value: count()\n      over: 1m\n      hihg: above 5\n      low: above 1\n"), 10, 7,
          "did you mean \"high\"" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5\n      holt: 1m\n"), 11, 7,
          "did you mean \"hold\"" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5\n      clear: above 3\n"), 11, 14,
          "the way back" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5\n      clear: below 7\n"), 11, 14,
          "the way back" },
        { RULE("      value: count()\n      over: 1m\n      critical: above 5\n      warning: above 10\n"), 10, 17,
          "critical (above 5) must be harder to reach than medium (above 10)" },
        { RULE("      value: count()\n      over: 1m\n      high: below 5\n      low: above 10\n"), 10, 13,
          "look the same way" },
        { RULE("      value: count()\n      over: 1m\n      medium: above 5\n      warning: above 6\n"), 11, 16,
          "by its other name" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5%\n"), 10, 20, "a count has no unit" },
        { RULE("      value: count()\n      over: 1m\n      high: more than 5\n"), 10, 13, "did you mean `above`" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5\n      by: [a, a]\n"), 11, 11, "twice" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5\n      text: 'x {y}'\n"), 11, 16,
          "unknown {y}" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5\n      text: 'x {y'\n"), 11, 16,
          "without `}`" },
        { "  rules:\n    r:\n      value: count()\n      over: 1m\n      high: above 5\n", 6, 5, "reaches no sink" },
        { "  rules:\n    r:\n      value: count()\n      over: 1m\n      high: above 5\n      to: paper\n", 10, 11,
          "did you mean \"pager\"" },
        { "  routes: [{to: out, stop: true}, {to: pager}]\n", 5, 0, "never reached" },
        { "  routes: [{where: severity >= hihg, to: out}]\n", 5, 0, "" },
        { "  routes: [{to: out, digest: 1h, group_by: rule}]\n", 5, 0, "\"digest\" is one list of all" },
        { "  routes: [{to: out, group_wait: 1m}]\n", 5, 0, "add \"group_by\"" },
        { "  routes: [{to: out, digest: 1h, escalate: [{after: 1m, to: pager}]}]\n", 5, 0, "without digest" },
        { "  routes: [{to: out, escalate: [{after: 2m, to: pager}, {after: 1m, to: out}]}]\n", 5, 0,
          "each step comes later" },
        { "  routes: [{to: out, escalate: {after: 2m, to: pager}}]\n", 5, 0, "expected a list of steps" },
        { "  routes: [{to: out, hours: 'Mon-Fry 09:00-17:00'}]\n", 5, 0, "" },
        { "  routes: [{to: out, zone: Europe/Paris}]\n", 5, 0, "add \"hours\"" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5\n      inhibits: nobody\n"), 6, 5,
          "there is no such rule" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5\n      inhibits: r\n"), 6, 5,
          "names the rule itself" },
        { RULE("      value: count()\n      over: 1m\n      high: above 5\n      by: a\n      equal: b\n"), 12, 14,
          "not in \"by\"" },
        { "  ruels: {}\n", 5, 3, "did you mean \"rules\"" },
        { "  rules: [x]\n", 5, 0, "expected a map" },
        { "  max_keys: 0\n", 5, 13, "at least 1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct lb_diag diag;
        struct lb_config *config = parse(faults[i].alerting, &diag);

        if (config != NULL)
            fail_msg("taken:\n%s", faults[i].alerting);
        if (faults[i].column == 0) {
            bool found = false;

            for (uint32_t j = 0; j < diag.count; j++)
                found = found || (diag.entries[j].place.line == faults[i].line &&
                                  strstr(diag.entries[j].text, faults[i].text) != NULL);
            if (!found)
                lb_diag_print(&diag, stdout);
            assert_true(found);
        } else {
            expect_errors(&diag, faults[i].alerting, faults[i].line, faults[i].column, faults[i].text);
        }
        lb_diag_free(&diag);
    }
}

static void all_faults_are_told_in_one_run(void **state)
{
    struct lb_diag diag;
    struct lb_config *config = parse("  rules:\n"
                                     "    a: {value: cuont(), over: 5, high: abvoe 3, to: out}\n"
                                     "    b: {value: ratio(levl ~~~ x), over: 5m, to: nobody}\n",
                                     &diag);

    (void)state;
    assert_null(config);
    assert_true(diag.errors >= 6);
    lb_diag_free(&diag);
}

struct reading {
    const char *text;
    bool ratio;
    enum lb_comparison comparison;
    double number;
};

static void reads_thresholds(void **state)
{
    static const struct reading readings[] = {
        { "above 5%", true, LB_ABOVE, 0.05 },
        { "at least 5", false, LB_AT_LEAST, 5 },
        { "below 20%", true, LB_BELOW, 0.2 },
        { "at most 3", false, LB_AT_MOST, 3 },
        { "> 5%", true, LB_ABOVE, 0.05 },
        { ">= 5", false, LB_AT_LEAST, 5 },
        { "< 1", false, LB_BELOW, 1 },
        { "<= 3", false, LB_AT_MOST, 3 },
        { ">5", false, LB_ABOVE, 5 },
        { "  above   0.5  ", true, LB_ABOVE, 0.5 },
        { "above 2.5 %", true, LB_ABOVE, 0.025 },
        { "at most 0", false, LB_AT_MOST, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++) {
        struct lb_threshold threshold;
        struct lb_diag diag = { 0 };

        struct lb_alert_rule rule = { .function = readings[i].ratio ? LB_ALERT_RATIO : LB_ALERT_COUNT };

        if (!lb_threshold_read(lb_str_from(readings[i].text), &rule, &threshold, (struct lb_place){ 0 }, &diag))
            fail_msg("refused: %s", readings[i].text);
        assert_true(threshold.set);
        assert_int_equal(threshold.comparison, readings[i].comparison);
        assert_true(threshold.number == readings[i].number);
        lb_diag_free(&diag);
    }
}

struct refusal {
    const char *text;
    bool ratio;
    uint32_t column;
    const char *words;
};

static void refuses_what_is_no_threshold(void **state)
{
    static const struct refusal refusals[] = {
        { "", false, 1, "expected a threshold" },
        { "5", false, 1, "expected a threshold" },
        { "over 5", false, 1, "did you mean `above`" },
        { "abvoe 5", false, 1, "did you mean `above`" },
        { "above", false, 6, "expected a number" },
        { "above x", false, 7, "expected a number" },
        { "above -5", false, 7, "expected a number" },
        { "above 5..5", false, 7, "expected a number" },
        { "above 5 %", false, 8, "a count has no unit" },
        { "above 5ms", false, 8, "a count has no unit" },
        { "above 5% now", true, 8, "expected % or nothing" },
        { "above 5", true, 7, "0% to 100%" },
        { "above 100%", true, 7, "never" },
        { "below 0", false, 7, "never" },
        { "at least 0", false, 10, "always" },
        { "at most 100%", true, 9, "always" },
        { "aboves 5", false, 1, "did you mean `above`" },
        { "at  least 5", false, 1, "expected a threshold" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct lb_threshold threshold;
        struct lb_diag diag = { 0 };
        struct lb_place place = { "c.yaml", 1, 1 };

        struct lb_alert_rule rule = { .function = refusals[i].ratio ? LB_ALERT_RATIO : LB_ALERT_COUNT };

        if (lb_threshold_read(lb_str_from(refusals[i].text), &rule, &threshold, place, &diag))
            fail_msg("taken: %s", refusals[i].text);
        assert_int_equal(diag.errors, 1);
        if (strstr(diag.entries[0].text, refusals[i].words) == NULL ||
            diag.entries[0].place.column != refusals[i].column)
            fail_msg("%s: %u: %s", refusals[i].text, diag.entries[0].place.column, diag.entries[0].text);
        lb_diag_free(&diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_rule_whole),
        cmocka_unit_test(without_a_section_there_are_no_rules_but_fallbacks),
        cmocka_unit_test(reads_how_routes_tell),
        cmocka_unit_test(reads_how_long_an_end_waits),
        cmocka_unit_test(says_what_is_wrong_and_where),
        cmocka_unit_test(all_faults_are_told_in_one_run),
        cmocka_unit_test(reads_thresholds),
        cmocka_unit_test(refuses_what_is_no_threshold),
    };

    return cmocka_run_group_tests_name("route/alert_conf", tests, NULL, NULL);
}
