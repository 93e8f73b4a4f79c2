/*
 * options.h - one map of the configuration on its way into a state.
 *
 * options.c walks the table and knows keys; option_values.c reads one scalar,
 * option_lists.c lists and maps, option_names.c names of parsers and sinks;
 * option_walk.c visits what was read.
 */
#ifndef LB_CONF_OPTIONS_H
#define LB_CONF_OPTIONS_H

#include "lb_conf.h"

struct lb_filling {
    struct lb_arena *arena;
    struct lb_config *config; /* whose parsers and sinks are known; NULL: none */
    struct lb_diag *diag;
    const char *subject; /* what messages begin with: `sink "archive": `, or "" */
    const char *group;   /* the group that is being read: `rotate.`, or "" */
};

/*
 * Fills `state` from `map` (NULL: only the fallbacks). Does not look for unknown keys. `place`: where a missing key is
 * missed. False when there was a fault.
 */
bool lb_filling_fill(const struct lb_filling *self, const struct lb_option *options, const struct lb_node *map,
                     struct lb_place place, void *state);

/* Refuses keys of `map` that are neither in one of the tables nor in `words` (both NULL at the end). */
bool lb_filling_refuse_unknown(const struct lb_filling *self, const struct lb_node *map,
                               const struct lb_option *const *tables, const char *const *words);

/* Reads one value into its member. */
bool lb_filling_value(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                      void *member);

/* An error about the value of an option, `subject: "group.option": text`; always false. */
bool lb_filling_fault(const struct lb_filling *self, const struct lb_option *option, struct lb_place place,
                      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* "expected …, got …", with the advice to quote where YAML took text for something else; always false. */
bool lb_filling_mismatch(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node);

/* What a value of that option looks like: "a duration such as 5s". */
const char *lb_option_expectation(const struct lb_option *option);

/* One file per group of kinds. */
bool lb_filling_scalar(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                       void *member);
bool lb_filling_list(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                     void *member);
bool lb_filling_parsers(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                        struct lb_parser_chain **chain);
bool lb_filling_sinks(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                      uint64_t *sinks);

/* A plain scalar that says nothing: `key:`, `~` or `null`. */
bool lb_node_is_nothing(const struct lb_node *node);

/* A scalar that stands for a text in the program (a fallback). */
struct lb_node lb_node_of(struct lb_str text, struct lb_place place);

/* Joins words to `a, b or c` in the arena; "" when it is full. */
const char *lb_words_join(struct lb_arena *arena, const char *const *words, const char *last);

/* Called for each option of a table and its groups with the member that it filled; `path` is "a.b" inside groups. */
struct lb_visitor {
    void (*visit)(void *context, const char *path, const struct lb_option *option, void *member);
    void *context;
};
void lb_options_walk(const struct lb_option *options, void *state, const struct lb_visitor *visitor);

#endif
