/*
 * alert_deadlines.h - which of many places (of a book) has its deadline next.
 *
 * A heap that knows where each place stands in it, so a deadline can be moved
 * or taken away. Who waits for time of different streams asks for all that lie
 * before a limit, and takes those that are really due. One thread.
 */
#ifndef LB_ALERT_DEADLINES_H
#define LB_ALERT_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lb_alert_due {
    int64_t time;
    uint32_t place;
};

struct lb_alert_deadlines {
    struct lb_alert_due *heap;
    uint32_t *positions; /* by place: in the heap + 1; 0: none */
    uint32_t count;
    size_t capacity;
    uint32_t places; /* length of `positions` */
};

void lb_alert_deadlines_free(struct lb_alert_deadlines *deadlines);

/* The place's deadline, new or another. False: no memory; a new one is not noted. */
bool lb_alert_deadlines_set(struct lb_alert_deadlines *deadlines, uint32_t place, int64_t time);

/* It may have none. */
void lb_alert_deadlines_remove(struct lb_alert_deadlines *deadlines, uint32_t place);

/*
 * Places with a deadline at or before `limit` for which `is_due` is true, `max` at most; always the same for the same
 * heap. Returns how many.
 */
size_t lb_alert_deadlines_due(const struct lb_alert_deadlines *deadlines, int64_t limit,
                              bool (*is_due)(void *context, uint32_t place), void *context, uint32_t *places,
                              size_t max);

#endif
