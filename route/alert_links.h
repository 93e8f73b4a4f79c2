/*
 * alert_links.h - where a reader of an alert goes on: the dashboard's page of
 * it, and the command that shows its records.
 *
 * Keys are log text, and the command is made to be copied into a shell: each
 * word is quoted as a whole, and one that holds control characters is no part
 * of it. What would be longer than LB_ALERT_LINK_BYTES is not written at all,
 * for half a command is worse than none.
 */
#ifndef LB_ALERT_LINKS_H
#define LB_ALERT_LINKS_H

#include "alert_event.h"
#include "lb_buffer.h"

enum { LB_ALERT_LINK_BYTES = 400 };

/* False: there is none, and nothing was written. */
bool lb_alert_url_write(struct lb_buffer *out, const struct lb_alerting *alerting, const struct lb_alert_event *event);
bool lb_alert_grep_write(struct lb_buffer *out, const struct lb_alerting *alerting, const struct lb_alert_event *event);

#endif
