/*
 * channel_labels.c - an alert in the words of Prometheus.
 *
 * Labels are the identity there: no name may come twice, and a name has only
 * letters, digits and underscores.
 */
#include "channel_labels.h"

#include "channel.h"

enum {
    NAME_BYTES_MAX = 64,
    VALUE_UNITS = 256,
    TEXT_UNITS = 4096,
    LABELS_MAX = 2 * CHANNEL_PAIRS_MAX + 3,
};

/* What Prometheus takes as a label's name: other characters become an underscore. */
static size_t write_name(struct lb_str name, char *out)
{
    size_t len = name.len < NAME_BYTES_MAX ? name.len : NAME_BYTES_MAX;

    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

        out[i] = letter || (i > 0 && c >= '0' && c <= '9') ? c : '_';
    }
    return len;
}

/* Labels in the making: no name may come twice, and none without a value. */
struct labels {
    struct lb_buffer *out;
    char names[LABELS_MAX][NAME_BYTES_MAX];
    size_t lengths[LABELS_MAX];
    uint32_t count;
};

static void put_label(struct labels *labels, struct lb_str name, struct lb_str value)
{
    if (labels->count == LABELS_MAX || name.len == 0 || value.len == 0)
        return;
    char *written = labels->names[labels->count];
    size_t len = write_name(name, written);
    for (uint32_t i = 0; i < labels->count; i++) {
        if (labels->lengths[i] == len && memcmp(labels->names[i], written, len) == 0)
            return;
    }
    if (labels->count > 0)
        lb_buffer_append_char(labels->out, ',');
    labels->lengths[labels->count++] = len;
    channel_json(labels->out, (struct lb_str){ written, len });
    lb_buffer_append_char(labels->out, ':');
    channel_json_clean(labels->out, value, VALUE_UNITS, CHANNEL_LINE);
}

void channel_put_labels(struct lb_buffer *out, const struct channel_message *message, int severity)
{
    struct labels labels = { .out = out };

    lb_buffer_append_char(out, '{');
    put_label(&labels, LB_STR("alertname"), message->rule.len > 0 ? message->rule : LB_STR("log_record"));
    put_label(&labels, LB_STR("severity"), lb_str_from(channel_severity_names[severity]));
    for (uint32_t i = 0; i < message->key_count; i++)
        put_label(&labels, message->keys[i].name, message->keys[i].value);
    for (uint32_t i = 0; i < message->label_count; i++)
        put_label(&labels, message->labels[i].name, message->labels[i].value);
    if (message->state == CHANNEL_RECORD)
        put_label(&labels, LB_STR("service"), message->service);
    lb_buffer_append_char(out, '}');
}

void channel_put_annotations(struct lb_buffer *out, const struct channel_message *message, struct lb_str title)
{
    CHANNEL_PUT(out, ",\"annotations\":{\"summary\":");
    channel_json_clean(out, title, VALUE_UNITS, CHANNEL_LINE);
    CHANNEL_PUT(out, ",\"description\":");
    channel_json_clean(out, message->text, TEXT_UNITS, CHANNEL_LINES);
    CHANNEL_PUT(out, ",\"fingerprint\":");
    channel_json_clean(out, message->fingerprint, VALUE_UNITS, CHANNEL_LINE);
    if (message->runbook.len > 0) {
        CHANNEL_PUT(out, ",\"runbook_url\":");
        channel_json_clean(out, message->runbook, VALUE_UNITS, CHANNEL_LINE);
    }
    if (message->grep.len > 0) {
        CHANNEL_PUT(out, ",\"grep\":");
        channel_json_clean(out, message->grep, CHANNEL_WHOLE_UNITS, CHANNEL_LINE);
    }
    lb_buffer_append_char(out, '}');
}

/* Of the webhooks that Alertmanager itself sends; "0001-…" is its way to say that there is no end yet. */
static void put_alert(struct lb_buffer *out, const struct channel_message *message, struct lb_str title)
{
    bool over = channel_message_is_over(message);

    lb_buffer_print(out, "{\"status\":\"%s\",\"labels\":", over ? "resolved" : "firing");
    channel_put_labels(out, message, (int)message->severity);
    channel_put_annotations(out, message, title);
    CHANNEL_PUT(out, ",\"startsAt\":");
    channel_json_time(out, message->started_ns);
    CHANNEL_PUT(out, ",\"endsAt\":");
    if (over)
        channel_json_time(out, message->time_ns);
    else
        CHANNEL_PUT(out, "\"0001-01-01T00:00:00Z\"");
    CHANNEL_PUT(out, ",\"generatorURL\":");
    channel_json_clean(out, message->url, VALUE_UNITS, CHANNEL_LINE);
    CHANNEL_PUT(out, ",\"fingerprint\":");
    channel_json_clean(out, message->fingerprint, VALUE_UNITS, CHANNEL_LINE);
    lb_buffer_append_char(out, '}');
}

void channel_alertmanager_body(struct lb_buffer *out, const struct channel_message *message, struct lb_str title,
                               struct lb_str receiver)
{
    struct lb_str rule = message->rule.len > 0 ? message->rule : LB_STR("log_record");

    CHANNEL_PUT(out, "{\"version\":\"4\",\"groupKey\":");
    channel_json_clean(out, message->fingerprint, VALUE_UNITS, CHANNEL_LINE);
    lb_buffer_print(out, ",\"truncatedAlerts\":0,\"status\":\"%s\",\"receiver\":",
                    channel_message_is_over(message) ? "resolved" : "firing");
    channel_json(out, receiver);
    CHANNEL_PUT(out, ",\"groupLabels\":{\"alertname\":");
    channel_json_clean(out, rule, VALUE_UNITS, CHANNEL_LINE);
    CHANNEL_PUT(out, "},\"commonLabels\":");
    channel_put_labels(out, message, (int)message->severity);
    CHANNEL_PUT(out, ",\"commonAnnotations\":{},\"externalURL\":\"\",\"alerts\":[");
    put_alert(out, message, title);
    CHANNEL_PUT(out, "]}");
}
