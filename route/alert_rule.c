/*
 * alert_rule.c - one rule of `alerting.rules`, read.
 *
 * Severities are keys, so a rule reads as a sentence; each may be written by
 * its name or an alias (warning, P1 to P4).
 */
#include "alert_conf.h"

#include "lb_clock.h"
#include "lb_expr.h"

const char *const lb_severity_names[] = { "info", "low", "medium", "high", "critical", NULL };

#define DAYS (24 * 3600 * LB_SECOND)

/* --- levels --------------------------------------------------------------- */

struct level_key {
    const char *name;
    enum lb_severity severity;
};

static const struct level_key level_keys[] = {
    { "info", LB_SEVERITY_INFO },   { "low", LB_SEVERITY_LOW },           { "medium", LB_SEVERITY_MEDIUM },
    { "high", LB_SEVERITY_HIGH },   { "critical", LB_SEVERITY_CRITICAL }, { "warning", LB_SEVERITY_MEDIUM },
    { "P4", LB_SEVERITY_LOW },      { "P3", LB_SEVERITY_MEDIUM },         { "P2", LB_SEVERITY_HIGH },
    { "P1", LB_SEVERITY_CRITICAL },
};

enum { LEVEL_KEYS = sizeof(level_keys) / sizeof(level_keys[0]) };

struct rule_options {
    struct lb_alert_rule rule;
    const struct lb_node *levels[LEVEL_KEYS];
    struct lb_str value;
    struct lb_str when;
    int severity;
    const struct lb_node *clear;
    const struct lb_node *escalate;
    int mode;
    const struct lb_alert_defaults *defaults;
};

enum { MODE_ACTIVE, MODE_SHADOW };

const char *const lb_alert_severity_words[] = { "info", "low", "medium", "high", "critical", "warning",
                                                "P4",   "P3",  "P2",     "P1",   NULL };

static const char *const modes[] = { "active", "shadow", NULL };

#define MEMBER(name) offsetof(struct rule_options, rule.name)
#define LEVEL(i) offsetof(struct rule_options, levels[i])

static const struct lb_option rule_options[] = {
    { "where", LB_OPTION_WHERE, MEMBER(where), NULL, "Only records that match are looked at", 0, NULL, NULL, 0, 0 },
    { "value", LB_OPTION_STRING, offsetof(struct rule_options, value), NULL,
      "What is measured: a function such as count(), ratio(level >= error) or p95(duration_ms), or arithmetic with "
      "them",
      0, NULL, NULL, 0, 0 },
    { "when", LB_OPTION_STRING, offsetof(struct rule_options, when), NULL,
      "Instead of value and thresholds: conditions joined by and, or", 0, NULL, NULL, 0, 0 },
    { "severity", LB_OPTION_CHOICE, offsetof(struct rule_options, severity), NULL, "The severity of \"when\"", 0,
      lb_alert_severity_words, NULL, 0, 0 },
    { "keys", LB_OPTION_STRINGS, MEMBER(keys), NULL,
      "Of absent: values of \"by\" that are missed though they were never seen; of several fields such as \"a, b\"", 0,
      NULL, NULL, 0, 0 },
    { "forget", LB_OPTION_DURATION, MEMBER(forget_ns), "24h",
      "Of absent: a key without a record for so long is no more; 0 keeps it; 7d for absent by 03:00", 0, NULL, NULL, 0,
      366 * DAYS },
    { "unknown_after", LB_OPTION_DURATION, MEMBER(unknown_ns), "5m",
      "Of absent: told when nothing can be said of its keys for so long, because their source is behind", 0, NULL, NULL,
      0, 31 * DAYS },
    { "zone", LB_OPTION_STRING, MEMBER(zone_name), NULL,
      "Of absent by 03:00: the time zone, such as Europe/Berlin; that of TZ unless told otherwise", 0, NULL, NULL, 0,
      0 },
    { "over", LB_OPTION_DURATION, MEMBER(over_ns), NULL,
      "How far the window goes back, such as 5m; last() and consecutive() look back 1h unless told otherwise", 0, NULL,
      NULL, LB_SECOND, 31 * DAYS },
    { "by", LB_OPTION_STRINGS, MEMBER(by), NULL, "Fields: one alert for each of their values", 0, NULL, NULL, 0, 0 },
    { "learn", LB_OPTION_DURATION, MEMBER(learn_ns), "1h",
      "Of new(): how long what a key brings is only learned, from its first record on", 0, NULL, NULL, 0, 31 * DAYS },
    { "known", LB_OPTION_STRINGS, MEMBER(known), NULL,
      "Of new(): values that are known from the start; of several fields such as \"a, b\"", 0, NULL, NULL, 0, 0 },
    { "info", LB_OPTION_NODE, LEVEL(0), NULL, "Threshold of severity info, such as above 5%", 0, NULL, NULL, 0, 0 },
    { "low", LB_OPTION_NODE, LEVEL(1), NULL, "Threshold of severity low", 0, NULL, NULL, 0, 0 },
    { "medium", LB_OPTION_NODE, LEVEL(2), NULL, "Threshold of severity medium", 0, NULL, NULL, 0, 0 },
    { "high", LB_OPTION_NODE, LEVEL(3), NULL, "Threshold of severity high", 0, NULL, NULL, 0, 0 },
    { "critical", LB_OPTION_NODE, LEVEL(4), NULL, "Threshold of severity critical", 0, NULL, NULL, 0, 0 },
    { "warning", LB_OPTION_NODE, LEVEL(5), NULL, "The same as medium", 0, NULL, NULL, 0, 0 },
    { "P4", LB_OPTION_NODE, LEVEL(6), NULL, "The same as low", 0, NULL, NULL, 0, 0 },
    { "P3", LB_OPTION_NODE, LEVEL(7), NULL, "The same as medium", 0, NULL, NULL, 0, 0 },
    { "P2", LB_OPTION_NODE, LEVEL(8), NULL, "The same as high", 0, NULL, NULL, 0, 0 },
    { "P1", LB_OPTION_NODE, LEVEL(9), NULL, "The same as critical", 0, NULL, NULL, 0, 0 },
    { "min_count", LB_OPTION_COUNT, MEMBER(min_count), NULL, "Records that the window needs before its value is judged",
      0, NULL, NULL, 0, 0 },
    { "cooldown", LB_OPTION_DURATION, MEMBER(cooldown_ns), NULL,
      "After a notice, no other of the same or a lower severity for this long", 0, NULL, NULL, 0, 31 * DAYS },
    { "for", LB_OPTION_DURATION, MEMBER(for_ns), NULL, "How long a threshold must be crossed before it fires", 0, NULL,
      NULL, 0, 31 * DAYS },
    { "hold", LB_OPTION_DURATION, MEMBER(hold_ns), NULL,
      "How long no threshold must be crossed before it has ended; at least alerting.lateness", 0, NULL, NULL, 0,
      31 * DAYS },
    { "settle", LB_OPTION_DURATION, MEMBER(settle_ns), NULL,
      "How long the end of a short alert waits to be told, for it may come back; four times hold, 5m at most, unless "
      "set",
      0, NULL, NULL, 0, 31 * DAYS },
    { "clear", LB_OPTION_NODE, offsetof(struct rule_options, clear), NULL,
      "What the value must cross before it may end, such as below 3%", 0, NULL, NULL, 0, 0 },
    { "repeat", LB_OPTION_DURATION, MEMBER(repeat_ns), NULL, "Told again so often while it fires; not unless set", 0,
      NULL, NULL, LB_SECOND, 31 * DAYS },
    { "runbook", LB_OPTION_STRING, MEMBER(runbook), NULL, "Where people find what to do, an address", 0, NULL, NULL, 0,
      0 },
    { "labels", LB_OPTION_PAIRS, MEMBER(labels), NULL, "Names and values that are added to each alert", 0, NULL, NULL,
      0, 0 },
    { "mode", LB_OPTION_CHOICE, offsetof(struct rule_options, mode), "active",
      "shadow: it is judged, counted and shown, but nobody is told", 0, modes, NULL, 0, 0 },
    { "text", LB_OPTION_STRING, MEMBER(text), NULL, "Words for people; {service} and {value} are replaced", 0, NULL,
      NULL, 0, 0 },
    { "escalate", LB_OPTION_NODE, offsetof(struct rule_options, escalate), NULL,
      "Who is told too while nobody acknowledges it: a list of after and to", 0, NULL, NULL, 0, 0 },
    { "inhibits", LB_OPTION_STRINGS, MEMBER(inhibits), NULL,
      "Rules whose alerts are not told while this one fires, with the same values of what both have in `by`", 0, NULL,
      NULL, 0, 0 },
    { "equal", LB_OPTION_STRINGS, MEMBER(equal), NULL, "With `inhibits`: the same values of these fields instead", 0,
      NULL, NULL, 0, 0 },
    { "run", LB_OPTION_STRINGS, MEMBER(run), NULL,
      "A program and its arguments, run when an alert begins: no shell; {service} and the like within an argument", 0,
      NULL, NULL, 0, 0 },
    { "to", LB_OPTION_SINKS, MEMBER(sinks), NULL, "Sinks for this rule, besides those of alerting.routes", 0, NULL,
      NULL, 0, 0 },
    { 0 },
};

static bool read_level(const struct lb_node *node, enum lb_severity severity, struct lb_alert_rule *rule,
                       struct lb_diag *diag)
{
    if (node->kind != LB_NODE_SCALAR || node->text.len == 0) {
        lb_diag_error(diag, node->place, "expected a threshold such as `above 5%%` or `'> 5%%'` (in quotes)");
        return false;
    }
    if (rule->thresholds[severity].set) {
        lb_diag_error(diag, node->place, "severity %s has a threshold already, by its other name",
                      lb_severity_names[severity]);
        return false;
    }
    rule->threshold_texts[severity] = lb_alert_trim(node->text);
    return lb_threshold_read(node->text, rule, &rule->thresholds[severity], node->begin, diag);
}

static bool read_levels(const struct rule_options *options, struct lb_alert_rule *rule, struct lb_diag *diag)
{
    struct lb_place places[LB_SEVERITY_COUNT] = { 0 };
    bool any = false;
    bool ok = true;

    for (size_t i = 0; i < LEVEL_KEYS; i++) {
        const struct lb_node *node = options->levels[i];

        if (node == NULL)
            continue;
        any = true;
        places[level_keys[i].severity] = node->place;
        ok = read_level(node, level_keys[i].severity, rule, diag) && ok;
    }
    if (!any) {
        lb_diag_error(diag, rule->place, "rule \"" LB_STR_FMT "\" has no threshold; add one such as critical: %s",
                      LB_STR_ARG(rule->name), rule->function == LB_ALERT_RATIO ? "above 5%" : "at least 5");
        return false;
    }
    return ok && lb_alert_levels_check(rule, places, diag);
}

static bool check_over(struct lb_alert_rule *rule, const struct lb_node *node, struct lb_diag *diag)
{
    bool newest = rule->function == LB_ALERT_LAST || rule->function == LB_ALERT_CONSECUTIVE;

    if (lb_node_get(node, "over") != NULL || rule->function == LB_ALERT_FORMULA)
        return true;
    rule->over_ns = (rule->probe != LB_PROBE_NONE ? 60 : 3600) * LB_SECOND;
    if (!newest)
        lb_diag_error(diag, node->place, "missing \"over\": how far back it looks, such as over: 5m");
    return newest;
}

static bool is_written(const struct lb_node *node)
{
    return node != NULL && node->kind == LB_NODE_SCALAR && node->text.len > 0;
}

/* Keys that mean nothing without `absent`. */
static bool check_absent(const struct lb_node *node, const struct lb_alert_rule *rule, struct lb_diag *diag)
{
    static const char *const words[] = { "keys", "forget", "unknown_after", "zone", NULL };
    const struct lb_node *keys = lb_node_get(node, "keys");

    for (int i = 0; words[i] != NULL; i++) {
        const struct lb_node *value = lb_node_get(node, words[i]);

        if (value == NULL || (rule->absent && (strcmp(words[i], "zone") != 0 || rule->zone != NULL)))
            continue;
        lb_diag_error(diag, value->place, "\"%s\" belongs to \"when: absent%s\"", words[i],
                      strcmp(words[i], "zone") == 0 ? " by 03:00" : "");
        return false;
    }
    if (keys == NULL || (rule->by.count > 0 && rule->part_count == 0))
        return true;
    lb_diag_error(diag, keys->place,
                  rule->by.count == 0 ? "\"keys\" are values of the fields of \"by\": add it"
                                      : "\"keys\" is for a rule with \"absent\" alone");
    return false;
}

/* `value:` and its thresholds. */
static bool read_value(struct lb_config *config, const struct lb_node *node, const struct rule_options *options,
                       struct lb_alert_rule *rule, struct lb_diag *diag)
{
    const struct lb_node *value = lb_node_get(node, "value");
    bool ok = true;

    if (value == NULL)
        lb_diag_error(diag, rule->place, "missing \"value\" (what is measured), or \"when\" (a condition)");
    else if (is_written(value))
        ok = lb_alert_value_read(config, value, rule, diag);
    if (ok)
        ok = check_over(rule, node, diag) && value != NULL;
    if (lb_node_get(node, "severity") != NULL) {
        lb_diag_error(diag, lb_node_get(node, "severity")->place,
                      "\"severity\" belongs to \"when\"; write a threshold by its name, such as high: above 5");
        ok = false;
    }
    ok = check_absent(node, rule, diag) && ok;
    return read_levels(options, rule, diag) && ok;
}

/* Detectors alone have taken `min_count` for their own windows; what the rule sees of them are hits, which are few. */
static bool has_only_detectors(const struct lb_alert_rule *rule)
{
    for (uint32_t i = 0; i < rule->part_count; i++)
        if (rule->parts[i].detector == NULL)
            return false;
    return rule->part_count > 0;
}

static bool read_conditions(struct lb_config *config, const struct lb_node *node, const struct rule_options *options,
                            struct lb_alert_rule *rule, struct lb_diag *diag)
{
    enum lb_severity severity = level_keys[options->severity].severity;
    const struct lb_node *when = lb_node_get(node, "when");
    const struct lb_node *zone = lb_node_get(node, "zone");

    if (!lb_alert_when_read(config, when, severity, zone != NULL ? zone->begin : when->begin, rule, diag) ||
        !check_absent(node, rule, diag))
        return false;
    if (rule->each || rule->absent || has_only_detectors(rule)) /* one is enough, and none is the point */
        rule->min_count = 0;
    if (rule->each && !lb_alert_is_said(node, options->defaults, "cooldown"))
        rule->cooldown_ns = 60 * LB_SECOND;
    if (rule->zone != NULL && !lb_alert_is_said(node, options->defaults, "forget"))
        rule->forget_ns = 7 * DAYS;
    return true;
}

/* `when:` and its severity. */
static bool read_when(struct lb_config *config, const struct lb_node *node, const struct rule_options *options,
                      struct lb_alert_rule *rule, struct lb_diag *diag)
{
    const struct lb_node *when = lb_node_get(node, "when");
    bool ok = true;

    for (size_t i = 0; i < LEVEL_KEYS; i++) {
        if (options->levels[i] == NULL)
            continue;
        lb_diag_error(diag, options->levels[i]->place, "\"when\" has its own limits; write severity: %s instead",
                      level_keys[i].name);
        ok = false;
    }
    if (lb_node_get(node, "value") != NULL) {
        lb_diag_error(diag, lb_node_get(node, "value")->place,
                      "a rule has \"value\" with thresholds, or \"when\" with a severity, not both");
        ok = false;
    }
    if (!lb_alert_is_said(node, options->defaults, "severity") && ok) {
        lb_diag_error(diag, rule->place, "missing \"severity\" beside \"when\": info, low, medium, high or critical");
        ok = false;
    }
    return is_written(when) && read_conditions(config, node, options, rule, diag) && ok;
}

/* Who asks logboom itself asks for no records. */
static bool check_probe(const struct lb_node *node, const struct lb_alert_rule *rule, struct lb_diag *diag)
{
    static const char *const words[] = { "by", "where", NULL };
    bool probes = rule->probe != LB_PROBE_NONE;
    bool records = rule->part_count == 0 && !probes;

    for (uint32_t i = 0; i < rule->part_count; i++) {
        probes = probes || rule->parts[i].probe != LB_PROBE_NONE;
        records = records || rule->parts[i].probe == LB_PROBE_NONE;
    }
    for (int i = 0; probes && words[i] != NULL; i++) {
        const struct lb_node *value = lb_node_get(node, words[i]);

        if (value == NULL || (records && i == 1))
            continue;
        lb_diag_error(diag, value->place, "lag() and queue() are of no record: \"%s\" means nothing here", words[i]);
        return false;
    }
    return true;
}

static bool read_way_back(const struct rule_options *options, struct lb_alert_rule *rule, struct lb_diag *diag)
{
    if (options->clear == NULL)
        return true;
    if (rule->part_count == 0 || rule->when_text.len == 0)
        return lb_alert_clear_read(options->clear, rule, diag);
    lb_diag_error(diag, options->clear->place, "\"clear\" is for a rule that measures one value");
    return false;
}

bool lb_alert_rule_read(struct lb_config *config, const struct lb_node *name, const struct lb_node *node,
                        const struct lb_alert_defaults *defaults, struct lb_alert_rule *rule, struct lb_diag *diag)
{
    struct rule_options options = { .defaults = defaults };
    bool filled = lb_options_fill(config, rule_options, node, &options, diag);
    bool ok = true;

    lb_alert_defaults_apply(defaults, node, &options.rule, &options.severity);
    *rule = options.rule;
    if (!lb_alert_is_said(node, defaults, "settle"))
        rule->settle_ns = LB_ALERT_SETTLE_BY_HOLD;
    rule->name = name->text;
    rule->place = name->place;
    if (node->kind != LB_NODE_MAP)
        return false;
    rule->shadow = options.mode == MODE_SHADOW;
    if (rule->by.count > 0)
        ok = lb_alert_by_check(rule, lb_node_get(node, "by"), diag);
    ok = lb_alert_equal_check(rule, node, diag) && ok;
    ok = lb_alert_run_check(rule, node, diag) && ok;
    ok = lb_alert_steps_read(config, options.escalate, &rule->escalate, diag) && ok;
    if (rule->text.len > 0)
        ok = lb_alert_text_check(rule, lb_node_get(node, "text"), diag) && ok;
    if (!(lb_node_get(node, "when") != NULL ? read_when : read_value)(config, node, &options, rule, diag))
        return false;
    ok = check_probe(node, rule, diag) && ok;
    return read_way_back(&options, rule, diag) && ok && filled;
}
