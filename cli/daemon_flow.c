/*
 * daemon_flow.c - the way of a batch: through a worker, the sequencer, to the sinks and the alert rules of its
 * generation.
 *
 * The tricky thing is the marker between two generations: at its place in the order everything of the one before has
 * been handed on, and nothing of the new one yet.
 */
#include "daemon.h"

#include "notice_history.h"

#include "lb_log.h"

#include <stdlib.h>
#include <time.h>

/* Delivering without a token would double records after a restart; ending now loses none. */
static _Noreturn void end_at_once(void)
{
    LB_ERROR("daemon", "out of memory for a token, ending at once; the next start goes on from the last commit");
    abort();
}

/* To every sink of its generation its selection, with a token; in order of the stream. */
static void deliver(struct lb_batch *batch)
{
    const struct generation *generation = generation_of(batch);

    for (uint32_t i = 0; i < generation->config->sink_count; i++) {
        const struct lb_sink *sink = generation->sinks[i].sink;
        const struct lb_selection *selection = &batch->selections[i];
        struct lb_token *token = lb_token_issue(batch->stream, sink->index, batch->position_end, selection->count == 0);

        if (selection->count == 0)
            continue;
        if (token == NULL)
            end_at_once();
        lb_batch_ref(batch);
        lb_delivery_push(sink->delivery, batch, selection, token);
    }
}

/* Takes over the caller's reference. */
static void deliver_to_rules(struct lb_daemon *daemon, struct lb_batch *batch)
{
    struct lb_token *token =
        lb_token_issue(batch->stream, daemon->alert_number, batch->position_end, batch->feed_count == 0);

    if (token == NULL && batch->feed_count > 0)
        end_at_once();
    /* Batches that feed no rule go there too: their times move the stream's clock. */
    if (generation_of(batch)->config->alerting.rule_count > 0)
        lb_alert_engine_push(daemon->alerts, batch, token);
    else
        lb_batch_unref(batch);
}

static void note_rules_changed(void *context)
{
    struct lb_daemon *daemon = context;

    pthread_mutex_lock(&daemon->lock);
    daemon->rules_changed = true;
    pthread_cond_broadcast(&daemon->progress);
    pthread_mutex_unlock(&daemon->lock);
}

/* Everything of the generations before has been handed on, and nothing of this one yet. */
static void pass_marker(struct lb_daemon *daemon, struct generation *generation)
{
    struct lb_alert_change *change = generation->change;

    for (uint64_t left = generation->new_consumers; left != 0; left &= left - 1)
        lb_streams_begin_consumer(daemon->streams, (uint32_t)__builtin_ctzll(left));
    generation->change = NULL;
    if (change != NULL) {
        change->done = note_rules_changed;
        change->context = daemon;
        if (!lb_alert_engine_change(daemon->alerts, change))
            end_at_once();
    }
    pthread_mutex_lock(&daemon->lock);
    daemon->marked = generation->number;
    pthread_cond_broadcast(&daemon->progress);
    pthread_mutex_unlock(&daemon->lock);
    lb_generation_unref(&generation->base);
}

void flow_emit(void *context, struct lb_batch *batch)
{
    struct lb_daemon *daemon = context;
    struct generation *generation = generation_of(batch);

    atomic_fetch_add_explicit(&daemon->handed_on, 1, memory_order_relaxed);
    if (batch == &generation->marker) {
        pass_marker(daemon, generation);
        return;
    }
    if (generation->judge != NULL)
        lb_judge_apply(generation->judge, batch);
    reports_count(daemon->reports, batch);
    deliver(batch);
    deliver_to_rules(daemon, batch);
}

/* Alert events come from the engine's thread with their selections made. */
void flow_emit_alert(void *context, struct lb_batch *batch)
{
    struct lb_daemon *daemon = context;

    if (batch->generation != NULL)
        notice_history_note(daemon->history, batch, &generation_of(batch)->config->alerting.sink_names);
    deliver(batch);
    /* No rule looks at alerts: the engine's own mark only goes along. */
    (void)lb_token_issue(batch->stream, daemon->alert_number, batch->position_end, true);
    lb_batch_unref(batch);
}

/*
 * A worker's memory of one plan; the batches bring the plans, the new never before the old. A worker that slept for a
 * while remembers a generation that is gone, so the number tells, never the address.
 */
struct shift {
    struct lb_worker *worker;
    uint32_t number;
};

static void change_shift(struct shift *self, const struct generation *generation)
{
    const struct timespec pause = { .tv_nsec = 100 * LB_MILLISECOND };

    lb_worker_free(self->worker);
    self->number = generation->number;
    for (unsigned attempt = 0; (self->worker = lb_worker_new(&generation->config->plan)) == NULL; attempt++) {
        if (attempt % 100 == 0)
            LB_ERROR("daemon", "out of memory for a worker: waiting until some is free");
        nanosleep(&pause, NULL);
    }
}

void *flow_work(void *context)
{
    struct lb_daemon *daemon = context;
    struct shift shift = { 0 };
    struct lb_batch *batch;

    while ((batch = lb_queue_pop(&daemon->intake)) != NULL) {
        struct generation *generation = generation_of(batch);

        if (generation->number != shift.number)
            change_shift(&shift, generation);
        if (batch != &generation->marker) {
            lb_worker_process(shift.worker, batch);
            lb_pool_settle(batch);
        }
        lb_sequencer_done(daemon->sequencer, batch);
    }
    lb_worker_free(shift.worker);
    return NULL;
}
