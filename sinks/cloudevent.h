/*
 * cloudevent.h - an alert, or any record, as a CloudEvent 1.0.
 *
 * Attributes for who routes events without reading them; the data is the
 * record's JSON. Id and source together are the same on every repeat.
 */
#ifndef CLOUDEVENT_H
#define CLOUDEVENT_H

#include "channel_message.h"

#define CLOUDEVENT_TYPE "application/cloudevents+json; charset=UTF-8"

enum { CLOUDEVENT_ATTRIBUTES_MAX = 8 };

struct cloudevent_attribute {
    const char *name; /* "id" … */
    struct lb_str value;
};

/* Slices point into `words` and the message. */
struct cloudevent {
    struct cloudevent_attribute attributes[CLOUDEVENT_ATTRIBUTES_MAX];
    uint32_t count;
};

/* False: no memory. `words` is reset, and holds the values. */
bool cloudevent_make(struct cloudevent *event, const struct channel_message *message, struct lb_buffer *words);

/* Appends it in structured mode; `json` is the record's. */
void cloudevent_body(struct lb_buffer *out, const struct channel_message *message, struct lb_str json,
                     struct lb_buffer *words);

#endif
