/*
 * calendar.c - which window holds an instant, and which is the next.
 *
 * Days are counted in the calendar's zone; a window becomes a span of instants through the zone's offsets, so what is
 * compared in the end never knows of clocks that are changed. A window is at most a day long (but for those that are
 * written with dates), so what holds an instant began on its day or on the day before.
 */
#include "calendar.h"

#include "calendar_windows.h"

enum { NEXT_DAYS_MAX = 40 * 366, JOINED_MAX = 400 };

struct date {
    int64_t days; /* since 1970-01-01 */
    int year;
    int month;
    int day;
    int month_days;
    int weekday; /* 0: Sunday */
};

static struct date date_of(int64_t days)
{
    struct date date = { .days = days };
    int64_t next;

    lb_time_civil(days, &date.year, &date.month, &date.day);
    next = date.month == 12 ? lb_time_days(date.year + 1, 1, 1) : lb_time_days(date.year, date.month + 1, 1);
    date.month_days = (int)(next - lb_time_days(date.year, date.month, 1));
    date.weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    return date;
}

static int64_t second_of(int64_t time_ns)
{
    return time_ns / LB_SECOND - (time_ns % LB_SECOND < 0);
}

static int64_t day_of(const struct lb_calendar *self, int64_t time_ns)
{
    int64_t civil = lb_time_zone_to_civil(self->zone, second_of(time_ns));

    return civil / DAY_SECONDS - (civil % DAY_SECONDS < 0);
}

static bool has_year(const struct lb_calendar *self, int year)
{
    for (uint32_t i = 0; i < self->year_count; i++)
        if (year >= self->years[i].first && year <= self->years[i].last)
            return true;
    return self->year_count == 0;
}

/* A day past the month's end is none, but the end of a range is cut there. */
static bool has_day(const struct calendar_window *window, const struct date *date)
{
    int first = window->first < 0 ? date->month_days + window->first + 1 : window->first;
    int last = window->last < 0 ? date->month_days + window->last + 1 : window->last;

    return date->day >= first && date->day <= last && (window->weekdays >> date->weekday & 1) != 0;
}

/* Cut to the calendar's own bounds; false when nothing is left. */
static bool bound(const struct lb_calendar *self, struct lb_span *span)
{
    if (self->from != LB_TIME_NONE && span->from < self->from) {
        if (self->moments)
            return false;
        span->from = self->from;
    }
    if (self->until != LB_TIME_NONE && span->until > self->until)
        span->until = self->until;
    return span->from < span->until || (self->moments && (self->until == LB_TIME_NONE || span->from < self->until));
}

/* The window's span that begins on that day. */
static bool span_on(const struct lb_calendar *self, const struct calendar_window *window, const struct date *date,
                    struct lb_span *span)
{
    int64_t midnight = date->days * DAY_SECONDS;
    int64_t end = window->end > window->begin || self->moments ? window->end : window->end + DAY_MINUTES;

    if (!has_day(window, date))
        return false;
    span->from = lb_time_zone_to_utc(self->zone, midnight + window->begin * 60) * LB_SECOND;
    span->until = lb_time_zone_to_utc(self->zone, midnight + end * 60) * LB_SECOND;
    /* Its beginning was moved out of a skipped hour, past its end: it moves as a whole. */
    if (span->until <= span->from)
        span->until = span->from + (end - window->begin) * 60 * LB_SECOND;
    return bound(self, span);
}

static void join(struct lb_span *found, bool *any, const struct lb_span *span, int64_t now)
{
    if (now < span->from || now >= span->until)
        return;
    if (!*any || span->from < found->from)
        found->from = span->from;
    if (!*any || span->until > found->until)
        found->until = span->until;
    *any = true;
}

static bool find_one(const struct lb_calendar *self, int64_t now, struct lb_span *found)
{
    int64_t today = day_of(self, now);
    bool any = false;
    struct lb_span span;

    for (int64_t day = today - 1; day <= today; day++) {
        struct date date = date_of(day);
        bool counts = (self->months >> date.month & 1) != 0 && has_year(self, date.year);

        for (uint32_t i = 0; i < self->window_count; i++) {
            const struct calendar_window *window = &self->windows[i];

            if (!window->once && counts && span_on(self, window, &date, &span))
                join(found, &any, &span, now);
        }
    }
    for (uint32_t i = 0; i < self->window_count; i++) {
        span = self->windows[i].span;
        if (self->windows[i].once && bound(self, &span))
            join(found, &any, &span, now);
    }
    return any;
}

bool lb_calendar_find(const struct lb_calendar *calendar, int64_t now, struct lb_span *span)
{
    struct lb_span found;
    struct lb_span more;

    if (calendar->moments || !find_one(calendar, now, &found))
        return false;
    for (int i = 0; span != NULL && i < JOINED_MAX && find_one(calendar, found.until, &more); i++)
        found.until = more.until;
    if (span != NULL)
        *span = found;
    return true;
}

static void take_earlier(struct lb_span *found, bool *any, const struct lb_span *span, int64_t now)
{
    if (span->from < now || (*any && span->from >= found->from))
        return;
    *found = *span;
    *any = true;
}

/* Where windows have dates, nothing is lost by looking from there on. */
static int64_t first_day(const struct lb_calendar *self, int64_t now)
{
    int64_t day = day_of(self, self->from != LB_TIME_NONE && self->from > now ? self->from : now) - 1;
    int first = self->year_count > 0 ? self->years[0].first : 0;

    for (uint32_t i = 1; i < self->year_count; i++)
        first = self->years[i].first < first ? self->years[i].first : first;
    int64_t years = self->year_count > 0 ? lb_time_days(first, 1, 1) - 1 : day;
    return years > day ? years : day;
}

bool lb_calendar_next(const struct lb_calendar *calendar, int64_t now, struct lb_span *span)
{
    int64_t first = first_day(calendar, now);
    bool any = false;
    struct lb_span each;

    for (uint32_t i = 0; i < calendar->window_count; i++) {
        each = calendar->windows[i].span;
        if (calendar->windows[i].once && bound(calendar, &each))
            take_earlier(span, &any, &each, now);
    }
    for (int64_t day = first; day < first + NEXT_DAYS_MAX; day++) {
        struct date date = date_of(day);
        bool here = false;
        struct lb_span found = { 0 };

        if ((calendar->months >> date.month & 1) == 0 || !has_year(calendar, date.year))
            continue;
        for (uint32_t i = 0; i < calendar->window_count; i++)
            if (!calendar->windows[i].once && span_on(calendar, &calendar->windows[i], &date, &each))
                take_earlier(&found, &here, &each, now);
        if (here) {
            take_earlier(span, &any, &found, now);
            return any;
        }
    }
    return any;
}
