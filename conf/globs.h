/* globs.h - do two patterns of paths have a path in common? */
#ifndef LB_CONF_GLOBS_H
#define LB_CONF_GLOBS_H

#include "lb_str.h"

enum { LB_GLOB_BYTES = 512 };

/*
 * `*` and `?` stop at "/", a component `**` does not, `[…]` is one character, `{name}` is a `*` of at least one
 * character. On true `example` (LB_GLOB_BYTES) holds a path that both match. Patterns that are too long meet nothing.
 */
bool lb_globs_meet(struct lb_str a, struct lb_str b, char *example);

/* A template of a path as such a pattern: its fields and dates are wildcards. False when it does not fit. */
bool lb_glob_of_template(struct lb_str text, char *glob);

#endif
