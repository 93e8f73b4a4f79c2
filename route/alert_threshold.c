/*
 * alert_threshold.c - `above 5%`, `at least 5`, `'> 1000'`.
 *
 * A ratio is kept as 0…1. What can never be crossed, or always is, is a fault:
 * a rule that is silent by mistake is the worst kind.
 */
#include "alert_conf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BYTES = 32 };

struct word {
    const char *text;
    enum lb_comparison comparison;
};

/* Longer ones before those they begin with. */
static const struct word words[] = {
    { "above", LB_ABOVE }, { "at least", LB_AT_LEAST }, { "below", LB_BELOW }, { "at most", LB_AT_MOST },
    { ">=", LB_AT_LEAST }, { ">", LB_ABOVE },           { "<=", LB_AT_MOST },  { "<", LB_BELOW },
};

struct lb_place lb_place_at(struct lb_place place, size_t offset)
{
    place.column += (uint32_t)offset;
    return place;
}

static const char *examples(bool is_ratio)
{
    return is_ratio ? "`above 5%`, `at least 0.05`, `below 20%` or `at most 3%`"
                    : "`above 5`, `at least 5`, `below 20` or `at most 3`";
}

static size_t skip_blanks(struct lb_str text, size_t at)
{
    while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t'))
        at++;
    return at;
}

static size_t skip_letters(struct lb_str text, size_t at)
{
    while (at < text.len && (text.ptr[at] | 0x20) >= 'a' && (text.ptr[at] | 0x20) <= 'z')
        at++;
    return at;
}

static bool unknown_word(struct lb_str text, size_t at, bool is_ratio, struct lb_place place, struct lb_diag *diag)
{
    static const char *const nouns[] = { "above", "at least", "below", "at most", NULL };
    static const char *const habits[][2] = { { "over", "above" },     { "more", "above" },  { "greater", "above" },
                                             { "exceeds", "above" },  { "under", "below" }, { "less", "below" },
                                             { "min", "at least" },   { "max", "at most" }, { "minimum", "at least" },
                                             { "maximum", "at most" } };
    struct lb_str word = { text.ptr + at, skip_letters(text, at) - at };
    const char *near = word.len > 0 ? lb_nearest(word, nouns) : NULL;

    for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++)
        if (lb_str_is(word, habits[i][0]))
            near = habits[i][1];
    if (near != NULL)
        lb_diag_error(diag, lb_place_at(place, at), "unknown word \"" LB_STR_FMT "\"; did you mean `%s`?",
                      LB_STR_ARG(word), near);
    else
        lb_diag_error(diag, lb_place_at(place, at), "expected a threshold such as %s, got \"" LB_STR_FMT "\"",
                      examples(is_ratio), LB_STR_ARG(text));
    return false;
}

/* The comparison at `*at`, which moves behind it. */
static bool read_word(struct lb_str text, size_t *at, enum lb_comparison *comparison)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct lb_str word = lb_str_from(words[i].text);
        struct lb_str rest = { text.ptr + *at, text.len - *at };
        bool letters = skip_letters(word, 0) > 0;

        if (!lb_str_starts(rest, word) || (letters && skip_letters(rest, word.len) > word.len))
            continue;
        *comparison = words[i].comparison;
        *at += word.len;
        return true;
    }
    return false;
}

static bool read_number(struct lb_str text, size_t *at, double *number)
{
    char digits[NUMBER_BYTES + 1];
    size_t len = 0;
    char *end;

    while (*at + len < text.len && len < NUMBER_BYTES && strchr("0123456789.", text.ptr[*at + len]) != NULL)
        len++;
    memcpy(digits, text.ptr + *at, len);
    digits[len] = '\0';
    *number = strtod(digits, &end);
    *at += len;
    return len > 0 && *end == '\0' && isfinite(*number);
}

/* Behind the number: nothing, or % of a ratio. */
static bool read_unit(struct lb_str text, size_t at, bool is_ratio, double *number)
{
    at = skip_blanks(text, at);
    if (at == text.len)
        return true;
    if (text.ptr[at] != '%' || !is_ratio)
        return false;
    *number /= 100;
    return skip_blanks(text, at + 1) == text.len;
}

static bool check_reach(const struct lb_threshold *threshold, bool is_ratio, struct lb_place place,
                        struct lb_diag *diag)
{
    double most = is_ratio ? 1 : INFINITY;
    double number = threshold->number;
    bool never = (threshold->comparison == LB_ABOVE && number >= most) ||
                 (threshold->comparison == LB_AT_LEAST && number > most) ||
                 (threshold->comparison == LB_BELOW && number <= 0);
    bool always = (threshold->comparison == LB_AT_LEAST && number <= 0) ||
                  (threshold->comparison == LB_AT_MOST && number >= most) ||
                  (threshold->comparison == LB_BELOW && number > most);

    if (never)
        lb_diag_error(diag, place, "this threshold can never be crossed: %s",
                      is_ratio ? "a ratio is 0% to 100%" : "a count is 0 or more");
    if (always)
        lb_diag_error(diag, place, "this threshold is always crossed: %s",
                      is_ratio ? "a ratio is 0% to 100%" : "a count is 0 or more");
    return !never && !always;
}

bool lb_threshold_read(struct lb_str text, bool is_ratio, struct lb_threshold *threshold, struct lb_place place,
                       struct lb_diag *diag)
{
    size_t at = skip_blanks(text, 0);
    size_t number_at;

    *threshold = (struct lb_threshold){ .set = true };
    if (!read_word(text, &at, &threshold->comparison))
        return unknown_word(text, at, is_ratio, place, diag);
    number_at = at = skip_blanks(text, at);
    if (!read_number(text, &at, &threshold->number)) {
        lb_diag_error(diag, lb_place_at(place, number_at), "expected a number, as in %s", examples(is_ratio));
        return false;
    }
    if (!read_unit(text, at, is_ratio, &threshold->number)) {
        lb_diag_error(diag, lb_place_at(place, at), "expected %s behind the number, got \"" LB_STR_FMT "\"",
                      is_ratio ? "% or nothing" : "nothing (a count has no unit)",
                      LB_STR_ARG(((struct lb_str){ text.ptr + at, text.len - at })));
        return false;
    }
    if (is_ratio && threshold->number > 1) {
        lb_diag_error(diag, lb_place_at(place, number_at), "a ratio is 0%% to 100%%, or 0 to 1: write %s",
                      examples(true));
        return false;
    }
    return check_reach(threshold, is_ratio, lb_place_at(place, number_at), diag);
}
