/*
 * incidents.h - what rules would have told, put together to incidents.
 */
#ifndef INCIDENTS_H
#define INCIDENTS_H

#include "rules.h"

#include "lb_arena.h"
#include "lb_record.h"

struct incident {
    uint32_t rule;
    int8_t highest;    /* severity */
    bool open;         /* it fires still */
    struct lb_str key; /* JSON */
    struct lb_str id;
    int64_t started_ns;
    int64_t told_ns;
    int64_t ended_ns; /* its threshold was crossed up to here; of an open one: the end of the replay */
    double peak;
    uint32_t notices;
};

struct incidents {
    const struct lb_alerting *alerting;
    struct lb_arena arena;
    struct lb_scratch scratch;
    struct incident *items;
    uint32_t count;
    uint32_t capacity;
    uint64_t lost;  /* past INCIDENTS_MAX */
    int64_t now_ns; /* the end of the replay */
};

enum { INCIDENTS_MAX = 1000 * 1000 };

bool incidents_open(struct incidents *self, const struct lb_alerting *alerting);
void incidents_close(struct incidents *self);

/* A notice of the engine. */
void incidents_note(struct incidents *self, const struct lb_record *record);

/* What is known of one rule. */
struct incident_summary {
    uint32_t times;
    uint32_t notices;
    uint32_t by_severity[LB_SEVERITY_COUNT];
    uint32_t shorter;     /* than INCIDENTS_SHORT */
    int64_t suggested_ns; /* `for` that keeps the short ones quiet; 0: none is needed */
    uint32_t left;        /* that would still fire with it */
    int64_t longest_ns;
    int64_t total_ns;
};

#define INCIDENTS_SHORT (120 * INT64_C(1000000000))

struct incident_summary incidents_summary(const struct incidents *self, uint32_t rule);

static inline int64_t incident_length(const struct incident *incident)
{
    return incident->ended_ns > incident->started_ns ? incident->ended_ns - incident->started_ns : 0;
}

/* --- showing them (incidents_show.c) --------------------------------------------------------------- */

struct replay_facts {
    int64_t first_ns;
    int64_t last_ns;
    uint64_t records;
    uint64_t blocks;
    uint64_t blocks_read;
    double seconds;
    size_t files;
};

void incidents_show(const struct incidents *incidents, const struct replay_facts *facts);
void incidents_show_json(const struct incidents *incidents, const struct replay_facts *facts);

#endif
