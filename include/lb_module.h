/*
 * lb_module.h - what sources, parsers, filters and sinks have in common.
 *
 * A module is one constant table in one file. conf/ allocates `state_size`
 * zeroed bytes per instance and fills them from the configuration through
 * `options` before it calls open(), so a module holds no configuration code.
 * The same tables print `logboom help NAME` and the reference manual, so they
 * cannot disagree. Memory of option values belongs to the configuration.
 */
#ifndef LB_MODULE_H
#define LB_MODULE_H

#include "lb_diag.h"
#include "lb_err.h"
#include "lb_str.h"

#include <stddef.h>
#include <stdint.h>

struct lb_node;     /* lb_conf.h: a place in the YAML tree */
struct lb_expr;     /* lb_expr.h */
struct lb_template; /* lb_template.h */

enum lb_option_kind {
    LB_OPTION_STRING,    /* struct lb_str, NUL behind it */
    LB_OPTION_STRINGS,   /* struct lb_strs: one string or a list */
    LB_OPTION_BOOL,      /* bool */
    LB_OPTION_COUNT,     /* uint64_t, a whole number without unit */
    LB_OPTION_NUMBER,    /* double */
    LB_OPTION_DURATION,  /* int64_t nanoseconds: 500ms, 5s, 1h30m, 7d */
    LB_OPTION_SIZE,      /* uint64_t bytes: 64KiB, 1MB */
    LB_OPTION_CHOICE,    /* int, index into `choices` */
    LB_OPTION_LEVEL,     /* uint8_t, enum lb_level */
    LB_OPTION_WHERE,     /* const struct lb_expr *, NULL if absent */
    LB_OPTION_TEMPLATE,  /* const struct lb_template *, NULL if absent */
    LB_OPTION_PAIRS,     /* struct lb_pairs: a map of names to scalars, in order */
    LB_OPTION_TEMPLATES, /* struct lb_template_pairs: a map of names to templates, in order */
    LB_OPTION_GROUP,     /* a nested map; `group` are its options, offsets from the same state */
    LB_OPTION_GROUPS,  /* struct lb_groups: a list of maps, at most `max`; each fills a state of `min` bytes by `group`
                        */
    LB_OPTION_PARSERS, /* struct lb_parser_chain *: a name, a list tried in order, auto or none */
    LB_OPTION_SINKS,   /* uint64_t, bit n: the n-th sink */
    LB_OPTION_NODE,    /* const struct lb_node *: the module reads it itself in open() */
};

enum lb_option_flag {
    LB_OPTION_REQUIRED = 1,
    LB_OPTION_SECRET = 2, /* never shown */
    LB_OPTION_PATH = 4,   /* a file to read: relative to the configuration file; check opens it */
};

struct lb_pair {
    struct lb_str name;
    struct lb_str value;
};

struct lb_pairs {
    struct lb_pair *items;
    size_t count;
};

struct lb_template_pair {
    struct lb_str name;
    const struct lb_template *value;
};

struct lb_template_pairs {
    struct lb_template_pair *items;
    size_t count;
};

/* The states lie one behind the other, as the maps stand in the list. */
struct lb_groups {
    void *items;
    size_t count;
    const struct lb_node *node; /* the list, for places: item i is node->values[i]; NULL: none is written */
};

struct lb_option {
    const char *name;
    enum lb_option_kind kind;
    size_t offset;                 /* of the member in the module's state */
    const char *fallback;          /* as it would be written; NULL: zero */
    const char *help;              /* one sentence without a full stop */
    unsigned flags;                /* enum lb_option_flag */
    const char *const *choices;    /* LB_OPTION_CHOICE: the words, NULL at the end */
    const struct lb_option *group; /* LB_OPTION_GROUP and _GROUPS: NULL name at the end */
    int64_t min, max;              /* of a count, duration or size; both 0: no bound; see LB_OPTION_GROUPS */
};

struct lb_module {
    const char *name;
    const char *help; /* one sentence without a full stop */
    size_t state_size;
    const struct lb_option *options; /* ends with a NULL name; NULL: none */
    const char *whole; /* the option that takes the value itself where no map of options is written; or NULL */
};

/* Where the options of one instance stand, so that open() can point at them. */
struct lb_section {
    struct lb_str name;         /* of the instance */
    const struct lb_node *node; /* its map */
};

/* The place of an option's value ("a.b" inside groups, "a.2.b" inside lists of them), or of the instance where it is
 * not written. */
struct lb_place lb_section_place(const struct lb_section *section, const char *option);

#endif
