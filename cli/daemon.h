/*
 * daemon.h - what the files of the daemon share: its stages, and its parts.
 *
 * A generation is a configuration in use, with the instances that serve it:
 * its own, and those of generations before that had not changed. The current
 * one is swapped by a reload; each lives until its last batch is gone, and
 * then only what others still use of it: its own parts, with their options.
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
struct lb_mutes;
struct lb_markers;
struct notice_history;
struct self;
struct runs;
struct reports;
struct evhttp_request;

/* A source or sink that serves a generation. */
struct source_part {
    struct lb_source *source;
    struct generation *owner; /* whose configuration it lives in; a reference, but for its own */
    uint64_t print;
};

struct sink_part {
    struct lb_sink *sink;
    struct generation *owner;
    uint64_t print;
    void *pristine; /* its state as the options have filled it, to open it again */
};

struct generation {
    struct lb_generation base;  /* the first member: one is the other. Who uses all of it: batches, the daemon */
    struct lb_generation parts; /* who uses what lives in its configuration: later generations, streams, `base` */
    struct lb_daemon *daemon;
    struct lb_config *config;
    uint32_t number;             /* 1, 2, 3 … */
    struct source_part *sources; /* in the order of the configuration, as are bits of sinks */
    struct sink_part *sinks;
    uint64_t *rule_prints;
    struct lb_judge *judge; /* NULL: no filter has memory. The sequencer's */

    /* How it took over; read by the sequencer when `marker` comes. */
    struct lb_batch marker;
    uint64_t new_consumers; /* bits: numbers of sinks that begin with it */
    struct lb_alert_change *change;

    struct generation *next_dead;
};

struct reloads; /* daemon_reload.c */

/* A loop that is asked for a sign of life. */
struct loop_watch {
    atomic_uint signs;
    unsigned asked;
};

/* Ends the process when a stop takes longer than it may. */
struct stop_guard {
    pthread_t thread;
    bool running;
    bool done; /* guarded by the daemon's lock */
    int64_t deadline;
};

/* What the watchdog saw at its last look. The main thread's, but for the signs. */
struct watch {
    struct loop_watch files;
    struct loop_watch sockets;
    uint64_t handed_on;
    uint64_t queued;
    bool stuck;
};

struct lb_daemon {
    const char *file;  /* of the configuration */
    uint8_t log_level; /* of the command line; LB_LEVEL_NONE: what the configuration says */
    bool exit_at_eof;
    bool down;          /* every stage has been stopped */
    int64_t started_ns; /* Unix time */
    int lock_fd;

    pthread_mutex_t lock;              /* guards `current` and what its parts consist of, against the HTTP server */
    pthread_mutex_t parts_lock;        /* held while a sink is used by who has no part in it, or taken away */
    pthread_cond_t progress;           /* `marked` or `rules_changed` */
    struct generation *current;        /* a reference; swapped by the reload's thread */
    uint32_t marked;                   /* number of the last one whose marker has left the sequencer */
    bool rules_changed;                /* the alert engine works by its rules */
    _Atomic(struct generation *) dead; /* nobody refers to them; freed by the main thread */

    struct lb_pool *pool;
    struct lb_pool *alert_pool; /* and this one from the first rule on */
    struct lb_share *alert_share;
    struct lb_ledger *ledger;
    bool moved; /* at start: data_dir is not where, or not what, it was */
    struct lb_streams *streams;
    struct lb_queue intake;
    struct lb_sequencer *sequencer;
    uint32_t alert_number;          /* as a consumer */
    struct lb_alert_engine *alerts; /* from the first rule on */
    struct lb_mutes *mutes;         /* these three from start to end, whether or not there are rules */
    struct lb_markers *markers;
    struct notice_history *history;
    struct self *self; /* who watches the daemon */
    struct runs *runs; /* programs of rules */
    struct reports *reports;
    struct lb_loop *file_loop;
    struct lb_loop *socket_loop;
    struct http_server *http;
    struct control *control; /* NULL: there is none */

    struct reloads *reloads;
    struct watch watch;
    _Atomic uint64_t handed_on; /* batches that have left the sequencer */

    pthread_t workers[LB_WORKERS_MAX];
    uint32_t worker_count;
    uint32_t sinks_open; /* of the current generation the first n are open; all, once it has started */
    uint32_t sources_open;
    struct sink_part retired[LB_SINKS_MAX]; /* of no generation any more, not stopped yet */
    uint32_t retired_count;
    atomic_uint unfinished; /* sources that have not reached their end, with exit_at_eof */
    atomic_bool ending;     /* told to stop: whatever takes time shall not */
    struct stop_guard guard;
    int ended_fd;   /* eventfd: the last of them has */
    int control_fd; /* eventfd: something for the main thread to do */
};

/* The main thread looks at what there is to do. Any thread. */
void wake_main(struct lb_daemon *daemon);

/* --- daemon_sources.c ----------------------------------------------------------- */

/* Gives the source all it needs and opens it; its loop is not running, or held. False with an error in `diag`. */
bool open_source(struct lb_daemon *daemon, struct lb_source *source, struct lb_diag *diag);

/* Finishes and frees the source's intake, where it has one; nobody puts batches there any more. */
void close_intake(struct lb_source *source);

/* All of the configuration. False with an error in `diag`. */
bool open_sources(struct lb_daemon *daemon, struct lb_diag *diag);

/* How many of them have an end. False: none has, and --exit-at-eof waits for one. */
bool count_endings(struct lb_daemon *daemon, struct lb_diag *diag);

/* --- daemon.c ------------------------------------------------------------------- */

/* A sink whose number is set; start_sink() also makes its thread. False with an error in `diag`. */
bool open_sink(struct lb_daemon *daemon, struct lb_sink *sink, struct lb_diag *diag);
bool start_sink(struct lb_daemon *daemon, struct lb_sink *sink, int64_t commit_ns, struct lb_diag *diag);
void close_sink(struct lb_sink *sink);

/* daemon_alerts.c: makes the alert engine, without its thread, if there are rules and it is not there. False: out of
 * memory. */
bool make_alerts(struct lb_daemon *daemon, const struct lb_config *config);

/* daemon_outside.c: what alert rules may ask. */
struct lb_alert_outside outside_of(struct lb_daemon *daemon);

/* --- daemon_flow.c -------------------------------------------------------------- */

void flow_emit(void *context, struct lb_batch *batch);       /* behind the sequencer */
void flow_emit_alert(void *context, struct lb_batch *batch); /* behind the alert engine */
void *flow_work(void *context);                              /* a worker's thread */

/* --- daemon_stop.c --------------------------------------------------------------- */

/* Along the flow, once. True: all is delivered. The HTTP server still answers meanwhile. */
bool take_down(struct lb_daemon *daemon, int64_t deadline);

/* From here on the process lives for `timeout_ns` and some grace at most, unless the guard is ended. */
void start_guard(struct lb_daemon *daemon, int64_t timeout_ns);
void end_guard(struct lb_daemon *daemon);

/* --- daemon_generation.c ------------------------------------------------------- */

/* Takes over `config`; own instances everywhere, none opened. NULL: out of memory, and `config` is freed. */
struct generation *generation_new(struct lb_daemon *daemon, struct lb_config *config, uint32_t number);

static inline struct generation *generation_of(const struct lb_batch *batch)
{
    return (struct generation *)(void *)batch->generation;
}

/* The part is the one of a generation before, which lives on. */
void generation_keep_source(struct generation *self, uint32_t index, const struct source_part *part);
void generation_keep_sink(struct generation *self, uint32_t index, const struct sink_part *part);
const struct source_part *generation_find_source(const struct generation *self, struct lb_str name);
const struct sink_part *generation_find_sink(const struct generation *self, struct lb_str name, uint32_t *index);

/* Frees those that nobody refers to. On the main thread. */
void generation_bury(struct lb_daemon *daemon);

/* --- daemon_change.c: from the current generation to the next ------------------- */

struct reload_counts {
    uint32_t kept;
    uint32_t changed;
    uint32_t added;
    uint32_t removed;
};

struct reload_result {
    struct reload_counts sources;
    struct reload_counts sinks;
    struct reload_counts rules;
};

/* All of `next` is open and current, or nothing has changed and `diag` says why. Takes over `next`. */
bool change_generation(struct lb_daemon *daemon, struct generation *next, struct reload_result *result,
                       struct lb_diag *diag);

/* --- daemon_reload.c --------------------------------------------------------------- */

struct reloads *reloads_new(struct lb_daemon *daemon);
void reloads_free(struct reloads *self);

/* Another reload is wanted: begins at once, or when the one under way has ended. Returns its number. Any thread. */
uint64_t reloads_request(struct reloads *self);

/* On the main thread, when woken: begins what is wanted, ends what is done. */
void reloads_look(struct reloads *self);

/* On the main thread, at the end: what is under way ends soon; nothing begins any more. */
void reloads_stop(struct reloads *self);

/* The last one that has ended, and what came of it, as JSON or for people. Returns an HTTP status. Any thread. */
uint64_t reloads_ended(struct reloads *self);
int reloads_answer(struct reloads *self, bool as_text, struct lb_buffer *out);

/* --- daemon_notify.c: systemd. Without one nothing happens --------------------------- */

void notify_ready(struct lb_daemon *daemon, const char *more); /* `more`: what else there is to say, or "" */
void notify_reloading(void);
void notify_stopping(int64_t timeout_ns);

/* How often the watchdog wants a look, in nanoseconds; 0: nobody watches. Each look pings if every stage has moved. */
int64_t watchdog_interval(void);
void watchdog_look(struct lb_daemon *daemon);

/* --- daemon_self.c: the daemon watches itself -------------------------------------------- */

/* NULL: no memory. Reads when the run before was alive last. The thread begins with start. */
struct self *self_open(struct lb_daemon *daemon);
bool self_start(struct self *self);
void self_stop(struct self *self); /* what it found last stands */
void self_close(struct self *self);

/* Unix time; 0: nobody knows. */
int64_t self_alive_until(const struct self *self);

/* What is wrong, as of the last look. Any thread; takes no lock of the daemon. */
uint32_t self_findings(struct self *self, struct lb_self_finding *items, uint32_t room);

/* --- daemon_run.c: programs of rules ------------------------------------------------------- */

struct runs *runs_open(struct lb_daemon *daemon); /* NULL: no memory */
void runs_take(struct runs *self, const struct lb_alert_run *run);
void runs_close(struct runs *self); /* what still runs is ended */

/* --- daemon_report.c ----------------------------------------------------------------------- */

struct reports *reports_open(struct lb_daemon *daemon); /* NULL: no memory */
void reports_count(struct reports *self, const struct lb_batch *batch);
void reports_look_due(struct reports *self, int64_t now); /* on one thread; takes the daemon's locks */
void reports_close(struct reports *self);

/* --- others ---------------------------------------------------------------------------- */

/* daemon_lock.c: an exclusive lock on data_dir for the life of the process; -1 with an error in `diag`. */
int lock_data_dir(struct lb_config *config, struct lb_diag *diag);

/* True when the locked file is another than at the last start: data_dir was copied, moved to a disk, or restored. */
bool data_dir_moved(struct lb_ledger *ledger, int lock_fd);
/* The next start finds this one. */
void note_data_dir(struct lb_ledger *ledger, int lock_fd);

/* daemon_http.c: /health, /metrics, /api/v1. NULL with an error in `diag`; `listen` empty: NULL without one. */
struct http_server *http_start(struct lb_daemon *daemon, struct lb_diag *diag);
void http_stop(struct http_server *server);

/* Answers a request that came over the socket in data_dir, as the server would one with its token. */
void http_answer_socket(struct lb_daemon *daemon, struct evhttp_request *request);

/* A reload has ended: who waits for it is answered. Any thread. */
void http_reloaded(struct http_server *server);

/* daemon_control.c: the socket in data_dir; NULL, with a word in the log, where there can be none. */
struct control *control_start(struct lb_daemon *daemon);
void control_stop(struct control *self);
bool flush_sinks(struct lb_daemon *daemon); /* has all sinks show what they hold; false: not all did in time */

/* daemon_status.c: JSON of every component's state; true when all are well. */
bool status_write(struct lb_daemon *daemon, struct lb_buffer *out);

/* daemon_cpu.c: how many workers the CPU quota of the cgroup and the machine allow. */
uint32_t worker_count_allowed(void);

#endif
