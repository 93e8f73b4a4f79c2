/*
 * source_syslog.c - syslog over UDP and TCP.
 *
 * Here: options, sockets to open, and the queue of those that wait for credit. When the pool has room again it calls
 * from any thread; the call is posted to the loop, and everyone who waits gets a try in the order they came.
 */
#include "syslog_source.h"

#include "lb_intake.h"
#include "lb_log.h"

#include <stdio.h>
#include <unistd.h>

#define MEMBER(name) offsetof(struct syslog_source, name)

static const struct lb_option syslog_options[] = {
    { "listen", LB_OPTION_STRINGS, MEMBER(listen), NULL,
      "Where to listen: udp://HOST:PORT and tcp://HOST:PORT; an empty host is every address, IPv4 and IPv6",
      LB_OPTION_REQUIRED, NULL, NULL, 0, 0 },
    { "max_connections", LB_OPTION_COUNT, MEMBER(max_connections), "1024",
      "How many TCP connections are open at once; further ones are refused", 0, NULL, NULL, 1, LB_CONNECTIONS_MAX },
    { "receive_buffer", LB_OPTION_SIZE, MEMBER(receive_buffer), "4MiB",
      "What the kernel keeps of datagrams that have not been read; the sysctl net.core.rmem_max bounds it", 0, NULL,
      NULL, 0, 1 << 30 },
    { "idle_timeout", LB_OPTION_DURATION, MEMBER(idle_timeout_ns), NULL,
      "Closes a TCP connection that sends nothing for so long; 0 never does", 0, NULL, NULL, 0, 0 },
    { 0 },
};

/* --- batches ---------------------------------------------------------------------- */

struct lb_batch *syslog_take(struct syslog_source *self, size_t bytes, struct lb_stream *stream,
                             struct syslog_waiter *waiter)
{
    struct lb_batch *batch = lb_pool_take(self->source->share, bytes, stream);

    if (batch != NULL) {
        batch->counted = true;
        return batch;
    }
    if (!waiter->waiting && !self->stopped) {
        waiter->waiting = true;
        waiter->next = NULL;
        *self->last_waiter = waiter;
        self->last_waiter = &waiter->next;
    }
    return NULL;
}

void syslog_stop_waiting(struct syslog_source *self, struct syslog_waiter *waiter)
{
    struct syslog_waiter **link = &self->waiters;

    if (!waiter->waiting)
        return;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    if (waiter->next == NULL)
        self->last_waiter = link;
    waiter->waiting = false;
}

void syslog_push(struct syslog_source *self, struct lb_batch *batch, uint64_t *position)
{
    if (batch->event_count == 0) {
        lb_batch_unref(batch);
        return;
    }
    batch->arrival_ns = lb_clock_now();
    batch->position = *position;
    *position += batch->event_count;
    batch->position_end = *position;
    lb_metric_add(self->metrics.messages, batch->event_count);
    lb_source_push(self->source, batch);
}

bool syslog_note(struct syslog_source *self, struct lb_batch *batch, size_t start, size_t length, bool truncated)
{
    if (length == 0)
        return false;
    if (length > self->source->options.max_line) {
        length = self->source->options.max_line;
        truncated = true;
    }
    lb_batch_note(batch, start, length);
    if (truncated) {
        lb_batch_event(batch, batch->event_count - 1)->truncated = 1;
        lb_metric_add(self->metrics.truncated, 1);
    }
    return true;
}

/* --- credit ------------------------------------------------------------------------- */

/* Those that get nothing again go to the end of a new queue; each is tried once. */
static void resume_all(void *context)
{
    struct syslog_source *self = context;
    struct syslog_waiter *last = NULL;

    for (struct syslog_waiter *waiter = self->waiters; waiter != NULL; waiter = waiter->next)
        last = waiter;
    while (last != NULL && self->waiters != NULL && !self->stopped) {
        struct syslog_waiter *waiter = self->waiters;
        bool is_last = waiter == last;

        syslog_stop_waiting(self, waiter);
        waiter->resume(waiter); /* it may be gone afterwards */
        if (is_last)
            last = NULL;
    }
}

/* Any thread. */
static void wake(void *context)
{
    struct syslog_source *self = context;

    lb_loop_post(self->source->loop, resume_all, self);
}

/* --- open and close ------------------------------------------------------------------ */

static void register_metrics(struct syslog_source *self)
{
    char name[LB_KEY_BYTES_MAX];
    char labels[2 * LB_KEY_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, (char *)NULL);
    self->metrics = (struct syslog_metrics){
        .messages = lb_metric(LB_COUNTER, "logboom_syslog_messages_total", "Syslog messages received", labels),
        .bytes = lb_metric(LB_COUNTER, "logboom_syslog_bytes_total", "Bytes of syslog received", labels),
        .dropped = lb_metric(LB_COUNTER, "logboom_syslog_kernel_dropped_total",
                             "Datagrams that the kernel dropped because the receive buffer was full", labels),
        .truncated = lb_metric(LB_COUNTER, "logboom_syslog_truncated_messages_total",
                               "Syslog messages that were cut at max_line", labels),
        .connections = lb_metric(LB_GAUGE, "logboom_syslog_connections", "Open TCP connections", labels),
        .refused = lb_metric(LB_COUNTER, "logboom_syslog_refused_connections_total",
                             "TCP connections refused because max_connections were open", labels),
        .framing_errors = lb_metric(LB_COUNTER, "logboom_syslog_framing_errors_total",
                                    "TCP connections closed because what they sent is no syslog", labels),
    };
}

/* From the source that this one replaces. */
static bool take_over(struct syslog_source *self, const struct addrinfo *found)
{
    struct syslog_source *before = self->source->before != NULL ? self->source->before->state : NULL;

    if (before == NULL)
        return false;
    return found->ai_socktype == SOCK_DGRAM ? syslog_socket_take(self, before, found)
                                            : syslog_listener_take(self, before, found);
}

static enum lb_err open_address(struct syslog_source *self, const struct syslog_address *address, struct lb_diag *diag)
{
    for (const struct addrinfo *found = address->found; found != NULL; found = found->ai_next) {
        if (take_over(self, found))
            continue;
        int fd = syslog_address_bind(address, found, &self->source->section, diag);
        enum lb_err err;

        if (fd < 0)
            return LB_BAD_CONF;
        err = address->type == SOCK_DGRAM ? syslog_socket_open(self, fd, address->text)
                                          : syslog_listener_open(self, fd, address->text);
        if (err != LB_OK) {
            lb_diag_error(diag, lb_section_place(&self->source->section, "listen"),
                          "no memory to listen on '" LB_STR_FMT "'", LB_STR_ARG(address->text));
            return err;
        }
        LB_INFO("source.syslog", "listening source=" LB_STR_FMT " address=" LB_STR_FMT,
                LB_STR_ARG(self->source->section.name), LB_STR_ARG(address->text));
    }
    return LB_OK;
}

static bool has_addresses(const struct lb_source *source, struct lb_diag *diag)
{
    const struct syslog_source *self = source->state;

    if (self->listen.count > 0 && self->listen.count <= SYSLOG_LISTEN_MAX)
        return true;
    lb_diag_error(diag, lb_section_place(&source->section, "listen"),
                  "expected 1 to %d addresses such as udp://0.0.0.0:514", SYSLOG_LISTEN_MAX);
    return false;
}

static void syslog_close(struct lb_source *source)
{
    struct syslog_source *self = source->state;

    if (self->source == NULL)
        return;
    lb_share_on_credit(source->share, NULL, NULL);
    syslog_listeners_close(self);
    syslog_sockets_close(self);
    self->source = NULL;
}

static void finish(void *context)
{
    lb_source_finished(context);
}

static void give_back(struct syslog_source *self, struct syslog_source *before)
{
    syslog_sockets_take_back(before, self);
    syslog_listeners_take_back(before, self);
}

static enum lb_err syslog_open(struct lb_source *source, struct lb_diag *diag)
{
    struct syslog_source *self = source->state;
    enum lb_err err = LB_OK;

    if (!has_addresses(source, diag))
        return LB_BAD_CONF;
    self->source = source;
    self->stopped = false;
    self->waiters = NULL;
    self->last_waiter = &self->waiters;
    register_metrics(self);
    lb_share_on_credit(source->share, wake, self);
    for (size_t i = 0; i < self->listen.count && err == LB_OK; i++) {
        struct syslog_address address;

        if (syslog_address_read(&address, self->listen.items[i], &source->section, diag))
            err = open_address(self, &address, diag);
        else
            err = LB_BAD_CONF;
        syslog_address_free(&address);
    }
    if (err != LB_OK) {
        if (source->before != NULL)
            give_back(self, source->before->state);
        syslog_close(source);
        return err;
    }
    if (source->before != NULL) {
        syslog_connections_take(self, source->before->state);
        syslog_sockets_resume(self);
        syslog_listeners_resume(self);
    }
    /* A socket has no end to wait for. */
    if (source->exit_at_eof)
        lb_loop_post(source->loop, finish, source);
    return LB_OK;
}

static void syslog_stop(struct lb_source *source)
{
    struct syslog_source *self = source->state;

    if (self->source == NULL)
        return;
    self->stopped = true;
    syslog_sockets_stop(self);
    syslog_listeners_stop(self);
    if (!source->replaced)
        syslog_connections_end(self);
}

static void syslog_resume(struct lb_source *source)
{
    struct syslog_source *self = source->state;

    self->stopped = false;
    if (source->before != NULL)
        give_back(source->before->state, self);
    lb_share_on_credit(source->share, wake, self);
    syslog_sockets_resume(self);
    syslog_listeners_resume(self);
}

/* Ports may be in use by the daemon that the configuration is for, so none is bound here. */
static enum lb_err syslog_check(struct lb_source *source, struct lb_diag *diag)
{
    const struct syslog_source *self = source->state;
    enum lb_err err = has_addresses(source, diag) ? LB_OK : LB_BAD_CONF;

    for (size_t i = 0; i < self->listen.count; i++) {
        struct syslog_address address;

        if (!syslog_address_read(&address, self->listen.items[i], &source->section, diag))
            err = LB_BAD_CONF;
        syslog_address_free(&address);
    }
    return err;
}

const struct lb_source_type lb_source_syslog = {
    .module = { .name = "syslog",
                .help = "syslog over UDP and TCP: RFC 5424, RFC 3164 and what is sent under their names",
                .state_size = sizeof(struct syslog_source),
                .options = syslog_options,
                .whole = "listen" },
    .envelope = &lb_envelope_syslog,
    .parse = "none",
    .check = syslog_check,
    .open = syslog_open,
    .stop = syslog_stop,
    .resume = syslog_resume,
    .close = syslog_close,
};
