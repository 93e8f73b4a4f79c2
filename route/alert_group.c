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

enum { TEXT_BYTES = 256 * 1024, NAMED = 8 };

/* --- the table ------------------------------------------------------------ */

void lb_alert_groups_free(struct lb_alert_groups *groups)
{
    while (groups->first != NULL) {
        struct lb_alert_group *group = groups->first;

        groups->first = group->next;
        lb_free(group);
    }
    groups->count = 0;
}

struct lb_alert_group *lb_alert_groups_find(const struct lb_alert_groups *groups, uint64_t number)
{
    struct lb_alert_group *group = groups->first;

    while (group != NULL && group->number != number)
        group = group->next;
    return group;
}

static struct lb_alert_group *add_group(struct lb_alert_groups *groups, uint64_t number, uint64_t route)
{
    struct lb_alert_group *group = groups->count < LB_ALERT_GROUPS_MAX ? lb_alloc(sizeof(*group)) : NULL;

    if (group == NULL)
        return NULL;
    group->number = number;
    group->route = route;
    group->waiting_ns = group->sent_ns = LB_TIME_NONE;
    group->next = groups->first;
    groups->first = group;
    groups->count++;
    return group;
}

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
        group = add_group(&self->groups, number, manner->print);
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
    int8_t severity = incident->severity;

    if (severity != LB_ALERT_QUIET && incident->held) {
        if (lane->hushed || lane->told.severity == LB_ALERT_QUIET)
            return false;
        lane->hushed = true;
        return true;
    }
    if (severity != LB_ALERT_QUIET && lane->hushed) {
        lane->hushed = false;
        return true;
    }
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

    if (group != NULL)
        group->wanted |= wanted;
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

/* --- the record ----------------------------------------------------------- */

/* What a notice of a group is made of. */
struct gathered {
    struct lb_buffer members;
    struct lb_buffer names;
    uint32_t count; /* of members */
    uint32_t firing;
    uint32_t held;
    uint32_t unacked; /* of those that fire */
    int8_t severity;  /* the highest of those that fire, or that did */
    int8_t ended;
    int64_t at;
    int64_t started;
};

static struct lb_alert_lane *lane_of(struct lb_incident *incident, const struct lb_alert_group *group)
{
    for (uint32_t i = 0; i < incident->lane_count; i++)
        if (incident->lanes[i].group == group->number && incident->lanes[i].route == group->route)
            return &incident->lanes[i];
    return NULL;
}

static const char *member_state(const struct lb_incident *incident, const struct lb_alert_lane *lane)
{
    if (incident->severity == LB_ALERT_QUIET)
        return "resolved";
    if (lane->hushed)
        return "suppressed";
    if (incident->acked_ns != LB_TIME_NONE)
        return "acknowledged";
    return lane->told.severity != LB_ALERT_QUIET && lane->told.severity != incident->severity ? "updated" : "firing";
}

static void write_member(struct lb_alert_notifier *self, struct gathered *gathered, const struct lb_incident *incident,
                         const struct lb_alert_lane *lane)
{
    const struct lb_alert_rule *rule = lb_notifier_rule(self, incident);
    int8_t severity = incident->severity != LB_ALERT_QUIET ? incident->severity : incident->last;
    struct lb_buffer *out = &gathered->members;

    lb_buffer_append_str(out, gathered->count > 0 ? LB_STR(",{\"rule\":") : LB_STR("{\"rule\":"));
    lb_alert_string_write(out, rule->name);
    lb_buffer_append_str(out, LB_STR(",\"key\":"));
    lb_alert_key_write(out, rule, lb_incident_key(incident));
    lb_buffer_print(out, ",\"state\":\"%s\",\"severity\":\"%s\"", member_state(incident, lane),
                    lb_severity_names[severity]);
    if (incident->judged)
        lb_buffer_print(out, ",\"value\":%.15g", incident->value);
    lb_buffer_append_str(out, LB_STR(",\"started_at\":\""));
    lb_alert_time_write(out, incident->started);
    lb_buffer_print(out, "\",\"alert_id\":\"%016llx\"}", (unsigned long long)incident->id);
}

static void gather_one(struct lb_alert_notifier *self, struct gathered *gathered, const struct lb_incident *incident,
                       const struct lb_alert_lane *lane)
{
    bool fires = incident->severity != LB_ALERT_QUIET;

    if (gathered->count < LB_ALERT_MEMBERS_SHOWN)
        write_member(self, gathered, incident, lane);
    if (gathered->count < NAMED)
        lb_buffer_print(&gathered->names, "%s" LB_STR_FMT " %s", gathered->count > 0 ? ", " : "",
                        LB_STR_ARG(lb_incident_rule(incident)),
                        fires ? lb_severity_names[incident->severity] : "resolved");
    if (incident->at > gathered->at)
        gathered->at = incident->at;
    if (gathered->count == 0 || incident->started < gathered->started)
        gathered->started = incident->started;
    gathered->count++;
    gathered->firing += fires && !lane->hushed;
    gathered->held += fires && lane->hushed;
    gathered->unacked += fires && !lane->hushed && incident->acked_ns == LB_TIME_NONE;
    if (fires && incident->severity > gathered->severity)
        gathered->severity = incident->severity;
    if (!fires && incident->last > gathered->ended)
        gathered->ended = incident->last;
}

static void gather(struct lb_alert_notifier *self, const struct lb_alert_group *group, struct gathered *gathered)
{
    *gathered = (struct gathered){ .severity = LB_ALERT_QUIET, .ended = LB_ALERT_QUIET };
    lb_buffer_init(&gathered->members, TEXT_BYTES);
    lb_buffer_init(&gathered->names, TEXT_BYTES);
    lb_buffer_append_char(&gathered->members, '[');
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        const struct lb_alert_lane *lane = lane_of(each, group);

        if (lane != NULL)
            gather_one(self, gathered, each, lane);
    }
    lb_buffer_append_char(&gathered->members, ']');
    if (gathered->count > NAMED)
        lb_buffer_print(&gathered->names, " and %u more", gathered->count - NAMED);
}

static void free_gathered(struct gathered *gathered)
{
    lb_buffer_free(&gathered->members);
    lb_buffer_free(&gathered->names);
}

static enum lb_alert_notice notice_of(const struct lb_alert_group *group, const struct gathered *gathered)
{
    if (gathered->firing == 0)
        return gathered->held > 0 ? LB_NOTICE_SUPPRESSED : LB_NOTICE_RESOLVED;
    if (group->id == 0 || group->sequence == 0)
        return LB_NOTICE_FIRING;
    return group->waiting_ns != LB_TIME_NONE ? LB_NOTICE_UPDATED : LB_NOTICE_REPEATED;
}

static void write_message(const struct lb_alert_notifier *self, const struct lb_alert_group *group,
                          const struct gathered *gathered, struct lb_str reason, struct lb_buffer *out)
{
    int8_t severity = gathered->severity != LB_ALERT_QUIET ? gathered->severity : gathered->ended;
    struct lb_str word = severity != LB_ALERT_QUIET ? self->alerting->severities[severity] : LB_STR("");
    uint32_t ended = gathered->count - gathered->firing - gathered->held;

    if (word.len > 0)
        lb_buffer_print(out, "[" LB_STR_FMT "] ", LB_STR_ARG(word));
    lb_buffer_print(out, "%u %s, %u ended", gathered->firing, gathered->firing == 1 ? "alert fires" : "alerts fire",
                    ended);
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

static void fill_event(struct lb_alert_notifier *self, const struct lb_alert_group *group,
                       const struct gathered *gathered, enum lb_alert_notice notice, struct lb_alert_event *event)
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

/* --- telling -------------------------------------------------------------- */

/* Its members know what was told; those that have ended leave it. */
static void note_told(struct lb_alert_notifier *self, const struct lb_alert_group *group)
{
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        struct lb_alert_lane *lane = lane_of(each, group);

        if (lane == NULL)
            continue;
        if (each->severity == LB_ALERT_QUIET) {
            lane->told.severity = LB_ALERT_QUIET;
            lane->sinks = lane->group = 0;
            lane->hushed = false;
        } else if (!lane->hushed) {
            lane->told = (struct lb_alert_told){ self->now, each->severity, each->severity };
            lane->sinks = group->sinks;
        }
        lb_notifier_put_incident(self, each);
    }
}

static void put_group(struct lb_alert_notifier *self, const struct lb_alert_group *group)
{
    lb_buffer_reset(&self->part);
    lb_alert_group_write(&self->part, group);
    lb_alert_notice_part(&self->entry, LB_ALERT_ENTRY_GROUP, lb_buffer_str(&self->part));
}

/* Tells the sinks of the group; `note`: members and group stand as told with it. */
static void emit(struct lb_alert_notifier *self, struct lb_alert_group *group, const struct gathered *gathered,
                 enum lb_alert_notice notice, struct lb_str reason)
{
    const struct lb_alert_manner *manner = lb_notifier_manner(self, group->route);
    struct lb_alert_many many = { .name = LB_STR("group"),
                                  .key = { group->key, group->key_length },
                                  .members = lb_buffer_str(&gathered->members),
                                  .digest = manner != NULL && manner->digest };
    uint64_t sinks = lb_notifier_detour(self, group->sinks | group->wanted);
    struct lb_alert_event event;
    struct lb_buffer message;

    lb_buffer_init(&message, TEXT_BYTES);
    write_message(self, group, gathered, reason, &message);
    group->sequence++;
    group->sent_ns = self->now;
    group->waiting_ns = LB_TIME_NONE;
    group->sinks = notice == LB_NOTICE_RESOLVED ? 0 : sinks;
    fill_event(self, group, gathered, notice, &event);
    many.message = lb_buffer_str(&message);
    event.many = &many;
    event.note = reason;
    event.links = true;
    bool composed = sinks != 0 && lb_notifier_compose(self, &event, sinks);
    if (notice == LB_NOTICE_RESOLVED)
        group->id = group->sequence = 0;
    if (!composed) {
        lb_buffer_reset(&self->entry);
        lb_alert_notice_write(&self->entry, NULL, 0, &self->alerting->sink_names);
    }
    put_group(self, group);
    note_told(self, group);
    lb_notifier_send(self);
    lb_buffer_free(&message);
}

static void tell(struct lb_alert_notifier *self, struct lb_alert_group *group, const struct gathered *gathered)
{
    enum lb_alert_notice notice = notice_of(group, gathered);

    if (group->id == 0) {
        uint64_t parts[2] = { group->number, (uint64_t)self->now };

        group->id = lb_alert_hash((struct lb_str){ (const char *)parts, sizeof(parts) });
    }
    emit(self, group, gathered, notice, LB_STR(""));
}

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
    struct gathered gathered;

    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next)
        if (lane_of(each, group) != NULL && each->acked_ns != LB_TIME_NONE)
            reason = lb_notifier_say_ack(self, each);
    group->ack_untold = false;
    gather(self, group, &gathered);
    emit(self, group, &gathered, LB_NOTICE_ACKNOWLEDGED, reason);
    free_gathered(&gathered);
}

static void tick(struct lb_alert_notifier *self, struct lb_alert_group *group, const struct lb_alert_manner *manner)
{
    struct gathered gathered;
    bool due = is_due(self, group, manner);

    if (group->ack_untold)
        tell_ack(self, group);
    if (!due && !repeats(self, group, manner))
        return;
    group->looked_ns = self->now;
    gather(self, group, &gathered);
    if (gathered.count == 0)
        group->waiting_ns = LB_TIME_NONE;
    else if (due || gathered.unacked > 0)
        tell(self, group, &gathered);
    free_gathered(&gathered);
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
        struct lb_alert_lane *lane = lane_of(each, group);

        if (lane == NULL)
            continue;
        lane->told.severity = LB_ALERT_QUIET;
        lane->sinks = lane->group = 0;
        lane->hushed = false;
        lb_notifier_touch(self, each);
    }
}

void lb_alert_groups_change(struct lb_alert_notifier *self, const uint64_t sinks[64])
{
    for (struct lb_alert_group *group = self->groups.first; group != NULL; group = group->next) {
        struct gathered gathered;

        group->sinks = lb_alert_map_sinks(group->sinks, sinks);
        group->wanted = lb_alert_map_sinks(group->wanted, sinks);
        if (lb_notifier_manner(self, group->route) != NULL)
            continue;
        group->wanted = 0;
        gather(self, group, &gathered);
        if (group->sinks != 0)
            emit(self, group, &gathered, LB_NOTICE_RESOLVED, LB_STR("closed: its route is no more, or is another"));
        free_gathered(&gathered);
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
        if (lane_of(each, group) != NULL && each->severity != LB_ALERT_QUIET)
            lb_notifier_note_ack(each, ack);
    }
    group->ack_untold = true;
    return true;
}

/* --- as bytes ------------------------------------------------------------- */

void lb_alert_group_write(struct lb_buffer *out, const struct lb_alert_group *group)
{
    lb_alert_put_number(out, group->number);
    lb_alert_put_number(out, group->route);
    lb_alert_put_number(out, group->id);
    lb_alert_put_number(out, group->sequence);
    lb_alert_put_number(out, group->sinks);
    lb_alert_put_number(out, group->wanted);
    lb_alert_put_number(out, (uint64_t)group->started);
    lb_alert_put_number(out, (uint64_t)group->waiting_ns);
    lb_alert_put_number(out, (uint64_t)group->sent_ns);
    lb_alert_put_text(out, (struct lb_str){ group->key, group->key_length });
}

bool lb_alert_group_read(struct lb_alert_groups *groups, struct lb_alert_bytes *bytes, const uint64_t sinks[64])
{
    uint64_t number = lb_alert_take_number(bytes);
    uint64_t route = lb_alert_take_number(bytes);
    struct lb_alert_group *group = lb_alert_groups_find(groups, number);

    if (group == NULL && !bytes->bad && number != 0)
        group = add_group(groups, number, route);
    if (group == NULL)
        return false;
    group->id = lb_alert_take_number(bytes);
    group->sequence = (uint32_t)lb_alert_take_number(bytes);
    group->sinks = lb_alert_map_sinks(lb_alert_take_number(bytes), sinks);
    group->wanted = lb_alert_map_sinks(lb_alert_take_number(bytes), sinks);
    group->started = (int64_t)lb_alert_take_number(bytes);
    group->waiting_ns = (int64_t)lb_alert_take_number(bytes);
    group->sent_ns = (int64_t)lb_alert_take_number(bytes);
    struct lb_str key = lb_alert_take_text(bytes);
    if (bytes->bad || key.len > sizeof(group->key)) {
        group->id = 0;
        group->waiting_ns = LB_TIME_NONE;
        return false;
    }
    memcpy(group->key, key.ptr, key.len);
    group->key_length = (uint16_t)key.len;
    return true;
}
