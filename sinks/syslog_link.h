/*
 * syslog_link.h - the way to a syslog receiver: UDP, TCP, TLS, a Unix socket.
 *
 * Syslog knows no answers. What comes nearest on a stream is what the other
 * side's kernel has confirmed: bytes written less bytes that are still on
 * their way. Opening waits up to its time limit, sending never. One thread.
 */
#ifndef SYSLOG_LINK_H
#define SYSLOG_LINK_H

#include "lb_str.h"

#include <openssl/ssl.h>
#include <stdint.h>
#include <sys/types.h>

enum syslog_way { SYSLOG_UDP, SYSLOG_TCP, SYSLOG_TLS, SYSLOG_UNIX };

enum { SYSLOG_HOST_BYTES = 256, SYSLOG_ERROR_BYTES = 200 };

struct syslog_target {
    enum syslog_way way;
    char host[SYSLOG_HOST_BYTES]; /* of a Unix socket: its path */
    char port[8];
};

/* "udp://host:514", "tcp://…", "tls://…", "unix:///dev/log". False: none of them. */
bool syslog_target_read(struct syslog_target *target, struct lb_str address);

struct syslog_tls {
    struct lb_str ca;
    struct lb_str cert;
    struct lb_str key;
    bool verify;
};

struct syslog_link {
    const struct syslog_target *target;
    SSL_CTX *context; /* TLS */
    SSL *ssl;
    int fd; /* -1: closed */
    bool stream;
    bool too_long; /* why a datagram was not taken */
    uint64_t sent; /* bytes that a stream without TLS was given */
    char error[SYSLOG_ERROR_BYTES];
};

/* Reads certificates. False: link->error says what is wrong. */
bool syslog_link_init(struct syslog_link *link, const struct syslog_target *target, const struct syslog_tls *tls);
void syslog_link_free(struct syslog_link *link);

/* False: link->error says why. */
bool syslog_link_open(struct syslog_link *link, int64_t timeout_ns);
void syslog_link_close(struct syslog_link *link);

/* Bytes taken, or a whole datagram; 0: not now; -1: it is broken, link->error says how. */
ssize_t syslog_link_send(struct syslog_link *link, const char *bytes, size_t len);

/* Bytes on the wire so far, and how many of them are confirmed. */
uint64_t syslog_link_written(const struct syslog_link *link);
uint64_t syslog_link_confirmed(const struct syslog_link *link);

/* False: the receiver has closed it. */
bool syslog_link_alive(struct syslog_link *link);

#endif
