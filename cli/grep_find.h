/*
 * grep_find.h - a short text in a long one, by its two rarest bytes.
 *
 * 32 or 16 places at a time are looked at for both bytes; only where both are
 * is the whole text compared. AVX2 or SSE2 chosen at run time, plain C beneath.
 */
#ifndef GREP_FIND_H
#define GREP_FIND_H

#include "lb_str.h"

#include <stdint.h>

struct grep_needle {
    struct lb_str text;              /* not empty; lower-case with `fold` */
    bool fold;                       /* ASCII letters stand for either case */
    uint8_t first, second;           /* the bytes that are looked for, */
    uint8_t first_case, second_case; /* 0x20 where their case does not matter, */
    uint32_t first_at, second_at;    /* and where they stand in `text` */
};

/* Borrows `text`. */
struct grep_needle grep_needle(struct lb_str text, bool fold);

/* How often it will be taken for found: smaller is better. */
uint32_t grep_needle_cost(const struct grep_needle *needle);

/* Where it begins in [from, end) first, or NULL. */
const char *grep_find(const struct grep_needle *needle, const char *from, const char *end);

uint64_t grep_count_newlines(const char *from, const char *end);

/* For tests: "avx2", "sse2", "plain"; NULL chooses again. False if this machine cannot run it. */
bool grep_find_force(const char *name);

#endif
