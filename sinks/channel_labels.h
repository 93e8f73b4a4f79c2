/*
 * channel_labels.h - an alert as Prometheus and Alertmanager describe one:
 * labels that are its identity, annotations that are for people.
 */
#ifndef CHANNEL_LABELS_H
#define CHANNEL_LABELS_H

#include "channel_message.h"

/* Appends `{…}`: alertname, severity, the fields of the key, the rule's labels. */
void channel_put_labels(struct lb_buffer *out, const struct channel_message *message, int severity);

/* Appends `,"annotations":{…}`: summary, description, fingerprint, runbook_url. */
void channel_put_annotations(struct lb_buffer *out, const struct channel_message *message, struct lb_str title);

/* Appends the body of Alertmanager's own webhooks, version 4, with this one alert. */
void channel_alertmanager_body(struct lb_buffer *out, const struct channel_message *message, struct lb_str title,
                               struct lb_str receiver);

#endif
