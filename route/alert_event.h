/*
 * alert_event.h - what people are told of an alert, as a record like any other.
 *
 * An event borrows what it says from the engine's state, and becomes a record
 * at once; as bytes that may have to wait while the state moves on.
 */
#ifndef LB_ALERT_EVENT_H
#define LB_ALERT_EVENT_H

#include "alert_evaluate.h"
#include "lb_arena.h"
#include "lb_record.h"

struct lb_incident;

/* What stands for several alerts; each slice JSON but for the first two. */
struct lb_alert_many {
    struct lb_str name;
    struct lb_str message;
    struct lb_str key;     /* an object: what they have in common */
    struct lb_str members; /* an array of objects */
    bool digest;
};

struct lb_alert_event {
    const struct lb_alert_rule *rule;
    const struct lb_alert_many *many; /* NULL: of one alert */
    bool summary;                     /* of `alerts` alerts in old records; no key */
    bool late;
    enum lb_alert_notice notice;
    int8_t severity;
    int8_t previous; /* LB_ALERT_QUIET: none */
    int64_t at;
    int64_t started;
    double value;
    double peak;
    double parts[LB_ALERT_PARTS_MAX]; /* of a rule with several functions; NAN: not known */
    bool judged;                      /* `value` means something */
    bool approximate;                 /* reached with records that were not counted one by one */
    uint64_t count;
    uint64_t alerts;
    uint64_t blind;     /* keys that could not be judged */
    uint32_t held_back; /* occurrences */
    bool forgotten;
    uint64_t id;
    uint64_t fingerprint[2];
    uint32_t sequence;
    struct lb_str key;
    struct lb_str deploy;               /* what was done to its service shortly before it began; or empty */
    struct lb_str reason;               /* of a detector; empty: none */
    struct lb_str note;                 /* why it is told, where that is not plain; or empty */
    const struct lb_alert_texts *texts; /* or NULL */
    const struct lb_alert_tops *tops;   /* or NULL */
    bool links;                         /* for people, not only to be matched: with address and command */
};

/* The same for one (rule, key) for ever, whatever its severity. */
void lb_alert_fingerprint(struct lb_str rule, struct lb_str key, uint64_t fingerprint[2]);

/* How the alert of `key` stands, as it is told as `notice`; `key` may be NULL. Slices are borrowed. */
void lb_alert_event_fill(struct lb_alert_event *event, const struct lb_incident *incident,
                         const struct lb_alert_key *key, enum lb_alert_notice notice);

/* What is told of a rule and not of a key: a summary, or that it cannot be judged, or can again. */
void lb_alert_event_rule(struct lb_alert_event *event, const struct lb_alert_report *report);

/* It tells that a rule cannot be judged, or can again. */
bool lb_alert_is_blindness(const struct lb_alert_event *event);

/* The event as a record in `arena`; its positions are the caller's to set. False: the arena is full. */
bool lb_alert_event_record(const struct lb_alert_event *event, const struct lb_alerting *alerting,
                           struct lb_arena *arena, struct lb_record *record);

/* "firing", "resolved" … */
const char *lb_alert_notice_name(enum lb_alert_notice notice);

/* The key as a JSON object, `{"service":"payments"}`. */
struct lb_buffer;
void lb_alert_key_write(struct lb_buffer *out, const struct lb_alert_rule *rule, struct lb_str key);

/* A string in quotes. */
void lb_alert_string_write(struct lb_buffer *out, struct lb_str text);

/* RFC 3339. */
void lb_alert_time_write(struct lb_buffer *out, int64_t time);

/* One alert that fires, as a JSON object; `incident` may be NULL. */
void lb_alert_firing_write(struct lb_buffer *out, const struct lb_alert_runner *runner, const struct lb_alert_key *key,
                           const struct lb_incident *incident);

/* Likewise one of logboom itself, of a rule without a runner. */
void lb_alert_own_write(struct lb_buffer *out, const struct lb_incident *incident, struct lb_str reason);

#endif
