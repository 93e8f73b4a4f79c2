/*
 * alert_arguments.h - reading what stands between the parentheses of a
 * condition: names of fields, expressions with words between them, durations.
 * All functions tell their faults with the column.
 */
#ifndef LB_ALERT_ARGUMENTS_H
#define LB_ALERT_ARGUMENTS_H

#include "lb_conf.h"

enum { LB_ALERT_FIELDS_MAX = 4 };

/* A text within a file. */
struct lb_alert_argument {
    struct lb_str text;
    struct lb_place place;
};

/* Without blanks around it. */
struct lb_alert_argument lb_alert_argument_trim(struct lb_alert_argument argument);

/*
 * Cuts at the last `word` that stands outside of quotes, patterns and parentheses; `between blanks` if it is one of
 * letters. False: there is none, nothing is said.
 */
bool lb_alert_argument_split(struct lb_alert_argument argument, const char *word, struct lb_alert_argument *before,
                             struct lb_alert_argument *behind);

/* Names between commas. `help` says what is expected. */
bool lb_alert_argument_fields(struct lb_config *config, struct lb_alert_argument argument, const char *help,
                              struct lb_strs *fields, struct lb_diag *diag);

/* 90s, 1h30m. */
bool lb_alert_argument_duration(struct lb_alert_argument argument, int64_t *duration_ns, struct lb_diag *diag);

#endif
