/*
 * field_types.h - `types:` of a parser: which fields become numbers, truth
 * values, durations (in seconds) or sizes (in bytes) instead of text.
 */
#ifndef FIELD_TYPES_H
#define FIELD_TYPES_H

#include "lb_module.h"
#include "regex_types.h"

struct field_type {
    struct lb_str name;
    enum regex_type type;
};

struct field_types {
    struct lb_pairs pairs; /* as they are written */
    struct field_type *items;
    size_t count;
};

#define FIELD_TYPES_OPTION(state, member)                                                                              \
    {                                                                                                                  \
        .name = "types", .kind = LB_OPTION_PAIRS,                                                                      \
        .offset = offsetof(state, member) + offsetof(struct field_types, pairs),                                       \
        .help = "what fields become instead of text: int, float, bool, duration (in seconds) or bytes"                 \
    }

/* Reads the words into `arena`; faults are told at `types`. */
enum lb_err field_types_open(struct field_types *self, struct lb_arena *arena, const struct lb_section *section,
                             struct lb_diag *diag);

/* The type of that word, or REGEX_TEXT with the fault told. */
enum regex_type field_type_of(struct lb_str word, const struct lb_section *section, struct lb_diag *diag);

/* Converts the fields that have a type. False when the arena is full. */
bool field_types_apply(const struct field_types *self, struct lb_field *fields, uint32_t count, struct lb_arena *arena);

#endif
