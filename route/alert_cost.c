/*
 * alert_cost.c - what a key of a rule takes, before there is one.
 *
 * By the sizes that the window uses itself. A busy percentile counts 512 bins
 * for each slot, which is what values over two orders of magnitude need; a
 * busy distinct() has its registers in each slot.
 */
#include "alert_distinct.h"
#include "alert_keys.h"
#include "lb_alert_steps.h"

enum { BINS_BUSY = 512, SAMPLES_QUIET = 8 };

static size_t detail_bytes(enum lb_alert_function function)
{
    if (!lb_alert_needs_detail(function))
        return 0;
    if (function == LB_ALERT_PERCENTILE)
        return sizeof(struct lb_alert_detail) + BINS_BUSY * sizeof(uint32_t);
    if (function == LB_ALERT_DISTINCT)
        return sizeof(struct lb_alert_detail) + LB_ALERT_REGISTERS;
    return sizeof(struct lb_alert_detail);
}

struct lb_alert_cost lb_alert_rule_cost(const struct lb_alert_rule *rule, const struct lb_alerting *alerting)
{
    struct lb_alert_shape shape;
    size_t fixed = sizeof(struct lb_alert_key) + sizeof(struct lb_alert_texts);

    lb_alert_shape_init(&shape, rule->over_ns, alerting->lateness_ns, false);
    lb_alert_shape_measure(&shape, rule->function, rule->quantile);
    return (struct lb_alert_cost){
        .quiet = fixed + SAMPLES_QUIET * sizeof(struct lb_alert_sample),
        .busy = fixed + shape.exact * sizeof(struct lb_alert_sample) +
                shape.slot_ring * (sizeof(struct lb_alert_totals) + detail_bytes(rule->function)),
    };
}
