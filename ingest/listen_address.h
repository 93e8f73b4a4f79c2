/*
 * listen_address.h - addresses to listen on: udp://, tcp:// and tls://HOST:PORT, unix:// and unixgram:///PATH.
 *
 * Read and resolved, bound to a socket, and found again when another instance of the source is to have it.
 */
#ifndef LISTEN_ADDRESS_H
#define LISTEN_ADDRESS_H

#include "lb_diag.h"
#include "lb_module.h"

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { LISTEN_PATH_BYTES = sizeof(((struct sockaddr_un *)NULL)->sun_path) };

/* A socket in the file system that is ours to remove. */
struct listen_path {
    char path[LISTEN_PATH_BYTES]; /* empty: there is none */
    dev_t device;
    ino_t inode;
};

struct listen_address {
    struct lb_str text; /* as it is written */
    int type;           /* SOCK_DGRAM or SOCK_STREAM */
    bool tls;
    bool every; /* no host: all addresses, of IPv4 too */
    struct addrinfo *found;
    struct listen_path bound; /* by listen_address_bind(), for who listens on it */
    bool passed;              /* likewise: the socket was passed to us */

    /* What `found` is for a path. */
    struct addrinfo local;
    struct sockaddr_un local_path;
};

/* False with an error in `diag`. To be freed in both cases. */
bool listen_address_read(struct listen_address *address, struct lb_str text, const struct lb_section *section,
                         struct lb_diag *diag);
void listen_address_free(struct listen_address *address);

/* A bound, non-blocking socket, listening if it is a stream's; `mode` is that of a path. -1 with an error in `diag`. */
int listen_address_bind(struct listen_address *address, const struct addrinfo *found, const struct lb_section *section,
                        mode_t mode, struct lb_diag *diag);

/*
 * Another datagram socket on the address and port of `first`, which gets SO_REUSEPORT for it; one that was passed for
 * that address and is not in use yet comes first. -1: errno says why.
 */
int listen_address_bind_beside(int first, bool *passed);

/* True when the socket is bound to that address. */
bool listen_address_is(int fd, const struct addrinfo *found);

/* --- listen_unix.c --------------------------------------------------------------- */

/* "660" and the like. False: it is no mode. */
bool listen_unix_mode(struct lb_str text, mode_t *mode);

/* `path` is absolute. False with an error in `diag`. */
bool listen_unix_read(struct listen_address *address, struct lb_str path, struct lb_place place, struct lb_diag *diag);

/* A socket that nobody listens on any more is replaced. -1: errno says why. */
int listen_unix_bind(struct listen_address *address, mode_t mode);
void listen_unix_remove(const struct listen_path *path); /* unless it is another's by now */

#endif
