/*
 * post_connection.h - what the steps of one connection of the http source share.
 *
 * head, body, events, answer, one after the other. A step goes as far as it can; what it waits for starts it again. An
 * answer may come at any of them, and is a step itself. All of it runs on the loop's thread.
 */
#ifndef POST_CONNECTION_H
#define POST_CONNECTION_H

#include "peer_link.h"
#include "post_body.h"
#include "post_head.h"
#include "post_source.h"

#define POST_MODULE "source.http"

enum { POST_ANSWER_BYTES = 1024 };

enum post_step { STEP_PREPARE, STEP_HEAD, STEP_BODY, STEP_TAKE, STEP_SAFE, STEP_ANSWER, STEP_LINGER };

struct post_connection {
    struct syslog_waiter waiter;
    struct post_source *owner;
    const struct post_source *lender;
    struct post_connection *next;
    struct post_connection **link; /* what points to it */
    struct lb_stream *stream;
    char *peer; /* what else is known of it, in the manner of lb_batch.peers, or NULL */
    uint64_t position;
    struct event *readable;
    struct event *writable;
    struct event *timer;
    struct peer_link bytes;
    int fd;
    enum post_step step;

    struct lb_buffer in; /* read and not used yet */
    struct lb_buffer body;
    size_t held; /* of the owner's body_bytes */
    bool keep_alive;
    bool late; /* its timer was put off once: see peer_link_was_late() */
    bool chunked;
    uint64_t left; /* of a body that is not in chunks */
    struct post_chunks chunks;
    enum post_coding coding;
    enum post_media media;

    struct post_body events;
    bool has_event;
    size_t start;
    size_t length;
    uint64_t awaited; /* the intake's number of the last batch; 0: none has been pushed to one */
    bool pushed;

    char answer[POST_ANSWER_BYTES];
    size_t answer_length;
    size_t answer_sent;
    size_t lingered;
};

/* --- post_connection.c ----------------------------------------------------------------- */

void post_set_timer(struct post_connection *self, int64_t after);

/* LB_OK: something came. LB_AGAIN. LB_END: the peer has ended, or was broken off. */
enum lb_err post_receive(struct post_connection *self);
void post_use_input(struct post_connection *self, size_t bytes);

/* What the body takes now. False: all bodies together are too much. */
bool post_hold(struct post_connection *self);
void post_drop_body(struct post_connection *self);

/* --- post_step_head.c -------------------------------------------------------------------- */

/* False: more is needed. */
bool post_read_head(struct post_connection *self);

/* --- post_step_body.c -------------------------------------------------------------------- */

/* False: more is needed. */
bool post_read_body(struct post_connection *self);

/* --- post_step_take.c -------------------------------------------------------------------- */

/* True: all events are on their way. False: no credit, it will be resumed. */
bool post_take_events(struct post_connection *self);

/* After that: they are safe, or waited for. */
void post_settle(struct post_connection *self);

/* --- post_step_answer.c ------------------------------------------------------------------ */

/* 4xx; `more` are further headers, each with its end. With the rest of the request unread nothing can follow. */
void post_refuse(struct post_connection *self, const char *status, const char *more, const char *reason);
void post_refuse_and_close(struct post_connection *self, const char *status, const char *more, const char *reason);
void post_put_off(struct post_connection *self, const char *reason); /* 503 */
void post_answer_taken(struct post_connection *self);                /* 200 */

/* LB_OK: all of it is written, and the next step begun. LB_AGAIN. LB_END: close it. */
enum lb_err post_write_answer(struct post_connection *self);
enum lb_err post_linger(struct post_connection *self);

#endif
