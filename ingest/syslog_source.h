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

#include "net_settings.h"
#include "peer_rate.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    SYSLOG_LISTEN_MAX = 32, /* sockets of one source */
    SYSLOG_HOST_BYTES = 64, /* an address as text, and its NUL */
    SYSLOG_PATH_BYTES = sizeof(((struct sockaddr_un *)NULL)->sun_path),
    SYSLOG_UNFINISHED_BYTES = 8 * 1024 * 1024, /* of all connections of a source; past it messages are cut */
    SYSLOG_PEER_BYTES = 640,                   /* of what is known of a peer, see lb_batch.peers */
};

/* What is sent in those frames and datagrams: syslog, or what another source makes of the same sockets. */
struct syslog_source;
struct ssl_ctx_st; /* of OpenSSL */
struct ssl_st;
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
    struct lb_metric *handshake_errors;
    struct lb_metric *held_back;
};

/*
 * Sockets and connections move, as they are, from a source to the one that replaces it, and back where that cannot be
 * used: `lender` is whom such a one was taken from.
 */
struct syslog_socket;     /* a bound datagram socket */
struct syslog_listener;   /* a socket that accepts */
struct syslog_connection; /* an accepted one */

struct syslog_source {
    struct net_settings net; /* at the front, as tls_options and rate_options want it */
    struct lb_strs listen;
    uint64_t max_connections;
    uint64_t receive_buffer;
    int64_t idle_timeout_ns;
    int64_t handshake_timeout_ns;
    bool proxy_protocol;
    struct lb_str socket_mode; /* octal */
    const struct syslog_traits *traits;
    struct lb_source *source;
    struct ssl_ctx_st *tls_context; /* NULL: nobody listens for TLS */
    struct peer_rate *peers;        /* NULL: no limit */
    struct event *tell_held_back;
    char own_host[SYSLOG_HOST_BYTES]; /* of peers on this machine */
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

/* A socket in the file system that is ours to remove. */
struct syslog_path {
    char path[SYSLOG_PATH_BYTES]; /* empty: there is none */
    dev_t device;
    ino_t inode;
};

struct syslog_address {
    struct lb_str text; /* as it is written */
    int type;           /* SOCK_DGRAM or SOCK_STREAM */
    bool tls;
    bool every; /* no host: all addresses, of IPv4 too */
    struct addrinfo *found;
    struct syslog_path bound; /* by syslog_address_bind(), for who listens on it */

    /* What `found` is for a path. */
    struct addrinfo local;
    struct sockaddr_un local_path;
};

/* `udp://`, `tcp://` and `tls://HOST:PORT` resolved, `unix://` and `unixgram:///PATH`. False with an error in `diag`.
 */
bool syslog_address_read(struct syslog_address *address, struct lb_str text, const struct lb_section *section,
                         struct lb_diag *diag);
void syslog_address_free(struct syslog_address *address);

/* A bound, non-blocking socket, listening if it is a stream's. -1 with an error in `diag`. */
int syslog_address_bind(struct syslog_address *address, const struct addrinfo *found, const struct lb_section *section,
                        mode_t mode, struct lb_diag *diag);

/* True when the socket is bound to that address. */
bool syslog_address_is(int fd, const struct addrinfo *found);

/* The host of a peer as text: IPv4 also where it came through IPv6. Returns its length. */
size_t syslog_host_text(const struct sockaddr_storage *address, char *out);
uint16_t syslog_port_of(const struct sockaddr_storage *address);

/* IPv4 as mapped; of a process on this machine its user. */
struct in6_addr syslog_peer_key(const struct sockaddr_storage *address);
struct in6_addr syslog_user_key(uid_t user);
size_t syslog_key_text(const struct in6_addr *key, char *out); /* as syslog_host_text(), or "uid 1000" */

/* --- syslog_unix.c --------------------------------------------------------------- */

/* "660" and the like. False: it is no mode. */
bool syslog_unix_mode(struct lb_str text, mode_t *mode);

/* `path` is absolute. False with an error in `diag`. */
bool syslog_unix_read(struct syslog_address *address, struct lb_str path, struct lb_place place, struct lb_diag *diag);

/* A socket that nobody listens on any more is replaced. -1: errno says why. */
int syslog_unix_bind(struct syslog_address *address, mode_t mode);
void syslog_unix_remove(const struct syslog_path *path); /* unless it is another's by now */

/* What is known of a process, in the manner of lb_batch.peers; `out` has SYSLOG_PEER_BYTES. */
size_t syslog_unix_peer(const struct syslog_source *source, const struct ucred *process, char *out);

/* --- syslog_udp.c ----------------------------------------------------------------- */

/* Owns `fd` from here on, also when it fails. */
enum lb_err syslog_socket_open(struct syslog_source *self, int fd, const struct syslog_address *address) LB_MUST_USE;
void syslog_sockets_stop(struct syslog_source *self);

/* Moves the socket that is bound to that address. False: there is none. */
bool syslog_socket_take(struct syslog_source *self, struct syslog_source *from, const struct addrinfo *found);
void syslog_sockets_take_back(struct syslog_source *self, struct syslog_source *from); /* those that were taken */
void syslog_sockets_resume(struct syslog_source *self);
void syslog_sockets_close(struct syslog_source *self);

/* --- syslog_tcp.c ----------------------------------------------------------------- */

enum lb_err syslog_listener_open(struct syslog_source *self, int fd, const struct syslog_address *address) LB_MUST_USE;
void syslog_listeners_stop(struct syslog_source *self);
void syslog_connections_end(struct syslog_source *self); /* delivers what they hold, as far as there is credit */
bool syslog_listener_take(struct syslog_source *self, struct syslog_source *from, const struct syslog_address *address,
                          const struct addrinfo *found);
void syslog_connections_take(struct syslog_source *self, struct syslog_source *from);    /* all */
void syslog_listeners_take_back(struct syslog_source *self, struct syslog_source *from); /* and connections */
void syslog_listeners_resume(struct syslog_source *self);
void syslog_listeners_close(struct syslog_source *self);

/* Name and host of a stream: a peer's address, a process on this machine (`text` is what lb_batch.peers has of it), or
 * those of another stream. */
void syslog_name_peer(struct lb_stream *stream, const struct sockaddr_storage *address);
bool syslog_name_process(const struct syslog_source *self, int fd, struct lb_stream *stream, struct in6_addr *key,
                         char **text);
void syslog_copy_peer(struct lb_stream *stream, const struct lb_stream *from);

/* `*text` is what is known of a client with a verified certificate, or stays. False: no memory. */
bool syslog_know_subject(const struct ssl_st *ssl, const struct lb_stream *stream, char **text);

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
