/*
 * alert_distinct.h - how many different values there were, in two KiB.
 *
 * HyperLogLog (Flajolet et al., 2007) with 2048 registers: the standard error
 * is 2.3 %; few values are counted by the registers that stayed empty, which
 * is nearly exact. Registers of two sets merge by their maxima. The estimate
 * is asked for at every record, so what it is made of is kept up to date: a
 * sum of powers of two, which a double holds exactly, in whatever order.
 */
#ifndef LB_ALERT_DISTINCT_H
#define LB_ALERT_DISTINCT_H

#include "lb_str.h"

#include <stdbool.h>
#include <stdint.h>

enum { LB_ALERT_REGISTERS = 2048 };

/* Zero: of no value. */
struct lb_alert_distinct {
    uint8_t *registers; /* NULL until first needed */
    double sum;         /* over the registers, of 2 to the power of minus what is in it */
    uint32_t empty;     /* registers */
    bool counted;       /* sum and empty are valid */
};

/* A value as a number that stands for it: 52 bits of its hash, which a double holds exactly. */
double lb_alert_distinct_number(struct lb_str value);

/* These say false where there is no memory. */
bool lb_alert_distinct_add(struct lb_alert_distinct *self, double number);
bool lb_alert_distinct_merge(struct lb_alert_distinct *self, const struct lb_alert_distinct *other);
bool lb_alert_distinct_load(struct lb_alert_distinct *self, const uint8_t registers[LB_ALERT_REGISTERS]);

double lb_alert_distinct_estimate(struct lb_alert_distinct *self);
void lb_alert_distinct_reset(struct lb_alert_distinct *self); /* keeps its memory */
void lb_alert_distinct_free(struct lb_alert_distinct *self);

#endif
