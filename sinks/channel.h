/*
 * channel.h - what sinks that tell people share.
 *
 * One request per record and recipient, in order, through http_queue: tried
 * until it is answered, paced, refused for good into dead letters (as the
 * record, whatever form the service wanted). A channel is one file: options,
 * and a constant struct channel_type that says how a message becomes a
 * request and what an answer means. Its state begins with struct channel.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include "channel_message.h"
#include "channel_text.h"
#include "http_queue.h"
#include "http_settle.h"
#include "lb_format.h"

enum { CHANNEL_BODY_BYTES = 512 * 1000 }; /* of a request at most: what the most generous service takes */

struct channel_post {
    struct lb_buffer *body;
    struct lb_buffer *path; /* behind the configured address; empty: nothing */
};

struct channel_type {
    const char *address_option; /* the option in http.url: "url" or "endpoint" */
    const char *schemes[2];     /* NULL: http and https */
    const char *content_type;   /* NULL: JSON */
    int64_t every_ns;           /* pace: a request in so much time, 0: any number; */
    int64_t burst;              /* so many at once before it counts */
    bool reads_limits;          /* answers say how many more are allowed (X-RateLimit-*) */

    /* Optional: how many people a message goes to; without it one. */
    uint32_t (*recipients)(const struct lb_sink *sink);
    bool lanes; /* each of them is in order by himself, and waits for no other */

    /*
     * Writes the request for one of them; no body: there is none. Called again after a shortage of memory. The
     * request's `kind` is the recipient, its `subject` the alert's id.
     */
    void (*compose)(struct lb_sink *sink, const struct channel_message *message, uint32_t recipient,
                    const struct channel_post *post);

    /* Optional, as in struct http_queue. */
    bool (*sign)(struct lb_sink *sink, const struct http_request *request, struct curl_slist **list);
    void (*judge)(struct lb_sink *sink, const struct http_request *request, struct http_verdict *verdict);
    const struct http_protocol *protocol;

    /* Optional: between records, when nothing is queued. Returns when it wants to be called again (monotonic). */
    int64_t (*idle)(struct lb_sink *sink, int64_t monotonic_ns);
};

struct channel {
    struct http_settings http;

    const struct channel_type *type;
    struct http_queue queue;
    struct channel_message message;
    struct lb_buffer title; /* of the message, plain */
    struct lb_buffer path;  /* of the request in the making */
    struct lb_buffer words; /* free for compose(), empty at its start */
    uint32_t next;          /* entry of the selection, and its recipient, where write() had to give up */
    uint32_t next_recipient;
    bool wrote; /* since the last tick */
    struct lb_formatter formatter;
    struct lb_scratch scratch;
};

/* Before the option table; and in it, beside an address: a url that is a secret, or an endpoint that is known. */
#define CHANNEL_GROUPS HTTP_QUEUE_GROUPS(struct channel)
#define CHANNEL_OPTIONS HTTP_COMMON_OPTIONS(struct channel)
#define CHANNEL_URL(text)                                                                                              \
    {                                                                                                                  \
        .name = "url", .kind = LB_OPTION_STRING, .offset = offsetof(struct channel, http.url),                         \
        .flags = LB_OPTION_REQUIRED | LB_OPTION_SECRET, .help = (text)                                                 \
    }
#define CHANNEL_ENDPOINT(address, text)                                                                                \
    {                                                                                                                  \
        .name = "endpoint", .kind = LB_OPTION_STRING, .offset = offsetof(struct channel, http.url),                    \
        .fallback = (address), .help = (text)                                                                          \
    }

/* What `check` can know of the address, headers and certificates. */
bool channel_check(struct lb_sink *sink, const struct channel_type *type, struct lb_diag *diag);

/* What goes into an address or a header: `min` to `max` letters, digits and characters of `others`, else an error. */
struct channel_word {
    const char *option;
    struct lb_str value;
    const char *others;
    size_t min;
    size_t max;
    const char *expected; /* for a person */
};
bool channel_check_word(struct lb_sink *sink, const struct channel_word *word, struct lb_diag *diag);

enum lb_err channel_open(struct lb_sink *sink, const struct channel_type *type, struct lb_diag *diag);
enum lb_err channel_write(struct lb_sink *sink, const struct lb_batch *batch, const struct lb_selection *selection,
                          struct lb_token *token);
int64_t channel_tick(struct lb_sink *sink, int64_t monotonic_ns);
void channel_drain(struct lb_sink *sink, int64_t deadline);
void channel_close(struct lb_sink *sink);

/* An empty request with its address; NULL: no memory. For requests besides those of records. */
struct http_request *channel_request(const struct channel *self, struct lb_str path);

/* The answer as a JSON object; kind NONE: it is none. */
struct lb_value channel_answer(struct lb_str body);

/* The next try not before so many seconds (a number of an answer), as far as retry.after_max goes. */
void channel_wait(const struct channel *self, struct http_verdict *verdict, struct lb_value seconds);

/* The whole message in plain lines: title, text, facts, samples. */
void channel_words(struct lb_buffer *out, const struct channel_message *message, struct lb_str title);

/* The facts as a JSON object of strings, each name once. */
void channel_json_facts(struct lb_buffer *out, const struct channel_message *message, uint32_t count_max,
                        size_t value_units);

/* A time as a JSON string. */
void channel_json_time(struct lb_buffer *out, int64_t time_ns);

/* Appends a literal. */
#define CHANNEL_PUT(out, literal) lb_buffer_append_str(out, LB_STR(literal))

#endif
