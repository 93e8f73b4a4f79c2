/*
 * proxy_header.h - whom a proxy speaks for (PROXY protocol, versions 1 and 2).
 *
 * The header stands in front of all else on a connection, before TLS too. It
 * is read strictly: a header that is nearly right would make a false address
 * believed. Nothing of what follows it is looked at.
 */
#ifndef PROXY_HEADER_H
#define PROXY_HEADER_H

#include "lb_err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
    PROXY_HEADER_TEXT_MAX = 107, /* of version 1, CRLF included */
    PROXY_HEADER_MAX = 2048,     /* of version 2, with its extensions */
};

struct proxy_header {
    size_t length; /* of the header */
    bool known;    /* the proxy speaks for somebody else; else the connection is its own (a health check) */
    struct sockaddr_storage of; /* the peer's, with `known` */
    const char *reason;         /* on LB_BAD_INPUT, a literal */
};

/* LB_AGAIN: all that is there belongs to a header, and more is needed. LB_BAD_INPUT: close the connection. */
enum lb_err proxy_header_read(const char *bytes, size_t length, struct proxy_header *header) LB_MUST_USE;

#endif
