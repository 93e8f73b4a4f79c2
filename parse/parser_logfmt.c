/*
 * parser_logfmt.c - lines of `key=value key="quoted value" bare`.
 *
 * Strict where it can tell another format: a quote or a second = in a bare value, or a line of mostly bare words, is
 * not logfmt, so that prose is left for the next parser. A bare key has an empty value.
 */
#include "cut.h"
#include "fill.h"
#include "leading.h"
#include "quoted.h"

#include "lb_json.h"
#include "lb_limits.h"

struct reading {
    struct lb_arena *arena;
    struct lb_str text; /* what is not read yet */
    struct lb_field *fields;
    uint32_t count;
    uint32_t pairs; /* of them with a = */
    const char *reason;
};

static bool is_key_byte(char c)
{
    return (unsigned char)c > ' ' && c != '=' && c != '"' && c != 0x7f;
}

static enum lb_err fault(struct reading *self, const char *reason)
{
    self->reason = reason;
    return LB_BAD_INPUT;
}

/* Not empty; ASCII is the rule, so the check of the rest is rare. */
static bool cut_key(struct lb_str *text, struct lb_str *key)
{
    size_t len = 0;
    unsigned char all = 0;

    while (len < text->len && is_key_byte(text->ptr[len]))
        all |= (unsigned char)text->ptr[len++];
    *key = (struct lb_str){ text->ptr, len };
    if (len == 0 || (all >= 0x80 && lb_utf8_valid(*key) != len))
        return false;
    *text = cut_from(*text, len);
    return true;
}

static enum lb_err read_value(struct reading *self, struct lb_value *value)
{
    struct lb_str piece;
    enum lb_err err;
    size_t len = 0;

    if (self->text.len > 0 && *self->text.ptr == '"') {
        if (!cut_quoted(&self->text, &piece))
            return fault(self, "expected the closing quote");
        err = quoted_value(piece, self->arena, value);
        return err == LB_BAD_INPUT ? fault(self, "expected hex digits behind \\u or \\x") : err;
    }
    while (len < self->text.len && is_key_byte(self->text.ptr[len]))
        len++;
    *value = lb_value_text((struct lb_str){ self->text.ptr, len });
    self->text = cut_from(self->text, len);
    if (self->text.len > 0 && (unsigned char)*self->text.ptr > ' ')
        return fault(self, "expected quotes around a value that has = or \" in it");
    return LB_OK;
}

static enum lb_err read_pair(struct reading *self)
{
    struct lb_field field = { .value = lb_value_text(LB_STR("")) };
    struct lb_str key;
    enum lb_err err = LB_OK;

    if (!cut_key(&self->text, &key))
        return fault(self, "expected a key");
    field.key = lb_value_text(key);
    if (cut_char(&self->text, '=')) {
        err = read_value(self, &field.value);
        self->pairs++;
    }
    if (err == LB_OK && self->count == LB_RECORD_FIELDS_MAX)
        return fault(self, "expected fewer fields");
    if (err == LB_OK)
        self->fields[self->count++] = field;
    return err;
}

static void skip_blanks(struct lb_str *text)
{
    while (text->len > 0 && (unsigned char)*text->ptr <= ' ')
        *text = cut_from(*text, 1);
}

static enum lb_err read_line(struct reading *self)
{
    for (skip_blanks(&self->text); self->text.len > 0; skip_blanks(&self->text)) {
        enum lb_err err = read_pair(self);

        if (err != LB_OK)
            return err;
    }
    if (self->pairs == 0 || self->count - self->pairs > self->pairs)
        return fault(self, "expected pairs key=value");
    return LB_OK;
}

static enum lb_err logfmt_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    struct lb_field fields[LB_RECORD_FIELDS_MAX];
    struct reading reading = { .arena = &context->batch->arena, .fields = fields };
    struct leading leading = { .settings = state, .context = context, .fields = fields };
    struct lb_str text;
    enum lb_err err;

    if (!fill_plain_text(record->message, reading.arena, &text))
        return LB_LIMIT;
    reading.text = text;
    err = read_line(&reading);
    context->reason = reading.reason;
    context->reason_at = (uint32_t)(reading.text.ptr - text.ptr);
    if (err != LB_OK)
        return err;
    leading.field_count = reading.count;
    return leading_done(&leading, record);
}

static const struct lb_option options[] = { LEADING_OPTIONS, { .name = NULL } };

const struct lb_parser_type lb_parser_logfmt = {
    .module = { .name = "logfmt",
                .help = "pairs key=value key=\"quoted value\" a message",
                .state_size = sizeof(struct leading_settings),
                .options = options },
    .open = leading_open,
    .parse = logfmt_parse,
    .close = leading_close,
};
