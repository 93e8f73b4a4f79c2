/*
 * alert_engine_parts.h - what alert_engine.c (batches, time, making), alert_engine_metrics.c, alert_engine_change.c
 * (other rules) and alert_engine_thread.c share.
 *
 * `state_lock` guards the state against lb_alert_engine_write(). It is held
 * while a batch is applied, never while a record is delivered.
 */
#ifndef LB_ALERT_ENGINE_PARTS_H
#define LB_ALERT_ENGINE_PARTS_H

#include "alert_engine.h"

#include "alert_evaluate.h"
#include "alert_memory.h"
#include "alert_notifier.h"
#include "alert_queue.h"
#include "lb_metrics.h"

#include <pthread.h>

#define LB_ENGINE_TICK_NS LB_SECOND

enum rule_metric { FIRED, UPDATED, RESOLVED, LATE, NO_ROOM, EVICTED, REFUSED, OVERFLOWED, FORGOTTEN, RULE_METRICS };

struct rule_metrics {
    struct lb_metric *metrics[RULE_METRICS];
    uint64_t shown[RULE_METRICS];
};

struct lb_alert_engine {
    const struct lb_alerting *alerting;
    struct lb_alert_queue queue;
    pthread_t thread;
    bool started;

    pthread_mutex_t state_lock;
    struct lb_alert_runner *runners; /* one for each rule */
    struct lb_alert_clocks clocks;
    struct lb_alert_notifier notifier;
    bool begun;         /* the notifier knows all that an earlier run knew */
    int64_t now;        /* the clock, never back */
    int64_t ticked;     /* when rules were last ticked */
    int64_t ahead_max;  /* a record may be so far ahead of its arrival */
    int64_t ahead_time; /* by which time those of this batch that are further ahead are judged */
    struct lb_scratch scratch;
    struct lb_alert_outbox outbox;
    struct lb_alert_outside outside;
    struct lb_alert_memory *memory; /* NULL: a restart forgets */

    struct rule_metrics *rule_metrics;
    struct lb_metric *firing[LB_SEVERITY_COUNT];
    int64_t firing_count[LB_SEVERITY_COUNT];
    struct lb_metric *ahead;
    struct lb_metric *depth;
    struct lb_metric *lost;
    uint64_t lost_shown;

    /* Under state_lock: acknowledgements. */
    pthread_cond_t answer;
    uint64_t asked;      /* by other threads, */
    uint64_t told_asked; /* how many of these were told, */
    uint64_t answered;   /* and are safe */

    uint32_t sink_count;
    void (*changed_done)(void *context); /* of the last change, while what was told before it waits */
    void *changed_context;
};

/* --- alert_engine_metrics.c ------------------------------------------------- */

void lb_engine_open_metrics(struct lb_alert_engine *engine);
void lb_engine_open_rule_metrics(struct rule_metrics *self, const struct lb_alert_rule *rule);
void lb_engine_show_metrics(struct lb_alert_engine *engine);
void lb_engine_count_firing(struct lb_alert_engine *engine, int8_t severity, int64_t change);

/* --- alert_engine.c --------------------------------------------------------- */

void lb_engine_open_runner(struct lb_alert_engine *engine, struct lb_alert_runner *runner,
                           const struct lb_alert_rule *rule);
int64_t lb_engine_ahead_max(int64_t lateness);

/* --- alert_engine_change.c -------------------------------------------------- */

void lb_engine_take_change(struct lb_alert_engine *engine, struct lb_alert_change *change);

/* Says so once nothing from before the change is on its way any more. */
void lb_engine_note_changed(struct lb_alert_engine *engine);

/* --- alert_engine_thread.c -------------------------------------------------- */

/* There is credit again, or something is on disk. Any thread. */
void lb_engine_wake(void *context);

#endif
