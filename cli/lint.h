/*
 * lint.h - what `logboom alerts lint` looks for.
 *
 * lint_rules.c reads the rules alone; lint_fields.c holds what they ask for
 * against the records of an archive. Findings go to a diag, as warnings at
 * the place of the rule.
 */
#ifndef LINT_H
#define LINT_H

#include "rules.h"

#include "lb_batch.h"

enum { LINT_NAMES_MAX = 4096, LINT_KEYS_MAX = 65536, LINT_SAMPLE_BYTES = 48 };

/* A field that a rule asks for. */
struct lint_field {
    struct lb_str name;
    uint32_t rule;
    const char *role; /* "by", "where", "value" */
    bool seen;
    bool number; /* it has to be one */
    uint64_t numbers;
    uint64_t others;
    char sample[LINT_SAMPLE_BYTES]; /* of the others */
};

struct lint_rule {
    uint64_t records; /* that it looks at */
    uint64_t *keys;   /* hashes; open addressing, 0: free */
    uint32_t key_count;
    bool more_keys; /* than LINT_KEYS_MAX / 2 */
};

struct lint {
    struct lb_config *config;
    struct lb_diag *diag;
    struct lb_arena arena;
    struct lb_scratch scratch;
    struct lint_field *fields;
    uint32_t field_count;
    struct lint_rule *rules;
    struct lb_str names[LINT_NAMES_MAX]; /* of all fields that there are; open addressing */
    uint32_t name_count;
    uint64_t records;
};

bool lint_open(struct lint *lint, struct lb_config *config, struct lb_diag *diag);
void lint_close(struct lint *lint);

/* Rules alone. */
void lint_check_rules(struct lint *lint);

/* Each batch of the archive, then what follows from all of them. */
void lint_note(struct lint *lint, const struct lb_batch *batch);
void lint_check_fields(struct lint *lint);

#endif
