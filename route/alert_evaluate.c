/*
 * alert_evaluate.c - windows and states of one rule, brought together.
 *
 * What has too few records to be judged (min_count) leaves a firing alert as it
 * is, but only for another `over`: then nothing of what raised it is left in
 * the window. An empty window is under every threshold, except that a count of
 * nothing is `below 5`.
 */
#include "alert_evaluate.h"

#include "alert_absent.h"
#include "alert_parts.h"
#include "alert_snapshot.h"
#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_log.h"
#include "lb_record.h"

#include <math.h>
#include <string.h>

enum { SWEEP_MAX = 64, SUMMARY_WAIT_S = 10 };

static bool is_falling(const struct lb_alert_rule *rule)
{
    if (rule->when_text.len > 0)
        return rule->falling;
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        if (rule->thresholds[i].set)
            return rule->thresholds[i].comparison == LB_BELOW || rule->thresholds[i].comparison == LB_AT_MOST;
    return false;
}

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
    runner->report(runner->context, &(struct lb_alert_report){ .runner = runner,
                                                               .key = key,
                                                               .notice = notice,
                                                               .at = at,
                                                               .severity = severity,
                                                               .previous = previous,
                                                               .late = late });
    key->held_back = 0;
}

static bool is_cooled_down(const struct lb_alert_runner *runner, const struct lb_alert_key *key)
{
    int64_t since = runner->now - key->state.notified_ns;

    return since < 0 || since >= runner->policy.cooldown_ns;
}

/* Of `each`: a record came at `at`. If no notice was about it (`sequence` is as before), it is told or held back. */
static void tell_occurrence(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t at, uint32_t sequence)
{
    bool late = runner->now - at > runner->max_age_ns;

    if (!runner->rule->each || key->state.severity == LB_ALERT_QUIET || key->sequence != sequence)
        return;
    if (key->state.told == LB_ALERT_QUIET)
        tell(runner, key, at, key->state.severity);
    if (key->sequence != sequence)
        return;
    if (late || key->state.told == LB_ALERT_QUIET || !is_cooled_down(runner, key)) {
        key->held_back++;
        return;
    }
    key->state.notified_ns = runner->now;
    key->sequence++;
    runner->report(runner->context, &(struct lb_alert_report){ .runner = runner,
                                                               .key = key,
                                                               .notice = LB_NOTICE_REPEATED,
                                                               .at = at,
                                                               .severity = key->state.severity,
                                                               .previous = key->state.severity });
    key->held_back = 0;
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
    int64_t known = runner->rule->zone == NULL ? key->first + runner->shape.over_ns : INT64_MIN;

    /* What is missing can only be judged when a whole window has been watched. */
    if (runner->falling && from < known)
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
    settle(runner, key, segment->to);
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

static void walk(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit)
{
    struct lb_alert_segment segment;

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
static void look_back(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t from)
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

/* False: no memory. */
static bool begin_key(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t first, int64_t end)
{
    if (runner->rule->part_count > 0 && !lb_alert_parts_init(runner, key, end))
        return false;
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
    key->held_back = 0;
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
    uint64_t hash = lb_alert_hash(input->key);
    struct lb_alert_key *key = lb_alert_keys_find(&runner->keys, input->key, hash);

    return key != NULL ? key : add_key(runner, input->key, hash, input->time_ns);
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

/* Cut to what is kept, not within a character. */
static size_t shown_length(struct lb_str text, size_t bytes_max)
{
    size_t len = bytes_max;

    if (text.len <= len)
        return text.len;
    while (len > bytes_max - 3 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

/* The newest, by the time of the events. */
static void take_reason(struct lb_alert_key *key, const struct lb_alert_input *input)
{
    struct lb_alert_reason *reason = key->reason;

    if (input->reason.len == 0)
        return;
    if (reason == NULL)
        reason = key->reason = lb_alloc(sizeof(*reason));
    if (reason == NULL || (reason->length > 0 && input->time_ns < reason->time_ns))
        return;
    reason->time_ns = input->time_ns;
    reason->length = (uint8_t)shown_length(input->reason, LB_ALERT_REASON_BYTES);
    memcpy(reason->bytes, input->reason.ptr, reason->length);
}

/* Five to begin with, then one a second at most: what a busy key says need not be copied every time. */
static void take_text(struct lb_alert_key *key, const struct lb_alert_input *input, bool each,
                      struct lb_scratch *scratch)
{
    struct lb_alert_texts *texts = key->texts;
    struct lb_str text;

    if (input->message == NULL ||
        (!each && texts != NULL && texts->count == LB_ALERT_TEXTS && input->time_ns < texts->newest + LB_SECOND))
        return;
    if (texts == NULL)
        texts = key->texts = lb_alloc(sizeof(*texts));
    if (texts == NULL)
        return;
    text = lb_value_str(*input->message, scratch);
    text.len = shown_length(text, LB_ALERT_TEXT_BYTES);
    memcpy(texts->bytes[texts->next], text.ptr, text.len);
    texts->lengths[texts->next] = (uint8_t)text.len;
    texts->times[texts->next] = input->time_ns;
    texts->newest = input->time_ns;
    texts->next = (uint8_t)((texts->next + 1) % LB_ALERT_TEXTS);
    texts->count += texts->count < LB_ALERT_TEXTS;
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
    walk(runner, key, input->time_ns - runner->delay_ns - 1);
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
    if (rule->field.len > 0 || input->number > 0)
        take_text(key, input, runner->rule->each, runner->scratch);
    take_reason(key, input);
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
        walk(runner, key, target);
    else if (!runner->shape.delayed)
        look_back(runner, key, runner->pending_ns);
    tell_occurrence(runner, key, runner->pending_ns, sequence);
    relist(runner, key, true);
}

/* A sample into the window of its key: a record, or what a detector made of it. */
static void apply_sample(struct lb_alert_runner *runner, const struct lb_alert_input *input)
{
    add_sample(runner->owner != NULL ? runner->owner : runner, runner->rule, input);
    if (runner->owner == NULL)
        lb_alert_settle(runner);
}

/* --- detectors ------------------------------------------------------------ */

static void take_hit(void *context, const struct lb_alert_hit *hit)
{
    struct lb_alert_input input = { .stream = hit->stream,
                                    .time_ns = hit->time_ns,
                                    .number = 1,
                                    .key = hit->key,
                                    .message = hit->message,
                                    .reason = hit->reason };

    apply_sample(context, &input);
}

/* Ready for a call; a runner may have moved since, and its rule be that of another configuration. */
static struct lb_alert_detector *detector_of(struct lb_alert_runner *runner)
{
    struct lb_alert_detector *detector = &runner->detector;

    detector->rule = runner->rule;
    detector->scratch = runner->scratch;
    detector->clocks = runner->clocks;
    detector->now = runner->now;
    detector->hit = take_hit;
    detector->context = runner;
    return detector;
}

static void open_detector(struct lb_alert_runner *runner)
{
    const struct lb_alert_detector_type *type = runner->rule->detector;

    if (type == NULL || type->open(detector_of(runner)))
        return;
    runner->detector.state = NULL;
    LB_ERROR("route.alert", "no memory for what a rule must remember; it sees nothing rule=" LB_STR_FMT,
             LB_STR_ARG(runner->rule->name));
}

static void close_detector(struct lb_alert_runner *runner)
{
    if (runner->rule != NULL && runner->rule->detector != NULL && runner->detector.state != NULL)
        runner->rule->detector->close(detector_of(runner));
    runner->detector.state = NULL;
}

void lb_alert_runner_inherit(struct lb_alert_runner *runner, struct lb_alert_runner *before)
{
    struct lb_alert_detector own = runner->detector;

    if (runner->rule->detector == NULL || runner->rule->detector != before->rule->detector ||
        lb_alert_rule_meaning(runner->rule) != lb_alert_rule_meaning(before->rule) ||
        before->detector.lateness_ns != own.lateness_ns || before->detector.max_keys != own.max_keys)
        return;
    runner->detector = before->detector;
    before->detector = own;
}

void lb_alert_runner_restore(struct lb_alert_runner *runner, struct lb_str bytes)
{
    const struct lb_alert_detector_type *type = runner->rule->detector;

    if (type == NULL || runner->detector.state == NULL || bytes.len == 0 || type->restore(detector_of(runner), bytes))
        return;
    LB_WARN("route.alert", "what a rule remembered is not readable; it begins anew rule=" LB_STR_FMT,
            LB_STR_ARG(runner->rule->name));
    close_detector(runner);
    open_detector(runner);
}

void lb_alert_apply(struct lb_alert_runner *runner, const struct lb_alert_input *input)
{
    struct lb_alert_sight sight = { .record = input->record,
                                    .bits = input->bits,
                                    .number = input->number,
                                    .time_ns = input->time_ns,
                                    .stream = input->stream,
                                    .key = input->key };

    if (runner->rule->detector == NULL)
        apply_sample(runner, input);
    else if (runner->detector.state != NULL)
        runner->rule->detector->apply(detector_of(runner), &sight);
    else
        runner->no_room++;
}

/* --- time ----------------------------------------------------------------- */

/* The alert of a key is over, whatever its window says. */
static void end_key(struct lb_alert_runner *runner, struct lb_alert_key *key)
{
    struct lb_alert_transition transition = { runner->now, key->state.severity, LB_ALERT_QUIET };

    if (key->state.severity != LB_ALERT_QUIET) {
        key->state.severity = LB_ALERT_QUIET;
        runner->changed(runner->context, runner, &transition);
        tell(runner, key, runner->now, transition.from);
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
        walk(runner, key, key_time(runner, key) - runner->delay_ns);
        if (runner->rule->absent && watch_absent(runner, key))
            continue;
        if (key->state.severity != LB_ALERT_QUIET && (!runner->rule->each || key->state.told != LB_ALERT_QUIET))
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
    const struct lb_alert_detector_type *type = runner->rule->detector;

    lb_alert_settle(runner->owner != NULL ? runner->owner : runner);
    if (type != NULL && type->tick != NULL && runner->detector.state != NULL)
        type->tick(detector_of(runner), last);
    lb_alert_absent_begin(runner);
    tick_list(runner, LB_ALERT_FIRING);
    tick_list(runner, LB_ALERT_WATCHED);
    lb_alert_absent_end(runner);
    sweep(runner);
    tell_summary(runner, last);
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
    runner->detector =
        (struct lb_alert_detector){ .lateness_ns = alerting->lateness_ns, .max_keys = (uint32_t)alerting->max_keys };
    open_detector(runner);
    add_fixed_keys(runner);
}

void lb_alert_runner_restart(struct lb_alert_runner *runner)
{
    for (int list = 0; list < LB_ALERT_FIRING; list++)
        while (runner->keys.lists[list].head != NULL)
            lb_alert_keys_remove(&runner->keys, runner->keys.lists[list].head);
    if (runner->detector.state != NULL && runner->rule->detector->restart != NULL)
        runner->rule->detector->restart(detector_of(runner));
    add_fixed_keys(runner);
}

void lb_alert_runner_free(struct lb_alert_runner *runner)
{
    close_detector(runner);
    lb_alert_keys_free(&runner->keys);
}

void lb_alert_runner_end(struct lb_alert_runner *runner)
{
    struct lb_alert_key *key;

    while ((key = runner->keys.lists[LB_ALERT_FIRING].head) != NULL)
        end_key(runner, key);
    runner->blind = 0;
    lb_alert_absent_end(runner);
    tell_summary(runner, true);
}
