/*
 * alert_top.h - the most frequent of many texts, in memory for a few.
 *
 * Space-Saving: whoever is not among the LB_ALERT_TOP takes the place of the
 * least frequent and its count. All that make up more than one part in
 * LB_ALERT_TOP of everything are among them, and no count is too low; it is
 * too high by `error` at most. One thread.
 */
#ifndef LB_ALERT_TOP_H
#define LB_ALERT_TOP_H

#include "lb_str.h"

#include <stdint.h>

enum { LB_ALERT_TOP = 64, LB_ALERT_TOP_BYTES = 96 };

struct lb_alert_top_entry {
    uint64_t count;
    uint64_t error;
    uint8_t length;
    char text[LB_ALERT_TOP_BYTES]; /* cut, not within a character */
};

/* All zero: nothing was seen. */
struct lb_alert_top {
    uint64_t hashes[LB_ALERT_TOP];
    struct lb_alert_top_entry entries[LB_ALERT_TOP];
    uint32_t count;
    uint64_t total;
};

/* `hash` is of the whole text. */
void lb_alert_top_add(struct lb_alert_top *top, uint64_t hash, struct lb_str text);

/* How many it surely has. */
static inline uint64_t lb_alert_top_surely(const struct lb_alert_top_entry *entry)
{
    return entry->count - entry->error;
}

/* The `max` that surely have most, the first first; returns how many. */
uint32_t lb_alert_top_list(const struct lb_alert_top *top, const struct lb_alert_top_entry **list, uint32_t max);

#endif
