/*
 * alert_known.c - what the notifier knows, over a restart and a reload.
 *
 * A snapshot holds all of it at one moment; the journal holds what was decided
 * since, each entry with the incidents as they stood then. The rules' windows
 * stand where the snapshot does, so the same records will be looked at again:
 * what comes of them up to the event time of the last entry of an incident was
 * decided, and is left out.
 */
#include "alert_notifier_parts.h"

#include "lb_clock.h"
#include "lb_log.h"

#define MODULE "route.alert"
#define DOUBT_LEAST (30 * LB_SECOND)
#define DOUBT_MOST (600 * LB_SECOND)
#define OWN_DOUBT (360 * LB_SECOND) /* the longest that something has to be wrong with logboom itself, and a minute */

enum { VERSION = 1 };

/* --- as bytes ------------------------------------------------------------- */

void lb_alert_notifier_write(struct lb_buffer *out, const struct lb_alert_notifier *self)
{
    lb_alert_put_number(out, VERSION);
    lb_alert_put_number(out, self->incidents.count);
    for (const struct lb_incident *each = self->incidents.first; each != NULL; each = each->next)
        lb_incident_write(out, each);
    lb_alert_put_number(out, self->groups.count);
    for (const struct lb_alert_group *each = self->groups.first; each != NULL; each = each->next)
        lb_alert_group_write(out, each);
}

bool lb_alert_notifier_read(struct lb_alert_notifier *self, struct lb_str text, const uint64_t sinks[64])
{
    struct lb_alert_bytes bytes = { text.ptr, text.len, false };
    uint64_t version = lb_alert_take_number(&bytes);
    uint64_t count = lb_alert_take_number(&bytes);
    bool ok = version == VERSION;

    for (; ok && count > 0; count--)
        ok = lb_incident_read(&self->incidents, &bytes, sinks) != NULL;
    count = ok ? lb_alert_take_number(&bytes) : 0;
    for (; ok && count > 0; count--)
        ok = lb_alert_group_read(&self->groups, &bytes, sinks);
    if (ok && !bytes.bad)
        return true;
    lb_incidents_free(&self->incidents);
    lb_alert_groups_free(&self->groups);
    return false;
}

void lb_alert_notifier_redo(struct lb_alert_notifier *self, struct lb_alert_read *entry)
{
    struct lb_alert_bytes bytes;
    enum lb_alert_entry_part part;

    while (lb_alert_notice_next(entry, &part, &bytes)) {
        if (part == LB_ALERT_ENTRY_GROUP) {
            if (!lb_alert_group_read(&self->groups, &bytes, entry->map))
                LB_WARN(MODULE, "a group of alerts in the journal is not readable and begins anew");
            continue;
        }
        struct lb_incident *incident = lb_incident_read(&self->incidents, &bytes, entry->map);

        if (incident == NULL)
            LB_WARN(MODULE, "an alert in the journal is not readable; it may be told again");
        else
            incident->replayed_until = incident->at;
    }
}

/* --- where rules are ------------------------------------------------------ */

/* The channel that a `channel_down` is of. */
static int32_t find_sink(const struct lb_alerting *alerting, const struct lb_incident *incident)
{
    struct lb_str key = lb_incident_key(incident);

    for (size_t i = 0; i < alerting->sink_names.count; i++) {
        struct lb_str name = alerting->sink_names.items[i];

        if (key.len == name.len + 5 && memcmp(key.ptr + 5, name.ptr, name.len) == 0)
            return (int32_t)i;
    }
    return -1;
}

static const struct lb_alert_rule *find_rule(const struct lb_alerting *alerting, struct lb_str name)
{
    if (lb_notifier_own_rule(name) != NULL)
        return lb_notifier_own_rule(name);
    for (uint32_t i = 0; i < alerting->rule_count; i++)
        if (lb_str_equal(alerting->rules[i].name, name))
            return &alerting->rules[i];
    return NULL;
}

/* For how long it may take until the rule has heard again of what it knew. */
static int64_t doubt_of(const struct lb_incident *incident)
{
    const struct lb_alert_rule *rule = incident->rule;
    int64_t time = rule->over_ns > rule->hold_ns ? rule->over_ns : rule->hold_ns;

    if (time > DOUBT_MOST)
        time = DOUBT_MOST;
    /* It has to miss something for so long first. */
    return DOUBT_LEAST + time + (lb_notifier_is_unknown(incident) ? rule->unknown_ns : 0);
}

static void attach(struct lb_alert_notifier *self, struct lb_incident *incident)
{
    const struct lb_alert_key *key;

    incident->rule = find_rule(self->alerting, lb_incident_rule(incident));
    lb_notifier_touch(self, incident);
    if (incident->rule == NULL || incident->rule->shadow) {
        lb_notifier_close(self, incident, "its rule is no more");
        return;
    }
    if (incident->severity == LB_ALERT_QUIET)
        return;
    if (incident->rule == &lb_notifier_down_rule) {
        int32_t sink = find_sink(self->alerting, incident);

        if (sink < 0 || self->alerting->detours == NULL)
            lb_notifier_close(self, incident, "the sink is no more");
        else
            incident->doubt_until = self->now + DOUBT_LEAST + self->alerting->detours[sink].after_ns;
        return;
    }
    if (lb_notifier_is_own(incident->rule)) {
        incident->doubt_until = self->now + OWN_DOUBT;
        return;
    }
    key = lb_notifier_key(self, incident);
    if (key == NULL || key->state.severity == LB_ALERT_QUIET)
        incident->doubt_until = self->now + doubt_of(incident);
}

/* Over a restart nobody says which routes are no more: what they told is the group's that is left. */
static const uint64_t same[64] = {
#define BIT(n) UINT64_C(1) << (n)
#define BITS(n) BIT(n), BIT((n) + 1), BIT((n) + 2), BIT((n) + 3), BIT((n) + 4), BIT((n) + 5), BIT((n) + 6), BIT((n) + 7)
    BITS(0), BITS(8), BITS(16), BITS(24), BITS(32), BITS(40), BITS(48), BITS(56)
#undef BITS
#undef BIT
};

void lb_alert_notifier_begin(struct lb_alert_notifier *self, int64_t now)
{
    self->now = now;
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next)
        attach(self, each);
    lb_alert_groups_change(self, same);
    lb_notifier_begin_outage(self);
}

/* --- a reload ------------------------------------------------------------- */

void lb_alert_notifier_change(struct lb_alert_notifier *self, const struct lb_alerting *alerting,
                              const uint64_t sinks[64])
{
    self->alerting = alerting;
    self->down = lb_alert_map_sinks(self->down, sinks);
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        for (uint32_t i = 0; i < each->lane_count; i++)
            each->lanes[i].sinks = lb_alert_map_sinks(each->lanes[i].sinks, sinks);
        each->rule = find_rule(alerting, lb_incident_rule(each));
        lb_notifier_touch(self, each);
        if (lb_notifier_is_unknown(each) && each->severity != LB_ALERT_QUIET) {
            /* If it lasts the rule says so again. */
            if (each->rule == NULL)
                lb_notifier_close(self, each, "its rule is no more");
            else
                each->doubt_until = self->now + doubt_of(each);
        }
        if (each->rule == &lb_notifier_down_rule && find_sink(alerting, each) < 0)
            lb_notifier_close(self, each, "the sink is no more");
    }
    lb_alert_groups_change(self, sinks);
}
