/*
 * sink_kafka.c - produces records to Kafka, by librdkafka.
 *
 * Delivered means acknowledged by all in-sync replicas: each message holds
 * the batch's token until its delivery report. The producer is idempotent and
 * never gives a message up by time, so an outage only fills librdkafka's
 * queue (bounded here); then write() waits, and that is the backpressure.
 * Order is kept per key, over retries too. Everything but librdkafka's own
 * threads runs on the sink's thread.
 */
#include "lb_alloc.h"
#include "lb_format.h"
#include "lb_log.h"
#include "lb_sink.h"
#include "lb_template.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>

enum {
    TOPICS_MAX = 1024,
    HEADERS_MAX = 16,
    POLL_MS = 100,
    ERROR_BYTES = 512,
    NAME_BYTES_MAX = 249, /* of a topic */
};

static const char *const compressions[] = { "none", "gzip", "snappy", "lz4", "zstd", NULL };

struct topic {
    char *name;
    size_t len;
    rd_kafka_topic_t *handle;
};

struct sink_kafka {
    struct lb_strs brokers;
    const struct lb_template *topic;
    const struct lb_template *key;
    struct lb_template_pairs headers;
    int format;
    int compression;
    int64_t linger_ns;
    uint64_t queue_bytes;
    struct lb_pairs settings; /* librdkafka's own, by name */

    rd_kafka_t *producer;
    struct topic topics[TOPICS_MAX]; /* open addressing by name */
    uint32_t topic_count;
    struct lb_formatter formatter;
    struct lb_scratch scratch;
    struct lb_buffer value;
    struct lb_buffer key_text;
    struct lb_buffer text; /* topic, then headers */
    bool failing;
};

#define AT(member) offsetof(struct sink_kafka, member)

static const struct lb_option options[] = {
    { .name = "brokers",
      .kind = LB_OPTION_STRINGS,
      .offset = AT(brokers),
      .flags = LB_OPTION_REQUIRED,
      .help = "host:port of some brokers; they tell the others" },
    { .name = "topic",
      .kind = LB_OPTION_TEMPLATE,
      .offset = AT(topic),
      .flags = LB_OPTION_REQUIRED,
      .help = "topic of a record, for example logs.{service}" },
    { .name = "key",
      .kind = LB_OPTION_TEMPLATE,
      .offset = AT(key),
      .help = "key of a record; records of one key stay in order" },
    { .name = "headers",
      .kind = LB_OPTION_TEMPLATES,
      .offset = AT(headers),
      .help = "headers of each message, besides logboom-id" },
    { .name = "format",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(format),
      .choices = lb_format_names,
      .fallback = "json",
      .help = "how a record is written" },
    { .name = "compression",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(compression),
      .choices = compressions,
      .fallback = "lz4",
      .help = "of message sets" },
    { .name = "linger",
      .kind = LB_OPTION_DURATION,
      .offset = AT(linger_ns),
      .fallback = "20ms",
      .max = 60 * LB_SECOND,
      .help = "how long a message may wait for company" },
    { .name = "queue",
      .kind = LB_OPTION_SIZE,
      .offset = AT(queue_bytes),
      .fallback = "16MiB",
      .min = 1024 * 1024,
      .max = INT64_C(2000000) * 1024,
      .help = "messages in memory that wait for the broker" },
    { .name = "settings",
      .kind = LB_OPTION_PAIRS,
      .offset = AT(settings),
      .help = "librdkafka's own settings by name (security.protocol, sasl.username, ssl.ca.location …)" },
    { 0 },
};

/* --- librdkafka's callbacks --------------------------------------------------- */

static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    (void)producer;
    LB_LOG(level <= LB_LEVEL_ERROR ? LB_LEVEL_WARN : level, "sink.kafka", "%s: %s", facility, text);
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
    struct lb_sink *sink = opaque;
    struct sink_kafka *self = sink->state;

    (void)producer;
    self->failing = true;
    lb_delivery_problem(sink, "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)error), reason);
}

/* On the sink's thread, from rd_kafka_poll(). A purge at the end leaves the token undone: the next start sends again.
 */
static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct lb_sink *sink = opaque;
    struct sink_kafka *self = sink->state;
    struct lb_token *token = message->_private;

    (void)producer;
    if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        lb_token_done(token, LB_REFUSED, rd_kafka_err2str(message->err));
        return;
    }
    if (self->failing) {
        self->failing = false;
        lb_delivery_fine(sink);
    }
    lb_delivery_count(sink, 1, message->len + message->key_len);
    lb_token_done(token, LB_DELIVERED, NULL);
}

/* --- open ------------------------------------------------------------------------ */

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, struct lb_place place, struct lb_diag *diag)
{
    char error[ERROR_BYTES];

    if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) == RD_KAFKA_CONF_OK)
        return true;
    lb_diag_error(diag, place, "librdkafka: %s", error);
    return false;
}

static bool set_number(rd_kafka_conf_t *conf, const char *name, uint64_t value, struct lb_place place,
                       struct lb_diag *diag)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    return set(conf, name, text, place, diag);
}

static bool set_brokers(const struct lb_sink *sink, rd_kafka_conf_t *conf, struct lb_diag *diag)
{
    const struct sink_kafka *self = sink->state;
    struct lb_buffer list;

    lb_buffer_init(&list, 64 * 1024);
    for (size_t i = 0; i < self->brokers.count; i++) {
        if (i > 0)
            lb_buffer_append_char(&list, ',');
        lb_buffer_append_str(&list, self->brokers.items[i]);
    }
    lb_buffer_append_char(&list, '\0');
    bool done =
        !list.failed && set(conf, "bootstrap.servers", list.ptr, lb_section_place(&sink->section, "brokers"), diag);
    lb_buffer_free(&list);
    return done;
}

/* What logboom guarantees stands behind the user's settings, so that they cannot undo it. */
static bool set_all(struct lb_sink *sink, rd_kafka_conf_t *conf, struct lb_diag *diag)
{
    const struct sink_kafka *self = sink->state;
    struct lb_place place = lb_section_place(&sink->section, "settings");
    bool done = set_brokers(sink, conf, diag) && set(conf, "client.id", "logboom", place, diag) &&
                set(conf, "partitioner", "murmur2_random", place, diag) &&
                set(conf, "log.connection.close", "false", place, diag) &&
                set(conf, "compression.codec", compressions[self->compression], place, diag) &&
                set_number(conf, "queue.buffering.max.ms", (uint64_t)(self->linger_ns / LB_MILLISECOND), place, diag) &&
                set_number(conf, "queue.buffering.max.kbytes", self->queue_bytes / 1024, place, diag) &&
                set_number(conf, "queue.buffering.max.messages", 1000000, place, diag) &&
                set_number(conf, "reconnect.backoff.max.ms", 2000, place, diag);

    for (size_t i = 0; done && i < self->settings.count; i++)
        done = set(conf, self->settings.items[i].name.ptr, self->settings.items[i].value.ptr, place, diag);
    return done && set(conf, "enable.idempotence", "true", place, diag) &&
           set(conf, "message.timeout.ms", "0", place, diag);
}

static rd_kafka_conf_t *make_conf(struct lb_sink *sink, struct lb_diag *diag)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    if (!set_all(sink, conf, diag)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_opaque(conf, sink);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    return conf;
}

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    rd_kafka_conf_t *conf = make_conf(sink, diag);

    if (conf == NULL)
        return LB_BAD_CONF;
    rd_kafka_conf_destroy(conf);
    return LB_OK;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_kafka *self = sink->state;
    rd_kafka_conf_t *conf = make_conf(sink, diag);
    char error[ERROR_BYTES];

    if (conf == NULL)
        return LB_BAD_CONF;
    lb_buffer_init(&self->value, LB_LINE_BYTES_MAX + (size_t)LB_LINE_BYTES_MAX);
    lb_buffer_init(&self->key_text, LB_SCRATCH_BYTES);
    lb_buffer_init(&self->text, LB_SCRATCH_BYTES);
    self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    self->formatter = (struct lb_formatter){ .format = (enum lb_format)self->format, .scratch = &self->scratch };
    self->producer = self->scratch.ptr != NULL ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error)) : NULL;
    if (self->producer != NULL)
        return LB_OK;
    lb_diag_error(diag, lb_section_place(&sink->section, "brokers"), "cannot make a Kafka producer: %s",
                  self->scratch.ptr != NULL ? error : "out of memory");
    rd_kafka_conf_destroy(conf);
    lb_free(self->scratch.ptr);
    return LB_BAD_CONF;
}

/* --- topics ------------------------------------------------------------------------ */

static uint32_t hash_of(struct lb_str name)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
    return hash;
}

static rd_kafka_topic_t *add_topic(struct sink_kafka *self, struct topic *slot, struct lb_str name)
{
    if (self->topic_count >= TOPICS_MAX / 2)
        return NULL;
    slot->name = lb_alloc(name.len + 1);
    if (slot->name == NULL)
        return NULL;
    memcpy(slot->name, name.ptr, name.len);
    slot->len = name.len;
    slot->handle = rd_kafka_topic_new(self->producer, slot->name, NULL);
    if (slot->handle == NULL) {
        lb_free(slot->name);
        slot->name = NULL;
        return NULL;
    }
    self->topic_count++;
    return slot->handle;
}

/* The handle of a topic, made on first use. NULL: no such name is possible, or too many topics. */
static rd_kafka_topic_t *find_topic(struct sink_kafka *self, struct lb_str name)
{
    for (uint32_t i = hash_of(name);; i++) {
        struct topic *slot = &self->topics[i % TOPICS_MAX];

        if (slot->name == NULL)
            return add_topic(self, slot, name);
        if (slot->len == name.len && memcmp(slot->name, name.ptr, name.len) == 0)
            return slot->handle;
    }
}

/* --- write ---------------------------------------------------------------------------- */

static struct lb_str render(struct sink_kafka *self, const struct lb_template *template, unsigned flags,
                            const struct lb_record *record, struct lb_buffer *out)
{
    size_t from = out->len;

    self->scratch.used = 0;
    lb_template_write(template, flags, record, record->time_ns, &self->scratch, out);
    return (struct lb_str){ out->ptr + from, out->len - from };
}

static rd_kafka_headers_t *make_headers(struct sink_kafka *self, const struct lb_batch *batch,
                                        const struct lb_record *record)
{
    size_t count = self->headers.count < HEADERS_MAX ? self->headers.count : HEADERS_MAX;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(count + 1);
    char id[LB_RECORD_ID_SIZE];
    size_t id_len = lb_record_id(batch, record, id);

    rd_kafka_header_add(headers, "logboom-id", -1, id, (ssize_t)id_len);
    for (size_t i = 0; i < count; i++) {
        struct lb_str name = self->headers.items[i].name;

        lb_buffer_reset(&self->text);
        struct lb_str value = render(self, self->headers.items[i].value, 0, record, &self->text);
        rd_kafka_header_add(headers, name.ptr, (ssize_t)name.len, value.ptr, (ssize_t)value.len);
    }
    return headers;
}

/* Gives one formatted message to librdkafka; waits while its queue is full. LB_AGAIN: told to stop. */
static enum lb_err produce(struct lb_sink *sink, const rd_kafka_vu_t *parts, size_t count)
{
    struct sink_kafka *self = sink->state;

    for (;;) {
        rd_kafka_error_t *error = rd_kafka_produceva(self->producer, parts, count);

        if (error == NULL)
            return LB_OK;
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            lb_delivery_problem(sink, "%s", rd_kafka_error_string(error));
            rd_kafka_error_destroy(error);
            return LB_BAD_INPUT;
        }
        rd_kafka_error_destroy(error);
        if (lb_delivery_stopping(sink))
            return LB_AGAIN;
        rd_kafka_poll(self->producer, POLL_MS);
    }
}

static enum lb_err write_record(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                                struct lb_token *token)
{
    struct sink_kafka *self = sink->state;
    struct lb_str key = { NULL, 0 };

    lb_buffer_reset(&self->text);
    lb_buffer_reset(&self->key_text);
    lb_buffer_reset(&self->value);
    struct lb_str name = render(self, self->topic, LB_TEMPLATE_TOPIC, record, &self->text);
    if (name.len > NAME_BYTES_MAX)
        name.len = NAME_BYTES_MAX;
    rd_kafka_topic_t *topic = find_topic(self, name);
    if (topic == NULL) {
        lb_token_done(token, LB_REFUSED, "no such topic can be, or over 512 topics");
        return LB_OK;
    }
    if (self->key != NULL)
        key = render(self, self->key, 0, record, &self->key_text);
    self->scratch.used = 0;
    lb_format_write(&self->formatter, batch, record, &self->value);
    if (self->value.len > 0 && self->value.ptr[self->value.len - 1] == '\n')
        self->value.len--;

    rd_kafka_headers_t *headers = make_headers(self, batch, record);
    rd_kafka_vu_t parts[] = {
        { .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { self->value.ptr, self->value.len } },
        { .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)(uintptr_t)key.ptr, key.len } },
        { .vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->time_ns / LB_MILLISECOND },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = token },
    };
    enum lb_err err = produce(sink, parts, sizeof(parts) / sizeof(parts[0]));
    if (err != LB_OK)
        rd_kafka_headers_destroy(headers);
    if (err == LB_BAD_INPUT) {
        lb_token_done(token, LB_REFUSED, "librdkafka refused the message");
        return LB_OK;
    }
    return err;
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_kafka *self = sink->state;

    lb_token_hold(token, selection->count);
    for (uint32_t i = 0; i < selection->count; i++) {
        enum lb_err err = write_record(sink, batch, lb_batch_selected(batch, selection, i), token);

        /* Only while stopping: the holds that remain keep the mark where it is. */
        if (err != LB_OK)
            return err;
    }
    rd_kafka_poll(self->producer, 0);
    return LB_OK;
}

/* Reports are wanted soon while messages are out: they move the marks. */
static int64_t tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct sink_kafka *self = sink->state;

    rd_kafka_poll(self->producer, 0);
    return monotonic_ns + (rd_kafka_outq_len(self->producer) > 0 ? 20 * LB_MILLISECOND : LB_SECOND);
}

static void drain(struct lb_sink *sink, int64_t deadline)
{
    struct sink_kafka *self = sink->state;

    while (rd_kafka_outq_len(self->producer) > 0 && lb_clock_monotonic() < deadline)
        rd_kafka_flush(self->producer, POLL_MS);
}

static void close_sink(struct lb_sink *sink)
{
    struct sink_kafka *self = sink->state;

    rd_kafka_purge(self->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_poll(self->producer, 0);
    for (size_t i = 0; i < TOPICS_MAX; i++) {
        if (self->topics[i].name == NULL)
            continue;
        rd_kafka_topic_destroy(self->topics[i].handle);
        lb_free(self->topics[i].name);
    }
    rd_kafka_destroy(self->producer);
    lb_buffer_free(&self->value);
    lb_buffer_free(&self->key_text);
    lb_buffer_free(&self->text);
    lb_free(self->scratch.ptr);
}

const struct lb_sink_type lb_sink_kafka = {
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
