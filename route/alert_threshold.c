/*
 * alert_threshold.c - `above 5%`, `at least 5`, `'> 1000'`.
 *
 * A ratio is kept as 0…1. What can never be crossed, or always is, is a fault:
 * a rule that is silent by mistake is the worst kind.
 */
#include "alert_conf.h"

#include "expr.h"

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

/* What is measured has the unit of its field; how many different values there are has none. */
static bool has_units(const struct lb_alert_rule *rule)
{
    return rule->field.len > 0 && rule->function != LB_ALERT_DISTINCT;
}

struct lb_place lb_place_at(struct lb_place place, size_t offset)
{
    place.column += (uint32_t)offset;
    return place;
}

static const char *examples(const struct lb_alert_rule *rule)
{
    if (rule->function == LB_ALERT_RATIO)
        return "`above 5%`, `at least 0.05`, `below 20%` or `at most 3%`";
    if (rule->function == LB_ALERT_RATE)
        return "`above 10/s`, `at least 600/m` or `below 1/h`";
    return has_units(rule) ? "`above 500ms`, `at least 10MiB`, `below 20` or `at most 3`"
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

static bool unknown_word(struct lb_str text, size_t at, const struct lb_alert_rule *rule, struct lb_place place,
                         struct lb_diag *diag)
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
                      examples(rule), LB_STR_ARG(text));
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

/* `/s`, `/m` or `/h`; nothing is a second. */
static bool read_per(struct lb_str unit, double *number)
{
    static const struct {
        const char *word;
        double seconds;
    } units[] = { { "", 1 }, { "/s", 1 }, { "/m", 60 }, { "/min", 60 }, { "/h", 3600 } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!lb_str_is(unit, units[i].word))
            continue;
        *number /= units[i].seconds;
        return true;
    }
    return false;
}

/* Behind the number: nothing, % of a ratio, or the time of a rate. */
static bool read_unit(const struct lb_alert_rule *rule, struct lb_str unit, double *number)
{
    if (rule->function == LB_ALERT_RATE)
        return read_per(unit, number);
    if (unit.len == 0)
        return true;
    if ((rule->function != LB_ALERT_RATIO && rule->function != LB_ALERT_FORMULA) || !lb_str_is(unit, "%"))
        return false;
    *number /= 100;
    return true;
}

static const char *units_of(const struct lb_alert_rule *rule)
{
    if (rule->function == LB_ALERT_RATIO || rule->function == LB_ALERT_FORMULA)
        return "% or nothing";
    if (rule->function == LB_ALERT_RATE)
        return "/s, /m or /h";
    return has_units(rule) ? "a unit such as ms, s, KiB, MB or %" : "nothing (a count has no unit)";
}

static bool bad_number(const struct lb_alert_rule *rule, struct lb_place place, struct lb_diag *diag)
{
    lb_diag_error(diag, place, "expected a number, as in %s", examples(rule));
    return false;
}

static bool bad_unit(const struct lb_alert_rule *rule, struct lb_str rest, struct lb_place place, struct lb_diag *diag)
{
    lb_diag_error(diag, place, "expected %s behind the number, got \"" LB_STR_FMT "\"", units_of(rule),
                  LB_STR_ARG(rest));
    return false;
}

/* The number behind the word, in the unit of what is measured. */
static bool read_amount(struct lb_str text, const struct lb_alert_rule *rule, double *number, struct lb_place place,
                        struct lb_diag *diag)
{
    struct lb_str unit = { text.ptr + text.len, 0 };
    size_t at = 0;

    if (has_units(rule)) {
        switch (lb_expr_read_number(text, rule->field, number, &unit)) {
        case LB_EXPR_NUMBER: return true;
        case LB_EXPR_NOT_NUMBER: return bad_number(rule, place, diag);
        case LB_EXPR_BAD_UNIT: break;
        }
        return bad_unit(rule, unit, lb_place_at(place, (size_t)(unit.ptr - text.ptr)), diag);
    }
    if (!read_number(text, &at, number))
        return bad_number(rule, place, diag);
    unit = lb_alert_trim((struct lb_str){ text.ptr + at, text.len - at });
    return read_unit(rule, unit, number) ||
           bad_unit(rule, (struct lb_str){ text.ptr + at, text.len - at }, lb_place_at(place, at), diag);
}

/* How large a value can get, and how small. */
static void range_of(const struct lb_alert_rule *rule, double *least, double *most)
{
    *most = rule->function == LB_ALERT_RATIO ? 1 : INFINITY;
    *least =
        (has_units(rule) && rule->function != LB_ALERT_STDDEV) || rule->function == LB_ALERT_FORMULA ? -INFINITY : 0;
}

static bool check_reach(const struct lb_threshold *threshold, const struct lb_alert_rule *rule, struct lb_place place,
                        struct lb_diag *diag)
{
    double number = threshold->number;
    double least;
    double most;

    range_of(rule, &least, &most);
    bool never = (threshold->comparison == LB_ABOVE && number >= most) ||
                 (threshold->comparison == LB_AT_LEAST && number > most) ||
                 (threshold->comparison == LB_BELOW && number <= least);
    bool always = (threshold->comparison == LB_AT_LEAST && number <= least) ||
                  (threshold->comparison == LB_AT_MOST && number >= most) ||
                  (threshold->comparison == LB_BELOW && number > most);

    if (never || always)
        lb_diag_error(diag, place, "this threshold %s crossed: %s", never ? "can never be" : "is always",
                      rule->function == LB_ALERT_RATIO ? "a ratio is 0% to 100%" : "the value is 0 or more");
    return !never && !always;
}

bool lb_threshold_read(struct lb_str text, const struct lb_alert_rule *rule, struct lb_threshold *threshold,
                       struct lb_place place, struct lb_diag *diag)
{
    size_t at = skip_blanks(text, 0);

    *threshold = (struct lb_threshold){ .set = true };
    if (!read_word(text, &at, &threshold->comparison))
        return unknown_word(text, at, rule, place, diag);
    at = skip_blanks(text, at);
    struct lb_str amount = lb_alert_trim((struct lb_str){ text.ptr + at, text.len - at });
    struct lb_place amount_place = lb_place_at(place, at);
    if (!read_amount(amount, rule, &threshold->number, amount_place, diag))
        return false;
    if (rule->function == LB_ALERT_RATIO && threshold->number > 1) {
        lb_diag_error(diag, amount_place, "a ratio is 0%% to 100%%, or 0 to 1: write %s", examples(rule));
        return false;
    }
    return check_reach(threshold, rule, amount_place, diag);
}
