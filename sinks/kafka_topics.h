/*
 * kafka_topics.h - the handles of topics by name.
 *
 * A topic on a broker cannot be undone, so values that a stranger chooses
 * must not make them without end.
 */
#ifndef KAFKA_TOPICS_H
#define KAFKA_TOPICS_H

#include "lb_str.h"

#include <librdkafka/rdkafka.h>
#include <stdint.h>

enum { KAFKA_TOPICS_MAX = 512, KAFKA_TOPIC_SLOTS = 2 * KAFKA_TOPICS_MAX, KAFKA_TOPIC_BYTES_MAX = 249 };

struct kafka_topic {
    char *name;
    size_t len;
    rd_kafka_topic_t *handle;
};

/* Open addressing by name. All zero: none. */
struct kafka_topics {
    struct kafka_topic slots[KAFKA_TOPIC_SLOTS];
    uint32_t count;
};

/* The handle of a topic, made on first use; longer names are cut. NULL: no topic can have it, or there are too many. */
rd_kafka_topic_t *kafka_topics_find(struct kafka_topics *topics, rd_kafka_t *producer, struct lb_str name);
void kafka_topics_free(struct kafka_topics *topics); /* before the producer */

#endif
