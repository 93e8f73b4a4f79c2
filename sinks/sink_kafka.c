/*
 * sink_kafka.c - produces records to Kafka, by librdkafka.
 *
 * Delivered means acknowledged by all in-sync replicas: each message holds
 * the batch's token until its delivery report. The producer is idempotent and
 * never gives a message up by time, so an outage only fills librdkafka's
 * queue (bounded here); then write() waits, and that is the backpressure.
 * Order is kept per key, over retries too. Everything but librdkafka's own
 * threads runs on the sink's thread, its log and its reports too.
 *
 * A fatal error (no right to write idempotently, a broker that lost what it
 * had acknowledged) ends a producer: the sink then takes nothing more, and
 * what was on its way stays held and comes again at the next start.
 */
#include "kafka_settings.h"
#include "kafka_topics.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_format.h"
#include "lb_limits.h"
#include "lb_log.h"
#include "lb_template.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

enum {
    HEADERS_MAX = 16,
    POLL_MS = 100,
    PROBE_MS = 500,
    CLOSE_SECONDS = 3,
    ERROR_BYTES = 512,
};

#define WAIT_MAX LB_SECOND /* of one write() for room in librdkafka's queue */
#define REPORTS_EVERY (20 * LB_MILLISECOND)
#define PROBE_EVERY (5 * LB_SECOND)

struct sink_kafka {
    struct kafka_settings settings;
    const struct lb_template *topic;
    const struct lb_template *key;
    struct lb_template_pairs headers;
    int format;

    rd_kafka_t *producer;
    struct kafka_topics topics;
    struct lb_formatter formatter;
    struct lb_scratch scratch;
    struct lb_buffer value;
    struct lb_buffer key_text;
    struct lb_buffer text; /* topic, then headers */
    uint32_t next;         /* entry of the selection that is taken next, where write() had to give up */
    bool holding;          /* the batch at hand has its holds */
    bool failing;          /* told as the sink's problem */
    bool fatal;
    int64_t probe_at;             /* monotonic */
    char last_error[ERROR_BYTES]; /* of one broker */
};

#define AT(member) offsetof(struct sink_kafka, member)

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
      .choices = lb_format_names,
      .fallback = "json",
      .help = "how a record is written" },
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
    { .name = "settings",
      .kind = LB_OPTION_PAIRS,
      .offset = AT(settings.others),
      .flags = LB_OPTION_SECRET,
      .help = "librdkafka's own settings by name (security.protocol, sasl.username, ssl.ca.location …)" },
    { 0 },
};

/* --- librdkafka's callbacks: on the sink's thread, from rd_kafka_poll() ------------- */

static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    (void)producer;
    LB_LOG(level <= LB_LEVEL_ERROR ? LB_LEVEL_WARN : level, "sink.kafka", "%s: %s", facility, text);
}

static bool is_fatal(struct sink_kafka *self)
{
    self->fatal = self->fatal || rd_kafka_fatal_error(self->producer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
    return self->fatal;
}

static void tell_fatal(struct lb_sink *sink)
{
    struct sink_kafka *self = sink->state;
    char reason[ERROR_BYTES] = "";
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(self->producer, reason, sizeof(reason));

    self->failing = true;
    lb_delivery_problem(sink, "%s: %.100s; takes nothing more: mend it, then restart logboom", rd_kafka_err2name(code),
                        reason);
}

/* One broker of several may go: only what keeps records from leaving is the sink's problem. */
static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
    struct lb_sink *sink = opaque;
    struct sink_kafka *self = sink->state;

    (void)producer;
    if (is_fatal(self)) {
        tell_fatal(sink);
        return;
    }
    if (error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__TIMED_OUT ||
        error == RD_KAFKA_RESP_ERR__RESOLVE) {
        snprintf(self->last_error, sizeof(self->last_error), "%s", reason);
        return;
    }
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && self->last_error[0] != '\0')
        reason = self->last_error;
    self->failing = true;
    lb_delivery_problem(sink, "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)error), reason);
}

static void be_fine(struct lb_sink *sink)
{
    struct sink_kafka *self = sink->state;

    if (!self->failing || self->fatal)
        return;
    self->failing = false;
    lb_delivery_fine(sink);
}

/* What was purged, at the end or by a fatal error, stays held: the next start sends it again. */
static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct lb_sink *sink = opaque;
    struct sink_kafka *self = sink->state;
    struct lb_token *token = message->_private;

    (void)producer;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        be_fine(sink);
        lb_delivery_count(sink, 1, message->len + message->key_len);
        lb_token_done(token, LB_DELIVERED, NULL);
        return;
    }
    if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT ||
        is_fatal(self))
        return;
    lb_token_done(token, LB_REFUSED, rd_kafka_err2str(message->err));
}

/* --- open ------------------------------------------------------------------------ */

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    const struct sink_kafka *self = sink->state;
    bool good = kafka_settings_check(sink, &self->settings, diag);

    if (self->headers.count > HEADERS_MAX) {
        lb_diag_error(diag, lb_section_place(&sink->section, "headers"), "headers: at most %d, got %zu", HEADERS_MAX,
                      self->headers.count);
        good = false;
    }
    return good ? LB_OK : LB_BAD_CONF;
}

static bool make_producer(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_kafka *self = sink->state;
    rd_kafka_conf_t *conf = kafka_settings_conf(sink, &self->settings, diag);
    char error[ERROR_BYTES];

    if (conf == NULL)
        return false;
    rd_kafka_conf_set_opaque(conf, sink);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    self->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
    if (self->producer != NULL) {
        rd_kafka_set_log_queue(self->producer, NULL);
        return true;
    }
    rd_kafka_conf_destroy(conf);
    lb_diag_error(diag, lb_section_place(&sink->section, "brokers"), "cannot make a Kafka producer: %s", error);
    return false;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_kafka *self = sink->state;

    if (check(sink, diag) != LB_OK)
        return LB_BAD_CONF;
    lb_buffer_init(&self->value, (size_t)8 * LB_LINE_BYTES_MAX);
    lb_buffer_init(&self->key_text, LB_SCRATCH_BYTES);
    lb_buffer_init(&self->text, LB_SCRATCH_BYTES);
    self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    self->formatter = (struct lb_formatter){ .format = (enum lb_format)self->format, .scratch = &self->scratch };
    self->formatter.time.second = INT64_MIN;
    if (self->scratch.ptr == NULL) {
        lb_diag_error(diag, lb_section_place(&sink->section, "brokers"), "out of memory at start");
        return LB_NOMEM;
    }
    if (make_producer(sink, diag))
        return LB_OK;
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
    rd_kafka_headers_t *headers = rd_kafka_headers_new(self->headers.count + 1);
    char id[LB_RECORD_ID_SIZE];
    size_t id_len = lb_record_id(batch, record, id);

    rd_kafka_header_add(headers, "logboom-id", -1, id, (ssize_t)id_len);
    for (size_t i = 0; i < self->headers.count; i++) {
        struct lb_str name = self->headers.items[i].name;
        struct lb_str value = render(self, self->headers.items[i].value, 0, record, &self->text);

        rd_kafka_header_add(headers, name.ptr, (ssize_t)name.len, value.ptr, (ssize_t)value.len);
    }
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
        if (is_fatal(self)) {
            tell_fatal(sink);
            return LB_AGAIN;
        }
        /* What does not even fit into an empty queue is too large. */
        if (*code != RD_KAFKA_RESP_ERR__QUEUE_FULL || rd_kafka_outq_len(self->producer) == 0)
            return LB_BAD_INPUT;
        if (lb_clock_monotonic() >= until || lb_delivery_stopping(sink))
            return LB_AGAIN;
        rd_kafka_poll(self->producer, POLL_MS);
    }
}

/* Everything that is rendered; false: no memory. `key` and `value` live in buffers until the next record. */
static bool render_all(struct sink_kafka *self, const struct lb_batch *batch, const struct lb_record *record,
                       rd_kafka_vu_t *key, rd_kafka_vu_t *value)
{
    struct lb_str text = { NULL, 0 };

    if (self->key != NULL)
        text = render(self, self->key, 0, record, &self->key_text);
    *key = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)(uintptr_t)text.ptr, text.len } };
    lb_buffer_reset(&self->value);
    self->scratch.used = 0;
    lb_format_write(&self->formatter, batch, record, &self->value);
    if (self->value.len > 0 && self->value.ptr[self->value.len - 1] == '\n')
        self->value.len--;
    *value = (rd_kafka_vu_t){ .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { self->value.ptr, self->value.len } };
    return !self->value.failed && !self->key_text.failed;
}

/* LB_AGAIN: nothing was produced. Otherwise the hold is let go, now or by the report. */
static enum lb_err write_record(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                                struct lb_token *token)
{
    struct sink_kafka *self = sink->state;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_vu_t key;
    rd_kafka_vu_t value;
    struct lb_str name = render(self, self->topic, LB_TEMPLATE_TOPIC, record, &self->text);

    if (!render_all(self, batch, record, &key, &value) || self->text.failed) {
        lb_delivery_problem(sink, "out of memory: it goes on by itself when there is some");
        self->failing = true;
        return LB_AGAIN;
    }
    rd_kafka_topic_t *topic = kafka_topics_find(&self->topics, self->producer, name);
    if (topic == NULL) {
        lb_token_done(token, LB_REFUSED, "no topic can have this name, or it would be the 513th");
        return LB_OK;
    }
    rd_kafka_headers_t *headers = make_headers(self, batch, record);
    rd_kafka_vu_t parts[] = {
        { .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp_ms(batch, record) },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = token },
        key,
        value,
    };
    enum lb_err err = produce(sink, parts, sizeof(parts) / sizeof(parts[0]), &code);
    if (err != LB_OK)
        rd_kafka_headers_destroy(headers);
    if (err != LB_BAD_INPUT)
        return err;
    lb_token_done(token, LB_REFUSED, rd_kafka_err2str(code));
    return LB_OK;
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_kafka *self = sink->state;

    if (is_fatal(self)) {
        tell_fatal(sink);
        return LB_AGAIN;
    }
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

    if (!self->failing || self->fatal || now < self->probe_at)
        return;
    self->probe_at = now + PROBE_EVERY;
    if (rd_kafka_metadata(self->producer, 0, NULL, &metadata, PROBE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    rd_kafka_metadata_destroy(metadata);
    be_fine(sink);
}

/* Reports are wanted soon while messages are out: they move the marks. */
static int64_t tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct sink_kafka *self = sink->state;

    rd_kafka_poll(self->producer, 0);
    if (rd_kafka_outq_len(self->producer) > 0)
        return monotonic_ns + REPORTS_EVERY;
    probe(sink, monotonic_ns);
    return monotonic_ns + LB_SECOND;
}

static void drain(struct lb_sink *sink, int64_t deadline)
{
    struct sink_kafka *self = sink->state;

    while (rd_kafka_outq_len(self->producer) > 0 && lb_clock_monotonic() < deadline && !is_fatal(self))
        rd_kafka_flush(self->producer, POLL_MS);
}

/* --- close --------------------------------------------------------------------------------- */

static void *destroy_producer(void *producer)
{
    rd_kafka_destroy(producer);
    return NULL;
}

/* librdkafka waits for its threads, and one of them may wait for a name server. The process ends soon anyway. */
static void close_producer(rd_kafka_t *producer)
{
    pthread_t thread;
    struct timespec until;

    if (pthread_create(&thread, NULL, destroy_producer, producer) != 0) {
        rd_kafka_destroy(producer);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_SECONDS;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        LB_WARN("sink.kafka", "librdkafka does not end; it is left behind");
        pthread_detach(thread);
    }
}

static void close_sink(struct lb_sink *sink)
{
    struct sink_kafka *self = sink->state;

    rd_kafka_purge(self->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_poll(self->producer, 0);
    kafka_topics_free(&self->topics);
    close_producer(self->producer);
    lb_buffer_free(&self->value);
    lb_buffer_free(&self->key_text);
    lb_buffer_free(&self->text);
    lb_free(self->scratch.ptr);
}

const struct lb_sink_type lb_sink_kafka = {
    .network = true,
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
