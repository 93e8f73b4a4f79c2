/*
 * sink_slack.c - tells a Slack channel, through an incoming webhook or by a
 * bot's token (the Web API), which keeps an alert in one thread.
 *
 * Log text stands in plain_text objects, in which only & < > mean anything,
 * and in one block of code that it cannot end. Success is a body of exactly
 * "ok", or JSON that says so: a 200 alone may be a proxy's. The tricky thing
 * is the thread: its name is known when the first message was answered, and a
 * second one may have been written before that. So a request has room for it,
 * which is filled at each try.
 */
#include "channel.h"
#include "firing_table.h"

#include "lb_alloc.h"
#include "lb_conf.h"
#include "lb_log.h"

#include <openssl/crypto.h>
#include <stdio.h>

/* Characters, as Slack documents them. */
enum {
    TITLE_UNITS = 150,
    TEXT_UNITS = 3000,
    NAME_UNITS = 100,
    VALUE_UNITS = 1500,
    SAMPLE_UNITS = 500,
    ROW_FIELDS = 10,
    TOKEN_BYTES_MAX = 512,
    CHANNEL_BYTES_MAX = 80,
    STAMP_BYTES = 40, /* of a message's name, "1503435956.000247" */
    ROOM_BYTES = 160, /* for a thread's name, or a channel's and a message's */
    NAME_SIZE = LB_NAME_BYTES_MAX + 16,
};

#define TEXT_FORM (CHANNEL_LINES | CHANNEL_ENTITIES)
#define LINE_FORM (CHANNEL_LINE | CHANNEL_ENTITIES)

struct sink_slack {
    struct channel channel;
    struct lb_str token;
    struct lb_str channel_name;
    struct lb_str endpoint;
    bool update;

    struct firing_table threads; /* by an alert's id: "CHANNEL STAMP" of its first message */
    char threads_name[NAME_SIZE];
};

/* What a request of the Web API is: the recipients of channel.h. */
enum { KIND_POST, KIND_UPDATE };

CHANNEL_GROUPS;

#define AT(member) offsetof(struct sink_slack, member)

static const struct lb_option options[] = {
    { .name = "url",
      .kind = LB_OPTION_STRING,
      .offset = AT(channel.http.url),
      .flags = LB_OPTION_SECRET,
      .help = "the incoming webhook of a channel, https://hooks.slack.com/services/...; or token and channel" },
    { .name = "token",
      .kind = LB_OPTION_STRING,
      .offset = AT(token),
      .flags = LB_OPTION_SECRET,
      .help = "of a bot (xoxb-...) that may chat:write: all of an alert is one thread" },
    { .name = "channel",
      .kind = LB_OPTION_STRING,
      .offset = AT(channel_name),
      .help = "with token: its id such as C0123456789, or '#name'" },
    { .name = "update",
      .kind = LB_OPTION_BOOL,
      .offset = AT(update),
      .fallback = "false",
      .help = "with token: whether the first message of an alert is changed, too, when it is over" },
    { .name = "endpoint",
      .kind = LB_OPTION_STRING,
      .offset = AT(endpoint),
      .fallback = "https://slack.com",
      .help = "with token: where the Web API is" },
    CHANNEL_OPTIONS,
    { 0 },
};

/* Names of Slack's own are for buttons; an attachment takes any colour. */
static const char *colour_of(const struct channel_message *message)
{
    static const char *const colours[] = { "#439FE0", "#2EB8B8", "#F2C744", "#E8710A", "#B3261E" };

    return channel_message_is_over(message) ? "#2EB67D" : colours[message->severity];
}

static void put_plain_start(struct lb_buffer *out)
{
    CHANNEL_PUT(out, "{\"type\":\"plain_text\",\"emoji\":false,\"text\":");
}

/* Sections of at most ten fields each. */
static void put_fields(struct lb_buffer *out, struct lb_buffer *words, const struct channel_message *message)
{
    for (uint32_t i = 0; i < message->fact_count; i++) {
        const struct channel_fact *fact = &message->facts[i];

        if (i % ROW_FIELDS == 0)
            CHANNEL_PUT(out, ",{\"type\":\"section\",\"fields\":[");
        else
            lb_buffer_append_char(out, ',');
        words->len = 0;
        channel_clean(words, fact->name, NAME_UNITS, LINE_FORM);
        lb_buffer_append_char(words, '\n');
        channel_clean(words, fact->value, channel_fact_units(fact, VALUE_UNITS), LINE_FORM);
        put_plain_start(out);
        channel_json(out, lb_buffer_str(words));
        lb_buffer_append_char(out, '}');
        if (i % ROW_FIELDS == ROW_FIELDS - 1 || i + 1 == message->fact_count)
            CHANNEL_PUT(out, "]}");
    }
}

static void put_samples(struct lb_buffer *out, struct lb_buffer *words, const struct channel_message *message)
{
    if (message->sample_count == 0)
        return;
    words->len = 0;
    CHANNEL_PUT(words, "```");
    for (uint32_t i = 0; i < message->sample_count; i++) {
        if (i > 0)
            lb_buffer_append_char(words, '\n');
        channel_clean(words, message->samples[i], SAMPLE_UNITS, LINE_FORM | CHANNEL_CODE);
    }
    CHANNEL_PUT(words, "```");
    CHANNEL_PUT(out, ",{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"verbatim\":true,\"text\":");
    channel_json(out, lb_buffer_str(words));
    CHANNEL_PUT(out, "}}");
}

/* The members of a message, and the brace that ends it. */
static void put_message(struct sink_slack *self, const struct channel_message *message, struct lb_buffer *out)
{
    struct lb_str title = lb_buffer_str(&self->channel.title);

    CHANNEL_PUT(out, "\"text\":");
    channel_json_clean(out, title, TITLE_UNITS, LINE_FORM);
    CHANNEL_PUT(out, ",\"mrkdwn\":false,\"unfurl_links\":false,\"unfurl_media\":false,\"attachments\":[{\"fallback\":");
    channel_json_clean(out, title, TITLE_UNITS, LINE_FORM);
    lb_buffer_print(out, ",\"color\":\"%s\",\"blocks\":[{\"type\":\"section\",\"text\":", colour_of(message));
    put_plain_start(out);
    channel_json_clean(out, message->text.len > 0 ? message->text : title, TEXT_UNITS, TEXT_FORM);
    CHANNEL_PUT(out, "}}");
    put_fields(out, &self->channel.words, message);
    put_samples(out, &self->channel.words, message);
    CHANNEL_PUT(out, "]}]}");
}

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    (void)recipient;
    lb_buffer_append_char(post->body, '{');
    put_message(sink->state, message, post->body);
}

static void judge(struct lb_sink *sink, const struct http_request *request, struct http_verdict *verdict)
{
    const struct sink_slack *self = sink->state;
    struct lb_value answer = channel_answer(verdict->answer);

    (void)request;
    if (answer.kind == LB_VALUE_OBJECT)
        channel_wait(&self->channel, verdict, lb_value_member(answer, LB_STR("retry_after")));
    if (verdict->action != HTTP_ACCEPT || lb_str_is(verdict->answer, "ok"))
        return;
    verdict->action = HTTP_REFUSE;
    if (answer.kind == LB_VALUE_OBJECT && lb_value_member(answer, LB_STR("retry_after")).kind == LB_VALUE_NUMBER)
        verdict->action = HTTP_RETRY;
}

/* --- the Web API ------------------------------------------------------------------------- */

static uint32_t api_recipients(const struct lb_sink *sink)
{
    return ((const struct sink_slack *)sink->state)->update ? 2 : 1;
}

/* Blanks behind the first brace are the room. */
static void api_compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                        const struct channel_post *post)
{
    struct sink_slack *self = sink->state;
    struct lb_buffer *out = post->body;
    char room[ROOM_BYTES];

    if (recipient == KIND_UPDATE && (!channel_message_is_over(message) || message->alert_id.len == 0))
        return;
    lb_buffer_append_str(post->path,
                         recipient == KIND_UPDATE ? LB_STR("/api/chat.update") : LB_STR("/api/chat.postMessage"));
    memset(room, ' ', sizeof(room));
    lb_buffer_append_char(out, '{');
    lb_buffer_append(out, room, sizeof(room));
    if (recipient == KIND_POST) {
        CHANNEL_PUT(out, "\"channel\":");
        channel_json(out, self->channel_name);
        lb_buffer_append_char(out, ',');
    }
    put_message(self, message, out);
}

/* The two words of a thread; false: they are no such. */
static bool read_thread(const struct firing *firing, struct lb_str *channel, struct lb_str *stamp)
{
    const char *blank = memchr(firing->text, ' ', firing->length);

    if (blank == NULL)
        return false;
    *channel = (struct lb_str){ firing->text, (size_t)(blank - firing->text) };
    *stamp = (struct lb_str){ blank + 1, firing->length - channel->len - 1 };
    return true;
}

static void fill_room(const struct sink_slack *self, const struct http_request *request)
{
    const struct firing *firing = firing_find(&self->threads, lb_str_from(request->subject));
    char room[ROOM_BYTES + 1];
    struct lb_str channel;
    struct lb_str stamp;
    int len = 0;

    if (firing == NULL || request->subject[0] == '\0' || !read_thread(firing, &channel, &stamp))
        return;
    if (request->kind == KIND_UPDATE)
        len = snprintf(room, sizeof(room), "\"channel\":\"" LB_STR_FMT "\",\"ts\":\"" LB_STR_FMT "\",",
                       LB_STR_ARG(channel), LB_STR_ARG(stamp));
    else
        len = snprintf(room, sizeof(room), "\"thread_ts\":\"" LB_STR_FMT "\",", LB_STR_ARG(stamp));
    if (len <= ROOM_BYTES)
        memcpy(request->body.ptr + 1, room, (size_t)len);
}

static bool api_sign(struct lb_sink *sink, const struct http_request *request, struct curl_slist **list)
{
    const struct sink_slack *self = sink->state;
    char line[TOKEN_BYTES_MAX + 32];

    memset(request->body.ptr + 1, ' ', ROOM_BYTES);
    fill_room(self, request);
    snprintf(line, sizeof(line), "Authorization: Bearer " LB_STR_FMT, LB_STR_ARG(self->token));
    bool added = http_headers_add(list, line);
    OPENSSL_cleanse(line, sizeof(line));
    return added;
}

static bool is_made_of(struct lb_str text, const char *characters, size_t bytes_max)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\0' || strchr(characters, text.ptr[i]) == NULL)
            return false;
    }
    return text.len > 0 && text.len <= bytes_max;
}

/* Without its name there is no thread, and all is well otherwise. */
static void remember_thread(struct sink_slack *self, struct lb_str alert, struct lb_value answer)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    struct lb_value channel = lb_value_member(answer, LB_STR("channel"));
    struct lb_value stamp = lb_value_member(answer, LB_STR("ts"));
    char text[2 * STAMP_BYTES + 2];

    if (!is_made_of((struct lb_str){ channel.ptr, channel.len }, letters, STAMP_BYTES) ||
        !is_made_of((struct lb_str){ stamp.ptr, stamp.len }, "0123456789.", STAMP_BYTES))
        return;
    int len = snprintf(text, sizeof(text), "%.*s %.*s", (int)channel.len, channel.ptr, (int)stamp.len, stamp.ptr);
    if (!firing_put(&self->threads, alert, (struct lb_str){ text, (size_t)len }, lb_clock_now()))
        LB_WARN("sink.slack", "too many alerts fire at once to keep each in a thread sink=" LB_STR_FMT,
                LB_STR_ARG(self->threads.name));
}

static bool is_over(const struct http_request *request)
{
    struct lb_value record = lb_value_of(lb_buffer_str(&request->original), LB_VALUE_OBJECT);
    struct lb_value state = lb_value_member(record, LB_STR("state"));
    struct lb_str word = { state.ptr, state.len };

    return word.len > 0 && (lb_str_is(word, "resolved") || lb_str_is(word, "suppressed"));
}

static void note_told(struct sink_slack *self, const struct http_request *request, struct lb_value answer)
{
    struct lb_str alert = lb_str_from(request->subject);

    if (alert.len == 0)
        return;
    /* Where the first message is not known the last one takes its place, so that an update has its object. */
    if (is_over(request) && (request->kind == KIND_UPDATE || !self->update))
        firing_remove(&self->threads, alert);
    else if (firing_find(&self->threads, alert) == NULL)
        remember_thread(self, alert, answer);
}

static bool is_one_of(struct lb_str word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (word.len > 0 && lb_str_is(word, *words))
            return true;
    }
    return false;
}

/* `ok` is false: `error` is a word that says why. */
static void judge_error(struct sink_slack *self, const struct http_request *request, struct lb_value answer,
                        struct http_verdict *verdict)
{
    static const char *const later[] = { "ratelimited", "rate_limited",    "internal_error",
                                         "fatal_error", "request_timeout", "service_unavailable",
                                         NULL };
    static const char *const no_thread[] = { "thread_not_found", "message_not_found", "cannot_reply_to_message", NULL };
    struct lb_value error = lb_value_member(answer, LB_STR("error"));
    struct lb_str word = { error.ptr, error.len };

    verdict->action = HTTP_REFUSE;
    if (is_one_of(word, later)) {
        verdict->action = HTTP_RETRY;
    } else if (request->kind == KIND_UPDATE) {
        LB_WARN("sink.slack", "the first message cannot be changed sink=" LB_STR_FMT " answer=\"%s\"",
                LB_STR_ARG(self->threads.name), verdict->reason);
        verdict->action = HTTP_ACCEPT; /* people were told */
        note_told(self, request, answer);
    } else if (is_one_of(word, no_thread) && firing_find(&self->threads, lb_str_from(request->subject)) != NULL) {
        firing_remove(&self->threads, lb_str_from(request->subject)); /* somebody deleted it: a new one */
        verdict->action = HTTP_RETRY;
    }
}

static void api_judge(struct lb_sink *sink, const struct http_request *request, struct http_verdict *verdict)
{
    struct sink_slack *self = sink->state;
    struct lb_value answer = channel_answer(verdict->answer);
    struct lb_value ok = { 0 };

    if (answer.kind == LB_VALUE_OBJECT) {
        channel_wait(&self->channel, verdict, lb_value_member(answer, LB_STR("retry_after")));
        ok = lb_value_member(answer, LB_STR("ok"));
    }
    if (verdict->action != HTTP_ACCEPT)
        return;
    if (ok.kind == LB_VALUE_BOOL && *ok.ptr == 't')
        note_told(self, request, answer);
    else if (ok.kind == LB_VALUE_BOOL)
        judge_error(self, request, answer, verdict);
    else
        verdict->action = HTTP_REFUSE; /* not Slack */
}

/* One in a second, short bursts: who sends more may be switched off by Slack. */
static const struct channel_type service = {
    .address_option = "url", .every_ns = LB_SECOND, .burst = 5, .compose = compose, .judge = judge
};

static const struct channel_type api = { .address_option = "endpoint",
                                         .content_type = "application/json; charset=utf-8",
                                         .every_ns = LB_SECOND,
                                         .burst = 5,
                                         .recipients = api_recipients,
                                         .compose = api_compose,
                                         .sign = api_sign,
                                         .judge = api_judge };

/* --- check, open, close -------------------------------------------------------------------- */

static bool check_api(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_slack *self = sink->state;
    const struct channel_word token = { "token", self->token,     "-_.",
                                        1,       TOKEN_BYTES_MAX, "a bot's token, such as xoxb-..." };
    const struct channel_word channel = {
        "channel", self->channel_name, "#-_.", 2, CHANNEL_BYTES_MAX, "a channel's id such as C0123456789, or '#name'"
    };
    struct lb_str url = self->channel.http.url;
    bool good = url.len == 0 || url.ptr == self->endpoint.ptr;

    if (!good)
        lb_diag_error(diag, lb_section_place(&sink->section, "url"),
                      "url: either a webhook's url, or token and channel; remove one of them");
    self->channel.http.url = self->endpoint;
    good &= channel_check(sink, &api, diag);
    good &= channel_check_word(sink, &token, diag);
    good &= channel_check_word(sink, &channel, diag);
    return good;
}

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    const struct sink_slack *self = sink->state;

    if (self->token.ptr != NULL)
        return check_api(sink, diag) ? LB_OK : LB_BAD_CONF;
    if (self->channel_name.len > 0 || self->update) {
        lb_diag_error(diag, lb_section_place(&sink->section, self->update ? "update" : "channel"),
                      "%s: token is missing: a webhook has a channel of its own, and changes no message",
                      self->update ? "update" : "channel");
        return LB_BAD_CONF;
    }
    return channel_check(sink, &service, diag) ? LB_OK : LB_BAD_CONF;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_slack *self = sink->state;
    enum lb_err err = channel_open(sink, self->token.ptr != NULL ? &api : &service, diag);

    if (err != LB_OK || self->token.ptr == NULL)
        return err;
    int len =
        snprintf(self->threads_name, sizeof(self->threads_name), LB_STR_FMT "#threads", LB_STR_ARG(sink->section.name));
    if (firing_open(&self->threads, sink->ledger, (struct lb_str){ self->threads_name, (size_t)len }) == LB_OK)
        return LB_OK;
    firing_close(&self->threads);
    channel_close(sink);
    lb_diag_error(diag, lb_section_place(&sink->section, "token"), "out of memory for the threads of alerts");
    return LB_NOMEM;
}

static void close_sink(struct lb_sink *sink)
{
    struct sink_slack *self = sink->state;

    firing_close(&self->threads);
    channel_close(sink);
}

const struct lb_sink_type lb_sink_slack = {
    .network = true,
    .tells = true,
    .module = { .name = "slack",
                .help = "tells a Slack channel of alerts, through an incoming webhook or a bot",
                .state_size = sizeof(struct sink_slack),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = close_sink,
};
