/*
 * listen_address.c - `udp://HOST:PORT` and the like to bound sockets.
 *
 * A socket that was passed to us is taken before one is made. An empty host, or `*`, is every address of IPv4 and IPv6
 * through one socket. A name may stand for several addresses, then each gets a socket. Every error says which address,
 * what failed and what would help.
 */
#include "listen_address.h"

#include "lb_sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

enum { BACKLOG = 1024, HOST_MAX = 255, PORT_MAX = 31 };

static const char known[] = "udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, unix:///PATH or unixgram:///PATH";

struct scheme {
    struct lb_str text;
    int type;
    bool tls;
    bool local;
};

/* Takes a known scheme off the front of `rest`. NULL: there is none. */
static const struct scheme *read_scheme(struct lb_str *rest)
{
    static const struct scheme schemes[] = {
        { { "udp://", 6 }, SOCK_DGRAM, false, false },      { { "tcp://", 6 }, SOCK_STREAM, false, false },
        { { "tls://", 6 }, SOCK_STREAM, true, false },      { { "unix://", 7 }, SOCK_STREAM, false, true },
        { { "unixgram://", 11 }, SOCK_DGRAM, false, true },
    };

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (!lb_str_starts(*rest, schemes[i].text))
            continue;
        *rest = (struct lb_str){ rest->ptr + schemes[i].text.len, rest->len - schemes[i].text.len };
        return &schemes[i];
    }
    return NULL;
}

/* "host:port", "[::1]:port", ":port"; the parts as C strings. */
static bool split(struct lb_str text, char *host, char *port)
{
    const char *colon = memrchr(text.ptr, ':', text.len);
    struct lb_str name;
    struct lb_str number;

    if (colon == NULL)
        return false;
    name = (struct lb_str){ text.ptr, (size_t)(colon - text.ptr) };
    number = (struct lb_str){ colon + 1, text.len - name.len - 1 };
    if (name.len > 1 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = (struct lb_str){ name.ptr + 1, name.len - 2 };
    else if (memchr(name.ptr, ':', name.len) != NULL)
        return false;
    if (name.len > HOST_MAX || number.len == 0 || number.len > PORT_MAX)
        return false;
    snprintf(host, HOST_MAX + 1, LB_STR_FMT, LB_STR_ARG(name));
    snprintf(port, PORT_MAX + 1, LB_STR_FMT, LB_STR_ARG(number));
    return true;
}

static int resolve(struct listen_address *address, const char *host, const char *port)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = address->type, .ai_flags = AI_PASSIVE };
    int failed;

    address->every = host[0] == '\0' || strcmp(host, "*") == 0;
    if (!address->every)
        return getaddrinfo(host, port, &hints, &address->found);
    hints.ai_family = AF_INET6;
    failed = getaddrinfo(NULL, port, &hints, &address->found);
    if (failed != 0 || access("/proc/net/if_inet6", F_OK) == 0)
        return failed;
    freeaddrinfo(address->found);
    hints.ai_family = AF_INET;
    return getaddrinfo(NULL, port, &hints, &address->found);
}

bool listen_address_read(struct listen_address *address, struct lb_str text, const struct lb_section *section,
                         struct lb_diag *diag)
{
    struct lb_place place = lb_section_place(section, "listen");
    struct lb_str rest = text;
    char host[HOST_MAX + 1];
    char port[PORT_MAX + 1];
    int failed;

    *address = (struct listen_address){ .text = text };
    const struct scheme *scheme = read_scheme(&rest);
    if (scheme == NULL) {
        lb_diag_error(diag, place, "cannot listen on '" LB_STR_FMT "'; expected %s", LB_STR_ARG(text), known);
        return false;
    }
    address->type = scheme->type;
    address->tls = scheme->tls;
    if (scheme->local)
        return listen_unix_read(address, rest, place, diag);
    if (!split(rest, host, port)) {
        lb_diag_error(diag, place,
                      "'" LB_STR_FMT "' has no host and port; expected %s, an IPv6 address in brackets as in "
                      "udp://[::1]:514",
                      LB_STR_ARG(text), known);
        return false;
    }
    failed = resolve(address, host, port);
    if (failed != 0) {
        lb_diag_error(diag, place, "cannot listen on '" LB_STR_FMT "': %s; expected an address or name of this host",
                      LB_STR_ARG(text), failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
        return false;
    }
    return true;
}

void listen_address_free(struct listen_address *address)
{
    if (address->found != NULL && address->found != &address->local)
        freeaddrinfo(address->found);
    address->found = NULL;
}

static const char *advice(int error)
{
    switch (error) {
    case EEXIST: return "; the file there is no socket, remove it";
    case EACCES: return "; ports below 1024 need root or CAP_NET_BIND_SERVICE, or choose a higher one";
    case EADDRINUSE: return "; another process has it, `ss -lnpu` or `ss -lnpt` shows which";
    case EADDRNOTAVAIL: return "; this host has no such address";
    default: return "";
    }
}

static void set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* `fd` or -1; errno is that of what failed. */
static int bound_or_closed(int fd, bool bound)
{
    int error = errno;

    if (bound)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static int bind_socket(struct listen_address *address, const struct addrinfo *found, mode_t mode)
{
    if (found->ai_family == AF_UNIX)
        return listen_unix_bind(address, mode);
    int fd = socket(found->ai_family, address->type | SOCK_NONBLOCK | SOCK_CLOEXEC, found->ai_protocol);

    if (fd < 0)
        return -1;
    if (address->type == SOCK_STREAM)
        set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    /* [::] beside 0.0.0.0 must work, and no host at all means both: whatever the system's default is. */
    if (found->ai_family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->every);
    return bound_or_closed(fd, bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                                   (address->type == SOCK_DGRAM || listen(fd, BACKLOG) == 0));
}

int listen_address_bind(struct listen_address *address, const struct addrinfo *found, const struct lb_section *section,
                        mode_t mode, struct lb_diag *diag)
{
    int fd = lb_sockets_take(found, section->name);

    address->passed = fd >= 0;
    if (fd < 0)
        fd = bind_socket(address, found, mode);
    if (fd < 0)
        lb_diag_error(diag, lb_section_place(section, "listen"), "cannot listen on '" LB_STR_FMT "': %s%s",
                      LB_STR_ARG(address->text), strerror(errno), advice(errno));
    return fd;
}

int listen_address_bind_beside(int first, bool *passed)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t size = sizeof(bound);
    int only6 = 0;
    socklen_t only6_size = sizeof(only6);

    if (getsockname(first, (struct sockaddr *)&bound, &size) != 0)
        return -1;
    const struct addrinfo found = { .ai_family = bound.ss_family,
                                    .ai_socktype = SOCK_DGRAM,
                                    .ai_addr = (struct sockaddr *)&bound,
                                    .ai_addrlen = size };
    int fd = lb_sockets_take_another(&found);

    *passed = fd >= 0;
    if (fd >= 0)
        return fd;
    fd = socket(bound.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set(first, SOL_SOCKET, SO_REUSEPORT, 1);
    set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (getsockopt(first, IPPROTO_IPV6, IPV6_V6ONLY, &only6, &only6_size) == 0 && bound.ss_family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, only6);
    return bound_or_closed(fd, bind(fd, (struct sockaddr *)&bound, size) == 0);
}

bool listen_address_is(int fd, const struct addrinfo *found)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t size = sizeof(bound);
    int type = 0;
    socklen_t type_size = sizeof(type);

    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0)
        return false;
    if (bound.ss_family != found->ai_family || type != found->ai_socktype)
        return false;
    if (bound.ss_family == AF_UNIX)
        return strcmp(((const struct sockaddr_un *)(const void *)&bound)->sun_path,
                      ((const struct sockaddr_un *)(const void *)found->ai_addr)->sun_path) == 0;
    if (bound.ss_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)&bound;
        const struct sockaddr_in *b = (const struct sockaddr_in *)(const void *)found->ai_addr;

        return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)(const void *)&bound;
    const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)(const void *)found->ai_addr;
    return bound.ss_family == AF_INET6 && a->sin6_port == b->sin6_port &&
           memcmp(&a->sin6_addr, &b->sin6_addr, sizeof(a->sin6_addr)) == 0;
}
