/*
 * alert_notifier.h - between what an alert is and what people are told.
 *
 *   how it stands ─▶ incident ─▶ lanes: notice now, later, or not ─▶ entry (record + incident) ─▶ outbox
 *
 * Rules say how each alert stands; the notifier knows what each group of
 * people was told and closes the gap: at once, when a cooldown, a group's
 * interval or a mute is over, or never. Whoever was told that an alert fires
 * gets exactly one closing message, whatever happens to rule, route or
 * process. Everything it decides goes out as an entry that also holds the
 * incident as it stands then; so what was decided can be read back from the
 * journal, and deciding it again after a crash comes to nothing.
 *
 * The engine's thread alone, under its state_lock.
 */
#ifndef LB_ALERT_NOTIFIER_H
#define LB_ALERT_NOTIFIER_H

#include "alert_event.h"
#include "alert_group.h"
#include "alert_incident.h"
#include "alert_mute.h"
#include "alert_outbox.h"
#include "lb_markers.h"

enum { LB_ALERT_REASON_TEXT = 320 };

/* The time between two runs, while what is read of it is looked at. */
struct lb_alert_outage {
    int64_t from;
    int64_t until; /* 0: there was none */
    bool told;
    uint64_t alerts;
    int8_t highest;
    char names[600]; /* "error_rate of service=api; logins of ip=10.0.0.1" */
    bool more;       /* than there is room for */
};

struct lb_alert_notifier {
    const struct lb_alerting *alerting;
    struct lb_alert_runner *runners; /* the engine's, one for each rule */
    struct lb_alert_outbox *outbox;
    struct lb_incidents incidents;
    struct lb_alert_groups groups;
    int64_t now;
    int64_t ticked;
    bool urgent; /* somebody waits for the next tick, or the last one has not done all that was due */

    bool piecewise; /* a tick must not take long, and another one comes soon; otherwise it does all that is due */

    /* What mutes; NULL: nothing does. */
    struct lb_mute (*find_mute)(struct lb_mutes *mutes, const struct lb_record *event, int64_t now,
                                struct lb_scratch *scratch);
    uint64_t (*mutes_version)(struct lb_mutes *mutes); /* counts up when they change; NULL: they may at any second */
    struct lb_mutes *mutes;
    uint64_t muted_by; /* the version by which all were looked at, or are about to be */

    /* What people did; NULL: nobody says. */
    struct lb_markers *markers;
    char deploy[LB_MARKER_TEXT_BYTES];

    const struct lb_alert_outside *outside; /* the engine's; NULL: nobody to ask */
    uint64_t down;                          /* sinks that deliver nothing */
    struct lb_self_finding *findings;       /* what is wrong with logboom itself; NULL: never asked */
    uint32_t finding_count;
    struct lb_alert_outage outage;
    int64_t beat_ns; /* the last sign of life; 0: none yet */
    uint32_t beats;

    const char *closing; /* why what ends now ends; NULL: because it is over */
    uint64_t lost;

    struct lb_arena arena; /* of one record */
    struct lb_scratch scratch;
    struct lb_buffer entry;
    struct lb_buffer part;
    char reason[LB_ALERT_REASON_TEXT];
    struct lb_alert_rule gone; /* stands for a rule that is no more */
    struct lb_str gone_by[16];
};

/* False: no memory. */
bool lb_alert_notifier_init(struct lb_alert_notifier *self, const struct lb_alerting *alerting,
                            struct lb_alert_outbox *outbox);
void lb_alert_notifier_free(struct lb_alert_notifier *self);

/* How an alert stands; what has to be told of it is. Returns the severity that people know of. */
int8_t lb_alert_notifier_report(struct lb_alert_notifier *self, const struct lb_alert_report *report);

/* Time has passed. */
void lb_alert_notifier_tick(struct lb_alert_notifier *self, int64_t now);

/* Noted; told with the next tick. LB_END: no such alert fires. */
enum lb_err lb_alert_notifier_acknowledge(struct lb_alert_notifier *self, uint64_t id, struct lb_str by,
                                          struct lb_str comment, int64_t now);

/* Other rules, routes and sinks. `sinks`: for each bit of before its bit now, or 0. `self->runners` are the new ones.
 */
void lb_alert_notifier_change(struct lb_alert_notifier *self, const struct lb_alerting *alerting,
                              const uint64_t sinks[64]);

/* All it knows, and back. False: not readable; it knows nothing then. */
void lb_alert_notifier_write(struct lb_buffer *out, const struct lb_alert_notifier *self);
bool lb_alert_notifier_read(struct lb_alert_notifier *self, struct lb_str bytes, const uint64_t sinks[64]);

/* A report to those who get it. */
void lb_alert_notifier_paper(struct lb_alert_notifier *self, const struct lb_alert_paper *paper);

/* Alerts of logboom itself that fire, as JSON objects behind others (`any`); true if there is any now. */
bool lb_alert_notifier_write_own(const struct lb_alert_notifier *self, bool any, struct lb_buffer *out);

/* An entry that an earlier run decided after what was read. */
void lb_alert_notifier_redo(struct lb_alert_notifier *self, struct lb_alert_read *entry);

/* All is read: who waits for the end of what is no more is told. */
void lb_alert_notifier_begin(struct lb_alert_notifier *self, int64_t now);

#endif
