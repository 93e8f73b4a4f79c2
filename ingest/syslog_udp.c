/*
 * syslog_udp.c - datagrams, many with one call, straight into a slab.
 *
 * Each datagram has a slot of 2 KiB at the end of the slab, and an overflow beside it for what is longer; then the
 * bytes are packed to the front, so that a slab holds hundreds. Long ones are put behind all the short ones of their
 * call, for packing them in order would run over slots that are not packed yet. What the kernel dropped for want of
 * room comes as a running count with each datagram (SO_RXQ_OVFL).
 */
#include "syslog_source.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <unistd.h>

enum {
    SLOTS = 64,
    SLOT_BYTES = 2048,
    OVERFLOW_BYTES = 64 * 1024, /* with the slot, more than any datagram */
    CALLS_PER_TURN = 16,
    EVENTS_MAX = 4096, /* of one batch */
    PEERS_CACHED = 64, /* a power of 2 */
};

struct peer {
    struct in6_addr address; /* IPv4 as mapped */
    struct lb_str text;      /* in the arena of the batch; empty: not set */
};

/* What calls need, and long ones that wait for credit. */
struct datagrams {
    struct mmsghdr headers[SLOTS];
    struct iovec vectors[SLOTS][2];
    struct sockaddr_storage addresses[SLOTS];
    _Alignas(struct cmsghdr) char controls[SLOTS][CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(struct ucred))];
    char overflow[SLOTS][SLOT_BYTES + OVERFLOW_BYTES]; /* the first bytes are room for the slot of a long one */
    uint16_t long_ones[SLOTS];
    uint32_t long_count;
    uint32_t long_done;
    struct lb_str content;           /* of the long one that is next, */
    bool unpacked;                   /* if this is set */
    struct lb_str peers[EVENTS_MAX]; /* of the batch that is being filled */
    struct peer cache[PEERS_CACHED];
};

struct syslog_socket {
    struct syslog_waiter waiter;
    struct syslog_source *owner;
    const struct syslog_source *lender;
    struct syslog_socket *next;
    struct lb_stream *stream;
    struct event *readable;
    void *unpacker; /* of the owner's traits, or NULL */
    struct listen_path path;
    bool local; /* peers are processes, not hosts */
    int fd;
    uint32_t dropped; /* the kernel's count so far */
    uint64_t position;
    size_t slab_size;
    struct datagrams datagrams; /* 4 MiB, of which only what long datagrams use is ever touched */
};

/* --- peers ------------------------------------------------------------------------ */

/* Whom datagram `i` of a call is from: an address, or user and process. */
static struct in6_addr sender_of(struct syslog_socket *self, uint32_t i, struct ucred *process)
{
    struct msghdr *header = &self->datagrams.headers[i].msg_hdr;

    if (!self->local)
        return peer_key_of(&self->datagrams.addresses[i]);
    *process = (struct ucred){ 0 };
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_CREDENTIALS)
            memcpy(process, CMSG_DATA(control), sizeof(*process));
    }
    return peer_user_key(process->uid);
}

/* The sender as text, once for each batch and sender as long as the cache holds it. */
static struct lb_str peer_text(struct syslog_socket *self, struct in6_addr key, const struct ucred *process,
                               struct lb_arena *arena)
{
    uint32_t last;
    struct peer *peer;
    char text[PEER_TEXT_BYTES];
    size_t length;

    if (self->local) /* processes of one user differ */
        memcpy(key.s6_addr + 8, &process->pid, sizeof(process->pid));
    memcpy(&last, key.s6_addr + (self->local ? 8 : 12), 4);
    peer = &self->datagrams.cache[(last * UINT32_C(2654435761)) >> 26];
    if (peer->text.len == 0 || memcmp(&peer->address, &key, sizeof(key)) != 0) {
        length = self->local ? peer_process_text(self->owner->own_host, process, text) : peer_key_text(&key, text);
        peer->address = key;
        peer->text = lb_arena_copy(arena, (struct lb_str){ text, length });
        if (peer->text.ptr == NULL)
            peer->text = LB_STR("");
    }
    return peer->text;
}

/* --- one batch ----------------------------------------------------------------------- */

static struct lb_batch *begin_datagrams(struct syslog_socket *self, size_t bytes)
{
    struct lb_batch *batch = syslog_take(self->owner, bytes, self->stream, &self->waiter);

    if (batch != NULL)
        memset(self->datagrams.cache, 0, sizeof(self->datagrams.cache));
    return batch;
}

static void push_datagrams(struct syslog_socket *self, struct lb_batch *batch)
{
    size_t size = batch->event_count * sizeof(*batch->peers);

    if (batch->event_count > 0) {
        batch->peers = lb_arena_alloc(&batch->arena, size);
        if (batch->peers != NULL)
            memcpy(batch->peers, self->datagrams.peers, size);
    }
    syslog_push(self->owner, batch, &self->position);
}

static size_t trimmed(const char *bytes, size_t length)
{
    while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == '\0'))
        length--;
    return length > 0 && bytes[length - 1] == '\r' ? length - 1 : length;
}

/* Notes the bytes at the end of what is in use. The caller has seen that they fit. */
static void note_datagram(struct syslog_socket *self, struct lb_batch *batch, size_t length, uint32_t i)
{
    struct ucred process = { 0 };
    struct in6_addr sender = sender_of(self, i, &process);

    if (length == 0 || !syslog_admit(self->owner, &sender) ||
        !syslog_note(self->owner, batch, batch->length, length, false))
        return;
    self->datagrams.peers[batch->event_count - 1] = peer_text(self, sender, &process, &batch->arena);
    batch->length += lb_batch_event(batch, batch->event_count - 1)->length;
}

/* --- receiving --------------------------------------------------------------------------- */

/* Slots for the next call, all at the end of the bytes that are free; 0: the batch is full. */
static uint32_t prepare(struct datagrams *datagrams, struct lb_batch *batch)
{
    size_t room = lb_batch_room(batch, SLOTS);
    uint32_t count = room / SLOT_BYTES < SLOTS ? (uint32_t)(room / SLOT_BYTES) : SLOTS;

    if (batch->event_count + SLOTS > EVENTS_MAX)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        datagrams->vectors[i][0] = (struct iovec){ batch->bytes + batch->length + (size_t)i * SLOT_BYTES, SLOT_BYTES };
        datagrams->vectors[i][1] = (struct iovec){ datagrams->overflow[i] + SLOT_BYTES, OVERFLOW_BYTES };
        datagrams->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &datagrams->addresses[i],
            .msg_namelen = sizeof(datagrams->addresses[i]),
            .msg_iov = datagrams->vectors[i],
            .msg_iovlen = 2,
            .msg_control = datagrams->controls[i],
            .msg_controllen = sizeof(datagrams->controls[i]),
        };
    }
    return count;
}

static void count_dropped(struct syslog_socket *self, struct msghdr *header)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
        uint32_t dropped;

        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SO_RXQ_OVFL)
            continue;
        memcpy(&dropped, CMSG_DATA(control), sizeof(dropped));
        if (dropped == self->dropped)
            continue;
        lb_metric_add(self->owner->metrics.dropped, (uint32_t)(dropped - self->dropped));
        LB_WARN(self->owner->traits->module,
                "the kernel dropped datagrams, raise receive_buffer source=" LB_STR_FMT " dropped=%u",
                LB_STR_ARG(self->owner->source->section.name), dropped - self->dropped);
        self->dropped = dropped;
    }
}

/* Packs the short ones of a call to the front; the long ones are made whole in their overflow. */
static void pack(struct syslog_socket *self, struct lb_batch *batch, uint32_t count)
{
    struct datagrams *datagrams = &self->datagrams;
    int64_t bytes = 0;

    datagrams->long_count = datagrams->long_done = 0;
    for (uint32_t i = 0; i < count; i++) {
        char *slot = datagrams->vectors[i][0].iov_base;
        size_t length = datagrams->headers[i].msg_len;

        bytes += (int64_t)length;
        if (length > SLOT_BYTES || self->owner->traits->unpack != NULL) {
            memcpy(datagrams->overflow[i], slot, length < SLOT_BYTES ? length : SLOT_BYTES);
            datagrams->long_ones[datagrams->long_count++] = (uint16_t)i;
            continue;
        }
        length = trimmed(slot, length);
        memmove(batch->bytes + batch->length, slot, length);
        note_datagram(self, batch, length, i);
    }
    lb_metric_add(self->owner->metrics.bytes, bytes);
    count_dropped(self, &datagrams->headers[count - 1].msg_hdr);
}

/* What the long one stands for; it is unpacked once, however long there is no credit for it. */
static struct lb_str content_of(struct syslog_socket *self, uint16_t i)
{
    struct datagrams *datagrams = &self->datagrams;
    struct lb_str whole = { datagrams->overflow[i], datagrams->headers[i].msg_len };
    struct ucred process;

    if (self->owner->traits->unpack == NULL)
        return (struct lb_str){ whole.ptr, trimmed(whole.ptr, whole.len) };
    if (!datagrams->unpacked) {
        struct in6_addr sender = sender_of(self, i, &process);

        datagrams->content = LB_STR("");
        if (!self->owner->traits->unpack(self->unpacker, whole, &sender, &datagrams->content))
            datagrams->content = LB_STR("");
        datagrams->unpacked = true;
    }
    return datagrams->content;
}

/* Puts what is left of the long ones into `batch`, and further ones as it fills. NULL: no credit for the next. */
static struct lb_batch *put_long_ones(struct syslog_socket *self, struct lb_batch *batch)
{
    struct datagrams *datagrams = &self->datagrams;

    while (batch != NULL && datagrams->long_done < datagrams->long_count) {
        uint16_t i = datagrams->long_ones[datagrams->long_done];
        struct lb_str message = content_of(self, i);

        if (message.len > lb_batch_room(batch, 1) || batch->event_count == EVENTS_MAX) {
            size_t need = message.len + LB_SLAB_SMALL;

            push_datagrams(self, batch);
            batch = begin_datagrams(self, need > LB_SLAB_LARGE ? need : LB_SLAB_LARGE);
            continue;
        }
        memcpy(batch->bytes + batch->length, message.ptr, message.len);
        note_datagram(self, batch, message.len, i);
        datagrams->long_done++;
        datagrams->unpacked = false;
    }
    return batch;
}

/* One call. False: nothing more is there, or an error. */
static bool receive(struct syslog_socket *self, struct lb_batch *batch, uint32_t slots)
{
    struct datagrams *datagrams = &self->datagrams;
    int count = recvmmsg(self->fd, datagrams->headers, slots, MSG_DONTWAIT, NULL);

    if (count <= 0) {
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            LB_WARN(self->owner->traits->module, "cannot receive datagrams source=" LB_STR_FMT " error=\"%s\"",
                    LB_STR_ARG(self->owner->source->section.name), strerror(errno));
        return false;
    }
    pack(self, batch, (uint32_t)count);
    return (uint32_t)count == slots;
}

/* Reads until the socket is empty or it is others' turn, and pushes. */
static void read_datagrams(struct syslog_socket *self)
{
    struct lb_batch *batch = begin_datagrams(self, self->slab_size);
    uint32_t calls = 0;
    bool more = true;

    if (batch != NULL)
        batch = put_long_ones(self, batch);
    while (batch != NULL && more && calls++ < CALLS_PER_TURN) {
        uint32_t slots = prepare(&self->datagrams, batch);

        if (slots == 0) {
            push_datagrams(self, batch);
            batch = begin_datagrams(self, self->slab_size);
            continue;
        }
        more = receive(self, batch, slots);
        batch = put_long_ones(self, batch);
    }
    self->slab_size = calls > 1 ? LB_SLAB_LARGE : LB_SLAB_MEDIUM;
    if (batch == NULL)
        event_del(self->readable);
    else
        push_datagrams(self, batch);
}

static void on_datagrams(evutil_socket_t fd, short what, void *context)
{
    struct syslog_socket *self = context;

    (void)fd, (void)what;
    read_datagrams(self);
}

static void resume_socket(struct syslog_waiter *waiter)
{
    struct syslog_socket *self = (struct syslog_socket *)(void *)waiter;

    event_add(self->readable, NULL);
    read_datagrams(self);
}

/* --- open and close --------------------------------------------------------------------- */

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

enum lb_err syslog_socket_open(struct syslog_source *self, int fd, const struct listen_address *address)
{
    struct syslog_socket *socket = lb_alloc(sizeof(*socket));
    int on = 1;

    if (socket == NULL) {
        close(fd);
        return LB_NOMEM;
    }
    socket->waiter.resume = resume_socket;
    socket->owner = self;
    socket->fd = fd;
    socket->path = address->bound;
    socket->local = address->found->ai_family == AF_UNIX;
    socket->slab_size = LB_SLAB_MEDIUM;
    socket->next = self->sockets;
    self->sockets = socket;
    set_buffer(self, fd);
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
    if (socket->local)
        (void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
    socket->stream = new_stream(self, address->text);
    socket->readable = event_new(lb_loop_base(self->source->loop), fd, EV_READ | EV_PERSIST, on_datagrams, socket);
    if (self->traits->unpacker_new != NULL)
        socket->unpacker = self->traits->unpacker_new(self);
    if (socket->stream == NULL || socket->readable == NULL ||
        (self->traits->unpacker_new != NULL && socket->unpacker == NULL))
        return LB_NOMEM;
    return event_add(socket->readable, NULL) == 0 ? LB_OK : LB_NOMEM;
}

void syslog_sockets_stop(struct syslog_source *self)
{
    for (struct syslog_socket *socket = self->sockets; socket != NULL; socket = socket->next) {
        syslog_stop_waiting(self, &socket->waiter);
        event_del(socket->readable);
    }
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

bool syslog_socket_take(struct syslog_source *self, struct syslog_source *from, const struct addrinfo *found)
{
    struct syslog_socket **link = &from->sockets;

    while (*link != NULL && !listen_address_is((*link)->fd, found))
        link = &(*link)->next;
    struct syslog_socket *socket = *link;
    if (socket == NULL || !move_socket(self, from, link))
        return false;
    socket->lender = from;
    set_buffer(self, socket->fd);
    return true;
}

void syslog_sockets_take_back(struct syslog_source *self, struct syslog_source *from)
{
    struct syslog_socket **link = &from->sockets;

    while (*link != NULL) {
        if ((*link)->lender != self || !move_socket(self, from, link))
            link = &(*link)->next;
    }
}

/* Also looks at those that waited: with nothing of ours on its way, nobody would wake them. */
void syslog_sockets_resume(struct syslog_source *self)
{
    for (struct syslog_socket *socket = self->sockets; socket != NULL; socket = socket->next) {
        if (event_add(socket->readable, NULL) != 0)
            LB_ERROR(self->traits->module, "no memory to watch a socket address=" LB_STR_FMT,
                     LB_STR_ARG(socket->stream->name));
        event_active(socket->readable, EV_READ, 0);
    }
}

void syslog_sockets_close(struct syslog_source *self)
{
    while (self->sockets != NULL) {
        struct syslog_socket *socket = self->sockets;

        self->sockets = socket->next;
        if (socket->readable != NULL)
            event_free(socket->readable);
        if (socket->stream != NULL)
            lb_stream_unref(socket->stream);
        if (socket->unpacker != NULL)
            self->traits->unpacker_free(socket->unpacker);
        listen_unix_remove(&socket->path);
        close(socket->fd);
        lb_free(socket);
    }
}
