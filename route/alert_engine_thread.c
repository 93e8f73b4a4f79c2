/*
 * alert_engine_thread.c - the engine's thread: what it is given, in order.
 *
 * It sleeps until something comes, a second has passed, there is credit again
 * or alerts are on disk. It never waits for anything else.
 */
#include "alert_engine_parts.h"

#include "lb_clock.h"
#include "lb_log.h"

#define MODULE "route.alert"
#define DRAIN_NS (10 * LB_SECOND)

enum { ANSWER_SECONDS = 2 };

/* --- who works on it ------------------------------------------------------ */

static bool read_id(struct lb_str text, uint64_t *id)
{
    static const char digits[] = "0123456789abcdef";

    *id = 0;
    if (text.len != 16)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] != '\0' ? strchr(digits, text.ptr[i]) : NULL;

        if (digit == NULL)
            return false;
        *id = *id << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

/* With state_lock held, until the engine says that it is safe, or for some time. */
static void wait_for_answer(struct lb_alert_engine *engine, uint64_t asked)
{
    struct timespec deadline;
    int err = 0;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += ANSWER_SECONDS;
    while (engine->answered < asked && engine->started && err == 0)
        err = pthread_cond_timedwait(&engine->answer, &engine->state_lock, &deadline);
}

enum lb_err lb_alert_engine_acknowledge(struct lb_alert_engine *engine, struct lb_str id, struct lb_str by,
                                        struct lb_str comment)
{
    enum lb_err err = LB_END;
    uint64_t number;

    if (!read_id(id, &number))
        return LB_END;
    pthread_mutex_lock(&engine->state_lock);
    err = lb_alert_notifier_acknowledge(&engine->notifier, number, by, comment, lb_clock_now());
    if (err == LB_OK) {
        uint64_t asked = ++engine->asked;

        lb_alert_queue_wake(&engine->queue);
        wait_for_answer(engine, asked);
    }
    pthread_mutex_unlock(&engine->state_lock);
    return err;
}

void lb_alert_engine_report(struct lb_alert_engine *engine, const struct lb_alert_paper *paper)
{
    pthread_mutex_lock(&engine->state_lock);
    lb_alert_notifier_paper(&engine->notifier, paper);
    lb_alert_queue_wake(&engine->queue);
    wait_for_answer(engine, ++engine->asked);
    pthread_mutex_unlock(&engine->state_lock);
}

/* Tells what somebody has acknowledged, and says so to who waits once that is safe; and the rest of a long tick. True:
 * there is more. */
static bool serve(struct lb_alert_engine *engine)
{
    pthread_mutex_lock(&engine->state_lock);
    if (engine->told_asked < engine->asked || engine->notifier.urgent) {
        lb_alert_notifier_tick(&engine->notifier, engine->notifier.now);
        if (!engine->notifier.urgent) /* else it may be among what the next tick does */
            engine->told_asked = engine->asked;
    }
    if (engine->answered < engine->told_asked && lb_alert_outbox_is_safe(&engine->outbox)) {
        engine->answered = engine->told_asked;
        pthread_cond_broadcast(&engine->answer);
    }
    bool urgent = engine->notifier.urgent;
    pthread_mutex_unlock(&engine->state_lock);
    return urgent;
}

/* --- at work -------------------------------------------------------------- */

static void consume(struct lb_alert_engine *engine, const struct lb_alert_delivery *item)
{
    if (item->change != NULL) {
        lb_engine_take_change(engine, item->change);
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

/* With state_lock: others acknowledge. */
static bool save_locked(struct lb_alert_engine *engine, bool last)
{
    const struct lb_alerting *alerting = engine->alerting;
    struct lb_alert_knowledge knowledge = { engine->runners, alerting->rule_count, &engine->notifier,
                                            &alerting->sink_names, 0 };

    if (engine->memory == NULL || !lb_alert_outbox_is_safe(&engine->outbox))
        return engine->memory == NULL;
    if (engine->outbox.unkept)
        lb_alert_memory_hurry(engine->memory);
    engine->outbox.unkept = false;
    knowledge.position = lb_alert_outbox_end(&engine->outbox);
    bool saved = lb_alert_memory_tick(engine->memory, &knowledge, last);
    lb_alert_outbox_keep_from(&engine->outbox, lb_alert_memory_position(engine->memory));
    return saved;
}

/* What is told must be on disk, or have gone on its way, before what is remembered says that it was. */
static bool save(struct lb_alert_engine *engine, bool last)
{
    pthread_mutex_lock(&engine->state_lock);
    bool saved = save_locked(engine, last);
    pthread_mutex_unlock(&engine->state_lock);
    return saved;
}

bool lb_alert_engine_save(struct lb_alert_engine *engine)
{
    return save(engine, true);
}

static void *run(void *context)
{
    struct lb_alert_engine *engine = context;
    struct lb_alert_delivery item;
    bool urgent = false;

    for (;;) {
        switch (lb_alert_queue_pop(&engine->queue, urgent ? 0 : LB_ENGINE_TICK_NS, &item)) {
        case LB_ALERT_ITEM: consume(engine, &item); break;
        case LB_ALERT_TIMEOUT:
            if (!urgent)
                lb_alert_engine_tick(engine, lb_clock_now(), false);
            break;
        case LB_ALERT_WOKEN: break;
        case LB_ALERT_CLOSED: return NULL;
        }
        urgent = serve(engine);
        lb_alert_engine_flush(engine);
        lb_engine_note_changed(engine);
        save(engine, false);
    }
}

void lb_engine_wake(void *context)
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
    engine->notifier.piecewise = true;
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
    uint64_t left_over = engine->outbox.added - engine->outbox.delivered;
    if (left_over == 0)
        return;
    if (engine->outbox.journal != NULL && lb_alert_outbox_is_safe(&engine->outbox)) {
        LB_WARN(MODULE, "the sinks gave back no memory; alerts are told after the next start count=%llu",
                (unsigned long long)left_over);
        return;
    }
    LB_ERROR(MODULE, "alerts lost, the sinks gave back no memory count=%llu", (unsigned long long)left_over);
    lb_metric_add(engine->lost, (int64_t)left_over);
}

void lb_alert_engine_stop(struct lb_alert_engine *engine)
{
    if (!engine->started)
        return;
    lb_alert_queue_close(&engine->queue);
    pthread_join(engine->thread, NULL);
    engine->started = false;
    engine->notifier.piecewise = false;
    lb_alert_engine_tick(engine, lb_clock_now(), true);
    drain(engine);
    if (!save(engine, true))
        LB_WARN(MODULE, "what alert rules know since the last time could not be saved; their records come again");
}
