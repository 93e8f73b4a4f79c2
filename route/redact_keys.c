/*
 * redact_keys.c - the value behind a name in text: password=x, password: 'x y', \"password\": \"x\", -H 'Cookie: a=b'.
 *
 * JSON that stands in a string, once or twice over, has backslashes before
 * its quotes; a value ends at a quote that has no more of them than the one
 * it began with.
 */
#include "redact.h"

#include <strings.h>

enum { NAME_MAX_BYTES = 128, BLANKS_MAX = 8, LOOK_AHEAD = 64 };

static inline char byte_at(struct lb_str text, size_t at)
{
    return at < text.len ? text.ptr[at] : '\0';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

static bool is_name(char c)
{
    return redact_is_word(c) || c == '_' || c == '-' || c == '.';
}

static bool equal(struct lb_str a, struct lb_str b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

bool redact_is_key(const struct redact_rules *rules, struct lb_str name)
{
    for (size_t i = 0; i < rules->keys.count; i++) {
        struct lb_str key = rules->keys.items[i];
        size_t front = name.len - key.len;

        if (name.len < key.len)
            continue;
        if (equal((struct lb_str){ name.ptr + front, key.len }, key) && (front == 0 || name.ptr[front - 1] == '.'))
            return true;
    }
    return false;
}

/* The name before text[at], which is = or :, with or without quotes. */
static struct lb_str name_before(struct lb_str text, size_t at)
{
    size_t end = at;
    size_t start;

    while (end > 0 && at - end < BLANKS_MAX && is_blank(text.ptr[end - 1]))
        end--;
    if (end > 0 && is_quote(text.ptr[end - 1])) {
        end--;
        while (end > 0 && at - end < BLANKS_MAX && text.ptr[end - 1] == '\\')
            end--;
    }
    for (start = end; start > 0 && end - start < NAME_MAX_BYTES && is_name(text.ptr[start - 1]);)
        start--;
    while (start < end && text.ptr[start] == '-')
        start++;
    return (struct lb_str){ text.ptr + start, end - start };
}

/* Behind the opening quote, with `escapes` backslashes before it. Where it is never closed, to the end. */
static size_t quoted_end(struct lb_str text, size_t at, char quote, size_t escapes)
{
    size_t run = 0;

    for (; at < text.len; at++) {
        if (text.ptr[at] == '\\') {
            run++;
            continue;
        }
        if (text.ptr[at] == quote && (escapes == 0 ? run % 2 == 0 : run <= escapes))
            return at - (run < escapes ? run : escapes);
        run = 0;
    }
    return text.len;
}

/* A list or an object: to the bracket that closes it. */
static size_t bracket_end(struct lb_str text, size_t at)
{
    size_t depth = 0;
    size_t escapes = 0;

    for (; at < text.len; at++) {
        char c = text.ptr[at];

        if (c == '"') {
            at = quoted_end(text, at + 1, '"', escapes) + escapes;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return at + 1;
        }
        escapes = c == '\\' ? escapes + 1 : 0;
    }
    return text.len;
}

/* Whose value has several words. */
static bool has_line(struct lb_str name)
{
    static const struct lb_str names[] = {
        { "authorization", 13 }, { "proxy-authorization", 19 }, { "cookie", 6 }, { "set-cookie", 10 }
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (equal(name, names[i]))
            return true;
    }
    return false;
}

static bool ends_line(char c)
{
    return c == '\n' || c == '\r' || c == '"' || c == '\'' || c == '\\';
}

/* A comma or semicolon may belong to a password; not where a blank, nothing, or another name follows. */
static bool ends_at_separator(struct lb_str text, size_t at)
{
    size_t next = at + 1;

    while (next < text.len && next - at < LOOK_AHEAD && is_name(text.ptr[next]))
        next++;
    if (next == at + 1)
        return next >= text.len || (unsigned char)text.ptr[next] <= ' ' || is_quote(text.ptr[next]) ||
               text.ptr[next] == '}' || text.ptr[next] == '\\';
    return byte_at(text, next) == '=' || byte_at(text, next) == ':';
}

static size_t bare_end(struct lb_str text, size_t at)
{
    for (; at < text.len; at++) {
        char c = text.ptr[at];

        if ((unsigned char)c <= ' ' || is_quote(c) || (c != '\0' && strchr("&)]}<>\\", c) != NULL))
            break;
        if ((c == ',' || c == ';') && ends_at_separator(text, at))
            break;
    }
    return at;
}

/* "Bearer x": the word only says what follows. */
static size_t behind_scheme(struct lb_str text, size_t at)
{
    static const struct lb_str words[] = { { "bearer ", 7 }, { "basic ", 6 }, { "token ", 6 }, { "digest ", 7 } };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (text.len - at > words[i].len && strncasecmp(text.ptr + at, words[i].ptr, words[i].len) == 0)
            return at + words[i].len;
    }
    return at;
}

static size_t value_end(struct lb_str text, struct lb_str name, size_t *start)
{
    size_t at = *start;
    size_t escapes = 0;

    while (byte_at(text, at + escapes) == '\\')
        escapes++;
    if (is_quote(byte_at(text, at + escapes))) {
        *start = at + escapes + 1;
        return quoted_end(text, *start, text.ptr[*start - 1], escapes);
    }
    if (text.ptr[at] == '{' || text.ptr[at] == '[')
        return bracket_end(text, at);
    if (has_line(name)) {
        while (at < text.len && !ends_line(text.ptr[at]))
            at++;
        return at;
    }
    return bare_end(text, behind_scheme(text, at));
}

bool redact_scan_value(const struct redact_rules *rules, struct lb_str text, size_t at, struct redact_span *span)
{
    struct lb_str name = name_before(text, at);
    size_t start = at + 1;

    if (name.len == 0 || byte_at(text, start) == ':')
        return false;
    if (!redact_is_key(rules, name)) {
        if (!redact_is_escape(text, (size_t)(name.ptr - text.ptr)))
            return false;
        name = (struct lb_str){ name.ptr + 1, name.len - 1 };
        if (!redact_is_key(rules, name))
            return false;
    }
    while (byte_at(text, start) == '=' || byte_at(text, start) == '>')
        start++;
    while (is_blank(byte_at(text, start)) && start - at <= BLANKS_MAX)
        start++;
    if (start >= text.len)
        return false;
    size_t end = value_end(text, name, &start);
    *span = (struct redact_span){ .start = start, .end = end, .name = LB_STR("redacted"), .whole = true };
    return end > start;
}
