/*
 * alert_room.h - room for keys: who gets a place in a rule that is full, and
 * what all rules together may take of memory.
 *
 * A key that is let in late begins with the records that were surely its own
 * (alert_flood.h), spread over the time in which they came. While they matter
 * for the verdict, it is approximate and says so.
 */
#ifndef LB_ALERT_ROOM_H
#define LB_ALERT_ROOM_H

#include "alert_evaluate.h"

/* Of a rule whose keys are all in use: true if this one gets a place. Keys that give way are not forgotten. */
bool lb_alert_room_ask(struct lb_alert_runner *runner, const struct lb_alert_input *input, uint64_t hash,
                       struct lb_alert_known *known);

/* What is known of a key that has begun now. */
void lb_alert_room_credit(struct lb_alert_runner *runner, struct lb_alert_key *key, const struct lb_alert_known *known,
                          int64_t time);

/* True if the severity is reached only with what is believed, not with what was counted. */
bool lb_alert_room_approximate(const struct lb_alert_rule *rule, const struct lb_alert_key *key, int8_t severity);

/* Looks how much memory the key has, if that may have changed. */
void lb_alert_room_measure(struct lb_alert_runner *runner, struct lb_alert_key *key);

/*
 * Keeps all rules together below `bytes_max` (0: no bound): the one that has most gives back keys, idle ones first,
 * then those that do not fire yet; what fires stays. Between batches only. Returns what they have then.
 */
size_t lb_alert_room_cap(struct lb_alert_runner *runners, uint32_t count, uint64_t bytes_max);

#endif
