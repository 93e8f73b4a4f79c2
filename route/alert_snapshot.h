/*
 * alert_snapshot.h - all that alert rules know, as bytes, and back.
 *
 * Windows and states, for every key of every rule. What belongs
 * to a rule is read back only into a rule of the same name that means the same
 * (function, expressions, window, keys): another text, sink or threshold keeps
 * it. What cannot be read costs that rule's knowledge, never the start.
 * msgpack, version first; one thread.
 */
#ifndef LB_ALERT_SNAPSHOT_H
#define LB_ALERT_SNAPSHOT_H

#include "alert_evaluate.h"
#include "lb_buffer.h"

/* The meaning of a rule's windows: 64 bits of hash. */
uint64_t lb_alert_rule_meaning(const struct lb_alert_rule *rule);

/* Appends the knowledge of one rule. */
void lb_alert_snapshot_write(struct lb_buffer *out, const struct lb_alert_runner *runner);

/*
 * Reads what lb_alert_snapshot_write() wrote from the front of `*bytes`, which moves behind it, into the runner of that
 * rule, or into none if `find` knows no such rule. LB_BAD_INPUT: not readable from here on. LB_END: nothing is left.
 */
enum lb_err lb_alert_snapshot_read(struct lb_str *bytes,
                                   struct lb_alert_runner *(*find)(void *context, struct lb_str rule), void *context);

#endif
