/*
 * syslog_sockets.h - one datagram socket of a source: what a call needs, and who reads it.
 *
 * An address has one socket that is read on the source's loop, and with `udp_sockets` further ones beside it, among
 * which the kernel deals out the senders (SO_REUSEPORT). Each of those has a loop and a thread of its own, from when
 * the source is sure to stay until it is stopped; so whatever moves sockets or changes their source meets no thread.
 */
#ifndef SYSLOG_SOCKETS_H
#define SYSLOG_SOCKETS_H

#include "syslog_source.h"

#include <netinet/in.h>

enum {
    SLOTS = 64,
    SLOT_BYTES = 2048,
    OVERFLOW_BYTES = 64 * 1024, /* with the slot, more than any datagram */
    CALLS_PER_TURN = 16,
    EVENTS_MAX = 4096, /* of one batch */
    PEERS_CACHED = 64, /* a power of 2 */
};

struct peer {
    struct in6_addr address; /* IPv4 as mapped */
    struct lb_str text;      /* in the arena of the batch; empty: not set */
};

/* What calls need, and long ones that wait for credit. */
struct datagrams {
    struct mmsghdr headers[SLOTS];
    struct iovec vectors[SLOTS][2];
    struct sockaddr_storage addresses[SLOTS];
    _Alignas(struct cmsghdr) char controls[SLOTS][CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(struct ucred))];
    char overflow[SLOTS][SLOT_BYTES + OVERFLOW_BYTES]; /* the first bytes are room for the slot of a long one */
    uint16_t long_ones[SLOTS];
    uint32_t long_count;
    uint32_t long_done;
    struct lb_str content;           /* of the long one that is next, */
    bool unpacked;                   /* if this is set */
    struct lb_str peers[EVENTS_MAX]; /* of the batch that is being filled */
    struct peer cache[PEERS_CACHED];
};

struct syslog_socket {
    struct syslog_waiter waiter;
    struct syslog_source *owner;
    const struct syslog_source *lender;
    struct syslog_socket *next;
    struct lb_stream *stream;
    struct event *readable; /* on `loop` */
    struct event *begin;    /* on the source's loop: it is sure to stay */
    struct lb_loop *loop;   /* its own; NULL: the source's */
    void *unpacker;         /* of the owner's traits, or NULL */
    struct listen_path path;
    bool local;   /* peers are processes, not hosts */
    bool beside;  /* another one, and read by a thread of its own */
    bool grown;   /* made beside one that was taken: goes along when that is given back */
    bool passed;  /* to us, and may be taken again: never made to leave */
    bool leaving; /* is closed when it is empty, */
    bool deaf;    /* and gets nothing new any more */
    int fd;
    uint32_t dropped; /* the kernel's count so far */
    uint64_t position;
    size_t slab_size;
    struct datagrams datagrams; /* 4 MiB, of which only what long datagrams use is ever touched */
};

/* --- syslog_udp.c: on the thread that reads the socket ------------------------------ */

/* Reads until the socket is empty or it is others' turn, and pushes. True: it is empty. */
bool syslog_socket_read(struct syslog_socket *self);

/* What no datagram has told of: nothing came after the last ones that were dropped. */
void syslog_socket_count_dropped(struct syslog_socket *self);

#endif
