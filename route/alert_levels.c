/*
 * alert_levels.c - whether the thresholds of a rule make sense together: they
 * get harder with severity and all look the same way; `clear` is the way back.
 */
#include "alert_conf.h"

static bool looks_down(enum lb_comparison comparison)
{
    return comparison == LB_BELOW || comparison == LB_AT_MOST;
}

/* True if whatever crosses `higher` also crosses `lower`, and not the other way round. */
static bool is_harder(const struct lb_threshold *higher, const struct lb_threshold *lower)
{
    bool strict = higher->comparison == LB_ABOVE || higher->comparison == LB_BELOW;
    bool lax = lower->comparison == LB_AT_LEAST || lower->comparison == LB_AT_MOST;

    if (higher->number == lower->number)
        return strict && lax;
    return looks_down(higher->comparison) ? higher->number < lower->number : higher->number > lower->number;
}

static bool check_pair(const struct lb_alert_rule *rule, int lower, int higher, struct lb_place place,
                       struct lb_diag *diag)
{
    const struct lb_threshold *low = &rule->thresholds[lower];
    const struct lb_threshold *high = &rule->thresholds[higher];

    if (looks_down(low->comparison) != looks_down(high->comparison)) {
        lb_diag_error(diag, place,
                      "thresholds of one rule look the same way; make two rules of `" LB_STR_FMT "` and `" LB_STR_FMT
                      "`",
                      LB_STR_ARG(rule->threshold_texts[lower]), LB_STR_ARG(rule->threshold_texts[higher]));
        return false;
    }
    if (is_harder(high, low))
        return true;
    lb_diag_error(diag, place,
                  "%s (" LB_STR_FMT ") must be harder to reach than %s (" LB_STR_FMT "); did you swap them?",
                  lb_severity_names[higher], LB_STR_ARG(rule->threshold_texts[higher]), lb_severity_names[lower],
                  LB_STR_ARG(rule->threshold_texts[lower]));
    return false;
}

bool lb_alert_levels_check(const struct lb_alert_rule *rule, const struct lb_place places[LB_SEVERITY_COUNT],
                           struct lb_diag *diag)
{
    int lower = -1;

    for (int i = 0; i < LB_SEVERITY_COUNT; i++) {
        if (!rule->thresholds[i].set)
            continue;
        if (lower >= 0 && !check_pair(rule, lower, i, places[i], diag))
            return false;
        lower = i;
    }
    return true;
}

/* The way back: it looks the other way than the thresholds, and stands before the lowest of them. */
bool lb_alert_clear_read(const struct lb_node *node, struct lb_alert_rule *rule, struct lb_diag *diag)
{
    const struct lb_threshold *lowest = rule->thresholds;
    struct lb_threshold *clear = &rule->clear;
    bool beyond;

    if (node->kind != LB_NODE_SCALAR) {
        lb_diag_error(diag, node->place, "expected a threshold such as `below 3%%`");
        return false;
    }
    if (!lb_threshold_read(node->text, rule, clear, node->begin, diag))
        return false;
    while (!lowest->set)
        lowest++;
    beyond = looks_down(clear->comparison) ? clear->number <= lowest->number : clear->number >= lowest->number;
    if (looks_down(clear->comparison) != looks_down(lowest->comparison) && beyond)
        return true;
    lb_diag_error(diag, node->place,
                  "\"clear\" is the way back: expected `%s` a number that is no %s than the lowest "
                  "threshold",
                  looks_down(lowest->comparison) ? "above" : "below", looks_down(lowest->comparison) ? "less" : "more");
    return false;
}
