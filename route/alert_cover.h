/*
 * alert_cover.h - spans of time that events cover, and times that wait to be
 * covered: what `A then B` and `A without B` have in common.
 *
 * Each event covers the time from it (or up to it) for as long as the
 * condition says. Spans that touch are one, so the few that are kept say for
 * any time whether an event covers it, in whatever order they came. Bounded:
 * LB_ALERT_SPANS that do not touch, LB_ALERT_WAITING times; plain values, so
 * they can stand in a book.
 */
#ifndef LB_ALERT_COVER_H
#define LB_ALERT_COVER_H

#include <stdbool.h>
#include <stdint.h>

enum { LB_ALERT_SPANS = 6, LB_ALERT_WAITING = 8 };

struct lb_alert_cover {
    struct {
        int64_t from;
        int64_t to;
    } spans[LB_ALERT_SPANS]; /* in order of time, apart from each other */
    uint64_t count;
};

/* [from, to] is covered too. Of too many the oldest goes. */
void lb_alert_cover_add(struct lb_alert_cover *cover, int64_t from, int64_t to);
bool lb_alert_cover_has(const struct lb_alert_cover *cover, int64_t time);

/* What ended before is not asked for any more. */
void lb_alert_cover_forget(struct lb_alert_cover *cover, int64_t before);

/* Times in order. */
struct lb_alert_waiting {
    int64_t times[LB_ALERT_WAITING];
    uint64_t count;
};

/* Of too many that at `victim` goes: 0 is the oldest. */
void lb_alert_waiting_add(struct lb_alert_waiting *waiting, int64_t time, uint64_t victim);

/* The first one in [from, to], taken out. False: there is none. */
bool lb_alert_waiting_take(struct lb_alert_waiting *waiting, int64_t from, int64_t to, int64_t *time);

#endif
