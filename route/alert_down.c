/*
 * alert_down.c - a channel that does not deliver: the others are told, and
 * what it cannot tell goes another way.
 *
 * A sink fails since its first try that did not succeed. When it has failed
 * for as long as its `else_after`, it counts as down: an alert `channel_down`
 * of it begins, all that it should tell from then on also goes to its `else`,
 * and so does what it was given since it fails and still stands. It gets
 * everything all the same, when it takes it again.
 */
#include "alert_notifier_parts.h"

#include "alert_text.h"
#include "lb_clock.h"

#define DETOUR_NOTE "its channel takes no alerts, so you are told"
#define TRY_NS (30 * LB_SECOND) /* a first try has failed so long after it was given the notice, at the most */

static struct lb_str down_by[] = { { "sink", 4 } };

const struct lb_alert_rule lb_notifier_down_rule = {
    .name = { "channel_down", 12 },
    .by = { down_by, 1 },
};

/* --- where alerts go meanwhile -------------------------------------------- */

/* An `else` may be down too, and have one of its own. */
uint64_t lb_notifier_detour(const struct lb_alert_notifier *self, uint64_t sinks)
{
    const struct lb_alert_detour *detours = self->alerting->detours;
    uint64_t down = self->down & sinks;
    uint64_t seen = 0;

    while (down != 0 && detours != NULL) {
        int sink = __builtin_ctzll(down);

        seen |= UINT64_C(1) << sink;
        sinks |= detours[sink].sinks;
        down = self->down & sinks & ~seen;
    }
    return sinks;
}

static uint64_t called(const struct lb_alert_escalation *steps)
{
    uint64_t sinks = 0;

    for (uint32_t i = 0; i < steps->count; i++)
        sinks |= steps->items[i].sinks;
    return sinks;
}

/* Whoever alerts may ever go to. */
uint64_t lb_notifier_alerted(const struct lb_alerting *alerting)
{
    uint64_t sinks = alerting->self.enabled ? alerting->self.sinks : 0;

    for (uint32_t i = 0; i < alerting->route_count; i++) {
        sinks |= alerting->routes[i].sinks;
        if (alerting->manners != NULL)
            sinks |= called(&alerting->manners[i].escalate);
    }
    for (uint32_t i = 0; i < alerting->rule_count; i++)
        sinks |= alerting->rules[i].sinks | called(&alerting->rules[i].escalate);
    return sinks;
}

/* What was given to it since it fails, or just before, and still stands, it has not told. */
static void tell_elsewhere(struct lb_alert_notifier *self, uint64_t sink, int64_t since)
{
    uint64_t others = lb_notifier_detour(self, sink) & ~sink;

    for (struct lb_incident *each = self->incidents.first; each != NULL && others != 0; each = each->next) {
        for (uint32_t i = 0; i < each->lane_count; i++) {
            struct lb_alert_lane *lane = &each->lanes[i];
            uint64_t new = others & ~lb_incident_sinks(each);

            if ((lane->sinks & sink) == 0 || lane->group != 0 || lane->told.severity == LB_ALERT_QUIET || new == 0 ||
                lane->told.notified_ns < since - TRY_NS)
                continue;
            lane->sinks |= new;
            lb_notifier_emit(self, each, new,
                             &(struct lb_notifier_words){ LB_NOTICE_FIRING, LB_ALERT_QUIET, LB_STR(DETOUR_NOTE) });
        }
    }
    for (struct lb_alert_group *group = self->groups.first; group != NULL; group = group->next)
        if ((group->sinks & sink) != 0 && group->sent_ns >= since - TRY_NS && group->waiting_ns == LB_TIME_NONE)
            group->waiting_ns = self->now;
}

/* --- the alert of it ------------------------------------------------------ */

static struct lb_incident *incident_of(struct lb_alert_notifier *self, uint32_t sink, bool add)
{
    struct lb_buffer key;
    struct lb_incident *incident;
    uint64_t fingerprint[2];

    lb_buffer_init(&key, LB_KEY_BYTES_MAX + 8);
    lb_buffer_print(&key, "sink=" LB_STR_FMT, LB_STR_ARG(self->alerting->sink_names.items[sink]));
    lb_alert_fingerprint(lb_notifier_down_rule.name, lb_buffer_str(&key), fingerprint);
    incident = lb_incidents_find(&self->incidents, fingerprint);
    if (incident == NULL && add)
        incident = lb_incidents_add(&self->incidents, fingerprint, lb_notifier_down_rule.name, lb_buffer_str(&key));
    lb_buffer_free(&key);
    if (incident != NULL)
        incident->rule = &lb_notifier_down_rule;
    return incident;
}

static void stand(struct lb_alert_notifier *self, struct lb_incident *incident, bool fires)
{
    incident->at = self->now;
    incident->changed_ns = self->now;
    incident->severity = fires ? LB_SEVERITY_HIGH : LB_ALERT_QUIET;
    incident->last = LB_SEVERITY_HIGH;
    incident->doubt_until = LB_TIME_NONE;
    lb_notifier_settle(self, incident);
}

static void begin(struct lb_alert_notifier *self, uint32_t sink, int64_t since)
{
    struct lb_incident *incident = incident_of(self, sink, true);

    if (incident == NULL || incident->severity != LB_ALERT_QUIET)
        return;
    uint64_t parts[2] = { incident->fingerprint[0], (uint64_t)since };
    incident->id = lb_alert_hash((struct lb_str){ (const char *)parts, sizeof(parts) });
    incident->sequence = 0;
    incident->acked_ns = LB_TIME_NONE;
    incident->started = since;
    stand(self, incident, true);
}

/* One that an earlier run has told is not over before the sink had time to fail again. */
static void end(struct lb_alert_notifier *self, uint32_t sink)
{
    struct lb_incident *incident = incident_of(self, sink, false);

    if (incident == NULL || incident->severity == LB_ALERT_QUIET ||
        (incident->doubt_until != LB_TIME_NONE && self->now < incident->doubt_until))
        return;
    stand(self, incident, false);
}

void lb_notifier_watch(struct lb_alert_notifier *self)
{
    const struct lb_alerting *alerting = self->alerting;
    const struct lb_alert_outside *outside = self->outside;
    uint64_t sinks = alerting->detours != NULL ? lb_notifier_alerted(alerting) : 0;

    if (outside == NULL || outside->failing == NULL)
        return;
    for (; sinks != 0; sinks &= sinks - 1) {
        uint32_t sink = (uint32_t)__builtin_ctzll(sinks);
        uint64_t bit = UINT64_C(1) << sink;
        int64_t since = outside->failing(outside->context, alerting->detours[sink].labels);
        bool down = since != 0 && self->now - since >= alerting->detours[sink].after_ns;
        bool was = (self->down & bit) != 0;

        self->down = down ? self->down | bit : self->down & ~bit;
        if (!down) {
            end(self, sink);
            continue;
        }
        if (!was)
            tell_elsewhere(self, bit, since);
        begin(self, sink, since);
    }
}
