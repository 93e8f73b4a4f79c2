/*
 * table.h - rows of text under headings, each column as wide as it must be.
 *
 * For a terminal; the last column is not padded. Cells are copied. One thread.
 */
#ifndef TABLE_H
#define TABLE_H

#include "lb_arena.h"

enum { TABLE_COLUMNS_MAX = 12 };

struct table_row {
    struct table_row *next;
    struct lb_str cells[TABLE_COLUMNS_MAX];
    const char *colour; /* of the first cell, or NULL */
};

struct table {
    struct lb_arena arena;
    const char *const *headings; /* NULL at the end */
    struct table_row *first;
    struct table_row *last;
    struct table_row *row; /* that is being filled */
    uint32_t columns;
    uint32_t filled;
};

void table_init(struct table *table, const char *const *headings);
void table_free(struct table *table);

/* Begins a row; cells come in order, those that are missing stay empty. */
void table_row(struct table *table, const char *colour);
void table_cell(struct table *table, struct lb_str text);
void table_print_cell(struct table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* To stdout. */
void table_print(const struct table *table, bool colours);

#endif
