/*
 * alert_engine.c - feeds of batches → rules → notifier → outbox, on one thread.
 *
 * Time comes from the batches: the clock is the newest arrival, or lb_clock
 * when nothing arrives, so the same batches give the same transitions at any
 * speed. Rules are ticked when the clock or a stream has moved by a second;
 * what they find does not depend on it, only how soon.
 */
#include "alert_engine_parts.h"

#include "alert_explain.h"
#include "alert_probe.h"
#include "alert_room.h"
#include "lb_alloc.h"
#include "lb_buffer.h"
#include "lb_clock.h"
#include "lb_limits.h"
#include "lb_log.h"

#define MODULE "route.alert"
#define AHEAD_MAX_NS (5 * 60 * LB_SECOND)

int64_t lb_engine_ahead_max(int64_t lateness)
{
    if (lateness < LB_SECOND)
        return LB_SECOND;
    return lateness < AHEAD_MAX_NS ? lateness : AHEAD_MAX_NS;
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
    lb_engine_count_firing(engine, transition->from, -1);
    lb_engine_count_firing(engine, transition->to, 1);
}

static int8_t report(void *context, const struct lb_alert_report *standing)
{
    struct lb_alert_engine *engine = context;

    return lb_alert_notifier_report(&engine->notifier, standing);
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
    lb_alert_notifier_tick(&engine->notifier, engine->now);
    lb_engine_show_metrics(engine);
}

static bool is_ahead(const struct lb_alert_engine *engine, const struct lb_batch *batch, const struct lb_record *record)
{
    return record->time_ns > batch->arrival_ns + engine->ahead_max;
}

/* Nothing comes from the future: such a record is judged by `ahead_time`. */
static int64_t time_of(const struct lb_alert_engine *engine, const struct lb_batch *batch,
                       const struct lb_record *record)
{
    if (is_ahead(engine, batch, record))
        return engine->ahead_time;
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

/* By an earlier run, which saved that. Of a batch whose first record was not, none was. */
static bool was_applied(const struct lb_alert_engine *engine, const struct lb_batch *batch, uint32_t record)
{
    return engine->memory != NULL &&
           lb_alert_memory_holds(engine->memory, batch->stream, batch->position + batch->records[record].end);
}

/*
 * The time of the newest record that is not ahead (INT64_MIN: there is none),
 * and by which time those ahead are judged. That is their arrival; but where
 * the stream is being caught up on it would hurry the stream past all that is
 * still to be read, so there it is the time of the stream.
 */
static int64_t newest_of(struct lb_alert_engine *engine, const struct lb_batch *batch)
{
    int64_t newest = INT64_MIN;
    int64_t ahead = 0;

    for (uint32_t i = 0; i < batch->record_count; i++) {
        const struct lb_record *record = &batch->records[i];

        if (is_ahead(engine, batch, record))
            ahead++;
        else if (record->time_ns > newest)
            newest = record->time_ns > 0 ? record->time_ns : 0;
    }
    engine->ahead_time = batch->arrival_ns;
    if (ahead == 0)
        return newest;
    int64_t time = newest;
    bool known = newest != INT64_MIN || lb_alert_clocks_time(&engine->clocks, batch->stream->id, engine->now, &time);
    if (known && time < batch->arrival_ns - engine->ahead_max)
        engine->ahead_time = time;
    lb_metric_add(engine->ahead, ahead);
    return engine->ahead_time > newest ? engine->ahead_time : newest;
}

/* True if the batch moves its stream's time by a second, or from where nobody knew it. */
static bool see_stream(struct lb_alert_engine *engine, const struct lb_batch *batch, int64_t newest)
{
    int64_t before;
    bool known = lb_alert_clocks_time(&engine->clocks, batch->stream->id, engine->now, &before);

    if (newest == INT64_MIN)
        return false;
    lb_alert_clocks_see(&engine->clocks, batch->stream->id, newest, engine->now, engine->alerting->lateness_ns);
    return !known || newest >= before + LB_ENGINE_TICK_NS;
}

/* Once all that an earlier run knew is read, from wherever. */
static void begin_once(struct lb_alert_engine *engine)
{
    if (!engine->begun)
        lb_alert_notifier_begin(&engine->notifier, engine->now);
    engine->begun = true;
}

void lb_alert_engine_apply(struct lb_alert_engine *engine, const struct lb_batch *batch)
{
    int64_t newest;
    bool some_applied;
    bool moved;

    pthread_mutex_lock(&engine->state_lock);
    begin_once(engine);
    advance(engine, batch->arrival_ns);
    newest = newest_of(engine, batch);
    some_applied = batch->record_count > 0 && was_applied(engine, batch, 0);
    for (uint32_t i = 0; i < batch->feed_count; i++) {
        if (!some_applied || !was_applied(engine, batch, batch->feeds[i].record))
            apply_feed(engine, batch, &batch->feeds[i]);
        settle_parts(engine, batch, i);
    }
    (void)lb_alert_room_cap(engine->runners, engine->alerting->rule_count, engine->alerting->memory_max);
    moved = see_stream(engine, batch, newest);
    if (moved || engine->now >= engine->ticked + LB_ENGINE_TICK_NS)
        tick(engine, false);
    pthread_mutex_unlock(&engine->state_lock);
}

void lb_alert_engine_tick(struct lb_alert_engine *engine, int64_t now, bool last)
{
    pthread_mutex_lock(&engine->state_lock);
    begin_once(engine);
    advance(engine, now);
    tick(engine, last);
    pthread_mutex_unlock(&engine->state_lock);
}

bool lb_alert_engine_flush(struct lb_alert_engine *engine)
{
    return lb_alert_outbox_flush(&engine->outbox);
}

/* --- making and freeing --------------------------------------------------- */

void lb_engine_open_runner(struct lb_alert_engine *engine, struct lb_alert_runner *runner,
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
        lb_engine_open_runner(engine, &engine->runners[i], &engine->alerting->rules[i]);
}

static int64_t behind(void *context, uint64_t stream)
{
    return lb_streams_behind(context, stream);
}

void lb_alert_engine_ask(struct lb_alert_engine *engine, const struct lb_alert_outside *outside)
{
    engine->outside = *outside;
}

static void init_answer(pthread_cond_t *answer)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(answer, &attr);
    pthread_condattr_destroy(&attr);
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
    engine->ahead_max = lb_engine_ahead_max(alerting->lateness_ns);
    lb_alert_queue_init(&engine->queue);
    pthread_mutex_init(&engine->state_lock, NULL);
    init_answer(&engine->answer);
    engine->scratch.size = LB_SCRATCH_BYTES;
    engine->scratch.ptr = lb_alloc(engine->scratch.size);
    engine->runners = lb_alloc((alerting->rule_count + 1) * sizeof(*engine->runners));
    engine->rule_metrics = lb_alloc((alerting->rule_count + 1) * sizeof(*engine->rule_metrics));
    lb_generation_ref(alerting->generation);
    engine->sink_count = sink_count;
    engine->outbox =
        (struct lb_alert_outbox){ .share = share, .streams = streams, .deliver = deliver, .context = context };
    bool boxed = lb_alert_outbox_init(&engine->outbox, alerting, sink_count);
    bool made = lb_alert_notifier_init(&engine->notifier, alerting, &engine->outbox);
    if (engine->scratch.ptr == NULL || engine->runners == NULL || engine->rule_metrics == NULL || !boxed || !made) {
        lb_alert_engine_free(engine);
        return NULL;
    }
    engine->notifier.runners = engine->runners;
    engine->outside = (struct lb_alert_outside){ .context = streams, .behind = behind };
    engine->notifier.outside = &engine->outside;
    lb_engine_open_metrics(engine);
    open_runners(engine);
    lb_share_on_credit(share, lb_engine_wake, engine);
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
    lb_alert_memory_load(engine->memory, &engine->alerting->sink_names, &engine->notifier, find_runner, engine);
    for (uint32_t i = 0; i < engine->alerting->rule_count; i++) {
        const struct lb_alert_key *key = engine->runners[i].keys.lists[LB_ALERT_FIRING].head;

        for (; key != NULL; key = key->next)
            lb_engine_count_firing(engine, key->state.severity, 1);
    }
    return true;
}

static void redo(void *context, struct lb_alert_read *entry)
{
    struct lb_alert_engine *engine = context;

    lb_alert_notifier_redo(&engine->notifier, entry);
}

bool lb_alert_engine_keep(struct lb_alert_engine *engine, const char *directory)
{
    uint64_t known = engine->memory != NULL ? lb_alert_memory_position(engine->memory) : 0;

    if (!lb_alert_outbox_open(&engine->outbox, directory, lb_engine_wake, engine))
        return false;
    lb_alert_outbox_keep_from(&engine->outbox, known);
    lb_alert_outbox_replay(&engine->outbox, known, redo, engine);
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
    lb_alert_notifier_free(&engine->notifier);
    lb_alert_outbox_free(&engine->outbox);
    lb_alert_queue_free(&engine->queue);
    pthread_cond_destroy(&engine->answer);
    pthread_mutex_destroy(&engine->state_lock);
    lb_generation_unref(engine->alerting->generation);
    lb_free(engine->scratch.ptr);
    lb_free(engine);
}

/* --- asking --------------------------------------------------------------- */

static bool write_rule(const struct lb_alert_engine *engine, const struct lb_alert_runner *runner, bool any,
                       struct lb_buffer *out)
{
    const struct lb_alert_key *key = runner->keys.lists[LB_ALERT_FIRING].head;
    uint64_t fingerprint[2];

    for (; key != NULL; key = key->next) {
        if (any)
            lb_buffer_append_char(out, ',');
        lb_alert_fingerprint(runner->rule->name, lb_alert_key_text(key), fingerprint);
        lb_alert_firing_write(out, runner, key, lb_incidents_find(&engine->notifier.incidents, fingerprint));
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
        any = write_rule(engine, &engine->runners[i], any, out);
    (void)lb_alert_notifier_write_own(&engine->notifier, any, out);
    pthread_mutex_unlock(&engine->state_lock);
    lb_buffer_append_char(out, ']');
}

bool lb_alert_engine_explain(struct lb_alert_engine *engine, const struct lb_alert_question *question,
                             struct lb_buffer *out)
{
    pthread_mutex_lock(&engine->state_lock);
    struct lb_alert_runner *runner = find_runner(engine, question->rule);

    if (runner != NULL)
        lb_alert_explain(runner, &engine->notifier.incidents, question, out);
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

void lb_alert_engine_mute(struct lb_alert_engine *engine, struct lb_mutes *mutes)
{
    engine->notifier.find_mute = lb_mutes_find;
    engine->notifier.mutes_version = lb_mutes_version;
    engine->notifier.mutes = mutes;
}

void lb_alert_engine_markers(struct lb_alert_engine *engine, struct lb_markers *markers)
{
    engine->notifier.markers = markers;
}
