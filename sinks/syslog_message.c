/*
 * syslog_message.c - header, structured data, text.
 *
 * The tricky thing are the three alphabets: a header's words are printable
 * ASCII without blanks, names of parameters are that without =, ] and ",
 * values are any text in which ", \ and ] have a backslash.
 */
#include "syslog_message.h"

#include "channel_text.h"

#include "lb_clock.h"
#include "lb_json.h"
#include "lb_time.h"

enum {
    HOST_BYTES = 255, /* RFC 5424 section 6 */
    APP_BYTES = 48,
    PROCID_BYTES = 128,
    MSGID_BYTES = 32,
    NAME_BYTES = 32,
    VALUE_UNITS = 1024,
    RESERVED_BYTES = 16 * 1024,
    TEXT_UNITS = 1024 * 1024,
};

/* IANA keeps this number for examples; we have none of our own. */
static const char own_id[] = "logboom@32473";

static void put_word(struct lb_buffer *out, struct lb_str text, size_t bytes_max, const char *not_these)
{
    size_t len = text.len < bytes_max ? text.len : bytes_max;

    for (size_t i = 0; i < len; i++) {
        char c = text.ptr[i];

        lb_buffer_append_char(out, c > ' ' && c <= '~' && strchr(not_these, c) == NULL ? c : '_');
    }
    if (len == 0)
        lb_buffer_append_char(out, '-');
}

/* --- structured data -------------------------------------------------------------------- */

static void put_value(struct lb_buffer *out, struct lb_buffer *words, struct lb_str text)
{
    lb_buffer_reset(words);
    channel_clean(words, text, VALUE_UNITS, CHANNEL_LINE);
    for (size_t i = 0; i < words->len; i++) {
        char c = words->ptr[i];

        if (c == '"' || c == '\\' || c == ']')
            lb_buffer_append_char(out, '\\');
        lb_buffer_append_char(out, c);
    }
    out->failed = out->failed || words->failed;
}

static void put_parameter(struct lb_buffer *out, struct lb_buffer *words, struct lb_str name, struct lb_str value)
{
    if (value.len == 0)
        return;
    lb_buffer_append_char(out, ' ');
    put_word(out, name, NAME_BYTES, "=]\"");
    lb_buffer_append_str(out, LB_STR("=\""));
    put_value(out, words, value);
    lb_buffer_append_char(out, '"');
}

static void put_alert(const struct channel_message *message, struct lb_buffer *words, struct lb_buffer *out)
{
    put_parameter(out, words, LB_STR("rule"), message->rule);
    put_parameter(out, words, LB_STR("state"), message->state_text);
    put_parameter(out, words, LB_STR("fingerprint"), message->fingerprint);
    for (uint32_t i = 0; i < message->fact_count; i++)
        put_parameter(out, words, message->facts[i].name, message->facts[i].value);
}

/* An element of ours: the alert, and the fields that were asked for. Nothing where it would be empty. */
static void put_own(const struct syslog_form *form, struct syslog_parts *parts, const struct lb_record *record,
                    struct lb_buffer *out)
{
    size_t start = out->len;

    lb_buffer_append_char(out, '[');
    lb_buffer_append_str(out, lb_str_from(own_id));
    size_t empty = out->len;
    if (parts->message.state != CHANNEL_RECORD)
        put_alert(&parts->message, &parts->words, out);
    for (size_t i = 0; i < form->fields.count; i++) {
        struct lb_scratch *scratch = parts->formatter->scratch;
        size_t used = scratch->used;

        put_parameter(out, &parts->words, form->fields.items[i],
                      lb_value_str(lb_record_get(record, form->fields.items[i], scratch), scratch));
        scratch->used = used;
    }
    if (out->len == empty)
        out->len = start;
    else
        lb_buffer_append_char(out, ']');
}

static void put_element(const struct lb_field *element, struct lb_scratch *scratch, struct lb_buffer *words,
                        struct lb_buffer *out)
{
    struct lb_field parameter;
    size_t kept = scratch->used;
    size_t at = 1;

    lb_buffer_append_char(out, '[');
    put_word(out, lb_value_str(element->key, scratch), NAME_BYTES, "=]\"");
    scratch->used = kept;
    while (element->value.kind == LB_VALUE_OBJECT &&
           lb_json_next_member((struct lb_str){ element->value.ptr, element->value.len }, &at, &parameter) == LB_OK) {
        size_t used = scratch->used;

        put_parameter(out, words, lb_value_str(parameter.key, scratch), lb_value_str(parameter.value, scratch));
        scratch->used = used;
    }
    lb_buffer_append_char(out, ']');
}

/* What came with the record: {id: {name: value}}. */
static void put_theirs(struct syslog_parts *parts, const struct lb_record *record, struct lb_buffer *out)
{
    const struct lb_field *field = lb_record_field(record, LB_STR("structured_data"));
    struct lb_field element;
    size_t at = 1;

    if (field == NULL || field->value.kind != LB_VALUE_OBJECT)
        return;
    while (lb_json_next_member((struct lb_str){ field->value.ptr, field->value.len }, &at, &element) == LB_OK) {
        struct lb_str id = { element.key.ptr, element.key.len };

        if (!lb_str_is(id, own_id)) /* no id may come twice */
            put_element(&element, parts->formatter->scratch, &parts->words, out);
    }
}

/* --- the message -------------------------------------------------------------------------------- */

static unsigned priority_of(const struct syslog_form *form, const struct lb_record *record)
{
    unsigned facility = record->facility > 0 ? record->facility - 1U : form->facility;
    unsigned level = form->severity != LB_LEVEL_NONE ? form->severity : record->level;

    if (level == LB_LEVEL_NONE)
        level = LB_LEVEL_INFO;
    return facility * 8 + (level < LB_LEVEL_DEBUG ? level : LB_LEVEL_DEBUG);
}

static struct lb_str field_text(const struct lb_record *record, const char *name, struct lb_scratch *scratch)
{
    return lb_value_str(lb_record_get(record, lb_str_from(name), scratch), scratch);
}

static void put_header(const struct syslog_form *form, struct syslog_parts *parts, const struct lb_record *record,
                       struct lb_buffer *out)
{
    struct lb_scratch *scratch = parts->formatter->scratch;
    struct lb_str host = parts->message.host.len > 0 ? parts->message.host : form->host;
    char time[LB_TIME_TEXT_SIZE];

    lb_buffer_print(out, "<%u>1 ", priority_of(form, record));
    lb_buffer_append(out, time, lb_time_write(record->time_ns / 1000 * 1000, time)); /* six digits at most */
    lb_buffer_append_char(out, ' ');
    put_word(out, host, HOST_BYTES, "");
    lb_buffer_append_char(out, ' ');
    lb_buffer_reset(&parts->words);
    lb_template_write(form->app_name, 0, record, record->time_ns, scratch, &parts->words);
    put_word(out, parts->words.failed ? parts->message.service : lb_buffer_str(&parts->words), APP_BYTES, "");
    lb_buffer_append_char(out, ' ');
    put_word(out, field_text(record, "pid", scratch), PROCID_BYTES, "");
    lb_buffer_append_char(out, ' ');
    if (parts->message.state != CHANNEL_RECORD)
        put_word(out, LB_STR("alert"), MSGID_BYTES, "");
    else
        put_word(out, field_text(record, "msgid", scratch), MSGID_BYTES, "");
    lb_buffer_append_char(out, ' ');
}

static void put_text(const struct syslog_form *form, struct syslog_parts *parts, const struct lb_batch *batch,
                     const struct lb_record *record, struct lb_buffer *out)
{
    size_t start = out->len;

    if (form->json) {
        parts->formatter->scratch->used = 0;
        lb_format_write(parts->formatter, batch, record, out);
        if (out->len > start && out->ptr[out->len - 1] == '\n')
            out->len--;
    } else {
        channel_clean(out, parts->message.text, TEXT_UNITS, CHANNEL_LINE);
    }
}

bool syslog_message_write(const struct syslog_form *form, struct syslog_parts *parts, const struct lb_batch *batch,
                          const struct lb_record *record, struct lb_buffer *out)
{
    size_t start = out->len;

    struct lb_scratch *scratch = parts->formatter->scratch;

    scratch->size -= RESERVED_BYTES; /* a long message leaves room for what is read later */
    channel_message_read(&parts->message, batch, record, scratch);
    scratch->size += RESERVED_BYTES;
    parts->message.text = channel_front(parts->message.text, form->bytes_max);
    put_header(form, parts, record, out);
    size_t data = out->len;
    put_own(form, parts, record, out);
    put_theirs(parts, record, out);
    if (out->len - start > form->bytes_max / 2 + form->bytes_max / 4) /* the text counts more */
        out->len = data;
    if (out->len == data)
        lb_buffer_append_char(out, '-');
    lb_buffer_append_char(out, ' ');
    put_text(form, parts, batch, record, out);
    if (out->failed)
        return false;
    out->len = start + channel_front((struct lb_str){ out->ptr + start, out->len - start }, form->bytes_max).len;
    return true;
}
