/*
 * inflate.c - zlib and zstd by their streaming interfaces, for nothing else can be bounded.
 *
 * Several members or frames one behind the other count as one, as their own tools have it.
 */
#include "inflate.h"

#include <stdint.h>

enum {
    OUT_FIRST = 64 * 1024,
    KEEP_BYTES = 1024 * 1024, /* a larger buffer is not kept for the next */
    WINDOW_LOG_MAX = 23,      /* of zstd: 8 MiB */
    ANY_ZLIB = 15 + 32,       /* window bits for zlib and gzip */
};

bool inflater_open(struct inflater *self, size_t bytes_max)
{
    *self = (struct inflater){ .has_zlib = false };
    lb_buffer_init(&self->out, bytes_max);
    self->has_zlib = inflateInit2(&self->zlib, ANY_ZLIB) == Z_OK;
    self->zstd = ZSTD_createDCtx();
    if (self->zstd != NULL)
        (void)ZSTD_DCtx_setParameter(self->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    return self->has_zlib && self->zstd != NULL;
}

void inflater_close(struct inflater *self)
{
    if (self->has_zlib)
        inflateEnd(&self->zlib);
    ZSTD_freeDCtx(self->zstd);
    lb_buffer_free(&self->out);
    *self = (struct inflater){ .has_zlib = false };
}

/* More room for what comes out. False: the bound is reached. */
static bool grow(struct lb_buffer *out)
{
    size_t more = out->capacity > 0 ? out->capacity : OUT_FIRST;

    if (out->len < out->capacity)
        return true;
    if (more > out->bytes_max - out->len)
        more = out->bytes_max - out->len;
    return more > 0 && lb_buffer_reserve(out, more);
}

static enum lb_err inflate_zlib(struct inflater *self, struct lb_str bytes)
{
    z_stream *stream = &self->zlib;
    int result = inflateReset2(stream, ANY_ZLIB);

    stream->next_in = (unsigned char *)(uintptr_t)bytes.ptr; /* it is not written to */
    stream->avail_in = (unsigned)bytes.len;
    while (result == Z_OK && grow(&self->out)) {
        size_t room = self->out.capacity - self->out.len;

        stream->next_out = (unsigned char *)self->out.ptr + self->out.len;
        stream->avail_out = (unsigned)room;
        result = inflate(stream, Z_NO_FLUSH);
        self->out.len += room - stream->avail_out;
        if (result == Z_STREAM_END && stream->avail_in > 0)
            result = inflateReset(stream);
    }
    if (result == Z_STREAM_END)
        return LB_OK;
    return result == Z_OK ? LB_LIMIT : LB_BAD_INPUT;
}

static enum lb_err inflate_zstd(struct inflater *self, struct lb_str bytes)
{
    ZSTD_inBuffer in = { bytes.ptr, bytes.len, 0 };
    size_t left = 1;

    (void)ZSTD_DCtx_reset(self->zstd, ZSTD_reset_session_only);
    while ((left != 0 || in.pos < in.size) && grow(&self->out)) {
        ZSTD_outBuffer out = { self->out.ptr, self->out.capacity, self->out.len };
        size_t had = in.pos + out.pos;

        left = ZSTD_decompressStream(self->zstd, &out, &in);
        if (ZSTD_isError(left) || (left != 0 && in.pos + out.pos == had))
            return LB_BAD_INPUT;
        self->out.len = out.pos;
    }
    return left == 0 && in.pos == in.size ? LB_OK : LB_LIMIT;
}

enum lb_err inflate_bytes(struct inflater *self, enum inflate_kind kind, struct lb_str bytes)
{
    if (self->out.capacity > KEEP_BYTES)
        lb_buffer_free(&self->out);
    lb_buffer_reset(&self->out);
    return kind == INFLATE_ZSTD ? inflate_zstd(self, bytes) : inflate_zlib(self, bytes);
}
