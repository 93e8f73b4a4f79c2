/* cut.c - the pieces that are more than a few bytes' work; see cut.h. */
#include "cut.h"

bool cut_quoted(struct lb_str *text, struct lb_str *piece)
{
    const char *end = text->ptr + text->len;
    const char *at = text->ptr + 1;

    if (text->len < 2 || *text->ptr != '"')
        return false;
    for (;;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *escape = quote != NULL ? memchr(at, '\\', (size_t)(quote - at)) : NULL;

        if (quote == NULL)
            return false;
        if (escape == NULL) {
            *piece = (struct lb_str){ text->ptr + 1, (size_t)(quote - text->ptr) - 1 };
            *text = cut_from(*text, piece->len + 2);
            return true;
        }
        at = escape + 2; /* at most behind the quote */
    }
}

bool cut_is_number(struct lb_str text)
{
    struct lb_str whole;
    struct lb_str digits;

    cut_char(&text, '-');
    if (!cut_digits(&text, &whole) || (whole.len > 1 && *whole.ptr == '0'))
        return false;
    if (cut_char(&text, '.') && !cut_digits(&text, &digits))
        return false;
    if (cut_char(&text, 'e') || cut_char(&text, 'E')) {
        if (!cut_char(&text, '-'))
            cut_char(&text, '+');
        if (!cut_digits(&text, &digits))
            return false;
    }
    return text.len == 0;
}
