/* diag.c - a list of faults, sorted by place when shown; the nearest word by edit distance. */
#include "lb_diag.h"

#include "lb_alloc.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES = 1024, WORD_MAX = 40 };

static void add(struct lb_diag *diag, struct lb_diag_entry entry)
{
    if (diag->count == LB_DIAGS_MAX || entry.text == NULL) {
        diag->dropped++;
        lb_free(entry.text);
        return;
    }
    if (diag->entries == NULL)
        diag->entries = lb_alloc(LB_DIAGS_MAX * sizeof(entry));
    if (diag->entries == NULL) {
        diag->dropped++;
        lb_free(entry.text);
        return;
    }
    diag->entries[diag->count++] = entry;
}

static __attribute__((format(printf, 1, 0))) char *print_text(const char *fmt, va_list args)
{
    char *text = lb_alloc(TEXT_BYTES);

    if (text != NULL)
        vsnprintf(text, TEXT_BYTES, fmt, args);
    return text;
}

void lb_diag_error(struct lb_diag *diag, struct lb_place place, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    diag->errors++;
    add(diag, (struct lb_diag_entry){ .place = place, .text = print_text(fmt, args) });
    va_end(args);
}

void lb_diag_warn(struct lb_diag *diag, struct lb_place place, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add(diag, (struct lb_diag_entry){ .place = place, .warning = true, .text = print_text(fmt, args) });
    va_end(args);
}

void lb_diag_free(struct lb_diag *diag)
{
    for (uint32_t i = 0; i < diag->count; i++)
        lb_free(diag->entries[i].text);
    lb_free(diag->entries);
    *diag = (struct lb_diag){ 0 };
}

static int compare_names(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

static int compare_entries(const void *left, const void *right)
{
    const struct lb_diag_entry *a = left;
    const struct lb_diag_entry *b = right;
    int files = compare_names(a->place.file, b->place.file);

    if (files != 0)
        return files;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line ? -1 : 1;
    if (a->place.column != b->place.column)
        return a->place.column < b->place.column ? -1 : 1;
    return strcmp(a->text, b->text);
}

void lb_diag_sort(struct lb_diag *diag)
{
    if (diag->count > 1)
        qsort(diag->entries, diag->count, sizeof(diag->entries[0]), compare_entries);
}

void lb_diag_print(struct lb_diag *diag, void *out)
{
    FILE *file = out;

    lb_diag_sort(diag);
    for (uint32_t i = 0; i < diag->count; i++) {
        const struct lb_diag_entry *entry = &diag->entries[i];

        if (entry->place.file != NULL && entry->place.line > 0)
            fprintf(file, "%s:%u:%u: ", entry->place.file, entry->place.line, entry->place.column);
        else if (entry->place.file != NULL)
            fprintf(file, "%s: ", entry->place.file);
        fprintf(file, "%s: %s\n", entry->warning ? "warning" : "error", entry->text);
    }
    if (diag->dropped > 0)
        fprintf(file, "and %u more\n", diag->dropped);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment: insert, delete, replace, swap two neighbours. Words are at most WORD_MAX long. */
static size_t distance(struct lb_str a, struct lb_str b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];

    for (size_t j = 0; j <= b.len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t cost = same_letter(a.ptr[i - 1], b.ptr[j - 1]) ? 0 : 1;

            row[j] = least(above[j - 1] + cost, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same_letter(a.ptr[i - 1], b.ptr[j - 2]) && same_letter(a.ptr[i - 2], b.ptr[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *reused = before;
        before = above;
        above = row;
        row = reused;
    }
    return above[b.len];
}

const char *lb_nearest(struct lb_str word, const char *const *words)
{
    size_t limit = word.len / 3 + 1;
    const char *nearest = NULL;

    if (word.len == 0 || word.len > WORD_MAX)
        return NULL;
    for (; *words != NULL; words++) {
        struct lb_str candidate = lb_str_from(*words);

        if (candidate.len > WORD_MAX)
            continue;
        size_t steps = distance(word, candidate);
        if (steps <= limit && steps < candidate.len) {
            nearest = *words;
            limit = steps > 0 ? steps - 1 : 0;
            if (steps == 0)
                break;
        }
    }
    return nearest;
}
