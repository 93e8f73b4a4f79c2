/*
 * multiline.h - the two halves of a rule: patterns of one's own, and traces
 * that are known by their look.
 */
#ifndef MULTILINE_H
#define MULTILINE_H

#include "lb_multiline.h"

/* As lb_multiline_joins(), for `auto`. */
bool multiline_trace_joins(struct lb_multiline_state *state, struct lb_str line);

#endif
