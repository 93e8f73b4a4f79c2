/*
 * json.c - objects, members and scalars, noted where they stand.
 *
 * Most strings are plain ASCII without escapes, and their ends are marked
 * before they are read (json_reader.h). Only the others pay for a call, and
 * UTF-8 is checked only in those that have a byte that is not ASCII.
 */
#include "lb_json.h"

#include "json_reader.h"
#include "lb_limits.h"
#include "lb_scan.h"

#include <assert.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

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

/* --- strings ---------------------------------------------------------------- */

/* Moves the window to `at`, which is in the text. */
static void mark_window(struct json_reader *self, const char *at, size_t ahead)
{
    size_t len = (size_t)(self->end - at);

    len = len < ahead ? len : ahead;
    self->window = at;
    self->seen = at + len;
    self->window_end = lb_scan_marks(at, len, self->marks) ? at : self->seen;
    self->marks[(len + 63) / 64] = UINT64_MAX;
}

void json_reader_init(struct json_reader *self, struct lb_str text, size_t ahead)
{
    self->end = text.ptr + text.len;
    self->depth = 0;
    self->bad_utf8 = 0;
    self->reason = NULL;
    self->reason_at = NULL;
    mark_window(self, text.ptr, ahead);
}

const char *json_far_stop(const struct json_reader *self, const char *at)
{
    size_t offset = (size_t)(at - self->window);
    const uint64_t *mark = &self->marks[offset / 64];
    uint64_t stops = *mark >> (offset % 64) << (offset % 64);

    while (stops == 0)
        stops = *++mark;
    return self->window + (size_t)(mark - self->marks) * 64 + (unsigned)__builtin_ctzll(stops);
}

/* Text without escapes; `high`: not all of it is ASCII. */
static void note_plain(struct lb_value *value, const char *start, size_t len, bool high)
{
    *value = (struct lb_value){ start, (uint32_t)len, LB_VALUE_CLEAN, 0 };
    if (high && lb_utf8_valid((struct lb_str){ start, len }) != len) {
        value->kind = LB_VALUE_ESCAPED;
        value->flags = LB_VALUE_BAD_UTF8;
    }
}

const char *json_read_any_string(struct json_reader *self, const char *start, struct lb_value *value)
{
    const char *end = self->end;
    const char *at = start;
    unsigned char high = 0;
    bool escaped = false;

    while (true) {
        at += lb_scan_string(at, (size_t)(end - at), &high);
        if (at == end)
            return json_refuse(self, at, "expected a closing quote");
        if (*at == '"')
            break;
        if (*at != '\\')
            return json_refuse(self, at, "expected no control character inside a string");
        size_t len = json_escape_length(at, end);
        if (len == 0)
            return json_refuse(self, at, "expected a valid escape sequence");
        escaped = true;
        at += len;
    }
    note_plain(value, start, (size_t)(at - start), high != 0);
    self->bad_utf8 |= value->flags;
    if (escaped)
        value->kind = LB_VALUE_ESCAPED;
    if (at >= self->seen)
        mark_window(self, at, JSON_WINDOW);
    return at + 1;
}

/* --- other values ------------------------------------------------------------- */

static inline const char *skip_digits(const char *at, const char *end)
{
    while (at < end && (unsigned char)(*at - '0') < 10)
        at++;
    return at;
}

/* Behind a point or an exponent's sign there must be a digit. */
static inline const char *read_digits(struct json_reader *self, const char *at)
{
    const char *behind = skip_digits(at, self->end);

    return behind > at ? behind : json_refuse(self, at, "expected a digit");
}

/* Behind the digits of a whole number: a fraction, an exponent. */
static const char *read_real(struct json_reader *self, const char *at)
{
    const char *end = self->end;

    if (*at == '.')
        at = read_digits(self, at + 1);
    if (at != NULL && at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        at = read_digits(self, at);
    }
    return at;
}

ALWAYS_INLINE const char *read_number(struct json_reader *self, const char *start, struct lb_value *value)
{
    const char *at = start + (*start == '-');
    const char *behind = read_digits(self, at);

    if (behind == NULL)
        return NULL;
    if (*at == '0' && behind > at + 1)
        return json_refuse(self, start, "expected a number without leading zeroes");
    if (behind < self->end && (*behind == '.' || (*behind | 0x20) == 'e')) {
        behind = read_real(self, behind);
        if (behind == NULL)
            return NULL;
    }
    *value = (struct lb_value){ start, (uint32_t)(behind - start), LB_VALUE_NUMBER, 0 };
    return behind;
}

static const char *read_word(struct json_reader *self, const char *at, struct lb_value *value)
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
        if (lb_str_starts((struct lb_str){ at, (size_t)(self->end - at) }, words[i].text)) {
            *value = (struct lb_value){ at, (uint32_t)words[i].text.len, words[i].kind, 0 };
            return at + words[i].text.len;
        }
    }
    return json_refuse(self, at, "expected a value");
}

static const char *read_nested(struct json_reader *self, const char *start, struct lb_value *value);

ALWAYS_INLINE const char *read_value(struct json_reader *self, const char *at, struct lb_value *value)
{
    if (at == self->end)
        return json_refuse(self, at, "expected a value");
    if (*at == '"')
        return json_read_string(self, at + 1, value);
    switch (*at) {
    case '{':
    case '[': return read_nested(self, at, value);
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
    case '9': return read_number(self, at, value);
    default: return read_word(self, at, value);
    }
}

const char *json_read_value(struct json_reader *self, const char *at, struct lb_value *value)
{
    return read_value(self, at, value);
}

/* Returns where the value begins. */
ALWAYS_INLINE const char *read_key(struct json_reader *self, const char *at, struct lb_value *key)
{
    if (at == self->end || *at != '"')
        return json_refuse(self, at, "expected a quoted key");
    at = json_read_string(self, at + 1, key);
    if (at == NULL)
        return NULL;
    if (json_at_pair(at, self->end, ":\""))
        return at + 1;
    at = json_skip_blanks(at, self->end);
    if (at == self->end || *at != ':')
        return json_refuse(self, at, "expected a colon behind the key");
    return json_skip_blanks(at + 1, self->end);
}

ALWAYS_INLINE const char *read_member(struct json_reader *self, const char *at, struct lb_field *member)
{
    at = read_key(self, at, &member->key);
    return at != NULL ? read_value(self, at, &member->value) : NULL;
}

const char *json_read_member(struct json_reader *self, const char *at, struct lb_field *member)
{
    return read_member(self, at, member);
}

/* --- objects and arrays --------------------------------------------------------- */

/* Behind an item: to the next one, or with `*more` false behind the closing bracket. */
ALWAYS_INLINE const char *step(struct json_reader *self, const char *at, char closer, bool *more)
{
    if (json_at_pair(at, self->end, ",\"")) {
        *more = true;
        return at + 1;
    }
    at = json_skip_blanks(at, self->end);
    *more = at < self->end && *at == ',';
    if (*more)
        return json_skip_blanks(at + 1, self->end);
    if (at < self->end && *at == closer)
        return at + 1;
    return json_refuse(self, at, "expected a comma or a closing bracket");
}

/* `at` is behind the opening bracket. False: the closing one is all that follows. */
static inline bool has_items(struct json_reader *self, const char **at, char closer)
{
    *at = json_skip_blanks(*at, self->end);
    return *at == self->end || **at != closer;
}

static const char *read_items(struct json_reader *self, const char *at, char closer)
{
    struct lb_field ignored;
    bool more = true;

    if (!has_items(self, &at, closer))
        return at + 1;
    while (at != NULL && more) {
        at = closer == '}' ? read_member(self, at, &ignored) : json_read_value(self, at, &ignored.value);
        if (at != NULL)
            at = step(self, at, closer, &more);
    }
    return at;
}

/* All of a nested value, checked. Recursion is bounded: about 200 bytes of stack a level. */
static const char *read_nested(struct json_reader *self, const char *start, struct lb_value *value)
{
    uint8_t bad_utf8 = self->bad_utf8;
    bool is_object = *start == '{';

    /* The object that is read is a level of its own. */
    if (self->depth == LB_JSON_DEPTH_MAX - 1)
        return json_refuse(self, start, "expected less nesting");
    self->depth++;
    self->bad_utf8 = 0;
    const char *at = read_items(self, start + 1, is_object ? '}' : ']');
    if (at == NULL)
        return NULL;
    *value = (struct lb_value){ start, (uint32_t)(at - start), is_object ? LB_VALUE_OBJECT : LB_VALUE_ARRAY,
                                self->bad_utf8 };
    self->bad_utf8 |= bad_utf8;
    self->depth--;
    return at;
}

/* --- what is expected -------------------------------------------------------------- */

/* Do the first `len` of sixteen bytes agree? All of them may be read. */
static inline bool same_sixteen(const char *a, const char *b, unsigned len)
{
#if defined(__SSE2__)
    __m128i left = _mm_loadu_si128((const __m128i *)(const void *)a);
    __m128i right = _mm_loadu_si128((const __m128i *)(const void *)b);
    unsigned differ = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(left, right));

    return (differ & ((1U << len) - 1)) == 0;
#else
    return memcmp(a, b, len) == 0;
#endif
}

/* The value behind the `i`th key of last time, if that stands at `at` again; else NULL. */
ALWAYS_INLINE const char *expected_key(const struct lb_json_shape *shape, uint32_t i, const char *at, const char *end,
                                       struct lb_value *key)
{
    if (i >= LB_JSON_SHAPE_KEYS || end - at < LB_JSON_SHAPE_TEXT)
        return NULL;
    unsigned len = shape->lengths[i];
    if (len == 0 || !same_sixteen(at, shape->texts[i], len))
        return NULL;
    *key = (struct lb_value){ at + 1, len - 3, LB_VALUE_CLEAN, 0 };
    at += len;
    return at < end && (unsigned char)*at <= ' ' ? json_skip_blanks(at, end) : at;
}

/* Keeps a key that was read: only as the bytes `"key":`, and only text that is clean. */
static void learn_key(struct lb_json_shape *shape, uint32_t i, const char *at, const struct lb_value *key)
{
    uint32_t len = key->len + 3;

    if (i >= LB_JSON_SHAPE_KEYS)
        return;
    bool fits = len <= LB_JSON_SHAPE_TEXT && key->kind == LB_VALUE_CLEAN && key->ptr[key->len + 1] == ':';
    shape->notes[i] = 0;
    shape->lengths[i] = fits ? (uint8_t)len : 0;
    if (fits)
        memcpy(shape->texts[i], at, len);
}

/* --- objects at the top -------------------------------------------------------------- */

/* A member that has no room is checked all the same and lengthens `rest`. */
static const char *note_rest(struct lb_json_object *object, struct json_reader *reader, const char *at)
{
    struct lb_field spare;
    const char *behind = json_read_member(reader, at, &spare);

    if (object->rest.ptr == NULL)
        object->rest.ptr = at;
    if (behind != NULL)
        object->rest.len = (size_t)(behind - object->rest.ptr);
    return behind;
}

ALWAYS_INLINE const char *read_field(struct json_reader *reader, struct lb_json_shape *shape, uint32_t i,
                                     const char *at, struct lb_field *field)
{
    const char *value = shape != NULL ? expected_key(shape, i, at, reader->end, &field->key) : NULL;

    if (value == NULL) {
        value = read_key(reader, at, &field->key);
        if (value == NULL)
            return NULL;
        if (shape != NULL)
            learn_key(shape, i, at, &field->key);
    }
    return read_value(reader, value, &field->value);
}

/* `at` is behind the opening brace. */
static const char *read_members(struct lb_json_object *object, struct json_reader *reader, const char *at)
{
    struct lb_field *fields = object->fields;
    uint32_t max = object->field_max;
    uint32_t count = 0;
    bool more = true;

    if (!has_items(reader, &at, '}'))
        return at + 1;
    while (at != NULL && more) {
        if (count < max) {
            at = read_field(reader, object->shape, count, at, &fields[count]);
            count++;
        } else {
            at = note_rest(object, reader, at);
        }
        if (at != NULL)
            at = step(reader, at, '}', &more);
    }
    object->field_count = count;
    return at;
}

enum lb_err lb_json_read_object(struct lb_str text, struct lb_json_object *object)
{
    struct json_reader reader;
    const char *at = json_skip_blanks(text.ptr, text.ptr + text.len);

    assert(text.len <= UINT32_MAX);
    json_reader_init(&reader, text, JSON_WINDOW);
    object->field_count = 0;
    object->rest = (struct lb_str){ NULL, 0 };
    at = at < reader.end && *at == '{' ? read_members(object, &reader, at + 1)
                                       : json_refuse(&reader, at, "expected an object");
    if (at == NULL) {
        object->reason = reader.reason;
        object->reason_at = (size_t)(reader.reason_at - text.ptr);
        return LB_BAD_INPUT;
    }
    object->end = (size_t)(at - text.ptr);
    return LB_OK;
}

bool lb_json_valid(struct lb_str text)
{
    struct json_reader reader;
    struct lb_value value;

    json_reader_init(&reader, text, JSON_WINDOW);
    const char *at = json_read_value(&reader, json_skip_blanks(text.ptr, reader.end), &value);
    return at != NULL && json_skip_blanks(at, reader.end) == reader.end;
}

/* --- one by one ----------------------------------------------------------------- */

/* Where the item after `*at` begins, behind its comma; NULL: there is no more. */
static const char *next_item(struct lb_str text, size_t at, char closer)
{
    const char *end = text.ptr + text.len;
    const char *item = at <= text.len ? json_skip_blanks(text.ptr + at, end) : end;

    if (item == end || *item == closer)
        return NULL;
    return at <= 1 || *item != ',' ? item : json_skip_blanks(item + 1, end);
}

enum lb_err lb_json_next_element(struct lb_str array, size_t *at, struct lb_value *element)
{
    const char *item = next_item(array, *at, ']');
    struct json_reader reader;

    if (item == NULL)
        return LB_END;
    json_reader_init(&reader, (struct lb_str){ item, (size_t)(array.ptr + array.len - item) }, JSON_WINDOW_FIRST);
    const char *behind = json_read_value(&reader, item, element);
    if (behind == NULL)
        return LB_BAD_INPUT;
    *at = (size_t)(behind - array.ptr);
    return LB_OK;
}

enum lb_err lb_json_next_member(struct lb_str members, size_t *at, struct lb_field *member)
{
    const char *item = next_item(members, *at, '}');
    struct json_reader reader;

    if (item == NULL)
        return LB_END;
    json_reader_init(&reader, (struct lb_str){ item, (size_t)(members.ptr + members.len - item) }, JSON_WINDOW_FIRST);
    const char *behind = json_read_member(&reader, item, member);
    if (behind == NULL)
        return LB_BAD_INPUT;
    *at = (size_t)(behind - members.ptr);
    return LB_OK;
}
