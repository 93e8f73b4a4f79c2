/*
 * alert_judge.c - what the windows of a key say, and what is told of it.
 *
 * What has too few records to be judged (min_count) leaves a firing alert as it
 * is, but only for another `over`: then nothing of what raised it is left in
 * the window. An empty window is under every threshold, except that a count of
 * nothing is `below 5`.
 */
#include "alert_runner.h"

#include "alert_absent.h"
#include "alert_parts.h"
#include "lb_clock.h"

#include <math.h>

enum { SUMMARY_WAIT_S = 10 };

bool lb_threshold_crossed(const struct lb_threshold *threshold, double value)
{
    switch (threshold->comparison) {
    case LB_ABOVE: return value > threshold->number;
    case LB_AT_LEAST: return value >= threshold->number;
    case LB_BELOW: return value < threshold->number;
    case LB_AT_MOST: return value <= threshold->number;
    }
    return false;
}

bool lb_alert_counts_nothing(enum lb_alert_function function)
{
    switch (function) {
    case LB_ALERT_COUNT:
    case LB_ALERT_RATE:
    case LB_ALERT_SUM:
    case LB_ALERT_DISTINCT:
    case LB_ALERT_FORMULA:
    case LB_ALERT_CONSECUTIVE: return true;
    default: return false;
    }
}

uint8_t lb_alert_judge(const struct lb_alert_rule *rule, uint64_t count, double value, bool *judged)
{
    uint8_t mask = 0;

    uint64_t least = rule->detector == NULL ? rule->min_count : 0; /* a detector judges that by itself */

    *judged = count >= least && (count > 0 || lb_alert_counts_nothing(rule->function) || rule->detector != NULL) &&
              !isnan(value);
    for (int i = 0; *judged && i < LB_SEVERITY_COUNT; i++)
        if (rule->thresholds[i].set && lb_threshold_crossed(&rule->thresholds[i], value))
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

void lb_runner_tell(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t at, int8_t before)
{
    bool late = runner->now - at > runner->max_age_ns;
    int8_t told = runner->report(
        runner->context,
        &(struct lb_alert_report){ .runner = runner, .key = key, .at = at, .before = before, .late = late });

    if (late && key->state.severity > told)
        note_for_summary(runner, key);
}

/*
 * Of `each`: a record came at `at`. If nothing was told about it (`sequence` is as before), it is told now, or held
 * back.
 */
void lb_runner_tell_occurrence(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t at, uint32_t sequence)
{
    bool late;

    if (!runner->rule->each || key->state.severity == LB_ALERT_QUIET || key->sequence != sequence)
        return;
    late = runner->now - at > runner->max_age_ns;
    (void)runner->report(
        runner->context,
        &(struct lb_alert_report){
            .runner = runner, .key = key, .at = at, .before = key->state.severity, .late = late, .occurrence = true });
    if (key->sequence == sequence)
        key->held_back++;
}

/* The id of an incident: the rule, the key and when it began. */
static uint64_t incident_id(const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    uint64_t parts[3] = { lb_alert_hash(runner->rule->name), key->hash, (uint64_t)key->state.started_ns };

    return lb_alert_hash((struct lb_str){ (const char *)parts, sizeof(parts) });
}

static void advance(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit)
{
    struct lb_alert_transition transition;

    if (limit < key->wake) {
        if (limit > key->state.time)
            key->state.time = limit;
        return;
    }
    while (lb_alert_state_next(&key->state, &runner->policy, limit, &transition)) {
        if (transition.from == LB_ALERT_QUIET) {
            key->id = incident_id(runner, key);
            key->summarised = false;
        }
        runner->changed(runner->context, runner, &transition);
        lb_runner_tell(runner, key, transition.at, transition.from);
    }
    key->wake = lb_alert_state_wake(&key->state, &runner->policy);
}

void lb_runner_tell_summary(struct lb_alert_runner *runner, bool last)
{
    struct lb_alert_summary *summary = &runner->summary;

    if (summary->alerts == 0 || (!last && runner->now - summary->noted_ns < SUMMARY_WAIT_S * LB_SECOND))
        return;
    runner->report(
        runner->context,
        &(struct lb_alert_report){ .runner = runner, .at = summary->last, .before = summary->highest, .late = true });
    *summary = (struct lb_alert_summary){ .highest = LB_ALERT_QUIET };
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
    int64_t known = runner->rule->zone == NULL ? key->first + runner->shape.over_ns : INT64_MIN;

    /* What is missing can only be judged when a whole window has been watched; what is there, at once. */
    if (runner->falling && lb_alert_counts_nothing(runner->rule->function) && from < known)
        from = known;
    if (mask == 0 || from > to)
        return;
    lb_alert_state_hold(&key->state, &runner->policy, mask, from, to);
    key->wake = INT64_MIN;
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

    if (mask != 0 || !rule->clear.set || key->state.severity == LB_ALERT_QUIET ||
        lb_threshold_crossed(&rule->clear, key->value))
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
    advance(runner, key, segment->to);
}

static bool next_segment(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit,
                         struct lb_alert_segment *segment)
{
    if (key->parts != NULL)
        return lb_alert_parts_next(runner, key, limit, segment);
    if (runner->rule->zone != NULL)
        return lb_alert_daily_next(runner->rule, key, limit, segment);
    return lb_alert_window_next(&key->window, &runner->shape, limit, segment);
}

/* Nothing enters or leaves up to `limit`: all of it is one segment, which is judged unless it was, and all is well. */
static void walk_still(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit)
{
    struct lb_alert_cursor *cursor = &key->window.cursor;
    struct lb_alert_segment segment = { cursor->end + 1, limit, cursor->totals, 0 };
    bool judged = cursor->totals.count == key->totals.count && cursor->totals.sum == key->totals.sum;

    cursor->end = limit;
    if (judged && key->mask == 0 && key->state.severity == LB_ALERT_QUIET && limit < key->wake) {
        key->judged_until = key->judged ? limit : key->judged_until;
        advance(runner, key, limit);
        return;
    }
    segment.value = lb_alert_window_value(&key->window, &runner->shape);
    judge(runner, key, &segment);
}

void lb_runner_walk(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit)
{
    bool plain = key->parts == NULL && runner->rule->zone == NULL;
    struct lb_alert_segment segment;

    if (limit <= key->window.cursor.end)
        return;
    if (plain && lb_alert_window_still(&key->window, &runner->shape, limit)) {
        walk_still(runner, key, limit);
        return;
    }
    while (next_segment(runner, key, limit, &segment))
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

/* What was judged before may have been crossed after all. */
static void judge_past(struct lb_alert_runner *runner, struct lb_alert_key *key, const struct lb_alert_segment *past)
{
    bool judged;
    uint8_t mask = lb_alert_judge(runner->rule, past->totals.count, past->value, &judged);

    if (mask != 0)
        note_peak(runner, key, past->value);
    hold(runner, key, mask, past->from, past->to);
}

static void look_back_in_parts(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t from)
{
    struct lb_alert_cursors cursors;
    struct lb_alert_segment segment;

    lb_alert_parts_seek(runner, key, from, &cursors);
    while (lb_alert_parts_step(runner, key, &cursors, key->window.cursor.end - 1, &segment))
        judge_past(runner, key, &segment);
    segment = lb_alert_parts_now(runner, key);
    judge(runner, key, &segment);
}

/* A record came late: looks again at all windows it belongs to, as far back as `lateness`. */
void lb_runner_look_back(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t from)
{
    int64_t end = key->window.cursor.end;
    struct lb_alert_segment segment = { end, end, key->window.cursor.totals, 0 };
    struct lb_alert_segment past;

    if (from < end - runner->shape.lateness_ns)
        from = end - runner->shape.lateness_ns;
    if (key->parts != NULL) {
        look_back_in_parts(runner, key, from);
        return;
    }
    if (from < end && !lb_alert_window_settled(&key->window, &runner->shape, from) && !past_is_settled(runner, key)) {
        struct lb_alert_cursor cursor = lb_alert_window_seek(&key->window, &runner->shape, from);

        while (lb_alert_cursor_next(&key->window, &runner->shape, &cursor, end - 1, &past))
            judge_past(runner, key, &past);
    }
    segment.value = lb_alert_window_value(&key->window, &runner->shape);
    judge(runner, key, &segment);
}
