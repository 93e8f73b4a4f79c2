/*
 * tail_unpack.h - what is in a compressed file, from its front to its end.
 *
 * Reads by offset, so the descriptor may change in between, and keeps what it
 * needs to go on when the file grows. Members and frames that follow each
 * other are one text. Memory: a buffer, and the window of the format (32 KiB
 * for gzip, what the file says but at most 128 MiB for zstd).
 */
#ifndef LB_TAIL_UNPACK_H
#define LB_TAIL_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lb_unpack_kind { LB_UNPACK_NONE, LB_UNPACK_GZIP, LB_UNPACK_ZSTD };

enum lb_unpack_step {
    LB_UNPACK_MORE,   /* `out` is full, or there is more to be had */
    LB_UNPACK_END,    /* of a file that is whole */
    LB_UNPACK_SHORT,  /* the file ends in the middle; it may be written still */
    LB_UNPACK_BAD,    /* it is damaged, or was never such a file; `reason` says how */
    LB_UNPACK_FAILED, /* it cannot be read now: errno */
};

struct lb_unpack;

/* The kind of a path by its ending. */
enum lb_unpack_kind lb_unpack_kind(const char *path);

/* NULL: out of memory. */
struct lb_unpack *lb_unpack_new(enum lb_unpack_kind kind);
void lb_unpack_free(struct lb_unpack *self); /* may be NULL */

/* Writes at most `size` bytes to `out`; `*got` of them, also with END, SHORT and BAD. */
enum lb_unpack_step lb_unpack_read(struct lb_unpack *self, int fd, char *out, size_t size, size_t *got);
const char *lb_unpack_reason(const struct lb_unpack *self);

/* Bytes of the file that were read. */
uint64_t lb_unpack_position(const struct lb_unpack *self);

#endif
