/*
 * kafka_letter.c - records that Kafka refused for good, on their way to a topic
 * of their own (`dead_letter.topic`) or to the file.
 *
 * The message of such a record becomes the one of its letter: it keeps the
 * hold of the token and waits in the queue of the letters' topic, from where
 * it is sent as all that waits, so also from within a report. The record is
 * safe when the letter is acknowledged. What that topic refuses is written to
 * the file at once, for there it is safe whatever the brokers say.
 */
#include "kafka_sink.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_limits.h"
#include "lb_log.h"
#include "lb_metrics.h"

#include <stdio.h>

enum {
    REASON_BYTES = 256,
    LETTER_BYTES_MAX = 4 * 1024 * 1024, /* on their way to the topic; one letter may be longer */
};

bool kafka_is_letter_topic(const struct lb_sink *sink, const struct kafka_topic *topic)
{
    struct lb_str name = sink->options.dead_letter_topic;

    return name.len > 0 && lb_str_equal(name, (struct lb_str){ topic->name, topic->len });
}

static void write_reason(char *reason, const struct kafka_topic *topic, rd_kafka_resp_err_t code)
{
    snprintf(reason, REASON_BYTES, "topic %.100s: %.120s",
             topic != NULL ? topic->name : "no topic can have this name, or it would be the 513th",
             rd_kafka_err2str(code));
}

/* --- to the file ---------------------------------------------------------------------- */

static bool to_file(struct lb_sink *sink, struct kafka_message *message, const struct lb_letter *letter)
{
    struct sink_kafka *self = sink->state;

    if (lb_delivery_dead_letter(sink, letter, message->token) != LB_OK)
        return false;
    kafka_letter_end(self, message);
    kafka_message_free(&self->topics, message);
    return true;
}

/* Each cause once in a row; the counter has them all. */
static void tell_refused(const struct lb_sink *sink, const struct kafka_message *message, rd_kafka_resp_err_t code)
{
    struct sink_kafka *self = sink->state;
    char name[256];
    char labels[320];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(sink->section.name));
    lb_metric_add(lb_metric(LB_COUNTER, "logboom_dead_letters_refused_total",
                            "Dead letters that their topic did not take, kept in the file instead",
                            lb_metric_labels(labels, sizeof(labels), "sink", name, (char *)NULL)),
                  1);
    if (self->letter_fault != code)
        LB_WARN("sink.kafka",
                "a dead letter's topic does not take it, so the file does sink=%s topic=%s id=%s reason=%s", name,
                message->topic->name, message->id, rd_kafka_err2name(code));
    self->letter_fault = code;
}

static bool refused_to_file(struct lb_sink *sink, struct kafka_message *message, struct lb_str line,
                            rd_kafka_resp_err_t code)
{
    const struct kafka_letter *sent = &message->letter;
    rd_kafka_resp_err_t before = sent->cause;
    char reason[REASON_BYTES];
    /* The record is the last member of the letter. */
    const struct lb_letter letter = { .id = lb_str_from(message->id),
                                      .record = { line.ptr + sent->record_at, line.len - 1 - sent->record_at },
                                      .kind = rd_kafka_err2name(before),
                                      .reason = reason,
                                      .attempts = sent->attempts,
                                      .alert = message->alert };

    write_reason(reason, sent->origin, before);
    tell_refused(sink, message, code);
    return to_file(sink, message, &letter);
}

/* --- to the topic --------------------------------------------------------------------- */

/* A letter is of now, whatever time the record has: that may be why it was refused. */
static void become_letter(struct sink_kafka *self, struct kafka_message *message, struct kafka_topic *topic,
                          size_t record_len, rd_kafka_resp_err_t code)
{
    message->letter = (struct kafka_letter){ .is = true,
                                             .cause = code,
                                             .attempts = message->attempts,
                                             .origin = message->topic,
                                             .record_at = message->value_len - 1 - record_len,
                                             .bytes = message->value_len };
    self->letter_bytes += message->value_len;
    lb_free(message->record);
    message->record = NULL;
    message->record_len = 0;
    message->topic = topic;
    message->timestamp_ms = lb_clock_now() / LB_MILLISECOND;
    message->refused = RD_KAFKA_RESP_ERR_NO_ERROR;
    message->suspect = false;
    message->group = 0;
    kafka_topic_wait(&self->topics, message);
}

/* False: no memory, nothing has changed. `key` may be in the message. */
static bool to_topic(struct lb_sink *sink, struct kafka_message *message, struct kafka_topic *topic, struct lb_str key,
                     const struct lb_letter *letter, rd_kafka_resp_err_t code)
{
    struct lb_buffer line;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    size_t record_len = letter->record.len;

    rd_kafka_header_add(headers, "logboom-id", -1, message->id, -1);
    lb_buffer_init(&line, (size_t)16 * LB_LINE_BYTES_MAX);
    bool done = lb_dead_letter_write(sink, letter, &line) &&
                kafka_message_copy(message, key, (struct lb_str){ line.ptr, line.len - 1 }, headers);
    lb_buffer_free(&line);
    if (done)
        become_letter(sink->state, message, topic, record_len, code);
    else
        rd_kafka_headers_destroy(headers);
    return done;
}

bool kafka_bury(struct lb_sink *sink, struct kafka_message *message, struct lb_str key, struct lb_str value,
                rd_kafka_resp_err_t code)
{
    struct sink_kafka *self = sink->state;
    struct lb_str name = sink->options.dead_letter_topic;
    char reason[REASON_BYTES];
    struct lb_letter letter = { .id = lb_str_from(message->id),
                                .record = message->record != NULL
                                              ? (struct lb_str){ message->record, message->record_len }
                                              : value,
                                .kind = rd_kafka_err2name(code),
                                .reason = reason,
                                .attempts = message->attempts,
                                .alert = message->alert };

    if (message->letter.is)
        return refused_to_file(sink, message, value, code);
    write_reason(reason, message->topic, code);
    struct kafka_topic *topic = name.len > 0 ? kafka_topics_find(&self->topics, self->producer, name) : NULL;
    if (topic == NULL || topic->stuck_since != 0)
        return to_file(sink, message, &letter);
    if (self->letter_bytes > 0 && self->letter_bytes + letter.record.len > LETTER_BYTES_MAX)
        return false;
    return to_topic(sink, message, topic, key, &letter, code);
}

void kafka_letter_delivered(struct lb_sink *sink, struct kafka_message *message)
{
    struct sink_kafka *self = sink->state;
    char reason[REASON_BYTES];

    write_reason(reason, message->letter.origin, message->letter.cause);
    self->letter_fault = RD_KAFKA_RESP_ERR_NO_ERROR;
    lb_dead_letter_note(sink, rd_kafka_err2name(message->letter.cause), reason);
    if (message->alert)
        lb_delivery_refused(sink, lb_str_from(message->id), reason, message->letter.attempts);
    lb_token_done(message->token, LB_DEAD_LETTERED, reason);
    kafka_letter_end(self, message);
}

void kafka_letter_end(struct sink_kafka *self, struct kafka_message *message)
{
    self->letter_bytes -= message->letter.bytes;
    message->letter.bytes = 0;
}
