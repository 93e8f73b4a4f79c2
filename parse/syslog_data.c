/*
 * syslog_data.c - STRUCTURED-DATA of RFC 5424: read once into parts, then written as JSON.
 *
 * A name that occurs twice becomes a list, as does an element whose id occurs twice. Finding twins compares each with
 * each, so it is done among at most SYSLOG_PARTS_MAX parts; more of them are kept as the text they are. Unquoted
 * values, as VMware's, are read too.
 */
#include "syslog.h"

#include "lb_json.h"

enum { NAME_BYTES_MAX = 255, SIGNS_PER_PART = 12 };

/* Bits of enum syslog_class. Bytes from 0x80 have none, so that a value with one is noticed. */
/* clang-format off */
const unsigned char syslog_classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x10 */
    2, 7, 12, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* 0x20 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 7, 7, /* 0x30 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* 0x40 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 12, 4, 7, 7, /* 0x50 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* 0x60 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, /* 0x70 */
};
/* clang-format on */

/* --- reading ------------------------------------------------------------------ */

/* 1 to 255 bytes of PRINTUSASCII without = ] " \ */
static bool read_name(struct syslog_cursor *at, struct lb_str *name)
{
    const char *start = at->ptr;
    const char *ptr = start;

    while (ptr < at->end && syslog_is(*ptr, SYSLOG_NAME))
        ptr++;
    at->ptr = ptr;
    *name = (struct lb_str){ start, (size_t)(ptr - start) };
    return name->len > 0 && name->len <= NAME_BYTES_MAX;
}

/* Behind the opening quote, to behind the closing one. */
static bool read_quoted(struct syslog_cursor *at, struct syslog_part *part, bool *high)
{
    const char *start = at->ptr;
    const char *ptr = start;

    part->plain = true;
    for (; ptr < at->end; ptr++) {
        if (syslog_is(*ptr, SYSLOG_PLAIN))
            continue;
        if (*ptr == '"' || *ptr == ']')
            break;
        part->plain = false;
        *high |= (unsigned char)*ptr >= 0x80;
        if (*ptr == '\\' && at->end - ptr > 1 && (ptr[1] == '"' || ptr[1] == '\\' || ptr[1] == ']'))
            ptr++;
    }
    if (ptr == at->end || *ptr != '"')
        return false;
    part->value = (struct lb_str){ start, (size_t)(ptr - start) };
    at->ptr = ptr + 1;
    return true;
}

static bool read_unquoted(struct syslog_cursor *at, struct syslog_part *part)
{
    const char *start = at->ptr;

    while (at->ptr < at->end && *at->ptr != ' ' && syslog_is(*at->ptr, SYSLOG_PLAIN))
        at->ptr++;
    part->value = (struct lb_str){ start, (size_t)(at->ptr - start) };
    part->plain = true;
    return part->value.len > 0;
}

/* " name=\"value\"" or " name=value"; the cursor stands at the blank. */
static bool read_param(struct syslog_cursor *at, struct syslog_part *part, bool *high)
{
    while (at->ptr < at->end && *at->ptr == ' ')
        at->ptr++;
    if (!read_name(at, &part->name) || at->ptr == at->end || *at->ptr != '=')
        return false;
    at->ptr++;
    if (at->ptr < at->end && *at->ptr == '"') {
        at->ptr++;
        if (!read_quoted(at, part, high))
            return false;
    } else if (!read_unquoted(at, part)) {
        return false;
    }
    return at->ptr < at->end && (*at->ptr == ' ' || *at->ptr == ']');
}

/* Where the next part goes: into the table, or a place that nobody reads. */
static struct syslog_part *next_part(struct syslog_data *data, struct syslog_part *spare, bool element)
{
    struct syslog_part *part = spare;

    if (data->count < SYSLOG_PARTS_MAX)
        part = &data->parts[data->count++];
    else
        data->crowded = true;
    part->element = element;
    part->plain = true;
    part->written = false;
    return part;
}

/* "[id name=\"value\" …]" */
static bool read_element(struct syslog_cursor *at, struct syslog_data *data)
{
    struct syslog_part spare;

    if (at->ptr == at->end || *at->ptr != '[')
        return false;
    at->ptr++;
    if (!read_name(at, &next_part(data, &spare, true)->name))
        return false;
    while (at->ptr < at->end && *at->ptr == ' ')
        if (!read_param(at, next_part(data, &spare, false), &data->high))
            return false;
    if (at->ptr == at->end || *at->ptr != ']')
        return false;
    at->ptr++;
    return true;
}

size_t syslog_data_read(struct lb_str text, struct syslog_data *data)
{
    struct syslog_cursor at = { text.ptr, text.ptr + text.len };

    data->count = 0;
    data->crowded = false;
    data->high = false;
    do {
        if (!read_element(&at, data))
            return 0;
    } while (at.ptr < at.end && *at.ptr == '[');
    return (size_t)(at.ptr - text.ptr);
}

/* --- as JSON ---------------------------------------------------------------- */

/* Writes into an arena allocation that is large enough by count. */
struct writer {
    char *ptr;
};

static inline void put(struct writer *out, char c)
{
    *out->ptr++ = c;
}

static inline void put_plain(struct writer *out, struct lb_str text)
{
    *out->ptr++ = '"';
    memcpy(out->ptr, text.ptr, text.len);
    out->ptr += text.len;
    *out->ptr++ = '"';
}

/* A value's own escapes are undone, JSON's are made. Other backslashes are literal. */
static void put_escaped(struct writer *out, struct lb_str text)
{
    static const char hex[] = "0123456789abcdef";

    put(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '\\' && i + 1 < text.len &&
            (text.ptr[i + 1] == '"' || text.ptr[i + 1] == '\\' || text.ptr[i + 1] == ']'))
            c = (unsigned char)text.ptr[++i];
        if (c < 0x20) {
            memcpy(out->ptr, "\\u00", 4);
            out->ptr += 4;
            put(out, hex[c >> 4]);
            put(out, hex[c & 15]);
            continue;
        }
        if (c == '"' || c == '\\')
            put(out, '\\');
        put(out, (char)c);
    }
    put(out, '"');
}

static void put_value(struct writer *out, const struct syslog_part *part)
{
    if (part->plain)
        put_plain(out, part->value);
    else
        put_escaped(out, part->value);
}

static const struct syslog_part *end_of_element(const struct syslog_data *data, const struct syslog_part *part)
{
    do
        part++;
    while (part < data->parts + data->count && !part->element);
    return part;
}

/* The next part from `part` on of the same kind and name, or NULL. */
static struct syslog_part *find_twin(struct syslog_part *part, const struct syslog_part *end, struct lb_str name,
                                     bool element)
{
    for (; part < end; part++)
        if (part->element == element && lb_str_equal(part->name, name))
            return part;
    return NULL;
}

static void put_params(struct writer *out, struct syslog_part *first, const struct syslog_part *end)
{
    bool comma = false;

    put(out, '{');
    for (struct syslog_part *part = first; part < end; part++) {
        struct syslog_part *twin;

        if (part->written)
            continue;
        if (comma)
            put(out, ',');
        comma = true;
        put_plain(out, part->name);
        put(out, ':');
        twin = find_twin(part + 1, end, part->name, false);
        if (twin != NULL)
            put(out, '[');
        put_value(out, part);
        for (; twin != NULL; twin = find_twin(twin + 1, end, part->name, false)) {
            put(out, ',');
            put_value(out, twin);
            twin->written = true;
            if (find_twin(twin + 1, end, part->name, false) == NULL)
                put(out, ']');
        }
    }
    put(out, '}');
}

static void put_elements(struct writer *out, struct syslog_data *data)
{
    const struct syslog_part *end = data->parts + data->count;

    put(out, '{');
    for (struct syslog_part *part = data->parts; part < end; part++) {
        struct syslog_part *twin;

        if (!part->element || part->written)
            continue;
        if (part > data->parts)
            put(out, ',');
        put_plain(out, part->name);
        put(out, ':');
        twin = find_twin(part + 1, end, part->name, true);
        if (twin != NULL)
            put(out, '[');
        put_params(out, part + 1, end_of_element(data, part));
        for (; twin != NULL; twin = find_twin(twin + 1, end, part->name, true)) {
            put(out, ',');
            put_params(out, twin + 1, end_of_element(data, twin));
            twin->written = true;
            if (find_twin(twin + 1, end, part->name, true) == NULL)
                put(out, ']');
        }
    }
    put(out, '}');
}

static size_t json_bound(const struct syslog_data *data)
{
    size_t bound = SIGNS_PER_PART;

    for (uint32_t i = 0; i < data->count; i++) {
        const struct syslog_part *part = &data->parts[i];

        bound += part->name.len + SIGNS_PER_PART;
        if (!part->element)
            bound += part->plain ? part->value.len : 6 * part->value.len;
    }
    return bound;
}

struct lb_value syslog_data_json(struct syslog_data *data, struct lb_arena *arena)
{
    struct writer out;
    struct lb_value value;
    char *json;

    if (data->crowded)
        return lb_value_text(data->text);
    json = lb_arena_alloc(arena, json_bound(data));
    if (json == NULL)
        return (struct lb_value){ .kind = LB_VALUE_NONE };
    out.ptr = json;
    put_elements(&out, data);
    value = lb_value_of((struct lb_str){ json, (size_t)(out.ptr - json) }, LB_VALUE_OBJECT);
    if (data->high && lb_utf8_valid((struct lb_str){ value.ptr, value.len }) < value.len)
        value.flags = LB_VALUE_BAD_UTF8;
    return value;
}
