/*
 * picks.h - which parser read how many messages.
 *
 * A worker counts within a batch, where hardly ever more than two or three parsers take turns, and adds once to the
 * metrics of the source. A series is registered when its parser is first seen in the source: so there are as many as
 * formats in the log.
 */
#ifndef PICKS_H
#define PICKS_H

#include "lb_metrics.h"
#include "lb_parser.h"
#include "lb_str.h"

enum { PICKS_MAX = 48 }; /* parsers, and none */

/* Zeroed: empty. */
struct picks {
    struct pick {
        const struct lb_parser_type *type; /* NULL: none */
        uint32_t count;
    } items[PICKS_MAX];
    uint32_t used;
    uint32_t last; /* the one that took the message before */
};

/* Of one source. Zeroed at first. */
struct pick_totals {
    struct lb_metric *metrics[PICKS_MAX]; /* the first is of none */
};

void picks_note_another(struct picks *self, const struct lb_parser_type *type);

static inline void picks_note(struct picks *self, const struct lb_parser_type *type)
{
    if (self->used > 0 && self->items[self->last].type == type)
        self->items[self->last].count++;
    else
        picks_note_another(self, type);
}

/* Adds to the totals, and empties. */
void picks_settle(struct picks *self, struct pick_totals *totals, struct lb_str source);

#endif
