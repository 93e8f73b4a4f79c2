/*
 * convert.c - numbers, truth values, durations and sizes out of text.
 *
 * What is a JSON number already stays where it is, digit for digit; only other spellings are written anew in the arena.
 */
#include "lb_convert.h"

#include <stdint.h>
#include <strings.h>

const char *const lb_convert_names[] = { "int", "float", "bool", "duration", "bytes", NULL };

struct unit {
    const char *name;
    double factor;
};

static const struct unit durations[] = { { "ns", 1e-9 },  { "us", 1e-6 }, { "\xc2\xb5s", 1e-6 },
                                         { "ms", 1e-3 },  { "s", 1 },     { "m", 60 },
                                         { "min", 60 },   { "h", 3600 },  { "d", 86400 },
                                         { "w", 604800 }, { NULL, 0 } };
static const struct unit sizes[] = { { "B", 1 },
                                     { "K", 1024 },
                                     { "KB", 1e3 },
                                     { "kB", 1e3 },
                                     { "KiB", 1024 },
                                     { "M", 1048576 },
                                     { "MB", 1e6 },
                                     { "MiB", 1048576 },
                                     { "G", 1073741824 },
                                     { "GB", 1e9 },
                                     { "GiB", 1073741824 },
                                     { "T", 1099511627776 },
                                     { "TB", 1e12 },
                                     { "TiB", 1099511627776 },
                                     { NULL, 0 } };

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static size_t digits_at(struct lb_str text, size_t at)
{
    size_t count = 0;

    while (at + count < text.len && is_digit(text.ptr[at + count]))
        count++;
    return count;
}

/* Length of the JSON number at the front; 0 if there is none. */
static size_t number_length(struct lb_str text, bool whole)
{
    size_t at = text.len > 0 && text.ptr[0] == '-';
    size_t count = digits_at(text, at);

    if (count == 0 || (count > 1 && text.ptr[at] == '0'))
        return 0;
    at += count;
    if (whole)
        return at;
    if (at < text.len && text.ptr[at] == '.') {
        count = digits_at(text, at + 1);
        if (count == 0)
            return 0;
        at += 1 + count;
    }
    if (at < text.len && (text.ptr[at] | 0x20) == 'e') {
        size_t sign = at + 1 < text.len && (text.ptr[at + 1] == '+' || text.ptr[at + 1] == '-');

        count = digits_at(text, at + 1 + sign);
        if (count == 0)
            return 0;
        at += 1 + sign + count;
    }
    return at;
}

static struct lb_str drop(struct lb_str text, size_t count)
{
    return (struct lb_str){ text.ptr + count, text.len - count };
}

/* "+5", "007", ".5": other ways to write a number. */
static bool convert_number(bool whole, struct lb_str text, struct lb_arena *arena, struct lb_value *value)
{
    struct lb_str bare = text;

    if (bare.len > 1 && bare.ptr[0] == '+')
        bare = drop(bare, 1);
    while (bare.len > 1 && bare.ptr[0] == '0' && is_digit(bare.ptr[1]))
        bare = drop(bare, 1);
    if (!whole && bare.len > 1 && bare.ptr[0] == '.' && digits_at(bare, 1) == bare.len - 1) {
        bare = lb_arena_print(arena, "0" LB_STR_FMT, LB_STR_ARG(bare));
        if (bare.ptr == NULL)
            return false;
    }
    if (bare.len > 0 && number_length(bare, whole) == bare.len)
        *value = lb_value_of(bare, LB_VALUE_NUMBER);
    return true;
}

static void convert_bool(struct lb_str text, struct lb_value *value)
{
    static const char *const yes[] = { "true", "yes", "on", "1" };
    static const char *const no[] = { "false", "no", "off", "0" };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (text.len == strlen(yes[i]) && strncasecmp(text.ptr, yes[i], text.len) == 0)
            *value = lb_value_of(LB_STR("true"), LB_VALUE_BOOL);
        if (text.len == strlen(no[i]) && strncasecmp(text.ptr, no[i], text.len) == 0)
            *value = lb_value_of(LB_STR("false"), LB_VALUE_BOOL);
    }
}

/* Digits with a fraction, at most 18 of them; more would not fit a double anyway. */
static bool read_decimal(struct lb_str *text, double *number)
{
    size_t whole = digits_at(*text, 0);
    size_t fraction = whole + 1 < text->len && text->ptr[whole] == '.' ? digits_at(*text, whole + 1) : 0;
    double scale = 1;

    if (whole == 0 || whole + fraction > 18)
        return false;
    *number = 0;
    for (size_t i = 0; i < whole; i++)
        *number = *number * 10 + (text->ptr[i] - '0');
    for (size_t i = 0; i < fraction; i++) {
        *number = *number * 10 + (text->ptr[whole + 1 + i] - '0');
        scale *= 10;
    }
    *number /= scale;
    *text = drop(*text, whole + (fraction > 0 ? fraction + 1 : 0));
    return true;
}

static const struct unit *unit_of(const struct unit *units, struct lb_str word)
{
    for (; units->name != NULL; units++)
        if (lb_str_is(word, units->name))
            return units;
    return NULL;
}

/* "1h30m", "12.5 ms", "4KiB"; without a unit the number is in the base unit. */
static bool convert_units(const struct unit *units, struct lb_str text, struct lb_arena *arena, struct lb_value *value)
{
    double sum = 0;
    struct lb_str written;

    if (number_length(text, false) == text.len && text.ptr[0] != '-') {
        *value = lb_value_of(text, LB_VALUE_NUMBER);
        return true;
    }
    while (text.len > 0) {
        const struct unit *unit;
        double number;
        size_t len = 0;

        if (!read_decimal(&text, &number))
            return true;
        while (text.len > 0 && text.ptr[0] == ' ')
            text = drop(text, 1);
        while (len < text.len && !is_digit(text.ptr[len]) && text.ptr[len] != ' ')
            len++;
        unit = unit_of(units, (struct lb_str){ text.ptr, len });
        if (unit == NULL)
            return true;
        sum += number * unit->factor;
        text = drop(text, len);
        while (text.len > 0 && text.ptr[0] == ' ')
            text = drop(text, 1);
    }
    written = lb_arena_print(arena, "%.15g", sum);
    if (written.ptr == NULL)
        return false;
    *value = lb_value_of(written, LB_VALUE_NUMBER);
    return true;
}

bool lb_convert(enum lb_convert_to type, struct lb_str text, struct lb_arena *arena, struct lb_value *value)
{
    *value = lb_value_text(text);
    if (type == LB_CONVERT_TEXT)
        return true;
    if (text.len == 0 || lb_str_is(text, "-")) {
        value->kind = LB_VALUE_NONE;
        return true;
    }
    if (type == LB_CONVERT_BOOL) {
        convert_bool(text, value);
        return true;
    }
    if (type == LB_CONVERT_DURATION || type == LB_CONVERT_BYTES)
        return convert_units(type == LB_CONVERT_DURATION ? durations : sizes, text, arena, value);
    return convert_number(type == LB_CONVERT_INT, text, arena, value);
}
