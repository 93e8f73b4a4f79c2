/*
 * daemon_http.c - the daemon's own HTTP server: /health, /metrics, /api/v1.
 *
 * libevent's server on a loop of its own, so that a slow reader of metrics
 * delays no log. Everything but /health wants the token, unless the server
 * listens on loopback only. Bodies and headers are bounded.
 */
#include "daemon.h"
#include "daemon_api.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_loop.h"
#include "lb_metrics.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <openssl/crypto.h>
#include <string.h>

enum {
    BODY_BYTES_MAX = 64 * 1024,
    HEADER_BYTES_MAX = 16 * 1024,
    REPLY_BYTES_MAX = 8 * 1024 * 1024,
    TIMEOUT_SECONDS = 10
};

struct http_server {
    struct lb_daemon *daemon;
    struct lb_loop *loop;
    struct evhttp *http;
    struct waiter *waiting; /* for the end of a reload */
};

struct waiter {
    struct evhttp_request *request;
    uint64_t number; /* of the reload */
    struct waiter *next;
};

struct endpoint {
    const char *path;
    enum evhttp_cmd_type method;
    bool is_public;                                                                     /* answers without a token */
    int (*answer)(struct lb_daemon *daemon, struct lb_str body, struct lb_buffer *out); /* returns the status */
    const char *content_type;
};

static int answer_health(struct lb_daemon *daemon, struct lb_str body, struct lb_buffer *out)
{
    (void)body;
    return status_write(daemon, out) ? HTTP_OK : HTTP_SERVUNAVAIL;
}

static int answer_status(struct lb_daemon *daemon, struct lb_str body, struct lb_buffer *out)
{
    (void)body;
    status_write(daemon, out);
    return HTTP_OK;
}

static int answer_metrics(struct lb_daemon *daemon, struct lb_str body, struct lb_buffer *out)
{
    (void)daemon;
    (void)body;
    lb_metrics_write(out);
    return HTTP_OK;
}

static int answer_alerts(struct lb_daemon *daemon, struct lb_str body, struct lb_buffer *out)
{
    (void)body;
    pthread_mutex_lock(&daemon->lock);
    if (daemon->alerts != NULL)
        lb_alert_engine_write(daemon->alerts, out);
    else
        lb_buffer_append_str(out, LB_STR("[]"));
    pthread_mutex_unlock(&daemon->lock);
    lb_buffer_append_char(out, '\n');
    return HTTP_OK;
}

/* Readers of archives ask for what is still in memory. Holds this server up for 2 s at most. */
static int answer_flush(struct lb_daemon *daemon, struct lb_str body, struct lb_buffer *out)
{
    (void)body;
    bool all = flush_sinks(daemon);

    lb_buffer_print(out, "{\"flushed\":%s}\n", all ? "true" : "false");
    return all ? HTTP_OK : HTTP_SERVUNAVAIL;
}

static int answer_log_level(struct lb_daemon *daemon, struct lb_str body, struct lb_buffer *out)
{
    (void)daemon;
    while (body.len > 0 && (body.ptr[body.len - 1] == '\n' || body.ptr[body.len - 1] == '\r'))
        body.len--;

    uint8_t level = lb_level_parse(body);

    if (level == LB_LEVEL_NONE) {
        lb_buffer_append_str(out,
                             LB_STR("{\"error\":\"the body must be a level: error, warn, info, debug or trace\"}\n"));
        return HTTP_BADREQUEST;
    }
    atomic_store(&lb_log_level, level);
    lb_buffer_print(out, "{\"log_level\":\"%s\"}\n", lb_level_name(level).ptr);
    return HTTP_OK;
}

static int answer_index(struct lb_daemon *daemon, struct lb_str body, struct lb_buffer *out)
{
    (void)daemon;
    (void)body;
    lb_buffer_append_str(
        out,
        LB_STR("logboom\n\nGET  /health              200 or 503, the state of every component as JSON\n"
               "GET  /metrics             Prometheus\n"
               "GET  /api/v1/status       as /health, always 200\n"
               "GET  /api/v1/alerts       alerts that fire now\n"
               "GET  /api/v1/alerts/history    what people were told; ?since= ?until= ?rule= ?alert_id= ?limit=\n"
               "GET  /api/v1/alerts/pending    alerts whose `for` has not passed yet\n"
               "GET  /api/v1/alerts/explain    ?rule= ?key.NAME= ?at=: what a rule knows of a key\n"
               "GET  /api/v1/silences     silences and maintenance windows; ?ended=true: also those that have ended\n"
               "POST /api/v1/silences     sets one: {where, for or until, comment, …}; with id: changes it\n"
               "POST /api/v1/silences/preview  {where}: the alerts it would hold back\n"
               "GET, DELETE /api/v1/silences/ID  one; ends it\n"
               "GET  /api/v1/markers      ?since= ?until= ?service=\n"
               "POST /api/v1/markers      {text, service, …}: something was done; alerts soon after show it\n"
               "POST /api/v1/flush        files and archives show what is still in memory\n"
               "POST /api/v1/log_level    body: error, warn, info, debug or trace\n"
               "POST /api/v1/reload       reads the configuration again; answers when it is at work or refused\n"));
    return HTTP_OK;
}

enum { ANSWERED_LATER = 0 };

/* The answer comes when the reload has ended. */
static int answer_reload(struct lb_daemon *daemon, struct lb_str body, struct lb_buffer *out)
{
    (void)daemon, (void)body, (void)out;
    return ANSWERED_LATER;
}

static const struct endpoint endpoints[] = {
    { "/", EVHTTP_REQ_GET, false, answer_index, "text/plain; charset=utf-8" },
    { "/health", EVHTTP_REQ_GET, true, answer_health, "application/json" },
    { "/metrics", EVHTTP_REQ_GET, false, answer_metrics, "text/plain; version=0.0.4; charset=utf-8" },
    { "/api/v1/status", EVHTTP_REQ_GET, false, answer_status, "application/json" },
    { "/api/v1/alerts", EVHTTP_REQ_GET, false, answer_alerts, "application/json" },
    { "/api/v1/flush", EVHTTP_REQ_POST, false, answer_flush, "application/json" },
    { "/api/v1/log_level", EVHTTP_REQ_POST, false, answer_log_level, "application/json" },
    { "/api/v1/reload", EVHTTP_REQ_POST, false, answer_reload, "application/json" },
};

/* --- requests ------------------------------------------------------------------ */

static bool token_fits(const struct lb_config *config, const char *header)
{
    struct lb_str token = config->http_token;

    if (token.len == 0)
        return config->http_open;
    if (header == NULL || strncmp(header, "Bearer ", 7) != 0 || strlen(header + 7) != token.len)
        return false;
    return CRYPTO_memcmp(header + 7, token.ptr, token.len) == 0;
}

static bool has_token(const struct http_server *server, struct evhttp_request *request)
{
    struct lb_daemon *daemon = server->daemon;
    const char *header = evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization");

    pthread_mutex_lock(&daemon->lock);
    bool fits = token_fits(daemon->current->config, header);
    pthread_mutex_unlock(&daemon->lock);
    return fits;
}

static void reply(struct evhttp_request *request, int status, const char *type, const struct lb_buffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
        evbuffer_add(evhttp_request_get_output_buffer(request), body->ptr, body->len);
    evhttp_send_reply(request, status, NULL, NULL);
}

static const struct endpoint *find_endpoint(const char *path, enum evhttp_cmd_type method, bool *known)
{
    if (method == EVHTTP_REQ_HEAD)
        method = EVHTTP_REQ_GET;
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        if (strcmp(endpoints[i].path, path) != 0)
            continue;
        *known = true;
        if (endpoints[i].method == method)
            return &endpoints[i];
    }
    return NULL;
}

static int answer_api(struct lb_daemon *daemon, struct evhttp_request *request, bool by_socket, struct lb_str body,
                      struct lb_buffer *out)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    struct evkeyvalq query = { 0 };
    struct api_request api = { .daemon = daemon,
                               .method = evhttp_request_get_command(request),
                               .path = evhttp_uri_get_path(uri),
                               .body = body,
                               .query = &query,
                               .out = out };

    if (evhttp_uri_get_query(uri) == NULL || evhttp_parse_query_str(evhttp_uri_get_query(uri), &query) != 0)
        api.query = NULL;
    api_find_who(daemon, request, by_socket, &api.who);
    int status = api_answer(&api);
    evhttp_clear_headers(&query);
    return status;
}

/* `server` NULL: it came over the socket, where whoever may connect may ask. */
static int answer(struct lb_daemon *daemon, const struct http_server *server, struct evhttp_request *request,
                  struct lb_buffer *out, const char **content_type)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    bool known = false;
    const struct endpoint *endpoint =
        find_endpoint(path != NULL ? path : "/", evhttp_request_get_command(request), &known);

    *content_type = "application/json";
    bool is_api = path != NULL && api_owns(path);
    if (endpoint == NULL && !is_api && known) {
        lb_buffer_append_str(
            out, LB_STR("{\"error\":\"this path does not take that method; GET / lists what there is\"}\n"));
        return HTTP_BADMETHOD;
    }
    if (endpoint == NULL && !is_api) {
        lb_buffer_append_str(out, LB_STR("{\"error\":\"there is nothing here; GET / lists what there is\"}\n"));
        return HTTP_NOTFOUND;
    }
    if (server != NULL && (is_api || !endpoint->is_public) && !has_token(server, request)) {
        evhttp_add_header(evhttp_request_get_output_headers(request), "WWW-Authenticate", "Bearer");
        lb_buffer_append_str(out, LB_STR("{\"error\":\"send the token of http.token as Authorization: Bearer …\"}\n"));
        return 401;
    }
    size_t len = evbuffer_get_length(input);
    const char *bytes = (const char *)evbuffer_pullup(input, -1);
    struct lb_str body = { bytes != NULL ? bytes : "", len };

    if (is_api)
        return answer_api(daemon, request, server == NULL, body, out);
    *content_type = endpoint->content_type;
    int status = endpoint->answer(daemon, body, out);
    if (endpoint->answer == answer_log_level && status == HTTP_OK)
        audit_request(daemon, request, server == NULL, "log_level", (struct lb_str){ out->ptr, out->len - 1 });
    return status;
}

/* --- who waits for a reload ------------------------------------------------------ */

static bool wants_text(struct evhttp_request *request)
{
    const char *accept = evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");

    return accept != NULL && strncmp(accept, "text/plain", 10) == 0;
}

/* On the server's loop. A client that has gone meanwhile is libevent's to see. */
static void answer_waiting(void *context)
{
    struct http_server *server = context;
    uint64_t ended = reloads_ended(server->daemon->reloads);
    struct waiter **link = &server->waiting;

    while (*link != NULL) {
        struct waiter *waiter = *link;
        struct lb_buffer out;

        if (waiter->number > ended) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        bool as_text = wants_text(waiter->request);
        lb_buffer_init(&out, REPLY_BYTES_MAX);
        int status = reloads_answer(server->daemon->reloads, as_text, &out);
        reply(waiter->request, status, as_text ? "text/plain; charset=utf-8" : "application/json", &out);
        lb_buffer_free(&out);
        lb_free(waiter);
    }
}

void http_reloaded(struct http_server *server)
{
    lb_loop_post(server->loop, answer_waiting, server);
}

static bool wait_for_reload(struct http_server *server, struct evhttp_request *request)
{
    struct waiter *waiter = lb_alloc(sizeof(*waiter));

    if (waiter == NULL)
        return false;
    waiter->request = request;
    waiter->number = reloads_request(server->daemon->reloads);
    waiter->next = server->waiting;
    server->waiting = waiter;
    /* It may have ended before it was in the list. */
    lb_loop_post(server->loop, answer_waiting, server);
    return true;
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct lb_buffer out;
    const char *content_type;

    lb_buffer_init(&out, REPLY_BYTES_MAX);
    struct http_server *server = context;
    int status = answer(server->daemon, server, request, &out, &content_type);
    if (status == ANSWERED_LATER && wait_for_reload(context, request)) {
        audit_request(server->daemon, request, false, "reload.ask", (struct lb_str){ 0 });
        return;
    }
    if (out.failed || status == ANSWERED_LATER)
        status = HTTP_INTERNAL;
    reply(request, status, content_type, &out);
    lb_buffer_free(&out);
}

void http_answer_socket(struct lb_daemon *daemon, struct evhttp_request *request)
{
    struct lb_buffer out;
    const char *content_type;

    lb_buffer_init(&out, REPLY_BYTES_MAX);
    int status = answer(daemon, NULL, request, &out, &content_type);
    if (status == ANSWERED_LATER) {
        lb_buffer_append_str(&out, LB_STR("{\"error\":\"not over the socket; use http, or send HUP\"}\n"));
        status = HTTP_NOTIMPLEMENTED;
    }
    reply(request, out.failed ? HTTP_INTERNAL : status, content_type, &out);
    lb_buffer_free(&out);
}

/* --- start ---------------------------------------------------------------------- */

static struct lb_place place_of_listen(const struct lb_config *config)
{
    const struct lb_node *http = config->root != NULL ? lb_node_get(config->root, "http") : NULL;
    const struct lb_node *node = http != NULL ? lb_node_get(http, "listen") : NULL;

    return node != NULL ? node->place : (struct lb_place){ config->file, 0, 0 };
}

static bool bind_server(struct http_server *server, struct lb_diag *diag)
{
    const struct lb_config *config = server->daemon->current->config;

    if (evhttp_bind_socket(server->http, config->http_host.ptr, config->http_port) == 0)
        return true;
    lb_diag_error(diag, place_of_listen(config), "cannot listen on " LB_STR_FMT ": %s", LB_STR_ARG(config->http_listen),
                  strerror(errno));
    return false;
}

static struct http_server *make_server(struct lb_daemon *daemon)
{
    struct http_server *server = lb_alloc(sizeof(*server));

    if (server == NULL)
        return NULL;
    server->daemon = daemon;
    server->loop = lb_loop_new("http");
    if (server->loop != NULL)
        server->http = evhttp_new(lb_loop_base(server->loop));
    if (server->http != NULL)
        return server;
    http_stop(server);
    return NULL;
}

struct http_server *http_start(struct lb_daemon *daemon, struct lb_diag *diag)
{
    const struct lb_config *config = daemon->current->config;

    if (config->http_listen.len == 0)
        return NULL;

    struct http_server *server = make_server(daemon);

    if (server == NULL) {
        lb_diag_error(diag, place_of_listen(config), "out of memory for the HTTP server");
        return NULL;
    }
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
    evhttp_set_max_body_size(server->http, BODY_BYTES_MAX);
    evhttp_set_max_headers_size(server->http, HEADER_BYTES_MAX);
    evhttp_set_timeout(server->http, TIMEOUT_SECONDS);
    evhttp_set_gencb(server->http, on_request, server);
    if (bind_server(server, diag) && lb_loop_start(server->loop) == LB_OK)
        return server;
    http_stop(server);
    return NULL;
}

void http_stop(struct http_server *server)
{
    if (server->loop != NULL)
        lb_loop_stop(server->loop);
    if (server->http != NULL)
        evhttp_free(server->http);
    if (server->loop != NULL)
        lb_loop_free(server->loop);
    lb_free(server);
}
