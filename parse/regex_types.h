/*
 * regex_types.h - what the text of a group may be turned into.
 */
#ifndef REGEX_TYPES_H
#define REGEX_TYPES_H

#include "lb_record.h"

enum regex_type { REGEX_TEXT, REGEX_INT, REGEX_FLOAT, REGEX_BOOL, REGEX_DURATION, REGEX_BYTES };

/* By name; NULL at the end. Index + 1 is the type. */
extern const char *const regex_type_names[];

/*
 * Sets `*value`: text that is not of the type stays text, a lone "-" becomes NONE. Durations become seconds, sizes
 * bytes. False when the arena is full.
 */
bool regex_convert(enum regex_type type, struct lb_str text, struct lb_arena *arena, struct lb_value *value);

#endif
