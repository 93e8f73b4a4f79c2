/*
 * alert_evaluate.c - windows and states of one rule, brought together.
 *
 * What has too few records to be judged (min_count) leaves a firing alert as it
 * is, but only for another `over`: then nothing of what raised it is left in
 * the window. An empty window is under every threshold, except that a count of
 * nothing is `below 5`.
 */
#include "alert_evaluate.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_record.h"

#include <string.h>

enum { SWEEP_MAX = 64, SUMMARY_WAIT_S = 10 };

static bool is_falling(const struct lb_alert_rule *rule)
{
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        if (rule->thresholds[i].set)
            return rule->thresholds[i].comparison == LB_BELOW || rule->thresholds[i].comparison == LB_AT_MOST;
    return false;
}

static bool crosses(const struct lb_threshold *threshold, double value)
{
    switch (threshold->comparison) {
    case LB_ABOVE: return value > threshold->number;
    case LB_AT_LEAST: return value >= threshold->number;
    case LB_BELOW: return value < threshold->number;
    case LB_AT_MOST: return value <= threshold->number;
    }
    return false;
}

/* Of no records there are none, and their sum is 0; but there is no least one, and no average. */
static bool counts_nothing(enum lb_alert_function function)
{
    switch (function) {
    case LB_ALERT_COUNT:
    case LB_ALERT_RATE:
    case LB_ALERT_SUM:
    case LB_ALERT_DISTINCT:
    case LB_ALERT_CONSECUTIVE: return true;
    default: return false;
    }
}

uint8_t lb_alert_judge(const struct lb_alert_rule *rule, uint64_t count, double value, bool *judged)
{
    uint8_t mask = 0;

    *judged = count >= rule->min_count && (count > 0 || counts_nothing(rule->function));
    for (int i = 0; *judged && i < LB_SEVERITY_COUNT; i++)
        if (rule->thresholds[i].set && crosses(&rule->thresholds[i], value))
            mask |= (uint8_t)(1U << i);
    return mask;
}

/* --- telling -------------------------------------------------------------- */

static void note_for_summary(struct lb_alert_runner *runner, struct lb_alert_key *key)
{
    struct lb_alert_summary *summary = &runner->summary;
    int64_t started = key->state.started_ns;

    if (key->state.highest > summary->highest)
        summary->highest = key->state.highest;
    summary->noted_ns = runner->now;
    if (key->summarised)
        return;
    key->summarised = true;
    if (summary->alerts == 0 || started < summary->first)
        summary->first = started;
    if (summary->alerts == 0 || started > summary->last)
        summary->last = started;
    summary->alerts++;
}

/* `last`: the severity before it ended, if it did. */
static void tell(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t at, int8_t last)
{
    bool late = runner->now - at > runner->max_age_ns;
    int8_t previous = key->state.told;
    enum lb_alert_notice notice = lb_alert_state_tell(&key->state, &runner->policy, runner->now, late);
    int8_t severity = notice == LB_NOTICE_RESOLVED ? last : key->state.severity;

    if (notice == LB_NOTICE_NONE) {
        if (late && key->state.severity > key->state.told)
            note_for_summary(runner, key);
        return;
    }
    key->sequence++;
    runner->report(runner->context, &(struct lb_alert_report){ runner, key, notice, at, severity, previous, late });
}

/* The id of an incident: the rule, the key and when it began. */
static uint64_t incident_id(const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    uint64_t parts[3] = { lb_alert_hash(runner->rule->name), key->hash, (uint64_t)key->state.started_ns };

    return lb_alert_hash((struct lb_str){ (const char *)parts, sizeof(parts) });
}

static void settle(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit)
{
    struct lb_alert_transition transition;

    while (lb_alert_state_next(&key->state, &runner->policy, limit, &transition)) {
        if (transition.from == LB_ALERT_QUIET) {
            key->id = incident_id(runner, key);
            key->sequence = 0;
            key->summarised = false;
            key->told_sinks = 0;
        }
        runner->changed(runner->context, runner, &transition);
        tell(runner, key, transition.at, transition.from);
    }
}

/* --- judging -------------------------------------------------------------- */

static void note_peak(const struct lb_alert_runner *runner, struct lb_alert_key *key, double value)
{
    bool fresh = !lb_alert_state_open(&key->state, &runner->policy, key->state.time);

    if (fresh || (runner->falling ? value < key->peak : value > key->peak))
        key->peak = value;
}

static void hold(struct lb_alert_runner *runner, struct lb_alert_key *key, uint8_t mask, int64_t from, int64_t to)
{
    int64_t known = key->first + runner->shape.over_ns;

    /* What is missing can only be judged when a whole window has been watched; what is there, at once. */
    if (runner->falling && counts_nothing(runner->rule->function) && from < known)
        from = known;
    if (mask != 0 && from <= to)
        lb_alert_state_hold(&key->state, &runner->policy, mask, from, to);
}

/* Too few records to judge: a firing alert stays as it is, for another `over` at most. */
static void keep(struct lb_alert_runner *runner, struct lb_alert_key *key, const struct lb_alert_segment *segment)
{
    int64_t until = key->judged_until + runner->shape.over_ns;

    if (key->state.severity == LB_ALERT_QUIET || segment->totals.count == 0)
        return;
    hold(runner, key, key->mask, segment->from, segment->to < until ? segment->to : until);
}

/* What fires and has not crossed `clear` keeps its lowest severity. */
static uint8_t stay(const struct lb_alert_rule *rule, const struct lb_alert_key *key, uint8_t mask)
{
    int lowest = 0;

    if (mask != 0 || !rule->clear.set || key->state.severity == LB_ALERT_QUIET || crosses(&rule->clear, key->value))
        return mask;
    while (!rule->thresholds[lowest].set)
        lowest++;
    return (uint8_t)(1U << lowest);
}

static void judge(struct lb_alert_runner *runner, struct lb_alert_key *key, const struct lb_alert_segment *segment)
{
    uint8_t mask = lb_alert_judge(runner->rule, segment->totals.count, segment->value, &key->judged);

    key->totals = segment->totals;
    key->value = segment->value;
    if (key->judged) {
        if (mask != 0)
            note_peak(runner, key, key->value);
        mask = stay(runner->rule, key, mask);
        hold(runner, key, mask, segment->from, segment->to);
        key->mask = mask;
        key->judged_until = segment->to;
    } else {
        keep(runner, key, segment);
    }
    settle(runner, key, segment->to);
}

static void walk(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit)
{
    struct lb_alert_segment segment;

    while (lb_alert_window_next(&key->window, &runner->shape, limit, &segment))
        judge(runner, key, &segment);
}

/* True if no window that holds the late record can cross a threshold it has not crossed. */
static bool past_is_settled(const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    const struct lb_alert_window *window = &key->window;
    bool judged;

    if (runner->rule->function != LB_ALERT_COUNT || window->slotted)
        return false;
    return lb_alert_judge(runner->rule, window->count, window->count, &judged) == 0;
}

/* A record came late: looks again at all windows it belongs to, as far back as `lateness`. */
static void look_back(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t from)
{
    int64_t end = key->window.cursor.end;
    struct lb_alert_segment segment = { end, end, key->window.cursor.totals, 0 };
    struct lb_alert_cursor cursor;

    if (from < end - runner->shape.lateness_ns)
        from = end - runner->shape.lateness_ns;
    if (from < end && !lb_alert_window_settled(&key->window, &runner->shape, from) && !past_is_settled(runner, key)) {
        struct lb_alert_segment past;

        cursor = lb_alert_window_seek(&key->window, &runner->shape, from);
        while (lb_alert_cursor_next(&key->window, &runner->shape, &cursor, end - 1, &past)) {
            bool judged;
            uint8_t mask = lb_alert_judge(runner->rule, past.totals.count, past.value, &judged);

            if (mask != 0)
                note_peak(runner, key, past.value);
            hold(runner, key, mask, past.from, past.to);
        }
    }
    segment.value = lb_alert_window_value(&key->window, &runner->shape);
    judge(runner, key, &segment);
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
}

static void begin_key(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t first, int64_t end)
{
    lb_alert_window_init(&key->window, &runner->shape, end);
    lb_alert_state_init(&key->state, end);
    key->stream = 0;
    key->newest = first;
    key->arrival = runner->now;
    key->first = first;
    key->totals = (struct lb_alert_totals){ 0, 0 };
    key->value = 0;
    key->judged = false;
    key->mask = 0;
    key->judged_until = end;
    key->told_sinks = 0;
    key->summarised = false;
    if (key->texts != NULL)
        key->texts->count = key->texts->next = 0;
}

static struct lb_alert_key *key_of(struct lb_alert_runner *runner, const struct lb_alert_input *input)
{
    uint64_t hash = lb_alert_hash(input->key);
    struct lb_alert_key *key = lb_alert_keys_find(&runner->keys, input->key, hash);

    if (key != NULL)
        return key;
    key = lb_alert_keys_add(&runner->keys, input->key, hash);
    if (key != NULL)
        begin_key(runner, key, input->time_ns, input->time_ns - runner->delay_ns - 1);
    return key;
}

static int64_t key_time(const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    int64_t time;

    if (!lb_alert_clocks_time(runner->clocks, key->stream, runner->now, &time))
        time = key->newest + (runner->now - key->arrival);
    return time > key->newest ? time : key->newest;
}

/* Cut to what is kept, not within a character. */
static size_t shown_length(struct lb_str text)
{
    size_t len = LB_ALERT_TEXT_BYTES;

    if (text.len <= len)
        return text.len;
    while (len > LB_ALERT_TEXT_BYTES - 3 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

/* Five to begin with, then one a second at most: what a busy key says need not be copied every time. */
static void take_text(struct lb_alert_key *key, const struct lb_alert_input *input, struct lb_scratch *scratch)
{
    struct lb_alert_texts *texts = key->texts;
    struct lb_str text;

    if (input->message == NULL ||
        (texts != NULL && texts->count == LB_ALERT_TEXTS && input->time_ns < texts->newest + LB_SECOND))
        return;
    if (texts == NULL)
        texts = key->texts = lb_alloc(sizeof(*texts));
    if (texts == NULL)
        return;
    text = lb_value_str(*input->message, scratch);
    text.len = shown_length(text);
    memcpy(texts->bytes[texts->next], text.ptr, text.len);
    texts->lengths[texts->next] = (uint8_t)text.len;
    texts->times[texts->next] = input->time_ns;
    texts->newest = input->time_ns;
    texts->next = (uint8_t)((texts->next + 1) % LB_ALERT_TEXTS);
    texts->count += texts->count < LB_ALERT_TEXTS;
}

void lb_alert_apply(struct lb_alert_runner *runner, const struct lb_alert_input *input)
{
    struct lb_alert_key *key = key_of(runner, input);
    int64_t target = input->time_ns - runner->delay_ns;
    int64_t end;
    enum lb_err err;

    if (key == NULL)
        return;
    walk(runner, key, target - 1);
    end = key->window.cursor.end;
    err = lb_alert_window_add(&key->window, &runner->shape, (struct lb_alert_sample){ input->time_ns, input->number });
    runner->late += err == LB_LIMIT;
    runner->no_room += err == LB_NOMEM;
    if (err != LB_OK)
        return;
    if (input->time_ns >= key->newest) {
        key->newest = input->time_ns;
        key->stream = input->stream;
        key->arrival = runner->now;
    }
    if (runner->rule->field.len > 0 || input->number > 0)
        take_text(key, input, runner->scratch);
    if (target > end)
        walk(runner, key, target);
    else if (!runner->shape.delayed)
        look_back(runner, key, input->time_ns);
    relist(runner, key, true);
}

/* --- time ----------------------------------------------------------------- */

static void tick_list(struct lb_alert_runner *runner, enum lb_alert_list list)
{
    struct lb_alert_key *next;

    for (struct lb_alert_key *key = runner->keys.lists[list].head; key != NULL; key = next) {
        next = key->next;
        walk(runner, key, key_time(runner, key) - runner->delay_ns);
        if (key->state.severity != LB_ALERT_QUIET)
            tell(runner, key, key->window.cursor.end, key->state.severity);
        relist(runner, key, false);
    }
}

/* Forgets idle keys of which nothing is left, a few at a time. */
static void sweep(struct lb_alert_runner *runner)
{
    int64_t life = runner->shape.over_ns + runner->shape.lateness_ns;

    for (int i = 0; i < SWEEP_MAX; i++) {
        struct lb_alert_key *key = runner->keys.lists[LB_ALERT_IDLE].head;

        if (key == NULL || key_time(runner, key) - key->newest <= life ||
            !lb_alert_state_forgettable(&key->state, &runner->policy, runner->now))
            return;
        lb_alert_keys_remove(&runner->keys, key);
    }
}

static void tell_summary(struct lb_alert_runner *runner, bool last)
{
    struct lb_alert_summary *summary = &runner->summary;

    if (summary->alerts == 0 || (!last && runner->now - summary->noted_ns < SUMMARY_WAIT_S * LB_SECOND))
        return;
    runner->report(runner->context, &(struct lb_alert_report){ .runner = runner,
                                                               .notice = LB_NOTICE_UPDATED,
                                                               .at = summary->last,
                                                               .severity = summary->highest,
                                                               .previous = LB_ALERT_QUIET,
                                                               .late = true });
    *summary = (struct lb_alert_summary){ .highest = LB_ALERT_QUIET };
}

void lb_alert_tick(struct lb_alert_runner *runner, bool last)
{
    tick_list(runner, LB_ALERT_FIRING);
    tick_list(runner, LB_ALERT_WATCHED);
    sweep(runner);
    tell_summary(runner, last);
}

/* --- the rule ------------------------------------------------------------- */

/* Without `by` there is one key, and it can be missed before it was ever seen. */
static void add_only_key(struct lb_alert_runner *runner)
{
    struct lb_str none = { "", 0 };
    uint64_t hash = lb_alert_hash(none);
    struct lb_alert_key *key;

    if (!runner->falling || runner->rule->by.count > 0 || lb_alert_keys_find(&runner->keys, none, hash) != NULL)
        return;
    key = lb_alert_keys_add(&runner->keys, none, hash);
    if (key == NULL)
        return;
    begin_key(runner, key, runner->now, runner->now - runner->delay_ns - 1);
    relist(runner, key, true);
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
    runner->summary = (struct lb_alert_summary){ .highest = LB_ALERT_QUIET };
    runner->policy = (struct lb_alert_policy){ .for_ns = rule->for_ns,
                                               .bridge_ns = falling ? 0 : alerting->lateness_ns,
                                               .cooldown_ns = rule->cooldown_ns,
                                               .repeat_ns = rule->repeat_ns };
    if (rule->hold_ns > runner->policy.bridge_ns)
        runner->policy.bridge_ns = rule->hold_ns;
    lb_alert_shape_init(&runner->shape, rule->over_ns, alerting->lateness_ns, falling);
    lb_alert_shape_measure(&runner->shape, rule->function, rule->quantile);
    lb_alert_keys_init(&runner->keys, (uint32_t)alerting->max_keys);
    add_only_key(runner);
}

void lb_alert_runner_restart(struct lb_alert_runner *runner)
{
    for (int list = 0; list < LB_ALERT_FIRING; list++)
        while (runner->keys.lists[list].head != NULL)
            lb_alert_keys_remove(&runner->keys, runner->keys.lists[list].head);
    add_only_key(runner);
}

void lb_alert_runner_free(struct lb_alert_runner *runner)
{
    lb_alert_keys_free(&runner->keys);
}

void lb_alert_runner_end(struct lb_alert_runner *runner)
{
    struct lb_alert_key *key;

    while ((key = runner->keys.lists[LB_ALERT_FIRING].head) != NULL) {
        struct lb_alert_transition transition = { runner->now, key->state.severity, LB_ALERT_QUIET };

        key->state.severity = LB_ALERT_QUIET;
        runner->changed(runner->context, runner, &transition);
        tell(runner, key, runner->now, transition.from);
        lb_alert_keys_remove(&runner->keys, key);
    }
    tell_summary(runner, true);
}
