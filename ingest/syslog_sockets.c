/*
 * syslog_sockets.c - datagram sockets: opened, read by a thread each, and moved from one source to the next.
 *
 * Sockets beside the first share its port by SO_REUSEPORT, which the first one gets only after it was bound: so a
 * port that another process has is still an error, whoever that is. The kernel picks the socket by a hash of both
 * addresses and ports, so a sender stays with one socket, and in order, while their number does not change.
 *
 * The tricky thing is a socket that has to go while the others stay: what waits in it would be lost. It is connected
 * to itself, so that the kernel gives it nothing more, read until it is empty, and closed then.
 */
#include "syslog_sockets.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

/* --- reading ------------------------------------------------------------------------ */

static void free_socket(struct syslog_socket *self)
{
    if (self->begin != NULL)
        event_free(self->begin);
    if (self->readable != NULL)
        event_free(self->readable);
    if (self->stream != NULL)
        lb_stream_unref(self->stream);
    if (self->unpacker != NULL)
        self->owner->traits->unpacker_free(self->unpacker);
    listen_unix_remove(&self->path);
    close(self->fd);
    lb_free(self);
}

/* On the source's loop: one that leaves has no thread. */
static void end_leaving(struct syslog_socket *self)
{
    struct syslog_socket **link = &self->owner->sockets;

    while (*link != self)
        link = &(*link)->next;
    *link = self->next;
    syslog_socket_count_dropped(self);
    free_socket(self);
}

static void read_socket(struct syslog_socket *self)
{
    if (syslog_socket_read(self) && self->leaving)
        end_leaving(self);
}

static void on_datagrams(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    read_socket(context);
}

static void on_credit(void *context)
{
    struct syslog_socket *self = context;

    event_add(self->readable, NULL);
    read_socket(self);
}

static void resume_socket(struct syslog_waiter *waiter)
{
    struct syslog_socket *self = (struct syslog_socket *)(void *)waiter;

    if (self->loop != NULL)
        lb_loop_post(self->loop, on_credit, self);
    else
        on_credit(self);
}

/* --- threads ------------------------------------------------------------------------- */

/* Also looks at what came before: with nothing of ours on its way, nobody would wake one that waited for credit. */
static void watch_socket(struct syslog_socket *self, struct lb_loop *loop)
{
    self->readable = event_new(lb_loop_base(loop), self->fd, EV_READ | EV_PERSIST, on_datagrams, self);
    if (self->readable == NULL || event_add(self->readable, NULL) != 0)
        LB_ERROR(self->owner->traits->module, "no memory to watch a socket address=" LB_STR_FMT,
                 LB_STR_ARG(self->stream->name));
    else
        event_active(self->readable, EV_READ, 0);
}

static void unwatch_socket(struct syslog_socket *self)
{
    if (self->readable != NULL)
        event_free(self->readable);
    self->readable = NULL;
}

/* Nothing new comes to a datagram socket that has a peer; what waits in it stays. */
static void make_deaf(struct syslog_socket *self)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);

    if (getsockname(self->fd, (struct sockaddr *)&address, &size) == 0)
        self->deaf = connect(self->fd, (struct sockaddr *)&address, size) == 0;
}

/* The source's loop runs, so the source stays: its threads may begin, and what leaves may go. */
static void on_begin(evutil_socket_t fd, short what, void *context)
{
    struct syslog_socket *self = context;
    struct lb_loop *own = NULL;

    (void)fd, (void)what;
    if (self->leaving)
        make_deaf(self);
    else if (self->beside)
        own = lb_loop_new("datagrams");
    watch_socket(self, own != NULL ? own : self->owner->source->loop);
    if (own != NULL && lb_loop_start(own) == LB_OK) {
        self->loop = own;
        return;
    }
    if (own != NULL) {
        unwatch_socket(self);
        lb_loop_free(own);
        watch_socket(self, self->owner->source->loop);
    }
    if (self->beside && !self->leaving)
        LB_WARN(self->owner->traits->module, "no thread for a socket, it shares that of the source address=" LB_STR_FMT,
                LB_STR_ARG(self->stream->name));
}

static void stop_socket(struct syslog_socket *self)
{
    event_del(self->begin);
    if (self->loop != NULL)
        lb_loop_stop(self->loop);
    unwatch_socket(self);
    lb_loop_free(self->loop);
    self->loop = NULL;
    syslog_socket_count_dropped(self);
    syslog_stop_waiting(self->owner, &self->waiter);
}

void syslog_sockets_stop(struct syslog_source *self)
{
    for (struct syslog_socket *socket = self->sockets; socket != NULL; socket = socket->next)
        stop_socket(socket);
}

void syslog_sockets_resume(struct syslog_source *self)
{
    for (struct syslog_socket *socket = self->sockets; socket != NULL; socket = socket->next)
        event_active(socket->begin, EV_READ, 0);
}

void syslog_sockets_close(struct syslog_source *self)
{
    syslog_sockets_stop(self);
    while (self->sockets != NULL) {
        struct syslog_socket *socket = self->sockets;

        self->sockets = socket->next;
        free_socket(socket);
    }
}

/* --- one socket ------------------------------------------------------------------------ */

static void set_buffer(const struct syslog_source *self, int fd)
{
    int wanted = self->receive_buffer < INT32_MAX / 2 ? (int)self->receive_buffer : INT32_MAX / 2;
    int got = 0;
    socklen_t size = sizeof(got);

    /* A socket that was passed to us may have more already. */
    if (wanted == 0 || (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size) == 0 && got / 2 >= wanted))
        return;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
    /* The kernel counts its own overhead too: it shows twice of what was asked. */
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size) == 0 && got / 2 < wanted)
        LB_WARN(self->traits->module,
                "the receive buffer is smaller than asked, raise the sysctl net.core.rmem_max source=" LB_STR_FMT
                " asked=%d got=%d",
                LB_STR_ARG(self->source->section.name), wanted, got / 2);
}

static struct lb_stream *new_stream(const struct syslog_source *self, struct lb_str name)
{
    struct lb_stream *stream = lb_stream_new(self->source->streams, self->source);

    if (stream == NULL)
        return NULL;
    stream->name = lb_arena_copy(&stream->arena, name);
    if (stream->name.ptr == NULL)
        stream->name = LB_STR("");
    return stream;
}

/* Owns `fd`. It is the source's, and read when the loop runs; NULL: no memory. */
static struct syslog_socket *add_socket(struct syslog_source *self, int fd, const struct listen_address *address)
{
    struct syslog_socket *socket = lb_alloc(sizeof(*socket));
    int on = 1;

    if (socket == NULL) {
        close(fd);
        return NULL;
    }
    socket->waiter.resume = resume_socket;
    socket->owner = self;
    socket->fd = fd;
    socket->local = address->found->ai_family == AF_UNIX;
    socket->slab_size = LB_SLAB_MEDIUM;
    set_buffer(self, fd);
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
    if (socket->local)
        (void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
    socket->stream = new_stream(self, address->text);
    socket->begin = event_new(lb_loop_base(self->source->loop), -1, 0, on_begin, socket);
    if (self->traits->unpacker_new != NULL)
        socket->unpacker = self->traits->unpacker_new(self);
    if (socket->stream == NULL || socket->begin == NULL ||
        (self->traits->unpacker_new != NULL && socket->unpacker == NULL)) {
        free_socket(socket);
        return NULL;
    }
    socket->next = self->sockets;
    self->sockets = socket;
    event_active(socket->begin, EV_READ, 0);
    return socket;
}

static struct syslog_socket *bind_first(struct syslog_source *self, struct listen_address *address,
                                        const struct addrinfo *found, struct lb_diag *diag, enum lb_err *err)
{
    mode_t mode = 0;

    (void)listen_unix_mode(self->socket_mode, &mode);
    int fd = listen_address_bind(address, found, &self->source->section, mode, diag);

    *err = fd < 0 ? LB_BAD_CONF : LB_NOMEM;
    struct syslog_socket *socket = fd < 0 ? NULL : add_socket(self, fd, address);
    if (socket == NULL && fd >= 0)
        listen_unix_remove(&address->bound);
    if (socket == NULL)
        return NULL;
    socket->path = address->bound;
    socket->passed = address->passed;
    *err = LB_OK;
    LB_INFO(self->traits->module, "listening source=" LB_STR_FMT " address=" LB_STR_FMT,
            LB_STR_ARG(self->source->section.name), LB_STR_ARG(address->text));
    return socket;
}

/* Another one on the port of `first`. False: the system would not, which is told; fewer do the work, too. */
static bool bind_beside(struct syslog_source *self, const struct listen_address *address, struct syslog_socket *first,
                        enum lb_err *err)
{
    bool passed = false;
    int fd = listen_address_bind_beside(first->fd, &passed);

    if (fd < 0) {
        LB_WARN(self->traits->module,
                "cannot bind another socket, fewer read this address; one that was passed needs as many of them, each "
                "with ReusePort=yes source=" LB_STR_FMT " address=" LB_STR_FMT " error=\"%s\"",
                LB_STR_ARG(self->source->section.name), LB_STR_ARG(address->text), strerror(errno));
        return false;
    }
    struct syslog_socket *socket = add_socket(self, fd, address);
    if (socket == NULL) {
        *err = LB_NOMEM;
        return false;
    }
    socket->beside = true;
    socket->passed = passed;
    socket->lender = first->lender;
    socket->grown = first->lender != NULL;
    return true;
}

/* --- from one source to another ------------------------------------------------------------ */

/* False: no memory, it stays. What comes from now on is of the source that has it. */
static bool move_socket(struct syslog_source *self, struct syslog_source *from, struct syslog_socket **link)
{
    struct syslog_socket *socket = *link;
    struct lb_stream *stream = new_stream(self, socket->stream->name);

    if (stream == NULL)
        return false;
    syslog_stop_waiting(from, &socket->waiter);
    lb_stream_unref(socket->stream);
    socket->stream = stream;
    socket->position = 0;
    socket->owner = self;
    *link = socket->next;
    socket->next = self->sockets;
    self->sockets = socket;
    return true;
}

/* Takes all that are bound to that address; those past `wanted` are to leave. Returns how many stay. */
static uint64_t take_sockets(struct syslog_source *self, struct syslog_source *from, const struct addrinfo *found,
                             uint64_t wanted, struct syslog_socket **first)
{
    struct syslog_socket **link = &from->sockets;
    uint64_t count = 0;

    while (*link != NULL) {
        struct syslog_socket *socket = *link;

        if (!listen_address_is(socket->fd, found) || !move_socket(self, from, link)) {
            link = &socket->next;
            continue;
        }
        socket->lender = from;
        socket->grown = false;
        socket->leaving = socket->leaving || (count >= wanted && !socket->passed);
        set_buffer(self, socket->fd);
        count += !socket->leaving;
        if (*first == NULL && !socket->leaving)
            *first = socket;
        socket->beside = socket != *first;
    }
    return count;
}

enum lb_err syslog_sockets_open(struct syslog_source *self, struct syslog_source *from, struct listen_address *address,
                                const struct addrinfo *found, struct lb_diag *diag)
{
    uint64_t wanted = self->udp_sockets > 1 && found->ai_family != AF_UNIX ? self->udp_sockets : 1;
    struct syslog_socket *first = NULL;
    uint64_t count = from != NULL ? take_sockets(self, from, found, wanted, &first) : 0;
    enum lb_err err = LB_OK;

    if (first == NULL) {
        first = bind_first(self, address, found, diag, &err);
        count = 1;
    }
    while (err == LB_OK && count < wanted && bind_beside(self, address, first, &err))
        count++;
    return err;
}

/* What was made beside those goes along, to be emptied: what it holds was sent to that address. */
void syslog_sockets_take_back(struct syslog_source *self, struct syslog_source *from)
{
    struct syslog_socket **link = &from->sockets;

    while (*link != NULL) {
        struct syslog_socket *socket = *link;

        if (socket->lender != self || !move_socket(self, from, link))
            link = &socket->next;
        else
            socket->leaving = socket->grown || socket->deaf;
    }
}
