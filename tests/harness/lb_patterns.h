/*
 * lb_patterns.h - patterns and lines made from bytes, for tests of searching.
 *
 * Each byte picks a piece from a table: nearly every construct of PCRE2 turns
 * up, next to every other, and lines are made of what patterns ask for.
 */
#ifndef LB_PATTERNS_H
#define LB_PATTERNS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Appends the piece that `byte` picks; returns the new length, or `len` when there is no room. */
static inline size_t lb_append_piece(const char *const *pieces, size_t count, uint8_t byte, char *out, size_t len,
                                     size_t size)
{
    const char *piece = pieces[byte % count];
    size_t length = strlen(piece);

    if (len + length > size)
        return len;
    memcpy(out + len, piece, length);
    return len + length;
}

static inline size_t lb_pattern_piece(uint8_t byte, char *out, size_t len, size_t size)
{
    static const char *const pieces[] = {
        "a",         "b",         "k",           "s",      "S",     "K",         "ab",       "foo",
        "x",         "1",         " ",           "#",      "\n",    "\xc3\xa9",  "\xc5\xbf", "\xe2\x84\xaa",
        "-",         "]",         "{",           "}",      "|",     "|",         "(",        "(",
        ")",         ")",         ")",           ".",      "*",     "+",         "?",        "{2}",
        "{0,1}",     "{1,}",      "{2,3}",       "{,2}",   "^",     "$",         "\\b",      "\\B",
        "\\A",       "\\z",       "\\Z",         "\\K",    "\\G",   "(?:",       "(?i)",     "(?i:",
        "(?-i)",     "(?x)",      "(?x:",        "(?xx)",  "(?s)",  "(?^)",      "(?=",      "(?!",
        "(?<=",      "(?<!",      "(?>",         "(?|",    "(?<n>", "(?#a)",     "(?R)",     "(?1)",
        "(?(1)",     "(*ACCEPT)", "(*FAIL)",     "\\1",    "\\12",  "\\0",       "\\x61",    "\\x{62}",
        "\\Q",       "\\E",       "\\d",         "\\w",    "\\s",   "\\S",       "\\W",      "\\N",
        "\\R",       "\\X",       "\\p{L}",      "\\pL",   "\\n",   "\\t",       "\\.",      "\\\\",
        "\\cA",      "\\k<n>",    "\\g{1}",      "[",      "[^",    "[a-c]",     "[^a]",     "[ks]",
        "[]a]",      "[a\\]b]",   "[[:alpha:]]", "[\\d]",  "[a-",   "[\\Qa]\\E", "[\\E]a]",  "[a b]",
        "\\N{U+61}", "\\o{141}",  "(?P<n>",      "(?P=n)",
    };

    return lb_append_piece(pieces, sizeof(pieces) / sizeof(pieces[0]), byte, out, len, size);
}

static inline size_t lb_line_piece(uint8_t byte, char *out, size_t len, size_t size)
{
    static const char *const pieces[] = {
        "a", "b",  "k", "s", "S", "K", "ab",  "foo", "x",   "1",    " ",    "#", "\xc3\xa9", "\xc5\xbf", "\xe2\x84\xaa",
        "-", "]",  "{", "}", "A", "B", "FOO", "aa",  "aaa", "\xff", "\xc5", "|", ".",        "\t",       "\\",
        "c", "\r",
    };

    return lb_append_piece(pieces, sizeof(pieces) / sizeof(pieces[0]), byte, out, len, size);
}

#endif
