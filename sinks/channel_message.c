/*
 * channel_message.c - record → message.
 *
 * Fields of an alert are the engine's own, but keys and samples are log text.
 * Small things are decoded first and the message last, with what is left of
 * the scratch: a long message cannot take the place of an identity.
 */
#include "channel_message.h"

#include "channel_text.h"
#include "lb_json.h"
#include "lb_time.h"

#include <stdio.h>

enum { NAME_BYTES_MAX = 4096, TEXT_BYTES_MAX = LB_SCRATCH_BYTES }; /* more than any channel shows */

const char *const channel_severity_names[] = { "info", "low", "medium", "high", "critical", NULL };

static const char *const states[] = {
    [CHANNEL_RECORD] = "",
    [CHANNEL_FIRING] = "firing",
    [CHANNEL_UPDATED] = "updated",
    [CHANNEL_REPEATED] = "repeated",
    [CHANNEL_ESCALATED] = "escalated",
    [CHANNEL_FLAPPING] = "flapping",
    [CHANNEL_ACKNOWLEDGED] = "acknowledged",
    [CHANNEL_RESOLVED] = "resolved",
    [CHANNEL_SUPPRESSED] = "suppressed",
    [CHANNEL_SUMMARY] = "summary",
    [CHANNEL_DIGEST] = "digest",
    [CHANNEL_HEARTBEAT] = "heartbeat",
    [CHANNEL_REPORT] = "report",
};

/* A message under construction. */
struct reader {
    struct channel_message *message;
    const struct lb_record *record;
    struct lb_scratch *scratch;
};

static struct lb_value value_of(const struct reader *reader, const char *name)
{
    const struct lb_field *field = lb_record_field(reader->record, lb_str_from(name));

    return field != NULL ? field->value : (struct lb_value){ 0 };
}

static struct lb_str text_of(const struct reader *reader, const char *name)
{
    return channel_front(lb_value_str(value_of(reader, name), reader->scratch), NAME_BYTES_MAX);
}

/* The index of a word, or `otherwise`. */
static int index_of(struct lb_str word, const char *const *words, int count, int otherwise)
{
    for (int i = 0; i < count; i++) {
        if (word.len > 0 && lb_str_is(word, words[i]))
            return i;
    }
    return otherwise;
}

static enum lb_severity severity_of_level(uint8_t level)
{
    switch (level) {
    case LB_LEVEL_EMERGENCY:
    case LB_LEVEL_ALERT:
    case LB_LEVEL_CRITICAL: return LB_SEVERITY_CRITICAL;
    case LB_LEVEL_ERROR: return LB_SEVERITY_HIGH;
    case LB_LEVEL_WARN: return LB_SEVERITY_MEDIUM;
    case LB_LEVEL_NOTICE: return LB_SEVERITY_LOW;
    default: return LB_SEVERITY_INFO;
    }
}

/* --- parts ----------------------------------------------------------------------- */

static uint32_t read_pairs(const struct reader *reader, const char *name, struct channel_fact *pairs)
{
    struct lb_value object = value_of(reader, name);
    struct lb_field member;
    uint32_t count = 0;
    size_t at = 1;

    if (object.kind != LB_VALUE_OBJECT)
        return 0;
    while (count < CHANNEL_PAIRS_MAX &&
           lb_json_next_member((struct lb_str){ object.ptr, object.len }, &at, &member) == LB_OK) {
        struct lb_str key = channel_front(lb_value_str(member.key, reader->scratch), NAME_BYTES_MAX);
        struct lb_str value = channel_front(lb_value_str(member.value, reader->scratch), NAME_BYTES_MAX);

        pairs[count++] = (struct channel_fact){ .name = key, .value = value };
    }
    return count;
}

static void read_samples(const struct reader *reader)
{
    struct channel_message *message = reader->message;
    struct lb_value array = value_of(reader, "samples");
    struct lb_value element;
    size_t at = 1;

    if (array.kind != LB_VALUE_ARRAY)
        return;
    while (message->sample_count < CHANNEL_SAMPLES_MAX &&
           lb_json_next_element((struct lb_str){ array.ptr, array.len }, &at, &element) == LB_OK)
        message->samples[message->sample_count++] =
            channel_front(lb_value_str(element, reader->scratch), NAME_BYTES_MAX);
}

static void add_fact(struct channel_message *message, const char *name, struct lb_str value)
{
    if (value.len > 0 && message->fact_count < CHANNEL_FACTS_MAX)
        message->facts[message->fact_count++] = (struct channel_fact){ .name = lb_str_from(name), .value = value };
}

/* Cut it would lead nowhere. */
static void add_whole(struct channel_message *message, const char *name, struct lb_str value)
{
    if (value.len > CHANNEL_WHOLE_BYTES)
        return;
    add_fact(message, name, value);
    if (value.len > 0 && message->fact_count > 0)
        message->facts[message->fact_count - 1].whole = true;
}

/* `{"192.0.2.7":41,"192.0.2.9":12}` for a person. What does not fit is left out. */
static size_t write_top(const struct reader *reader, struct lb_str object, char *out)
{
    struct lb_field member;
    size_t len = 0;
    size_t at = 1;

    while (lb_json_next_member(object, &at, &member) == LB_OK) {
        struct lb_str value = lb_value_str(member.key, reader->scratch);
        struct lb_str count = lb_value_str(member.value, reader->scratch);

        if (len + value.len + count.len + 5 > CHANNEL_TOP_BYTES)
            break;
        len += (size_t)snprintf(out + len, CHANNEL_TOP_BYTES - len, "%s" LB_STR_FMT " (" LB_STR_FMT ")",
                                len > 0 ? ", " : "", LB_STR_ARG(value), LB_STR_ARG(count));
    }
    return len;
}

static void add_tops(const struct reader *reader)
{
    struct channel_message *message = reader->message;
    struct lb_value top = value_of(reader, "top");
    struct lb_field field;
    size_t at = 1;

    for (uint32_t i = 0; top.kind == LB_VALUE_OBJECT && i < CHANNEL_TOPS_MAX &&
                         lb_json_next_member((struct lb_str){ top.ptr, top.len }, &at, &field) == LB_OK;
         i++) {
        struct lb_str name = lb_value_str(field.key, reader->scratch);
        size_t len = 0;

        if (field.value.kind == LB_VALUE_OBJECT)
            len = write_top(reader, (struct lb_str){ field.value.ptr, field.value.len }, message->top_bytes[i]);
        snprintf(message->top_names[i], sizeof(message->top_names[i]), "top " LB_STR_FMT, LB_STR_ARG(name));
        add_fact(message, message->top_names[i], (struct lb_str){ message->top_bytes[i], len });
    }
}

static void add_facts(struct channel_message *message, const struct channel_fact *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count && message->fact_count < CHANNEL_FACTS_MAX; i++)
        message->facts[message->fact_count++] = pairs[i];
}

static void read_alert(const struct reader *reader)
{
    struct channel_message *message = reader->message;
    static const char *const measured[] = { "value", "threshold", "over", "count", "peak", "alerts" };
    struct lb_str severity = text_of(reader, "severity");
    struct lb_str started = text_of(reader, "started_at");

    message->severity =
        (enum lb_severity)index_of(severity, channel_severity_names, LB_SEVERITY_COUNT, LB_SEVERITY_CRITICAL);
    message->previous = index_of(text_of(reader, "previous_severity"), channel_severity_names, LB_SEVERITY_COUNT, -1);
    message->rule = text_of(reader, "rule");
    message->fingerprint = text_of(reader, "fingerprint");
    if (message->fingerprint.len == 0) /* of no alert: a report, say */
        message->fingerprint = lb_str_from(message->id);
    message->alert_id = text_of(reader, "alert_id");
    message->sequence = text_of(reader, "sequence");
    message->threshold = text_of(reader, "threshold");
    message->severity_text = text_of(reader, "severity_text");
    if (message->severity_text.len == 0)
        message->severity_text = lb_str_from(channel_severity_names[message->severity]);
    if (!lb_time_rfc3339(started, &message->started_ns))
        message->started_ns = message->time_ns;
    message->key_count = read_pairs(reader, "key", message->keys);
    message->runbook = text_of(reader, "runbook");
    add_fact(message, "severity", message->severity_text);
    add_fact(message, "runbook", message->runbook);
    message->url = text_of(reader, "url");
    message->grep = text_of(reader, "grep");
    add_whole(message, "url", message->url);
    add_whole(message, "grep", message->grep);
    add_facts(message, message->keys, message->key_count);
    add_tops(reader); /* where there is room for a few facts, these say more than what the text says too */
    for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++)
        add_fact(message, measured[i], text_of(reader, measured[i]));
    add_fact(message, "since", started);
    message->label_count = read_pairs(reader, "labels", message->labels);
    add_facts(message, message->labels, message->label_count);
    add_fact(message, "alert", message->alert_id);
    add_fact(message, "sequence", message->sequence);
    read_samples(reader);
}

static void read_plain(struct channel_message *message)
{
    message->fingerprint = lb_str_from(message->id);
    message->severity_text = lb_str_from(channel_severity_names[message->severity]);
    add_fact(message, "level", message->level);
    add_fact(message, "service", message->service);
    add_fact(message, "host", message->host);
}

void channel_message_read(struct channel_message *message, const struct lb_batch *batch, const struct lb_record *record,
                          struct lb_scratch *scratch)
{
    const struct reader reader = { message, record, scratch };

    scratch->used = 0;
    *message = (struct channel_message){ .previous = -1,
                                         .severity = severity_of_level(record->level),
                                         .level = lb_level_name(record->level),
                                         .time_ns = record->time_ns,
                                         .started_ns = record->time_ns };
    lb_record_id(batch, record, message->id);
    if ((record->flags & LB_RECORD_ALERT) != 0) {
        message->state_text = text_of(&reader, "state");
        message->state = (enum channel_state)index_of(message->state_text, states, CHANNEL_OTHER,
                                                      message->state_text.len > 0 ? CHANNEL_OTHER : CHANNEL_RECORD);
    }
    message->service = channel_front(lb_value_str(record->service, scratch), NAME_BYTES_MAX);
    message->host = channel_front(lb_value_str(record->host, scratch), NAME_BYTES_MAX);
    if (message->state != CHANNEL_RECORD)
        read_alert(&reader);
    else
        read_plain(message);
    message->text = channel_front(lb_value_str(record->message, scratch), TEXT_BYTES_MAX);
}

/* A word that is not known stands as it came, with a capital letter. */
static void write_state(struct lb_buffer *out, const struct channel_message *message)
{
    static const char *const words[] = {
        [CHANNEL_FIRING] = "Firing",       [CHANNEL_UPDATED] = "Updated",       [CHANNEL_REPEATED] = "Still firing",
        [CHANNEL_ESCALATED] = "Escalated", [CHANNEL_FLAPPING] = "Flapping",     [CHANNEL_ACKNOWLEDGED] = "Acknowledged",
        [CHANNEL_RESOLVED] = "Resolved",   [CHANNEL_SUPPRESSED] = "Suppressed", [CHANNEL_SUMMARY] = "Summary",
        [CHANNEL_DIGEST] = "Digest",       [CHANNEL_HEARTBEAT] = "Heartbeat",   [CHANNEL_REPORT] = "Report",
    };
    struct lb_str text = message->state_text;

    if (message->state != CHANNEL_OTHER) {
        lb_buffer_append_str(out, lb_str_from(words[message->state]));
        return;
    }
    lb_buffer_append_char(out, *text.ptr >= 'a' && *text.ptr <= 'z' ? (char)(*text.ptr - 'a' + 'A') : *text.ptr);
    lb_buffer_append(out, text.ptr + 1, text.len - 1);
}

void channel_message_title(struct lb_buffer *out, const struct channel_message *message)
{
    bool has_severity = channel_message_is_firing(message) || message->state == CHANNEL_SUMMARY;

    if (message->state == CHANNEL_RECORD) {
        lb_buffer_append_str(out, message->level.len > 0 ? message->level : LB_STR("log"));
        if (message->service.len > 0)
            lb_buffer_append_str(out, LB_STR(": "));
        lb_buffer_append_str(out, message->service);
        return;
    }
    write_state(out, message);
    if (message->rule.len > 0)
        lb_buffer_append_str(out, LB_STR(": "));
    lb_buffer_append_str(out, message->rule);
    if (!has_severity)
        return;
    lb_buffer_append_str(out, LB_STR(" ("));
    lb_buffer_append_str(out, message->severity_text);
    lb_buffer_append_char(out, ')');
}
