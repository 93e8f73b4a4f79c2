/*
 * alert_state.c - the state machine of one alert.
 *
 * A transition can only lie where a span becomes long enough or ends, so
 * lb_alert_state_next() goes from one such point to the next. A late record may
 * change the past: then the state at the present point is wrong, and that is
 * the first thing it looks at.
 */
#include "alert_state.h"

#include "lb_clock.h"

void lb_alert_state_init(struct lb_alert_state *state, int64_t time)
{
    *state = (struct lb_alert_state){ .time = time, .severity = LB_ALERT_QUIET, .highest = LB_ALERT_QUIET };
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        state->spans[i].until = LB_TIME_NONE;
}

static void extend(struct lb_alert_span *span, int64_t bridge, int64_t from, int64_t to)
{
    if (span->until == LB_TIME_NONE || from > span->until + bridge + 1) {
        *span = (struct lb_alert_span){ from, to };
        return;
    }
    /* An earlier incident that ended before this one began: nobody is helped by it now. */
    if (to + bridge + 1 < span->since)
        return;
    if (from < span->since)
        span->since = from;
    if (to > span->until)
        span->until = to;
}

void lb_alert_state_hold(struct lb_alert_state *state, const struct lb_alert_policy *policy, unsigned mask,
                         int64_t from, int64_t to)
{
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        if (mask & 1U << i)
            extend(&state->spans[i], policy->bridge_ns, from, to);
}

static bool long_enough(const struct lb_alert_span *span, const struct lb_alert_policy *policy)
{
    return span->until != LB_TIME_NONE && span->until - span->since >= policy->for_ns;
}

static int8_t severity_at(const struct lb_alert_state *state, const struct lb_alert_policy *policy, int64_t time)
{
    for (int i = LB_SEVERITY_COUNT - 1; i >= 0; i--) {
        const struct lb_alert_span *span = &state->spans[i];

        if (long_enough(span, policy) && time >= span->since + policy->for_ns &&
            time <= span->until + policy->bridge_ns)
            return (int8_t)i;
    }
    return LB_ALERT_QUIET;
}

int64_t lb_alert_state_wake(const struct lb_alert_state *state, const struct lb_alert_policy *policy)
{
    int64_t next = INT64_MAX;

    for (int i = 0; i < LB_SEVERITY_COUNT; i++) {
        const struct lb_alert_span *span = &state->spans[i];
        int64_t rise = span->since + policy->for_ns;
        int64_t fall;

        if (!long_enough(span, policy))
            continue;
        fall = span->until + policy->bridge_ns + 1;
        if (rise > state->time && rise < next)
            next = rise;
        if (fall > state->time && fall < next)
            next = fall;
    }
    return next;
}

static int64_t incident_start(const struct lb_alert_state *state, const struct lb_alert_policy *policy)
{
    int64_t start = state->time;

    for (int i = 0; i < LB_SEVERITY_COUNT; i++) {
        const struct lb_alert_span *span = &state->spans[i];

        if (span->until != LB_TIME_NONE && span->until + policy->bridge_ns >= state->time && span->since < start)
            start = span->since;
    }
    return start;
}

static void change(struct lb_alert_state *state, const struct lb_alert_policy *policy, int8_t severity,
                   struct lb_alert_transition *transition)
{
    *transition = (struct lb_alert_transition){ state->time, state->severity, severity };
    if (state->severity == LB_ALERT_QUIET) {
        state->started_ns = incident_start(state, policy);
        state->highest = severity;
    }
    if (severity > state->highest)
        state->highest = severity;
    state->severity = severity;
}

bool lb_alert_state_next(struct lb_alert_state *state, const struct lb_alert_policy *policy, int64_t limit,
                         struct lb_alert_transition *transition)
{
    for (;;) {
        int8_t severity = severity_at(state, policy, state->time);
        int64_t next;

        if (severity != state->severity) {
            change(state, policy, severity, transition);
            return true;
        }
        next = lb_alert_state_wake(state, policy);
        if (next > limit) {
            if (limit > state->time)
                state->time = limit;
            return false;
        }
        state->time = next;
    }
}

void lb_alert_told_init(struct lb_alert_told *told)
{
    *told = (struct lb_alert_told){ LB_TIME_NONE, LB_ALERT_QUIET, LB_ALERT_QUIET };
}

bool lb_alert_cooled_down(const struct lb_alert_told *told, const struct lb_alert_policy *policy, int64_t now)
{
    /* A notice in the future: the clock was set back since. */
    return told->notified_ns == LB_TIME_NONE || now < told->notified_ns ||
           now - told->notified_ns >= policy->cooldown_ns;
}

/*
 * A severity higher than the last one told goes out at once; all else waits for the cooldown, a fall too: nobody is
 * told that it got better and then left alone when it gets worse again.
 */
static bool may_tell(const struct lb_alert_told *told, const struct lb_alert_policy *policy, int8_t severity,
                     int64_t now)
{
    return severity > told->notified || lb_alert_cooled_down(told, policy, now);
}

static bool repeats(const struct lb_alert_told *told, const struct lb_alert_policy *policy, int8_t severity,
                    int64_t now)
{
    return severity != LB_ALERT_QUIET && policy->repeat_ns > 0 && now - told->notified_ns >= policy->repeat_ns;
}

enum lb_alert_notice lb_alert_tell(struct lb_alert_told *told, const struct lb_alert_policy *policy, int8_t severity,
                                   int64_t now, bool late)
{
    enum lb_alert_notice notice = told->severity == LB_ALERT_QUIET ? LB_NOTICE_FIRING : LB_NOTICE_UPDATED;

    if (severity == told->severity) {
        if (late || !repeats(told, policy, severity, now))
            return LB_NOTICE_NONE;
        told->notified_ns = now;
        return LB_NOTICE_REPEATED;
    }
    if (severity == LB_ALERT_QUIET) {
        told->severity = LB_ALERT_QUIET;
        return LB_NOTICE_RESOLVED;
    }
    if (late || !may_tell(told, policy, severity, now))
        return LB_NOTICE_NONE;
    *told = (struct lb_alert_told){ now, severity, severity };
    return notice;
}

int64_t lb_alert_tell_again(const struct lb_alert_told *told, const struct lb_alert_policy *policy, int8_t severity)
{
    if (severity == LB_ALERT_QUIET || told->notified_ns == LB_TIME_NONE)
        return INT64_MAX;
    if (severity != told->severity)
        return told->notified_ns + policy->cooldown_ns;
    return policy->repeat_ns > 0 ? told->notified_ns + policy->repeat_ns : INT64_MAX;
}

bool lb_alert_state_open(const struct lb_alert_state *state, const struct lb_alert_policy *policy, int64_t time)
{
    if (state->severity != LB_ALERT_QUIET)
        return true;
    for (int i = 0; i < LB_SEVERITY_COUNT; i++)
        if (state->spans[i].until != LB_TIME_NONE && state->spans[i].until + policy->bridge_ns >= time)
            return true;
    return false;
}
