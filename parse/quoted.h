/*
 * quoted.h - the inside of a quoted text with backslashes, as a value.
 */
#ifndef QUOTED_H
#define QUOTED_H

#include "lb_arena.h"
#include "lb_err.h"
#include "lb_record.h"

/*
 * Where the escapes are those of JSON the value is the bytes themselves; otherwise (\x41, \a, \', control bytes) it is
 * decoded into the arena. A backslash before anything else stays. LB_BAD_INPUT: \x or \u without its digits.
 */
enum lb_err quoted_value(struct lb_str inside, struct lb_arena *arena, struct lb_value *value) LB_MUST_USE;

#endif
