/*
 * sink_webhook.c - POSTs records as JSON, signed after Standard Webhooks 1.0.
 *
 * With batch.count 1 (what alerts want) the body is one object; above it, an
 * array, or lines. The webhook-id follows from the ids of the records, so it
 * is the same on every try and, for the same records, after a restart: a
 * receiver that keeps ids sees each request once. Order, retries and dead
 * letters are http_queue's.
 */
#include "http_queue.h"

#include "body_template.h"
#include "channel_labels.h"
#include "cloudevent.h"
#include "http_settle.h"
#include "webhook_key.h"

#include "lb_alloc.h"
#include "lb_conf.h"
#include "lb_format.h"
#include "lb_limits.h"

#include <openssl/crypto.h>
#include <stdio.h>

enum {
    STEP_MS = 20,
    TITLE_BYTES = 16 * 1024,
    TEMPLATE_ARENA_BYTES = 256 * 1024,
};

#define WAIT_MAX LB_SECOND /* of one write() for room in the queue */

struct sink_webhook {
    struct http_settings http;
    struct lb_strs secrets;
    uint64_t batch_count;
    uint64_t batch_size;
    int64_t batch_every_ns;
    struct lb_str body;
    int format;

    struct http_queue queue;
    struct http_request *open; /* still taking records */
    int64_t open_since;        /* monotonic */
    uint32_t next;             /* entry of the selection that is taken next, where write() had to give up */
    bool wrote;                /* since the last tick */
    struct lb_formatter formatter;
    struct lb_scratch scratch;
    struct webhook_key keys[WEBHOOK_KEYS_MAX];
    size_t key_count;

    /* Where the body is not the record's own JSON. */
    struct lb_arena arena;          /* of the template */
    struct body_template *template; /* NULL: none */
    struct channel_message message;
    struct lb_buffer title;
    struct lb_buffer words;
};

enum webhook_format { FORMAT_JSON, FORMAT_ALERTMANAGER, FORMAT_CLOUDEVENTS };

HTTP_QUEUE_GROUPS(struct sink_webhook);

#define AT(member) offsetof(struct sink_webhook, member)

static const struct lb_option batch_options[] = {
    { .name = "count",
      .kind = LB_OPTION_COUNT,
      .offset = AT(batch_count),
      .fallback = "1",
      .min = 1,
      .max = 100000,
      .help = "records in one request; 1 sends an object, more an array" },
    { .name = "size",
      .kind = LB_OPTION_SIZE,
      .offset = AT(batch_size),
      .fallback = "256KiB",
      .min = 1024,
      .max = INT64_C(64) << 20,
      .help = "a request that has reached this size is sent" },
    { .name = "every",
      .kind = LB_OPTION_DURATION,
      .offset = AT(batch_every_ns),
      .fallback = "1s",
      .max = 3600 * LB_SECOND,
      .help = "the longest a record waits for others" },
    { 0 },
};

static const char *const format_names[] = { "json", "alertmanager", "cloudevents", NULL };

static const struct lb_option options[] = {
    HTTP_QUEUE_OPTIONS(struct sink_webhook),
    { .name = "secret",
      .kind = LB_OPTION_STRINGS,
      .offset = AT(secrets),
      .flags = LB_OPTION_SECRET,
      .help = "signs each request (webhook-signature): whsec_ and base64 of 24 to 64 bytes, or any text; several, the "
              "new one first, while it is changed" },
    { .name = "batch", .kind = LB_OPTION_GROUP, .group = batch_options, .help = "records of one request" },
    { .name = "format",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(format),
      .choices = format_names,
      .fallback = "json",
      .help =
          "what a record becomes: json (its own fields), alertmanager (as Alertmanager's webhooks have it, version 4) "
          "or cloudevents (1.0, structured)" },
    { .name = "body",
      .kind = LB_OPTION_STRING,
      .offset = AT(body),
      .fallback = "json",
      .help =
          "how records stand in it: json (an object, or with batch.count above 1 an array), ndjson (a line each), or "
          "JSON of your own with {fields} in it" },
    { 0 },
};

/* --- signature (Standard Webhooks 1.0) ------------------------------------------ */

/* Without a secret there is no signature. */
static bool decode_secrets(struct sink_webhook *self)
{
    self->key_count = 0;
    for (size_t i = 0; i < self->secrets.count; i++) {
        if (i == WEBHOOK_KEYS_MAX || !webhook_key_read(&self->keys[i], self->secrets.items[i]))
            return false;
        self->key_count++;
    }
    return true;
}

/* One for each key, in one header. */
static bool add_signatures(const struct sink_webhook *self, const struct http_request *request, long long now,
                           struct curl_slist **list)
{
    char head[HTTP_ID_BYTES + 32];
    char line[32 + WEBHOOK_KEYS_MAX * (WEBHOOK_SIGNATURE_BYTES + 4)] = "webhook-signature:";
    int head_len = snprintf(head, sizeof(head), "%s.%lld.", request->id, now);

    for (size_t i = 0; i < self->key_count; i++) {
        char code[WEBHOOK_SIGNATURE_BYTES];
        size_t len = strlen(line);

        if (!webhook_key_sign(&self->keys[i], (struct lb_str){ head, (size_t)head_len }, lb_buffer_str(&request->body),
                              code))
            return false;
        snprintf(line + len, sizeof(line) - len, " v1,%s", code);
    }
    return http_headers_add(list, line);
}

static bool sign(struct lb_sink *sink, const struct http_request *request, struct curl_slist **list)
{
    const struct sink_webhook *self = sink->state;
    long long now = (long long)(lb_clock_now() / LB_SECOND);
    char line[HTTP_ID_BYTES + 128];

    snprintf(line, sizeof(line), "webhook-id: %s", request->id);
    if (!http_headers_add(list, line))
        return false;
    snprintf(line, sizeof(line), "Idempotency-Key: %s", request->id);
    if (!http_headers_add(list, line))
        return false;
    snprintf(line, sizeof(line), "webhook-timestamp: %lld", now);
    if (!http_headers_add(list, line))
        return false;
    return self->key_count == 0 || add_signatures(self, request, now, list);
}

/* Gone for good, by RFC 9110 and by Standard Webhooks: to go on asking is a nuisance. */
static void judge(struct lb_sink *sink, const struct http_request *request, struct http_verdict *verdict)
{
    enum { GONE = 410 };
    struct sink_webhook *self = sink->state;

    (void)request;
    if (verdict->status == GONE && verdict->action == HTTP_REFUSE)
        self->queue.gone = true;
}

/* --- open -------------------------------------------------------------------------- */

static bool is_template(const struct sink_webhook *self)
{
    return self->body.len > 0 && memchr(self->body.ptr, '{', self->body.len) != NULL;
}

static bool check_body(struct lb_sink *sink, struct lb_diag *diag)
{
    const struct sink_webhook *self = sink->state;
    struct lb_place place = lb_section_place(&sink->section, "body");
    uint32_t errors = diag->errors;
    struct lb_arena arena;

    lb_arena_init(&arena, TEMPLATE_ARENA_BYTES);
    if (is_template(self))
        body_template_new(&arena, self->body, place, diag);
    else if (!lb_str_is(self->body, "json") && !lb_str_is(self->body, "ndjson"))
        lb_diag_error(diag, place,
                      "body: expected json, ndjson, or JSON of your own such as '{\"text\": \"{message}\"}'");
    lb_arena_free(&arena);
    if (self->format != FORMAT_JSON && !lb_str_is(self->body, "json"))
        lb_diag_error(diag, place, "body: with `format: %s` the body is given; remove one of the two",
                      format_names[self->format]);
    if ((self->format != FORMAT_JSON || is_template(self)) && self->batch_count != 1)
        lb_diag_error(diag, lb_section_place(&sink->section, "batch.count"),
                      "batch.count: expected 1, since each request of this form tells of one record");
    return diag->errors == errors;
}

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_webhook *self = sink->state;
    bool good = http_settings_check(sink, &self->http, diag);

    if (!decode_secrets(self)) {
        lb_diag_error(
            diag, lb_section_place(&sink->section, "secret"),
            "secret: expected whsec_ and base64 of %d to %d bytes, or a text of 1 to %d bytes; or a list of up "
            "to %d of them",
            WEBHOOK_KEY_BYTES_MIN, WEBHOOK_KEY_BYTES_MAX, WEBHOOK_SECRET_BYTES_MAX, WEBHOOK_KEYS_MAX);
        good = false;
    }
    good &= check_body(sink, diag);
    return good ? LB_OK : LB_BAD_CONF;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_webhook *self = sink->state;

    if (check(sink, diag) != LB_OK)
        return LB_BAD_CONF;
    self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    self->formatter = (struct lb_formatter){ .format = LB_FORMAT_JSON, .scratch = &self->scratch };
    self->formatter.time.second = INT64_MIN;
    self->queue.sign = sign;
    self->queue.judge = judge;
    lb_buffer_init(&self->title, TITLE_BYTES);
    lb_buffer_init(&self->words, LB_SCRATCH_BYTES);
    lb_arena_init(&self->arena, TEMPLATE_ARENA_BYTES);
    if (is_template(self))
        self->template = body_template_new(&self->arena, self->body, lb_section_place(&sink->section, "body"), diag);
    if (self->scratch.ptr != NULL && (self->template != NULL || !is_template(self)) &&
        http_queue_open(&self->queue, sink, &self->http) == LB_OK)
        return LB_OK;
    http_queue_close(&self->queue);
    lb_free(self->scratch.ptr);
    lb_arena_free(&self->arena);
    lb_diag_error(diag, lb_section_place(&sink->section, "url"), "out of memory for the HTTP client");
    return LB_NOMEM;
}

/* --- write --------------------------------------------------------------------------- */

static void finish_request(struct sink_webhook *self)
{
    struct http_request *request = self->open;

    if (request == NULL || request->count == 0)
        return;
    http_request_seal(request);
    http_queue_push(&self->queue, request);
    self->open = NULL;
}

static bool open_request(struct sink_webhook *self)
{
    enum http_framing framing = self->batch_count > 1 ? HTTP_ARRAY : HTTP_OBJECT;

    if (self->open != NULL)
        return true;
    if (lb_str_is(self->body, "ndjson"))
        framing = HTTP_LINES;
    /* A record takes at most six times its line, where every byte has to be escaped. */
    self->open = http_request_new(framing, self->batch_size + (size_t)8 * LB_LINE_BYTES_MAX);
    return self->open != NULL;
}

/* The body in another form than the record's own. */
static void compose(struct lb_sink *sink, const struct lb_record *record, struct http_request *request)
{
    struct sink_webhook *self = sink->state;
    const struct channel_message *message = &self->message;
    struct lb_str json = lb_buffer_str(&request->original);

    lb_buffer_reset(&self->title);
    channel_message_title(&self->title, message);
    if (self->template != NULL) {
        const struct body_values values = { message, record, lb_buffer_str(&self->title), json };

        self->scratch.used = 0; /* what a long message took; the title is made */
        body_template_write(self->template, &values, &self->scratch, &self->words, &request->body);
    } else if (self->format == FORMAT_ALERTMANAGER) {
        channel_alertmanager_body(&request->body, message, lb_buffer_str(&self->title), sink->section.name);
    } else {
        request->content_type = CLOUDEVENT_TYPE;
        cloudevent_body(&request->body, message, json, &self->words);
    }
}

/* A request for this record alone. */
static bool write_event(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                        struct lb_token *token)
{
    struct sink_webhook *self = sink->state;
    struct http_request *request = http_request_new(HTTP_OBJECT, (size_t)8 * LB_LINE_BYTES_MAX);

    if (request == NULL)
        return false;
    self->scratch.used = 0;
    lb_format_write(&self->formatter, batch, record, &request->original);
    if (request->original.len > 0 && request->original.ptr[request->original.len - 1] == '\n')
        request->original.len--;
    channel_message_read(&self->message, batch, record, &self->scratch);
    compose(sink, record, request);
    if (request->original.failed || self->title.failed || self->words.failed ||
        !http_request_end(request, 0, self->message.id, token)) {
        lb_buffer_reset(&self->words);
        http_request_free(request);
        return false;
    }
    request->items[0].alert = (record->flags & LB_RECORD_ALERT) != 0;
    http_request_seal(request);
    http_queue_push(&self->queue, request);
    return true;
}

static bool write_record(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                         struct lb_token *token)
{
    struct sink_webhook *self = sink->state;
    char id[LB_RECORD_ID_SIZE];
    uint32_t start;

    if (self->template != NULL || self->format != FORMAT_JSON)
        return write_event(sink, batch, record, token);
    if (!open_request(self))
        return false;
    if (self->open->count == 0)
        self->open_since = lb_clock_monotonic();
    lb_record_id(batch, record, id);
    http_request_begin(self->open, &start);
    self->scratch.used = 0;
    lb_format_write(&self->formatter, batch, record, &self->open->body);
    if (!http_request_end(self->open, start, id, token))
        return false;
    self->open->items[self->open->count - 1].alert = (record->flags & LB_RECORD_ALERT) != 0;
    if (self->open->count >= self->batch_count || self->open->body.len >= self->batch_size)
        finish_request(self);
    return true;
}

/* False: the queue is still full, and the delivery code should say so. */
static bool wait_for_room(struct lb_sink *sink)
{
    struct sink_webhook *self = sink->state;
    int64_t until = lb_clock_monotonic() + WAIT_MAX;

    while (http_queue_full(&self->queue)) {
        int64_t next = http_queue_step(&self->queue, STEP_MS);

        if (!http_queue_full(&self->queue))
            break;
        if (next >= until || lb_clock_monotonic() >= until || lb_delivery_stopping(sink))
            return false;
        http_queue_sleep(&self->queue, next);
    }
    return true;
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_webhook *self = sink->state;

    if (!wait_for_room(sink))
        return LB_AGAIN;
    self->wrote = true;
    for (; self->next < selection->count; self->next++) {
        if (!write_record(sink, batch, lb_batch_selected(batch, selection, self->next), token)) {
            lb_delivery_problem(sink, "out of memory: it goes on by itself when there is some");
            return LB_AGAIN;
        }
    }
    self->next = 0;
    return LB_OK;
}

/*
 * Where batches come in, requests move on without a wait, so that a slow receiver does not slow down the taking of
 * batches; the wait for answers is for the time after.
 */
static int64_t tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct sink_webhook *self = sink->state;
    bool busy = self->wrote;
    int64_t due = INT64_MAX;

    self->wrote = false;
    if (self->open != NULL && self->open->count > 0) {
        due = self->open_since + self->batch_every_ns;
        if (due <= monotonic_ns) {
            finish_request(self);
            due = INT64_MAX;
        }
    }
    int64_t next = http_queue_step(&self->queue, busy ? 0 : STEP_MS);
    if (busy && self->queue.in_flight > 0)
        next = lb_clock_monotonic() + LB_MILLISECOND;
    return due < next ? due : next;
}

static void drain(struct lb_sink *sink, int64_t deadline)
{
    struct sink_webhook *self = sink->state;

    if (self->open != NULL && self->open->count > 0)
        finish_request(self);
    while (self->queue.first != NULL && lb_clock_monotonic() < deadline) {
        int64_t next = http_queue_step(&self->queue, STEP_MS);

        http_queue_sleep(&self->queue, next < deadline ? next : deadline);
    }
}

static void close_sink(struct lb_sink *sink)
{
    struct sink_webhook *self = sink->state;

    if (self->open != NULL)
        http_request_free(self->open);
    http_queue_close(&self->queue);
    lb_free(self->scratch.ptr);
    lb_buffer_free(&self->title);
    lb_buffer_free(&self->words);
    lb_arena_free(&self->arena);
    OPENSSL_cleanse(self->keys, sizeof(self->keys));
}

const struct lb_sink_type lb_sink_webhook = {
    .network = true,
    .tells = true,
    .module = { .name = "webhook",
                .help = "POSTs records as JSON, signed, tried until the receiver has them",
                .state_size = sizeof(struct sink_webhook),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = write_batch,
    .tick = tick,
    .drain = drain,
    .close = close_sink,
};
