/*
 * fields.h - putting and taking a value by any name, leading keys included.
 *
 * `level`, `service`, `host`, `message` and `timestamp` are members of the
 * record, not fields; filters and sources need not care.
 */
#ifndef LB_ROUTE_FIELDS_H
#define LB_ROUTE_FIELDS_H

#include "lb_record.h"

enum lb_leading {
    LB_LEADING_NONE, /* an ordinary field */
    LB_LEADING_LEVEL,
    LB_LEADING_SERVICE,
    LB_LEADING_HOST,
    LB_LEADING_MESSAGE,
    LB_LEADING_TIMESTAMP,
    LB_LEADING_FACILITY,
};

enum lb_leading lb_leading_of(struct lb_str name);

/*
 * Sets `name`, a literal key. The value must live as long as the record. False: the arena is full, or the value is no
 * level, no time, or null where a text is needed; then the record is as it was.
 */
bool lb_fields_put(struct lb_record *record, struct lb_arena *arena, struct lb_scratch *scratch, struct lb_str name,
                   struct lb_value value);

/* Sets `name` only where the record has none of it. */
void lb_fields_fill(struct lb_record *record, struct lb_arena *arena, struct lb_scratch *scratch, struct lb_str name,
                    struct lb_value value);

/* Removes every field of that literal name, or the leading key; a timestamp stays. */
void lb_fields_take(struct lb_record *record, struct lb_str name);

/* Like lb_fields_take, and where there is no such key, the member at that path within nested objects. */
void lb_fields_remove(struct lb_record *record, struct lb_arena *arena, struct lb_str name);

/*
 * lb_record_get(), made to last: what it wrote to the scratch is moved to the arena. NONE if it is missing, or the
 * arena is full.
 */
struct lb_value lb_fields_get(const struct lb_record *record, struct lb_arena *arena, struct lb_scratch *scratch,
                              struct lb_str name);

#endif
