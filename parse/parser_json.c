/*
 * parser_json.c - a message that is one JSON object.
 *
 * Members are noted in a table on the stack; those that are the record's own
 * time, level, message, service or host are consumed, the others are copied
 * behind the fields that the envelope made. Nothing of the record changes
 * before all of it has room. Consumed members have value kind NONE in the
 * table. Of several keys for one role the first that can be read wins, before
 * any of the words that also mean other things (`t`, `log`, `name`).
 */
#include "parser_json.h"

#include "json_reader.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_stream.h"
#include "lb_time.h"

enum { TEXT_MAX = 64 };

/* What the object says of the record itself. */
struct json_leading {
    bool timed;
    bool compact;  /* the time is `@t`: Serilog's compact format, which leaves out the level of information */
    bool numbered; /* the level is a number, as pino and bunyan write it */
    int64_t time_ns;
    uint8_t level;
    struct lb_value texts[JSON_ROLE_COUNT]; /* of message, service and host */
    uint8_t weak[JSON_ROLE_COUNT];          /* the first weak candidate + 1; 0: none */
};

struct json_reading {
    const struct parser_json *settings;
    int64_t now_ns;
    struct lb_parse_context *context;
    struct json_leading leading;
    struct lb_field *fields;
    uint32_t field_count;
    uint32_t consumed; /* of them */
};

/* --- values of a role ------------------------------------------------------- */

/* Numbers before 1973 are durations or counters, whatever their key says. */
static bool number_as_time(struct lb_str text, int64_t *time_ns)
{
    static const int64_t earliest = INT64_C(100000000) * LB_SECOND;

    return lb_time_epoch(text, time_ns) && *time_ns >= earliest;
}

static bool text_as_time(const struct json_reading *self, struct lb_str text, int64_t *time_ns)
{
    if (text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9' && number_as_time(text, time_ns))
        return true;
    return lb_time_guess(text, self->now_ns, time_ns);
}

static bool read_time(const struct json_reading *self, struct lb_value value, int64_t *time_ns)
{
    struct lb_str text = { value.ptr, value.len };
    char unescaped[TEXT_MAX];

    if (value.kind == LB_VALUE_ESCAPED && value.len <= sizeof(unescaped))
        text = (struct lb_str){ unescaped, lb_json_unescape(text, unescaped) };
    else if (value.kind != LB_VALUE_CLEAN && value.kind != LB_VALUE_NUMBER)
        return false;
    if (self->settings->time_format != NULL)
        return lb_time_format_parse(self->settings->time_format, text, self->now_ns, time_ns);
    if (value.kind == LB_VALUE_NUMBER)
        return number_as_time(text, time_ns);
    return lb_time_rfc3339_cached(&self->context->second, text, time_ns) || text_as_time(self, text, time_ns);
}

static uint8_t read_level(struct lb_value value)
{
    if (value.kind != LB_VALUE_CLEAN && value.kind != LB_VALUE_NUMBER)
        return LB_LEVEL_NONE;
    while (value.len > 0 && value.ptr[value.len - 1] == ' ')
        value.len--;
    return lb_level_parse((struct lb_str){ value.ptr, value.len });
}

static bool has_role(const struct json_leading *leading, enum json_role role)
{
    if (role == JSON_TIME)
        return leading->timed;
    if (role == JSON_LEVEL)
        return leading->level != LB_LEVEL_NONE;
    return leading->texts[role].kind != LB_VALUE_NONE;
}

/* Reads `value` in that role. False: it cannot be read so, and stays an ordinary field. */
static bool take_value(struct json_reading *self, enum json_role role, struct lb_value value)
{
    struct json_leading *leading = &self->leading;

    switch (role) {
    case JSON_TIME: leading->timed = read_time(self, value, &leading->time_ns); return leading->timed;
    case JSON_LEVEL:
        leading->level = read_level(value);
        leading->numbered = value.kind == LB_VALUE_NUMBER;
        return leading->level != LB_LEVEL_NONE;
    case JSON_SERVICE:
    case JSON_HOST:
        if (value.len == 0)
            return false;
        break;
    default: break;
    }
    if (!lb_value_is_string(value))
        return false;
    leading->texts[role] = value;
    return true;
}

/* --- finding them -------------------------------------------------------------- */

/* Not found yet, and to be found by the usual names. */
static bool is_free(const struct json_reading *self, enum json_role role)
{
    return self->settings->keys[role].len == 0 && !has_role(&self->leading, role);
}

static void consume(struct json_reading *self, enum json_role role, struct lb_field *field)
{
    if (!take_value(self, role, field->value))
        return;
    field->value.kind = LB_VALUE_NONE;
    self->consumed++;
}

/*
 * ECS nests: {"log":{"level":…}}, {"service":{"name":…}}, {"host":{"name":…}}; Rust's tracing {"fields":{"message":…}}.
 * The object stays a field.
 */
static void take_nested(struct json_reading *self, const struct lb_field *field)
{
    struct lb_str key = { field->key.ptr, field->key.len };
    enum json_role role = JSON_LEVEL;
    struct lb_value member;

    if (lb_str_is(key, "log")) {
        member = lb_value_member(field->value, LB_STR("level"));
    } else if (lb_str_is(key, "service") || lb_str_is(key, "host")) {
        role = key.ptr[0] == 's' ? JSON_SERVICE : JSON_HOST;
        member = lb_value_member(field->value, LB_STR("name"));
        if (member.kind == LB_VALUE_NONE && role == JSON_HOST)
            member = lb_value_member(field->value, LB_STR("hostname"));
    } else if (lb_str_is(key, "fields")) {
        role = JSON_MESSAGE;
        member = lb_value_member(field->value, LB_STR("message"));
    } else {
        return;
    }
    if (member.kind != LB_VALUE_NONE && is_free(self, role))
        take_value(self, role, member);
}

/* The user's own keys come before everything and replace the usual ones of their role. */
static void take_named(struct json_reading *self, enum json_role role)
{
    struct lb_record record = { .fields = self->fields, .field_count = (uint16_t)self->field_count };
    struct lb_str name = self->settings->keys[role];
    struct lb_field *field = lb_record_field(&record, name);
    struct lb_scratch none = { NULL, 0, 0 };

    if (field != NULL) {
        consume(self, role, field);
    } else if (memchr(name.ptr, '.', name.len) != NULL) {
        take_value(self, role, lb_record_get(&record, name, &none));
    }
}

/* What the key of member `i` may be; remembered with the shape, so that it is looked up once for many lines. */
static inline struct json_key role_of(struct json_reading *self, uint32_t i)
{
    enum { KNOWN = 0x80, WEAK = 0x40, ROLE = 0x3f };

    if (i >= LB_JSON_SHAPE_KEYS)
        return json_key_of(self->fields[i].key);
    uint8_t *note = &self->context->shape.notes[i];
    if ((*note & KNOWN) == 0) {
        struct json_key key = json_key_of(self->fields[i].key);

        *note = (uint8_t)(KNOWN | (key.weak ? WEAK : 0) | key.role);
    }
    return (struct json_key){ *note & ROLE, (*note & WEAK) != 0 };
}

static void take_usual(struct json_reading *self, uint32_t i)
{
    struct lb_field *field = &self->fields[i];
    struct json_key key = role_of(self, i);

    if (key.role == JSON_NO_ROLE)
        return;
    if (field->value.kind == LB_VALUE_OBJECT) {
        take_nested(self, field);
        return;
    }
    if (!is_free(self, key.role))
        return;
    if (key.weak) {
        if (self->leading.weak[key.role] == 0 && i < UINT8_MAX)
            self->leading.weak[key.role] = (uint8_t)(i + 1);
        return;
    }
    consume(self, key.role, field);
    if (key.role == JSON_TIME && field->key.len == 2 && *field->key.ptr == '@')
        self->leading.compact = self->leading.timed;
}

/* `name` names the service only where bunyan or pino wrote it: beside a number for the level and a host. */
static bool is_meant(const struct json_reading *self, const struct lb_field *field)
{
    bool is_name = field->key.len == 4 && (*field->key.ptr | 0x20) == 'n';

    return !is_name || (self->leading.numbered && has_role(&self->leading, JSON_HOST));
}

static void take_weak(struct json_reading *self, enum json_role role)
{
    uint8_t candidate = self->leading.weak[role];
    struct lb_field *field = candidate > 0 ? &self->fields[candidate - 1] : NULL;

    if (field != NULL && !has_role(&self->leading, role) && is_meant(self, field))
        consume(self, role, field);
}

static void find_leading(struct json_reading *self)
{
    for (unsigned role = 0; role < JSON_ROLE_COUNT; role++) {
        if (self->settings->keys[role].len > 0)
            take_named(self, role);
    }
    for (uint32_t i = 0; i < self->field_count; i++)
        take_usual(self, i);
    for (unsigned role = 0; role < JSON_ROLE_COUNT; role++)
        take_weak(self, role);
}

/* --- filling the record ----------------------------------------------------------- */

/* Room also for what the worker adds of the stream, so that the table is not copied again. */
static bool take_fields(const struct json_reading *self, struct lb_record *record, struct lb_batch *batch)
{
    uint32_t more = batch->stream != NULL ? batch->stream->field_count : 0;
    uint32_t capacity = record->field_count + self->field_count - self->consumed + more;

    if (capacity == 0 || capacity > UINT16_MAX)
        return capacity == 0;
    struct lb_field *fields = lb_arena_alloc(&batch->arena, capacity * sizeof(*fields));
    if (fields == NULL)
        return false;
    for (uint32_t i = 0; i < record->field_count; i++)
        fields[i] = record->fields[i];
    struct lb_field *next = fields + record->field_count;
    for (uint32_t i = 0; i < self->field_count; i++) {
        if (self->fields[i].value.kind != LB_VALUE_NONE)
            *next++ = self->fields[i];
    }
    record->fields = fields;
    record->field_count = (uint16_t)(next - fields);
    record->field_capacity = (uint16_t)capacity;
    return true;
}

static void apply_leading(const struct json_leading *leading, struct lb_record *record)
{
    record->message = leading->texts[JSON_MESSAGE];
    if (leading->timed) {
        record->time_ns = leading->time_ns;
        record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
    }
    if (leading->level != LB_LEVEL_NONE)
        record->level = leading->level;
    else if (leading->compact)
        record->level = LB_LEVEL_INFO;
    if (leading->texts[JSON_SERVICE].kind != LB_VALUE_NONE)
        record->service = leading->texts[JSON_SERVICE];
    if (leading->texts[JSON_HOST].kind != LB_VALUE_NONE)
        record->host = leading->texts[JSON_HOST];
}

static enum lb_err refuse(struct lb_parse_context *context, const char *reason, size_t at)
{
    context->reason = reason;
    context->reason_at = (uint32_t)at;
    return LB_BAD_INPUT;
}

/* The text to read. A message that is itself the inside of a JSON string is unescaped into the arena. */
static enum lb_err message_text(const struct lb_record *record, struct lb_arena *arena, struct lb_str *text)
{
    *text = (struct lb_str){ record->message.ptr, record->message.len };
    if (record->message.kind != LB_VALUE_ESCAPED)
        return lb_value_is_string(record->message) ? LB_OK : LB_BAD_INPUT;
    char *unescaped = lb_arena_alloc(arena, text->len);
    if (unescaped == NULL)
        return LB_LIMIT;
    *text = (struct lb_str){ unescaped, lb_json_unescape(*text, unescaped) };
    return LB_OK;
}

static enum lb_err parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct lb_field fields[LB_RECORD_FIELDS_MAX];
    struct lb_json_object object = { &context->shape, fields, LB_RECORD_FIELDS_MAX, 0, { NULL, 0 }, 0, NULL, 0 };
    struct json_reading reading = { .settings = state, .now_ns = context->batch->arrival_ns, .context = context };
    struct lb_str text;
    enum lb_err err = message_text(record, &context->batch->arena, &text);

    if (err == LB_LIMIT)
        return err;
    if (err != LB_OK)
        return refuse(context, "expected an object", 0);
    if (lb_json_read_object(text, &object) != LB_OK)
        return refuse(context, object.reason, object.reason_at);
    if (json_skip_blanks(text.ptr + object.end, text.ptr + text.len) != text.ptr + text.len)
        return refuse(context, "expected nothing behind the object", object.end);
    reading.leading.level = LB_LEVEL_NONE;
    reading.fields = fields;
    reading.field_count = object.field_count;
    find_leading(&reading);
    if (!take_fields(&reading, record, context->batch))
        return LB_LIMIT;
    if (object.rest.len > 0)
        record->rest = object.rest;
    apply_leading(&reading.leading, record);
    return LB_OK;
}

/* --- settings ------------------------------------------------------------------- */

static enum lb_err open_json(struct lb_parser *parser, struct lb_diag *diag)
{
    struct parser_json *self = parser->state;

    lb_arena_init(&self->arena, LB_SLAB_MEDIUM);
    if (self->format.len == 0)
        return LB_OK;
    self->time_format = lb_time_format_new(&self->arena, self->format, self->timezone,
                                           lb_section_place(&parser->section, "timestamp.format"), diag);
    return self->time_format != NULL ? LB_OK : LB_BAD_CONF;
}

static void close_json(struct lb_parser *parser)
{
    struct parser_json *self = parser->state;

    lb_arena_free(&self->arena);
    self->time_format = NULL;
}

#define KEY_OPTION(key, role, what)                                                                                    \
    {                                                                                                                  \
        .name = (key), .kind = LB_OPTION_STRING,                                                                       \
        .offset = offsetof(struct parser_json, keys) + (role) * sizeof(struct lb_str), .help = (what)                  \
    }

static const struct lb_option timestamp_options[] = {
    { .name = "format",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct parser_json, format),
      .help = "strptime pattern with %L for fractions, or rfc3339, epoch, epoch_ms, epoch_us, epoch_ns" },
    { .name = "timezone",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct parser_json, timezone),
      .help = "zone of times that do not say theirs; UTC otherwise" },
    { .name = NULL },
};

static const struct lb_option options[] = {
    KEY_OPTION("time_key", JSON_TIME, "member that holds the time, instead of the usual names"),
    KEY_OPTION("level_key", JSON_LEVEL, "member that holds the level, instead of the usual names"),
    KEY_OPTION("message_key", JSON_MESSAGE, "member that holds the message, instead of the usual names"),
    KEY_OPTION("service_key", JSON_SERVICE, "member that holds the service, instead of the usual names"),
    KEY_OPTION("host_key", JSON_HOST, "member that holds the host, instead of the usual names"),
    { .name = "timestamp",
      .kind = LB_OPTION_GROUP,
      .help = "how the time is written; found out where not given",
      .group = timestamp_options },
    { .name = NULL },
};

const struct parser_json parser_json_plain;

const struct lb_parser_type lb_parser_json = {
    .module = { .name = "json",
                .help = "one JSON object a message",
                .state_size = sizeof(struct parser_json),
                .options = options },
    .open = open_json,
    .parse = parse,
    .close = close_json,
};
