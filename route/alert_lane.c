/*
 * alert_lane.c - what one group of people is told of one alert.
 *
 * A lane knows what its people were told. Where an alert leads can change (its
 * severity does, and the configuration); a lane that was told once is told all
 * that follows, to its end. Only while nobody in it was told does it count for
 * nothing that the alert leads nowhere.
 */
#include "alert_notifier_parts.h"

#include "alert_text.h"
#include "calendar.h"
#include "lb_clock.h"
#include "lb_log.h"
#include "lb_route.h"

#include <stdarg.h>
#include <stdio.h>

#define MODULE "route.alert"

enum { ARENA_KEEP = 256 * 1024 };

/* --- entries -------------------------------------------------------------- */

struct lb_str lb_notifier_say(struct lb_alert_notifier *self, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(self->reason, sizeof(self->reason), fmt, args);
    va_end(args);
    return lb_str_from(self->reason);
}

bool lb_notifier_compose(struct lb_alert_notifier *self, const struct lb_alert_event *event, uint64_t sinks)
{
    struct lb_record record;

    lb_arena_reset(&self->arena, ARENA_KEEP);
    lb_buffer_reset(&self->entry);
    if (lb_alert_event_record(event, self->alerting, &self->arena, &record))
        lb_alert_notice_write(&self->entry, &record, sinks, &self->alerting->sink_names);
    else
        self->entry.failed = true;
    if (!self->entry.failed)
        return true;
    self->lost++;
    LB_ERROR(MODULE, "alert lost, no memory rule=" LB_STR_FMT, LB_STR_ARG(event->rule->name));
    return false;
}

void lb_notifier_put_incident(struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    lb_buffer_reset(&self->part);
    lb_incident_write(&self->part, incident);
    if (!self->part.failed)
        lb_alert_notice_part(&self->entry, LB_ALERT_ENTRY_INCIDENT, lb_buffer_str(&self->part));
}

void lb_notifier_send(struct lb_alert_notifier *self)
{
    if (self->entry.failed) {
        self->lost++;
        LB_ERROR(MODULE, "alert lost, no memory");
        return;
    }
    lb_alert_outbox_add(self->outbox, lb_buffer_str(&self->entry));
}

/* What was done to its service in the hour before it began: the same for all its notices. */
static struct lb_str deploy_of(struct lb_alert_notifier *self, const struct lb_alert_event *event)
{
    struct lb_str service = LB_STR("");
    struct lb_str value;
    size_t at = 0;

    if (self->markers == NULL)
        return LB_STR("");
    for (size_t i = 0; lb_alert_key_next(event->rule, event->key, i, &at, &value); i++)
        if (lb_str_is(event->rule->by.items[i], "service"))
            service = value;
    return (struct lb_str){ self->deploy, lb_markers_newest(self->markers, service, event->started, LB_MARKER_NEAR_NS,
                                                            self->deploy) };
}

void lb_notifier_emit(struct lb_alert_notifier *self, struct lb_incident *incident, uint64_t sinks,
                      const struct lb_notifier_words *words)
{
    struct lb_alert_event event;

    if (sinks == 0)
        return;
    incident->sequence++;
    struct lb_alert_key *key = lb_notifier_key(self, incident);
    if (lb_notifier_is_unknown(incident))
        lb_notifier_fill_unknown(self, incident, &event);
    else
        lb_alert_event_fill(&event, incident, key, words->notice);
    event.rule = lb_notifier_rule(self, incident);
    if (lb_notifier_is_own(event.rule))
        event.reason = lb_notifier_finding_text(self, incident);
    event.previous = words->previous;
    event.note = words->reason;
    event.links = true;
    event.deploy = deploy_of(self, &event);
    if (!lb_notifier_compose(self, &event, sinks))
        return;
    lb_notifier_put_incident(self, incident);
    lb_notifier_send(self);
    if (key != NULL)
        key->held_back = 0;
}

/* --- where it leads ------------------------------------------------------- */

bool lb_notifier_record(struct lb_alert_notifier *self, const struct lb_incident *incident, struct lb_record *record)
{
    enum lb_alert_notice notice = lb_incident_is_open(incident) ? LB_NOTICE_UPDATED : LB_NOTICE_FIRING;
    struct lb_alert_event event;

    lb_arena_reset(&self->arena, ARENA_KEEP);
    lb_alert_event_fill(&event, incident, NULL, incident->severity == LB_ALERT_QUIET ? LB_NOTICE_RESOLVED : notice);
    event.rule = lb_notifier_rule(self, incident);
    if (lb_notifier_is_own(event.rule))
        event.reason = lb_notifier_finding_text(self, incident);
    return lb_alert_event_record(&event, self->alerting, &self->arena, record);
}

static void add_way(struct lb_notifier_ways *ways, uint64_t route, uint64_t sinks)
{
    if (sinks == 0)
        return;
    for (uint32_t i = 0; i < ways->count; i++) {
        if (ways->items[i].route == route) {
            ways->items[i].sinks |= sinks;
            return;
        }
    }
    /* The last lane is kept for those that tell at once, so that nobody is forgotten. */
    if (ways->count + 1 < LB_INCIDENT_LANES_MAX)
        ways->items[ways->count++] = (struct lb_notifier_way){ route, sinks };
    else
        ways->items[0].sinks |= sinks;
}

/* That a channel is down is told by the others. */
static void leave_out(struct lb_notifier_ways *ways, uint64_t sinks)
{
    for (uint32_t i = 0; i < ways->count; i++)
        ways->items[i].sinks &= ~sinks;
}

/* The route counts now. Otherwise the alert is looked at again when it does. */
static bool is_open(const struct lb_alert_notifier *self, struct lb_incident *incident, const struct lb_calendar *hours)
{
    struct lb_span span;

    if (hours == NULL || lb_calendar_find(hours, self->now, NULL))
        return true;
    if (lb_calendar_next(hours, self->now, &span))
        lb_notifier_due(incident, span.from);
    return false;
}

/* A sink that several routes lead to is told by the first of them. */
void lb_notifier_match(struct lb_alert_notifier *self, struct lb_incident *incident, const struct lb_record *record,
                       struct lb_notifier_ways *ways)
{
    const struct lb_alerting *alerting = self->alerting;
    uint64_t claimed = 0;

    for (uint32_t i = 0; i < alerting->route_count; i++) {
        self->scratch.used = 0;
        uint64_t sinks = lb_route_match(&alerting->routes[i], 1, record, &self->scratch);

        if (sinks == 0 || (alerting->manners != NULL && !is_open(self, incident, alerting->manners[i].hours)))
            continue;
        add_way(ways, alerting->manners != NULL ? alerting->manners[i].print : 0, sinks & ~claimed);
        claimed |= sinks;
        if (alerting->routes[i].stop)
            break;
    }
    if (incident->rule != NULL)
        add_way(ways, 0, incident->rule->sinks & ~claimed);
    if (lb_notifier_is_own(incident->rule))
        add_way(ways, 0, alerting->self.sinks & ~claimed);
    if (incident->rule == &lb_notifier_down_rule)
        leave_out(ways, self->down);
}

const struct lb_alert_manner *lb_notifier_manner(const struct lb_alert_notifier *self, uint64_t route)
{
    const struct lb_alerting *alerting = self->alerting;

    for (uint32_t i = 0; route != 0 && alerting->manners != NULL && i < alerting->route_count; i++)
        if (alerting->manners[i].print == route)
            return &alerting->manners[i];
    return NULL;
}

struct lb_alert_policy lb_notifier_policy(struct lb_alert_notifier *self, const struct lb_incident *incident,
                                          const struct lb_alert_manner *manner)
{
    const struct lb_alert_rule *rule = lb_notifier_rule(self, incident);
    struct lb_alert_policy policy = { .cooldown_ns = rule->cooldown_ns, .repeat_ns = rule->repeat_ns };

    if (manner != NULL && manner->repeat_ns > 0)
        policy.repeat_ns = manner->repeat_ns;
    if (incident->acked_ns != LB_TIME_NONE)
        policy.repeat_ns = 0;
    return policy;
}

/* --- telling -------------------------------------------------------------- */

static struct lb_str why_closed(const struct lb_alert_notifier *self)
{
    return self->closing != NULL ? lb_str_from(self->closing) : LB_STR("");
}

/* Whoever was told that it fires, and where it leads now. */
uint64_t lb_notifier_told_now(const struct lb_alert_notifier *self, struct lb_alert_lane *lane, uint64_t wanted)
{
    lane->sinks = lb_notifier_detour(self, lane->sinks | wanted);
    return lane->sinks;
}

static void hush(struct lb_alert_notifier *self, struct lb_incident *incident, struct lb_alert_lane *lane)
{
    if (lane->hushed || lane->told.severity == LB_ALERT_QUIET)
        return;
    lane->hushed = true;
    lb_notifier_emit(self, incident, lane->sinks,
                     &(struct lb_notifier_words){ LB_NOTICE_SUPPRESSED, LB_ALERT_QUIET, lb_str_from(self->reason) });
}

/* What held it back is over: how it stands. */
static void tell_again(struct lb_alert_notifier *self, struct lb_incident *incident, struct lb_alert_lane *lane,
                       uint64_t wanted)
{
    struct lb_notifier_words words = { LB_NOTICE_FIRING, LB_ALERT_QUIET,
                                       LB_STR("it goes on; what held it back is over") };

    lane->hushed = false;
    lane->told = (struct lb_alert_told){ self->now, incident->severity, incident->severity };
    lb_notifier_emit(self, incident, lb_notifier_told_now(self, lane, wanted), &words);
}

static void tell_end(struct lb_alert_notifier *self, struct lb_incident *incident, struct lb_alert_lane *lane,
                     int8_t previous)
{
    uint64_t sinks = lane->sinks;

    lb_alert_lane_end(lane);
    lb_notifier_emit(self, incident, sinks,
                     &(struct lb_notifier_words){ LB_NOTICE_RESOLVED, previous, why_closed(self) });
}

/* One more occurrence is told when the cooldown is over, while nobody works on it. */
static bool occurs(const struct lb_alert_notifier *self, const struct lb_incident *incident, struct lb_alert_lane *lane,
                   const struct lb_alert_policy *policy)
{
    if (!incident->occurred || incident->late || incident->acked_ns != LB_TIME_NONE ||
        lane->told.severity == LB_ALERT_QUIET || !lb_alert_cooled_down(&lane->told, policy, self->now))
        return false;
    lane->told.notified_ns = self->now;
    return true;
}

static void tell_change(struct lb_alert_notifier *self, struct lb_incident *incident, struct lb_alert_lane *lane,
                        uint64_t wanted)
{
    struct lb_alert_policy policy = lb_notifier_policy(self, incident, lb_notifier_manner(self, lane->route));
    int8_t previous = lane->told.severity;
    enum lb_alert_notice notice;

    if (incident->severity != LB_ALERT_QUIET && (lane->sinks | wanted) == 0)
        return;
    /* What was held back of `each` is not told later, only how many it was. */
    if (lb_notifier_rule(self, incident)->each && previous == LB_ALERT_QUIET && !incident->occurred)
        return;
    notice = lb_alert_tell(&lane->told, &policy, incident->severity, self->now, incident->late);
    if (notice == LB_NOTICE_NONE && lb_notifier_rule(self, incident)->each && occurs(self, incident, lane, &policy))
        notice = LB_NOTICE_REPEATED;
    if (notice == LB_NOTICE_FIRING)
        lane->since = self->now;
    if (notice == LB_NOTICE_RESOLVED)
        tell_end(self, incident, lane, previous);
    else if (notice != LB_NOTICE_NONE)
        lb_notifier_emit(self, incident, lb_notifier_told_now(self, lane, wanted),
                         &(struct lb_notifier_words){ notice, previous, LB_STR("") });
    if (!incident->late)
        lb_notifier_due(incident, lb_alert_tell_again(&lane->told, &policy, incident->severity));
}

/* --- escalation ----------------------------------------------------------- */

static const struct lb_alert_escalation *steps_of(struct lb_alert_notifier *self, const struct lb_incident *incident,
                                                  const struct lb_alert_lane *lane)
{
    const struct lb_alert_manner *manner = lb_notifier_manner(self, lane->route);

    if (manner != NULL && manner->escalate.count > 0)
        return &manner->escalate;
    return &lb_notifier_rule(self, incident)->escalate;
}

struct lb_str lb_notifier_say_nobody_came(struct lb_alert_notifier *self, int64_t after)
{
    struct lb_buffer words;

    lb_buffer_init(&words, 64);
    lb_alert_duration_write(&words, after);
    struct lb_str reason = lb_notifier_say(self, "nobody acknowledged it for " LB_STR_FMT, LB_STR_ARG(words));
    lb_buffer_free(&words);
    return reason;
}

const struct lb_alert_call_up *lb_notifier_next_step(struct lb_alert_notifier *self, const struct lb_incident *incident,
                                                     struct lb_alert_lane *lane, int64_t *at)
{
    const struct lb_alert_escalation *steps = steps_of(self, incident, lane);
    bool fires = incident->severity != LB_ALERT_QUIET || incident->flapping;

    *at = INT64_MAX;
    if (lane->told.severity == LB_ALERT_QUIET || !fires || incident->acked_ns != LB_TIME_NONE ||
        lane->step >= steps->count)
        return NULL;
    *at = lane->since + steps->items[lane->step].after_ns;
    return self->now >= *at ? &steps->items[lane->step++] : NULL;
}

void lb_notifier_escalate(struct lb_alert_notifier *self, struct lb_incident *incident, uint32_t index)
{
    struct lb_alert_lane *lane = &incident->lanes[index];
    const struct lb_alert_call_up *step;
    int64_t at;

    while ((step = lb_notifier_next_step(self, incident, lane, &at)) != NULL) {
        uint64_t sinks = lb_notifier_detour(self, step->sinks);

        lane->sinks |= sinks;
        lb_notifier_emit(self, incident, sinks,
                         &(struct lb_notifier_words){ LB_NOTICE_ESCALATED, LB_ALERT_QUIET,
                                                      lb_notifier_say_nobody_came(self, step->after_ns) });
    }
    lb_notifier_due(incident, at);
}

void lb_notifier_lane(struct lb_alert_notifier *self, struct lb_incident *incident, uint32_t index, uint64_t wanted)
{
    struct lb_alert_lane *lane = &incident->lanes[index];

    if (incident->held && incident->severity != LB_ALERT_QUIET) {
        hush(self, incident, lane);
        return;
    }
    if (lane->hushed && incident->severity != LB_ALERT_QUIET)
        tell_again(self, incident, lane, wanted);
    else
        tell_change(self, incident, lane, wanted);
    lb_notifier_escalate(self, incident, index);
}
