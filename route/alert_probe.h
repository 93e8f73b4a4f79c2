/*
 * alert_probe.h - values of rules that logboom itself is asked for: how far a
 * source is behind, how full what waits for a sink is.
 *
 * They become samples like those of records, once a second by the engine's
 * clock, so all that follows is the same.
 */
#ifndef LB_ALERT_PROBE_H
#define LB_ALERT_PROBE_H

#include "alert_evaluate.h"

/* Asks, if a second has passed since the last time. For a rule, or a part, with a probe. */
void lb_alert_probe_ask(struct lb_alert_runner *runner);

#endif
