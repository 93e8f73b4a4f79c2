/* variables.h - ${NAME}, ${NAME:-default} and ${file:PATH} in values. */
#ifndef LB_CONF_VARIABLES_H
#define LB_CONF_VARIABLES_H

#include "lb_conf.h"

/*
 * Replaces the variables in the text of a scalar; the new text lives in the arena, NUL behind it. False with an error
 * at the first that has no value; the text is then as it was.
 */
bool lb_variables_expand(struct lb_arena *arena, struct lb_node *scalar, struct lb_diag *diag);

/* `path`, taken from the folder of the file at `place` unless it is absolute; NULL when the arena is full. */
const char *lb_path_beside(struct lb_arena *arena, struct lb_place place, struct lb_str path);

#endif
