/*
 * post_head.h - the head of an HTTP/1 request, and bodies in chunks: read strictly, in place.
 *
 * What proxies and servers are known to read differently (a length that is given twice, a length beside chunks, blanks
 * before a colon) is refused. No call allocates.
 */
#ifndef POST_HEAD_H
#define POST_HEAD_H

#include "lb_err.h"
#include "lb_str.h"

#include <stdint.h>

enum { POST_HEAD_BYTES_MAX = 16 * 1024, POST_HEADERS_MAX = 100 };

enum post_coding { POST_PLAIN, POST_ZLIB, POST_ZSTD, POST_UNKNOWN };
enum post_media { POST_ANY, POST_JSON, POST_TEXT, POST_NEITHER };

struct post_head {
    size_t length; /* of the head, the empty line included */
    struct lb_str method;
    struct lb_str path; /* without what follows a ? */
    struct lb_str authorization;
    bool keep_alive;
    bool chunked;
    bool sized;
    bool expects; /* "100-continue" */
    uint64_t size;
    enum post_coding coding;
    enum post_media media;
    const char *reason; /* on LB_BAD_INPUT and LB_LIMIT, a literal */
};

/* LB_AGAIN: it is not whole. LB_LIMIT: it is too long. LB_BAD_INPUT: it is none. */
enum lb_err post_head_read(struct lb_str bytes, struct post_head *head) LB_MUST_USE;

/* Where a body in chunks is. Zeroed at first. */
struct post_chunks {
    uint64_t left; /* of the chunk */
    uint8_t place;
    uint8_t digits;
    uint32_t extra; /* bytes of extensions and trailers, which are passed over */
};

/*
 * The next piece of a body: `piece` lies in bytes[*at, …), and *at moves behind all that was read. LB_AGAIN: more is
 * needed. LB_END: the body has ended. LB_BAD_INPUT: it is no body in chunks.
 */
enum lb_err post_chunks_read(struct post_chunks *self, struct lb_str bytes, size_t *at,
                             struct lb_str *piece) LB_MUST_USE;

#endif
