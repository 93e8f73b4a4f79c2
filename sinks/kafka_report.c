/*
 * kafka_report.c - what becomes of a message that came back.
 *
 * A topic that is missing or forbidden may be mended: its messages wait, and
 * only after `topic_timeout` they are dead letters. A message set is refused
 * as a whole for one that is too large or malformed: its messages go again in
 * smaller and smaller groups, and the one that is refused alone is the one.
 * Nothing of a topic is sent again before everything of it has come back, so
 * that its order is that of the records.
 */
#include "kafka_sink.h"

#include "lb_clock.h"
#include "lb_log.h"

#include <inttypes.h>
#include <stdio.h>

enum { GROUP_MAX = 64, PLACE_BYTES = 64 };

#define LETTER_PAUSE LB_SECOND /* where dead letters are not taken now */
#define ASK_PAUSE LB_SECOND    /* where no broker says whether a topic is there */

/* --- which fault it is ------------------------------------------------------------------ */

bool kafka_is_topic_fault(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return true;
    default: return false;
    }
}

static bool is_message_fault(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: return true;
    default: return false;
    }
}

/* What to do, for whoever reads health. */
static const char *advice(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return "give this user the right to write";
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: return "create it";
    default: return "see the brokers' log";
    }
}

static bool is_given_up(const struct sink_kafka *self, const struct kafka_topic *topic, int64_t now)
{
    return topic->stuck_since != 0 && now - topic->stuck_since >= self->topic_timeout_ns;
}

void kafka_topic_trouble(struct lb_sink *sink, struct kafka_topic *topic, rd_kafka_resp_err_t code, int64_t now)
{
    struct sink_kafka *self = sink->state;

    kafka_topic_stuck(&self->topics, topic, code, now);
    self->failing = true;
    const char *then = "its records wait";
    if (kafka_is_letter_topic(sink, topic))
        then = "dead letters are kept in the file meanwhile";
    else if (is_given_up(self, topic, now))
        then = "its records become dead letters";
    lb_delivery_problem(sink, "topic %.60s: %s; %s; %s", topic->name, rd_kafka_err2name(code), advice(code), then);
}

/* --- reports ---------------------------------------------------------------------------------- */

/* Takes over what the report has. Without memory the record stays held: it comes again at the next start. */
static void wait_again(struct lb_sink *sink, struct kafka_message *message, const rd_kafka_message_t *report)
{
    struct sink_kafka *self = sink->state;
    rd_kafka_message_t *writable = (rd_kafka_message_t *)(uintptr_t)report;
    rd_kafka_headers_t *headers = NULL;
    struct lb_str key = { report->key, report->key_len };
    struct lb_str value = { report->payload, report->len };

    rd_kafka_message_detach_headers(writable, &headers);
    if (kafka_message_copy(message, key, value, headers)) {
        message->topic->resending = false;
        kafka_topic_wait(&self->topics, message);
        return;
    }
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    kafka_letter_end(self, message);
    kafka_message_free(&self->topics, message);
    self->failing = true;
    lb_delivery_problem(sink, "out of memory: a record that Kafka gave back is sent again after a restart");
}

static void tell_place(struct lb_sink *sink, const struct kafka_message *message, const rd_kafka_message_t *report)
{
    char place[PLACE_BYTES];

    snprintf(place, sizeof(place), "partition %" PRId32 " offset %" PRId64, report->partition, report->offset);
    lb_delivery_told(sink, message->id, place, message->attempts);
}

static void note_delivered(struct lb_sink *sink, struct kafka_message *message, const rd_kafka_message_t *report)
{
    struct sink_kafka *self = sink->state;

    if (message->group > 0)
        message->topic->group = message->group < GROUP_MAX ? message->group * 2 : GROUP_MAX;
    kafka_topic_fine(&self->topics, message->topic);
    self->renew_pause = 0;
    kafka_be_fine(sink);
    if (message->letter.is) {
        kafka_letter_delivered(sink, message);
    } else {
        lb_delivery_count(sink, message->state ? 0 : 1, report->len + report->key_len);
        if (message->alert && !message->state)
            tell_place(sink, message, report);
        lb_token_done(message->token, LB_DELIVERED, NULL);
    }
    kafka_message_free(&self->topics, message);
}

/* Something is wrong with this message or its topic. */
static void note_failed(struct lb_sink *sink, struct kafka_message *message, const rd_kafka_message_t *report)
{
    rd_kafka_resp_err_t code = report->err;
    bool message_fault = is_message_fault(code);

    if (!message_fault)
        kafka_topic_trouble(sink, message->topic, code, lb_clock_monotonic());
    if (message_fault ? message->group == 1 : message->letter.is) {
        struct lb_str key = { report->key, report->key_len };

        if (kafka_bury(sink, message, key, (struct lb_str){ report->payload, report->len }, code))
            return;
        message->refused = code;
    }
    if (message_fault) {
        message->suspect = true;
        message->topic->group = message->group > 1 ? message->group / 2 : GROUP_MAX;
    }
    wait_again(sink, message, report);
}

void kafka_on_report(rd_kafka_t *producer, const rd_kafka_message_t *report, void *opaque)
{
    struct lb_sink *sink = opaque;
    struct sink_kafka *self = sink->state;
    struct kafka_message *message = report->_private;

    (void)producer;
    message->topic->in_flight -= message->topic->in_flight > 0;
    if (report->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        note_delivered(sink, message, report);
    else if (self->closing)
        kafka_message_free(&self->topics, message); /* its record stays held: the next start sends it again */
    else if (report->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || report->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT ||
             kafka_producer_is_fatal(sink))
        wait_again(sink, message, report);
    else
        note_failed(sink, message, report);
}

/* --- sending again ------------------------------------------------------------------------------ */

/* True: librdkafka has it. */
static bool send_waiting(struct sink_kafka *self, struct kafka_message *message, rd_kafka_resp_err_t *code)
{
    struct lb_str value = kafka_message_value(message);
    rd_kafka_vu_t parts[] = {
        { .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = message->topic->handle },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = message->timestamp_ms },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = message },
        { .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { message->has_key ? message->bytes : NULL, message->key_len } },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)(uintptr_t)value.ptr, value.len } },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = message->headers },
    };
    size_t count = sizeof(parts) / sizeof(parts[0]) - (message->headers == NULL);
    rd_kafka_error_t *error = rd_kafka_produceva(self->producer, parts, count);

    if (error != NULL) {
        *code = rd_kafka_error_code(error);
        rd_kafka_error_destroy(error);
        return false;
    }
    message->headers = NULL; /* librdkafka's now */
    return true;
}

/* Suspects go together as many as the topic's group has, when nothing else of it is out. */
static bool begin_group(struct kafka_topic *topic)
{
    uint32_t count = 0;

    if (topic->in_flight > 0)
        return false;
    for (const struct kafka_message *at = topic->first; at != NULL && at->suspect && count < topic->group;
         at = at->next)
        count++;
    topic->group_left = count;
    topic->group_size = count;
    return true;
}

/* True: it is with the dead letters. */
static bool bury_first(struct lb_sink *sink, struct kafka_topic *topic, int64_t now)
{
    struct sink_kafka *self = sink->state;
    struct kafka_message *message = kafka_topic_take(&self->topics, topic);
    struct lb_str key = { message->has_key ? message->bytes : NULL, message->key_len };

    if (kafka_bury(sink, message, key, kafka_message_value(message), message->refused))
        return true;
    /* Where the file does not take a letter, whatever of the two is mended first shall have it. */
    if (message->letter.is && topic->stuck_since != 0)
        message->refused = 0;
    kafka_topic_wait(&self->topics, message);
    topic->retry_at = now + LETTER_PAUSE;
    return false;
}

/* The first one that waits. True: it went somewhere, the next may follow. */
static bool move_first(struct lb_sink *sink, struct kafka_topic *topic, int64_t now)
{
    struct sink_kafka *self = sink->state;
    struct kafka_message *message = topic->first;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (message->letter.is && topic->stuck_since != 0)
        message->refused = topic->stuck_code;
    if (message->refused != 0)
        return bury_first(sink, topic, now);
    if (message->suspect && topic->group_left == 0 && !begin_group(topic))
        return false;
    message->group = message->suspect ? topic->group_size : 0;
    message->attempts++;
    if (!send_waiting(self, message, &code)) {
        message->attempts--;
        if (kafka_is_topic_fault(code))
            kafka_topic_trouble(sink, topic, code, now);
        if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || (message->letter.is && topic->stuck_since != 0))
            message->refused = code;
        return message->refused != 0;
    }
    kafka_topic_take(&self->topics, topic);
    kafka_message_drop_copy(message);
    topic->in_flight++;
    if (message->suspect)
        topic->group_left--;
    return !message->suspect || topic->group_left > 0;
}

enum presence { TOPIC_THERE, TOPIC_FAULTY, TOPIC_UNTOLD };

/* Asks the brokers whether it is there now (UNTOLD: none answers); librdkafka learns of it by the same answer. */
static enum presence ask_for_topic(struct lb_sink *sink, struct kafka_topic *topic, int64_t now)
{
    struct sink_kafka *self = sink->state;
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(self->producer, 0, topic->handle, &metadata, KAFKA_PROBE_MS);
    bool answered = code == RD_KAFKA_RESP_ERR_NO_ERROR;

    if (answered) {
        code = metadata->topic_cnt > 0 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        rd_kafka_metadata_destroy(metadata);
    }
    if (!kafka_is_topic_fault(code))
        return answered ? TOPIC_THERE : TOPIC_UNTOLD;
    kafka_topic_trouble(sink, topic, code, now);
    return TOPIC_FAULTY;
}

static void refuse_all(struct kafka_topic *topic)
{
    for (struct kafka_message *message = topic->first; message != NULL; message = message->next)
        message->refused = topic->stuck_code;
}

/* True: what waits for the topic may be moved now. `probes`: how many more times the brokers may be asked. */
static bool may_move(struct lb_sink *sink, struct kafka_topic *topic, int64_t now, unsigned *probes)
{
    struct sink_kafka *self = sink->state;
    bool due = now >= topic->retry_at;

    if (topic->resending)
        return due;
    if (topic->in_flight > 0)
        return false;
    if (topic->stuck_since == 0 || topic->first->refused != 0)
        return due;
    if (due && *probes > 0) {
        (*probes)--;
        enum presence presence = ask_for_topic(sink, topic, now);

        if (presence == TOPIC_THERE && topic->first->letter.is)
            kafka_topic_fine(&self->topics, topic);
        if (presence != TOPIC_FAULTY || topic->first->letter.is)
            return true;
    }
    if (!is_given_up(self, topic, now))
        return false;
    refuse_all(topic);
    return true;
}

/* With nothing waiting no report would tell that the topic is there again. */
static void look_after(struct lb_sink *sink, struct kafka_topic *topic, int64_t now, unsigned *probes)
{
    struct sink_kafka *self = sink->state;

    if (topic->in_flight > 0 || now < topic->retry_at || *probes == 0)
        return;
    (*probes)--;
    enum presence presence = ask_for_topic(sink, topic, now);
    if (presence == TOPIC_UNTOLD)
        topic->retry_at = now + ASK_PAUSE;
    if (presence != TOPIC_THERE)
        return;
    kafka_topic_fine(&self->topics, topic);
    kafka_be_fine(sink);
}

static void move_waiting(struct lb_sink *sink, struct kafka_topic *topic, int64_t now, unsigned *probes)
{
    if (!may_move(sink, topic, now, probes))
        return;
    topic->resending = true;
    while (topic->first != NULL && move_first(sink, topic, now))
        continue;
    topic->resending = topic->resending && topic->first != NULL;
    if (topic->in_flight == 0)
        topic->group_left = 0;
}

void kafka_resend(struct lb_sink *sink, int64_t now)
{
    struct sink_kafka *self = sink->state;
    unsigned probes = 1; /* each may take KAFKA_PROBE_MS of the sink's time */

    if (self->topics.waiting == 0 && self->topics.stuck == 0)
        return;
    for (size_t i = 0; i < KAFKA_TOPIC_SLOTS && !kafka_producer_is_fatal(sink); i++) {
        struct kafka_topic *topic = &self->topics.slots[i];

        if ((topic->first == NULL && topic->stuck_since == 0) ||
            kafka_topics_find(&self->topics, self->producer, (struct lb_str){ topic->name, topic->len }) == NULL)
            continue;
        if (topic->first != NULL)
            move_waiting(sink, topic, now, &probes);
        else
            look_after(sink, topic, now, &probes);
    }
}
