/*
 * filter_parse.c - another parser on the message or a field, `parse: {with: sshd, where: service == "sshd"}`.
 *
 * Parsers read a record's message, so they are given a copy of the record
 * that has the field there. What they found is newer than what the record
 * had: a field of the same name is replaced, not doubled. A record that every
 * parser refuses goes on as it was, without an error: the condition may well
 * be wider than the format.
 */
#include "lb_expr.h"
#include "lb_filter.h"
#include "lb_limits.h"
#include "lb_parser.h"

#include "fields.h"

struct state {
    const struct lb_parser_chain *with;
    const struct lb_expr *where;
    struct lb_str field;
    bool remove;
};

static const struct lb_option options[] = {
    { .name = "with",
      .kind = LB_OPTION_PARSERS,
      .offset = offsetof(struct state, with),
      .help = "The parser, or a list that is tried in order; what all refuse goes on as it was",
      .flags = LB_OPTION_REQUIRED },
    { .name = "where",
      .kind = LB_OPTION_WHERE,
      .offset = offsetof(struct state, where),
      .help = "Which records; without it all" },
    { .name = "field",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct state, field),
      .fallback = "message",
      .help = "What is parsed: a field, which may be dotted" },
    { .name = "remove",
      .kind = LB_OPTION_BOOL,
      .offset = offsetof(struct state, remove),
      .fallback = "false",
      .help = "Whether the field goes once it was understood (a message goes only if the text had one)" },
    { .name = NULL },
};

static bool is_same(struct lb_value a, struct lb_value b)
{
    return a.ptr == b.ptr && a.len == b.len;
}

/* The fields before `count` that have the name of one behind. */
static void drop_replaced(struct lb_record *record, uint32_t count)
{
    for (uint32_t i = count; i < record->field_count; i++) {
        struct lb_value key = record->fields[i].key;
        struct lb_record older = { .fields = record->fields, .field_count = (uint16_t)count };
        struct lb_field *field = lb_record_field(&older, (struct lb_str){ key.ptr, key.len });

        if (field != NULL && record->fields[i].value.kind != LB_VALUE_NONE)
            field->value = (struct lb_value){ .kind = LB_VALUE_NONE };
    }
}

/* Members beyond the bound of fields, of before and of now. False: no room. */
static bool join_rest(struct lb_record *record, struct lb_str before, struct lb_arena *arena)
{
    struct lb_str now = record->rest;

    if (before.len == 0 || now.len == 0) {
        record->rest = before.len > 0 ? before : now;
        return true;
    }
    record->rest = lb_arena_print(arena, LB_STR_FMT "," LB_STR_FMT, LB_STR_ARG(before), LB_STR_ARG(now));
    return record->rest.ptr != NULL;
}

static enum lb_verdict apply(const void *state, struct lb_record *record, struct lb_batch *batch,
                             struct lb_scratch *scratch)
{
    const struct state *self = state;
    bool of_message = lb_str_is(self->field, "message");
    struct lb_parse_context context = { .batch = batch, .scratch = scratch };
    struct lb_record made = *record;
    struct lb_value value;

    if (self->where != NULL && !lb_expr_match(self->where, record, scratch))
        return LB_PASS;
    value = of_message ? record->message : lb_fields_get(record, &batch->arena, scratch, self->field);
    if (!lb_value_is_string(value))
        return LB_PASS;
    made.message = value;
    made.rest = LB_STR("");
    made.flags &= (uint16_t)~LB_RECORD_PARSE_ERROR;
    lb_parser_chain_apply(self->with, &made, &context);
    if ((made.flags & LB_RECORD_PARSE_ERROR) != 0 || !join_rest(&made, record->rest, &batch->arena))
        return LB_PASS;
    /* `auto` takes what no parser took as it is. */
    if (is_same(made.message, value) && made.fields == record->fields && made.field_count == record->field_count)
        return LB_PASS;
    if (made.fields != record->fields)
        drop_replaced(&made, record->field_count);
    if (!of_message && (made.message.kind == LB_VALUE_NONE || is_same(made.message, value)))
        made.message = record->message;
    *record = made;
    if (self->remove && !of_message)
        lb_fields_remove(record, &batch->arena, self->field);
    return LB_PASS;
}

const struct lb_filter_type lb_filter_parse = {
    .module = { .name = "parse",
                .help = "Run another parser over the message or a field",
                .state_size = sizeof(struct state),
                .options = options,
                .whole = "with" },
    .apply = apply,
};
