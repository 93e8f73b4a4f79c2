/*
 * http_queue.c - libcurl's multi interface behind a queue in order.
 *
 * A slot is one easy handle with its connection, reused for request after
 * request. A request that failed keeps its place: with a concurrency of 1
 * nothing overtakes it. What an answer means for the records is in
 * http_settle.c, what is checked of url and headers in http_settings.c.
 */
#include "http_queue.h"

#include "http_answer.h"
#include "http_settle.h"

#include "lb_alloc.h"
#include "lb_clock.h"

#include <assert.h>
#include <stdio.h>
#include <sys/random.h>

enum {
    ANSWER_BYTES_MAX = 64 * 1024,      /* an answer's body is read no further */
    ITEMS_BYTES_MAX = 4 * 1024 * 1024, /* and to several records no further than this */
    ANSWER_BYTES_SHOWN = 80,
    IDLE_MS = 1000,
    TYPE_BYTES = 96, /* the header of the content's type */
};

struct http_slot {
    CURL *easy;
    struct http_request *request; /* NULL: free */
    struct curl_slist *headers;
    char answer[ANSWER_BYTES_SHOWN]; /* the beginning of the answer's body, for the reason */
    size_t answer_len;
    struct lb_buffer items; /* all of it, where the request has several records or somebody judges it */
    size_t received;
    bool judged; /* the queue has a judge */
};

int64_t http_backoff_bound(int64_t first_ns, int64_t max_ns, uint32_t attempt)
{
    int64_t bound = first_ns;

    while (attempt-- > 1 && bound < max_ns)
        bound *= 2;
    return bound < max_ns ? bound : max_ns;
}

static uint64_t next_random(struct http_queue *queue)
{
    queue->random ^= queue->random << 13;
    queue->random ^= queue->random >> 7;
    queue->random ^= queue->random << 17;
    return queue->random;
}

/* --- the queue ------------------------------------------------------------------ */

void http_queue_push(struct http_queue *queue, struct http_request *request)
{
    request->next = NULL;
    request->queued_at = lb_clock_monotonic();
    if (queue->last != NULL)
        queue->last->next = request;
    else
        queue->first = request;
    queue->last = request;
    queue->bytes += http_request_memory(request);
}

bool http_queue_full(const struct http_queue *queue)
{
    return queue->bytes >= queue->settings->queue_bytes;
}

static void unlink_request(struct http_queue *queue, const struct http_request *request)
{
    struct http_request **link = &queue->first;
    struct http_request *before = NULL;

    while (*link != NULL && *link != request) {
        before = *link;
        link = &(*link)->next;
    }
    assert(*link == request);
    *link = request->next;
    if (queue->last == request)
        queue->last = before;
    queue->bytes -= http_request_memory(request);
}

void http_queue_remove(struct http_queue *queue, struct http_request *request)
{
    unlink_request(queue, request);
    http_request_free(request);
}

void http_queue_insert(struct http_queue *queue, struct http_request *before, struct http_request *request)
{
    request->next = before->next;
    before->next = request;
    if (queue->last == before)
        queue->last = request;
    queue->bytes += http_request_memory(request);
}

/* --- one try ------------------------------------------------------------------- */

static size_t answer_max(const struct http_slot *slot)
{
    return slot->request->count > 1 ? ITEMS_BYTES_MAX : ANSWER_BYTES_MAX;
}

/* Keeps the beginning of the answer for the log and counts the rest; ends the transfer where it is absurdly long. */
static size_t on_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct http_slot *slot = context;
    size_t len = size * count;
    size_t room = sizeof(slot->answer) - slot->answer_len;
    size_t kept = len < room ? len : room;

    memcpy(slot->answer + slot->answer_len, bytes, kept);
    slot->answer_len += kept;
    slot->received += len;
    if (slot->request->count > 1 || slot->judged)
        lb_buffer_append(&slot->items, bytes, len);
    return slot->received > answer_max(slot) ? 0 : len;
}

bool http_headers_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

static bool add_pair(struct curl_slist **list, const struct lb_pair *pair)
{
    char line[HTTP_HEADER_BYTES];

    snprintf(line, sizeof(line), LB_STR_FMT ": " LB_STR_FMT, LB_STR_ARG(pair->name), LB_STR_ARG(pair->value));
    return http_headers_add(list, line);
}

/* All or nothing: a request without its signature or its token would be refused, and lost. */
static bool make_headers(struct http_queue *queue, const struct http_request *request, struct curl_slist **list)
{
    const struct lb_pairs *pairs = &queue->settings->headers;
    const char *type = request->framing == HTTP_LINES ? "application/x-ndjson" : "application/json";
    char line[TYPE_BYTES];

    snprintf(line, sizeof(line), "Content-Type: %s", request->content_type != NULL ? request->content_type : type);
    bool made = http_headers_add(list, line) && http_headers_add(list, "Expect:");

    for (size_t i = 0; made && i < pairs->count; i++)
        made = add_pair(list, &pairs->items[i]);
    made = made && (queue->sign == NULL || queue->sign(queue->sink, request, list));
    if (made)
        return true;
    curl_slist_free_all(*list);
    *list = NULL;
    return false;
}

static bool dress_try(struct http_queue *queue, struct http_slot *slot, const struct http_request *request)
{
    slot->headers = NULL;
    if (queue->protocol == NULL && !make_headers(queue, request, &slot->headers))
        return false;
    curl_easy_setopt(slot->easy, CURLOPT_URL, request->url.len > 0 ? request->url.ptr : queue->settings->url.ptr);
    if (queue->protocol != NULL)
        return queue->protocol->start(queue->sink, request, slot->easy);
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, slot->headers);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, request->body.ptr);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    return true;
}

static bool start_try(struct http_queue *queue, struct http_slot *slot, struct http_request *request)
{
    if (!dress_try(queue, slot, request))
        return false;
    slot->request = request;
    slot->judged = queue->judge != NULL;
    slot->answer_len = 0;
    slot->received = 0;
    if (slot->items.capacity > ANSWER_BYTES_MAX)
        lb_buffer_free(&slot->items); /* a long answer was an exception */
    lb_buffer_reset(&slot->items);
    if (curl_multi_add_handle(queue->multi, slot->easy) != CURLM_OK) {
        curl_slist_free_all(slot->headers);
        slot->request = NULL;
        return false;
    }
    request->in_flight = true;
    request->started = lb_clock_monotonic();
    request->attempt++;
    if (queue->spent_until < request->started)
        queue->spent_until = request->started;
    queue->spent_until += queue->every_ns;
    queue->in_flight++;
    return true;
}

static struct http_slot *free_slot(struct http_queue *queue)
{
    for (uint64_t i = 0; i < queue->settings->concurrency; i++) {
        if (queue->slots[i].request == NULL)
            return &queue->slots[i];
    }
    return NULL;
}

/* When the pace lets the next try start: `burst_ns` may be spent ahead. */
static int64_t paid_at(const struct http_queue *queue)
{
    return queue->spent_until + queue->every_ns - queue->burst_ns;
}

/* A request of a lane waits behind others of its lane. True: it may not start now; `*due` is when to look again. */
static bool waits_in_lane(const struct http_request *request, uint64_t *held, int64_t now, int64_t *due)
{
    uint64_t lane = request->lane > 0 ? UINT64_C(1) << (request->lane % 64) : 0;
    bool waits = (*held & lane) != 0 || request->in_flight;

    if (!waits && lane != 0 && request->not_before > now) {
        waits = true;
        *due = request->not_before < *due ? request->not_before : *due;
    }
    if (waits)
        *held |= lane;
    return waits;
}

/*
 * Starts requests in their order; one whose time has not come holds up those behind it (of its lane, if it has one),
 * and while the circuit is open only its time counts. Returns when that is.
 */
static int64_t start_due(struct http_queue *queue, int64_t now)
{
    const struct http_pace *pace = &queue->pace;
    int64_t due = INT64_MAX;
    uint64_t held = 0;

    if (queue->gone) {
        http_settle_gone(queue);
        return due;
    }
    if (pace->open && pace->probe_at > now)
        return pace->probe_at;
    if (queue->hold_until > now)
        return queue->hold_until;
    for (struct http_request *request = queue->first; request != NULL; request = request->next) {
        struct http_slot *slot;

        if (waits_in_lane(request, &held, now, &due))
            continue;
        if (request->not_before > now && !pace->open)
            return request->not_before < due ? request->not_before : due;
        if (queue->every_ns > 0 && paid_at(queue) > now)
            return paid_at(queue);
        slot = queue->in_flight < http_pace_allowed(pace) ? free_slot(queue) : NULL;
        if (slot == NULL || !start_try(queue, slot, request))
            break;
    }
    return due;
}

/* --- the end of a try ------------------------------------------------------------ */

/* The status counts, though we did not read such an answer to its end: what was accepted must not be sent again. */
static CURLcode forgive_length(const struct http_slot *slot, CURLcode code)
{
    return code == CURLE_WRITE_ERROR && slot->received > answer_max(slot) ? CURLE_OK : code;
}

static struct lb_str header_of(const struct http_slot *slot, const char *name)
{
    struct curl_header *header;

    if (curl_easy_header(slot->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return (struct lb_str){ NULL, 0 };
    return lb_str_from(header->value);
}

/* Retry-After says when; otherwise a random time below the bound, so that many senders do not come back together. */
static int64_t wait_before_next(struct http_queue *queue, const struct http_slot *slot)
{
    const struct http_settings *settings = queue->settings;
    int64_t bound = http_backoff_bound(settings->retry_first_ns, settings->retry_max_ns, slot->request->attempt);
    struct lb_str date = header_of(slot, "Date");
    int64_t wait = http_retry_after(header_of(slot, "Retry-After"), date, lb_clock_now(), settings->retry_after_max_ns);

    return wait > 0 ? wait : (int64_t)(next_random(queue) % (uint64_t)bound) + 1;
}

/* An answer may say, in success too, that it was the last one for so many seconds: "0.25". */
static void note_limits(struct http_queue *queue, const struct http_slot *slot)
{
    struct lb_str left = header_of(slot, "X-RateLimit-Remaining");
    struct lb_str after = header_of(slot, "X-RateLimit-Reset-After");
    double seconds;

    if (!queue->reads_limits || left.len == 0 || !lb_str_is(left, "0") || after.len == 0 ||
        !lb_value_number(lb_value_text(after), &seconds) || !(seconds > 0))
        return;
    int64_t longest = queue->settings->retry_after_max_ns;
    int64_t wait = seconds < (double)longest / (double)LB_SECOND ? (int64_t)(seconds * (double)LB_SECOND) : longest;
    queue->hold_until = lb_clock_monotonic() + wait;
}

/* For the log and for health. What the receiver says may hold anything; it stays one line. */
static void describe(const struct http_slot *slot, CURLcode code, long status, char *reason)
{
    if (code != CURLE_OK) {
        snprintf(reason, HTTP_REASON_BYTES, "%s", curl_easy_strerror(code));
        return;
    }
    int len = snprintf(reason, HTTP_REASON_BYTES, "the receiver answered %ld %.*s", status, (int)slot->answer_len,
                       slot->answer);
    if (len >= HTTP_REASON_BYTES)
        len = HTTP_REASON_BYTES - 1;
    for (int i = 0; i < len; i++) {
        if ((unsigned char)reason[i] < ' ' || (unsigned char)reason[i] > '~')
            reason[i] = ' ';
    }
    while (len > 0 && reason[len - 1] == ' ')
        len--;
    reason[len] = '\0';
}

static void release_slot(struct http_queue *queue, struct http_slot *slot)
{
    curl_multi_remove_handle(queue->multi, slot->easy);
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
    slot->request->in_flight = false;
    slot->request = NULL;
    queue->in_flight--;
}

static void finish_try(struct http_queue *queue, struct http_slot *slot, CURLcode code)
{
    struct http_request *request = slot->request;
    struct http_verdict verdict = { .action = HTTP_RETRY };

    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &verdict.status);
    code = forgive_length(slot, code);
    describe(slot, code, verdict.status, verdict.reason);
    verdict.wait = wait_before_next(queue, slot);
    note_limits(queue, slot);
    if (!slot->items.failed)
        verdict.answer = lb_buffer_str(&slot->items);
    release_slot(queue, slot);
    if (queue->protocol != NULL) {
        queue->protocol->judge(queue->sink, request, code, &verdict);
    } else if (code == CURLE_OK) {
        verdict.action = http_policy_action(&queue->policy, verdict.status);
        if (queue->judge != NULL)
            queue->judge(queue->sink, request, &verdict);
    }
    http_settle(queue, request, &verdict);
}

static struct http_slot *slot_of(struct http_queue *queue, const CURL *easy)
{
    for (uint64_t i = 0; i < queue->settings->concurrency; i++) {
        if (queue->slots[i].easy == easy)
            return &queue->slots[i];
    }
    return NULL;
}

static void finish_answered(struct http_queue *queue)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(queue->multi, &left)) != NULL) {
        struct http_slot *slot = slot_of(queue, message->easy_handle);

        if (message->msg == CURLMSG_DONE && slot != NULL)
            finish_try(queue, slot, message->data.result);
    }
}

int64_t http_queue_step(struct http_queue *queue, int wait_ms)
{
    int running = 0;

    start_due(queue, lb_clock_monotonic());
    if (queue->in_flight > 0) {
        curl_multi_perform(queue->multi, &running);
        if (running == (int)queue->in_flight && wait_ms > 0)
            curl_multi_poll(queue->multi, NULL, 0, wait_ms, NULL);
        curl_multi_perform(queue->multi, &running);
        finish_answered(queue);
    }
    int64_t now = lb_clock_monotonic();
    int64_t due = start_due(queue, now);
    if (queue->in_flight > 0)
        return now;
    return due < INT64_MAX ? due : now + IDLE_MS * LB_MILLISECOND;
}

void http_queue_sleep(struct http_queue *queue, int64_t until)
{
    int64_t wait = until - lb_clock_monotonic();

    if (wait <= 0 || queue->in_flight > 0 || queue->first == NULL)
        return;
    if (wait > IDLE_MS * LB_MILLISECOND)
        wait = IDLE_MS * LB_MILLISECOND;
    curl_multi_poll(queue->multi, NULL, 0, (int)(wait / LB_MILLISECOND) + 1, NULL);
}

/* --- open and close ------------------------------------------------------------------ */

static void set_text(CURL *easy, CURLoption option, struct lb_str text)
{
    if (text.len > 0)
        curl_easy_setopt(easy, option, text.ptr);
}

static CURL *make_easy(const struct http_queue *queue, struct http_slot *slot)
{
    const struct http_settings *settings = queue->settings;
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, queue->protocol != NULL ? queue->protocol->names : "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "logboom");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(settings->timeout_ns / LB_MILLISECOND));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(settings->connect_timeout_ns / LB_MILLISECOND));
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, settings->verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, settings->verify ? 2L : 0L);
    set_text(easy, CURLOPT_CAINFO, settings->ca);
    set_text(easy, CURLOPT_SSLCERT, settings->cert);
    set_text(easy, CURLOPT_SSLKEY, settings->key);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot);
    if (queue->protocol != NULL)
        queue->protocol->dress(queue->sink, easy);
    return easy;
}

static void open_metrics(struct http_queue *queue)
{
    char name[256];
    char labels[320];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(queue->sink->section.name));
    lb_metric_labels(labels, sizeof(labels), "sink", name, (char *)NULL);
    queue->circuit = lb_metric(LB_GAUGE, "logboom_sink_circuit_open",
                               "1 while a sink tries one request at a time, since several in a row failed", labels);
    queue->limit = lb_metric(LB_GAUGE, "logboom_sink_in_flight_limit",
                             "Requests that a sink may have in flight now; it follows the receiver", labels);
    http_settle_show(queue);
}

enum lb_err http_queue_open(struct http_queue *queue, struct lb_sink *sink, const struct http_settings *settings)
{
    const struct lb_pair *fault;

    queue->sink = sink;
    queue->settings = settings;
    if (getrandom(&queue->random, sizeof(queue->random), 0) != sizeof(queue->random) || queue->random == 0)
        queue->random = (uint64_t)lb_clock_now() | 1;
    http_pace_init(&queue->pace, (uint32_t)settings->concurrency, (uint32_t)settings->breaker);
    open_metrics(queue);
    if (!http_policy_make(&queue->policy, &settings->retry_status, &fault))
        return LB_BAD_CONF; /* http_settings_check() has told it */
    queue->multi = curl_multi_init();
    queue->slots = lb_alloc(settings->concurrency * sizeof(*queue->slots));
    if (queue->multi == NULL || queue->slots == NULL)
        return LB_NOMEM;
    for (uint64_t i = 0; i < settings->concurrency; i++) {
        lb_buffer_init(&queue->slots[i].items, ITEMS_BYTES_MAX);
        queue->slots[i].easy = make_easy(queue, &queue->slots[i]);
        if (queue->slots[i].easy == NULL)
            return LB_NOMEM;
    }
    return LB_OK;
}

void http_queue_close(struct http_queue *queue)
{
    for (uint64_t i = 0; queue->slots != NULL && i < queue->settings->concurrency; i++) {
        struct http_slot *slot = &queue->slots[i];

        lb_buffer_free(&slot->items);
        if (slot->easy == NULL)
            continue;
        /* A name that is still being looked up must not hold up the end. */
        curl_easy_setopt(slot->easy, CURLOPT_QUICK_EXIT, 1L);
        if (slot->request != NULL)
            release_slot(queue, slot);
        curl_easy_cleanup(slot->easy);
    }
    lb_free(queue->slots);
    queue->slots = NULL;
    if (queue->multi != NULL)
        curl_multi_cleanup(queue->multi);
    queue->multi = NULL;
    while (queue->first != NULL) {
        struct http_request *request = queue->first;

        queue->first = request->next;
        http_request_free(request);
    }
    queue->last = NULL;
}
