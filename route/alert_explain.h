/* alert_explain.h - what a rule knows of a key, for people; under the engine's state_lock. */
#ifndef LB_ALERT_EXPLAIN_H
#define LB_ALERT_EXPLAIN_H

#include "alert_evaluate.h"
#include "lb_buffer.h"

void lb_alert_explain(struct lb_alert_runner *runner, const struct lb_alert_question *question, struct lb_buffer *out);

/* Alerts whose `for` has not passed yet, as elements of an array; `any`: there are some before these. Returns it anew.
 */
bool lb_alert_pending_write(const struct lb_alert_runner *runner, bool any, struct lb_buffer *out);

#endif
