/*
 * alert_incident.h - what people know of each alert.
 *
 * One incident for each fingerprint (rule and key) that fired and that
 * somebody was told of, or would have been: how it stands, and what each
 * group of people was told of it. It outlives the rule, its key and its end
 * for as long as something depends on it: somebody who was told that it fires
 * and not yet that it is over, a cooldown, transitions that may be flapping.
 *
 * A lane is one way of telling: the routes that tell at once, or one route
 * with a manner of its own (repeat, escalation, grouping). The engine's thread
 * alone.
 */
#ifndef LB_ALERT_INCIDENT_H
#define LB_ALERT_INCIDENT_H

#include "alert_deadlines.h"
#include "alert_packed.h"
#include "alert_state.h"
#include "lb_limits.h"

enum {
    LB_INCIDENTS_MAX = 65536,
    LB_INCIDENT_LANES_MAX = 32,
    LB_INCIDENT_FLAPS = 5, /* so many transitions within ten times `hold` are flapping */
    LB_INCIDENT_BY_BYTES = 64,
    LB_INCIDENT_COMMENT_BYTES = 160,
};

struct lb_alert_lane {
    uint64_t route; /* lb_alert_route_print() of its route; 0: those that tell at once */
    struct lb_alert_told told;
    uint64_t sinks; /* that were told that it fires and not that it is over */
    int64_t since;  /* by the clock: when they were first told of this incident */
    uint64_t group; /* its group's number, or 0 */
    uint32_t step;  /* of the escalation that comes next */
    bool hushed;    /* they were told that it is suppressed */
    bool flapped;   /* of a group: they were told that it flaps */
};

struct lb_incident {
    struct lb_incident *chain; /* in its bucket */
    struct lb_incident *previous;
    struct lb_incident *next;
    const struct lb_alert_rule *rule; /* NULL: it is no more */
    uint64_t fingerprint[2];

    /* How it stands. */
    uint64_t id;
    uint32_t sequence;
    int8_t severity; /* or LB_ALERT_QUIET */
    int8_t last;     /* before it ended */
    bool judged;     /* `value` means something */
    bool late;       /* too old to call anyone */
    int64_t started;
    int64_t at; /* by event time: of the last change, or report */
    double value;
    double peak;
    uint64_t count;

    /* Flapping. */
    int64_t flaps[LB_INCIDENT_FLAPS]; /* event times of the last transitions, the newest first */
    uint64_t flap_count;              /* since it flaps */
    int64_t changed_ns;               /* by the clock: the last transition */
    bool flapping;

    /* Acknowledged. */
    int64_t acked_ns; /* LB_TIME_NONE: by nobody */
    char acked_by[LB_INCIDENT_BY_BYTES];
    char comment[LB_INCIDENT_COMMENT_BYTES];

    struct lb_alert_lane *lanes;
    uint32_t lane_count;
    uint32_t lane_capacity;

    int64_t replayed_until; /* by event time: all up to here was decided by an earlier run; or LB_TIME_NONE */

    /* Not kept on disk. */
    int64_t doubt_until; /* by the clock: until then nobody knows how it stands; or LB_TIME_NONE */
    int64_t due_ns;      /* by the clock: when to look at it though nothing happens */
    uint32_t place;      /* in the table's deadlines */
    uint64_t number;     /* counts up in the order in which they came */
    int64_t looked_ns;   /* by the clock: when it was last settled */
    bool ack_untold;     /* those who know of it do not know that somebody works on it */
    bool occurred;       /* one more of it is reported just now */
    bool dirty;          /* something has changed that may have to be told */
    bool held;           /* by a mute or another alert */
    bool run_due;        /* the program of its rule was not run for it */

    uint16_t rule_length;
    uint16_t key_length;
    char text[]; /* the rule's name, then the key */
};

struct lb_incidents {
    struct lb_incident **buckets;
    uint32_t bucket_count; /* a power of two; 0 at first */
    uint32_t count;
    struct lb_incident *first; /* the oldest */
    struct lb_incident *last;
    uint64_t refused; /* for want of room */

    /* When each is to be looked at, and which place is whose. */
    struct lb_alert_deadlines deadlines;
    struct lb_incident **places;
    uint32_t *free_places;
    uint32_t place_count;
    uint32_t free_count;
    uint64_t numbered;
};

void lb_incidents_free(struct lb_incidents *table);
struct lb_incident *lb_incidents_find(const struct lb_incidents *table, const uint64_t fingerprint[2]);

/* A new one, all quiet. NULL: no room, or no memory; counted. */
struct lb_incident *lb_incidents_add(struct lb_incidents *table, const uint64_t fingerprint[2], struct lb_str rule,
                                     struct lb_str key);
void lb_incidents_remove(struct lb_incidents *table, struct lb_incident *incident);

/* --- alert_due.c: which of them to look at --------------------------------- */

/* A place among the deadlines, without one as yet; and back. False: no memory. */
bool lb_incidents_place(struct lb_incidents *table, struct lb_incident *incident);
void lb_incidents_leave(struct lb_incidents *table, struct lb_incident *incident);

/* To be looked at by then, and not before. */
void lb_incidents_schedule(struct lb_incidents *table, const struct lb_incident *incident, int64_t time);

/* Those whose time has come, `max` at most, in the order in which they came. Returns how many. */
size_t lb_incidents_due(const struct lb_incidents *table, int64_t now, struct lb_incident **due, size_t max);

/* --- one of them ----------------------------------------------------------- */

/* The lane of that route, made if it is not there. NULL: no memory, or too many. */
struct lb_alert_lane *lb_incident_lane(struct lb_incident *incident, uint64_t route);

/* They were told that it is over. */
void lb_alert_lane_end(struct lb_alert_lane *lane);

/* Everybody who was told that it fires, in any way. */
uint64_t lb_incident_sinks(const struct lb_incident *incident);

/* Somebody was told that it fires and not that it is over. */
bool lb_incident_is_open(const struct lb_incident *incident);

/* It fires or ended at `at`: noted as a transition. */
void lb_incident_note_flap(struct lb_incident *incident, int64_t at);

/* All of it as bytes; and back, over what is known of the same fingerprint. NULL: not readable, or no room. */
void lb_incident_write(struct lb_buffer *out, const struct lb_incident *incident);
struct lb_incident *lb_incident_read(struct lb_incidents *table, struct lb_alert_bytes *bytes,
                                     const uint64_t sinks[64]);

/* For each bit of `mask` the bits that `sinks` has for it. */
uint64_t lb_alert_map_sinks(uint64_t mask, const uint64_t sinks[64]);

static inline struct lb_str lb_incident_rule(const struct lb_incident *incident)
{
    return (struct lb_str){ incident->text, incident->rule_length };
}

static inline struct lb_str lb_incident_key(const struct lb_incident *incident)
{
    return (struct lb_str){ incident->text + incident->rule_length, incident->key_length };
}

#endif
