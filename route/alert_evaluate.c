/*
 * alert_evaluate.c - the keys of one rule, records and time applied to them.
 *
 * What is judged is in alert_judge.c; here is which key, when, and who is
 * forgotten.
 */
#include "alert_runner.h"

#include "alert_absent.h"
#include "alert_parts.h"
#include "alert_room.h"
#include "lb_clock.h"

#include <math.h>
#include <string.h>

enum { SWEEP_MAX = 64 };

static bool is_falling(const struct lb_alert_rule *rule)
{
    if (rule->when_text.len > 0)
        return rule->falling;
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        if (rule->thresholds[i].set)
            return rule->thresholds[i].comparison == LB_BELOW || rule->thresholds[i].comparison == LB_AT_MOST;
    return false;
}

/* --- keys ----------------------------------------------------------------- */

/* Some values also rise when something leaves the window: then it must be looked at though nothing comes. */
static bool may_rise(const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    if (runner->falling)
        return true;
    switch (runner->rule->function) {
    case LB_ALERT_COUNT:
    case LB_ALERT_RATE:
    case LB_ALERT_MAX:
    case LB_ALERT_LAST:
    case LB_ALERT_DISTINCT:
    case LB_ALERT_CONSECUTIVE: return false;
    case LB_ALERT_RATIO: return key->totals.sum > 0;
    default: return key->totals.count > 0;
    }
}

static void relist(struct lb_alert_runner *runner, struct lb_alert_key *key, bool active)
{
    enum lb_alert_list list = LB_ALERT_IDLE;

    if (key->state.severity != LB_ALERT_QUIET)
        list = LB_ALERT_FIRING;
    else if (may_rise(runner, key) || lb_alert_state_open(&key->state, &runner->policy, key->state.time))
        list = LB_ALERT_WATCHED;
    if (active || key->list != list)
        lb_alert_keys_move(&runner->keys, key, list);
    lb_alert_room_measure(runner, key);
}

/* False: no memory. */
static bool begin_key(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t first, int64_t end)
{
    if (runner->rule->part_count > 0 && !lb_alert_parts_init(runner, key, end))
        return false;
    lb_alert_window_init(&key->window, &runner->shape, end);
    lb_alert_state_init(&key->state, end);
    key->wake = INT64_MIN;
    key->stream = 0;
    key->newest = first;
    key->arrival = runner->now;
    key->first = first;
    key->totals = (struct lb_alert_totals){ 0, 0 };
    key->value = 0;
    key->judged = false;
    key->mask = 0;
    key->judged_until = end;
    key->summarised = false;
    key->held_back = 0;
    key->base = 0;
    key->pinned = false;
    key->forgotten = false;
    lb_alert_daily_init(runner->rule, key, end);
    if (key->texts != NULL)
        key->texts->count = key->texts->next = 0;
    if (key->reason != NULL)
        key->reason->length = 0;
    return true;
}

static struct lb_alert_key *add_key(struct lb_alert_runner *runner, struct lb_str text, uint64_t hash, int64_t first)
{
    struct lb_alert_key *key = lb_alert_keys_add(&runner->keys, text, hash);

    if (key == NULL || begin_key(runner, key, first, first - runner->delay_ns - 1))
        return key;
    lb_alert_keys_remove(&runner->keys, key);
    runner->no_room++;
    return NULL;
}

static struct lb_alert_key *key_of(struct lb_alert_runner *runner, const struct lb_alert_input *input)
{
    struct lb_alert_key *key = lb_alert_keys_recent(&runner->keys, input->key);
    bool full = runner->flood_threshold > 0 && runner->keys.count == runner->keys.max;
    struct lb_alert_known known = { 0 };
    uint64_t hash;

    if (key != NULL)
        return key;
    hash = lb_alert_hash(input->key);
    key = lb_alert_keys_find(&runner->keys, input->key, hash);
    if (key != NULL || (full && !lb_alert_room_ask(runner, input, hash, &known)))
        return key;
    key = add_key(runner, input->key, hash, input->time_ns);
    if (key != NULL && full)
        lb_alert_room_credit(runner, key, &known, input->time_ns);
    return key;
}

/* Where its source is behind, the time of what is missing stands still. */
static bool stands_still(const struct lb_alert_runner *runner, const struct lb_alert_key *key, int64_t *time)
{
    if (!runner->rule->absent || !lb_alert_absent_blind(runner, key))
        return false;
    *time = key->window.cursor.end + runner->delay_ns;
    return true;
}

static int64_t key_time(const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    int64_t time;

    if (stands_still(runner, key, &time))
        return time > key->newest ? time : key->newest;
    if (runner->rule->zone != NULL) /* a deadline is a time of the clock */
        return runner->now > key->newest ? runner->now : key->newest;
    if (!lb_alert_clocks_time(runner->clocks, key->stream, runner->now, &time))
        time = key->newest + (runner->now - key->arrival);
    return time > key->newest ? time : key->newest;
}

/* Another record, or another key of a part: what waits is judged first. */
static bool goes_on(const struct lb_alert_runner *runner, const struct lb_alert_input *input)
{
    return runner->pending_ns == input->time_ns && lb_str_equal(lb_alert_key_text(runner->pending), input->key);
}

/* A sample for one of the windows of `runner`: that of `rule`, which is its own or a part of it. */
static void add_sample(struct lb_alert_runner *runner, const struct lb_alert_rule *rule,
                       const struct lb_alert_input *input)
{
    struct lb_alert_key *key;
    enum lb_err err;

    if (runner->pending != NULL && !goes_on(runner, input))
        lb_alert_settle(runner);
    key = key_of(runner, input);
    if (key == NULL)
        return;
    lb_runner_walk(runner, key, input->time_ns - runner->delay_ns - 1);
    if (runner->rule->zone != NULL)
        lb_alert_daily_add(runner->rule, key, input->time_ns);
    err = runner->rule->zone != NULL
              ? LB_OK
              : lb_alert_window_add(rule->is_part ? &key->parts[rule->part].window : &key->window,
                                    rule->is_part ? &runner->part_shapes[rule->part] : &runner->shape,
                                    (struct lb_alert_sample){ input->time_ns, input->number });
    runner->late += err == LB_LIMIT;
    runner->no_room += err == LB_NOMEM;
    if (err != LB_OK)
        return;
    if (input->time_ns >= key->newest) {
        key->newest = input->time_ns;
        key->stream = input->stream;
        key->arrival = runner->now;
    }
    if (rule->field.len > 0 || input->number > 0) {
        lb_runner_take_text(key, input, runner->rule->each, runner->scratch);
        lb_runner_take_tops(runner, key, input);
    }
    lb_runner_take_reason(key, input, runner->rule->each);
    runner->pending = key;
    runner->pending_ns = input->time_ns;
}

void lb_alert_settle(struct lb_alert_runner *runner)
{
    struct lb_alert_key *key = runner->pending;
    int64_t target = runner->pending_ns - runner->delay_ns;
    uint32_t sequence;

    runner->pending = NULL;
    if (key == NULL)
        return;
    sequence = key->state.severity != LB_ALERT_QUIET ? key->sequence : 0;
    if (target > key->window.cursor.end)
        lb_runner_walk(runner, key, target);
    else if (!runner->shape.delayed)
        lb_runner_look_back(runner, key, runner->pending_ns);
    lb_runner_tell_occurrence(runner, key, runner->pending_ns, sequence);
    relist(runner, key, true);
}

/* A sample into the window of its key: a record, or what a detector made of it. */
void lb_runner_apply_sample(struct lb_alert_runner *runner, const struct lb_alert_input *input)
{
    add_sample(runner->owner != NULL ? runner->owner : runner, runner->rule, input);
    if (runner->owner == NULL)
        lb_alert_settle(runner);
}

void lb_alert_apply(struct lb_alert_runner *runner, const struct lb_alert_input *input)
{
    if (runner->rule->detector == NULL) {
        lb_runner_apply_sample(runner, input);
        return;
    }
    if (runner->detector.state == NULL) {
        runner->no_room++;
        return;
    }
    struct lb_alert_sight sight = { .record = input->record,
                                    .bits = input->bits,
                                    .number = input->number,
                                    .time_ns = input->time_ns,
                                    .stream = input->stream,
                                    .key = input->key };
    runner->rule->detector->apply(lb_runner_detector(runner), &sight);
}

/* --- time ----------------------------------------------------------------- */

/* The alert of a key is over, whatever its window says. */
static void end_key(struct lb_alert_runner *runner, struct lb_alert_key *key)
{
    struct lb_alert_transition transition = { runner->now, key->state.severity, LB_ALERT_QUIET };

    if (key->state.severity != LB_ALERT_QUIET) {
        key->state.severity = LB_ALERT_QUIET;
        runner->changed(runner->context, runner, &transition);
        lb_runner_tell(runner, key, runner->now, transition.from);
    }
    lb_alert_keys_remove(&runner->keys, key);
}

/* What was not read may hold what is missing; what is missing for very long is no more. True: the key is gone. */
static bool watch_absent(struct lb_alert_runner *runner, struct lb_alert_key *key)
{
    const struct lb_alert_rule *rule = runner->rule;
    int64_t silent = runner->now - (key->newest > key->arrival ? key->newest : key->arrival);

    if (lb_alert_absent_blind(runner, key)) {
        bool due = rule->zone != NULL ? !key->deadline.met && runner->now - runner->delay_ns >= key->deadline.next
                                      : silent > rule->over_ns;

        runner->blind += due && key->state.severity == LB_ALERT_QUIET;
        return false;
    }
    if (key->pinned || rule->by.count == 0 || rule->forget_ns == 0 || silent <= rule->forget_ns)
        return false;
    key->forgotten = true;
    end_key(runner, key);
    return true;
}

static void tick_list(struct lb_alert_runner *runner, enum lb_alert_list list)
{
    struct lb_alert_key *next;

    for (struct lb_alert_key *key = runner->keys.lists[list].head; key != NULL; key = next) {
        next = key->next;
        lb_runner_walk(runner, key, key_time(runner, key) - runner->delay_ns);
        if (runner->rule->absent && watch_absent(runner, key))
            continue;
        if (key->state.severity != LB_ALERT_QUIET)
            lb_runner_tell(runner, key, key->window.cursor.end, key->state.severity);
        relist(runner, key, false);
    }
}

/* Forgets idle keys of which nothing is left, a few at a time. */
static void sweep(struct lb_alert_runner *runner)
{
    int64_t life = runner->shape.over_ns + runner->shape.lateness_ns;
    int64_t cooldown = runner->policy.cooldown_ns; /* what it holds back is told with the next notice */

    for (int i = 0; i < SWEEP_MAX; i++) {
        struct lb_alert_key *key = runner->keys.lists[LB_ALERT_IDLE].head;

        if (key == NULL || key_time(runner, key) - key->newest <= life + (key->held_back > 0 ? cooldown : 0))
            return;
        lb_alert_keys_remove(&runner->keys, key);
    }
}

void lb_alert_tick(struct lb_alert_runner *runner, bool last)
{
    const struct lb_alert_detector_type *type = runner->rule->detector;

    lb_alert_settle(runner->owner != NULL ? runner->owner : runner);
    if (type != NULL && type->tick != NULL && runner->detector.state != NULL)
        type->tick(lb_runner_detector(runner), last);
    lb_alert_absent_begin(runner);
    tick_list(runner, LB_ALERT_FIRING);
    tick_list(runner, LB_ALERT_WATCHED);
    lb_alert_absent_end(runner);
    sweep(runner);
    lb_alert_flood_tick(&runner->flood, runner->rule, runner->now);
    lb_runner_tell_summary(runner, last);
    lb_alert_settle(runner->owner != NULL ? runner->owner : runner);
}

/* --- the rule ------------------------------------------------------------- */

/* A key that can be missed before it was ever seen. */
static struct lb_alert_key *add_fixed_key(struct lb_alert_runner *runner, struct lb_str text)
{
    uint64_t hash = lb_alert_hash(text);
    struct lb_alert_key *key = lb_alert_keys_find(&runner->keys, text, hash);

    if (key == NULL)
        key = add_key(runner, text, hash, runner->now);
    if (key != NULL && key->state.severity == LB_ALERT_QUIET)
        relist(runner, key, true);
    return key;
}

/* Without `by` there is one key; with it, those that are configured. */
static void add_fixed_keys(struct lb_alert_runner *runner)
{
    const struct lb_alert_rule *rule = runner->rule;
    char text[LB_KEY_BYTES_MAX];

    if (!runner->falling || rule->is_part)
        return;
    if (rule->by.count == 0)
        (void)add_fixed_key(runner, LB_STR(""));
    for (size_t i = 0; rule->by.count > 0 && i < rule->keys.count; i++) {
        size_t len = lb_alert_absent_key(rule, i, text);
        struct lb_alert_key *key = add_fixed_key(runner, (struct lb_str){ text, len });

        if (key != NULL)
            key->pinned = true;
    }
}

void lb_alert_runner_init(struct lb_alert_runner *runner, const struct lb_alert_rule *rule,
                          const struct lb_alerting *alerting, int64_t start)
{
    bool falling = is_falling(rule);

    runner->rule = rule;
    runner->falling = falling;
    runner->delay_ns = falling ? alerting->lateness_ns : 0;
    runner->max_age_ns = alerting->max_age_ns;
    runner->now = start;
    runner->blind_since = LB_TIME_NONE;
    runner->summary = (struct lb_alert_summary){ .highest = LB_ALERT_QUIET };
    runner->policy = (struct lb_alert_policy){ .for_ns = rule->for_ns,
                                               .bridge_ns = falling ? 0 : alerting->lateness_ns,
                                               .cooldown_ns = rule->cooldown_ns,
                                               .repeat_ns = rule->repeat_ns };
    if (rule->hold_ns > runner->policy.bridge_ns)
        runner->policy.bridge_ns = rule->hold_ns;
    lb_alert_shape_init(&runner->shape, rule->over_ns, alerting->lateness_ns, falling);
    lb_alert_parts_shape(runner, alerting->lateness_ns);
    lb_alert_shape_measure(&runner->shape, rule->function, rule->quantile);
    lb_alert_keys_init(&runner->keys, (uint32_t)alerting->max_keys);
    runner->flood_threshold = lb_alert_flood_threshold(rule);
    runner->detector =
        (struct lb_alert_detector){ .lateness_ns = alerting->lateness_ns, .max_keys = (uint32_t)alerting->max_keys };
    lb_runner_open_detector(runner);
    add_fixed_keys(runner);
}

void lb_alert_runner_restart(struct lb_alert_runner *runner)
{
    for (int list = 0; list < LB_ALERT_FIRING; list++)
        while (runner->keys.lists[list].head != NULL)
            lb_alert_keys_remove(&runner->keys, runner->keys.lists[list].head);
    if (runner->detector.state != NULL && runner->rule->detector->restart != NULL)
        runner->rule->detector->restart(lb_runner_detector(runner));
    add_fixed_keys(runner);
}

void lb_alert_runner_free(struct lb_alert_runner *runner)
{
    lb_runner_close_detector(runner);
    lb_alert_flood_free(&runner->flood);
    lb_alert_keys_free(&runner->keys);
}

void lb_alert_runner_end(struct lb_alert_runner *runner)
{
    struct lb_alert_key *key;

    while ((key = runner->keys.lists[LB_ALERT_FIRING].head) != NULL)
        end_key(runner, key);
    runner->blind = 0;
    lb_alert_absent_end(runner);
    lb_runner_tell_summary(runner, true);
}
