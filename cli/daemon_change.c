/*
 * daemon_change.c - from the current generation to the next, all of it or none.
 *
 * The steps go from what can be undone to what cannot: alert rules and new
 * sinks beside the old ones; changed sinks, each in the place of the old one
 * while its records wait; then, the loops of changed sources being held so
 * that nothing is read, the sources; then the queue is switched. From then on
 * nothing fails, and what is no longer needed is taken down.
 */
#include "daemon_change.h"

/* For a sink that is changed or removed, and at most half of shutdown_timeout. */
#define SINK_TIMEOUT (10 * LB_SECOND)

static void switch_over(struct change *self)
{
    struct lb_daemon *daemon = self->daemon;

    pthread_mutex_lock(&daemon->lock);
    daemon->current = self->to;
    daemon->sources_open = self->to->config->source_count;
    daemon->sinks_open = self->to->config->sink_count;
    change_sinks_retire(self);
    pthread_mutex_unlock(&daemon->lock);
    lb_queue_switch(&daemon->intake, &self->to->base, &self->to->marker);
}

/* False: the daemon ends, and takes down the rest. */
static bool wait_until_passed(struct change *self)
{
    struct lb_daemon *daemon = self->daemon;

    pthread_mutex_lock(&daemon->lock);
    while ((daemon->marked < self->to->number || !daemon->rules_changed) && !atomic_load(&daemon->ending))
        pthread_cond_wait(&daemon->progress, &daemon->lock);
    bool passed = daemon->marked >= self->to->number && daemon->rules_changed;
    pthread_mutex_unlock(&daemon->lock);
    return passed;
}

static bool prepare(struct change *self)
{
    uint32_t errors = self->diag->errors;

    change_sources_compare(self);
    change_sinks_compare(self);
    change_sinks_refuse(self);
    change_sources_refuse(self);
    return self->diag->errors == errors && change_rules_prepare(self);
}

static int64_t sink_deadline(const struct generation *generation)
{
    int64_t half = generation->config->shutdown_timeout_ns / 2;

    return lb_clock_monotonic() + (half < SINK_TIMEOUT ? half : SINK_TIMEOUT);
}

bool change_generation(struct lb_daemon *daemon, struct generation *next, struct reload_result *result,
                       struct lb_diag *diag)
{
    struct change self = { .daemon = daemon, .from = daemon->current, .to = next, .result = result, .diag = diag };

    self.deadline = sink_deadline(self.from);
    bool ready = prepare(&self) && change_sinks_open(&self);
    if (ready) {
        change_sources_hold(&self);
        change_sources_stop(&self);
        ready = change_sources_open(&self) && change_rules_start(&self);
        if (!ready)
            change_sources_take_back(&self);
    }
    if (!ready) {
        change_rules_take_back(&self);
        change_sinks_take_back(&self);
        lb_generation_unref(&next->base);
        return false;
    }
    switch_over(&self);
    change_sources_let_go(&self);
    change_sources_close(&self);
    change_sources_start_intakes(&self);
    if (wait_until_passed(&self)) {
        self.deadline = sink_deadline(self.from);
        change_sinks_remove(&self);
    }
    lb_generation_unref(&self.from->base);
    return true;
}
