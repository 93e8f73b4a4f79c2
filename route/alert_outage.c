/*
 * alert_outage.c - logboom was down: one summary of what happened meanwhile.
 *
 * When records of that time are read, the rules say what would have fired
 * then. Nobody is called for it: it is counted, and told at once when all has
 * been read. What still fires behind it is told like any other alert, for by
 * then it is not of that time any more.
 */
#include "alert_notifier_parts.h"

#include "alert_conf.h"
#include "lb_clock.h"
#include "lb_log.h"
#include "lb_route.h"
#include "lb_time.h"

#include <stdio.h>

#define MODULE "route.alert"
#define READ_AT_LEAST (10 * LB_SECOND) /* sources have begun to read by then */
#define READ_AT_MOST (600 * LB_SECOND)

enum { MESSAGE_BYTES = 1024, TIME_SECONDS = 19 };

static const struct lb_alert_rule outage_rule = { .name = { "logboom_down", 12 } };

void lb_notifier_begin_outage(struct lb_alert_notifier *self)
{
    const struct lb_alert_outside *outside = self->outside;
    struct lb_alert_outage *outage = &self->outage;
    const struct lb_self_options *options = &self->alerting->self;

    if (outside == NULL || !outside->lives || !options->enabled || outside->alive_until == 0 ||
        self->now - outside->alive_until < options->down_ns)
        return;
    *outage = (struct lb_alert_outage){ .from = outside->alive_until, .until = self->now, .highest = LB_SEVERITY_INFO };
    LB_INFO(MODULE, "logboom was down for a while; what happened meanwhile is told in one summary seconds=%lld",
            (long long)((outage->until - outage->from) / LB_SECOND));
}

/* Once for each rule and key, while there is room for it. */
static void note_name(struct lb_alert_outage *outage, const struct lb_incident *incident)
{
    char name[LB_KEY_BYTES_MAX + LB_NAME_BYTES_MAX];
    struct lb_str key = lb_incident_key(incident);
    size_t len = strlen(outage->names);

    int length = snprintf(name, sizeof(name), "%s" LB_STR_FMT "%s" LB_STR_FMT, len > 0 ? "; " : "",
                          LB_STR_ARG(lb_incident_rule(incident)), key.len > 0 ? " of " : "", LB_STR_ARG(key));
    for (char *at = name; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
    if (strstr(outage->names, name + (len > 0 ? 2 : 0)) != NULL)
        return;
    if (length > 0 && len + (size_t)length < sizeof(outage->names))
        memcpy(outage->names + len, name, (size_t)length + 1);
    else
        outage->more = true;
}

bool lb_notifier_in_outage(struct lb_alert_notifier *self, const struct lb_incident *incident,
                           const struct lb_alert_report *report)
{
    struct lb_alert_outage *outage = &self->outage;

    if (outage->until == 0 || report->at >= outage->until || report->at < outage->from)
        return false;
    if (outage->told) /* it stands in the summary, and does not begin to be told before it outlasts that time */
        return incident->severity != LB_ALERT_QUIET && incident->late;
    if (incident->severity == LB_ALERT_QUIET && report->key->state.severity != LB_ALERT_QUIET) {
        outage->alerts++;
        if (report->key->state.severity > outage->highest)
            outage->highest = report->key->state.severity;
        note_name(outage, incident);
    }
    return true;
}

bool lb_notifier_outage_takes(struct lb_alert_notifier *self, const struct lb_alert_report *report)
{
    struct lb_alert_outage *outage = &self->outage;
    const struct lb_alert_summary *summary = &report->runner->summary;

    if (outage->until == 0 || outage->told || report->notice != LB_NOTICE_NONE || report->at >= outage->until)
        return false;
    outage->alerts += summary->alerts;
    if (report->before > outage->highest)
        outage->highest = report->before;
    size_t len = strlen(outage->names);
    snprintf(outage->names + len, sizeof(outage->names) - len, "%s" LB_STR_FMT, len > 0 ? "; " : "",
             LB_STR_ARG(report->runner->rule->name));
    return true;
}

/* To the second. */
static const char *time_text(int64_t time, char text[LB_TIME_TEXT_SIZE])
{
    size_t len = lb_time_write(time, text);

    text[len < TIME_SECONDS ? len : TIME_SECONDS] = '\0';
    return text;
}

static void tell(struct lb_alert_notifier *self, const struct lb_alert_many *many)
{
    const struct lb_alert_outage *outage = &self->outage;
    const struct lb_alerting *alerting = self->alerting;
    struct lb_alert_event event = { .rule = &outage_rule,
                                    .many = many,
                                    .summary = true,
                                    .late = true,
                                    .severity = outage->highest,
                                    .previous = LB_ALERT_QUIET,
                                    .at = outage->until,
                                    .started = outage->from,
                                    .alerts = outage->alerts };
    struct lb_record record;
    uint64_t sinks = alerting->self.sinks;

    lb_alert_fingerprint(outage_rule.name, LB_STR(""), event.fingerprint);
    lb_arena_reset(&self->arena, MESSAGE_BYTES);
    if (lb_alert_event_record(&event, alerting, &self->arena, &record))
        sinks |= lb_route_match(alerting->routes, alerting->route_count, &record, &self->scratch);
    sinks = lb_notifier_detour(self, sinks);
    if (sinks != 0 && lb_notifier_compose(self, &event, sinks))
        lb_notifier_send(self);
}

void lb_notifier_end_outage(struct lb_alert_notifier *self)
{
    struct lb_alert_outage *outage = &self->outage;
    const struct lb_alert_outside *outside = self->outside;
    char from[LB_TIME_TEXT_SIZE];
    char until[LB_TIME_TEXT_SIZE];
    char message[MESSAGE_BYTES];

    if (outage->until == 0 || outage->told || self->now < outage->until + READ_AT_LEAST ||
        (self->now < outage->until + READ_AT_MOST && outside->behind(outside->context, 0) > 0))
        return;
    int len = snprintf(message, sizeof(message), "logboom was down %sZ to %sZ; ", time_text(outage->from, from),
                       time_text(outage->until, until));
    if (outage->alerts == 0)
        snprintf(message + len, sizeof(message) - (size_t)len, "no alert would have fired");
    else
        snprintf(message + len, sizeof(message) - (size_t)len, "%llu alert%s would have fired: %s%s",
                 (unsigned long long)outage->alerts, outage->alerts == 1 ? "" : "s", outage->names,
                 outage->more ? "; and more" : "");
    tell(self, &(struct lb_alert_many){ .name = outage_rule.name, .message = lb_str_from(message) });
    outage->told = true;
}
