/*
 * alert_distinct.h - how many different values there were, in two KiB.
 *
 * HyperLogLog (Flajolet et al., 2007) with 2048 registers: the standard error
 * is 2.3 %; few values are counted by the registers that stayed empty, which
 * is nearly exact. Registers of two sets merge by their maxima.
 */
#ifndef LB_ALERT_DISTINCT_H
#define LB_ALERT_DISTINCT_H

#include "lb_str.h"

#include <stdint.h>

enum { LB_ALERT_REGISTERS = 2048 };

/* A value as a number that stands for it: 52 bits of its hash, which a double holds exactly. */
double lb_alert_distinct_number(struct lb_str value);

void lb_alert_distinct_add(uint8_t *registers, double number);
void lb_alert_distinct_merge(uint8_t *registers, const uint8_t *others);
double lb_alert_distinct_estimate(const uint8_t *registers);

#endif
