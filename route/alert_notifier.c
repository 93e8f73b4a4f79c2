/*
 * alert_notifier.c - how alerts stand, and when they are looked at.
 *
 * Rules report at each transition and every second while an alert fires; most
 * of these reports say nothing new. So an incident notes when something has
 * changed (`dirty`) and by when time alone changes something (`due_ns`), and
 * only then it is settled. A tick costs what is due then, not what fires; and
 * when very much is due at once (a silence ends that held thousands) it does
 * some of it, and the next tick comes at once.
 */
#include "alert_notifier_parts.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_log.h"
#include "lb_route.h"

#define MODULE "route.alert"
#define TICK_NS LB_SECOND
#define LOOK_EVERY (60 * LB_SECOND)
#define FORGET_AFTER (3600 * LB_SECOND) /* closed, cooled down, and no transition for so long */

enum { ARENA_BYTES = 1024 * 1024, KEY_SEPARATOR = 0x1f, SWEEP_MAX = 64, SETTLED_MAX = 64 };

/* --- looking up ----------------------------------------------------------- */

struct lb_alert_runner *lb_notifier_runner(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    if (incident->rule == NULL || lb_notifier_is_own(incident->rule) || self->runners == NULL)
        return NULL;
    return &self->runners[incident->rule - self->alerting->rules];
}

struct lb_alert_key *lb_notifier_key(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    const struct lb_alert_runner *runner = lb_notifier_runner(self, incident);
    struct lb_str key = lb_incident_key(incident);

    return runner != NULL ? lb_alert_keys_find(&runner->keys, key, lb_alert_hash(key)) : NULL;
}

/* The names in a key whose rule is not there to tell them. */
static void name_fields(struct lb_alert_notifier *self, struct lb_str key)
{
    size_t most = sizeof(self->gone_by) / sizeof(self->gone_by[0]);
    struct lb_strs *by = &self->gone.by;
    size_t at = 0;

    *by = (struct lb_strs){ self->gone_by, 0 };
    while (at < key.len && by->count < most) {
        const char *end = memchr(key.ptr + at, KEY_SEPARATOR, key.len - at);
        size_t len = end != NULL ? (size_t)(end - key.ptr) - at : key.len - at;
        const char *equals = memchr(key.ptr + at, '=', len);

        if (equals != NULL)
            by->items[by->count++] = (struct lb_str){ key.ptr + at, (size_t)(equals - key.ptr) - at };
        at += len + 1;
    }
}

const struct lb_alert_rule *lb_notifier_rule(struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    if (incident->rule != NULL)
        return incident->rule;
    self->gone = (struct lb_alert_rule){ .name = lb_incident_rule(incident) };
    name_fields(self, lb_incident_key(incident));
    return &self->gone;
}

void lb_notifier_due(struct lb_incident *incident, int64_t at)
{
    if (at < incident->due_ns)
        incident->due_ns = at;
}

void lb_notifier_schedule(struct lb_alert_notifier *self, struct lb_incident *incident)
{
    int64_t time = incident->dirty ? INT64_MIN : incident->due_ns;

    if (incident->doubt_until != LB_TIME_NONE && !lb_notifier_is_own(incident->rule) && incident->doubt_until < time)
        time = incident->doubt_until;
    lb_incidents_schedule(&self->incidents, incident, time);
}

void lb_notifier_touch(struct lb_alert_notifier *self, struct lb_incident *incident)
{
    incident->dirty = true;
    lb_notifier_schedule(self, incident);
}

/* --- settling ------------------------------------------------------------- */

/* Where that lane leads now, but for those who hear of it by another (of a route that is no more, say). */
static uint64_t way_of(const struct lb_incident *incident, const struct lb_notifier_ways *ways, uint64_t route)
{
    uint64_t sinks = 0;

    for (uint32_t i = 0; i < ways->count; i++)
        if (ways->items[i].route == route)
            sinks = ways->items[i].sinks;
    for (uint32_t i = 0; i < incident->lane_count; i++)
        if (incident->lanes[i].route != route)
            sinks &= ~incident->lanes[i].sinks;
    return sinks;
}

static void tell_lanes(struct lb_alert_notifier *self, struct lb_incident *incident,
                       const struct lb_notifier_ways *ways, bool flapping)
{
    for (uint32_t i = 0; i < ways->count; i++)
        if (lb_incident_lane(incident, ways->items[i].route) == NULL)
            LB_ERROR(MODULE, "alert not told, no memory rule=" LB_STR_FMT, LB_STR_ARG(lb_incident_rule(incident)));
    for (uint32_t i = 0; i < incident->lane_count; i++) {
        uint64_t route = incident->lanes[i].route;
        const struct lb_alert_manner *manner = lb_notifier_manner(self, route);

        if (manner != NULL && manner->grouped)
            lb_alert_group_note(self, incident, &incident->lanes[i], manner, way_of(incident, ways, route));
        else if (!flapping)
            lb_notifier_lane(self, incident, i, way_of(incident, ways, route));
        else
            lb_notifier_escalate(self, incident, i);
    }
}

/* To all who know of it. If nobody does, it is written down all the same: who acknowledged it was promised that. */
static void tell_ack(struct lb_alert_notifier *self, struct lb_incident *incident)
{
    uint64_t sinks = lb_incident_sinks(incident);

    incident->ack_untold = false;
    if (sinks != 0) {
        lb_notifier_emit(
            self, incident, sinks,
            &(struct lb_notifier_words){ LB_NOTICE_ACKNOWLEDGED, LB_ALERT_QUIET, lb_notifier_say_ack(self, incident) });
        return;
    }
    lb_buffer_reset(&self->entry);
    lb_alert_notice_write(&self->entry, NULL, 0, &self->alerting->sink_names);
    lb_notifier_put_incident(self, incident);
    lb_notifier_send(self);
}

static void settle(struct lb_alert_notifier *self, struct lb_incident *incident)
{
    struct lb_notifier_ways ways = { 0 };
    struct lb_record record;

    if (lb_notifier_is_unknown(incident)) /* told as it is reported */
        return;
    if (incident->ack_untold)
        tell_ack(self, incident);
    if (incident->severity == LB_ALERT_QUIET && !lb_incident_is_open(incident) && !incident->flapping)
        return;
    if (!lb_notifier_record(self, incident, &record)) {
        LB_ERROR(MODULE, "no memory for an alert, trying again rule=" LB_STR_FMT,
                 LB_STR_ARG(lb_incident_rule(incident)));
        lb_notifier_due(incident, self->now + TICK_NS);
        return;
    }
    incident->held = lb_notifier_held(self, incident, &record).len > 0;
    lb_notifier_run(self, incident);
    lb_notifier_match(self, incident, &record, &ways);
    tell_lanes(self, incident, &ways, !incident->held && lb_notifier_flaps(self, incident, &ways));
}

void lb_notifier_settle(struct lb_alert_notifier *self, struct lb_incident *incident)
{
    incident->dirty = false;
    incident->due_ns = INT64_MAX;
    settle(self, incident);
    /* Whatever it is, it cannot be done again before time has passed. */
    if (incident->due_ns <= self->now)
        incident->due_ns = self->now + TICK_NS;
    incident->looked_ns = self->now;
    lb_notifier_schedule(self, incident);
}

void lb_notifier_close(struct lb_alert_notifier *self, struct lb_incident *incident, const char *why)
{
    const char *closing = self->closing;

    if (lb_notifier_is_unknown(incident)) {
        lb_notifier_end_unknown(self, incident, why);
        return;
    }
    self->closing = why;
    if (incident->severity != LB_ALERT_QUIET)
        incident->last = incident->severity;
    incident->severity = LB_ALERT_QUIET;
    incident->flapping = false;
    incident->doubt_until = LB_TIME_NONE;
    incident->changed_ns = self->now;
    lb_notifier_spread(self, incident);
    lb_notifier_settle(self, incident);
    self->closing = closing;
}

/* --- reports -------------------------------------------------------------- */

/* The highest that anybody was told. */
static int8_t told_of(const struct lb_incident *incident)
{
    int8_t told = LB_ALERT_QUIET;

    for (uint32_t i = 0; i < incident->lane_count; i++)
        if (incident->lanes[i].told.severity > told)
            told = incident->lanes[i].told.severity;
    return told;
}

static void begin_incident(struct lb_incident *incident, const struct lb_alert_key *key)
{
    if (incident->id != key->id)
        incident->sequence = 0;
    incident->id = key->id;
    incident->acked_ns = LB_TIME_NONE;
    incident->acked_by[0] = incident->comment[0] = '\0';
    incident->late = false;
    incident->run_due = true;
    for (uint32_t i = 0; i < incident->lane_count; i++) {
        incident->lanes[i].since = 0;
        incident->lanes[i].step = 0;
        incident->lanes[i].hushed = incident->lanes[i].flapped = false;
    }
}

static void note_transition(struct lb_alert_notifier *self, struct lb_incident *incident,
                            const struct lb_alert_report *report)
{
    bool fires = report->key->state.severity != LB_ALERT_QUIET;

    if (fires == (incident->severity != LB_ALERT_QUIET))
        return;
    if (fires && !lb_incident_is_open(incident) && !incident->flapping)
        begin_incident(incident, report->key);
    lb_incident_note_flap(incident, report->at);
    incident->flap_count += incident->flapping;
    incident->changed_ns = self->now;
    if (self->closing != NULL)
        incident->flapping = false;
}

static void take_facts(struct lb_alert_notifier *self, struct lb_incident *incident,
                       const struct lb_alert_report *report)
{
    const struct lb_alert_key *key = report->key;
    int8_t before = incident->severity;

    bool late = lb_notifier_in_outage(self, incident, report) || report->late;

    note_transition(self, incident, report);
    incident->dirty = incident->dirty || before != key->state.severity || incident->late != late;
    incident->last = key->state.severity != LB_ALERT_QUIET ? key->state.severity : report->before;
    incident->severity = key->state.severity;
    incident->late = late;
    incident->started = key->state.started_ns;
    incident->at = report->at;
    incident->value = key->value;
    incident->peak = key->peak;
    incident->judged = key->judged;
    incident->count = key->totals.count;
    incident->doubt_until = LB_TIME_NONE;
    if ((before == LB_ALERT_QUIET) != (incident->severity == LB_ALERT_QUIET))
        lb_notifier_spread(self, incident);
}

static void tell_summary(struct lb_alert_notifier *self, const struct lb_alert_report *report)
{
    const struct lb_alerting *alerting = self->alerting;
    struct lb_alert_event event;
    struct lb_record record;
    uint64_t sinks = report->runner->rule->sinks;

    lb_alert_event_rule(&event, report);
    lb_arena_reset(&self->arena, ARENA_BYTES);
    if (lb_alert_event_record(&event, alerting, &self->arena, &record))
        sinks |= lb_route_match(alerting->routes, alerting->route_count, &record, &self->scratch);
    sinks = lb_notifier_detour(self, sinks);
    if (sinks != 0 && lb_notifier_compose(self, &event, sinks))
        lb_notifier_send(self);
}

static struct lb_incident *incident_of(struct lb_alert_notifier *self, const struct lb_alert_report *report)
{
    const struct lb_alert_rule *rule = report->runner->rule;
    struct lb_str key = lb_alert_key_text(report->key);
    struct lb_incident *incident;
    uint64_t fingerprint[2];

    lb_alert_fingerprint(rule->name, key, fingerprint);
    incident = lb_incidents_find(&self->incidents, fingerprint);
    if (incident == NULL && report->key->state.severity != LB_ALERT_QUIET) {
        incident = lb_incidents_add(&self->incidents, fingerprint, rule->name, key);
        if (incident == NULL) {
            self->lost++;
            LB_ERROR(MODULE, "alert not told, no room for it rule=" LB_STR_FMT, LB_STR_ARG(rule->name));
            return NULL;
        }
    }
    if (incident != NULL)
        incident->rule = rule;
    return incident;
}

/*
 * Routes and silences may ask for its value, its count or its message too, which change with every record: where they
 * lead is not asked each time, but now and then.
 */
static bool looks_otherwise(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    /* What began together need not be looked at together. */
    int64_t apart = (int64_t)(incident->fingerprint[0] % (uint64_t)LOOK_EVERY);

    return incident->severity != LB_ALERT_QUIET && self->now >= incident->looked_ns + LOOK_EVERY + apart;
}

int8_t lb_alert_notifier_report(struct lb_alert_notifier *self, const struct lb_alert_report *report)
{
    struct lb_incident *incident;

    if (report->runner->rule->shadow)
        return LB_ALERT_QUIET;
    self->now = report->runner->now;
    if (report->key == NULL) {
        if (report->notice == LB_NOTICE_UNKNOWN || report->notice == LB_NOTICE_KNOWN)
            lb_notifier_report_unknown(self, report);
        else if (!lb_notifier_outage_takes(self, report))
            tell_summary(self, report);
        return LB_ALERT_QUIET;
    }
    incident = incident_of(self, report);
    if (incident == NULL)
        return LB_ALERT_QUIET;
    /* An earlier run has decided that already; what it told stands. */
    if (incident->replayed_until == LB_TIME_NONE || report->at > incident->replayed_until) {
        int8_t before = incident->severity;

        take_facts(self, incident, report);
        incident->occurred = report->occurrence || incident->severity != before;
        incident->dirty = incident->dirty || looks_otherwise(self, incident);
        if (incident->dirty || incident->occurred || self->now >= incident->due_ns)
            lb_notifier_settle(self, incident);
        incident->occurred = false;
    }
    report->key->sequence = incident->sequence;
    return told_of(incident);
}

/* --- time ----------------------------------------------------------------- */

/* Nothing depends on it any more. */
static bool is_forgettable(const struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    if (incident->severity != LB_ALERT_QUIET || incident->flapping || lb_incident_is_open(incident))
        return false;
    if (self->now < incident->changed_ns + FORGET_AFTER)
        return false;
    for (uint32_t i = 0; i < incident->lane_count; i++)
        if (incident->lanes[i].group != 0) /* which will tell that it has ended */
            return false;
    for (uint32_t i = 0; i < incident->lane_count && incident->rule != NULL; i++) {
        const struct lb_alert_policy policy = { .cooldown_ns = incident->rule->cooldown_ns };

        if (!lb_alert_cooled_down(&incident->lanes[i].told, &policy, self->now))
            return false;
    }
    return true;
}

/* The oldest; one that has to stay does not keep those behind it. */
static void sweep(struct lb_alert_notifier *self)
{
    struct lb_incident *each = self->incidents.first;

    for (int i = 0; i < SWEEP_MAX && each != NULL; i++) {
        struct lb_incident *next = each->next;

        if (is_forgettable(self, each))
            lb_incidents_remove(&self->incidents, each);
        each = next;
    }
}

/* After a restart: nothing was heard of it for so long that it cannot fire still. */
static void doubt(struct lb_alert_notifier *self, struct lb_incident *incident)
{
    const struct lb_alert_key *key = lb_notifier_key(self, incident);

    incident->doubt_until = LB_TIME_NONE;
    incident->replayed_until = LB_TIME_NONE;
    if (key == NULL || key->state.severity == LB_ALERT_QUIET)
        lb_notifier_close(self, incident, "nothing was heard of it since the restart");
}

/* What silences and maintenance hold back may be other alerts now. */
static void note_mutes(struct lb_alert_notifier *self)
{
    uint64_t version = self->mutes_version != NULL ? self->mutes_version(self->mutes) : 0;

    if (version == self->muted_by)
        return;
    self->muted_by = version;
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next)
        if (each->severity != LB_ALERT_QUIET)
            lb_notifier_touch(self, each);
}

/* False: not all that is due. */
static bool settle_due(struct lb_alert_notifier *self)
{
    struct lb_incident *due[SETTLED_MAX];
    size_t count = lb_incidents_due(&self->incidents, self->now, due, SETTLED_MAX);

    for (size_t i = 0; i < count; i++) {
        if (due[i]->doubt_until != LB_TIME_NONE && self->now >= due[i]->doubt_until &&
            !lb_notifier_is_own(due[i]->rule))
            doubt(self, due[i]);
        if (due[i]->dirty || self->now >= due[i]->due_ns)
            lb_notifier_settle(self, due[i]);
        else
            lb_notifier_schedule(self, due[i]);
    }
    return count < SETTLED_MAX;
}

void lb_alert_notifier_tick(struct lb_alert_notifier *self, int64_t now)
{
    bool back = now < self->ticked; /* the clock was set back: what is due lies too far ahead */

    /* Rules are ticked by each stream whose time moves; once a second of the clock is enough here. */
    if (!back && !self->urgent && self->ticked != 0 && now < self->ticked + TICK_NS)
        return;
    self->now = self->ticked = now;
    for (struct lb_incident *each = self->incidents.first; back && each != NULL; each = each->next)
        lb_notifier_touch(self, each);
    for (struct lb_alert_group *group = self->groups.first; back && group != NULL; group = group->next)
        group->call_ns = 0;
    note_mutes(self);
    do
        self->urgent = !settle_due(self);
    while (self->urgent && !self->piecewise);
    lb_notifier_look_at_self(self);
    lb_notifier_watch(self);
    lb_notifier_beat(self);
    lb_notifier_end_outage(self);
    lb_alert_groups_tick(self);
    sweep(self);
}

/* --- acknowledging -------------------------------------------------------- */

static void copy_line(char *to, size_t size, struct lb_str text)
{
    size_t len = text.len < size ? text.len : size - 1;

    /* Not within a character. */
    while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    if (len > 0)
        memcpy(to, text.ptr, len);
    to[len] = '\0';
}

void lb_notifier_note_ack(struct lb_incident *incident, const struct lb_alert_ack *ack)
{
    incident->acked_ns = ack->now;
    copy_line(incident->acked_by, sizeof(incident->acked_by), ack->by);
    copy_line(incident->comment, sizeof(incident->comment), ack->comment);
}

struct lb_str lb_notifier_say_ack(struct lb_alert_notifier *self, const struct lb_incident *incident)
{
    return lb_notifier_say(self, "acknowledged by %s%s%s", incident->acked_by, incident->comment[0] != '\0' ? ": " : "",
                           incident->comment);
}

enum lb_err lb_alert_notifier_acknowledge(struct lb_alert_notifier *self, uint64_t id, struct lb_str by,
                                          struct lb_str comment, int64_t now)
{
    const struct lb_alert_ack ack = { by, comment, now };

    self->urgent = true;
    for (struct lb_incident *each = self->incidents.first; each != NULL; each = each->next) {
        bool known = each->severity != LB_ALERT_QUIET || each->flapping || lb_incident_is_open(each);

        if (each->id != id || !known || lb_notifier_is_unknown(each))
            continue;
        lb_notifier_note_ack(each, &ack);
        each->ack_untold = true;
        lb_notifier_touch(self, each);
        return LB_OK;
    }
    return lb_alert_group_acknowledge(self, id, &ack) ? LB_OK : LB_END;
}

/* --- making and freeing --------------------------------------------------- */

bool lb_alert_notifier_init(struct lb_alert_notifier *self, const struct lb_alerting *alerting,
                            struct lb_alert_outbox *outbox)
{
    self->alerting = alerting;
    self->outbox = outbox;
    lb_arena_init(&self->arena, 4 * ARENA_BYTES);
    lb_buffer_init(&self->entry, LB_ALERT_NOTICE_MAX);
    lb_buffer_init(&self->part, LB_ALERT_NOTICE_MAX);
    self->scratch.size = LB_SCRATCH_BYTES;
    self->scratch.ptr = lb_alloc(self->scratch.size);
    return self->scratch.ptr != NULL;
}

void lb_alert_notifier_free(struct lb_alert_notifier *self)
{
    lb_incidents_free(&self->incidents);
    lb_alert_groups_free(&self->groups);
    lb_buffer_free(&self->entry);
    lb_buffer_free(&self->part);
    lb_arena_free(&self->arena);
    lb_free(self->findings);
    lb_free(self->scratch.ptr);
}
