/* kafka_topics.c - topics by name: librdkafka's own search goes through all of them each time; and what waits. */
#include "kafka_topics.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <xxhash.h>

enum { BLOCK_MESSAGES = 64 };

#define PAUSE_FIRST LB_SECOND
#define PAUSE_MAX (30 * LB_SECOND)

struct kafka_block {
    struct kafka_block *next;
    struct kafka_message messages[BLOCK_MESSAGES];
};

/* --- topics ------------------------------------------------------------------- */

/* A new producer needs new handles. */
static struct kafka_topic *with_handle(struct kafka_topic *topic, rd_kafka_t *producer)
{
    if (topic->handle == NULL)
        topic->handle = rd_kafka_topic_new(producer, topic->name, NULL);
    return topic->handle != NULL ? topic : NULL;
}

static struct kafka_topic *add(struct kafka_topics *topics, struct kafka_topic *slot, rd_kafka_t *producer,
                               struct lb_str name)
{
    if (topics->count >= KAFKA_TOPICS_MAX)
        return NULL;
    slot->name = lb_alloc(name.len + 1);
    if (slot->name == NULL)
        return NULL;
    memcpy(slot->name, name.ptr, name.len);
    slot->len = name.len;
    if (with_handle(slot, producer) == NULL) {
        lb_free(slot->name);
        slot->name = NULL;
        return NULL;
    }
    topics->count++;
    return slot;
}

struct kafka_topic *kafka_topics_find(struct kafka_topics *topics, rd_kafka_t *producer, struct lb_str name)
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
            return with_handle(slot, producer);
    }
}

void kafka_topics_drop_handles(struct kafka_topics *topics)
{
    for (size_t i = 0; i < KAFKA_TOPIC_SLOTS; i++) {
        struct kafka_topic *topic = &topics->slots[i];

        if (topic->handle != NULL)
            rd_kafka_topic_destroy(topic->handle);
        topic->handle = NULL;
        topic->in_flight = 0;
        topic->resending = false;
    }
}

void kafka_topics_free(struct kafka_topics *topics)
{
    kafka_topics_drop_handles(topics);
    for (size_t i = 0; i < KAFKA_TOPIC_SLOTS; i++) {
        while (topics->slots[i].first != NULL)
            kafka_message_free(topics, kafka_topic_take(topics, &topics->slots[i]));
        lb_free(topics->slots[i].name);
    }
    while (topics->blocks != NULL) {
        struct kafka_block *block = topics->blocks;

        topics->blocks = block->next;
        lb_free(block);
    }
    *topics = (struct kafka_topics){ 0 };
}

void kafka_topic_stuck(struct kafka_topics *topics, struct kafka_topic *topic, rd_kafka_resp_err_t code, int64_t now)
{
    if (topic->stuck_since == 0) {
        topic->stuck_since = now;
        topic->pause_ns = PAUSE_FIRST;
        topics->stuck++;
    } else if (topic->retry_at <= now) {
        topic->pause_ns = topic->pause_ns * 2 < PAUSE_MAX ? topic->pause_ns * 2 : PAUSE_MAX;
    }
    topic->stuck_code = code;
    topic->retry_at = now + topic->pause_ns;
    topic->resending = false;
}

void kafka_topic_fine(struct kafka_topics *topics, struct kafka_topic *topic)
{
    topics->stuck -= topic->stuck_since != 0;
    topic->stuck_since = 0;
    topic->retry_at = 0;
}

/* --- messages ------------------------------------------------------------------- */

struct kafka_message *kafka_message_new(struct kafka_topics *topics)
{
    if (topics->free == NULL) {
        struct kafka_block *block = lb_alloc(sizeof(*block));

        if (block == NULL)
            return NULL;
        block->next = topics->blocks;
        topics->blocks = block;
        for (unsigned i = 0; i < BLOCK_MESSAGES; i++) {
            block->messages[i].next = topics->free;
            topics->free = &block->messages[i];
        }
    }
    struct kafka_message *message = topics->free;
    topics->free = message->next;
    *message = (struct kafka_message){ 0 };
    return message;
}

void kafka_message_drop_copy(struct kafka_message *message)
{
    lb_free(message->bytes);
    if (message->headers != NULL)
        rd_kafka_headers_destroy(message->headers);
    message->bytes = NULL;
    message->headers = NULL;
}

void kafka_message_free(struct kafka_topics *topics, struct kafka_message *message)
{
    kafka_message_drop_copy(message);
    lb_free(message->record);
    message->record = NULL;
    message->next = topics->free;
    topics->free = message;
}

bool kafka_message_copy(struct kafka_message *message, struct lb_str key, struct lb_str value,
                        rd_kafka_headers_t *headers)
{
    char *bytes = lb_alloc(key.len + value.len + 1);

    if (bytes == NULL)
        return false;
    if (key.len > 0)
        memcpy(bytes, key.ptr, key.len);
    if (value.len > 0)
        memcpy(bytes + key.len, value.ptr, value.len);
    kafka_message_drop_copy(message);
    message->bytes = bytes;
    message->has_key = key.ptr != NULL;
    message->has_value = value.ptr != NULL;
    message->key_len = key.len;
    message->value_len = value.len;
    message->headers = headers;
    return true;
}

struct lb_str kafka_message_value(const struct kafka_message *message)
{
    return (struct lb_str){ message->has_value ? message->bytes + message->key_len : NULL, message->value_len };
}

static size_t memory_of(const struct kafka_message *message)
{
    return sizeof(*message) + message->key_len + message->value_len + message->record_len;
}

/* Nearly always the last one: reports come in the order of sending, but for what a purge gives back. */
void kafka_topic_wait(struct kafka_topics *topics, struct kafka_message *message)
{
    struct kafka_topic *topic = message->topic;
    struct kafka_message **link = &topic->first;

    if (topic->last != NULL && topic->last->sequence < message->sequence)
        link = &topic->last->next;
    while (*link != NULL && (*link)->sequence < message->sequence)
        link = &(*link)->next;
    message->next = *link;
    *link = message;
    if (message->next == NULL)
        topic->last = message;
    topics->waiting++;
    topics->bytes += memory_of(message);
}

struct kafka_message *kafka_topic_take(struct kafka_topics *topics, struct kafka_topic *topic)
{
    struct kafka_message *message = topic->first;

    topic->first = message->next;
    if (topic->first == NULL)
        topic->last = NULL;
    topics->waiting--;
    topics->bytes -= memory_of(message);
    return message;
}
