/*
 * alert_routes.c - `alerting.routes`: where alerts go, and how they are told
 * there.
 *
 * A route without anything of its own but `where`, `to` and `stop` tells at
 * once, and all such routes together are one way. One with a manner of its own
 * is a way by itself, and is known again over a restart by its print: a hash
 * of all that makes it that one.
 */
#include "alert_conf.h"

#include "calendar.h"
#include "lb_clock.h"
#include "lb_expr.h"

#include <xxhash.h>

#define DAYS (24 * 3600 * LB_SECOND)

enum { STEPS_MAX = 16 };

/* --- escalation ----------------------------------------------------------- */

static const struct lb_option step_options[] = {
    { "after", LB_OPTION_DURATION, offsetof(struct lb_alert_call_up, after_ns), NULL,
      "So long after the first notice, if nobody has acknowledged it", LB_OPTION_REQUIRED, NULL, NULL, LB_SECOND,
      31 * DAYS },
    { "to", LB_OPTION_SINKS, offsetof(struct lb_alert_call_up, sinks), NULL, "A sink or a list of sinks",
      LB_OPTION_REQUIRED, NULL, NULL, 0, 0 },
    { 0 },
};

static bool read_step(struct lb_config *config, const struct lb_node *node, struct lb_alert_escalation *steps,
                      struct lb_diag *diag)
{
    struct lb_alert_call_up *step = &steps->items[steps->count];

    if (!lb_options_fill(config, step_options, node, step, diag))
        return false;
    if (steps->count > 0 && step->after_ns <= step[-1].after_ns) {
        lb_diag_error(diag, node->place, "\"escalate\": each step comes later than the one before it");
        return false;
    }
    steps->count++;
    return true;
}

bool lb_alert_steps_read(struct lb_config *config, const struct lb_node *node, struct lb_alert_escalation *steps,
                         struct lb_diag *diag)
{
    bool ok = true;

    if (node == NULL || lb_alert_is_nothing(node))
        return true;
    if (node->kind != LB_NODE_LIST || node->count > STEPS_MAX) {
        lb_diag_error(diag, node->place,
                      node->kind != LB_NODE_LIST ? "expected a list of steps such as [{after: 10m, to: pager}]"
                                                 : "too many steps in \"escalate\"");
        return false;
    }
    steps->items = lb_arena_zalloc(&config->arena, (node->count + 1) * sizeof(*steps->items));
    if (steps->items == NULL)
        return lb_alert_too_large(node, diag);
    for (size_t i = 0; i < node->count; i++)
        ok = read_step(config, &node->values[i], steps, diag) && ok;
    return ok;
}

/* --- one route ------------------------------------------------------------ */

struct route_options {
    struct lb_route route;
    struct lb_alert_manner manner;
    int64_t digest_ns;
    const struct lb_node *escalate;
    struct lb_calendar_text hours;
};

#define MEMBER(name) offsetof(struct route_options, name)

static const struct lb_option route_options[] = {
    { "where", LB_OPTION_WHERE, MEMBER(route.where), NULL, "Only alerts that match, by their fields", 0, NULL, NULL, 0,
      0 },
    { "to", LB_OPTION_SINKS, MEMBER(route.sinks), NULL, "A sink or a list of sinks", LB_OPTION_REQUIRED, NULL, NULL, 0,
      0 },
    { "stop", LB_OPTION_BOOL, MEMBER(route.stop), "false", "An alert that matches sees no later route", 0, NULL, NULL,
      0, 0 },
    { "group_by", LB_OPTION_STRINGS, MEMBER(manner.group_by), NULL,
      "Alerts with the same values of these fields of `by` (or `rule`) are told together; [] : all of them", 0, NULL,
      NULL, 0, 0 },
    { "group_wait", LB_OPTION_DURATION, MEMBER(manner.wait_ns), "10s",
      "How long a new group waits for more before its first notice", 0, NULL, NULL, 0, DAYS },
    { "group_interval", LB_OPTION_DURATION, MEMBER(manner.interval_ns), "1m",
      "How long after a notice of a group the next one comes at the earliest", 0, NULL, NULL, 0, 31 * DAYS },
    { "repeat", LB_OPTION_DURATION, MEMBER(manner.repeat_ns), NULL,
      "Told again so often while it fires; as the rule says unless set", 0, NULL, NULL, LB_SECOND, 31 * DAYS },
    { "digest", LB_OPTION_DURATION, MEMBER(digest_ns), NULL,
      "One list of all that came and went, so often, instead of notices", 0, NULL, NULL, LB_SECOND, 31 * DAYS },
    { "hours", LB_OPTION_STRINGS, MEMBER(hours.every), NULL,
      "The route counts only then, such as Mon-Fri 09:00-17:00; what still fires when they begin is told then", 0, NULL,
      NULL, 0, 0 },
    { "zone", LB_OPTION_STRING, MEMBER(hours.zone), NULL,
      "Whose clocks `hours` are: an IANA name or +02:00; those of the machine unless told otherwise", 0, NULL, NULL, 0,
      0 },
    { "escalate", LB_OPTION_NODE, MEMBER(escalate), NULL,
      "Who is told too while nobody acknowledges it: a list of after and to", 0, NULL, NULL, 0, 0 },
    { 0 },
};

static bool set(const struct lb_node *node, const char *key)
{
    return lb_node_get(node, key) != NULL;
}

static bool check_manner(const struct lb_node *node, const struct route_options *options, struct lb_diag *diag)
{
    bool waits = set(node, "group_wait") || set(node, "group_interval");

    if (options->digest_ns > 0 && (set(node, "group_by") || waits || set(node, "repeat"))) {
        lb_diag_error(diag, node->place,
                      "\"digest\" is one list of all; it takes no group_by, group_wait, "
                      "group_interval or repeat");
        return false;
    }
    if (waits && !set(node, "group_by")) {
        lb_diag_error(diag, node->place,
                      "group_wait and group_interval are of a group; add \"group_by\", such as "
                      "group_by: service, or group_by: [] for all alerts together");
        return false;
    }
    if (options->escalate != NULL && options->digest_ns > 0) {
        lb_diag_error(diag, node->place,
                      "\"escalate\" is for what somebody must come for; put it into a route without digest");
        return false;
    }
    return true;
}

/* --- what makes it this one ----------------------------------------------- */

static uint64_t mix(uint64_t hash, struct lb_str text)
{
    return XXH3_64bits_withSeed(text.ptr, text.len, hash + text.len + 1);
}

static uint64_t mix_number(uint64_t hash, int64_t number)
{
    return mix(hash, (struct lb_str){ (const char *)&number, sizeof(number) });
}

static uint64_t mix_sinks(uint64_t hash, const struct lb_alerting *alerting, uint64_t sinks)
{
    for (; sinks != 0; sinks &= sinks - 1)
        hash = mix(hash, alerting->sink_names.items[__builtin_ctzll(sinks)]);
    return hash;
}

static uint64_t print_of(const struct lb_alerting *alerting, const struct lb_route *route,
                         const struct lb_alert_manner *manner, const struct lb_calendar_text *hours)
{
    uint64_t hash = mix(0, route->where != NULL ? lb_expr_text(route->where) : LB_STR(""));

    if (!manner->grouped && manner->repeat_ns == 0 && manner->escalate.count == 0 && hours->every.count == 0)
        return 0;
    for (size_t i = 0; i < hours->every.count; i++)
        hash = mix(hash, hours->every.items[i]);
    hash = mix_sinks(hash, alerting, route->sinks);
    hash = mix_number(hash, manner->grouped | manner->digest << 1);
    hash = mix_number(hash, manner->repeat_ns);
    for (size_t i = 0; i < manner->group_by.count; i++)
        hash = mix(hash, manner->group_by.items[i]);
    for (uint32_t i = 0; i < manner->escalate.count; i++)
        hash =
            mix_sinks(mix_number(hash, manner->escalate.items[i].after_ns), alerting, manner->escalate.items[i].sinks);
    /* Two that are alike are still two. */
    for (uint32_t i = 0; i < alerting->route_count; i++)
        if (alerting->manners[i].print == (hash | 1))
            hash = mix_number(hash, (int64_t)i);
    return hash | 1;
}

static bool read_hours(struct lb_config *config, const struct lb_node *node, struct route_options *options,
                       struct lb_diag *diag)
{
    if (options->hours.every.count == 0) {
        if (options->hours.zone.len > 0)
            lb_diag_error(diag, lb_node_get(node, "zone")->place,
                          "\"zone\" says whose clocks \"hours\" are; add \"hours\"");
        return options->hours.zone.len == 0;
    }
    options->hours.place = lb_node_get(node, "hours")->place;
    options->manner.hours = lb_calendar_new(&config->arena, &options->hours, diag);
    return options->manner.hours != NULL;
}

static bool read_route(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                       struct lb_diag *diag)
{
    struct route_options options = { 0 };
    struct lb_alert_manner *manner = &options.manner;
    bool ok = lb_options_fill(config, route_options, node, &options, diag);

    ok = node->kind == LB_NODE_MAP && check_manner(node, &options, diag) && ok;
    ok = lb_alert_steps_read(config, options.escalate, &manner->escalate, diag) && ok;
    ok = ok && read_hours(config, node, &options, diag);
    if (!ok) {
        lb_alert_free_where(options.route.where);
        return false;
    }
    manner->grouped = set(node, "group_by") || options.digest_ns > 0;
    manner->digest = options.digest_ns > 0;
    if (manner->digest)
        manner->wait_ns = manner->interval_ns = options.digest_ns;
    options.route.place = node->place;
    manner->print = print_of(alerting, &options.route, manner, &options.hours);
    alerting->routes[alerting->route_count] = options.route;
    alerting->manners[alerting->route_count++] = *manner;
    return true;
}

/* --- all of them ---------------------------------------------------------- */

bool lb_alert_leads_nowhere(const struct lb_route *route)
{
    return route->where != NULL && lb_expr_constant(route->where) == LB_EXPR_NEVER;
}

/* One with hours ends it within them only. */
static bool ends_the_list(const struct lb_route *route, const struct lb_alert_manner *manner)
{
    return route->stop && manner->hours == NULL &&
           (route->where == NULL || lb_expr_constant(route->where) == LB_EXPR_ALWAYS);
}

static bool check_reachable(const struct lb_alerting *alerting, struct lb_diag *diag)
{
    bool ok = true;

    for (uint32_t i = 0; i < alerting->route_count; i++) {
        if (i > 0 && ends_the_list(&alerting->routes[i - 1], &alerting->manners[i - 1])) {
            lb_diag_error(diag, alerting->routes[i].place,
                          "this route is never reached: the one before takes every alert and stops");
            return false;
        }
        if (lb_alert_leads_nowhere(&alerting->routes[i])) {
            lb_diag_error(diag, alerting->routes[i].place, "this route matches no alert: its `where` is never true");
            ok = false;
        }
    }
    return ok;
}

bool lb_alert_routes_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                          struct lb_diag *diag)
{
    bool ok = true;

    if (node == NULL || lb_alert_is_nothing(node))
        return true;
    if (node->kind != LB_NODE_LIST || node->count > LB_ROUTES_MAX) {
        lb_diag_error(diag, node->place,
                      node->kind != LB_NODE_LIST ? "expected a list of routes, each with \"to\"" : "too many routes");
        return false;
    }
    alerting->routes = lb_arena_zalloc(&config->arena, (node->count + 1) * sizeof(struct lb_route));
    alerting->manners = lb_arena_zalloc(&config->arena, (node->count + 1) * sizeof(struct lb_alert_manner));
    if (alerting->routes == NULL || alerting->manners == NULL)
        return lb_alert_too_large(node, diag);
    for (uint32_t i = 0; i < node->count; i++)
        ok = read_route(config, &node->values[i], alerting, diag) && ok;
    return ok && check_reachable(alerting, diag);
}
