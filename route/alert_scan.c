/*
 * alert_scan.c - pieces of `value:` and `when:`: words, parentheses, windows.
 *
 * What stands between parentheses is an expression of its own, so quotes and
 * patterns between slashes are skipped as a whole: `message ~ "\("` closes
 * nothing.
 */
#include "alert_conf.h"

#include "expr.h"
#include "lb_clock.h"

struct lb_str lb_alert_trim(struct lb_str text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1]) != NULL)
        text.len--;
    return text;
}

struct lb_place lb_alert_text_place(const struct lb_alert_text *text, const char *ptr)
{
    return lb_place_at(text->place, (size_t)(ptr - text->whole.ptr));
}

char lb_alert_text_peek(struct lb_alert_text *text)
{
    while (text->at < text->whole.len && strchr(" \t\r\n", text->whole.ptr[text->at]) != NULL)
        text->at++;
    return (char)(text->at < text->whole.len ? text->whole.ptr[text->at] : '\0');
}

bool lb_alert_text_take(struct lb_alert_text *text, char mark)
{
    if (lb_alert_text_peek(text) != mark || text->at == text->whole.len)
        return false;
    text->at++;
    return true;
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

struct lb_str lb_alert_text_word(const struct lb_alert_text *text)
{
    size_t end = text->at;

    while (end < text->whole.len && is_word_byte(text->whole.ptr[end]))
        end++;
    return (struct lb_str){ text->whole.ptr + text->at, end - text->at };
}

/* --- parentheses ---------------------------------------------------------- */

static size_t skip_quoted(struct lb_str text, size_t at)
{
    char quote = text.ptr[at];

    for (at++; at < text.len && text.ptr[at] != quote; at++)
        at += text.ptr[at] == '\\';
    return at;
}

/* A slash begins a pattern only behind a `~`; elsewhere it divides. */
static bool begins_pattern(struct lb_str text, size_t at)
{
    while (at > 0 && strchr(" \t\r\n", text.ptr[at - 1]) != NULL)
        at--;
    return at > 0 && text.ptr[at - 1] == '~';
}

/* The next byte at or behind `at` that is neither quoted nor in a pattern. */
static size_t skip_text(struct lb_str text, size_t at)
{
    char c = text.ptr[at];

    if (c == '"' || c == '\'' || (c == '/' && begins_pattern(text, at)))
        return skip_quoted(text, at);
    return at;
}

size_t lb_alert_text_close(struct lb_str text, size_t open)
{
    int depth = 0;

    for (size_t at = open; at < text.len; at++) {
        at = skip_text(text, at);
        if (at >= text.len)
            break;
        if (text.ptr[at] == '(' || text.ptr[at] == '[')
            depth++;
        else if ((text.ptr[at] == ')' || text.ptr[at] == ']') && --depth == 0)
            return at;
    }
    return text.len;
}

/* --- windows -------------------------------------------------------------- */

bool lb_alert_duration_read(struct lb_str text, int64_t *duration_ns)
{
    struct lb_str unit;
    double seconds;

    if (text.len < 2 || text.ptr[0] < '0' || text.ptr[0] > '9' || strchr("smhdw", text.ptr[text.len - 1]) == NULL ||
        lb_expr_read_number(text, LB_STR(""), &seconds, &unit) != LB_EXPR_NUMBER || seconds > 366 * 86400.0)
        return false;
    *duration_ns = (int64_t)(seconds * (double)LB_SECOND);
    return true;
}

/* The last comma that stands between arguments; text.len: there is none. */
static size_t last_comma(struct lb_str text)
{
    size_t found = text.len;

    for (size_t at = 0; at < text.len; at++) {
        at = skip_text(text, at);
        if (at >= text.len)
            break;
        if (text.ptr[at] == '(' || text.ptr[at] == '[')
            at = lb_alert_text_close(text, at);
        else if (text.ptr[at] == ',')
            found = at;
    }
    return found;
}

bool lb_alert_window_take(struct lb_str *arguments, int64_t *over_ns)
{
    size_t comma = last_comma(*arguments);
    size_t from = comma == arguments->len ? 0 : comma + 1;
    struct lb_str last = lb_alert_trim((struct lb_str){ arguments->ptr + from, arguments->len - from });

    if (!lb_alert_duration_read(last, over_ns))
        return false;
    *arguments = lb_alert_trim((struct lb_str){ arguments->ptr, from > 0 ? comma : 0 });
    return true;
}
