/*
 * format_json.c - one JSON object a line, what archives hold.
 *
 * Fields that stand side by side in the JSON text of their line, as they were
 * written (`"k":v,"k":v`), are copied as one run of bytes. That they do is
 * seen from their pointers and the bytes between them alone: where those
 * match, the run is JSON, wherever it comes from. A field that has the name
 * of a leading key which this line writes itself gets an underscore behind
 * its name, so that no key of ours is there twice.
 */
#include "format.h"

#include "lb_json.h"

enum leading_key {
    KEY_TIMESTAMP = 1,
    KEY_LEVEL = 2,
    KEY_SERVICE = 4,
    KEY_HOST = 8,
    KEY_MESSAGE = 16,
    KEY_FACILITY = 32,
    KEY_PARSE_ERROR = 64,
    KEY_TRUNCATED = 128,
};

/* --- leading keys --------------------------------------------------------- */

static inline char *put(char *at, const char *ptr, size_t len)
{
    memcpy(at, ptr, len);
    return at + len;
}

/* Needs no change to stand between quotes. */
static inline bool is_copied(struct lb_value value)
{
    return value.kind == LB_VALUE_CLEAN || (value.kind == LB_VALUE_ESCAPED && value.flags == 0);
}

/* A leading key is always a string, whatever a filter may have put there. */
static void append_changed(struct lb_buffer *out, struct lb_value value)
{
    if (value.kind == LB_VALUE_OBJECT || value.kind == LB_VALUE_ARRAY)
        value.kind = LB_VALUE_TEXT;
    else if (!lb_value_is_string(value))
        value.kind = LB_VALUE_CLEAN;
    lb_json_write_value(out, value);
}

/* `,"name":"value"`; `name` is all up to the value's quote. */
static inline void append_text(struct lb_buffer *out, const char *name, size_t name_len, struct lb_value value)
{
    if (!lb_buffer_reserve(out, name_len + value.len + 2))
        return;
    char *at = put(out->ptr + out->len, name, name_len);
    if (!is_copied(value)) {
        out->len = (size_t)(at - out->ptr);
        append_changed(out, value);
        return;
    }
    *at++ = '"';
    at = put(at, value.ptr, value.len);
    *at++ = '"';
    out->len = (size_t)(at - out->ptr);
}

/* Padded, so that all are copied by the same few instructions. */
enum { LEVEL_ROOM = 24 };

static const struct {
    char text[LEVEL_ROOM];
    uint8_t len;
} level_members[LB_LEVEL_COUNT] = {
    { ",\"level\":\"emergency\"", 20 }, { ",\"level\":\"alert\"", 16 }, { ",\"level\":\"critical\"", 19 },
    { ",\"level\":\"error\"", 16 },     { ",\"level\":\"warn\"", 15 },  { ",\"level\":\"notice\"", 17 },
    { ",\"level\":\"info\"", 15 },      { ",\"level\":\"debug\"", 16 }, { ",\"level\":\"trace\"", 16 },
};

#define NAME(literal) (literal), sizeof(literal) - 1

static unsigned append_leading(struct lb_formatter *formatter, const struct lb_record *record, struct lb_buffer *out)
{
    unsigned written = KEY_TIMESTAMP;

    if (!lb_buffer_reserve(out, 32 + LB_TIME_TEXT_SIZE + LEVEL_ROOM))
        return written;
    char *at = put(out->ptr + out->len, NAME("{\"timestamp\":\""));
    at += lb_time_write_cached(&formatter->time, record->time_ns, at);
    *at++ = '"';
    if (record->level < LB_LEVEL_COUNT) {
        memcpy(at, level_members[record->level].text, LEVEL_ROOM);
        at += level_members[record->level].len;
        written |= KEY_LEVEL;
    }
    out->len = (size_t)(at - out->ptr);
    if (record->service.kind != LB_VALUE_NONE) {
        append_text(out, NAME(",\"service\":"), record->service);
        written |= KEY_SERVICE;
    }
    if (record->host.kind != LB_VALUE_NONE) {
        append_text(out, NAME(",\"host\":"), record->host);
        written |= KEY_HOST;
    }
    if (record->message.kind != LB_VALUE_NONE) {
        append_text(out, NAME(",\"message\":"), record->message);
        written |= KEY_MESSAGE;
    }
    return written;
}

/* Written behind the fields; known before, so that fields of these names give way. */
static unsigned trailing_keys(const struct lb_record *record)
{
    return (record->facility != 0 ? KEY_FACILITY : 0) |
           ((record->flags & LB_RECORD_PARSE_ERROR) != 0 ? KEY_PARSE_ERROR : 0) |
           ((record->flags & LB_RECORD_TRUNCATED) != 0 ? KEY_TRUNCATED : 0);
}

/* --- names that are taken ---------------------------------------------------- */

static unsigned key_named(const char *name, size_t len)
{
    switch (len) {
    case 4: return memcmp(name, "host", 4) == 0 ? KEY_HOST : 0;
    case 5: return memcmp(name, "level", 5) == 0 ? KEY_LEVEL : 0;
    case 7:
        if (memcmp(name, "message", 7) == 0)
            return KEY_MESSAGE;
        return memcmp(name, "service", 7) == 0 ? KEY_SERVICE : 0;
    case 8: return memcmp(name, "facility", 8) == 0 ? KEY_FACILITY : 0;
    case 9:
        if (memcmp(name, "truncated", 9) == 0)
            return KEY_TRUNCATED;
        return memcmp(name, "timestamp", 9) == 0 ? KEY_TIMESTAMP : 0;
    case 11: return memcmp(name, "parse_error", 11) == 0 ? KEY_PARSE_ERROR : 0;
    default: return 0;
    }
}

/* Of a key with escapes: nearly none has them. */
static __attribute__((noinline)) bool is_taken_unescaped(struct lb_value key, unsigned written)
{
    enum { ESCAPED_MAX = 11 * 6 }; /* the longest name, every letter as \uXXXX */
    char text[ESCAPED_MAX];

    if (key.len > sizeof(text))
        return false;
    size_t len = lb_json_unescape((struct lb_str){ key.ptr, key.len }, text);
    return (key_named(text, len) & written) != 0;
}

static inline bool is_taken(struct lb_value key, unsigned written)
{
    enum { LENGTHS = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 11 }; /* of the names above */

    if (key.kind == LB_VALUE_ESCAPED)
        return is_taken_unescaped(key, written);
    return key.len < 12 && (LENGTHS >> key.len & 1) != 0 && (key_named(key.ptr, key.len) & written) != 0;
}

/* --- fields ------------------------------------------------------------------- */

static inline unsigned quote_len(struct lb_value value)
{
    return value.kind == LB_VALUE_CLEAN || value.kind == LB_VALUE_ESCAPED;
}

/* Behind the value, its quote included. */
static inline const char *value_end(struct lb_value value)
{
    return value.ptr + value.len + quote_len(value);
}

/* Does `"key":value` stand in memory like that? Looks at bytes only where the pointers say that they lie between. */
static inline bool stands_as_written(const struct lb_field *field)
{
    struct lb_value key = field->key;
    struct lb_value value = field->value;
    unsigned quote = quote_len(value);
    const char *behind = key.ptr + key.len;

    if (value.ptr != behind + 2 + quote || quote_len(key) == 0 || value.kind == LB_VALUE_TEXT ||
        value.kind == LB_VALUE_NONE)
        return false;
    if (memcmp(behind, "\":", 2) != 0 || key.ptr[-1] != '"')
        return false;
    if (quote != 0 && (value.ptr[-1] != '"' || value.ptr[value.len] != '"'))
        return false;
    return ((key.flags | value.flags) & LB_VALUE_BAD_UTF8) == 0;
}

static void append_field(const struct lb_field *field, bool taken, struct lb_buffer *out)
{
    struct lb_value key = field->key;

    lb_buffer_append_char(out, ',');
    lb_json_write_value(out, key);
    if (taken) {
        out->len -= !out->failed; /* over the closing quote */
        lb_buffer_append(out, "_\"", 2);
    }
    lb_buffer_append_char(out, ':');
    lb_json_write_value(out, field->value);
}

/* The run of fields from `i` that is written in one piece; returns the index behind it, or `i` if there is none. */
static uint32_t append_run(const struct lb_record *record, uint32_t i, unsigned written, struct lb_buffer *out)
{
    const struct lb_field *fields = record->fields;
    const char *start = fields[i].key.ptr - 1;
    const char *end = start;

    while (i < record->field_count && stands_as_written(&fields[i]) && !is_taken(fields[i].key, written)) {
        if (end != start && (fields[i].key.ptr != end + 2 || end[0] != ','))
            break;
        end = value_end(fields[i].value);
        i++;
    }
    if (end != start && lb_buffer_reserve(out, (size_t)(end - start) + 1)) {
        out->ptr[out->len] = ',';
        memcpy(out->ptr + out->len + 1, start, (size_t)(end - start));
        out->len += (size_t)(end - start) + 1;
    }
    return i;
}

static void append_fields(const struct lb_record *record, unsigned written, struct lb_buffer *out)
{
    uint32_t i = 0;

    while (i < record->field_count) {
        if (record->fields[i].value.kind == LB_VALUE_NONE) {
            i++;
            continue;
        }
        uint32_t behind = append_run(record, i, written, out);
        if (behind == i) {
            append_field(&record->fields[i], is_taken(record->fields[i].key, written), out);
            behind++;
        }
        i = behind;
    }
}

/* Members past LB_RECORD_FIELDS_MAX, member by member: their keys were not looked at yet. */
static void append_rest(const struct lb_record *record, unsigned written, struct lb_buffer *out)
{
    struct lb_field member;
    size_t at = 0;

    while (lb_json_next_member(record->rest, &at, &member) == LB_OK)
        append_field(&member, is_taken(member.key, written), out);
}

void format_json(struct lb_formatter *formatter, const struct lb_record *record, struct lb_buffer *out)
{
    unsigned written = append_leading(formatter, record, out) | trailing_keys(record);

    if (record->facility != 0) {
        format_literal(out, ",\"facility\":");
        lb_json_write_value(out, lb_record_get(record, LB_STR("facility"), formatter->scratch));
    }
    append_fields(record, written, out);
    if (record->rest.len > 0)
        append_rest(record, written, out);
    if ((record->flags & LB_RECORD_PARSE_ERROR) != 0)
        append_text(out, NAME(",\"parse_error\":"), lb_value_text(record->reason));
    if ((record->flags & LB_RECORD_TRUNCATED) != 0)
        format_literal(out, ",\"truncated\":true");
    lb_buffer_append(out, "}\n", 2);
}
