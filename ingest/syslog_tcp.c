/*
 * syslog_tcp.c - connections: read, cut into frames, push.
 *
 * A connection owns nothing of the pool between two callbacks. When it can be read it takes a slab, puts its unfinished
 * bytes in front, reads behind them, notes the frames in place and pushes; what is left goes back to its buffer. A
 * message that is longer than a slab's worth is read into the buffer itself until it is whole. All buffers of a source
 * share one bound; past it an unfinished message is cut, its rest passed over.
 */
#include "syslog_source.h"

#include "framing.h"
#include "peer_link.h"
#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

enum {
    LONG_BYTES = 16 * 1024, /* unfinished bytes from here on are read into the buffer, not through slabs */
    READ_BYTES = 64 * 1024, /* of one such read */
    READS_PER_TURN = 8,
    ROOM_FOR_EVENTS = 32, /* a 32nd of a slab is kept for the table of events */
};

enum outcome {
    READ_MORE,    /* there may be more to read */
    READ_DRAINED, /* not now */
    READ_WAIT,    /* no credit; it will be resumed */
    READ_ENDED,   /* deliver what is left, then close */
    READ_BROKEN,  /* close */
};

struct syslog_connection {
    struct syslog_waiter waiter;
    struct syslog_source *owner;
    const struct syslog_source *lender;
    struct syslog_connection *next;
    struct syslog_connection **link; /* what points to it */
    struct lb_stream *stream;
    struct event *readable;
    struct event *deadline; /* until its link is ready; NULL where it is at once */
    struct peer_link bytes;
    struct in6_addr key; /* whose rate counts */
    char *peer;          /* what is known of it, in the manner of lb_batch.peers; NULL: its address, that is its host */
    int fd;
    struct framing framing; /* of `unfinished`, which begins at its start */
    struct lb_buffer unfinished;
    bool whole; /* `unfinished` may hold whole frames */
    bool ended; /* the peer has closed */
    bool late;  /* its deadline was put off once: see peer_link_was_late() */
    uint64_t position;
    size_t slab_size;
};

static void enter(struct syslog_source *owner, struct syslog_connection *self)
{
    self->owner = owner;
    self->next = owner->connections;
    self->link = &owner->connections;
    if (self->next != NULL)
        self->next->link = &self->next;
    owner->connections = self;
    owner->connection_count++;
    owner->unfinished_bytes += self->unfinished.capacity;
    lb_metric_set(owner->metrics.connections, owner->connection_count);
}

static void leave(struct syslog_connection *self)
{
    struct syslog_source *owner = self->owner;

    *self->link = self->next;
    if (self->next != NULL)
        self->next->link = self->link;
    owner->connection_count--;
    owner->unfinished_bytes -= self->unfinished.capacity;
    lb_metric_set(owner->metrics.connections, owner->connection_count);
}

static void destroy(struct syslog_connection *self)
{
    syslog_stop_waiting(self->owner, &self->waiter);
    leave(self);
    lb_buffer_free(&self->unfinished);
    peer_link_close(&self->bytes);
    if (self->deadline != NULL)
        event_free(self->deadline);
    if (self->readable != NULL)
        event_free(self->readable);
    if (self->stream != NULL)
        lb_stream_unref(self->stream);
    lb_free(self->peer);
    if (self->fd >= 0)
        close(self->fd);
    lb_free(self);
}

/* --- frames ------------------------------------------------------------------------- */

/* Keeps bytes[framing.start, length) for later. False when there is no memory for them. */
static bool keep_unfinished(struct syslog_connection *self, const char *bytes, size_t length)
{
    size_t rest = length - self->framing.start;
    size_t capacity = self->unfinished.capacity;
    bool kept = true;

    if (rest == 0 && capacity > 0) {
        lb_buffer_free(&self->unfinished);
        lb_buffer_init(&self->unfinished, SIZE_MAX);
    } else if (rest > 0) {
        lb_buffer_reset(&self->unfinished);
        lb_buffer_append(&self->unfinished, bytes + self->framing.start, rest);
        kept = !self->unfinished.failed;
    }
    self->owner->unfinished_bytes += self->unfinished.capacity - capacity;
    framing_moved(&self->framing);
    return kept;
}

/* Notes frames until the bytes are used up (LB_AGAIN), the batch's table is full (LB_LIMIT), or the peer errs. */
static enum lb_err note_frames(struct syslog_connection *self, struct lb_batch *batch)
{
    struct frame frame;
    enum lb_err err = LB_OK;

    syslog_rates_lock(self->owner);
    while (err == LB_OK && lb_batch_room(batch, 1) > 0) {
        err = framing_next(&self->framing, batch->bytes, batch->length, &frame);
        if (err == LB_OK && syslog_admit(self->owner, &self->key))
            syslog_note(self->owner, batch, frame.start, frame.length, frame.truncated);
    }
    syslog_rates_unlock(self->owner);
    return err == LB_OK ? LB_LIMIT : err;
}

/* The last frame of a peer that has closed, or of one whose message must be cut. */
static void note_last(struct syslog_connection *self, struct lb_batch *batch)
{
    struct frame frame;
    enum lb_err err = self->ended ? framing_finish(&self->framing, batch->bytes, batch->length, &frame)
                                  : framing_cut(&self->framing, batch->bytes, batch->length, &frame);

    syslog_rates_lock(self->owner);
    if (err == LB_OK && syslog_admit(self->owner, &self->key))
        syslog_note(self->owner, batch, frame.start, frame.length, frame.truncated);
    syslog_rates_unlock(self->owner);
}

static void tell_framing_error(struct syslog_connection *self)
{
    lb_metric_add(self->owner->metrics.framing_errors, 1);
    LB_WARN(self->owner->traits->module,
            "closing a connection, it does not send syslog source=" LB_STR_FMT " peer=" LB_STR_FMT " reason=\"%s\"",
            LB_STR_ARG(self->owner->source->section.name), LB_STR_ARG(self->stream->name), self->framing.reason);
}

static bool is_over_budget(const struct syslog_connection *self, size_t rest)
{
    return rest > LONG_BYTES && self->owner->unfinished_bytes + rest > SYSLOG_UNFINISHED_BYTES &&
           self->owner->unfinished_bytes + rest > 4 * self->owner->source->options.max_line;
}

/* Says of each event whom it is from, where the stream's host does not say all. */
static void tell_peer(const struct syslog_connection *self, struct lb_batch *batch)
{
    struct lb_str peer;

    if (self->peer == NULL || batch->event_count == 0)
        return;
    peer = lb_arena_copy(&batch->arena, lb_str_from(self->peer));
    batch->peers = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*batch->peers));
    for (uint32_t i = 0; peer.ptr != NULL && batch->peers != NULL && i < batch->event_count; i++)
        batch->peers[i] = peer;
    if (peer.ptr == NULL)
        batch->peers = NULL;
}

/* Frames all of `batch`, pushes it, and keeps the rest. */
static enum outcome deliver(struct syslog_connection *self, struct lb_batch *batch)
{
    enum lb_err err = note_frames(self, batch);
    enum outcome outcome = READ_MORE;

    self->whole = err == LB_LIMIT;
    if (err == LB_BAD_INPUT) {
        tell_framing_error(self);
        outcome = READ_BROKEN;
    } else if (err == LB_AGAIN && (self->ended || is_over_budget(self, batch->length - self->framing.start)) &&
               lb_batch_room(batch, 1) > 0) {
        note_last(self, batch);
    }
    if (outcome != READ_BROKEN && !keep_unfinished(self, batch->bytes, batch->length)) {
        LB_ERROR(self->owner->traits->module,
                 "closing a connection, no memory for its unfinished message peer=" LB_STR_FMT,
                 LB_STR_ARG(self->stream->name));
        outcome = READ_BROKEN;
    }
    tell_peer(self, batch);
    syslog_push(self->owner, batch, &self->position);
    return outcome;
}

/* --- reading -------------------------------------------------------------------------- */

static enum outcome received(struct syslog_connection *self, ssize_t got, size_t asked)
{
    if (got > 0) {
        lb_metric_add(self->owner->metrics.bytes, got);
        return (size_t)got < asked ? READ_DRAINED : READ_MORE;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return READ_DRAINED;
    if (got < 0)
        LB_INFO(self->owner->traits->module, "a connection broke peer=" LB_STR_FMT " error=\"%s\"",
                LB_STR_ARG(self->stream->name), strerror(errno));
    self->ended = true;
    return READ_ENDED;
}

/* A slab with the unfinished bytes in front, or NULL. */
static struct lb_batch *begin(struct syslog_connection *self)
{
    size_t rest = self->unfinished.len;
    size_t need = rest + rest / ROOM_FOR_EVENTS + LB_SLAB_SMALL / 2;
    size_t wanted = need > self->slab_size ? need : self->slab_size;
    struct lb_batch *batch = syslog_take(self->owner, wanted, self->stream, &self->waiter);

    if (batch != NULL && rest > 0)
        memcpy(batch->bytes, self->unfinished.ptr, rest);
    if (batch != NULL)
        batch->length = (uint32_t)rest;
    return batch;
}

/* Reads through a slab. */
static enum outcome read_slab(struct syslog_connection *self)
{
    struct lb_batch *batch = begin(self);
    enum outcome outcome = READ_MORE;
    enum outcome delivered;

    if (batch == NULL)
        return READ_WAIT;
    if (!self->whole && !self->ended) {
        size_t room = lb_batch_room(batch, batch->capacity / ROOM_FOR_EVENTS / sizeof(struct lb_event));
        ssize_t got = peer_link_read(&self->bytes, batch->bytes + batch->length, room);

        outcome = received(self, got, room);
        if (got <= 0 && !self->ended) {
            lb_batch_unref(batch);
            return outcome;
        }
        if (got > 0)
            batch->length += (uint32_t)got;
    }
    delivered = deliver(self, batch);
    if (delivered == READ_BROKEN)
        return READ_BROKEN;
    if (self->whole)
        return READ_MORE;
    return self->ended ? READ_ENDED : outcome;
}

/* Takes over what a look at the buffer has found out: nothing is whole, but some of it may be passed over. */
static void adopt(struct syslog_connection *self, const struct framing *probe)
{
    self->framing = *probe;
    if (probe->start == 0)
        return;
    self->unfinished.len -= probe->start;
    memmove(self->unfinished.ptr, self->unfinished.ptr + probe->start, self->unfinished.len);
    framing_moved(&self->framing);
}

/* Reads into the buffer of a long message, until a frame in it is whole. */
static enum outcome read_long(struct syslog_connection *self)
{
    struct framing probe;
    struct frame frame;
    size_t capacity = self->unfinished.capacity;
    enum outcome outcome;
    ssize_t got;
    bool reserved = lb_buffer_reserve(&self->unfinished, READ_BYTES);

    self->owner->unfinished_bytes += self->unfinished.capacity - capacity;
    if (!reserved)
        return READ_BROKEN;
    got = peer_link_read(&self->bytes, self->unfinished.ptr + self->unfinished.len, READ_BYTES);
    outcome = received(self, got, READ_BYTES);
    if (got > 0)
        self->unfinished.len += (size_t)got;
    /* On a copy: the frames are taken for good when there is a slab for them. */
    probe = self->framing;
    self->whole = framing_next(&probe, self->unfinished.ptr, self->unfinished.len, &frame) != LB_AGAIN ||
                  is_over_budget(self, self->unfinished.len);
    if (!self->whole)
        adopt(self, &probe);
    return self->whole || self->ended ? READ_MORE : outcome;
}

static enum outcome read_once(struct syslog_connection *self)
{
    if (self->unfinished.len >= LONG_BYTES && !self->whole && !self->ended)
        return read_long(self);
    return read_slab(self);
}

/* --- before the first byte ------------------------------------------------------------------ */

/* The link was made ready. */
static enum outcome begin_reading(struct syslog_connection *self)
{
    if (self->deadline != NULL)
        event_free(self->deadline);
    self->deadline = NULL;
    if (self->bytes.peer.known) {
        peer_name_stream(self->stream, &self->bytes.peer.of);
        self->key = peer_key_of(&self->bytes.peer.of);
    }
    return peer_know_subject(self->bytes.ssl, self->stream, &self->peer) ? READ_MORE : READ_BROKEN;
}

static void tell_handshake_error(struct syslog_connection *self, const char *reason)
{
    lb_metric_add(self->owner->metrics.handshake_errors, 1);
    LB_WARN(self->owner->traits->module,
            "closing a connection before it has sent a record source=" LB_STR_FMT " peer=" LB_STR_FMT " reason=\"%s\"",
            LB_STR_ARG(self->owner->source->section.name), LB_STR_ARG(self->stream->name), reason);
}

static enum outcome prepare_link(struct syslog_connection *self)
{
    if (self->ended)
        return READ_BROKEN;
    switch (peer_link_prepare(&self->bytes)) {
    case LB_OK: return begin_reading(self);
    case LB_AGAIN: return READ_DRAINED;
    case LB_BAD_INPUT: tell_handshake_error(self, self->bytes.problem); return READ_BROKEN;
    default: return READ_BROKEN;
    }
}

static size_t next_slab_size(size_t bytes)
{
    if (bytes <= LB_SLAB_SMALL / 2)
        return LB_SLAB_SMALL;
    return bytes <= LB_SLAB_MEDIUM / 2 ? LB_SLAB_MEDIUM : LB_SLAB_LARGE;
}

/* Reads until the socket is empty or it is others' turn. The connection may be gone afterwards. */
static void turn(struct syslog_connection *self)
{
    enum outcome outcome = READ_MORE;
    int64_t before = self->owner->metrics.bytes->value;

    if (!self->bytes.ready)
        outcome = prepare_link(self);
    for (int i = 0; i < READS_PER_TURN && outcome == READ_MORE; i++)
        outcome = read_once(self);
    if (outcome == READ_BROKEN || outcome == READ_ENDED) {
        destroy(self);
        return;
    }
    if (outcome == READ_WAIT) {
        event_del(self->readable);
        return;
    }
    /* The counter is written by this thread alone. */
    self->slab_size = next_slab_size((size_t)(self->owner->metrics.bytes->value - before));
    if (outcome == READ_MORE && (self->whole || self->ended))
        event_active(self->readable, EV_READ, 0);
    else
        peer_link_continue(&self->bytes);
}

static bool set_deadline(struct syslog_connection *self);

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    struct syslog_connection *self = context;

    (void)fd, (void)what;
    if (!self->late && peer_link_was_late(self->fd) && set_deadline(self)) {
        self->late = true;
        turn(self);
        return;
    }
    tell_handshake_error(self, "it took longer than handshake_timeout");
    destroy(self);
}

static bool set_deadline(struct syslog_connection *self)
{
    int64_t most = self->owner->handshake_timeout_ns;
    struct timeval timeout = { most / LB_SECOND, most % LB_SECOND / 1000 };

    if (self->bytes.ready || most == 0)
        return true;
    if (self->deadline == NULL)
        self->deadline = evtimer_new(lb_loop_base(self->owner->source->loop), on_deadline, self);
    return self->deadline != NULL && evtimer_add(self->deadline, &timeout) == 0;
}

static bool watch(struct syslog_connection *self)
{
    int64_t idle = self->owner->idle_timeout_ns;
    struct timeval timeout = { idle / LB_SECOND, idle % LB_SECOND / 1000 };

    if (!set_deadline(self))
        return false;
    return event_add(self->readable, idle > 0 ? &timeout : NULL) == 0;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct syslog_connection *self = context;

    if ((what & EV_TIMEOUT) != 0 && !(peer_link_was_late(fd) && watch(self))) {
        LB_INFO(self->owner->traits->module, "closing an idle connection peer=" LB_STR_FMT,
                LB_STR_ARG(self->stream->name));
        self->ended = true;
    }
    turn(self);
}

static void resume_connection(struct syslog_waiter *waiter)
{
    struct syslog_connection *self = (struct syslog_connection *)(void *)waiter;

    if (!watch(self))
        LB_ERROR(self->owner->traits->module, "no memory to watch a connection peer=" LB_STR_FMT,
                 LB_STR_ARG(self->stream->name));
    turn(self);
}

/* --- a new one --------------------------------------------------------------------------- */

/* Who is at the other end, as far as the kernel knows. */
static bool know_peer(struct syslog_connection *self, const struct sockaddr_storage *address, bool local)
{
    if (local)
        return peer_know_process(self->owner->own_host, self->fd, self->stream, &self->key, &self->peer);
    peer_name_stream(self->stream, address);
    self->key = peer_key_of(address);
    return true;
}

void syslog_connection_open(struct syslog_source *owner, int fd, const struct syslog_accepted *how)
{
    struct syslog_connection *self = lb_alloc(sizeof(*self));

    if (self == NULL) {
        close(fd);
        return;
    }
    *self = (struct syslog_connection){
        .waiter = { .resume = resume_connection },
        .fd = fd,
        .slab_size = LB_SLAB_SMALL,
    };
    lb_buffer_init(&self->unfinished, SIZE_MAX);
    enter(owner, self);
    framing_init(&self->framing, owner->source->options.max_line);
    if (owner->traits->nul_frames)
        self->framing.mode = FRAMING_NUL;
    self->stream = lb_stream_new(owner->source->streams, owner->source);
    self->readable = event_new(lb_loop_base(owner->source->loop), fd, EV_READ | EV_PERSIST, on_readable, self);
    if (self->stream == NULL || self->readable == NULL || !know_peer(self, how->address, how->local) ||
        !peer_link_open(&self->bytes, fd, how->tls, how->proxied, self->readable) || !watch(self)) {
        LB_ERROR(owner->traits->module, "no memory for a connection source=" LB_STR_FMT,
                 LB_STR_ARG(owner->source->section.name));
        destroy(self);
    }
}

/* --- open and close --------------------------------------------------------------------- */

void syslog_connections_stop(struct syslog_source *self)
{
    for (struct syslog_connection *connection = self->connections; connection != NULL; connection = connection->next) {
        syslog_stop_waiting(self, &connection->waiter);
        event_del(connection->readable);
        peer_link_pause(&connection->bytes);
        if (connection->deadline != NULL)
            event_del(connection->deadline);
    }
}

void syslog_connections_end(struct syslog_source *self)
{
    struct syslog_connection *next;

    for (struct syslog_connection *connection = self->connections; connection != NULL; connection = next) {
        next = connection->next;
        connection->ended = true;
        while (connection->unfinished.len > 0 && read_slab(connection) == READ_MORE)
            ;
        destroy(connection);
    }
}

/* --- from one source to another ------------------------------------------------------------ */

/* False: no memory, it stays. What comes from now on is of the source that has it. */
static bool move_connection(struct syslog_source *self, struct syslog_connection *connection)
{
    struct syslog_source *from = connection->owner;
    struct lb_stream *stream = lb_stream_new(self->source->streams, self->source);

    if (stream == NULL)
        return false;
    peer_copy_name(stream, connection->stream);
    lb_stream_unref(connection->stream);
    connection->stream = stream;
    connection->position = 0;
    syslog_stop_waiting(from, &connection->waiter);
    leave(connection);
    enter(self, connection);
    return true;
}

void syslog_connections_take(struct syslog_source *self, struct syslog_source *from)
{
    struct syslog_connection *next;

    for (struct syslog_connection *connection = from->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (move_connection(self, connection))
            connection->lender = from;
    }
}

void syslog_connections_take_back(struct syslog_source *self, struct syslog_source *from)
{
    struct syslog_connection *next;

    for (struct syslog_connection *connection = from->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->lender == self)
            move_connection(self, connection);
    }
}

void syslog_connections_resume(struct syslog_source *self)
{
    for (struct syslog_connection *connection = self->connections; connection != NULL; connection = connection->next) {
        if (!watch(connection))
            LB_ERROR(self->traits->module, "no memory to watch a connection peer=" LB_STR_FMT,
                     LB_STR_ARG(connection->stream->name));
        event_active(connection->readable, EV_READ, 0);
    }
}

void syslog_connections_close(struct syslog_source *self)
{
    while (self->connections != NULL)
        destroy(self->connections);
}
