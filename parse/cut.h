/*
 * cut.h - cutting a line into pieces, from its front.
 *
 * Each function takes what it says from the front of `*text` and is false,
 * with `*text` as it was, when that does not stand there.
 */
#ifndef CUT_H
#define CUT_H

#include "lb_str.h"

static inline struct lb_str cut_from(struct lb_str text, size_t count)
{
    return (struct lb_str){ text.ptr + count, text.len - count };
}

static inline bool cut_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline bool cut_is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static inline size_t cut_count_digits(struct lb_str text)
{
    size_t count = 0;

    while (count < text.len && cut_is_digit(text.ptr[count]))
        count++;
    return count;
}

static inline bool cut_char(struct lb_str *text, char c)
{
    if (text->len == 0 || *text->ptr != c)
        return false;
    *text = cut_from(*text, 1);
    return true;
}

static inline bool cut_word(struct lb_str *text, const char *word)
{
    size_t len = strlen(word);

    if (text->len < len || memcmp(text->ptr, word, len) != 0)
        return false;
    *text = cut_from(*text, len);
    return true;
}

static inline void cut_blanks(struct lb_str *text)
{
    while (text->len > 0 && (*text->ptr == ' ' || *text->ptr == '\t'))
        *text = cut_from(*text, 1);
}

/* Up to `stop`, which goes too. */
static inline bool cut_until(struct lb_str *text, char stop, struct lb_str *piece)
{
    const char *at = text->len > 0 ? memchr(text->ptr, stop, text->len) : NULL;

    if (at == NULL)
        return false;
    *piece = (struct lb_str){ text->ptr, (size_t)(at - text->ptr) };
    *text = cut_from(*text, piece->len + 1);
    return true;
}

/* Up to a blank, which goes too, or the end. Not empty. */
static inline bool cut_token(struct lb_str *text, struct lb_str *piece)
{
    if (text->len == 0 || *text->ptr == ' ')
        return false;
    if (!cut_until(text, ' ', piece)) {
        *piece = *text;
        *text = cut_from(*text, text->len);
    }
    return true;
}

/* A text in double quotes, a backslash before a quote or itself; without the quotes, as it is written. */
bool cut_quoted(struct lb_str *text, struct lb_str *piece);

/* Digits. */
static inline bool cut_digits(struct lb_str *text, struct lb_str *piece)
{
    *piece = (struct lb_str){ text->ptr, cut_count_digits(*text) };
    if (piece->len == 0)
        return false;
    *text = cut_from(*text, piece->len);
    return true;
}

static inline bool cut_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Without blanks and line ends at both ends. */
static inline struct lb_str cut_trimmed(struct lb_str text)
{
    while (text.len > 0 && cut_is_space(*text.ptr))
        text = cut_from(text, 1);
    while (text.len > 0 && cut_is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* All of it is one JSON number. */
bool cut_is_number(struct lb_str text);

#endif
