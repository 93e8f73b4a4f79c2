/*
 * consumer.h - messages of Kafka, as a member of a consumer group.
 *
 * A thread of its own polls librdkafka, for that may wait. Each partition is
 * a durable stream and the offset its position, so records have ids and
 * archives have each message once; what every consumer has committed in the
 * ledger is committed to the group, never more. So another member goes on
 * where ours are safe, and a kill costs nothing but a little that is read
 * again and left out by who has it.
 */
#ifndef CONSUMER_H
#define CONSUMER_H

#include "lb_buffer.h"
#include "lb_entry.h"
#include "lb_metrics.h"
#include "lb_source.h"

#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>

enum {
    CONSUMER_HELD_MAX = 1024, /* messages that came after partitions were paused */
    CONSUMER_META_BYTES_MAX = 64 * 1024,
    CONSUMER_ERROR_BYTES = 512,
    CONSUMER_ANSWER_MS = 5000, /* for how long a broker is waited for, at most */
};

enum consumer_meta {
    CONSUMER_META_TOPIC = 1,
    CONSUMER_META_PARTITION = 2,
    CONSUMER_META_OFFSET = 4,
    CONSUMER_META_KEY = 8,
    CONSUMER_META_HEADERS = 16,
};

/* A message by which a topic is known again. */
struct consumer_anchor {
    int64_t offset; /* below 0: none */
    uint64_t hash;
};

enum consumer_state {
    CONSUMER_SURE,
    CONSUMER_IN_DOUBT,  /* reads at its anchor, to see whether it is the same topic */
    CONSUMER_ANEW,      /* it is not: the next message begins another stream */
    CONSUMER_FORGOTTEN, /* and the old stream was forgotten */
};

struct consumer_partition {
    struct consumer_partition *next;
    char *topic;
    int32_t number;
    struct lb_stream *stream; /* NULL: not open yet */
    int64_t position;         /* the offset that is expected next, at least */
    int64_t committed;        /* to the group; below 0: not known */
    bool stored;              /* the group has said that it has an offset */
    bool unknown;             /* the group has said that there is no such topic: it may be another one by now */
    int64_t end;              /* where it ended when it last did */
    int64_t seen;             /* offsets below come again, and were had */
    enum consumer_state state;
    uint32_t generation;           /* how often the topic was made anew */
    struct consumer_anchor known;  /* in the ledger */
    struct consumer_anchor latest; /* goes there when everybody has it */
    bool eof;
};

struct consumer {
    /* Options. */
    struct lb_strs brokers;
    struct lb_strs topics;
    struct lb_str group;
    int read_from;
    struct lb_strs meta_words;
    struct lb_pairs settings;

    unsigned meta; /* enum consumer_meta */
    struct lb_source *source;
    struct event *begin; /* the thread is started by the loop: a source that may be taken back leaves nothing behind */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards the two below */
    pthread_cond_t credit;
    bool stopping;
    bool woken;

    /* The thread's, and while there is none that of who stops or closes. */
    rd_kafka_t *handle;
    struct consumer_partition *partitions; /* those that are ours */
    struct consumer_partition *current;    /* of the batch */
    struct lb_batch *batch;                /* being filled, or NULL */
    rd_kafka_message_t *held[CONSUMER_HELD_MAX];
    uint32_t held_count;
    struct lb_buffer fields;
    int64_t commit_at; /* monotonic */
    bool paused;
    bool assigned; /* the group has answered */
    bool finished;
    bool leaving;
    bool failing; /* told: no broker */
    struct lb_metric *messages;
    struct lb_metric *tombstones;
    struct lb_metric *lag;
};

/* --- consumer_settings.c ------------------------------------------------------------ */

/* NULL, with an error in `diag`. */
rd_kafka_conf_t *consumer_settings(const struct lb_source *source, struct lb_diag *diag);

/* Faults to `diag`: brokers, topics, words of `meta`, settings. */
bool consumer_check(struct lb_source *source, struct lb_diag *diag);

/* --- consumer_message.c --------------------------------------------------------------- */

/* The message as an entry; slices live until the next call, or as long as the message. False: no memory. */
bool consumer_read(struct consumer *self, const rd_kafka_message_t *message, struct lb_entry *entry);

/* --- consumer_partitions.c ------------------------------------------------------------ */

/* librdkafka's callback: partitions come and go. */
void consumer_on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list,
                           void *opaque);
void consumer_on_commit(rd_kafka_t *handle, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list,
                        void *opaque);

/* The partition of that message, NULL: it is not ours any more. */
struct consumer_partition *consumer_find(struct consumer *self, const rd_kafka_message_t *message);

/* Sees to it that its stream is open, and another one where offsets begin again. False: not now. */
bool consumer_open_stream(struct consumer *self, struct consumer_partition *partition,
                          const rd_kafka_message_t *message);

/* Commits to the group what everybody has; `wait`: until it is there, or for some seconds. */
void consumer_commit(struct consumer *self, bool wait);
void consumer_pause(struct consumer *self, bool pause);
void consumer_note_lag(struct consumer *self);
bool consumer_is_at_end(const struct consumer *self);

/* Lets go of all partitions; nothing more is committed. */
void consumer_free_partitions(struct consumer *self);

/* --- consumer_anchor.c ---------------------------------------------------------------- */

/* The id of its stream in the ledger, 0: none; sets `known` and `generation`. */
uint64_t consumer_find_known(struct consumer *self, struct consumer_partition *partition);

/* Opens the stream of that id, 0: a new one that begins with the message. */
enum lb_err consumer_store(struct consumer *self, struct consumer_partition *partition, uint64_t id,
                           const rd_kafka_message_t *message);

struct consumer_anchor consumer_anchor_of(const rd_kafka_message_t *message);

/* `latest` becomes `known` if everybody has it. */
void consumer_move_anchor(struct consumer *self, struct consumer_partition *partition, int64_t committed);

/* The group has forgotten its offset: reads at the anchor again. False: not now. */
bool consumer_doubt(struct consumer *self, struct consumer_partition *partition);

/* It is another topic, as what was found at `offset` says. */
void consumer_begin_anew(struct consumer *self, struct consumer_partition *partition, int64_t offset);

/* It was had, or will come again: not to be taken. Ends a doubt. */
bool consumer_is_old(struct consumer *self, struct consumer_partition *partition, const rd_kafka_message_t *message);

/* --- source_kafka.c -------------------------------------------------------------------- */

void consumer_push(struct consumer *self);

/* What was read of a partition that is no longer ours, and not pushed, is another member's. */
void consumer_drop_held(struct consumer *self, const struct consumer_partition *partition);

#endif
