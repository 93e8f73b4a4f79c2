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

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_metrics.h"

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
#include <unistd.h>

static const struct lb_place nowhere;

/* --- the way of a batch behind the workers --------------------------------- */

/* Delivering without a token would double records after a restart; ending now loses none. */
static _Noreturn void end_at_once(void)
{
    LB_ERROR("daemon", "out of memory for a token, ending at once; the next start goes on from the last commit");
    abort();
}

/* To every sink its selection, with a token; in order of the stream. Takes over the caller's reference. */
static void deliver(struct lb_daemon *daemon, struct lb_batch *batch)
{
    for (uint32_t i = 0; i < daemon->config->sink_count; i++) {
        const struct lb_selection *selection = &batch->selections[i];
        struct lb_token *token = lb_token_issue(batch->stream, i, batch->position_end, selection->count == 0);

        if (selection->count == 0)
            continue;
        if (token == NULL)
            end_at_once();
        lb_batch_ref(batch);
        lb_delivery_push(daemon->config->sinks[i].delivery, batch, selection, token);
    }
}

static void emit(void *context, struct lb_batch *batch)
{
    struct lb_daemon *daemon = context;
    uint32_t alerts = daemon->config->sink_count;

    deliver(daemon, batch);
    struct lb_token *token = lb_token_issue(batch->stream, alerts, batch->position_end, batch->feed_count == 0);
    if (token == NULL && batch->feed_count > 0)
        end_at_once();
    /* Batches that feed no rule go there too: their times move the stream's clock. */
    if (daemon->alerts != NULL)
        lb_alert_engine_push(daemon->alerts, batch, token);
    else
        lb_batch_unref(batch);
}

/* Alert events come from the engine's thread with their selections made. */
static void emit_alert(void *context, struct lb_batch *batch)
{
    struct lb_daemon *daemon = context;

    deliver(daemon, batch);
    lb_batch_unref(batch);
}

static void *work(void *context)
{
    struct lb_daemon *daemon = context;
    struct lb_worker *worker = lb_worker_new(&daemon->config->plan);
    struct lb_batch *batch;

    assert(worker != NULL); /* made at start-up, where memory is there */
    while ((batch = lb_queue_pop(&daemon->intake)) != NULL) {
        lb_worker_process(worker, batch);
        lb_pool_settle(batch);
        lb_sequencer_done(daemon->sequencer, batch);
    }
    lb_worker_free(worker);
    return NULL;
}

/* --- start ------------------------------------------------------------------ */

static bool name_consumers(struct lb_daemon *daemon)
{
    struct lb_config *config = daemon->config;

    daemon->consumers.count = config->sink_count + 1;
    daemon->consumers.items = lb_arena_alloc(&config->arena, daemon->consumers.count * sizeof(struct lb_str));
    if (daemon->consumers.items == NULL)
        return false;
    for (uint32_t i = 0; i < config->sink_count; i++)
        daemon->consumers.items[i] = config->sinks[i].section.name;
    daemon->consumers.items[config->sink_count] = LB_STR("alerts");
    return true;
}

static bool open_ledger(struct lb_daemon *daemon, struct lb_diag *diag)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), LB_STR_FMT "/ledger", LB_STR_ARG(daemon->config->data_dir));
    switch (lb_ledger_open(&daemon->ledger, path)) {
    case LB_OK: break;
    case LB_BAD_INPUT:
        lb_diag_error(diag, nowhere,
                      "%s is not a ledger of this version of logboom; move data_dir away to start anew "
                      "(files are then read from their beginning)",
                      path);
        return false;
    default: lb_diag_error(diag, nowhere, "cannot open %s: %s", path, strerror(errno)); return false;
    }
    if (name_consumers(daemon))
        daemon->streams = lb_streams_new(daemon->ledger, &daemon->consumers);
    if (daemon->streams == NULL)
        lb_diag_error(diag, nowhere, "cannot write %s (the log above says why)", path);
    return daemon->streams != NULL;
}

static bool open_sinks(struct lb_daemon *daemon, struct lb_diag *diag)
{
    struct lb_config *config = daemon->config;

    for (uint32_t i = 0; i < config->sink_count; i++) {
        struct lb_sink *sink = &config->sinks[i];

        assert(sink->index == i);
        sink->ledger = daemon->ledger;
        sink->data_dir = config->data_dir;
        sink->exit_at_eof = daemon->exit_at_eof;
        if (sink->type->open != NULL && sink->type->open(sink, diag) != LB_OK)
            return false;
        daemon->sinks_open++;
        if (lb_delivery_start(sink, daemon->streams, config->commit_every_ns) != LB_OK) {
            lb_diag_error(diag, nowhere,
                          "cannot start sink \"" LB_STR_FMT "\" (its threads, or its spool below " LB_STR_FMT
                          "/spool): %s",
                          LB_STR_ARG(sink->section.name), LB_STR_ARG(config->data_dir), strerror(errno));
            return false;
        }
        daemon->deliveries++;
    }
    return true;
}

static bool start_alerts(struct lb_daemon *daemon)
{
    struct lb_config *config = daemon->config;

    if (config->alerting.rule_count == 0)
        return true;
    daemon->alert_share = lb_share_new(daemon->pool, lb_pool_max(daemon->pool));
    if (daemon->alert_share != NULL)
        daemon->alerts = lb_alert_engine_new(&config->alerting, config->sink_count, daemon->streams,
                                             daemon->alert_share, emit_alert, daemon);
    return daemon->alerts != NULL && lb_alert_engine_start(daemon->alerts) == LB_OK;
}

static bool start_workers(struct lb_daemon *daemon)
{
    uint64_t wanted = daemon->config->workers != 0 ? daemon->config->workers : worker_count_allowed();

    daemon->sequencer = lb_sequencer_new(emit, daemon);
    if (daemon->sequencer == NULL)
        return false;
    for (uint64_t i = 0; i < wanted && i < LB_WORKERS_MAX; i++) {
        if (pthread_create(&daemon->workers[i], NULL, work, daemon) != 0)
            break;
        daemon->worker_count++;
    }
    return daemon->worker_count > 0;
}

/* On the loop of the source that finished. */
static void source_finished(void *context, struct lb_source *source)
{
    struct lb_daemon *daemon = context;
    uint64_t one = 1;

    LB_DEBUG("daemon", "source has read everything source=" LB_STR_FMT, LB_STR_ARG(source->section.name));
    if (atomic_fetch_sub(&daemon->unfinished, 1) == 1 && write(daemon->ended_fd, &one, sizeof(one)) < 0)
        LB_ERROR("daemon", "cannot signal the end of all files errno=%d", errno);
}

static size_t share_of(const struct lb_daemon *daemon, const struct lb_source *source)
{
    size_t all = lb_pool_max(daemon->pool);

    return source->type->file_like ? all / 2 : all * 3 / 4;
}

static bool open_sources(struct lb_daemon *daemon, struct lb_diag *diag)
{
    struct lb_config *config = daemon->config;

    for (uint32_t i = 0; i < config->source_count; i++) {
        struct lb_source *source = &config->sources[i];

        daemon->shares[i] = lb_share_new(daemon->pool, share_of(daemon, source));
        if (daemon->shares[i] == NULL)
            return false;
        source->loop = source->type->file_like ? daemon->file_loop : daemon->socket_loop;
        source->share = daemon->shares[i];
        source->queue = &daemon->intake;
        source->streams = daemon->streams;
        source->exit_at_eof = daemon->exit_at_eof;
        source->finished = daemon->exit_at_eof ? source_finished : NULL;
        source->finished_context = daemon;
        if (source->type->open(source, diag) != LB_OK)
            return false;
        daemon->sources_open++;
    }
    return true;
}

static bool count_endings(struct lb_daemon *daemon, struct lb_diag *diag)
{
    for (uint32_t i = 0; i < daemon->config->source_count; i++) {
        if (daemon->config->sources[i].type->file_like)
            atomic_fetch_add(&daemon->unfinished, 1);
    }
    if (daemon->exit_at_eof && atomic_load(&daemon->unfinished) == 0)
        lb_diag_error(diag, nowhere, "--exit-at-eof needs a source that ends: file, docker or stdin");
    return !daemon->exit_at_eof || atomic_load(&daemon->unfinished) > 0;
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
    lb_queue_init(&daemon->intake);
    daemon->ended_fd = eventfd(0, EFD_CLOEXEC);
    daemon->pool = lb_pool_new(daemon->config->memory);
    daemon->file_loop = lb_loop_new("files");
    daemon->socket_loop = lb_loop_new("sockets");
    return daemon->ended_fd >= 0 && daemon->pool != NULL && daemon->file_loop != NULL && daemon->socket_loop != NULL;
}

static bool start_stages(struct lb_daemon *daemon, struct lb_diag *diag)
{
    if (!count_endings(daemon, diag))
        return false;
    daemon->lock_fd = lock_data_dir(daemon->config, diag);
    if (daemon->lock_fd < 0 || !open_ledger(daemon, diag) || !open_sinks(daemon, diag))
        return false;
    if (!start_alerts(daemon) || !start_workers(daemon))
        return false;
    if (!open_sources(daemon, diag))
        return false;
    show_metrics(daemon);
    daemon->http = http_start(daemon, diag);
    daemon->control = control_start(daemon);
    if (diag->errors > 0)
        return false;
    return lb_loop_start(daemon->file_loop) == LB_OK && lb_loop_start(daemon->socket_loop) == LB_OK;
}

struct lb_daemon *lb_daemon_start(struct lb_config *config, unsigned flags, struct lb_diag *diag)
{
    struct lb_daemon *daemon = lb_alloc(sizeof(*daemon));
    sigset_t set;

    if (daemon == NULL) {
        lb_diag_error(diag, nowhere, "out of memory at start");
        return NULL;
    }
    block_signals(&set);
    daemon->config = config;
    daemon->exit_at_eof = (flags & LB_DAEMON_EXIT_AT_EOF) != 0;
    daemon->started_ns = lb_clock_now();
    daemon->lock_fd = -1;
    if (make_parts(daemon) && start_stages(daemon, diag)) {
        LB_INFO("daemon", "started sources=%u sinks=%u rules=%u workers=%u", config->source_count, config->sink_count,
                config->alerting.rule_count, daemon->worker_count);
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
static bool take_signal(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != sizeof(info))
        return false;
    switch (info.ssi_signo) {
    case SIGUSR1: change_log_level(1); return false;
    case SIGUSR2: change_log_level(-1); return false;
    case SIGHUP: LB_WARN("daemon", "SIGHUP is ignored: restart logboom to read a changed configuration"); return false;
    default: LB_INFO("daemon", "stopping signal=%s", strsignal((int)info.ssi_signo)); return true;
    }
}

/* Waits for a signal to end, or for the end of all files. Returns true for a signal. */
static bool wait_for_end(struct lb_daemon *daemon, int signal_fd)
{
    struct pollfd fds[] = { { signal_fd, POLLIN, 0 }, { daemon->ended_fd, POLLIN, 0 } };

    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return true;
        if ((fds[0].revents & POLLIN) != 0 && take_signal(signal_fd))
            return true;
        if ((fds[1].revents & POLLIN) != 0)
            return false;
    }
}

static void stop_source(void *context)
{
    struct lb_source *source = context;

    source->type->stop(source);
}

static void stop_sources(struct lb_daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->sources_open; i++) {
        struct lb_source *source = &daemon->config->sources[i];

        lb_loop_post(source->loop, stop_source, source);
    }
    lb_loop_stop(daemon->file_loop);
    lb_loop_stop(daemon->socket_loop);
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

    for (uint32_t i = 0; i < daemon->deliveries; i++)
        all = lb_delivery_stop(daemon->config->sinks[i].delivery, deadline) && all;
    return all;
}

/* Along the flow, once. True: all is delivered. The HTTP server still answers meanwhile. */
static bool take_down(struct lb_daemon *daemon, int64_t deadline)
{
    daemon->down = true;
    stop_sources(daemon);
    stop_workers(daemon);
    return stop_sinks(daemon, deadline);
}

int lb_daemon_wait(struct lb_daemon *daemon)
{
    sigset_t set;

    block_signals(&set);
    int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    bool by_signal = signal_fd < 0 || wait_for_end(daemon, signal_fd);
    int64_t deadline = by_signal ? lb_clock_monotonic() + daemon->config->shutdown_timeout_ns : INT64_MAX;

    if (signal_fd >= 0)
        close(signal_fd);
    /* A second signal ends at once: what is not delivered is kept for the next start anyway. */
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    bool all = take_down(daemon, deadline);
    if (!all)
        LB_WARN(
            "daemon",
            "stopped with undelivered records; they are kept for the next start where the source can be read again");
    else
        LB_INFO("daemon", "stopped, everything is delivered or in a spool");
    return all ? 0 : 1;
}

/* --- the end ------------------------------------------------------------------ */

static void close_parts(struct lb_daemon *daemon)
{
    struct lb_config *config = daemon->config;

    for (uint32_t i = 0; i < daemon->sources_open; i++)
        config->sources[i].type->close(&config->sources[i]);
    for (uint32_t i = 0; i < daemon->sinks_open; i++) {
        if (config->sinks[i].type->close != NULL)
            config->sinks[i].type->close(&config->sinks[i]);
        lb_delivery_free(&config->sinks[i]);
    }
    if (daemon->alerts != NULL)
        lb_alert_engine_free(daemon->alerts);
    if (daemon->sequencer != NULL)
        lb_sequencer_free(daemon->sequencer);
    lb_queue_free(&daemon->intake);
    if (daemon->streams != NULL)
        lb_streams_free(daemon->streams);
    if (daemon->ledger != NULL)
        lb_ledger_close(daemon->ledger);
    for (uint32_t i = 0; i < config->source_count; i++) {
        if (daemon->shares[i] != NULL)
            lb_share_free(daemon->shares[i]);
    }
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
    close_parts(daemon);
    if (daemon->file_loop != NULL)
        lb_loop_free(daemon->file_loop);
    if (daemon->socket_loop != NULL)
        lb_loop_free(daemon->socket_loop);
    if (daemon->pool != NULL)
        lb_pool_free(daemon->pool);
    if (daemon->ended_fd >= 0)
        close(daemon->ended_fd);
    if (daemon->lock_fd >= 0)
        close(daemon->lock_fd);
    lb_metrics_free_all();
    lb_free(daemon);
}
