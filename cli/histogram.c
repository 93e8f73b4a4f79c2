/* histogram.c - counts over time, by name. */
#include "histogram.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <string.h>
#include <time.h>

static const int64_t ladder[] = { 1,    5,     10,    30,    60,    300,    600,     1800,
                                  3600, 10800, 21600, 43200, 86400, 604800, 4838400, 29030400 };

void histogram_init(struct histogram *histogram, int64_t every_ns)
{
    time_t now = (time_t)(lb_clock_now() / LB_SECOND);
    struct tm parts;

    localtime_r(&now, &parts);
    *histogram = (struct histogram){ .every_ns = every_ns > 0 ? every_ns : ladder[0] * LB_SECOND,
                                     .fixed = every_ns > 0,
                                     .offset_ns = parts.tm_gmtoff * LB_SECOND };
}

void histogram_free(struct histogram *histogram)
{
    for (uint32_t i = 0; i < histogram->name_count; i++)
        lb_free((void *)histogram->names[i].ptr);
    lb_free(histogram->buckets);
}

uint32_t histogram_name(struct histogram *histogram, struct lb_str name)
{
    for (uint32_t i = 0; i < histogram->name_count; i++) {
        if (lb_str_equal(histogram->names[i], name))
            return i;
    }
    if (histogram->name_count == HISTOGRAM_NAMES_MAX)
        return HISTOGRAM_NAMES_MAX - 1;
    if (histogram->name_count == HISTOGRAM_NAMES_MAX - 1)
        name = LB_STR("(others)");
    char *copy = lb_alloc(name.len + 1);
    if (copy == NULL) {
        histogram->failed = true;
        return 0;
    }
    memcpy(copy, name.ptr, name.len);
    histogram->names[histogram->name_count] = (struct lb_str){ copy, name.len };
    return histogram->name_count++;
}

static int64_t number_of(const struct histogram *histogram, int64_t time_ns)
{
    int64_t at = time_ns + histogram->offset_ns;
    int64_t number = at / histogram->every_ns;

    return number - (at % histogram->every_ns < 0);
}

int64_t histogram_begin(const struct histogram *histogram, int64_t number)
{
    return number * histogram->every_ns - histogram->offset_ns;
}

bool histogram_is_one(const struct histogram *histogram, int64_t first_ns, int64_t last_ns)
{
    if (first_ns > last_ns || first_ns < -INT64_MAX / 2 || last_ns > INT64_MAX / 2)
        return false;
    return number_of(histogram, first_ns) == number_of(histogram, last_ns);
}

/* To the next step of the ladder: whole buckets are joined, so no count is guessed. */
static bool widen(struct histogram *histogram)
{
    size_t step = 0;
    size_t kept = 0;

    while (step < sizeof(ladder) / sizeof(ladder[0]) && ladder[step] * LB_SECOND <= histogram->every_ns)
        step++;
    if (step == sizeof(ladder) / sizeof(ladder[0]))
        return false;
    struct histogram before = *histogram;
    histogram->every_ns = ladder[step] * LB_SECOND;
    for (size_t i = 0; i < histogram->count; i++) {
        struct histogram_bucket bucket = histogram->buckets[i];

        bucket.number = number_of(histogram, histogram_begin(&before, bucket.number));
        if (kept > 0 && histogram->buckets[kept - 1].number == bucket.number) {
            for (uint32_t j = 0; j < HISTOGRAM_NAMES_MAX; j++)
                histogram->buckets[kept - 1].counts[j] += bucket.counts[j];
        } else {
            histogram->buckets[kept++] = bucket;
        }
    }
    histogram->count = kept;
    return true;
}

void histogram_fit(struct histogram *histogram, int64_t first_ns, int64_t last_ns)
{
    if (histogram->fixed || first_ns > last_ns || first_ns < -INT64_MAX / 2 || last_ns > INT64_MAX / 2)
        return;
    while (number_of(histogram, last_ns) - number_of(histogram, first_ns) >= HISTOGRAM_ROWS_AUTO && widen(histogram))
        continue;
}

/* The index of the first bucket that is not before `number`. */
static size_t find(const struct histogram *histogram, int64_t number)
{
    size_t low = 0;
    size_t high = histogram->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (histogram->buckets[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct histogram_bucket *bucket_of(struct histogram *histogram, int64_t number)
{
    size_t at = histogram->count;

    if (at == 0 || histogram->buckets[at - 1].number >= number)
        at = find(histogram, number);
    if (at < histogram->count && histogram->buckets[at].number == number)
        return &histogram->buckets[at];
    struct histogram_bucket *buckets =
        lb_grown(histogram->buckets, histogram->count, &histogram->capacity, sizeof(*buckets));

    if (buckets == NULL) {
        histogram->failed = true;
        return NULL;
    }
    histogram->buckets = buckets;
    memmove(&histogram->buckets[at + 1], &histogram->buckets[at],
            (histogram->count - at) * sizeof(*histogram->buckets));
    histogram->count++;
    histogram->buckets[at] = (struct histogram_bucket){ .number = number };
    return &histogram->buckets[at];
}

void histogram_add(struct histogram *histogram, int64_t time_ns, uint32_t name, uint64_t count)
{
    struct histogram_bucket *bucket = bucket_of(histogram, number_of(histogram, time_ns));

    if (bucket != NULL)
        bucket->counts[name] += count;
    if (histogram->count > 1)
        histogram_fit(histogram, histogram_begin(histogram, histogram->buckets[0].number),
                      histogram_begin(histogram, histogram->buckets[histogram->count - 1].number));
}
