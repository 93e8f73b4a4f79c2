/*
 * kafka_topics.h - topics by name, and the messages that wait for one.
 *
 * A topic on a broker cannot be undone, so values that a stranger chooses
 * must not make them without end. A message waits here, with a copy of its
 * bytes, when librdkafka gave it back: its topic is missing or forbidden for
 * now, it has to go alone, or the producer is made anew. Others of the same
 * topic wait behind it, in the order in which the records came; other topics
 * go on.
 */
#ifndef KAFKA_TOPICS_H
#define KAFKA_TOPICS_H

#include "lb_batch.h"
#include "lb_str.h"
#include "lb_stream.h"

#include <librdkafka/rdkafka.h>
#include <stdint.h>

enum { KAFKA_TOPICS_MAX = 512, KAFKA_TOPIC_SLOTS = 2 * KAFKA_TOPICS_MAX, KAFKA_TOPIC_BYTES_MAX = 249 };

/* Of a message that is a dead letter on its way to a topic: what the file needs if that topic does not take it. */
struct kafka_letter {
    bool is;
    rd_kafka_resp_err_t cause;
    uint32_t attempts;
    const struct kafka_topic *origin; /* NULL: there could be none of that name */
    size_t record_at;                 /* of the record's JSON, in the value */
    size_t bytes;                     /* of the value */
};

/* One record on its way. With librdkafka as the opaque of its message, or waiting. */
struct kafka_message {
    struct kafka_message *next;
    struct kafka_topic *topic;
    struct lb_token *token; /* one hold */
    uint64_t sequence;      /* rising in the order of the records */
    int64_t timestamp_ms;
    uint32_t attempts;
    bool suspect;                /* its message set was refused: is it this one? */
    uint32_t group;              /* how many went together then; 0: as usual */
    rd_kafka_resp_err_t refused; /* to the dead letters with it as soon as they take it; 0: not */
    bool state;                  /* of an alert, beside its event: not a record more */
    bool alert;                  /* the record is the alert engine's */
    char id[LB_RECORD_ID_SIZE];
    char *record; /* its JSON where the value is none, on the heap; or NULL */
    size_t record_len;
    struct kafka_letter letter;

    /* While it waits. */
    char *bytes; /* key, then value; on the heap */
    size_t key_len;
    bool has_key;
    bool has_value; /* or it is a tombstone */
    size_t value_len;
    rd_kafka_headers_t *headers;
};

struct kafka_topic {
    char *name;
    size_t len;
    rd_kafka_topic_t *handle; /* NULL: not made yet by this producer */
    uint32_t in_flight;       /* with librdkafka */
    bool resending;           /* what waits is being sent, in order */

    uint32_t group;      /* suspects that go together the next time */
    uint32_t group_size; /* and this time, */
    uint32_t group_left; /* of which so many are still to go */

    struct kafka_message *first; /* waiting */
    struct kafka_message *last;
    int64_t stuck_since; /* monotonic; 0: nothing is wrong with the topic */
    rd_kafka_resp_err_t stuck_code;
    int64_t retry_at; /* monotonic */
    int64_t pause_ns;
};

/* Open addressing by name. All zero: none. */
struct kafka_topics {
    struct kafka_topic slots[KAFKA_TOPIC_SLOTS];
    uint32_t count;
    uint32_t stuck;   /* topics with which something is wrong */
    uint32_t waiting; /* messages */
    size_t bytes;     /* that they take */
    struct kafka_message *free;
    struct kafka_block *blocks;
};

/* The topic of that name, made on first use; longer names are cut. NULL: no topic can have it, or there are too many.
 */
struct kafka_topic *kafka_topics_find(struct kafka_topics *topics, rd_kafka_t *producer, struct lb_str name);
void kafka_topics_drop_handles(struct kafka_topics *topics); /* before the producer goes */
void kafka_topics_free(struct kafka_topics *topics);         /* with all messages, tokens as they are */

/* A zeroed message, recycled where possible; NULL: no memory. */
struct kafka_message *kafka_message_new(struct kafka_topics *topics);
void kafka_message_free(struct kafka_topics *topics, struct kafka_message *message);

/* Copies; takes over `headers` where it succeeds. False: no memory. */
bool kafka_message_copy(struct kafka_message *message, struct lb_str key, struct lb_str value,
                        rd_kafka_headers_t *headers);
void kafka_message_drop_copy(struct kafka_message *message);
struct lb_str kafka_message_value(const struct kafka_message *message);

/* Puts a copied message in its place by sequence, or takes the first one out. */
void kafka_topic_wait(struct kafka_topics *topics, struct kafka_message *message);
struct kafka_message *kafka_topic_take(struct kafka_topics *topics, struct kafka_topic *topic);

/* Something is wrong with the topic: a pause, doubled each time. */
void kafka_topic_stuck(struct kafka_topics *topics, struct kafka_topic *topic, rd_kafka_resp_err_t code, int64_t now);
void kafka_topic_fine(struct kafka_topics *topics, struct kafka_topic *topic);

#endif
