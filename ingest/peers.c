/*
 * peers.c - connections: read, hand to the protocol, push, answer when that is safe.
 *
 * The tricky thing is when an answer may go. peer_owe() only says what is owed; the next push gives it the number of
 * the batch that has the record, and the intake tells, on its own thread, up to which number all is on disk. That is
 * posted to the loop once at a time. An instance that was stopped is deaf: what its peers are owed then, they are not
 * told; their connections end, and they send it again.
 */
#include "peers.h"

#include "lb_alloc.h"
#include "lb_intake.h"
#include "lb_log.h"
#include "peer_link.h"
#include "peer_name.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <unistd.h>

enum {
    READ_BYTES = 256 * 1024, /* at once, of what has come in */
    STEPS_PER_TURN = 4,
    ROOM_FOR_EVENTS = 4 * (int)sizeof(struct lb_event),
};

/* `length` bytes of the answers are due when the batch of that number is safe. */
struct peer_debt {
    uint64_t number;
    size_t length;
};

/* --- the list ---------------------------------------------------------------------- */

static void enter(struct peers *owner, struct peer *self)
{
    self->owner = owner;
    self->next = owner->first;
    self->link = &owner->first;
    if (self->next != NULL)
        self->next->link = &self->next;
    owner->first = self;
    owner->count++;
    owner->unfinished_bytes += self->bytes.capacity + self->extra;
    lb_metric_set(owner->metrics.connections, owner->count);
}

static void leave(struct peer *self)
{
    struct peers *owner = self->owner;

    *self->link = self->next;
    if (self->next != NULL)
        self->next->link = self->link;
    owner->count--;
    owner->unfinished_bytes -= self->bytes.capacity + self->extra;
    lb_metric_set(owner->metrics.connections, owner->count);
}

static void stop_waiting(struct peer *self)
{
    struct peer **link = &self->owner->waiters;

    if (!self->waiting)
        return;
    while (*link != self)
        link = &(*link)->next_waiter;
    *link = self->next_waiter;
    if (self->next_waiter == NULL)
        self->owner->last_waiter = link;
    self->waiting = false;
}

static void destroy(struct peer *self)
{
    stop_waiting(self);
    if (self->owner->protocol->close != NULL)
        self->owner->protocol->close(self);
    leave(self);
    if (self->batch != NULL)
        lb_batch_unref(self->batch);
    lb_buffer_free(&self->bytes);
    lb_buffer_free(&self->answers);
    lb_buffer_free(&self->debts);
    if (self->transport != NULL)
        bufferevent_free(self->transport);
    if (self->stream != NULL)
        lb_stream_unref(self->stream);
    lb_free(self);
}

enum peer_outcome peer_blame(struct peer *self, const char *reason)
{
    lb_metric_add(self->owner->metrics.errors, 1);
    LB_WARN(self->owner->protocol->module,
            "closing a connection source=" LB_STR_FMT " peer=" LB_STR_FMT " reason=\"%s\"",
            LB_STR_ARG(self->owner->source->section.name), LB_STR_ARG(self->stream->name), reason);
    return PEER_BAD;
}

/* --- answers -------------------------------------------------------------------------- */

void peer_hold(struct peer *self, size_t bytes)
{
    self->owner->unfinished_bytes += bytes - self->extra;
    self->extra = bytes;
}

void peer_send(struct peer *self, struct lb_str bytes)
{
    if (bufferevent_write(self->transport, bytes.ptr, bytes.len) != 0)
        LB_ERROR(self->owner->protocol->module, "no memory to answer peer=" LB_STR_FMT, LB_STR_ARG(self->stream->name));
}

void peer_owe(struct peer *self, struct lb_str answer)
{
    lb_buffer_append_str(&self->answers, answer);
    self->pending += answer.len;
}

static bool owes_too_much(const struct peer *self)
{
    return self->answers.len + evbuffer_get_length(bufferevent_get_output(self->transport)) > PEERS_OWED_BYTES;
}

static void drop_front(struct lb_buffer *buffer, size_t len)
{
    buffer->len -= len;
    if (buffer->len > 0)
        memmove(buffer->ptr, buffer->ptr + len, buffer->len);
}

/* Sends what is due. */
static void pay(struct peer *self)
{
    struct peer_debt *debts = (struct peer_debt *)(void *)self->debts.ptr;
    size_t count = self->debts.len / sizeof(*debts);
    uint64_t safe = atomic_load(&self->owner->safe_number);
    size_t paid = 0;
    size_t length = 0;

    while (paid < count && debts[paid].number <= safe)
        length += debts[paid++].length;
    if (paid == 0)
        return;
    peer_send(self, (struct lb_str){ self->answers.ptr, length });
    drop_front(&self->answers, length);
    drop_front(&self->debts, paid * sizeof(*debts));
    lb_metric_add(self->owner->metrics.answers, (int64_t)paid);
}

/* --- batches --------------------------------------------------------------------------- */

static void push_batch(struct peer *self)
{
    struct lb_source *source = self->owner->source;
    struct lb_batch *batch = self->batch;

    self->batch = NULL;
    if (batch == NULL)
        return;
    if (batch->event_count == 0) {
        lb_batch_unref(batch);
        return;
    }
    batch->counted = true;
    batch->arrival_ns = lb_clock_now();
    batch->position = self->position;
    self->position += batch->event_count;
    batch->position_end = self->position;
    lb_metric_add(self->owner->metrics.messages, batch->event_count);
    if (source->intake != NULL)
        self->last_number = lb_intake_put(source->intake, batch);
    else
        lb_queue_push(source->queue, batch);
}

/* What is owed for all that was put in is due with the last batch. False: no memory to know that. */
static bool push(struct peer *self)
{
    struct peer_debt debt = { self->last_number, self->pending };

    push_batch(self);
    debt.number = self->last_number;
    if (self->pending > 0)
        lb_buffer_append(&self->debts, (const char *)&debt, sizeof(debt));
    self->pending = 0;
    pay(self);
    return !self->debts.failed && !self->answers.failed;
}

struct lb_batch *peer_room(struct peer *self, size_t size)
{
    struct peers *owner = self->owner;

    if (self->batch != NULL && lb_batch_room(self->batch, 1) >= size)
        return self->batch;
    if (self->batch != NULL) {
        (void)push(self); /* what has failed shows at the end of the turn */
        self->slab_size = self->slab_size < LB_SLAB_MEDIUM ? LB_SLAB_MEDIUM : LB_SLAB_LARGE;
    }
    size_t wanted = size + ROOM_FOR_EVENTS > self->slab_size ? size + ROOM_FOR_EVENTS : self->slab_size;
    self->batch = lb_pool_take(owner->source->share, wanted, self->stream);
    if (self->batch == NULL && !self->waiting && !owner->stopped) {
        self->waiting = true;
        self->next_waiter = NULL;
        *owner->last_waiter = self;
        owner->last_waiter = &self->next_waiter;
    }
    return self->batch;
}

void peer_note(struct peer *self, size_t start, size_t length, bool truncated)
{
    lb_batch_note(self->batch, start, length);
    if (!truncated)
        return;
    lb_batch_event(self->batch, self->batch->event_count - 1)->truncated = 1;
    lb_metric_add(self->owner->metrics.truncated, 1);
}

/* --- reading ------------------------------------------------------------------------------ */

static void forget_what_was_read(struct peer *self)
{
    size_t capacity = self->bytes.capacity;

    drop_front(&self->bytes, self->used);
    self->used = 0;
    if (self->bytes.len == 0 && capacity > 0) {
        lb_buffer_free(&self->bytes);
        lb_buffer_init(&self->bytes, SIZE_MAX);
    }
    self->owner->unfinished_bytes += self->bytes.capacity - capacity;
}

/* Takes in what has come, so far as it is wanted. False: there is no room for it. */
static bool take_in(struct peer *self)
{
    struct peers *owner = self->owner;
    struct evbuffer *input = bufferevent_get_input(self->transport);
    size_t there = evbuffer_get_length(input);
    size_t capacity = self->bytes.capacity;
    size_t others = owner->unfinished_bytes - capacity;
    size_t free = others < PEERS_UNFINISHED_BYTES ? PEERS_UNFINISHED_BYTES - others : 0;

    if (there > READ_BYTES)
        there = READ_BYTES;
    if (there == 0)
        return true;
    if (self->bytes.len + there > LB_SLAB_MEDIUM && 2 * (self->bytes.len + there) > free)
        return false;
    if (!lb_buffer_reserve(&self->bytes, there))
        return false;
    owner->unfinished_bytes += self->bytes.capacity - capacity;
    (void)evbuffer_remove(input, self->bytes.ptr + self->bytes.len, there);
    self->bytes.len += there;
    self->slow = false;
    lb_metric_add(owner->metrics.bytes, (int64_t)there);
    return true;
}

static bool has_input(const struct peer *self)
{
    return evbuffer_get_length(bufferevent_get_input(self->transport)) > 0;
}

static size_t slab_for(size_t bytes)
{
    if (bytes <= LB_SLAB_SMALL / 2)
        return LB_SLAB_SMALL;
    return bytes <= LB_SLAB_MEDIUM / 2 ? LB_SLAB_MEDIUM : LB_SLAB_LARGE;
}

static enum peer_outcome step(struct peer *self)
{
    enum peer_outcome outcome;

    if (!take_in(self))
        return peer_blame(self, "no room for a message this long: too many are unfinished");
    if (self->bytes.len == self->used || self->bytes.len - self->used < self->needed)
        return has_input(self) ? PEER_AGAIN : PEER_MORE;
    self->needed = 0;
    self->slab_size = slab_for(self->bytes.len - self->used);
    outcome = self->owner->protocol->read(self);
    if (!push(self))
        outcome = peer_blame(self, "no memory for its answers");
    if (self->used > 0)
        forget_what_was_read(self);
    if (outcome == PEER_MORE && self->needed > self->owner->message_max)
        return peer_blame(self, "a message is longer than max_message");
    return outcome == PEER_MORE && has_input(self) ? PEER_AGAIN : outcome;
}

/* Nothing more comes. True: it has gone, or will when it has its answers. */
static void finish(struct peer *self)
{
    if (self->owner->protocol->ended != NULL && !self->last) {
        self->owner->protocol->ended(self);
        (void)push(self);
    }
    self->last = true;
    bufferevent_disable(self->transport, EV_READ);
    if (self->debts.len == 0 && evbuffer_get_length(bufferevent_get_output(self->transport)) == 0)
        destroy(self);
}

static void set_timeouts(struct peer *self)
{
    int64_t idle_ns = self->owner->idle_timeout_ns;
    bool owes = self->slow || self->greeting || self->bytes.len > 0; /* more bytes */
    int64_t read_ns = owes && (idle_ns == 0 || idle_ns > PEERS_STALL) ? PEERS_STALL : idle_ns;
    struct timeval read = { read_ns / LB_SECOND, read_ns % LB_SECOND / 1000 };
    struct timeval write = { PEERS_STALL / LB_SECOND, 0 };

    bufferevent_set_timeouts(self->transport, read_ns > 0 ? &read : NULL, &write);
}

/* Reads until nothing is there or it is others' turn. The peer may be gone afterwards. */
static void turn(struct peer *self)
{
    enum peer_outcome outcome = PEER_AGAIN;

    if (self->last) {
        finish(self);
        return;
    }
    for (int i = 0; i < STEPS_PER_TURN && outcome == PEER_AGAIN && !owes_too_much(self); i++)
        outcome = step(self);
    if (outcome == PEER_BAD) {
        destroy(self);
        return;
    }
    if (outcome == PEER_LAST || (outcome == PEER_MORE && self->ended)) {
        finish(self);
        return;
    }
    set_timeouts(self);
    if (outcome == PEER_WAIT || owes_too_much(self)) {
        bufferevent_disable(self->transport, EV_READ);
        return;
    }
    if (!self->ended)
        bufferevent_enable(self->transport, EV_READ);
    if (outcome == PEER_AGAIN)
        bufferevent_trigger(self->transport, EV_READ, BEV_OPT_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
}

static void on_readable(struct bufferevent *transport, void *context)
{
    struct peer *self = context;

    (void)transport;
    if (!self->waiting && !self->owner->stopped)
        turn(self);
}

/* All that was written has gone. */
static void on_written(struct bufferevent *transport, void *context)
{
    on_readable(transport, context);
}

static void on_event(struct bufferevent *transport, short what, void *context)
{
    struct peer *self = context;

    if ((what & BEV_EVENT_CONNECTED) != 0)
        return;
    if ((what & BEV_EVENT_TIMEOUT) != 0 && (what & BEV_EVENT_READING) != 0 &&
        peer_link_was_late(bufferevent_getfd(transport)) && bufferevent_enable(transport, EV_READ) == 0)
        return;
    if ((what & BEV_EVENT_TIMEOUT) != 0) {
        LB_INFO(self->owner->protocol->module, "closing a connection that %s peer=" LB_STR_FMT,
                (what & BEV_EVENT_WRITING) != 0 ? "does not take its answers" : "is silent",
                LB_STR_ARG(self->stream->name));
        destroy(self);
        return;
    }
    if ((what & BEV_EVENT_EOF) == 0) {
        LB_INFO(self->owner->protocol->module, "a connection broke peer=" LB_STR_FMT " error=\"%s\"",
                LB_STR_ARG(self->stream->name), evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    }
    self->ended = true;
    if ((what & BEV_EVENT_ERROR) != 0 && (what & BEV_EVENT_WRITING) != 0)
        destroy(self);
    else if (!self->waiting && !self->owner->stopped)
        turn(self);
}

/* --- credit and safety ----------------------------------------------------------------------- */

/* Those that get nothing again go to the end of a new queue; each is tried once. */
static void resume_all(void *context)
{
    struct peers *self = context;
    struct peer *last = NULL;

    for (struct peer *peer = self->waiters; peer != NULL; peer = peer->next_waiter)
        last = peer;
    while (last != NULL && self->waiters != NULL && !self->stopped) {
        struct peer *peer = self->waiters;

        if (peer == last)
            last = NULL;
        stop_waiting(peer);
        turn(peer); /* it may be gone afterwards */
    }
}

/* Any thread. */
static void wake(void *context)
{
    struct peers *self = context;

    lb_loop_post(self->source->loop, resume_all, self);
}

static void pay_all(void *context)
{
    struct peers *self = context;
    struct peer *next;

    atomic_store(&self->posted, false);
    for (struct peer *peer = self->first; peer != NULL; peer = next) {
        next = peer->next;
        if (peer->debts.len == 0)
            continue;
        bool held = owes_too_much(peer);

        pay(peer);
        if (!self->stopped && !peer->waiting && (held || peer->last))
            turn(peer);
    }
}

void peers_safe(struct peers *self, uint64_t number)
{
    atomic_store(&self->safe_number, number);
    pthread_mutex_lock(&self->lock);
    if (!self->deaf && !atomic_exchange(&self->posted, true))
        lb_loop_post(self->source->loop, pay_all, self);
    pthread_mutex_unlock(&self->lock);
}

static void set_deaf(struct peers *self, bool deaf)
{
    pthread_mutex_lock(&self->lock);
    self->deaf = deaf;
    pthread_mutex_unlock(&self->lock);
}

/* --- a connection ------------------------------------------------------------------------------ */

/* The handshake runs in libevent's buffer, like reading and writing. */
static struct bufferevent *new_transport(const struct peers *owner, int fd, bool tls)
{
    struct event_base *base = lb_loop_base(owner->source->loop);
    int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;

    if (!tls)
        return bufferevent_socket_new(base, fd, options);
    SSL *ssl = SSL_new(owner->ssl);
    if (ssl == NULL)
        return NULL;
    struct bufferevent *transport = bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, options);
    if (transport == NULL)
        SSL_free(ssl);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(transport, 1);
    return transport;
}

static bool open_peer(struct peer *self, int fd, const struct sockaddr_storage *address, bool tls)
{
    struct peers *owner = self->owner;

    self->transport = new_transport(owner, fd, tls);
    if (self->transport == NULL) {
        close(fd);
        return false;
    }
    self->stream = lb_stream_new(owner->source->streams, owner->source);
    if (self->stream == NULL)
        return false;
    peer_name_stream(self->stream, address);
    bufferevent_setcb(self->transport, on_readable, on_written, on_event, self);
    bufferevent_setwatermark(self->transport, EV_READ, 0, READ_BYTES);
    self->slow = tls; /* until its first byte, for it may never end the handshake */
    if (owner->protocol->open != NULL && !owner->protocol->open(self))
        return false;
    set_timeouts(self);
    return bufferevent_enable(self->transport, EV_READ | EV_WRITE) == 0;
}

void peers_connection_open(struct peers *owner, int fd, const struct sockaddr_storage *address, bool tls)
{
    struct peer *self = lb_alloc(owner->protocol->peer_size);

    if (self == NULL) {
        close(fd);
        return;
    }
    memset(self, 0, owner->protocol->peer_size);
    self->slab_size = LB_SLAB_SMALL;
    lb_buffer_init(&self->bytes, SIZE_MAX);
    lb_buffer_init(&self->answers, SIZE_MAX);
    lb_buffer_init(&self->debts, SIZE_MAX);
    enter(owner, self);
    if (open_peer(self, fd, address, tls))
        return;
    LB_ERROR(owner->protocol->module, "no memory for a connection source=" LB_STR_FMT,
             LB_STR_ARG(owner->source->section.name));
    destroy(self);
}

/* --- all of them --------------------------------------------------------------------------------- */

/* False: no memory, or it is owed what only the other one will know; it stays, and is closed with that. */
static bool move_peer(struct peers *self, struct peer *peer)
{
    struct lb_stream *stream = peer->debts.len == 0 ? lb_stream_new(self->source->streams, self->source) : NULL;

    if (stream == NULL)
        return false;
    peer_copy_name(stream, peer->stream);
    lb_stream_unref(peer->stream);
    peer->stream = stream;
    peer->position = 0;
    peer->last_number = 0;
    stop_waiting(peer);
    leave(peer);
    enter(self, peer);
    return true;
}

void peers_connections_take(struct peers *self, struct peers *from)
{
    struct peer *next;

    for (struct peer *peer = from->first; peer != NULL; peer = next) {
        next = peer->next;
        if (move_peer(self, peer))
            peer->lender = from;
    }
}

void peers_connections_take_back(struct peers *self, struct peers *from)
{
    struct peer *next;

    for (struct peer *peer = from->first; peer != NULL; peer = next) {
        next = peer->next;
        if (peer->lender == self)
            (void)move_peer(self, peer);
    }
}

void peers_connections_start(struct peers *self)
{
    set_deaf(self, false);
    lb_share_on_credit(self->source->share, wake, self);
    for (struct peer *peer = self->first; peer != NULL; peer = peer->next) {
        bufferevent_enable(peer->transport, EV_READ);
        bufferevent_trigger(peer->transport, EV_READ, BEV_OPT_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
        pay(peer);
    }
}

void peers_connections_stop(struct peers *self)
{
    set_deaf(self, true);
    for (struct peer *peer = self->first; peer != NULL; peer = peer->next) {
        stop_waiting(peer);
        bufferevent_disable(peer->transport, EV_READ);
    }
}

void peers_connections_end(struct peers *self)
{
    struct peer *next;

    for (struct peer *peer = self->first; peer != NULL; peer = next) {
        next = peer->next;
        while (step(peer) == PEER_AGAIN)
            ;
        if (self->protocol->ended != NULL)
            self->protocol->ended(peer);
        (void)push(peer);
        destroy(peer);
    }
}

void peers_connections_close(struct peers *self)
{
    lb_share_on_credit(self->source->share, NULL, NULL);
    while (self->first != NULL)
        destroy(self->first);
    set_deaf(self, true);
}
