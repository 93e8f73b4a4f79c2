/*
 * redact.h - secrets in text and JSON: found by hand-written scanners, taken out.
 *
 * A text is read once from front to back. A byte that may stand in a secret
 * ('@', a digit behind no letter, '=' …) asks the scanners of that byte; each
 * looks a bounded way around it, or at what no other will look at again, so
 * the time is linear whatever the text. What they find are spans, and spans
 * that touch become one. Whenever something cannot be finished (no memory, a
 * pattern of the user at its limit), the whole text goes: never a part of a
 * secret stays because work was too hard.
 */
#ifndef LB_ROUTE_REDACT_H
#define LB_ROUTE_REDACT_H

#include "lb_arena.h"
#include "lb_record.h"

#include "arena_text.h"
#include "expr.h"

enum redact_pattern {
    REDACT_EMAIL,
    REDACT_IPV4,
    REDACT_IPV6,
    REDACT_CARD,
    REDACT_IBAN,
    REDACT_BEARER,
    REDACT_PASSWORD_URL,
    REDACT_AWS_KEY,
    REDACT_JWT,
    REDACT_PATTERN_COUNT,
    REDACT_KEYS = REDACT_PATTERN_COUNT, /* values behind a name: password=…, "password":"…" */
};

extern const char *const redact_pattern_names[]; /* NULL at the end */

enum redact_with { REDACT_MASK, REDACT_HASH, REDACT_DROP };

struct redact_span {
    size_t start;
    size_t end;
    struct lb_str name; /* what it is said to be in its place */
    bool whole;         /* nothing inside is looked at again */
};

struct redact_own {
    struct lb_str name;
    struct lb_expr_regex regex;
};

/* What one filter looks for. Constant once made. */
struct redact_rules {
    unsigned wanted; /* bit n: pattern n */
    struct lb_strs keys;
    struct redact_own *own;
    size_t own_count;
    enum redact_with with;
    struct lb_str secret; /* of the hashes */
    uint16_t starts[256]; /* bits of the scanners that a byte asks */
};

void redact_rules_prepare(struct redact_rules *rules);

/* A name of `keys`: letters of any case; of a dotted name the last part counts too. */
bool redact_is_key(const struct redact_rules *rules, struct lb_str name);

/* Does what `pattern` is begin (or stand around) `at`? */
bool redact_scan(enum redact_pattern pattern, struct lb_str text, size_t at, struct redact_span *span);

/* text[at] is = or : behind one of the keys; the span is its value. */
bool redact_scan_value(const struct redact_rules *rules, struct lb_str text, size_t at, struct redact_span *span);

/* Writes what stands in the place of a secret. */
void redact_put(const struct redact_rules *rules, struct lb_str name, struct lb_str secret, struct arena_text *out);

enum redact_result { REDACT_UNCHANGED, REDACT_CHANGED };

/* Plain text. `patterns`: not only the values of keys. What it was changed to is in the arena, or constant. */
enum redact_result redact_text(const struct redact_rules *rules, struct lb_str text, bool patterns,
                               struct lb_arena *arena, struct lb_str *result);

/* A value of any kind, in place; nested ones to the bottom. A changed number becomes text. */
void redact_value(const struct redact_rules *rules, struct lb_value *value, bool patterns, struct lb_arena *arena);

/* The value of a key: all of it. */
void redact_whole(const struct redact_rules *rules, struct lb_value *value, struct lb_arena *arena);

/* Members without braces (a record's rest), or a nested value; `text` is valid JSON, and what comes out is. */
enum redact_result redact_json(const struct redact_rules *rules, struct lb_str text, bool patterns,
                               struct lb_arena *arena, struct lb_str *result);

static inline bool redact_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline bool redact_is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static inline bool redact_is_word(char c)
{
    return redact_is_digit(c) || redact_is_letter(c);
}

/* A letter behind a backslash is an escape of JSON within a string (\n), and begins a word no less than a blank. */
static inline bool redact_is_escape(struct lb_str text, size_t at)
{
    return at > 0 && text.ptr[at - 1] == '\\' && text.ptr[at] != '\0' && strchr("nrtbf", text.ptr[at]) != NULL;
}

/* Does what begins at `at` go on with a word? */
static inline bool redact_in_word(struct lb_str text, size_t at)
{
    return at > 0 && redact_is_word(text.ptr[at - 1]) && !redact_is_escape(text, at - 1);
}

#endif
