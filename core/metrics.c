/*
 * metrics.c - all metrics of the process, kept sorted by name and labels.
 *
 * The tricky thing: values are added to without a lock, so a metric never
 * moves: the sorted lists hold pointers. Callbacks run under the lock; they
 * must not register metrics.
 */
#include "lb_metrics.h"

#include "lb_alloc.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

struct series {
    struct lb_metric metric;
    char *labels; /* "" for none */
    double (*ask)(void *context);
    void *context;
};

/* A list of pointers whose first member is the string they are sorted by. */
struct sorted {
    void **items;
    size_t count;
    size_t capacity;
};

struct family {
    char *name;
    char *help;
    enum lb_metric_kind kind;
    struct sorted series;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the lists */
static struct sorted families;
static struct lb_metric unseen; /* what is given out when memory runs out */

/* --- sorted lists ------------------------------------------------------------------ */

static const char *name_of(const void *item)
{
    return ((const struct family *)item)->name;
}

static const char *labels_of(const void *item)
{
    return ((const struct series *)item)->labels;
}

/* Where the item with that key is, or belongs. */
static size_t find(const struct sorted *list, const char *key, const char *(*key_of)(const void *item), bool *found)
{
    size_t low = 0;
    size_t high = list->count;

    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, key_of(list->items[middle]));

        if (order > 0)
            low = middle + 1;
        else
            high = middle;
        *found = order == 0;
    }
    return high;
}

static bool insert(struct sorted *list, size_t at, void *item)
{
    void **items = lb_grown((void *)list->items, list->count, &list->capacity, sizeof(void *));

    if (items == NULL)
        return false;
    list->items = items;
    memmove((void *)(list->items + at + 1), (void *)(list->items + at), (list->count - at) * sizeof(void *));
    list->items[at] = item;
    list->count++;
    return true;
}

/* --- registering --------------------------------------------------------------------- */

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = lb_alloc(size);

    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

static void free_family(struct family *family)
{
    for (size_t i = 0; i < family->series.count; i++) {
        struct series *series = family->series.items[i];

        lb_free(series->labels);
        lb_free(series);
    }
    lb_free((void *)family->series.items);
    lb_free(family->name);
    lb_free(family->help);
    lb_free(family);
}

static struct family *new_family(enum lb_metric_kind kind, const char *name, const char *help)
{
    struct family *family = lb_alloc(sizeof(*family));

    if (family == NULL)
        return NULL;
    family->kind = kind;
    family->name = copy_text(name);
    family->help = copy_text(help);
    if (family->name != NULL && family->help != NULL)
        return family;
    free_family(family);
    return NULL;
}

static struct family *get_family(enum lb_metric_kind kind, const char *name, const char *help)
{
    bool found;
    size_t at = find(&families, name, name_of, &found);

    if (found) {
        struct family *family = families.items[at];

        assert(family->kind == kind);
        return family;
    }
    struct family *family = new_family(kind, name, help);
    if (family != NULL && !insert(&families, at, family)) {
        free_family(family);
        return NULL;
    }
    return family;
}

static struct series *get_series(struct family *family, const char *labels)
{
    bool found;
    size_t at = find(&family->series, labels, labels_of, &found);

    if (found)
        return family->series.items[at];
    struct series *series = lb_alloc(sizeof(*series));
    if (series == NULL)
        return NULL;
    series->labels = copy_text(labels);
    if (series->labels == NULL || !insert(&family->series, at, series)) {
        lb_free(series->labels);
        lb_free(series);
        return NULL;
    }
    return series;
}

/* With the lock held. */
static struct series *get(enum lb_metric_kind kind, const char *name, const char *help, const char *labels)
{
    struct family *family = get_family(kind, name, help);

    return family != NULL ? get_series(family, labels != NULL ? labels : "") : NULL;
}

struct lb_metric *lb_metric(enum lb_metric_kind kind, const char *name, const char *help, const char *labels)
{
    pthread_mutex_lock(&lock);
    struct series *series = get(kind, name, help, labels);
    pthread_mutex_unlock(&lock);
    return series != NULL ? &series->metric : &unseen;
}

struct lb_metric *lb_metric_find(const char *name, const char *labels)
{
    struct lb_metric *metric = NULL;
    bool found;

    pthread_mutex_lock(&lock);
    size_t at = find(&families, name, name_of, &found);
    if (found) {
        const struct family *family = families.items[at];

        at = find(&family->series, labels != NULL ? labels : "", labels_of, &found);
        metric = found ? &((struct series *)family->series.items[at])->metric : NULL;
    }
    pthread_mutex_unlock(&lock);
    return metric;
}

void lb_metric_ask(enum lb_metric_kind kind, const char *name, const char *help, const char *labels,
                   double (*ask)(void *context), void *context)
{
    pthread_mutex_lock(&lock);
    struct series *series = get(kind, name, help, labels);
    if (series != NULL) {
        series->ask = ask;
        series->context = context;
    }
    pthread_mutex_unlock(&lock);
}

void lb_metrics_free_all(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < families.count; i++)
        free_family(families.items[i]);
    lb_free((void *)families.items);
    families = (struct sorted){ 0 };
    pthread_mutex_unlock(&lock);
}

/* --- labels ----------------------------------------------------------------------------- */

/* Length of the UTF-8 character at `text`, 0 if there is none: label values have to be valid. */
static size_t character_length(const unsigned char *text)
{
    unsigned first = text[0];
    size_t len = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;

    if (len == 1)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) { /* a NUL ends this too */
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    bool outside = (first == 0xed && text[1] >= 0xa0) || (first == 0xf4 && text[1] >= 0x90);
    return overlong || outside ? 0 : len;
}

/* One character of a value as it is written; moves `*text` behind it. At most 4 bytes. */
static size_t write_character(const char **text, char out[4])
{
    size_t len = character_length((const unsigned char *)*text);
    char c = **text;

    if (c == '"' || c == '\\' || c == '\n') {
        out[0] = '\\';
        out[1] = (char)(c == '\n' ? 'n' : c);
        *text += 1;
        return 2;
    }
    if (len == 0) {
        out[0] = '?';
        *text += 1;
        return 1;
    }
    memcpy(out, *text, len);
    *text += len;
    return len;
}

/* `,name="value"` at the end of `out`. False, and nothing written, if it does not fit. */
static bool append_label(char *out, size_t size, const char *name, const char *value)
{
    size_t start = strlen(out);
    int head = snprintf(out + start, size - start, "%s%s=\"", start > 0 ? "," : "", name);
    size_t at = start + (head > 0 ? (size_t)head : 0);

    while (*value != '\0' && at + 6 < size)
        at += write_character(&value, out + at);
    if (at + 2 > size || *value != '\0') {
        out[start] = '\0';
        return false;
    }
    out[at] = '"';
    out[at + 1] = '\0';
    return true;
}

/* A pair that does not fit is left out. */
const char *lb_metric_labels(char *out, size_t size, ...)
{
    va_list pairs;
    const char *name;

    assert(size > 0);
    out[0] = '\0';
    va_start(pairs, size);
    while ((name = va_arg(pairs, const char *)) != NULL)
        append_label(out, size, name, va_arg(pairs, const char *));
    va_end(pairs);
    return out;
}

/* --- writing -------------------------------------------------------------------------------- */

static void write_help(struct lb_buffer *out, const char *help)
{
    for (; *help != '\0'; help++) {
        if (*help == '\\')
            lb_buffer_append(out, "\\\\", 2);
        else if (*help == '\n')
            lb_buffer_append(out, "\\n", 2);
        else
            lb_buffer_append_char(out, *help);
    }
}

/* 15 digits are what a double keeps of any decimal number: 0.1 is written as 0.1. */
static void write_number(struct lb_buffer *out, double number)
{
    if (isnan(number))
        lb_buffer_print(out, "NaN");
    else if (isinf(number))
        lb_buffer_print(out, number > 0 ? "+Inf" : "-Inf");
    else
        lb_buffer_print(out, "%.15g", number);
}

static void write_value(struct lb_buffer *out, struct series *series)
{
    int64_t value = atomic_load_explicit(&series->metric.value, memory_order_relaxed);
    double scale = series->metric.scale;

    if (series->ask != NULL)
        write_number(out, series->ask(series->context));
    else if (scale != 0 && scale != 1)
        write_number(out, (double)value * scale);
    else
        lb_buffer_print(out, "%" PRId64, value);
}

static void write_family(struct lb_buffer *out, const struct family *family)
{
    lb_buffer_print(out, "# HELP %s ", family->name);
    write_help(out, family->help);
    lb_buffer_print(out, "\n# TYPE %s %s\n", family->name, family->kind == LB_COUNTER ? "counter" : "gauge");
    for (size_t i = 0; i < family->series.count; i++) {
        struct series *series = family->series.items[i];

        lb_buffer_print(out, "%s", family->name);
        if (series->labels[0] != '\0')
            lb_buffer_print(out, "{%s}", series->labels);
        lb_buffer_append_char(out, ' ');
        write_value(out, series);
        lb_buffer_append_char(out, '\n');
    }
}

void lb_metrics_write(struct lb_buffer *out)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < families.count; i++)
        write_family(out, families.items[i]);
    pthread_mutex_unlock(&lock);
}
