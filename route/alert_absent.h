/*
 * alert_absent.h - what only rules with `absent` need: keys that must exist,
 * deadlines of the day, and not to mistake what was not read for silence.
 *
 * One thread.
 */
#ifndef LB_ALERT_ABSENT_H
#define LB_ALERT_ABSENT_H

#include "alert_evaluate.h"

/* True while the source of the key is behind: nothing can be said of what is missing. */
bool lb_alert_absent_blind(const struct lb_alert_runner *runner, const struct lb_alert_key *key);

/* At the begin and end of a tick: tells when keys could not be judged for too long, and when they can be again. */
void lb_alert_absent_begin(struct lb_alert_runner *runner);
void lb_alert_absent_end(struct lb_alert_runner *runner);

/* The text of the i-th of rule->keys as a key; its length. */
size_t lb_alert_absent_key(const struct lb_alert_rule *rule, size_t i, char text[LB_KEY_BYTES_MAX]);

/* `absent by 03:00`: the first deadline behind `time`. */
int64_t lb_alert_daily_after(const struct lb_alert_rule *rule, int64_t time);

/* The key is known from `end` on; a record at `time`; the next segment, as lb_alert_window_next() tells it. */
void lb_alert_daily_init(const struct lb_alert_rule *rule, struct lb_alert_key *key, int64_t end);
void lb_alert_daily_add(const struct lb_alert_rule *rule, struct lb_alert_key *key, int64_t time);
bool lb_alert_daily_next(const struct lb_alert_rule *rule, struct lb_alert_key *key, int64_t limit,
                         struct lb_alert_segment *segment);

#endif
