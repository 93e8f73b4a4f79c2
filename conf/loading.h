/*
 * loading.h - one configuration on its way from the tree to lb_config.
 *
 * Names of parsers and sinks are known before any option is read, so a
 * section may use what stands later in the file. Every step reports its
 * faults and goes on; config.c looks at the count of errors at the end.
 */
#ifndef LB_CONF_LOADING_H
#define LB_CONF_LOADING_H

#include "options.h"
#include "yaml.h"

#include "lb_buffer.h"

struct lb_loading {
    struct lb_config *config;
    struct lb_diag *diag;
    struct lb_yaml yaml;
    struct lb_node *root;
    uint32_t errors; /* in `diag` before this configuration */
};

/* Reads a whole file, "-" is stdin; false with errno. EFBIG: larger than a configuration may be. */
bool lb_text_read(const char *path, struct lb_buffer *out);

/* A name that lives as long as the process: faults outlive the configuration that they are about. Main thread only. */
const char *lb_file_name(struct lb_str name);

/* Reads the files that `include:` names and merges them into the root. */
void lb_loading_include(struct lb_loading *self);

/* Top-level keys that are no section. */
void lb_loading_settings(struct lb_loading *self);

/* The value of a section if it is written and of that kind; otherwise NULL, with an error for a wrong kind. */
const struct lb_node *lb_loading_section(struct lb_loading *self, const char *name, enum lb_node_kind kind);

/* What is wrong about a value, for `expected …, got …`. */
const char *lb_node_kind_name(const struct lb_node *node);

/* --- sources, parsers and sinks: named instances of a type ----------------- */

struct lb_instances {
    const char *word;                                /* "sink" */
    const struct lb_module *(*type)(uint32_t index); /* NULL behind the last */
};

/* What one of them is made of. `type` is an index; module and state are NULL where the type is not known. */
struct lb_instance {
    struct lb_section section;
    const struct lb_module *module;
    uint32_t type;
    void *state;
};

/* Checks the name, finds the type, allocates the state. The section is set in any case. */
struct lb_instance lb_instance_open(struct lb_loading *self, const struct lb_instances *kind, const struct lb_node *key,
                                    const struct lb_node *value);

/* Fills the state by the type's table; `common` is a second table over `common_state`, or NULL. */
void lb_instance_fill(struct lb_loading *self, const struct lb_instances *kind, const struct lb_instance *instance,
                      const struct lb_option *common, void *common_state);

void lb_loading_name_parsers(struct lb_loading *self);
void lb_loading_name_sinks(struct lb_loading *self);
void lb_loading_parsers(struct lb_loading *self);
void lb_loading_sinks(struct lb_loading *self);
void lb_loading_sources(struct lb_loading *self);
void lb_loading_filters(struct lb_loading *self);
void lb_loading_routes(struct lb_loading *self);

/* Faults between the sections: nothing to read, nowhere to go, never used. */
void lb_loading_cross_check(struct lb_loading *self);

/* --- tables that the reference manual prints too --------------------------- */

extern const struct lb_option lb_config_options[]; /* top-level keys, over struct lb_config */
extern const struct lb_option lb_source_common[];  /* what every source takes, over struct lb_source_options */
extern const struct lb_option lb_sink_common[];    /* what every sink takes, over struct lb_sink_options */
extern const struct lb_option lb_route_options[];  /* one entry of `routes`, over struct lb_route */
extern const char *const lb_config_sections[];     /* keys that open a section, NULL at the end */

#endif
