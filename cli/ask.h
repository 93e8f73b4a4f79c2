/*
 * ask.h - asks the running daemon of a configuration.
 *
 * Over the socket in data_dir where one may connect to it: then the system
 * tells the daemon who asks, and no token is needed. Otherwise over HTTP with
 * the token of the configuration.
 */
#ifndef ASK_H
#define ASK_H

#include "lb_buffer.h"
#include "lb_conf.h"

enum { ASK_OK = 200, ASK_CREATED = 201, ASK_NOT_FOUND = 404 };

/* The status, with the answer in `out` (initialised, reset); 0: nobody answers, which is said on stderr. */
long ask_daemon(const struct lb_config *config, const char *method, const char *path, struct lb_str body,
                struct lb_buffer *out);

/* `text` as part of a path or a query: what is not a letter, digit or -_.~ becomes %XX. */
void ask_escape(struct lb_buffer *out, struct lb_str text);

#endif
