/*
 * daemon_stop.c - the stages are taken down along the flow, in a time that is bounded.
 *
 * Sinks end by the deadline themselves. A worker in a long match, or a disk that hangs, may not; so a guard ends the
 * process when the time is over: what was not delivered is kept, or comes again.
 */
#include "daemon.h"

#include "lb_intake.h"
#include "lb_log.h"

#include <time.h>
#include <unistd.h>

#define STOP_GRACE (2 * LB_SECOND) /* past shutdown_timeout, for the last commits */

/* --- a stop that takes too long -------------------------------------------------- */

static void *guard_stop(void *context)
{
    struct lb_daemon *daemon = context;
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t left = daemon->guard.deadline - (at.tv_sec * LB_SECOND + at.tv_nsec);
    int64_t until = at.tv_sec * LB_SECOND + at.tv_nsec + (left > 0 ? left : 0);
    at = (struct timespec){ .tv_sec = until / LB_SECOND, .tv_nsec = until % LB_SECOND };
    pthread_mutex_lock(&daemon->lock);
    int err = 0;
    while (!daemon->guard.done && err == 0)
        err = pthread_cond_timedwait(&daemon->progress, &daemon->lock, &at);
    bool done = daemon->guard.done;
    pthread_mutex_unlock(&daemon->lock);
    if (!done) {
        LB_ERROR("daemon",
                 "a stage did not end within shutdown_timeout, ending at once; what is left comes again at the "
                 "next start where the source can be read again");
        _exit(1);
    }
    return NULL;
}

/* Sinks end by the deadline themselves; the rest (a worker in a long match, a disk that hangs) may not. */
void start_guard(struct lb_daemon *daemon, int64_t timeout_ns)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    daemon->guard.deadline = now.tv_sec * LB_SECOND + now.tv_nsec + timeout_ns + STOP_GRACE;
    daemon->guard.running = pthread_create(&daemon->guard.thread, NULL, guard_stop, daemon) == 0;
}

void end_guard(struct lb_daemon *daemon)
{
    if (!daemon->guard.running)
        return;
    pthread_mutex_lock(&daemon->lock);
    daemon->guard.done = true;
    pthread_cond_broadcast(&daemon->progress);
    pthread_mutex_unlock(&daemon->lock);
    pthread_join(daemon->guard.thread, NULL);
    daemon->guard.running = false;
}

static void stop_source(void *context)
{
    struct lb_source *source = context;

    source->type->stop(source);
}

static void stop_sources(struct lb_daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->sources_open; i++) {
        struct lb_source *source = daemon->current->sources[i].source;

        lb_loop_post(source->loop, stop_source, source);
    }
    lb_loop_stop(daemon->file_loop);
    lb_loop_stop(daemon->socket_loop);
    for (uint32_t i = 0; i < daemon->sources_open; i++) {
        struct lb_intake *intake = daemon->current->sources[i].source->intake;

        if (intake != NULL)
            lb_intake_finish(intake);
    }
}

static void stop_workers(struct lb_daemon *daemon)
{
    lb_queue_close(&daemon->intake);
    for (uint32_t i = 0; i < daemon->worker_count; i++)
        pthread_join(daemon->workers[i], NULL);
    if (daemon->alerts != NULL)
        lb_alert_engine_stop(daemon->alerts);
}

static bool stop_sinks(struct lb_daemon *daemon, int64_t deadline)
{
    bool all = true;

    for (uint32_t i = 0; i < daemon->retired_count; i++)
        all = lb_delivery_stop(daemon->retired[i].sink->delivery, deadline) && all;
    for (uint32_t i = 0; i < daemon->sinks_open; i++)
        all = lb_delivery_stop(daemon->current->sinks[i].sink->delivery, deadline) && all;
    return all;
}

/* Along the flow, once. True: all is delivered. The HTTP server still answers meanwhile. */
bool take_down(struct lb_daemon *daemon, int64_t deadline)
{
    daemon->down = true;
    self_stop(daemon->self);
    stop_sources(daemon);
    stop_workers(daemon);
    return stop_sinks(daemon, deadline);
}
