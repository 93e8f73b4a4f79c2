/*
 * units.c - numbers with units.
 *
 * Whole numbers with up to nine digits of fraction, in integers only: 1.5GiB
 * and 0.1s are exact, and a number that does not fit is told, not wrapped.
 */
#include "units.h"

#include <stdio.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    { "ms", 1000000 },
    { "s", UINT64_C(1000000000) },
    { "m", 60 * UINT64_C(1000000000) },
    { "h", 3600 * UINT64_C(1000000000) },
    { "d", 86400 * UINT64_C(1000000000) },
    { "w", 7 * 86400 * UINT64_C(1000000000) },
    { NULL, 0 },
};

static const struct unit size_units[] = {
    { "B", 1 },
    { "kB", 1000 },
    { "KB", 1000 },
    { "KiB", 1024 },
    { "MB", 1000 * 1000 },
    { "MiB", 1024 * 1024 },
    { "GB", UINT64_C(1000000000) },
    { "GiB", UINT64_C(1) << 30 },
    { "TB", UINT64_C(1000000000000) },
    { "TiB", UINT64_C(1) << 40 },
    { NULL, 0 },
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(struct lb_str text)
{
    size_t len = 0;

    while (len < text.len && is_digit(text.ptr[len]))
        len++;
    return len;
}

static struct lb_str skip(struct lb_str text, size_t len)
{
    return (struct lb_str){ text.ptr + len, text.len - len };
}

/* True when it fits. */
static bool whole_number(struct lb_str text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(text.ptr[i] - '0'), number))
            return false;
    }
    return true;
}

static const struct unit *find_unit(const struct unit *units, struct lb_str word)
{
    for (; units->name != NULL; units++) {
        if (lb_str_is(word, units->name))
            return units;
    }
    return NULL;
}

/* The fraction's share of a unit; digits past the ninth do not count. */
static uint64_t fraction(struct lb_str text, uint64_t factor)
{
    uint64_t scale = 1;
    uint64_t number = 0;

    for (size_t i = 0; i < text.len && i < 9; i++) {
        number = number * 10 + (uint64_t)(text.ptr[i] - '0');
        scale *= 10;
    }
    return (uint64_t)((unsigned __int128)number * factor / scale);
}

/* One number with its unit at the front of `*text`, added to `*total`; moves behind it. */
static enum lb_unit_result read_part(struct lb_str *text, const struct unit *units, uint64_t *total)
{
    struct lb_str whole = { text->ptr, digits(*text) };
    struct lb_str part = { NULL, 0 };
    struct lb_str word;
    uint64_t number;

    if (whole.len == 0)
        return LB_UNIT_NO_NUMBER;
    *text = skip(*text, whole.len);
    if (text->len > 1 && text->ptr[0] == '.' && is_digit(text->ptr[1])) {
        *text = skip(*text, 1);
        part = (struct lb_str){ text->ptr, digits(*text) };
        *text = skip(*text, part.len);
    }
    word = (struct lb_str){ text->ptr, 0 };
    while (word.len < text->len && !is_digit(text->ptr[word.len]))
        word.len++;
    *text = skip(*text, word.len);
    if (word.len == 0)
        return LB_UNIT_MISSING;
    const struct unit *unit = find_unit(units, word);
    if (unit == NULL)
        return LB_UNIT_UNKNOWN;
    if (!whole_number(whole, &number) || __builtin_mul_overflow(number, unit->factor, &number) ||
        __builtin_add_overflow(number, fraction(part, unit->factor), &number) ||
        __builtin_add_overflow(*total, number, total) || *total > INT64_MAX)
        return LB_UNIT_TOO_LARGE;
    return LB_UNIT_OK;
}

enum lb_unit_result lb_duration_read(struct lb_str text, int64_t *duration_ns)
{
    uint64_t total = 0;
    enum lb_unit_result result = LB_UNIT_OK;

    *duration_ns = 0;
    if (lb_str_is(text, "0"))
        return LB_UNIT_OK;
    do
        result = read_part(&text, duration_units, &total);
    while (result == LB_UNIT_OK && text.len > 0);
    *duration_ns = (int64_t)total;
    return result;
}

enum lb_unit_result lb_size_read(struct lb_str text, uint64_t *size)
{
    enum lb_unit_result result;

    *size = 0;
    if (lb_str_is(text, "0"))
        return LB_UNIT_OK;
    result = read_part(&text, size_units, size);
    return result == LB_UNIT_OK && text.len > 0 ? LB_UNIT_UNKNOWN : result;
}

static const struct {
    const char *word;
    const char *unit;
} guesses[] = {
    { "k", "KiB" },    { "kb", "KB" },     { "ki", "KiB" },   { "m", "MiB" },     { "mb", "MB" }, { "mi", "MiB" },
    { "g", "GiB" },    { "gb", "GB" },     { "gi", "GiB" },   { "t", "TiB" },     { "tb", "TB" }, { "b", "B" },
    { "sec", "s" },    { "secs", "s" },    { "second", "s" }, { "seconds", "s" }, { "min", "m" }, { "mins", "m" },
    { "minute", "m" }, { "minutes", "m" }, { "hour", "h" },   { "hours", "h" },   { "day", "d" }, { "days", "d" },
    { "week", "w" },   { "weeks", "w" },   { "msec", "ms" },
};

bool lb_unit_guess(struct lb_str text, bool is_size, char *out)
{
    size_t len = digits(text);

    for (size_t i = 0; i < sizeof(guesses) / sizeof(guesses[0]) && len < 20; i++) {
        const char *unit = guesses[i].unit;
        size_t end = strlen(unit) - 1;

        if ((unit[end] == 'B') == is_size && text.len - len == strlen(guesses[i].word) &&
            strncasecmp(text.ptr + len, guesses[i].word, text.len - len) == 0) {
            snprintf(out, LB_UNIT_TEXT_SIZE, "%.*s%s", (int)len, text.ptr, unit);
            return true;
        }
    }
    return false;
}

void lb_duration_print(int64_t duration_ns, char *out)
{
    static const struct unit *const largest = &duration_units[5];
    uint64_t rest = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    size_t len = 0;

    for (const struct unit *unit = largest; unit >= duration_units; unit--) {
        uint64_t number = rest / unit->factor;

        /* 14d reads better than 2w when weeks are not all of it. */
        if (number == 0 || (unit == largest && rest % unit->factor != 0))
            continue;
        rest -= number * unit->factor;
        len += (size_t)snprintf(out + len, LB_UNIT_TEXT_SIZE - len, "%llu%s", (unsigned long long)number, unit->name);
    }
    if (len == 0)
        snprintf(out, LB_UNIT_TEXT_SIZE, "0s");
}

void lb_size_print(uint64_t size, char *out)
{
    const struct unit *best = &size_units[0];

    for (const struct unit *unit = size_units; unit->name != NULL; unit++) {
        if (size != 0 && unit->factor > best->factor && size % unit->factor == 0)
            best = unit;
    }
    snprintf(out, LB_UNIT_TEXT_SIZE, "%llu%s", (unsigned long long)(size / best->factor), best->name);
}
