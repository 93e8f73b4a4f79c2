/*
 * json.c - objects, members and scalars, noted where they stand.
 *
 * Strings take most of the time. Most are short, so the first sixteen bytes
 * are looked at in place; only longer ones and those with escapes pay for a
 * call. UTF-8 is checked only where a byte was not ASCII.
 */
#include "lb_json.h"

#include "json_reader.h"
#include "lb_limits.h"
#include "lb_scan.h"

#include <assert.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

size_t json_escape_length(const char *at, const char *end)
{
    if (end - at < 2)
        return 0;
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return 2;
    case 'u': return end - at >= 6 && is_hex(at[2]) && is_hex(at[3]) && is_hex(at[4]) && is_hex(at[5]) ? 6 : 0;
    default: return 0;
    }
}

/* Text without escapes; `high`: not all of it is ASCII. */
static inline void note_plain(struct lb_value *value, const char *start, size_t len, bool high)
{
    *value = (struct lb_value){ start, (uint32_t)len, LB_VALUE_CLEAN, 0 };
    if (high && lb_utf8_valid((struct lb_str){ start, len }) != len) {
        value->kind = LB_VALUE_ESCAPED;
        value->flags = LB_VALUE_BAD_UTF8;
    }
}

/* The bytes [start, at) were seen, hold no stop, and `high` says whether one is not ASCII. */
static __attribute__((noinline)) const char *read_long_string(const char *start, const char *at, const char *end,
                                                              unsigned char high, struct lb_value *value,
                                                              struct json_fault *fault)
{
    bool escaped = false;

    while (true) {
        at += lb_scan_string(at, (size_t)(end - at), &high);
        if (at == end)
            return json_refuse(fault, at, "expected a closing quote");
        if (*at == '"')
            break;
        if (*at != '\\')
            return json_refuse(fault, at, "expected no control character inside a string");
        size_t len = json_escape_length(at, end);
        if (len == 0)
            return json_refuse(fault, at, "expected a valid escape sequence");
        escaped = true;
        at += len;
    }
    note_plain(value, start, (size_t)(at - start), high != 0);
    if (escaped)
        value->kind = LB_VALUE_ESCAPED;
    return at + 1;
}

static inline const char *read_string(const char *at, const char *end, struct lb_value *value, struct json_fault *fault)
{
#if defined(__SSE2__)
    if (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        __m128i slashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        __m128i stops = _mm_or_si128(_mm_or_si128(quotes, slashes), controls);
        unsigned stop_bits = (unsigned)_mm_movemask_epi8(stops);
        unsigned high_bits = (unsigned)_mm_movemask_epi8(bytes);

        if (stop_bits == 0)
            return read_long_string(at, at + 16, end, high_bits != 0 ? 0x80 : 0, value, fault);
        unsigned len = (unsigned)__builtin_ctz(stop_bits);
        if (at[len] == '"') {
            note_plain(value, at, len, (high_bits & ((1U << len) - 1)) != 0);
            return at + len + 1;
        }
    }
#endif
    return read_long_string(at, at, end, 0, value, fault);
}

const char *json_read_string(const char *at, const char *end, struct lb_value *value, struct json_fault *fault)
{
    return read_string(at, end, value, fault);
}

static inline const char *skip_digits(const char *at, const char *end)
{
    while (at < end && (unsigned char)(*at - '0') < 10)
        at++;
    return at;
}

/* Behind a point or an exponent's sign there must be a digit. */
static const char *read_digits(const char *at, const char *end, struct json_fault *fault)
{
    const char *behind = skip_digits(at, end);

    return behind > at ? behind : json_refuse(fault, at, "expected a digit");
}

static inline const char *read_number(const char *at, const char *end, struct lb_value *value, struct json_fault *fault)
{
    const char *start = at;

    if (*at == '-')
        at++;
    if (at < end && *at == '0')
        at++;
    else
        at = read_digits(at, end, fault);
    if (at != NULL && at < end && *at == '.')
        at = read_digits(at + 1, end, fault);
    if (at != NULL && at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        at = read_digits(at, end, fault);
    }
    if (at != NULL)
        *value = (struct lb_value){ start, (uint32_t)(at - start), LB_VALUE_NUMBER, 0 };
    return at;
}

static const char *read_word(const char *at, const char *end, struct lb_value *value, struct json_fault *fault)
{
    static const struct {
        struct lb_str text;
        uint8_t kind;
    } words[] = {
        { { "true", 4 }, LB_VALUE_BOOL },
        { { "false", 5 }, LB_VALUE_BOOL },
        { { "null", 4 }, LB_VALUE_NULL },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (lb_str_starts((struct lb_str){ at, (size_t)(end - at) }, words[i].text)) {
            *value = (struct lb_value){ at, (uint32_t)words[i].text.len, words[i].kind, 0 };
            return at + words[i].text.len;
        }
    }
    return json_refuse(fault, at, "expected a value");
}

static inline const char *read_value(const char *at, const char *end, struct lb_value *value, struct json_fault *fault)
{
    if (at == end)
        return json_refuse(fault, at, "expected a value");
    switch (*at) {
    case '"': return read_string(at + 1, end, value, fault);
    case '{':
    case '[': return json_read_nested(at, end, value, fault);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': return read_number(at, end, value, fault);
    default: return read_word(at, end, value, fault);
    }
}

const char *json_read_value(const char *at, const char *end, struct lb_value *value, struct json_fault *fault)
{
    return read_value(at, end, value, fault);
}

static inline const char *read_member(const char *at, const char *end, struct lb_field *member,
                                      struct json_fault *fault)
{
    if (at == end || *at != '"')
        return json_refuse(fault, at, "expected a quoted key");
    at = read_string(at + 1, end, &member->key, fault);
    if (at == NULL)
        return NULL;
    at = json_skip_blanks(at, end);
    if (at == end || *at != ':')
        return json_refuse(fault, at, "expected a colon behind the key");
    return read_value(json_skip_blanks(at + 1, end), end, &member->value, fault);
}

const char *json_read_member(const char *at, const char *end, struct lb_field *member, struct json_fault *fault)
{
    return read_member(at, end, member, fault);
}

/* A member that has no room is checked all the same and lengthens `rest`. */
static inline const char *note_member(struct lb_json_object *object, const char *at, const char *end,
                                      struct json_fault *fault)
{
    struct lb_field spare;

    if (object->field_count < object->field_max) {
        const char *behind = read_member(at, end, &object->fields[object->field_count], fault);

        object->field_count += behind != NULL;
        return behind;
    }
    const char *behind = read_member(at, end, &spare, fault);
    if (object->rest.ptr == NULL)
        object->rest.ptr = at;
    if (behind != NULL)
        object->rest.len = (size_t)(behind - object->rest.ptr);
    return behind;
}

/* `at` is behind the opening brace. */
static const char *read_members(struct lb_json_object *object, const char *at, const char *end,
                                struct json_fault *fault)
{
    at = json_skip_blanks(at, end);
    if (at < end && *at == '}')
        return at + 1;
    while (true) {
        at = note_member(object, at, end, fault);
        if (at == NULL)
            return NULL;
        at = json_skip_blanks(at, end);
        if (at < end && *at == ',') {
            at = json_skip_blanks(at + 1, end);
            continue;
        }
        if (at < end && *at == '}')
            return at + 1;
        return json_refuse(fault, at, "expected a comma or a closing brace");
    }
}

enum lb_err lb_json_read_object(struct lb_str text, struct lb_json_object *object)
{
    const char *end = text.ptr + text.len;
    const char *at = json_skip_blanks(text.ptr, end);
    struct json_fault fault = { NULL, NULL };

    assert(text.len <= UINT32_MAX);
    object->field_count = 0;
    object->rest = (struct lb_str){ NULL, 0 };
    at = at < end && *at == '{' ? read_members(object, at + 1, end, &fault)
                                : json_refuse(&fault, at, "expected an object");
    if (at == NULL) {
        object->reason = fault.reason;
        object->reason_at = (size_t)(fault.at - text.ptr);
        return LB_BAD_INPUT;
    }
    object->end = (size_t)(at - text.ptr);
    return LB_OK;
}

bool lb_json_valid(struct lb_str text)
{
    const char *end = text.ptr + text.len;
    struct json_fault fault;
    struct lb_value value;
    const char *at = json_read_value(json_skip_blanks(text.ptr, end), end, &value, &fault);

    return at != NULL && json_skip_blanks(at, end) == end;
}

/* Behind an item: steps over the comma. `first`: no comma yet. NULL: not one more item. */
static const char *next_item(const char *at, const char *end, bool first, char closer)
{
    at = json_skip_blanks(at, end);
    if (at == end || *at == closer)
        return NULL;
    return first || *at != ',' ? at : json_skip_blanks(at + 1, end);
}

enum lb_err lb_json_next_element(struct lb_str array, size_t *at, struct lb_value *element)
{
    const char *end = array.ptr + array.len;
    const char *start = *at <= array.len ? next_item(array.ptr + *at, end, *at <= 1, ']') : NULL;
    struct json_fault fault;

    if (start == NULL)
        return LB_END;
    const char *behind = read_value(start, end, element, &fault);
    if (behind == NULL)
        return LB_BAD_INPUT;
    *at = (size_t)(behind - array.ptr);
    return LB_OK;
}

enum lb_err lb_json_next_member(struct lb_str members, size_t *at, struct lb_field *member)
{
    const char *end = members.ptr + members.len;
    const char *start = *at <= members.len ? next_item(members.ptr + *at, end, *at <= 1, '}') : NULL;
    struct json_fault fault;

    if (start == NULL)
        return LB_END;
    const char *behind = read_member(start, end, member, &fault);
    if (behind == NULL)
        return LB_BAD_INPUT;
    *at = (size_t)(behind - members.ptr);
    return LB_OK;
}
