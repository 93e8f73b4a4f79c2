/*
 * time_parts.c - the pieces of which written times are made.
 *
 * Zone abbreviations are ambiguous by nature (CST is Chicago, Shanghai and Havana). The table has those of the tz
 * database's current rules with the reading that syslog senders mean; a format with `timezone:` needs none of it.
 */
#include "time_parts.h"

enum { ZONE_NAME_MAX = 5, MONTH_NAME_MAX = 9 };

struct zone_name {
    const char name[ZONE_NAME_MAX + 1];
    int minutes;
};

static const struct zone_name zone_names[] = {
    { "UTC", 0 },    { "GMT", 0 },    { "UT", 0 },      { "Z", 0 },      { "WET", 0 },     { "WEST", 60 },
    { "BST", 60 },   { "IST", 330 },  { "CET", 60 },    { "CEST", 120 }, { "MET", 60 },    { "MEST", 120 },
    { "MEZ", 60 },   { "MESZ", 120 }, { "EET", 120 },   { "EEST", 180 }, { "MSK", 180 },   { "SAST", 120 },
    { "EST", -300 }, { "EDT", -240 }, { "CST", -360 },  { "CDT", -300 }, { "MST", -420 },  { "MDT", -360 },
    { "PST", -480 }, { "PDT", -420 }, { "AKST", -540 }, { "HST", -600 }, { "AKDT", -480 }, { "JST", 540 },
    { "KST", 540 },  { "AEST", 600 }, { "AEDT", 660 },  { "ACST", 570 }, { "ACDT", 630 },  { "AWST", 480 },
    { "NZST", 720 }, { "NZDT", 780 }, { "HKT", 480 },   { "SGT", 480 },  { "PKT", 300 },   { "WIB", 420 },
    { "AST", -240 }, { "ADT", -180 }, { "NST", -210 },  { "NDT", -150 }, { "BRT", -180 },  { "ART", -180 },
};

static const char *const months[] = { "january", "february", "march",     "april",   "may",      "june",
                                      "july",    "august",   "september", "october", "november", "december" };
static const char *const weekdays[] = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" };

bool time_read_number(struct time_cursor *cursor, int min, int max, int *number)
{
    int count = time_digits(cursor, max);
    int value = 0;

    if (count < min)
        return false;
    for (int i = 0; i < count; i++)
        value = value * 10 + (cursor->ptr[i] - '0');
    cursor->ptr += count;
    *number = value;
    return true;
}

bool time_read_fraction(struct time_cursor *cursor, int *nanos)
{
    static const int scales[] = { 0, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1 };
    int count = time_digits(cursor, 9);
    int value = 0;

    for (int i = 0; i < count; i++)
        value = value * 10 + (cursor->ptr[i] - '0');
    cursor->ptr += count;
    while (cursor->ptr < cursor->end && time_is_digit(*cursor->ptr))
        cursor->ptr++;
    *nanos = value * scales[count];
    return count > 0;
}

bool time_read_clock(struct time_cursor *cursor, struct time_parts *parts)
{
    struct time_cursor at = *cursor;

    if (!time_read_number(&at, 1, 2, &parts->hour) || !time_take(&at, ':') ||
        !time_read_number(&at, 2, 2, &parts->minute))
        return false;
    *cursor = at;
    if (!time_take(&at, ':'))
        return true;
    if (!time_read_number(&at, 2, 2, &parts->second))
        return true;
    *cursor = at;
    if ((time_take(&at, '.') || time_take(&at, ',')) && time_read_fraction(&at, &parts->nanos))
        *cursor = at;
    return true;
}

static bool read_hours_and_minutes(struct time_cursor *cursor, struct time_parts *parts)
{
    struct time_cursor at = *cursor;
    bool west = time_at(&at, '-');
    int hours;
    int minutes = 0;

    if (!time_take(&at, '-') && !time_take(&at, '+'))
        return false;
    if (!time_read_number(&at, 2, 2, &hours))
        return false;
    if (time_take(&at, ':') || time_digits(&at, 2) == 2) {
        if (!time_read_number(&at, 2, 2, &minutes))
            return false;
    }
    if (hours > 23 || minutes > 59)
        return false;
    parts->offset = (hours * 60 + minutes) * (west ? -60 : 60);
    parts->zoned = true;
    *cursor = at;
    return true;
}

bool time_read_offset(struct time_cursor *cursor, struct time_parts *parts)
{
    struct time_cursor at = *cursor;
    struct time_parts extra = { 0 };

    if (!time_take(&at, 'Z') && !time_take(&at, 'z'))
        return read_hours_and_minutes(cursor, parts);
    if (at.ptr < at.end && time_is_letter(*at.ptr))
        return false;
    parts->offset = 0;
    parts->zoned = true;
    *cursor = at;
    if (read_hours_and_minutes(&at, &extra) && extra.offset == 0)
        *cursor = at;
    return true;
}

/* Length of the word at the cursor; past `max` it does not matter. */
static size_t word_length(const struct time_cursor *cursor, size_t max)
{
    size_t len = 0;

    while (len <= max && cursor->ptr + len < cursor->end && time_is_letter(cursor->ptr[len]))
        len++;
    return len;
}

bool time_read_zone_name(struct time_cursor *cursor, struct time_parts *parts)
{
    char word[ZONE_NAME_MAX + 1] = { 0 };
    size_t len = word_length(cursor, ZONE_NAME_MAX);

    if (len == 0 || len > ZONE_NAME_MAX)
        return false;
    memcpy(word, cursor->ptr, len);
    for (size_t i = 0; i < sizeof(zone_names) / sizeof(zone_names[0]); i++) {
        if (memcmp(word, zone_names[i].name, sizeof(word)) != 0)
            continue;
        parts->offset = zone_names[i].minutes * 60;
        parts->zoned = true;
        cursor->ptr += len;
        return true;
    }
    return false;
}

/* The bytes behind the third are those of `name`, in any case; or there are only three. */
static bool is_name(const char *ptr, size_t len, const char *name)
{
    if (len == 3)
        return true;
    for (size_t i = 3; i < len; i++)
        if ((ptr[i] | 0x20) != name[i])
            return false;
    return name[len] == '\0';
}

static inline uint32_t first_three(const char *ptr)
{
    return ((uint32_t)(unsigned char)ptr[0] << 16 | (uint32_t)(unsigned char)ptr[1] << 8 | (unsigned char)ptr[2]) |
           0x202020;
}

static int read_name(struct time_cursor *cursor, const char *const *names, int count)
{
    size_t len = word_length(cursor, MONTH_NAME_MAX);
    uint32_t start;

    if (len < 3 || len > MONTH_NAME_MAX)
        return -1;
    start = first_three(cursor->ptr);
    for (int i = 0; i < count; i++)
        if (start == first_three(names[i]) && is_name(cursor->ptr, len, names[i])) {
            cursor->ptr += len;
            return i;
        }
    return -1;
}

bool time_read_month(struct time_cursor *cursor, int *month)
{
    int index = read_name(cursor, months, 12);

    *month = index + 1;
    return index >= 0;
}

bool time_read_weekday(struct time_cursor *cursor)
{
    return read_name(cursor, weekdays, 7) >= 0;
}
