/*
 * peer_name.h - who is at the other end: an address, a process on this machine, the subject of a certificate.
 *
 * A stream gets its name and host from its peer. What else is known goes along as a text in the manner of
 * lb_batch.peers, and a key stands for whose rate counts.
 */
#ifndef PEER_NAME_H
#define PEER_NAME_H

#include "lb_source.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
    PEER_HOST_BYTES = 64,  /* an address as text, and its NUL */
    PEER_TEXT_BYTES = 640, /* of what is known of a peer, see lb_batch.peers */
};

struct ssl_st; /* of OpenSSL */

/* The host of a peer as text: IPv4 also where it came through IPv6. Returns its length. */
size_t peer_host_text(const struct sockaddr_storage *address, char *out);
uint16_t peer_port_of(const struct sockaddr_storage *address);

/* IPv4 as mapped; of a process on this machine its user. */
struct in6_addr peer_key_of(const struct sockaddr_storage *address);
struct in6_addr peer_user_key(uid_t user);
size_t peer_key_text(const struct in6_addr *key, char *out); /* as peer_host_text(), or "uid 1000" */

/* Name and host of a stream, from a peer's address or from another stream. */
void peer_name_stream(struct lb_stream *stream, const struct sockaddr_storage *address);
void peer_copy_name(struct lb_stream *stream, const struct lb_stream *from);

/* What is known of a process, in the manner of lb_batch.peers; `out` has PEER_TEXT_BYTES. */
size_t peer_process_text(const char *own_host, const struct ucred *process, char *out);

/* Names a stream after the process at the other end of `fd`, with its key and its text. False: no memory. `*text` is
 * the caller's, by lb_free(). */
bool peer_know_process(const char *own_host, int fd, struct lb_stream *stream, struct in6_addr *key, char **text);

/* `*text` is what is known of a client with a verified certificate, or stays. False: no memory. */
bool peer_know_subject(const struct ssl_st *ssl, const struct lb_stream *stream, char **text);

#endif
