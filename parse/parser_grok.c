/*
 * parser_grok.c - lines by grok patterns: the first of them that matches.
 *
 * Captures are fields like those of any logger: one that is called timestamp, level, message, service or host becomes
 * the record's own. Where no capture is the message, the line stays it.
 */
#include "cut.h"
#include "fill.h"
#include "grok.h"
#include "leading.h"

#include "lb_alloc.h"
#include "lb_limits.h"

#include <errno.h>
#include <stdio.h>

enum { ARENA_BYTES_MAX = 4 * 1024 * 1024, FILE_BYTES_MAX = 1024 * 1024, PATTERNS_MAX = 64 };

struct grok_state {
    struct leading_settings leading; /* first: see LEADING_OPTIONS */
    struct lb_strs patterns;
    struct lb_pairs definitions;
    struct lb_str file;
    int names; /* index into `names_words` */
    uint64_t match_limit;

    struct lb_arena arena;
    struct grok *groks;
    size_t count;
};

static const char *const names_words[] = { "legacy", "ecs", NULL };

/* --- open -------------------------------------------------------------------------- */

static enum lb_err tell(struct lb_diag *diag, const struct lb_section *section, const char *option, const char *text)
{
    lb_diag_error(diag, lb_section_place(section, option), "%s", text);
    return LB_BAD_CONF;
}

/* The whole file in the arena. */
static enum lb_err read_file(struct grok_state *self, const struct lb_section *section, struct lb_diag *diag,
                             struct lb_str *text)
{
    FILE *file = fopen(self->file.ptr, "re");
    char *bytes = lb_arena_alloc(&self->arena, FILE_BYTES_MAX);
    size_t len = 0;

    if (file != NULL && bytes != NULL)
        len = fread(bytes, 1, FILE_BYTES_MAX, file);
    if (file == NULL || bytes == NULL || ferror(file) != 0)
        lb_diag_error(diag, lb_section_place(section, "file"), "%s cannot be read: %s", self->file.ptr,
                      strerror(errno));
    else if (len == FILE_BYTES_MAX)
        lb_diag_error(diag, lb_section_place(section, "file"), "%s is too large; expected less than 1 MiB",
                      self->file.ptr);
    if (file == NULL)
        return LB_BAD_CONF;
    (void)fclose(file);
    *text = (struct lb_str){ bytes, len };
    return len > 0 && len < FILE_BYTES_MAX ? LB_OK : LB_BAD_CONF;
}

static size_t count_lines(struct lb_str text)
{
    size_t count = 1;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    return count;
}

/* `NAME regular expression` a line; # begins a comment. Those of the configuration come first, so they win. */
static enum lb_err read_definitions(struct grok_state *self, const struct lb_section *section, struct lb_diag *diag,
                                    struct grok_definitions *definitions)
{
    struct lb_str text = { NULL, 0 };
    struct lb_str line;
    size_t lines;
    enum lb_err err = self->file.len > 0 ? read_file(self, section, diag, &text) : LB_OK;

    if (err != LB_OK)
        return err;
    lines = count_lines(text);
    definitions->items = lb_arena_zalloc(&self->arena, (self->definitions.count + lines) * sizeof(struct lb_pair));
    if (definitions->items == NULL)
        return tell(diag, section, "file", "the definitions need more memory than a parser may take");
    for (size_t i = 0; i < self->definitions.count; i++)
        definitions->items[definitions->count++] = self->definitions.items[i];
    while (text.len > 0) {
        if (!cut_until(&text, '\n', &line)) {
            line = text;
            text.len = 0;
        }
        line = cut_trimmed(line);
        struct lb_str name;
        if (line.len == 0 || *line.ptr == '#' || !cut_until(&line, ' ', &name))
            continue;
        definitions->items[definitions->count++] = (struct lb_pair){ name, cut_trimmed(line) };
    }
    return LB_OK;
}

static enum lb_err compile_all(struct grok_state *self, const struct lb_section *section, struct lb_diag *diag)
{
    struct grok_definitions definitions = { .ecs = self->names == 1 };
    struct grok_fault fault = { "" };
    enum lb_err err = read_definitions(self, section, diag, &definitions);

    if (err != LB_OK)
        return err;
    if (self->patterns.count == 0 || self->patterns.count > PATTERNS_MAX)
        return tell(diag, section, "pattern", "expected a pattern or a list of at most 64");
    self->groks = lb_arena_zalloc(&self->arena, self->patterns.count * sizeof(*self->groks));
    if (self->groks == NULL)
        return tell(diag, section, "pattern", "no memory for the patterns");
    for (size_t i = 0; i < self->patterns.count; i++) {
        err = grok_compile(&self->groks[i], &self->arena, self->patterns.items[i], &definitions,
                           (uint32_t)self->match_limit, &fault);
        if (err != LB_OK) {
            lb_diag_error(diag, lb_section_place(section, "pattern"), "pattern %zu: %s", i + 1,
                          err == LB_NOMEM ? "no memory for it" : fault.text);
            return LB_BAD_CONF;
        }
        self->count++;
    }
    return LB_OK;
}

static void close_grok(struct lb_parser *parser)
{
    struct grok_state *self = parser->state;

    for (size_t i = 0; i < self->count; i++)
        grok_free(&self->groks[i]);
    self->count = 0;
    lb_arena_free(&self->arena);
    leading_close(parser);
}

static enum lb_err open_grok(struct lb_parser *parser, struct lb_diag *diag)
{
    struct grok_state *self = parser->state;
    enum lb_err err = leading_open(parser, diag);

    if (err != LB_OK)
        return err;
    lb_arena_init(&self->arena, ARENA_BYTES_MAX);
    err = compile_all(self, &parser->section, diag);
    if (err != LB_OK)
        close_grok(parser);
    return err;
}

/* --- parse ------------------------------------------------------------------------- */

static enum lb_err parse_grok(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    const struct grok_state *self = state;
    struct lb_field fields[GROK_CAPTURES_MAX];
    struct leading leading = { .settings = &self->leading, .context = context, .fields = fields };
    struct lb_arena *arena = &context->batch->arena;
    struct lb_value message = record->message;
    enum lb_err err = LB_BAD_INPUT;
    struct lb_str text;

    if (!fill_plain_text(message, arena, &text))
        return LB_LIMIT;
    for (size_t i = 0; i < self->count && err == LB_BAD_INPUT; i++)
        err = grok_match(&self->groks[i], text, arena, fields, &leading.field_count, &context->reason);
    if (err == LB_OK)
        err = leading_done(&leading, record);
    if (err == LB_OK && record->message.kind == LB_VALUE_NONE)
        record->message = message;
    return err;
}

static const struct lb_option options[] = {
    { .name = "pattern",
      .kind = LB_OPTION_STRINGS,
      .offset = offsetof(struct grok_state, patterns),
      .help = "a pattern, or a list of which the first that matches counts: %{NAME}, %{NAME:field}, %{NAME:field:int}; "
              "[a][b] as a field is a.b",
      .flags = LB_OPTION_REQUIRED },
    { .name = "definitions",
      .kind = LB_OPTION_PAIRS,
      .offset = offsetof(struct grok_state, definitions),
      .help = "names of your own and what they mean; they win over those of the stock" },
    { .name = "file",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct grok_state, file),
      .help = "a file of more definitions, a name and what it means on each line",
      .flags = LB_OPTION_PATH },
    { .name = "names",
      .kind = LB_OPTION_CHOICE,
      .offset = offsetof(struct grok_state, names),
      .fallback = "legacy",
      .choices = names_words,
      .help = "how the captures inside stock patterns are called: legacy (clientip) or ecs (source.address)" },
    { .name = "match_limit",
      .kind = LB_OPTION_COUNT,
      .offset = offsetof(struct grok_state, match_limit),
      .fallback = "1000000",
      .help = "how many steps one match may take before the line counts as not matching",
      .min = 1000,
      .max = 100000000 },
    LEADING_OPTIONS,
    { .name = NULL },
};

const struct lb_parser_type lb_parser_grok = {
    .module = { .name = "grok",
                .help = "lines by patterns with names in them: %{IP:client_ip} %{NUMBER:bytes:int}",
                .state_size = sizeof(struct grok_state),
                .options = options,
                .whole = "pattern" },
    .open = open_grok,
    .parse = parse_grok,
    .close = close_grok,
};
