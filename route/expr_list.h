/*
 * expr_list.h - `country in file("blocked.txt")`: values that stand in a file.
 *
 * One value a line; blank lines and those that begin with # are left out. A
 * file that changes is read again, off the way of records: a set is made whole
 * and put in the place of the one before, which is freed a minute later, when
 * nobody can be looking at it any more. So asking takes no lock. A file that
 * is gone or too large leaves the list as it was, and that is told once.
 */
#ifndef LB_ROUTE_EXPR_LIST_H
#define LB_ROUTE_EXPR_LIST_H

#include "lb_diag.h"
#include "lb_str.h"

enum { LB_EXPR_LIST_BYTES_MAX = 16 * 1024 * 1024, LB_EXPR_LIST_REASON_BYTES = 320 };

struct lb_expr_list;

/* `path` relative to the file that names it. NULL: `reason` says why. Freed by lb_expr_list_free(). */
struct lb_expr_list *lb_expr_list_new(struct lb_str path, const char *beside, char *reason);
void lb_expr_list_free(struct lb_expr_list *list);

/* Any number of threads. */
bool lb_expr_list_has(const struct lb_expr_list *list, struct lb_str text);

#endif
