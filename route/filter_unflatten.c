/*
 * filter_unflatten.c - fields of dotted names become one nested object: "http.status":200 → {"http":{"status":200}}.
 *
 * The object stands where the first of its fields stood. A name that is both
 * a value and a beginning of others ("a.b" beside "a.b.c") is not opened
 * further, so no member is there twice.
 */
#include "lb_filter.h"
#include "lb_json.h"
#include "lb_limits.h"

#include "arena_text.h"

enum { DEPTH_MAX = 8 };

struct state {
    struct lb_strs fields;
    struct lb_str separator;
};

static const struct lb_option options[] = {
    { .name = "fields",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct state, fields),
      .help = "Names of the objects to make",
      .flags = LB_OPTION_REQUIRED },
    { .name = "separator",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct state, separator),
      .fallback = ".",
      .help = "What stands between the parts of a name" },
    { .name = NULL },
};

static enum lb_err open(void *state, const struct lb_section *section, struct lb_diag *diag)
{
    const struct state *self = state;

    if (self->separator.len > 0)
        return LB_OK;
    lb_diag_error(diag, lb_section_place(section, "separator"), "\"separator\" must not be empty");
    return LB_BAD_CONF;
}

/* One object on its way. */
struct making {
    struct lb_record *record;
    struct lb_str separator;
    struct arena_text *out;
    uint8_t flags; /* of the values that went in */
    bool done[LB_RECORD_FIELDS_MAX + 1];
};

/* The part of the field's name behind `prefix`; empty: it does not begin so. Names with escapes are left alone. */
static struct lb_str behind(const struct making *self, uint32_t index, struct lb_str prefix)
{
    const struct lb_field *field = &self->record->fields[index];
    struct lb_str name = { field->key.ptr, field->key.len };

    if (self->done[index] || field->value.kind == LB_VALUE_NONE || field->key.kind == LB_VALUE_ESCAPED ||
        !lb_str_starts(name, prefix))
        return (struct lb_str){ "", 0 };
    return (struct lb_str){ name.ptr + prefix.len, name.len - prefix.len };
}

static bool is_value(const struct making *self, struct lb_str name)
{
    for (uint32_t i = 0; i < self->record->field_count; i++) {
        const struct lb_field *field = &self->record->fields[i];

        if (field->value.kind != LB_VALUE_NONE && lb_str_equal((struct lb_str){ field->key.ptr, field->key.len }, name))
            return true;
    }
    return false;
}

static void put_name(struct making *self, struct lb_str name)
{
    struct arena_text *out = self->out;

    if (out->len > 0 && out->ptr[out->len - 1] != '{')
        arena_text_put(out, ",", 1);
    arena_text_put(out, "\"", 1);
    arena_text_put_escaped(out, name);
    arena_text_put(out, "\":", 2);
}

static void put_value(struct making *self, struct lb_value value)
{
    struct lb_str text = { value.ptr, value.len };
    bool quoted = lb_value_is_string(value);

    if (quoted)
        arena_text_put(self->out, "\"", 1);
    if (value.kind == LB_VALUE_TEXT)
        arena_text_put_escaped(self->out, text);
    else
        arena_text_put_str(self->out, text);
    if (quoted)
        arena_text_put(self->out, "\"", 1);
    if (value.kind == LB_VALUE_TEXT && lb_utf8_valid(text) != text.len)
        self->flags |= LB_VALUE_BAD_UTF8;
    self->flags |= value.flags;
}

/* `prefix` ends in a separator and points into the name of a field (or of the configuration). */
static void put_object(struct making *self, struct lb_str prefix, unsigned depth)
{
    arena_text_put(self->out, "{", 1);
    for (uint32_t i = 0; i < self->record->field_count; i++) {
        struct lb_str rest = behind(self, i, prefix);
        const char *found = rest.len > 0 ? memmem(rest.ptr, rest.len, self->separator.ptr, self->separator.len) : NULL;
        struct lb_str head = { rest.ptr, found != NULL ? (size_t)(found - rest.ptr) : 0 };
        struct lb_str outer = { rest.ptr - prefix.len, prefix.len + head.len };

        if (rest.len == 0)
            continue;
        if (head.len > 0 && head.len + self->separator.len < rest.len && depth < DEPTH_MAX && !is_value(self, outer)) {
            put_name(self, head);
            put_object(self, (struct lb_str){ outer.ptr, outer.len + self->separator.len }, depth + 1);
            continue;
        }
        put_name(self, rest);
        put_value(self, self->record->fields[i].value);
        self->done[i] = true;
    }
    arena_text_put(self->out, "}", 1);
}

static void unflatten(const struct state *self, struct lb_record *record, struct lb_str name, struct lb_arena *arena)
{
    struct arena_text out = { .arena = arena };
    struct making making = { .record = record, .separator = self->separator, .out = &out };
    struct lb_str prefix = lb_arena_print(arena, LB_STR_FMT LB_STR_FMT, LB_STR_ARG(name), LB_STR_ARG(self->separator));
    bool first = true;

    if (prefix.ptr == NULL || record->field_count > LB_RECORD_FIELDS_MAX || is_value(&making, name))
        return;
    put_object(&making, prefix, 1);
    if (out.failed)
        return;
    for (uint32_t i = 0; i < record->field_count; i++) {
        struct lb_field *field = &record->fields[i];

        if (!making.done[i])
            continue;
        field->value.kind = LB_VALUE_NONE;
        if (!first)
            continue;
        field->key = lb_value_text(name);
        field->value = lb_value_of((struct lb_str){ out.ptr, out.len }, LB_VALUE_OBJECT);
        field->value.flags = making.flags;
        first = false;
    }
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;

    (void)scratch;
    for (size_t i = 0; i < self->fields.count; i++)
        unflatten(self, record, self->fields.items[i], &batch->arena);
    return LB_PASS;
}

const struct lb_filter_type lb_filter_unflatten = {
    .module = { .name = "unflatten",
                .help = "Turn fields of dotted names into one nested object",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "fields" },
    .open = open,
    .apply = apply,
};
