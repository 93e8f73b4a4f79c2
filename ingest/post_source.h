/*
 * post_source.h - what the parts of the http source share.
 *
 * It listens as syslog does (syslog_source.h), and serves its connections itself: one request after the other, each
 * taken whole. A request is answered 200 only when its events are safe: on disk where the source is durable, else
 * handed on. All of it runs on one loop's thread but open, close, and safe().
 */
#ifndef POST_SOURCE_H
#define POST_SOURCE_H

#include "inflate.h"
#include "syslog_source.h"

#include <pthread.h>

enum { POST_BODIES_MAX = 4 }; /* times max_body: what the bodies of all connections may hold together */

struct post_connection;

struct post_source {
    struct syslog_source base; /* at the front: its functions and options take it for theirs */
    struct lb_str path;
    struct lb_str token;
    uint64_t max_body;
    int64_t request_timeout_ns;

    struct inflater inflater;
    struct post_connection *connections;
    size_t body_bytes; /* held by all connections */
    struct lb_metric *accepted;
    struct lb_metric *refused; /* the request is wrong */
    struct lb_metric *busy;    /* 503 */

    pthread_mutex_t lock; /* guards what safe() uses */
    bool answering;
    uint64_t safe_number;
};

/* --- post_connection.c ------------------------------------------------------------ */

/* Of syslog_traits.accepted. */
void post_accepted(struct syslog_source *base, int fd, const struct syslog_accepted *how);

void post_connections_answer(struct post_source *self, uint64_t safe_number); /* those who waited for it */
void post_connections_stop(struct post_source *self); /* those whose events are on their way are told to send again */
void post_connections_take(struct post_source *self, struct post_source *from, bool back);
void post_connections_resume(struct post_source *self);
void post_connections_close(struct post_source *self);

#endif
