/*
 * alert_window.h - what happened to one (rule, key) in the last `over`, by
 * the time of the events.
 *
 * A window is a function of its end: at end e it holds the samples with
 * e - over < time <= e. It changes only where a sample enters or leaves;
 * between two such points lies a segment. lb_alert_window_next() walks the
 * segments in order up to a limit, and lb_alert_window_seek() goes back to
 * those that a late sample has changed. So what is found does not depend on
 * when somebody looks.
 *
 * Up to LB_ALERT_EXACT samples within over + lateness (LB_ALERT_EXACT_MAX for
 * percentiles and distinct values) are kept one by one: exact to the nanosecond. Beyond that slots of over / 60 are
 * counted, wrong by at most the content of one slot, until the exact ones cover it all again. One thread.
 */
#ifndef LB_ALERT_WINDOW_H
#define LB_ALERT_WINDOW_H

#include "alert_measure.h"
#include "lb_err.h"

#include <stdbool.h>
#include <stdint.h>

enum { LB_ALERT_SLOTS = 60, LB_ALERT_SLOTS_MAX = 300 };

struct lb_alert_totals {
    uint64_t count;
    double sum; /* of the samples' numbers */
};

/* The same for all windows of a rule. */
struct lb_alert_shape {
    int64_t over_ns;
    int64_t lateness_ns;
    bool delayed; /* the end follows `lateness` behind the newest sample, so samples lie ahead of it */
    int64_t slot_ns;
    int64_t slots_over; /* slots in a window */
    uint32_t slot_ring; /* slots kept: a window and its lateness */
    uint32_t exact;     /* samples kept one by one */
    struct lb_alert_measure measure;
};

/* A window at one end. Exact: `before` samples are too old for it, `until` lie at or before the end. */
struct lb_alert_cursor {
    int64_t end;
    struct lb_alert_totals totals;
    uint32_t before;
    uint32_t until;
    int64_t low; /* slots (low, high] are counted */
    int64_t high;
    bool whole; /* counts only slots that lie before the end as a whole, as samples may lie ahead of it */
};

struct lb_alert_window {
    struct lb_alert_cursor cursor;   /* all ends up to cursor.end were walked */
    struct lb_alert_sample *samples; /* a ring in order of time: the newest shape->exact */
    uint32_t capacity;
    uint32_t start;
    uint32_t count;
    int64_t dropped;                 /* time of the newest sample that found no room among them */
    struct lb_alert_totals *slots;   /* a ring; NULL until first needed */
    struct lb_alert_detail *details; /* beside them, where the measure needs them */
    uint32_t detail_count;
    int64_t slot_newest;
    bool slotted;      /* the totals come from slots now */
    double last_value; /* of a percentile of exact samples: where to look for the next one */

    /* The details of the slots (united_low, united_high] put together; valid while united_low < united_high. */
    struct lb_alert_detail united;
    int64_t united_low;
    int64_t united_high;
    struct lb_alert_detail past; /* the same at a place that is looked back to */
};

/* Ends [from, to], which all have these totals. */
struct lb_alert_segment {
    int64_t from;
    int64_t to;
    struct lb_alert_totals totals;
    double value; /* what the rule measures */
};

/* Measures a count; the caller may set another measure with lb_alert_shape_measure(). */
void lb_alert_shape_init(struct lb_alert_shape *shape, int64_t over_ns, int64_t lateness_ns, bool delayed);
void lb_alert_shape_measure(struct lb_alert_shape *shape, enum lb_alert_function function, double quantile);

/* Ends up to and with `end` count as walked. Allocates nothing; memory of an earlier use is kept. */
void lb_alert_window_init(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t end);
void lb_alert_window_free(struct lb_alert_window *window);

/*
 * A sample ahead of the cursor is found by walking on (walk up to it before adding it); one at or before the cursor
 * changes what is behind: look back with lb_alert_window_seek(). LB_LIMIT: older than any window still open; ignored.
 */
enum lb_err lb_alert_window_add(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                                struct lb_alert_sample sample) LB_MUST_USE;

/* The next segment, cut at `limit`; the cursor moves to its end. False when the cursor has reached the limit. */
bool lb_alert_window_next(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t limit,
                          struct lb_alert_segment *segment);

/* A cursor for looking back over the ends from `from` on, and its steps. */
struct lb_alert_cursor lb_alert_window_seek(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                                            int64_t from);
bool lb_alert_cursor_next(struct lb_alert_window *window, const struct lb_alert_shape *shape,
                          struct lb_alert_cursor *cursor, int64_t limit, struct lb_alert_segment *segment);

/* The last end of the segment that begins behind the cursor; what a window measures is constant up to there. */
int64_t lb_alert_cursor_change(const struct lb_alert_window *window, const struct lb_alert_shape *shape,
                               const struct lb_alert_cursor *cursor);

/* True if what is measured stays as it is up to and with `limit`: the cursor may be set to there. */
bool lb_alert_window_still(const struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t limit);

/* Goes back from slots to exact samples if they cover all again; lb_alert_window_next() does it by itself. */
void lb_alert_window_refresh(struct lb_alert_window *window, const struct lb_alert_shape *shape);

/* True if a sample at `time` changes no window that ends before the cursor: it lies in the cursor's own slot. */
bool lb_alert_window_settled(const struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t time);

/* What the rule measures at the cursor. */
double lb_alert_window_value(struct lb_alert_window *window, const struct lb_alert_shape *shape);

/* Of heap. */
size_t lb_alert_window_bytes(const struct lb_alert_window *window, const struct lb_alert_shape *shape);

/* True when no window ending at or after the cursor can hold a sample that is known. */
bool lb_alert_window_empty(const struct lb_alert_window *window);

#endif
