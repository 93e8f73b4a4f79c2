/*
 * http_answer.c - dates, waits, and answers record by record.
 *
 * The three forms of a date differ only in the order of their words: the
 * day's name says nothing and is skipped, the rest is read field by field,
 * strictly, since it comes from a stranger.
 */
#include "http_answer.h"

#include "lb_clock.h"
#include "lb_json.h"

#include <stdlib.h>
#include <time.h>

enum { NUMBER_BYTES_MAX = 18 };

/* --- dates -------------------------------------------------------------------- */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* A number of `digits` digits. */
static bool take_number(const char **at, const char *end, unsigned digits, int *number)
{
    *number = 0;
    for (; digits > 0; digits--, (*at)++) {
        if (*at == end || **at < '0' || **at > '9')
            return false;
        *number = *number * 10 + (**at - '0');
    }
    return true;
}

static bool take(const char **at, const char *end, const char *text)
{
    size_t len = strlen(text);

    if ((size_t)(end - *at) < len || memcmp(*at, text, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool take_month(const char **at, const char *end, int *month)
{
    for (*month = 0; *month < 12; (*month)++) {
        if (end - *at >= 3 && memcmp(*at, months + (ptrdiff_t)*month * 3, 3) == 0) {
            *at += 3;
            return true;
        }
    }
    return false;
}

static bool take_clock(const char **at, const char *end, struct tm *tm)
{
    return take_number(at, end, 2, &tm->tm_hour) && take(at, end, ":") && take_number(at, end, 2, &tm->tm_min) &&
           take(at, end, ":") && take_number(at, end, 2, &tm->tm_sec);
}

/* A day of asctime's: two digits, or a blank and one. */
static bool take_day(const char **at, const char *end, int *day)
{
    if (take(at, end, " "))
        return take_number(at, end, 1, day);
    return take_number(at, end, 2, day);
}

/* A year of two digits that would be more than 50 years ahead is of the century before. */
static int whole_year(int year, int64_t now)
{
    time_t seconds = (time_t)now;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    int this_year = tm.tm_year + 1900;
    int full = this_year / 100 * 100 + year;
    return full > this_year + 50 ? full - 100 : full;
}

/* "06 Nov 1994 08:49:37 GMT" and "06-Nov-94 08:49:37 GMT", behind the comma and blank. */
static bool read_after_comma(const char *at, const char *end, int64_t now, struct tm *tm)
{
    if (!take_number(&at, end, 2, &tm->tm_mday))
        return false;
    bool dashes = take(&at, end, "-");
    const char *between = dashes ? "-" : " ";
    if ((!dashes && !take(&at, end, " ")) || !take_month(&at, end, &tm->tm_mon) || !take(&at, end, between) ||
        !take_number(&at, end, dashes ? 2 : 4, &tm->tm_year) || !take(&at, end, " "))
        return false;
    if (dashes)
        tm->tm_year = whole_year(tm->tm_year, now);
    return take_clock(&at, end, tm) && take(&at, end, " GMT") && at == end;
}

/* "Sun Nov  6 08:49:37 1994", behind the day's name and blank. */
static bool read_asctime(const char *at, const char *end, struct tm *tm)
{
    return take_month(&at, end, &tm->tm_mon) && take(&at, end, " ") && take_day(&at, end, &tm->tm_mday) &&
           take(&at, end, " ") && take_clock(&at, end, tm) && take(&at, end, " ") &&
           take_number(&at, end, 4, &tm->tm_year) && at == end;
}

bool http_date_read(struct lb_str text, int64_t now, int64_t *seconds)
{
    struct tm tm = { 0 };
    bool read;

    if (text.len == 0)
        return false;
    const char *end = text.ptr + text.len;
    const char *comma = memchr(text.ptr, ',', text.len);
    if (comma != NULL)
        read = end - comma > 2 && comma[1] == ' ' && read_after_comma(comma + 2, end, now, &tm);
    else
        read = text.len > 4 && text.ptr[3] == ' ' && read_asctime(text.ptr + 4, end, &tm);
    if (!read || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    tm.tm_year -= 1900;
    *seconds = timegm(&tm);
    return true;
}

static struct lb_str trim(struct lb_str text)
{
    while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '\t'))
        text = (struct lb_str){ text.ptr + 1, text.len - 1 };
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* All digits; what has more of them than fit counts as very long. */
static bool read_seconds(struct lb_str text, int64_t *seconds)
{
    *seconds = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        if (i < NUMBER_BYTES_MAX)
            *seconds = *seconds * 10 + (text.ptr[i] - '0');
    }
    return text.len > 0;
}

int64_t http_retry_after(struct lb_str value, struct lb_str date, int64_t now_ns, int64_t max_ns)
{
    int64_t now = now_ns / LB_SECOND;
    int64_t theirs = now;
    int64_t seconds;

    value = trim(value);
    if (!read_seconds(value, &seconds)) {
        if (!http_date_read(value, now, &seconds))
            return 0;
        if (!http_date_read(trim(date), now, &theirs))
            theirs = now;
        seconds -= theirs;
    }
    if (seconds <= 0)
        return 0;
    return seconds < max_ns / LB_SECOND ? seconds * LB_SECOND : max_ns;
}

/* --- record by record ------------------------------------------------------------ */

static struct lb_str text_of(struct lb_value value)
{
    return (struct lb_str){ value.ptr, value.len };
}

static bool read_status(struct lb_value object, struct http_item_answer *answer)
{
    struct lb_value status = lb_value_member(object, LB_STR("status"));
    struct lb_value error = lb_value_member(object, LB_STR("error"));
    double number;

    if (!lb_value_number(status, &number) || number < 100 || number >= 600)
        return false;
    answer->status = (long)number;
    answer->error = error.kind != LB_VALUE_NONE ? text_of(error) : (struct lb_str){ NULL, 0 };
    return true;
}

/* {"status":201}, or {"create":{"status":201}}. */
static bool read_item(struct lb_value item, struct http_item_answer *answer)
{
    struct lb_field member;
    size_t at = 1;

    if (item.kind != LB_VALUE_OBJECT)
        return false;
    if (read_status(item, answer))
        return true;
    return lb_json_next_member(text_of(item), &at, &member) == LB_OK && member.value.kind == LB_VALUE_OBJECT &&
           read_status(member.value, answer);
}

static bool read_array(struct lb_str array, struct http_item_answer *answers, uint32_t count)
{
    struct lb_value element;
    size_t at = 1;

    for (uint32_t i = 0; i < count; i++) {
        if (lb_json_next_element(array, &at, &element) != LB_OK || !read_item(element, &answers[i]))
            return false;
    }
    return lb_json_next_element(array, &at, &element) == LB_END;
}

bool http_items_read(struct lb_str body, struct http_item_answer *answers, uint32_t count)
{
    static const char *const names[] = { "items", "results", "responses" };

    while (body.len > 0 && (unsigned char)body.ptr[body.len - 1] <= ' ')
        body.len--;
    while (body.len > 0 && (unsigned char)*body.ptr <= ' ')
        body = (struct lb_str){ body.ptr + 1, body.len - 1 };
    if (body.len == 0 || (*body.ptr != '[' && *body.ptr != '{') || !lb_json_valid(body))
        return false;
    if (*body.ptr == '[')
        return read_array(body, answers, count);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct lb_value list = lb_value_member(lb_value_of(body, LB_VALUE_OBJECT), lb_str_from(names[i]));

        if (list.kind == LB_VALUE_ARRAY)
            return read_array(text_of(list), answers, count);
    }
    return false;
}
