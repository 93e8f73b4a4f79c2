/*
 * alert_group_record.c - what a notice of a group says: how its members stand,
 * those that have ended since the last one among them.
 */
#include "alert_notifier_parts.h"

#include "alert_conf.h"
#include "alert_text.h"

enum { TEXT_BYTES = 256 * 1024, NAMED = 8 };

struct lb_alert_lane *lb_group_lane(struct lb_incident *incident, const struct lb_alert_group *group)
{
    for (uint32_t i = 0; i < incident->lane_count; i++)
        if (incident->lanes[i].group == group->number && incident->lanes[i].route == group->route)
            return &incident->lanes[i];
    return NULL;
}

int8_t lb_group_stands(const struct lb_alert_notifier *self, const struct lb_incident *incident,
                       const struct lb_alert_lane *lane)
{
    bool known = lane->told.severity != LB_ALERT_QUIET;
    int64_t until;

    if (incident->severity == LB_ALERT_QUIET &&
        (incident->flapping || (known && lb_notifier_waits(self, incident, &until))))
        return incident->last;
    return incident->severity;
}

static const char *member_state(const struct lb_incident *incident, const struct lb_alert_lane *lane, int8_t stands)
{
    if (stands == LB_ALERT_QUIET)
        return "resolved";
    if (lane->hushed)
        return "suppressed";
    if (incident->flapping)
        return "flapping";
    if (incident->acked_ns != LB_TIME_NONE)
        return "acknowledged";
    return lane->told.severity != LB_ALERT_QUIET && lane->told.severity != stands ? "updated" : "firing";
}

static void write_member(struct lb_alert_notifier *self, struct lb_group_gathered *gathered,
                         const struct lb_incident *incident, const struct lb_alert_lane *lane)
{
    const struct lb_alert_rule *rule = lb_notifier_rule(self, incident);
    int8_t stands = lb_group_stands(self, incident, lane);
    int8_t severity = stands != LB_ALERT_QUIET ? stands : incident->last;
    struct lb_buffer *out = &gathered->members;

    lb_buffer_append_str(out, gathered->count > 0 ? LB_STR(",{\"rule\":") : LB_STR("{\"rule\":"));
    lb_alert_string_write(out, rule->name);
    lb_buffer_append_str(out, LB_STR(",\"key\":"));
    lb_alert_key_write(out, rule, lb_incident_key(incident));
    lb_buffer_print(out, ",\"state\":\"%s\",\"severity\":\"%s\"", member_state(incident, lane, stands),
                    lb_severity_names[severity]);
    if (incident->judged)
        lb_buffer_print(out, ",\"value\":%.15g", incident->value);
    lb_buffer_append_str(out, LB_STR(",\"started_at\":\""));
    lb_alert_time_write(out, incident->started);
    lb_buffer_print(out, "\",\"alert_id\":\"%016llx\"}", (unsigned long long)incident->id);
}

static void gather_one(struct lb_alert_notifier *self, struct lb_group_gathered *gathered,
                       const struct lb_incident *incident, const struct lb_alert_lane *lane)
{
    int8_t stands = lb_group_stands(self, incident, lane);
    bool fires = stands != LB_ALERT_QUIET;
    bool flaps = fires && incident->flapping && !lane->hushed;
    const char *word = !fires ? "resolved" : flaps ? "flapping" : lb_severity_names[stands];

    if (gathered->count < LB_ALERT_MEMBERS_SHOWN)
        write_member(self, gathered, incident, lane);
    if (gathered->count < NAMED)
        lb_buffer_print(&gathered->names, "%s" LB_STR_FMT " %s", gathered->count > 0 ? ", " : "",
                        LB_STR_ARG(lb_incident_rule(incident)), word);
    if (incident->at > gathered->at)
        gathered->at = incident->at;
    if (gathered->count == 0 || incident->started < gathered->started)
        gathered->started = incident->started;
    gathered->count++;
    gathered->firing += fires && !lane->hushed;
    gathered->held += fires && lane->hushed;
    gathered->flapping += flaps;
    gathered->newly += flaps && !lane->flapped;
    gathered->unacked += fires && !flaps && !lane->hushed && incident->acked_ns == LB_TIME_NONE;
    if (stands > gathered->severity)
        gathered->severity = stands;
    if (!fires && incident->last > gathered->ended)
        gathered->ended = incident->last;
}

void lb_group_gather(struct lb_alert_notifier *self, const struct lb_alert_group *group,
                     struct lb_group_gathered *gathered)
{
    *gathered = (struct lb_group_gathered){ .severity = LB_ALERT_QUIET, .ended = LB_ALERT_QUIET };
    lb_buffer_init(&gathered->members, TEXT_BYTES);
    lb_buffer_init(&gathered->names, TEXT_BYTES);
    lb_buffer_append_char(&gathered->members, '[');
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        const struct lb_alert_lane *lane = lb_group_lane(each, group);

        if (lane != NULL)
            gather_one(self, gathered, each, lane);
    }
    lb_buffer_append_char(&gathered->members, ']');
    if (gathered->count > NAMED)
        lb_buffer_print(&gathered->names, " and %u more", gathered->count - NAMED);
}

void lb_group_free(struct lb_group_gathered *gathered)
{
    lb_buffer_free(&gathered->members);
    lb_buffer_free(&gathered->names);
}

enum lb_alert_notice lb_group_notice(const struct lb_alert_group *group, const struct lb_group_gathered *gathered)
{
    if (gathered->firing == 0)
        return gathered->held > 0 ? LB_NOTICE_SUPPRESSED : LB_NOTICE_RESOLVED;
    if (gathered->newly > 0 && gathered->flapping == gathered->firing)
        return LB_NOTICE_FLAPPING;
    if (group->id == 0 || group->sequence == 0)
        return LB_NOTICE_FIRING;
    return group->waiting_ns != LB_TIME_NONE ? LB_NOTICE_UPDATED : LB_NOTICE_REPEATED;
}

void lb_group_message(const struct lb_alert_notifier *self, const struct lb_alert_group *group,
                      const struct lb_group_gathered *gathered, struct lb_str reason, struct lb_buffer *out)
{
    int8_t severity = gathered->severity != LB_ALERT_QUIET ? gathered->severity : gathered->ended;
    struct lb_str word = severity != LB_ALERT_QUIET ? self->alerting->severities[severity] : LB_STR("");
    uint32_t ended = gathered->count - gathered->firing - gathered->held;

    if (word.len > 0)
        lb_buffer_print(out, "[" LB_STR_FMT "] ", LB_STR_ARG(word));
    lb_buffer_print(out, "%u %s, %u ended", gathered->firing, gathered->firing == 1 ? "alert fires" : "alerts fire",
                    ended);
    if (gathered->flapping > 0)
        lb_buffer_print(out, ", %u flapping", gathered->flapping);
    if (gathered->held > 0)
        lb_buffer_print(out, ", %u held back", gathered->held);
    if (group->key_length > 2)
        lb_buffer_print(out, " for %.*s", (int)group->key_length, group->key);
    lb_buffer_append_str(out, LB_STR(": "));
    lb_buffer_append_str(out, lb_buffer_str(&gathered->names));
    if (reason.len > 0) {
        lb_buffer_append_str(out, LB_STR("; "));
        lb_buffer_append_str(out, reason);
    }
}

void lb_group_event(struct lb_alert_notifier *self, const struct lb_alert_group *group,
                    const struct lb_group_gathered *gathered, enum lb_alert_notice notice, struct lb_alert_event *event)
{
    int8_t severity = gathered->severity != LB_ALERT_QUIET ? gathered->severity : gathered->ended;

    self->gone = (struct lb_alert_rule){ .name = LB_STR("group") };
    *event = (struct lb_alert_event){ .rule = &self->gone,
                                      .notice = notice,
                                      .severity = severity != LB_ALERT_QUIET ? severity : LB_SEVERITY_INFO,
                                      .previous = LB_ALERT_QUIET,
                                      .at = gathered->at,
                                      .started = gathered->started,
                                      .alerts = gathered->firing,
                                      .id = group->id,
                                      .fingerprint = { group->number, group->route },
                                      .sequence = group->sequence };
}
