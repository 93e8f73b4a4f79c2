/* alert_distinct.c - HyperLogLog over 52 bits of hash: 11 choose the register, the others give its rank. */
#include "alert_distinct.h"

#include <math.h>
#include <xxhash.h>

enum { HASH_BITS = 52, REGISTER_BITS = 11 };

double lb_alert_distinct_number(struct lb_str value)
{
    return (double)(XXH3_64bits(value.ptr, value.len) >> (64 - HASH_BITS));
}

void lb_alert_distinct_add(uint8_t *registers, double number)
{
    uint64_t hash = (uint64_t)number;
    uint64_t rest = hash >> REGISTER_BITS | UINT64_C(1) << (HASH_BITS - REGISTER_BITS);
    uint8_t rank = (uint8_t)(__builtin_ctzll(rest) + 1);
    uint8_t *slot = &registers[hash & (LB_ALERT_REGISTERS - 1)];

    if (rank > *slot)
        *slot = rank;
}

void lb_alert_distinct_merge(uint8_t *registers, const uint8_t *others)
{
    for (int i = 0; i < LB_ALERT_REGISTERS; i++)
        registers[i] = others[i] > registers[i] ? others[i] : registers[i];
}

double lb_alert_distinct_estimate(const uint8_t *registers)
{
    static const double alpha = 0.7213 / (1 + 1.079 / LB_ALERT_REGISTERS);
    double size = LB_ALERT_REGISTERS;
    double sum = 0;
    int empty = 0;

    for (int i = 0; i < LB_ALERT_REGISTERS; i++) {
        sum += ldexp(1, -registers[i]);
        empty += registers[i] == 0;
    }
    double estimate = alpha * size * size / sum;
    if (estimate <= 2.5 * size && empty > 0)
        estimate = size * log(size / empty);
    return round(estimate);
}
