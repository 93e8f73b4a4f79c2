/*
 * kafka_event.c - alerts for Kafka: CloudEvents in binary mode, and the topic
 * that holds the present state of each alert.
 *
 * That topic is to be compacted: of each key the last message stays, and one
 * without a value takes the key away.
 */
#include "kafka_sink.h"

#include <stdio.h>

enum { NAME_BYTES = 40 };

bool kafka_event_read(struct sink_kafka *self, const struct lb_batch *batch, const struct lb_record *record)
{
    channel_message_read(&self->message, batch, record, &self->scratch);
    return cloudevent_make(&self->event, &self->message, &self->event_words);
}

static struct lb_str attribute(const struct sink_kafka *self, const char *name)
{
    for (uint32_t i = 0; i < self->event.count; i++) {
        if (strcmp(self->event.attributes[i].name, name) == 0)
            return self->event.attributes[i].value;
    }
    return (struct lb_str){ NULL, 0 };
}

void kafka_event_headers(const struct sink_kafka *self, rd_kafka_headers_t *headers)
{
    static const struct lb_str type = { "application/json", sizeof("application/json") - 1 };

    for (uint32_t i = 0; i < self->event.count; i++) {
        struct lb_str value = self->event.attributes[i].value;
        char name[NAME_BYTES];

        snprintf(name, sizeof(name), "ce_%s", self->event.attributes[i].name);
        rd_kafka_header_add(headers, name, -1, value.ptr, (ssize_t)value.len);
    }
    rd_kafka_header_add(headers, "content-type", -1, type.ptr, (ssize_t)type.len);
}

struct lb_str kafka_event_key(const struct sink_kafka *self)
{
    return attribute(self, "partitionkey");
}

bool kafka_event_state(const struct sink_kafka *self, struct lb_str json, struct lb_str *value)
{
    bool over = channel_message_is_over(&self->message);

    if (!over && !channel_message_is_firing(&self->message))
        return false;
    *value = over ? (struct lb_str){ NULL, 0 } : json;
    return true;
}
