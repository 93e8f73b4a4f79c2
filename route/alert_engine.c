/*
 * alert_engine.c - feeds of batches → rules → events → sinks, on one thread.
 *
 * Time comes from the batches: the clock is the newest arrival, or lb_clock
 * when nothing arrives, so the same batches give the same transitions at any
 * speed. Rules are ticked when the clock or a stream has moved by a second;
 * what they find does not depend on it, only how soon.
 *
 * `state_lock` guards the state against lb_alert_engine_write(). It is held
 * while a batch is applied, never while an event is delivered.
 */
#include "alert_engine.h"

#include "alert_conf.h"
#include "alert_evaluate.h"
#include "alert_event.h"
#include "alert_explain.h"
#include "alert_memory.h"
#include "alert_outbox.h"
#include "alert_probe.h"
#include "alert_queue.h"
#include "lb_alloc.h"
#include "lb_buffer.h"
#include "lb_clock.h"
#include "lb_limits.h"
#include "lb_log.h"
#include "lb_metrics.h"
#include "lb_route.h"

#include <stdio.h>

#define MODULE "route.alert"
#define TICK_NS LB_SECOND
#define AHEAD_MAX_NS (5 * 60 * LB_SECOND)
#define DRAIN_NS (10 * LB_SECOND)

enum { EVENT_ARENA_BYTES = 256 * 1024 };

enum rule_metric { FIRED, UPDATED, RESOLVED, LATE, NO_ROOM, EVICTED, REFUSED, RULE_METRICS };

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
    int64_t now;       /* the clock, never back */
    int64_t ticked;    /* when rules were last ticked */
    int64_t ahead_max; /* a record may be so far ahead of its arrival */
    struct lb_scratch scratch;
    struct lb_arena arena; /* of one event's record, to route it */
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

    uint32_t sink_count;
    void (*changed_done)(void *context); /* of the last change, while events of the rules before wait */
    void *changed_context;
};

static int64_t ahead_max(int64_t lateness)
{
    if (lateness < LB_SECOND)
        return LB_SECOND;
    return lateness < AHEAD_MAX_NS ? lateness : AHEAD_MAX_NS;
}

/* --- metrics -------------------------------------------------------------- */

static void open_rule_metrics(struct rule_metrics *self, const struct lb_alert_rule *rule)
{
    static const char *const states[] = { [FIRED] = "firing", [UPDATED] = "updated", [RESOLVED] = "resolved" };
    static const char *const names[][2] = {
        [LATE] = { "logboom_alert_late_records_total", "Records that were too old for every open window of a rule" },
        [NO_ROOM] = { "logboom_alert_uncounted_records_total", "Records that a rule had no memory for" },
        [EVICTED] = { "logboom_alert_keys_evicted_total", "Keys that a rule forgot to make room for others" },
        [REFUSED] = { "logboom_alert_keys_refused_total", "Records of keys that a rule had no room for" },
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

static void open_metrics(struct lb_alert_engine *engine)
{
    char labels[64];

    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        if (!engine->alerting->rules[i].is_part)
            open_rule_metrics(&engine->rule_metrics[i], &engine->alerting->rules[i]);
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

static void show_metrics(struct lb_alert_engine *engine)
{
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++) {
        const struct lb_alert_runner *runner = &engine->runners[i];

        if (runner->rule->is_part)
            continue;
        show(&engine->rule_metrics[i], LATE, runner->late);
        show(&engine->rule_metrics[i], NO_ROOM, runner->no_room);
        show(&engine->rule_metrics[i], EVICTED, runner->keys.evicted);
        show(&engine->rule_metrics[i], REFUSED, runner->keys.refused);
    }
    if (engine->outbox.lost != engine->lost_shown)
        lb_metric_add(engine->lost, (int64_t)(engine->outbox.lost - engine->lost_shown));
    engine->lost_shown = engine->outbox.lost;
}

static void count_firing(struct lb_alert_engine *engine, int8_t severity, int64_t change)
{
    if (severity == LB_ALERT_QUIET)
        return;
    engine->firing_count[severity] += change;
    lb_metric_add(engine->firing[severity], change);
}

/* --- what rules call ------------------------------------------------------ */

static void changed(void *context, const struct lb_alert_runner *runner, const struct lb_alert_transition *transition)
{
    struct lb_alert_engine *engine = context;
    enum rule_metric which = UPDATED;

    if (transition->from == LB_ALERT_QUIET)
        which = FIRED;
    else if (transition->to == LB_ALERT_QUIET)
        which = RESOLVED;
    lb_metric_add(engine->rule_metrics[runner - engine->runners].metrics[which], 1);
    if (engine->memory != NULL)
        lb_alert_memory_touch(engine->memory);
    count_firing(engine, transition->from, -1);
    count_firing(engine, transition->to, 1);
}

/*
 * Who was told that it fires hears all that follows, whatever the routes say of
 * its severity by then: everyone who was called is called off.
 */
static uint64_t sinks_of(struct lb_alert_engine *engine, const struct lb_alert_event *event, struct lb_alert_key *key)
{
    const struct lb_alerting *alerting = engine->alerting;
    uint64_t sinks = event->rule->sinks | (key != NULL ? key->told_sinks : 0);
    struct lb_record record;

    lb_arena_reset(&engine->arena, EVENT_ARENA_BYTES);
    if (lb_alert_event_record(event, alerting, &engine->arena, &record))
        sinks |= lb_route_match(alerting->routes, alerting->route_count, &record, &engine->scratch);
    if (key != NULL)
        key->told_sinks = sinks;
    return sinks;
}

static void report(void *context, const struct lb_alert_report *report)
{
    struct lb_alert_engine *engine = context;
    struct lb_alert_event *event;

    if (engine->memory != NULL)
        lb_alert_memory_touch(engine->memory);
    if (report->runner->rule->shadow)
        return;
    event = lb_alloc(sizeof(*event));
    if (event == NULL) {
        engine->outbox.lost++;
        LB_ERROR(MODULE, "alert lost, no memory rule=" LB_STR_FMT, LB_STR_ARG(report->runner->rule->name));
        return;
    }
    lb_alert_event_fill(event, report);
    event->alerting = engine->alerting;
    event->sink_count = engine->sink_count;
    event->sinks = sinks_of(engine, event, report->key);
    if (event->sinks != 0)
        lb_alert_outbox_add(&engine->outbox, event);
    else
        lb_free(event);
}

/* --- at work -------------------------------------------------------------- */

/* Small steps back are the order of batches; a large one is a clock that was wrong before. */
static bool set_back(const struct lb_alert_engine *engine, int64_t now)
{
    return now < engine->now - AHEAD_MAX_NS && lb_clock_now() < engine->now - AHEAD_MAX_NS;
}

static void advance(struct lb_alert_engine *engine, int64_t now)
{
    bool back = set_back(engine, now);

    if (now > engine->now || back)
        engine->now = now;
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        engine->runners[i].now = engine->now;
    if (!back)
        return;
    LB_WARN(MODULE, "the clock was set back; alert rules begin anew, but for what fires");
    engine->ticked = now;
    lb_alert_clocks_free(&engine->clocks);
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        lb_alert_runner_restart(&engine->runners[i]);
}

static void tick(struct lb_alert_engine *engine, bool last)
{
    engine->ticked = engine->now;
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        lb_alert_probe_ask(&engine->runners[i]);
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        lb_alert_tick(&engine->runners[i], last);
    show_metrics(engine);
}

/* Nothing comes from the future: such a record is judged by its arrival. */
static int64_t time_of(struct lb_alert_engine *engine, const struct lb_batch *batch, const struct lb_record *record)
{
    if (record->time_ns > batch->arrival_ns + engine->ahead_max)
        return batch->arrival_ns;
    return record->time_ns > 0 ? record->time_ns : 0;
}

static void apply_feed(struct lb_alert_engine *engine, const struct lb_batch *batch, const struct lb_feed *feed)
{
    struct lb_alert_runner *runner = &engine->runners[feed->rule];
    const struct lb_alert_rule *rule = runner->rule;
    const struct lb_record *record = &batch->records[feed->record];
    bool holds = rule->inner == NULL || (feed->bits & 1) != 0;
    struct lb_alert_input input = { .stream = batch->stream->id,
                                    .time_ns = time_of(engine, batch, record),
                                    .number = rule->field.len > 0 ? feed->number : holds,
                                    .key = feed->key,
                                    .message = &record->message,
                                    .record = record,
                                    .bits = feed->bits };

    if (rule->detector == NULL && !holds && (rule->function == LB_ALERT_COUNT || rule->function == LB_ALERT_RATE))
        return;
    engine->scratch.used = 0;
    lb_alert_apply(runner, &input);
}

/* A rule with parts is judged when the last of them has had its sample of a record. */
static void settle_parts(struct lb_alert_engine *engine, const struct lb_batch *batch, uint32_t i)
{
    const struct lb_feed *feed = &batch->feeds[i];
    struct lb_alert_runner *owner = engine->runners[feed->rule].owner;
    bool last =
        i + 1 == batch->feed_count || feed[1].record != feed->record || engine->runners[feed[1].rule].owner != owner;

    if (owner != NULL && last)
        lb_alert_settle(owner);
}

/* By an earlier run, which saved that. */
static bool was_applied(const struct lb_alert_engine *engine, const struct lb_batch *batch, const struct lb_feed *feed)
{
    return engine->memory != NULL &&
           lb_alert_memory_holds(engine->memory, batch->stream, batch->position + batch->records[feed->record].end);
}

/* The time of the newest record; INT64_MIN: there is none. */
static int64_t newest_of(struct lb_alert_engine *engine, const struct lb_batch *batch)
{
    int64_t newest = INT64_MIN;
    int64_t ahead = 0;

    for (uint32_t i = 0; i < batch->record_count; i++) {
        int64_t time = time_of(engine, batch, &batch->records[i]);

        ahead += batch->records[i].time_ns > batch->arrival_ns + engine->ahead_max;
        if (time > newest)
            newest = time;
    }
    if (ahead > 0)
        lb_metric_add(engine->ahead, ahead);
    return newest;
}

/* True if the batch moves its stream's time by a second, or from where nobody knew it. */
static bool see_stream(struct lb_alert_engine *engine, const struct lb_batch *batch)
{
    int64_t newest = newest_of(engine, batch);
    int64_t before;
    bool known = lb_alert_clocks_time(&engine->clocks, batch->stream->id, engine->now, &before);

    if (newest == INT64_MIN)
        return false;
    lb_alert_clocks_see(&engine->clocks, batch->stream->id, newest, engine->now, engine->alerting->lateness_ns);
    return !known || newest >= before + TICK_NS;
}

void lb_alert_engine_apply(struct lb_alert_engine *engine, const struct lb_batch *batch)
{
    bool moved;

    pthread_mutex_lock(&engine->state_lock);
    advance(engine, batch->arrival_ns);
    for (uint32_t i = 0; i < batch->feed_count; i++) {
        if (!was_applied(engine, batch, &batch->feeds[i]))
            apply_feed(engine, batch, &batch->feeds[i]);
        settle_parts(engine, batch, i);
    }
    moved = see_stream(engine, batch);
    if (moved || engine->now >= engine->ticked + TICK_NS)
        tick(engine, false);
    pthread_mutex_unlock(&engine->state_lock);
}

void lb_alert_engine_tick(struct lb_alert_engine *engine, int64_t now, bool last)
{
    pthread_mutex_lock(&engine->state_lock);
    advance(engine, now);
    tick(engine, last);
    pthread_mutex_unlock(&engine->state_lock);
}

bool lb_alert_engine_flush(struct lb_alert_engine *engine)
{
    return lb_alert_outbox_flush(&engine->outbox);
}

/* --- other rules ------------------------------------------------------------ */

static uint64_t map_sinks(const struct lb_alert_change *change, uint64_t sinks)
{
    uint64_t mapped = 0;

    for (; sinks != 0; sinks &= sinks - 1) {
        int32_t to = change->sinks[__builtin_ctzll(sinks)];

        if (to >= 0)
            mapped |= UINT64_C(1) << to;
    }
    return mapped;
}

/* Who was told of an alert is still who they were, by other numbers. */
static void keep_rule(struct lb_alert_engine *engine, struct lb_alert_change *change, uint32_t rule)
{
    uint32_t before = (uint32_t)change->kept[rule];
    struct lb_alert_runner *runner = &change->runners[rule];

    *runner = engine->runners[before];
    engine->runners[before] = (struct lb_alert_runner){ 0 };
    runner->rule = &change->alerting->rules[rule];
    runner->owner = runner->rule->is_part ? &change->runners[runner->rule->owner] : NULL;
    change->rule_metrics[rule] = engine->rule_metrics[before];
    for (int list = 0; list < LB_ALERT_LISTS; list++) {
        for (struct lb_alert_key *key = runner->keys.lists[list].head; key != NULL; key = key->next)
            key->told_sinks = map_sinks(change, key->told_sinks);
    }
}

static bool is_kept(const struct lb_alert_change *change, uint32_t before)
{
    for (uint32_t i = 0; i < change->alerting->rule_count; i++) {
        if (change->kept[i] == (int32_t)before)
            return true;
    }
    return false;
}

static void open_runner(struct lb_alert_engine *engine, struct lb_alert_runner *runner,
                        const struct lb_alert_rule *rule);

static void inherit(struct lb_alert_runner *runner, struct lb_alert_runner *before, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (before[i].rule != NULL && lb_str_equal(before[i].rule->name, runner->rule->name))
            lb_alert_runner_inherit(runner, &before[i]);
}

/* What is no more is told by the rules, and to the sinks, of before; the change takes away the old runners. */
static void apply_change(struct lb_alert_engine *engine, struct lb_alert_change *change)
{
    struct lb_alert_runner *runners = engine->runners;
    uint32_t count = engine->alerting->rule_count;

    for (uint32_t i = 0; i < count; i++) {
        if (!is_kept(change, i))
            lb_alert_runner_end(&runners[i]);
    }
    show_metrics(engine);
    for (uint32_t i = 0; i < change->alerting->rule_count; i++) {
        if (change->kept[i] >= 0)
            keep_rule(engine, change, i);
    }
    struct rule_metrics *metrics = engine->rule_metrics;
    engine->alerting = change->alerting;
    engine->sink_count = change->sink_count;
    engine->ahead_max = ahead_max(change->alerting->lateness_ns);
    engine->runners = change->runners;
    engine->rule_metrics = change->rule_metrics;
    change->runners = runners;
    change->rule_metrics = metrics;
    for (uint32_t i = 0; i < change->alerting->rule_count; i++) {
        if (change->kept[i] >= 0)
            continue;
        if (!change->alerting->rules[i].is_part)
            open_rule_metrics(&engine->rule_metrics[i], &change->alerting->rules[i]);
        open_runner(engine, &engine->runners[i], &change->alerting->rules[i]);
        inherit(&engine->runners[i], runners, count);
    }
    for (uint32_t i = 0; i < count; i++)
        lb_alert_runner_free(&runners[i]);
}

static void take_change(struct lb_alert_engine *engine, struct lb_alert_change *change)
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

/* Events leave in order: when the first is of these rules, so are all. */
static void note_changed(struct lb_alert_engine *engine)
{
    void (*done)(void *context) = engine->changed_done;

    if (done == NULL || (engine->outbox.first != NULL && engine->outbox.first->alerting != engine->alerting))
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

/* --- the thread ----------------------------------------------------------- */

static void consume(struct lb_alert_engine *engine, const struct lb_alert_delivery *item)
{
    if (item->change != NULL) {
        take_change(engine, item->change);
        return;
    }
    lb_alert_engine_apply(engine, item->batch);
    if (engine->memory != NULL)
        lb_alert_memory_applied(engine->memory, item->batch, item->token);
    else if (item->token != NULL)
        lb_token_done(item->token, LB_DELIVERED, NULL);
    lb_batch_unref(item->batch);
    lb_metric_add(engine->depth, -1);
}

/* What is told must have gone on its way before what is remembered says that it was. */
static bool save(struct lb_alert_engine *engine, bool last)
{
    const struct lb_alerting *alerting = engine->alerting;

    if (engine->memory == NULL || engine->outbox.count > 0)
        return engine->memory == NULL;
    return lb_alert_memory_tick(engine->memory, engine->runners, alerting->rule_count, &alerting->sink_names, last);
}

static void *run(void *context)
{
    struct lb_alert_engine *engine = context;
    struct lb_alert_delivery item;

    for (;;) {
        switch (lb_alert_queue_pop(&engine->queue, TICK_NS, &item)) {
        case LB_ALERT_ITEM: consume(engine, &item); break;
        case LB_ALERT_TIMEOUT: lb_alert_engine_tick(engine, lb_clock_now(), false); break;
        case LB_ALERT_WOKEN: break;
        case LB_ALERT_CLOSED: return NULL;
        }
        lb_alert_engine_flush(engine);
        note_changed(engine);
        save(engine, false);
    }
}

/* There is credit again. Any thread. */
static void wake(void *context)
{
    struct lb_alert_engine *engine = context;

    lb_alert_queue_wake(&engine->queue);
}

void lb_alert_engine_push(struct lb_alert_engine *engine, struct lb_batch *batch, struct lb_token *token)
{
    lb_metric_add(engine->depth, 1);
    if (lb_alert_queue_push(&engine->queue, (struct lb_alert_delivery){ .batch = batch, .token = token }))
        return;
    LB_ERROR(MODULE, "no memory for the queue; the rules do not see a batch records=%u", batch->record_count);
    lb_metric_add(engine->depth, -1);
    if (token != NULL)
        lb_token_done(token, LB_REFUSED, "no memory for the queue of the alert engine");
    lb_batch_unref(batch);
}

enum lb_err lb_alert_engine_start(struct lb_alert_engine *engine)
{
    if (pthread_create(&engine->thread, NULL, run, engine) != 0)
        return LB_NOMEM;
    engine->started = true;
    return LB_OK;
}

/* What still waits gets some time: the sinks are at work and give credit back, which wakes the queue. */
static void drain(struct lb_alert_engine *engine)
{
    int64_t left = DRAIN_NS;
    int64_t step = 100 * LB_MILLISECOND;
    struct lb_alert_delivery none;

    lb_alert_queue_reopen(&engine->queue);
    for (; !lb_alert_engine_flush(engine) && left > 0; left -= step)
        (void)lb_alert_queue_pop(&engine->queue, step, &none);
    if (engine->outbox.count == 0)
        return;
    LB_ERROR(MODULE, "alerts lost, the sinks gave back no memory count=%u", engine->outbox.count);
    lb_metric_add(engine->lost, engine->outbox.count);
}

void lb_alert_engine_stop(struct lb_alert_engine *engine)
{
    if (!engine->started)
        return;
    lb_alert_queue_close(&engine->queue);
    pthread_join(engine->thread, NULL);
    engine->started = false;
    lb_alert_engine_tick(engine, lb_clock_now(), true);
    drain(engine);
    if (!save(engine, true))
        LB_WARN(MODULE, "what alert rules know since the last time could not be saved; their records come again");
}

/* --- making and freeing --------------------------------------------------- */

static void open_runner(struct lb_alert_engine *engine, struct lb_alert_runner *runner,
                        const struct lb_alert_rule *rule)
{
    runner->owner = rule->is_part ? &engine->runners[rule->owner] : NULL;
    runner->outside = &engine->outside;
    runner->clocks = &engine->clocks;
    runner->scratch = &engine->scratch;
    runner->report = report;
    runner->changed = changed;
    runner->context = engine;
    lb_alert_runner_init(runner, rule, engine->alerting, engine->now);
}

static void open_runners(struct lb_alert_engine *engine)
{
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        open_runner(engine, &engine->runners[i], &engine->alerting->rules[i]);
}

static int64_t behind(void *context, uint64_t stream)
{
    return lb_streams_behind(context, stream);
}

void lb_alert_engine_ask(struct lb_alert_engine *engine, const struct lb_alert_outside *outside)
{
    engine->outside = *outside;
}

struct lb_alert_engine *lb_alert_engine_new(const struct lb_alerting *alerting, uint32_t sink_count,
                                            struct lb_streams *streams, struct lb_share *share,
                                            void (*deliver)(void *context, struct lb_batch *batch), void *context)
{
    struct lb_alert_engine *engine = lb_alloc(sizeof(*engine));

    if (engine == NULL)
        return NULL;
    engine->alerting = alerting;
    engine->now = engine->ticked = lb_clock_now();
    engine->ahead_max = ahead_max(alerting->lateness_ns);
    lb_alert_queue_init(&engine->queue);
    pthread_mutex_init(&engine->state_lock, NULL);
    lb_arena_init(&engine->arena, EVENT_ARENA_BYTES);
    engine->scratch.size = LB_SCRATCH_BYTES;
    engine->scratch.ptr = lb_alloc(engine->scratch.size);
    engine->runners = lb_alloc((alerting->rule_count + 1) * sizeof(*engine->runners));
    engine->rule_metrics = lb_alloc((alerting->rule_count + 1) * sizeof(*engine->rule_metrics));
    lb_generation_ref(alerting->generation);
    engine->sink_count = sink_count;
    engine->outbox = (struct lb_alert_outbox){
        .share = share, .stream = lb_stream_new(streams, NULL), .deliver = deliver, .context = context
    };
    if (engine->scratch.ptr == NULL || engine->runners == NULL || engine->rule_metrics == NULL ||
        engine->outbox.stream == NULL) {
        lb_alert_engine_free(engine);
        return NULL;
    }
    engine->outbox.stream->name = LB_STR("alerts");
    engine->outside = (struct lb_alert_outside){ .context = streams, .behind = behind };
    open_metrics(engine);
    open_runners(engine);
    lb_share_on_credit(share, wake, engine);
    return engine;
}

static struct lb_alert_runner *find_runner(void *context, struct lb_str rule)
{
    struct lb_alert_engine *engine = context;

    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        if (lb_str_equal(engine->alerting->rules[i].name, rule))
            return &engine->runners[i];
    return NULL;
}

bool lb_alert_engine_remember(struct lb_alert_engine *engine, const char *path)
{
    engine->memory = lb_alert_memory_new(path);
    if (engine->memory == NULL)
        return false;
    lb_alert_memory_load(engine->memory, &engine->alerting->sink_names, find_runner, engine);
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++) {
        const struct lb_alert_key *key = engine->runners[i].keys.lists[LB_ALERT_FIRING].head;

        for (; key != NULL; key = key->next)
            count_firing(engine, key->state.severity, 1);
    }
    return true;
}

static void free_runners(struct lb_alert_engine *engine)
{
    for (uint32_t i = 0; engine->runners != NULL && i < engine->alerting->rule_count; i++)
        lb_alert_runner_free(&engine->runners[i]);
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        if (engine->firing_count[i] != 0)
            lb_metric_add(engine->firing[i], -engine->firing_count[i]);
    lb_free(engine->runners);
    lb_free(engine->rule_metrics);
}

void lb_alert_engine_free(struct lb_alert_engine *engine)
{
    if (engine == NULL)
        return;
    lb_alert_engine_stop(engine);
    lb_share_on_credit(engine->outbox.share, NULL, NULL);
    lb_alert_memory_free(engine->memory);
    free_runners(engine);
    lb_alert_clocks_free(&engine->clocks);
    lb_alert_outbox_free(&engine->outbox);
    if (engine->outbox.stream != NULL)
        lb_stream_unref(engine->outbox.stream);
    lb_alert_queue_free(&engine->queue);
    pthread_mutex_destroy(&engine->state_lock);
    lb_generation_unref(engine->alerting->generation);
    lb_arena_free(&engine->arena);
    lb_free(engine->scratch.ptr);
    lb_free(engine);
}

/* --- asking --------------------------------------------------------------- */

static bool write_rule(const struct lb_alert_runner *runner, bool any, struct lb_buffer *out)
{
    const struct lb_alert_key *key = runner->keys.lists[LB_ALERT_FIRING].head;

    for (; key != NULL; key = key->next) {
        if (any)
            lb_buffer_append_char(out, ',');
        lb_alert_firing_write(out, runner, key);
        any = true;
    }
    return any;
}

void lb_alert_engine_write(struct lb_alert_engine *engine, struct lb_buffer *out)
{
    bool any = false;

    lb_buffer_append_char(out, '[');
    pthread_mutex_lock(&engine->state_lock);
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        any = write_rule(&engine->runners[i], any, out);
    pthread_mutex_unlock(&engine->state_lock);
    lb_buffer_append_char(out, ']');
}

bool lb_alert_engine_explain(struct lb_alert_engine *engine, const struct lb_alert_question *question,
                             struct lb_buffer *out)
{
    pthread_mutex_lock(&engine->state_lock);
    struct lb_alert_runner *runner = find_runner(engine, question->rule);

    if (runner != NULL)
        lb_alert_explain(runner, question, out);
    pthread_mutex_unlock(&engine->state_lock);
    return runner != NULL;
}

void lb_alert_engine_write_pending(struct lb_alert_engine *engine, struct lb_buffer *out)
{
    bool any = false;

    lb_buffer_append_char(out, '[');
    pthread_mutex_lock(&engine->state_lock);
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++)
        any = lb_alert_pending_write(&engine->runners[i], any, out);
    pthread_mutex_unlock(&engine->state_lock);
    lb_buffer_append_char(out, ']');
}
