/*
 * alert_sketch.c - bins that grow by a factor of gamma.
 *
 * A value x lies in bin ⌈log_gamma x⌉ and is told as the middle of that bin,
 * which is wrong by at most one percent. Bins are kept from the lowest to the
 * highest in use, grown in steps so that a steady stream stops allocating.
 */
#include "alert_sketch.h"

#include "lb_alloc.h"

#include <math.h>
#include <string.h>

enum { BIN_MIN = -1037, BIN_MAX = 1382, BIN_STEP = 32 }; /* of 1e-9 and 1e12 */

static const double accuracy = 0.01;

static double gamma_of(void)
{
    return (1 + accuracy) / (1 - accuracy);
}

static const double inverse_log_gamma = 49.998333249994; /* 1 / ln(1.01 / 0.99) */

/*
 * log_gamma, wrong by less than 0.0006: the exponent, and for the rest of the logarithm to base 2 the polynomial that
 * is right at six Chebyshev nodes.
 */
static double near_log_gamma(double magnitude)
{
    const uint64_t fraction = (UINT64_C(1) << 52) - 1;
    uint64_t bits;
    double x;

    memcpy(&bits, &magnitude, sizeof(bits));
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & fraction) | UINT64_C(1023) << 52;
    memcpy(&x, &bits, sizeof(x));
    x = 2 * x - 3; /* [1, 2) to [-1, 1) */
    x = 0.5849507627495906 +
        x * (0.4809017168331547 +
             x * (-0.0799394276829052 + x * (0.0177506854997731 + x * (-0.0049985131318769 + x * 0.0013439049309969))));
    return (exponent + x) * inverse_log_gamma * 0.6931471805599453; /* ln 2 */
}

/* Where the bins meet the exact logarithm decides. */
static double bin_number(double magnitude)
{
    static const double doubt = 0.001;
    double near = near_log_gamma(magnitude);
    double number = ceil(near);

    return number - near < doubt || number - near > 1 - doubt ? ceil(log(magnitude) * inverse_log_gamma) : number;
}

struct lb_alert_bin lb_alert_sketch_bin(double value)
{
    struct lb_alert_bin bin = { .sign = (value > 0) - (value < 0) };
    double number;

    if (bin.sign == 0)
        return bin;
    number = bin_number(fabs(value));
    if (number < BIN_MIN)
        number = BIN_MIN;
    bin.number = number > BIN_MAX ? BIN_MAX : (int32_t)number;
    return bin;
}

static double value_of(int32_t bin)
{
    return 2 * pow(gamma_of(), bin) / (gamma_of() + 1);
}

/* Room for the bins [low, high]. */
static bool reserve(struct lb_alert_bins *bins, int32_t low, int32_t high)
{
    struct lb_alert_bins grown;

    if (bins->size > 0 && low >= bins->first && high < bins->first + (int32_t)bins->size)
        return true;
    if (bins->size > 0) {
        low = low < bins->first ? low - BIN_STEP : bins->first;
        high = high >= bins->first + (int32_t)bins->size ? high + BIN_STEP : bins->first + (int32_t)bins->size - 1;
    }
    grown = (struct lb_alert_bins){ .first = low, .size = (uint32_t)(high - low) + 1 };
    grown.counts = lb_alloc(grown.size * sizeof(*grown.counts));
    if (grown.counts == NULL)
        return false;
    if (bins->size > 0)
        memcpy(grown.counts + (bins->first - low), bins->counts, bins->size * sizeof(*bins->counts));
    lb_free(bins->counts);
    *bins = grown;
    return true;
}

bool lb_alert_sketch_add(struct lb_alert_sketch *sketch, struct lb_alert_bin bin)
{
    struct lb_alert_bins *bins = bin.sign > 0 ? &sketch->positive : &sketch->negative;

    if (bin.sign == 0) {
        sketch->zeros++;
        sketch->total++;
        return true;
    }
    if (!reserve(bins, bin.number, bin.number))
        return false;
    bins->counts[bin.number - bins->first]++;
    sketch->place.above += sketch->place.known && bin.sign > 0 && bin.number > sketch->place.bin;
    sketch->total++;
    return true;
}

static bool reserve_for(struct lb_alert_bins *bins, const struct lb_alert_bins *other)
{
    return other->size == 0 || reserve(bins, other->first, other->first + (int32_t)other->size - 1);
}

static void add_bins(struct lb_alert_bins *bins, const struct lb_alert_bins *other)
{
    for (uint32_t i = 0; i < other->size; i++)
        bins->counts[(uint32_t)(other->first - bins->first) + i] += other->counts[i];
}

bool lb_alert_sketch_merge(struct lb_alert_sketch *sketch, const struct lb_alert_sketch *other)
{
    if (!reserve_for(&sketch->positive, &other->positive) || !reserve_for(&sketch->negative, &other->negative))
        return false;
    add_bins(&sketch->positive, &other->positive);
    add_bins(&sketch->negative, &other->negative);
    sketch->zeros += other->zeros;
    sketch->total += other->total;
    sketch->place.known = false;
    return true;
}

/* The other may have room for bins that these have not: nothing is counted there. */
static void subtract_bins(struct lb_alert_bins *bins, const struct lb_alert_bins *other)
{
    for (uint32_t i = 0; i < other->size; i++)
        if (other->counts[i] > 0)
            bins->counts[other->first - bins->first + (int32_t)i] -= other->counts[i];
}

void lb_alert_sketch_subtract(struct lb_alert_sketch *sketch, const struct lb_alert_sketch *other)
{
    subtract_bins(&sketch->positive, &other->positive);
    subtract_bins(&sketch->negative, &other->negative);
    sketch->zeros -= other->zeros;
    sketch->total -= other->total;
    sketch->place.known = false;
}

/* The bin of the `rank`-th greatest value, from where the last one was. False: all that are positive lie above it. */
static bool find_place(const struct lb_alert_bins *bins, struct lb_alert_place *place, uint64_t rank)
{
    int32_t bin = place->known ? place->bin : bins->first + (int32_t)bins->size - 1;
    uint64_t above = place->known ? place->above : 0;

    while (above >= rank)
        above -= bins->counts[++bin - bins->first];
    while (bin >= bins->first && above + bins->counts[bin - bins->first] < rank)
        above += bins->counts[bin-- - bins->first];
    place->above = above;
    if (bin < bins->first) {
        place->known = false;
        return false;
    }
    if (!place->known || bin != place->bin)
        place->value = value_of(bin);
    place->bin = bin;
    place->known = true;
    return true;
}

/* `rank` of those that are not positive, from the greatest on. */
static double below_place(const struct lb_alert_sketch *sketch, uint64_t rank)
{
    uint64_t seen = sketch->zeros;

    for (uint32_t i = 0; seen < rank && i < sketch->negative.size; i++) {
        seen += sketch->negative.counts[i];
        if (seen >= rank)
            return -value_of(sketch->negative.first + (int32_t)i);
    }
    return 0;
}

double lb_alert_sketch_quantile(struct lb_alert_sketch *sketch, double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)sketch->total);

    if (sketch->total == 0)
        return 0;
    rank = sketch->total - (rank > 0 ? rank : 1) + 1; /* from the greatest on */
    if (find_place(&sketch->positive, &sketch->place, rank))
        return sketch->place.value;
    return below_place(sketch, rank - sketch->place.above);
}

static void reset_bins(struct lb_alert_bins *bins)
{
    if (bins->size > 0)
        memset(bins->counts, 0, bins->size * sizeof(*bins->counts));
}

void lb_alert_sketch_reset(struct lb_alert_sketch *sketch)
{
    reset_bins(&sketch->positive);
    reset_bins(&sketch->negative);
    sketch->zeros = 0;
    sketch->total = 0;
    sketch->place.known = false;
}

void lb_alert_sketch_free(struct lb_alert_sketch *sketch)
{
    lb_free(sketch->positive.counts);
    lb_free(sketch->negative.counts);
    *sketch = (struct lb_alert_sketch){ 0 };
}
