/* filter_remove.c - removes fields by name, also members of nested objects (http.headers). */
#include "lb_filter.h"

#include "fields.h"

struct state {
    struct lb_strs fields;
};

static const struct lb_option options[] = {
    { .name = "fields",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct state, fields),
      .help = "Names of the fields, which may be dotted",
      .flags = LB_OPTION_REQUIRED },
    { .name = NULL },
};

static enum lb_err open(void *state, const struct lb_section *section, struct lb_diag *diag)
{
    const struct state *self = state;

    for (size_t i = 0; i < self->fields.count; i++) {
        if (lb_leading_of(self->fields.items[i]) == LB_LEADING_TIMESTAMP) {
            lb_diag_error(diag, lb_section_place(section, "fields"),
                          "the timestamp cannot be removed: every record has one");
            return LB_BAD_CONF;
        }
    }
    return LB_OK;
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;

    (void)scratch;
    for (size_t i = 0; i < self->fields.count; i++)
        lb_fields_remove(record, &batch->arena, self->fields.items[i]);
    return LB_PASS;
}

const struct lb_filter_type lb_filter_remove = {
    .module = { .name = "remove",
                .help = "Remove fields",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "fields" },
    .open = open,
    .apply = apply,
};
