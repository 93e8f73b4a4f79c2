/*
 * source_forward.c - what Fluentd, Fluent Bit and Docker's fluentd driver send.
 *
 * Here: the way through a message, entry by entry, and the answer behind it. The tricky thing is that it can stop at
 * any entry for want of credit: where it was stands in the peer, and the line is written again when it goes on.
 */
#include "forward.h"
#include "lb_limits.h"
#include "lb_log.h"

#include <stdio.h>
#include <unistd.h>

#define MEMBER(name) offsetof(struct forward_source, name)

enum { ENTRIES_PER_READ = 8192, LINE_EXTRA = 64 * 1024 };

static const struct lb_option forward_options[] = {
    PEERS_OPTIONS("24224", "16MiB",
                  "The longest message (chunk) that is taken; a connection that sends a longer one is closed"),
    { .name = "shared_key",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(shared_key),
      .help = "what senders must know, as `shared_key` of Fluentd and Fluent Bit; empty: nobody is asked",
      .flags = LB_OPTION_SECRET },
    { .name = "self_hostname",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(host),
      .help = "what to call this side in the handshake; the name of this machine where it is not given" },
    { .name = "users",
      .kind = LB_OPTION_PAIRS,
      .offset = MEMBER(users),
      .help = "names and passwords of which senders need one, besides the shared key",
      .flags = LB_OPTION_SECRET },
    { .name = NULL },
};

/* --- entries ------------------------------------------------------------------------ */

static struct lb_str part_of(struct forward_peer *self, size_t at, size_t len)
{
    return (struct lb_str){ peer_bytes(&self->peer).ptr + at, len };
}

/* The line that was written goes into the batch. False: no credit. */
static bool emit(struct forward_peer *self, bool truncated)
{
    const struct lb_buffer *line = &forward_of(self)->line;
    struct lb_batch *batch = peer_room(&self->peer, line->len);

    if (batch == NULL)
        return false;
    memcpy(batch->bytes + batch->length, line->ptr, line->len);
    peer_note(&self->peer, batch->length, line->len, truncated);
    batch->length += (uint32_t)line->len;
    return true;
}

/* Parts that wait no longer. False: no credit. */
static bool flush_parts(struct forward_peer *self, bool all)
{
    struct forward_part *part;

    while ((part = forward_part_late(self, all)) != NULL) {
        forward_write_part(self, part);
        if (!emit(self, true))
            return false;
        forward_part_free(part);
    }
    return true;
}

/* What is answered must be safe, and parts in memory are not on disk. */
static bool may_join(const struct forward_peer *self)
{
    return self->message.chunk_len == 0 || self->peer.owner->source->intake == NULL;
}

/* Time and record. PEER_AGAIN: it is in the batch, or kept. */
static enum peer_outcome take_entry(struct forward_peer *self, struct msgpack_reader *reader)
{
    struct forward_entry entry = { part_of(self, self->message.tag, self->message.tag_len), 0, may_join(self) };
    struct forward_line line;

    if (!forward_read_time(reader, &entry.time_ns))
        return peer_blame(&self->peer, "the time of an entry is none");
    switch (forward_write(self, &entry, reader, &line)) {
    case FORWARD_HELD: return PEER_AGAIN;
    case FORWARD_BAD: return peer_blame(&self->peer, "the record of an entry is no map, or broken");
    default: break;
    }
    if (!emit(self, line.truncated))
        return PEER_WAIT;
    if (line.part != NULL)
        forward_part_free(line.part);
    return PEER_AGAIN;
}

/* [time, record] */
static enum peer_outcome take_pair(struct forward_peer *self, struct msgpack_reader *reader)
{
    struct msgpack_item pair;
    enum peer_outcome outcome;

    if (msgpack_next(reader, &pair) != LB_OK || pair.kind != MSGPACK_ARRAY || pair.count < 2)
        return peer_blame(&self->peer, "an entry is no array of a time and a record");
    outcome = take_entry(self, reader);
    for (uint32_t i = 2; i < pair.count && outcome == PEER_AGAIN; i++) {
        if (msgpack_skip(reader) != LB_OK)
            return peer_blame(&self->peer, "an entry is broken");
    }
    return outcome;
}

/* The next entry in the message itself. */
static enum peer_outcome take_next(struct forward_peer *self)
{
    struct forward_message *message = &self->message;
    struct lb_str bytes = part_of(self, message->at, message->end - message->at);
    struct msgpack_reader reader = { bytes.ptr, bytes.ptr + bytes.len };
    enum peer_outcome outcome = message->mode == FORWARD_ONE ? take_entry(self, &reader) : take_pair(self, &reader);

    if (outcome != PEER_AGAIN)
        return outcome;
    message->at += (size_t)(reader.at - bytes.ptr);
    message->left -= message->left > 0;
    return PEER_AGAIN;
}

/* --- compressed entries ------------------------------------------------------------------ */

static void end_inflating(struct forward_peer *self)
{
    if (self->inflating)
        inflateEnd(&self->inflate);
    self->inflating = false;
    self->inflated = false;
    self->plain_used = 0;
    lb_buffer_free(&self->plain);
    lb_buffer_init(&self->plain, SIZE_MAX);
}

static bool begin_inflating(struct forward_peer *self)
{
    enum { GZIP = 16 + 15 };

    self->inflate = (z_stream){ .next_in = NULL };
    self->inflating = inflateInit2(&self->inflate, GZIP) == Z_OK;
    self->extent = (struct msgpack_extent){ .at = 0 };
    return self->inflating;
}

/* Files of gzip may stand one behind the other. NULL: good; or what is wrong. */
static const char *inflate_more(struct forward_peer *self)
{
    struct forward_message *message = &self->message;
    struct lb_str rest = part_of(self, message->at, message->end - message->at);
    struct lb_buffer *plain = &self->plain;
    int result;

    if (self->plain_used > 0) {
        plain->len -= self->plain_used;
        memmove(plain->ptr, plain->ptr + self->plain_used, plain->len);
        self->plain_used = 0;
    }
    if (plain->len > self->peer.owner->message_max || !lb_buffer_reserve(plain, FORWARD_INFLATE))
        return "an entry is longer than max_message";
    self->inflate.next_in = (unsigned char *)(uintptr_t)rest.ptr;
    self->inflate.avail_in = (unsigned)rest.len;
    self->inflate.next_out = (unsigned char *)plain->ptr + plain->len;
    self->inflate.avail_out = FORWARD_INFLATE;
    result = inflate(&self->inflate, Z_NO_FLUSH);
    plain->len += FORWARD_INFLATE - self->inflate.avail_out;
    message->at += rest.len - self->inflate.avail_in;
    if (result == Z_STREAM_END && message->at < message->end)
        result = inflateReset(&self->inflate);
    else if (result == Z_STREAM_END)
        self->inflated = true;
    return result == Z_OK || result == Z_STREAM_END ? NULL : "its entries are not what gzip writes";
}

/* PEER_LAST: there are no more. */
static enum peer_outcome take_compressed(struct forward_peer *self)
{
    struct lb_str plain = { self->plain.ptr + self->plain_used, self->plain.len - self->plain_used };
    enum lb_err err = LB_AGAIN;

    if (!self->inflating && !begin_inflating(self))
        return peer_blame(&self->peer, "no memory to decompress");
    if (plain.len > 0)
        err = msgpack_extend(&self->extent, plain.ptr, plain.len);
    if (err == LB_AGAIN && self->inflated)
        return plain.len == 0 ? PEER_LAST : peer_blame(&self->peer, "the last entry is not whole");
    if (err == LB_AGAIN) {
        const char *problem = inflate_more(self);

        return problem == NULL ? PEER_AGAIN : peer_blame(&self->peer, problem);
    }
    if (err != LB_OK)
        return peer_blame(&self->peer, "an entry is no MessagePack, or too deep");
    struct msgpack_reader reader = { plain.ptr, plain.ptr + self->extent.at };
    enum peer_outcome outcome = take_pair(self, &reader);
    if (outcome == PEER_AGAIN) {
        self->plain_used += self->extent.at;
        self->extent = (struct msgpack_extent){ .at = 0 };
    } else if (outcome == PEER_WAIT) {
        self->extent = (struct msgpack_extent){ .at = 0 }; /* it is looked at again */
    }
    return outcome;
}

/* --- messages --------------------------------------------------------------------------------- */

static void answer(struct forward_peer *self)
{
    struct lb_str chunk = part_of(self, self->message.chunk, self->message.chunk_len);
    char bytes[FORWARD_CHUNK_MAX + 16];
    struct lb_buffer out = { .ptr = bytes, .capacity = sizeof(bytes), .bytes_max = sizeof(bytes) };

    msgpack_put_map(&out, 1);
    msgpack_put_text(&out, LB_STR("ack"));
    msgpack_put_text(&out, chunk);
    peer_owe(&self->peer, lb_buffer_str(&out));
}

static void end_message(struct forward_peer *self)
{
    if (self->message.chunk_len > 0)
        answer(self);
    if (self->message.foreign)
        LB_WARN("source.forward",
                "passing over metrics or traces, they are no logs source=" LB_STR_FMT " peer=" LB_STR_FMT,
                LB_STR_ARG(self->peer.owner->source->section.name), LB_STR_ARG(self->peer.stream->name));
    if (self->message.compressed)
        end_inflating(self);
    self->peer.used += self->message.length;
    self->in_message = false;
    self->extent = (struct msgpack_extent){ .at = 0 };
}

/* PEER_AGAIN: it is at an entry, or a greeting was read. */
static enum peer_outcome begin_message(struct forward_peer *self)
{
    struct lb_str bytes = peer_bytes(&self->peer);
    size_t limit = self->peer.greeting ? FORWARD_GREETING : self->peer.owner->message_max;
    enum lb_err err = msgpack_extend(&self->extent, bytes.ptr, bytes.len);
    const char *problem;

    self->peer.needed = err == LB_AGAIN ? self->extent.needed : 0;
    if (self->peer.needed > limit || (err == LB_OK && self->extent.at > limit))
        return peer_blame(&self->peer, self->peer.greeting ? "expected PING, for the source has a shared_key"
                                                           : "a message is longer than max_message");
    if (err == LB_AGAIN)
        return PEER_MORE;
    if (err != LB_OK)
        return peer_blame(&self->peer, err == LB_LIMIT ? "a message is too deep" : "it sends no MessagePack");
    bytes.len = self->extent.at;
    if (self->peer.greeting) {
        problem = forward_admit(self, bytes);
        self->peer.used += bytes.len;
        self->peer.greeting = false;
        self->extent = (struct msgpack_extent){ .at = 0 };
        if (problem == NULL)
            return PEER_AGAIN;
        (void)peer_blame(&self->peer, problem);
        return PEER_LAST; /* PONG tells it */
    }
    problem = forward_read_message(&self->message, bytes);
    if (problem != NULL)
        return peer_blame(&self->peer, problem);
    self->in_message = true;
    return PEER_AGAIN;
}

/* PEER_LAST: the message is done. */
static enum peer_outcome go_on(struct forward_peer *self)
{
    switch (self->message.mode) {
    case FORWARD_NOTHING: return PEER_LAST;
    case FORWARD_PACKED:
        if (self->message.compressed)
            return take_compressed(self);
        return self->message.at >= self->message.end ? PEER_LAST : take_next(self);
    default: return self->message.left == 0 ? PEER_LAST : take_next(self);
    }
}

static void hold(struct forward_peer *self)
{
    size_t bytes = self->plain.capacity;

    for (size_t i = 0; self->parts != NULL && i < FORWARD_PARTS_MAX; i++)
        bytes += self->parts[i].head.capacity + self->parts[i].text.capacity;
    peer_hold(&self->peer, bytes);
}

static enum peer_outcome forward_read(struct peer *peer)
{
    struct forward_peer *self = (struct forward_peer *)(void *)peer;
    enum peer_outcome outcome = flush_parts(self, false) ? PEER_AGAIN : PEER_WAIT;

    for (int i = 0; i < ENTRIES_PER_READ && outcome == PEER_AGAIN; i++) {
        if (!self->in_message) {
            outcome = begin_message(self);
            continue;
        }
        outcome = go_on(self);
        if (outcome == PEER_LAST) {
            end_message(self);
            outcome = PEER_AGAIN;
        }
    }
    hold(self);
    return outcome;
}

static void forward_ended(struct peer *peer)
{
    struct forward_peer *self = (struct forward_peer *)(void *)peer;

    if (!flush_parts(self, true))
        LB_WARN("source.forward", "no credit for a message in parts, it is lost peer=" LB_STR_FMT,
                LB_STR_ARG(peer->stream->name));
}

static bool open_peer(struct peer *peer)
{
    struct forward_peer *self = (struct forward_peer *)(void *)peer;

    lb_buffer_init(&self->plain, SIZE_MAX);
    peer->greeting = forward_of(self)->shared_key.len > 0;
    return !peer->greeting || forward_greet(self);
}

static void close_peer(struct peer *peer)
{
    struct forward_peer *self = (struct forward_peer *)(void *)peer;

    if (self->inflating)
        inflateEnd(&self->inflate);
    lb_buffer_free(&self->plain);
    forward_parts_free(self);
}

static const struct peers_protocol protocol = {
    .module = "source.forward",
    .peer_size = sizeof(struct forward_peer),
    .open = open_peer,
    .close = close_peer,
    .read = forward_read,
    .ended = forward_ended,
};

/* --- the source ------------------------------------------------------------------------------ */

static bool check_users(const struct lb_source *source, struct lb_diag *diag)
{
    const struct forward_source *self = source->state;

    if (self->users.count == 0 || self->shared_key.len > 0)
        return true;
    lb_diag_error(diag, lb_section_place(&source->section, "users"),
                  "\"users\" needs a \"shared_key\" too: senders say who they are in the handshake that it begins");
    return false;
}

static enum lb_err forward_check(struct lb_source *source, struct lb_diag *diag)
{
    enum lb_err err = peers_check(source, diag);

    return check_users(source, diag) ? err : LB_BAD_CONF;
}

static enum lb_err forward_open(struct lb_source *source, struct lb_diag *diag)
{
    struct forward_source *self = source->state;

    if (!check_users(source, diag))
        return LB_BAD_CONF;
    lb_buffer_init(&self->line, source->options.max_line + LINE_EXTRA);
    if (self->host.len > 0)
        snprintf(self->own_host, sizeof(self->own_host), LB_STR_FMT, LB_STR_ARG(self->host));
    else if (gethostname(self->own_host, sizeof(self->own_host) - 1) != 0)
        snprintf(self->own_host, sizeof(self->own_host), "logboom");
    return peers_open(&self->peers, &protocol, source, diag);
}

static void forward_stop(struct lb_source *source)
{
    peers_stop(source->state);
}

static void forward_resume(struct lb_source *source)
{
    peers_resume(source->state);
}

static void forward_close(struct lb_source *source)
{
    struct forward_source *self = source->state;

    peers_close(&self->peers);
    lb_buffer_free(&self->line);
}

static void forward_safe(struct lb_source *source, uint64_t number)
{
    peers_safe(source->state, number);
}

const struct lb_source_type lb_source_forward = {
    .module = { .name = "forward",
                .help = "what Fluentd, Fluent Bit and Docker's fluentd driver send (Forward protocol), with answers",
                .state_size = sizeof(struct forward_source),
                .options = forward_options,
                .whole = "listen" },
    .envelope = &lb_envelope_forward,
    .parse = "auto",
    .check = forward_check,
    .open = forward_open,
    .stop = forward_stop,
    .resume = forward_resume,
    .close = forward_close,
    .safe = forward_safe,
};
