/*
 * alert_unknown.c - that a rule cannot be judged, for its source is behind.
 *
 * It is an incident of the rule and of no key: so that who was told hears its
 * end too when logboom is started anew, the rule is changed, or it is gone.
 * Unlike an alert it is told once, by the routes of that moment, and nothing
 * but its end follows.
 */
#include "alert_notifier_parts.h"

#include "lb_clock.h"
#include "lb_log.h"
#include "lb_route.h"

#define MODULE "route.alert"
#define WORD LB_STR("unknown") /* instead of a key, which is empty or has a `=` */

enum { ARENA_KEEP = 256 * 1024 };

bool lb_notifier_is_unknown(const struct lb_incident *incident)
{
    return lb_str_equal(lb_incident_key(incident), WORD);
}

void lb_notifier_fill_unknown(struct lb_alert_notifier *self, const struct lb_incident *incident,
                              struct lb_alert_event *event)
{
    bool fires = incident->severity != LB_ALERT_QUIET;

    *event = (struct lb_alert_event){ .rule = lb_notifier_rule(self, incident),
                                      .notice = fires ? LB_NOTICE_UNKNOWN : LB_NOTICE_KNOWN,
                                      .severity = fires ? incident->severity : incident->last,
                                      .previous = LB_ALERT_QUIET,
                                      .at = incident->at,
                                      .started = incident->started,
                                      .blind = incident->count,
                                      .id = incident->id,
                                      .fingerprint = { incident->fingerprint[0], incident->fingerprint[1] },
                                      .sequence = incident->sequence };
}

static uint64_t sinks_of(struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    const struct lb_alerting *alerting = self->alerting;
    uint64_t sinks = incident->rule->sinks;
    struct lb_alert_event event;
    struct lb_record record;

    lb_notifier_fill_unknown(self, incident, &event);
    lb_arena_reset(&self->arena, ARENA_KEEP);
    self->scratch.used = 0;
    if (lb_alert_event_record(&event, alerting, &self->arena, &record))
        sinks |= lb_route_match(alerting->routes, alerting->route_count, &record, &self->scratch);
    return lb_notifier_detour(self, sinks);
}

static void begin(struct lb_alert_notifier *self, struct lb_incident *incident, const struct lb_alert_event *event)
{
    struct lb_alert_lane *lane = lb_incident_lane(incident, 0);

    if (lane == NULL) {
        LB_ERROR(MODULE, "that a rule cannot be judged is not told, no memory rule=" LB_STR_FMT,
                 LB_STR_ARG(event->rule->name));
        return;
    }
    incident->id = event->id;
    incident->sequence = 0;
    incident->severity = incident->last = event->severity;
    incident->started = event->started;
    incident->at = event->at;
    incident->count = event->blind;
    incident->changed_ns = self->now;
    lane->sinks = sinks_of(self, incident);
    lane->told = (struct lb_alert_told){ self->now, incident->severity, incident->severity };
    lb_notifier_emit(self, incident, lane->sinks,
                     &(struct lb_notifier_words){ LB_NOTICE_UNKNOWN, LB_ALERT_QUIET, LB_STR("") });
}

void lb_notifier_end_unknown(struct lb_alert_notifier *self, struct lb_incident *incident, const char *why)
{
    uint64_t sinks = lb_incident_sinks(incident);

    incident->doubt_until = LB_TIME_NONE;
    incident->dirty = false;
    incident->due_ns = INT64_MAX;
    lb_notifier_schedule(self, incident);
    if (incident->severity == LB_ALERT_QUIET)
        return;
    incident->severity = LB_ALERT_QUIET;
    incident->at = incident->changed_ns = self->now;
    for (uint32_t i = 0; i < incident->lane_count; i++) {
        incident->lanes[i].sinks = 0;
        incident->lanes[i].told.severity = LB_ALERT_QUIET;
    }
    lb_notifier_emit(
        self, incident, sinks,
        &(struct lb_notifier_words){ LB_NOTICE_KNOWN, LB_ALERT_QUIET, why != NULL ? lb_str_from(why) : LB_STR("") });
}

void lb_notifier_report_unknown(struct lb_alert_notifier *self, const struct lb_alert_report *report)
{
    const struct lb_alert_rule *rule = report->runner->rule;
    struct lb_alert_event event;
    struct lb_incident *incident;

    lb_alert_event_rule(&event, report);
    incident = lb_incidents_find(&self->incidents, event.fingerprint);
    if (report->notice == LB_NOTICE_KNOWN) {
        if (incident == NULL)
            return;
        lb_notifier_end_unknown(self, incident, NULL);
        return;
    }
    if (incident == NULL)
        incident = lb_incidents_add(&self->incidents, event.fingerprint, rule->name, WORD);
    if (incident == NULL)
        return; /* no room; tried again, for it is reported as long as it lasts */
    incident->rule = rule;
    incident->doubt_until = LB_TIME_NONE;
    if (incident->severity == LB_ALERT_QUIET)
        begin(self, incident, &event);
}
