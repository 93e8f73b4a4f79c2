/*
 * histogram.h - counts over time, by name.
 *
 * Either the width of a bucket is given, or it grows as the span does: then
 * it is one of a ladder in which each step divides the next, so that buckets
 * are joined exactly. Names past HISTOGRAM_NAMES_MAX are counted as the last.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include "lb_str.h"

#include <stdbool.h>
#include <stdint.h>

enum { HISTOGRAM_NAMES_MAX = 32, HISTOGRAM_ROWS_AUTO = 48 };

struct histogram_bucket {
    int64_t number; /* of the bucket: time / every, rounded down */
    uint64_t counts[HISTOGRAM_NAMES_MAX];
};

struct histogram {
    int64_t every_ns;
    bool fixed;        /* `every_ns` was given */
    int64_t offset_ns; /* of the local zone: buckets begin at local midnight */
    struct lb_str names[HISTOGRAM_NAMES_MAX];
    uint32_t name_count;
    struct histogram_bucket *buckets; /* sorted by number */
    size_t count, capacity;
    uint64_t without_time;
    bool failed; /* out of memory */
};

/* `every_ns` 0: it follows from the span. */
void histogram_init(struct histogram *histogram, int64_t every_ns);
void histogram_free(struct histogram *histogram);

/* The index of a name; the text is copied. */
uint32_t histogram_name(struct histogram *histogram, struct lb_str name);

/* Both times are of one bucket. */
bool histogram_is_one(const struct histogram *histogram, int64_t first_ns, int64_t last_ns);

void histogram_add(struct histogram *histogram, int64_t time_ns, uint32_t name, uint64_t count);

/* Makes an automatic width at least so large that [first, last] has few enough rows. */
void histogram_fit(struct histogram *histogram, int64_t first_ns, int64_t last_ns);

int64_t histogram_begin(const struct histogram *histogram, int64_t number);

#endif
