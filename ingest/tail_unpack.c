/*
 * tail_unpack.c - gzip and zstd, by zlib and libzstd.
 *
 * The tricky thing is where a text ends: a decoder that has seen the end of a
 * member or frame and finds nothing behind it is at the end; one that finds
 * nothing in the middle is short, and asked again when the file has grown.
 */
#include "tail_unpack.h"

#include "tail.h"

#include "lb_alloc.h"

#include <zlib.h>
#include <zstd.h>

enum {
    INPUT_BYTES = 64 * 1024,
    GZIP_WINDOW = 15 + 16, /* the largest, with gzip's header */
    ZSTD_WINDOW_LOG_MAX = 27,
};

struct lb_unpack {
    enum lb_unpack_kind kind;
    uint64_t position; /* in the file, behind the input */
    size_t input_at;
    size_t input_len;
    bool between; /* a member or frame has ended, none has begun */
    bool bad;
    const char *reason;
    z_stream gzip;
    ZSTD_DStream *zstd;
    char input[INPUT_BYTES];
};

enum lb_unpack_kind lb_unpack_kind(const char *path)
{
    const char *ending = lb_tail_packed(path);

    if (ending == NULL)
        return LB_UNPACK_NONE;
    if (strcmp(ending, ".gz") == 0)
        return LB_UNPACK_GZIP;
    return strcmp(ending, ".zst") == 0 ? LB_UNPACK_ZSTD : LB_UNPACK_NONE;
}

static void *take_memory(void *context, unsigned count, unsigned size)
{
    (void)context;
    return lb_alloc((size_t)count * size);
}

static void give_memory(void *context, void *memory)
{
    (void)context;
    lb_free(memory);
}

struct lb_unpack *lb_unpack_new(enum lb_unpack_kind kind)
{
    struct lb_unpack *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->kind = kind;
    if (kind == LB_UNPACK_GZIP) {
        self->gzip.zalloc = take_memory;
        self->gzip.zfree = give_memory;
        if (inflateInit2(&self->gzip, GZIP_WINDOW) == Z_OK)
            return self;
    } else {
        self->zstd = ZSTD_createDStream();
        if (self->zstd != NULL &&
            ZSTD_isError(ZSTD_DCtx_setParameter(self->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)) == 0)
            return self;
        ZSTD_freeDStream(self->zstd);
    }
    lb_free(self);
    return NULL;
}

void lb_unpack_free(struct lb_unpack *self)
{
    if (self == NULL)
        return;
    if (self->kind == LB_UNPACK_GZIP)
        inflateEnd(&self->gzip);
    else
        ZSTD_freeDStream(self->zstd);
    lb_free(self);
}

const char *lb_unpack_reason(const struct lb_unpack *self)
{
    return self->reason != NULL ? self->reason : "";
}

uint64_t lb_unpack_position(const struct lb_unpack *self)
{
    return self->position;
}

static void fail(struct lb_unpack *self, const char *reason)
{
    self->bad = true;
    self->reason = reason;
}

/* One call of zlib. Behind a member another one follows, or zeros as tapes have them. */
static void step_gzip(struct lb_unpack *self, char *out, size_t size, size_t *got)
{
    z_stream *stream = &self->gzip;

    while (self->between && self->input_at < self->input_len && self->input[self->input_at] == '\0')
        self->input_at++;
    if (self->between && self->input_at == self->input_len)
        return;
    stream->next_in = (Bytef *)self->input + self->input_at;
    stream->avail_in = (uInt)(self->input_len - self->input_at);
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)size;
    self->between = false;
    int result = inflate(stream, Z_NO_FLUSH);
    *got = size - stream->avail_out;
    self->input_at = self->input_len - stream->avail_in;
    if (result == Z_STREAM_END) {
        self->between = true;
        if (inflateReset(stream) != Z_OK)
            fail(self, "zlib cannot go on");
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
        fail(self, stream->msg != NULL ? stream->msg : "zlib cannot read it");
    }
}

static void step_zstd(struct lb_unpack *self, char *out, size_t size, size_t *got)
{
    ZSTD_outBuffer output = { out, size, 0 };
    ZSTD_inBuffer input = { self->input, self->input_len, self->input_at };
    size_t result = ZSTD_decompressStream(self->zstd, &output, &input);

    *got = output.pos;
    self->input_at = input.pos;
    if (ZSTD_isError(result) != 0)
        fail(self, ZSTD_getErrorName(result));
    self->between = result == 0;
}

static ssize_t refill(struct lb_unpack *self, int fd)
{
    ssize_t len = lb_tail_pread(fd, self->input, INPUT_BYTES, self->position);

    if (len > 0) {
        self->position += (uint64_t)len;
        self->input_at = 0;
        self->input_len = (size_t)len;
    }
    return len;
}

enum lb_unpack_step lb_unpack_read(struct lb_unpack *self, int fd, char *out, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size && !self->bad) {
        bool drained = self->input_at == self->input_len;
        size_t made = 0;
        ssize_t len = drained ? refill(self, fd) : 1;

        if (len < 0)
            return LB_UNPACK_FAILED;
        /* A decoder may hold output for which there was no room. */
        if (len == 0 && self->between)
            return LB_UNPACK_END;
        if (self->kind == LB_UNPACK_GZIP)
            step_gzip(self, out + *got, size - *got, &made);
        else
            step_zstd(self, out + *got, size - *got, &made);
        *got += made;
        if (len == 0 && made == 0 && !self->bad)
            return LB_UNPACK_SHORT;
    }
    return self->bad ? LB_UNPACK_BAD : LB_UNPACK_MORE;
}
