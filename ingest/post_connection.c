/*
 * post_connection.c - one connection of the http source: head, body, events, answer; again.
 *
 * It goes through its steps (post_step_*.c) as far as it can; what it waits for (bytes, room to write, credit, the
 * disk) starts it again. Memory: the head has a fixed bound, a body its own and one with all others.
 */
#include "post_connection.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

enum { READS_PER_TURN = 64 };

void post_set_timer(struct post_connection *self, int64_t after)
{
    struct timeval timeout = { after / LB_SECOND, after % LB_SECOND / 1000 };

    self->late = false;
    if (evtimer_add(self->timer, &timeout) != 0)
        LB_ERROR(POST_MODULE, "no memory for a timer peer=" LB_STR_FMT, LB_STR_ARG(self->stream->name));
}

/* --- life ---------------------------------------------------------------------------- */

static void enter(struct post_source *owner, struct post_connection *self)
{
    self->owner = owner;
    self->next = owner->connections;
    self->link = &owner->connections;
    if (self->next != NULL)
        self->next->link = &self->next;
    owner->connections = self;
    owner->base.connection_count++;
    owner->body_bytes += self->held;
    lb_metric_set(owner->base.metrics.connections, owner->base.connection_count);
}

static void leave(struct post_connection *self)
{
    struct post_source *owner = self->owner;

    *self->link = self->next;
    if (self->next != NULL)
        self->next->link = self->link;
    owner->base.connection_count--;
    owner->body_bytes -= self->held;
    lb_metric_set(owner->base.metrics.connections, owner->base.connection_count);
}

static void free_event(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

static void destroy(struct post_connection *self)
{
    syslog_stop_waiting(&self->owner->base, &self->waiter);
    leave(self);
    peer_link_close(&self->bytes);
    free_event(self->readable);
    free_event(self->writable);
    free_event(self->timer);
    lb_buffer_free(&self->in);
    lb_buffer_free(&self->body);
    lb_free(self->peer);
    if (self->stream != NULL)
        lb_stream_unref(self->stream);
    close(self->fd);
    lb_free(self);
}

/* What the body takes now. False: all bodies together are too much. */
bool post_hold(struct post_connection *self)
{
    struct post_source *owner = self->owner;

    owner->body_bytes += self->body.capacity - self->held;
    self->held = self->body.capacity;
    return owner->body_bytes <= POST_BODIES_MAX * owner->max_body;
}

void post_drop_body(struct post_connection *self)
{
    lb_buffer_free(&self->body);
    (void)post_hold(self);
}

/* --- steps ------------------------------------------------------------------------------------ */

static enum lb_err prepare_link(struct post_connection *self)
{
    enum lb_err err = peer_link_prepare(&self->bytes);

    if (err == LB_BAD_INPUT) {
        lb_metric_add(self->owner->base.metrics.handshake_errors, 1);
        LB_WARN(POST_MODULE,
                "closing a connection before a request source=" LB_STR_FMT " peer=" LB_STR_FMT " reason=\"%s\"",
                LB_STR_ARG(self->owner->base.source->section.name), LB_STR_ARG(self->stream->name),
                self->bytes.problem);
    }
    if (err == LB_AGAIN)
        return err;
    if (err != LB_OK)
        return LB_END;
    if (self->bytes.peer.known)
        peer_name_stream(self->stream, &self->bytes.peer.of);
    if (!peer_know_subject(self->bytes.ssl, self->stream, &self->peer))
        return LB_END;
    self->step = STEP_HEAD;
    post_set_timer(self, self->owner->base.idle_timeout_ns);
    return LB_OK;
}

/* LB_OK: something came. LB_AGAIN. LB_END: the peer has ended, or was broken off. */
enum lb_err post_receive(struct post_connection *self)
{
    ssize_t got = -1;

    errno = ENOMEM;
    if (lb_buffer_reserve(&self->in, POST_HEAD_BYTES_MAX - self->in.len))
        got = peer_link_read(&self->bytes, self->in.ptr + self->in.len, POST_HEAD_BYTES_MAX - self->in.len);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return LB_AGAIN;
    if (got <= 0)
        return LB_END;
    if (self->step == STEP_HEAD && self->in.len == 0)
        post_set_timer(self, self->owner->request_timeout_ns);
    self->in.len += (size_t)got;
    return LB_OK;
}

void post_use_input(struct post_connection *self, size_t bytes)
{
    self->in.len -= bytes;
    memmove(self->in.ptr, self->in.ptr + bytes, self->in.len);
}

/* One step. LB_OK: the next one. LB_AGAIN: it waits. LB_END: close it. */
static enum lb_err take_step(struct post_connection *self)
{
    switch (self->step) {
    case STEP_PREPARE: return prepare_link(self);
    case STEP_HEAD: return post_read_head(self) ? LB_OK : post_receive(self);
    case STEP_BODY: return post_read_body(self) ? LB_OK : post_receive(self);
    case STEP_TAKE:
        if (!post_take_events(self))
            return LB_AGAIN;
        post_settle(self);
        return LB_OK;
    case STEP_SAFE: return LB_AGAIN;
    case STEP_ANSWER: return post_write_answer(self);
    default: return post_linger(self);
    }
}

/* Only who reads is told of bytes, or they would be told of without end. */
static bool watch(struct post_connection *self)
{
    bool reads = self->step != STEP_TAKE && self->step != STEP_SAFE && self->step != STEP_ANSWER;

    if (!reads)
        return event_del(self->readable) == 0;
    peer_link_continue(&self->bytes);
    return event_add(self->readable, NULL) == 0;
}

/* As far as it goes. False: the connection is gone. */
static bool advance(struct post_connection *self)
{
    enum lb_err err = LB_OK;

    for (int i = 0; i < READS_PER_TURN && err == LB_OK; i++)
        err = take_step(self);
    /* It is others' turn. Nothing else would go on with what has been read already; and there is room to write. */
    if (err == LB_OK && event_add(self->writable, NULL) != 0)
        err = LB_END;
    if (err == LB_END || !watch(self)) {
        destroy(self);
        return false;
    }
    return true;
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    (void)advance(context);
}

static void resume_waiting(struct syslog_waiter *waiter)
{
    (void)advance((struct post_connection *)(void *)waiter);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct post_connection *self = context;

    (void)fd, (void)what;
    if (!self->late && self->step <= STEP_BODY && peer_link_was_late(self->fd)) {
        post_set_timer(self, self->owner->request_timeout_ns);
        self->late = true;
        (void)advance(self);
        return;
    }
    if (self->step == STEP_BODY || (self->step == STEP_HEAD && self->in.len > 0)) {
        post_refuse_and_close(self, "408 Request Timeout", "", "the request did not come whole within request_timeout");
    } else if (self->step == STEP_TAKE && !self->pushed) {
        syslog_stop_waiting(&self->owner->base, &self->waiter);
        post_put_off(self, "there is no room for more at the moment; send it again");
    } else {
        if (self->step == STEP_PREPARE)
            lb_metric_add(self->owner->base.metrics.handshake_errors, 1);
        destroy(self);
        return;
    }
    (void)advance(self);
}

void post_connections_answer(struct post_source *self, uint64_t safe)
{
    struct post_connection *next;

    for (struct post_connection *connection = self->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->step != STEP_SAFE || connection->awaited > safe)
            continue;
        post_answer_taken(connection);
        (void)advance(connection);
    }
}

/* --- accepting --------------------------------------------------------------------------------- */

static bool know_peer(struct post_connection *self, const struct syslog_accepted *how)
{
    struct in6_addr key;
    char *fields;

    if (!how->local) {
        peer_name_stream(self->stream, how->address);
        return true;
    }
    if (!peer_know_process(self->owner->base.own_host, self->fd, self->stream, &key, &self->peer))
        return false;
    /* The host is the stream's: an event may name its own. */
    fields = strchr(self->peer, '\n');
    if (fields != NULL)
        memmove(self->peer, fields, strlen(fields) + 1);
    return true;
}

static bool make_parts(struct post_connection *self, const struct syslog_accepted *how)
{
    const struct lb_source *source = self->owner->base.source;
    struct event_base *base = lb_loop_base(source->loop);

    self->stream = lb_stream_new(source->streams, source);
    self->readable = event_new(base, self->fd, EV_READ | EV_PERSIST, on_event, self);
    self->writable = event_new(base, self->fd, EV_WRITE, on_event, self);
    self->timer = evtimer_new(base, on_timer, self);
    return self->stream != NULL && self->readable != NULL && self->writable != NULL && self->timer != NULL &&
           know_peer(self, how) && peer_link_open(&self->bytes, self->fd, how->tls, how->proxied, self->readable);
}

void post_accepted(struct syslog_source *base, int fd, const struct syslog_accepted *how)
{
    struct post_source *owner = (struct post_source *)(void *)base;
    struct post_connection *self = lb_alloc(sizeof(*self));

    if (self == NULL) {
        close(fd);
        return;
    }
    self->waiter.resume = resume_waiting;
    self->fd = fd;
    lb_buffer_init(&self->in, POST_HEAD_BYTES_MAX);
    lb_buffer_init(&self->body, owner->max_body);
    enter(owner, self);
    if (!make_parts(self, how)) {
        LB_ERROR(POST_MODULE, "no memory for a connection source=" LB_STR_FMT, LB_STR_ARG(base->source->section.name));
        destroy(self);
        return;
    }
    post_set_timer(self, base->handshake_timeout_ns);
    (void)advance(self);
}

/* --- from one source to another, and the end ------------------------------------------------------ */

void post_connections_stop(struct post_source *self)
{
    struct post_connection *next;

    for (struct post_connection *connection = self->connections; connection != NULL; connection = next) {
        next = connection->next;
        syslog_stop_waiting(&self->base, &connection->waiter);
        event_del(connection->readable);
        event_del(connection->writable);
        event_del(connection->timer);
        peer_link_pause(&connection->bytes);
        /* Nobody will hear of what it waits for. It is sent again, and comes twice. */
        if (connection->step != STEP_SAFE && !(connection->step == STEP_TAKE && connection->pushed))
            continue;
        connection->keep_alive = false;
        post_put_off(connection, "logboom stops or is reloaded; send it again");
        if (post_write_answer(connection) != LB_OK)
            destroy(connection);
        else
            event_del(connection->timer);
    }
}

static bool move_connection(struct post_source *self, struct post_connection *connection)
{
    struct lb_stream *stream = lb_stream_new(self->base.source->streams, self->base.source);

    if (stream == NULL)
        return false;
    peer_copy_name(stream, connection->stream);
    lb_stream_unref(connection->stream);
    connection->stream = stream;
    connection->position = 0;
    syslog_stop_waiting(&connection->owner->base, &connection->waiter);
    leave(connection);
    enter(self, connection);
    return true;
}

void post_connections_take(struct post_source *self, struct post_source *from, bool back)
{
    struct post_connection *next;

    for (struct post_connection *connection = from->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (back && connection->lender != self)
            continue;
        if (move_connection(self, connection))
            connection->lender = from;
    }
}

void post_connections_resume(struct post_source *self)
{
    for (struct post_connection *connection = self->connections; connection != NULL; connection = connection->next) {
        int64_t timeout = self->request_timeout_ns;

        if (connection->step == STEP_HEAD && connection->in.len == 0)
            timeout = self->base.idle_timeout_ns;
        post_set_timer(connection, timeout);
        event_active(connection->readable, EV_READ, 0);
    }
}

void post_connections_close(struct post_source *self)
{
    while (self->connections != NULL)
        destroy(self->connections);
}
