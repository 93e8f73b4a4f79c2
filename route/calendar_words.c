/* calendar_words.c - words and numbers of a calendar's text; see calendar_words.h. */
#include "calendar_words.h"

#include "lb_time.h"

#include <strings.h>

enum { NUMBER_MAX = 9999, NAME_LETTERS_MIN = 3, HOUR_SECONDS = 3600 };

/* Nanoseconds since 1970 go as far as 2262. */
enum { YEAR_FIRST = 1970, YEAR_LAST = 2199 };

void calendar_skip_blanks(struct calendar_cursor *at)
{
    while (at->ptr < at->end && (*at->ptr == ' ' || *at->ptr == '\t' || *at->ptr == '\n'))
        at->ptr++;
}

bool calendar_at_end(struct calendar_cursor *at)
{
    calendar_skip_blanks(at);
    return at->ptr == at->end;
}

bool calendar_take(struct calendar_cursor *at, char c)
{
    calendar_skip_blanks(at);
    if (at->ptr == at->end || *at->ptr != c)
        return false;
    at->ptr++;
    return true;
}

static bool is_digit(const struct calendar_cursor *at, const char *ptr)
{
    return ptr < at->end && *ptr >= '0' && *ptr <= '9';
}

struct lb_str calendar_word(struct calendar_cursor *at)
{
    calendar_skip_blanks(at);

    const char *begin = at->ptr;

    while (at->ptr < at->end && ((*at->ptr | 0x20) >= 'a' && (*at->ptr | 0x20) <= 'z'))
        at->ptr++;
    return (struct lb_str){ begin, (size_t)(at->ptr - begin) };
}

bool calendar_number(struct calendar_cursor *at, int *number)
{
    calendar_skip_blanks(at);

    const char *ptr = at->ptr;
    bool negative = ptr < at->end && *ptr == '-';

    ptr += negative;
    if (!is_digit(at, ptr))
        return false;
    for (*number = 0; is_digit(at, ptr); ptr++) {
        *number = *number * 10 + (*ptr - '0');
        if (*number > NUMBER_MAX)
            return false;
    }
    if (negative)
        *number = -*number;
    at->ptr = ptr;
    return true;
}

bool calendar_sees_time(struct calendar_cursor *at)
{
    calendar_skip_blanks(at);

    const char *ptr = at->ptr;

    while (is_digit(at, ptr))
        ptr++;
    return ptr > at->ptr && ptr < at->end && *ptr == ':';
}

/* Two digits; one is enough where `loose`. */
static bool part(struct calendar_cursor *at, bool loose, int max, int *value)
{
    const char *ptr = at->ptr;

    for (*value = 0; ptr < at->ptr + 2 && is_digit(at, ptr); ptr++)
        *value = *value * 10 + (*ptr - '0');
    if (ptr - at->ptr < (loose ? 1 : 2) || is_digit(at, ptr) || *value > max)
        return false;
    at->ptr = ptr;
    return true;
}

static bool take_here(struct calendar_cursor *at, char c)
{
    if (at->ptr == at->end || *at->ptr != c)
        return false;
    at->ptr++;
    return true;
}

bool calendar_time(struct calendar_cursor *at, int *minutes)
{
    int hour;
    int minute;

    calendar_skip_blanks(at);
    if (!part(at, true, 24, &hour) || !take_here(at, ':') || !part(at, false, 59, &minute))
        return false;
    *minutes = hour * 60 + minute;
    return *minutes <= 24 * 60;
}

static bool date(struct calendar_cursor *at, int64_t *civil)
{
    int year;
    int month;
    int day;
    int back[3];

    if (!calendar_number(at, &year) || year < YEAR_FIRST || year > YEAR_LAST || !take_here(at, '-') ||
        !part(at, false, 12, &month) || !take_here(at, '-') || !part(at, false, 31, &day) || month < 1 || day < 1)
        return false;
    int64_t days = lb_time_days(year, month, day);

    lb_time_civil(days, &back[0], &back[1], &back[2]);
    *civil = days * 24 * HOUR_SECONDS;
    return back[1] == month && back[2] == day;
}

/* "Z" or "+02:00" */
static bool zone(struct calendar_cursor *at, int64_t *civil, bool *zoned)
{
    int hours;
    int minutes;

    *zoned = take_here(at, 'Z');
    if (*zoned || at->ptr == at->end || (*at->ptr != '+' && *at->ptr != '-'))
        return true;
    int sign = *at->ptr++ == '-' ? -1 : 1;

    *zoned = true;
    if (!part(at, false, 23, &hours) || !take_here(at, ':') || !part(at, false, 59, &minutes))
        return false;
    *civil -= (int64_t)sign * (hours * HOUR_SECONDS + minutes * 60);
    return true;
}

bool calendar_date_time(struct calendar_cursor *at, int64_t *civil, bool *zoned)
{
    int minutes;
    int second = 0;

    *zoned = false;
    if (!date(at, civil))
        return false;
    if (!take_here(at, 'T') && !calendar_sees_time(at))
        return true;
    if (!calendar_time(at, &minutes) || (take_here(at, ':') && !part(at, false, 59, &second)))
        return false;
    *civil += minutes * 60 + second;
    return zone(at, civil, zoned);
}

static int find_name(struct lb_str word, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (word.len >= NAME_LETTERS_MIN && word.len <= strlen(names[i]) &&
            strncasecmp(names[i], word.ptr, word.len) == 0)
            return i;
    return -1;
}

int calendar_weekday(struct lb_str word)
{
    static const char *const names[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };

    return find_name(word, names, 7);
}

int calendar_month(struct lb_str word)
{
    static const char *const names[] = { "January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December" };
    int found = find_name(word, names, 12);

    return found < 0 ? -1 : found + 1;
}

bool calendar_same(struct lb_str word, const char *name)
{
    return word.len == strlen(name) && strncasecmp(word.ptr, name, word.len) == 0;
}
