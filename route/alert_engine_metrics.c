/*
 * alert_engine_metrics.c - what the engine counts, shown.
 *
 * Runners count for themselves; what they counted since the last time is added
 * to the metrics, which outlive rules and engines.
 */
#include "alert_engine_parts.h"

#include "alert_conf.h"

#include <stdio.h>

void lb_engine_open_rule_metrics(struct rule_metrics *self, const struct lb_alert_rule *rule)
{
    static const char *const states[] = { [FIRED] = "firing", [UPDATED] = "updated", [RESOLVED] = "resolved" };
    static const char *const names[][2] = {
        [LATE] = { "logboom_alert_late_records_total", "Records that were too old for every open window of a rule" },
        [NO_ROOM] = { "logboom_alert_uncounted_records_total", "Records that a rule had no memory for" },
        [EVICTED] = { "logboom_alert_keys_evicted_total", "Keys that a rule forgot to make room for others" },
        [REFUSED] = { "logboom_alert_keys_refused_total", "Records of keys that a rule had no room for" },
        [OVERFLOWED] = { "logboom_alert_key_overflow_records_total",
                         "Records of keys beyond alerting.max_keys, of which a rule looks for frequent ones" },
        [FORGOTTEN] = { "logboom_alert_detector_forgotten_total",
                        "Keys and patterns that a condition forgot for want of room" },
    };
    char name[LB_KEY_BYTES_MAX];
    char labels[2 * LB_KEY_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(rule->name));
    for (int i = FIRED; i <= RESOLVED; i++)
        self->metrics[i] =
            lb_metric(LB_COUNTER, "logboom_alert_transitions_total", "Changes of an alert's state",
                      lb_metric_labels(labels, sizeof(labels), "rule", name, "state", states[i], (char *)NULL));
    for (int i = LATE; i < RULE_METRICS; i++)
        self->metrics[i] = lb_metric(LB_COUNTER, names[i][0], names[i][1],
                                     lb_metric_labels(labels, sizeof(labels), "rule", name, (char *)NULL));
}

void lb_engine_open_metrics(struct lb_alert_engine *engine)
{
    char labels[64];

    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        if (!engine->alerting->rules[i].is_part)
            lb_engine_open_rule_metrics(&engine->rule_metrics[i], &engine->alerting->rules[i]);
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        engine->firing[i] =
            lb_metric(LB_GAUGE, "logboom_alerts_firing", "Alerts that fire now",
                      lb_metric_labels(labels, sizeof(labels), "severity", lb_severity_names[i], (char *)NULL));
    engine->ahead = lb_metric(LB_COUNTER, "logboom_alert_ahead_records_total",
                              "Records from the future, judged by their time of arrival", NULL);
    engine->depth = lb_metric(LB_GAUGE, "logboom_alert_queue_batches", "Batches that wait for the alert engine", NULL);
    engine->lost =
        lb_metric(LB_COUNTER, "logboom_alert_events_lost_total", "Alert events lost for want of memory", NULL);
}

static void show(struct rule_metrics *self, enum rule_metric which, uint64_t count)
{
    if (count == self->shown[which])
        return;
    lb_metric_add(self->metrics[which], (int64_t)(count - self->shown[which]));
    self->shown[which] = count;
}

void lb_engine_show_metrics(struct lb_alert_engine *engine)
{
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++) {
        const struct lb_alert_runner *runner = &engine->runners[i];

        if (runner->rule->is_part)
            continue;
        show(&engine->rule_metrics[i], LATE, runner->late);
        show(&engine->rule_metrics[i], NO_ROOM, runner->no_room);
        show(&engine->rule_metrics[i], EVICTED, runner->keys.evicted);
        show(&engine->rule_metrics[i], REFUSED, runner->keys.refused);
        show(&engine->rule_metrics[i], OVERFLOWED, runner->flood.records);
        show(&engine->rule_metrics[i], FORGOTTEN, runner->detector.forgotten);
    }
    uint64_t lost = engine->outbox.lost + engine->notifier.lost;
    if (lost != engine->lost_shown)
        lb_metric_add(engine->lost, (int64_t)(lost - engine->lost_shown));
    engine->lost_shown = lost;
}

void lb_engine_count_firing(struct lb_alert_engine *engine, int8_t severity, int64_t change)
{
    if (severity == LB_ALERT_QUIET)
        return;
    engine->firing_count[severity] += change;
    lb_metric_add(engine->firing[severity], change);
}
