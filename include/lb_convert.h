/*
 * lb_convert.h - text that is a number, a truth value, a duration or a size.
 *
 * Parsers turn what they cut out of a line into these, and so does the filter
 * `types`. What is not of the type stays text: nothing is lost.
 */
#ifndef LB_CONVERT_H
#define LB_CONVERT_H

#include "lb_record.h"

enum lb_convert_to {
    LB_CONVERT_TEXT,
    LB_CONVERT_INT,
    LB_CONVERT_FLOAT,
    LB_CONVERT_BOOL,
    LB_CONVERT_DURATION,
    LB_CONVERT_BYTES
};

/* By name; NULL at the end. Index + 1 is the type. */
extern const char *const lb_convert_names[];

/*
 * Sets `*value`: text that is not of the type stays text, a lone "-" becomes NONE. Durations become seconds, sizes
 * bytes. False when the arena is full.
 */
bool lb_convert(enum lb_convert_to type, struct lb_str text, struct lb_arena *arena, struct lb_value *value);

#endif
