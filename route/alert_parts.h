/*
 * alert_parts.h - a rule that measures several things at once.
 *
 * `value: count(level >= error) / count()` and the conditions of `when:` have
 * parts, each with a window of its own in every key. They are walked in step:
 * a segment ends where the first of them changes, so a formula always sees
 * values of one and the same end. One thread.
 */
#ifndef LB_ALERT_PARTS_H
#define LB_ALERT_PARTS_H

#include "alert_evaluate.h"

/* The value of a formula; NAN where it cannot be known. */
double lb_alert_formula_value(const struct lb_alert_formula *formula, const double *parts);

/* The shapes of the windows of the rule's parts, into runner->part_shapes; the longest of them into runner->shape. */
void lb_alert_parts_shape(struct lb_alert_runner *runner, int64_t lateness_ns);

/* Like lb_alert_window_init(), for all windows of the key. False: no memory. */
bool lb_alert_parts_init(const struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t end) LB_MUST_USE;

/* Like lb_alert_window_next(). */
bool lb_alert_parts_next(const struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit,
                         struct lb_alert_segment *segment);

/* At the key's end, anew: a sample has come late. */
struct lb_alert_segment lb_alert_parts_now(const struct lb_alert_runner *runner, struct lb_alert_key *key);

/* Like lb_alert_window_seek() and lb_alert_cursor_next(). */
struct lb_alert_cursors {
    struct lb_alert_cursor items[LB_ALERT_PARTS_MAX];
};
void lb_alert_parts_seek(const struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t from,
                         struct lb_alert_cursors *cursors);
bool lb_alert_parts_step(const struct lb_alert_runner *runner, struct lb_alert_key *key,
                         struct lb_alert_cursors *cursors, int64_t limit, struct lb_alert_segment *segment);

#endif
