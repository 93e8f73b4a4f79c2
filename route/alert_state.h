/*
 * alert_state.h - one alert: ok → pending → firing at a severity → ok.
 *
 * For each severity it keeps the span in which its threshold was crossed.
 * A span is bridged over dips of at most `bridge_ns` (records may still
 * arrive late, and an alert does not flap), fires once it is `for` long, and
 * has ended `bridge_ns` after its last moment. The highest severity that fires
 * is the alert's: one alert whose severity changes.
 *
 * What happens (transitions) is a function of event time alone. What people
 * are told (notices) also knows the cooldown and the clock, and is kept apart:
 * some may know other things than others. One thread.
 */
#ifndef LB_ALERT_STATE_H
#define LB_ALERT_STATE_H

#include "lb_alert.h"

#include <stdbool.h>
#include <stdint.h>

enum { LB_ALERT_QUIET = -1 }; /* no severity */

struct lb_alert_policy {
    int64_t for_ns;
    int64_t bridge_ns;
    int64_t cooldown_ns;
    int64_t repeat_ns; /* 0: what fires is not told again */
};

/* [since, until]; until == LB_TIME_NONE: never yet. */
struct lb_alert_span {
    int64_t since;
    int64_t until;
};

struct lb_alert_state {
    struct lb_alert_span spans[LB_SEVERITY_COUNT];
    int64_t time;       /* decided up to here */
    int64_t started_ns; /* of the incident: when the first threshold was crossed */
    int8_t severity;    /* enum lb_severity or LB_ALERT_QUIET */
    int8_t highest;     /* of the incident */
};

/* What some people know of it. */
struct lb_alert_told {
    int64_t notified_ns; /* by the clock; LB_TIME_NONE: never */
    int8_t severity;     /* that they were last told in this incident, or LB_ALERT_QUIET */
    int8_t notified;     /* and in the last notice of firing ever, for the cooldown */
};

struct lb_alert_transition {
    int64_t at;
    int8_t from;
    int8_t to;
};

enum lb_alert_notice {
    LB_NOTICE_NONE,
    LB_NOTICE_FIRING,
    LB_NOTICE_UPDATED,  /* another severity */
    LB_NOTICE_REPEATED, /* it still fires */
    LB_NOTICE_RESOLVED,
    LB_NOTICE_ACKNOWLEDGED, /* somebody works on it */
    LB_NOTICE_ESCALATED,    /* nobody did, so others are called */
    LB_NOTICE_SUPPRESSED,   /* it goes on, but is not told for now: a silence, maintenance, another alert */
    LB_NOTICE_FLAPPING,     /* it comes and goes; not told until it is stable */
    LB_NOTICE_UNKNOWN,      /* of a rule: what its source has not read yet may change everything */
    LB_NOTICE_KNOWN,        /* and it is read again */
    LB_NOTICE_HEARTBEAT,    /* of logboom itself: it is alive */
    LB_NOTICE_REPORT,       /* likewise: what was, in a day or a week */
};

void lb_alert_state_init(struct lb_alert_state *state, int64_t time);

/* The severities in `mask` (bits) hold from `from` to `to`; may lie before what was said earlier. */
void lb_alert_state_hold(struct lb_alert_state *state, const struct lb_alert_policy *policy, unsigned mask,
                         int64_t from, int64_t to);

/* The next transition at or before `limit`, applied. False: there is none, and all is decided up to `limit`. */
bool lb_alert_state_next(struct lb_alert_state *state, const struct lb_alert_policy *policy, int64_t limit,
                         struct lb_alert_transition *transition);

void lb_alert_told_init(struct lb_alert_told *told);

/*
 * What people must be told now that the alert has `severity` (or none any more), and notes that they were. `now` is the
 * clock. `late`: what happened is too old to call anyone; only an end of what was told is told.
 */
enum lb_alert_notice lb_alert_tell(struct lb_alert_told *told, const struct lb_alert_policy *policy, int8_t severity,
                                   int64_t now, bool late);

/* When (by the clock) it has to be asked again though nothing happens; INT64_MAX: not. */
int64_t lb_alert_tell_again(const struct lb_alert_told *told, const struct lb_alert_policy *policy, int8_t severity);

/* The cooldown is over. */
bool lb_alert_cooled_down(const struct lb_alert_told *told, const struct lb_alert_policy *policy, int64_t now);

/* The first point after state->time at which it may change by itself; INT64_MAX: there is none. */
int64_t lb_alert_state_wake(const struct lb_alert_state *state, const struct lb_alert_policy *policy);

/* True while some span is open at `time`: it must be looked at as time passes. */
bool lb_alert_state_open(const struct lb_alert_state *state, const struct lb_alert_policy *policy, int64_t time);

#endif
