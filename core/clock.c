/* clock.c - the time, real or set by a test. */
#include "lb_clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t virtual_ns = LB_TIME_NONE;

static int64_t read_clock(clockid_t id)
{
    int64_t set = atomic_load_explicit(&virtual_ns, memory_order_relaxed);
    struct timespec now;

    if (set != LB_TIME_NONE)
        return set;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * LB_SECOND + now.tv_nsec;
}

int64_t lb_clock_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t lb_clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void lb_clock_set(int64_t now_ns)
{
    atomic_store(&virtual_ns, now_ns);
}
