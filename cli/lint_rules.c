/*
 * lint_rules.c - rules that can be read, and yet cannot be meant.
 *
 * Whether somebody is told of a severity depends on alerting.routes. Only
 * routes that ask for nothing but the rule, the severity and the state can be
 * judged here; the others are taken to match.
 */
#include "lint.h"

#include "lb_expr.h"
#include "lb_route.h"

#include <stdio.h>

static struct lb_value clean(const char *text)
{
    return lb_value_of(lb_str_from(text), LB_VALUE_CLEAN);
}

/* An alert as far as it is known before it fires. */
static uint64_t sinks_of(struct lint *lint, const struct lb_alert_rule *rule, int severity)
{
    static const char *const known[] = { "rule", "severity", "state", "event", NULL };
    const struct lb_alerting *alerting = &lint->config->alerting;
    struct lb_field fields[] = {
        { clean("event"), clean("alert") },
        { clean("rule"), lb_value_text(rule->name) },
        { clean("state"), clean("firing") },
        { clean("severity"), clean(rules_severity_names[severity]) },
    };
    struct lb_record record = { .fields = fields, .field_count = 4, .level = LB_LEVEL_NONE, .flags = LB_RECORD_ALERT };

    for (uint32_t i = 0; i < alerting->route_count; i++) {
        const struct lb_route *route = &alerting->routes[i];
        struct lb_strs asked = route->where != NULL ? lb_expr_fields(route->where) : (struct lb_strs){ NULL, 0 };
        bool can_be_judged = true;

        for (size_t k = 0; k < asked.count; k++) {
            bool is_known = false;

            for (size_t n = 0; known[n] != NULL; n++)
                is_known = is_known || lb_str_is(asked.items[k], known[n]);
            can_be_judged = can_be_judged && is_known;
        }
        if (!can_be_judged)
            return rule->sinks | route->sinks;
    }
    lint->scratch.used = 0;
    return rule->sinks | lb_route_match(alerting->routes, alerting->route_count, &record, &lint->scratch);
}

static bool looks_down(const struct lb_threshold *threshold)
{
    return threshold->comparison == LB_BELOW || threshold->comparison == LB_AT_MOST;
}

static bool counts(const struct lb_alert_rule *rule)
{
    return rule->detector == NULL && rule->function == LB_ALERT_COUNT;
}

/* A percentage goes from 0 to 100, whoever measures it. */
static bool is_percentage(const struct lb_alert_rule *rule)
{
    static const char *const ends[] = { "_pct", "percent" };

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t len = strlen(ends[i]);

        if (rule->field.len >= len && memcmp(rule->field.ptr + rule->field.len - len, ends[i], len) == 0)
            return rule->function != LB_ALERT_SUM && rule->function != LB_ALERT_DISTINCT;
    }
    return false;
}

static void check_severity(struct lint *lint, const struct lb_alert_rule *rule, int severity)
{
    const struct lb_threshold *threshold = &rule->thresholds[severity];
    const char *word = rules_severity_names[severity];

    if (!rule->shadow && sinks_of(lint, rule, severity) == 0)
        lb_diag_warn(lint->diag, rule->place,
                     "rule \"" LB_STR_FMT "\": nobody is told of %s; no route of alerting.routes takes it",
                     LB_STR_ARG(rule->name), word);
    if (counts(rule) && looks_down(threshold) && rule->min_count > 0 && threshold->number <= (double)rule->min_count)
        lb_diag_warn(lint->diag, rule->place,
                     "rule \"" LB_STR_FMT "\": %s (" LB_STR_FMT ") cannot be reached: with so few records min_count "
                     "(%llu) leaves it unjudged",
                     LB_STR_ARG(rule->name), word, LB_STR_ARG(rule->threshold_texts[severity]),
                     (unsigned long long)rule->min_count);
    if (is_percentage(rule) && !looks_down(threshold) &&
        (threshold->number > 100 || (threshold->number == 100 && threshold->comparison == LB_ABOVE)))
        lb_diag_warn(lint->diag, rule->place,
                     "rule \"" LB_STR_FMT "\": %s (" LB_STR_FMT ") cannot be reached: " LB_STR_FMT " ends at 100",
                     LB_STR_ARG(rule->name), word, LB_STR_ARG(rule->threshold_texts[severity]),
                     LB_STR_ARG(rule->field));
}

/* Two severities that min_count makes one: what is judged at all has crossed both. */
static void check_levels(struct lint *lint, const struct lb_alert_rule *rule)
{
    int lower = -1;

    for (int i = 0; i < LB_SEVERITY_COUNT; i++) {
        const struct lb_threshold *threshold = &rule->thresholds[i];

        if (!threshold->set)
            continue;
        if (lower >= 0 && counts(rule) && !looks_down(threshold) && rule->inner == NULL &&
            threshold->number <= (double)rule->min_count)
            lb_diag_warn(lint->diag, rule->place,
                         "rule \"" LB_STR_FMT "\": %s cannot be reached: min_count (%llu) is %s already",
                         LB_STR_ARG(rule->name), rules_severity_names[lower], (unsigned long long)rule->min_count,
                         rules_severity_names[i]);
        lower = i;
    }
}

static void check_times(struct lint *lint, const struct lb_alert_rule *rule)
{
    char repeat[RULES_SPAN_SIZE];
    char cooldown[RULES_SPAN_SIZE];

    if (rule->repeat_ns > 0 && rule->cooldown_ns > rule->repeat_ns)
        lb_diag_warn(lint->diag, rule->place,
                     "rule \"" LB_STR_FMT "\": it is repeated each %s, but cooldown holds that back for %s",
                     LB_STR_ARG(rule->name), rules_span(rule->repeat_ns, repeat),
                     rules_span(rule->cooldown_ns, cooldown));
}

void lint_check_rules(struct lint *lint)
{
    const struct lb_alerting *alerting = &lint->config->alerting;

    for (uint32_t i = 0; i < alerting->rule_count; i++) {
        const struct lb_alert_rule *rule = &alerting->rules[i];

        for (int severity = 0; severity < LB_SEVERITY_COUNT; severity++)
            if (rule->thresholds[severity].set)
                check_severity(lint, rule, severity);
        check_levels(lint, rule);
        check_times(lint, rule);
    }
}
