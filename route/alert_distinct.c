/* alert_distinct.c - HyperLogLog over 52 bits of hash: 11 choose the register, the others give its rank. */
#include "alert_distinct.h"

#include "lb_alloc.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

enum { HASH_BITS = 52, REGISTER_BITS = 11 };

double lb_alert_distinct_number(struct lb_str value)
{
    return (double)(XXH3_64bits(value.ptr, value.len) >> (64 - HASH_BITS));
}

static bool have_registers(struct lb_alert_distinct *self)
{
    if (self->registers == NULL) {
        self->registers = lb_alloc(LB_ALERT_REGISTERS);
        self->counted = false;
    }
    return self->registers != NULL;
}

/* 2 to the power of minus `rank`: a double of that exponent. */
static double share_of(uint8_t rank)
{
    enum { BIAS = 1023, FRACTION_BITS = 52 };
    uint64_t bits = (uint64_t)(BIAS - rank) << FRACTION_BITS;
    double share;

    memcpy(&share, &bits, sizeof(share));
    return share;
}

static void count(struct lb_alert_distinct *self)
{
    self->sum = 0;
    self->empty = 0;
    for (int i = 0; i < LB_ALERT_REGISTERS; i++) {
        self->sum += share_of(self->registers[i]);
        self->empty += self->registers[i] == 0;
    }
    self->counted = true;
}

bool lb_alert_distinct_add(struct lb_alert_distinct *self, double number)
{
    uint64_t hash = (uint64_t)number;
    uint64_t rest = hash >> REGISTER_BITS | UINT64_C(1) << (HASH_BITS - REGISTER_BITS);
    uint8_t rank = (uint8_t)(__builtin_ctzll(rest) + 1);

    if (!have_registers(self))
        return false;
    uint8_t *slot = &self->registers[hash & (LB_ALERT_REGISTERS - 1)];
    if (rank <= *slot)
        return true;
    self->sum += share_of(rank) - share_of(*slot);
    self->empty -= *slot == 0;
    *slot = rank;
    return true;
}

/* Sixteen at once: no two sets share registers. */
static void take_maxima(uint8_t *restrict ours, const uint8_t *restrict theirs)
{
    for (int i = 0; i < LB_ALERT_REGISTERS; i++)
        ours[i] = theirs[i] > ours[i] ? theirs[i] : ours[i];
}

bool lb_alert_distinct_merge(struct lb_alert_distinct *self, const struct lb_alert_distinct *other)
{
    if (other->registers == NULL)
        return true;
    if (!have_registers(self))
        return false;
    take_maxima(self->registers, other->registers);
    self->counted = false;
    return true;
}

bool lb_alert_distinct_load(struct lb_alert_distinct *self, const uint8_t registers[LB_ALERT_REGISTERS])
{
    if (!have_registers(self))
        return false;
    memcpy(self->registers, registers, LB_ALERT_REGISTERS);
    self->counted = false;
    return true;
}

double lb_alert_distinct_estimate(struct lb_alert_distinct *self)
{
    static const double alpha = 0.7213 / (1 + 1.079 / LB_ALERT_REGISTERS);
    double size = LB_ALERT_REGISTERS;

    if (self->registers == NULL)
        return 0;
    if (!self->counted)
        count(self);
    double estimate = alpha * size * size / self->sum;
    if (estimate <= 2.5 * size && self->empty > 0)
        estimate = size * log(size / self->empty);
    return round(estimate);
}

void lb_alert_distinct_reset(struct lb_alert_distinct *self)
{
    if (self->registers != NULL)
        memset(self->registers, 0, LB_ALERT_REGISTERS);
    self->counted = false;
}

void lb_alert_distinct_free(struct lb_alert_distinct *self)
{
    lb_free(self->registers);
    *self = (struct lb_alert_distinct){ 0 };
}
