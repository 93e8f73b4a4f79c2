/*
 * consumer_message.c - from a message to an entry: its value is the record's
 * message, and what `meta` asks for goes into an object `kafka`.
 */
#include "consumer.h"

#include "lb_json.h"

#include <inttypes.h>

static void begin(struct lb_buffer *out, const char *name)
{
    lb_buffer_print(out, "%s\"%s\":", out->ptr[out->len - 1] == '{' ? "" : ",", name);
}

static void add_text(struct lb_buffer *out, const char *name, struct lb_str text)
{
    begin(out, name);
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

/* Of several headers of one name the last one counts in JSON too; all are written, as they came. */
static void add_headers(struct lb_buffer *out, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    begin(out, "headers");
    lb_buffer_append_char(out, '{');
    for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        lb_buffer_append_char(out, '"');
        lb_json_escape(out, lb_str_from(name));
        lb_buffer_append(out, "\":\"", 3);
        lb_json_escape(out, (struct lb_str){ value, value != NULL ? len : 0 });
        lb_buffer_append_char(out, '"');
    }
    lb_buffer_append_char(out, '}');
}

static void write_meta(struct consumer *self, const rd_kafka_message_t *message)
{
    struct lb_buffer *out = &self->fields;

    lb_buffer_append(out, "{\"kafka\":{", 10);
    if ((self->meta & CONSUMER_META_TOPIC) != 0)
        add_text(out, "topic", lb_str_from(rd_kafka_topic_name(message->rkt)));
    if ((self->meta & CONSUMER_META_PARTITION) != 0) {
        begin(out, "partition");
        lb_buffer_print(out, "%" PRId32, message->partition);
    }
    if ((self->meta & CONSUMER_META_OFFSET) != 0) {
        begin(out, "offset");
        lb_buffer_print(out, "%" PRId64, message->offset);
    }
    if ((self->meta & CONSUMER_META_KEY) != 0 && message->key != NULL)
        add_text(out, "key", (struct lb_str){ message->key, message->key_len });
    if ((self->meta & CONSUMER_META_HEADERS) != 0)
        add_headers(out, message);
    lb_buffer_append(out, "}}", 2);
}

bool consumer_read(struct consumer *self, const rd_kafka_message_t *message, struct lb_entry *entry)
{
    size_t max_line = (size_t)self->source->options.max_line;
    rd_kafka_timestamp_type_t type;
    int64_t time_ms = rd_kafka_message_timestamp(message, &type);

    *entry = (struct lb_entry){
        .position = (uint64_t)message->offset,
        .time_ns = LB_TIME_NONE,
        .level = LB_LEVEL_NONE,
        .truncated = message->len > max_line,
        .message = { message->payload, message->len },
    };
    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && time_ms > 0 && time_ms < INT64_MAX / LB_MILLISECOND)
        entry->time_ns = time_ms * LB_MILLISECOND;
    while (entry->truncated &&
           (entry->message.len > max_line || (((unsigned char)entry->message.ptr[entry->message.len] & 0xC0) == 0x80 &&
                                              max_line - entry->message.len < 4 && entry->message.len > 0)))
        entry->message.len = entry->message.len > max_line ? max_line : entry->message.len - 1;
    lb_buffer_reset(&self->fields);
    if (self->meta == 0)
        return true;
    write_meta(self, message);
    if (self->fields.failed && self->fields.capacity < CONSUMER_META_BYTES_MAX)
        return false;
    if (!self->fields.failed) /* a key or headers without end are left out, not the message */
        entry->fields = lb_buffer_str(&self->fields);
    return true;
}
