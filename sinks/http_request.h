/*
 * http_request.h - one request and the records in it.
 *
 * The body is made of the records' own JSON, so that a request can be taken
 * apart again: into halves when the receiver refuses it whole, into what is
 * left when it took some, and into dead letters. Each record holds its token
 * once. The id follows from the ids of the records and nothing else: the same
 * records have the same one on every try and after a restart.
 *
 * A channel's request has a body of its own form: it has a single item, and
 * keeps the record's JSON beside it in `original`.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "lb_sink.h"

enum {
    HTTP_ID_BYTES = 64,
    HTTP_REQUEST_RECORDS_MAX = 100000,
};

enum http_framing {
    HTTP_OBJECT, /* one record is the body */
    HTTP_ARRAY,  /* [a,b] */
    HTTP_LINES,  /* a line each */
};

struct http_item {
    char id[LB_RECORD_ID_SIZE];
    uint32_t offset; /* in the body */
    uint32_t length;
    bool alert;             /* the record is the alert engine's; set by the caller behind http_request_end() */
    struct lb_token *token; /* NULL: none is held */
};

struct http_request {
    struct http_request *next;
    struct lb_buffer body;
    char id[HTTP_ID_BYTES]; /* set by http_request_seal() */
    enum http_framing framing;
    struct lb_buffer original; /* the record's JSON where the body is not made of it; else empty */
    struct lb_buffer url;      /* with a NUL; empty: the queue's */
    const char *content_type;  /* a literal; NULL: that of the framing */
    struct http_item *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t attempt;
    uint32_t lane; /* 0, or whose it is (1 to 63): one that waits holds up its lane only. The caller's */
    uint32_t kind; /* the caller's */
    char subject[LB_RECORD_ID_SIZE]; /* the caller's: whom an answer is about */
    int64_t queued_at;               /* monotonic */
    int64_t not_before;              /* monotonic */
    int64_t started;                 /* monotonic: of the try in flight */
    bool in_flight;
};

/* An empty request, or NULL. */
struct http_request *http_request_new(enum http_framing framing, size_t body_max);
void http_request_free(struct http_request *request); /* tokens stay as they are */

/*
 * A record: begin, append its JSON to `body`, end. `id` by lb_record_id(). End takes a hold of the token (which may be
 * NULL). False: no memory, the request is as it was before begin.
 */
void http_request_begin(struct http_request *request, uint32_t *start);
bool http_request_end(struct http_request *request, uint32_t start, const char *id, struct lb_token *token);

/* Closes the body and makes the id. Nothing is added afterwards. */
void http_request_seal(struct http_request *request);

/* The JSON of a record; of a request with an original, that. */
struct lb_str http_request_record(const struct http_request *request, uint32_t i);

/* Of a sealed request, keeps the items with `keep` set; at least one. The others' tokens are the caller's. */
void http_request_keep(struct http_request *request, const bool *keep);

/* Moves the upper half of a sealed request to a new one, or returns NULL (no memory, or a single record). */
struct http_request *http_request_split(struct http_request *request);

/* Small requests weigh more than their bodies. */
size_t http_request_memory(const struct http_request *request);

#endif
