/*
 * calendar_read.c - the texts of a calendar → its windows.
 *
 * A text is a list of days, then a list of times, and so on: `Mon, Wed 02:00-04:00, 22:00-23:00, last day`. What stands
 * behind a comma tells itself: a time belongs to the days before it, anything else begins the next days. Times may be
 * left out: whole days.
 */
#include "calendar.h"

#include "calendar_windows.h"
#include "calendar_words.h"

#include "alert_conf.h"

#include <stdio.h>

enum { DAYS_MAX = 32, ALL_WEEKDAYS = 0x7f, WORK_DAYS = 0x3e, FREE_DAYS = 0x41, ALL_MONTHS = 0x1ffe };

#define EXAMPLES "Sun 02:00-04:00, first Sunday 02:00-04:00, last day, 1-7 or 2026-12-24 18:00 / 2026-12-27 08:00"

/* Since when it is looked whether a window ever comes. */
#define SEARCH_FROM (946684800 * LB_SECOND) /* 2000-01-01 */

enum form { ANY, WEEKLY, MONTHLY };

/* Days that wait for their times. */
struct days {
    struct calendar_window items[DAYS_MAX];
    uint32_t count;
};

struct reader {
    struct lb_calendar *calendar;
    struct lb_arena *arena;
    struct lb_diag *diag;
    struct lb_place place; /* of the text that is read */
    enum form form;
    bool by_weekday; /* the text has days of the week that are no days of a month */
    bool by_month;
};

static bool fault(struct reader *self, const struct calendar_cursor *at, const char *what)
{
    int left = (int)(at->end - at->ptr);

    lb_diag_error(self->diag, lb_place_at(self->place, (size_t)(at->ptr - at->begin)), "%s%s%.*s%s; for example %s",
                  what, left > 0 ? " at \"" : " at the end of the text", left > 40 ? 40 : left, at->ptr,
                  left > 0 ? "\"" : "", EXAMPLES);
    return false;
}

static bool add_window(struct reader *self, const struct calendar_window *window)
{
    struct lb_calendar *calendar = self->calendar;

    if (calendar->window_count == CALENDAR_WINDOWS_MAX) {
        lb_diag_error(self->diag, self->place, "more than %d windows in one calendar", CALENDAR_WINDOWS_MAX);
        return false;
    }
    calendar->windows[calendar->window_count++] = *window;
    return true;
}

/* --- days ------------------------------------------------------------------------ */

static int ordinal(struct lb_str word)
{
    static const char *const words[] = { "first", "second", "third", "fourth", "fifth", "last" };

    for (int i = 0; i < 6; i++)
        if (calendar_same(word, words[i]))
            return i + 1;
    return 0;
}

/* "Sunday" behind "first", or "day". */
static bool read_nth(struct calendar_cursor *at, int nth, struct calendar_window *day)
{
    struct lb_str word = calendar_word(at);
    int weekday = calendar_weekday(word);
    bool is_last = nth == 6;

    if (calendar_same(word, "day")) {
        day->weekdays = ALL_WEEKDAYS;
        day->first = day->last = (int8_t)(is_last ? -1 : nth);
        return true;
    }
    if (weekday < 0) {
        at->ptr = word.ptr;
        return false;
    }
    day->weekdays = (uint8_t)(1 << weekday);
    day->first = (int8_t)(is_last ? -7 : nth * 7 - 6);
    day->last = (int8_t)(is_last ? -1 : nth * 7);
    return true;
}

static bool read_weekdays(struct calendar_cursor *at, struct lb_str word, struct calendar_window *day)
{
    int first = calendar_weekday(word);

    if (calendar_same(word, "every")) {
        word = calendar_word(at);
        first = calendar_weekday(word);
    }
    if (calendar_same(word, "daily") || calendar_same(word, "day"))
        day->weekdays = ALL_WEEKDAYS;
    else if (calendar_same(word, "weekdays"))
        day->weekdays = WORK_DAYS;
    else if (calendar_same(word, "weekends"))
        day->weekdays = FREE_DAYS;
    else if (first >= 0) {
        int last = first;

        if (calendar_take(at, '-')) {
            word = calendar_word(at);
            last = calendar_weekday(word);
        }
        for (int i = first; last >= 0; i = (i + 1) % 7) {
            day->weekdays |= (uint8_t)(1 << i);
            if (i == last)
                return true;
        }
    }
    if (day->weekdays == 0)
        at->ptr = word.ptr;
    return day->weekdays != 0;
}

static bool is_day(int day)
{
    return day != 0 && day >= -31 && day <= 31;
}

/* "1-7", "-7--1" or "-7..-1", "15"; a weekday may follow: those of these days. */
static bool read_dates(struct calendar_cursor *at, struct calendar_window *day)
{
    int first;
    int last;
    bool has_last;

    if (!calendar_number(at, &first) || !is_day(first))
        return false;
    has_last = calendar_take(at, '-');
    if (!has_last && calendar_take(at, '.'))
        has_last = calendar_take(at, '.');
    last = first;
    if (has_last && (!calendar_number(at, &last) || !is_day(last)))
        return false;
    if ((first > 0) == (last > 0) ? first > last : first < 0)
        return false;
    day->first = (int8_t)first;
    day->last = (int8_t)last;

    struct lb_str word = calendar_word(at);
    int weekday = calendar_weekday(word);

    if (weekday < 0)
        at->ptr = word.ptr;
    else
        day->weekdays = (uint8_t)(1 << weekday);
    return true;
}

static bool read_day(struct reader *self, struct calendar_cursor *at, struct calendar_window *day)
{
    const char *begin = at->ptr;
    struct lb_str word = calendar_word(at);
    int nth = ordinal(word);

    *day = (struct calendar_window){ .first = 1, .last = -1 };
    if (word.len > 0 && nth == 0) {
        self->by_weekday = true;
        return read_weekdays(at, word, day) || fault(self, at, "expected a day of the week");
    }
    self->by_month = true;
    if (nth > 0)
        return read_nth(at, nth, day) || fault(self, at, "expected \"day\" or a day of the week");
    day->weekdays = ALL_WEEKDAYS;
    if (read_dates(at, day))
        return true;
    at->ptr = begin;
    return fault(self, at, "expected days (1 to 31, or -1 to -31 from the end of the month, the earlier one first)");
}

static bool read_days(struct reader *self, struct calendar_cursor *at, struct days *days)
{
    days->count = 0;
    if (calendar_sees_time(at)) {
        days->items[days->count++] = (struct calendar_window){ .first = 1, .last = -1, .weekdays = ALL_WEEKDAYS };
        return true;
    }
    do {
        if (days->count == DAYS_MAX)
            return fault(self, at, "too many days");
        if (!read_day(self, at, &days->items[days->count++]))
            return false;
    } while (calendar_take(at, ','));
    return true;
}

/* --- times ------------------------------------------------------------------------- */

static bool read_time(struct reader *self, struct calendar_cursor *at, int *begin, int *end)
{
    const char *start = at->ptr;

    if (!calendar_time(at, begin))
        return fault(self, at, "expected a time from 00:00 to 24:00");
    *end = *begin;
    if (self->calendar->moments)
        return *begin < DAY_MINUTES || fault(self, at, "24:00 is 00:00 of the next day");
    if (!calendar_take(at, '-'))
        return fault(self, at, "expected \"-\" and the time at which the window ends");
    if (!calendar_time(at, end))
        return fault(self, at, "expected a time from 00:00 to 24:00");
    if (*begin != *end && *begin < DAY_MINUTES)
        return true;
    at->ptr = start;
    return fault(self, at, "this window is empty; a whole day is 00:00-24:00");
}

static bool add_times(struct reader *self, const struct days *days, int begin, int end)
{
    for (uint32_t i = 0; i < days->count; i++) {
        struct calendar_window window = days->items[i];

        window.begin = (uint16_t)begin;
        window.end = (uint16_t)end;
        if (!add_window(self, &window))
            return false;
    }
    return true;
}

/* Behind the days: their times, up to a comma that something else follows. */
static bool read_times(struct reader *self, struct calendar_cursor *at, const struct days *days)
{
    int begin = 0;
    int end = 0;

    if (!calendar_sees_time(at))
        return add_times(self, days, 0, self->calendar->moments ? 0 : DAY_MINUTES);
    do {
        if (!read_time(self, at, &begin, &end) || !add_times(self, days, begin, end))
            return false;
        if (calendar_at_end(at))
            return true;
        if (!calendar_take(at, ','))
            return fault(self, at, "expected \",\"");
    } while (calendar_sees_time(at));
    if (calendar_at_end(at))
        return fault(self, at, "expected days or a time behind \",\"");
    return true;
}

/* --- windows with dates -------------------------------------------------------------- */

static bool sees_date(const struct calendar_cursor *at)
{
    static const char form[] = "dddd-dd";
    const char *ptr = at->ptr;

    for (size_t i = 0; i < sizeof(form) - 1; i++, ptr++)
        if (ptr == at->end || (form[i] == 'd' ? *ptr < '0' || *ptr > '9' : *ptr != '-'))
            return false;
    return true;
}

static bool read_instant(struct reader *self, struct calendar_cursor *at, int64_t *time_ns)
{
    int64_t civil;
    bool zoned;

    calendar_skip_blanks(at);
    if (!calendar_date_time(at, &civil, &zoned))
        return fault(self, at, "expected a date, or a date and a time, from 1970 to 2199");
    *time_ns = (zoned ? civil : lb_time_zone_to_utc(self->calendar->zone, civil)) * LB_SECOND;
    return true;
}

static bool read_once(struct reader *self, struct calendar_cursor *at)
{
    struct calendar_window window = { .once = true };

    if (!read_instant(self, at, &window.span.from))
        return false;
    window.span.until = window.span.from;
    if (!self->calendar->moments) {
        if (!calendar_take(at, '/'))
            return fault(self, at, "expected \"/\" and when the window ends");
        if (!read_instant(self, at, &window.span.until))
            return false;
        if (window.span.until <= window.span.from)
            return fault(self, at, "this window ends before it begins");
    }
    if (!calendar_at_end(at) && !calendar_take(at, ','))
        return fault(self, at, "expected \",\"");
    return add_window(self, &window);
}

/* --- texts ------------------------------------------------------------------------------ */

static bool read_text(struct reader *self, struct lb_str text)
{
    struct calendar_cursor at = { text.ptr, text.ptr, text.ptr + text.len };
    struct days days;

    self->by_weekday = self->by_month = false;
    if (calendar_at_end(&at))
        return fault(self, &at, "expected when");
    while (!calendar_at_end(&at)) {
        if (sees_date(&at) && self->form == ANY) {
            if (!read_once(self, &at))
                return false;
            continue;
        }
        if (!read_days(self, &at, &days) || !read_times(self, &at, &days))
            return false;
    }
    at.ptr = at.begin;
    if (self->form == WEEKLY && self->by_month)
        return fault(self, &at, "`weekly` takes days of the week, days of a month belong under `monthly`;");
    if (self->form == MONTHLY && self->by_weekday)
        return fault(self, &at, "`monthly` takes days of a month (first Sunday), other days belong under `weekly`;");
    return true;
}

static struct lb_place place_of(const struct lb_calendar_text *text, const char *key, size_t index)
{
    const struct lb_node *node = text->map != NULL ? lb_node_get(text->map, key) : NULL;

    if (node != NULL && node->kind == LB_NODE_LIST)
        node = index < node->count ? &node->values[index] : NULL;
    return node != NULL ? node->begin : text->place;
}

static bool read_texts(struct reader *self, const struct lb_calendar_text *text, const char *key, struct lb_strs texts)
{
    bool ok = true;

    for (size_t i = 0; i < texts.count; i++) {
        self->place = place_of(text, key, i);
        ok = read_text(self, texts.items[i]) && ok;
    }
    return ok;
}

/* "2026" or "2026-2028" */
static bool read_years(struct reader *self, struct lb_str text)
{
    struct calendar_cursor at = { text.ptr, text.ptr, text.ptr + text.len };
    struct lb_calendar *calendar = self->calendar;
    struct calendar_years years;

    if (!calendar_number(&at, &years.first))
        return fault(self, &at, "expected a year or years such as 2026-2028");
    years.last = years.first;
    if (calendar_take(&at, '-') && !calendar_number(&at, &years.last))
        return fault(self, &at, "expected a year");
    if (!calendar_at_end(&at) || years.first < 1970 || years.last > 2099 || years.first > years.last) {
        at.ptr = at.begin;
        return fault(self, &at, "expected a year or years such as 2026-2028, the earlier one first");
    }
    if (calendar->year_count == CALENDAR_YEARS_MAX)
        return fault(self, &at, "too many years");
    calendar->years[calendar->year_count++] = years;
    return true;
}

static int read_month(struct calendar_cursor *at)
{
    struct lb_str word = calendar_word(at);
    int month;

    if (word.len > 0)
        return calendar_month(word);
    return calendar_number(at, &month) && month >= 1 && month <= 12 ? month : -1;
}

/* "dec", "12" or "nov-feb" */
static bool read_months(struct reader *self, struct lb_str text)
{
    struct calendar_cursor at = { text.ptr, text.ptr, text.ptr + text.len };
    int first = read_month(&at);
    int last = first;

    if (first > 0 && calendar_take(&at, '-'))
        last = read_month(&at);
    if (first < 0 || last < 0 || !calendar_at_end(&at)) {
        at.ptr = at.begin;
        return fault(self, &at, "expected a month or months such as dec, 12 or nov-feb");
    }
    for (int month = first;; month = month % 12 + 1) {
        self->calendar->months |= (uint16_t)(1 << month);
        if (month == last)
            return true;
    }
}

static bool read_limits(struct reader *self, const struct lb_calendar_text *text)
{
    bool ok = true;

    for (size_t i = 0; i < text->years.count; i++) {
        self->place = place_of(text, "years", i);
        ok = read_years(self, text->years.items[i]) && ok;
    }
    for (size_t i = 0; i < text->months.count; i++) {
        self->place = place_of(text, "months", i);
        ok = read_months(self, text->months.items[i]) && ok;
    }
    if (text->months.count == 0)
        self->calendar->months = ALL_MONTHS;
    return ok;
}

static bool read_bound(struct reader *self, const struct lb_calendar_text *text, const char *key, struct lb_str written,
                       int64_t *time_ns)
{
    *time_ns = LB_TIME_NONE;
    if (written.len == 0)
        return true;
    struct calendar_cursor at = { written.ptr, written.ptr, written.ptr + written.len };
    self->place = place_of(text, key, 0);
    return read_instant(self, &at, time_ns) && (calendar_at_end(&at) || fault(self, &at, "expected nothing more"));
}

static bool read_bounds(struct reader *self, const struct lb_calendar_text *text)
{
    struct lb_calendar *calendar = self->calendar;
    bool ok = read_bound(self, text, "from", text->from, &calendar->from);

    ok = read_bound(self, text, "until", text->until, &calendar->until) && ok;
    if (!ok || calendar->from == LB_TIME_NONE || calendar->until == LB_TIME_NONE || calendar->from < calendar->until)
        return ok;
    lb_diag_error(self->diag, place_of(text, "until", 0), "`until` must be after `from`");
    return false;
}

/* Bounds without windows are one. */
static bool add_between(struct reader *self, const struct lb_calendar_text *text)
{
    struct calendar_window window = { .once = true, .span = { self->calendar->from, self->calendar->until } };

    if (text->from.len > 0 && text->until.len > 0)
        return add_window(self, &window);
    lb_diag_error(self->diag, text->place, "when? expected weekly, monthly, every, or from and until");
    return false;
}

const struct lb_calendar *lb_calendar_new(struct lb_arena *arena, const struct lb_calendar_text *text,
                                          struct lb_diag *diag)
{
    struct lb_calendar *self = lb_arena_zalloc(arena, sizeof(*self));
    struct reader reader = { .calendar = self, .arena = arena, .diag = diag };
    struct lb_span span;

    if (self != NULL)
        self->windows = lb_arena_zalloc(arena, CALENDAR_WINDOWS_MAX * sizeof(*self->windows));
    if (self == NULL || self->windows == NULL) {
        lb_diag_error(diag, text->place, "the configuration is too large");
        return NULL;
    }
    self->moments = text->moments;
    self->zone = lb_time_zone_new(arena, text->zone, place_of(text, "zone", 0), diag);
    if (self->zone == NULL)
        return NULL;
    bool ok = read_limits(&reader, text);

    ok = read_bounds(&reader, text) && ok;
    reader.form = WEEKLY;
    ok = read_texts(&reader, text, "weekly", text->weekly) && ok;
    reader.form = MONTHLY;
    ok = read_texts(&reader, text, "monthly", text->monthly) && ok;
    reader.form = ANY;
    ok = read_texts(&reader, text, "every", text->every) && ok;
    if (ok && self->window_count == 0)
        ok = add_between(&reader, text);
    if (!ok)
        return NULL;
    if (lb_calendar_next(self, SEARCH_FROM, &span))
        return self;
    lb_diag_error(diag, text->place, "this window never comes: no day is in all that was asked for");
    return NULL;
}
