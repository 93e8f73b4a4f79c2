/*
 * grep_reader.h - a place in a pattern that is read, and what single items at
 * it stand for. Every function moves behind what it has read.
 */
#ifndef GREP_READER_H
#define GREP_READER_H

#include "grep_sets.h"

struct grep_reader {
    struct lb_arena *arena;
    const char *at;
    const char *end;
    bool utf;
    bool fixed;
    bool fold;     /* (?i) */
    bool extended; /* (?x) */
    bool extended_more;
    bool quoted; /* behind \Q */
    bool gave_up;
    bool is_local;
    bool has_folded, has_exact; /* letters of either kind */
    int depth;
};

static inline bool grep_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool grep_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool grep_is_next(const struct grep_reader *self, const char *text)
{
    size_t length = strlen(text);

    return (size_t)(self->end - self->at) >= length && memcmp(self->at, text, length) == 0;
}

/* Nothing more is read; the pattern has no literals. */
struct grep_expression grep_give_up(struct grep_reader *self);

/* It matches no text, only at some places. */
struct grep_expression grep_condition(void);

/* The character at `at` stands for itself. */
size_t grep_character_bytes(const struct grep_reader *self);
struct grep_expression grep_read_character(struct grep_reader *self);

/* What ends at `close` and is not understood. */
struct grep_expression grep_skip_behind(struct grep_reader *self, char close);

/* At a backslash; at [. */
struct grep_expression grep_read_escape(struct grep_reader *self);
struct grep_expression grep_read_class(struct grep_reader *self);

#endif
