/*
 * lb_alert_steps.h - the alert engine without its thread: for tests, and for
 * commands that run rules on a clock of their own (lb_clock_set()).
 *
 * Who steps it does what the thread would: apply a batch or tick, flush, and
 * save from time to time. One thread at a time; only lb_alert_engine_write()
 * may run beside.
 */
#ifndef LB_ALERT_STEPS_H
#define LB_ALERT_STEPS_H

#include "lb_alert.h"

/* Applies the feeds of one batch; its arrival moves the clock. */
void lb_alert_engine_apply(struct lb_alert_engine *engine, const struct lb_batch *batch);

/* Notes how far the batch goes, so that what is saved says it. Holds no token. */
void lb_alert_engine_applied(struct lb_alert_engine *engine, const struct lb_batch *batch);

/* The clock stands at `now`. `last`: nothing will come any more. */
void lb_alert_engine_tick(struct lb_alert_engine *engine, int64_t now, bool last);

/* Delivers what waits. False: no credit for all of it. */
bool lb_alert_engine_flush(struct lb_alert_engine *engine);

/* What rules know is in the file of lb_alert_engine_remember(), on disk, when this returns. False: it is not. */
bool lb_alert_engine_save(struct lb_alert_engine *engine);

/* A key of a rule as it was last looked at. */
struct lb_alert_view {
    const struct lb_alert_rule *rule;
    struct lb_str key; /* as in struct lb_feed */
    bool judged;       /* `value` means something */
    double value;
    uint64_t count; /* records in the window */
    int severity;   /* that fires, or -1 */
};
void lb_alert_engine_view(struct lb_alert_engine *engine,
                          void (*visit)(void *context, const struct lb_alert_view *view), void *context);

/* What one key of the rule takes: with a record or two, and when it is busy. */
struct lb_alert_cost {
    size_t quiet;
    size_t busy;
};
struct lb_alert_cost lb_alert_rule_cost(const struct lb_alert_rule *rule, const struct lb_alerting *alerting);

#endif
