/*
 * peer_link.c - a proxy's header, a handshake, then bytes.
 *
 * The tricky thing is the header: what follows it may be TLS, which has to find it on the socket. So bytes are looked
 * at first and taken only as far as they belong to the header; when it is not whole yet, all of them do.
 */
#include "peer_link.h"

#include "lb_alloc.h"
#include "tls_server.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

bool peer_link_was_late(int fd)
{
    int waiting = 0;

    return ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

static void make_active(evutil_socket_t fd, short what, void *context)
{
    struct peer_link *self = context;

    (void)fd, (void)what;
    event_active(self->readable, EV_READ, 0);
}

bool peer_link_open(struct peer_link *self, int fd, SSL_CTX *tls, bool proxied, struct event *readable)
{
    *self = (struct peer_link){ .fd = fd, .readable = readable, .ready = tls == NULL && !proxied };
    if (proxied && (self->header = lb_alloc(PROXY_HEADER_MAX)) == NULL)
        return false;
    if (tls == NULL)
        return true;
    self->ssl = SSL_new(tls);
    if (self->ssl == NULL || SSL_set_fd(self->ssl, fd) != 1)
        return false;
    SSL_set_accept_state(self->ssl);
    self->again = evtimer_new(event_get_base(readable), make_active, self);
    return self->again != NULL;
}

void peer_link_close(struct peer_link *self)
{
    if (self->ssl != NULL && self->ready && !self->ended)
        (void)SSL_shutdown(self->ssl);
    if (self->ssl != NULL)
        SSL_free(self->ssl);
    if (self->writable != NULL)
        event_free(self->writable);
    if (self->again != NULL)
        event_free(self->again);
    lb_free(self->header);
    ERR_clear_error();
    self->ssl = NULL;
    self->writable = self->again = NULL;
    self->header = NULL;
}

/* --- a proxy's header ------------------------------------------------------------- */

static enum lb_err read_header(struct peer_link *self)
{
    size_t room = PROXY_HEADER_MAX - self->header_length;
    ssize_t got = recv(self->fd, self->header + self->header_length, room, MSG_PEEK);
    size_t had = self->header_length;
    enum lb_err err;

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? LB_AGAIN : LB_END;
    err = proxy_header_read(self->header, had + (size_t)got, &self->peer);
    if (err == LB_BAD_INPUT) {
        self->problem = self->peer.reason;
        return err;
    }
    size_t take = err == LB_OK ? self->peer.length - had : (size_t)got;
    if (recv(self->fd, self->header + had, take, 0) != (ssize_t)take)
        return LB_END;
    self->header_length += take;
    if (err == LB_AGAIN && self->header_length == PROXY_HEADER_MAX) {
        self->problem = "a PROXY header that is too long";
        return LB_BAD_INPUT;
    }
    if (err == LB_OK) {
        lb_free(self->header);
        self->header = NULL;
    }
    return err;
}

/* --- TLS ---------------------------------------------------------------------------- */

static enum lb_err wait_to_write(struct peer_link *self)
{
    if (self->writable == NULL)
        self->writable = event_new(event_get_base(self->readable), self->fd, EV_WRITE, make_active, self);
    if (self->writable != NULL && event_add(self->writable, NULL) == 0)
        return LB_AGAIN;
    self->problem = "no memory";
    return LB_BAD_INPUT;
}

static enum lb_err shake_hands(struct peer_link *self)
{
    int result;

    ERR_clear_error();
    errno = 0;
    result = SSL_do_handshake(self->ssl);
    if (result == 1)
        return LB_OK;
    switch (SSL_get_error(self->ssl, result)) {
    case SSL_ERROR_WANT_READ: return LB_AGAIN;
    case SSL_ERROR_WANT_WRITE: return wait_to_write(self);
    case SSL_ERROR_SYSCALL:
        if (ERR_peek_error() == 0) {
            self->ended = true;
            return LB_END;
        }
        break;
    default: break;
    }
    self->ended = true;
    self->problem = tls_problem();
    return LB_BAD_INPUT;
}

enum lb_err peer_link_prepare(struct peer_link *self)
{
    enum lb_err err = self->header != NULL ? read_header(self) : LB_OK;

    if (err == LB_OK && self->ssl != NULL && !self->ready)
        err = shake_hands(self);
    self->ready = err == LB_OK;
    return err;
}

static ssize_t read_tls(struct peer_link *self, char *bytes, size_t size)
{
    size_t total = 0;
    size_t got;

    while (total < size && !self->ended) {
        ERR_clear_error();
        int result = SSL_read_ex(self->ssl, bytes + total, size - total, &got);
        if (result == 1) {
            total += got;
            continue;
        }
        int error = SSL_get_error(self->ssl, result);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
            break;
        self->ended = true;
    }
    ERR_clear_error();
    self->more = total == size || self->ended;
    if (total > 0)
        return (ssize_t)total;
    errno = EAGAIN;
    return self->ended ? 0 : -1;
}

ssize_t peer_link_read(struct peer_link *self, char *bytes, size_t size)
{
    return self->ssl != NULL ? read_tls(self, bytes, size) : recv(self->fd, bytes, size, 0);
}

ssize_t peer_link_write(struct peer_link *self, const char *bytes, size_t size)
{
    size_t sent = 0;

    if (self->ssl == NULL)
        return send(self->fd, bytes, size, MSG_NOSIGNAL);
    ERR_clear_error();
    int result = self->ended ? 0 : SSL_write_ex(self->ssl, bytes, size, &sent);
    if (result == 1)
        return (ssize_t)sent;
    int error = self->ended ? SSL_ERROR_SSL : SSL_get_error(self->ssl, result);
    ERR_clear_error();
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
    return -1;
}

void peer_link_continue(struct peer_link *self)
{
    const struct timeval at_once = { 0, 0 };

    if (self->more && evtimer_add(self->again, &at_once) != 0)
        event_active(self->readable, EV_READ, 0);
}

void peer_link_pause(struct peer_link *self)
{
    if (self->again != NULL)
        event_del(self->again);
    if (self->writable != NULL)
        event_del(self->writable);
}
