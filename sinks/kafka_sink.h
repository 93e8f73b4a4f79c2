/*
 * kafka_sink.h - what the files of the kafka sink share: its state.
 *
 * sink_kafka.c renders records and gives them to librdkafka; kafka_report.c
 * says what becomes of a message that comes back, kafka_letter.c of one that
 * is refused for good; kafka_producer.c makes the producer, and makes it anew
 * after a fatal error. All of it runs on the sink's thread, librdkafka's
 * callbacks too.
 */
#ifndef KAFKA_SINK_H
#define KAFKA_SINK_H

#include "cloudevent.h"
#include "kafka_settings.h"
#include "kafka_topics.h"

#include "lb_format.h"
#include "lb_template.h"

enum { KAFKA_CLOUDEVENTS = LB_FORMAT_RAW + 1 };
enum { KAFKA_ERROR_BYTES = 512, KAFKA_PROBE_MS = 500, KAFKA_POLL_MS = 100 };

struct sink_kafka {
    struct kafka_settings settings;
    const struct lb_template *topic;
    const struct lb_template *key;
    struct lb_template_pairs headers;
    int format; /* enum lb_format, or KAFKA_CLOUDEVENTS */
    struct lb_str state_topic;
    int64_t topic_timeout_ns;

    rd_kafka_t *producer; /* NULL: it ended by a fatal error, and a new one could not be made yet */
    struct kafka_topics topics;
    uint64_t sequence; /* of records */
    struct lb_formatter formatter;
    struct lb_formatter json; /* for dead letters, where `format` is another */
    struct lb_scratch scratch;
    struct lb_buffer value;
    struct lb_buffer key_text;
    struct lb_buffer text;   /* topic, then headers */
    struct lb_buffer record; /* JSON, for dead letters */
    uint32_t next;           /* entry of the selection that is taken next, where write() had to give up */
    bool holding;            /* the batch at hand has its holds */
    bool event_sent;         /* the record at hand is produced, but for the state of its alert, */
    bool state_held;         /* which has a hold of its own */
    bool failing;            /* told as the sink's problem */
    bool closing;
    struct channel_message message; /* for cloudevents, and states */
    struct cloudevent event;
    struct lb_buffer event_words;
    int64_t probe_at;                   /* monotonic */
    char last_error[KAFKA_ERROR_BYTES]; /* of one broker */

    size_t letter_bytes;              /* of letters on their way to dead_letter.topic */
    rd_kafka_resp_err_t letter_fault; /* why that topic refused the last one; 0: it took it */

    bool fatal;          /* the producer has ended; what it had waits, or is being given back */
    bool purged;         /* and all of it has been given back */
    int64_t renew_at;    /* monotonic: when the next one is made */
    int64_t renew_pause; /* doubled with each that ends before it delivered anything */
};

/* --- kafka_event.c ------------------------------------------------------------------------ */

/* What the record is as an event, for the two below; false: no memory. Uses the scratch. */
bool kafka_event_read(struct sink_kafka *self, const struct lb_batch *batch, const struct lb_record *record);

/* CloudEvents 1.0, binary mode. */
void kafka_event_headers(const struct sink_kafka *self, rd_kafka_headers_t *headers);
struct lb_str kafka_event_key(const struct sink_kafka *self);

/* What the topic of states gets: the JSON of an alert that is going on, no value when it is over. False: nothing. */
bool kafka_event_state(const struct sink_kafka *self, struct lb_str json, struct lb_str *value);

/* --- kafka_producer.c ----------------------------------------------------------------- */

bool kafka_producer_make(struct lb_sink *sink, struct lb_diag *diag);
void kafka_producer_close(rd_kafka_t *producer);

/* Looks whether the producer has ended by a fatal error, and says so. */
bool kafka_producer_is_fatal(struct lb_sink *sink);

/* After a fatal error: takes back what it had, and makes a new one when it is time. False: there is none now. */
bool kafka_producer_mend(struct lb_sink *sink, int64_t now);

void kafka_be_fine(struct lb_sink *sink);

/* --- kafka_letter.c ---------------------------------------------------------------------- */

/*
 * The record goes to the dead letters: to their topic, where it waits as a letter until it is sent, or to the file. A
 * letter that its topic refused goes to the file. `value` is the record's JSON, unless the message has one of its own,
 * or the letter. True: the message is taken care of. False: they do not take it now, nothing has changed.
 */
bool kafka_bury(struct lb_sink *sink, struct kafka_message *message, struct lb_str key, struct lb_str value,
                rd_kafka_resp_err_t code);

bool kafka_is_letter_topic(const struct lb_sink *sink, const struct kafka_topic *topic);

/* The letter is acknowledged: its record is safe. The message is still the caller's. */
void kafka_letter_delivered(struct lb_sink *sink, struct kafka_message *message);

/* It is not on its way any more. */
void kafka_letter_end(struct sink_kafka *self, struct kafka_message *message);

/* --- kafka_report.c ---------------------------------------------------------------------- */

/* librdkafka's delivery report. */
void kafka_on_report(rd_kafka_t *producer, const rd_kafka_message_t *report, void *opaque);

/* Is it the topic that is at fault (missing, forbidden), and not the message? */
bool kafka_is_topic_fault(rd_kafka_resp_err_t code);

/* Says that a topic is missing or forbidden, and since when. */
void kafka_topic_trouble(struct lb_sink *sink, struct kafka_topic *topic, rd_kafka_resp_err_t code, int64_t now);

/* Sends what waits where it is time, and asks for topics that were missing. */
void kafka_resend(struct lb_sink *sink, int64_t now);

#endif
