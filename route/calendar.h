/*
 * calendar.h - when: windows of time that people write down.
 *
 *   Sun 02:00-04:00                  Mon-Fri 09:00-17:00, Sat 10:00-14:00        weekly
 *   first Sunday 02:00-04:00         last day 22:00-06:00       1-7, -1          monthly
 *   2026-12-24 18:00 / 2026-12-27 08:00                                          once
 *
 * A window begins on a day in a zone, at a time of its clocks, and is from then
 * on a span between two instants: over midnight it belongs to the day on which
 * it begins; one that begins or ends in an hour that the clocks skip is moved
 * by it, and one in an hour that comes twice begins with the first. With
 * moments (`Mon 08:00`) a window has a beginning only. Read-only once made.
 */
#ifndef LB_CALENDAR_H
#define LB_CALENDAR_H

#include "lb_arena.h"
#include "lb_conf.h"
#include "lb_time.h"

struct lb_calendar;

/* What was written. The texts are those of keys of `map`, so that a fault can be shown where it stands. */
struct lb_calendar_text {
    struct lb_strs weekly;
    struct lb_strs monthly;
    struct lb_strs every;  /* any of the forms */
    struct lb_strs months; /* of the day on which a window begins: `dec`, `1-3`; none: all */
    struct lb_strs years;  /* `2026`, `2026-2028`; none: all */
    struct lb_str from;    /* no window before or after these; without any other they are the window */
    struct lb_str until;
    struct lb_str zone;        /* empty: that of the machine */
    bool moments;              /* beginnings only */
    const struct lb_node *map; /* NULL: faults are told at `place` */
    struct lb_place place;
};

struct lb_span {
    int64_t from; /* Unix nanoseconds, [from, until) */
    int64_t until;
};

/* In `arena`. NULL: all faults are told, a window that never comes is one. */
const struct lb_calendar *lb_calendar_new(struct lb_arena *arena, const struct lb_calendar_text *text,
                                          struct lb_diag *diag);

/*
 * The window that holds `now`. Windows that touch or overlap are one, and `until` is the end of the last of them (of
 * the first 400, where they never end). False: there is none. `span` may be NULL.
 */
bool lb_calendar_find(const struct lb_calendar *calendar, int64_t now, struct lb_span *span);

/* The first window (or moment) that begins at or after `now`. False: none in the next 40 years. */
bool lb_calendar_next(const struct lb_calendar *calendar, int64_t now, struct lb_span *span);

#endif
