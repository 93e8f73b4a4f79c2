/*
 * parser_ltsv.c - labeled tab-separated values: `label:value<TAB>label:value`.
 */
#include "cut.h"
#include "fill.h"
#include "leading.h"

#include "lb_limits.h"

static bool is_label_byte(char c)
{
    return cut_is_letter(c) || cut_is_digit(c) || c == '_' || c == '.' || c == '-';
}

/* One `label:value`; `*value` is not empty of the colon. */
static bool read_cell(struct lb_str cell, struct lb_field *field)
{
    size_t len = 0;

    while (len < cell.len && is_label_byte(cell.ptr[len]))
        len++;
    if (len == 0 || len == cell.len || cell.ptr[len] != ':')
        return false;
    field->key = lb_value_of((struct lb_str){ cell.ptr, len }, LB_VALUE_CLEAN);
    field->value = lb_value_text(cut_from(cell, len + 1));
    return true;
}

static enum lb_err refuse(struct lb_parse_context *context, const char *reason, size_t at)
{
    context->reason = reason;
    context->reason_at = (uint32_t)at;
    return LB_BAD_INPUT;
}

static enum lb_err read_line(struct lb_str text, struct lb_field *fields, uint32_t *count,
                             struct lb_parse_context *context)
{
    const char *start = text.ptr;

    if (text.len == 0)
        return refuse(context, "expected label:value", 0);
    while (text.len > 0) {
        struct lb_str cell;
        size_t at = (size_t)(text.ptr - start);

        if (!cut_until(&text, '\t', &cell)) {
            cell = text;
            text.len = 0;
        }
        if (*count == LB_RECORD_FIELDS_MAX)
            return refuse(context, "expected fewer fields", at);
        if (!read_cell(cell, &fields[(*count)++]))
            return refuse(context, "expected label:value between tabs", at);
    }
    return LB_OK;
}

static enum lb_err ltsv_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct lb_field fields[LB_RECORD_FIELDS_MAX];
    struct leading leading = { .settings = state, .context = context, .fields = fields };
    struct lb_arena *arena = &context->batch->arena;
    struct lb_str text;
    enum lb_err err;

    if (!fill_plain_text(record->message, arena, &text))
        return LB_LIMIT;
    err = read_line(text, fields, &leading.field_count, context);
    if (err != LB_OK)
        return err;
    return leading_done(&leading, record);
}

static const struct lb_option options[] = { LEADING_OPTIONS, { .name = NULL } };

const struct lb_parser_type lb_parser_ltsv = {
    .module = { .name = "ltsv",
                .help = "cells label:value with tabs between them",
                .state_size = sizeof(struct leading_settings),
                .options = options },
    .open = leading_open,
    .parse = ltsv_parse,
    .close = leading_close,
};
