/*
 * syslog_link.c - sockets and OpenSSL.
 *
 * All descriptors are non-blocking; where something has to be waited for, it
 * is by poll() and up to a deadline. Of TLS the bytes on the wire are counted,
 * not the text: that is what the kernel confirms.
 */
#include "syslog_link.h"

#include "lb_clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- the address --------------------------------------------------------------------- */

/* "host:port", "[::1]:port"; "host" alone has the port that is usual. */
static bool read_host(struct syslog_target *target, struct lb_str text, const char *usual)
{
    bool bracket = text.len > 0 && *text.ptr == '[';
    const char *close = bracket ? memchr(text.ptr, ']', text.len) : NULL;
    const char *colon = memrchr(text.ptr, ':', text.len);
    const char *end = text.ptr + text.len;

    if (bracket && close == NULL)
        return false;
    if (colon != NULL && close != NULL && colon < close)
        colon = NULL;
    const char *host = bracket ? text.ptr + 1 : text.ptr;
    size_t len = (size_t)((bracket ? close : colon != NULL ? colon : end) - host);
    struct lb_str port = colon != NULL ? (struct lb_str){ colon + 1, (size_t)(end - colon - 1) } : lb_str_from(usual);
    if (len == 0 || len >= sizeof(target->host) || port.len == 0 || port.len > 5)
        return false;
    for (size_t i = 0; i < port.len; i++) {
        if (port.ptr[i] < '0' || port.ptr[i] > '9')
            return false;
    }
    snprintf(target->host, sizeof(target->host), "%.*s", (int)len, host);
    snprintf(target->port, sizeof(target->port), LB_STR_FMT, LB_STR_ARG(port));
    return strpbrk(target->host, "/@ ") == NULL && atoi(target->port) > 0 && atoi(target->port) <= UINT16_MAX;
}

bool syslog_target_read(struct syslog_target *target, struct lb_str address)
{
    static const struct {
        struct lb_str prefix;
        enum syslog_way way;
        const char *port;
    } ways[] = { { { "udp://", 6 }, SYSLOG_UDP, "514" },
                 { { "tcp://", 6 }, SYSLOG_TCP, "514" },
                 { { "tls://", 6 }, SYSLOG_TLS, "6514" },
                 { { "unix://", 7 }, SYSLOG_UNIX, "" } };

    for (size_t i = 0; address.len > 0 && i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (!lb_str_starts(address, ways[i].prefix))
            continue;
        struct lb_str rest = { address.ptr + ways[i].prefix.len, address.len - ways[i].prefix.len };

        target->way = ways[i].way;
        if (rest.len == 0)
            return false;
        if (target->way != SYSLOG_UNIX)
            return read_host(target, rest, ways[i].port);
        snprintf(target->host, sizeof(target->host), LB_STR_FMT, LB_STR_ARG(rest));
        return *rest.ptr == '/' && rest.len < sizeof(((struct sockaddr_un *)0)->sun_path);
    }
    return false;
}

/* --- faults -------------------------------------------------------------------------------- */

static bool fail(struct syslog_link *link, const char *what, const char *why)
{
    snprintf(link->error, sizeof(link->error), "%s: %s", what, why);
    return false;
}

static bool fail_errno(struct syslog_link *link, const char *what)
{
    return fail(link, what, strerror(errno));
}

/* The oldest fault that OpenSSL has noted. */
static bool fail_tls(struct syslog_link *link, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    if (link->ssl != NULL && SSL_get_verify_result(link->ssl) != X509_V_OK)
        reason = X509_verify_cert_error_string(SSL_get_verify_result(link->ssl));
    ERR_clear_error();
    return fail(link, what, reason != NULL ? reason : "the receiver closed the connection");
}

/* --- certificates --------------------------------------------------------------------------- */

static bool load_certificates(SSL_CTX *context, const struct syslog_tls *tls)
{
    if (tls->ca.len > 0 ? SSL_CTX_load_verify_file(context, tls->ca.ptr) != 1
                        : SSL_CTX_set_default_verify_paths(context) != 1)
        return false;
    if (tls->cert.len == 0)
        return true;
    const char *key = tls->key.len > 0 ? tls->key.ptr : tls->cert.ptr;
    return SSL_CTX_use_certificate_chain_file(context, tls->cert.ptr) == 1 &&
           SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1;
}

bool syslog_link_init(struct syslog_link *link, const struct syslog_target *target, const struct syslog_tls *tls)
{
    *link = (struct syslog_link){ .target = target, .fd = -1 };
    if (target->way != SYSLOG_TLS)
        return true;
    link->context = SSL_CTX_new(TLS_client_method());
    if (link->context == NULL || SSL_CTX_set_min_proto_version(link->context, TLS1_2_VERSION) != 1 ||
        !load_certificates(link->context, tls)) {
        fail_tls(link, "tls");
        syslog_link_free(link);
        return false;
    }
    SSL_CTX_set_verify(link->context, tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(link->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return true;
}

void syslog_link_free(struct syslog_link *link)
{
    syslog_link_close(link);
    SSL_CTX_free(link->context);
    link->context = NULL;
}

void syslog_link_close(struct syslog_link *link)
{
    if (link->ssl != NULL)
        SSL_shutdown(link->ssl); /* says that this is the end; an answer is not waited for */
    SSL_free(link->ssl);
    ERR_clear_error();
    link->ssl = NULL;
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    link->sent = 0;
}

/* --- opening ----------------------------------------------------------------------------------- */

static bool wait_for(const struct syslog_link *link, short events, int64_t deadline)
{
    int64_t left = (deadline - lb_clock_monotonic()) / LB_MILLISECOND;
    struct pollfd fd = { link->fd, events, 0 };

    errno = ETIMEDOUT;
    return left > 0 && poll(&fd, 1, (int)left) == 1;
}

static bool connect_to(struct syslog_link *link, const struct sockaddr *address, socklen_t len, int type,
                       int64_t deadline)
{
    int error = 0;
    socklen_t size = sizeof(error);

    link->fd = socket(address->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0)
        return fail_errno(link, "socket");
    link->stream = type == SOCK_STREAM;
    if (connect(link->fd, address, len) == 0)
        return true;
    if (errno == EINPROGRESS && wait_for(link, POLLOUT, deadline) &&
        getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0) {
        errno = error;
        if (error == 0)
            return true;
    }
    error = errno;
    fail_errno(link, "cannot connect");
    syslog_link_close(link);
    errno = error;
    return false;
}

/* Most are for datagrams; a stream answers that it is none. */
static bool open_unix(struct syslog_link *link, int64_t deadline)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const struct sockaddr *any = (const struct sockaddr *)&address;

    memcpy(address.sun_path, link->target->host, strnlen(link->target->host, sizeof(address.sun_path) - 1));
    return connect_to(link, any, sizeof(address), SOCK_DGRAM, deadline) ||
           (errno == EPROTOTYPE && connect_to(link, any, sizeof(address), SOCK_STREAM, deadline));
}

static bool open_network(struct syslog_link *link, int64_t deadline)
{
    int type = link->target->way == SYSLOG_UDP ? SOCK_DGRAM : SOCK_STREAM;
    struct addrinfo hints = { .ai_socktype = type };
    struct addrinfo *found = NULL;
    int code = getaddrinfo(link->target->host, link->target->port, &hints, &found);
    bool connected = false;

    if (code != 0)
        return fail(link, "cannot find the receiver", gai_strerror(code));
    for (const struct addrinfo *at = found; at != NULL && !connected; at = at->ai_next)
        connected = connect_to(link, at->ai_addr, at->ai_addrlen, type, deadline);
    freeaddrinfo(found);
    return connected;
}

/* The certificate must be for what the configuration calls the receiver. */
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool open_tls(struct syslog_link *link, int64_t deadline)
{
    link->ssl = SSL_new(link->context);
    if (link->ssl == NULL || SSL_set_fd(link->ssl, link->fd) != 1 || !expect_host(link->ssl, link->target->host))
        return fail_tls(link, "tls");
    for (;;) {
        int code = SSL_connect(link->ssl);
        int error = code == 1 ? SSL_ERROR_NONE : SSL_get_error(link->ssl, code);

        if (code == 1)
            return true;
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return fail_tls(link, "tls");
        if (!wait_for(link, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline))
            return fail_errno(link, "tls");
    }
}

bool syslog_link_open(struct syslog_link *link, int64_t timeout_ns)
{
    int64_t deadline = lb_clock_monotonic() + timeout_ns;

    if (!(link->target->way == SYSLOG_UNIX ? open_unix(link, deadline) : open_network(link, deadline)))
        return false;
    if (link->target->way != SYSLOG_TLS || open_tls(link, deadline))
        return true;
    SSL_free(link->ssl); /* not shut down: it never was up */
    link->ssl = NULL;
    syslog_link_close(link);
    return false;
}

/* --- sending -------------------------------------------------------------------------------------- */

static ssize_t send_tls(struct syslog_link *link, const char *bytes, size_t len)
{
    int sent = SSL_write(link->ssl, bytes, len < INT32_MAX ? (int)len : INT32_MAX);

    if (sent > 0)
        return sent;
    int error = SSL_get_error(link->ssl, sent);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return 0;
    fail_tls(link, "the connection broke");
    return -1;
}

ssize_t syslog_link_send(struct syslog_link *link, const char *bytes, size_t len)
{
    if (link->ssl != NULL)
        return send_tls(link, bytes, len);
    ssize_t sent = send(link->fd, bytes, len, MSG_NOSIGNAL);
    if (sent >= 0) {
        link->sent += (uint64_t)sent;
        return sent;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS)
        return 0;
    link->too_long = errno == EMSGSIZE;
    fail_errno(link, link->stream ? "the connection broke" : "cannot send");
    return -1;
}

uint64_t syslog_link_written(const struct syslog_link *link)
{
    return link->ssl != NULL ? BIO_number_written(SSL_get_wbio(link->ssl)) : link->sent;
}

/* Where the kernel cannot say, what it has taken counts. */
uint64_t syslog_link_confirmed(const struct syslog_link *link)
{
    uint64_t written = syslog_link_written(link);
    int left = 0;

    if (link->fd < 0)
        return 0;
    if (!link->stream || ioctl(link->fd, SIOCOUTQ, &left) != 0 || left < 0)
        return written;
    return (uint64_t)left < written ? written - (uint64_t)left : 0;
}

/* A receiver says nothing but that it goes; tickets of TLS are read on the way. */
bool syslog_link_alive(struct syslog_link *link)
{
    char bytes[512];
    ssize_t got;

    if (link->fd < 0 || !link->stream)
        return link->fd >= 0;
    if (link->ssl != NULL) {
        int code = SSL_read(link->ssl, bytes, sizeof(bytes));
        int error = code > 0 ? SSL_ERROR_NONE : SSL_get_error(link->ssl, code);

        if (code > 0 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
            return true;
        fail_tls(link, "the connection broke");
        return false;
    }
    got = recv(link->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)))
        return true;
    if (got == 0)
        errno = ECONNRESET;
    fail_errno(link, "the connection broke");
    return false;
}
