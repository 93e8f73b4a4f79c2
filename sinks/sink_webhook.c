/*
 * sink_webhook.c - POSTs records as JSON, signed after Standard Webhooks 1.0.
 *
 * With batch.count 1 (what alerts want) the body is one object; above it, an
 * array. The webhook-id is the id of the first record, so it is the same on
 * every try and after a restart; a receiver that keeps ids sees each record
 * once. Order and retries are http_queue's.
 */
#include "http_queue.h"

#include "lb_alloc.h"
#include "lb_format.h"
#include "lb_limits.h"

#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>

enum { SECRET_BYTES_MAX = 256, STEP_MS = 20, SIGNATURE_BYTES = 32 };

struct sink_webhook {
    struct http_settings http;
    struct lb_str secret;
    uint64_t batch_count;
    uint64_t batch_size;
    int64_t batch_every_ns;

    struct http_queue queue;
    struct http_request *open; /* still taking records */
    int64_t open_since;        /* monotonic */
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

static const struct lb_option options[] = {
    HTTP_QUEUE_OPTIONS(struct sink_webhook),
    { .name = "secret",
      .kind = LB_OPTION_STRING,
      .offset = AT(secret),
      .flags = LB_OPTION_SECRET,
      .help = "signs each request (webhook-signature); whsec_ and base64, or any text" },
    { .name = "batch", .kind = LB_OPTION_GROUP, .group = batch_options, .help = "records of one request" },
    { 0 },
};

/* --- signature (Standard Webhooks 1.0) ------------------------------------------ */

static bool decode_secret(struct sink_webhook *self)
{
    struct lb_str secret = self->secret;

    if (!lb_str_starts(secret, LB_STR("whsec_"))) {
        self->key_len = secret.len < SECRET_BYTES_MAX ? secret.len : SECRET_BYTES_MAX;
        memcpy(self->key, secret.ptr != NULL ? secret.ptr : "", self->key_len);
        return secret.len <= SECRET_BYTES_MAX;
    }
    size_t len = secret.len - 6;
    if (len == 0 || len % 4 != 0 || len / 4 * 3 > SECRET_BYTES_MAX)
        return false;
    int decoded = EVP_DecodeBlock(self->key, (const unsigned char *)secret.ptr + 6, (int)len);
    if (decoded < 0)
        return false;
    self->key_len = (size_t)decoded - (secret.ptr[secret.len - 1] == '=') - (secret.ptr[secret.len - 2] == '=');
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

static struct curl_slist *sign(struct lb_sink *sink, const struct http_request *request, struct curl_slist *list)
{
    const struct sink_webhook *self = sink->state;
    long long now = (long long)(lb_clock_now() / LB_SECOND);
    char line[HTTP_ID_BYTES + 128];
    char code[64];

    snprintf(line, sizeof(line), "webhook-id: %s", request->id);
    list = curl_slist_append(list, line);
    snprintf(line, sizeof(line), "Idempotency-Key: %s", request->id);
    list = curl_slist_append(list, line);
    snprintf(line, sizeof(line), "webhook-timestamp: %lld", now);
    list = curl_slist_append(list, line);
    snprintf(line, sizeof(line), "%s.%lld.", request->id, now);
    if (self->key_len == 0 || !signature(self, line, lb_buffer_str(&request->body), code))
        return list;
    snprintf(line, sizeof(line), "webhook-signature: v1,%s", code);
    return curl_slist_append(list, line);
}

/* --- open -------------------------------------------------------------------------- */

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_webhook *self = sink->state;
    bool good = http_settings_check(sink, &self->http, diag);

    if (!decode_secret(self)) {
        lb_diag_error(diag, lb_section_place(&sink->section, "secret"),
                      "secret: expected whsec_ and base64 of 24 to 64 bytes, or a text of at most %d bytes",
                      SECRET_BYTES_MAX);
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
    if (self->open == NULL)
        return;
    if (self->batch_count > 1)
        lb_buffer_append_char(&self->open->body, ']');
    http_queue_push(&self->queue, self->open);
    self->open = NULL;
}

static bool open_request(struct sink_webhook *self, const struct lb_batch *batch, const struct lb_record *record)
{
    char id[LB_RECORD_ID_SIZE];
    size_t len = lb_record_id(batch, record, id);

    self->open = http_request_new(self->batch_size + LB_LINE_BYTES_MAX);
    if (self->open == NULL)
        return false;
    snprintf(self->open->id, sizeof(self->open->id), "lb_%.*s", (int)len, id);
    self->open_since = lb_clock_monotonic();
    if (self->batch_count > 1)
        lb_buffer_append_char(&self->open->body, '[');
    return true;
}

static bool write_record(struct sink_webhook *self, const struct lb_batch *batch, const struct lb_record *record,
                         struct lb_token *token)
{
    if (self->open == NULL && !open_request(self, batch, record))
        return false;
    if (!http_request_hold(self->open, token))
        return false;

    struct lb_buffer *body = &self->open->body;

    if (self->open->records > 0)
        lb_buffer_append_char(body, ',');
    self->scratch.used = 0;
    lb_format_write(&self->formatter, batch, record, body);
    if (body->len > 0 && body->ptr[body->len - 1] == '\n')
        body->len--;
    self->open->records++;
    if (self->open->records >= self->batch_count || body->len >= self->batch_size)
        finish_request(self);
    return true;
}

static enum lb_err write_batch(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                               struct lb_token *token)
{
    struct sink_webhook *self = sink->state;

    if (http_queue_full(&self->queue)) {
        http_queue_step(&self->queue, STEP_MS);
        return LB_AGAIN;
    }
    for (uint32_t i = 0; i < selection->count; i++) {
        if (!write_record(self, batch, lb_batch_selected(batch, selection, i), token))
            return LB_AGAIN; /* out of memory: what is in requests is sent again under the same id */
    }
    return LB_OK;
}

static int64_t tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct sink_webhook *self = sink->state;
    int64_t due = INT64_MAX;

    if (self->open != NULL) {
        due = self->open_since + self->batch_every_ns;
        if (due <= monotonic_ns)
            finish_request(self);
    }
    int64_t next = http_queue_step(&self->queue, STEP_MS);
    return due > monotonic_ns && due < next ? due : next;
}

static void drain(struct lb_sink *sink, int64_t deadline)
{
    struct sink_webhook *self = sink->state;

    finish_request(self);
    while (self->queue.first != NULL && lb_clock_monotonic() < deadline) {
        int64_t next = http_queue_step(&self->queue, STEP_MS);
        int64_t wait = (next < deadline ? next : deadline) - lb_clock_monotonic();

        if (wait > 0 && self->queue.in_flight == 0)
            curl_multi_poll(self->queue.multi, NULL, 0, (int)(wait / LB_MILLISECOND) + 1, NULL);
    }
}

static void close_sink(struct lb_sink *sink)
{
    struct sink_webhook *self = sink->state;

    if (self->open != NULL)
        http_request_free(self->open);
    http_queue_close(&self->queue);
    lb_free(self->scratch.ptr);
}

const struct lb_sink_type lb_sink_webhook = {
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
