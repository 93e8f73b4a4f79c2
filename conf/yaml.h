/*
 * yaml.h - YAML text → a tree of lb_node with the place of every key and value.
 *
 * One reading covers all files of a configuration, so that the limits hold
 * for their sum: aliases and includes cannot multiply past them.
 */
#ifndef LB_CONF_YAML_H
#define LB_CONF_YAML_H

#include "lb_conf.h"

#include <yaml.h>

struct lb_yaml {
    struct lb_arena *arena; /* owns the tree */
    struct lb_diag *diag;
    uint32_t node_count;
};

/*
 * The root of `text`, an empty map where it holds nothing; NULL with an error where it is no YAML. Faults that do not
 * stop the reading (a key twice) are reported too: look at diag->errors. A NUL stands behind the text. `file` and the
 * arena outlive the tree.
 */
struct lb_node *lb_yaml_read(struct lb_yaml *self, const char *file, struct lb_str text);

/* What libyaml found wrong, in words that help: yaml_problems.c. `text` is the whole file, NUL behind it. */
struct lb_yaml_source {
    const char *file;
    struct lb_str text;
};
void lb_yaml_explain(const struct lb_yaml_source *source, const yaml_parser_t *parser, struct lb_diag *diag);

/* The byte at which character `index` of the text stands, searched from a known pair in `*offset`, `*character`. */
size_t lb_yaml_seek(struct lb_str text, size_t *offset, size_t *character, size_t index);

#endif
