/*
 * alert_maintenance.c - `alerting.maintenance`: windows known beforehand.
 *
 * When is the calendar's to read; here is what else makes a window senseless:
 * a name twice, a `where` that matches no alert, an end that has passed.
 */
#include "alert_conf.h"

#include "alert_mute.h"
#include "calendar.h"
#include "lb_clock.h"
#include "lb_expr.h"

struct window_options {
    struct lb_maintenance window;
    struct lb_calendar_text text;
};

#define MEMBER(name) offsetof(struct window_options, name)

static const struct lb_option window_options[] = {
    { "name", LB_OPTION_STRING, MEMBER(window.name), NULL, "What people call it", LB_OPTION_REQUIRED, NULL, NULL, 0,
      0 },
    { "where", LB_OPTION_WHERE, MEMBER(window.where), NULL, "Only alerts that match, by their fields; otherwise all", 0,
      NULL, NULL, 0, 0 },
    { "weekly", LB_OPTION_STRINGS, MEMBER(text.weekly), NULL, "Days of the week and times: Sun 02:00-04:00", 0, NULL,
      NULL, 0, 0 },
    { "monthly", LB_OPTION_STRINGS, MEMBER(text.monthly), NULL,
      "Days of the month and times: first Sunday 02:00-04:00, last day, 1-7, -1", 0, NULL, NULL, 0, 0 },
    { "every", LB_OPTION_STRINGS, MEMBER(text.every), NULL,
      "Any of these, or every day: 02:00-04:00; or once: 2026-12-24 18:00 / 2026-12-27 08:00", 0, NULL, NULL, 0, 0 },
    { "months", LB_OPTION_STRINGS, MEMBER(text.months), NULL, "Only in these: dec, 12, nov-feb", 0, NULL, NULL, 0, 0 },
    { "years", LB_OPTION_STRINGS, MEMBER(text.years), NULL, "Only in these: 2026, 2026-2028", 0, NULL, NULL, 0, 0 },
    { "from", LB_OPTION_STRING, MEMBER(text.from), NULL, "Not before; with `until` alone, the window itself", 0, NULL,
      NULL, 0, 0 },
    { "until", LB_OPTION_STRING, MEMBER(text.until), NULL, "Not after: 2026-12-27 08:00", 0, NULL, NULL, 0, 0 },
    { "zone", LB_OPTION_STRING, MEMBER(text.zone), NULL,
      "Whose clocks: an IANA name or +02:00; those of the machine unless told otherwise", 0, NULL, NULL, 0, 0 },
    { 0 },
};

static bool is_nothing(const struct lb_node *node)
{
    return node->kind == LB_NODE_SCALAR && !node->quoted && node->text.len == 0;
}

static bool check_name(const struct lb_alerting *alerting, const struct lb_maintenance *window,
                       const struct lb_node *node, struct lb_diag *diag)
{
    const struct lb_node *name = lb_node_get(node, "name");
    struct lb_place place = name != NULL ? name->begin : node->place;

    if (window->name.len == 0 || window->name.len >= LB_MUTE_NAME_BYTES) {
        lb_diag_error(diag, place, "\"name\": expected 1 to %d bytes", LB_MUTE_NAME_BYTES - 1);
        return false;
    }
    for (uint32_t i = 0; i < alerting->maintenance_count; i++) {
        if (!lb_str_equal(alerting->maintenance[i].name, window->name))
            continue;
        lb_diag_error(diag, place, "there is a window named \"" LB_STR_FMT "\" already, in line %u; each needs its own",
                      LB_STR_ARG(window->name), alerting->maintenance[i].place.line);
        return false;
    }
    return true;
}

static bool check_where(const struct lb_maintenance *window, const struct lb_node *node, struct lb_diag *diag)
{
    const struct lb_node *where = lb_node_get(node, "where");

    if (window->where == NULL || lb_expr_constant(window->where) != LB_EXPR_NEVER)
        return true;
    lb_diag_error(diag, where != NULL ? where->begin : node->place,
                  "this window holds no alert back: its `where` is never true");
    return false;
}

static void warn_of_the_past(const struct lb_maintenance *window, struct lb_diag *diag)
{
    int64_t now = lb_clock_now();
    struct lb_span span;

    if (!lb_calendar_find(window->calendar, now, NULL) && !lb_calendar_next(window->calendar, now, &span))
        lb_diag_warn(diag, window->place, "window \"" LB_STR_FMT "\" is over and will not come again; take it out",
                     LB_STR_ARG(window->name));
}

static bool read_window(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                        struct lb_diag *diag)
{
    struct window_options options = { 0 };
    struct lb_maintenance *window = &options.window;
    bool ok = lb_options_fill(config, window_options, node, &options, diag);

    window->place = node->place;
    if (ok) {
        options.text.map = node;
        options.text.place = node->place;
        window->calendar = lb_calendar_new(&config->arena, &options.text, diag);
        ok = window->calendar != NULL;
        ok = check_name(alerting, window, node, diag) && ok;
        ok = check_where(window, node, diag) && ok;
    }
    if (ok) {
        warn_of_the_past(window, diag);
        alerting->maintenance[alerting->maintenance_count++] = *window;
    } else if (window->where != NULL) {
        lb_expr_free((struct lb_expr *)window->where);
    }
    return ok;
}

bool lb_alert_maintenance_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                               struct lb_diag *diag)
{
    bool ok = true;

    if (node == NULL || is_nothing(node))
        return true;
    if (node->kind != LB_NODE_LIST || node->count > LB_MAINTENANCE_MAX) {
        lb_diag_error(diag, node->place,
                      node->kind != LB_NODE_LIST
                          ? "expected a list of windows: - {name: backup, weekly: 'Sun 02:00-04:00'}"
                          : "too many windows");
        return false;
    }
    alerting->maintenance = lb_arena_zalloc(&config->arena, (node->count + 1) * sizeof(struct lb_maintenance));
    if (alerting->maintenance == NULL) {
        lb_diag_error(diag, node->place, "the configuration is too large");
        return false;
    }
    for (uint32_t i = 0; i < node->count; i++)
        ok = read_window(config, &node->values[i], alerting, diag) && ok;
    return ok;
}
