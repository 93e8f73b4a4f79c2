/*
 * alert_conf.c - the `alerting:` section as a whole: its settings, routes and
 * rules, and whether every rule reaches somebody.
 *
 * lb_options_fill() tells of unknown keys and wrong units; here is only what
 * options cannot know of each other.
 */
#include "alert_conf.h"

#include "lb_clock.h"
#include "lb_expr.h"

struct section_options {
    struct lb_alerting alerting;
    const struct lb_node *routes;
    const struct lb_node *rules;
    const struct lb_node *maintenance;
};

#define MEMBER(name) offsetof(struct section_options, alerting.name)

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

static const struct lb_option section_options[] = {
    { "severities", LB_OPTION_GROUP, 0, NULL, "The words that your people use, such as P1", 0, NULL, severity_options,
      0, 0 },
    { "routes", LB_OPTION_NODE, offsetof(struct section_options, routes), NULL,
      "Where alerts go: a list of where, to and stop; all that match", 0, NULL, NULL, 0, 0 },
    { "rules", LB_OPTION_NODE, offsetof(struct section_options, rules), NULL, "The rules by name", 0, NULL, NULL, 0,
      0 },
    { "maintenance", LB_OPTION_NODE, offsetof(struct section_options, maintenance), NULL,
      "Windows in which nobody is told: a list of name, when and where", 0, NULL, NULL, 0, 0 },
    { "lateness", LB_OPTION_DURATION, MEMBER(lateness_ns), "30s",
      "How late a record may come, by the newest one, and still change what was judged", 0, NULL, NULL, 0,
      3600 * LB_SECOND },
    { "max_age", LB_OPTION_DURATION, MEMBER(max_age_ns), "1h",
      "Records older than this when they arrive end in one summary instead of alerts", 0, NULL, NULL, LB_SECOND, 0 },
    { "max_keys", LB_OPTION_COUNT, MEMBER(max_keys), "4096", "Keys that a rule with `by` keeps at a time", 0, NULL,
      NULL, 1, 1000 * 1000 },
    { 0 },
};

static const struct lb_option route_options[] = {
    { "where", LB_OPTION_WHERE, offsetof(struct lb_route, where), NULL, "Only alerts that match, by their fields", 0,
      NULL, NULL, 0, 0 },
    { "to", LB_OPTION_SINKS, offsetof(struct lb_route, sinks), NULL, "A sink or a list of sinks", LB_OPTION_REQUIRED,
      NULL, NULL, 0, 0 },
    { "stop", LB_OPTION_BOOL, offsetof(struct lb_route, stop), "false", "An alert that matches sees no later route", 0,
      NULL, NULL, 0, 0 },
    { 0 },
};

static bool is_nothing(const struct lb_node *node)
{
    return node->kind == LB_NODE_SCALAR && !node->quoted && node->text.len == 0;
}

static bool too_large(const struct lb_node *node, struct lb_diag *diag)
{
    lb_diag_error(diag, node->place, "the configuration is too large");
    return false;
}

static void free_where(const struct lb_expr *where)
{
    if (where != NULL)
        lb_expr_free((struct lb_expr *)where);
}

/* --- routes --------------------------------------------------------------- */

static bool matches_nothing(const struct lb_route *route)
{
    return route->where != NULL && lb_expr_constant(route->where) == LB_EXPR_NEVER;
}

static bool ends_the_list(const struct lb_route *route)
{
    return route->stop && (route->where == NULL || lb_expr_constant(route->where) == LB_EXPR_ALWAYS);
}

static bool check_reachable(const struct lb_alerting *alerting, struct lb_diag *diag)
{
    bool ok = true;

    for (uint32_t i = 0; i < alerting->route_count; i++) {
        if (i > 0 && ends_the_list(&alerting->routes[i - 1])) {
            lb_diag_error(diag, alerting->routes[i].place,
                          "this route is never reached: the one before takes every alert and stops");
            return false;
        }
        if (matches_nothing(&alerting->routes[i])) {
            lb_diag_error(diag, alerting->routes[i].place, "this route matches no alert: its `where` is never true");
            ok = false;
        }
    }
    return ok;
}

static bool read_routes(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                        struct lb_diag *diag)
{
    bool ok = true;

    if (node == NULL || is_nothing(node))
        return true;
    if (node->kind != LB_NODE_LIST || node->count > LB_ROUTES_MAX) {
        lb_diag_error(diag, node->place,
                      node->kind != LB_NODE_LIST ? "expected a list of routes, each with \"to\"" : "too many routes");
        return false;
    }
    alerting->routes = lb_arena_zalloc(&config->arena, (node->count + 1) * sizeof(struct lb_route));
    if (alerting->routes == NULL)
        return too_large(node, diag);
    for (uint32_t i = 0; i < node->count; i++) {
        struct lb_route *route = &alerting->routes[alerting->route_count];

        if (!lb_options_fill(config, route_options, &node->values[i], route, diag)) {
            ok = false;
            free_where(route->where);
            *route = (struct lb_route){ 0 };
            continue;
        }
        route->place = node->values[i].place;
        alerting->route_count++;
    }
    return ok && check_reachable(alerting, diag);
}

/* --- rules ---------------------------------------------------------------- */

static bool reaches_a_sink(const struct lb_alerting *alerting, const struct lb_alert_rule *rule)
{
    if (rule->sinks != 0 || rule->shadow)
        return true;
    for (uint32_t i = 0; i < alerting->route_count; i++)
        if (alerting->routes[i].sinks != 0 && !matches_nothing(&alerting->routes[i]))
            return true;
    return false;
}

/* Of a rule that is not kept; nobody else will. */
static void free_expressions(struct lb_alert_rule *rule)
{
    free_where(rule->where);
    free_where(rule->inner);
    free_where(rule->second);
    for (uint32_t i = 0; i < rule->part_count; i++) {
        free_where(rule->parts[i].inner);
        free_where(rule->parts[i].second);
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
static bool read_rules(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                       bool routes_read, struct lb_diag *diag)
{
    bool ok = true;

    if (node == NULL || is_nothing(node))
        return true;
    if (node->kind != LB_NODE_MAP || node->count > LB_RULES_MAX) {
        lb_diag_error(diag, node->place,
                      node->kind != LB_NODE_MAP ? "expected a map of names to rules" : "too many rules");
        return false;
    }
    alerting->rules = lb_arena_zalloc(&config->arena, (node->count + 1) * sizeof(struct lb_alert_rule));
    if (alerting->rules == NULL)
        return too_large(node, diag);
    for (uint32_t i = 0; i < node->count; i++) {
        struct lb_alert_rule *rule = &alerting->rules[alerting->rule_count];
        bool read = lb_alert_rule_read(config, &node->keys[i], &node->values[i], rule, diag);

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
    return append_parts(config, alerting) ? ok : too_large(node, diag);
}

static bool name_sinks(struct lb_config *config, struct lb_alerting *alerting)
{
    struct lb_strs *names = &alerting->sink_names;

    names->items = lb_arena_zalloc(&config->arena, (config->sink_count + 1) * sizeof(*names->items));
    if (names->items == NULL)
        return false;
    for (uint32_t i = 0; i < config->sink_count; i++)
        names->items[names->count++] = config->sinks[i].section.name;
    return true;
}

bool lb_alerting_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                      struct lb_diag *diag)
{
    struct section_options options = { 0 };
    bool ok;
    bool routes;

    if (node == NULL || is_nothing(node)) {
        ok = lb_options_defaults(section_options, &options, &config->arena);
        *alerting = options.alerting;
        return ok;
    }
    ok = lb_options_fill(config, section_options, node, &options, diag);
    *alerting = options.alerting;
    if (node->kind != LB_NODE_MAP)
        return false;
    if (!name_sinks(config, alerting))
        return too_large(node, diag);
    routes = read_routes(config, options.routes, alerting, diag);
    ok = lb_alert_maintenance_read(config, options.maintenance, alerting, diag) && ok;
    return read_rules(config, options.rules, alerting, routes, diag) && routes && ok;
}
