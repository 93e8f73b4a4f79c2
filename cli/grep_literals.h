/*
 * grep_literals.h - what every line that a pattern matches must hold.
 *
 * A pattern becomes clauses: of each clause, one literal at least is in the
 * line. The index leaves out blocks by them, and a search for the rarest
 * clause finds the lines that are worth a match. What the reader does not
 * understand counts as "anything": then there are fewer clauses, never wrong
 * ones.
 */
#ifndef GREP_LITERALS_H
#define GREP_LITERALS_H

#include "lb_archive.h"
#include "lb_arena.h"

enum {
    GREP_CLAUSES_MAX = 32,
    GREP_CLAUSE_LITERALS_MAX = 256,
    GREP_LITERAL_BYTES_MAX = 128,
};

struct grep_literals {
    struct lb_arena arena;
    struct lb_archive_clause clauses[GREP_CLAUSES_MAX];
    size_t count;
    bool fold;     /* letters of the literals are lower-case, and stand for either case */
    bool is_exact; /* a line matches if it holds a literal of clauses[0], the only one */
    bool is_all;   /* every line matches */
    bool is_local; /* with (?m) it matches in a text of many lines just where it matches one of them */
};

struct grep_syntax {
    bool fixed; /* not patterns but plain text */
    bool fold;  /* -i */
    bool utf;   /* characters are UTF-8, otherwise bytes */
};

/* Of patterns that PCRE2 accepts; any of them makes a match. They need not live on. */
void grep_literals_init(struct grep_literals *literals, const struct lb_strs *patterns, struct grep_syntax syntax);
void grep_literals_free(struct grep_literals *literals);

#endif
