/*
 * grep_sets.h - sets of literals, and what follows when expressions stand in
 * a row or side by side.
 *
 * Of an expression is known either all the texts it matches (`is_exact`), or
 * how its text begins and ends, and which clauses hold in between. Everything
 * lives in an arena; a full arena loses knowledge, never adds any.
 */
#ifndef GREP_SETS_H
#define GREP_SETS_H

#include "grep_literals.h"

/* Texts, one of which is meant. {""} says nothing. */
struct grep_set {
    struct lb_str *items;
    size_t count;
};

struct grep_clause_list {
    struct grep_clause_list *following;
    struct grep_set set;
};

struct grep_expression {
    bool is_exact; /* it matches `first`, and nothing else; `last` is the same then */
    bool is_plain; /* nothing is asked but its text: no anchors, no lookaround */
    struct grep_set first;
    struct grep_set last;
    struct grep_clause_list *clauses;
};

/* The empty text. */
struct grep_expression grep_nothing(void);

/* One text, copied; NULL texts and any text: something unknown. */
struct grep_expression grep_text(struct lb_arena *arena, struct lb_str text);
struct grep_expression grep_unknown(void);

/* Of `a` directly followed by `b`. */
struct grep_expression grep_row(struct lb_arena *arena, struct grep_expression a, struct grep_expression b);

/* Of either. Not for unknown ones in a loop of more than GREP_CLAUSE_LITERALS_MAX. */
struct grep_expression grep_either(struct lb_arena *arena, struct grep_expression a, struct grep_expression b);

/* Of `a`, `min` to `max` times in a row. */
struct grep_expression grep_times(struct lb_arena *arena, struct grep_expression a, uint32_t min, uint32_t max);

/* What it asks for, at a place that nothing is known of (a lookahead). */
struct grep_expression grep_somewhere(struct lb_arena *arena, struct grep_expression a);

/* The clauses of a whole pattern, the best first. */
size_t grep_clauses(struct lb_arena *arena, struct grep_expression a, struct lb_archive_clause *clauses, size_t max);

#endif
