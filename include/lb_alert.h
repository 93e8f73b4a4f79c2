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
#include "lb_stream.h"

struct lb_alert_detector_type;
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
    const void *detector_options;
    struct lb_str value_text; /* as written */
    int64_t over_ns;
    struct lb_strs by;
    struct lb_threshold thresholds[LB_SEVERITY_COUNT];
    struct lb_str threshold_texts[LB_SEVERITY_COUNT];
    uint64_t min_count;
    int64_t cooldown_ns;
    int64_t for_ns;
    int64_t hold_ns;           /* no threshold crossed for so long: resolved; less than `lateness` means that */
    int64_t repeat_ns;         /* told again while it fires; 0: not */
    struct lb_threshold clear; /* not set, or what the value must cross before the lowest severity ends */
    struct lb_str text;        /* optional words for people; `{service}` and `{value}` are replaced */
    struct lb_str runbook;     /* where the reader finds what to do */
    struct lb_pairs labels;    /* added to each alert as they are */
    bool shadow;               /* judged, counted and shown, but nobody is told */
    uint64_t sinks;            /* `to:` of the rule itself */
};

struct lb_alerting {
    struct lb_generation *generation; /* that it is of, or NULL; events keep it alive */
    struct lb_alert_rule *rules;
    uint32_t rule_count;
    struct lb_route *routes; /* alerting.routes: over alert records */
    uint32_t route_count;
    struct lb_str severities[LB_SEVERITY_COUNT]; /* the words people use: P1 … */
    int64_t lateness_ns;
    int64_t max_age_ns;
    uint64_t max_keys;         /* per rule */
    struct lb_strs sink_names; /* what bits of sinks stand for */
};

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

/* Alerts that fire now, as a JSON array, for the API. Any thread. */
struct lb_buffer;
void lb_alert_engine_write(struct lb_alert_engine *engine, struct lb_buffer *out);

#endif
