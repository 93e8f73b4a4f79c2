/*
 * peers_listen.c - sockets that accept, and their way from one instance of a source to the next.
 *
 * Addresses are those of syslog, with tls:// beside tcp://. Whether a connection is encrypted is its listener's, so the
 * same port may change from one to the other by a reload.
 */
#include "lb_alloc.h"
#include "lb_log.h"
#include "peers.h"
#include "syslog_source.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 64 };

struct peers_listener {
    struct peers *owner;
    struct peers *lender;
    struct peers_listener *next;
    struct event *acceptable;
    struct event *again; /* after a pause */
    int fd;
    bool tls;
    bool lender_tls;
};

/* --- addresses --------------------------------------------------------------------------- */

static bool is_tls(struct lb_str text)
{
    return lb_str_starts(text, LB_STR("tls://"));
}

bool peers_uses_tls(const struct peers *self)
{
    for (size_t i = 0; i < self->listen.count; i++) {
        if (is_tls(self->listen.items[i]))
            return true;
    }
    return false;
}

/* As syslog's reader knows it: `plain` has room for it. */
static bool read_address(struct syslog_address *address, const struct lb_section *section, struct lb_str text,
                         char *plain, struct lb_diag *diag)
{
    if ((!is_tls(text) && !lb_str_starts(text, LB_STR("tcp://"))) || text.len > LB_KEY_BYTES_MAX) {
        lb_diag_error(diag, lb_section_place(section, "listen"),
                      "cannot listen on '" LB_STR_FMT "'; expected tcp://HOST:PORT or tls://HOST:PORT",
                      LB_STR_ARG(text));
        return false;
    }
    memcpy(plain, text.ptr, text.len);
    for (int i = 0; i < 3; i++)
        plain[i] = "tcp"[i];
    return syslog_address_read(address, (struct lb_str){ plain, text.len }, section, diag);
}

bool peers_address_fits(const struct lb_section *section, struct lb_str text, struct lb_diag *diag)
{
    struct syslog_address address = { .found = NULL };
    char plain[LB_KEY_BYTES_MAX];
    bool fits = read_address(&address, section, text, plain, diag);

    if (fits)
        syslog_address_free(&address);
    return fits;
}

/* --- accepting ----------------------------------------------------------------------------- */

static void accept_again(evutil_socket_t fd, short what, void *context)
{
    struct peers_listener *self = context;

    (void)fd, (void)what;
    if (!self->owner->stopped)
        event_add(self->acceptable, NULL);
}

/* Out of file descriptors, say: a pause, for the connection stays acceptable and would be tried without end. */
static void pause_accepting(struct peers_listener *self, int error)
{
    struct timeval second = { 1, 0 };

    LB_ERROR(self->owner->protocol->module, "cannot accept connections source=" LB_STR_FMT " error=\"%s\"",
             LB_STR_ARG(self->owner->source->section.name), strerror(error));
    event_del(self->acceptable);
    if (evtimer_add(self->again, &second) != 0)
        event_add(self->acceptable, NULL);
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    struct peers_listener *self = context;
    struct peers *owner = self->owner;

    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage address = { 0 };
        socklen_t size = sizeof(address);
        int accepted = accept4(fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (accepted < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return;
        if (accepted < 0) {
            pause_accepting(self, errno);
            return;
        }
        if (owner->count >= owner->max_connections) {
            lb_metric_add(owner->metrics.refused, 1);
            LB_WARN(owner->protocol->module,
                    "refused a connection, raise max_connections source=" LB_STR_FMT " open=%u",
                    LB_STR_ARG(owner->source->section.name), owner->count);
            close(accepted);
            continue;
        }
        peers_accept(owner, accepted, &address, self->tls);
    }
}

/* --- open and close --------------------------------------------------------------------------- */

static void free_listener(struct peers_listener *listener)
{
    if (listener->acceptable != NULL)
        event_free(listener->acceptable);
    if (listener->again != NULL)
        event_free(listener->again);
    close(listener->fd);
    lb_free(listener);
}

/* Owns `fd`. */
static bool add_listener(struct peers *self, int fd, bool tls)
{
    struct peers_listener *listener = lb_alloc(sizeof(*listener));

    if (listener == NULL) {
        close(fd);
        return false;
    }
    *listener = (struct peers_listener){ .owner = self, .fd = fd, .tls = tls };
    listener->acceptable =
        event_new(lb_loop_base(self->source->loop), fd, EV_READ | EV_PERSIST, on_acceptable, listener);
    listener->again = evtimer_new(lb_loop_base(self->source->loop), accept_again, listener);
    if (listener->acceptable == NULL || listener->again == NULL || event_add(listener->acceptable, NULL) != 0) {
        free_listener(listener);
        return false;
    }
    listener->next = self->listeners;
    self->listeners = listener;
    return true;
}

static void move(struct peers *self, struct peers_listener **link)
{
    struct peers_listener *listener = *link;

    *link = listener->next;
    listener->owner = self;
    listener->next = self->listeners;
    self->listeners = listener;
}

/* From the source that this one replaces. */
static bool take_over(struct peers *self, const struct addrinfo *found, bool tls)
{
    struct peers *before = self->source->before != NULL ? self->source->before->state : NULL;
    struct peers_listener **link = before != NULL ? &before->listeners : NULL;

    while (link != NULL && *link != NULL && !syslog_address_is((*link)->fd, found))
        link = &(*link)->next;
    if (link == NULL || *link == NULL)
        return false;
    (*link)->lender = before;
    (*link)->lender_tls = (*link)->tls;
    (*link)->tls = tls;
    move(self, link);
    return true;
}

static enum lb_err open_address(struct peers *self, struct syslog_address *address, struct lb_str text,
                                struct lb_diag *diag)
{
    for (const struct addrinfo *found = address->found; found != NULL; found = found->ai_next) {
        if (take_over(self, found, is_tls(text)))
            continue;
        int fd = syslog_address_bind(address, found, &self->source->section, 0, diag);

        if (fd < 0)
            return LB_BAD_CONF;
        if (!add_listener(self, fd, is_tls(text))) {
            lb_diag_error(diag, lb_section_place(&self->source->section, "listen"),
                          "no memory to listen on '" LB_STR_FMT "'", LB_STR_ARG(text));
            return LB_NOMEM;
        }
        LB_INFO(self->protocol->module, "listening source=" LB_STR_FMT " address=" LB_STR_FMT,
                LB_STR_ARG(self->source->section.name), LB_STR_ARG(text));
    }
    return LB_OK;
}

enum lb_err peers_listen(struct peers *self, struct lb_diag *diag)
{
    enum lb_err err = LB_OK;

    for (size_t i = 0; i < self->listen.count && err == LB_OK; i++) {
        struct syslog_address address = { .found = NULL };
        char plain[LB_KEY_BYTES_MAX];

        if (read_address(&address, &self->source->section, self->listen.items[i], plain, diag))
            err = open_address(self, &address, self->listen.items[i], diag);
        else
            err = LB_BAD_CONF;
        syslog_address_free(&address);
    }
    return err;
}

void peers_listeners_stop(struct peers *self)
{
    for (struct peers_listener *listener = self->listeners; listener != NULL; listener = listener->next) {
        event_del(listener->acceptable);
        event_del(listener->again);
    }
}

void peers_listeners_resume(struct peers *self)
{
    for (struct peers_listener *listener = self->listeners; listener != NULL; listener = listener->next) {
        if (event_add(listener->acceptable, NULL) != 0)
            LB_ERROR(self->protocol->module, "no memory to watch for connections source=" LB_STR_FMT,
                     LB_STR_ARG(self->source->section.name));
    }
}

void peers_listeners_take_back(struct peers *self, struct peers *from)
{
    struct peers_listener **link = &from->listeners;

    while (*link != NULL) {
        if ((*link)->lender == self) {
            (*link)->tls = (*link)->lender_tls;
            move(self, link);
        } else {
            link = &(*link)->next;
        }
    }
}

void peers_listeners_close(struct peers *self)
{
    while (self->listeners != NULL) {
        struct peers_listener *listener = self->listeners;

        self->listeners = listener->next;
        free_listener(listener);
    }
}
