/*
 * http_queue.h - HTTP requests that are tried until they are answered.
 *
 * What every sink that speaks HTTP shares: a bounded queue of requests in
 * order, at most `concurrency` of them in flight (1 keeps the order; fewer
 * while the receiver has trouble), time limits, and the policy: 2xx is
 * delivered; 408, 425, 429, 5xx and network faults are tried again after a
 * full-jitter back-off or the Retry-After of the answer; 400, 413 and 422
 * split a request of several records; anything else is refused for good and
 * becomes dead letters. Redirects are not followed. One thread: the sink's.
 */
#ifndef HTTP_QUEUE_H
#define HTTP_QUEUE_H

#include "http_policy.h"
#include "http_request.h"

#include "lb_metrics.h"

#include <curl/curl.h>

enum {
    HTTP_REASON_BYTES = 160,
    HTTP_HEADER_BYTES = 16 * 1024, /* a header's line at most */
    HTTP_CONCURRENCY_MAX = 32,
};

/* Filled by options; see http_queue_options. */
struct http_settings {
    struct lb_str url;
    const char *url_option; /* how users know it; NULL: url */
    const char *schemes[2]; /* that it may have; NULL: http and https */
    struct lb_pairs headers;
    int64_t timeout_ns;
    int64_t connect_timeout_ns;
    uint64_t concurrency;
    uint64_t queue_bytes;
    int64_t retry_first_ns;
    int64_t retry_max_ns;
    int64_t retry_after_max_ns;
    struct lb_pairs retry_status;
    uint64_t breaker;
    struct lb_str ca;
    struct lb_str cert;
    struct lb_str key;
    bool verify;
};

/* The rows of an option table for a member `http` of type struct http_settings in `type`. */
#define HTTP_QUEUE_OPTIONS(type) HTTP_URL_OPTION(type), HTTP_CONCURRENCY_OPTION(type), HTTP_COMMON_OPTIONS(type)

#define HTTP_URL_OPTION(type)                                                                                          \
    {                                                                                                                  \
        .name = "url", .kind = LB_OPTION_STRING, .offset = offsetof(type, http.url),                                   \
        .flags = LB_OPTION_REQUIRED | LB_OPTION_SECRET, .help = "where to send, http:// or https://"                   \
    }

/* What all have but the address, and how many at once. */
#define HTTP_COMMON_OPTIONS(type)                                                                                      \
    { .name = "headers",                                                                                               \
      .kind = LB_OPTION_PAIRS,                                                                                         \
      .offset = offsetof(type, http.headers),                                                                          \
      .flags = LB_OPTION_SECRET,                                                                                       \
      .help = "further request headers" },                                                                             \
        { .name = "timeout",                                                                                           \
          .kind = LB_OPTION_DURATION,                                                                                  \
          .offset = offsetof(type, http.timeout_ns),                                                                   \
          .fallback = "15s",                                                                                           \
          .min = LB_MILLISECOND,                                                                                       \
          .max = 600 * LB_SECOND,                                                                                      \
          .help = "longest time for one try" },                                                                        \
        { .name = "connect_timeout",                                                                                   \
          .kind = LB_OPTION_DURATION,                                                                                  \
          .offset = offsetof(type, http.connect_timeout_ns),                                                           \
          .fallback = "5s",                                                                                            \
          .min = LB_MILLISECOND,                                                                                       \
          .max = 600 * LB_SECOND,                                                                                      \
          .help = "of it, for connecting" },                                                                           \
        { .name = "queue",                                                                                             \
          .kind = LB_OPTION_SIZE,                                                                                      \
          .offset = offsetof(type, http.queue_bytes),                                                                  \
          .fallback = "4MiB",                                                                                          \
          .min = 65536,                                                                                                \
          .max = INT64_C(1) << 30,                                                                                     \
          .help = "requests in memory that wait for their turn" },                                                     \
        { .name = "retry",                                                                                             \
          .kind = LB_OPTION_GROUP,                                                                                     \
          .group = http_retry_options,                                                                                 \
          .help = "how a failed request is tried again, and what counts as failed" },                                  \
    {                                                                                                                  \
        .name = "tls", .kind = LB_OPTION_GROUP, .group = http_tls_options, .help = "certificates"                      \
    }

#define HTTP_CONCURRENCY_OPTION(type)                                                                                  \
    {                                                                                                                  \
        .name = "concurrency", .kind = LB_OPTION_COUNT, .offset = offsetof(type, http.concurrency), .fallback = "1",   \
        .min = 1, .max = HTTP_CONCURRENCY_MAX,                                                                         \
        .help = "requests in flight at most; above 1 they may arrive out of order"                                     \
    }

/* The groups that HTTP_QUEUE_OPTIONS refers to; written once before the table. */
#define HTTP_QUEUE_GROUPS(type)                                                                                        \
    static const struct lb_option http_retry_options[] = {                                                             \
        { .name = "first",                                                                                             \
          .kind = LB_OPTION_DURATION,                                                                                  \
          .offset = offsetof(type, http.retry_first_ns),                                                               \
          .fallback = "1s",                                                                                            \
          .min = LB_MILLISECOND,                                                                                       \
          .max = 3600 * LB_SECOND,                                                                                     \
          .help = "the longest wait before the second try; doubled each time, the wait is random below it" },          \
        { .name = "max",                                                                                               \
          .kind = LB_OPTION_DURATION,                                                                                  \
          .offset = offsetof(type, http.retry_max_ns),                                                                 \
          .fallback = "5m",                                                                                            \
          .min = LB_MILLISECOND,                                                                                       \
          .max = 86400 * LB_SECOND,                                                                                    \
          .help = "the bound does not grow further" },                                                                 \
        { .name = "after_max",                                                                                         \
          .kind = LB_OPTION_DURATION,                                                                                  \
          .offset = offsetof(type, http.retry_after_max_ns),                                                           \
          .fallback = "1h",                                                                                            \
          .min = LB_SECOND,                                                                                            \
          .max = 86400 * LB_SECOND,                                                                                    \
          .help = "the longest wait that a Retry-After of the receiver is followed for" },                             \
        { .name = "status",                                                                                            \
          .kind = LB_OPTION_PAIRS,                                                                                     \
          .offset = offsetof(type, http.retry_status),                                                                 \
          .help = "what a status means, such as {404: retry, 409: accept, 5xx: refuse}: accept, retry, refuse, or "    \
                  "split (try halves; a single record is refused)" },                                                  \
        { .name = "breaker",                                                                                           \
          .kind = LB_OPTION_COUNT,                                                                                     \
          .offset = offsetof(type, http.breaker),                                                                      \
          .fallback = "5",                                                                                             \
          .max = 1000000,                                                                                              \
          .help = "failures in a row after which only one request at a time is tried until one succeeds; 0: never" },  \
        { 0 },                                                                                                         \
    };                                                                                                                 \
    static const struct lb_option http_tls_options[] = {                                                               \
        { .name = "ca",                                                                                                \
          .kind = LB_OPTION_STRING,                                                                                    \
          .offset = offsetof(type, http.ca),                                                                           \
          .flags = LB_OPTION_PATH,                                                                                     \
          .help = "certificates that are trusted, PEM; the system's unless given" },                                   \
        { .name = "cert",                                                                                              \
          .kind = LB_OPTION_STRING,                                                                                    \
          .offset = offsetof(type, http.cert),                                                                         \
          .flags = LB_OPTION_PATH,                                                                                     \
          .help = "own certificate, PEM" },                                                                            \
        { .name = "key",                                                                                               \
          .kind = LB_OPTION_STRING,                                                                                    \
          .offset = offsetof(type, http.key),                                                                          \
          .flags = LB_OPTION_PATH,                                                                                     \
          .help = "its key, PEM" },                                                                                    \
        { .name = "verify",                                                                                            \
          .kind = LB_OPTION_BOOL,                                                                                      \
          .offset = offsetof(type, http.verify),                                                                       \
          .fallback = "true",                                                                                          \
          .help = "whether the peer's certificate must be valid" },                                                    \
        { 0 },                                                                                                         \
    }

struct http_slot;
struct http_verdict;

/* What is different where libcurl speaks another protocol than HTTP (SMTP). */
struct http_protocol {
    const char *names; /* for libcurl: "smtp,smtps" */

    /* Once for a handle, after what all have; and before each try. False: cannot; tried again. */
    void (*dress)(struct lb_sink *sink, CURL *easy);
    bool (*start)(struct lb_sink *sink, const struct http_request *request, CURL *easy);

    /* What the end of a try means. */
    void (*judge)(struct lb_sink *sink, const struct http_request *request, CURLcode code,
                  struct http_verdict *verdict);
};

struct http_queue {
    struct lb_sink *sink;
    const struct http_settings *settings;
    struct http_policy policy;
    struct http_pace pace;
    uint32_t refused; /* requests in a row */
    struct lb_metric *circuit;
    struct lb_metric *limit;

    /* Optional: adds the headers of one try (signatures, say) by http_headers_add(). False: cannot; tried again. */
    bool (*sign)(struct lb_sink *sink, const struct http_request *request, struct curl_slist **list);

    /* Optional: reads the answer's body (verdict->answer, up to 64 KiB) and may change what is done, and the wait. */
    void (*judge)(struct lb_sink *sink, const struct http_request *request, struct http_verdict *verdict);

    const struct http_protocol *protocol; /* NULL: HTTP */

    /* Set by a judge: the endpoint is no more, and says so. Nothing is sent from then on; all becomes dead letters. */
    bool gone;

    /* Whether answers say how many more tries are allowed (X-RateLimit-*), and until when none is (monotonic). */
    bool reads_limits;
    int64_t hold_until;

    /* Optional: on average no more than a try in `every_ns`, after `burst_ns / every_ns` at once. */
    int64_t every_ns;
    int64_t burst_ns;
    int64_t spent_until; /* monotonic: when all tries so far are paid for */

    CURLM *multi;
    struct http_slot *slots;
    struct http_request *first; /* in order, those in flight included */
    struct http_request *last;
    size_t bytes; /* of memory that the requests take */
    uint32_t in_flight;
    uint64_t random;
};

/* http_settings.c: faults of url, headers and times to `diag`. No value is repeated in a message: it may be secret. */
bool http_settings_check(const struct lb_sink *sink, const struct http_settings *settings, struct lb_diag *diag);

enum lb_err http_queue_open(struct http_queue *queue, struct lb_sink *sink, const struct http_settings *settings);
void http_queue_close(struct http_queue *queue); /* what is left stays undelivered; also after an open that failed */

/* Adds "Name: value". False: out of memory, the list is as it was. */
bool http_headers_add(struct curl_slist **list, const char *line);

/* Gives a sealed request away. */
void http_queue_push(struct http_queue *queue, struct http_request *request);
void http_queue_insert(struct http_queue *queue, struct http_request *before, struct http_request *request);
void http_queue_remove(struct http_queue *queue, struct http_request *request); /* and frees it */
bool http_queue_full(const struct http_queue *queue);

/* Starts what is due, waits up to `wait_ms` for answers, ends what is answered. Returns when to call again (monotonic).
 */
int64_t http_queue_step(struct http_queue *queue, int wait_ms);

/* Sleeps until that time (monotonic), at most a second; not at all with nothing queued, or something in flight. */
void http_queue_sleep(struct http_queue *queue, int64_t until);

/* The bound of the wait before try `attempt` (1 is the second). */
int64_t http_backoff_bound(int64_t first_ns, int64_t max_ns, uint32_t attempt);

#endif
