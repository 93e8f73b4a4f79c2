/*
 * source_gelf.c - GELF over UDP, TCP and TLS: the sockets of syslog with other frames.
 *
 * A stream's messages end with NUL; a datagram may be compressed, and a chunk of a message. All else (credit, limits,
 * reload, peers) is that of syslog_source.h.
 */
#include "syslog_source.h"

#include "gelf_unpack.h"
#include "lb_alloc.h"
#include "lb_log.h"

struct unpacker {
    struct gelf_unpacker *unpacker;
    struct lb_metric *lost;
};

static void unpacker_free(void *context)
{
    struct unpacker *self = context;

    gelf_unpacker_free(self->unpacker);
    lb_free(self);
}

static void *unpacker_new(const struct syslog_source *source)
{
    struct unpacker *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->lost = syslog_metric(source, LB_COUNTER, "lost_chunked_messages_total",
                               "Messages of which not all chunks came within 5 seconds, or for which memory was full");
    self->unpacker = gelf_unpacker_new(source->source->options.max_line);
    if (self->unpacker != NULL)
        return self;
    lb_free(self);
    return NULL;
}

static size_t trimmed(struct lb_str text)
{
    while (text.len > 0 && (text.ptr[text.len - 1] == '\0' || text.ptr[text.len - 1] == '\n'))
        text.len--;
    return text.len;
}

static bool unpack(void *context, struct lb_str datagram, const struct in6_addr *peer, struct lb_str *out)
{
    struct unpacker *self = context;
    bool whole = gelf_unpack(self->unpacker, datagram, peer, lb_clock_monotonic(), out);
    uint64_t lost = gelf_unpack_lost(self->unpacker);

    if (lost > 0) {
        lb_metric_add(self->lost, (int64_t)lost);
        LB_WARN("source.gelf", "messages were given up, not all of their chunks came messages=%llu",
                (unsigned long long)lost);
    }
    if (whole)
        out->len = trimmed(*out);
    return whole;
}

static const struct syslog_traits gelf_traits = {
    .module = "source.gelf",
    .prefix = "gelf",
    .nul_frames = true,
    .unpacker_new = unpacker_new,
    .unpack = unpack,
    .unpacker_free = unpacker_free,
};

static enum lb_err gelf_open(struct lb_source *source, struct lb_diag *diag)
{
    struct syslog_source *self = source->state;

    self->traits = &gelf_traits;
    return syslog_open(source, diag);
}

const struct lb_source_type lb_source_gelf = {
    .module = { .name = "gelf",
                .help = "GELF, as Graylog's libraries and Docker send it: UDP in chunks and compressed, TCP, TLS",
                .state_size = sizeof(struct syslog_source),
                .options = syslog_options,
                .whole = "listen" },
    .envelope = &lb_envelope_gelf,
    .parse = "none",
    .check = syslog_check,
    .open = gelf_open,
    .stop = syslog_stop,
    .resume = syslog_resume,
    .close = syslog_close,
};
