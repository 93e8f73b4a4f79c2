/*
 * leading.c - the record's own time, level, message, service and host among its fields.
 *
 * Of several keys for one role the first that can be read wins, before any of the words that also mean other things
 * (`t`, `log`, `name`). Consumed fields have value kind NONE in the table. Nothing of the record changes before all of
 * it has room.
 */
#include "leading.h"

#include "lb_limits.h"
#include "lb_stream.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 64, ARENA_BYTES_MAX = 256 * 1024 };

/* --- values of a role ------------------------------------------------------- */

/* Numbers before 1973 are durations or counters, whatever their key says. "1.7723592001e9" is written out first. */
static bool number_as_time(struct lb_str text, int64_t *time_ns)
{
    static const int64_t earliest = INT64_C(100000000) * LB_SECOND;
    char plain[TEXT_MAX];

    if (text.len > 0 && text.len < sizeof(plain) &&
        (memchr(text.ptr, 'e', text.len) != NULL || memchr(text.ptr, 'E', text.len) != NULL)) {
        memcpy(plain, text.ptr, text.len);
        plain[text.len] = '\0';
        double number = strtod(plain, NULL);
        if (!(number >= 0 && number < 1e19))
            return false;
        text.ptr = plain;
        text.len = (size_t)snprintf(plain, sizeof(plain), "%.6f", number);
    }
    return lb_time_epoch(text, time_ns) && *time_ns >= earliest;
}

static bool text_as_time(const struct leading *self, struct lb_str text, int64_t *time_ns)
{
    if (text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9' && number_as_time(text, time_ns))
        return true;
    return lb_time_guess(text, self->context->batch->arrival_ns, time_ns);
}

static bool is_plain(struct lb_value value)
{
    return value.kind == LB_VALUE_CLEAN || value.kind == LB_VALUE_TEXT || value.kind == LB_VALUE_NUMBER;
}

static bool read_time(const struct leading *self, struct lb_value value, int64_t *time_ns)
{
    struct lb_str text = { value.ptr, value.len };
    char unescaped[TEXT_MAX];

    if (value.kind == LB_VALUE_ESCAPED && value.len <= sizeof(unescaped))
        text = (struct lb_str){ unescaped, lb_json_unescape(text, unescaped) };
    else if (!is_plain(value))
        return false;
    if (self->settings->time_format != NULL)
        return lb_time_format_parse(self->settings->time_format, text, self->context->batch->arrival_ns, time_ns);
    if (value.kind == LB_VALUE_NUMBER)
        return number_as_time(text, time_ns);
    return lb_time_rfc3339_cached(&self->context->second, text, time_ns) || text_as_time(self, text, time_ns);
}

static uint8_t read_level(struct lb_value value)
{
    if (!is_plain(value))
        return LB_LEVEL_NONE;
    while (value.len > 0 && value.ptr[value.len - 1] == ' ')
        value.len--;
    return lb_level_parse((struct lb_str){ value.ptr, value.len });
}

static bool has_role(const struct leading_found *leading, enum leading_role role)
{
    if (role == LEADING_TIME)
        return leading->timed;
    if (role == LEADING_LEVEL)
        return leading->level != LB_LEVEL_NONE;
    return leading->texts[role].kind != LB_VALUE_NONE;
}

/* Reads `value` in that role. False: it cannot be read so, and stays an ordinary field. */
static bool take_value(struct leading *self, enum leading_role role, struct lb_value value)
{
    struct leading_found *leading = &self->found;

    switch (role) {
    case LEADING_TIME: leading->timed = read_time(self, value, &leading->time_ns); return leading->timed;
    case LEADING_LEVEL:
        leading->level = read_level(value);
        leading->numbered = value.kind == LB_VALUE_NUMBER;
        return leading->level != LB_LEVEL_NONE;
    case LEADING_SERVICE:
    case LEADING_HOST:
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
static bool is_free(const struct leading *self, enum leading_role role)
{
    return self->settings->keys[role].len == 0 && !has_role(&self->found, role);
}

static void consume(struct leading *self, enum leading_role role, struct lb_field *field)
{
    if (!take_value(self, role, field->value))
        return;
    field->value.kind = LB_VALUE_NONE;
    self->consumed++;
}

/* MongoDB's {"t":{"$date":…},"s":"W"}; the letter may have a digit behind it: D1 to D5. */
static void take_severity(struct leading *self)
{
    for (uint32_t i = 0; i < self->field_count; i++) {
        struct lb_field *field = &self->fields[i];

        if (field->key.len != 1 || *field->key.ptr != 's' || !lb_value_is_string(field->value) ||
            field->value.len < 1 || field->value.len > 2 || !is_free(self, LEADING_LEVEL))
            continue;
        self->found.level = lb_level_parse((struct lb_str){ field->value.ptr, 1 });
        if (self->found.level == LB_LEVEL_NONE)
            continue;
        field->value.kind = LB_VALUE_NONE;
        self->consumed++;
    }
}

/* OpenTelemetry's 1 to 24, four of each: trace, debug, info, warn, error, fatal. */
static bool take_severity_number(struct leading *self, struct lb_field *field)
{
    static const uint8_t levels[] = { LB_LEVEL_TRACE, LB_LEVEL_DEBUG, LB_LEVEL_INFO,
                                      LB_LEVEL_WARN,  LB_LEVEL_ERROR, LB_LEVEL_CRITICAL };
    unsigned number = 0;

    if (field->key.len < 14 || (*field->key.ptr | 0x20) != 's')
        return false;
    for (uint32_t i = 0; i < field->value.len && field->value.len <= 2; i++)
        number = number * 10 + (unsigned char)(field->value.ptr[i] - '0');
    if (field->value.kind == LB_VALUE_NUMBER && number >= 1 && number <= 24)
        self->found.level = levels[(number - 1) / 4];
    return true;
}

/* {"seconds":…,"nanos":…} of protobuf, {"epochSecond":…,"nanoOfSecond":…} of log4j, {"$date":…} of MongoDB. */
static bool take_time_object(struct leading *self, struct lb_value object)
{
    static const struct {
        struct lb_str seconds, nanos;
    } shapes[] = { { LB_STR("seconds"), LB_STR("nanos") }, { LB_STR("epochSecond"), LB_STR("nanoOfSecond") } };
    struct lb_value member = lb_value_member(object, LB_STR("$date"));

    if (member.kind != LB_VALUE_NONE)
        return take_value(self, LEADING_TIME, member);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct lb_value seconds = lb_value_member(object, shapes[i].seconds);
        struct lb_value nanos = lb_value_member(object, shapes[i].nanos);
        char text[TEXT_MAX];
        int len;

        if (!is_plain(seconds) || seconds.len > 12)
            continue;
        len = snprintf(text, sizeof(text), "%.*s.%09ld", (int)seconds.len, seconds.ptr,
                       is_plain(nanos) && nanos.len <= 9 ? strtol(nanos.ptr, NULL, 10) : 0L);
        return take_value(self, LEADING_TIME, lb_value_of((struct lb_str){ text, (size_t)len }, LB_VALUE_NUMBER));
    }
    return false;
}

/* loguru: {"text":…,"record":{"message":…,"level":{"name":…},"time":{"timestamp":…}}} */
static void take_loguru(struct leading *self, struct lb_value record)
{
    struct lb_value message = lb_value_member(record, LB_STR("message"));
    struct lb_value level = lb_value_member(lb_value_member(record, LB_STR("level")), LB_STR("name"));
    struct lb_value time = lb_value_member(lb_value_member(record, LB_STR("time")), LB_STR("timestamp"));

    if (message.kind == LB_VALUE_NONE || level.kind == LB_VALUE_NONE)
        return;
    if (is_free(self, LEADING_MESSAGE))
        (void)take_value(self, LEADING_MESSAGE, message);
    if (is_free(self, LEADING_LEVEL))
        (void)take_value(self, LEADING_LEVEL, level);
    if (time.kind != LB_VALUE_NONE && is_free(self, LEADING_TIME))
        (void)take_value(self, LEADING_TIME, time);
}

/*
 * ECS nests: {"log":{"level":…}}, {"service":{"name":…}}, {"host":{"name":…}}; Rust's tracing {"fields":{"message":…}}.
 * The object stays a field.
 */
static void take_nested(struct leading *self, const struct lb_field *field)
{
    struct lb_str key = { field->key.ptr, field->key.len };
    enum leading_role role = LEADING_LEVEL;
    struct lb_value member;

    if (lb_str_is(key, "log")) {
        member = lb_value_member(field->value, LB_STR("level"));
    } else if (lb_str_is(key, "service") || lb_str_is(key, "host")) {
        role = key.ptr[0] == 's' ? LEADING_SERVICE : LEADING_HOST;
        member = lb_value_member(field->value, LB_STR("name"));
        if (member.kind == LB_VALUE_NONE && role == LEADING_HOST)
            member = lb_value_member(field->value, LB_STR("hostname"));
    } else if (leading_key_of(field->key).role == LEADING_TIME) {
        if (is_free(self, LEADING_TIME) && take_time_object(self, field->value) && key.len == 1)
            take_severity(self);
        return;
    } else if (lb_str_is(key, "record")) {
        take_loguru(self, field->value);
        return;
    } else if (lb_str_is(key, "body")) {
        role = LEADING_MESSAGE;
        member = lb_value_member(field->value, LB_STR("stringValue"));
    } else if (lb_str_is(key, "fields") || lb_str_is(key, "jsonPayload")) {
        role = LEADING_MESSAGE;
        member = lb_value_member(field->value, LB_STR("message"));
    } else {
        return;
    }
    if (member.kind != LB_VALUE_NONE && is_free(self, role))
        take_value(self, role, member);
}

/* The user's own keys come before everything and replace the usual ones of their role. */
static void take_named(struct leading *self, enum leading_role role)
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
static inline struct leading_key role_of(struct leading *self, uint32_t i)
{
    enum { KNOWN = 0x80, WEAK = 0x40, ROLE = 0x3f };

    if (self->shape == NULL || i >= LB_JSON_SHAPE_KEYS)
        return leading_key_of(self->fields[i].key);
    uint8_t *note = &self->shape->notes[i];
    if ((*note & KNOWN) == 0) {
        struct leading_key key = leading_key_of(self->fields[i].key);

        *note = (uint8_t)(KNOWN | (key.weak ? WEAK : 0) | key.role);
    }
    return (struct leading_key){ *note & ROLE, (*note & WEAK) != 0 };
}

static void take_usual(struct leading *self, uint32_t i)
{
    struct lb_field *field = &self->fields[i];
    struct leading_key key = role_of(self, i);

    if (key.role == LEADING_NO_ROLE)
        return;
    if (field->value.kind == LB_VALUE_OBJECT) {
        take_nested(self, field);
        return;
    }
    if (!is_free(self, key.role))
        return;
    if (key.weak) {
        if (self->found.weak[key.role] == 0 && i < UINT8_MAX)
            self->found.weak[key.role] = (uint8_t)(i + 1);
        return;
    }
    consume(self, key.role, field);
    if (key.role == LEADING_TIME && field->key.len == 2 && *field->key.ptr == '@')
        self->found.compact = self->found.timed;
}

/* `name` names the service only where bunyan or pino wrote it: beside a number for the level and a host. */
static bool is_meant(const struct leading *self, const struct lb_field *field)
{
    bool is_name = field->key.len == 4 && (*field->key.ptr | 0x20) == 'n';

    return !is_name || (self->found.numbered && has_role(&self->found, LEADING_HOST));
}

static void take_weak(struct leading *self, enum leading_role role)
{
    uint8_t candidate = self->found.weak[role];
    struct lb_field *field = candidate > 0 ? &self->fields[candidate - 1] : NULL;

    if (field == NULL || has_role(&self->found, role) || !is_meant(self, field) ||
        (role == LEADING_LEVEL && take_severity_number(self, field)))
        return;
    consume(self, role, field);
}

static const struct lb_field *split_part(const struct leading *self, const char *name)
{
    for (uint32_t i = 0; i < self->field_count; i++) {
        const struct lb_field *field = &self->fields[i];

        if (lb_str_is((struct lb_str){ field->key.ptr, field->key.len }, name))
            return is_plain(field->value) && field->value.len > 0 ? field : NULL;
    }
    return NULL;
}

/* `date=2026-03-01 time=10:00:00 tz="-0700"`, as firewalls write it; the fields stay. */
static void take_split_time(struct leading *self)
{
    const struct lb_field *date = split_part(self, "date");
    const struct lb_field *time = date != NULL ? split_part(self, "time") : NULL;
    const struct lb_field *zone = split_part(self, "tz");
    char text[TEXT_MAX];
    int len;

    if (time == NULL)
        return;
    len = snprintf(text, sizeof(text), "%.*s %.*s%.*s", (int)date->value.len, date->value.ptr, (int)time->value.len,
                   time->value.ptr, zone != NULL ? (int)zone->value.len : 0, zone != NULL ? zone->value.ptr : "");
    if (len > 0 && (size_t)len < sizeof(text))
        (void)take_value(self, LEADING_TIME, lb_value_text((struct lb_str){ text, (size_t)len }));
}

static void find_leading(struct leading *self)
{
    for (unsigned role = 0; role < LEADING_ROLE_COUNT; role++) {
        if (self->settings->keys[role].len > 0)
            take_named(self, role);
    }
    for (uint32_t i = 0; i < self->field_count; i++)
        take_usual(self, i);
    for (unsigned role = 0; role < LEADING_ROLE_COUNT; role++)
        take_weak(self, role);
    if (!self->found.timed && self->settings->keys[LEADING_TIME].len == 0)
        take_split_time(self);
}

/* --- filling the record ----------------------------------------------------------- */

/* Room also for what the worker adds of the stream, so that the table is not copied again. */
static bool take_fields(const struct leading *self, struct lb_record *record, struct lb_batch *batch)
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

static void apply_leading(const struct leading_found *found, struct lb_record *record)
{
    record->message = found->texts[LEADING_MESSAGE];
    if (found->timed) {
        record->time_ns = found->time_ns;
        record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
    }
    if (found->level != LB_LEVEL_NONE)
        record->level = found->level;
    else if (found->compact)
        record->level = LB_LEVEL_INFO;
    if (found->texts[LEADING_SERVICE].kind != LB_VALUE_NONE)
        record->service = found->texts[LEADING_SERVICE];
    if (found->texts[LEADING_HOST].kind != LB_VALUE_NONE)
        record->host = found->texts[LEADING_HOST];
}

enum lb_err leading_done(struct leading *self, struct lb_record *record)
{
    struct lb_batch *batch = self->context->batch;

    if (!field_types_apply(&self->settings->types, self->fields, self->field_count, &batch->arena))
        return LB_LIMIT;
    self->found.level = LB_LEVEL_NONE;
    find_leading(self);
    if (!take_fields(self, record, batch))
        return LB_LIMIT;
    apply_leading(&self->found, record);
    return LB_OK;
}

/* --- settings ------------------------------------------------------------------- */

enum lb_err leading_open(struct lb_parser *parser, struct lb_diag *diag)
{
    struct leading_settings *self = parser->state;
    struct lb_str format = self->format.len > 0 ? self->format : LB_STR("guess");
    enum lb_err err;

    lb_arena_init(&self->arena, ARENA_BYTES_MAX);
    err = field_types_open(&self->types, &self->arena, &parser->section, diag);
    if (self->format.len > 0 || self->timezone.len > 0) {
        self->time_format = lb_time_format_new(&self->arena, format, self->timezone,
                                               lb_section_place(&parser->section, "timestamp.format"), diag);
        err = self->time_format == NULL ? LB_BAD_CONF : err;
    }
    if (err != LB_OK)
        leading_close(parser);
    return err;
}

void leading_close(struct lb_parser *parser)
{
    struct leading_settings *self = parser->state;

    lb_arena_free(&self->arena);
    self->time_format = NULL;
}

const struct lb_option leading_time_options[] = {
    { .name = "format",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct leading_settings, format),
      .help = "strptime pattern with %L for fractions, or rfc3339, epoch, epoch_ms, epoch_us, epoch_ns" },
    { .name = "timezone",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct leading_settings, timezone),
      .help = "zone of times that do not say theirs; UTC otherwise" },
    { .name = NULL },
};

const struct leading_settings leading_plain;
