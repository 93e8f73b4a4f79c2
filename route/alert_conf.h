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

/* alert_value.c: `count()`, `ratio(EXPR)`, `p95(FIELD)` and the like into the rule. False with an error. */
bool lb_alert_value_read(struct lb_config *config, const struct lb_node *node, struct lb_alert_rule *rule,
                         struct lb_diag *diag);

/* One rule; all its faults are told. */
bool lb_alert_rule_read(struct lb_config *config, const struct lb_node *name, const struct lb_node *node,
                        struct lb_alert_rule *rule, struct lb_diag *diag);

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
