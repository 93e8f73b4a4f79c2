/*
 * expr_lexer.c - the words of an expression, and where they stand.
 *
 * A word ends at a blank, a quote, an operator or one of ( ) [ ] , so that
 * names may hold dots, dashes and slashes. Only the parser knows whether a
 * slash begins a pattern or a path, so it says so when it asks.
 */
#include "expr.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_BYTES = 640 };

/* Columns count characters, as editors do. */
static struct lb_place place_of(const struct lb_expr_source *source, const char *ptr)
{
    struct lb_place place = source->place;

    for (const char *at = source->text.ptr; at < ptr; at++)
        place.column += ((unsigned char)*at & 0xc0) != 0x80;
    return place;
}

void lb_expr_error(struct lb_expr_source *source, const char *ptr, const char *fmt, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;

    if (source->failed)
        return;
    source->failed = true;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    lb_diag_error(source->diag, place_of(source, ptr), "%s", message);
}

void *lb_expr_alloc(struct lb_expr_source *source, size_t size)
{
    void *ptr = lb_arena_zalloc(source->arena, size);

    if (ptr == NULL)
        lb_expr_error(source, source->text.ptr, "no memory is left for this expression");
    return ptr;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_mark(char c)
{
    return c == '(' || c == ')' || c == '[' || c == ']' || c == ',';
}

static bool is_operator(char c)
{
    return c != '\0' && strchr("=!<>~&|", c) != NULL;
}

static bool ends_word(char c)
{
    return is_blank(c) || is_mark(c) || is_operator(c) || c == '"' || c == '\'';
}

/* Inside quotes a backslash stands for itself unless the quote or a backslash follows it. */
static bool is_escape(const char *ptr, const char *end, char quote)
{
    return ptr[0] == '\\' && ptr + 1 < end && (ptr[1] == quote || (ptr[1] == '\\' && quote != '/'));
}

static const char *closing_quote(const char *ptr, const char *end, char quote)
{
    while (ptr < end && *ptr != quote) {
        /* Between slashes only the slash is unescaped, but `\\` is still one thing. */
        if (*ptr == '\\' && ptr + 1 < end && (ptr[1] == quote || ptr[1] == '\\'))
            ptr++;
        ptr++;
    }
    return ptr < end ? ptr : NULL;
}

static struct lb_str unescape(struct lb_expr_source *source, struct lb_str inside, char quote)
{
    const char *end = inside.ptr + inside.len;
    char *out;
    size_t len = 0;

    if (memchr(inside.ptr, '\\', inside.len) == NULL)
        return inside;
    out = lb_expr_alloc(source, inside.len + 1);
    if (out == NULL)
        return (struct lb_str){ inside.ptr, 0 };
    for (const char *ptr = inside.ptr; ptr < end; ptr++) {
        if (is_escape(ptr, end, quote)) {
            ptr++;
        } else if (quote == '/' && *ptr == '\\' && ptr + 1 < end) {
            out[len++] = *ptr++;
        }
        out[len++] = *ptr;
    }
    return (struct lb_str){ out, len };
}

const char *lb_expr_origin(const struct lb_expr_token *token, size_t offset)
{
    const char *ptr = token->raw.ptr;
    const char *end = ptr + token->raw.len;
    char quote = *ptr;

    if (token->kind == LB_EXPR_WORD)
        return offset < token->raw.len ? ptr + offset : end;
    ptr++;
    for (size_t i = 0; i < offset && ptr < end - 1; i++) {
        if (is_escape(ptr, end - 1, quote))
            ptr++;
        ptr++;
    }
    return ptr;
}

static struct lb_expr_token broken(struct lb_expr_source *source)
{
    source->at = source->text.len;
    return (struct lb_expr_token){ .kind = LB_EXPR_BROKEN };
}

static struct lb_expr_token read_quoted(struct lb_expr_source *source, enum lb_expr_token_kind kind)
{
    const char *start = source->text.ptr + source->at;
    const char *end = source->text.ptr + source->text.len;
    const char *close = closing_quote(start + 1, end, *start);
    struct lb_expr_token token = { .kind = kind };

    if (close == NULL) {
        lb_expr_error(source, start, "this %s is not closed: expected %c before the end of the expression",
                      kind == LB_EXPR_SLASHED ? "slash" : "quote", *start);
        return broken(source);
    }
    token.raw = (struct lb_str){ start, (size_t)(close + 1 - start) };
    token.value = unescape(source, (struct lb_str){ start + 1, (size_t)(close - start - 1) }, *start);
    source->at += token.raw.len;
    if (kind == LB_EXPR_SLASHED && close + 1 < end && !ends_word(close[1])) {
        lb_expr_error(source, close + 1,
                      "nothing may follow the closing slash: write options at the start, as in "
                      "/(?i)text/, and a slash inside as \\/");
        return broken(source);
    }
    return token;
}

static struct lb_expr_token read_run(struct lb_expr_source *source, enum lb_expr_token_kind kind)
{
    size_t start = source->at;
    size_t end = start + 1;

    if (kind == LB_EXPR_WORD) {
        while (end < source->text.len && !ends_word(source->text.ptr[end]))
            end++;
    } else if (kind == LB_EXPR_OPERATOR) {
        while (end < source->text.len && is_operator(source->text.ptr[end]))
            end++;
    }
    struct lb_str raw = { source->text.ptr + start, end - start };
    source->at = end;
    return (struct lb_expr_token){ .kind = kind, .raw = raw, .value = raw };
}

struct lb_expr_token lb_expr_next(struct lb_expr_source *source, bool pattern)
{
    while (source->at < source->text.len && is_blank(source->text.ptr[source->at]))
        source->at++;
    if (source->failed)
        return broken(source);
    if (source->at == source->text.len)
        return (struct lb_expr_token){ .kind = LB_EXPR_END, .raw = { source->text.ptr + source->at, 0 } };

    char c = source->text.ptr[source->at];
    if (c == '"' || c == '\'')
        return read_quoted(source, LB_EXPR_STRING);
    if (c == '/' && pattern)
        return read_quoted(source, LB_EXPR_SLASHED);
    if (is_mark(c))
        return read_run(source, LB_EXPR_MARK);
    return read_run(source, is_operator(c) ? LB_EXPR_OPERATOR : LB_EXPR_WORD);
}
