/*
 * peers.h - connections of senders that want an answer: what the sources forward and relp share.
 *
 * A protocol reads whole messages from the bytes of a peer, puts their records into batches, and owes an answer for
 * each. The answer is sent when the batch that has the last record of the message has been handed on, or, where the
 * source is durable, when the intake has it on disk: never before, so what a peer saw answered is not lost.
 *
 * All of it runs on one loop's thread but for open, close and peers_safe(). No batch is held between two callbacks; a
 * peer that is in the middle of a message keeps it in a buffer of its own. All buffers of a source share one bound,
 * past which the largest claims are refused by closing: what was not answered comes again.
 */
#ifndef PEERS_H
#define PEERS_H

#include "lb_buffer.h"
#include "lb_metrics.h"
#include "lb_source.h"

#include "listeners.h"
#include "net_settings.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    PEERS_LISTEN_MAX = 32,
    PEERS_UNFINISHED_BYTES = 64 * 1024 * 1024, /* in the buffers of all peers of a source */
    PEERS_OWED_BYTES = 256 * 1024, /* of answers that wait, or that the peer does not take: it is not read */
};

#define PEERS_STALL (60 * LB_SECOND) /* in mid-message, or in the handshake, without a byte; or answers not taken */

struct peer;
struct peers;
struct bufferevent;
struct ssl_ctx_st;

enum peer_outcome {
    PEER_MORE,  /* it needs bytes that are not there; peer->needed says how many in all, or 0 */
    PEER_AGAIN, /* it can go on, but others have their turn first */
    PEER_WAIT,  /* no credit: peer_room() gave NULL */
    PEER_LAST,  /* close when the answers are sent */
    PEER_BAD,   /* close: what it sends is not the protocol; told by peer_blame() */
};

struct peers_protocol {
    const char *module; /* for the log: source.forward */
    size_t peer_size;   /* of a structure that begins with struct peer */
    size_t read_bytes;  /* it is given so many bytes at least before the peer has to wait for its turn */

    bool (*open)(struct peer *peer);  /* optional; false: no memory */
    void (*close)(struct peer *peer); /* optional */

    /* Reads peer->bytes from peer->used on, which it moves behind what is done. */
    enum peer_outcome (*read)(struct peer *peer);

    /* Optional: bytes[used …] end there for good; what is whole goes out by peer_room(), as far as there is credit. */
    void (*ended)(struct peer *peer);
};

struct peers_metrics {
    struct lb_metric *messages; /* records */
    struct lb_metric *bytes;
    struct lb_metric *answers;
    struct lb_metric *truncated;
    struct lb_metric *connections;
    struct lb_metric *refused;
    struct lb_metric *errors;
};

/* First in the state of a source; filled by PEERS_OPTIONS. */
struct peers {
    struct tls_settings tls; /* at the front, as tls_options wants it */
    struct lb_strs listen;
    uint64_t max_connections;
    uint64_t message_max;
    int64_t idle_timeout_ns;

    const struct peers_protocol *protocol;
    struct lb_source *source;
    struct peers_metrics metrics;
    struct ssl_ctx_st *ssl; /* NULL: nobody listens for TLS */
    struct listeners listeners;
    struct peer *first;
    uint32_t count;
    size_t unfinished_bytes;
    struct peer *waiters; /* for credit: first come, first served */
    struct peer **last_waiter;
    bool stopped;

    pthread_mutex_t lock; /* guards `deaf`: nothing may be posted for one that goes */
    bool deaf;
    atomic_bool posted;
    _Atomic uint64_t safe_number;
};

struct peer {
    struct peers *owner;
    struct peers *lender;
    struct peer *next;
    struct peer **link; /* what points to it */
    struct peer *next_waiter;
    bool waiting;
    bool ended;    /* the peer has closed */
    bool last;     /* closes when it has its answers */
    bool slow;     /* encrypted, and nothing has come yet: it may never end the handshake */
    bool greeting; /* the protocol's: it has not said who it is */
    struct lb_stream *stream;
    struct bufferevent *transport;
    struct lb_buffer bytes;
    size_t used;
    size_t needed;
    size_t extra; /* bytes that the protocol holds besides; by peer_hold() */

    struct lb_batch *batch; /* being filled; NULL between two callbacks */
    size_t slab_size;
    uint64_t position;
    uint64_t last_number; /* of the intake: of its last batch */

    struct lb_buffer answers; /* owed */
    struct lb_buffer debts;   /* an array of struct peer_debt: when their parts are due, in order */
    size_t pending;           /* the last bytes of `answers` wait for peer_push() */
};

#define PEERS_OPTIONS(port, bytes_max, bytes_help)                                                                     \
    { .name = "listen",                                                                                                \
      .kind = LB_OPTION_STRINGS,                                                                                       \
      .offset = offsetof(struct peers, listen),                                                                        \
      .fallback = NULL,                                                                                                \
      .help = "Where to listen: tcp://HOST:PORT or tls://HOST:PORT (usual port: " port                                 \
              "); an empty host is every address, IPv4 and IPv6",                                                      \
      .flags = LB_OPTION_REQUIRED },                                                                                   \
        { .name = "max_connections",                                                                                   \
          .kind = LB_OPTION_COUNT,                                                                                     \
          .offset = offsetof(struct peers, max_connections),                                                           \
          .fallback = "1024",                                                                                          \
          .help = "How many connections are open at once; further ones are refused",                                   \
          .min = 1,                                                                                                    \
          .max = LB_CONNECTIONS_MAX },                                                                                 \
        { .name = "max_message",                                                                                       \
          .kind = LB_OPTION_SIZE,                                                                                      \
          .offset = offsetof(struct peers, message_max),                                                               \
          .fallback = bytes_max,                                                                                       \
          .help = bytes_help,                                                                                          \
          .min = 1024,                                                                                                 \
          .max = PEERS_UNFINISHED_BYTES / 2 },                                                                         \
        { .name = "idle_timeout",                                                                                      \
          .kind = LB_OPTION_DURATION,                                                                                  \
          .offset = offsetof(struct peers, idle_timeout_ns),                                                           \
          .help = "Closes a connection that sends nothing for so long; 0 never does" },                                \
        NET_TLS_OPTION("certificates for tls://")

/* --- the source's life: its functions call these ------------------------------------- */

enum lb_err peers_check(const struct lb_source *source, struct lb_diag *diag) LB_MUST_USE;
enum lb_err peers_open(struct peers *self, const struct peers_protocol *protocol, struct lb_source *source,
                       struct lb_diag *diag) LB_MUST_USE;
void peers_stop(struct peers *self);
void peers_resume(struct peers *self);
void peers_close(struct peers *self);
void peers_safe(struct peers *self, uint64_t number); /* any thread */

/* --- for protocols ---------------------------------------------------------------------- */

/* The batch with room for one event of `size` bytes. NULL: no credit; the peer will be read again when there is. */
struct lb_batch *peer_room(struct peer *self, size_t size);

/* Notes bytes[start, start + length) of the batch, which are in it. */
void peer_note(struct peer *self, size_t start, size_t length, bool truncated);

/* Owes these bytes for all that was put in so far. */
void peer_owe(struct peer *self, struct lb_str answer);

/* Sends at once, whatever is owed. */
void peer_send(struct peer *self, struct lb_str bytes);

/* The protocol holds so many bytes of its own for the peer. */
void peer_hold(struct peer *self, size_t bytes);

/* Half of what may be unfinished is free: the protocol may begin to hold something. */
static inline bool peers_have_room(const struct peers *self)
{
    return self->unfinished_bytes < PEERS_UNFINISHED_BYTES / 2;
}

/* Says why it is closed. Returns PEER_BAD. */
enum peer_outcome peer_blame(struct peer *self, const char *reason);

static inline struct lb_str peer_bytes(const struct peer *self)
{
    return (struct lb_str){ self->bytes.ptr + self->used, self->bytes.len - self->used };
}

/* --- between peers.c and peers_open.c ------------------------------------------------------ */

/* A connection that was accepted; owns `fd`. `tls`: of its listener. */
void peers_connection_open(struct peers *owner, int fd, const struct sockaddr_storage *address, bool tls);
void peers_connections_start(struct peers *self); /* also those that were stopped; and pays what is due */
void peers_connections_stop(struct peers *self);
void peers_connections_end(struct peers *self);                           /* with what is whole in them */
void peers_connections_take(struct peers *self, struct peers *from);      /* but those that are owed something */
void peers_connections_take_back(struct peers *self, struct peers *from); /* those that were taken */
void peers_connections_close(struct peers *self);

#endif
