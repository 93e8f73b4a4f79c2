/*
 * alert_notifier_parts.h - what the notifier's files share: alert_notifier.c
 * (how an alert stands, time), alert_lane.c (what one group of people is
 * told), alert_flap.c (what comes and goes), alert_group.c,
 * alert_group_record.c (alerts together), alert_hold.c (what holds an alert
 * back), alert_known.c (over a restart and a reload).
 */
#ifndef LB_ALERT_NOTIFIER_PARTS_H
#define LB_ALERT_NOTIFIER_PARTS_H

#include "alert_notifier.h"

/* --- alert_notifier.c ------------------------------------------------------- */

/* The rule, or what stands for it while it is no more. */
const struct lb_alert_rule *lb_notifier_rule(struct lb_alert_notifier *self, const struct lb_incident *incident);

/* NULL: it is not known (any more). */
struct lb_alert_runner *lb_notifier_runner(const struct lb_alert_notifier *self, const struct lb_incident *incident);
struct lb_alert_key *lb_notifier_key(const struct lb_alert_notifier *self, const struct lb_incident *incident);

/* What stands of it may have to be told now. */
void lb_notifier_settle(struct lb_alert_notifier *self, struct lb_incident *incident);

/* It has ended for another reason than that it is over. */
void lb_notifier_close(struct lb_alert_notifier *self, struct lb_incident *incident, const char *why);

/* To be looked at again by then: said while it is settled. */
void lb_notifier_due(struct lb_incident *incident, int64_t at);

/* Something has changed that it depends on: to be looked at with the next tick. */
void lb_notifier_touch(struct lb_alert_notifier *self, struct lb_incident *incident);

/* It was settled, or its doubt has changed: when it is next looked at. */
void lb_notifier_schedule(struct lb_alert_notifier *self, struct lb_incident *incident);

/* Who works on it, and since when. */
struct lb_alert_ack {
    struct lb_str by;
    struct lb_str comment;
    int64_t now;
};
void lb_notifier_note_ack(struct lb_incident *incident, const struct lb_alert_ack *ack);

/* "acknowledged by bob: looking", in self->reason. */
struct lb_str lb_notifier_say_ack(struct lb_alert_notifier *self, const struct lb_incident *incident);

/* --- alert_lane.c ----------------------------------------------------------- */

/* How far each way of telling leads now. */
struct lb_notifier_way {
    uint64_t route;
    uint64_t sinks;
};

struct lb_notifier_ways {
    struct lb_notifier_way items[LB_INCIDENT_LANES_MAX];
    uint32_t count;
};

const struct lb_alert_manner *lb_notifier_manner(const struct lb_alert_notifier *self, uint64_t route);
struct lb_alert_policy lb_notifier_policy(struct lb_alert_notifier *self, const struct lb_incident *incident,
                                          const struct lb_alert_manner *manner);

/* The record as it would be told now, in self->arena. False: no memory. */
bool lb_notifier_record(struct lb_alert_notifier *self, const struct lb_incident *incident, struct lb_record *record);
void lb_notifier_match(struct lb_alert_notifier *self, struct lb_incident *incident, const struct lb_record *record,
                       struct lb_notifier_ways *ways);

/* Tells what is due by the lane of that index; `wanted`: where its routes lead now. */
void lb_notifier_lane(struct lb_alert_notifier *self, struct lb_incident *incident, uint32_t index, uint64_t wanted);

/* Whoever was told by that lane, and where it leads now. */
uint64_t lb_notifier_told_now(const struct lb_alert_notifier *self, struct lb_alert_lane *lane, uint64_t wanted);

/* The next step of its escalation, noted as taken; NULL: none is due before `at`. */
const struct lb_alert_call_up *lb_notifier_next_step(struct lb_alert_notifier *self, const struct lb_incident *incident,
                                                     struct lb_alert_lane *lane, int64_t *at);
struct lb_str lb_notifier_say_nobody_came(struct lb_alert_notifier *self, int64_t after);

/* Tells the sinks of the next steps that it fires, if nobody has acknowledged it for so long. */
void lb_notifier_escalate(struct lb_alert_notifier *self, struct lb_incident *incident, uint32_t index);

/* Tells these sinks; `reason` may be empty. */
struct lb_notifier_words {
    enum lb_alert_notice notice;
    int8_t previous;
    struct lb_str reason;
};
void lb_notifier_emit(struct lb_alert_notifier *self, struct lb_incident *incident, uint64_t sinks,
                      const struct lb_notifier_words *words);

/* An entry of that event in self->entry, for parts to be put behind; then on its way. False: no memory, counted. */
bool lb_notifier_compose(struct lb_alert_notifier *self, const struct lb_alert_event *event, uint64_t sinks);
void lb_notifier_put_incident(struct lb_alert_notifier *self, const struct lb_incident *incident);
void lb_notifier_send(struct lb_alert_notifier *self);

/* Formats into self->reason. */
struct lb_str lb_notifier_say(struct lb_alert_notifier *self, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* --- alert_flap.c ----------------------------------------------------------- */

/* It has ended, and that is told when it has not come back `until` then. */
bool lb_notifier_waits(const struct lb_alert_notifier *self, const struct lb_incident *incident, int64_t *until);

/* It comes and goes: true while nobody is told at once of its changes. */
bool lb_notifier_flaps(struct lb_alert_notifier *self, struct lb_incident *incident,
                       const struct lb_notifier_ways *ways);

/* --- alert_group_record.c --------------------------------------------------- */

/* What a notice of a group is made of. */
struct lb_group_gathered {
    struct lb_buffer members;
    struct lb_buffer names;
    uint32_t count; /* of members */
    uint32_t firing;
    uint32_t held;
    uint32_t flapping; /* of those that fire */
    uint32_t newly;    /* of these: nobody was told yet that they flap */
    uint32_t unacked;  /* of those that fire and do not flap */
    int8_t severity;   /* the highest of those that fire, or that did */
    int8_t ended;
    int64_t at;
    int64_t started;
};

/* The lane by which the incident is told with that group; or NULL. */
struct lb_alert_lane *lb_group_lane(struct lb_incident *incident, const struct lb_alert_group *group);

/* The severity that its people know of or are to hear of: what flaps, or may be back at once, is not over. */
int8_t lb_group_stands(const struct lb_alert_notifier *self, const struct lb_incident *incident,
                       const struct lb_alert_lane *lane);

void lb_group_gather(struct lb_alert_notifier *self, const struct lb_alert_group *group,
                     struct lb_group_gathered *gathered);
void lb_group_free(struct lb_group_gathered *gathered);

/* What it is told as, its sentence, and all else of it. */
enum lb_alert_notice lb_group_notice(const struct lb_alert_group *group, const struct lb_group_gathered *gathered);
void lb_group_message(const struct lb_alert_notifier *self, const struct lb_alert_group *group,
                      const struct lb_group_gathered *gathered, struct lb_str reason, struct lb_buffer *out);
void lb_group_event(struct lb_alert_notifier *self, const struct lb_alert_group *group,
                    const struct lb_group_gathered *gathered, enum lb_alert_notice notice,
                    struct lb_alert_event *event);

/* --- alert_hold.c ----------------------------------------------------------- */

/* What holds it back, for people; empty: nothing does. */
struct lb_str lb_notifier_held(struct lb_alert_notifier *self, struct lb_incident *incident,
                               const struct lb_record *record);

/* It began or ended: those it inhibits are looked at. */
void lb_notifier_spread(struct lb_alert_notifier *self, const struct lb_incident *incident);

/* --- alert_unknown.c -------------------------------------------------------- */

/* It is of a rule that cannot be judged, and of no key. */
bool lb_notifier_is_unknown(const struct lb_incident *incident);
void lb_notifier_fill_unknown(struct lb_alert_notifier *self, const struct lb_incident *incident,
                              struct lb_alert_event *event);
void lb_notifier_report_unknown(struct lb_alert_notifier *self, const struct lb_alert_report *report);
void lb_notifier_end_unknown(struct lb_alert_notifier *self, struct lb_incident *incident, const char *why);

/* --- alert_down.c ----------------------------------------------------------- */

/* The rule of `channel_down`, which nobody has written. */
extern const struct lb_alert_rule lb_notifier_down_rule;

/* These sinks, and where alerts go while some of them are down. */
uint64_t lb_notifier_detour(const struct lb_alert_notifier *self, uint64_t sinks);

/* Which channels are down now. */
void lb_notifier_watch(struct lb_alert_notifier *self);

/* Whoever alerts may ever go to: sinks. */
uint64_t lb_notifier_alerted(const struct lb_alerting *alerting);

/* --- alert_self.c ----------------------------------------------------------- */

/* A rule that nobody has written, `channel_down` too: of that name, or NULL; whether one is of these. */
const struct lb_alert_rule *lb_notifier_own_rule(struct lb_str name);
bool lb_notifier_is_own(const struct lb_alert_rule *rule);

/* Asks what is wrong with logboom itself; what has changed is told. Gives a sign of life when it is time. */
void lb_notifier_look_at_self(struct lb_alert_notifier *self);
void lb_notifier_beat(struct lb_alert_notifier *self);

/* What is wrong just now, of an own rule; or empty. */
struct lb_str lb_notifier_finding_text(const struct lb_alert_notifier *self, const struct lb_incident *incident);

/* --- alert_run.c ------------------------------------------------------------ */

/* The program of its rule, once for each incident that is not held back. Uses no arena. */
void lb_notifier_run(struct lb_alert_notifier *self, struct lb_incident *incident);

/* --- alert_outage.c --------------------------------------------------------- */

/* At the begin; at each tick, when all is read. */
void lb_notifier_begin_outage(struct lb_alert_notifier *self);
void lb_notifier_end_outage(struct lb_alert_notifier *self);

/* That happened while logboom was down: it is counted, and nobody is called for it. */
bool lb_notifier_in_outage(struct lb_alert_notifier *self, const struct lb_incident *incident,
                           const struct lb_alert_report *report);

/* Likewise the summary of a rule. */
bool lb_notifier_outage_takes(struct lb_alert_notifier *self, const struct lb_alert_report *report);

#endif
