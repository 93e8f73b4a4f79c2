/*
 * alert_conf.c - the `alerting:` section as a whole: its settings and rules,
 * whether every rule reaches somebody, and what rules say of each other.
 *
 * lb_options_fill() tells of unknown keys and wrong units; here is only what
 * options cannot know of each other.
 */
#include "alert_conf.h"

#include "lb_clock.h"
#include "lb_expr.h"
#include "lb_metrics.h"
#include "lb_sink.h"

#include <stdio.h>

struct section_options {
    struct lb_alerting alerting;
    const struct lb_node *routes;
    const struct lb_node *rules;
    const struct lb_node *maintenance;
    const struct lb_node *heartbeat;
    const struct lb_node *reports;
    const struct lb_node *default_keys;
    struct lb_alert_defaults defaults;
};

#define MEMBER(name) offsetof(struct section_options, alerting.name)

#define DAY (24 * 3600 * LB_SECOND)

static const struct lb_option severity_options[] = {
    { "info", LB_OPTION_STRING, MEMBER(severities[LB_SEVERITY_INFO]), NULL, "The word for info", 0, NULL, NULL, 0, 0 },
    { "low", LB_OPTION_STRING, MEMBER(severities[LB_SEVERITY_LOW]), NULL, "The word for low", 0, NULL, NULL, 0, 0 },
    { "medium", LB_OPTION_STRING, MEMBER(severities[LB_SEVERITY_MEDIUM]), NULL, "The word for medium", 0, NULL, NULL, 0,
      0 },
    { "high", LB_OPTION_STRING, MEMBER(severities[LB_SEVERITY_HIGH]), NULL, "The word for high", 0, NULL, NULL, 0, 0 },
    { "critical", LB_OPTION_STRING, MEMBER(severities[LB_SEVERITY_CRITICAL]), NULL, "The word for critical", 0, NULL,
      NULL, 0, 0 },
    { 0 },
};

static const struct lb_option self_options[] = {
    { "enabled", LB_OPTION_BOOL, MEMBER(self.enabled), "true", "Alerts about logboom itself", 0, NULL, NULL, 0, 0 },
    { "to", LB_OPTION_SINKS, MEMBER(self.sinks), NULL, "Sinks, besides those of alerting.routes", 0, NULL, NULL, 0, 0 },
    { "disk_low", LB_OPTION_NUMBER, MEMBER(self.disk_low), "10",
      "A disk with less than this free, in per cent: severity high", 0, NULL, NULL, 0, 0 },
    { "disk_critical", LB_OPTION_NUMBER, MEMBER(self.disk_critical), "5", "And with less than this: critical", 0, NULL,
      NULL, 0, 0 },
    { "disk_full_within", LB_OPTION_DURATION, MEMBER(self.disk_full_within_ns), "4h",
      "A disk that will be full within this time, as fast as it fills now", 0, NULL, NULL, LB_SECOND, 31 * DAY },
    { "sink_failing", LB_OPTION_DURATION, MEMBER(self.sink_ns), "2m",
      "A sink that delivers nothing, or takes nothing, for so long", 0, NULL, NULL, LB_SECOND, DAY },
    { "source_behind", LB_OPTION_DURATION, MEMBER(self.behind_ns), "5m",
      "A source that is so far behind, and has more to read than a minute before", 0, NULL, NULL, LB_SECOND, 31 * DAY },
    { "source_silent", LB_OPTION_DURATION, MEMBER(self.silent_ns), "15m",
      "A source that was busy, and of which nothing came for so long; 0: none is missed", 0, NULL, NULL, 0, 31 * DAY },
    { "rotation_within", LB_OPTION_DURATION, MEMBER(self.rotation_ns), "15m",
      "A source of which lines that are not read will be rotated away within this time", 0, NULL, NULL, LB_SECOND,
      DAY },
    { "parse_errors", LB_OPTION_NUMBER, MEMBER(self.parse_errors), "5",
      "Parse errors of a source within 5m, in per cent of its records", 0, NULL, NULL, 0, 0 },
    { "parse_errors_least", LB_OPTION_COUNT, MEMBER(self.parse_errors_least), "100", "And at least so many records", 0,
      NULL, NULL, 1, INT64_MAX },
    { "clock_records", LB_OPTION_COUNT, MEMBER(self.clock_least), "100",
      "So many records within 5m that are ahead of their arrival: some clock is wrong", 0, NULL, NULL, 1, INT64_MAX },
    { "down", LB_OPTION_DURATION, MEMBER(self.down_ns), "1m",
      "What happened while logboom was down for so long is told in one summary", 0, NULL, NULL, LB_SECOND, 366 * DAY },
    { 0 },
};

static const struct lb_option heartbeat_options[] = {
    { "to", LB_OPTION_SINKS, MEMBER(heartbeat.sinks), NULL, "Who is given a sign of life", LB_OPTION_REQUIRED, NULL,
      NULL, 0, 0 },
    { "every", LB_OPTION_DURATION, MEMBER(heartbeat.every_ns), "1m", "How often", 0, NULL, NULL, LB_SECOND, DAY },
    { 0 },
};

static const struct lb_option section_options[] = {
    { "severities", LB_OPTION_GROUP, 0, NULL, "The words that your people use, such as P1", 0, NULL, severity_options,
      0, 0 },
    { "routes", LB_OPTION_NODE, offsetof(struct section_options, routes), NULL,
      "Where alerts go, and how: a list of where, to and more; all that match", 0, NULL, NULL, 0, 0 },
    { "defaults", LB_OPTION_NODE, offsetof(struct section_options, default_keys), NULL,
      "Keys that rules have which do not say them: severity, min_count, cooldown, for, hold, settle, repeat, "
      "forget, unknown_after, runbook, labels, to",
      0, NULL, NULL, 0, 0 },
    { "rules", LB_OPTION_NODE, offsetof(struct section_options, rules), NULL, "The rules by name", 0, NULL, NULL, 0,
      0 },
    { "self", LB_OPTION_GROUP, 0, NULL, "Alerts about logboom itself", 0, NULL, self_options, 0, 0 },
    { "heartbeat", LB_OPTION_NODE, offsetof(struct section_options, heartbeat), NULL,
      "A sign of life, so that silence is noticed from outside: to, every", 0, NULL, NULL, 0, 0 },
    { "reports", LB_OPTION_NODE, offsetof(struct section_options, reports), NULL,
      "What was in a day or a week: a list of name, daily or weekly, to and more", 0, NULL, NULL, 0, 0 },
    { "maintenance", LB_OPTION_NODE, offsetof(struct section_options, maintenance), NULL,
      "Windows in which nobody is told: a list of name, when and where", 0, NULL, NULL, 0, 0 },
    { "lateness", LB_OPTION_DURATION, MEMBER(lateness_ns), "30s",
      "How late a record may come, by the newest one, and still change what was judged", 0, NULL, NULL, 0,
      3600 * LB_SECOND },
    { "max_age", LB_OPTION_DURATION, MEMBER(max_age_ns), "1h",
      "Records older than this when they arrive end in one summary instead of alerts", 0, NULL, NULL, LB_SECOND, 0 },
    { "max_keys", LB_OPTION_COUNT, MEMBER(max_keys), "4096", "Keys that a rule with `by` keeps at a time", 0, NULL,
      NULL, 1, 1000 * 1000 },
    { "memory_max", LB_OPTION_SIZE, MEMBER(memory_max), "64MiB",
      "What the keys of all rules may take of memory; beyond it idle keys are forgotten", 0, NULL, NULL, 1024 * 1024,
      0 },
    { 0 },
};

bool lb_alert_is_nothing(const struct lb_node *node)
{
    return node->kind == LB_NODE_SCALAR && !node->quoted && node->text.len == 0;
}

bool lb_alert_too_large(const struct lb_node *node, struct lb_diag *diag)
{
    lb_diag_error(diag, node->place, "the configuration is too large");
    return false;
}

void lb_alert_free_where(const struct lb_expr *where)
{
    if (where != NULL)
        lb_expr_free((struct lb_expr *)where);
}

/* --- rules ---------------------------------------------------------------- */

static bool reaches_a_sink(const struct lb_alerting *alerting, const struct lb_alert_rule *rule)
{
    if (rule->sinks != 0 || rule->shadow)
        return true;
    for (uint32_t i = 0; i < alerting->route_count; i++)
        if (alerting->routes[i].sinks != 0 && !lb_alert_leads_nowhere(&alerting->routes[i]))
            return true;
    return false;
}

/* Of a rule that is not kept; nobody else will. */
static void free_expressions(struct lb_alert_rule *rule)
{
    lb_alert_free_where(rule->where);
    lb_alert_free_where(rule->inner);
    lb_alert_free_where(rule->second);
    for (uint32_t i = 0; i < rule->part_count; i++) {
        lb_alert_free_where(rule->parts[i].inner);
        lb_alert_free_where(rule->parts[i].second);
    }
}

/* The parts of all rules behind them, those of each rule together. */
static bool append_parts(struct lb_config *config, struct lb_alerting *alerting)
{
    uint32_t named = alerting->rule_count;
    uint32_t count = 0;
    struct lb_alert_rule *rules;

    for (uint32_t i = 0; i < named; i++)
        count += alerting->rules[i].part_count;
    if (count == 0)
        return true;
    rules = lb_arena_alloc(&config->arena, (named + count) * sizeof(*rules));
    if (rules == NULL)
        return false;
    memcpy(rules, alerting->rules, named * sizeof(*rules));
    alerting->rules = rules;
    for (uint32_t i = 0; i < named; i++) {
        for (uint32_t j = 0; j < rules[i].part_count; j++) {
            rules[i].parts[j].owner = i;
            rules[alerting->rule_count++] = rules[i].parts[j];
        }
    }
    alerting->part_count = count;
    return true;
}

/* `routes_read`: otherwise their faults are told already, and a missing sink is one of them. */
static bool read_rules(struct lb_config *config, const struct section_options *options, struct lb_alerting *alerting,
                       bool routes_read, struct lb_diag *diag)
{
    const struct lb_node *node = options->rules;
    bool ok = true;

    if (node == NULL || lb_alert_is_nothing(node))
        return true;
    if (node->kind != LB_NODE_MAP || node->count > LB_RULES_MAX) {
        lb_diag_error(diag, node->place,
                      node->kind != LB_NODE_MAP ? "expected a map of names to rules" : "too many rules");
        return false;
    }
    alerting->rules = lb_arena_zalloc(&config->arena, (node->count + 1) * sizeof(struct lb_alert_rule));
    if (alerting->rules == NULL)
        return lb_alert_too_large(node, diag);
    for (uint32_t i = 0; i < node->count; i++) {
        struct lb_alert_rule *rule = &alerting->rules[alerting->rule_count];
        bool read = lb_alert_rule_read(config, &node->keys[i], &node->values[i], &options->defaults, rule, diag);

        if (read && routes_read && !reaches_a_sink(alerting, rule)) {
            lb_diag_error(diag, rule->place,
                          "rule \"" LB_STR_FMT "\" reaches no sink; give it \"to\", or add a route to alerting.routes",
                          LB_STR_ARG(rule->name));
            read = false;
        }
        ok = read && ok;
        alerting->rule_count += read;
        if (!read)
            free_expressions(rule);
    }
    return append_parts(config, alerting) ? ok : lb_alert_too_large(node, diag);
}

/* --- what rules say of each other ----------------------------------------- */

static const struct lb_alert_rule *find_rule(const struct lb_alerting *alerting, struct lb_str name)
{
    for (uint32_t i = 0; i < alerting->rule_count; i++)
        if (lb_str_equal(alerting->rules[i].name, name))
            return &alerting->rules[i];
    return NULL;
}

/* `rules`: the node, where all names stand, also of rules that have faults of their own. */
static bool check_inhibits(const struct lb_alerting *alerting, const struct lb_alert_rule *rule,
                           const struct lb_node *rules, struct lb_diag *diag)
{
    bool ok = true;

    for (size_t i = 0; i < rule->inhibits.count; i++) {
        struct lb_str name = rule->inhibits.items[i];
        bool known = find_rule(alerting, name) != NULL;

        for (size_t n = 0; n < rules->count && !known; n++)
            known = lb_str_equal(rules->keys[n].text, name);
        if (known && !lb_str_equal(name, rule->name))
            continue;
        lb_diag_error(diag, rule->place,
                      known
                          ? "rule \"" LB_STR_FMT "\": \"inhibits\" names the rule itself; only others can be held back"
                          : "rule \"" LB_STR_FMT "\": \"inhibits\" names \"" LB_STR_FMT "\", but there is no such rule",
                      LB_STR_ARG(rule->name), LB_STR_ARG(name));
        ok = false;
    }
    return ok;
}

static bool check_between(const struct lb_alerting *alerting, const struct lb_node *rules, struct lb_diag *diag)
{
    bool ok = true;

    for (uint32_t i = 0; i < alerting->rule_count; i++)
        ok = check_inhibits(alerting, &alerting->rules[i], rules, diag) && ok;
    return ok;
}

static bool read_defaults(struct lb_config *config, struct section_options *options, struct lb_diag *diag)
{
    options->defaults.node = options->default_keys;
    return options->default_keys == NULL || lb_alert_is_nothing(options->default_keys) ||
           lb_options_fill(config, lb_alert_default_options, options->default_keys, &options->defaults, diag);
}

static bool name_sinks(struct lb_config *config, struct lb_alerting *alerting)
{
    struct lb_strs *names = &alerting->sink_names;

    names->items = lb_arena_zalloc(&config->arena, (config->sink_count + 1) * sizeof(*names->items));
    if (names->items == NULL)
        return false;
    for (uint32_t i = 0; i < config->sink_count; i++)
        names->items[names->count++] = config->sinks[i].section.name;
    alerting->detours = lb_arena_zalloc(&config->arena, (config->sink_count + 1) * sizeof(*alerting->detours));
    return alerting->detours != NULL;
}

/* Sinks are read before. False: no memory. */
static bool read_detours(struct lb_config *config, struct lb_alerting *alerting)
{
    char labels[4 * LB_NAME_BYTES_MAX];
    char name[LB_NAME_BYTES_MAX + 1];

    for (uint32_t i = 0; i < config->sink_count; i++) {
        const struct lb_sink *sink = &config->sinks[i];
        struct lb_alert_detour *detour = &alerting->detours[i];

        if (sink->type == NULL)
            continue;
        snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(sink->section.name));
        lb_metric_labels(labels, sizeof(labels), "sink", name, "type", sink->type->module.name, (char *)NULL);
        detour->labels = lb_arena_print(&config->arena, "%s", labels);
        detour->sinks = sink->options.otherwise;
        detour->after_ns = sink->options.otherwise_ns;
        if (detour->labels.ptr == NULL)
            return false;
    }
    return true;
}

/* What options cannot know of each other. */
static bool check_self(const struct lb_alerting *alerting, const struct lb_node *node, struct lb_diag *diag)
{
    const struct lb_self_options *self = &alerting->self;
    const struct lb_node *map = lb_node_get(node, "self");

    if (self->disk_critical >= 0 && self->disk_low >= self->disk_critical && self->disk_low <= 100 &&
        self->parse_errors >= 0 && self->parse_errors <= 100)
        return true;
    lb_diag_error(diag, map != NULL ? map->place : node->place,
                  "alerting.self: disk_low, disk_critical and parse_errors are parts of 100, and disk_low is not below "
                  "disk_critical");
    return false;
}

bool lb_alerting_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                      struct lb_diag *diag)
{
    struct section_options options = { 0 };
    bool ok;
    bool routes;

    if (node == NULL || lb_alert_is_nothing(node)) {
        ok = lb_options_defaults(section_options, &options, &config->arena);
        *alerting = options.alerting;
        return ok;
    }
    ok = lb_options_fill(config, section_options, node, &options, diag);
    if (options.heartbeat != NULL && !lb_alert_is_nothing(options.heartbeat))
        ok = lb_options_fill(config, heartbeat_options, options.heartbeat, &options, diag) && ok;
    *alerting = options.alerting;
    if (node->kind != LB_NODE_MAP)
        return false;
    if (!name_sinks(config, alerting) || !read_detours(config, alerting))
        return lb_alert_too_large(node, diag);
    routes = lb_alert_routes_read(config, options.routes, alerting, diag);
    ok = lb_alert_maintenance_read(config, options.maintenance, alerting, diag) && ok;
    ok = read_defaults(config, &options, diag) && ok;
    ok = check_self(alerting, node, diag) && ok;
    ok = lb_alert_reports_read(config, options.reports, alerting, diag) && ok;
    ok = read_rules(config, &options, alerting, routes, diag) && routes && ok;
    return (options.rules == NULL || check_between(alerting, options.rules, diag)) && ok;
}
