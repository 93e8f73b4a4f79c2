/*
 * source_syslog.c - syslog over UDP, TCP, TLS and sockets in the file system.
 *
 * Here: options, sockets to open, and the queue of those that wait for credit. When the pool has room again it calls
 * from any thread; the call is posted to the loop, and everyone who waits gets a try in the order they came.
 */
#include "syslog_source.h"

#include "lb_intake.h"
#include "lb_log.h"

#include "tls_server.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { TELL_SECONDS = 5 }; /* how often it is told what was held back */

#define MEMBER(name) offsetof(struct syslog_source, name)

const struct lb_option syslog_options[] = {
    { "listen", LB_OPTION_STRINGS, MEMBER(listen), NULL,
      "Where to listen: udp://, tcp:// and tls://HOST:PORT, unix:// and unixgram:///PATH; an empty host is every "
      "address, IPv4 "
      "and IPv6",
      LB_OPTION_REQUIRED, NULL, NULL, 0, 0 },
    NET_TLS_OPTION("the certificate for tls://, and which clients are let in"),
    { "proxy_protocol", LB_OPTION_BOOL, MEMBER(proxy_protocol), "false",
      "Every TCP and TLS connection begins with a header of the PROXY protocol (1 or 2), which says who the peer is", 0,
      NULL, NULL, 0, 0 },
    { "socket_mode", LB_OPTION_STRING, MEMBER(socket_mode), "666",
      "Who may write to a socket in the file system, octal; 660: its user and group only", 0, NULL, NULL, 0, 0 },
    NET_RATE_OPTION,
    { "max_connections", LB_OPTION_COUNT, MEMBER(max_connections), "1024",
      "How many connections are open at once; further ones are refused", 0, NULL, NULL, 1, LB_CONNECTIONS_MAX },
    { "receive_buffer", LB_OPTION_SIZE, MEMBER(receive_buffer), "4MiB",
      "What the kernel keeps of datagrams that have not been read; the sysctl net.core.rmem_max bounds it", 0, NULL,
      NULL, 0, 1 << 30 },
    { "udp_sockets", LB_OPTION_COUNT, MEMBER(udp_sockets), "1",
      "Sockets and threads for each udp:// address; the kernel deals out the senders among them, each with its port", 0,
      NULL, NULL, 1, SYSLOG_UDP_SOCKETS_MAX },
    { "idle_timeout", LB_OPTION_DURATION, MEMBER(idle_timeout_ns), NULL,
      "Closes a connection that sends nothing for so long; 0 never does", 0, NULL, NULL, 0, 0 },
    { "handshake_timeout", LB_OPTION_DURATION, MEMBER(handshake_timeout_ns), "10s",
      "Closes a connection that has not ended its TLS handshake or PROXY header by then", 0, NULL, NULL, LB_SECOND / 10,
      3600 * LB_SECOND },
    { 0 },
};

/* --- batches ---------------------------------------------------------------------- */

/* With the lock. */
static void wait_for_credit(struct syslog_source *self, struct syslog_waiter *waiter)
{
    if (waiter->waiting || self->stopped)
        return;
    waiter->waiting = true;
    waiter->next = NULL;
    *self->last_waiter = waiter;
    self->last_waiter = &waiter->next;
}

struct lb_batch *syslog_take(struct syslog_source *self, size_t bytes, struct lb_stream *stream,
                             struct syslog_waiter *waiter)
{
    struct lb_batch *batch = lb_pool_take(self->source->share, bytes, stream);

    if (batch == NULL) {
        /* Asked again under the lock: a call for credit that comes from now on finds the waiter in the list. */
        pthread_mutex_lock(&self->lock);
        batch = lb_pool_take(self->source->share, bytes, stream);
        if (batch == NULL)
            wait_for_credit(self, waiter);
        pthread_mutex_unlock(&self->lock);
    }
    if (batch != NULL)
        batch->counted = true;
    return batch;
}

/* With the lock. */
static void leave_queue(struct syslog_source *self, struct syslog_waiter *waiter)
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

void syslog_stop_waiting(struct syslog_source *self, struct syslog_waiter *waiter)
{
    pthread_mutex_lock(&self->lock);
    leave_queue(self, waiter);
    pthread_mutex_unlock(&self->lock);
}

uint64_t syslog_push(struct syslog_source *self, struct lb_batch *batch, uint64_t *position)
{
    if (batch->event_count == 0) {
        lb_batch_unref(batch);
        return 0;
    }
    batch->arrival_ns = lb_clock_now();
    batch->position = *position;
    *position += batch->event_count;
    batch->position_end = *position;
    lb_metric_add(self->metrics.messages, batch->event_count);
    return lb_source_push(self->source, batch);
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

/* --- rates ---------------------------------------------------------------------------- */

void syslog_rates_lock(struct syslog_source *self)
{
    if (self->peers != NULL)
        pthread_mutex_lock(&self->rates_lock);
}

void syslog_rates_unlock(struct syslog_source *self)
{
    if (self->peers != NULL)
        pthread_mutex_unlock(&self->rates_lock);
}

bool syslog_admit(struct syslog_source *self, const struct in6_addr *peer)
{
    if (self->peers == NULL || peer_rate_admit(self->peers, peer, lb_clock_monotonic()))
        return true;
    lb_metric_add(self->metrics.held_back, 1);
    return false;
}

static void told(void *context, const struct in6_addr *peer, uint64_t held_back)
{
    const struct syslog_source *self = context;
    char text[PEER_HOST_BYTES];

    text[peer_key_text(peer, text)] = '\0';
    LB_WARN(self->traits->module,
            "held back records of a peer, it is over its rate source=" LB_STR_FMT " peer=\"%s\" records=%" PRIu64,
            LB_STR_ARG(self->source->section.name), text, held_back);
}

static void on_tell(evutil_socket_t fd, short what, void *context)
{
    struct syslog_source *self = context;

    (void)fd, (void)what;
    syslog_rates_lock(self);
    peer_rate_tell(self->peers);
    syslog_rates_unlock(self);
}

static bool open_rate(struct syslog_source *self)
{
    const struct timeval every = { TELL_SECONDS, 0 };

    if (self->net.rate.records == 0)
        return true;
    self->peers = peer_rate_new(&self->net.rate, told, self);
    self->tell_held_back = event_new(lb_loop_base(self->source->loop), -1, EV_PERSIST, on_tell, self);
    return self->peers != NULL && self->tell_held_back != NULL && event_add(self->tell_held_back, &every) == 0;
}

/* --- credit ------------------------------------------------------------------------- */

static struct syslog_waiter *last_in_queue(struct syslog_source *self)
{
    struct syslog_waiter *last = NULL;

    pthread_mutex_lock(&self->lock);
    for (struct syslog_waiter *waiter = self->waiters; waiter != NULL; waiter = waiter->next)
        last = waiter;
    pthread_mutex_unlock(&self->lock);
    return last;
}

/* NULL: nobody waits, or the source has stopped. */
static struct syslog_waiter *take_first(struct syslog_source *self)
{
    pthread_mutex_lock(&self->lock);
    struct syslog_waiter *first = self->stopped ? NULL : self->waiters;
    if (first != NULL)
        leave_queue(self, first);
    pthread_mutex_unlock(&self->lock);
    return first;
}

/* Those that get nothing again go to the end of a new queue; each is tried once. */
static void resume_all(void *context)
{
    struct syslog_source *self = context;
    const struct syslog_waiter *last = self->source != NULL ? last_in_queue(self) : NULL;
    struct syslog_waiter *waiter;

    while (last != NULL && (waiter = take_first(self)) != NULL) {
        bool is_last = waiter == last;

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

struct lb_metric *syslog_metric(const struct syslog_source *self, enum lb_metric_kind kind, const char *noun,
                                const char *help)
{
    char source[LB_KEY_BYTES_MAX];
    char labels[2 * LB_KEY_BYTES_MAX];
    char name[LB_KEY_BYTES_MAX];

    snprintf(source, sizeof(source), LB_STR_FMT, LB_STR_ARG(self->source->section.name));
    snprintf(name, sizeof(name), "logboom_%s_%s", self->traits->prefix, noun);
    lb_metric_labels(labels, sizeof(labels), "source", source, (char *)NULL);
    return lb_metric(kind, name, help, labels);
}

static void register_metrics(struct syslog_source *self)
{
    self->metrics = (struct syslog_metrics){
        .messages = syslog_metric(self, LB_COUNTER, "messages_total", "Messages received"),
        .bytes = syslog_metric(self, LB_COUNTER, "bytes_total", "Bytes received"),
        .dropped = syslog_metric(self, LB_COUNTER, "kernel_dropped_total",
                                 "Datagrams that the kernel dropped because the receive buffer was full"),
        .truncated = syslog_metric(self, LB_COUNTER, "truncated_messages_total", "Messages that were cut at max_line"),
        .connections = syslog_metric(self, LB_GAUGE, "connections", "Open connections"),
        .refused = syslog_metric(self, LB_COUNTER, "refused_connections_total",
                                 "Connections refused because max_connections were open"),
        .framing_errors = syslog_metric(self, LB_COUNTER, "framing_errors_total",
                                        "Connections closed because what they sent is none of this protocol"),
        .handshake_errors =
            syslog_metric(self, LB_COUNTER, "handshake_errors_total",
                          "Connections closed before a record: TLS or a PROXY header failed or took too long"),
        .held_back =
            syslog_metric(self, LB_COUNTER, "held_back_total", "Messages dropped because their peer was over its rate"),
    };
}

static enum lb_err open_listener(struct syslog_source *self, struct listen_address *address,
                                 const struct addrinfo *found, struct lb_diag *diag)
{
    struct syslog_source *before = self->source->before != NULL ? self->source->before->state : NULL;
    mode_t mode = 0;

    if (before != NULL && listeners_take(&self->listeners, &before->listeners, address, found))
        return LB_OK;
    (void)listen_unix_mode(self->socket_mode, &mode);
    int fd = listen_address_bind(address, found, &self->source->section, mode, diag);

    if (fd < 0)
        return LB_BAD_CONF;
    if (listeners_open(&self->listeners, fd, address) != LB_OK)
        return LB_NOMEM;
    LB_INFO(self->traits->module, "listening source=" LB_STR_FMT " address=" LB_STR_FMT,
            LB_STR_ARG(self->source->section.name), LB_STR_ARG(address->text));
    return LB_OK;
}

static enum lb_err open_address(struct syslog_source *self, struct listen_address *address, struct lb_diag *diag)
{
    struct syslog_source *before = self->source->before != NULL ? self->source->before->state : NULL;
    enum lb_err err = LB_OK;

    for (const struct addrinfo *found = address->found; found != NULL && err == LB_OK; found = found->ai_next)
        err = found->ai_socktype == SOCK_DGRAM ? syslog_sockets_open(self, before, address, found, diag)
                                               : open_listener(self, address, found, diag);
    if (err == LB_NOMEM)
        lb_diag_error(diag, lb_section_place(&self->source->section, "listen"),
                      "no memory to listen on '" LB_STR_FMT "'", LB_STR_ARG(address->text));
    return err;
}

static bool has_addresses(const struct lb_source *source, struct lb_diag *diag)
{
    const struct syslog_source *self = source->state;
    mode_t mode;

    if (!listen_unix_mode(self->socket_mode, &mode)) {
        lb_diag_error(diag, lb_section_place(&source->section, "socket_mode"),
                      "\"socket_mode\": expected an octal mode such as 660, got \"" LB_STR_FMT "\"",
                      LB_STR_ARG(self->socket_mode));
        return false;
    }
    if (self->listen.count > 0 && self->listen.count <= SYSLOG_LISTEN_MAX)
        return true;
    lb_diag_error(diag, lb_section_place(&source->section, "listen"),
                  "expected 1 to %d addresses such as udp://0.0.0.0:514", SYSLOG_LISTEN_MAX);
    return false;
}

void syslog_close(struct lb_source *source)
{
    struct syslog_source *self = source->state;

    if (self->source == NULL)
        return;
    lb_share_on_credit(source->share, NULL, NULL);
    syslog_connections_close(self);
    listeners_close(&self->listeners);
    syslog_sockets_close(self);
    peer_rate_free(self->peers);
    self->peers = NULL;
    if (self->tell_held_back != NULL)
        event_free(self->tell_held_back);
    self->tell_held_back = NULL;
    SSL_CTX_free(self->tls_context);
    self->tls_context = NULL;
    pthread_mutex_destroy(&self->lock);
    pthread_mutex_destroy(&self->rates_lock);
    self->source = NULL;
}

static void finish(void *context)
{
    lb_source_finished(context);
}

static void give_back(struct syslog_source *self, struct syslog_source *before)
{
    syslog_sockets_take_back(before, self);
    listeners_take_back(&before->listeners, &self->listeners);
    syslog_connections_take_back(before, self);
}

static void accepted(struct lb_source *source, int fd, const struct sockaddr_storage *address,
                     const struct listener *listener)
{
    struct syslog_source *self = source->state;
    const struct syslog_accepted how = { .address = address,
                                         .tls = listener->tls ? self->tls_context : NULL,
                                         .proxied = self->proxy_protocol && !listener->local,
                                         .local = listener->local };

    if (self->traits->accepted != NULL)
        self->traits->accepted(self, fd, &how);
    else
        syslog_connection_open(self, fd, &how);
}

/* All but sockets. */
static enum lb_err open_parts(struct syslog_source *self, struct lb_source *source, struct lb_diag *diag)
{
    if (!has_addresses(source, diag) ||
        !tls_server_open(&self->tls_context, &self->listen, &self->net.tls, &source->section, diag))
        return LB_BAD_CONF;
    self->source = source;
    pthread_mutex_init(&self->lock, NULL);
    pthread_mutex_init(&self->rates_lock, NULL);
    self->stopped = false;
    self->waiters = NULL;
    self->last_waiter = &self->waiters;
    register_metrics(self);
    self->listeners = (struct listeners){ .source = source,
                                          .module = self->traits->module,
                                          .connections = &self->connection_count,
                                          .connections_max = self->max_connections,
                                          .refused = self->metrics.refused,
                                          .accepted = accepted };
    if (gethostname(self->own_host, sizeof(self->own_host) - 1) != 0)
        self->own_host[0] = '\0';
    lb_share_on_credit(source->share, wake, self);
    return open_rate(self) ? LB_OK : LB_NOMEM;
}

enum lb_err syslog_open(struct lb_source *source, struct lb_diag *diag)
{
    struct syslog_source *self = source->state;
    enum lb_err err;

    if (self->traits == NULL)
        self->traits = &syslog_traits;
    err = open_parts(self, source, diag);
    for (size_t i = 0; i < self->listen.count && err == LB_OK; i++) {
        struct listen_address address;

        if (listen_address_read(&address, self->listen.items[i], &source->section, diag))
            err = open_address(self, &address, diag);
        else
            err = LB_BAD_CONF;
        listen_address_free(&address);
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
        listeners_resume(&self->listeners);
        syslog_connections_resume(self);
    }
    /* A socket has no end to wait for. */
    if (source->exit_at_eof)
        lb_loop_post(source->loop, finish, source);
    return LB_OK;
}

static void set_stopped(struct syslog_source *self, bool stopped)
{
    pthread_mutex_lock(&self->lock);
    self->stopped = stopped;
    pthread_mutex_unlock(&self->lock);
}

void syslog_stop(struct lb_source *source)
{
    struct syslog_source *self = source->state;

    if (self->source == NULL)
        return;
    set_stopped(self, true);
    syslog_sockets_stop(self);
    listeners_stop(&self->listeners);
    syslog_connections_stop(self);
    if (!source->replaced)
        syslog_connections_end(self);
}

void syslog_resume(struct lb_source *source)
{
    struct syslog_source *self = source->state;

    set_stopped(self, false);
    if (source->before != NULL)
        give_back(source->before->state, self);
    lb_share_on_credit(source->share, wake, self);
    syslog_sockets_resume(self);
    listeners_resume(&self->listeners);
    syslog_connections_resume(self);
}

/* Ports may be in use by the daemon that the configuration is for, so none is bound here. */
enum lb_err syslog_check(struct lb_source *source, struct lb_diag *diag)
{
    const struct syslog_source *self = source->state;
    enum lb_err err = has_addresses(source, diag) ? LB_OK : LB_BAD_CONF;

    for (size_t i = 0; i < self->listen.count; i++) {
        struct listen_address address;

        if (!listen_address_read(&address, self->listen.items[i], &source->section, diag))
            err = LB_BAD_CONF;
        listen_address_free(&address);
    }
    SSL_CTX *tls;
    if (!tls_server_open(&tls, &self->listen, &self->net.tls, &source->section, diag))
        err = LB_BAD_CONF;
    SSL_CTX_free(tls);
    return err;
}

const struct syslog_traits syslog_traits = { .module = "source.syslog", .prefix = "syslog" };

const struct lb_source_type lb_source_syslog = {
    .module = { .name = "syslog",
                .help = "syslog over UDP, TCP, TLS and sockets of this machine: RFC 5424, RFC 3164 and what is sent "
                        "under their names",
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
