/*
 * http_settle.h - from the answer to one try to the records: delivered, tried
 * again, halved, or dead letters. On the sink's thread.
 */
#ifndef HTTP_SETTLE_H
#define HTTP_SETTLE_H

#include "http_queue.h"

struct http_verdict {
    enum http_action action;
    long status;
    int64_t wait;         /* before the next try */
    bool alone;           /* to be tried again, and the receiver is fine: it takes others */
    struct lb_str answer; /* all of it, where the request has several records or a judge; or empty */
    char reason[HTTP_REASON_BYTES];
};

/* The request is not in flight any more; it may be freed. */
void http_settle(struct http_queue *queue, struct http_request *request, struct http_verdict *verdict);

/* The endpoint is no more: what waits becomes dead letters, as far as they are taken now. */
void http_settle_gone(struct http_queue *queue);

/* The pace as metrics. */
void http_settle_show(struct http_queue *queue);

#endif
