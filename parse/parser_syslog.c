/*
 * parser_syslog.c - syslog lines in files, with or without PRI.
 *
 * In a file the absence of PRI says nothing, so such a line has no level. A line is taken for syslog by its PRI or by
 * the time at its front; anything else is left for the next parser.
 */
#include "fill.h"
#include "syslog.h"

#include "lb_parser.h"

static enum lb_err syslog_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct lb_arena *arena = &context->batch->arena;
    struct syslog_message message;
    struct syslog_data data;
    struct lb_str text;

    (void)state;
    data.second = &context->second;
    if (!fill_plain_text(record->message, arena, &text))
        return LB_LIMIT;
    syslog_read(text, context->batch->arrival_ns, &message, &data);
    if (!message.has_priority && !message.has_time) {
        context->reason = "a line of syslog begins with <priority> or a time";
        context->reason_at = 0;
        return LB_BAD_INPUT;
    }
    return syslog_fill(&message, false, record, arena) ? LB_OK : LB_LIMIT;
}

const struct lb_parser_type lb_parser_syslog = {
    .module = { .name = "syslog", .help = "syslog lines by RFC 5424 and RFC 3164, with or without <priority>" },
    .parse = syslog_parse,
};
