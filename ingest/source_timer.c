/*
 * source_timer.c - see source_timer.h. Microseconds are rounded up: what comes early would find nothing due.
 */
#include "source_timer.h"

#include "lb_clock.h"
#include "lb_log.h"

void source_timer_set(const struct lb_source *source, struct event *timer, int64_t due_ns)
{
    int64_t wait = due_ns - lb_clock_monotonic();
    struct timeval delay = { wait > 0 ? wait / LB_SECOND : 0, wait > 0 ? wait % LB_SECOND / 1000 + 1 : 0 };

    if (evtimer_add(timer, &delay) != 0)
        LB_ERROR("source", "no memory for a timer, the source stands still source=" LB_STR_FMT,
                 LB_STR_ARG(source->section.name));
}
