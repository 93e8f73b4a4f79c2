/*
 * expr_number.c - numbers with units, and severity words.
 *
 * A unit turns into the unit of the field it is compared with: durations into
 * seconds, or into what the field's name ends with (_ms, _us, _ns); sizes
 * into bytes (kB, MB: powers of 1000; KiB, MiB: of 1024); 5% is 0.05, or 5
 * where the field's name ends with _pct or percent. So
 * `duration_ms > 2s` asks for more than 2000, `elapsed > 500ms` for more than
 * 0.5, `bytes >= 10MiB` for 10485760 and more. Durations may be put together:
 * 1h30m.
 */
#include "expr.h"

#include <math.h>
#include <stdlib.h>

enum { DIGITS_MAX = 63 };

enum quantity { PLAIN, DURATION, SIZE };

struct unit {
    const char *word;
    enum quantity quantity;
    double factor;
};

static const struct unit units[] = {
    { "ms", DURATION, 1e-3 }, { "s", DURATION, 1 },      { "m", DURATION, 60 },      { "h", DURATION, 3600 },
    { "d", DURATION, 86400 }, { "w", DURATION, 604800 }, { "us", DURATION, 1e-6 },   { "ns", DURATION, 1e-9 },
    { "B", SIZE, 1 },         { "kB", SIZE, 1e3 },       { "MB", SIZE, 1e6 },        { "GB", SIZE, 1e9 },
    { "TB", SIZE, 1e12 },     { "KiB", SIZE, 1024.0 },   { "MiB", SIZE, 1048576.0 }, { "GiB", SIZE, 0x1p30 },
    { "TiB", SIZE, 0x1p40 },  { "%", PLAIN, 0.01 },
};

enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };

const char *const *lb_expr_units(void)
{
    static const char *const words[] = { "ms", "s",  "m",  "h",  "d",   "w",   "us",  "ns",  "B",
                                         "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", NULL };

    return words;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_at(struct lb_str text, size_t at)
{
    while (at < text.len && is_digit(text.ptr[at]))
        at++;
    return at;
}

/* Length of [-+]digits[.digits][e[-+]digits] at the front, 0 if there is none. `.5` and `5.` are numbers too. */
static size_t number_length(struct lb_str text)
{
    size_t start = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
    size_t at = digits_at(text, start);
    size_t digits = at - start;

    if (at < text.len && text.ptr[at] == '.') {
        size_t end = digits_at(text, at + 1);

        digits += end - at - 1;
        at = end;
    }
    if (digits == 0)
        return 0;
    if (at < text.len && (text.ptr[at] | 0x20) == 'e') {
        size_t exponent = at + 1 < text.len && (text.ptr[at + 1] == '-' || text.ptr[at + 1] == '+') ? at + 2 : at + 1;
        size_t end = digits_at(text, exponent);

        if (end > exponent)
            at = end;
    }
    return at;
}

/* The caller has seen that it is one, so strtod cannot take more than that. */
static bool convert(struct lb_str digits, double *number)
{
    char copy[DIGITS_MAX + 1];

    if (digits.len > DIGITS_MAX)
        return false;
    memcpy(copy, digits.ptr, digits.len);
    copy[digits.len] = '\0';
    *number = strtod(copy, NULL);
    return isfinite(*number);
}

static const struct unit *find_unit(struct lb_str word)
{
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (lb_str_is(word, units[i].word))
            return &units[i];
    }
    return NULL;
}

static bool name_ends(struct lb_str name, const char *suffix)
{
    size_t len = strlen(suffix);

    return name.len >= len && memcmp(name.ptr + name.len - len, suffix, len) == 0;
}

/* How many of the field's own units are a second. */
static double per_second(struct lb_str field)
{
    if (name_ends(field, "_ms"))
        return 1e3;
    if (name_ends(field, "_us"))
        return 1e6;
    return name_ends(field, "_ns") ? 1e9 : 1;
}

/* What a unit makes of the number before it, in the unit of the field. */
static double scale_of(const struct unit *unit, struct lb_str field)
{
    /* Of a field that is measured in percent, 5% is 5. */
    bool percent = name_ends(field, "_pct") || name_ends(field, "percent");

    if (unit->quantity == DURATION)
        return unit->factor * per_second(field);
    return percent && lb_str_is(LB_STR("%"), unit->word) ? 1 : unit->factor;
}

/* One number with its unit from the front of `*rest`; `*rest` moves behind it. */
static enum lb_expr_number read_part(struct lb_str *rest, struct lb_str field, double *number, const struct unit **unit)
{
    struct lb_str text = *rest;
    size_t len = number_length(text);
    size_t end = len;

    if (len == 0 || !convert((struct lb_str){ text.ptr, len }, number))
        return LB_EXPR_NOT_NUMBER;
    while (end < text.len && !is_digit(text.ptr[end]))
        end++;
    struct lb_str word = { text.ptr + len, end - len };
    *rest = (struct lb_str){ text.ptr + end, text.len - end };
    *unit = NULL;
    if (word.len == 0)
        return rest->len == 0 ? LB_EXPR_NUMBER : LB_EXPR_BAD_UNIT;
    *unit = find_unit(word);
    if (*unit == NULL)
        return LB_EXPR_BAD_UNIT;
    *number *= scale_of(*unit, field);
    return LB_EXPR_NUMBER;
}

enum lb_expr_number lb_expr_read_number(struct lb_str word, struct lb_str field, double *number, struct lb_str *unit)
{
    size_t len = number_length(word);
    struct lb_str rest = word;
    const struct unit *known = NULL;
    double sum = 0;

    *unit = (struct lb_str){ word.ptr + len, word.len - len };
    do {
        bool first = rest.ptr == word.ptr;
        double part = 0;
        enum lb_expr_number result = read_part(&rest, field, &part, &known);

        if (result != LB_EXPR_NUMBER)
            return first ? result : LB_EXPR_BAD_UNIT;
        if ((!first || rest.len > 0) && (known == NULL || known->quantity != DURATION))
            return LB_EXPR_BAD_UNIT;
        sum += part;
    } while (rest.len > 0);
    *number = sum;
    return LB_EXPR_NUMBER;
}

int lb_expr_severity(struct lb_str word)
{
    static const char *const words[] = { "info", "low", "medium", "high", "critical", NULL };

    if (lb_str_is(word, "warning"))
        return 2;
    for (int i = 0; words[i] != NULL; i++) {
        if (lb_str_is(word, words[i]))
            return i;
    }
    return -1;
}
