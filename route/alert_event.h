/*
 * alert_event.h - what people are told of an alert, as a record like any other.
 *
 * An event is copied out of the engine's state when it happens, and owns all
 * its bytes: it may have to wait for credit while the state moves on.
 */
#ifndef LB_ALERT_EVENT_H
#define LB_ALERT_EVENT_H

#include "alert_evaluate.h"
#include "lb_arena.h"
#include "lb_record.h"

struct lb_alert_event {
    struct lb_alert_event *next;
    const struct lb_alert_rule *rule;
    const struct lb_alerting *alerting; /* that the rule is of; a reference of its generation is held */
    uint32_t sink_count;                /* bits of `sinks` */
    bool summary;                       /* of `alerts` alerts in old records; no key */
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
    uint64_t count;
    uint64_t alerts;
    uint64_t blind;     /* keys that could not be judged */
    uint32_t held_back; /* occurrences */
    bool forgotten;
    uint64_t id;
    uint64_t fingerprint[2];
    uint32_t sequence;
    uint64_t sinks; /* that it goes to */
    uint16_t key_length;
    uint8_t text_count;
    uint8_t text_lengths[LB_ALERT_TEXTS];
    char key[LB_KEY_BYTES_MAX];
    uint8_t reason_length; /* of a detector; 0: none */
    char reason[LB_ALERT_REASON_BYTES];
    char texts[LB_ALERT_TEXTS][LB_ALERT_TEXT_BYTES];
};

/* It tells that a rule cannot be judged, or can again. */
bool lb_alert_is_blindness(const struct lb_alert_event *event);

void lb_alert_event_fill(struct lb_alert_event *event, const struct lb_alert_report *report);

/* The event as a record in `arena`; its positions are the caller's to set. False: the arena is full. */
bool lb_alert_event_record(const struct lb_alert_event *event, const struct lb_alerting *alerting,
                           struct lb_arena *arena, struct lb_record *record);

/* The key as a JSON object, `{"service":"payments"}`. */
struct lb_buffer;
void lb_alert_key_write(struct lb_buffer *out, const struct lb_alert_rule *rule, struct lb_str key);

/* One alert that fires, as a JSON object. */
void lb_alert_firing_write(struct lb_buffer *out, const struct lb_alert_runner *runner, const struct lb_alert_key *key);

#endif
