/*
 * yaml_problems.c - what libyaml found wrong, in words that a person can act on.
 *
 * libyaml says what its grammar expected ("did not find expected key"); the
 * cause is nearly always one of a few: a value that should stand in quotes,
 * a tab, an indentation, a bracket. So each row looks at the source around
 * the place. What no row knows is told in libyaml's own words.
 */
#include "yaml.h"

#include <stdio.h>

struct problem {
    const struct lb_yaml_source *source;
    const yaml_parser_t *parser;
    struct lb_diag *diag;
    const char *at;      /* the source at the problem */
    const char *context; /* the source at what was being read */
};

size_t lb_yaml_seek(struct lb_str text, size_t *offset, size_t *character, size_t index)
{
    while (*character < index && *offset < text.len) {
        do
            ++*offset;
        while (*offset < text.len && ((unsigned char)text.ptr[*offset] & 0xc0) == 0x80);
        ++*character;
    }
    while (*character > index && *offset > 0) {
        do
            --*offset;
        while (*offset > 0 && ((unsigned char)text.ptr[*offset] & 0xc0) == 0x80);
        --*character;
    }
    return *offset;
}

static const char *source_at(const struct lb_yaml_source *source, yaml_mark_t mark)
{
    size_t offset = 0;
    size_t character = 0;

    return source->text.ptr + lb_yaml_seek(source->text, &offset, &character, mark.index);
}

static struct lb_place place_of(const struct problem *self, yaml_mark_t mark)
{
    return (struct lb_place){ self->source->file, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1 };
}

static struct lb_place here(const struct problem *self)
{
    return place_of(self, self->parser->problem_mark);
}

static struct lb_place context_place(const struct problem *self)
{
    return place_of(self, self->parser->context_mark);
}

static bool same_line(const struct problem *self)
{
    return self->parser->problem_mark.line == self->parser->context_mark.line;
}

/* The character before `ptr` on its line, spaces left out; '\n' where the line begins. */
static char before(const struct problem *self, const char *ptr)
{
    while (ptr > self->source->text.ptr && ptr[-1] == ' ')
        ptr--;
    return ptr > self->source->text.ptr ? ptr[-1] : '\n';
}

static const char *line_start(const struct problem *self, const char *ptr)
{
    while (ptr > self->source->text.ptr && ptr[-1] != '\n')
        ptr--;
    return ptr;
}

/* The rest of the line at `ptr`, without spaces at its end, at most 60 bytes. */
static struct lb_str rest_of_line(const char *ptr)
{
    size_t len = strcspn(ptr, "\r\n");

    while (len > 0 && ptr[len - 1] == ' ')
        len--;
    return (struct lb_str){ ptr, len < 60 ? len : 60 };
}

static void tab(const struct problem *self)
{
    lb_diag_error(self->diag, here(self), "a tab; YAML is indented with spaces only");
}

static void quote_start(const struct problem *self, struct lb_place place, char c)
{
    lb_diag_error(self->diag, place, "a value cannot begin with \"%c\"; quote it", c);
}

static void no_token(const struct problem *self)
{
    if (*self->at == '\t')
        tab(self);
    else
        quote_start(self, here(self), *self->at);
}

static void directive(const struct problem *self)
{
    lb_diag_error(self->diag, context_place(self), "a line cannot begin with \"%%\"; quote the value");
}

static void open_quote(const struct problem *self)
{
    lb_diag_error(self->diag, context_place(self), "this quote is never closed");
}

static void bad_escape(const struct problem *self)
{
    lb_diag_error(self->diag, here(self),
                  "\"\\%c\" is no escape inside \"…\"; write '…', where a backslash is a backslash", self->at[1]);
}

static void block_indicator(const struct problem *self)
{
    struct lb_str rest = rest_of_line(self->context);

    lb_diag_error(self->diag, context_place(self), "\"%c\" begins a block of text; quote the value: '" LB_STR_FMT "'",
                  *self->context, LB_STR_ARG(rest));
}

static void alias_start(const struct problem *self)
{
    quote_start(self, context_place(self), *self->context);
}

/* A `:` where no key can be: a second one on the line, or a line that continues the value above. */
static void second_colon(const struct problem *self)
{
    const char *start = line_start(self, self->at);
    const char *first = memmem(start, (size_t)(self->at - start), ": ", 2);

    if (first != NULL)
        lb_diag_error(self->diag, here(self), "a second \": \" on this line; quote the value if it is a part of it");
    else
        lb_diag_error(self->diag, here(self),
                      "this line continues the value above; check its indentation, and that \": \" follows every key");
}

static void missing_key(const struct problem *self)
{
    char last = before(self, self->at);

    if (*self->at == ':')
        lb_diag_error(self->diag, here(self), "a key is missing before \":\"");
    else if (last == '"' || last == '\'')
        lb_diag_error(self->diag, here(self), "text behind a closing quote; put the whole value in quotes");
    else if (last == '}' || last == ']')
        lb_diag_error(self->diag, here(self), "text behind \"%c\"; quote a value that begins with \"%c\"", last,
                      last == '}' ? '{' : '[');
    else
        lb_diag_error(self->diag, here(self), "wrong indentation: it fits no key above");
}

static void missing_dash(const struct problem *self)
{
    lb_diag_error(self->diag, here(self), "expected \"- \", as in the list that begins at line %u, column %u",
                  context_place(self).line, context_place(self).column);
}

/* Inside [ ] or { }, which a comma ends, and where { } [ ] and quotes mean something anywhere. */
static void flow(const struct problem *self)
{
    char close = *self->context == '{' ? '}' : ']';

    if (!same_line(self))
        lb_diag_error(self->diag, context_place(self), "this \"%c\" is never closed", *self->context);
    else if (*self->at == ':')
        lb_diag_error(self->diag, here(self), "a second \":\" in one value; quote the value");
    else if (*self->at == '{' || *self->at == '[')
        lb_diag_error(self->diag, here(self), "quote a value that contains \"%c\" inside %c %c", *self->at,
                      *self->context, close);
    else
        lb_diag_error(self->diag, here(self),
                      "expected \",\" or \"%c\"; quote a value that contains commas, brackets or quotes", close);
}

static void list_in_line(const struct problem *self)
{
    lb_diag_error(self->diag, here(self), "a list cannot begin here; put \"- \" on a line of its own, or quote it");
}

static void key_in_line(const struct problem *self)
{
    quote_start(self, here(self), '?');
}

static void no_content(const struct problem *self)
{
    if (*self->at == '\0' || *self->at == '\n')
        lb_diag_error(self->diag, here(self), "a value is missing");
    else if (*self->at == ',' && before(self, self->at) != ':')
        lb_diag_error(self->diag, here(self), "a value is missing before \",\"");
    else
        quote_start(self, here(self), *self->at);
}

static void no_colon(const struct problem *self)
{
    lb_diag_error(self->diag, context_place(self), "expected \"key: value\": there is no \": \" on this line");
}

static void behind_the_end(const struct problem *self)
{
    lb_diag_error(self->diag, here(self), "text behind the end of the configuration");
}

/* NULL as context: any. */
static const struct row {
    const char *context;
    const char *problem;
    void (*explain)(const struct problem *self);
} rows[] = {
    { NULL, "mapping values are not allowed in this context", second_colon },
    { NULL, "found character that cannot start any token", no_token },
    { NULL, "found a tab character that violates indentation", tab },
    { NULL, "found a tab character where an indentation space is expected", tab },
    { "while scanning a directive", NULL, directive },
    { "while scanning a quoted scalar", NULL, open_quote },
    { NULL, "found unknown escape character", bad_escape },
    { "while scanning a block scalar", NULL, block_indicator },
    { "while scanning an alias", NULL, alias_start },
    { "while scanning an anchor", NULL, alias_start },
    { "while scanning a tag", NULL, alias_start },
    { "while parsing a tag", NULL, alias_start },
    { "while parsing a block mapping", "did not find expected key", missing_key },
    { "while parsing a block collection", NULL, missing_dash },
    { "while parsing a flow sequence", NULL, flow },
    { "while parsing a flow mapping", NULL, flow },
    { NULL, "block sequence entries are not allowed in this context", list_in_line },
    { NULL, "mapping keys are not allowed in this context", key_in_line },
    { NULL, "did not find expected node content", no_content },
    { "while scanning a simple key", NULL, no_colon },
    { NULL, "did not find expected <document start>", behind_the_end },
};

static bool is(const char *text, const char *wanted)
{
    return wanted == NULL || (text != NULL && strcmp(text, wanted) == 0);
}

/* libyaml gives a byte offset, and no mark, where the bytes are no text. */
static void bad_bytes(const struct problem *self)
{
    struct lb_place place = { self->source->file, 1, 1 };
    size_t offset = self->parser->problem_offset;

    if (offset > self->source->text.len)
        offset = self->source->text.len;
    for (size_t i = 0; i < offset; i++) {
        unsigned char c = (unsigned char)self->source->text.ptr[i];

        place.column += (c & 0xc0) != 0x80;
        if (c == '\n') {
            place.line++;
            place.column = 1;
        }
    }
    if (is(self->parser->problem, "control characters are not allowed"))
        lb_diag_error(self->diag, place, "a control character (0x%02x)", (unsigned)self->parser->problem_value);
    else
        lb_diag_error(self->diag, place, "this is not UTF-8 text");
}

void lb_yaml_explain(const struct lb_yaml_source *source, const yaml_parser_t *parser, struct lb_diag *diag)
{
    struct problem self = { .source = source, .parser = parser, .diag = diag };

    if (parser->error == YAML_MEMORY_ERROR) {
        lb_diag_error(diag, (struct lb_place){ source->file, 1, 1 }, "out of memory");
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        bad_bytes(&self);
        return;
    }
    self.at = source_at(source, parser->problem_mark);
    self.context = source_at(source, parser->context_mark);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (is(parser->context, rows[i].context) && is(parser->problem, rows[i].problem)) {
            rows[i].explain(&self);
            return;
        }
    }
    lb_diag_error(diag, here(&self), "%s", parser->problem != NULL ? parser->problem : "this is not YAML");
}
