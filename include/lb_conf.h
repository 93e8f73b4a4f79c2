/*
 * lb_conf.h - the configuration: YAML text → tree → typed options.
 *
 * The tree keeps the place of every key and value. Loading reports all faults
 * of a file in one run; a configuration with errors is never returned. All of
 * it lives in one arena: a generation, swapped and freed whole.
 */
#ifndef LB_CONF_H
#define LB_CONF_H

#include "lb_alert.h"
#include "lb_module.h"
#include "lb_route.h"
#include "lb_sink.h"
#include "lb_source.h"

enum lb_node_kind { LB_NODE_SCALAR, LB_NODE_LIST, LB_NODE_MAP };

struct lb_node {
    enum lb_node_kind kind;
    struct lb_place place;  /* of a value that is a block (lines of its own): where its key stands */
    struct lb_place begin;  /* scalar: of the text itself, behind the quote or on the first line of the block */
    struct lb_str text;     /* scalar: the value with variables replaced, NUL behind it */
    bool quoted;            /* scalar: written in quotes or as a block */
    bool flow;              /* list and map: written in [ ] or { } */
    bool cut;               /* scalar: a comment follows it on its line; maybe that was meant as text */
    struct lb_node *keys;   /* map: the keys, scalars */
    struct lb_node *values; /* map and list */
    uint32_t count;
};

/* The value of a key, or NULL. */
const struct lb_node *lb_node_get(const struct lb_node *map, const char *key);

struct lb_config {
    struct lb_arena arena;
    const char *file;
    struct lb_node *root;
    const char *text; /* of the main file, NUL behind it */

    struct lb_str data_dir;
    struct lb_str http_listen; /* "host:port"; empty: no server */
    struct lb_str http_host;   /* its parts; NUL behind the host */
    uint16_t http_port;
    bool http_open; /* no token is asked for: it listens on loopback */
    struct lb_str http_token;
    struct lb_str http_external_url; /* without a slash at its end; empty: people do not reach it */
    uint64_t workers;                /* 0: as many as the CPU quota of the cgroup allows */
    int64_t shutdown_timeout_ns;
    int64_t commit_every_ns; /* the longest time between commits of a sink */
    uint8_t log_level;
    uint64_t memory; /* of the pool */

    struct lb_source *sources; /* filled by options, not opened */
    uint32_t source_count;
    struct lb_parser *parsers;
    uint32_t parser_count;
    struct lb_sink *sinks;
    uint32_t sink_count;
    struct lb_route_plan plan; /* filters and routes, compiled */
    struct lb_alerting alerting;
};

/* `file` "-" is stdin. NULL with errors in `diag`. */
struct lb_config *lb_config_load(const char *file, struct lb_diag *diag);

/* From text in memory, for tests and embedded defaults; `name` stands for the file in messages. */
struct lb_config *lb_config_parse(const char *name, struct lb_str text, struct lb_diag *diag);

/*
 * Another YAML file than a configuration (tests of one): only its tree, in `root`, with variables replaced. Its options
 * are read by lb_options_fill(), with the result as the owner of what they point to.
 */
struct lb_config *lb_config_tree(const char *file, struct lb_diag *diag);

/* Opens parsers and filters, so that lines can be run through the plan. Once. False with errors in `diag`. */
bool lb_config_open(struct lb_config *config, struct lb_diag *diag);

/* A path as an option of the file at `place` means it: beside that file unless it is absolute. NULL: no memory. */
const char *lb_config_path(struct lb_config *config, struct lb_place place, struct lb_str path);

/*
 * What only `check` and the start of `run` do, once for a configuration: opens parsers and filters (patterns), looks
 * at sinks' certificates, directories; refuses globs that match logboom's own outputs. False with errors in `diag`.
 */
bool lb_config_check(struct lb_config *config, struct lb_diag *diag);
void lb_config_free(struct lb_config *config);

/*
 * Fingerprints, to find out at a reload what has changed: of the part's tree, variables and includes replaced, with the
 * parsers that a source names and the content, now, of files that options point to. A rule's leaves out who is told.
 */
uint64_t lb_config_source_print(const struct lb_config *config, uint32_t index);
uint64_t lb_config_sink_print(const struct lb_config *config, uint32_t index);
uint64_t lb_config_rule_print(const struct lb_config *config, uint32_t index);

/* Fills `state` (zeroed) from a map by an option table. Unknown keys are errors with the nearest name. */
bool lb_options_fill(struct lb_config *config, const struct lb_option *options, const struct lb_node *map, void *state,
                     struct lb_diag *diag);

/* Writes every option's fallback into `state`; for tests of a module without YAML. */
bool lb_options_defaults(const struct lb_option *options, void *state, struct lb_arena *arena);

#endif
