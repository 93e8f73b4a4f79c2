/*
 * expr_needed.c - bytes that every match of a pattern has in it.
 *
 * The longest run of plain characters of the pattern, outside of groups,
 * classes and alternatives, that no quantifier makes optional. It is asked for
 * only to leave out texts that cannot match, letters in either case; so
 * whatever is not surely understood has no such run.
 */
#include "expr.h"

#include <string.h>

struct reader {
    struct lb_str pattern;
    size_t at;
    bool lost; /* not understood */
};

static char peek(const struct reader *reader, size_t ahead)
{
    return reader->at + ahead < reader->pattern.len ? reader->pattern.ptr[reader->at + ahead] : '\0';
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || is_one_of(c, " _-,:;/=<>@%&'\"!~");
}

/* At the backslash. What reads more than the one character behind it is not understood. */
static void skip_escape(struct reader *reader)
{
    char next = peek(reader, 1);

    reader->lost |= next == '\0' || (next >= '0' && next <= '9') || is_one_of(next, "QExoNpPXcgkuULl") ||
                    (unsigned char)next >= 0x80;
    reader->at += 2;
}

/* At the bracket. */
static void skip_class(struct reader *reader)
{
    reader->at++;
    if (peek(reader, 0) == '^')
        reader->at++;
    if (peek(reader, 0) == ']')
        reader->at++;
    while (!reader->lost && reader->at < reader->pattern.len && peek(reader, 0) != ']') {
        if (peek(reader, 0) == '[') /* perhaps [:alpha:] */
            reader->lost = true;
        else if (peek(reader, 0) == '\\')
            skip_escape(reader);
        else
            reader->at++;
    }
    reader->at++;
}

/* At the parenthesis: to behind the one that closes it. */
static void skip_group(struct reader *reader)
{
    unsigned depth = 0;

    do {
        char c = peek(reader, 0);

        if (c == '\0' || (c == '(' && (peek(reader, 1) == '*' || (peek(reader, 1) == '?' && peek(reader, 2) == '#'))))
            reader->lost = true;
        else if (c == '\\')
            skip_escape(reader);
        else if (c == '[')
            skip_class(reader);
        else {
            depth += c == '(';
            depth -= c == ')';
            reader->at++;
        }
    } while (depth > 0 && !reader->lost);
}

/* At "(?": options such as (?i), or a group. With (?x) spaces mean nothing. */
static void skip_options(struct reader *reader)
{
    size_t end = 2;

    while (is_one_of(peek(reader, end), "imsnJU"))
        end++;
    if (peek(reader, end) == ')' && end > 2)
        reader->at += end + 1;
    else if (is_one_of(peek(reader, end), "x-^"))
        reader->lost = true;
    else
        skip_group(reader);
}

/* At the brace: {2}, {2,}, {2,5}. Others are not understood. */
static void skip_count(struct reader *reader)
{
    reader->at++;
    while (is_one_of(peek(reader, 0), "0123456789,"))
        reader->at++;
    reader->lost |= peek(reader, 0) != '}';
    reader->at++;
}

/* What is no plain character. */
static void skip_other(struct reader *reader)
{
    switch (peek(reader, 0)) {
    case '\\': skip_escape(reader); return;
    case '[': skip_class(reader); return;
    case '{': skip_count(reader); return;
    case '(': peek(reader, 1) == '?' ? skip_options(reader) : skip_group(reader); return;
    case '.':
    case '^':
    case '$':
    case '*':
    case '+':
    case '?': reader->at++; return;
    default: reader->lost = true; return;
    }
}

struct lb_str lb_expr_regex_needed(struct lb_str pattern)
{
    struct reader reader = { pattern, 0, memchr(pattern.ptr, '\0', pattern.len) != NULL };
    struct lb_str longest = LB_STR("");

    while (reader.at < pattern.len && !reader.lost) {
        struct lb_str run = { pattern.ptr + reader.at, 0 };

        while (is_plain(peek(&reader, 0)) && !is_one_of(peek(&reader, 1), "*?{")) {
            run.len++;
            reader.at++;
        }
        if (run.len > longest.len)
            longest = run;
        if (is_plain(peek(&reader, 0)))
            reader.at++; /* a quantifier follows, so it may be missing */
        else if (reader.at < pattern.len)
            skip_other(&reader);
    }
    return reader.lost ? LB_STR("") : longest;
}
