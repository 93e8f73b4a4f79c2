/* field_types.c - `types:` of a parser; see field_types.h. */
#include "field_types.h"

enum regex_type field_type_of(struct lb_str word, const struct lb_section *section, struct lb_diag *diag)
{
    const char *near;

    for (int i = 0; regex_type_names[i] != NULL; i++)
        if (lb_str_is(word, regex_type_names[i]))
            return (enum regex_type)(i + 1);
    near = lb_nearest(word, regex_type_names);
    lb_diag_error(diag, lb_section_place(section, "types"),
                  "'" LB_STR_FMT "' is no type%s%s%s; expected int, float, bool, duration or bytes", LB_STR_ARG(word),
                  near != NULL ? ", did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "");
    return REGEX_TEXT;
}

enum lb_err field_types_open(struct field_types *self, struct lb_arena *arena, const struct lb_section *section,
                             struct lb_diag *diag)
{
    enum lb_err err = LB_OK;

    if (self->pairs.count == 0)
        return LB_OK;
    self->items = lb_arena_zalloc(arena, self->pairs.count * sizeof(*self->items));
    if (self->items == NULL) {
        lb_diag_error(diag, lb_section_place(section, "types"), "no memory for the types");
        return LB_NOMEM;
    }
    for (size_t i = 0; i < self->pairs.count; i++) {
        enum regex_type type = field_type_of(self->pairs.items[i].value, section, diag);

        if (type == REGEX_TEXT)
            err = LB_BAD_CONF;
        self->items[self->count++] = (struct field_type){ self->pairs.items[i].name, type };
    }
    return err;
}

bool field_types_apply(const struct field_types *self, struct lb_field *fields, uint32_t count, struct lb_arena *arena)
{
    for (size_t i = 0; i < self->count; i++) {
        struct lb_str name = self->items[i].name;

        for (uint32_t n = 0; n < count; n++) {
            struct lb_value value = fields[n].value;

            if (!lb_str_equal((struct lb_str){ fields[n].key.ptr, fields[n].key.len }, name) ||
                (value.kind != LB_VALUE_TEXT && value.kind != LB_VALUE_CLEAN))
                continue;
            if (!regex_convert(self->items[i].type, (struct lb_str){ value.ptr, value.len }, arena, &fields[n].value))
                return false;
        }
    }
    return true;
}
