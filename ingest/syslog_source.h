/*
 * syslog_source.h - what the parts of the syslog source share: addresses, datagram sockets, connections.
 *
 * All of it runs on one loop's thread but for open and close. Nothing is held of the pool between two callbacks: a
 * socket takes a slab when it can be read, pushes what is whole, and keeps an unfinished message in a buffer of its
 * own. So thousands of quiet peers cost no slabs, and no peer that stops in mid-message can hold one.
 */
#ifndef SYSLOG_SOURCE_H
#define SYSLOG_SOURCE_H

#include "lb_metrics.h"
#include "lb_source.h"

#include <netdb.h>
#include <sys/socket.h>

enum {
    SYSLOG_LISTEN_MAX = 32,                    /* sockets of one source */
    SYSLOG_HOST_BYTES = 64,                    /* an address as text, and its NUL */
    SYSLOG_UNFINISHED_BYTES = 8 * 1024 * 1024, /* of all connections of a source; past it messages are cut */
};

/* Something that has no credit for a slab; called again when there may be some. */
struct syslog_waiter {
    void (*resume)(struct syslog_waiter *self);
    struct syslog_waiter *next;
    bool waiting;
};

struct syslog_metrics {
    struct lb_metric *messages;
    struct lb_metric *bytes;
    struct lb_metric *dropped;
    struct lb_metric *truncated;
    struct lb_metric *connections;
    struct lb_metric *refused;
    struct lb_metric *framing_errors;
};

/*
 * Sockets and connections move, as they are, from a source to the one that replaces it, and back where that cannot be
 * used: `lender` is whom such a one was taken from.
 */
struct syslog_socket;     /* a bound datagram socket */
struct syslog_listener;   /* a socket that accepts */
struct syslog_connection; /* an accepted one */

struct syslog_source {
    struct lb_strs listen;
    uint64_t max_connections;
    uint64_t receive_buffer;
    int64_t idle_timeout_ns;

    struct lb_source *source;
    struct syslog_metrics metrics;
    struct syslog_waiter *waiters; /* first come, first served */
    struct syslog_waiter **last_waiter;
    struct syslog_socket *sockets;
    struct syslog_listener *listeners;
    struct syslog_connection *connections;
    uint32_t connection_count;
    size_t unfinished_bytes; /* in the buffers of the connections */
    bool stopped;
};

/* --- syslog_address.c --------------------------------------------------------- */

struct syslog_address {
    struct lb_str text; /* as it is written */
    int type;           /* SOCK_DGRAM or SOCK_STREAM */
    bool every;         /* no host: all addresses, of IPv4 too */
    struct addrinfo *found;
};

/* `udp://HOST:PORT`, `tcp://HOST:PORT`: resolved. False with an error in `diag`. */
bool syslog_address_read(struct syslog_address *address, struct lb_str text, const struct lb_section *section,
                         struct lb_diag *diag);
void syslog_address_free(struct syslog_address *address);

/* A bound, non-blocking socket, listening if it is a stream's. -1 with an error in `diag`. */
int syslog_address_bind(const struct syslog_address *address, const struct addrinfo *found,
                        const struct lb_section *section, struct lb_diag *diag);

/* True when the socket is bound to that address. */
bool syslog_address_is(int fd, const struct addrinfo *found);

/* The host of a peer as text: IPv4 also where it came through IPv6. Returns its length. */
size_t syslog_host_text(const struct sockaddr_storage *address, char *out);
uint16_t syslog_port_of(const struct sockaddr_storage *address);

/* --- syslog_udp.c ----------------------------------------------------------------- */

/* Owns `fd` from here on, also when it fails. */
enum lb_err syslog_socket_open(struct syslog_source *self, int fd, struct lb_str name) LB_MUST_USE;
void syslog_sockets_stop(struct syslog_source *self);

/* Moves the socket that is bound to that address. False: there is none. */
bool syslog_socket_take(struct syslog_source *self, struct syslog_source *from, const struct addrinfo *found);
void syslog_sockets_take_back(struct syslog_source *self, struct syslog_source *from); /* those that were taken */
void syslog_sockets_resume(struct syslog_source *self);
void syslog_sockets_close(struct syslog_source *self);

/* --- syslog_tcp.c ----------------------------------------------------------------- */

enum lb_err syslog_listener_open(struct syslog_source *self, int fd, struct lb_str name) LB_MUST_USE;
void syslog_listeners_stop(struct syslog_source *self);
void syslog_connections_end(struct syslog_source *self); /* delivers what they hold, as far as there is credit */
bool syslog_listener_take(struct syslog_source *self, struct syslog_source *from, const struct addrinfo *found);
void syslog_connections_take(struct syslog_source *self, struct syslog_source *from);    /* all */
void syslog_listeners_take_back(struct syslog_source *self, struct syslog_source *from); /* and connections */
void syslog_listeners_resume(struct syslog_source *self);
void syslog_listeners_close(struct syslog_source *self);

/* --- source_syslog.c ---------------------------------------------------------------- */

/* A slab for `stream`; NULL: the waiter will be resumed. */
struct lb_batch *syslog_take(struct syslog_source *self, size_t bytes, struct lb_stream *stream,
                             struct syslog_waiter *waiter);
void syslog_stop_waiting(struct syslog_source *self, struct syslog_waiter *waiter);

/* Gives the batch to the workers, counted from `*position` on; one without events goes back to the pool. */
void syslog_push(struct syslog_source *self, struct lb_batch *batch, uint64_t *position);

/* Notes bytes[start, start + length) with room seen; cut at max_line, empty ones left out. True when noted. */
bool syslog_note(struct syslog_source *self, struct lb_batch *batch, size_t start, size_t length, bool truncated);

#endif
