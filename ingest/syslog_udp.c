/*
 * syslog_udp.c - datagrams, many with one call, straight into a slab.
 *
 * Each datagram has a slot of 2 KiB at the end of the slab, and an overflow beside it for what is longer; then the
 * bytes are packed to the front, so that a slab holds hundreds. Long ones are put behind all the short ones of their
 * call, for packing them in order would run over slots that are not packed yet. What the kernel dropped for want of
 * room comes as a running count with each datagram (SO_RXQ_OVFL), and each socket has its own.
 *
 * Several threads may be here, each with a socket of its own. What they share is the source's credit, rates and
 * metrics; the rates are locked once for a call, not for a datagram.
 */
#include "syslog_sockets.h"

#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/sock_diag.h>

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

/* `total` is the kernel's count, which wraps around. */
static void note_dropped(struct syslog_socket *self, uint32_t total)
{
    uint32_t dropped = total - self->dropped;

    if (dropped == 0)
        return;
    lb_metric_add(self->owner->metrics.dropped, dropped);
    LB_WARN(self->owner->traits->module,
            "the kernel dropped datagrams, raise receive_buffer source=" LB_STR_FMT " dropped=%u",
            LB_STR_ARG(self->owner->source->section.name), dropped);
    self->dropped = total;
}

static void count_dropped(struct syslog_socket *self, struct msghdr *header)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL; control = CMSG_NXTHDR(header, control)) {
        uint32_t total;

        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SO_RXQ_OVFL)
            continue;
        memcpy(&total, CMSG_DATA(control), sizeof(total));
        note_dropped(self, total);
    }
}

void syslog_socket_count_dropped(struct syslog_socket *self)
{
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t size = sizeof(info);

    if (getsockopt(self->fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0 && size > SK_MEMINFO_DROPS * sizeof(info[0]))
        note_dropped(self, info[SK_MEMINFO_DROPS]);
}

/* Packs the short ones of a call to the front; the long ones are made whole in their overflow. */
static void pack(struct syslog_socket *self, struct lb_batch *batch, uint32_t count)
{
    struct datagrams *datagrams = &self->datagrams;
    int64_t bytes = 0;

    datagrams->long_count = datagrams->long_done = 0;
    syslog_rates_lock(self->owner);
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
    syslog_rates_unlock(self->owner);
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
        syslog_rates_lock(self->owner);
        note_datagram(self, batch, message.len, i);
        syslog_rates_unlock(self->owner);
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

bool syslog_socket_read(struct syslog_socket *self)
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
    return batch != NULL && !more;
}
