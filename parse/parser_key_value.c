/*
 * parser_key_value.c - pairs with separators of your own: `a=1; b="two; three"`, `a: 1, b: 2`.
 *
 * Unlike logfmt it takes what it finds: a value goes up to the next delimiter, whatever is in it, and a word without
 * separator is a key with an empty value. Blanks around keys and values are no part of them.
 */
#include "cut.h"
#include "fill.h"
#include "leading.h"
#include "quoted.h"

#include "lb_limits.h"

struct key_value_state {
    struct leading_settings leading; /* first: see LEADING_OPTIONS */
    struct lb_str separator;
    struct lb_str delimiter;
    struct lb_str quotes;
};

struct reading {
    const struct key_value_state *settings;
    struct lb_arena *arena;
    struct lb_str text; /* what is not read yet */
    struct lb_field *fields;
    uint32_t count;
    uint32_t pairs; /* of them with a separator */
};

static struct lb_str delimiter_of(const struct key_value_state *self)
{
    return self->delimiter.len > 0 ? self->delimiter : LB_STR(" ");
}

static struct lb_str separator_of(const struct key_value_state *self)
{
    return self->separator.len > 0 ? self->separator : LB_STR("=");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Blanks that are not the start of `stop`. */
static void skip_blanks(struct lb_str *text, struct lb_str stop)
{
    while (text->len > 0 && is_blank(*text->ptr) && !lb_str_starts(*text, stop))
        *text = cut_from(*text, 1);
}

static struct lb_str without_blanks_behind(struct lb_str text)
{
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* The first of the two words, or the end. */
static size_t length_to(struct lb_str text, struct lb_str a, struct lb_str b)
{
    for (size_t i = 0; i < text.len; i++) {
        struct lb_str rest = cut_from(text, i);

        if (lb_str_starts(rest, a) || lb_str_starts(rest, b))
            return i;
    }
    return text.len;
}

/* A text in quotes that ends where a word, a blank or the line does: 'it's' is not quoted. */
static bool cut_in_quotes(struct reading *self, struct lb_str *inside)
{
    struct lb_str quotes = self->settings->quotes.len > 0 ? self->settings->quotes : LB_STR("\"");
    const char *end = self->text.ptr + self->text.len;
    struct lb_str rest;
    char quote;

    if (self->text.len < 2 || memchr(quotes.ptr, *self->text.ptr, quotes.len) == NULL)
        return false;
    quote = *self->text.ptr;
    for (const char *at = self->text.ptr + 1; at < end; at++) {
        if (*at == '\\') {
            at++;
            continue;
        }
        if (*at != quote)
            continue;
        rest = (struct lb_str){ at + 1, (size_t)(end - at) - 1 };
        if (rest.len > 0 && !is_blank(*rest.ptr) && !lb_str_starts(rest, delimiter_of(self->settings)) &&
            !lb_str_starts(rest, separator_of(self->settings)))
            return false;
        *inside = (struct lb_str){ self->text.ptr + 1, (size_t)(at - self->text.ptr) - 1 };
        self->text = rest;
        return true;
    }
    return false;
}

static enum lb_err read_item(struct reading *self, struct lb_str stop, struct lb_value *item)
{
    struct lb_str inside;
    size_t len;

    if (cut_in_quotes(self, &inside)) {
        enum lb_err err = quoted_value(inside, self->arena, item);

        if (err == LB_BAD_INPUT)
            *item = lb_value_text(inside);
        return err == LB_LIMIT ? err : LB_OK;
    }
    len = length_to(self->text, stop, delimiter_of(self->settings));
    *item = lb_value_text(without_blanks_behind((struct lb_str){ self->text.ptr, len }));
    self->text = cut_from(self->text, len);
    return LB_OK;
}

static enum lb_err read_pair(struct reading *self)
{
    struct lb_str separator = separator_of(self->settings);
    struct lb_str delimiter = delimiter_of(self->settings);
    struct lb_field field = { .value = lb_value_text(LB_STR("")) };
    enum lb_err err = read_item(self, separator, &field.key);

    if (err != LB_OK)
        return err;
    skip_blanks(&self->text, delimiter);
    if (field.key.len > 0 && lb_str_starts(self->text, separator)) {
        self->text = cut_from(self->text, separator.len);
        skip_blanks(&self->text, delimiter);
        err = read_item(self, delimiter, &field.value);
        self->pairs++;
    } else {
        /* A separator without a key: up to the delimiter it is no one's. */
        self->text = cut_from(self->text, length_to(self->text, delimiter, delimiter));
    }
    if (err == LB_OK && field.key.len > 0) {
        if (self->count == LB_RECORD_FIELDS_MAX)
            return LB_LIMIT;
        self->fields[self->count++] = field;
    }
    return err;
}

static enum lb_err read_line(struct reading *self)
{
    struct lb_str delimiter = delimiter_of(self->settings);

    for (;;) {
        enum lb_err err;

        skip_blanks(&self->text, LB_STR("\x01none"));
        while (self->text.len > 0 && lb_str_starts(self->text, delimiter)) {
            self->text = cut_from(self->text, delimiter.len);
            skip_blanks(&self->text, LB_STR("\x01none"));
        }
        if (self->text.len == 0)
            return self->pairs > 0 ? LB_OK : LB_BAD_INPUT;
        err = read_pair(self);
        if (err != LB_OK)
            return err;
    }
}

static enum lb_err key_value_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    const struct key_value_state *self = state;
    struct lb_field fields[LB_RECORD_FIELDS_MAX];
    struct reading reading = { .settings = self, .arena = &context->batch->arena, .fields = fields };
    struct leading leading = { .settings = &self->leading, .context = context, .fields = fields };
    enum lb_err err;

    if (!fill_plain_text(record->message, reading.arena, &reading.text))
        return LB_LIMIT;
    err = read_line(&reading);
    if (err == LB_BAD_INPUT) {
        context->reason = "expected at least one key with the separator behind it";
        context->reason_at = 0;
    }
    if (err != LB_OK)
        return err;
    leading.field_count = reading.count;
    return leading_done(&leading, record);
}

static enum lb_err key_value_open(struct lb_parser *parser, struct lb_diag *diag)
{
    struct key_value_state *self = parser->state;
    enum lb_err err = leading_open(parser, diag);

    if (err == LB_OK && lb_str_equal(separator_of(self), delimiter_of(self))) {
        lb_diag_error(diag, lb_section_place(&parser->section, "delimiter"),
                      "separator (between key and value) and delimiter (between pairs) are the same text; "
                      "expected two that differ");
        leading_close(parser);
        err = LB_BAD_CONF;
    }
    return err;
}

static const struct lb_option options[] = {
    { .name = "separator",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct key_value_state, separator),
      .help = "what stands between key and value; = unless told otherwise" },
    { .name = "delimiter",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct key_value_state, delimiter),
      .help = "what stands between pairs; a blank unless told otherwise" },
    { .name = "quotes",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct key_value_state, quotes),
      .help = "the characters that may enclose a key or value; \\\" unless told otherwise" },
    LEADING_OPTIONS,
    { .name = NULL },
};

const struct lb_parser_type lb_parser_key_value = {
    .module = { .name = "key_value",
                .help = "pairs of keys and values with separators of your own",
                .state_size = sizeof(struct key_value_state),
                .options = options },
    .open = key_value_open,
    .parse = key_value_parse,
    .close = leading_close,
};
