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

#include "lb_alloc.h"
#include "lb_format.h"
#include "lb_limits.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>

enum {
    SECRET_BYTES_MAX = 256,
    KEY_BYTES_MIN = 24, /* of a whsec_ secret, by the standard */
    KEY_BYTES_MAX = 64,
    STEP_MS = 20,
    SIGNATURE_BYTES = 32,
};

#define WAIT_MAX LB_SECOND /* of one write() for room in the queue */

struct sink_webhook {
    struct http_settings http;
    struct lb_str secret;
    uint64_t batch_count;
    uint64_t batch_size;
    int64_t batch_every_ns;
    int body;

    struct http_queue queue;
    struct http_request *open; /* still taking records */
    int64_t open_since;        /* monotonic */
    uint32_t next;             /* entry of the selection that is taken next, where write() had to give up */
    bool wrote;                /* since the last tick */
    struct lb_formatter formatter;
    struct lb_scratch scratch;
    unsigned char key[SECRET_BYTES_MAX];
    size_t key_len;
};

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

static const char *const body_names[] = { "json", "ndjson", NULL };

static const struct lb_option options[] = {
    HTTP_QUEUE_OPTIONS(struct sink_webhook),
    { .name = "secret",
      .kind = LB_OPTION_STRING,
      .offset = AT(secret),
      .flags = LB_OPTION_SECRET,
      .help = "signs each request (webhook-signature): whsec_ and base64 of 24 to 64 bytes, or any text" },
    { .name = "batch", .kind = LB_OPTION_GROUP, .group = batch_options, .help = "records of one request" },
    { .name = "body",
      .kind = LB_OPTION_CHOICE,
      .offset = AT(body),
      .choices = body_names,
      .fallback = "json",
      .help =
          "how records stand in it: json (an object, or with batch.count above 1 an array) or ndjson (a line each)" },
    { 0 },
};

/* --- signature (Standard Webhooks 1.0) ------------------------------------------ */

/* Padded base64 (RFC 4648 section 4), nothing else. Returns the length, or 0. `out` has room for KEY_BYTES_MAX + 3. */
static size_t decode_base64(struct lb_str text, unsigned char *out)
{
    size_t padding = 0;

    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i + padding < text.len; i++) {
        char c = text.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!alphanumeric && c != '+' && c != '/')
            return 0;
    }
    if (text.len == 0 || text.len % 4 != 0 || text.len / 4 * 3 > KEY_BYTES_MAX + 3)
        return 0;
    int len = EVP_DecodeBlock(out, (const unsigned char *)text.ptr, (int)text.len);
    return len > (int)padding ? (size_t)len - padding : 0;
}

/* Without a secret there is no signature; an empty one is a fault, not a wish for none. */
static bool decode_secret(struct sink_webhook *self)
{
    static const struct lb_str prefix = { "whsec_", 6 };
    struct lb_str secret = self->secret;

    if (secret.ptr == NULL)
        return true;
    if (lb_str_starts(secret, prefix)) {
        self->key_len = decode_base64((struct lb_str){ secret.ptr + prefix.len, secret.len - prefix.len }, self->key);
        return self->key_len >= KEY_BYTES_MIN && self->key_len <= KEY_BYTES_MAX;
    }
    if (secret.len == 0 || secret.len > SECRET_BYTES_MAX)
        return false;
    memcpy(self->key, secret.ptr, secret.len);
    self->key_len = secret.len;
    return true;
}

/* base64 of HMAC-SHA256 over "id.timestamp.body". `out` has room for 45 bytes. */
static bool signature(const struct sink_webhook *self, const char *head, struct lb_str body, char *out)
{
    unsigned char digest[SIGNATURE_BYTES];
    size_t len = sizeof(digest);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    char name[] = "SHA256";
    OSSL_PARAM parameters[] = { OSSL_PARAM_construct_utf8_string("digest", name, 0), OSSL_PARAM_construct_end() };
    bool done = context != NULL && EVP_MAC_init(context, self->key, self->key_len, parameters) == 1 &&
                EVP_MAC_update(context, (const unsigned char *)head, strlen(head)) == 1 &&
                EVP_MAC_update(context, (const unsigned char *)body.ptr, body.len) == 1 &&
                EVP_MAC_final(context, digest, &len, sizeof(digest)) == 1;

    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    if (done)
        EVP_EncodeBlock((unsigned char *)out, digest, (int)len);
    return done;
}

static bool sign(struct lb_sink *sink, const struct http_request *request, struct curl_slist **list)
{
    const struct sink_webhook *self = sink->state;
    long long now = (long long)(lb_clock_now() / LB_SECOND);
    char line[HTTP_ID_BYTES + 128];
    char code[64];

    snprintf(line, sizeof(line), "webhook-id: %s", request->id);
    if (!http_headers_add(list, line))
        return false;
    snprintf(line, sizeof(line), "Idempotency-Key: %s", request->id);
    if (!http_headers_add(list, line))
        return false;
    snprintf(line, sizeof(line), "webhook-timestamp: %lld", now);
    if (!http_headers_add(list, line))
        return false;
    if (self->key_len == 0)
        return true;
    snprintf(line, sizeof(line), "%s.%lld.", request->id, now);
    if (!signature(self, line, lb_buffer_str(&request->body), code))
        return false;
    snprintf(line, sizeof(line), "webhook-signature: v1,%s", code);
    return http_headers_add(list, line);
}

/* --- open -------------------------------------------------------------------------- */

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_webhook *self = sink->state;
    bool good = http_settings_check(sink, &self->http, diag);

    if (!decode_secret(self)) {
        lb_diag_error(diag, lb_section_place(&sink->section, "secret"),
                      "secret: expected whsec_ and base64 of %d to %d bytes, or a text of 1 to %d bytes", KEY_BYTES_MIN,
                      KEY_BYTES_MAX, SECRET_BYTES_MAX);
        good = false;
    }
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
    if (self->scratch.ptr != NULL && http_queue_open(&self->queue, sink, &self->http) == LB_OK)
        return LB_OK;
    http_queue_close(&self->queue);
    lb_free(self->scratch.ptr);
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
    if (self->body != 0)
        framing = HTTP_LINES;
    /* A record takes at most six times its line, where every byte has to be escaped. */
    self->open = http_request_new(framing, self->batch_size + (size_t)8 * LB_LINE_BYTES_MAX);
    return self->open != NULL;
}

static bool write_record(struct sink_webhook *self, const struct lb_batch *batch, const struct lb_record *record,
                         struct lb_token *token)
{
    char id[LB_RECORD_ID_SIZE];
    uint32_t start;

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
        if (!write_record(self, batch, lb_batch_selected(batch, selection, self->next), token)) {
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
    OPENSSL_cleanse(self->key, sizeof(self->key));
}

const struct lb_sink_type lb_sink_webhook = {
    .network = true,
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
