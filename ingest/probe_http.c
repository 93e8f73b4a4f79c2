/*
 * probe_http.c - checks by libcurl, driven by the loop: its sockets and its
 * timer are events of libevent.
 *
 * Every check connects anew: a connection that is kept would say nothing of
 * whether another can be had, nor show the certificate. A port is checked by
 * the same way, with nothing sent.
 *
 * The tricky thing: of a certificate that is refused libcurl tells nothing
 * but the reason. So a second connection, which sends nothing, accepts any
 * certificate and reads its dates.
 */
#include "probe.h"

#include "lb_alloc.h"
#include "lb_log.h"

#include <event2/event.h>
#include <stdio.h>

#define MODULE "source.probe"
#define INSPECT_MS_MIN 500

struct probe_transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct lb_buffer body;
    bool wants_body;
    size_t received;
    bool over;       /* there is more of the body than is read */
    bool inspecting; /* the certificate, of a check that has failed already */
    struct probe_result result;
    char error[CURL_ERROR_SIZE];
};

/* --- curl's sockets and timer on the loop -------------------------------------------- */

static void collect(struct probe_source *self);

static void on_socket(evutil_socket_t fd, short what, void *context)
{
    struct probe_source *self = context;
    int flags = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    int running;

    curl_multi_socket_action(self->multi, fd, flags, &running);
    collect(self);
}

static void on_timeout(evutil_socket_t fd, short what, void *context)
{
    struct probe_source *self = context;
    int running;

    (void)fd, (void)what;
    curl_multi_socket_action(self->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(self);
}

/* Curl says what it waits for; `watch` is what we gave it for this socket. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *watch)
{
    struct probe_source *self = context;
    struct event *event = watch;
    short wanted =
        (short)(EV_PERSIST | ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) | ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0));

    (void)easy;
    if (event != NULL)
        event_free(event);
    event = what == CURL_POLL_REMOVE ? NULL : event_new(lb_loop_base(self->source->loop), fd, wanted, on_socket, self);
    curl_multi_assign(self->multi, fd, event);
    if (event != NULL && event_add(event, NULL) == 0)
        return 0;
    return what == CURL_POLL_REMOVE ? 0 : -1;
}

static int watch_time(CURLM *multi, long timeout_ms, void *context)
{
    struct probe_source *self = context;
    struct timeval delay = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };

    (void)multi;
    if (timeout_ms < 0)
        return evtimer_del(self->multi_timer);
    return evtimer_add(self->multi_timer, &delay);
}

/* --- one transfer ---------------------------------------------------------------------- */

/* A body that nobody looks at is read too, for that it ends is a part of being well, but it is not kept. */
static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct probe_transfer *transfer = context;
    size_t len = size * count;
    size_t room = PROBE_BODY_BYTES_MAX - transfer->received;
    size_t taken = len < room ? len : room;

    if (transfer->wants_body)
        lb_buffer_append(&transfer->body, bytes, taken);
    transfer->received += taken;
    transfer->over = taken < len;
    return transfer->over ? 0 : len;
}

/* Redirects may lead anywhere; they stay on HTTP. */
static void set_defaults(struct probe_transfer *transfer)
{
    CURL *easy = transfer->easy;

    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "logboom");
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name that is still looked up must not hold up the loop */
    curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

static void set_trust(CURL *easy, const struct probe_check *check, bool verify)
{
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    if (check->ca.len > 0)
        curl_easy_setopt(easy, CURLOPT_CAINFO, check->ca.ptr);
}

/* All or none: without its token a check would fail for no reason of the other side. */
static bool set_headers(struct probe_transfer *transfer, const struct probe_check *check)
{
    for (size_t i = 0; i < check->headers.count; i++) {
        const struct lb_pair *pair = &check->headers.items[i];
        char line[PROBE_HEADER_BYTES];
        bool empty = pair->value.len == 0; /* curl leaves out a header without a value, unless it is written so */

        snprintf(line, sizeof(line), LB_STR_FMT "%s" LB_STR_FMT, LB_STR_ARG(pair->name), empty ? ";" : ": ",
                 LB_STR_ARG(pair->value));
        struct curl_slist *longer = curl_slist_append(transfer->headers, line);
        if (longer == NULL)
            return false;
        transfer->headers = longer;
    }
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    return true;
}

static bool prepare_http(struct probe_transfer *transfer, const struct probe_check *check)
{
    CURL *easy = transfer->easy;
    bool head = lb_str_is(check->method, "HEAD");

    curl_easy_setopt(easy, CURLOPT_URL, check->http.ptr);
    if (head)
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    else if (!lb_str_is(check->method, "GET"))
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, check->method.ptr);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, check->follow ? 1L : 0L);
    set_trust(easy, check, check->verify);
    transfer->wants_body = check->match.len > 0 || check->json.count > 0 || check->prometheus.count > 0;
    return set_headers(transfer, check);
}

static void prepare_tcp(const struct probe_transfer *transfer, const struct probe_check *check)
{
    char url[512];

    snprintf(url, sizeof(url), "http://" LB_STR_FMT, LB_STR_ARG(check->tcp));
    curl_easy_setopt(transfer->easy, CURLOPT_URL, url); /* curl copies it */
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(transfer->easy, CURLOPT_PROXY, "");
}

static struct probe_transfer *get_transfer(struct probe_slot *slot)
{
    struct probe_transfer *transfer = slot->transfer;

    if (transfer != NULL)
        return transfer;
    transfer = lb_alloc(sizeof(*transfer));
    if (transfer == NULL)
        return NULL;
    lb_buffer_init(&transfer->body, PROBE_BODY_BYTES_MAX);
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL) {
        lb_free(transfer);
        return NULL;
    }
    slot->transfer = transfer;
    return transfer;
}

static void drop_request(struct probe_source *self, struct probe_transfer *transfer)
{
    curl_multi_remove_handle(self->multi, transfer->easy);
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
}

bool probe_http_start(struct probe_slot *slot)
{
    struct probe_transfer *transfer = get_transfer(slot);
    const struct probe_run *run = slot->run;
    bool ready = true;

    if (transfer == NULL)
        return false;
    transfer->result = (struct probe_result){ 0 };
    transfer->received = 0;
    transfer->over = false;
    transfer->inspecting = false;
    transfer->wants_body = false;
    transfer->error[0] = '\0';
    lb_buffer_reset(&transfer->body);
    set_defaults(transfer);
    if (run->kind == PROBE_HTTP)
        ready = prepare_http(transfer, run->check);
    else
        prepare_tcp(transfer, run->check);
    curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, (long)(run->timeout_ns / LB_MILLISECOND));
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, slot);
    if (ready && curl_multi_add_handle(slot->source->multi, transfer->easy) == CURLM_OK)
        return true;
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    return false;
}

void probe_http_cancel(struct probe_slot *slot)
{
    drop_request(slot->source, slot->transfer);
}

void probe_transfer_free(struct probe_slot *slot)
{
    if (slot->transfer == NULL)
        return;
    lb_buffer_free(&slot->transfer->body);
    curl_easy_cleanup(slot->transfer->easy);
    lb_free(slot->transfer);
    slot->transfer = NULL;
}

/* --- the certificate ------------------------------------------------------------------------ */

/* When the certificate of the peer itself ends; false: there is none. */
static bool find_expiry(CURL *easy, time_t *expires)
{
    static const char key[] = "Expire date:";
    struct curl_certinfo *chain = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL || chain->num_of_certs < 1)
        return false;
    for (const struct curl_slist *line = chain->certinfo[0]; line != NULL; line = line->next) {
        if (strncmp(line->data, key, sizeof(key) - 1) != 0)
            continue;
        *expires = curl_getdate(line->data + sizeof(key) - 1, NULL);
        return *expires != (time_t)-1;
    }
    return false;
}

static void note_certificate(CURL *easy, struct probe_result *result)
{
    time_t expires;

    if (!find_expiry(easy, &expires))
        return;
    result->has_certificate = true;
    result->days_left = ((double)expires - (double)lb_clock_now() / (double)LB_SECOND) / 86400;
}

/* "the certificate expired 3.2 days ago" says more than that verification failed. */
static void explain_certificate(CURL *easy, struct probe_result *result)
{
    note_certificate(easy, result);
    if (result->has_certificate && result->days_left < 0)
        snprintf(result->reason, sizeof(result->reason), "the certificate has expired, %.1f days ago",
                 -result->days_left);
}

/* A second connection, for its certificate alone. False: it cannot be made. */
static bool inspect(struct probe_slot *slot)
{
    struct probe_transfer *transfer = slot->transfer;
    const struct probe_run *run = slot->run;
    int64_t left = run->timeout_ns - transfer->result.duration_ns;
    long left_ms = (long)(left / LB_MILLISECOND);

    drop_request(slot->source, transfer);
    transfer->inspecting = true;
    set_defaults(transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_URL, run->check->http.ptr);
    curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_ONLY, 1L);
    set_trust(transfer->easy, run->check, false);
    curl_easy_setopt(transfer->easy, CURLOPT_TIMEOUT_MS, left_ms > INSPECT_MS_MIN ? left_ms : INSPECT_MS_MIN);
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, slot);
    return curl_multi_add_handle(slot->source->multi, transfer->easy) == CURLM_OK;
}

/* --- the end of a check ------------------------------------------------------------------------- */

static bool expected(const struct probe_run *run, long status)
{
    for (uint32_t i = 0; i < run->expect_count; i++) {
        if (status >= run->expect[i].first && status <= run->expect[i].last)
            return true;
    }
    return false;
}

static void describe_timeout(const struct probe_slot *slot, struct probe_result *result)
{
    double seconds = (double)slot->run->timeout_ns / (double)LB_SECOND;
    curl_off_t connected = 0;
    curl_off_t looked_up = 0;

    curl_easy_getinfo(slot->transfer->easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up);
    curl_easy_getinfo(slot->transfer->easy, CURLINFO_CONNECT_TIME_T, &connected);
    snprintf(result->reason, sizeof(result->reason), "%s within %g s",
             looked_up == 0            ? "its name was not found"
             : connected == 0          ? "no connection"
             : result->http_status > 0 ? "the answer did not end"
                                       : "no answer",
             seconds);
}

/* What libcurl or OpenSSL says, where a plainer word is known. */
static const char *plainly(const char *error)
{
    static const struct {
        const char *said;
        const char *meant;
    } words[] = {
        { "wrong version number", "it does not speak TLS; is it http:// in place of https://?" },
        { "HTTP/0.9", "it does not answer in HTTP; is it https:// in place of http://, or another protocol?" },
        { "no alternative certificate subject name", "the certificate is not accepted: it is for another name" },
        { "Empty reply from server", "it closed the connection without an answer" },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strstr(error, words[i].said) != NULL)
            return words[i].meant;
    }
    return error;
}

static void describe_failure(const struct probe_slot *slot, CURLcode code, struct probe_result *result)
{
    const char *error = slot->transfer->error;

    if (code == CURLE_OPERATION_TIMEDOUT) {
        describe_timeout(slot, result);
        return;
    }
    long system_error = 0;

    curl_easy_getinfo(slot->transfer->easy, CURLINFO_OS_ERRNO, &system_error);
    if (code == CURLE_COULDNT_CONNECT && system_error != 0)
        snprintf(result->reason, sizeof(result->reason), "no connection: %s", strerrordesc_np((int)system_error));
    else if (strncmp(error, "SSL certificate problem: ", 25) == 0)
        snprintf(result->reason, sizeof(result->reason), "the certificate is not accepted: %s", error + 25);
    else
        snprintf(result->reason, sizeof(result->reason), "%s",
                 error[0] != '\0' ? plainly(error) : curl_easy_strerror(code));
}

static void judge(const struct probe_slot *slot, CURLcode code, struct probe_result *result)
{
    struct probe_transfer *transfer = slot->transfer;
    const struct probe_run *run = slot->run;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &result->http_status);
    if (code == CURLE_WRITE_ERROR && transfer->over)
        code = CURLE_OK; /* we did not want to hear more */
    if (code != CURLE_OK) {
        describe_failure(slot, code, result);
        return;
    }
    if (run->kind == PROBE_TCP) {
        result->http_status = 0;
        result->ok = true;
        return;
    }
    note_certificate(transfer->easy, result);
    if (transfer->body.failed) {
        snprintf(result->reason, sizeof(result->reason), "out of memory for the body of the answer");
        return;
    }
    if (transfer->wants_body)
        result->body = lb_buffer_str(&transfer->body);
    if (!expected(run, result->http_status))
        snprintf(result->reason, sizeof(result->reason), "the answer has status %ld", result->http_status);
    else
        result->ok = probe_body_accept(slot->source, run, result);
}

static void finish(struct probe_slot *slot, CURLcode code)
{
    struct probe_transfer *transfer = slot->transfer;
    struct probe_source *self = slot->source;

    if (transfer->inspecting) {
        explain_certificate(transfer->easy, &transfer->result);
    } else {
        transfer->result.duration_ns = lb_clock_monotonic() - slot->started_ns;
        judge(slot, code, &transfer->result);
        if (code == CURLE_PEER_FAILED_VERIFICATION && inspect(slot))
            return;
    }
    drop_request(self, transfer);
    probe_finish(slot, &transfer->result);
    if (transfer->body.capacity > LB_SLAB_MEDIUM)
        lb_buffer_free(&transfer->body); /* a long answer was an exception */
}

static void collect(struct probe_source *self)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(self->multi, &left)) != NULL) {
        struct probe_slot *slot = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result; /* the message does not outlive its handle */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
        finish(slot, code);
    }
}

/* --- open and close ------------------------------------------------------------------------------- */

bool probe_http_open(struct probe_source *self)
{
    self->multi_timer = evtimer_new(lb_loop_base(self->source->loop), on_timeout, self);
    self->multi = curl_multi_init();
    if (self->multi == NULL || self->multi_timer == NULL)
        return false;
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, watch_time);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, 1L);
    return true;
}

/* The handles are gone already. */
void probe_http_close(struct probe_source *self)
{
    if (self->multi != NULL)
        curl_multi_cleanup(self->multi);
    if (self->multi_timer != NULL)
        event_free(self->multi_timer);
    self->multi = NULL;
    self->multi_timer = NULL;
}
