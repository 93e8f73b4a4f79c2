/*
 * listeners.h - the sockets of one source that accept connections, and their way to the instance that replaces it.
 *
 * All of it runs on the loop's thread but for open and close. Whether a connection is encrypted is its listener's, so
 * that the same port may change from one to the other by a reload.
 */
#ifndef LISTENERS_H
#define LISTENERS_H

#include "lb_metrics.h"
#include "lb_source.h"

#include "listen_address.h"

struct listeners;

struct listener {
    struct listeners *owner;
    const struct listeners *lender; /* whom it was taken from; NULL: nobody */
    struct listener *next;
    struct event *acceptable;
    struct event *again; /* after a pause */
    struct listen_path path;
    bool local;
    bool tls;
    bool lender_tls; /* what it is where it goes back to */
    int fd;
};

/* In the state of a source, which fills in all but `first` before it opens one. */
struct listeners {
    struct lb_source *source;
    const char *module;          /* for the log: source.syslog */
    const uint32_t *connections; /* open now */
    uint64_t connections_max;    /* further ones are refused */
    struct lb_metric *refused;

    /* Owns `fd`. */
    void (*accepted)(struct lb_source *source, int fd, const struct sockaddr_storage *address,
                     const struct listener *listener);

    struct listener *first;
};

/* Owns `fd`, which is bound to the address, also when it fails. LB_NOMEM. */
enum lb_err listeners_open(struct listeners *self, int fd, const struct listen_address *address) LB_MUST_USE;
void listeners_stop(struct listeners *self);
void listeners_resume(struct listeners *self);
void listeners_close(struct listeners *self);

/* Moves the one that is bound to `found`, with what `address` says of TLS. False: there is none. */
bool listeners_take(struct listeners *self, struct listeners *from, const struct listen_address *address,
                    const struct addrinfo *found);
void listeners_take_back(struct listeners *self, struct listeners *from); /* those that were taken */

#endif
