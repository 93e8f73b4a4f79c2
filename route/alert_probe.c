/* alert_probe.c - asks for what no record tells. */
#include "alert_probe.h"

#include "lb_clock.h"

#define EVERY LB_SECOND

void lb_alert_probe_ask(struct lb_alert_runner *runner)
{
    const struct lb_alert_rule *rule = runner->rule;
    const struct lb_alert_outside *outside = runner->outside;
    struct lb_alert_input input = { .time_ns = runner->now, .key = LB_STR("") };

    if (rule->probe == LB_PROBE_NONE || outside == NULL || outside->probe == NULL ||
        (runner->now >= runner->asked_ns && runner->now < runner->asked_ns + EVERY))
        return;
    runner->asked_ns = runner->now;
    if (!outside->probe(outside->context, rule, &input.number))
        return;
    lb_alert_apply(runner, &input);
}
