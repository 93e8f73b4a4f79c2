/*
 * syslog_source.h - what the parts of the syslog source share: addresses, datagram sockets, connections.
 *
 * All of it runs on one loop's thread but for open and close, and for datagram sockets beside the first of their
 * address (syslog_sockets.h), whose threads share what `lock` guards and nothing else that changes. Nothing is held of
 * the pool between two callbacks: a socket takes a slab when it can be read, pushes what is whole, and keeps an
 * unfinished message in a buffer of its own. So thousands of quiet peers cost no slabs, and no peer that stops in
 * mid-message can hold one.
 */
#ifndef SYSLOG_SOURCE_H
#define SYSLOG_SOURCE_H

#include "lb_metrics.h"
#include "lb_source.h"

#include "listeners.h"
#include "net_settings.h"
#include "peer_name.h"
#include "peer_rate.h"

#include <pthread.h>

enum {
    SYSLOG_LISTEN_MAX = 32,                    /* addresses of one source */
    SYSLOG_UDP_SOCKETS_MAX = 16,               /* of one address */
    SYSLOG_UNFINISHED_BYTES = 8 * 1024 * 1024, /* of all connections of a source; past it messages are cut */
};

/* What is sent in those frames and datagrams: syslog, or what another source makes of the same sockets. */
struct syslog_source;
struct ssl_ctx_st; /* of OpenSSL */
struct syslog_accepted {
    const struct sockaddr_storage *address;
    struct ssl_ctx_st *tls; /* NULL: plain */
    bool proxied;
    bool local; /* `address` says nothing */
};
struct syslog_traits {
    const char *module; /* for the log */
    const char *prefix; /* of its metrics: logboom_PREFIX_messages_total */
    bool nul_frames;    /* a stream's frames end with NUL, and are never counted */

    /* Optional: one for each datagram socket, and moves with it. unpack(): what a datagram stands for; false: nothing
     * (yet); `out` lives until the next call. */
    void *(*unpacker_new)(const struct syslog_source *source);
    bool (*unpack)(void *unpacker, struct lb_str datagram, const struct in6_addr *peer, struct lb_str *out);
    void (*unpacker_free)(void *unpacker);

    /* Optional: has accepted connections instead of what is read here. Owns `fd`; counts in connection_count. */
    void (*accepted)(struct syslog_source *self, int fd, const struct syslog_accepted *how);
};
extern const struct syslog_traits syslog_traits;
extern const struct lb_option syslog_options[]; /* over struct syslog_source */

/* Something that has no credit for a slab; called again, on the source's loop, when there may be some. */
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
    struct lb_metric *handshake_errors;
    struct lb_metric *held_back;
};

/*
 * Sockets and connections move, as they are, from a source to the one that replaces it, and back where that cannot be
 * used: `lender` is whom such a one was taken from.
 */
struct syslog_socket;     /* a bound datagram socket */
struct syslog_connection; /* an accepted one */

struct syslog_source {
    struct net_settings net; /* at the front, as tls_options and rate_options want it */
    struct lb_strs listen;
    uint64_t max_connections;
    uint64_t receive_buffer;
    uint64_t udp_sockets; /* 0, of a source without the option: 1 */
    int64_t idle_timeout_ns;
    int64_t handshake_timeout_ns;
    bool proxy_protocol;
    struct lb_str socket_mode; /* octal */
    const struct syslog_traits *traits;
    struct lb_source *source;
    struct ssl_ctx_st *tls_context; /* NULL: nobody listens for TLS */
    struct peer_rate *peers;        /* NULL: no limit */
    struct event *tell_held_back;
    char own_host[PEER_HOST_BYTES]; /* of peers on this machine */
    struct syslog_metrics metrics;
    pthread_mutex_t lock;          /* guards `waiters` to `stopped`; taken only by who has no credit */
    struct syslog_waiter *waiters; /* first come, first served */
    struct syslog_waiter **last_waiter;
    bool stopped;
    pthread_mutex_t rates_lock; /* guards what `peers` points to */
    struct syslog_socket *sockets;
    struct listeners listeners;
    struct syslog_connection *connections;
    uint32_t connection_count;
    size_t unfinished_bytes; /* in the buffers of the connections */
};

/* --- syslog_sockets.c --------------------------------------------------------------- */

/*
 * Makes the datagram sockets of that address as many as they are to be: takes over those of `from` (NULL: nobody),
 * binds, has those leave that are too many. LB_BAD_CONF with an error in `diag`, LB_NOMEM.
 */
enum lb_err syslog_sockets_open(struct syslog_source *self, struct syslog_source *from, struct listen_address *address,
                                const struct addrinfo *found, struct lb_diag *diag) LB_MUST_USE;
void syslog_sockets_stop(struct syslog_source *self);
void syslog_sockets_take_back(struct syslog_source *self, struct syslog_source *from); /* those that were taken */
void syslog_sockets_resume(struct syslog_source *self);
void syslog_sockets_close(struct syslog_source *self);

/* --- syslog_tcp.c ----------------------------------------------------------------- */

/* Reads from a connection that a listener has accepted; owns `fd`. */
void syslog_connection_open(struct syslog_source *owner, int fd, const struct syslog_accepted *how);
void syslog_connections_stop(struct syslog_source *self);
void syslog_connections_end(struct syslog_source *self); /* delivers what they hold, as far as there is credit */
void syslog_connections_take(struct syslog_source *self, struct syslog_source *from);      /* all */
void syslog_connections_take_back(struct syslog_source *self, struct syslog_source *from); /* those that were taken */
void syslog_connections_resume(struct syslog_source *self);
void syslog_connections_close(struct syslog_source *self);

/* --- source_syslog.c ---------------------------------------------------------------- */

/* `logboom_PREFIX_NOUN` with the source as a label. */
struct lb_metric *syslog_metric(const struct syslog_source *self, enum lb_metric_kind kind, const char *noun,
                                const char *help);

/* A slab for `stream`; NULL: the waiter will be resumed. */
struct lb_batch *syslog_take(struct syslog_source *self, size_t bytes, struct lb_stream *stream,
                             struct syslog_waiter *waiter);
void syslog_stop_waiting(struct syslog_source *self, struct syslog_waiter *waiter);

/* Gives the batch to the workers, counted from `*position` on; one without events goes back to the pool. Returns its
 * number in the intake, or 0. */
uint64_t syslog_push(struct syslog_source *self, struct lb_batch *batch, uint64_t *position);

/* Around syslog_admit(), as many as there are; nothing where there are no rates. */
void syslog_rates_lock(struct syslog_source *self);
void syslog_rates_unlock(struct syslog_source *self);

/* Another record of that peer may pass, by its rate. */
bool syslog_admit(struct syslog_source *self, const struct in6_addr *peer);

/* Notes bytes[start, start + length) with room seen; cut at max_line, empty ones left out. True when noted. */
bool syslog_note(struct syslog_source *self, struct lb_batch *batch, size_t start, size_t length, bool truncated);

/* The life of a source over these sockets; `traits` of its state is set before. Another source may use them as they
 * are. */
enum lb_err syslog_check(struct lb_source *source, struct lb_diag *diag);
enum lb_err syslog_open(struct lb_source *source, struct lb_diag *diag);
void syslog_stop(struct lb_source *source);
void syslog_resume(struct lb_source *source);
void syslog_close(struct lb_source *source);

#endif
