/*
 * daemon_notify.c - what systemd is told: ready, reloading, stopping, alive.
 *
 * A ping means that work gets done, not that the main thread is there. At
 * each look every loop is asked for a sign, and batches that were queued at
 * the last look must have moved since; whatever stands still withholds the
 * ping, and when that has lasted for WatchdogSec systemd restarts us. A sink
 * that waits for its receiver is no reason: it holds up nobody but itself or,
 * if it is told to, the sources, and says so in /health.
 */
#include "daemon.h"

#include "lb_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define MODULE "daemon"

enum { LOOKS_PER_INTERVAL = 4, STOP_MARGIN_S = 10 };

/* --- what it is doing ------------------------------------------------------------- */

static void write_status(const struct lb_daemon *daemon, const char *more, char *text, size_t size)
{
    const struct generation *current = daemon->current;

    snprintf(text, size, "%u sources, %u sinks, %u rules; configuration %u%s%s", current->config->source_count,
             current->config->sink_count, lb_alerting_rule_count(&current->config->alerting), current->number,
             more[0] != '\0' ? "; " : "", more);
}

void notify_ready(struct lb_daemon *daemon, const char *more)
{
    char status[256];

    write_status(daemon, more, status, sizeof(status));
    sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

/* The time of the clock that systemd compares with: which READY=1 belongs to which reload. */
void notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reading the configuration again",
               (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

/* A stop takes at most `timeout_ns`; systemd's own patience must not be shorter. */
void notify_stopping(int64_t timeout_ns)
{
    int64_t most = INT64_MAX - STOP_MARGIN_S * LB_SECOND;
    int64_t patience = (timeout_ns < most ? timeout_ns : most) + STOP_MARGIN_S * LB_SECOND;

    sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64 "\nSTATUS=delivering what is on its way", patience / 1000);
}

/* --- alive ---------------------------------------------------------------------------- */

int64_t watchdog_interval(void)
{
    uint64_t us = 0;

    if (sd_watchdog_enabled(0, &us) <= 0 || us > INT64_MAX / 1000)
        return 0;
    return (int64_t)us * 1000 / LOOKS_PER_INTERVAL;
}

static void give_sign(void *context)
{
    atomic_uint *signs = context;

    atomic_fetch_add(signs, 1);
}

/* True when it has answered the question before; then it is asked the next one. */
static bool loop_moves(struct lb_loop *loop, struct loop_watch *watch)
{
    if (atomic_load(&watch->signs) != watch->asked)
        return false;
    watch->asked++;
    lb_loop_post(loop, give_sign, &watch->signs);
    return true;
}

/* True when some batch left the sequencer since the last look, or none had to. */
static bool work_moves(struct lb_daemon *daemon)
{
    uint64_t handed_on = atomic_load(&daemon->handed_on);
    bool moves = handed_on != daemon->watch.handed_on || handed_on >= daemon->watch.queued;

    daemon->watch.handed_on = handed_on;
    daemon->watch.queued = lb_queue_pushed(&daemon->intake);
    return moves;
}

/* True when all stages have moved. What does not is told once. */
static bool is_alive(struct lb_daemon *daemon)
{
    bool files = loop_moves(daemon->file_loop, &daemon->watch.files);
    bool sockets = loop_moves(daemon->socket_loop, &daemon->watch.sockets);
    bool work = work_moves(daemon);
    bool alive = files && sockets && work;

    if (!alive && !daemon->watch.stuck)
        LB_ERROR(MODULE,
                 "a stage does not move, the watchdog is not told that all is well files=%s sockets=%s workers=%s",
                 files ? "ok" : "stuck", sockets ? "ok" : "stuck", work ? "ok" : "stuck");
    if (alive && daemon->watch.stuck)
        LB_INFO(MODULE, "every stage moves again");
    daemon->watch.stuck = !alive;
    return alive;
}

void watchdog_look(struct lb_daemon *daemon)
{
    if (is_alive(daemon))
        sd_notify(0, "WATCHDOG=1");
}
