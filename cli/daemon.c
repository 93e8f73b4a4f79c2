/*
 * daemon.c - wires the stages of a configuration and takes them down along
 * the flow.
 *
 * Everything behind the sources is running before the first source opens, and
 * is still running when the last one has stopped; so no stage ever meets a
 * neighbour that is not there. Signals are blocked in every thread and read
 * by the main thread alone.
 */
#include "daemon.h"
#include "daemon_api.h"

#include "lb_alloc.h"
#include "lb_expr.h"
#include "lb_log.h"
#include "lb_markers.h"
#include "lb_metrics.h"
#include "lb_mutes.h"
#include "lb_sockets.h"
#include "notice_history.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { LISTS_EVERY_MS = 1000 }; /* how often lists in files are looked at */

static const struct lb_place nowhere;

/* --- start ------------------------------------------------------------------ */

/* The first sinks are numbered as they stand in the configuration. */
static struct lb_streams *make_streams(struct lb_daemon *daemon)
{
    const struct lb_config *config = daemon->current->config;
    struct lb_str names[LB_SINKS_MAX + 1];
    const struct lb_strs consumers = { names, config->sink_count + 1 };

    for (uint32_t i = 0; i < config->sink_count; i++)
        names[i] = config->sinks[i].section.name;
    names[config->sink_count] = LB_STR(LB_ALERTS_CONSUMER);
    daemon->alert_number = config->sink_count;
    return lb_streams_new(daemon->ledger, &consumers);
}

static void tell_bad_ledger(const char *path, struct lb_diag *diag)
{
    uint32_t version = lb_ledger_version(path);

    if (version > LB_LEDGER_VERSION)
        lb_diag_error(
            diag, nowhere,
            "%s is of version %u, written by a newer logboom; this one knows versions up to %d. It is left as "
            "it is: go on with the newer logboom, or give this one another data_dir",
            path, version, LB_LEDGER_VERSION);
    else
        lb_diag_error(diag, nowhere,
                      "%s is not a ledger of logboom; move data_dir away to start anew (files are then read from their "
                      "beginning)",
                      path);
}

static bool open_ledger(struct lb_daemon *daemon, struct lb_diag *diag)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), LB_STR_FMT "/ledger", LB_STR_ARG(daemon->current->config->data_dir));
    switch (lb_ledger_open(&daemon->ledger, path)) {
    case LB_OK: break;
    case LB_BAD_INPUT: tell_bad_ledger(path, diag); return false;
    default: lb_diag_error(diag, nowhere, "cannot open %s: %s", path, strerror(errno)); return false;
    }
    daemon->moved = data_dir_moved(daemon->ledger, daemon->lock_fd);
    daemon->streams = make_streams(daemon);
    if (daemon->streams == NULL)
        lb_diag_error(diag, nowhere, "cannot write %s (the log above says why)", path);
    return daemon->streams != NULL;
}

bool open_sink(struct lb_daemon *daemon, struct lb_sink *sink, struct lb_diag *diag)
{
    sink->ledger = daemon->ledger;
    sink->moved = daemon->moved;
    sink->exit_at_eof = daemon->exit_at_eof;
    sink->told = notice_history_told;
    sink->told_context = daemon->history;
    return sink->type->open == NULL || sink->type->open(sink, diag) == LB_OK;
}

void close_sink(struct lb_sink *sink)
{
    if (sink->type->close != NULL)
        sink->type->close(sink);
}

bool start_sink(struct lb_daemon *daemon, struct lb_sink *sink, int64_t commit_ns, struct lb_diag *diag)
{
    if (!open_sink(daemon, sink, diag))
        return false;
    if (lb_delivery_start(sink, daemon->streams, commit_ns) == LB_OK)
        return true;
    lb_diag_error(diag, nowhere,
                  "cannot start sink \"" LB_STR_FMT "\" (its threads, or its spool below " LB_STR_FMT "/spool): %s",
                  LB_STR_ARG(sink->section.name), LB_STR_ARG(sink->data_dir), strerror(errno));
    close_sink(sink);
    return false;
}

static bool open_sinks(struct lb_daemon *daemon, struct lb_diag *diag)
{
    struct lb_config *config = daemon->current->config;
    struct lb_str names[LB_SINKS_MAX];

    for (uint32_t i = 0; i < config->sink_count; i++) {
        assert(config->sinks[i].index == i);
        if (!start_sink(daemon, &config->sinks[i], config->commit_every_ns, diag))
            return false;
        daemon->sinks_open++;
    }
    for (uint32_t i = 0; i < config->sink_count; i++)
        names[i] = config->sinks[i].section.name;
    lb_delivery_tell_orphans(config->data_dir, &(struct lb_strs){ names, config->sink_count });
    daemon->moved = false;
    note_data_dir(daemon->ledger, daemon->lock_fd);
    return true;
}

/* What people set and what they were told, from runs before. */
static bool open_records_of_people(struct lb_daemon *daemon, struct lb_diag *diag)
{
    struct lb_str directory = daemon->current->config->data_dir;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), LB_STR_FMT "/silences", LB_STR_ARG(directory));
    daemon->mutes = lb_mutes_open(path, diag);
    snprintf(path, sizeof(path), LB_STR_FMT "/markers", LB_STR_ARG(directory));
    daemon->markers = lb_markers_open(path);
    snprintf(path, sizeof(path), LB_STR_FMT "/alerts.history", LB_STR_ARG(directory));
    daemon->history = notice_history_open(path);
    daemon->self = self_open(daemon);
    daemon->runs = runs_open(daemon);
    daemon->reports = reports_open(daemon);
    if (daemon->reports == NULL || daemon->runs == NULL || daemon->self == NULL || daemon->mutes == NULL ||
        daemon->markers == NULL || daemon->history == NULL)
        return false;
    lb_mutes_configure(daemon->mutes, &daemon->current->config->alerting);
    return true;
}

static bool start_workers(struct lb_daemon *daemon)
{
    uint64_t wanted = daemon->current->config->workers;

    if (wanted == 0)
        wanted = worker_count_allowed();

    daemon->intake.generation = &daemon->current->base;
    daemon->sequencer = lb_sequencer_new(flow_emit, daemon);
    if (daemon->sequencer == NULL)
        return false;
    for (uint64_t i = 0; i < wanted && i < LB_WORKERS_MAX; i++) {
        if (pthread_create(&daemon->workers[i], NULL, flow_work, daemon) != 0)
            break;
        daemon->worker_count++;
    }
    return daemon->worker_count > 0;
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGUSR1);
    sigaddset(set, SIGUSR2);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static double ask_allocations(void *context)
{
    (void)context;
    return (double)atomic_load_explicit(&lb_alloc_count, memory_order_relaxed);
}

static double ask_pool_used(void *context)
{
    return (double)lb_pool_used(context);
}

static void show_metrics(struct lb_daemon *daemon)
{
    lb_metric_ask(LB_COUNTER, "logboom_allocations_total",
                  "Allocations from the heap by logboom's own code; none of them per record", NULL, ask_allocations,
                  NULL);
    lb_metric_ask(LB_GAUGE, "logboom_pool_used_bytes", "Memory for records on their way that is in use", NULL,
                  ask_pool_used, daemon->pool);
    lb_metric_set(lb_metric(LB_GAUGE, "logboom_pool_limit_bytes", "Its bound", NULL),
                  (int64_t)lb_pool_max(daemon->pool));
}

static bool make_parts(struct lb_daemon *daemon)
{
    daemon->ended_fd = eventfd(0, EFD_CLOEXEC);
    daemon->control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    daemon->pool = lb_pool_new(daemon->current->config->memory);
    daemon->file_loop = lb_loop_new("files");
    daemon->socket_loop = lb_loop_new("sockets");
    daemon->reloads = reloads_new(daemon);
    return daemon->ended_fd >= 0 && daemon->control_fd >= 0 && daemon->pool != NULL && daemon->file_loop != NULL &&
           daemon->socket_loop != NULL && daemon->reloads != NULL;
}

/* A count that cannot be added to is there already. */
void wake_main(struct lb_daemon *daemon)
{
    uint64_t one = 1;

    (void)!write(daemon->control_fd, &one, sizeof(one));
}

static bool start_stages(struct lb_daemon *daemon, struct lb_diag *diag)
{
    if (!count_endings(daemon, diag))
        return false;
    daemon->lock_fd = lock_data_dir(daemon->current->config, diag);
    if (daemon->lock_fd < 0 || !open_ledger(daemon, diag) || !open_records_of_people(daemon, diag) ||
        !open_sinks(daemon, diag))
        return false;
    if (!make_alerts(daemon, daemon->current->config) ||
        (daemon->alerts != NULL && lb_alert_engine_start(daemon->alerts) != LB_OK) || !start_workers(daemon))
        return false;
    if (!open_sources(daemon, diag))
        return false;
    show_metrics(daemon);
    if (!self_start(daemon->self))
        return false;
    daemon->http = http_start(daemon, diag);
    daemon->control = control_start(daemon);
    if (diag->errors > 0)
        return false;
    return lb_loop_start(daemon->file_loop) == LB_OK && lb_loop_start(daemon->socket_loop) == LB_OK;
}

static struct lb_daemon *new_daemon(struct lb_config *config, const struct lb_daemon_settings *settings)
{
    struct lb_daemon *daemon = lb_alloc(sizeof(*daemon));
    pthread_condattr_t attr;

    if (daemon == NULL) {
        lb_config_free(config);
        return NULL;
    }
    pthread_mutex_init(&daemon->lock, NULL);
    pthread_mutex_init(&daemon->parts_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&daemon->progress, &attr);
    pthread_condattr_destroy(&attr);
    lb_queue_init(&daemon->intake);
    daemon->file = settings->file;
    daemon->log_level = settings->log_level;
    daemon->exit_at_eof = settings->exit_at_eof;
    daemon->started_ns = lb_clock_now();
    daemon->lock_fd = -1;
    daemon->ended_fd = -1;
    daemon->control_fd = -1;
    daemon->current = generation_new(daemon, config, 1);
    if (daemon->current != NULL)
        return daemon;
    lb_free(daemon);
    return NULL;
}

struct lb_daemon *lb_daemon_start(struct lb_config *config, const struct lb_daemon_settings *settings,
                                  struct lb_diag *diag)
{
    sigset_t set;

    block_signals(&set);
    lb_sockets_receive();

    struct lb_daemon *daemon = new_daemon(config, settings);

    if (daemon == NULL) {
        lb_diag_error(diag, nowhere, "out of memory at start");
        return NULL;
    }
    if (make_parts(daemon) && start_stages(daemon, diag)) {
        LB_INFO("daemon", "started sources=%u sinks=%u rules=%u workers=%u", config->source_count, config->sink_count,
                lb_alerting_rule_count(&config->alerting), daemon->worker_count);
        lb_sockets_tell_unused();
        audit_start(daemon);
        notify_ready(daemon, "");
        return daemon;
    }
    if (diag->errors == 0)
        lb_diag_error(diag, nowhere, "cannot start: %s", strerror(errno));
    lb_daemon_free(daemon);
    return NULL;
}

/* --- wait -------------------------------------------------------------------- */

static void change_log_level(int by)
{
    int level = atomic_load(&lb_log_level) + by;

    if (level < LB_LEVEL_ERROR || level > LB_LEVEL_TRACE)
        return;
    atomic_store(&lb_log_level, level);
    LB_LOG(LB_LEVEL_ERROR, "daemon", "own log level is now %s", lb_level_name((uint8_t)level).ptr);
}

/* True when it is a signal to end. */
static bool take_signal(struct lb_daemon *daemon, int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != sizeof(info))
        return false;
    switch (info.ssi_signo) {
    case SIGUSR1: change_log_level(1); return false;
    case SIGUSR2: change_log_level(-1); return false;
    case SIGHUP: reloads_request(daemon->reloads); return false;
    default: LB_INFO("daemon", "stopping signal=%s", strsignal((int)info.ssi_signo)); return true;
    }
}

/* Waits for a signal to end, or for the end of all files. Returns true for a signal. */
static bool wait_for_end(struct lb_daemon *daemon, int signal_fd)
{
    struct pollfd fds[] = { { signal_fd, POLLIN, 0 },
                            { daemon->ended_fd, POLLIN, 0 },
                            { daemon->control_fd, POLLIN, 0 } };
    int64_t interval = watchdog_interval();
    int wait = interval > 0 ? (int)(interval / LB_MILLISECOND) + 1 : -1;
    int64_t look_at = interval > 0 ? lb_clock_monotonic() : INT64_MAX;
    uint64_t count;

    for (;;) {
        bool lists = lb_expr_lists_look();
        int most = lists && (wait < 0 || wait > LISTS_EVERY_MS) ? LISTS_EVERY_MS : wait;

        if (poll(fds, 3, most) < 0 && errno != EINTR)
            return true;
        if (lb_clock_monotonic() >= look_at) {
            watchdog_look(daemon);
            look_at = lb_clock_monotonic() + interval;
        }
        if ((fds[0].revents & POLLIN) != 0 && take_signal(daemon, signal_fd))
            return true;
        if ((fds[1].revents & POLLIN) != 0)
            return false;
        if ((fds[2].revents & POLLIN) != 0)
            (void)!read(daemon->control_fd, &count, sizeof(count));
        generation_bury(daemon);
        reloads_look(daemon->reloads);
    }
}

static int64_t shutdown_timeout(struct lb_daemon *daemon)
{
    pthread_mutex_lock(&daemon->lock);
    int64_t timeout = daemon->current->config->shutdown_timeout_ns;
    pthread_mutex_unlock(&daemon->lock);
    return timeout;
}

int lb_daemon_wait(struct lb_daemon *daemon)
{
    sigset_t set;

    block_signals(&set);
    int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    bool by_signal = signal_fd < 0 || wait_for_end(daemon, signal_fd);
    int64_t deadline = by_signal ? lb_clock_monotonic() + shutdown_timeout(daemon) : INT64_MAX;

    if (signal_fd >= 0)
        close(signal_fd);
    /* A second signal ends at once: what is not delivered is kept for the next start anyway. */
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    notify_stopping(by_signal ? shutdown_timeout(daemon) : 0);
    if (by_signal)
        start_guard(daemon, shutdown_timeout(daemon));
    reloads_stop(daemon->reloads);
    bool all = take_down(daemon, deadline);
    if (!all)
        LB_WARN(
            "daemon",
            "stopped with undelivered records; they are kept for the next start where the source can be read again");
    else
        LB_INFO("daemon", "stopped, everything is delivered, in a spool, or in the intake of its source");
    end_guard(daemon);
    return all ? 0 : 1;
}

/* --- the end ------------------------------------------------------------------ */

static void close_sinks(struct lb_daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->sinks_open; i++) {
        close_sink(daemon->current->sinks[i].sink);
        lb_delivery_free(daemon->current->sinks[i].sink);
    }
    for (uint32_t i = 0; i < daemon->retired_count; i++) {
        close_sink(daemon->retired[i].sink);
        lb_delivery_free(daemon->retired[i].sink);
        lb_generation_unref(&daemon->retired[i].owner->parts);
    }
}

static void close_parts(struct lb_daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->sources_open; i++)
        daemon->current->sources[i].source->type->close(daemon->current->sources[i].source);
    close_sinks(daemon);
    for (uint32_t i = 0; i < daemon->sources_open; i++)
        close_intake(daemon->current->sources[i].source);
    if (daemon->alerts != NULL)
        lb_alert_engine_free(daemon->alerts);
    runs_close(daemon->runs);
    reports_close(daemon->reports);
    self_close(daemon->self);
    lb_mutes_free(daemon->mutes);
    lb_markers_free(daemon->markers);
    notice_history_close(daemon->history);
    if (daemon->sequencer != NULL)
        lb_sequencer_free(daemon->sequencer);
    lb_queue_free(&daemon->intake);
    if (daemon->streams != NULL)
        lb_streams_free(daemon->streams);
    if (daemon->ledger != NULL)
        lb_ledger_close(daemon->ledger);
    for (uint32_t i = 0; i < daemon->sources_open; i++)
        lb_share_free(daemon->current->sources[i].source->share);
    if (daemon->alert_share != NULL)
        lb_share_free(daemon->alert_share);
}

void lb_daemon_free(struct lb_daemon *daemon)
{
    if (daemon->http != NULL)
        http_stop(daemon->http);
    if (daemon->control != NULL)
        control_stop(daemon->control);
    if (!daemon->down && daemon->file_loop != NULL && daemon->socket_loop != NULL)
        take_down(daemon, lb_clock_monotonic());
    if (daemon->reloads != NULL)
        reloads_free(daemon->reloads);
    close_parts(daemon);
    lb_generation_unref(&daemon->current->base);
    generation_bury(daemon);
    if (daemon->file_loop != NULL)
        lb_loop_free(daemon->file_loop);
    if (daemon->socket_loop != NULL)
        lb_loop_free(daemon->socket_loop);
    if (daemon->alert_pool != NULL)
        lb_pool_free(daemon->alert_pool);
    if (daemon->pool != NULL)
        lb_pool_free(daemon->pool);
    if (daemon->ended_fd >= 0)
        close(daemon->ended_fd);
    if (daemon->control_fd >= 0)
        close(daemon->control_fd);
    if (daemon->lock_fd >= 0)
        close(daemon->lock_fd);
    pthread_cond_destroy(&daemon->progress);
    pthread_mutex_destroy(&daemon->parts_lock);
    pthread_mutex_destroy(&daemon->lock);
    lb_metrics_free_all();
    lb_free(daemon);
}
