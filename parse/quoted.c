/*
 * quoted.c - backslashes in quoted texts.
 *
 * Loggers of Go, Python and Rust escape nearly as JSON does, so most values need no work at all: they are JSON's inside
 * of a string already, and are copied as that.
 */
#include "quoted.h"

#include "json_reader.h"

static bool is_json(struct lb_str inside)
{
    const char *end = inside.ptr + inside.len;

    for (const char *at = inside.ptr; at < end; at++) {
        size_t len;

        if ((unsigned char)*at < 0x20 || *at == '"')
            return false;
        if (*at != '\\')
            continue;
        len = json_escape_length(at, end);
        if (len == 0)
            return false;
        at += len - 1;
    }
    return true;
}

/* Up to `digits` hex digits behind the letter. False: not all of them are. */
static bool read_hex(const char *at, const char *end, int digits, uint32_t *number)
{
    *number = 0;
    if (end - at < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        char c = at[i];
        unsigned digit = (unsigned)(c - '0');

        if (digit > 9)
            digit = (unsigned)((c | 0x20) - 'a') + 10;
        if (digit > 15 || (digit > 9 && (c | 0x20) < 'a'))
            return false;
        *number = *number << 4 | digit;
    }
    return true;
}

static char *put_utf8(char *out, uint32_t point)
{
    if (point >= 0xd800 && point < 0xe000)
        point = 0xfffd;
    if (point < 0x80) {
        *out++ = (char)point;
    } else if (point < 0x800) {
        *out++ = (char)(0xc0 | point >> 6);
        *out++ = (char)(0x80 | (point & 0x3f));
    } else {
        *out++ = (char)(0xe0 | point >> 12);
        *out++ = (char)(0x80 | (point >> 6 & 0x3f));
        *out++ = (char)(0x80 | (point & 0x3f));
    }
    return out;
}

/* `at` is behind the backslash and not the end. Behind the escape, or NULL where it lacks digits. */
static const char *decode_one(const char *at, const char *end, char **out)
{
    static const char from[] = "abfnrtv\\\"'/";
    static const char to[] = "\a\b\f\n\r\t\v\\\"'/";
    const char *letter = memchr(from, *at, sizeof(from) - 1);
    uint32_t number;

    if (letter != NULL) {
        *(*out)++ = to[letter - from];
        return at + 1;
    }
    if (*at == 'x') {
        if (!read_hex(at + 1, end, 2, &number))
            return NULL;
        *(*out)++ = (char)number;
        return at + 3;
    }
    if (*at == 'u') {
        if (!read_hex(at + 1, end, 4, &number))
            return NULL;
        *out = put_utf8(*out, number);
        return at + 5;
    }
    *(*out)++ = '\\';
    *(*out)++ = *at;
    return at + 1;
}

/* No escape is longer decoded than written. */
static enum lb_err decode(struct lb_str inside, struct lb_arena *arena, struct lb_value *value)
{
    const char *end = inside.ptr + inside.len;
    const char *at = inside.ptr;
    char *start = lb_arena_alloc(arena, inside.len);
    char *out = start;

    if (start == NULL)
        return LB_LIMIT;
    while (at < end) {
        if (*at != '\\' || at + 1 == end) {
            *out++ = *at++;
            continue;
        }
        at = decode_one(at + 1, end, &out);
        if (at == NULL)
            return LB_BAD_INPUT;
    }
    *value = lb_value_text((struct lb_str){ start, (size_t)(out - start) });
    return LB_OK;
}

enum lb_err quoted_value(struct lb_str inside, struct lb_arena *arena, struct lb_value *value)
{
    *value = lb_value_text(inside);
    if (inside.len == 0 || memchr(inside.ptr, '\\', inside.len) == NULL)
        return LB_OK;
    if (!is_json(inside))
        return decode(inside, arena, value);
    value->kind = LB_VALUE_ESCAPED;
    if (lb_utf8_valid(inside) != inside.len)
        value->flags = LB_VALUE_BAD_UTF8;
    return LB_OK;
}
