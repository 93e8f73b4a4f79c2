/*
 * time.c - civil dates, RFC 3339, epochs, and timestamps written as text.
 *
 * RFC 3339 is what most logs carry, so its first 19 bytes are read at fixed positions, all checked at the end by one
 * test. Times before year 1 or past what 64 bits of nanoseconds hold (1677 to 2262) are refused.
 */
#include "time_parts.h"

enum { FIXED_BYTES = 19 }; /* "2006-01-02T15:04:05" */

static const unsigned char month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

/* Eras of 400 years that begin on a first of March, so that the leap day is the last of its year. */
int64_t lb_time_days(int year, int month, int day)
{
    int64_t shifted = (int64_t)year - (month <= 2);
    int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

void lb_time_civil(int64_t days, int *year, int *month, int *day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_of_year = (5 * day_of_year + 2) / 153;

    *day = (int)(day_of_year - (153 * month_of_year + 2) / 5 + 1);
    *month = (int)(month_of_year + (month_of_year < 10 ? 3 : -9));
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static bool date_exists(int year, int month, int day)
{
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    if (month < 1 || month > 12 || day < 1)
        return false;
    return day <= month_days[month - 1] + (month == 2 && leap);
}

static bool join(const struct time_parts *parts, int year, int64_t *time_ns)
{
    int64_t seconds;

    if (!date_exists(year, parts->month, parts->day))
        return false;
    seconds = lb_time_days(year, parts->month, parts->day) * 86400 + parts->hour * 3600 + parts->minute * 60 +
              parts->second - (parts->zoned ? parts->offset : 0);
    if (__builtin_mul_overflow(seconds, LB_SECOND, time_ns))
        return false;
    return !__builtin_add_overflow(*time_ns, parts->nanos, time_ns);
}

/*
 * Logs come from the past: the latest year that puts the stamp at most a month ahead of now (January seen in December,
 * a clock that is fast), and at most a year back.
 */
static bool join_with_year_of(const struct time_parts *parts, int64_t now_ns, int64_t *time_ns)
{
    static const int64_t ahead_ns = 31 * 86400 * LB_SECOND;
    static const int64_t behind_ns = 366 * 86400 * LB_SECOND;
    int year;
    int month;
    int day;

    lb_time_civil(now_ns / LB_SECOND / 86400, &year, &month, &day);
    for (int candidate = year + (month == 12); candidate >= year - 1; candidate--)
        if (join(parts, candidate, time_ns) && *time_ns - ahead_ns <= now_ns)
            return *time_ns + behind_ns > now_ns;
    return false;
}

bool time_from_parts(const struct time_parts *parts, int64_t now_ns, int64_t *time_ns)
{
    /* 60 is a leap second: it becomes the first of the next minute. */
    if (parts->hour > 23 || parts->minute > 59 || parts->second > 60)
        return false;
    if (parts->year == 0)
        return join_with_year_of(parts, now_ns, time_ns);
    return join(parts, parts->year, time_ns);
}

/* Two digits at `ptr`; anything else sets bits in `*bad`. */
static inline int two(const char *ptr, unsigned *bad)
{
    unsigned high = (unsigned char)ptr[0] - '0';
    unsigned low = (unsigned char)ptr[1] - '0';

    *bad |= (high > 9) | (low > 9);
    return (int)(high * 10 + low);
}

/* "2006-01-02T15:04:05" at fixed places. */
static bool read_fixed(const char *ptr, int64_t *second)
{
    unsigned bad = 0;
    int year = two(ptr, &bad) * 100 + two(ptr + 2, &bad);
    int month = two(ptr + 5, &bad);
    int day = two(ptr + 8, &bad);
    int hour = two(ptr + 11, &bad);
    int minute = two(ptr + 14, &bad);
    int seconds = two(ptr + 17, &bad);

    bad |= (ptr[4] != '-') | (ptr[7] != '-') | (ptr[13] != ':') | (ptr[16] != ':');
    bad |= (ptr[10] != 'T') & (ptr[10] != ' ') & (ptr[10] != 't');
    bad |= (hour > 23) | (minute > 59) | (seconds > 60);
    if (bad != 0 || year < TIME_YEAR_MIN || !date_exists(year, month, day))
        return false;
    *second = lb_time_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + seconds;
    return true;
}

/* What follows the fraction: nothing, or a zone, perhaps behind a blank. */
static bool read_zone(struct time_cursor *cursor, int64_t *second)
{
    struct time_parts parts = { 0 };

    if (cursor->ptr == cursor->end)
        return true;
    if (!time_read_offset(cursor, &parts)) {
        time_skip_blanks(cursor);
        if (!time_read_offset(cursor, &parts) && !time_read_zone_name(cursor, &parts))
            return false;
    }
    *second -= parts.offset;
    return cursor->ptr == cursor->end;
}

bool lb_time_rfc3339(struct lb_str text, int64_t *time_ns)
{
    struct time_cursor cursor = time_cursor_of(text);
    int64_t second;
    int nanos = 0;

    if (text.len < FIXED_BYTES || !read_fixed(text.ptr, &second))
        return false;
    cursor.ptr += FIXED_BYTES;
    if (time_at(&cursor, '.') || time_at(&cursor, ',')) {
        cursor.ptr++;
        if (!time_read_fraction(&cursor, &nanos))
            return false;
    }
    if ((cursor.end - cursor.ptr != 1 || *cursor.ptr != 'Z') && !read_zone(&cursor, &second))
        return false;
    return !__builtin_mul_overflow(second, LB_SECOND, time_ns) && !__builtin_add_overflow(*time_ns, nanos, time_ns);
}

/* By size: 1e11 seconds are the year 5138, 1e11 milliseconds 1973. */
static int64_t unit_by_size(int64_t number)
{
    if (number >= INT64_C(100000000000000000))
        return 1;
    if (number >= INT64_C(100000000000000))
        return 1000;
    return number >= INT64_C(100000000000) ? LB_MILLISECOND : LB_SECOND;
}

bool time_read_epoch(struct lb_str text, int64_t unit, int64_t *time_ns)
{
    struct time_cursor cursor = time_cursor_of(text);
    bool negative = time_take(&cursor, '-');
    int64_t number = 0;
    int nanos = 0;

    if (cursor.ptr == cursor.end || !time_is_digit(*cursor.ptr))
        return false;
    for (; cursor.ptr < cursor.end && time_is_digit(*cursor.ptr); cursor.ptr++)
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, *cursor.ptr - '0', &number))
            return false;
    if (unit == 0)
        unit = unit_by_size(number);
    if (time_take(&cursor, '.') && !time_read_fraction(&cursor, &nanos))
        return false;
    if (cursor.ptr != cursor.end || __builtin_mul_overflow(number, unit, &number))
        return false;
    if (__builtin_add_overflow(number, (int64_t)nanos * unit / LB_SECOND, &number))
        return false;
    *time_ns = negative ? -number : number;
    return true;
}

bool lb_time_epoch(struct lb_str text, int64_t *time_ns)
{
    return time_read_epoch(text, 0, time_ns);
}

static void put_two(char *out, unsigned number)
{
    out[0] = (char)('0' + number / 10 % 10);
    out[1] = (char)('0' + number % 10);
}

/* "2006-01-02T15:04:05" */
static void write_second(int64_t second, char *out)
{
    int64_t days = second / 86400 - (second % 86400 < 0);
    unsigned rest = (unsigned)(second - days * 86400);
    int year;
    int month;
    int day;

    lb_time_civil(days, &year, &month, &day);
    put_two(out, (unsigned)year / 100);
    put_two(out + 2, (unsigned)year % 100);
    out[4] = out[7] = '-';
    put_two(out + 5, (unsigned)month);
    put_two(out + 8, (unsigned)day);
    out[10] = 'T';
    put_two(out + 11, rest / 3600);
    put_two(out + 14, rest / 60 % 60);
    put_two(out + 17, rest % 60);
    out[13] = out[16] = ':';
}

/* The fraction, with the fewest of 0, 3, 6 or 9 digits that lose nothing, and Z. Returns the length. */
static size_t write_fraction(unsigned nanos, char *out)
{
    unsigned digits = 9;
    size_t len = 0;

    if (nanos != 0) {
        out[len++] = '.';
        for (; nanos % 1000 == 0; nanos /= 1000)
            digits -= 3;
        for (unsigned i = digits; i > 0; nanos /= 10)
            out[len + --i] = (char)('0' + nanos % 10);
        len += digits;
    }
    out[len] = 'Z';
    return len + 1;
}

size_t lb_time_write_cached(struct lb_time_cache *cache, int64_t time_ns, char *out)
{
    int64_t second = time_ns / LB_SECOND - (time_ns % LB_SECOND < 0);

    if (cache->second != second || cache->text[0] == '\0') {
        write_second(second, cache->text);
        cache->second = second;
    }
    memcpy(out, cache->text, 19);
    return 19 + write_fraction((unsigned)(time_ns - second * LB_SECOND), out + 19);
}

size_t lb_time_write(int64_t time_ns, char *out)
{
    struct lb_time_cache cache = { 0 };

    return lb_time_write_cached(&cache, time_ns, out);
}
