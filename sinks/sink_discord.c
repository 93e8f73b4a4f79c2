/*
 * sink_discord.c - tells a Discord channel through a webhook.
 *
 * Embeds take Markdown everywhere, so log text gets a backslash before all
 * that could mean something; and allowed_mentions lets nobody be called,
 * whatever it says. A 429 says when to come back, to the millisecond.
 */
#include "channel.h"

/* Characters; all of an embed together may have 6000. */
enum {
    TITLE_UNITS = 256,
    TEXT_UNITS = 1600,
    LINKED_UNITS = 1000,
    SAMPLE_UNITS = 180,
    NAME_UNITS = 48,
    VALUE_UNITS = 180,
    FIELDS_MAX = 12
};

struct sink_discord {
    struct channel channel;
};

CHANNEL_GROUPS;

static const struct lb_option options[] = {
    CHANNEL_URL("the webhook of a channel, https://discord.com/api/webhooks/..."),
    CHANNEL_OPTIONS,
    { 0 },
};

static unsigned colour_of(const struct channel_message *message)
{
    static const unsigned colours[] = { 0x439fe0, 0x2eb8b8, 0xf2c744, 0xe8710a, 0xb3261e };

    return channel_message_is_over(message) ? 0x2eb67d : colours[message->severity];
}

/* They are shown whole, and need the room. */
static bool has_links(const struct channel_message *message)
{
    return message->url.len > 0 || message->grep.len > 0;
}

/* The text, then samples in a block of code that they cannot end. */
static void put_description(struct lb_buffer *out, struct lb_buffer *words, const struct channel_message *message)
{
    channel_clean(words, message->text, has_links(message) ? LINKED_UNITS : TEXT_UNITS,
                  CHANNEL_LINES | CHANNEL_MARKDOWN);
    if (message->sample_count > 0)
        CHANNEL_PUT(words, "\n```\n");
    for (uint32_t i = 0; i < message->sample_count; i++) {
        channel_clean(words, message->samples[i], SAMPLE_UNITS, CHANNEL_LINE | CHANNEL_CODE);
        lb_buffer_append_char(words, '\n');
    }
    if (message->sample_count > 0)
        CHANNEL_PUT(words, "```");
    channel_json(out, lb_buffer_str(words));
}

static void put_fields(struct lb_buffer *out, const struct channel_message *message)
{
    uint32_t fields_max = has_links(message) ? FIELDS_MAX - 1 : FIELDS_MAX;

    for (uint32_t i = 0; i < message->fact_count && i < fields_max; i++) {
        const struct channel_fact *fact = &message->facts[i];
        bool empty = fact->value.len == 0; /* an empty field would be refused */

        if (i > 0)
            lb_buffer_append_char(out, ',');
        lb_buffer_print(out, "{\"inline\":%s,\"name\":", fact->whole ? "false" : "true");
        channel_json_clean(out, fact->name.len > 0 ? fact->name : LB_STR("-"), NAME_UNITS, CHANNEL_MARKDOWN);
        CHANNEL_PUT(out, ",\"value\":");
        channel_json_clean(out, empty ? LB_STR("-") : fact->value, channel_fact_units(fact, VALUE_UNITS),
                           CHANNEL_MARKDOWN);
        lb_buffer_append_char(out, '}');
    }
}

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    struct sink_discord *self = sink->state;
    struct lb_buffer *out = post->body;

    (void)recipient;
    CHANNEL_PUT(out, "{\"allowed_mentions\":{\"parse\":[]},\"embeds\":[{\"title\":");
    channel_json_clean(out, lb_buffer_str(&self->channel.title), TITLE_UNITS, CHANNEL_MARKDOWN);
    CHANNEL_PUT(out, ",\"description\":");
    put_description(out, &self->channel.words, message);
    lb_buffer_print(out, ",\"color\":%u,\"timestamp\":", colour_of(message));
    channel_json_time(out, message->time_ns / LB_MILLISECOND * LB_MILLISECOND);
    CHANNEL_PUT(out, ",\"fields\":[");
    put_fields(out, message);
    CHANNEL_PUT(out, "]}]}");
}

/* 404: somebody deleted the webhook; who goes on is banned in the end. */
static void judge(struct lb_sink *sink, const struct http_request *request, struct http_verdict *verdict)
{
    enum { NOT_FOUND = 404 };
    struct sink_discord *self = sink->state;
    struct lb_value answer = channel_answer(verdict->answer);

    (void)request;
    if (answer.kind == LB_VALUE_OBJECT)
        channel_wait(&self->channel, verdict, lb_value_member(answer, LB_STR("retry_after")));
    if (verdict->status == NOT_FOUND && verdict->action == HTTP_REFUSE)
        self->channel.queue.gone = true;
}

static const struct channel_type service = {
    .address_option = "url", .reads_limits = true, .compose = compose, .judge = judge
};

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_check(sink, &service, diag) ? LB_OK : LB_BAD_CONF;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_open(sink, &service, diag);
}

const struct lb_sink_type lb_sink_discord = {
    .network = true,
    .tells = true,
    .module = { .name = "discord",
                .help = "tells a Discord channel of alerts, through a webhook",
                .state_size = sizeof(struct sink_discord),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = channel_close,
};
