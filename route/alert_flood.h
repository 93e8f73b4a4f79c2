/*
 * alert_flood.h - the door of a rule whose keys are all in use: who may come in.
 *
 * A flood of keys that come once must not push out those that come often. When
 * a rule that counts has no key left, keys that are not among them are counted
 * in a sketch (Count-Min, conservative update, 4 rows of 131,072, one for this
 * span of `over` and one for that before: 2 MiB, allocated then). A key whose
 * count there reaches a quarter of the threshold gets a place, with what the
 * sketch knows of it. The sketch never counts too little; by how much it
 * counts too much is seen by asking it for keys that never were. One thread.
 */
#ifndef LB_ALERT_FLOOD_H
#define LB_ALERT_FLOOD_H

#include "alert_top.h"
#include "lb_alert.h"
#include "lb_buffer.h"

enum {
    LB_ALERT_FLOOD_ROWS = 4,
    LB_ALERT_FLOOD_WIDTH = 131072,
    LB_ALERT_FLOOD_BYTES = LB_ALERT_FLOOD_ROWS * LB_ALERT_FLOOD_WIDTH * 2, /* of one span */
    LB_ALERT_FLOOD_LEAST = 8, /* a threshold under which a key is as good as any other */
};

struct lb_alert_flood {
    uint16_t *spans[2]; /* this one and the one before; NULL until first needed */
    int64_t span;       /* its number since 1970 */
    uint32_t noise[2];  /* what keys count that never were, in each */
    uint32_t adds;      /* since that was looked at */
    int64_t used_ns;    /* by the clock */
    int64_t told_ns;    /* that there is a flood */
    uint64_t told;      /* `records` then */
    uint64_t records;   /* that found no place, ever */
    struct lb_alert_top *top;
};

/* What is known of a key that gets a place, without the record that is at the door: surely about that many came. */
struct lb_alert_known {
    uint32_t now;    /* in this span of `over`, */
    uint32_t before; /* and in the one before, of which only a part is in the window */
    int64_t since;   /* when this span began */
};

/* How many records in a window cross its lowest threshold; 0: the rule does not count, or so few that it has no door.
 */
uint64_t lb_alert_flood_threshold(const struct lb_alert_rule *rule);

void lb_alert_flood_free(struct lb_alert_flood *flood);

/* A record of a key without a place; the clock stands at `now`. */
struct lb_alert_visitor {
    uint64_t hash;
    struct lb_str text;
    int64_t time_ns;
    int64_t now;
};

/* True: it may have one. `over_ns` of the rule, `least` what it takes. False also when there is no memory. */
bool lb_alert_flood_enter(struct lb_alert_flood *flood, const struct lb_alert_visitor *visitor, int64_t over_ns,
                          uint64_t least, struct lb_alert_known *known);

/* A key lost its place: what was counted of it is not forgotten. */
void lb_alert_flood_leave(struct lb_alert_flood *flood, uint64_t hash, uint64_t count);

/* From time to time: says who floods the rule, and lets the memory go when it is over. */
void lb_alert_flood_tick(struct lb_alert_flood *flood, const struct lb_alert_rule *rule, int64_t now);

size_t lb_alert_flood_bytes(const struct lb_alert_flood *flood);

#endif
