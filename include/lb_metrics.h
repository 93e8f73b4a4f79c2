/*
 * lb_metrics.h - counters and gauges, as Prometheus reads them.
 *
 * A metric is registered once (start-up, new stream) and then added to
 * without a lock: batches count, then add once. Names are
 * `logboom_<noun>_<unit>[_total]`; one name has one help text and kind.
 * Text exposition format 0.0.4; promtool check metrics accepts it.
 */
#ifndef LB_METRICS_H
#define LB_METRICS_H

#include "lb_buffer.h"

#include <stdatomic.h>

enum lb_metric_kind { LB_COUNTER, LB_GAUGE };

struct lb_metric {
    _Atomic int64_t value;
    double scale; /* shown = value * scale; 0 means 1 */
};

/*
 * `labels` is NULL or `name="value",…` made by lb_metric_labels(). The same name and labels give the same metric.
 * Never NULL: when memory runs out a metric that nobody shows. Lives until lb_metrics_free_all().
 */
struct lb_metric *lb_metric(enum lb_metric_kind kind, const char *name, const char *help, const char *labels);

/* One that somebody registered, or NULL. */
struct lb_metric *lb_metric_find(const char *name, const char *labels);

/* Writes `a="x",b="y"` with values escaped into `out`; pairs end with a NULL name. Returns `out`. */
const char *lb_metric_labels(char *out, size_t size, ...) __attribute__((sentinel));

/* A gauge (or counter) that is asked for when shown. */
void lb_metric_ask(enum lb_metric_kind kind, const char *name, const char *help, const char *labels,
                   double (*ask)(void *context), void *context);

static inline void lb_metric_add(struct lb_metric *metric, int64_t count)
{
    atomic_fetch_add_explicit(&metric->value, count, memory_order_relaxed);
}

static inline void lb_metric_set(struct lb_metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void lb_metrics_write(struct lb_buffer *out);
void lb_metrics_free_all(void);

#endif
