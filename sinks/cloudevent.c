/*
 * cloudevent.c - attributes made of a message.
 *
 * Values are written to one buffer that may move while it grows: they are
 * noted by their ends, and become slices when all of them are there.
 */
#include "cloudevent.h"

#include "channel_text.h"

#include "lb_clock.h"
#include "lb_time.h"

#include <unistd.h>

enum { HOST_BYTES = 256, VALUE_UNITS = 256, TYPE_UNITS = 40 };

struct maker {
    struct cloudevent *event;
    struct lb_buffer *words;
    size_t start;
};

static void end_value(struct maker *maker, const char *name)
{
    struct cloudevent *event = maker->event;

    if (maker->words->len > maker->start)
        event->attributes[event->count++] =
            (struct cloudevent_attribute){ name, { NULL, maker->words->len - maker->start } };
    maker->start = maker->words->len;
}

/* `io.logboom.alert.firing.v1`: of a word that is not known only what a type may have. */
static void write_type(struct lb_buffer *out, const struct channel_message *message)
{
    lb_buffer_append_str(out, LB_STR("io.logboom."));
    lb_buffer_append_str(out, message->state == CHANNEL_RECORD ? LB_STR("record") : LB_STR("alert."));
    for (size_t i = 0; i < message->state_text.len && i < TYPE_UNITS; i++) {
        char c = message->state_text.ptr[i];
        bool word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';

        lb_buffer_append_char(out, word ? c : '_');
    }
    lb_buffer_append_str(out, LB_STR(".v1"));
}

static void write_id(struct lb_buffer *out, const struct channel_message *message)
{
    if (message->alert_id.len > 0 && message->sequence.len > 0) {
        channel_clean(out, message->alert_id, VALUE_UNITS, CHANNEL_LINE);
        lb_buffer_append_char(out, ':');
        channel_clean(out, message->sequence, VALUE_UNITS, CHANNEL_LINE);
        return;
    }
    lb_buffer_append_str(out, lb_str_from(message->id));
}

/* "error_rate/payments", of a record its service. */
static void write_subject(struct lb_buffer *out, const struct channel_message *message)
{
    channel_clean(out, message->state == CHANNEL_RECORD ? message->service : message->rule, VALUE_UNITS, CHANNEL_LINE);
    for (uint32_t i = 0; i < message->key_count; i++) {
        lb_buffer_append_char(out, '/');
        channel_clean(out, message->keys[i].value, VALUE_UNITS, CHANNEL_LINE);
    }
}

static void write_source(struct lb_buffer *out)
{
    char host[HOST_BYTES] = "";

    if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
        memcpy(host, "localhost", sizeof("localhost"));
    lb_buffer_append_str(out, LB_STR("/logboom/"));
    channel_percent(out, lb_str_from(host));
}

bool cloudevent_make(struct cloudevent *event, const struct channel_message *message, struct lb_buffer *words)
{
    struct maker maker = { event, words, 0 };
    char time[LB_TIME_TEXT_SIZE];
    size_t at = 0;

    lb_buffer_reset(words);
    event->count = 0;
    lb_buffer_append_str(words, LB_STR("1.0"));
    end_value(&maker, "specversion");
    write_id(words, message);
    end_value(&maker, "id");
    write_source(words);
    end_value(&maker, "source");
    write_type(words, message);
    end_value(&maker, "type");
    lb_buffer_append(words, time, lb_time_write(message->time_ns, time));
    end_value(&maker, "time");
    write_subject(words, message);
    end_value(&maker, "subject");
    if (message->state != CHANNEL_RECORD)
        channel_clean(words, message->fingerprint, VALUE_UNITS, CHANNEL_LINE);
    end_value(&maker, "partitionkey");
    lb_buffer_append_str(words, lb_str_from(channel_severity_names[message->severity]));
    end_value(&maker, "severity");
    for (uint32_t i = 0; i < event->count; i++) {
        event->attributes[i].value.ptr = words->ptr + at;
        at += event->attributes[i].value.len;
    }
    return !words->failed;
}

void cloudevent_body(struct lb_buffer *out, const struct channel_message *message, struct lb_str json,
                     struct lb_buffer *words)
{
    struct cloudevent event = { 0 };

    if (!cloudevent_make(&event, message, words)) {
        out->failed = true;
        return;
    }
    for (uint32_t i = 0; i < event.count; i++) {
        lb_buffer_print(out, "%s\"%s\":", i == 0 ? "{" : ",", event.attributes[i].name);
        channel_json(out, event.attributes[i].value);
    }
    lb_buffer_append_str(out, LB_STR(",\"datacontenttype\":\"application/json\",\"data\":"));
    lb_buffer_append_str(out, json);
    lb_buffer_append_char(out, '}');
}
