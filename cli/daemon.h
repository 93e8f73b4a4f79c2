/*
 * daemon.h - what the files of the daemon share: its stages, and its parts.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "lb_alert.h"
#include "lb_conf.h"
#include "lb_daemon.h"
#include "lb_sequencer.h"

#include <pthread.h>
#include <stdatomic.h>

struct http_server;
struct control;

struct lb_daemon {
    struct lb_config *config;
    bool exit_at_eof;
    bool down;          /* every stage has been stopped */
    int64_t started_ns; /* Unix time */
    int lock_fd;

    struct lb_pool *pool;
    struct lb_share *shares[LB_SOURCES_MAX]; /* one per source */
    struct lb_share *alert_share;
    struct lb_ledger *ledger;
    struct lb_streams *streams;
    struct lb_strs consumers;
    struct lb_queue intake;
    struct lb_sequencer *sequencer;
    struct lb_alert_engine *alerts;
    struct lb_loop *file_loop;
    struct lb_loop *socket_loop;
    struct http_server *http;
    struct control *control; /* NULL: there is none */

    pthread_t workers[LB_WORKERS_MAX];
    uint32_t worker_count;
    uint32_t sinks_open; /* the first n have been opened */
    uint32_t deliveries; /* and of these the first n have a thread */
    uint32_t sources_open;
    atomic_uint unfinished; /* sources that have not reached their end, with exit_at_eof */
    int ended_fd;           /* eventfd: the last of them has */
};

/* daemon_lock.c: an exclusive lock on data_dir for the life of the process; -1 with an error in `diag`. */
int lock_data_dir(struct lb_config *config, struct lb_diag *diag);

/* daemon_http.c: /health, /metrics, /api/v1. NULL with an error in `diag`; `listen` empty: NULL without one. */
struct http_server *http_start(struct lb_daemon *daemon, struct lb_diag *diag);
void http_stop(struct http_server *server);

/* daemon_control.c: the socket in data_dir; NULL, with a word in the log, where there can be none. */
struct control *control_start(struct lb_daemon *daemon);
void control_stop(struct control *control);
bool flush_sinks(struct lb_daemon *daemon); /* has all sinks show what they hold; false: not all did in time */

/* daemon_status.c: JSON of every component's state; true when all are well. */
bool status_write(struct lb_daemon *daemon, struct lb_buffer *out);

/* daemon_cpu.c: how many workers the CPU quota of the cgroup and the machine allow. */
uint32_t worker_count_allowed(void);

#endif
