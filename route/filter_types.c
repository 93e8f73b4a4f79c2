/* filter_types.c - text fields become numbers, truth values, durations or sizes: `types: {took: duration}`. */
#include "lb_alloc.h"
#include "lb_convert.h"
#include "lb_filter.h"
#include "lb_limits.h"

struct state {
    struct lb_pairs fields;
    enum lb_convert_to *types; /* as many; ours */
};

static const struct lb_option options[] = {
    { .name = "fields",
      .kind = LB_OPTION_PAIRS,
      .offset = offsetof(struct state, fields),
      .help = "Names of fields and what each becomes: int, float, bool, duration (in seconds) or bytes; what is not of "
              "the type stays text",
      .flags = LB_OPTION_REQUIRED },
    { .name = NULL },
};

static enum lb_convert_to type_of(struct lb_str word)
{
    for (int i = 0; lb_convert_names[i] != NULL; i++) {
        if (lb_str_is(word, lb_convert_names[i]))
            return (enum lb_convert_to)(i + 1);
    }
    return LB_CONVERT_TEXT;
}

static enum lb_err open(void *state, const struct lb_section *section, struct lb_diag *diag)
{
    struct state *self = state;

    self->types = lb_alloc((self->fields.count + 1) * sizeof(*self->types));
    if (self->types == NULL)
        return LB_NOMEM;
    for (size_t i = 0; i < self->fields.count; i++) {
        struct lb_str word = self->fields.items[i].value;
        const char *near = lb_nearest(word, lb_convert_names);

        self->types[i] = type_of(word);
        if (self->types[i] != LB_CONVERT_TEXT)
            continue;
        lb_diag_error(diag, lb_section_place(section, "fields"),
                      "'" LB_STR_FMT "' is no type%s%s%s; expected int, float, bool, duration or bytes",
                      LB_STR_ARG(word), near != NULL ? ", did you mean '" : "", near != NULL ? near : "",
                      near != NULL ? "'?" : "");
        lb_free(self->types);
        self->types = NULL;
        return LB_BAD_CONF;
    }
    return LB_OK;
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;

    (void)scratch;
    for (size_t i = 0; i < self->fields.count; i++) {
        struct lb_field *field = lb_record_field(record, self->fields.items[i].name);
        struct lb_value value;

        if (field == NULL || (field->value.kind != LB_VALUE_TEXT && field->value.kind != LB_VALUE_CLEAN))
            continue;
        if (lb_convert(self->types[i], (struct lb_str){ field->value.ptr, field->value.len }, &batch->arena, &value) &&
            value.kind != LB_VALUE_TEXT)
            field->value = value;
    }
    return LB_PASS;
}

static void close_types(void *state)
{
    struct state *self = state;

    lb_free(self->types);
}

const struct lb_filter_type lb_filter_types = {
    .module = { .name = "types",
                .help = "Turn text into numbers, truth values, durations or sizes",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "fields" },
    .open = open,
    .apply = apply,
    .close = close_types,
};
