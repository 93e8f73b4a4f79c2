/*
 * sink_slack.c - tells a Slack channel through an incoming webhook.
 *
 * Log text stands in plain_text objects, in which only & < > mean anything,
 * and in one block of code that it cannot end. Success is a body of exactly
 * "ok": a 200 alone may be a proxy's.
 */
#include "channel.h"

/* Characters, as Slack documents them. */
enum {
    TITLE_UNITS = 150,
    TEXT_UNITS = 3000,
    NAME_UNITS = 100,
    VALUE_UNITS = 1500,
    SAMPLE_UNITS = 500,
    ROW_FIELDS = 10
};

#define TEXT_FORM (CHANNEL_LINES | CHANNEL_ENTITIES)
#define LINE_FORM (CHANNEL_LINE | CHANNEL_ENTITIES)

struct sink_slack {
    struct channel channel;
};

CHANNEL_GROUPS;

static const struct lb_option options[] = {
    CHANNEL_URL("the incoming webhook of a channel, https://hooks.slack.com/services/..."),
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
        channel_clean(words, fact->value, VALUE_UNITS, LINE_FORM);
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

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    struct sink_slack *self = sink->state;
    struct lb_buffer *out = post->body;
    struct lb_str title = lb_buffer_str(&self->channel.title);

    (void)recipient;
    CHANNEL_PUT(out, "{\"text\":");
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

/* One in a second, short bursts: who sends more may be switched off by Slack. */
static const struct channel_type service = {
    .address_option = "url", .every_ns = LB_SECOND, .burst = 5, .compose = compose, .judge = judge
};

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_check(sink, &service, diag) ? LB_OK : LB_BAD_CONF;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_open(sink, &service, diag);
}

const struct lb_sink_type lb_sink_slack = {
    .network = true,
    .module = { .name = "slack",
                .help = "tells a Slack channel of alerts, through an incoming webhook",
                .state_size = sizeof(struct sink_slack),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = channel_close,
};
