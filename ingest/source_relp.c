/*
 * source_relp.c - syslog over RELP, as rsyslog's omrelp sends it.
 *
 * The protocol is spoken here and not by librelp, whose receiver answers as soon as its callback returns: it cannot
 * wait until many messages are on disk at once. A message is answered `200 OK` when it is safe, in the order of
 * messages.
 */
#include "lb_limits.h"
#include "peers.h"
#include "relp_frame.h"

#include <stdio.h>

enum { FRAMES_PER_READ = 4096, ANSWER_BYTES = 160 };

struct relp_source {
    struct peers peers;
};

struct relp_peer {
    struct peer peer;
    bool opened;
};

static const struct lb_option relp_options[] = {
    PEERS_OPTIONS("2514", "16MiB",
                  "The longest frame that is taken; a connection that sends a longer one is closed, for max_line cuts"),
    { .name = NULL },
};

/* --- answers ------------------------------------------------------------------------ */

static struct lb_str print_answer(char *out, uint32_t transaction, const char *text)
{
    int len = snprintf(out, ANSWER_BYTES, "%u rsp %zu %s\n", transaction, strlen(text), text);

    return (struct lb_str){ out, (size_t)len };
}

static void answer_now(struct relp_peer *self, uint32_t transaction, const char *text)
{
    char bytes[ANSWER_BYTES];

    peer_send(&self->peer, print_answer(bytes, transaction, text));
}

/* --- commands ------------------------------------------------------------------------ */

static enum peer_outcome open_session(struct relp_peer *self, const struct relp_frame *frame)
{
    if (memmem(frame->data.ptr, frame->data.len, "relp_version=0", 14) == NULL) {
        answer_now(self, frame->transaction, "500 expected relp_version=0");
        (void)peer_blame(&self->peer, "it offers no version of RELP that is known: expected relp_version=0");
        return PEER_LAST;
    }
    self->opened = true;
    self->peer.greeting = false;
    answer_now(self, frame->transaction, "200 OK\nrelp_version=0\nrelp_software=logboom\ncommands=syslog");
    return PEER_AGAIN;
}

static enum peer_outcome take_message(struct relp_peer *self, const struct relp_frame *frame)
{
    uint64_t max_line = self->peer.owner->source->options.max_line;
    struct lb_str text = frame->data;
    char bytes[ANSWER_BYTES];
    bool truncated;

    while (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    truncated = text.len > max_line;
    if (truncated)
        text.len = (size_t)max_line;
    if (text.len > 0) {
        struct lb_batch *batch = peer_room(&self->peer, text.len);

        if (batch == NULL)
            return PEER_WAIT;
        memcpy(batch->bytes + batch->length, text.ptr, text.len);
        peer_note(&self->peer, batch->length, text.len, truncated);
        batch->length += (uint32_t)text.len;
    }
    peer_owe(&self->peer, print_answer(bytes, frame->transaction, "200 OK"));
    return PEER_AGAIN;
}

/* Behind the answers to all that came before. */
static enum peer_outcome close_session(struct relp_peer *self, const struct relp_frame *frame)
{
    char bytes[ANSWER_BYTES];
    int len = snprintf(bytes, sizeof(bytes), "%u rsp 0\n0 serverclose 0\n", frame->transaction);

    peer_owe(&self->peer, (struct lb_str){ bytes, (size_t)len });
    return PEER_LAST;
}

static enum peer_outcome obey(struct relp_peer *self, const struct relp_frame *frame)
{
    if (lb_str_is(frame->command, "open"))
        return open_session(self, frame);
    if (!self->opened)
        return peer_blame(&self->peer, "it does not open a session first");
    if (lb_str_is(frame->command, "syslog"))
        return take_message(self, frame);
    if (lb_str_is(frame->command, "close"))
        return close_session(self, frame);
    answer_now(self, frame->transaction, "500 unknown command, expected syslog");
    return PEER_AGAIN;
}

static enum peer_outcome relp_read(struct peer *peer)
{
    struct relp_peer *self = (struct relp_peer *)(void *)peer;
    enum peer_outcome outcome = PEER_AGAIN;

    for (int i = 0; i < FRAMES_PER_READ && outcome == PEER_AGAIN; i++) {
        struct relp_frame frame;
        size_t needed;
        enum lb_err err = relp_frame_read(peer_bytes(peer), &frame, &needed);

        if (err == LB_BAD_INPUT)
            return peer_blame(peer, "it does not send frames of RELP");
        if ((err == LB_AGAIN ? needed : frame.length) > peer->owner->message_max)
            return peer_blame(peer, "a frame is longer than max_message");
        if (err == LB_AGAIN) {
            peer->needed = needed;
            return PEER_MORE;
        }
        outcome = obey(self, &frame);
        if (outcome == PEER_AGAIN || outcome == PEER_LAST)
            peer->used += frame.length;
    }
    return outcome;
}

static bool open_peer(struct peer *peer)
{
    peer->greeting = true;
    return true;
}

static const struct peers_protocol protocol = {
    .module = "source.relp",
    .peer_size = sizeof(struct relp_peer),
    .open = open_peer,
    .read = relp_read,
};

/* --- the source ------------------------------------------------------------------------------ */

static enum lb_err relp_check(struct lb_source *source, struct lb_diag *diag)
{
    return peers_check(source, diag);
}

static enum lb_err relp_open(struct lb_source *source, struct lb_diag *diag)
{
    return peers_open(source->state, &protocol, source, diag);
}

static void relp_stop(struct lb_source *source)
{
    peers_stop(source->state);
}

static void relp_resume(struct lb_source *source)
{
    peers_resume(source->state);
}

static void relp_close(struct lb_source *source)
{
    peers_close(source->state);
}

static void relp_safe(struct lb_source *source, uint64_t number)
{
    peers_safe(source->state, number);
}

const struct lb_source_type lb_source_relp = {
    .module = { .name = "relp",
                .help = "syslog over RELP, as rsyslog's omrelp sends it: every message is answered when it is safe",
                .state_size = sizeof(struct relp_source),
                .options = relp_options,
                .whole = "listen" },
    .envelope = &lb_envelope_syslog,
    .parse = "none",
    .check = relp_check,
    .open = relp_open,
    .stop = relp_stop,
    .resume = relp_resume,
    .close = relp_close,
    .safe = relp_safe,
};
