/*
 * alert_engine_change.c - other rules, in order with what is pushed.
 *
 * Runners of rules that are kept move over with all they know. The tricky
 * thing is whose numbers sinks have: what ends with its rule is told by those
 * of before, and only when that has left the change is done.
 */
#include "alert_engine_parts.h"

#include "lb_alloc.h"

static void keep_rule(struct lb_alert_engine *engine, struct lb_alert_change *change, uint32_t rule)
{
    uint32_t before = (uint32_t)change->kept[rule];
    struct lb_alert_runner *runner = &change->runners[rule];

    *runner = engine->runners[before];
    engine->runners[before] = (struct lb_alert_runner){ 0 };
    runner->rule = &change->alerting->rules[rule];
    runner->owner = runner->rule->is_part ? &change->runners[runner->rule->owner] : NULL;
    change->rule_metrics[rule] = engine->rule_metrics[before];
}

static bool is_kept(const struct lb_alert_change *change, uint32_t before)
{
    for (uint32_t i = 0; i < change->alerting->rule_count; i++) {
        if (change->kept[i] == (int32_t)before)
            return true;
    }
    return false;
}

static void inherit(struct lb_alert_runner *runner, struct lb_alert_runner *before, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (before[i].rule != NULL && lb_str_equal(before[i].rule->name, runner->rule->name))
            lb_alert_runner_inherit(runner, &before[i]);
}

/* Who was told of an alert is still who they were, by other numbers. */
static void change_notifier(struct lb_alert_engine *engine, const struct lb_alert_change *change)
{
    uint64_t sinks[64] = { 0 };

    for (uint32_t i = 0; i < LB_SINKS_MAX; i++)
        if (change->sinks[i] >= 0)
            sinks[i] = UINT64_C(1) << change->sinks[i];
    lb_alert_outbox_turn(&engine->outbox, change->alerting, change->sink_count);
    engine->notifier.runners = engine->runners;
    lb_alert_notifier_change(&engine->notifier, change->alerting, sinks);
}

/* What is no more is told by the rules, and to the sinks, of before; the change takes away the old runners. */
static void apply_change(struct lb_alert_engine *engine, struct lb_alert_change *change)
{
    struct lb_alert_runner *runners = engine->runners;
    uint32_t count = engine->alerting->rule_count;

    engine->notifier.closing = "its rule was changed or removed";
    for (uint32_t i = 0; i < count; i++) {
        if (!is_kept(change, i))
            lb_alert_runner_end(&runners[i]);
    }
    engine->notifier.closing = NULL;
    lb_engine_show_metrics(engine);
    for (uint32_t i = 0; i < change->alerting->rule_count; i++) {
        if (change->kept[i] >= 0)
            keep_rule(engine, change, i);
    }
    struct rule_metrics *metrics = engine->rule_metrics;
    engine->alerting = change->alerting;
    engine->sink_count = change->sink_count;
    engine->ahead_max = lb_engine_ahead_max(change->alerting->lateness_ns);
    engine->runners = change->runners;
    engine->rule_metrics = change->rule_metrics;
    change->runners = runners;
    change->rule_metrics = metrics;
    for (uint32_t i = 0; i < change->alerting->rule_count; i++) {
        if (change->kept[i] >= 0)
            continue;
        if (!change->alerting->rules[i].is_part)
            lb_engine_open_rule_metrics(&engine->rule_metrics[i], &change->alerting->rules[i]);
        lb_engine_open_runner(engine, &engine->runners[i], &change->alerting->rules[i]);
        inherit(&engine->runners[i], runners, count);
        engine->rule_metrics[i].shown[FORGOTTEN] = engine->runners[i].detector.forgotten;
    }
    for (uint32_t i = 0; i < count; i++)
        lb_alert_runner_free(&runners[i]);
    change_notifier(engine, change);
}

void lb_engine_take_change(struct lb_alert_engine *engine, struct lb_alert_change *change)
{
    struct lb_generation *before = engine->alerting->generation;

    lb_generation_ref(change->alerting->generation);
    pthread_mutex_lock(&engine->state_lock);
    apply_change(engine, change);
    pthread_mutex_unlock(&engine->state_lock);
    lb_generation_unref(before);
    engine->changed_done = change->done;
    engine->changed_context = change->context;
    lb_alert_change_free(change);
}

void lb_engine_note_changed(struct lb_alert_engine *engine)
{
    void (*done)(void *context) = engine->changed_done;

    if (done == NULL || !lb_alert_outbox_turned(&engine->outbox))
        return;
    engine->changed_done = NULL;
    done(engine->changed_context);
}

struct lb_alert_change *lb_alert_change_new(const struct lb_alerting *alerting, uint32_t sink_count)
{
    struct lb_alert_change *change = lb_alloc(sizeof(*change));

    if (change == NULL)
        return NULL;
    change->alerting = alerting;
    change->sink_count = sink_count;
    change->kept = lb_alloc((alerting->rule_count + 1) * sizeof(*change->kept));
    change->runners = lb_alloc((alerting->rule_count + 1) * sizeof(*change->runners));
    change->rule_metrics = lb_alloc((alerting->rule_count + 1) * sizeof(*change->rule_metrics));
    if (change->kept == NULL || change->runners == NULL || change->rule_metrics == NULL) {
        lb_alert_change_free(change);
        return NULL;
    }
    for (uint32_t i = 0; i < alerting->rule_count; i++)
        change->kept[i] = -1;
    for (uint32_t i = 0; i < LB_SINKS_MAX; i++)
        change->sinks[i] = -1;
    return change;
}

void lb_alert_change_free(struct lb_alert_change *change)
{
    if (change == NULL)
        return;
    lb_free(change->rule_metrics);
    lb_free(change->runners);
    lb_free(change->kept);
    lb_free(change);
}

bool lb_alert_engine_change(struct lb_alert_engine *engine, struct lb_alert_change *change)
{
    return lb_alert_queue_push(&engine->queue, (struct lb_alert_delivery){ .change = change });
}
