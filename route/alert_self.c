/*
 * alert_self.c - alerts about logboom itself.
 *
 * Somebody hands over all that is wrong at the moment; what is new begins an
 * incident of a rule that nobody has written, what is gone ends its own. The
 * tricky thing is a restart: what was wrong takes its time to be found again,
 * and until then nothing is told as over.
 */
#include "alert_notifier_parts.h"

#include "alert_conf.h"
#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_log.h"

#include <stdio.h>

#define MODULE "route.alert"

static struct lb_str by_path[] = { { "path", 4 } };
static struct lb_str by_sink[] = { { "sink", 4 } };
static struct lb_str by_source[] = { { "source", 6 } };

#define OWN(text, fields)                                                                                              \
    {                                                                                                                  \
        .name = { text, sizeof(text) - 1 }, .by = { fields, 1 }                                                        \
    }

static const struct lb_alert_rule rules[LB_SELF_CHECKS] = {
    [LB_SELF_DISK] = OWN("logboom_disk", by_path),
    [LB_SELF_SINK] = OWN("logboom_sink", by_sink),
    [LB_SELF_SOURCE_BEHIND] = OWN("logboom_source_behind", by_source),
    [LB_SELF_SOURCE_SILENT] = OWN("logboom_source_silent", by_source),
    [LB_SELF_PARSE_ERRORS] = OWN("logboom_parse_errors", by_source),
    [LB_SELF_CLOCK] = { .name = { "logboom_clock", 13 } },
    [LB_SELF_ALERTS_LOST] = { .name = { "logboom_alerts_lost", 19 } },
    [LB_SELF_DEAD_LETTERS] = OWN("logboom_dead_letters", by_sink),
    [LB_SELF_ROTATION] = OWN("logboom_rotation", by_source),
};

/* What signs of life are of. */
static const struct lb_alert_rule heartbeat_rule = { .name = { "heartbeat", 9 } };

static bool is_self(const struct lb_alert_rule *rule)
{
    for (int i = 0; i < LB_SELF_CHECKS; i++)
        if (rule == &rules[i])
            return true;
    return false;
}

const struct lb_alert_rule *lb_notifier_own_rule(struct lb_str name)
{
    for (int i = 0; i < LB_SELF_CHECKS; i++)
        if (lb_str_equal(rules[i].name, name))
            return &rules[i];
    return lb_str_equal(name, lb_notifier_down_rule.name) ? &lb_notifier_down_rule : NULL;
}

bool lb_notifier_is_own(const struct lb_alert_rule *rule)
{
    return rule != NULL && (rule == &lb_notifier_down_rule || is_self(rule));
}

/* --- which incident ------------------------------------------------------- */

/* `sink=NAME`, into `text`; of the whole program it is empty. */
static struct lb_str key_of(const struct lb_self_finding *finding, char text[LB_KEY_BYTES_MAX])
{
    const struct lb_alert_rule *rule = &rules[finding->check];
    int len = 0;

    text[0] = '\0';
    if (rule->by.count > 0)
        len = snprintf(text, LB_KEY_BYTES_MAX, LB_STR_FMT "=%s", LB_STR_ARG(rule->by.items[0]), finding->name);
    return (struct lb_str){ text, (size_t)len };
}

static struct lb_incident *incident_of(struct lb_alert_notifier *self, const struct lb_self_finding *finding)
{
    const struct lb_alert_rule *rule = &rules[finding->check];
    char text[LB_KEY_BYTES_MAX];
    struct lb_str key = key_of(finding, text);
    struct lb_incident *incident;
    uint64_t fingerprint[2];

    lb_alert_fingerprint(rule->name, key, fingerprint);
    incident = lb_incidents_find(&self->incidents, fingerprint);
    if (incident == NULL)
        incident = lb_incidents_add(&self->incidents, fingerprint, rule->name, key);
    if (incident != NULL)
        incident->rule = rule;
    return incident;
}

/* Of a channel that alerts go to `channel_down` tells; its finding only says why. */
static bool is_channel(const struct lb_alert_notifier *self, const struct lb_self_finding *finding)
{
    const struct lb_alerting *alerting = self->alerting;
    uint64_t sinks = alerting->detours != NULL ? lb_notifier_alerted(alerting) : 0;

    if (finding->check != LB_SELF_SINK)
        return false;
    for (; sinks != 0; sinks &= sinks - 1)
        if (lb_str_is(alerting->sink_names.items[__builtin_ctzll(sinks)], finding->name))
            return true;
    return false;
}

static const struct lb_self_finding *finding_of(const struct lb_alert_notifier *self,
                                                const struct lb_incident *incident)
{
    const struct lb_alert_rule *rule = incident->rule == &lb_notifier_down_rule ? &rules[LB_SELF_SINK] : incident->rule;
    char text[LB_KEY_BYTES_MAX];

    for (uint32_t i = 0; i < self->finding_count; i++)
        if (rule == &rules[self->findings[i].check] &&
            lb_str_equal(key_of(&self->findings[i], text), lb_incident_key(incident)))
            return &self->findings[i];
    return NULL;
}

struct lb_str lb_notifier_finding_text(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    const struct lb_self_finding *finding = finding_of(self, incident);

    return finding != NULL ? lb_str_from(finding->text) : LB_STR("");
}

/* --- how it stands -------------------------------------------------------- */

static void stand(struct lb_alert_notifier *self, struct lb_incident *incident, int8_t severity)
{
    if (incident->severity != LB_ALERT_QUIET)
        incident->last = incident->severity;
    if ((incident->severity == LB_ALERT_QUIET) != (severity == LB_ALERT_QUIET))
        lb_incident_note_flap(incident, self->now);
    incident->at = self->now;
    incident->changed_ns = self->now;
    incident->severity = severity;
    incident->doubt_until = LB_TIME_NONE;
    lb_notifier_settle(self, incident);
}

static void begin(struct lb_alert_notifier *self, struct lb_incident *incident, const struct lb_self_finding *finding)
{
    uint64_t parts[2] = { incident->fingerprint[0], (uint64_t)finding->since };

    if (!lb_incident_is_open(incident) && !incident->flapping) {
        incident->id = lb_alert_hash((struct lb_str){ (const char *)parts, sizeof(parts) });
        incident->sequence = 0;
        incident->acked_ns = LB_TIME_NONE;
    }
    incident->started = finding->since;
    LB_WARN(MODULE, "something is wrong with logboom rule=" LB_STR_FMT " of=%s: %s",
            LB_STR_ARG(rules[finding->check].name), finding->name, finding->text);
    stand(self, incident, finding->severity);
}

static void note(struct lb_alert_notifier *self, const struct lb_self_finding *finding)
{
    struct lb_incident *incident;

    if (is_channel(self, finding))
        return;
    incident = incident_of(self, finding);
    if (incident == NULL)
        return;
    incident->doubt_until = LB_TIME_NONE;
    if (incident->severity == LB_ALERT_QUIET)
        begin(self, incident, finding);
    else if (incident->severity != finding->severity)
        stand(self, incident, finding->severity);
}

/* False: what an earlier run has told may still be wrong. */
static bool is_over(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    return incident->severity != LB_ALERT_QUIET && is_self(incident->rule) && finding_of(self, incident) == NULL &&
           (incident->doubt_until == LB_TIME_NONE || self->now >= incident->doubt_until);
}

void lb_notifier_look_at_self(struct lb_alert_notifier *self)
{
    const struct lb_alert_outside *outside = self->outside;

    if (outside == NULL || outside->findings == NULL)
        return;
    if (self->findings == NULL)
        self->findings = lb_alloc(LB_SELF_FINDINGS_MAX * sizeof(*self->findings));
    if (self->findings == NULL)
        return;
    self->finding_count =
        self->alerting->self.enabled ? outside->findings(outside->context, self->findings, LB_SELF_FINDINGS_MAX) : 0;
    for (uint32_t i = 0; i < self->finding_count; i++)
        note(self, &self->findings[i]);
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next)
        if (is_over(self, each))
            stand(self, each, LB_ALERT_QUIET);
}

/* --- a sign of life ------------------------------------------------------- */

void lb_notifier_beat(struct lb_alert_notifier *self)
{
    const struct lb_heartbeat *heartbeat = &self->alerting->heartbeat;
    const struct lb_alert_many many = { .name = heartbeat_rule.name, .message = LB_STR("logboom is alive") };
    struct lb_alert_event event = { .rule = &heartbeat_rule,
                                    .many = &many,
                                    .notice = LB_NOTICE_HEARTBEAT,
                                    .previous = LB_ALERT_QUIET,
                                    .at = self->now,
                                    .started = self->now };

    if (self->outside == NULL || !self->outside->lives || heartbeat->sinks == 0 ||
        (self->now >= self->beat_ns && self->now < self->beat_ns + heartbeat->every_ns))
        return;
    self->beat_ns = self->now;
    event.sequence = ++self->beats;
    event.id = lb_alert_hash(LB_STR("heartbeat"));
    lb_alert_fingerprint(heartbeat_rule.name, LB_STR(""), event.fingerprint);
    if (lb_notifier_compose(self, &event, heartbeat->sinks))
        lb_notifier_send(self);
}

/* --- reports -------------------------------------------------------------- */

void lb_alert_notifier_paper(struct lb_alert_notifier *self, const struct lb_alert_paper *paper)
{
    const struct lb_alerting *alerting = self->alerting;
    const struct lb_alert_rule rule = { .name = paper->name };
    const struct lb_alert_many many = { .name = paper->name, .message = paper->text };
    struct lb_alert_event event = { .rule = &rule,
                                    .many = &many,
                                    .notice = LB_NOTICE_REPORT,
                                    .previous = LB_ALERT_QUIET,
                                    .at = paper->until,
                                    .started = paper->from,
                                    .sequence = 1 };
    uint64_t parts[2] = { lb_alert_hash(paper->name), (uint64_t)paper->from };
    uint64_t sinks = 0;

    for (uint32_t i = 0; i < alerting->report_count; i++)
        if (lb_str_equal(alerting->reports[i].name, paper->name))
            sinks = lb_notifier_detour(self, alerting->reports[i].sinks);
    event.id = lb_alert_hash((struct lb_str){ (const char *)parts, sizeof(parts) });
    lb_alert_fingerprint(paper->name, LB_STR("report"), event.fingerprint);
    if (sinks != 0 && lb_notifier_compose(self, &event, sinks))
        lb_notifier_send(self);
}

/* --- for the API ---------------------------------------------------------- */

bool lb_alert_notifier_write_own(const struct lb_alert_notifier *self, bool any, struct lb_buffer *out)
{
    for (const struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        if (each->severity == LB_ALERT_QUIET || !lb_notifier_is_own(each->rule))
            continue;
        if (any)
            lb_buffer_append_char(out, ',');
        lb_alert_own_write(out, each, lb_notifier_finding_text(self, each));
        any = true;
    }
    return any;
}
