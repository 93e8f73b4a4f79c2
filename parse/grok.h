/*
 * grok.h - patterns with names in them: %{IP:client}, %{NUMBER:bytes:int},
 * %{WORD:[http][method]}.
 *
 * A pattern is written out until only a regular expression is left, with one
 * numbered group for each capture; that is PCRE2's to run. A name means what
 * the user defined, then what the stock says (grok_stock.c), whose captures
 * have either the old flat names or those of ECS. `[a][b]` becomes `a.b`.
 */
#ifndef GROK_H
#define GROK_H

#include "regex_match.h"
#include "regex_types.h"

#include "lb_arena.h"
#include "lb_module.h"

enum { GROK_CAPTURES_MAX = 128, GROK_DEPTH_MAX = 32, GROK_PATTERN_BYTES_MAX = 256 * 1024 };

struct grok_capture {
    uint32_t number; /* of the group */
    enum regex_type type;
    struct lb_value key;
};

struct grok {
    struct regex regex;
    struct grok_capture *captures; /* in the order of the pattern */
    uint32_t count;
};

/* What names mean besides the stock. */
struct grok_definitions {
    struct lb_pair *items;
    size_t count;
    bool ecs; /* the names of captures in the stock */
};

struct grok_fault {
    char text[256]; /* for a person, one sentence without a full stop */
};

/* Keys and the table live in `arena`. LB_BAD_CONF with the fault told. */
enum lb_err grok_compile(struct grok *self, struct lb_arena *arena, struct lb_str pattern,
                         const struct grok_definitions *definitions, uint32_t match_limit,
                         struct grok_fault *fault) LB_MUST_USE;
void grok_free(struct grok *self);

/*
 * The captures that took part and are not empty, in order, behind `*count`, at most `max`. LB_BAD_INPUT with `*reason`:
 * it does not match.
 */
enum lb_err grok_match(const struct grok *self, struct lb_str text, struct lb_arena *arena, struct lb_field *fields,
                       uint32_t *count, const char **reason) LB_MUST_USE;

/* NULL: the stock has no such name. */
const char *grok_stock(struct lb_str name, bool ecs);

#endif
