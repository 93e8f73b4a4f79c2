/*
 * channel_text.c - cleaning, cutting and escaping.
 *
 * The tricky thing is the cut: whether an ellipsis is needed is known only
 * when a character does not fit any more, so the last place at which one
 * still fits is noted on the way. The work is bounded by the limit, not by
 * the length of the text.
 */
#include "channel_text.h"

#include "lb_json.h"

#include <stdint.h>

enum {
    BEYOND_BMP = 0x10000, /* from here a character takes two UTF-16 units */
    REPLACEMENT = 0xfffd,
    ESCAPED_BYTES = 8, /* of one character at most, escaped */
    ASCII_END = 0x7f,
};

static const char ellipsis[] = "\xe2\x80\xa6";

/* --- characters ------------------------------------------------------------ */

/* The character at `at`, which moves on; REPLACEMENT for a byte that is not part of UTF-8. */
static uint32_t next_character(struct lb_str text, size_t *at)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr + *at;
    size_t len = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;

    if (len == 1) {
        (*at)++;
        return bytes[0];
    }
    if (len > text.len - *at || lb_utf8_valid((struct lb_str){ text.ptr + *at, len }) != len) {
        (*at)++;
        return REPLACEMENT;
    }
    uint32_t character = bytes[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        character = character << 6 | (bytes[i] & 0x3fu);
    *at += len;
    return character;
}

static size_t write_utf8(uint32_t character, char *out)
{
    static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    size_t len = character < 0x80 ? 1 : character < 0x800 ? 2 : character < BEYOND_BMP ? 3 : 4;

    if (len == 1) {
        *out = (char)character;
        return 1;
    }
    for (size_t i = len - 1; i > 0; i--, character >>= 6)
        out[i] = (char)(0x80 | (character & 0x3f));
    *out = (char)(leads[len] | character);
    return len;
}

/* Control characters, line separators, and those that turn the direction of what follows. */
static bool is_control(uint32_t character)
{
    return character < ' ' || (character >= ASCII_END && character < 0xa0) ||
           (character >= 0x200e && character <= 0x200f) || (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069) || character == 0xfeff;
}

/* --- cleaning ------------------------------------------------------------------- */

static const char *entity_of(uint32_t character)
{
    switch (character) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    default: return NULL;
    }
}

/* One character, cleaned and escaped. Returns its bytes; `units`: what it takes of the limit. */
static size_t render(uint32_t character, unsigned form, char *out, size_t *units)
{
    const char *entity = (form & CHANNEL_ENTITIES) != 0 ? entity_of(character) : NULL;
    size_t len = 0;

    if (entity != NULL) {
        *units = strlen(entity);
        memcpy(out, entity, *units);
        return *units;
    }
    if (is_control(character) && !(character == '\n' && (form & CHANNEL_LINES) != 0))
        character = ' ';
    if (character == '`' && (form & CHANNEL_CODE) != 0)
        character = '\'';
    if ((form & CHANNEL_MARKDOWN) != 0 && character > ' ' && character < ASCII_END &&
        strchr("\\*_~`|>#[]()<-+:@", (int)character) != NULL)
        out[len++] = '\\';
    *units = len + (character >= BEYOND_BMP ? 2 : 1);
    return len + write_utf8(character, out + len);
}

void channel_clean(struct lb_buffer *out, struct lb_str text, size_t units_max, unsigned form)
{
    char bytes[ESCAPED_BYTES];
    size_t cut = out->len; /* here an ellipsis still fits */
    size_t used = 0;
    size_t at = 0;

    while (at < text.len) {
        size_t units;
        size_t len = render(next_character(text, &at), form, bytes, &units);

        if (used + units > units_max) {
            out->len = cut;
            lb_buffer_append(out, ellipsis, sizeof(ellipsis) - 1);
            return;
        }
        lb_buffer_append(out, bytes, len);
        used += units;
        if (used < units_max)
            cut = out->len;
    }
}

struct lb_str channel_front(struct lb_str text, size_t bytes_max)
{
    if (text.len <= bytes_max)
        return text;
    while (bytes_max > 0 && ((unsigned char)text.ptr[bytes_max] & 0xc0) == 0x80)
        bytes_max--;
    return (struct lb_str){ text.ptr, bytes_max };
}

/* --- GSM 03.38 -------------------------------------------------------------------- */

/* What the basic table has besides ASCII. */
static const uint16_t gsm_others[] = {
    0xa3,  0xa5,  0xe8,  0xe9,  0xf9,  0xec,  0xf2,  0xc7,  0xd8,  0xf8, 0xc5, 0xe5, 0x394,
    0x3a6, 0x393, 0x39b, 0x3a9, 0x3a0, 0x3a8, 0x3a3, 0x398, 0x39e, 0xc6, 0xe6, 0xdf, 0xc9,
    0xa4,  0xa1,  0xc4,  0xd6,  0xd1,  0xdc,  0xa7,  0xbf,  0xe4,  0xf6, 0xf1, 0xfc, 0xe0,
};

/* Near enough for a person; the rest becomes a question mark. */
static uint32_t gsm_alike(uint32_t character)
{
    switch (character) {
    case '`':
    case 0x2018:
    case 0x2019: return '\'';
    case 0x201c:
    case 0x201d: return '"';
    case 0x2010:
    case 0x2011:
    case 0x2013:
    case 0x2014: return '-';
    case 0xa0: return ' ';
    default: return '?';
    }
}

/* 0: not in the alphabet. Those of its extension take two. */
static size_t gsm_septets(uint32_t character)
{
    if (character == 0x20ac || (character < ASCII_END && strchr("^{}\\[~]|", (int)character) != NULL))
        return 2;
    if (character >= ' ' && character < ASCII_END)
        return character == '`' ? 0 : 1;
    for (size_t i = 0; i < sizeof(gsm_others) / sizeof(gsm_others[0]); i++) {
        if (gsm_others[i] == character)
            return 1;
    }
    return 0;
}

/* An ellipsis is not in the alphabet, and three dots are too dear: what is too long just ends. */
void channel_gsm7(struct lb_buffer *out, struct lb_str text, size_t septets_max)
{
    char bytes[ESCAPED_BYTES];
    size_t used = 0;
    size_t at = 0;

    while (at < text.len) {
        uint32_t character = next_character(text, &at);

        if (is_control(character))
            character = ' ';
        if (gsm_septets(character) == 0)
            character = gsm_alike(character);
        used += gsm_septets(character);
        if (used > septets_max)
            return;
        lb_buffer_append(out, bytes, write_utf8(character, bytes));
    }
}

/* --- forms and JSON ------------------------------------------------------------------ */

void channel_percent(struct lb_buffer *out, struct lb_str text)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool alphanumeric = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (alphanumeric || (c != '\0' && strchr("-._~", c) != NULL))
            lb_buffer_append_char(out, (char)c);
        else
            lb_buffer_append(out, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
    }
}

void channel_json(struct lb_buffer *out, struct lb_str text)
{
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

/* Cleaned text has no control character but line feeds: escaping it for JSON in place needs no second buffer. */
void channel_json_clean(struct lb_buffer *out, struct lb_str text, size_t units_max, unsigned form)
{
    size_t start;
    size_t extra = 0;

    lb_buffer_append_char(out, '"');
    start = out->len;
    channel_clean(out, text, units_max, form);
    size_t end = out->len;
    for (size_t i = start; i < end; i++)
        extra += out->ptr[i] == '"' || out->ptr[i] == '\\' || out->ptr[i] == '\n';
    if (extra > 0 && lb_buffer_reserve(out, extra)) {
        out->len = end + extra;
        for (size_t from = end, to = out->len; from > start;) {
            char c = out->ptr[--from];
            bool escaped = c == '"' || c == '\\' || c == '\n';

            out->ptr[--to] = c == '\n' ? 'n' : c;
            if (escaped)
                out->ptr[--to] = '\\';
        }
    }
    lb_buffer_append_char(out, '"');
}
