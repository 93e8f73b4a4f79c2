/*
 * alert_group.h - alerts that are told together.
 *
 * A group is made of the alerts of one route that have the same values of its
 * `group_by` fields. Its first notice waits a little for more of the same, the
 * next ones come no closer than its interval; each is one record that lists
 * the members, under one id, so that it stays one thread or one page. Which
 * alerts belong to it stands in their lanes. The engine's thread alone.
 */
#ifndef LB_ALERT_GROUP_H
#define LB_ALERT_GROUP_H

#include "alert_incident.h"

enum { LB_ALERT_GROUPS_MAX = 4096, LB_ALERT_GROUP_KEY_BYTES = 512, LB_ALERT_MEMBERS_SHOWN = 50 };

struct lb_alert_group {
    struct lb_alert_group *next;
    uint64_t number; /* of route and values, for ever */
    uint64_t route;  /* lb_alert_manner.print */
    uint64_t id;     /* while it is open; 0: it is not */
    uint32_t sequence;
    uint64_t sinks;     /* that were told that it fires and not that it is over */
    uint64_t wanted;    /* that the members' routes lead to */
    int64_t started;    /* by event time: of its first member */
    int64_t waiting_ns; /* by the clock: since when something is to be told; LB_TIME_NONE: nothing is */
    int64_t looked_ns;  /* not kept: when its members were last asked whether it is repeated */
    int64_t sent_ns;    /* by the clock: the last notice; LB_TIME_NONE: none yet */
    int64_t call_ns;    /* not kept: by the clock, when others may have to be called; 0: to be found out */
    bool ack_untold;    /* not kept on disk */
    uint16_t key_length;
    char key[LB_ALERT_GROUP_KEY_BYTES]; /* a JSON object */
};

struct lb_alert_groups {
    struct lb_alert_group *first;
    uint32_t count;
};

struct lb_alert_notifier;
struct lb_record;

void lb_alert_groups_free(struct lb_alert_groups *groups);

/* A new one. NULL: too many, or no memory. */
struct lb_alert_group *lb_alert_groups_add(struct lb_alert_groups *groups, uint64_t number, uint64_t route);
struct lb_alert_group *lb_alert_groups_find(const struct lb_alert_groups *groups, uint64_t number);

/* What is to be told of the incident by that lane goes with its group. */
void lb_alert_group_note(struct lb_alert_notifier *self, struct lb_incident *incident, struct lb_alert_lane *lane,
                         const struct lb_alert_manner *manner, uint64_t wanted);

/* Tells what is due. */
void lb_alert_groups_tick(struct lb_alert_notifier *self);

/* Groups whose route is no more are closed, and their members belong to none. */
void lb_alert_groups_change(struct lb_alert_notifier *self, const uint64_t sinks[64]);

/* Somebody works on all of it; told with the next tick. False: no such group. */
struct lb_alert_ack;
bool lb_alert_group_acknowledge(struct lb_alert_notifier *self, uint64_t id, const struct lb_alert_ack *ack);

void lb_alert_group_write(struct lb_buffer *out, const struct lb_alert_group *group);
bool lb_alert_group_read(struct lb_alert_groups *groups, struct lb_alert_bytes *bytes, const uint64_t sinks[64]);

#endif
