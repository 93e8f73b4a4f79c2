/*
 * alert_runner.h - what the files share that work on one rule: alert_evaluate.c
 * (keys, records, time), alert_judge.c (windows, telling), alert_samples.c,
 * alert_hits.c. Nobody else needs it.
 */
#ifndef LB_ALERT_RUNNER_H
#define LB_ALERT_RUNNER_H

#include "alert_evaluate.h"

/* --- alert_judge.c ---------------------------------------------------------- */

/* Judges all ends up to `limit`, and what follows from them. */
void lb_runner_walk(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t limit);

/* A record came late: looks again at all windows it belongs to, as far back as `lateness`. */
void lb_runner_look_back(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t from);

/* How the alert stands at `at`, for who tells people; `before`: its severity until then. */
void lb_runner_tell(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t at, int8_t before);
void lb_runner_tell_occurrence(struct lb_alert_runner *runner, struct lb_alert_key *key, int64_t at, uint32_t sequence);
void lb_runner_tell_summary(struct lb_alert_runner *runner, bool last);

/* --- alert_samples.c -------------------------------------------------------- */

/* `each`: every one; otherwise five to begin with, then one a second at most. */
void lb_runner_take_text(struct lb_alert_key *key, const struct lb_alert_input *input, bool each,
                         struct lb_scratch *scratch);
void lb_runner_take_tops(struct lb_alert_runner *runner, struct lb_alert_key *key, const struct lb_alert_input *input);
void lb_runner_take_reason(struct lb_alert_key *key, const struct lb_alert_input *input, bool each);

/* --- alert_evaluate.c ------------------------------------------------------- */

/* A sample into the window of its key: a record, or what a detector made of it. */
void lb_runner_apply_sample(struct lb_alert_runner *runner, const struct lb_alert_input *input);

/* --- alert_hits.c ----------------------------------------------------------- */

/* Ready for a call; a runner may have moved since, and its rule be that of another configuration. */
struct lb_alert_detector *lb_runner_detector(struct lb_alert_runner *runner);
void lb_runner_open_detector(struct lb_alert_runner *runner);
void lb_runner_close_detector(struct lb_alert_runner *runner);

#endif
