/*
 * alert_hold.c - what holds an alert back: a silence, maintenance, or another
 * alert that explains it.
 *
 * Mutes say by their version that they have begun, ended or changed; then all
 * that fires is looked at anew. Another alert inhibits from its own first moment to its last,
 * whether it is told itself or not.
 */
#include "alert_notifier_parts.h"

#include "alert_text.h"
#include "lb_clock.h"
#include "lb_time.h"

#define LOOK_EVERY LB_SECOND

/* --- mutes ---------------------------------------------------------------- */

static struct lb_str muted(struct lb_alert_notifier *self, struct lb_incident *incident, const struct lb_record *record)
{
    char until[LB_TIME_TEXT_SIZE];
    struct lb_mute mute;
    size_t len = 0;

    if (self->find_mute == NULL)
        return LB_STR("");
    self->scratch.used = 0;
    mute = self->find_mute(self->mutes, record, self->now, &self->scratch);
    if (self->mutes_version == NULL)
        lb_notifier_due(incident, self->now + LOOK_EVERY);
    if (mute.kind == LB_MUTE_NONE)
        return LB_STR("");
    if (mute.until != LB_TIME_NONE)
        len = lb_time_write(mute.until / LB_SECOND * LB_SECOND, until);
    return lb_notifier_say(self, "not told for now: %s %s%s%.*s",
                           mute.kind == LB_MUTE_SILENCE ? "silence" : "maintenance", mute.name,
                           len > 0 ? " until " : "", (int)len, until);
}

/* --- other alerts --------------------------------------------------------- */

static bool names(const struct lb_strs *list, struct lb_str name)
{
    for (size_t i = 0; i < list->count; i++)
        if (lb_str_equal(list->items[i], name))
            return true;
    return false;
}

/* False: the key has no such field. */
static bool value_of(const struct lb_alert_rule *rule, struct lb_str key, struct lb_str field, struct lb_str *value)
{
    size_t at = 0;

    for (size_t i = 0; lb_alert_key_next(rule, key, i, &at, value); i++)
        if (lb_str_equal(rule->by.items[i], field))
            return true;
    return false;
}

/* What both have in `by`, or the fields that the rule names, are the same. */
static bool agree(const struct lb_alert_rule *source, struct lb_str source_key, const struct lb_alert_rule *target,
                  struct lb_str target_key)
{
    const struct lb_strs *fields = source->equal.count > 0 ? &source->equal : &source->by;

    for (size_t i = 0; i < fields->count; i++) {
        struct lb_str one = LB_STR("");
        struct lb_str other = LB_STR("");
        bool has_one = value_of(source, source_key, fields->items[i], &one);
        bool has_other = value_of(target, target_key, fields->items[i], &other);
        bool shared = has_one && has_other;

        if (source->equal.count == 0 && !shared)
            continue;
        if (!lb_str_equal(one, other))
            return false;
    }
    return true;
}

static const struct lb_alert_rule *inhibitor(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    const struct lb_alerting *alerting = self->alerting;

    for (uint32_t i = 0; incident->rule != NULL && self->runners != NULL && i < alerting->rule_count; i++) {
        const struct lb_alert_rule *source = &alerting->rules[i];

        if (source->inhibits.count == 0 || source == incident->rule || source->shadow ||
            !names(&source->inhibits, incident->rule->name))
            continue;
        for (const struct lb_alert_key *key = self->runners[i].keys.lists[LB_ALERT_FIRING].head; key != NULL;
             key = key->next)
            if (key->state.severity != LB_ALERT_QUIET &&
                agree(source, lb_alert_key_text(key), incident->rule, lb_incident_key(incident)))
                return source;
    }
    return NULL;
}

struct lb_str lb_notifier_held(struct lb_alert_notifier *self, struct lb_incident *incident,
                               const struct lb_record *record)
{
    const struct lb_alert_rule *source;
    struct lb_str reason;

    if (incident->severity == LB_ALERT_QUIET)
        return LB_STR("");
    reason = muted(self, incident, record);
    if (reason.len > 0)
        return reason;
    source = inhibitor(self, incident);
    if (source == NULL)
        return LB_STR("");
    return lb_notifier_say(self, "not told for now: " LB_STR_FMT " fires", LB_STR_ARG(source->name));
}

void lb_notifier_spread(struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    const struct lb_strs *targets = incident->rule != NULL ? &incident->rule->inhibits : NULL;

    if (targets == NULL || targets->count == 0)
        return;
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next)
        if (each->severity != LB_ALERT_QUIET && names(targets, lb_incident_rule(each)))
            lb_notifier_touch(self, each);
}
