/*
 * alert_text.h - an alert in words.
 */
#ifndef LB_ALERT_TEXT_H
#define LB_ALERT_TEXT_H

#include "alert_event.h"
#include "lb_buffer.h"

enum { LB_ALERT_MESSAGE_BYTES = 2048 };

/* The next `name=value` of a key: `i` counts the rule's `by` fields, `*at` starts with 0. False: no more. */
bool lb_alert_key_next(const struct lb_alert_rule *rule, struct lb_str key, size_t i, size_t *at, struct lb_str *value);

/* 7.31% of a ratio, 12 of a count. */
void lb_alert_value_write(struct lb_buffer *out, const struct lb_alert_rule *rule, double value);

/* 5m, 1h30m, 12m30s, 250ms. */
void lb_alert_duration_write(struct lb_buffer *out, int64_t duration_ns);

void lb_alert_message_write(struct lb_buffer *out, const struct lb_alert_event *event,
                            const struct lb_alerting *alerting);

/* True of conditions that have no value which would say something: they hold, or not. */
bool lb_alert_is_condition(const struct lb_alert_rule *rule);

#endif
