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
    return lb_streams_behind(context, stream);
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
    uint64_t bytes;
    int64_t behind_ns;

    if (rule->probe == LB_PROBE_QUEUE)
        return queue(rule, value);
    behind_ns = lb_streams_behind_of(context, rule->probe_name, &bytes);
    *value = rule->probe == LB_PROBE_LAG ? (double)behind_ns / (double)LB_SECOND : (double)bytes;
    return true;
}

struct lb_alert_outside outside_of(struct lb_daemon *daemon)
{
    return (struct lb_alert_outside){ .context = daemon->streams, .behind = behind, .probe = probe };
}
