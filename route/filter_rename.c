/*
 * filter_rename.c - gives fields another name; a field that has that name already is replaced.
 *
 * An ordinary field keeps its place among the others. A member of a nested
 * object moves out of it, and a leading key becomes a field or the reverse. A
 * value that its new name cannot hold (a word that is no level) stays where it is.
 */
#include "lb_filter.h"

#include "fields.h"

struct state {
    struct lb_pairs fields;
};

static const struct lb_option options[] = {
    { .name = "fields",
      .kind = LB_OPTION_PAIRS,
      .offset = offsetof(struct state, fields),
      .help = "Old names and the new name of each",
      .flags = LB_OPTION_REQUIRED },
    { .name = NULL },
};

static enum lb_err open(void *state, const struct lb_section *section, struct lb_diag *diag)
{
    const struct state *self = state;

    for (size_t i = 0; i < self->fields.count; i++) {
        struct lb_pair pair = self->fields.items[i];

        if (lb_leading_of(pair.name) == LB_LEADING_TIMESTAMP) {
            lb_diag_error(diag, lb_section_place(section, "fields"),
                          "the timestamp cannot be renamed: every record has one; `copy` makes another field of it");
            return LB_BAD_CONF;
        }
        if (pair.value.len == 0) {
            lb_diag_error(diag, lb_section_place(section, "fields"), "the new name of `" LB_STR_FMT "` is empty",
                          LB_STR_ARG(pair.name));
            return LB_BAD_CONF;
        }
    }
    return LB_OK;
}

static void rename_field(struct lb_record *record, struct lb_field *field, const struct lb_pair *pair)
{
    lb_fields_take(record, pair->value);
    field->key = lb_value_text(pair->value);
    lb_fields_take(record, pair->name);
}

static void move(struct lb_record *record, const struct lb_pair *pair, struct lb_arena *arena,
                 struct lb_scratch *scratch)
{
    struct lb_value value = lb_fields_get(record, arena, scratch, pair->name);

    if (value.kind != LB_VALUE_NONE && lb_fields_put(record, arena, scratch, pair->value, value))
        lb_fields_remove(record, arena, pair->name);
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;

    for (size_t i = 0; i < self->fields.count; i++) {
        const struct lb_pair *pair = &self->fields.items[i];
        struct lb_field *field = lb_record_field(record, pair->name);

        if (lb_str_equal(pair->name, pair->value))
            continue;
        if (field != NULL && lb_leading_of(pair->name) == LB_LEADING_NONE &&
            lb_leading_of(pair->value) == LB_LEADING_NONE)
            rename_field(record, field, pair);
        else
            move(record, pair, &batch->arena, scratch);
    }
    return LB_PASS;
}

const struct lb_filter_type lb_filter_rename = {
    .module = { .name = "rename",
                .help = "Rename fields",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "fields" },
    .open = open,
    .apply = apply,
};
