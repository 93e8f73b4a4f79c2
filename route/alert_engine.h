/*
 * alert_engine.h - the engine without its thread: what the thread calls, and
 * tests. One thread at a time; only lb_alert_engine_write() may run beside.
 */
#ifndef LB_ALERT_ENGINE_H
#define LB_ALERT_ENGINE_H

#include "lb_alert_steps.h"

#endif
