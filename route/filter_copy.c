/* filter_copy.c - copies fields, `copy: {service: compose.service}`; what is missing is not copied. */
#include "lb_filter.h"

#include "fields.h"

struct state {
    struct lb_pairs fields;
};

static const struct lb_option options[] = {
    { .name = "fields",
      .kind = LB_OPTION_PAIRS,
      .offset = offsetof(struct state, fields),
      .help = "New names and the field that each is copied from",
      .flags = LB_OPTION_REQUIRED },
    { .name = NULL },
};

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;

    for (size_t i = 0; i < self->fields.count; i++) {
        const struct lb_pair *pair = &self->fields.items[i];
        struct lb_value value = lb_fields_get(record, &batch->arena, scratch, pair->value);

        if (value.kind != LB_VALUE_NONE)
            lb_fields_put(record, &batch->arena, scratch, pair->name, value);
    }
    return LB_PASS;
}

const struct lb_filter_type lb_filter_copy = {
    .module = { .name = "copy",
                .help = "Copy fields",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "fields" },
    .apply = apply,
};
