/*
 * alert_group.c - many alerts, one notice.
 *
 * What a member has to say is the difference between how it stands and what
 * its lane was told, as for one alert alone; a group only says when. So a
 * member that came and went while the group waited is told as ended, never
 * not at all, and a group ends when its last member was told as ended.
 */
#include "alert_notifier_parts.h"

#include "alert_conf.h"
#include "alert_text.h"
#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_log.h"

#define MODULE "route.alert"

enum { TEXT_BYTES = 256 * 1024 };

/* --- which group ---------------------------------------------------------- */

static bool value_of(const struct lb_alert_rule *rule, struct lb_str key, struct lb_str field, struct lb_str *value)
{
    size_t at = 0;

    if (lb_str_is(field, "rule")) {
        *value = rule->name;
        return true;
    }
    for (size_t i = 0; lb_alert_key_next(rule, key, i, &at, value); i++)
        if (lb_str_equal(rule->by.items[i], field))
            return true;
    return false;
}

/* The values of the `group_by` fields that the alert has, as an object. */
static void write_key(struct lb_alert_notifier *self, const struct lb_incident *incident,
                      const struct lb_alert_manner *manner, struct lb_buffer *out)
{
    const struct lb_alert_rule *rule = lb_notifier_rule(self, incident);
    bool any = false;

    lb_buffer_append_char(out, '{');
    for (size_t i = 0; i < manner->group_by.count; i++) {
        struct lb_str value;

        if (!value_of(rule, lb_incident_key(incident), manner->group_by.items[i], &value))
            continue;
        if (any)
            lb_buffer_append_char(out, ',');
        lb_alert_string_write(out, manner->group_by.items[i]);
        lb_buffer_append_char(out, ':');
        lb_alert_string_write(out, value);
        any = true;
    }
    lb_buffer_append_char(out, '}');
}

static struct lb_alert_group *group_of(struct lb_alert_notifier *self, const struct lb_incident *incident,
                                       const struct lb_alert_manner *manner)
{
    struct lb_alert_group *group;
    struct lb_buffer key;
    uint64_t number;

    lb_buffer_init(&key, TEXT_BYTES);
    lb_alert_put_number(&key, manner->print);
    write_key(self, incident, manner, &key);
    number = lb_alert_hash(lb_buffer_str(&key)) | 1;
    group = lb_alert_groups_find(&self->groups, number);
    if (group == NULL) {
        group = lb_alert_groups_add(&self->groups, number, manner->print);
        struct lb_str text = { key.ptr + sizeof(uint64_t), key.len - sizeof(uint64_t) };

        if (group != NULL && !key.failed && text.len <= sizeof(group->key)) {
            memcpy(group->key, text.ptr, text.len);
            group->key_length = (uint16_t)text.len;
        } else if (group != NULL) {
            memcpy(group->key, "{}", 2); /* too long to show; it is this group all the same */
            group->key_length = 2;
        }
    }
    lb_buffer_free(&key);
    return group;
}

/* --- what is to be told --------------------------------------------------- */

/* True: there is something new to say of it. */
static bool has_news(struct lb_alert_notifier *self, struct lb_incident *incident, struct lb_alert_lane *lane,
                     const struct lb_alert_manner *manner)
{
    struct lb_alert_policy policy = lb_notifier_policy(self, incident, manner);
    int8_t severity = lb_group_stands(self, incident, lane);

    if (incident->severity != LB_ALERT_QUIET && incident->held) {
        if (lane->hushed || lane->told.severity == LB_ALERT_QUIET)
            return false;
        lane->hushed = true;
        return true;
    }
    if (severity != LB_ALERT_QUIET && lane->hushed) {
        lane->hushed = false;
        return true;
    }
    if (severity != LB_ALERT_QUIET && incident->flapping)
        return !lane->flapped || severity > lane->told.severity;
    if (lane->flapped)
        return true;
    if (severity == lane->told.severity)
        return false;
    if (severity == LB_ALERT_QUIET)
        return true;
    if (incident->late)
        return false;
    if (severity > lane->told.notified || lb_alert_cooled_down(&lane->told, &policy, self->now))
        return true;
    lb_notifier_due(incident, lane->told.notified_ns + policy.cooldown_ns);
    return false;
}

void lb_alert_group_note(struct lb_alert_notifier *self, struct lb_incident *incident, struct lb_alert_lane *lane,
                         const struct lb_alert_manner *manner, uint64_t wanted)
{
    struct lb_alert_group *group = lb_alert_groups_find(&self->groups, lane->group);

    /* What is held back before anybody was told of it waits for nothing any more. */
    if (group != NULL && incident->held && lane->told.severity == LB_ALERT_QUIET) {
        lane->group = 0;
        return;
    }
    if (group != NULL) {
        group->wanted |= wanted;
        group->call_ns = 0;
    }
    if (!has_news(self, incident, lane, manner) || (group == NULL && wanted == 0))
        return;
    if (group == NULL)
        group = group_of(self, incident, manner);
    if (group == NULL) {
        LB_ERROR(MODULE, "no room for a group of alerts, trying again rule=" LB_STR_FMT,
                 LB_STR_ARG(lb_incident_rule(incident)));
        lb_notifier_due(incident, self->now + LB_SECOND);
        return;
    }
    lane->group = group->number;
    group->wanted |= wanted;
    if (group->waiting_ns == LB_TIME_NONE)
        group->waiting_ns = self->now;
}

/* --- telling -------------------------------------------------------------- */

/* That lane knows it; one that has ended leaves the group. */
static void note_lane(const struct lb_alert_notifier *self, const struct lb_alert_group *group,
                      const struct lb_incident *incident, struct lb_alert_lane *lane)
{
    int8_t stands = lb_group_stands(self, incident, lane);

    if (stands == LB_ALERT_QUIET) {
        lb_alert_lane_end(lane);
        return;
    }
    if (lane->hushed)
        return;
    if (lane->told.severity == LB_ALERT_QUIET)
        lane->since = self->now;
    lane->told = (struct lb_alert_told){ self->now, stands, stands };
    lane->sinks = group->sinks;
    lane->flapped = incident->flapping;
}

/* Its members know what was told. */
static void note_told(struct lb_alert_notifier *self, struct lb_alert_group *group)
{
    group->call_ns = 0;
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        struct lb_alert_lane *lane = lb_group_lane(each, group);

        if (lane == NULL)
            continue;
        note_lane(self, group, each, lane);
        lb_notifier_put_incident(self, each);
    }
}

static void put_group(struct lb_alert_notifier *self, const struct lb_alert_group *group)
{
    lb_buffer_reset(&self->part);
    lb_alert_group_write(&self->part, group);
    lb_alert_notice_part(&self->entry, LB_ALERT_ENTRY_GROUP, lb_buffer_str(&self->part));
}

/* The entry in which these sinks are told of the group. False: nobody is, and it holds only what is put behind it. */
static bool compose(struct lb_alert_notifier *self, const struct lb_alert_group *group,
                    const struct lb_group_gathered *gathered, uint64_t sinks, enum lb_alert_notice notice,
                    struct lb_str reason)
{
    const struct lb_alert_manner *manner = lb_notifier_manner(self, group->route);
    struct lb_alert_many many = { .name = LB_STR("group"),
                                  .key = { group->key, group->key_length },
                                  .members = lb_buffer_str(&gathered->members),
                                  .digest = manner != NULL && manner->digest };
    struct lb_alert_event event;
    struct lb_buffer message;

    lb_buffer_init(&message, TEXT_BYTES);
    lb_group_message(self, group, gathered, reason, &message);
    lb_group_event(self, group, gathered, notice, &event);
    many.message = lb_buffer_str(&message);
    event.many = &many;
    event.note = reason;
    event.links = true;
    bool composed = sinks != 0 && lb_notifier_compose(self, &event, sinks);
    if (!composed) {
        lb_buffer_reset(&self->entry);
        lb_alert_notice_write(&self->entry, NULL, 0, &self->alerting->sink_names);
    }
    lb_buffer_free(&message);
    return composed;
}

/* Tells the sinks of the group; members and group stand as told with it. */
static void emit(struct lb_alert_notifier *self, struct lb_alert_group *group, const struct lb_group_gathered *gathered,
                 enum lb_alert_notice notice, struct lb_str reason)
{
    uint64_t sinks = lb_notifier_detour(self, group->sinks | group->wanted);

    group->sequence++;
    group->sent_ns = self->now;
    group->waiting_ns = LB_TIME_NONE;
    group->sinks = notice == LB_NOTICE_RESOLVED ? 0 : sinks;
    (void)compose(self, group, gathered, sinks, notice, reason);
    if (notice == LB_NOTICE_RESOLVED)
        group->id = group->sequence = 0;
    put_group(self, group);
    note_told(self, group);
    lb_notifier_send(self);
}

static void tell(struct lb_alert_notifier *self, struct lb_alert_group *group, const struct lb_group_gathered *gathered)
{
    enum lb_alert_notice notice = lb_group_notice(group, gathered);
    struct lb_str reason = LB_STR("");

    if (gathered->newly > 0)
        reason = LB_STR("what flaps is not told again until it is stable for 10m");
    if (group->id == 0) {
        uint64_t parts[2] = { group->number, (uint64_t)self->now };

        group->id = lb_alert_hash((struct lb_str){ (const char *)parts, sizeof(parts) });
    }
    emit(self, group, gathered, notice, reason);
}

/* --- who else is called ---------------------------------------------------- */

/* The sinks of all steps that are due, and the longest that nobody came. */
static uint64_t take_steps(struct lb_alert_notifier *self, struct lb_alert_group *group, int64_t *after)
{
    uint64_t sinks = 0;

    group->call_ns = INT64_MAX;
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        struct lb_alert_lane *lane = lb_group_lane(each, group);
        const struct lb_alert_call_up *step;
        int64_t at;

        if (lane == NULL || lane->hushed)
            continue;
        while ((step = lb_notifier_next_step(self, each, lane, &at)) != NULL) {
            sinks |= lb_notifier_detour(self, step->sinks);
            if (step->after_ns > *after)
                *after = step->after_ns;
        }
        if (at < group->call_ns)
            group->call_ns = at;
    }
    return sinks;
}

/*
 * Others hear of all of it; what its people have yet to hear, they will all the same. Those who know of the group
 * already were told of each alert as it came, and are not called again.
 */
static void escalate(struct lb_alert_notifier *self, struct lb_alert_group *group)
{
    struct lb_group_gathered gathered;
    int64_t after = 0;
    uint64_t sinks;

    if (group->id == 0 || self->now < group->call_ns)
        return;
    sinks = take_steps(self, group, &after) & ~group->sinks;
    if (sinks == 0)
        return;
    group->sequence++;
    group->sinks |= sinks;
    lb_group_gather(self, group, &gathered);
    (void)compose(self, group, &gathered, sinks, LB_NOTICE_ESCALATED, lb_notifier_say_nobody_came(self, after));
    lb_group_free(&gathered);
    put_group(self, group);
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        struct lb_alert_lane *lane = lb_group_lane(each, group);

        if (lane == NULL)
            continue;
        if (lane->told.severity != LB_ALERT_QUIET)
            lane->sinks |= sinks;
        lb_notifier_put_incident(self, each);
    }
    lb_notifier_send(self);
}

/* --- when -------------------------------------------------------------------- */

static bool is_due(const struct lb_alert_notifier *self, const struct lb_alert_group *group,
                   const struct lb_alert_manner *manner)
{
    if (group->waiting_ns == LB_TIME_NONE)
        return false;
    if (group->id == 0 || group->sent_ns == LB_TIME_NONE)
        return self->now >= group->waiting_ns + manner->wait_ns;
    return self->now >= group->sent_ns + manner->interval_ns || self->now < group->sent_ns;
}

static bool repeats(const struct lb_alert_notifier *self, const struct lb_alert_group *group,
                    const struct lb_alert_manner *manner)
{
    int64_t last = group->looked_ns > group->sent_ns ? group->looked_ns : group->sent_ns;

    return group->id != 0 && manner->repeat_ns > 0 && self->now >= last + manner->repeat_ns;
}

/* What one of its members says of it stands for all. */
static void tell_ack(struct lb_alert_notifier *self, struct lb_alert_group *group)
{
    struct lb_str reason = LB_STR("acknowledged");
    struct lb_group_gathered gathered;

    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next)
        if (lb_group_lane(each, group) != NULL && each->acked_ns != LB_TIME_NONE)
            reason = lb_notifier_say_ack(self, each);
    group->ack_untold = false;
    lb_group_gather(self, group, &gathered);
    emit(self, group, &gathered, LB_NOTICE_ACKNOWLEDGED, reason);
    lb_group_free(&gathered);
}

static void tick(struct lb_alert_notifier *self, struct lb_alert_group *group, const struct lb_alert_manner *manner)
{
    struct lb_group_gathered gathered;
    bool due = is_due(self, group, manner);

    if (group->ack_untold)
        tell_ack(self, group);
    if (!manner->digest)
        escalate(self, group);
    if (!due && !repeats(self, group, manner))
        return;
    group->looked_ns = self->now;
    lb_group_gather(self, group, &gathered);
    if (gathered.count == 0)
        group->waiting_ns = LB_TIME_NONE;
    else if (due || gathered.unacked > 0)
        tell(self, group, &gathered);
    lb_group_free(&gathered);
}

void lb_alert_groups_tick(struct lb_alert_notifier *self)
{
    struct lb_alert_group **link = &self->groups.first;

    while (*link != NULL) {
        struct lb_alert_group *group = *link;
        const struct lb_alert_manner *manner = lb_notifier_manner(self, group->route);

        if (manner != NULL)
            tick(self, group, manner);
        if (group->id != 0 || group->waiting_ns != LB_TIME_NONE) {
            link = &group->next;
            continue;
        }
        *link = group->next;
        self->groups.count--;
        lb_free(group);
    }
}

/* --- a route that is no more ---------------------------------------------- */

static void let_go(struct lb_alert_notifier *self, const struct lb_alert_group *group)
{
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        struct lb_alert_lane *lane = lb_group_lane(each, group);

        if (lane == NULL)
            continue;
        lb_alert_lane_end(lane);
        lb_notifier_touch(self, each);
    }
}

void lb_alert_groups_change(struct lb_alert_notifier *self, const uint64_t sinks[64])
{
    for (struct lb_alert_group *group = self->groups.first; group != NULL; group = group->next) {
        struct lb_group_gathered gathered;

        group->sinks = lb_alert_map_sinks(group->sinks, sinks);
        group->wanted = lb_alert_map_sinks(group->wanted, sinks);
        group->call_ns = 0;
        if (lb_notifier_manner(self, group->route) != NULL)
            continue;
        group->wanted = 0;
        lb_group_gather(self, group, &gathered);
        if (group->sinks != 0)
            emit(self, group, &gathered, LB_NOTICE_RESOLVED, LB_STR("closed: its route is no more, or is another"));
        lb_group_free(&gathered);
        let_go(self, group);
        group->id = 0;
        group->waiting_ns = LB_TIME_NONE;
    }
}

/* --- acknowledging -------------------------------------------------------- */

bool lb_alert_group_acknowledge(struct lb_alert_notifier *self, uint64_t id, const struct lb_alert_ack *ack)
{
    struct lb_alert_group *group = self->groups.first;

    while (group != NULL && (group->id == 0 || group->id != id))
        group = group->next;
    if (group == NULL)
        return false;
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        if (lb_group_lane(each, group) != NULL && (each->severity != LB_ALERT_QUIET || lb_incident_is_open(each)))
            lb_notifier_note_ack(each, ack);
    }
    group->ack_untold = true;
    return true;
}
