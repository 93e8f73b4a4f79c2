/*
 * peer_link.h - the bytes of a connection: plain or TLS, perhaps behind a proxy's header.
 *
 * First the link is made ready (header, handshake), then it is read like a socket. It never waits; what it needs to be
 * called again for is an event of the connection's that it is given.
 */
#ifndef PEER_LINK_H
#define PEER_LINK_H

#include "lb_err.h"
#include "lb_str.h"
#include "proxy_header.h"

#include <openssl/ssl.h>

struct event_base;
struct event;

struct peer_link {
    int fd;
    SSL *ssl;     /* NULL: plain */
    char *header; /* what has come of a proxy's header; NULL: none is awaited (any more) */
    size_t header_length;
    bool ready;
    bool ended;               /* by the peer, or TLS has failed */
    struct event *readable;   /* the connection's */
    struct event *again;      /* makes it active; TLS only */
    bool more;                /* OpenSSL may hold bytes */
    struct event *writable;   /* NULL until a handshake has to write and cannot */
    const char *problem;      /* a literal: why it cannot be made ready */
    struct proxy_header peer; /* once `header` has been read */
};

/* `tls` NULL: plain. False: no memory; close it. */
bool peer_link_open(struct peer_link *self, int fd, SSL_CTX *tls, bool proxied, struct event *readable) LB_MUST_USE;
void peer_link_close(struct peer_link *self); /* not the socket */

/* LB_AGAIN: when it can be read. LB_END: the peer has closed. LB_BAD_INPUT: `problem` says why it is to be closed. */
enum lb_err peer_link_prepare(struct peer_link *self) LB_MUST_USE;

/* As recv(), but fills the room as far as there are bytes. */
ssize_t peer_link_read(struct peer_link *self, char *bytes, size_t size);

/* As send(). */
ssize_t peer_link_write(struct peer_link *self, const char *bytes, size_t size);

/*
 * To be called when it is others' turn: makes the event active where nothing else will, for what is left to read was
 * taken from the socket already. After the loop has looked at all others, so that no peer can keep it for itself.
 */
void peer_link_continue(struct peer_link *self);

/*
 * Whether bytes wait at a socket whose timeout has come. When this process stood still for so long (its machine was
 * stopped), libevent tells of the timeout alone; the peer was not silent, and what it sent is read first.
 */
bool peer_link_was_late(int fd) LB_MUST_USE;

/* Nothing of its own will happen until it is read again. */
void peer_link_pause(struct peer_link *self);

#endif
