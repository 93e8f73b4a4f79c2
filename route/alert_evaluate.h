/*
 * alert_evaluate.h - one rule at work: a record is applied, time passes.
 *
 * A threshold `above` or `at least` is judged at the very record that crosses
 * it. `below` and `at most` are judged `lateness` behind the newest record,
 * when all that belongs to the window has had time to come. Both walk the
 * segments of the key's window in order, so what happens, and when by event
 * time, does not depend on when they are called. One thread.
 */
#ifndef LB_ALERT_EVALUATE_H
#define LB_ALERT_EVALUATE_H

#include "alert_detector.h"
#include "alert_keys.h"

/* Records older than `max_age` end in one of these for a rule. */
struct lb_alert_summary {
    uint64_t alerts;
    int8_t highest;
    int64_t first; /* of the alerts' starts */
    int64_t last;
    int64_t noted_ns; /* by the clock */
};

struct lb_alert_runner;

/* Something to tell people. `key` NULL: the summary of runner->summary. */
struct lb_alert_report {
    const struct lb_alert_runner *runner;
    struct lb_alert_key *key;
    enum lb_alert_notice notice;
    int64_t at;
    int8_t severity; /* a resolved one: the last */
    int8_t previous;
    bool late;
    uint64_t blind; /* of LB_NOTICE_UNKNOWN: keys that cannot be judged */
};

struct lb_alert_runner {
    const struct lb_alert_rule *rule;
    struct lb_alert_runner *owner; /* of a part: the runner of its rule, which keeps its windows; otherwise NULL */
    struct lb_alert_shape shape;
    struct lb_alert_shape part_shapes[LB_ALERT_PARTS_MAX]; /* of a rule with parts */
    struct lb_alert_policy policy;
    int64_t delay_ns; /* the cursor's distance behind the key's time */
    int64_t max_age_ns;
    bool falling;                      /* thresholds are below or at most */
    struct lb_alert_detector detector; /* of a rule with one: what it says is what is counted */
    struct lb_alert_keys keys;
    struct lb_alert_summary summary;
    const struct lb_alert_clocks *clocks;
    struct lb_scratch *scratch;
    int64_t now; /* the clock, as of the batch or tick that is worked on */

    void (*report)(void *context, const struct lb_alert_report *report);
    void (*changed)(void *context, const struct lb_alert_runner *runner, const struct lb_alert_transition *transition);
    void *context;

    struct lb_alert_key *pending; /* samples of one record were added, and have not been judged */
    int64_t pending_ns;           /* when they happened */

    const struct lb_alert_outside *outside; /* NULL: nobody to ask */
    int64_t asked_ns;                       /* by the clock: when a probe was last asked */

    /* Of `absent`. */
    int64_t all_behind;  /* for how long any stream is behind, as of this tick */
    uint64_t blind;      /* keys that this tick could not judge */
    int64_t blind_since; /* by the clock; LB_TIME_NONE: all could be judged */
    bool blind_told;

    uint64_t late;    /* records older than any open window */
    uint64_t no_room; /* records not counted for want of memory */
};

/* A record as a rule sees it. */
struct lb_alert_input {
    uint64_t stream;
    int64_t time_ns;
    double number;
    struct lb_str key;
    const struct lb_value *message; /* to show, or NULL */
    const struct lb_record *record; /* for detectors, as are the bits of the feed */
    uint32_t bits;
    struct lb_str reason; /* of a detector's hit, or empty */
};

/* `start`: since when the engine watches. Callbacks, clocks and scratch are the caller's to set. */
void lb_alert_runner_init(struct lb_alert_runner *runner, const struct lb_alert_rule *rule,
                          const struct lb_alerting *alerting, int64_t start);
void lb_alert_runner_free(struct lb_alert_runner *runner);

/* The clock was set back: forgets all keys that do not fire, for what they know lies in the future. */
void lb_alert_runner_restart(struct lb_alert_runner *runner);

/*
 * Before it sees any record: goes on with what the detector of `before` knows, if that rule means the same. A rule that
 * is told of in another way, or fires at another severity, need not learn again what is new.
 */
void lb_alert_runner_inherit(struct lb_alert_runner *runner, struct lb_alert_runner *before);

/* What the rule's detector knows, read back. */
void lb_alert_runner_restore(struct lb_alert_runner *runner, struct lb_str bytes);

/* The rule is no more: what fires is resolved, now. */
void lb_alert_runner_end(struct lb_alert_runner *runner);

/* A part's sample is judged by lb_alert_settle(), when all parts have theirs of the same record. */
void lb_alert_apply(struct lb_alert_runner *runner, const struct lb_alert_input *input);
void lb_alert_settle(struct lb_alert_runner *runner);

/* Time has passed: decides all that can be decided by now. `last`: nothing will come any more. */
void lb_alert_tick(struct lb_alert_runner *runner, bool last);

bool lb_threshold_crossed(const struct lb_threshold *threshold, double value);

/* Of no records there are none, and their sum is 0; but there is no least one, and no average. */
bool lb_alert_counts_nothing(enum lb_alert_function function);

/* The severities (bits) whose thresholds the value crosses; what cannot be judged sets `*judged` false. */
uint8_t lb_alert_judge(const struct lb_alert_rule *rule, uint64_t count, double value, bool *judged);

#endif
