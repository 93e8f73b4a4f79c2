/*
 * lb_expr.h - `where:` expressions over records (and alerts).
 *
 *   level >= warn and service in ("payments", "auth") and not message ~ "(?i)test"
 *
 * Compiled once to a flat program; running it allocates nothing and is safe
 * from any number of threads, each with its own scratch.
 */
#ifndef LB_EXPR_H
#define LB_EXPR_H

#include "lb_arena.h"
#include "lb_diag.h"
#include "lb_record.h"

struct lb_expr;

/*
 * NULL with an error at the exact column: `place` is where `text` begins in its file. The program lives in `arena`;
 * compiled patterns are freed by lb_expr_free.
 */
struct lb_expr *lb_expr_new(struct lb_arena *arena, struct lb_str text, struct lb_place place, struct lb_diag *diag);
void lb_expr_free(struct lb_expr *expr);

bool lb_expr_match(const struct lb_expr *expr, const struct lb_record *record, struct lb_scratch *scratch);

/* Every field name it asks for. */
struct lb_strs lb_expr_fields(const struct lb_expr *expr);

enum lb_expr_constant { LB_EXPR_VARIES, LB_EXPR_ALWAYS, LB_EXPR_NEVER };

/* Whether it is true or false for every record (`true`, `level >= trace or not …`): what cannot be reached is a fault.
 */
enum lb_expr_constant lb_expr_constant(const struct lb_expr *expr);

/* The text it was compiled from. */
struct lb_str lb_expr_text(const struct lb_expr *expr);

/*
 * Reads lists again whose files have changed (`country in file("blocked.txt")`); once a second, on one thread that has
 * the time. False: there are none.
 */
bool lb_expr_lists_look(void);

#endif
