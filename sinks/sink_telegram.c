/*
 * sink_telegram.c - tells a Telegram chat through a bot.
 *
 * Without a parse_mode text is text: nothing a log line says is markup. The
 * token stands in the path, so the address is a secret; success is "ok" in
 * the answer, and a 429 says in its body when to come back.
 */
#include "channel.h"

enum { TEXT_UNITS = 4096, TOKEN_BYTES_MIN = 20, TOKEN_BYTES_MAX = 128, CHAT_BYTES_MAX = 64 };

struct sink_telegram {
    struct channel channel;
    struct lb_str token;
    struct lb_str chat_id;
};

CHANNEL_GROUPS;

static const struct lb_option options[] = {
    { .name = "token",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct sink_telegram, token),
      .flags = LB_OPTION_REQUIRED | LB_OPTION_SECRET,
      .help = "the bot's token, as BotFather gave it" },
    { .name = "chat_id",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct sink_telegram, chat_id),
      .flags = LB_OPTION_REQUIRED | LB_OPTION_SECRET,
      .help = "the chat's number (a group's is negative; quote it), or @name of a public channel" },
    CHANNEL_ENDPOINT("https://api.telegram.org", "a server of your own"),
    CHANNEL_OPTIONS,
    { 0 },
};

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    struct sink_telegram *self = sink->state;
    struct lb_buffer *words = &self->channel.words;
    struct lb_buffer *out = post->body;

    (void)recipient;
    CHANNEL_PUT(post->path, "/bot");
    lb_buffer_append_str(post->path, self->token);
    CHANNEL_PUT(post->path, "/sendMessage");
    channel_words(words, message, lb_buffer_str(&self->channel.title));
    CHANNEL_PUT(out, "{\"chat_id\":");
    channel_json(out, self->chat_id);
    CHANNEL_PUT(out, ",\"text\":");
    channel_json_clean(out, lb_buffer_str(words), TEXT_UNITS, CHANNEL_LINES);
    lb_buffer_print(out, ",\"disable_notification\":%s,\"link_preview_options\":{\"is_disabled\":true}}",
                    channel_message_is_over(message) ? "true" : "false");
}

static void judge(struct lb_sink *sink, const struct http_request *request, struct http_verdict *verdict)
{
    const struct sink_telegram *self = sink->state;
    struct lb_value answer = channel_answer(verdict->answer);
    struct lb_value parameters = { 0 };
    struct lb_value ok = { 0 };

    (void)request;
    if (answer.kind == LB_VALUE_OBJECT) {
        ok = lb_value_member(answer, LB_STR("ok"));
        parameters = lb_value_member(answer, LB_STR("parameters"));
    }
    if (parameters.kind == LB_VALUE_OBJECT)
        channel_wait(&self->channel, verdict, lb_value_member(parameters, LB_STR("retry_after")));
    if (verdict->action == HTTP_ACCEPT && !(ok.kind == LB_VALUE_BOOL && *ok.ptr == 't'))
        verdict->action = HTTP_REFUSE;
}

/* A group takes twenty in a minute, a person one in a second. */
static const struct channel_type service = {
    .address_option = "endpoint", .every_ns = 3 * LB_SECOND, .burst = 10, .compose = compose, .judge = judge
};

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_telegram *self = sink->state;
    const struct channel_word token = { "token",         self->token,     ":-_",
                                        TOKEN_BYTES_MIN, TOKEN_BYTES_MAX, "a bot's token, such as 123456789:AAH_..." };
    const struct channel_word chat = {
        "chat_id", self->chat_id,  "@-_",
        1,         CHAT_BYTES_MAX, "the number of a chat, such as '-1001234567890', or @name of a public channel"
    };
    bool good = channel_check(sink, &service, diag);

    good &= channel_check_word(sink, &token, diag);
    good &= channel_check_word(sink, &chat, diag);
    return good ? LB_OK : LB_BAD_CONF;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_open(sink, &service, diag);
}

const struct lb_sink_type lb_sink_telegram = {
    .network = true,
    .tells = true,
    .module = { .name = "telegram",
                .help = "tells a Telegram chat of alerts, through a bot",
                .state_size = sizeof(struct sink_telegram),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = channel_close,
};
