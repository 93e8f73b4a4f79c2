/*
 * consumer_anchor.c - is this still the topic that we have read?
 *
 * A topic that is deleted and made again has the same name and counts from 0
 * again, and the group forgets its offsets with it. So a partition's identity
 * in the ledger holds one message that everybody has, as offset and hash. Where
 * the group does not say where to begin, or has forgotten what it knew,
 * reading begins there: what is found in its place tells. The tricky thing is
 * that all behind it comes twice then; up to `seen` that is passed over.
 */
#include "consumer.h"

#include "lb_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define MODULE "source.kafka"

enum { IDENTITY_BYTES = 1024 };

/* --- the ledger ------------------------------------------------------------------------- */

/* Group, topic and partition; behind them the anchor and how often the topic was made anew. */
static struct lb_str write_prefix(const struct consumer *self, const struct consumer_partition *partition, char *text)
{
    int len = snprintf(text, IDENTITY_BYTES, LB_STR_FMT "\n%s\n%" PRId32, LB_STR_ARG(self->group), partition->topic,
                       partition->number);

    return (struct lb_str){ text, len < IDENTITY_BYTES ? (size_t)len : IDENTITY_BYTES - 1 };
}

static struct lb_str write_identity(const struct consumer *self, const struct consumer_partition *partition,
                                    const struct consumer_anchor *anchor, char *text)
{
    size_t len = write_prefix(self, partition, text).len;
    int more = snprintf(text + len, IDENTITY_BYTES - len, "\n%" PRId64 " %" PRIx64 " %" PRIu32, anchor->offset,
                        anchor->hash, partition->generation);

    return (struct lb_str){ text, len + (size_t)more < IDENTITY_BYTES ? len + (size_t)more : IDENTITY_BYTES - 1 };
}

struct search {
    struct lb_str prefix;
    uint64_t id;
    uint32_t generation;
    struct consumer_anchor anchor;
};

static void match(void *context, uint64_t id, struct lb_str identity)
{
    struct search *self = context;
    char text[IDENTITY_BYTES];
    struct consumer_anchor anchor = { -1, 0 };
    uint32_t generation = 0;

    if (!lb_str_starts(identity, self->prefix) || identity.len >= sizeof(text))
        return;
    snprintf(text, sizeof(text), LB_STR_FMT, LB_STR_ARG(identity));
    const char *more = text + self->prefix.len;
    if (*more == '\n') {
        char *at = NULL;

        anchor.offset = strtoll(more + 1, &at, 10);
        anchor.hash = strtoull(at, &at, 16);
        generation = (uint32_t)strtoul(at, NULL, 10);
    } else if (*more != '\0') {
        return; /* partition 1 and partition 10 */
    }
    if (self->id != 0 && generation < self->generation)
        return; /* forgotten, but no commit has taken that along */
    self->id = id;
    self->generation = generation;
    self->anchor = anchor;
}

uint64_t consumer_find_known(struct consumer *self, struct consumer_partition *partition)
{
    char text[IDENTITY_BYTES];
    struct search search = { .prefix = write_prefix(self, partition, text), .anchor = { -1, 0 } };

    lb_streams_each_known(self->source->streams, self->source->section.name, match, &search);
    partition->generation = search.generation;
    partition->known = search.anchor;
    return search.id;
}

enum lb_err consumer_store(struct consumer *self, struct consumer_partition *partition, uint64_t id,
                           const rd_kafka_message_t *message)
{
    char text[IDENTITY_BYTES];

    if (id == 0 || partition->known.offset < 0)
        partition->known = consumer_anchor_of(message);
    return lb_stream_open(self->source->streams, self->source, id,
                          write_identity(self, partition, &partition->known, text), &partition->stream);
}

/* --- which message ------------------------------------------------------------------------ */

struct consumer_anchor consumer_anchor_of(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    int64_t time_ms = rd_kafka_message_timestamp(message, &type);
    uint64_t hash =
        XXH3_64bits_withSeed(message->payload != NULL ? message->payload : "", message->len, (uint64_t)time_ms);

    return (struct consumer_anchor){ message->offset, XXH3_64bits_withSeed(message->key != NULL ? message->key : "",
                                                                           message->key_len, hash) };
}

void consumer_move_anchor(struct consumer *self, struct consumer_partition *partition, int64_t committed)
{
    char text[IDENTITY_BYTES];

    if (partition->latest.offset < 0 || partition->latest.offset >= committed)
        return;
    partition->known = partition->latest;
    partition->latest.offset = -1;
    lb_stream_identify(partition->stream, write_identity(self, partition, &partition->known, text));
}

/* --- doubt -------------------------------------------------------------------------------- */

static bool seek(struct consumer *self, const struct consumer_partition *partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)->offset = offset;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(self->handle, list, CONSUMER_ANSWER_MS);
    bool done = error == NULL && list->elems[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!done)
        LB_ERROR(MODULE,
                 "cannot go to another offset, what is there may be missing topic=%s partition=%" PRId32
                 " offset=%" PRId64 " error=\"%s\"",
                 partition->topic, partition->number, offset,
                 error != NULL ? rd_kafka_error_string(error) : rd_kafka_err2str(list->elems[0].err));
    if (error != NULL)
        rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
    return done;
}

void consumer_begin_anew(struct consumer *self, struct consumer_partition *partition, int64_t offset)
{
    LB_WARN(MODULE,
            "the topic was made anew; it is read from its beginning, as another topic topic=%s partition=%" PRId32
            " offset=%" PRId64 " expected=%" PRId64,
            partition->topic, partition->number, offset,
            partition->state == CONSUMER_IN_DOUBT ? partition->known.offset : partition->position);
    partition->state = CONSUMER_ANEW;
    partition->seen = 0;
    if (offset > 0)
        (void)seek(self, partition, RD_KAFKA_OFFSET_BEGINNING);
}

bool consumer_doubt(struct consumer *self, struct consumer_partition *partition)
{
    if (partition->state != CONSUMER_SURE || partition->stream == NULL || partition->known.offset < 0)
        return true;
    consumer_push(self);
    consumer_drop_held(self, partition);
    if (!seek(self, partition, partition->known.offset))
        return false;
    partition->state = CONSUMER_IN_DOUBT;
    partition->seen = partition->position;
    partition->latest.offset = -1;
    partition->eof = false;
    return true;
}

bool consumer_is_old(struct consumer *self, struct consumer_partition *partition, const rd_kafka_message_t *message)
{
    if (partition->state == CONSUMER_IN_DOUBT) {
        struct consumer_anchor found = consumer_anchor_of(message);

        /* Behind it: it is too old to be there still, and nobody can tell. */
        if (found.offset < partition->known.offset ||
            (found.offset == partition->known.offset && found.hash != partition->known.hash)) {
            consumer_begin_anew(self, partition, message->offset);
            return message->offset > 0; /* it comes again */
        }
        partition->state = CONSUMER_SURE;
    }
    return message->offset < partition->seen;
}
