/*
 * lb_daemon.h - one running logboom: the stages of a configuration, wired.
 *
 * The main thread opens everything (sinks first, sources last), then waits
 * for signals. It shuts down along the flow: sources stop, the queue drains,
 * the sequencer is empty, the alert engine ends, the sinks deliver and commit.
 *
 * SIGHUP and POST /api/v1/reload load and check the configuration again beside
 * the running one; what has not changed goes on, what has is opened before it
 * is needed, and any error leaves everything as it was.
 */
#ifndef LB_DAEMON_H
#define LB_DAEMON_H

#include "lb_conf.h"

struct lb_daemon;

/* What the command line says. */
struct lb_daemon_settings {
    const char *file;  /* that a reload reads again; "-": it cannot */
    uint8_t log_level; /* wins over the configuration's; LB_LEVEL_NONE: not given */
    bool exit_at_eof;
};

/*
 * Takes over `config`, also when it fails. NULL with errors in `diag`: a lock that another process holds, a port in
 * use, a directory that cannot be written.
 */
struct lb_daemon *lb_daemon_start(struct lb_config *config, const struct lb_daemon_settings *settings,
                                  struct lb_diag *diag);

/* Returns when a signal (or the end of all files) has ended it. 0: all is delivered; 1: something is left for the next
 * start. */
int lb_daemon_wait(struct lb_daemon *daemon);
void lb_daemon_free(struct lb_daemon *daemon);

#endif
