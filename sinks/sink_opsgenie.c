/*
 * sink_opsgenie.c - opens and closes alerts through the Alert API.
 *
 * The alias is the alert's fingerprint: Opsgenie counts what comes again
 * while it is open, and it is closed by it.
 */
#include "channel.h"

#include <openssl/crypto.h>
#include <stdio.h>

/* Characters, as Opsgenie documents them; details of 8000 in all. */
enum {
    KEY_BYTES_MAX = 128,
    MESSAGE_UNITS = 130,
    ALIAS_UNITS = 512,
    DESCRIPTION_UNITS = 15000,
    ENTITY_UNITS = 512,
    TAG_UNITS = 50,
    DETAILS_MAX = 24,
    VALUE_UNITS = 250,
    NOTE_UNITS = 2000,
};

struct sink_opsgenie {
    struct channel channel;
    struct lb_str api_key;
};

CHANNEL_GROUPS;

static const struct lb_option options[] = {
    { .name = "api_key",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct sink_opsgenie, api_key),
      .flags = LB_OPTION_REQUIRED | LB_OPTION_SECRET,
      .help = "the key of an API integration" },
    CHANNEL_ENDPOINT("https://api.opsgenie.com", "in the EU https://api.eu.opsgenie.com"),
    CHANNEL_OPTIONS,
    { 0 },
};

/* What is done to an alert that is there: "close", "acknowledge". */
static void compose_action(const struct channel_message *message, const char *action, const struct channel_post *post)
{
    CHANNEL_PUT(post->path, "/v2/alerts/");
    channel_percent(post->path, message->fingerprint);
    lb_buffer_print(post->path, "/%s?identifierType=alias", action);
    CHANNEL_PUT(post->body, "{\"source\":\"logboom\",\"note\":");
    channel_json_clean(post->body, message->text, NOTE_UNITS, CHANNEL_LINES);
    lb_buffer_append_char(post->body, '}');
}

static void put_tags(struct lb_buffer *out, const struct channel_message *message)
{
    CHANNEL_PUT(out, ",\"tags\":[\"logboom\"");
    if (message->rule.len > 0) {
        lb_buffer_append_char(out, ',');
        channel_json_clean(out, message->rule, TAG_UNITS, CHANNEL_LINE);
    }
    lb_buffer_append_char(out, ']');
}

static int priority_of(const struct channel_message *message)
{
    return channel_message_is_note(message) ? LB_SEVERITY_COUNT : LB_SEVERITY_COUNT - (int)message->severity;
}

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    struct sink_opsgenie *self = sink->state;
    struct lb_str title = lb_buffer_str(&self->channel.title);
    struct lb_buffer *words = &self->channel.words;
    struct lb_buffer *out = post->body;

    (void)recipient;
    if (channel_message_is_over(message) || message->state == CHANNEL_ACKNOWLEDGED) {
        compose_action(message, channel_message_is_over(message) ? "close" : "acknowledge", post);
        return;
    }
    CHANNEL_PUT(post->path, "/v2/alerts");
    CHANNEL_PUT(out, "{\"message\":");
    channel_json_clean(out, message->text.len > 0 ? message->text : title, MESSAGE_UNITS, CHANNEL_LINE);
    CHANNEL_PUT(out, ",\"alias\":");
    channel_json_clean(out, message->fingerprint, ALIAS_UNITS, CHANNEL_LINE);
    CHANNEL_PUT(out, ",\"description\":");
    channel_words(words, message, title);
    channel_json_clean(out, lb_buffer_str(words), DESCRIPTION_UNITS, CHANNEL_LINES);
    CHANNEL_PUT(out, ",\"details\":");
    channel_json_facts(out, message, DETAILS_MAX, VALUE_UNITS);
    put_tags(out, message);
    if (message->service.len > 0) {
        CHANNEL_PUT(out, ",\"entity\":");
        channel_json_clean(out, message->service, ENTITY_UNITS, CHANNEL_LINE);
    }
    lb_buffer_print(out, ",\"source\":\"logboom\",\"priority\":\"P%d\"}", priority_of(message));
}

static bool sign(struct lb_sink *sink, const struct http_request *request, struct curl_slist **list)
{
    const struct sink_opsgenie *self = sink->state;
    char line[KEY_BYTES_MAX + 40];

    (void)request;
    snprintf(line, sizeof(line), "Authorization: GenieKey " LB_STR_FMT, LB_STR_ARG(self->api_key));
    bool added = http_headers_add(list, line);
    OPENSSL_cleanse(line, sizeof(line));
    return added;
}

static const struct channel_type service = { .address_option = "endpoint", .compose = compose, .sign = sign };

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_opsgenie *self = sink->state;
    const struct channel_word key = {
        "api_key", self->api_key, "-_",
        1,         KEY_BYTES_MAX, "the key of an API integration: letters, digits and -, without blanks"
    };
    bool good = channel_check(sink, &service, diag);

    good &= channel_check_word(sink, &key, diag);
    return good ? LB_OK : LB_BAD_CONF;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_open(sink, &service, diag);
}

const struct lb_sink_type lb_sink_opsgenie = {
    .network = true,
    .tells = true,
    .module = { .name = "opsgenie",
                .help = "opens and closes Opsgenie alerts",
                .state_size = sizeof(struct sink_opsgenie),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = channel_close,
};
