/*
 * post_step_answer.c - what a request is answered, and what follows.
 *
 * The tricky thing is an answer to a request that was not read to its end: closing at once would reset the connection
 * and the answer with it, so the rest is read and thrown away for a while.
 */
#include "post_connection.h"

#include "lb_log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>

enum {
    LINGER_BYTES = 64 * 1024 * 1024, /* read and thrown away behind an answer */
    RETRY_AFTER_SECONDS = 1,
};

#define ANSWER_TIMEOUT (10 * LB_SECOND)
#define LINGER_TIMEOUT (2 * LB_SECOND)

/* `more` are further headers, each with its end. */
static void answer(struct post_connection *self, const char *status, const char *more, const char *body)
{
    int length = snprintf(self->answer, sizeof(self->answer),
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%sConnection: "
                          "%s\r\n\r\n%s",
                          status, strlen(body), more, self->keep_alive ? "keep-alive" : "close", body);

    self->answer_length = length > 0 && (size_t)length < sizeof(self->answer) ? (size_t)length : 0;
    self->answer_sent = 0;
    self->step = STEP_ANSWER;
    post_drop_body(self);
    post_set_timer(self, ANSWER_TIMEOUT);
}

/* 4xx. With the rest of the request unread nothing can follow on the connection. */
void post_refuse(struct post_connection *self, const char *status, const char *more, const char *reason)
{
    char body[POST_ANSWER_BYTES / 2];

    snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", reason);
    lb_metric_add(self->owner->refused, 1);
    LB_INFO(POST_MODULE, "refused a request source=" LB_STR_FMT " peer=" LB_STR_FMT " status=\"%s\" reason=\"%s\"",
            LB_STR_ARG(self->owner->base.source->section.name), LB_STR_ARG(self->stream->name), status, reason);
    answer(self, status, more, body);
}

void post_refuse_and_close(struct post_connection *self, const char *status, const char *more, const char *reason)
{
    self->keep_alive = false;
    post_refuse(self, status, more, reason);
}

void post_put_off(struct post_connection *self, const char *reason)
{
    char body[POST_ANSWER_BYTES / 2];
    char more[64];

    snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", reason);
    snprintf(more, sizeof(more), "Retry-After: %d\r\n", RETRY_AFTER_SECONDS);
    lb_metric_add(self->owner->busy, 1);
    answer(self, "503 Service Unavailable", more, body);
}

void post_answer_taken(struct post_connection *self)
{
    char body[64];

    snprintf(body, sizeof(body), "{\"records\":%llu}\n", (unsigned long long)self->events.count);
    lb_metric_add(self->owner->accepted, 1);
    answer(self, "200 OK", "", body);
}

/* After an answer. */
static void begin_again(struct post_connection *self)
{
    if (self->keep_alive) {
        self->step = STEP_HEAD;
        post_set_timer(self, self->in.len > 0 ? self->owner->request_timeout_ns : self->owner->base.idle_timeout_ns);
        return;
    }
    self->step = STEP_LINGER;
    self->lingered = 0;
    if (self->bytes.ssl == NULL)
        (void)shutdown(self->fd, SHUT_WR);
    post_set_timer(self, LINGER_TIMEOUT);
}

enum lb_err post_write_answer(struct post_connection *self)
{
    while (self->answer_sent < self->answer_length) {
        ssize_t sent =
            peer_link_write(&self->bytes, self->answer + self->answer_sent, self->answer_length - self->answer_sent);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return event_add(self->writable, NULL) == 0 ? LB_AGAIN : LB_END;
        if (sent <= 0)
            return LB_END;
        self->answer_sent += (size_t)sent;
    }
    begin_again(self);
    return LB_OK;
}

enum lb_err post_linger(struct post_connection *self)
{
    self->lingered += self->in.len;
    self->in.len = 0;
    return self->lingered > LINGER_BYTES ? LB_END : post_receive(self);
}
