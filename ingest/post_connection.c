/*
 * post_connection.c - one connection of the http source: head, body, events, answer; again.
 *
 * It goes through its steps as far as it can; what it waits for (bytes, room to write, credit, the disk) starts it
 * again. Memory: the head has a fixed bound, a body its own and one with all others. The tricky thing is an answer to
 * a request that was not read to its end: closing at once would reset the connection and the answer with it, so the
 * rest is read and thrown away for a while.
 */
#include "post_source.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "peer_link.h"
#include "post_body.h"
#include "post_head.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <unistd.h>

#define MODULE "source.http"

enum {
    EVENTS_MAX = 4096, /* of one batch */
    ANSWER_BYTES = 1024,
    LINGER_BYTES = 64 * 1024 * 1024, /* read and thrown away behind an answer */
    READS_PER_TURN = 64,
    RETRY_AFTER_SECONDS = 1,
};

#define CREDIT_TIMEOUT (5 * LB_SECOND)
#define ANSWER_TIMEOUT (10 * LB_SECOND)
#define LINGER_TIMEOUT (2 * LB_SECOND)

enum step { STEP_PREPARE, STEP_HEAD, STEP_BODY, STEP_TAKE, STEP_SAFE, STEP_ANSWER, STEP_LINGER };

struct post_connection {
    struct syslog_waiter waiter;
    struct post_source *owner;
    const struct post_source *lender;
    struct post_connection *next;
    struct post_connection **link; /* what points to it */
    struct lb_stream *stream;
    char *peer; /* what else is known of it, in the manner of lb_batch.peers, or NULL */
    uint64_t position;
    struct event *readable;
    struct event *writable;
    struct event *timer;
    struct peer_link bytes;
    int fd;
    enum step step;

    struct lb_buffer in; /* read and not used yet */
    struct lb_buffer body;
    size_t held; /* of the owner's body_bytes */
    bool keep_alive;
    bool chunked;
    uint64_t left; /* of a body that is not in chunks */
    struct post_chunks chunks;
    enum post_coding coding;
    enum post_media media;

    struct post_body events;
    bool has_event;
    size_t start;
    size_t length;
    uint64_t awaited; /* the intake's number of the last batch; 0: none has been pushed to one */
    bool pushed;

    char answer[ANSWER_BYTES];
    size_t answer_length;
    size_t answer_sent;
    size_t lingered;
};

static bool advance(struct post_connection *self);

static void set_timer(struct post_connection *self, int64_t after)
{
    struct timeval timeout = { after / LB_SECOND, after % LB_SECOND / 1000 };

    if (evtimer_add(self->timer, &timeout) != 0)
        LB_ERROR(MODULE, "no memory for a timer peer=" LB_STR_FMT, LB_STR_ARG(self->stream->name));
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
static bool hold(struct post_connection *self)
{
    struct post_source *owner = self->owner;

    owner->body_bytes += self->body.capacity - self->held;
    self->held = self->body.capacity;
    return owner->body_bytes <= POST_BODIES_MAX * owner->max_body;
}

static void drop_body(struct post_connection *self)
{
    lb_buffer_free(&self->body);
    (void)hold(self);
}

/* --- answers --------------------------------------------------------------------------- */

/* `more` are further headers, each with its end. */
static void answer(struct post_connection *self, const char *status, const char *more, const char *body)
{
    int length = snprintf(self->answer, sizeof(self->answer),
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%sConnection: "
                          "%s\r\n\r\n%s",
                          status, strlen(body), more, self->keep_alive ? "keep-alive" : "close", body);

    self->answer_length = length > 0 && (size_t)length < sizeof(self->answer) ? (size_t)length : 0;
    self->answer_sent = 0;
    self->step = STEP_ANSWER;
    drop_body(self);
    set_timer(self, ANSWER_TIMEOUT);
}

/* 4xx. With the rest of the request unread nothing can follow on the connection. */
static void refuse(struct post_connection *self, const char *status, const char *more, const char *reason)
{
    char body[ANSWER_BYTES / 2];

    snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", reason);
    lb_metric_add(self->owner->refused, 1);
    LB_INFO(MODULE, "refused a request source=" LB_STR_FMT " peer=" LB_STR_FMT " status=\"%s\" reason=\"%s\"",
            LB_STR_ARG(self->owner->base.source->section.name), LB_STR_ARG(self->stream->name), status, reason);
    answer(self, status, more, body);
}

static void refuse_and_close(struct post_connection *self, const char *status, const char *more, const char *reason)
{
    self->keep_alive = false;
    refuse(self, status, more, reason);
}

static void put_off(struct post_connection *self, const char *reason)
{
    char body[ANSWER_BYTES / 2];
    char more[64];

    snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", reason);
    snprintf(more, sizeof(more), "Retry-After: %d\r\n", RETRY_AFTER_SECONDS);
    lb_metric_add(self->owner->busy, 1);
    answer(self, "503 Service Unavailable", more, body);
}

static void answer_taken(struct post_connection *self)
{
    char body[64];

    snprintf(body, sizeof(body), "{\"records\":%llu}\n", (unsigned long long)self->events.count);
    lb_metric_add(self->owner->accepted, 1);
    answer(self, "200 OK", "", body);
}

/* --- the head ---------------------------------------------------------------------------- */

static bool token_fits(const struct post_source *owner, struct lb_str authorization)
{
    struct lb_str token = owner->token;

    if (token.len == 0)
        return true;
    return authorization.len == token.len + 7 && strncmp(authorization.ptr, "Bearer ", 7) == 0 &&
           CRYPTO_memcmp(authorization.ptr + 7, token.ptr, token.len) == 0;
}

static bool is_path(const struct post_source *owner, struct lb_str path)
{
    return path.len == owner->path.len && memcmp(path.ptr, owner->path.ptr, path.len) == 0;
}

/* False: it was refused. Whoever has no token learns nothing else. */
static bool judge_head(struct post_connection *self, const struct post_head *head)
{
    const struct post_source *owner = self->owner;

    if (!token_fits(owner, head->authorization))
        refuse_and_close(self, "401 Unauthorized", "WWW-Authenticate: Bearer\r\n",
                         "send the token of this source as Authorization: Bearer");
    else if (!is_path(owner, head->path))
        refuse_and_close(self, "404 Not Found", "", "there is nothing here; the option path says what takes events");
    else if (!lb_str_is(head->method, "POST") && !lb_str_is(head->method, "PUT"))
        refuse_and_close(self, "405 Method Not Allowed", "Allow: POST, PUT\r\n", "events are posted: use POST");
    else if (head->media == POST_NEITHER)
        refuse_and_close(self, "415 Unsupported Media Type", "",
                         "expected application/json, application/x-ndjson or text/plain");
    else if (head->coding == POST_UNKNOWN)
        refuse_and_close(self, "415 Unsupported Media Type", "Accept-Encoding: gzip, deflate, zstd\r\n",
                         "expected Content-Encoding gzip, deflate, zstd or none");
    else if (!head->sized && !head->chunked)
        refuse_and_close(self, "411 Length Required", "", "expected Content-Length or Transfer-Encoding: chunked");
    else if (head->size > owner->max_body)
        refuse_and_close(self, "413 Content Too Large", "", "the body is over max_body; send less at once");
    else
        return true;
    return false;
}

static void use_input(struct post_connection *self, size_t bytes)
{
    self->in.len -= bytes;
    memmove(self->in.ptr, self->in.ptr + bytes, self->in.len);
}

static void begin_body(struct post_connection *self, const struct post_head *head)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

    self->chunked = head->chunked;
    self->left = head->size;
    self->chunks = (struct post_chunks){ 0 };
    self->coding = head->coding;
    self->media = head->media;
    self->step = STEP_BODY;
    /* Few bytes on a connection that nothing was written to: they fit, or the peer sends its body anyway. */
    if (head->expects && self->in.len == head->length)
        (void)peer_link_write(&self->bytes, go_on, sizeof(go_on) - 1);
}

/* False: more is needed. */
static bool read_head(struct post_connection *self)
{
    struct post_head head;
    enum lb_err err = post_head_read(lb_buffer_str(&self->in), &head);

    if (err == LB_AGAIN)
        return false;
    self->keep_alive = head.keep_alive;
    if (err == LB_LIMIT)
        refuse_and_close(self, "431 Request Header Fields Too Large", "", head.reason);
    else if (err != LB_OK)
        refuse_and_close(self, "400 Bad Request", "", head.reason);
    else if (judge_head(self, &head))
        begin_body(self, &head);
    if (self->step == STEP_BODY)
        use_input(self, head.length);
    return true;
}

/* --- the body ---------------------------------------------------------------------------- */

static bool keep(struct post_connection *self, struct lb_str piece)
{
    if (piece.len > self->owner->max_body - self->body.len) {
        refuse_and_close(self, "413 Content Too Large", "", "the body is over max_body; send less at once");
        return false;
    }
    lb_buffer_append_str(&self->body, piece);
    if (!self->body.failed && hold(self))
        return true;
    self->keep_alive = false;
    put_off(self, "too much is being sent at once; send it again");
    return false;
}

/* What has come of the body is kept. LB_END: all has. Another: it was answered. */
static enum lb_err read_pieces(struct post_connection *self)
{
    struct lb_str bytes = lb_buffer_str(&self->in);
    struct lb_str piece = { bytes.ptr, bytes.len < self->left ? bytes.len : (size_t)self->left };
    size_t used = 0;
    enum lb_err err = LB_OK;

    if (!self->chunked) {
        if (!keep(self, piece))
            return LB_LIMIT;
        self->left -= piece.len;
        use_input(self, piece.len);
        return self->left == 0 ? LB_END : LB_AGAIN;
    }
    while (err == LB_OK) {
        err = post_chunks_read(&self->chunks, bytes, &used, &piece);
        if (err == LB_OK && !keep(self, piece))
            err = LB_LIMIT;
    }
    if (err == LB_BAD_INPUT)
        refuse_and_close(self, "400 Bad Request", "", "the body is not in chunks as it says");
    use_input(self, used);
    return err;
}

/* False: it was refused. */
static bool decompress(struct post_connection *self)
{
    struct inflater *inflater = &self->owner->inflater;
    enum lb_err err;

    if (self->coding == POST_PLAIN)
        return true;
    err = inflate_bytes(inflater, self->coding == POST_ZSTD ? INFLATE_ZSTD : INFLATE_ZLIB, lb_buffer_str(&self->body));
    if (err == LB_LIMIT)
        refuse(self, "413 Content Too Large", "", "the body is over max_body when decompressed; send less at once");
    else if (err != LB_OK)
        refuse(self, "400 Bad Request", "", "the body is not compressed as Content-Encoding says, or is cut short");
    if (err != LB_OK)
        return false;
    lb_buffer_free(&self->body);
    self->body = inflater->out;
    lb_buffer_init(&inflater->out, self->owner->max_body);
    if (hold(self))
        return true;
    put_off(self, "too much is being sent at once; send it again");
    return false;
}

/* All of it is looked at before any is taken. False: it was refused. */
static bool judge_body(struct post_connection *self)
{
    char reason[256];
    size_t start;
    size_t length;
    enum lb_err err = LB_OK;

    post_body_open(&self->events, lb_buffer_str(&self->body), self->media);
    while (err == LB_OK)
        err = post_body_next(&self->events, &start, &length);
    if (err == LB_END) {
        post_body_open(&self->events, lb_buffer_str(&self->body), self->media);
        return true;
    }
    snprintf(reason, sizeof(reason), "event %llu, at byte %zu of the body: %s; nothing of it was taken",
             (unsigned long long)self->events.count + 1, self->events.at, self->events.reason);
    /* The reason is a literal of ours, which may have quotes. */
    for (char *c = reason; *c != '\0'; c++)
        *c = *c == '"' || *c == '\\' ? '\'' : *c;
    refuse(self, "400 Bad Request", "", reason);
    return false;
}

/* False: more is needed. */
static bool read_body(struct post_connection *self)
{
    enum lb_err err = read_pieces(self);

    if (err == LB_AGAIN)
        return false;
    if (err != LB_END || !decompress(self) || !judge_body(self))
        return true;
    self->step = STEP_TAKE;
    self->has_event = false;
    self->pushed = false;
    self->awaited = 0;
    set_timer(self, CREDIT_TIMEOUT);
    return true;
}

/* --- events -------------------------------------------------------------------------------- */

static void push(struct post_connection *self, struct lb_batch *batch)
{
    struct lb_str peer = LB_STR("");

    if (self->peer != NULL && batch->event_count > 0) {
        peer = lb_arena_copy(&batch->arena, lb_str_from(self->peer));
        batch->peers = lb_arena_alloc(&batch->arena, batch->event_count * sizeof(*batch->peers));
    }
    if (peer.ptr == NULL)
        batch->peers = NULL;
    for (uint32_t i = 0; batch->peers != NULL && i < batch->event_count; i++)
        batch->peers[i] = peer;
    self->awaited = syslog_push(&self->owner->base, batch, &self->position);
    self->pushed = true;
    event_del(self->timer);
}

/* Room for what is left, but no more than a slab unless the next event alone needs it. */
static struct lb_batch *take_batch(struct post_connection *self, size_t next)
{
    size_t left = self->events.text.len - self->start;
    size_t wanted = left + left / 8 + LB_SLAB_SMALL / 2;
    size_t need = next + LB_SLAB_SMALL / 2;

    if (wanted > LB_SLAB_LARGE)
        wanted = LB_SLAB_LARGE;
    return syslog_take(&self->owner->base, need > wanted ? need : wanted, self->stream, &self->waiter);
}

/* True: all events are on their way. False: no credit, it will be resumed. */
static bool take_events(struct post_connection *self)
{
    size_t max_line = self->owner->base.source->options.max_line;
    struct lb_batch *batch = NULL;

    while (self->has_event || post_body_next(&self->events, &self->start, &self->length) == LB_OK) {
        size_t length = self->length < max_line ? self->length : max_line;

        self->has_event = true;
        if (batch != NULL && (length > lb_batch_room(batch, 1) || batch->event_count == EVENTS_MAX)) {
            push(self, batch);
            batch = NULL;
        }
        if (batch == NULL)
            batch = take_batch(self, length);
        if (batch == NULL)
            return false;
        memcpy(batch->bytes + batch->length, self->events.text.ptr + self->start, length);
        (void)syslog_note(&self->owner->base, batch, batch->length, length, length < self->length);
        batch->length += (uint32_t)length;
        self->has_event = false;
    }
    if (batch != NULL)
        push(self, batch);
    return true;
}

static uint64_t safe_number(struct post_source *owner)
{
    pthread_mutex_lock(&owner->lock);
    uint64_t number = owner->safe_number;
    pthread_mutex_unlock(&owner->lock);
    return number;
}

static void settle(struct post_connection *self)
{
    lb_metric_add(self->owner->base.metrics.bytes, (int64_t)self->body.len);
    event_del(self->timer);
    drop_body(self);
    if (self->awaited > safe_number(self->owner))
        self->step = STEP_SAFE;
    else
        answer_taken(self);
}

void post_connections_answer(struct post_source *self, uint64_t safe)
{
    struct post_connection *next;

    for (struct post_connection *connection = self->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->step != STEP_SAFE || connection->awaited > safe)
            continue;
        answer_taken(connection);
        (void)advance(connection);
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

/* LB_OK: something came. LB_AGAIN. LB_END: the peer has ended, or was broken off. */
static enum lb_err receive(struct post_connection *self)
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
        set_timer(self, self->owner->request_timeout_ns);
    self->in.len += (size_t)got;
    return LB_OK;
}

static enum lb_err prepare_link(struct post_connection *self)
{
    enum lb_err err = peer_link_prepare(&self->bytes);

    if (err == LB_BAD_INPUT) {
        lb_metric_add(self->owner->base.metrics.handshake_errors, 1);
        LB_WARN(MODULE, "closing a connection before a request source=" LB_STR_FMT " peer=" LB_STR_FMT " reason=\"%s\"",
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
    set_timer(self, self->owner->base.idle_timeout_ns);
    return LB_OK;
}

/* After an answer. */
static void begin_again(struct post_connection *self)
{
    if (self->keep_alive) {
        self->step = STEP_HEAD;
        set_timer(self, self->in.len > 0 ? self->owner->request_timeout_ns : self->owner->base.idle_timeout_ns);
        return;
    }
    self->step = STEP_LINGER;
    self->lingered = 0;
    if (self->bytes.ssl == NULL)
        (void)shutdown(self->fd, SHUT_WR);
    set_timer(self, LINGER_TIMEOUT);
}

static enum lb_err write_answer(struct post_connection *self)
{
    while (self->answer_sent < self->answer_length) {
        ssize_t sent =
            peer_link_write(&self->bytes, self->answer + self->answer_sent, self->answer_length - self->answer_sent);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return event_add(self->writable, NULL) == 0 ? LB_AGAIN : LB_END;
        if (sent <= 0)
            return LB_END;
        self->answer_sent += (size_t)sent;
    }
    begin_again(self);
    return LB_OK;
}

static enum lb_err linger(struct post_connection *self)
{
    self->lingered += self->in.len;
    self->in.len = 0;
    return self->lingered > LINGER_BYTES ? LB_END : receive(self);
}

/* One step. LB_OK: the next one. LB_AGAIN: it waits. LB_END: close it. */
static enum lb_err take_step(struct post_connection *self)
{
    switch (self->step) {
    case STEP_PREPARE: return prepare_link(self);
    case STEP_HEAD: return read_head(self) ? LB_OK : receive(self);
    case STEP_BODY: return read_body(self) ? LB_OK : receive(self);
    case STEP_TAKE:
        if (!take_events(self))
            return LB_AGAIN;
        settle(self);
        return LB_OK;
    case STEP_SAFE: return LB_AGAIN;
    case STEP_ANSWER: return write_answer(self);
    default: return linger(self);
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
    if (self->step == STEP_BODY || (self->step == STEP_HEAD && self->in.len > 0)) {
        refuse_and_close(self, "408 Request Timeout", "", "the request did not come whole within request_timeout");
    } else if (self->step == STEP_TAKE && !self->pushed) {
        syslog_stop_waiting(&self->owner->base, &self->waiter);
        put_off(self, "there is no room for more at the moment; send it again");
    } else {
        if (self->step == STEP_PREPARE)
            lb_metric_add(self->owner->base.metrics.handshake_errors, 1);
        destroy(self);
        return;
    }
    (void)advance(self);
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
        LB_ERROR(MODULE, "no memory for a connection source=" LB_STR_FMT, LB_STR_ARG(base->source->section.name));
        destroy(self);
        return;
    }
    set_timer(self, base->handshake_timeout_ns);
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
        put_off(connection, "logboom stops or is reloaded; send it again");
        if (write_answer(connection) != LB_OK)
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
        set_timer(connection, timeout);
        event_active(connection->readable, EV_READ, 0);
    }
}

void post_connections_close(struct post_source *self)
{
    while (self->connections != NULL)
        destroy(self->connections);
}
