/*
 * alert_engine.h - the engine without its thread: what the thread calls, and
 * tests. One thread at a time; only lb_alert_engine_write() may run beside.
 */
#ifndef LB_ALERT_ENGINE_H
#define LB_ALERT_ENGINE_H

#include "lb_alert.h"

/* Applies the feeds of one batch; its arrival moves the clock. */
void lb_alert_engine_apply(struct lb_alert_engine *engine, const struct lb_batch *batch);

/* The clock stands at `now`. `last`: nothing will come any more. */
void lb_alert_engine_tick(struct lb_alert_engine *engine, int64_t now, bool last);

/* Delivers what waits. False: no credit for all of it. */
bool lb_alert_engine_flush(struct lb_alert_engine *engine);

#endif
