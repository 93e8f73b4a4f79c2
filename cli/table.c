/* table.c - rows of text under headings; see table.h. */
#include "table.h"

#include "colour.h"

#include <stdarg.h>
#include <stdio.h>

enum { ARENA_BYTES = 64 * 1024 * 1024, CELL_BYTES = 1024 };

void table_init(struct table *table, const char *const *headings)
{
    *table = (struct table){ .headings = headings };
    lb_arena_init(&table->arena, ARENA_BYTES);
    while (table->columns < TABLE_COLUMNS_MAX && headings[table->columns] != NULL)
        table->columns++;
}

void table_free(struct table *table)
{
    lb_arena_free(&table->arena);
}

void table_row(struct table *table, const char *colour)
{
    table->row = lb_arena_zalloc(&table->arena, sizeof(*table->row));
    table->filled = 0;
    if (table->row == NULL)
        return;
    table->row->colour = colour;
    if (table->last != NULL)
        table->last->next = table->row;
    else
        table->first = table->row;
    table->last = table->row;
}

/* What would move the cursor or change colours becomes a dot: cells hold what logs said. */
static void tame(struct lb_str text)
{
    for (char *at = (char *)text.ptr; at < text.ptr + text.len; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '.';
}

void table_cell(struct table *table, struct lb_str text)
{
    struct lb_str copy = lb_arena_copy(&table->arena, text);

    if (table->row == NULL || copy.ptr == NULL || table->filled == table->columns)
        return;
    tame(copy);
    table->row->cells[table->filled++] = copy;
}

void table_print_cell(struct table *table, const char *fmt, ...)
{
    char text[CELL_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    table_cell(table, lb_str_from(text));
}

/* Characters, not bytes. */
static size_t width_of(struct lb_str text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return width;
}

static void print_padded(struct lb_str text, size_t width, const char *colour)
{
    size_t used = width_of(text);

    printf("%s" LB_STR_FMT "%s", colour != NULL ? colour : "", LB_STR_ARG(text), colour != NULL ? colour_end : "");
    printf("%*s", (int)(width > used ? width - used : 0), "");
}

void table_print(const struct table *table, bool colours)
{
    size_t widths[TABLE_COLUMNS_MAX] = { 0 };

    for (uint32_t i = 0; i < table->columns; i++)
        widths[i] = width_of(lb_str_from(table->headings[i]));
    for (const struct table_row *row = table->first; row != NULL; row = row->next)
        for (uint32_t i = 0; i < table->columns; i++)
            if (width_of(row->cells[i]) > widths[i])
                widths[i] = width_of(row->cells[i]);
    for (uint32_t i = 0; i < table->columns; i++)
        print_padded(lb_str_from(table->headings[i]), i + 1 < table->columns ? widths[i] + 2 : 0, NULL);
    putchar('\n');
    for (const struct table_row *row = table->first; row != NULL; row = row->next) {
        for (uint32_t i = 0; i < table->columns; i++)
            print_padded(row->cells[i], i + 1 < table->columns ? widths[i] + 2 : 0,
                         colours && i == 0 ? row->colour : NULL);
        putchar('\n');
    }
}
