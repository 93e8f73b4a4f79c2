/*
 * peers_open.c - the life of a source whose peers want answers: addresses, certificates, one instance after another.
 */
#include "peers.h"

#include "tls_server.h"
#include "lb_log.h"

#include <stdio.h>

static void register_metrics(struct peers *self)
{
    char name[LB_KEY_BYTES_MAX];
    char labels[2 * LB_KEY_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(self->source->section.name));
    lb_metric_labels(labels, sizeof(labels), "source", name, (char *)NULL);
    self->metrics = (struct peers_metrics){
        .messages = lb_metric(LB_COUNTER, "logboom_peer_records_total",
                              "Records received by sources that answer their senders (forward, relp)", labels),
        .bytes = lb_metric(LB_COUNTER, "logboom_peer_bytes_total", "Bytes received by such sources", labels),
        .answers = lb_metric(LB_COUNTER, "logboom_peer_answers_total",
                             "Answers sent because what they are for is safe; several may count as one", labels),
        .truncated = lb_metric(LB_COUNTER, "logboom_peer_truncated_records_total",
                               "Records of such sources that were cut at max_line", labels),
        .connections = lb_metric(LB_GAUGE, "logboom_peer_connections", "Open connections of such sources", labels),
        .refused = lb_metric(LB_COUNTER, "logboom_peer_refused_connections_total",
                             "Connections refused because max_connections were open", labels),
        .errors =
            lb_metric(LB_COUNTER, "logboom_peer_errors_total", "Connections closed because of what they sent", labels),
    };
}

static bool has_addresses(const struct lb_source *source, struct lb_diag *diag)
{
    const struct peers *self = source->state;

    if (self->listen.count > 0 && self->listen.count <= PEERS_LISTEN_MAX)
        return true;
    lb_diag_error(diag, lb_section_place(&source->section, "listen"),
                  "expected 1 to %d addresses such as tcp://0.0.0.0:24224", PEERS_LISTEN_MAX);
    return false;
}

/* --- addresses --------------------------------------------------------------------------- */

/* Peers that want answers have connections, over the network. */
static bool read_address(struct listen_address *address, const struct lb_section *section, struct lb_str text,
                         struct lb_diag *diag)
{
    *address = (struct listen_address){ .found = NULL };
    if (lb_str_starts(text, LB_STR("tls://")) || lb_str_starts(text, LB_STR("tcp://")))
        return listen_address_read(address, text, section, diag);
    lb_diag_error(diag, lb_section_place(section, "listen"),
                  "cannot listen on '" LB_STR_FMT "'; expected tcp://HOST:PORT or tls://HOST:PORT", LB_STR_ARG(text));
    return false;
}

/* Ports may be in use by the daemon that the configuration is for, so none is bound here. */
enum lb_err peers_check(const struct lb_source *source, struct lb_diag *diag)
{
    const struct peers *self = source->state;
    enum lb_err err = has_addresses(source, diag) ? LB_OK : LB_BAD_CONF;
    SSL_CTX *tls;

    for (size_t i = 0; i < self->listen.count; i++) {
        struct listen_address address;

        if (!read_address(&address, &source->section, self->listen.items[i], diag))
            err = LB_BAD_CONF;
        listen_address_free(&address);
    }
    if (!tls_server_open(&tls, &self->listen, &self->tls, &source->section, diag))
        err = LB_BAD_CONF;
    SSL_CTX_free(tls);
    return err;
}

static enum lb_err open_address(struct peers *self, struct peers *before, struct listen_address *address,
                                struct lb_diag *diag)
{
    for (const struct addrinfo *found = address->found; found != NULL; found = found->ai_next) {
        if (before != NULL && listeners_take(&self->listeners, &before->listeners, address, found))
            continue;
        int fd = listen_address_bind(address, found, &self->source->section, 0, diag);

        if (fd < 0)
            return LB_BAD_CONF;
        if (listeners_open(&self->listeners, fd, address) != LB_OK) {
            lb_diag_error(diag, lb_section_place(&self->source->section, "listen"),
                          "no memory to listen on '" LB_STR_FMT "'", LB_STR_ARG(address->text));
            return LB_NOMEM;
        }
        LB_INFO(self->protocol->module, "listening source=" LB_STR_FMT " address=" LB_STR_FMT,
                LB_STR_ARG(self->source->section.name), LB_STR_ARG(address->text));
    }
    return LB_OK;
}

static enum lb_err open_addresses(struct peers *self, struct peers *before, struct lb_diag *diag)
{
    enum lb_err err = LB_OK;

    for (size_t i = 0; i < self->listen.count && err == LB_OK; i++) {
        struct listen_address address;

        if (read_address(&address, &self->source->section, self->listen.items[i], diag))
            err = open_address(self, before, &address, diag);
        else
            err = LB_BAD_CONF;
        listen_address_free(&address);
    }
    return err;
}

/* --- open and close -------------------------------------------------------------------------------- */

static void accepted(struct lb_source *source, int fd, const struct sockaddr_storage *address,
                     const struct listener *listener)
{
    peers_connection_open(source->state, fd, address, listener->tls);
}

static void give_back(struct peers *self, struct peers *before)
{
    listeners_take_back(&before->listeners, &self->listeners);
    peers_connections_take_back(before, self);
}

static void start(struct peers *self)
{
    self->stopped = false;
    listeners_resume(&self->listeners);
    peers_connections_start(self);
}

static void tell_finished(void *context)
{
    lb_source_finished(context);
}

/* All but sockets. */
static void begin(struct peers *self, const struct peers_protocol *protocol, struct lb_source *source)
{
    self->protocol = protocol;
    self->source = source;
    self->stopped = false;
    self->deaf = false;
    self->waiters = NULL;
    self->last_waiter = &self->waiters;
    pthread_mutex_init(&self->lock, NULL);
    register_metrics(self);
    self->listeners = (struct listeners){ .source = source,
                                          .module = protocol->module,
                                          .connections = &self->count,
                                          .connections_max = self->max_connections,
                                          .refused = self->metrics.refused,
                                          .accepted = accepted };
}

enum lb_err peers_open(struct peers *self, const struct peers_protocol *protocol, struct lb_source *source,
                       struct lb_diag *diag)
{
    struct peers *before = source->before != NULL ? source->before->state : NULL;
    enum lb_err err = LB_BAD_CONF;

    if (!has_addresses(source, diag))
        return LB_BAD_CONF;
    begin(self, protocol, source);
    if (tls_server_open(&self->ssl, &self->listen, &self->tls, &source->section, diag))
        err = open_addresses(self, before, diag);
    if (err != LB_OK) {
        if (before != NULL)
            give_back(self, before);
        peers_close(self);
        return err;
    }
    if (before != NULL)
        peers_connections_take(self, before);
    start(self);
    /* A socket has no end to wait for. */
    if (source->exit_at_eof)
        lb_loop_post(source->loop, tell_finished, source);
    return LB_OK;
}

void peers_stop(struct peers *self)
{
    if (self->source == NULL)
        return;
    self->stopped = true;
    listeners_stop(&self->listeners);
    peers_connections_stop(self);
    if (!self->source->replaced)
        peers_connections_end(self);
}

void peers_resume(struct peers *self)
{
    if (self->source->before != NULL)
        give_back(self->source->before->state, self);
    start(self);
}

void peers_close(struct peers *self)
{
    if (self->source == NULL)
        return;
    peers_connections_close(self);
    listeners_close(&self->listeners);
    SSL_CTX_free(self->ssl);
    self->ssl = NULL;
}
