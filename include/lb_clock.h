/*
 * lb_clock.h - what time it is, in nanoseconds.
 *
 * Everything that decides by time asks here, so that tests can set the clock:
 * a virtual clock stands still until lb_clock_set() moves it. Thread-safe.
 */
#ifndef LB_CLOCK_H
#define LB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define LB_SECOND INT64_C(1000000000)
#define LB_MILLISECOND INT64_C(1000000)
#define LB_TIME_NONE INT64_MIN

int64_t lb_clock_now(void);       /* Unix time */
int64_t lb_clock_monotonic(void); /* for intervals and deadlines */

void lb_clock_set(int64_t now_ns); /* from here on both clocks stand at `now_ns`; LB_TIME_NONE: real again */

#endif
