/* calendar_windows.h - what calendar_read.c makes and calendar.c looks up. */
#ifndef LB_CALENDAR_WINDOWS_H
#define LB_CALENDAR_WINDOWS_H

#include "calendar.h"

enum { CALENDAR_WINDOWS_MAX = 128, CALENDAR_YEARS_MAX = 32, DAY_MINUTES = 24 * 60, DAY_SECONDS = 86400 };

/*
 * One window: on the days of a month from first to last (negative: from its end, -1 is the last one) that are one of
 * the weekdays (bit 0: Sunday). With `once` it is the span [from, until) and nothing else.
 */
struct calendar_window {
    bool once;
    struct lb_span span;
    int8_t first;
    int8_t last;
    uint8_t weekdays;
    uint16_t begin; /* minutes of the day */
    uint16_t end;   /* at or below `begin`: on the next day */
};

struct calendar_years {
    int first;
    int last;
};

struct lb_calendar {
    const struct lb_time_zone *zone;
    struct calendar_window *windows;
    uint32_t window_count;
    uint16_t months; /* bit 1: January */
    struct calendar_years years[CALENDAR_YEARS_MAX];
    uint32_t year_count; /* 0: all */
    int64_t from;        /* LB_TIME_NONE: no bound */
    int64_t until;
    bool moments;
};

#endif
