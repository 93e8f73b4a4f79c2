/*
 * filter_set.c - sets fields to text: constants, or templates of other fields.
 *
 * It wins over what a record and its source say. Templates of one filter are
 * written in order, so a later one sees what an earlier one set. A level or
 * timestamp that cannot be read leaves the record as it was.
 */
#include "lb_filter.h"

#include "fields.h"
#include "template.h"

struct state {
    struct lb_template_pairs fields;
};

static const struct lb_option options[] = {
    { .name = "fields",
      .kind = LB_OPTION_TEMPLATES,
      .offset = offsetof(struct state, fields),
      .help = "Names and the text of each, which may hold {fields}",
      .flags = LB_OPTION_REQUIRED },
    { .name = NULL },
};

/* A constant is not copied: it lives in the configuration. Kind NONE: the arena is full. */
static struct lb_value render(const struct lb_template *template, const struct lb_record *record,
                              struct lb_arena *arena, struct lb_scratch *scratch)
{
    if (lb_template_is_constant(template))
        return lb_value_text(lb_template_prefix(template));

    size_t size = lb_template_size_max(template, record, scratch) + 1;
    char *ptr = lb_arena_alloc(arena, size);
    if (ptr == NULL)
        return (struct lb_value){ .kind = LB_VALUE_NONE };
    /* It never grows: `size` is enough, and is its bound. */
    struct lb_buffer out = { .ptr = ptr, .capacity = size, .bytes_max = size };
    lb_template_write(template, 0, record, record->time_ns, scratch, &out);
    return lb_value_text(lb_buffer_str(&out));
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;

    for (size_t i = 0; i < self->fields.count; i++) {
        const struct lb_template_pair *pair = &self->fields.items[i];
        struct lb_value value = render(pair->value, record, &batch->arena, scratch);

        if (value.kind != LB_VALUE_NONE)
            lb_fields_put(record, &batch->arena, scratch, pair->name, value);
    }
    return LB_PASS;
}

const struct lb_filter_type lb_filter_set = {
    .module = { .name = "set",
                .help = "Set fields to text, whatever they were",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "fields" },
    .apply = apply,
};
