/*
 * alert_conf.h - what the readers of the `alerting:` section share.
 */
#ifndef LB_ROUTE_ALERT_CONF_H
#define LB_ROUTE_ALERT_CONF_H

#include "lb_alert.h"
#include "lb_conf.h"
#include "lb_route.h"

/* The place `offset` bytes behind the beginning of a text. */
struct lb_place lb_place_at(struct lb_place place, size_t offset);

/* Without blanks around it. */
struct lb_str lb_alert_trim(struct lb_str text);

/* A text that is read from front to back: whole, where it stands, how far it is read. */
struct lb_alert_text {
    struct lb_config *config;
    struct lb_str whole;
    struct lb_place place; /* of whole.ptr */
    struct lb_diag *diag;
    size_t at;
};

/* alert_scan.c: pieces of such a text. */
struct lb_place lb_alert_text_place(const struct lb_alert_text *text, const char *ptr);
char lb_alert_text_peek(struct lb_alert_text *text);                /* behind blanks; 0: the end */
bool lb_alert_text_take(struct lb_alert_text *text, char mark);     /* behind blanks */
struct lb_str lb_alert_text_word(const struct lb_alert_text *text); /* the letters and digits that stand next */
size_t lb_alert_text_close(struct lb_str text, size_t open); /* the parenthesis that belongs to it, or text.len */
bool lb_alert_duration_read(struct lb_str text, int64_t *duration_ns); /* the whole text, with a unit */

/* Takes a window off the end of arguments: `level >= error, 5m` or `5m`. False: there is none. */
bool lb_alert_window_take(struct lb_str *arguments, int64_t *over_ns);

/* alert_value.c: `count()`, `ratio(EXPR)`, `p95(FIELD)`, or arithmetic with them, into the rule. False with an error.
 */
bool lb_alert_value_read(struct lb_config *config, const struct lb_node *node, struct lb_alert_rule *rule,
                         struct lb_diag *diag);

/* Takes `word(arguments)` into `rule`, but not its window. `words`: what else may stand here, for errors, or NULL. */
struct lb_alert_call {
    struct lb_str word;
    struct lb_str arguments; /* without blanks around them */
    struct lb_str written;   /* all of it */
};
bool lb_alert_call_take(struct lb_alert_text *text, struct lb_alert_call *call);
bool lb_alert_function_read(const struct lb_alert_text *text, const struct lb_alert_call *call,
                            struct lb_alert_rule *rule);
const char *const *lb_alert_function_names(void);

/* alert_formula.c: numbers, functions, + - * / and parentheses, as steps and parts of the rule. */
bool lb_alert_formula_begin(struct lb_alert_text *text, struct lb_alert_rule *rule);
bool lb_alert_formula_sum(struct lb_alert_text *text, struct lb_alert_rule *rule);
bool lb_alert_formula_add(struct lb_alert_text *text, struct lb_alert_rule *rule, struct lb_alert_step step);

/* A new part with all that it has in common with its rule; NULL with an error. */
struct lb_alert_rule *lb_alert_part_new(struct lb_alert_text *text, struct lb_alert_rule *rule,
                                        const struct lb_alert_call *call);
bool lb_alert_formula_end(struct lb_alert_text *text, struct lb_alert_rule *rule);

/* alert_when.c: conditions into a rule whose options are read; `severity` is what it has while they hold. */
bool lb_alert_when_read(struct lb_config *config, const struct lb_node *node, enum lb_severity severity,
                        struct lb_place zone, struct lb_alert_rule *rule, struct lb_diag *diag);

/* `alerting.defaults`: what a rule has that does not say it itself. Only what is written in `node` counts. */
struct lb_alert_defaults {
    const struct lb_node *node; /* NULL: there are none */
    int severity;               /* index into lb_alert_severity_words */
    uint64_t min_count;
    int64_t cooldown_ns;
    int64_t for_ns;
    int64_t hold_ns;
    int64_t settle_ns;
    int64_t repeat_ns;
    int64_t forget_ns;
    int64_t unknown_ns;
    struct lb_str runbook;
    struct lb_pairs labels;
    uint64_t sinks;
};

extern const char *const lb_alert_severity_words[]; /* with all their other names */

/* alert_defaults.c */
extern const struct lb_option lb_alert_default_options[]; /* of struct lb_alert_defaults */

/* True if the rule (its map) or the defaults say it. */
bool lb_alert_is_said(const struct lb_node *node, const struct lb_alert_defaults *defaults, const char *name);

/* Into a rule whose own keys are read from `node`. `severity`: that of `when:`, if the rule does not say it. */
void lb_alert_defaults_apply(const struct lb_alert_defaults *defaults, const struct lb_node *node,
                             struct lb_alert_rule *rule, int *severity);

/* One rule; all its faults are told. */
bool lb_alert_rule_read(struct lb_config *config, const struct lb_node *name, const struct lb_node *node,
                        const struct lb_alert_defaults *defaults, struct lb_alert_rule *rule, struct lb_diag *diag);

/* report_conf.c: the list of reports. All faults are told. */
bool lb_alert_reports_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                           struct lb_diag *diag);

/* alert_run.c: the fields in `run`. */
bool lb_alert_run_check(const struct lb_alert_rule *rule, const struct lb_node *node, struct lb_diag *diag);

/* alert_levels.c: thresholds and their places; `clear`. False with an error, as below. */
bool lb_alert_levels_check(const struct lb_alert_rule *rule, const struct lb_place places[LB_SEVERITY_COUNT],
                           struct lb_diag *diag);
bool lb_alert_clear_read(const struct lb_node *node, struct lb_alert_rule *rule, struct lb_diag *diag);

/* alert_words.c: fields that are named. */
bool lb_alert_by_check(const struct lb_alert_rule *rule, const struct lb_node *node, struct lb_diag *diag);
bool lb_alert_text_check(const struct lb_alert_rule *rule, const struct lb_node *node, struct lb_diag *diag);
bool lb_alert_equal_check(const struct lb_alert_rule *rule, const struct lb_node *node, struct lb_diag *diag);

/* alert_maintenance.c: the list of windows. False with errors. */
bool lb_alert_maintenance_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                               struct lb_diag *diag);
/* alert_routes.c: `routes`, with how each of them tells. All faults are told. */
bool lb_alert_routes_read(struct lb_config *config, const struct lb_node *node, struct lb_alerting *alerting,
                          struct lb_diag *diag);
bool lb_alert_leads_nowhere(const struct lb_route *route);

/* `escalate`: a list of `after` and `to`, in order. */
bool lb_alert_steps_read(struct lb_config *config, const struct lb_node *node, struct lb_alert_escalation *steps,
                         struct lb_diag *diag);

/* An empty value; an error that says that the configuration is too large, false; an expression that is not kept. */
bool lb_alert_is_nothing(const struct lb_node *node);
bool lb_alert_too_large(const struct lb_node *node, struct lb_diag *diag);
void lb_alert_free_where(const struct lb_expr *where);

/* "info" … "critical". */
extern const char *const lb_severity_names[];

#endif
