/*
 * inflate.h - gzip, zlib and zstd in one go, with a bound for what comes out.
 *
 * However little goes in, no more than the bound comes out, and no more memory is taken. The contexts are kept, so
 * that a message needs no allocation. One thread.
 */
#ifndef INFLATE_H
#define INFLATE_H

#include "lb_buffer.h"
#include "lb_err.h"

#include <zlib.h>
#include <zstd.h>

enum inflate_kind { INFLATE_ZLIB, INFLATE_ZSTD }; /* the first: gzip too */

struct inflater {
    z_stream zlib;
    bool has_zlib;
    ZSTD_DCtx *zstd;
    struct lb_buffer out;
};

bool inflater_open(struct inflater *self, size_t bytes_max) LB_MUST_USE;
void inflater_close(struct inflater *self);

/*
 * Into `out`, which the caller may take for itself (and begin anew). LB_LIMIT: there is more, `out` is full.
 * LB_BAD_INPUT: it is damaged or cut short.
 */
enum lb_err inflate_bytes(struct inflater *self, enum inflate_kind kind, struct lb_str bytes) LB_MUST_USE;

#endif
