/*
 * time_guess.c - timestamps whose format nobody gave: those at the front of syslog lines, and any of the usual forms.
 *
 * Both read a date, a clock and a zone in the orders that occur. Where day and month are both numbers below 13 the
 * month is taken to be first, as in the formats that print it so; `%d/%m/%Y` has to be said by a format.
 */
#include "time_place.h"

static bool read_year(struct time_cursor *cursor, struct time_parts *parts)
{
    struct time_cursor at = *cursor;
    int year;

    if (time_digits(&at, 5) != 4 || !time_read_number(&at, 4, 4, &year) || year < 1900)
        return false;
    parts->year = year;
    *cursor = at;
    return true;
}

/* " 2006" where a blank or the end follows, perhaps behind a colon: "2607:f0d0::1" is a host. */
static bool read_trailing_year(struct time_cursor *cursor, struct time_parts *parts)
{
    struct time_cursor at = *cursor;
    struct time_cursor behind;
    struct time_parts found = { 0 };

    time_skip_blanks(&at);
    if (at.ptr == cursor->ptr || !read_year(&at, &found))
        return false;
    behind = at;
    time_take(&behind, ':');
    if (behind.ptr < behind.end && *behind.ptr != ' ')
        return false;
    parts->year = found.year;
    *cursor = at;
    return true;
}

/* " CEST" or " +0200" before a colon, a year or the end: elsewhere the word may be a host. */
static bool read_syslog_zone(struct time_cursor *cursor, struct time_parts *parts)
{
    struct time_cursor at = *cursor;
    struct time_parts found = *parts;
    struct time_cursor behind;

    if (!time_take(&at, ' ') || at.ptr == at.end || (*at.ptr >= 'a' && *at.ptr <= 'z'))
        return false;
    if (!time_read_zone_name(&at, &found) && !time_read_offset(&at, &found))
        return false;
    behind = at;
    if (at.ptr < at.end && *at.ptr != ':' && !read_trailing_year(&behind, &found))
        return false;
    *cursor = at;
    parts->offset = found.offset;
    parts->zoned = true;
    return true;
}

static bool read_syslog_date(struct time_cursor *at, struct time_parts *parts)
{
    if (time_at(at, '1') || time_at(at, '2')) {
        if (!read_year(at, parts) || !time_take(at, ' '))
            return false;
    }
    if (!time_read_month(at, &parts->month) || !time_at(at, ' '))
        return false;
    time_skip_blanks(at);
    if (!time_read_number(at, 1, 2, &parts->day) || !time_at(at, ' '))
        return false;
    time_skip_blanks(at);
    if (parts->year == 0 && read_year(at, parts)) {
        if (!time_at(at, ' '))
            return false;
        time_skip_blanks(at);
    }
    return true;
}

bool lb_time_rfc3164(struct lb_str text, int64_t now_ns, int64_t *time_ns, size_t *used)
{
    struct time_cursor at = time_cursor_of(text);
    struct time_parts parts = { 0 };

    *used = 0;
    if (!read_syslog_date(&at, &parts) || !time_read_clock(&at, &parts))
        return false;
    read_syslog_zone(&at, &parts);
    if (parts.year == 0)
        read_trailing_year(&at, &parts);
    if (!time_take(&at, ':') && at.ptr < at.end && *at.ptr != ' ')
        return false;
    *used = (size_t)(at.ptr - text.ptr);
    return time_from_parts(&parts, now_ns, time_ns);
}

/* "Jan 2", "Jan 2, 2006" */
static bool read_named_month_date(struct time_cursor *at, struct time_parts *parts)
{
    if (!time_read_month(at, &parts->month))
        return false;
    time_take(at, '.');
    time_skip_blanks(at);
    if (!time_read_number(at, 1, 2, &parts->day))
        return false;
    time_take(at, ',');
    time_skip_blanks(at);
    read_year(at, parts);
    return true;
}

/* What follows a year and its separator: "01-02", "Jan 02" */
static bool read_month_and_day(struct time_cursor *at, struct time_parts *parts, char separator)
{
    if (!time_read_number(at, 1, 2, &parts->month) && !time_read_month(at, &parts->month))
        return false;
    return time_take(at, separator) && time_read_number(at, 1, 2, &parts->day);
}

static int full_year(int year, int digits)
{
    if (digits == 4)
        return year;
    return year < 70 ? 2000 + year : 1900 + year;
}

/* "02/Jan/2006", "02 Jan 2006", "01/02/2006", "13.01.2006", "06/01/02"; `first` was read. */
static bool read_day_or_month(struct time_cursor *at, struct time_parts *parts, int first, char separator)
{
    bool named = time_read_month(at, &parts->month);
    int second = 0;
    int digits;
    int third;

    if (!named && !time_read_number(at, 1, 2, &second))
        return false;
    if (!named && separator != '.' &&
        (time_at(at, ' ') || time_at(at, '|') ||
         (separator == '/' && time_at(at, '-')))) { /* "03-01 10:00:00", without a year */
        parts->month = first;
        parts->day = second;
        return first <= 12;
    }
    if (!time_take(at, separator))
        return false;
    digits = time_digits(at, 4);
    if ((digits != 2 && digits != 4) || !time_read_number(at, digits, digits, &third))
        return false;
    if (!named && digits == 2 && separator == '/') {
        parts->year = full_year(first, 2);
        parts->month = second;
        parts->day = third;
        return true;
    }
    parts->year = full_year(third, digits);
    parts->day = first;
    if (named)
        return true;
    parts->month = second;
    if (separator != '.' && first <= 12) {
        parts->month = first;
        parts->day = second;
    }
    return true;
}

static bool read_date(struct time_cursor *at, struct time_parts *parts)
{
    int digits = time_digits(at, 15);
    int first;
    char separator;

    if (digits == 0)
        return read_named_month_date(at, parts);
    if (digits == 8 || digits == 14)
        return time_read_number(at, 4, 4, &parts->year) && time_read_number(at, 2, 2, &parts->month) &&
               time_read_number(at, 2, 2, &parts->day);
    if (digits == 6) { /* "260301 10:00:00" of older MySQL */
        if (!time_read_number(at, 2, 2, &first) || !time_read_number(at, 2, 2, &parts->month) ||
            !time_read_number(at, 2, 2, &parts->day) || !time_at(at, ' '))
            return false;
        parts->year = full_year(first, 2);
        return true;
    }
    if (digits > 4 || !time_read_number(at, digits, digits, &first) || at->ptr == at->end)
        return false;
    separator = *at->ptr++;
    if (separator != '-' && separator != '/' && separator != '.' && separator != ' ')
        return false;
    if (digits == 4) {
        parts->year = first;
        return read_month_and_day(at, parts, separator);
    }
    return digits <= 2 && read_day_or_month(at, parts, first, separator);
}

/* "15.04.05.000" of Oracle and Db2 */
static bool read_dotted_clock(struct time_cursor *at, struct time_parts *parts)
{
    return time_read_number(at, 2, 2, &parts->hour) && time_take(at, '.') &&
           time_read_number(at, 2, 2, &parts->minute) && time_take(at, '.') &&
           time_read_number(at, 2, 2, &parts->second) && (!time_take(at, '.') || time_read_fraction(at, &parts->nanos));
}

/* "15:04:05.000", "150405" */
static bool read_time(struct time_cursor *at, struct time_parts *parts)
{
    if (time_digits(at, 3) == 2 && at->end - at->ptr > 2 && at->ptr[2] == '.')
        return read_dotted_clock(at, parts);
    if (time_digits(at, 7) != 6)
        return time_read_clock(at, parts);
    if (!time_read_number(at, 2, 2, &parts->hour) || !time_read_number(at, 2, 2, &parts->minute) ||
        !time_read_number(at, 2, 2, &parts->second))
        return false;
    if ((time_take(at, '.') || time_take(at, ',')) && !time_read_fraction(at, &parts->nanos))
        return false;
    return true;
}

static bool read_half_of_day(struct time_cursor *at, struct time_parts *parts)
{
    char half;

    if (at->end - at->ptr < 2 || (at->ptr[1] | 0x20) != 'm')
        return false;
    half = (char)(at->ptr[0] | 0x20);
    if ((half != 'a' && half != 'p') || parts->hour < 1 || parts->hour > 12)
        return false;
    parts->hour = parts->hour % 12 + (half == 'p' ? 12 : 0);
    at->ptr += 2;
    return true;
}

/* "Europe/Berlin", unless an offset has said it all. */
static bool read_place(struct time_cursor *at, const struct time_parts *parts, const struct time_zone **place)
{
    if (parts->zoned || *place != NULL)
        return false;
    *place = time_read_place(at);
    return *place != NULL;
}

/* Zone, half of the day and year behind the clock, in any order, each at most once. */
static bool read_tail(struct time_cursor *at, struct time_parts *parts, const struct time_zone **place)
{
    for (int i = 0; i < 4 && at->ptr < at->end; i++) {
        time_skip_blanks(at);
        if (read_half_of_day(at, parts) || time_read_offset(at, parts) || time_read_zone_name(at, parts) ||
            read_place(at, parts, place))
            continue;
        if (parts->year != 0 || !read_year(at, parts))
            return false;
    }
    return at->ptr == at->end;
}

static void skip_between(struct time_cursor *at)
{
    if (time_take(at, 'T') || time_take(at, '_') || time_take(at, '|') || time_take(at, '-'))
        return;
    if (time_take(at, ':')) {
        time_take(at, ':'); /* Erlang's "1-Mar-2026::10:00:00" */
        return;
    }
    time_take(at, ',');
    time_skip_blanks(at);
    if (time_take(at, '-') || time_read_weekday(at))
        time_skip_blanks(at);
}

static bool guess_civil(struct lb_str text, int64_t now_ns, int64_t *time_ns, bool *zoned)
{
    struct time_cursor at = time_cursor_of(text);
    struct time_parts parts = { 0 };
    const struct time_zone *place = NULL;

    if (time_read_weekday(&at)) {
        time_take(&at, ',');
        time_skip_blanks(&at);
    }
    if (!read_date(&at, &parts))
        return false;
    skip_between(&at);
    if (!read_time(&at, &parts) || !read_tail(&at, &parts, &place) || !time_from_parts(&parts, now_ns, time_ns))
        return false;
    *zoned = parts.zoned || place != NULL;
    if (place != NULL && !parts.zoned)
        *time_ns = time_zone_to_utc(place, (*time_ns - parts.nanos) / 1000000000) * 1000000000 + parts.nanos;
    return true;
}

/* Behind "2006-01-02T15:04:05" only a zone has anything but digits and the point of the fraction. */
static bool guess_rfc3339(struct lb_str text, int64_t *time_ns, bool *zoned)
{
    if (!lb_time_rfc3339(text, time_ns))
        return false;
    *zoned = false;
    for (size_t i = 19; i < text.len && !*zoned; i++)
        *zoned = !time_is_digit(text.ptr[i]) && text.ptr[i] != '.' && text.ptr[i] != ',';
    return true;
}

/* What says nothing more: "[Europe/Berlin]" behind an offset, " m=+0.01" of Go; and the frame of "/Date(…)/". */
static struct lb_str without_extras(struct lb_str text)
{
    static const char frame[] = "/Date(";
    const char *cut = memmem(text.ptr, text.len, " m=", 3);

    if (lb_str_starts(text, LB_STR(frame)) && text.len > sizeof(frame) + 1) {
        struct lb_str inside = { text.ptr + sizeof(frame) - 1, 0 };

        while (inside.ptr + inside.len < text.ptr + text.len && time_is_digit(inside.ptr[inside.len]))
            inside.len++;
        return inside;
    }
    if (cut == NULL && text.len > 20 && text.ptr[text.len - 1] == ']')
        cut = memchr(text.ptr + 19, '[', text.len - 19);
    return cut != NULL ? (struct lb_str){ text.ptr, (size_t)(cut - text.ptr) } : text;
}

static struct lb_str without_brackets(struct lb_str text)
{
    while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '[')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == ']'))
        text.len--;
    return text;
}

bool time_guess_zoned(struct lb_str text, int64_t now_ns, int64_t *time_ns, bool *zoned)
{
    struct time_cursor at;
    int digits;

    if (guess_rfc3339(text, time_ns, zoned))
        return true;
    text = without_brackets(without_extras(text));
    at = time_cursor_of(text);
    digits = time_digits(&at, 20);
    /* Fewer than nine digits are no epoch of our days, 14 are 20060102150405. */
    if (digits >= 9 && digits != 14) {
        *zoned = true;
        return lb_time_epoch(text, time_ns);
    }
    return guess_rfc3339(text, time_ns, zoned) || guess_civil(text, now_ns, time_ns, zoned);
}

bool lb_time_guess(struct lb_str text, int64_t now_ns, int64_t *time_ns)
{
    bool zoned;

    return lb_time_rfc3339(text, time_ns) || time_guess_zoned(text, now_ns, time_ns, &zoned);
}
