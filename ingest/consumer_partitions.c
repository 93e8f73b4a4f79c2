/*
 * consumer_partitions.c - partitions that are ours for a while, their streams,
 * and how far the group is.
 *
 * The tricky thing is whose word counts. Where to begin is the group's to say,
 * for another member may have gone on meanwhile. What our consumers have is
 * the ledger's, and may be a little more than the group knows: then it comes
 * again, and each leaves out what it has. An offset below what the group had
 * is none of these: the topic was made anew, and gets a new stream.
 */
#include "consumer.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#define MODULE "source.kafka"

enum { ANSWER_MS = 5000, IDENTITY_BYTES = 1024, COMMIT_SECONDS = 1 };

/* --- streams ---------------------------------------------------------------------------- */

struct search {
    struct lb_str identity;
    uint64_t id;
};

static void match(void *context, uint64_t id, struct lb_str identity)
{
    struct search *self = context;

    if (lb_str_equal(identity, self->identity))
        self->id = id;
}

static struct lb_str write_identity(const struct consumer *self, const struct consumer_partition *partition, char *text)
{
    int len = snprintf(text, IDENTITY_BYTES, LB_STR_FMT "\n%s\n%" PRId32, LB_STR_ARG(self->group), partition->topic,
                       partition->number);

    return (struct lb_str){ text, len < IDENTITY_BYTES ? (size_t)len : IDENTITY_BYTES - 1 };
}

static void name_stream(struct lb_stream *stream, const struct consumer_partition *partition)
{
    struct lb_str name = lb_arena_print(&stream->arena, "%s/%" PRId32, partition->topic, partition->number);

    if (name.ptr != NULL)
        stream->name = name;
}

static bool open_stream(struct consumer *self, struct consumer_partition *partition, bool anew)
{
    char text[IDENTITY_BYTES];
    struct search search = { write_identity(self, partition, text), 0 };
    struct lb_streams *streams = self->source->streams;

    if (!anew)
        lb_streams_each_known(streams, self->source->section.name, match, &search);
    enum lb_err err = lb_stream_open(streams, self->source, search.id, search.identity, &partition->stream);
    if (err != LB_OK) {
        partition->stream = NULL;
        if (err != LB_AGAIN) /* its records of before are on their way */
            LB_ERROR(MODULE, "cannot store the identity of a partition, it waits topic=%s partition=%" PRId32,
                     partition->topic, partition->number);
        return false;
    }
    name_stream(partition->stream, partition);
    return true;
}

bool consumer_open_stream(struct consumer *self, struct consumer_partition *partition, int64_t offset)
{
    if (offset < partition->position) {
        LB_WARN(MODULE,
                "offsets begin again, the topic was made anew; it is read as another topic=%s partition=%" PRId32
                " offset=%" PRId64 " expected=%" PRId64,
                partition->topic, partition->number, offset, partition->position);
        struct lb_stream *before = partition->stream;

        if (before == NULL && !open_stream(self, partition, false))
            return false;
        before = partition->stream;
        partition->stream = NULL;
        lb_stream_forget(before);
        lb_stream_unref(before);
        partition->position = 0;
        partition->committed = -1;
        return open_stream(self, partition, true);
    }
    return partition->stream != NULL || open_stream(self, partition, false);
}

/* --- assignment ---------------------------------------------------------------------------- */

static struct consumer_partition **find_link(struct consumer *self, const char *topic, int32_t number)
{
    struct consumer_partition **link = &self->partitions;

    while (*link != NULL && ((*link)->number != number || strcmp((*link)->topic, topic) != 0))
        link = &(*link)->next;
    return link;
}

struct consumer_partition *consumer_find(struct consumer *self, const rd_kafka_message_t *message)
{
    if (self->current != NULL && self->current->number == message->partition &&
        strcmp(self->current->topic, rd_kafka_topic_name(message->rkt)) == 0)
        return self->current;
    return *find_link(self, rd_kafka_topic_name(message->rkt), message->partition);
}

static void add(struct consumer *self, const rd_kafka_topic_partition_t *which)
{
    struct consumer_partition **link = find_link(self, which->topic, which->partition);
    size_t size = strlen(which->topic) + 1;

    if (*link != NULL)
        return;
    struct consumer_partition *partition = lb_alloc(sizeof(*partition));
    char *topic = lb_alloc(size);
    if (partition == NULL || topic == NULL) {
        LB_ERROR(MODULE, "out of memory, a partition is not read topic=%s", which->topic);
        lb_free(partition);
        lb_free(topic);
        return;
    }
    memcpy(topic, which->topic, size);
    *partition = (struct consumer_partition){ .topic = topic, .number = which->partition, .committed = -1 };
    if (which->offset >= 0)
        partition->position = partition->committed = which->offset;
    *link = partition;
}

static void drop(struct consumer *self, const char *topic, int32_t number)
{
    struct consumer_partition **link = find_link(self, topic, number);
    struct consumer_partition *partition = *link;

    if (partition == NULL)
        return;
    consumer_drop_held(self, partition);
    *link = partition->next;
    if (partition->stream != NULL)
        lb_stream_unref(partition->stream);
    lb_free(partition->topic);
    lb_free(partition);
}

void consumer_free_partitions(struct consumer *self)
{
    while (self->partitions != NULL)
        drop(self, self->partitions->topic, self->partitions->number);
}

static void take(struct consumer *self, rd_kafka_topic_partition_list_t *list)
{
    /* The group's offsets, in a copy: what is assigned must not change by an answer that did not come. */
    rd_kafka_topic_partition_list_t *known = rd_kafka_topic_partition_list_copy(list);

    if (list->cnt > 0 && rd_kafka_committed(self->handle, known, ANSWER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        for (int i = 0; i < known->cnt; i++)
            known->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    for (int i = 0; i < known->cnt; i++)
        add(self, &known->elems[i]);
    rd_kafka_topic_partition_list_destroy(known);
    self->assigned = true;
    LB_INFO(MODULE, "partitions were assigned source=" LB_STR_FMT " count=%d", LB_STR_ARG(self->source->section.name),
            list->cnt);
}

static void give(struct consumer *self, const rd_kafka_topic_partition_list_t *list)
{
    consumer_commit(self, true);
    for (int i = 0; i < list->cnt; i++)
        drop(self, list->elems[i].topic, list->elems[i].partition);
    LB_INFO(MODULE, "partitions were taken back source=" LB_STR_FMT " count=%d", LB_STR_ARG(self->source->section.name),
            list->cnt);
}

static void apply(rd_kafka_t *handle, const rd_kafka_topic_partition_list_t *list, bool assign)
{
    bool cooperative = strcmp(rd_kafka_rebalance_protocol(handle), "COOPERATIVE") == 0;
    rd_kafka_error_t *error = NULL;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (cooperative)
        error = assign ? rd_kafka_incremental_assign(handle, list) : rd_kafka_incremental_unassign(handle, list);
    else
        err = rd_kafka_assign(handle, assign ? list : NULL);
    if (error != NULL || err != RD_KAFKA_RESP_ERR_NO_ERROR)
        LB_ERROR(MODULE, "an assignment failed error=\"%s\"",
                 error != NULL ? rd_kafka_error_string(error) : rd_kafka_err2str(err));
    if (error != NULL)
        rd_kafka_error_destroy(error);
}

void consumer_on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list,
                           void *opaque)
{
    struct consumer *self = opaque;
    bool assign = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

    if (assign)
        take(self, list);
    else if (rd_kafka_assignment_lost(handle) == 0)
        give(self, list);
    else /* another member has them already: its commits count */
        for (int i = 0; i < list->cnt; i++)
            drop(self, list->elems[i].topic, list->elems[i].partition);
    apply(handle, list, assign);
    if (assign && self->paused)
        (void)rd_kafka_pause_partitions(handle, list);
}

/* --- commits -------------------------------------------------------------------------------- */

void consumer_on_commit(rd_kafka_t *handle, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list,
                        void *opaque)
{
    struct consumer *self = opaque;

    (void)handle;
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *each = &list->elems[i];
        struct consumer_partition *partition = *find_link(self, each->topic, each->partition);
        rd_kafka_resp_err_t fault = err != RD_KAFKA_RESP_ERR_NO_ERROR ? err : each->err;

        if (fault == RD_KAFKA_RESP_ERR_NO_ERROR || fault == RD_KAFKA_RESP_ERR__NO_OFFSET)
            continue;
        LB_WARN(MODULE, "an offset was not committed, it is tried again topic=%s partition=%" PRId32 " error=\"%s\"",
                each->topic, each->partition, rd_kafka_err2str(fault));
        if (partition != NULL)
            partition->committed = -1;
    }
}

static rd_kafka_topic_partition_list_t *collect(struct consumer *self)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);

    for (struct consumer_partition *each = self->partitions; each != NULL; each = each->next) {
        if (each->stream == NULL)
            continue;
        int64_t safe = (int64_t)lb_stream_committed(each->stream);
        /* What was committed by others before us may be past our marks; never back behind it. */
        if (safe <= 0 || safe <= each->committed || safe > each->position)
            continue;
        rd_kafka_topic_partition_list_add(list, each->topic, each->number)->offset = safe;
        each->committed = safe;
    }
    return list;
}

void consumer_commit(struct consumer *self, bool wait)
{
    rd_kafka_topic_partition_list_t *list = collect(self);
    rd_kafka_queue_t *answers = wait && list->cnt > 0 ? rd_kafka_queue_new(self->handle) : NULL;

    self->commit_at = lb_clock_monotonic() + COMMIT_SECONDS * LB_SECOND;
    if (answers != NULL) {
        rd_kafka_event_t *event = NULL;

        if (rd_kafka_commit_queue(self->handle, list, answers, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR)
            event = rd_kafka_queue_poll(answers, ANSWER_MS);
        if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
            LB_WARN(MODULE, "the last offsets were not committed, who reads on has some messages again error=\"%s\"",
                    event != NULL ? rd_kafka_event_error_string(event) : "no answer");
        if (event != NULL)
            rd_kafka_event_destroy(event);
        rd_kafka_queue_destroy(answers);
    } else if (list->cnt > 0) {
        (void)rd_kafka_commit(self->handle, list, 1);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* --- all of them ---------------------------------------------------------------------------- */

void consumer_pause(struct consumer *self, bool pause)
{
    rd_kafka_topic_partition_list_t *list = NULL;

    if (self->paused == pause)
        return;
    self->paused = pause;
    if (rd_kafka_assignment(self->handle, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    (void)(pause ? rd_kafka_pause_partitions(self->handle, list) : rd_kafka_resume_partitions(self->handle, list));
    rd_kafka_topic_partition_list_destroy(list);
}

void consumer_note_lag(struct consumer *self)
{
    int64_t all = 0;

    for (struct consumer_partition *each = self->partitions; each != NULL; each = each->next) {
        int64_t low = 0;
        int64_t high = 0;

        if (each->stream == NULL || rd_kafka_get_watermark_offsets(self->handle, each->topic, each->number, &low,
                                                                   &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        int64_t lag = high > each->position && !each->eof ? high - each->position : 0;
        lb_stream_note_unread(each->stream, (uint64_t)lag);
        all += lag;
    }
    lb_metric_set(self->lag, all);
}

bool consumer_is_at_end(const struct consumer *self)
{
    if (!self->assigned || self->held_count > 0)
        return false;
    for (const struct consumer_partition *each = self->partitions; each != NULL; each = each->next)
        if (!each->eof)
            return false;
    return true;
}
