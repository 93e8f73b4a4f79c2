/*
 * lb_daemon.h - one running logboom: the stages of a configuration, wired.
 *
 * The main thread opens everything (sinks first, sources last), then waits
 * for signals. It shuts down along the flow: sources stop, the queue drains,
 * the sequencer is empty, the alert engine ends, the sinks deliver and commit.
 */
#ifndef LB_DAEMON_H
#define LB_DAEMON_H

#include "lb_conf.h"

struct lb_daemon;

enum lb_daemon_flag { LB_DAEMON_EXIT_AT_EOF = 1 };

/* NULL with errors in `diag`: a lock that another process holds, a port in use, a directory that cannot be written. */
struct lb_daemon *lb_daemon_start(struct lb_config *config, unsigned flags, struct lb_diag *diag);

/* Returns when a signal (or the end of all files) has ended it. 0: all is delivered; 1: something is left for the next
 * start. */
int lb_daemon_wait(struct lb_daemon *daemon);
void lb_daemon_free(struct lb_daemon *daemon);

#endif
