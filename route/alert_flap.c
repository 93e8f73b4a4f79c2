/*
 * alert_flap.c - what comes and goes: an end that waits, and flapping.
 *
 * An alert that ends soon may come back soon. So the end of a short one, and
 * of one that has just come back, is told when it has lasted for `settle`; until
 * then people know that it fires, and that stays true if it does again. When
 * it comes back for the second time so, they are told that it flaps, and no
 * more until it is stable. Both follow from the times of the last transitions,
 * which are on disk with the incident; nothing else has to be remembered.
 */
#include "alert_notifier_parts.h"

#include "lb_clock.h"

#define STABLE_NS (600 * LB_SECOND)     /* without a transition: it does not flap any more */
#define SETTLE_MOST (300 * LB_SECOND)   /* of what follows from `hold` */
#define SHORTEST_MOST (600 * LB_SECOND) /* a longer window says little about how soon an alert may come back */

enum { SETTLE_HOLDS = 4, FLAP_HOLDS = 10 };

/* --- how soon it could come back ------------------------------------------ */

/* How long a dip is bridged. */
static int64_t hold_of(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    const struct lb_alert_runner *runner = lb_notifier_runner(self, incident);
    int64_t hold = runner != NULL ? runner->policy.bridge_ns : 0;

    return hold > self->alerting->lateness_ns ? hold : self->alerting->lateness_ns;
}

/* One burst of records fires for so long, and for `hold` more; what looks at the newest only is fine with the next. */
static int64_t window_of(const struct lb_incident *incident)
{
    const struct lb_alert_rule *rule = incident->rule;
    bool newest = rule->function == LB_ALERT_LAST || rule->function == LB_ALERT_CONSECUTIVE || rule->absent ||
                  rule->probe != LB_PROBE_NONE;

    if (newest)
        return 0;
    return rule->over_ns < SHORTEST_MOST ? rule->over_ns : SHORTEST_MOST;
}

/*
 * Two times fired and ended cannot take less than two windows and two `hold`; with no more than four `hold` between
 * them on the average, they are flapping.
 */
static int64_t flap_window(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    return FLAP_HOLDS * hold_of(self, incident) + 2 * window_of(incident);
}

static int64_t settle_of(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    int64_t settle = incident->rule->settle_ns;

    if (settle != LB_ALERT_SETTLE_BY_HOLD)
        return settle;
    settle = SETTLE_HOLDS * hold_of(self, incident);
    return settle < SETTLE_MOST ? settle : SETTLE_MOST;
}

/* The last `count` transitions lie within `span`. */
static bool within(const struct lb_incident *incident, int count, int64_t span)
{
    int64_t first = incident->flaps[count - 1];

    return first != LB_TIME_NONE && incident->flaps[0] - first <= span;
}

/* Its transitions say something: not of what is no more, or where each occurrence is one of its own. */
static bool is_watched(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    return incident->rule != NULL && !incident->rule->each && !incident->late && self->closing == NULL;
}

/* --- an end that waits ---------------------------------------------------- */

bool lb_notifier_waits(const struct lb_alert_notifier *self, const struct lb_incident *incident, int64_t *until)
{
    int64_t settle;

    if (incident->severity != LB_ALERT_QUIET || incident->flapping || !is_watched(self, incident))
        return false;
    settle = settle_of(self, incident);
    *until = incident->changed_ns + settle;
    /* It was short, or had come back. The clock may have been set back since. */
    return self->now >= incident->changed_ns && self->now < *until &&
           (within(incident, 2, window_of(incident) + 2 * hold_of(self, incident)) ||
            within(incident, 3, flap_window(self, incident)));
}

/* --- flapping ------------------------------------------------------------- */

static bool begins_to_flap(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    return is_watched(self, incident) && within(incident, LB_INCIDENT_FLAPS, flap_window(self, incident));
}

/* `words`: to all who know of it or have to; who hears them knows that it fires. */
static void tell_all(struct lb_alert_notifier *self, struct lb_incident *incident, const struct lb_notifier_ways *ways,
                     const struct lb_notifier_words *words)
{
    int8_t severity = incident->severity != LB_ALERT_QUIET ? incident->severity : incident->last;

    for (uint32_t i = 0; i < ways->count; i++)
        (void)lb_incident_lane(incident, ways->items[i].route);
    for (uint32_t i = 0; i < incident->lane_count; i++) {
        struct lb_alert_lane *lane = &incident->lanes[i];
        const struct lb_alert_manner *manner = lb_notifier_manner(self, lane->route);
        uint64_t wanted = 0;

        for (uint32_t n = 0; n < ways->count; n++)
            if (ways->items[n].route == lane->route)
                wanted = ways->items[n].sinks;
        if ((manner != NULL && manner->grouped) || (lane->sinks | wanted) == 0)
            continue;
        if (lane->told.severity == LB_ALERT_QUIET)
            lane->since = self->now;
        lane->told = (struct lb_alert_told){ self->now, severity, severity };
        lb_notifier_emit(self, incident, lb_notifier_told_now(self, lane, wanted), words);
    }
}

static void begin_flapping(struct lb_alert_notifier *self, struct lb_incident *incident,
                           const struct lb_notifier_ways *ways)
{
    incident->flapping = true;
    incident->flap_count = LB_INCIDENT_FLAPS;
    struct lb_str reason = lb_notifier_say(self, "flapping (%d transitions); not told again until it is stable for 10m",
                                           LB_INCIDENT_FLAPS);
    tell_all(self, incident, ways, &(struct lb_notifier_words){ LB_NOTICE_FLAPPING, LB_ALERT_QUIET, reason });
}

/* What fires is told as it stands; what is over ends in the usual way, and says how often it came. */
static void end_flapping(struct lb_alert_notifier *self, struct lb_incident *incident,
                         const struct lb_notifier_ways *ways)
{
    struct lb_str reason =
        lb_notifier_say(self, "stable after %llu transitions", (unsigned long long)incident->flap_count);

    incident->flapping = false;
    incident->flap_count = 0;
    for (int i = 0; i < LB_INCIDENT_FLAPS; i++)
        incident->flaps[i] = LB_TIME_NONE;
    if (incident->severity != LB_ALERT_QUIET) {
        tell_all(self, incident, ways, &(struct lb_notifier_words){ LB_NOTICE_UPDATED, LB_ALERT_QUIET, reason });
        return;
    }
    for (uint32_t i = 0; i < incident->lane_count; i++) {
        struct lb_alert_lane *lane = &incident->lanes[i];
        uint64_t sinks = lane->sinks;

        if (lane->told.severity == LB_ALERT_QUIET || lane->group != 0)
            continue;
        lb_alert_lane_end(lane);
        lb_notifier_emit(self, incident, sinks,
                         &(struct lb_notifier_words){ LB_NOTICE_RESOLVED, LB_ALERT_QUIET, reason });
    }
}

/* Worse than what anybody knows of is told, however often it came and went; a group tells it when it may. */
static bool is_worse(const struct lb_incident *incident)
{
    for (uint32_t i = 0; i < incident->lane_count; i++)
        if (incident->lanes[i].group == 0 && incident->lanes[i].sinks != 0 &&
            incident->severity > incident->lanes[i].told.severity)
            return true;
    return false;
}

/* True: until it is stable. */
static bool still_flaps(struct lb_alert_notifier *self, struct lb_incident *incident,
                        const struct lb_notifier_ways *ways)
{
    if (!incident->flapping) {
        if (!begins_to_flap(self, incident))
            return false;
        begin_flapping(self, incident, ways);
    } else if (self->now >= incident->changed_ns + STABLE_NS) {
        end_flapping(self, incident, ways);
        return false;
    } else if (is_worse(incident)) {
        tell_all(
            self, incident, ways,
            &(struct lb_notifier_words){ LB_NOTICE_UPDATED, LB_ALERT_QUIET, LB_STR("it flaps, and is worse now") });
    }
    lb_notifier_due(incident, incident->changed_ns + STABLE_NS);
    return true;
}

bool lb_notifier_flaps(struct lb_alert_notifier *self, struct lb_incident *incident,
                       const struct lb_notifier_ways *ways)
{
    int64_t until;

    if (still_flaps(self, incident, ways))
        return true;
    if (!lb_notifier_waits(self, incident, &until))
        return false;
    lb_notifier_due(incident, until);
    return true;
}
