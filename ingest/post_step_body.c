/*
 * post_step_body.c - the body: kept as it comes, decompressed, and looked at whole before any of it is taken.
 */
#include "post_connection.h"

#include <stdio.h>

#define CREDIT_TIMEOUT (5 * LB_SECOND)

static bool keep(struct post_connection *self, struct lb_str piece)
{
    if (piece.len > self->owner->max_body - self->body.len) {
        post_refuse_and_close(self, "413 Content Too Large", "", "the body is over max_body; send less at once");
        return false;
    }
    lb_buffer_append_str(&self->body, piece);
    if (!self->body.failed && post_hold(self))
        return true;
    self->keep_alive = false;
    post_put_off(self, "too much is being sent at once; send it again");
    return false;
}

/* What has come of the body is kept. LB_END: all has. Another: it was answered. */
static enum lb_err read_pieces(struct post_connection *self)
{
    struct lb_str bytes = lb_buffer_str(&self->in);
    struct lb_str piece = { bytes.ptr, bytes.len < self->left ? bytes.len : (size_t)self->left };
    size_t used = 0;
    enum lb_err err = LB_OK;

    if (!self->chunked) {
        if (!keep(self, piece))
            return LB_LIMIT;
        self->left -= piece.len;
        post_use_input(self, piece.len);
        return self->left == 0 ? LB_END : LB_AGAIN;
    }
    while (err == LB_OK) {
        err = post_chunks_read(&self->chunks, bytes, &used, &piece);
        if (err == LB_OK && !keep(self, piece))
            err = LB_LIMIT;
    }
    if (err == LB_BAD_INPUT)
        post_refuse_and_close(self, "400 Bad Request", "", "the body is not in chunks as it says");
    post_use_input(self, used);
    return err;
}

/* False: it was refused. */
static bool decompress(struct post_connection *self)
{
    struct inflater *inflater = &self->owner->inflater;
    enum lb_err err;

    if (self->coding == POST_PLAIN)
        return true;
    err = inflate_bytes(inflater, self->coding == POST_ZSTD ? INFLATE_ZSTD : INFLATE_ZLIB, lb_buffer_str(&self->body));
    if (err == LB_LIMIT)
        post_refuse(self, "413 Content Too Large", "",
                    "the body is over max_body when decompressed; send less at once");
    else if (err != LB_OK)
        post_refuse(self, "400 Bad Request", "",
                    "the body is not compressed as Content-Encoding says, or is cut short");
    if (err != LB_OK)
        return false;
    lb_buffer_free(&self->body);
    self->body = inflater->out;
    lb_buffer_init(&inflater->out, self->owner->max_body);
    if (post_hold(self))
        return true;
    post_put_off(self, "too much is being sent at once; send it again");
    return false;
}

/* All of it is looked at before any is taken. False: it was refused. */
static bool judge_body(struct post_connection *self)
{
    char reason[256];
    size_t start;
    size_t length;
    enum lb_err err = LB_OK;

    post_body_open(&self->events, lb_buffer_str(&self->body), self->media);
    while (err == LB_OK)
        err = post_body_next(&self->events, &start, &length);
    if (err == LB_END) {
        post_body_open(&self->events, lb_buffer_str(&self->body), self->media);
        return true;
    }
    snprintf(reason, sizeof(reason), "event %llu, at byte %zu of the body: %s; nothing of it was taken",
             (unsigned long long)self->events.count + 1, self->events.at, self->events.reason);
    /* The reason is a literal of ours, which may have quotes. */
    for (char *c = reason; *c != '\0'; c++)
        *c = *c == '"' || *c == '\\' ? '\'' : *c;
    post_refuse(self, "400 Bad Request", "", reason);
    return false;
}

/* False: more is needed. */
bool post_read_body(struct post_connection *self)
{
    enum lb_err err = read_pieces(self);

    if (err == LB_AGAIN)
        return false;
    if (err != LB_END || !decompress(self) || !judge_body(self))
        return true;
    self->step = STEP_TAKE;
    self->has_event = false;
    self->pushed = false;
    self->awaited = 0;
    post_set_timer(self, CREDIT_TIMEOUT);
    return true;
}
