/* csv.c - the cells of one line; see csv.h. A quote inside a cell that does not begin with one is an ordinary byte. */
#include "csv.h"

#include "cut.h"

/* `""` stands for a quote. */
static enum lb_err undouble(struct csv_reader *self, struct lb_str *text)
{
    char *out = lb_arena_alloc(self->arena, text->len);
    size_t len = 0;

    if (out == NULL)
        return LB_LIMIT;
    for (size_t i = 0; i < text->len; i++) {
        out[len++] = text->ptr[i];
        i += text->ptr[i] == '"';
    }
    *text = (struct lb_str){ out, len };
    return LB_OK;
}

/* The delimiter behind a cell, or the end. */
static bool end_cell(struct csv_reader *self)
{
    self->ended = self->rest.len == 0;
    return self->ended || cut_char(&self->rest, self->delimiter);
}

static enum lb_err next_quoted(struct csv_reader *self, struct csv_cell *cell)
{
    const char *start = self->rest.ptr + 1;
    const char *end = self->rest.ptr + self->rest.len;
    const char *at = start;
    bool doubled = false;

    for (;;) {
        at = memchr(at, '"', (size_t)(end - at));
        if (at == NULL)
            return LB_BAD_INPUT;
        if (at + 1 == end || at[1] != '"')
            break;
        doubled = true;
        at += 2;
    }
    cell->text = (struct lb_str){ start, (size_t)(at - start) };
    cell->quoted = true;
    self->rest = (struct lb_str){ at + 1, (size_t)(end - at) - 1 };
    if (!end_cell(self))
        return LB_BAD_INPUT;
    return doubled ? undouble(self, &cell->text) : LB_OK;
}

enum lb_err csv_next(struct csv_reader *self, struct csv_cell *cell)
{
    if (self->ended)
        return LB_END;
    if (self->rest.len > 0 && *self->rest.ptr == '"')
        return next_quoted(self, cell);
    cell->quoted = false;
    if (!cut_until(&self->rest, self->delimiter, &cell->text)) {
        cell->text = self->rest;
        self->ended = true;
    }
    return LB_OK;
}
