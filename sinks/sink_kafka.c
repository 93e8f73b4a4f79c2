/*
 * sink_kafka.c - produces records to Kafka, by librdkafka.
 *
 * Delivered means acknowledged by all in-sync replicas: each message holds
 * the batch's token until its delivery report. The producer is idempotent and
 * never gives a message up by time, so an outage only fills librdkafka's
 * queue (bounded here); then write() waits, and that is the backpressure.
 * Order is kept per key, over retries too. What comes back is kafka_report.c's.
 */
#include "kafka_sink.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_limits.h"

#include <unistd.h>

enum { HEADERS_MAX = 16 };

#define WAIT_MAX LB_SECOND /* of one write() for room in librdkafka's queue */
#define REPORTS_EVERY (20 * LB_MILLISECOND)
#define WAITING_EVERY (100 * LB_MILLISECOND)
#define PROBE_EVERY (5 * LB_SECOND)

#define AT(member) offsetof(struct sink_kafka, member)

static const char *const format_names[] = { "json", "logfmt", "text", "raw", "cloudevents", NULL };
_Static_assert(sizeof(format_names) / sizeof(format_names[0]) == KAFKA_CLOUDEVENTS + 2,
               "the others are enum lb_format");

static const struct lb_option options[] = {
    { .name = "brokers",
      .kind = LB_OPTION_STRINGS,
      .offset = AT(settings.brokers),
      .flags = LB_OPTION_REQUIRED,
      .help = "host:port of some brokers; they tell the others" },
    { .name = "topic",
      .kind = LB_OPTION_TEMPLATE,
      .offset = AT(topic),
      .flags = LB_OPTION_REQUIRED,
      .help = "topic of a record, for example logs.{service}; at most 512 different ones" },
    { .name = "key",
      .kind = LB_OPTION_TEMPLATE,
      .offset = AT(key),
      .help = "key of a record; records of one key stay in order" },
    { .name = "headers",
      .kind = LB_OPTION_TEMPLATES,
      .offset = AT(headers),
      .help = "headers of each message, besides logboom-id; at most 16" },
    { .name = "format",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(format),
      .choices = format_names,
      .fallback = "json",
      .help =
          "how a record is written; cloudevents: as JSON, with the headers of CloudEvents 1.0 (binary mode), and an "
          "alert's fingerprint as its key" },
    { .name = "state_topic",
      .kind = LB_OPTION_STRING,
      .offset = AT(state_topic),
      .help =
          "a compacted topic that gets the state of each alert besides: its JSON while it fires, no value when it is "
          "over; the key is its fingerprint" },
    { .name = "compression",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(settings.compression),
      .choices = kafka_compressions,
      .fallback = "lz4",
      .help = "of message sets" },
    { .name = "linger",
      .kind = LB_OPTION_DURATION,
      .offset = AT(settings.linger_ns),
      .fallback = "20ms",
      .max = 60 * LB_SECOND,
      .help = "how long a message may wait for company" },
    { .name = "queue",
      .kind = LB_OPTION_SIZE,
      .offset = AT(settings.queue_bytes),
      .fallback = "16MiB",
      .min = 1024 * 1024,
      .max = INT64_C(2000000) * 1024,
      .help = "messages in memory that wait for the broker" },
    { .name = "topic_timeout",
      .kind = LB_OPTION_DURATION,
      .offset = AT(topic_timeout_ns),
      .fallback = "10m",
      .max = INT64_C(365) * 86400 * LB_SECOND,
      .help = "how long records wait for a topic that is missing or forbidden before they become dead letters" },
    { .name = "settings",
      .kind = LB_OPTION_PAIRS,
      .offset = AT(settings.others),
      .flags = LB_OPTION_SECRET,
      .help = "librdkafka's own settings by name (security.protocol, sasl.username, ssl.ca.location …)" },
    { 0 },
};

/* --- open ------------------------------------------------------------------------ */

/* The name of one topic, or none. */
static bool check_name(const struct lb_sink *sink, const char *option, struct lb_str name, struct lb_diag *diag)
{
    bool good = name.len <= KAFKA_TOPIC_BYTES_MAX;

    for (size_t i = 0; i < name.len && good; i++) {
        char c = name.ptr[i];

        good = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' || c == '_' || c == '-';
    }
    if (!good)
        lb_diag_error(diag, lb_section_place(&sink->section, option),
                      "%s: expected the name of a topic: up to %d letters, digits and ._-", option,
                      KAFKA_TOPIC_BYTES_MAX);
    return good;
}

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    const struct sink_kafka *self = sink->state;
    bool good = kafka_settings_check(sink, &self->settings, diag);

    if (self->headers.count > HEADERS_MAX) {
        lb_diag_error(diag, lb_section_place(&sink->section, "headers"), "headers: at most %d, got %zu", HEADERS_MAX,
                      self->headers.count);
        good = false;
    }
    good = check_name(sink, "state_topic", self->state_topic, diag) && good;
    good = check_name(sink, "dead_letter", sink->options.dead_letter_topic, diag) && good;
    return good ? LB_OK : LB_BAD_CONF;
}

/* The value is the record's JSON. */
static bool is_json(const struct sink_kafka *self)
{
    return self->format == LB_FORMAT_JSON || self->format == KAFKA_CLOUDEVENTS;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_kafka *self = sink->state;

    if (check(sink, diag) != LB_OK)
        return LB_BAD_CONF;
    lb_buffer_init(&self->value, (size_t)8 * LB_LINE_BYTES_MAX);
    lb_buffer_init(&self->key_text, LB_SCRATCH_BYTES);
    lb_buffer_init(&self->text, LB_SCRATCH_BYTES);
    lb_buffer_init(&self->record, (size_t)8 * LB_LINE_BYTES_MAX);
    self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    lb_buffer_init(&self->event_words, LB_SCRATCH_BYTES);
    self->formatter = (struct lb_formatter){ .format = is_json(self) ? LB_FORMAT_JSON : (enum lb_format)self->format,
                                             .scratch = &self->scratch };
    self->formatter.time.second = INT64_MIN;
    self->json = (struct lb_formatter){ .format = LB_FORMAT_JSON, .scratch = &self->scratch };
    self->json.time.second = INT64_MIN;
    if (self->scratch.ptr == NULL) {
        lb_diag_error(diag, lb_section_place(&sink->section, "brokers"), "out of memory at start");
        return LB_NOMEM;
    }
    if (kafka_producer_make(sink, diag)) {
        /* Before 512 others are there. */
        if (sink->options.dead_letter_topic.len > 0)
            kafka_topics_find(&self->topics, self->producer, sink->options.dead_letter_topic);
        return LB_OK;
    }
    lb_free(self->scratch.ptr);
    return LB_BAD_CONF;
}

/* --- write ---------------------------------------------------------------------------- */

static struct lb_str render(struct sink_kafka *self, const struct lb_template *template, unsigned flags,
                            const struct lb_record *record, struct lb_buffer *out)
{
    lb_buffer_reset(out);
    self->scratch.used = 0;
    lb_template_write(template, flags, record, record->time_ns, &self->scratch, out);
    return lb_buffer_str(out);
}

static rd_kafka_headers_t *make_headers(struct sink_kafka *self, const struct lb_batch *batch,
                                        const struct lb_record *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(self->headers.count + CLOUDEVENT_ATTRIBUTES_MAX + 2);
    char id[LB_RECORD_ID_SIZE];
    size_t id_len = lb_record_id(batch, record, id);

    rd_kafka_header_add(headers, "logboom-id", -1, id, (ssize_t)id_len);
    for (size_t i = 0; i < self->headers.count; i++) {
        struct lb_str name = self->headers.items[i].name;
        struct lb_str value = render(self, self->headers.items[i].value, 0, record, &self->text);

        rd_kafka_header_add(headers, name.ptr, (ssize_t)name.len, value.ptr, (ssize_t)value.len);
    }
    if (self->format == KAFKA_CLOUDEVENTS)
        kafka_event_headers(self, headers);
    return headers;
}

/* Brokers refuse a whole message set for one message from the future, and a time before 1970 altogether. */
static int64_t timestamp_ms(const struct lb_batch *batch, const struct lb_record *record)
{
    int64_t time = record->time_ns;

    if (time < 0 || (batch->arrival_ns > 0 && time > batch->arrival_ns))
        time = batch->arrival_ns;
    return time / LB_MILLISECOND;
}

/* Waits while librdkafka's queue is full. LB_AGAIN: it still is, or nothing can leave any more. */
static enum lb_err produce(struct lb_sink *sink, const rd_kafka_vu_t *parts, size_t count, rd_kafka_resp_err_t *code)
{
    struct sink_kafka *self = sink->state;
    int64_t until = lb_clock_monotonic() + WAIT_MAX;

    for (;;) {
        rd_kafka_error_t *error = rd_kafka_produceva(self->producer, parts, count);

        if (error == NULL)
            return LB_OK;
        *code = rd_kafka_error_code(error);
        rd_kafka_error_destroy(error);
        if (kafka_producer_is_fatal(sink))
            return LB_AGAIN;
        /* What does not even fit into an empty queue is too large. */
        if (*code != RD_KAFKA_RESP_ERR__QUEUE_FULL || rd_kafka_outq_len(self->producer) == 0)
            return LB_BAD_INPUT;
        if (lb_clock_monotonic() >= until || lb_delivery_stopping(sink))
            return LB_AGAIN;
        rd_kafka_poll(self->producer, KAFKA_POLL_MS);
    }
}

/* Everything that is rendered; false: no memory. `key` and `value` live in buffers until the next record. */
static bool render_all(struct sink_kafka *self, const struct lb_batch *batch, const struct lb_record *record,
                       rd_kafka_vu_t *key, rd_kafka_vu_t *value)
{
    struct lb_str text = { NULL, 0 };

    if (self->key != NULL)
        text = render(self, self->key, 0, record, &self->key_text);
    else if (self->format == KAFKA_CLOUDEVENTS)
        text = kafka_event_key(self);
    *key = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)(uintptr_t)text.ptr, text.len } };
    lb_buffer_reset(&self->value);
    self->scratch.used = 0;
    lb_format_write(&self->formatter, batch, record, &self->value);
    if (self->value.len > 0 && self->value.ptr[self->value.len - 1] == '\n')
        self->value.len--;
    *value = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { self->value.ptr, self->value.len } };
    return !self->value.failed && !self->key_text.failed;
}

static bool tell_no_memory(struct lb_sink *sink)
{
    struct sink_kafka *self = sink->state;

    self->failing = true;
    lb_delivery_problem(sink, "out of memory: it goes on by itself when there is some");
    return false;
}

/* The record's JSON, for a dead letter; only where the value is something else. False: no memory. */
static bool keep_json(struct sink_kafka *self, const struct lb_batch *batch, const struct lb_record *record,
                      struct kafka_message *message, bool has_value)
{
    struct lb_buffer *json = &self->record;

    if (has_value && is_json(self))
        return true;
    lb_buffer_reset(json);
    self->scratch.used = 0;
    lb_format_write(&self->json, batch, record, json);
    message->record = json->failed ? NULL : lb_alloc(json->len);
    if (message->record == NULL)
        return false;
    message->record_len = json->len - 1; /* without the newline */
    memcpy(message->record, json->ptr, message->record_len);
    return true;
}

static struct kafka_message *make_message(struct sink_kafka *self, const struct lb_batch *batch,
                                          const struct lb_record *record, struct lb_token *token, bool has_value)
{
    struct kafka_message *message = kafka_message_new(&self->topics);

    if (message == NULL)
        return NULL;
    lb_record_id(batch, record, message->id);
    message->token = token;
    message->sequence = ++self->sequence;
    message->timestamp_ms = timestamp_ms(batch, record);
    message->attempts = 1;
    message->alert = (record->flags & LB_RECORD_ALERT) != 0;
    if (keep_json(self, batch, record, message, has_value))
        return message;
    kafka_message_free(&self->topics, message);
    return NULL;
}

/* Behind those of its topic that wait. */
static bool wait_behind(struct lb_sink *sink, struct kafka_message *message, const rd_kafka_vu_t *key,
                        const rd_kafka_vu_t *value, rd_kafka_headers_t *headers)
{
    struct sink_kafka *self = sink->state;
    struct lb_str key_text = { key->u.mem.ptr, key->u.mem.size };
    struct lb_str value_text = { value->u.mem.ptr, value->u.mem.size };

    if (!kafka_message_copy(message, key_text, value_text, headers))
        return tell_no_memory(sink);
    message->attempts = 0;
    kafka_topic_wait(&self->topics, message);
    return true;
}

static bool bury(struct lb_sink *sink, struct kafka_message *message, const rd_kafka_vu_t *key,
                 const rd_kafka_vu_t *value, rd_kafka_resp_err_t code)
{
    struct lb_str key_text = { key->u.mem.ptr, key->u.mem.size };
    struct lb_str value_text = { value->u.mem.ptr, value->u.mem.size };

    return kafka_bury(sink, message, key_text, value_text, code);
}

static enum lb_err send_message(struct lb_sink *sink, struct kafka_message *message, const rd_kafka_vu_t *key,
                                const rd_kafka_vu_t *value, rd_kafka_headers_t *headers)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_vu_t parts[] = {
        { .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = message->topic->handle },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = message->timestamp_ms },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = message },
        *key,
        *value,
    };
    struct kafka_topic *topic = message->topic;
    enum lb_err err = produce(sink, parts, sizeof(parts) / sizeof(parts[0]), &code);

    if (err == LB_OK)
        topic->in_flight++;
    if (err != LB_BAD_INPUT)
        return err;
    if (kafka_is_topic_fault(code)) {
        if (!wait_behind(sink, message, key, value, headers))
            return LB_AGAIN;
        kafka_topic_trouble(sink, topic, code, lb_clock_monotonic());
        return LB_OK;
    }
    if (!bury(sink, message, key, value, code))
        return LB_AGAIN;
    rd_kafka_headers_destroy(headers);
    return LB_OK;
}

/* LB_OK: message and headers are taken care of. */
static enum lb_err pass_on(struct lb_sink *sink, struct kafka_message *message, const rd_kafka_vu_t *key,
                           const rd_kafka_vu_t *value, rd_kafka_headers_t *headers)
{
    const struct sink_kafka *self = sink->state;
    struct kafka_topic *topic = message->topic;

    if (topic == NULL) {
        if (!bury(sink, message, key, value, RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION))
            return LB_AGAIN;
        rd_kafka_headers_destroy(headers);
        return LB_OK;
    }
    if (topic->first == NULL && topic->stuck_since == 0)
        return send_message(sink, message, key, value, headers);
    if (self->topics.bytes >= self->settings.queue_bytes)
        return LB_AGAIN;
    return wait_behind(sink, message, key, value, headers) ? LB_OK : LB_AGAIN;
}

/* LB_AGAIN: nothing was produced. Otherwise the hold is let go, now or by the report. */
static enum lb_err write_event(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                               struct lb_token *token)
{
    struct sink_kafka *self = sink->state;
    rd_kafka_vu_t key;
    rd_kafka_vu_t value;
    struct lb_str name = render(self, self->topic, LB_TEMPLATE_TOPIC, record, &self->text);
    struct kafka_message *message = NULL;

    if (render_all(self, batch, record, &key, &value) && !self->text.failed)
        message = make_message(self, batch, record, token, true);
    if (message == NULL) {
        tell_no_memory(sink);
        return LB_AGAIN;
    }
    message->topic = kafka_topics_find(&self->topics, self->producer, name);
    rd_kafka_headers_t *headers = make_headers(self, batch, record);
    enum lb_err err = pass_on(sink, message, &key, &value, headers);
    if (err == LB_OK)
        return LB_OK;
    rd_kafka_headers_destroy(headers);
    kafka_message_free(&self->topics, message);
    return err;
}

/* Its JSON, without the newline, in the buffer of values. */
static struct lb_str render_json(struct sink_kafka *self, const struct lb_batch *batch, const struct lb_record *record)
{
    lb_buffer_reset(&self->value);
    self->scratch.used = 0;
    lb_format_write(&self->json, batch, record, &self->value);
    return (struct lb_str){ self->value.ptr, self->value.len > 0 ? self->value.len - 1 : 0 };
}

/* The state of an alert: a message of its own, in the order of the alert's events. LB_AGAIN: it is still to be sent. */
static enum lb_err write_state(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                               struct lb_token *token)
{
    struct sink_kafka *self = sink->state;
    struct kafka_message *message = NULL;
    struct lb_str key_text = kafka_event_key(self);
    struct lb_str text;

    if (!kafka_event_state(self, render_json(self, batch, record), &text))
        return LB_OK;
    if (!self->state_held)
        lb_token_hold(token, 1);
    self->state_held = true;
    if (!self->value.failed)
        message = make_message(self, batch, record, token, text.ptr != NULL);
    if (message == NULL) {
        tell_no_memory(sink);
        return LB_AGAIN;
    }
    message->state = true;
    const rd_kafka_vu_t key = { .vtype = RD_KAFKA_VTYPE_KEY,
                                .u.mem = { (void *)(uintptr_t)key_text.ptr, key_text.len } };
    const rd_kafka_vu_t value = { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)(uintptr_t)text.ptr, text.len } };
    message->topic = kafka_topics_find(&self->topics, self->producer, self->state_topic);
    rd_kafka_headers_t *headers = make_headers(self, batch, record);
    enum lb_err err = pass_on(sink, message, &key, &value, headers);
    self->state_held = err != LB_OK;
    if (err == LB_OK)
        return LB_OK;
    rd_kafka_headers_destroy(headers);
    kafka_message_free(&self->topics, message);
    return err;
}

/* LB_AGAIN: the same record comes again, and goes on where it stopped. */
static enum lb_err write_record(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                                struct lb_token *token)
{
    struct sink_kafka *self = sink->state;
    bool has_state = self->state_topic.len > 0 && (record->flags & LB_RECORD_ALERT) != 0;

    if ((has_state || self->format == KAFKA_CLOUDEVENTS) && !kafka_event_read(self, batch, record)) {
        tell_no_memory(sink);
        return LB_AGAIN;
    }
    if (!self->event_sent) {
        enum lb_err err = write_event(sink, batch, record, token);

        if (err != LB_OK)
            return err;
    }
    self->event_sent = has_state;
    if (!has_state)
        return LB_OK;
    enum lb_err err = write_state(sink, batch, record, token);
    self->event_sent = err != LB_OK;
    return err;
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_kafka *self = sink->state;

    if (!kafka_producer_mend(sink, lb_clock_monotonic()))
        return LB_AGAIN;
    if (self->topics.waiting > 0)
        kafka_resend(sink, lb_clock_monotonic());
    if (!self->holding)
        lb_token_hold(token, selection->count);
    self->holding = true;
    for (; self->next < selection->count; self->next++) {
        enum lb_err err = write_record(sink, batch, lb_batch_selected(batch, selection, self->next), token);

        /* The same batch comes again and goes on here; the holds that remain keep the mark where it is. */
        if (err != LB_OK)
            return err;
    }
    self->holding = false;
    self->next = 0;
    rd_kafka_poll(self->producer, 0);
    return LB_OK;
}

/* With nothing on its way no report would tell that the brokers are back. */
static void probe(struct lb_sink *sink, int64_t now)
{
    struct sink_kafka *self = sink->state;
    const struct rd_kafka_metadata *metadata;

    if (!self->failing || self->topics.stuck > 0 || now < self->probe_at)
        return;
    self->probe_at = now + PROBE_EVERY;
    if (rd_kafka_metadata(self->producer, 0, NULL, &metadata, KAFKA_PROBE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    rd_kafka_metadata_destroy(metadata);
    kafka_be_fine(sink);
}

/* Reports are wanted soon while messages are out: they move the marks. */
static int64_t tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct sink_kafka *self = sink->state;

    if (!kafka_producer_mend(sink, monotonic_ns))
        return self->renew_at;
    rd_kafka_poll(self->producer, 0);
    kafka_resend(sink, monotonic_ns);
    if (rd_kafka_outq_len(self->producer) > 0)
        return monotonic_ns + REPORTS_EVERY;
    if (self->topics.waiting > 0)
        return monotonic_ns + WAITING_EVERY;
    probe(sink, monotonic_ns);
    return monotonic_ns + LB_SECOND;
}

static bool is_busy(const struct sink_kafka *self)
{
    return self->topics.waiting > 0 || (self->producer != NULL && rd_kafka_outq_len(self->producer) > 0);
}

static void drain(struct lb_sink *sink, int64_t deadline)
{
    struct sink_kafka *self = sink->state;

    while (is_busy(self) && lb_clock_monotonic() < deadline) {
        int64_t now = lb_clock_monotonic();

        if (!kafka_producer_mend(sink, now)) {
            usleep(REPORTS_EVERY / 1000);
            continue;
        }
        kafka_resend(sink, now);
        /* A flush does not mind `linger`; where nothing is out it would not wait. */
        if (rd_kafka_outq_len(self->producer) > 0)
            rd_kafka_flush(self->producer, KAFKA_POLL_MS);
        else
            rd_kafka_poll(self->producer, KAFKA_POLL_MS);
    }
}

static void close_sink(struct lb_sink *sink)
{
    struct sink_kafka *self = sink->state;

    self->closing = true;
    if (self->producer != NULL) {
        rd_kafka_purge(self->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(self->producer, 0);
        kafka_topics_drop_handles(&self->topics);
        kafka_producer_close(self->producer);
    }
    self->producer = NULL;
    kafka_topics_free(&self->topics);
    lb_buffer_free(&self->value);
    lb_buffer_free(&self->key_text);
    lb_buffer_free(&self->text);
    lb_buffer_free(&self->record);
    lb_buffer_free(&self->event_words);
    lb_free(self->scratch.ptr);
}

const struct lb_sink_type lb_sink_kafka = {
    .network = true,
    .tells = true,
    .topics = true,
    .module = { .name = "kafka",
                .help = "messages to Kafka, delivered when all in-sync replicas have them",
                .state_size = sizeof(struct sink_kafka),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = write_batch,
    .tick = tick,
    .drain = drain,
    .close = close_sink,
};
