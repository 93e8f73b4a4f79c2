/*
 * time_parts.h - what the readers of timestamps share: a cursor over the text, the words (months, days, zones) and the
 * step from parts to nanoseconds. Every reader takes (ptr, end) and leaves the cursor where it was when it fails.
 */
#ifndef TIME_PARTS_H
#define TIME_PARTS_H

#include "lb_time.h"

enum { TIME_YEAR_MIN = 1, TIME_YEAR_MAX = 9999 };

struct time_cursor {
    const char *ptr;
    const char *end;
};

struct time_parts {
    int year; /* 0: not written */
    int month;
    int day;
    int hour;
    int minute;
    int second;
    int nanos;
    int offset; /* seconds east of UTC, with `zoned` */
    bool zoned;
};

static inline bool time_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline bool time_is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static inline struct time_cursor time_cursor_of(struct lb_str text)
{
    /* An empty slice may have no pointer to add to. */
    return (struct time_cursor){ text.ptr, text.len > 0 ? text.ptr + text.len : text.ptr };
}

static inline bool time_at(const struct time_cursor *cursor, char c)
{
    return cursor->ptr < cursor->end && *cursor->ptr == c;
}

static inline bool time_take(struct time_cursor *cursor, char c)
{
    if (!time_at(cursor, c))
        return false;
    cursor->ptr++;
    return true;
}

static inline void time_skip_blanks(struct time_cursor *cursor)
{
    while (cursor->ptr < cursor->end && (*cursor->ptr == ' ' || *cursor->ptr == '\t'))
        cursor->ptr++;
}

/* How many digits stand at the cursor, at most `max`. */
static inline int time_digits(const struct time_cursor *cursor, int max)
{
    int count = 0;

    while (count < max && cursor->ptr + count < cursor->end && time_is_digit(cursor->ptr[count]))
        count++;
    return count;
}

/* A number of min to max digits. */
bool time_read_number(struct time_cursor *cursor, int min, int max, int *number);

/* One digit or more; digits behind the ninth are passed over. */
bool time_read_fraction(struct time_cursor *cursor, int *nanos);

/* `hh:mm`, `hh:mm:ss` or `h:mm:ss` with an optional `.` or `,` fraction. */
bool time_read_clock(struct time_cursor *cursor, struct time_parts *parts);

/* `Z`, `+02:00`, `+0200`, `+02`, and `Z` followed by an offset of zero. */
bool time_read_offset(struct time_cursor *cursor, struct time_parts *parts);

/* `UTC`, `CEST` … by a fixed table: the zones that no one can take for another. */
bool time_read_zone_name(struct time_cursor *cursor, struct time_parts *parts);

/* "Jan" or "january", any case: 1 to 12. */
bool time_read_month(struct time_cursor *cursor, int *month);
bool time_read_weekday(struct time_cursor *cursor);

/* A whole number of units of `unit` nanoseconds (0: the unit by size), with fraction. */
bool time_read_epoch(struct lb_str text, int64_t unit, int64_t *time_ns);

/* lb_time_guess(), and whether the text says its zone. */
bool time_guess_zoned(struct lb_str text, int64_t now_ns, int64_t *time_ns, bool *zoned);

/*
 * False when there is no such date or time. Without a zone the parts are UTC. A missing year is the latest that
 * does not put the stamp more than a month ahead of `now_ns`.
 */
bool time_from_parts(const struct time_parts *parts, int64_t now_ns, int64_t *time_ns);

#endif
