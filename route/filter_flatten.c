/*
 * filter_flatten.c - members of nested objects become fields: {"http":{"status":200}} → "http.status":200.
 *
 * The members go behind the other fields, where they stood in the object's
 * text: nothing but their names is made. Where a record would get more fields
 * than it may have, the object stays as it is.
 */
#include "lb_filter.h"
#include "lb_json.h"
#include "lb_limits.h"

#include "arena_text.h"

enum { DEPTH_MAX = 8, PATH_MAX_BYTES = 1024 };

struct state {
    struct lb_strs fields;
    struct lb_str separator;
    uint64_t depth;
};

static const struct lb_option options[] = {
    { .name = "fields",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct state, fields),
      .help = "Names of the fields that hold objects, or \"*\" for all",
      .flags = LB_OPTION_REQUIRED },
    { .name = "separator",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct state, separator),
      .fallback = ".",
      .help = "What stands between the parts of a name" },
    { .name = "depth",
      .kind = LB_OPTION_COUNT,
      .offset = offsetof(struct state, depth),
      .fallback = "8",
      .help = "How many levels are opened; what lies deeper stays an object",
      .min = 1,
      .max = DEPTH_MAX },
    { .name = NULL },
};

/* The parts of a name as the inside of a JSON string, for that is how members of objects are named. */
static struct lb_value join(struct lb_value outer, struct lb_str separator, struct lb_value inner,
                            struct lb_arena *arena)
{
    struct arena_text out = { .arena = arena };
    const struct lb_value parts[] = { outer, lb_value_text(separator), inner };
    struct lb_value key = { .kind = LB_VALUE_ESCAPED };

    for (size_t i = 0; i < 3; i++) {
        struct lb_str text = { parts[i].ptr, parts[i].len };

        if (parts[i].kind == LB_VALUE_TEXT)
            arena_text_put_escaped(&out, text);
        else
            arena_text_put_str(&out, text);
        key.flags |= parts[i].flags;
        if (parts[i].kind == LB_VALUE_TEXT && lb_utf8_valid(text) != text.len)
            key.flags |= LB_VALUE_BAD_UTF8;
    }
    if (out.failed || out.len > PATH_MAX_BYTES)
        return (struct lb_value){ .kind = LB_VALUE_NONE };
    key.ptr = out.ptr;
    key.len = (uint32_t)out.len;
    if (key.flags == 0 && memchr(out.ptr, '\\', out.len) == NULL)
        key.kind = LB_VALUE_CLEAN;
    return key;
}

static bool add_members(const struct state *self, struct lb_record *record, struct lb_field field, uint64_t depth,
                        struct lb_arena *arena)
{
    struct lb_str text = { field.value.ptr, field.value.len };
    struct lb_field member;
    size_t at = 1;

    while (lb_json_next_member(text, &at, &member) == LB_OK) {
        member.key = join(field.key, self->separator, member.key, arena);
        if (member.key.kind == LB_VALUE_NONE)
            return false;
        if (member.value.kind == LB_VALUE_OBJECT && depth > 1 && member.value.len > 2) {
            if (!add_members(self, record, member, depth - 1, arena))
                return false;
        } else if (record->field_count >= LB_RECORD_FIELDS_MAX ||
                   !lb_record_add(record, arena, member.key, member.value)) {
            return false;
        }
    }
    return true;
}

static void flatten(const struct state *self, struct lb_record *record, uint32_t index, struct lb_arena *arena)
{
    struct lb_field field = record->fields[index];
    uint16_t count = record->field_count;

    if (field.value.kind != LB_VALUE_OBJECT || field.value.len <= 2)
        return;
    if (add_members(self, record, field, self->depth, arena))
        record->fields[index].value = (struct lb_value){ .kind = LB_VALUE_NONE };
    else
        record->field_count = count;
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;
    uint32_t count = record->field_count;

    (void)scratch;
    for (size_t i = 0; i < self->fields.count; i++) {
        bool all = lb_str_is(self->fields.items[i], "*");
        const struct lb_field *field = all ? NULL : lb_record_field(record, self->fields.items[i]);

        if (field != NULL)
            flatten(self, record, (uint32_t)(field - record->fields), &batch->arena);
        for (uint32_t n = 0; all && n < count; n++)
            flatten(self, record, n, &batch->arena);
    }
    return LB_PASS;
}

const struct lb_filter_type lb_filter_flatten = {
    .module = { .name = "flatten",
                .help = "Turn the members of nested objects into fields of dotted names",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "fields" },
    .apply = apply,
};
