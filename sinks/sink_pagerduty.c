/*
 * sink_pagerduty.c - opens and resolves incidents through the Events API v2.
 *
 * The dedup_key is the alert's fingerprint: whatever happens to one rule and
 * key is one incident until it is resolved. Both may be sent twice.
 */
#include "channel.h"

enum { KEY_BYTES = 32, SUMMARY_UNITS = 1024, SOURCE_UNITS = 255, VALUE_UNITS = 1024, TEXT_UNITS = 8192 };

struct sink_pagerduty {
    struct channel channel;
    struct lb_str routing_key;
};

CHANNEL_GROUPS;

static const struct lb_option options[] = {
    { .name = "routing_key",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct sink_pagerduty, routing_key),
      .flags = LB_OPTION_REQUIRED | LB_OPTION_SECRET,
      .help = "the integration key of a service, 32 characters" },
    CHANNEL_ENDPOINT("https://events.pagerduty.com", "in the EU https://events.eu.pagerduty.com"),
    CHANNEL_OPTIONS,
    { 0 },
};

/* What came too late to be told one by one opens no more than a note. */
static const char *severity_of(const struct channel_message *message)
{
    static const char *const names[] = { "info", "info", "warning", "error", "critical" };

    return channel_message_is_note(message) ? "info" : names[message->severity];
}

static struct lb_str source_of(const struct channel_message *message)
{
    if (message->service.len > 0)
        return message->service;
    if (message->host.len > 0)
        return message->host;
    return message->rule.len > 0 ? message->rule : LB_STR("logboom");
}

static void put_details(struct lb_buffer *out, const struct channel_message *message)
{
    CHANNEL_PUT(out, ",\"custom_details\":{\"message\":");
    channel_json_clean(out, message->text, TEXT_UNITS, CHANNEL_LINES);
    CHANNEL_PUT(out, ",\"facts\":");
    channel_json_facts(out, message, CHANNEL_FACTS_MAX, VALUE_UNITS);
    CHANNEL_PUT(out, ",\"samples\":[");
    for (uint32_t i = 0; i < message->sample_count; i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        channel_json_clean(out, message->samples[i], VALUE_UNITS, CHANNEL_LINE);
    }
    CHANNEL_PUT(out, "]}");
}

static void put_payload(struct lb_buffer *out, const struct channel_message *message, struct lb_str title)
{
    CHANNEL_PUT(out, ",\"client\":\"logboom\",\"payload\":{\"summary\":");
    channel_json_clean(out, message->text.len > 0 ? message->text : title, SUMMARY_UNITS, CHANNEL_LINE);
    CHANNEL_PUT(out, ",\"source\":");
    channel_json_clean(out, source_of(message), SOURCE_UNITS, CHANNEL_LINE);
    lb_buffer_print(out, ",\"severity\":\"%s\",\"timestamp\":", severity_of(message));
    channel_json_time(out, message->time_ns / LB_MILLISECOND * LB_MILLISECOND);
    if (message->service.len > 0) {
        CHANNEL_PUT(out, ",\"component\":");
        channel_json_clean(out, message->service, SOURCE_UNITS, CHANNEL_LINE);
    }
    if (message->rule.len > 0) {
        CHANNEL_PUT(out, ",\"class\":");
        channel_json_clean(out, message->rule, SOURCE_UNITS, CHANNEL_LINE);
    }
    put_details(out, message);
    lb_buffer_append_char(out, '}');
}

/* One that is no web address is among the facts alone. True: it was put. */
static bool put_link(struct lb_buffer *out, const char *name, struct lb_str address, bool first)
{
    if (!lb_str_starts(address, LB_STR("http://")) && !lb_str_starts(address, LB_STR("https://")))
        return false;
    lb_buffer_print(out, "%s{\"text\":\"%s\",\"href\":", first ? ",\"links\":[" : ",", name);
    channel_json_clean(out, address, VALUE_UNITS, CHANNEL_LINE);
    lb_buffer_append_char(out, '}');
    return true;
}

static void put_links(struct lb_buffer *out, const struct channel_message *message)
{
    bool any = put_link(out, "Alert", message->url, true);

    any = put_link(out, "Runbook", message->runbook, !any) || any;
    if (any)
        lb_buffer_append_char(out, ']');
    if (message->url.len == 0)
        return;
    CHANNEL_PUT(out, ",\"client_url\":");
    channel_json_clean(out, message->url, VALUE_UNITS, CHANNEL_LINE);
}

static const char *action_of(const struct channel_message *message)
{
    if (channel_message_is_over(message))
        return "resolve";
    return message->state == CHANNEL_ACKNOWLEDGED ? "acknowledge" : "trigger";
}

static void compose(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post)
{
    struct sink_pagerduty *self = sink->state;
    struct lb_buffer *out = post->body;

    (void)recipient;
    CHANNEL_PUT(post->path, "/v2/enqueue");
    CHANNEL_PUT(out, "{\"routing_key\":");
    channel_json(out, self->routing_key);
    lb_buffer_print(out, ",\"event_action\":\"%s\",\"dedup_key\":", action_of(message));
    channel_json_clean(out, message->fingerprint, SOURCE_UNITS, CHANNEL_LINE);
    if (!channel_message_is_over(message) && message->state != CHANNEL_ACKNOWLEDGED) {
        put_payload(out, message, lb_buffer_str(&self->channel.title));
        put_links(out, message);
    }
    lb_buffer_append_char(out, '}');
}

static const struct channel_type service = { .address_option = "endpoint", .compose = compose };

static enum lb_err check(struct lb_sink *sink, struct lb_diag *diag)
{
    struct sink_pagerduty *self = sink->state;
    const struct channel_word key = {
        "routing_key", self->routing_key, "",
        KEY_BYTES,     KEY_BYTES,         "the integration key of a service (Events API v2): 32 letters and digits"
    };
    bool good = channel_check(sink, &service, diag);

    good &= channel_check_word(sink, &key, diag);
    return good ? LB_OK : LB_BAD_CONF;
}

static enum lb_err open_sink(struct lb_sink *sink, struct lb_diag *diag)
{
    return channel_open(sink, &service, diag);
}

const struct lb_sink_type lb_sink_pagerduty = {
    .network = true,
    .tells = true,
    .module = { .name = "pagerduty",
                .help = "opens and resolves PagerDuty incidents, by Events API v2",
                .state_size = sizeof(struct sink_pagerduty),
                .options = options },
    .check = check,
    .open = open_sink,
    .write = channel_write,
    .tick = channel_tick,
    .drain = channel_drain,
    .close = channel_close,
};
