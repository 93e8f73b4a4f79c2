/*
 * lb_sockets.h - listening sockets that somebody opened before us.
 *
 * systemd binds them (LISTEN_FDS), keeps them while we restart, and so no
 * datagram is lost meanwhile. They are kept open for the life of the process;
 * who listens gets a copy, so a source may go and come again.
 */
#ifndef LB_SOCKETS_H
#define LB_SOCKETS_H

#include "lb_str.h"

#include <stdbool.h>

struct addrinfo;

/* Takes what the environment tells of, once; further calls do nothing. Any thread. */
void lb_sockets_receive(void);

/*
 * A non-blocking copy of the socket that is bound to that address, or else of one of that type which was given the
 * name (FileDescriptorName=) `name`. -1: there is none.
 */
int lb_sockets_take(const struct addrinfo *address, struct lb_str name);

/* A further one of that address, which nobody took yet (ReusePort=yes). -1: there is none. */
int lb_sockets_take_another(const struct addrinfo *address);

/* Warns of those that nobody took. */
void lb_sockets_tell_unused(void);

#endif
