/*
 * Any bytes as a request of the http source: its head, a body of a length or in chunks, and the events in that. Slices
 * stay inside, cuts make no difference to a body in chunks, and what was JSON once is JSON as an event.
 */
#include "ingest/post_body.h"

#include "lb_json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct lb_str part, struct lb_str all)
{
    return part.len == 0 || (part.ptr >= all.ptr && part.ptr + part.len <= all.ptr + all.len);
}

/* The body that is in the chunks, in `out`, which has the room; bytes come `step` at a time. */
static enum lb_err join(struct lb_str bytes, size_t step, char *out, size_t *len)
{
    struct post_chunks chunks = { 0 };
    size_t at = 0;
    enum lb_err err = LB_AGAIN;

    *len = 0;
    for (size_t there = 0; there < bytes.len && err == LB_AGAIN;) {
        struct lb_str piece;

        there = bytes.len - there < step ? bytes.len : there + step;
        struct lb_str some = { bytes.ptr, there };
        while ((err = post_chunks_read(&chunks, some, &at, &piece)) == LB_OK) {
            assert(at <= there && is_within(piece, some) && *len + piece.len <= bytes.len);
            if (piece.len > 0)
                memcpy(out + *len, piece.ptr, piece.len);
            *len += piece.len;
        }
        assert(at <= there);
    }
    return err;
}

static void read_events(struct lb_str text, enum post_media media)
{
    struct post_body body;
    uint64_t count = 0;
    size_t last = 0;
    size_t start;
    size_t len;
    enum lb_err err;

    post_body_open(&body, text, media);
    while ((err = post_body_next(&body, &start, &len)) == LB_OK) {
        assert(start >= last && start + len <= text.len);
        assert(!body.json || lb_json_valid((struct lb_str){ text.ptr + start, len }));
        last = start + len;
        count++;
    }
    assert(count <= text.len + 1);
    assert(err == LB_END || (err == LB_BAD_INPUT && body.reason != NULL && body.at <= text.len));
}

static void read_chunks(struct lb_str rest, enum post_media media)
{
    char *out = malloc(rest.len + 1);
    char *again = malloc(rest.len + 1);
    size_t len;
    size_t len_again;
    enum lb_err err = join(rest, rest.len + 1, out, &len);

    assert(join(rest, 3, again, &len_again) == err);
    assert(len == len_again && memcmp(out, again, len) == 0);
    if (err == LB_END)
        read_events((struct lb_str){ out, len }, media);
    free(out);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size); /* of the exact size: reading past it is caught */
    struct lb_str bytes = { copy, size };
    struct post_head head;

    if (size > 0)
        memcpy(copy, data, size);
    enum lb_err err = post_head_read(bytes, &head);
    assert(err == LB_OK || err == LB_AGAIN || ((err == LB_BAD_INPUT || err == LB_LIMIT) && head.reason != NULL));
    if (err == LB_OK) {
        assert(head.length > 0 && head.length <= size && !(head.chunked && head.sized));
        assert(is_within(head.method, bytes) && is_within(head.path, bytes) && is_within(head.authorization, bytes));
        struct lb_str rest = { copy + head.length, size - head.length };
        if (head.chunked)
            read_chunks(rest, head.media);
        else
            read_events(rest, head.media);
    }
    read_events(bytes, POST_ANY);
    free(copy);
    return 0;
}
