/*
 * parser_csv.c - lines of cells in columns: csv, and tsv for tabs.
 *
 * The columns come from the configuration, for a parser keeps nothing between lines. An empty cell is no field, an
 * empty one in quotes is. Cells past the columns are `column_N`, by their number from 1; all are where none are given,
 * and then a line of one cell is text, not csv.
 */
#include "csv.h"
#include "cut.h"
#include "fill.h"
#include "leading.h"

#include "lb_limits.h"

struct csv_state {
    struct leading_settings leading; /* first: see LEADING_OPTIONS */
    struct lb_strs columns;
    struct lb_str header;
    struct lb_str delimiter;
};

static enum lb_err refuse(struct lb_parse_context *context, const char *reason, size_t at)
{
    context->reason = reason;
    context->reason_at = (uint32_t)at;
    return LB_BAD_INPUT;
}

static enum lb_err name_cell(const struct csv_state *self, struct lb_arena *arena, uint32_t number,
                             struct lb_value *key)
{
    struct lb_str name;

    if (number < self->columns.count) {
        *key = lb_value_text(self->columns.items[number]);
        return LB_OK;
    }
    name = lb_arena_print(arena, "column_%u", number + 1);
    *key = lb_value_of(name, LB_VALUE_CLEAN);
    return name.ptr != NULL ? LB_OK : LB_LIMIT;
}

static enum lb_err read_line(const struct csv_state *self, struct csv_reader *reader, struct leading *leading)
{
    const char *start = reader->rest.ptr;

    for (uint32_t number = 0;; number++) {
        struct csv_cell cell;
        size_t at = (size_t)(reader->rest.ptr - start);
        enum lb_err err = csv_next(reader, &cell);
        struct lb_field *field = &leading->fields[leading->field_count];

        if (err == LB_END)
            return number >= 2 || self->columns.count == 1 ? LB_OK
                                                           : refuse(leading->context, "expected more than one cell", 0);
        if (err == LB_BAD_INPUT)
            return refuse(leading->context, "expected a closing quote before the delimiter or the end", at);
        if (err != LB_OK)
            return err;
        if (cell.text.len == 0 && !cell.quoted)
            continue;
        if (leading->field_count == LB_RECORD_FIELDS_MAX)
            return LB_LIMIT;
        err = name_cell(self, reader->arena, number, &field->key);
        if (err != LB_OK)
            return err;
        field->value = lb_value_text(cell.text);
        leading->field_count++;
    }
}

static enum lb_err parse_cells(const void *state, char delimiter, struct lb_record *record,
                               struct lb_parse_context *context)
{
    const struct csv_state *self = state;
    struct lb_field fields[LB_RECORD_FIELDS_MAX];
    struct leading leading = { .settings = &self->leading, .context = context, .fields = fields };
    struct csv_reader reader = { .delimiter = delimiter, .arena = &context->batch->arena };
    enum lb_err err;

    if (!fill_plain_text(record->message, reader.arena, &reader.rest))
        return LB_LIMIT;
    if (reader.rest.len == 0)
        return refuse(context, "expected cells", 0);
    err = read_line(self, &reader, &leading);
    if (err != LB_OK)
        return err;
    return leading_done(&leading, record);
}

static char delimiter_of(const struct csv_state *self)
{
    return self->delimiter.len > 0 ? *self->delimiter.ptr : ',';
}

static enum lb_err csv_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    return parse_cells(state, delimiter_of(state), record, context);
}

static enum lb_err tsv_parse(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    return parse_cells(state, '\t', record, context);
}

/* The columns of `header`, written as a line of the format itself. */
static enum lb_err read_header(struct csv_state *self, struct lb_arena *arena)
{
    struct csv_reader reader = { .rest = self->header, .delimiter = delimiter_of(self), .arena = arena };
    struct csv_cell cell;
    enum lb_err err;

    self->columns = (struct lb_strs){ lb_arena_alloc(arena, LB_RECORD_FIELDS_MAX * sizeof(struct lb_str)), 0 };
    if (self->columns.items == NULL)
        return LB_LIMIT;
    while ((err = csv_next(&reader, &cell)) == LB_OK) {
        if (self->columns.count == LB_RECORD_FIELDS_MAX)
            return LB_LIMIT;
        self->columns.items[self->columns.count++] = cut_trimmed(cell.text);
    }
    return err == LB_END ? LB_OK : err;
}

static enum lb_err check_columns(struct lb_parser *parser, struct lb_diag *diag)
{
    struct csv_state *self = parser->state;

    if (self->delimiter.len > 1 || (self->delimiter.len == 1 && *self->delimiter.ptr == '"')) {
        lb_diag_error(diag, lb_section_place(&parser->section, "delimiter"),
                      "the delimiter is one character of one byte, and not the quote; got \"" LB_STR_FMT "\"",
                      LB_STR_ARG(self->delimiter));
        return LB_BAD_CONF;
    }
    if (self->columns.count > 0 && self->header.len > 0) {
        lb_diag_error(diag, lb_section_place(&parser->section, "header"),
                      "columns and header say the same thing; expected one of them");
        return LB_BAD_CONF;
    }
    if (self->header.len > 0 && read_header(self, &self->leading.arena) != LB_OK) {
        lb_diag_error(diag, lb_section_place(&parser->section, "header"),
                      "the header cannot be read; expected at most %d names with the delimiter between them",
                      LB_RECORD_FIELDS_MAX);
        return LB_BAD_CONF;
    }
    return LB_OK;
}

static enum lb_err csv_open(struct lb_parser *parser, struct lb_diag *diag)
{
    enum lb_err err = leading_open(parser, diag);

    if (err == LB_OK && (err = check_columns(parser, diag)) != LB_OK)
        leading_close(parser);
    return err;
}

static enum lb_err tsv_open(struct lb_parser *parser, struct lb_diag *diag)
{
    struct csv_state *self = parser->state;

    self->delimiter = LB_STR("\t");
    return csv_open(parser, diag);
}

#define COLUMN_OPTIONS                                                                                                 \
    { .name = "columns",                                                                                               \
      .kind = LB_OPTION_STRINGS,                                                                                       \
      .offset = offsetof(struct csv_state, columns),                                                                   \
      .help = "the names of the cells, in order; column_1, column_2 … unless told" },                                  \
    {                                                                                                                  \
        .name = "header", .kind = LB_OPTION_STRING, .offset = offsetof(struct csv_state, header),                      \
        .help = "instead of columns: the line that names them, as it stands in the file"                               \
    }
static const struct lb_option csv_options[] = {
    COLUMN_OPTIONS,
    { .name = "delimiter",
      .kind = LB_OPTION_STRING,
      .offset = offsetof(struct csv_state, delimiter),
      .help = "the character between cells; a comma unless told otherwise" },
    LEADING_OPTIONS,
    { .name = NULL },
};
static const struct lb_option tsv_options[] = { COLUMN_OPTIONS, LEADING_OPTIONS, { .name = NULL } };

const struct lb_parser_type lb_parser_csv = {
    .module = { .name = "csv",
                .help = "comma-separated cells, \"quoted, with doubled \"\" quotes\"",
                .state_size = sizeof(struct csv_state),
                .options = csv_options },
    .open = csv_open,
    .parse = csv_parse,
    .close = leading_close,
};

const struct lb_parser_type lb_parser_tsv = {
    .module = { .name = "tsv",
                .help = "tab-separated cells, otherwise as csv",
                .state_size = sizeof(struct csv_state),
                .options = tsv_options },
    .open = tsv_open,
    .parse = tsv_parse,
    .close = leading_close,
};
