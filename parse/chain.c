/*
 * chain.c - a source's parsers, tried in order on each message.
 *
 * `auto` has no list of its own: what begins like a JSON object is tried as
 * one, and anything else is text, which is no error.
 */
#include "lb_parser.h"

#include "leading.h"

extern const struct lb_parser_type lb_parser_json;

static bool looks_like_json(struct lb_value message)
{
    uint32_t i = 0;

    while (i < message.len && (message.ptr[i] == ' ' || message.ptr[i] == '\t'))
        i++;
    return i < message.len && message.ptr[i] == '{';
}

static bool apply_one(const struct lb_parser_type *type, const void *state, struct lb_record *record,
                      struct lb_parse_context *context)
{
    context->reason = NULL;
    context->reason_at = 0;
    return type->parse(state, record, context) == LB_OK;
}

void lb_parser_chain_apply(const struct lb_parser_chain *chain, struct lb_record *record,
                           struct lb_parse_context *context)
{
    /* What the envelope refused is no application's text. */
    if ((record->flags & LB_RECORD_PARSE_ERROR) != 0 || !lb_value_is_string(record->message))
        return;
    if (chain->automatic) {
        if (looks_like_json(record->message))
            apply_one(&lb_parser_json, &leading_plain, record, context);
        return;
    }
    for (uint32_t i = 0; i < chain->count; i++) {
        if (apply_one(chain->parsers[i]->type, chain->parsers[i]->state, record, context))
            return;
    }
    if (chain->count == 0)
        return;
    record->flags |= LB_RECORD_PARSE_ERROR;
    record->reason = context->reason != NULL ? lb_str_from(context->reason) : LB_STR("no room in the batch");
}
