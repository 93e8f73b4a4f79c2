/*
 * channel.c - from records to requests, for all channels.
 *
 * The tricky thing is a write() that cannot go on in the middle of a batch
 * (queue full, no memory): it remembers the record and the recipient, so that
 * nobody is told twice.
 */
#include "channel.h"

#include "lb_alloc.h"
#include "lb_conf.h"
#include "lb_json.h"
#include "lb_limits.h"

#include <stdio.h>

enum { STEP_MS = 20, TITLE_BYTES = 16 * 1024, PATH_BYTES = 4096, WORDS_BYTES = 256 * 1024 };

#define WAIT_MAX LB_SECOND /* of one write() for room in the queue */

/* --- open and close ---------------------------------------------------------------- */

bool channel_check(struct lb_sink *sink, const struct channel_type *type, struct lb_diag *diag)
{
    struct channel *self = sink->state;

    struct lb_str address = self->http.url;

    self->http.url_option = type->address_option;
    self->http.schemes[0] = type->schemes[0];
    self->http.schemes[1] = type->schemes[1];
    if (!http_settings_check(sink, &self->http, diag))
        return false;
    if (strcmp(type->address_option, "endpoint") != 0 || strpbrk(address.ptr, "?#") == NULL)
        return true;
    lb_diag_error(diag, lb_section_place(&sink->section, "endpoint"),
                  "endpoint: expected an address without ? and #; the path of the request is added to it");
    return false;
}

/* The value is not repeated: it may be secret. */
bool channel_check_word(struct lb_sink *sink, const struct channel_word *word, struct lb_diag *diag)
{
    bool good = word->value.len >= word->min && word->value.len <= word->max;

    for (size_t i = 0; good && i < word->value.len; i++) {
        char c = word->value.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        good = alphanumeric || (c != '\0' && strchr(word->others, c) != NULL);
    }
    if (!good)
        lb_diag_error(diag, lb_section_place(&sink->section, word->option), "%s: expected %s", word->option,
                      word->expected);
    return good;
}

enum lb_err channel_open(struct lb_sink *sink, const struct channel_type *type, struct lb_diag *diag)
{
    struct channel *self = sink->state;

    if (sink->type->check(sink, diag) != LB_OK)
        return LB_BAD_CONF;
    self->type = type;
    self->http.concurrency = 1; /* what is resolved must not overtake what fires */
    self->queue.sign = type->sign;
    self->queue.judge = type->judge;
    self->queue.protocol = type->protocol;
    self->queue.reads_limits = type->reads_limits;
    self->queue.every_ns = type->every_ns;
    self->queue.burst_ns = type->every_ns * type->burst;
    self->scratch = (struct lb_scratch){ lb_alloc(LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    self->formatter = (struct lb_formatter){ .format = LB_FORMAT_JSON, .scratch = &self->scratch };
    self->formatter.time.second = INT64_MIN;
    lb_buffer_init(&self->title, TITLE_BYTES);
    lb_buffer_init(&self->path, PATH_BYTES);
    lb_buffer_init(&self->words, WORDS_BYTES);
    if (self->scratch.ptr != NULL && http_queue_open(&self->queue, sink, &self->http) == LB_OK)
        return LB_OK;
    channel_close(sink);
    lb_diag_error(diag, lb_section_place(&sink->section, type->address_option), "out of memory for the HTTP client");
    return LB_NOMEM;
}

void channel_close(struct lb_sink *sink)
{
    struct channel *self = sink->state;

    http_queue_close(&self->queue);
    lb_free(self->scratch.ptr);
    lb_buffer_free(&self->title);
    lb_buffer_free(&self->path);
    lb_buffer_free(&self->words);
}

/* --- requests ------------------------------------------------------------------------ */

/* The path behind the configured address; an empty one needs no url of its own. */
static bool set_address(const struct channel *self, struct http_request *request, struct lb_str path)
{
    struct lb_str address = self->http.url;

    request->content_type = self->type->content_type;
    if (path.len == 0)
        return true;
    while (address.len > 0 && address.ptr[address.len - 1] == '/')
        address.len--;
    lb_buffer_append_str(&request->url, address);
    lb_buffer_append_str(&request->url, path);
    lb_buffer_append_char(&request->url, '\0');
    return !request->url.failed;
}

struct http_request *channel_request(const struct channel *self, struct lb_str path)
{
    struct http_request *request = http_request_new(HTTP_OBJECT, CHANNEL_BODY_BYTES);

    if (request == NULL || set_address(self, request, path))
        return request;
    http_request_free(request);
    return NULL;
}

/* The request for the message and the next recipient, and the record as it would be a dead letter. */
static bool fill_request(struct lb_sink *sink, struct http_request *request, const struct lb_batch *batch,
                         const struct lb_record *record)
{
    struct channel *self = sink->state;
    const struct channel_post post = { &request->body, &self->path };

    channel_message_read(&self->message, batch, record, &self->scratch);
    lb_buffer_reset(&self->title);
    channel_message_title(&self->title, &self->message);
    lb_buffer_reset(&self->path);
    lb_buffer_reset(&self->words);
    self->type->compose(sink, &self->message, self->next_recipient, &post);
    self->scratch.used = 0;
    lb_format_write(&self->formatter, batch, record, &request->original);
    if (request->original.len > 0 && request->original.ptr[request->original.len - 1] == '\n')
        request->original.len--;
    return !self->title.failed && !self->path.failed && !self->words.failed && !request->original.failed &&
           set_address(self, request, lb_buffer_str(&self->path));
}

static bool send_message(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_record *record,
                         struct lb_token *token)
{
    struct channel *self = sink->state;
    struct http_request *request = http_request_new(HTTP_OBJECT, CHANNEL_BODY_BYTES);

    if (request == NULL)
        return false;
    bool filled = fill_request(sink, request, batch, record);
    if (filled && request->body.len == 0 && !request->body.failed) { /* nothing to tell this one */
        http_request_free(request);
        return true;
    }
    if (!filled || !http_request_end(request, 0, self->message.id, token)) {
        http_request_free(request);
        return false;
    }
    request->kind = self->next_recipient;
    request->lane = self->type->lanes ? self->next_recipient + 1 : 0;
    snprintf(request->subject, sizeof(request->subject), LB_STR_FMT, LB_STR_ARG(self->message.alert_id));
    request->items[0].alert = (record->flags & LB_RECORD_ALERT) != 0;
    http_request_seal(request);
    http_queue_push(&self->queue, request);
    return true;
}

/* --- the sink's thread ------------------------------------------------------------------ */

/* False: the queue is still full, and the delivery code should say so. */
static bool wait_for_room(struct lb_sink *sink)
{
    struct channel *self = sink->state;
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

enum lb_err channel_write(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                          struct lb_token *token)
{
    struct channel *self = sink->state;
    uint32_t recipients = self->type->recipients != NULL ? self->type->recipients(sink) : 1;

    self->wrote = true;
    for (; self->next < selection->count; self->next++, self->next_recipient = 0) {
        const struct lb_record *record = lb_batch_selected(batch, selection, self->next);

        for (; self->next_recipient < recipients; self->next_recipient++) {
            if (!wait_for_room(sink))
                return LB_AGAIN;
            if (!send_message(sink, batch, record, token)) {
                lb_delivery_problem(sink, "out of memory: it goes on by itself when there is some");
                return LB_AGAIN;
            }
        }
    }
    self->next = 0;
    return LB_OK;
}

/* Where batches come in, requests move on without a wait; the wait for answers is for the time after. */
int64_t channel_tick(struct lb_sink *sink, int64_t monotonic_ns)
{
    struct channel *self = sink->state;
    bool busy = self->wrote;

    self->wrote = false;
    int64_t next = http_queue_step(&self->queue, busy ? 0 : STEP_MS);
    if (busy && self->queue.in_flight > 0)
        return lb_clock_monotonic() + LB_MILLISECOND;
    if (self->queue.first != NULL)
        return next;
    return self->type->idle != NULL ? self->type->idle(sink, monotonic_ns) : INT64_MAX;
}

void channel_drain(struct lb_sink *sink, int64_t deadline)
{
    struct channel *self = sink->state;

    while (self->queue.first != NULL && lb_clock_monotonic() < deadline) {
        int64_t next = http_queue_step(&self->queue, STEP_MS);

        http_queue_sleep(&self->queue, next < deadline ? next : deadline);
    }
}

/* --- answers ---------------------------------------------------------------------------- */

struct lb_value channel_answer(struct lb_str body)
{
    while (body.len > 0 && (unsigned char)body.ptr[body.len - 1] <= ' ')
        body.len--;
    while (body.len > 0 && (unsigned char)*body.ptr <= ' ')
        body = (struct lb_str){ body.ptr + 1, body.len - 1 };
    if (body.len == 0 || *body.ptr != '{' || !lb_json_valid(body))
        return (struct lb_value){ 0 };
    return lb_value_of(body, LB_VALUE_OBJECT);
}

void channel_wait(const struct channel *self, struct http_verdict *verdict, struct lb_value seconds)
{
    double longest = (double)self->http.retry_after_max_ns / (double)LB_SECOND;
    double number;

    if (!lb_value_number(seconds, &number) || !(number > 0))
        return;
    int64_t wait = (int64_t)((number < longest ? number : longest) * (double)LB_SECOND);
    if (wait > verdict->wait)
        verdict->wait = wait;
}

/* --- words for several channels ------------------------------------------------------------ */

void channel_words(struct lb_buffer *out, const struct channel_message *message, struct lb_str title)
{
    enum { TITLE_UNITS = 256, TEXT_UNITS = 2048, NAME_UNITS = 64, VALUE_UNITS = 256 };

    channel_clean(out, title, TITLE_UNITS, CHANNEL_LINE);
    lb_buffer_append_char(out, '\n');
    channel_clean(out, message->text, TEXT_UNITS, CHANNEL_LINES);
    lb_buffer_append_str(out, LB_STR("\n\n"));
    for (uint32_t i = 0; i < message->fact_count; i++) {
        channel_clean(out, message->facts[i].name, NAME_UNITS, CHANNEL_LINE);
        lb_buffer_append_str(out, LB_STR(": "));
        channel_clean(out, message->facts[i].value, channel_fact_units(&message->facts[i], VALUE_UNITS), CHANNEL_LINE);
        lb_buffer_append_char(out, '\n');
    }
    for (uint32_t i = 0; i < message->sample_count; i++) {
        lb_buffer_append_str(out, LB_STR("> "));
        channel_clean(out, message->samples[i], VALUE_UNITS, CHANNEL_LINE);
        lb_buffer_append_char(out, '\n');
    }
}

static bool is_told_before(const struct channel_message *message, uint32_t fact)
{
    for (uint32_t i = 0; i < fact; i++) {
        if (lb_str_equal(message->facts[i].name, message->facts[fact].name))
            return true;
    }
    return false;
}

void channel_json_facts(struct lb_buffer *out, const struct channel_message *message, uint32_t count_max,
                        size_t value_units)
{
    enum { NAME_UNITS = 48 };
    uint32_t count = 0;

    lb_buffer_append_char(out, '{');
    for (uint32_t i = 0; i < message->fact_count && count < count_max; i++) {
        if (is_told_before(message, i))
            continue;
        if (count++ > 0)
            lb_buffer_append_char(out, ',');
        channel_json_clean(out, message->facts[i].name, NAME_UNITS, CHANNEL_LINE);
        lb_buffer_append_char(out, ':');
        channel_json_clean(out, message->facts[i].value, channel_fact_units(&message->facts[i], value_units),
                           CHANNEL_LINE);
    }
    lb_buffer_append_char(out, '}');
}

void channel_json_time(struct lb_buffer *out, int64_t time_ns)
{
    char text[LB_TIME_TEXT_SIZE];

    lb_buffer_append_char(out, '"');
    lb_buffer_append(out, text, lb_time_write(time_ns, text));
    lb_buffer_append_char(out, '"');
}
