/*
 * source_timer.h - what a source does next, and when.
 *
 * An event of the source's loop, set for an instant of the monotonic clock.
 * One that is past is due at once, but as an event of its own, never within
 * the call. Without memory for it the source stands still, and the log says so.
 */
#ifndef SOURCE_TIMER_H
#define SOURCE_TIMER_H

#include "lb_source.h"

#include <event2/event.h>

#define SOURCE_TIMER_NOW 0

void source_timer_set(const struct lb_source *source, struct event *timer, int64_t due_ns);

#endif
