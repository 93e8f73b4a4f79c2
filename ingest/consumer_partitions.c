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

enum { COMMIT_SECONDS = 1 };

/* --- streams ---------------------------------------------------------------------------- */

static void name_stream(struct lb_stream *stream, const struct consumer_partition *partition)
{
    struct lb_str name = lb_arena_print(&stream->arena, "%s/%" PRId32, partition->topic, partition->number);

    if (name.ptr != NULL)
        stream->name = name;
}

static bool open_stream(struct consumer *self, struct consumer_partition *partition, uint64_t id,
                        const rd_kafka_message_t *message)
{
    enum lb_err err = consumer_store(self, partition, id, message);

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

/* The stream of the topic that is no more. */
static bool forget_stream(struct consumer *self, struct consumer_partition *partition,
                          const rd_kafka_message_t *message)
{
    if (partition->stream == NULL && !open_stream(self, partition, consumer_find_known(self, partition), message))
        return false;
    lb_stream_forget(partition->stream);
    lb_stream_unref(partition->stream);
    partition->stream = NULL;
    partition->position = 0;
    partition->committed = -1;
    partition->latest.offset = -1;
    partition->generation++;
    partition->state = CONSUMER_FORGOTTEN;
    return true;
}

/*
 * Until the group has an offset of it, nothing tells when the topic is made anew. So it is given one at once: that of
 * the first message, before which there is nothing of ours.
 */
static void tell_beginning(struct consumer *self, const struct consumer_partition *partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)->offset = offset;
    (void)rd_kafka_commit(self->handle, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

bool consumer_open_stream(struct consumer *self, struct consumer_partition *partition,
                          const rd_kafka_message_t *message)
{
    if (partition->state == CONSUMER_SURE && message->offset < partition->position)
        consumer_begin_anew(self, partition, self->read_from == 0 ? 0 : message->offset);
    if (partition->state == CONSUMER_ANEW && !forget_stream(self, partition, message))
        return false;
    if (partition->stream != NULL)
        return true;
    uint64_t id = partition->state == CONSUMER_FORGOTTEN ? 0 : consumer_find_known(self, partition);
    if (!open_stream(self, partition, id, message))
        return false;
    partition->state = CONSUMER_SURE;
    if (id == 0 && !partition->stored)
        tell_beginning(self, partition, message->offset);
    return true;
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

/* Where the group says nothing, the ledger may know the topic: `which` begins where it can be seen whether it is that.
 */
static void add(struct consumer *self, const rd_kafka_topic_partition_t *known, bool answered,
                rd_kafka_topic_partition_t *which)
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
    partition->known.offset = partition->latest.offset = -1;
    *link = partition;
    if (known->offset >= 0) {
        partition->position = partition->committed = known->offset;
        partition->stored = true;
    } else if (answered && consumer_find_known(self, partition) != 0 && partition->known.offset >= 0) {
        which->offset = partition->known.offset;
        partition->state = CONSUMER_IN_DOUBT;
    }
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
    bool answered =
        list->cnt == 0 || rd_kafka_committed(self->handle, known, CONSUMER_ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;

    for (int i = 0; i < known->cnt; i++) {
        bool told = answered && known->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;

        if (!told)
            known->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
        add(self, &known->elems[i], told, &list->elems[i]);
    }
    rd_kafka_topic_partition_list_destroy(known);
    self->assigned = true;
    LB_INFO(MODULE, "partitions were assigned source=" LB_STR_FMT " count=%d", LB_STR_ARG(self->source->section.name),
            list->cnt);
}

static void give(struct consumer *self, const rd_kafka_topic_partition_list_t *list)
{
    if (!self->leaving) /* then all that is safe was committed before */
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

        if (fault == RD_KAFKA_RESP_ERR_NO_ERROR && partition != NULL)
            partition->stored = true;
        if (fault == RD_KAFKA_RESP_ERR_NO_ERROR || fault == RD_KAFKA_RESP_ERR__NO_OFFSET)
            continue;
        LB_WARN(MODULE, "an offset was not committed, it is tried again topic=%s partition=%" PRId32 " error=\"%s\"",
                each->topic, each->partition, rd_kafka_err2str(fault));
        if (partition == NULL)
            continue;
        partition->committed = -1;
        partition->unknown = partition->unknown || fault == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    }
}

static bool is_due(const struct consumer_partition *partition, int64_t *safe)
{
    if (partition->stream == NULL || partition->state != CONSUMER_SURE)
        return false;
    *safe = (int64_t)lb_stream_committed(partition->stream);
    /* What was committed by others before us may be past our marks; never back behind it. */
    return *safe > 0 && *safe > partition->committed && *safe <= partition->position;
}

/*
 * The group forgets the offsets of a topic that is deleted, and nothing else
 * tells of one that is there again at once. So it is asked for what it has
 * before it is given more. False: it does not answer.
 */
static bool ask_the_group(struct consumer *self, rd_kafka_topic_partition_list_t *list)
{
    for (int i = list->cnt - 1; i >= 0; i--)
        if (!(*find_link(self, list->elems[i].topic, list->elems[i].partition))->stored)
            rd_kafka_topic_partition_list_del_by_idx(list, i);
    if (list->cnt > 0 && rd_kafka_committed(self->handle, list, CONSUMER_ANSWER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *each = &list->elems[i];
        struct consumer_partition *partition = *find_link(self, each->topic, each->partition);

        if (each->err != RD_KAFKA_RESP_ERR_NO_ERROR || each->offset >= 0)
            continue;
        partition->stored = false;
        partition->unknown = !consumer_doubt(self, partition);
    }
    return true;
}

static void doubt_the_unknown(struct consumer *self)
{
    for (struct consumer_partition *each = self->partitions; each != NULL; each = each->next)
        if (each->unknown)
            each->unknown = !consumer_doubt(self, each);
}

/* NULL: the group does not answer. */
static rd_kafka_topic_partition_list_t *collect(struct consumer *self)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    int64_t safe;

    doubt_the_unknown(self);
    for (struct consumer_partition *each = self->partitions; each != NULL; each = each->next)
        if (is_due(each, &safe))
            rd_kafka_topic_partition_list_add(list, each->topic, each->number);
    bool answered = list->cnt == 0 || ask_the_group(self, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (!answered)
        return NULL;
    list = rd_kafka_topic_partition_list_new(4);
    for (struct consumer_partition *each = self->partitions; each != NULL; each = each->next) {
        if (!is_due(each, &safe))
            continue;
        rd_kafka_topic_partition_list_add(list, each->topic, each->number)->offset = safe;
        consumer_move_anchor(self, each, safe);
        each->committed = safe;
    }
    return list;
}

static void commit_and_wait(struct consumer *self, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_queue_t *answers = rd_kafka_queue_new(self->handle);
    rd_kafka_event_t *event = NULL;

    if (list != NULL && rd_kafka_commit_queue(self->handle, list, answers, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR)
        event = rd_kafka_queue_poll(answers, CONSUMER_ANSWER_MS);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        LB_WARN(MODULE, "the last offsets were not committed, who reads on has some messages again error=\"%s\"",
                event != NULL ? rd_kafka_event_error_string(event) : "no answer");
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
}

void consumer_commit(struct consumer *self, bool wait)
{
    rd_kafka_topic_partition_list_t *list = collect(self);
    bool none = list != NULL && list->cnt == 0;

    self->commit_at = lb_clock_monotonic() + COMMIT_SECONDS * LB_SECOND;
    if (wait && !none)
        commit_and_wait(self, list);
    else if (list != NULL && !none)
        (void)rd_kafka_commit(self->handle, list, 1);
    if (list != NULL)
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
