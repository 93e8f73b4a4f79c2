/*
 * alert_hits.c - a detector at work for one rule: what it sees, what it finds.
 *
 * A hit is a sample like any other, of the rule or of the part that has the
 * detector.
 */
#include "alert_runner.h"

#include "alert_snapshot.h"
#include "lb_log.h"

static void take_hit(void *context, const struct lb_alert_hit *hit)
{
    struct lb_alert_input input = { .stream = hit->stream,
                                    .time_ns = hit->time_ns,
                                    .number = 1,
                                    .key = hit->key,
                                    .message = hit->message,
                                    .reason = hit->reason };

    lb_runner_apply_sample(context, &input);
}

/* Ready for a call; a runner may have moved since, and its rule be that of another configuration. */
struct lb_alert_detector *lb_runner_detector(struct lb_alert_runner *runner)
{
    struct lb_alert_detector *detector = &runner->detector;

    detector->rule = runner->rule;
    detector->scratch = runner->scratch;
    detector->clocks = runner->clocks;
    detector->now = runner->now;
    detector->hit = take_hit;
    detector->context = runner;
    return detector;
}

void lb_runner_open_detector(struct lb_alert_runner *runner)
{
    const struct lb_alert_detector_type *type = runner->rule->detector;

    if (type == NULL || type->open(lb_runner_detector(runner)))
        return;
    runner->detector.state = NULL;
    LB_ERROR("route.alert", "no memory for what a rule must remember; it sees nothing rule=" LB_STR_FMT,
             LB_STR_ARG(runner->rule->name));
}

void lb_runner_close_detector(struct lb_alert_runner *runner)
{
    if (runner->rule != NULL && runner->rule->detector != NULL && runner->detector.state != NULL)
        runner->rule->detector->close(lb_runner_detector(runner));
    runner->detector.state = NULL;
}

void lb_alert_runner_inherit(struct lb_alert_runner *runner, struct lb_alert_runner *before)
{
    struct lb_alert_detector own = runner->detector;

    if (runner->rule->detector == NULL || runner->rule->detector != before->rule->detector ||
        lb_alert_rule_meaning(runner->rule) != lb_alert_rule_meaning(before->rule) ||
        before->detector.lateness_ns != own.lateness_ns || before->detector.max_keys != own.max_keys)
        return;
    runner->detector = before->detector;
    before->detector = own;
}

void lb_alert_runner_restore(struct lb_alert_runner *runner, struct lb_str bytes)
{
    const struct lb_alert_detector_type *type = runner->rule->detector;

    if (type == NULL || runner->detector.state == NULL || bytes.len == 0 ||
        type->restore(lb_runner_detector(runner), bytes))
        return;
    LB_WARN("route.alert", "what a rule remembered is not readable; it begins anew rule=" LB_STR_FMT,
            LB_STR_ARG(runner->rule->name));
    lb_runner_close_detector(runner);
    lb_runner_open_detector(runner);
}
