/* kafka_topics.c - the handles of topics by name: librdkafka's own search goes through all of them each time. */
#include "kafka_topics.h"

#include "lb_alloc.h"

#include <xxhash.h>

static rd_kafka_topic_t *add(struct kafka_topics *topics, struct kafka_topic *slot, rd_kafka_t *producer,
                             struct lb_str name)
{
    if (topics->count >= KAFKA_TOPICS_MAX)
        return NULL;
    slot->name = lb_alloc(name.len + 1);
    if (slot->name == NULL)
        return NULL;
    memcpy(slot->name, name.ptr, name.len);
    slot->len = name.len;
    slot->handle = rd_kafka_topic_new(producer, slot->name, NULL);
    if (slot->handle == NULL) {
        lb_free(slot->name);
        slot->name = NULL;
        return NULL;
    }
    topics->count++;
    return slot->handle;
}

rd_kafka_topic_t *kafka_topics_find(struct kafka_topics *topics, rd_kafka_t *producer, struct lb_str name)
{
    if (name.len == 0)
        return NULL;
    if (name.len > KAFKA_TOPIC_BYTES_MAX)
        name.len = KAFKA_TOPIC_BYTES_MAX;
    for (uint32_t i = (uint32_t)XXH3_64bits(name.ptr, name.len);; i++) {
        struct kafka_topic *slot = &topics->slots[i % KAFKA_TOPIC_SLOTS];

        if (slot->name == NULL)
            return add(topics, slot, producer, name);
        if (slot->len == name.len && memcmp(slot->name, name.ptr, name.len) == 0)
            return slot->handle;
    }
}

void kafka_topics_free(struct kafka_topics *topics)
{
    for (size_t i = 0; i < KAFKA_TOPIC_SLOTS; i++) {
        if (topics->slots[i].name == NULL)
            continue;
        rd_kafka_topic_destroy(topics->slots[i].handle);
        lb_free(topics->slots[i].name);
    }
    *topics = (struct kafka_topics){ 0 };
}
