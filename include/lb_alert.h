/*
 * lb_alert.h - alert rules, and the engine that runs them.
 *
 * Workers evaluate predicates and keys (lb_feed); the engine is one thread
 * that applies the feeds in stream order to windows over event time, drives
 * each alert's state, and hands alert events on as records: they pass the
 * alerting routes and reach any sink. Same records and arrival times, same
 * transitions, whatever the number of workers.
 */
#ifndef LB_ALERT_H
#define LB_ALERT_H

#include "lb_batch.h"
#include "lb_diag.h"
#include "lb_err.h"
#include "lb_limits.h"
#include "lb_module.h"
#include "lb_pool.h"
#include "lb_report.h"
#include "lb_self.h"
#include "lb_stream.h"

struct lb_alert_detector_type;
struct lb_alert_rule;
struct lb_calendar;
struct lb_expr;
struct lb_node;
struct lb_route;

enum lb_severity {
    LB_SEVERITY_INFO,
    LB_SEVERITY_LOW,
    LB_SEVERITY_MEDIUM,
    LB_SEVERITY_HIGH,
    LB_SEVERITY_CRITICAL,
    LB_SEVERITY_COUNT
};

enum lb_comparison { LB_ABOVE, LB_AT_LEAST, LB_BELOW, LB_AT_MOST };

struct lb_threshold {
    bool set;
    enum lb_comparison comparison;
    double number; /* a ratio as 0…1 */
};

enum lb_alert_function {
    LB_ALERT_COUNT, /* of the records that match */
    LB_ALERT_RATE,  /* the same in a second */
    LB_ALERT_RATIO, /* the part that matches, 0…1 */
    LB_ALERT_SUM,   /* of a field, as are those below */
    LB_ALERT_AVG,
    LB_ALERT_MIN,
    LB_ALERT_MAX,
    LB_ALERT_STDDEV,
    LB_ALERT_PERCENTILE,
    LB_ALERT_LAST,
    LB_ALERT_DISTINCT,    /* how many different values */
    LB_ALERT_CONSECUTIVE, /* how many of the newest records match, one after the other */
    LB_ALERT_FORMULA,     /* made of the values of the rule's parts */
};

/*
 * A formula over the parts of a rule, in postfix order: numbers for `value: count(a) / count(b)`, and 1, 0 or NAN (not
 * known) for the conditions of `when:`.
 */
enum lb_alert_step_kind {
    LB_STEP_PART,
    LB_STEP_NUMBER,
    LB_STEP_ADD,
    LB_STEP_SUBTRACT,
    LB_STEP_MULTIPLY,
    LB_STEP_DIVIDE, /* by 0: NAN */
    LB_STEP_COMPARE,
    LB_STEP_AND,
    LB_STEP_OR,
};

struct lb_alert_step {
    enum lb_alert_step_kind kind;
    uint16_t part;
    double number;
    struct lb_threshold threshold;
};

struct lb_alert_formula {
    struct lb_alert_step *steps;
    uint32_t count;
};

enum {
    LB_ALERT_PARTS_MAX = 8,  /* functions and predicates in one rule */
    LB_ALERT_STEPS_MAX = 64, /* of a formula, and so the depth of its stack */
};

/* While nobody acknowledges it: who is called after how long. In order. */
struct lb_alert_call_up {
    int64_t after_ns; /* since they were first told */
    uint64_t sinks;
};

struct lb_alert_escalation {
    struct lb_alert_call_up *items;
    uint32_t count;
};

/*
 * What logboom itself is asked once a second, as if it were a record: values of a rule that needs none. `name` is that
 * of a source or sink of the same configuration.
 */
enum lb_alert_probe { LB_PROBE_NONE, LB_PROBE_LAG, LB_PROBE_LAG_BYTES, LB_PROBE_QUEUE };

/* The program of a rule, for an alert that has begun. All of it is the caller's. */
struct lb_alert_run {
    const struct lb_alert_rule *rule;
    int8_t severity;
    char alert_id[17];
    struct lb_str key;       /* a JSON object */
    struct lb_str arguments; /* a NUL behind each; the first is the program */
    const char *refused;     /* why it must not be run, or NULL */
};

/* The rest of the program, for alert rules. Any thread may be asked, so nothing here waits for long. */
struct lb_alert_outside {
    void *context;

    /* For how long a stream (0: any) has not been read to its end; 0: it was, or nobody knows. */
    int64_t (*behind)(void *context, uint64_t stream);

    /* How far behind a source is, and how full (in %) what waits for a sink. False: not known now. */
    bool (*probe)(void *context, const struct lb_alert_rule *rule, double *value);

    /* Since when (Unix time) the sink of these labels delivers nothing though it tries; 0: it does. */
    int64_t (*failing)(void *context, struct lb_str labels);

    /* What is wrong with the program itself, all of it; returns how many. NULL: nobody watches. */
    uint32_t (*findings)(void *context, struct lb_self_finding *items, uint32_t room);

    /* Takes a program that a rule wants run, and does not wait for it. NULL: nothing is run. */
    void (*run)(void *context, const struct lb_alert_run *run);

    /* This is a program that runs, not a trial of rules: signs of life are given. */
    bool lives;
    int64_t alive_until; /* the last sign of life of the run before; 0: there was none, or nobody knows */
};

struct lb_alert_rule {
    struct lb_str name;
    struct lb_place place;
    const struct lb_expr *where; /* NULL: every record */
    enum lb_alert_function function;
    double quantile;                               /* of a percentile */
    struct lb_str field;                           /* that is measured; empty: none */
    const struct lb_expr *inner;                   /* count(EXPR) and the like: predicate bit 0; NULL: always true */
    const struct lb_expr *second;                  /* predicate bit 1, of a detector with two; NULL: there is none */
    const struct lb_alert_detector_type *detector; /* of `when:`; its hits are what is counted. NULL: none */
    struct lb_str detector_text;                   /* what stands between its parentheses */
    const void *detector_options;
    enum lb_alert_probe probe; /* asked instead of records; of `field` */
    struct lb_str probe_name;
    struct lb_str probe_labels; /* of the metrics of that sink; NUL behind it */
    bool probe_spool;           /* it spools: what waits on disk, otherwise in memory, */
    double probe_full;          /* and how many bytes are all that may */
    struct lb_str value_text;   /* as written */
    int64_t over_ns;
    int64_t learn_ns;     /* of a detector: what it sees of a key for so long is only learned, */
    struct lb_strs known; /* and these values are known from the start */
    struct lb_strs by;
    struct lb_threshold thresholds[LB_SEVERITY_COUNT];
    struct lb_str threshold_texts[LB_SEVERITY_COUNT];
    uint64_t min_count;
    int64_t cooldown_ns;
    int64_t for_ns;
    int64_t hold_ns;           /* no threshold crossed for so long: resolved; less than `lateness` means that */
    int64_t settle_ns;         /* how long an end waits to be told, where it may come back soon */
    int64_t repeat_ns;         /* told again while it fires; 0: not */
    struct lb_threshold clear; /* not set, or what the value must cross before the lowest severity ends */
    struct lb_str text;        /* optional words for people; `{service}` and `{value}` are replaced */
    struct lb_str runbook;     /* where the reader finds what to do */
    struct lb_pairs labels;    /* added to each alert as they are */
    bool shadow;               /* judged, counted and shown, but nobody is told */
    uint64_t sinks;            /* `to:` of the rule itself */
    struct lb_strs run;        /* a program and its arguments; none: nothing is run */
    struct lb_alert_escalation escalate;
    struct lb_strs inhibits; /* names of rules whose alerts are not told while this one fires, */
    struct lb_strs equal;    /* with the same values of these fields; none: of all that both have in `by` */

    /* `when:` instead of thresholds; see alert_when.c. One threshold is set all the same: that of the severity. */
    struct lb_str when_text; /* as written; empty: `value:` */
    bool falling;            /* something in it looks down: it is judged when all has had time to come */
    bool each;               /* every record is an occurrence */
    bool absent;             /* no record is what it waits for */
    int64_t forget_ns;       /* of absent: a key without a record for so long is no more */
    int64_t unknown_ns;  /* of absent: told when its keys cannot be judged for so long, for their source is behind */
    struct lb_strs keys; /* of absent: as the keys of records are, without ever having been seen */
    struct lb_str zone_name;         /* of `zone:` */
    int32_t deadline_s;              /* of `absent by 03:00`: seconds of the day, */
    const struct lb_time_zone *zone; /* there; NULL: it is `absent` without a clock */

    /*
     * Of a rule with several functions: each is a part, a rule behind all others that people have, which measures and
     * never fires. Its windows are kept in the keys of its rule.
     */
    struct lb_alert_rule *parts;
    uint32_t part_count;
    struct lb_alert_formula formula;
    bool is_part; /* of rules[owner], its part `part` */
    uint32_t owner;
    uint32_t part;
};

enum { LB_ALERT_SETTLE_BY_HOLD = -1 }; /* `settle` is not said: it follows from `hold` */

/* How a route tells, besides where to. */
struct lb_alert_manner {
    bool grouped;
    struct lb_strs group_by; /* fields of `by`, or `rule`, `severity` */
    int64_t wait_ns;         /* of a new group */
    int64_t interval_ns;     /* between two notices of a group */
    int64_t repeat_ns;       /* 0: as the rule says */
    bool digest;             /* a group of all, that lists what was and has no end */
    struct lb_alert_escalation escalate;
    const struct lb_calendar *hours; /* the route counts only then; NULL: always */
    uint64_t print; /* hash of all that makes it this one, 0: it has no manner of its own, and tells at once */
};

/* A window in which nobody is told of what `where` matches. */
struct lb_maintenance {
    struct lb_str name;
    struct lb_place place;
    const struct lb_expr *where; /* NULL: every alert */
    const struct lb_calendar *calendar;
};

/* Where alerts go while a sink fails. */
struct lb_alert_detour {
    struct lb_str labels; /* of the sink's metrics */
    uint64_t sinks;       /* 0: nowhere, but others are told that it fails */
    int64_t after_ns;
};

struct lb_alerting {
    struct lb_generation *generation; /* that it is of, or NULL; events keep it alive */
    struct lb_alert_rule *rules;      /* those that people wrote, then parts */
    uint32_t rule_count;
    uint32_t part_count;     /* of them */
    struct lb_route *routes; /* alerting.routes: over alert records */
    uint32_t route_count;
    struct lb_alert_manner *manners; /* one for each route; NULL: all tell at once */
    struct lb_maintenance *maintenance;
    uint32_t maintenance_count;
    struct lb_str severities[LB_SEVERITY_COUNT]; /* the words people use: P1 … */
    int64_t lateness_ns;
    int64_t max_age_ns;
    uint64_t max_keys;               /* per rule */
    uint64_t memory_max;             /* of the keys of all rules; 0: no bound */
    struct lb_str external_url;      /* of the dashboard, without a slash at its end; empty: nobody knows */
    struct lb_str archive_root;      /* directory of the only archive; empty: there is none, or are several */
    bool archive_by_service;         /* below it each service has a directory of its own */
    struct lb_strs sink_names;       /* what bits of sinks stand for */
    struct lb_alert_detour *detours; /* one for each of them, or NULL */
    struct lb_self_options self;
    struct lb_heartbeat heartbeat;
    struct lb_report *reports;
    uint32_t report_count;
};

/* Whose part a rule is, or itself: what people know it by. */
static inline const struct lb_alert_rule *lb_alerting_owner(const struct lb_alerting *alerting,
                                                            const struct lb_alert_rule *rule)
{
    return rule->is_part ? &alerting->rules[rule->owner] : rule;
}

/* Rules that people wrote. */
static inline uint32_t lb_alerting_rule_count(const struct lb_alerting *alerting)
{
    return alerting->rule_count - alerting->part_count;
}

/* There is something to tell people, though there may be no rule. */
static inline bool lb_alerting_watches(const struct lb_alerting *alerting)
{
    return alerting->heartbeat.sinks != 0 || alerting->report_count > 0 ||
           (alerting->self.enabled && (alerting->self.sinks != 0 || alerting->route_count > 0));
}

/*
 * Reads the `alerting:` section; called by conf/. `sinks` are the names in order. All faults go to `diag`.
 * `config` is opaque here (struct lb_config), its arena owns the result.
 */
struct lb_config;
bool lb_alerting_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                      struct lb_diag *diag);

/* Reads `above 5%`, `at least 500ms`, `> 1000`, for what the rule measures. False with an error at `place`. */
bool lb_threshold_read(struct lb_str text, const struct lb_alert_rule *rule, struct lb_threshold *threshold,
                       struct lb_place place, struct lb_diag *diag);

struct lb_alert_engine;

/*
 * `deliver` takes a batch of alert records with its selections (gives the reference away) and pushes it to the sinks;
 * called on the engine's thread. `share` and `streams` are for those batches.
 */
struct lb_alert_engine *lb_alert_engine_new(const struct lb_alerting *alerting, uint32_t sink_count,
                                            struct lb_streams *streams, struct lb_share *share,
                                            void (*deliver)(void *context, struct lb_batch *batch), void *context);
/*
 * Before the start: goes on with what an earlier run saved in the file `path`, and saves there what the rules know, so
 * that a restart forgets nothing. Batches count as applied (their tokens are done) when that is safe. False: no memory.
 */
bool lb_alert_engine_remember(struct lb_alert_engine *engine, const char *path) LB_MUST_USE;

/* Before the start: whom to ask; without it only streams tell what they have not read. It outlives the engine. */
void lb_alert_engine_ask(struct lb_alert_engine *engine, const struct lb_alert_outside *outside);
/*
 * Then, before the start: what is told is written to a journal in `directory` before anybody is told, as a durable
 * stream with a mark for each sink. What an earlier run decided and did not remember is taken from there, and what
 * sinks have not acknowledged is told again, under the same ids. False: no memory, or errno says why.
 */
bool lb_alert_engine_keep(struct lb_alert_engine *engine, const char *directory) LB_MUST_USE;

/* Before the start: what silences and maintenance windows say is held back. They outlive the engine. */
struct lb_mutes;
void lb_alert_engine_mute(struct lb_alert_engine *engine, struct lb_mutes *mutes);

/* Before the start: alerts carry what was done to their service shortly before. They outlive the engine. */
struct lb_markers;
void lb_alert_engine_markers(struct lb_alert_engine *engine, struct lb_markers *markers);

enum lb_err lb_alert_engine_start(struct lb_alert_engine *engine) LB_MUST_USE;

/* Gives a reference of the batch. `token` is the engine's own consumer's, NULL if the batch has no feeds. */
void lb_alert_engine_push(struct lb_alert_engine *engine, struct lb_batch *batch, struct lb_token *token);

/*
 * Other rules, from a certain batch on. Rules that are kept go on with all they know; the others begin anew, and what
 * fires of those that are no more, or are no longer the same, is resolved.
 */
struct lb_alert_change {
    const struct lb_alerting *alerting;
    uint32_t sink_count;
    int32_t *kept;               /* for each rule: which of those before it is, or -1 */
    int32_t sinks[LB_SINKS_MAX]; /* for each sink before: which it is now, or -1 */

    /* On the engine's thread, once: nothing of the rules before is on its way to the sinks any more. */
    void (*done)(void *context);
    void *context;

    struct lb_alert_runner *runners; /* the engine's */
    struct rule_metrics *rule_metrics;
};

/* NULL: out of memory. Nothing is kept until `kept` and `sinks` say so. The engine frees it. */
struct lb_alert_change *lb_alert_change_new(const struct lb_alerting *alerting, uint32_t sink_count);
void lb_alert_change_free(struct lb_alert_change *change);

/* In order with what is pushed. False: no memory, nothing changes. */
bool lb_alert_engine_change(struct lb_alert_engine *engine, struct lb_alert_change *change) LB_MUST_USE;

/* Applies what is queued, then ends the thread. */
void lb_alert_engine_stop(struct lb_alert_engine *engine);
void lb_alert_engine_free(struct lb_alert_engine *engine);

/*
 * Somebody works on the alert with that id (16 hexadecimal digits; of a group: on all in it): it is neither repeated
 * nor escalated, and those who were told of it are told. LB_OK: it is noted (and on disk, if the disk takes it within
 * some seconds). LB_END: no such alert fires. LB_LIMIT: the engine has stopped. Any thread but the engine's; waits.
 */
enum lb_err lb_alert_engine_acknowledge(struct lb_alert_engine *engine, struct lb_str id, struct lb_str by,
                                        struct lb_str comment) LB_MUST_USE;

/*
 * A report of that name, made for [from, until), goes to those who get it. It is on disk on return, unless that takes
 * longer than 2 s. Any thread but the engine's.
 */
struct lb_alert_paper {
    struct lb_str name;
    struct lb_str text;
    int64_t from;
    int64_t until;
};
void lb_alert_engine_report(struct lb_alert_engine *engine, const struct lb_alert_paper *paper);

/* Alerts that fire now, as a JSON array, for the API. Any thread. */
struct lb_buffer;
void lb_alert_engine_write(struct lb_alert_engine *engine, struct lb_buffer *out);

/* Those whose `for` has not passed yet, likewise. */
void lb_alert_engine_write_pending(struct lb_alert_engine *engine, struct lb_buffer *out);

/* For people who wonder why a rule fires, or does not. */
struct lb_alert_question {
    struct lb_str rule;
    struct lb_pairs key; /* some or all fields of `by`, and their values */
    int64_t at;          /* when; LB_TIME_NONE: now */
};

/*
 * What the rule knows of the first key that fits, the window at that time and what is asked of it, as a JSON object.
 * False: no such rule. Any thread.
 */
bool lb_alert_engine_explain(struct lb_alert_engine *engine, const struct lb_alert_question *question,
                             struct lb_buffer *out);

#endif
