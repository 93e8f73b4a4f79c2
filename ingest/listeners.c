/* listeners.c - accept, pause when the process is out of descriptors, move from one instance to another. */
#include "listeners.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 64 };

/* --- accepting ----------------------------------------------------------------------------- */

static void accept_again(evutil_socket_t fd, short what, void *context)
{
    struct listener *self = context;

    (void)fd, (void)what;
    event_add(self->acceptable, NULL);
}

/* Out of file descriptors, say: a pause, for the connection stays acceptable and would be tried without end. */
static void pause_accepting(struct listener *self, int error)
{
    struct timeval second = { 1, 0 };

    LB_ERROR(self->owner->module, "cannot accept connections source=" LB_STR_FMT " error=\"%s\"",
             LB_STR_ARG(self->owner->source->section.name), strerror(error));
    event_del(self->acceptable);
    if (evtimer_add(self->again, &second) != 0)
        event_add(self->acceptable, NULL);
}

static void refuse(const struct listeners *self, int fd)
{
    lb_metric_add(self->refused, 1);
    LB_WARN(self->module, "refused a connection, raise max_connections source=" LB_STR_FMT " open=%u",
            LB_STR_ARG(self->source->section.name), *self->connections);
    close(fd);
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    struct listener *self = context;
    struct listeners *owner = self->owner;

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
        if (*owner->connections >= owner->connections_max)
            refuse(owner, accepted);
        else
            owner->accepted(owner->source, accepted, &address, self);
    }
}

/* --- open and close --------------------------------------------------------------------- */

enum lb_err listeners_open(struct listeners *self, int fd, const struct listen_address *address)
{
    struct listener *listener = lb_alloc(sizeof(*listener));
    struct event_base *base = lb_loop_base(self->source->loop);

    if (listener == NULL) {
        close(fd);
        return LB_NOMEM;
    }
    *listener = (struct listener){ .owner = self,
                                   .next = self->first,
                                   .path = address->bound,
                                   .local = address->found->ai_family == AF_UNIX,
                                   .tls = address->tls,
                                   .fd = fd };
    self->first = listener;
    listener->acceptable = event_new(base, fd, EV_READ | EV_PERSIST, on_acceptable, listener);
    listener->again = evtimer_new(base, accept_again, listener);
    if (listener->acceptable == NULL || listener->again == NULL || event_add(listener->acceptable, NULL) != 0)
        return LB_NOMEM;
    return LB_OK;
}

void listeners_stop(struct listeners *self)
{
    for (struct listener *listener = self->first; listener != NULL; listener = listener->next) {
        event_del(listener->again);
        event_del(listener->acceptable);
    }
}

void listeners_resume(struct listeners *self)
{
    for (struct listener *listener = self->first; listener != NULL; listener = listener->next) {
        if (event_add(listener->acceptable, NULL) != 0)
            LB_ERROR(self->module, "no memory to watch for connections source=" LB_STR_FMT,
                     LB_STR_ARG(self->source->section.name));
    }
}

void listeners_close(struct listeners *self)
{
    while (self->first != NULL) {
        struct listener *listener = self->first;

        self->first = listener->next;
        if (listener->acceptable != NULL)
            event_free(listener->acceptable);
        if (listener->again != NULL)
            event_free(listener->again);
        listen_unix_remove(&listener->path);
        close(listener->fd);
        lb_free(listener);
    }
}

/* --- from one source to another ------------------------------------------------------------ */

static void move(struct listeners *self, struct listener **link)
{
    struct listener *listener = *link;

    *link = listener->next;
    listener->owner = self;
    listener->next = self->first;
    self->first = listener;
}

bool listeners_take(struct listeners *self, struct listeners *from, const struct listen_address *address,
                    const struct addrinfo *found)
{
    struct listener **link = &from->first;

    while (*link != NULL && !listen_address_is((*link)->fd, found))
        link = &(*link)->next;
    if (*link == NULL)
        return false;
    (*link)->lender = from;
    (*link)->lender_tls = (*link)->tls;
    (*link)->tls = address->tls;
    move(self, link);
    return true;
}

void listeners_take_back(struct listeners *self, struct listeners *from)
{
    struct listener **link = &from->first;

    while (*link != NULL) {
        if ((*link)->lender != self) {
            link = &(*link)->next;
            continue;
        }
        (*link)->tls = (*link)->lender_tls;
        move(self, link);
    }
}
