/*
 * source_http.c - events that are posted to us: JSON, NDJSON, lines of text.
 *
 * Here: options, life, and what the intake's thread says. What that says is posted to the loop, and no more once the
 * source has stopped: it may be gone when the loop comes to it.
 */
#include "post_source.h"

#include "lb_intake.h"

#define MEMBER(name) offsetof(struct post_source, name)

static const struct lb_option options[] = {
    { .name = "listen",
      .kind = LB_OPTION_STRINGS,
      .offset = MEMBER(base.listen),
      .flags = LB_OPTION_REQUIRED,
      .help = "where to listen: tcp://HOST:PORT for http, tls://HOST:PORT for https, unix:///PATH" },
    { .name = "path",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(path),
      .fallback = "/",
      .help = "the path that takes events; all others are 404" },
    { .name = "token",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(token),
      .flags = LB_OPTION_SECRET,
      .help = "who posts has to send it as Authorization: Bearer; none is asked for unless set" },
    { .name = "max_body",
      .kind = LB_OPTION_SIZE,
      .offset = MEMBER(max_body),
      .fallback = "4MiB",
      .help = "a longer body is refused (413), also one that is longer when decompressed",
      .min = 1024,
      .max = 64 * 1024 * 1024 },
    NET_TLS_OPTION("the certificate for tls://, and which clients are let in"),
    { .name = "proxy_protocol",
      .kind = LB_OPTION_BOOL,
      .offset = MEMBER(base.proxy_protocol),
      .fallback = "false",
      .help = "every connection begins with a header of the PROXY protocol (1 or 2), which says who the peer is" },
    { .name = "socket_mode",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(base.socket_mode),
      .fallback = "666",
      .help = "who may write to a socket in the file system, octal; 660: its user and group only" },
    { .name = "max_connections",
      .kind = LB_OPTION_COUNT,
      .offset = MEMBER(base.max_connections),
      .fallback = "1024",
      .help = "how many connections are open at once; further ones are closed",
      .min = 1,
      .max = LB_CONNECTIONS_MAX },
    { .name = "request_timeout",
      .kind = LB_OPTION_DURATION,
      .offset = MEMBER(request_timeout_ns),
      .fallback = "30s",
      .help = "a request that has not come whole by then is refused (408)",
      .min = LB_SECOND / 10,
      .max = 3600 * LB_SECOND },
    { .name = "idle_timeout",
      .kind = LB_OPTION_DURATION,
      .offset = MEMBER(base.idle_timeout_ns),
      .fallback = "60s",
      .help = "closes a connection on which no request begins for so long",
      .min = LB_SECOND / 10,
      .max = 86400 * LB_SECOND },
    { .name = "handshake_timeout",
      .kind = LB_OPTION_DURATION,
      .offset = MEMBER(base.handshake_timeout_ns),
      .fallback = "10s",
      .help = "closes a connection that has not ended its TLS handshake or PROXY header by then",
      .min = LB_SECOND / 10,
      .max = 3600 * LB_SECOND },
    { .name = NULL },
};

static const struct syslog_traits http_traits = {
    .module = "source.http",
    .prefix = "http_source",
    .accepted = post_accepted,
};

static bool has_streams_only(const struct lb_source *source, struct lb_diag *diag)
{
    const struct post_source *self = source->state;

    for (size_t i = 0; i < self->base.listen.count; i++) {
        struct lb_str address = self->base.listen.items[i];

        if (!lb_str_starts(address, LB_STR("udp://")) && !lb_str_starts(address, LB_STR("unixgram://")))
            continue;
        lb_diag_error(diag, lb_section_place(&source->section, "listen"),
                      "cannot listen on '" LB_STR_FMT "'; expected tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH",
                      LB_STR_ARG(address));
        return false;
    }
    if (self->path.len > 0 && self->path.ptr[0] == '/')
        return true;
    lb_diag_error(diag, lb_section_place(&source->section, "path"), "\"path\": expected a path such as /logs");
    return false;
}

static enum lb_err http_check(struct lb_source *source, struct lb_diag *diag)
{
    bool good = has_streams_only(source, diag);

    return syslog_check(source, diag) == LB_OK && good ? LB_OK : LB_BAD_CONF;
}

/* --- open and close ------------------------------------------------------------------ */

/* What is said from now on is heard, or not. */
static void set_answering(struct post_source *self, bool answering)
{
    pthread_mutex_lock(&self->lock);
    self->answering = answering;
    pthread_mutex_unlock(&self->lock);
}

static void register_metrics(struct post_source *self)
{
    self->accepted = syslog_metric(&self->base, LB_COUNTER, "requests_total", "Requests whose events were taken");
    self->refused = syslog_metric(&self->base, LB_COUNTER, "refused_requests_total", "Requests that were refused: 4xx");
    self->busy =
        syslog_metric(&self->base, LB_COUNTER, "busy_requests_total", "Requests that were to be sent again later: 503");
}

static enum lb_err http_open(struct lb_source *source, struct lb_diag *diag)
{
    struct post_source *self = source->state;
    enum lb_err err;

    if (!has_streams_only(source, diag))
        return LB_BAD_CONF;
    self->base.traits = &http_traits;
    if (!inflater_open(&self->inflater, self->max_body)) {
        inflater_close(&self->inflater);
        lb_diag_error(diag, lb_section_place(&source->section, ""), "no memory to decompress what is posted");
        return LB_NOMEM;
    }
    pthread_mutex_init(&self->lock, NULL);
    err = syslog_open(source, diag);
    if (err != LB_OK) {
        inflater_close(&self->inflater);
        pthread_mutex_destroy(&self->lock);
        return err;
    }
    register_metrics(self);
    set_answering(self, true);
    if (source->before != NULL) {
        post_connections_take(self, source->before->state, false);
        post_connections_resume(self);
    }
    return LB_OK;
}

static void http_stop(struct lb_source *source)
{
    struct post_source *self = source->state;

    if (self->base.source == NULL)
        return;
    syslog_stop(source);
    set_answering(self, false);
    post_connections_stop(self);
}

static void http_resume(struct lb_source *source)
{
    struct post_source *self = source->state;

    set_answering(self, true);
    syslog_resume(source);
    if (source->before != NULL)
        post_connections_take(self, source->before->state, true);
    post_connections_resume(self);
}

static void http_close(struct lb_source *source)
{
    struct post_source *self = source->state;

    if (self->base.source == NULL)
        return;
    set_answering(self, false);
    post_connections_close(self);
    inflater_close(&self->inflater);
    syslog_close(source);
    /* The lock stays: the intake's thread may still speak. */
}

/* --- what is on disk ------------------------------------------------------------------- */

static void on_safe(void *context)
{
    struct post_source *self = context;

    pthread_mutex_lock(&self->lock);
    uint64_t number = self->safe_number;
    pthread_mutex_unlock(&self->lock);
    if (!self->base.stopped)
        post_connections_answer(self, number);
}

static void http_safe(struct lb_source *source, uint64_t number)
{
    struct post_source *self = source->state;

    pthread_mutex_lock(&self->lock);
    self->safe_number = number;
    if (self->answering)
        lb_loop_post(source->loop, on_safe, self);
    pthread_mutex_unlock(&self->lock);
}

const struct lb_source_type lb_source_http = {
    .module = { .name = "http",
                .help = "events posted by HTTP: JSON objects, arrays of them, NDJSON, lines of text",
                .state_size = sizeof(struct post_source),
                .options = options,
                .whole = "listen" },
    .envelope = &lb_envelope_lines,
    .parse = "auto",
    .check = http_check,
    .open = http_open,
    .stop = http_stop,
    .resume = http_resume,
    .safe = http_safe,
    .close = http_close,
};
