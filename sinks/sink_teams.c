/*
 * sink_teams.c - tells a Teams channel through a workflow's webhook.
 *
 * A card's TextBlock reads Markdown; a TextRun in a RichTextBlock does not,
 * so all text stands in those. A card over 28 KB is refused: the limits
 * below keep it smaller even where every character takes three bytes. An
 * answer of 200 may say in its body that Teams itself answered with an error.
 */
#include "channel.h"

#include <stdio.h>

enum { TITLE_UNITS = 200, TEXT_UNITS = 2000, SAMPLE_UNITS = 160, NAME_UNITS = 40, VALUE_UNITS = 160, FACTS_SHOWN = 16 };

struct sink_teams {
    struct channel channel;
};

CHANNEL_GROUPS;

static const struct lb_option options[] = {
    CHANNEL_URL("the webhook of a workflow, https://....logic.azure.com/workflows/..."),
    CHANNEL_OPTIONS,
    { 0 },
};

static const char *colour_of(const struct channel_message *message)
{
    static const char *const colours[] = { "Accent", "Accent", "Warning", "Warning", "Attention" };

    return channel_message_is_over(message) ? "Good" : colours[message->severity];
}

static void put_line_start(struct lb_buffer *out)
{
    CHANNEL_PUT(out, ",{\"type\":\"RichTextBlock\",\"inlines\":[");
}

/* `more`: further members, which begin with a comma. */
static void put_run(struct lb_buffer *out, struct lb_str text, size_t units_max, const char *more)
{
    CHANNEL_PUT(out, "{\"type\":\"TextRun\",\"text\":");
    channel_json_clean(out, text.len > 0 ? text : LB_STR(" "), units_max, CHANNEL_LINES);
    lb_buffer_print(out, "%s}", more);
}

static void put_body(struct lb_buffer *out, const struct channel_message *message, struct lb_str title)
{
    char more[80];

    snprintf(more, sizeof(more), ",\"weight\":\"Bolder\",\"size\":\"Large\",\"color\":\"%s\"", colour_of(message));
    CHANNEL_PUT(out, "{\"type\":\"RichTextBlock\",\"inlines\":[");
    put_run(out, title, TITLE_UNITS, more);
    CHANNEL_PUT(out, "]}");
    put_line_start(out);
    put_run(out, message->text, TEXT_UNITS, "");
    CHANNEL_PUT(out, "]}");
    for (uint32_t i = 0; i < message->fact_count && i < FACTS_SHOWN; i++) {
        put_line_start(out);
        put_run(out, message->facts[i].name, NAME_UNITS, ",\"weight\":\"Bolder\"");
        CHANNEL_PUT(out, ",{\"type\":\"TextRun\",\"text\":\"  \"},");
        put_run(out, message->facts[i].value, channel_fact_units(&message->facts[i], VALUE_UNITS), "");
        CHANNEL_PUT(out, "]}");
    }
    for (uint32_t i = 0; i < message->sample_count; i++) {
        put_line_start(out);
        put_run(out, message->samples[i], SAMPLE_UNITS, ",\"fontType\":\"Monospace\"");
        CHANNEL_PUT(out, "]}");
    }
}

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    struct sink_teams *self = sink->state;
    struct lb_buffer *out = post->body;

    (void)recipient;
    CHANNEL_PUT(out, "{\"type\":\"message\",\"attachments\":[{"
                     "\"contentType\":\"application/vnd.microsoft.card.adaptive\",\"contentUrl\":null,\"content\":{"
                     "\"$schema\":\"http://adaptivecards.io/schemas/adaptive-card.json\",\"type\":\"AdaptiveCard\","
                     "\"version\":\"1.2\",\"msteams\":{\"width\":\"full\"},\"body\":[");
    put_body(out, message, lb_buffer_str(&self->channel.title));
    CHANNEL_PUT(out, "]}}]}");
}

/* "Microsoft Teams endpoint returned HTTP error 429 with …" counts as that status. */
static void judge(struct lb_sink *sink, const struct http_request *request, struct http_verdict *verdict)
{
    static const struct lb_str words = { "HTTP error ", 11 };
    const struct sink_teams *self = sink->state;
    struct lb_str answer = verdict->answer;
    const char *at = answer.len > 0 ? memmem(answer.ptr, answer.len, words.ptr, words.len) : NULL;
    long status = 0;

    (void)request;
    if (at == NULL || verdict->action != HTTP_ACCEPT)
        return;
    for (at += words.len; at < answer.ptr + answer.len && *at >= '0' && *at <= '9' && status < 1000; at++)
        status = status * 10 + (*at - '0');
    verdict->status = status;
    verdict->action = http_policy_action(&self->channel.queue.policy, status);
}

/* The strictest of the published limits over a short time. */
static const struct channel_type service = {
    .address_option = "url", .every_ns = LB_SECOND / 2, .burst = 30, .compose = compose, .judge = judge
};

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_check(sink, &service, diag) ? LB_OK : LB_BAD_CONF;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_open(sink, &service, diag);
}

const struct lb_sink_type lb_sink_teams = {
    .network = true,
    .tells = true,
    .module = { .name = "teams",
                .help = "tells a Microsoft Teams channel of alerts, through a workflow",
                .state_size = sizeof(struct sink_teams),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = channel_close,
};
