/*
 * record.c - fields of a record, found, set and read.
 *
 * Names are looked up one after the other: records have a dozen fields, and
 * a comparison of lengths rejects nearly all of them.
 */
#include "lb_record.h"

#include "lb_json.h"
#include "lb_limits.h"
#include "lb_time.h"

#include <stdlib.h>

enum { FIELDS_FIRST = 8, NUMBER_TEXT_MAX = 64, KEY_TEXT_MAX = 1024 };

/* --- adding --------------------------------------------------------------- */

static bool grow(struct lb_record *record, struct lb_arena *arena)
{
    size_t capacity = record->field_capacity < FIELDS_FIRST ? FIELDS_FIRST : (size_t)record->field_capacity * 2;

    if (capacity > UINT16_MAX)
        capacity = UINT16_MAX;
    if (capacity == record->field_capacity)
        return false;
    struct lb_field *fields = lb_arena_alloc(arena, capacity * sizeof(*fields));
    if (fields == NULL)
        return false;
    if (record->field_count > 0)
        memcpy(fields, record->fields, record->field_count * sizeof(*fields));
    record->fields = fields;
    record->field_capacity = (uint16_t)capacity;
    return true;
}

bool lb_record_add(struct lb_record *record, struct lb_arena *arena, struct lb_value key, struct lb_value value)
{
    if (record->field_count == record->field_capacity && !grow(record, arena))
        return false;
    record->fields[record->field_count++] = (struct lb_field){ key, value };
    return true;
}

bool lb_record_set(struct lb_record *record, struct lb_arena *arena, struct lb_str name, struct lb_value value)
{
    struct lb_field *field = lb_record_field(record, name);

    if (field == NULL)
        return lb_record_add(record, arena, lb_value_text(name), value);
    field->value = value;
    return true;
}

/* --- finding -------------------------------------------------------------- */

/* A key with escapes is longer than what it says; it is unescaped only when it could be the name. */
static __attribute__((noinline)) bool escaped_key_is(struct lb_value key, struct lb_str name)
{
    char text[KEY_TEXT_MAX];

    if (key.len < name.len || key.len > sizeof(text))
        return false;
    size_t len = lb_json_unescape((struct lb_str){ key.ptr, key.len }, text);
    return lb_str_equal((struct lb_str){ text, len }, name);
}

static inline bool key_is(struct lb_value key, struct lb_str name)
{
    if (key.kind == LB_VALUE_ESCAPED)
        return escaped_key_is(key, name);
    /* Nearly all differ in their length or at once. */
    return key.len == name.len && (key.len == 0 || (*key.ptr == *name.ptr && memcmp(key.ptr, name.ptr, key.len) == 0));
}

struct lb_field *lb_record_field(const struct lb_record *record, struct lb_str name)
{
    for (uint32_t i = 0; i < record->field_count; i++) {
        struct lb_field *field = &record->fields[i];

        if (field->key.len != name.len && field->key.kind != LB_VALUE_ESCAPED)
            continue;
        if (field->value.kind != LB_VALUE_NONE && key_is(field->key, name))
            return field;
    }
    return NULL;
}

static struct lb_value none(void)
{
    return (struct lb_value){ "", 0, LB_VALUE_NONE, 0 };
}

struct lb_value lb_value_member(struct lb_value object, struct lb_str key)
{
    struct lb_field member;
    size_t at = 1;

    if (object.kind != LB_VALUE_OBJECT)
        return none();
    while (lb_json_next_member((struct lb_str){ object.ptr, object.len }, &at, &member) == LB_OK) {
        if (key_is(member.key, key))
            return member.value;
    }
    return none();
}

/* A member of `object`, or with `object` NULL a field of the record. */
static struct lb_value child(const struct lb_record *record, const struct lb_value *object, struct lb_str name)
{
    if (object != NULL)
        return lb_value_member(*object, name);
    const struct lb_field *field = lb_record_field(record, name);
    return field != NULL ? field->value : none();
}

/*
 * a.b.c: `a` that is an object with `b.c` in it, `a.b` with `c`, or `a.b.c` itself. `parts` bounds the recursion; the
 * names come from the configuration.
 */
static struct lb_value find(const struct lb_record *record, const struct lb_value *object, struct lb_str name,
                            unsigned parts)
{
    const char *end = name.ptr + name.len;
    const char *dot = parts > 1 ? memchr(name.ptr, '.', name.len) : NULL;

    while (dot != NULL) {
        struct lb_value head = child(record, object, (struct lb_str){ name.ptr, (size_t)(dot - name.ptr) });

        if (head.kind == LB_VALUE_OBJECT) {
            struct lb_str tail = { dot + 1, (size_t)(end - dot - 1) };
            struct lb_value found = find(record, &head, tail, parts - 1);

            if (found.kind != LB_VALUE_NONE)
                return found;
        }
        dot = memchr(dot + 1, '.', (size_t)(end - dot - 1));
    }
    return child(record, object, name);
}

static struct lb_value level_value(const struct lb_record *record)
{
    struct lb_str name = lb_level_name(record->level);

    return name.len > 0 ? lb_value_of(name, LB_VALUE_CLEAN) : none();
}

static struct lb_value time_value(const struct lb_record *record, struct lb_scratch *scratch)
{
    if (scratch->size - scratch->used < LB_TIME_TEXT_SIZE)
        return none();
    char *text = scratch->ptr + scratch->used;
    size_t len = lb_time_write(record->time_ns, text);
    scratch->used += len;
    return lb_value_of((struct lb_str){ text, len }, LB_VALUE_CLEAN);
}

static struct lb_value facility_value(const struct lb_record *record)
{
    static const char *const names[] = { "kern",   "user",   "mail",   "daemon", "auth",     "syslog",
                                         "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
                                         "ntp",    "audit",  "alert",  "clock",  "local0",   "local1",
                                         "local2", "local3", "local4", "local5", "local6",   "local7" };

    if (record->facility == 0 || record->facility > sizeof(names) / sizeof(names[0]))
        return none();
    return lb_value_of(lb_str_from(names[record->facility - 1]), LB_VALUE_CLEAN);
}

/* What stands beside the fields. NONE also where the record has it not: a field of that name may. */
static struct lb_value leading(const struct lb_record *record, struct lb_str name, struct lb_scratch *scratch)
{
    switch (name.len) {
    case 4: return memcmp(name.ptr, "host", 4) == 0 ? record->host : none();
    case 5: return memcmp(name.ptr, "level", 5) == 0 ? level_value(record) : none();
    case 7:
        if (memcmp(name.ptr, "message", 7) == 0)
            return record->message;
        return memcmp(name.ptr, "service", 7) == 0 ? record->service : none();
    case 8: return memcmp(name.ptr, "facility", 8) == 0 ? facility_value(record) : none();
    case 9: return memcmp(name.ptr, "timestamp", 9) == 0 ? time_value(record, scratch) : none();
    default: return none();
    }
}

struct lb_value lb_record_get(const struct lb_record *record, struct lb_str name, struct lb_scratch *scratch)
{
    struct lb_value value = leading(record, name, scratch);

    return value.kind != LB_VALUE_NONE ? value : find(record, NULL, name, LB_NAME_PARTS_MAX);
}

/* --- reading -------------------------------------------------------------- */

/* The last escape must not be cut: what would be the rest of it is left out too. */
static size_t whole_escapes(const char *ptr, size_t len)
{
    size_t slash = len;

    while (slash > 0 && len - slash < 12 && ptr[slash - 1] != '\\')
        slash--;
    return slash > 0 && len - slash < 12 ? slash - 1 : len;
}

struct lb_str lb_value_str(struct lb_value value, struct lb_scratch *scratch)
{
    if (value.kind == LB_VALUE_NONE)
        return LB_STR("");
    if (value.kind != LB_VALUE_ESCAPED)
        return (struct lb_str){ value.ptr, value.len };
    char *text = scratch->ptr + scratch->used;
    size_t room = scratch->size - scratch->used;
    size_t len = value.len <= room ? value.len : whole_escapes(value.ptr, room);
    len = lb_json_unescape((struct lb_str){ value.ptr, len }, text);
    scratch->used += len;
    return (struct lb_str){ len > 0 ? text : "", len };
}

static size_t digits(const char *text, size_t at)
{
    while (text[at] >= '0' && text[at] <= '9')
        at++;
    return at;
}

/* [+-] digits [. digits] [e [+-] digits], or a point first; nothing else that strtod takes (hex, inf, blanks). */
static bool is_number(const char *text, size_t len)
{
    size_t at = text[0] == '-' || text[0] == '+';
    size_t start = at;
    size_t points = 0;

    at = digits(text, at);
    if (text[at] == '.') {
        points = 1;
        at = digits(text, at + 1);
    }
    if (at - start == points)
        return false;
    if ((text[at] | 0x20) == 'e') {
        at += text[at + 1] == '-' || text[at + 1] == '+' ? 2 : 1;
        size_t exponent = at;

        at = digits(text, at);
        if (at == exponent)
            return false;
    }
    return at == len;
}

/*
 * Numbers of up to 15 digits, a point among them: the digits and the power of ten are doubles exactly, so one division
 * rounds as strtod() does (Clinger, "How to read floating point numbers accurately", 1990).
 */
static bool short_number(struct lb_value value, double *number)
{
    static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14 };
    const char *end = value.ptr + value.len;
    const char *point = NULL;
    bool negative = *value.ptr == '-';
    int64_t whole = 0;

    if (value.len > 16)
        return false;
    for (const char *at = value.ptr + negative; at < end; at++) {
        unsigned digit = (unsigned char)*at - (unsigned)'0';

        if (digit <= 9)
            whole = whole * 10 + digit;
        else if (*at == '.' && point == NULL && at > value.ptr + negative && at + 1 < end)
            point = at;
        else
            return false;
    }
    size_t digits = value.len - negative - (point != NULL);
    if (digits == 0 || digits > 15)
        return false;
    *number = (double)(negative ? -whole : whole) / powers[point != NULL ? end - point - 1 : 0];
    return true;
}

bool lb_value_number(struct lb_value value, double *number)
{
    char text[NUMBER_TEXT_MAX + 2] = { 0 };

    if (value.kind != LB_VALUE_NUMBER && value.kind != LB_VALUE_TEXT && value.kind != LB_VALUE_CLEAN)
        return false;
    if (value.len == 0 || value.len > NUMBER_TEXT_MAX)
        return false;
    if (short_number(value, number))
        return true;
    memcpy(text, value.ptr, value.len);
    if (!is_number(text, value.len))
        return false;
    *number = strtod(text, NULL);
    return true;
}
