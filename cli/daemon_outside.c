/*
 * daemon_outside.c - what alert rules ask of the daemon itself: how far its
 * sources are behind, how full what waits for its sinks is.
 *
 * Asked on the engine's thread while it holds its state, so no lock of the
 * daemon may be taken: streams and metrics have their own.
 */
#include "daemon.h"

#include "lb_metrics.h"

static int64_t behind(void *context, uint64_t stream)
{
    const struct lb_daemon *daemon = context;

    return lb_streams_behind(daemon->streams, stream);
}

static bool queue(const struct lb_alert_rule *rule, double *value)
{
    const char *name = rule->probe_spool ? "logboom_sink_spool_bytes" : "logboom_sink_queue_bytes";
    const struct lb_metric *metric = lb_metric_find(name, rule->probe_labels.ptr);

    if (metric == NULL || rule->probe_full <= 0)
        return false;
    *value = 100 * (double)atomic_load_explicit(&metric->value, memory_order_relaxed) / rule->probe_full;
    if (*value > 100)
        *value = 100;
    return true;
}

static bool probe(void *context, const struct lb_alert_rule *rule, double *value)
{
    const struct lb_daemon *daemon = context;
    uint64_t bytes;
    int64_t behind_ns;

    if (rule->probe == LB_PROBE_QUEUE)
        return queue(rule, value);
    behind_ns = lb_streams_behind_of(daemon->streams, rule->probe_name, &bytes);
    *value = rule->probe == LB_PROBE_LAG ? (double)behind_ns / (double)LB_SECOND : (double)bytes;
    return true;
}

static int64_t failing(void *context, struct lb_str labels)
{
    const struct lb_metric *metric = lb_metric_find("logboom_sink_failing_since_timestamp_seconds", labels.ptr);

    (void)context;
    return metric != NULL ? atomic_load_explicit(&metric->value, memory_order_relaxed) : 0;
}

static uint32_t findings(void *context, struct lb_self_finding *items, uint32_t room)
{
    const struct lb_daemon *daemon = context;

    return self_findings(daemon->self, items, room);
}

static void run_program(void *context, const struct lb_alert_run *run)
{
    const struct lb_daemon *daemon = context;

    runs_take(daemon->runs, run);
}

struct lb_alert_outside outside_of(struct lb_daemon *daemon)
{
    return (struct lb_alert_outside){ .context = daemon,
                                      .behind = behind,
                                      .probe = probe,
                                      .failing = failing,
                                      .findings = findings,
                                      .run = run_program,
                                      .lives = true,
                                      .alive_until = self_alive_until(daemon->self) };
}
