/*
 * chain.c - a source's parsers, tried in order on each message.
 *
 * `auto` has no list of its own: automatic.c says what a line looks like, and
 * anything else is text, which is no error.
 */
#include "lb_parser.h"

#include "automatic.h"

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
    context->taken = NULL;
    /* What the envelope refused is no application's text. */
    if ((record->flags & LB_RECORD_PARSE_ERROR) != 0 || !lb_value_is_string(record->message))
        return;
    for (uint32_t i = 0; i < chain->count; i++) {
        if (!apply_one(chain->parsers[i]->type, chain->parsers[i]->state, record, context))
            continue;
        context->taken = chain->parsers[i]->type;
        return;
    }
    if (chain->automatic) /* the last of a list */
        context->taken = automatic_apply(record, context);
    if (chain->automatic || chain->count == 0 || chain->lenient)
        return;
    record->flags |= LB_RECORD_PARSE_ERROR;
    record->reason = context->reason != NULL ? lb_str_from(context->reason) : LB_STR("no room in the batch");
}
