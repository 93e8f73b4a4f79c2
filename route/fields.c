/*
 * fields.c - putting and taking a value by any name, leading keys included.
 *
 * A field is removed by its value becoming NONE; its place in the array stays.
 */
#include "fields.h"

#include "lb_level.h"
#include "lb_time.h"

enum lb_leading lb_leading_of(struct lb_str name)
{
    static const struct {
        struct lb_str name;
        enum lb_leading leading;
    } words[] = {
        { { "level", 5 }, LB_LEADING_LEVEL },         { { "service", 7 }, LB_LEADING_SERVICE },
        { { "host", 4 }, LB_LEADING_HOST },           { { "message", 7 }, LB_LEADING_MESSAGE },
        { { "timestamp", 9 }, LB_LEADING_TIMESTAMP }, { { "facility", 8 }, LB_LEADING_FACILITY },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (lb_str_equal(name, words[i].name))
            return words[i].leading;
    }
    return LB_LEADING_NONE;
}

static bool put_level(struct lb_record *record, struct lb_str text)
{
    uint8_t level = lb_level_parse(text);

    if (level == LB_LEVEL_NONE)
        return false;
    record->level = level;
    return true;
}

static bool put_time(struct lb_record *record, struct lb_str text)
{
    int64_t time_ns;

    /* The time it has fills in what the text leaves out, such as the year. */
    if (!lb_time_guess(text, record->time_ns, &time_ns))
        return false;
    record->time_ns = time_ns;
    record->flags &= (uint16_t)~LB_RECORD_NO_TIME;
    return true;
}

/* Leading keys are text: numbers and nested values go on as the text they are written in. */
static bool put_text(struct lb_value *member, struct lb_value value)
{
    if (value.kind == LB_VALUE_NONE || value.kind == LB_VALUE_NULL)
        return false;
    if (!lb_value_is_string(value))
        value = lb_value_text((struct lb_str){ value.ptr, value.len });
    *member = value;
    return true;
}

static void take_fields(struct lb_record *record, struct lb_str name)
{
    struct lb_field *field = lb_record_field(record, name);

    for (; field != NULL; field = lb_record_field(record, name))
        field->value = (struct lb_value){ .kind = LB_VALUE_NONE };
}

static bool put_leading(struct lb_record *record, struct lb_scratch *scratch, enum lb_leading leading,
                        struct lb_value value)
{
    size_t used = scratch->used;
    bool done = false;

    switch (leading) {
    case LB_LEADING_SERVICE: return put_text(&record->service, value);
    case LB_LEADING_HOST: return put_text(&record->host, value);
    case LB_LEADING_MESSAGE: return put_text(&record->message, value);
    case LB_LEADING_LEVEL: done = put_level(record, lb_value_str(value, scratch)); break;
    case LB_LEADING_TIMESTAMP: done = put_time(record, lb_value_str(value, scratch)); break;
    case LB_LEADING_FACILITY:
    case LB_LEADING_NONE: break;
    }
    scratch->used = used;
    return done;
}

bool lb_fields_put(struct lb_record *record, struct lb_arena *arena, struct lb_scratch *scratch, struct lb_str name,
                   struct lb_value value)
{
    enum lb_leading leading = lb_leading_of(name);

    if (leading == LB_LEADING_NONE || leading == LB_LEADING_FACILITY) {
        bool done = lb_record_set(record, arena, name, value);

        if (done && leading == LB_LEADING_FACILITY)
            record->facility = 0;
        return done;
    }
    if (!put_leading(record, scratch, leading, value))
        return false;
    /* A member that could not become the leading key (say, an object) would be a second one of that name. */
    take_fields(record, name);
    return true;
}

static bool is_missing(const struct lb_record *record, struct lb_str name)
{
    switch (lb_leading_of(name)) {
    case LB_LEADING_SERVICE: return record->service.len == 0;
    case LB_LEADING_HOST: return record->host.len == 0;
    case LB_LEADING_MESSAGE: return record->message.len == 0;
    case LB_LEADING_LEVEL: return record->level == LB_LEVEL_NONE;
    case LB_LEADING_TIMESTAMP: return (record->flags & LB_RECORD_NO_TIME) != 0;
    case LB_LEADING_FACILITY: return record->facility == 0;
    case LB_LEADING_NONE: break;
    }
    return true;
}

void lb_fields_fill(struct lb_record *record, struct lb_arena *arena, struct lb_scratch *scratch, struct lb_str name,
                    struct lb_value value)
{
    if (is_missing(record, name) && lb_record_field(record, name) == NULL)
        lb_fields_put(record, arena, scratch, name, value);
}

void lb_fields_take(struct lb_record *record, struct lb_str name)
{
    const struct lb_value none = { .kind = LB_VALUE_NONE };

    switch (lb_leading_of(name)) {
    case LB_LEADING_SERVICE: record->service = none; break;
    case LB_LEADING_HOST: record->host = none; break;
    case LB_LEADING_MESSAGE: record->message = none; break;
    case LB_LEADING_LEVEL: record->level = LB_LEVEL_NONE; break;
    case LB_LEADING_TIMESTAMP: return;
    case LB_LEADING_FACILITY: record->facility = 0; break;
    case LB_LEADING_NONE: break;
    }
    take_fields(record, name);
}

struct lb_value lb_fields_get(const struct lb_record *record, struct lb_arena *arena, struct lb_scratch *scratch,
                              struct lb_str name)
{
    size_t used = scratch->used;
    struct lb_value value = lb_record_get(record, name, scratch);

    scratch->used = used;
    if (value.kind == LB_VALUE_NONE || value.ptr < scratch->ptr || value.ptr >= scratch->ptr + scratch->size)
        return value;
    struct lb_str copy = lb_arena_copy(arena, (struct lb_str){ value.ptr, value.len });
    if (copy.ptr == NULL)
        return (struct lb_value){ .kind = LB_VALUE_NONE };
    value.ptr = copy.ptr;
    return value;
}
