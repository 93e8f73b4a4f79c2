/*
 * lb_loop.h - a thread that waits for file descriptors, timers and messages.
 *
 * A libevent base and its thread. Files and sockets have separate loops, so
 * that a slow disk never delays a datagram. Callbacks run on the loop's
 * thread; lb_loop_post() is the only call for other threads.
 */
#ifndef LB_LOOP_H
#define LB_LOOP_H

#include "lb_err.h"

#include <stdint.h>

struct event_base; /* of libevent */
struct lb_loop;

struct lb_loop *lb_loop_new(const char *thread_name);
enum lb_err lb_loop_start(struct lb_loop *loop) LB_MUST_USE;
void lb_loop_stop(struct lb_loop *loop); /* runs what was posted, then joins the thread */
void lb_loop_free(struct lb_loop *loop);

struct event_base *lb_loop_base(struct lb_loop *loop);

/*
 * Holds the loop's thread between two callbacks until it is let go, so that the caller may open and stop what runs on
 * it. Never from the loop's own thread; not after lb_loop_stop().
 */
void lb_loop_hold(struct lb_loop *loop);
void lb_loop_let_go(struct lb_loop *loop);

/* Returns when everything that was posted before has run. Never from the loop's own thread, nor while it is held. */
void lb_loop_flush(struct lb_loop *loop);

/* Runs `call(context)` on the loop's thread, in order of posting. Any thread, also before start; dropped after stop. */
void lb_loop_post(struct lb_loop *loop, void (*call)(void *context), void *context);

#endif
