/* post_step_head.c - the head of a request: who may post, what, and how much. */
#include "post_connection.h"

#include <openssl/crypto.h>

static bool token_fits(const struct post_source *owner, struct lb_str authorization)
{
    struct lb_str token = owner->token;

    if (token.len == 0)
        return true;
    return authorization.len == token.len + 7 && strncmp(authorization.ptr, "Bearer ", 7) == 0 &&
           CRYPTO_memcmp(authorization.ptr + 7, token.ptr, token.len) == 0;
}

static bool is_path(const struct post_source *owner, struct lb_str path)
{
    return path.len == owner->path.len && memcmp(path.ptr, owner->path.ptr, path.len) == 0;
}

/* False: it was refused. Whoever has no token learns nothing else. */
static bool judge_head(struct post_connection *self, const struct post_head *head)
{
    const struct post_source *owner = self->owner;

    if (!token_fits(owner, head->authorization))
        post_refuse_and_close(self, "401 Unauthorized", "WWW-Authenticate: Bearer\r\n",
                              "send the token of this source as Authorization: Bearer");
    else if (!is_path(owner, head->path))
        post_refuse_and_close(self, "404 Not Found", "",
                              "there is nothing here; the option path says what takes events");
    else if (!lb_str_is(head->method, "POST") && !lb_str_is(head->method, "PUT"))
        post_refuse_and_close(self, "405 Method Not Allowed", "Allow: POST, PUT\r\n", "events are posted: use POST");
    else if (head->media == POST_NEITHER)
        post_refuse_and_close(self, "415 Unsupported Media Type", "",
                              "expected application/json, application/x-ndjson or text/plain");
    else if (head->coding == POST_UNKNOWN)
        post_refuse_and_close(self, "415 Unsupported Media Type", "Accept-Encoding: gzip, deflate, zstd\r\n",
                              "expected Content-Encoding gzip, deflate, zstd or none");
    else if (!head->sized && !head->chunked)
        post_refuse_and_close(self, "411 Length Required", "", "expected Content-Length or Transfer-Encoding: chunked");
    else if (head->size > owner->max_body)
        post_refuse_and_close(self, "413 Content Too Large", "", "the body is over max_body; send less at once");
    else
        return true;
    return false;
}

static void begin_body(struct post_connection *self, const struct post_head *head)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

    self->chunked = head->chunked;
    self->left = head->size;
    self->chunks = (struct post_chunks){ 0 };
    self->coding = head->coding;
    self->media = head->media;
    self->step = STEP_BODY;
    /* Few bytes on a connection that nothing was written to: they fit, or the peer sends its body anyway. */
    if (head->expects && self->in.len == head->length)
        (void)peer_link_write(&self->bytes, go_on, sizeof(go_on) - 1);
}

/* False: more is needed. */
bool post_read_head(struct post_connection *self)
{
    struct post_head head;
    enum lb_err err = post_head_read(lb_buffer_str(&self->in), &head);

    if (err == LB_AGAIN)
        return false;
    self->keep_alive = head.keep_alive;
    if (err == LB_LIMIT)
        post_refuse_and_close(self, "431 Request Header Fields Too Large", "", head.reason);
    else if (err != LB_OK)
        post_refuse_and_close(self, "400 Bad Request", "", head.reason);
    else if (judge_head(self, &head))
        begin_body(self, &head);
    if (self->step == STEP_BODY)
        post_use_input(self, head.length);
    return true;
}
