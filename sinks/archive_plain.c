/*
 * archive_plain.c - archives read without an index: independent frames by
 * their headers, and any other file from front to back.
 *
 * Damaged bytes between two frames are a block of their own with raw 0, so
 * that who reads the blocks meets the damage at its place.
 */
#include "lb_archive.h"

#include "archive_walk.h"

#include "lb_alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { BLOCK_RAW_MAX = 16 * 1024 * 1024, PIECE = 1024 * 1024, INPUT = 128 * 1024, LINE_MAX_BYTES = 64 * 1024 * 1024 };
enum coding { CODING_PLAIN, CODING_GZIP, CODING_ZSTD };

struct lb_archive {
    int fd;
    struct lb_archive_summary summary;
    struct lb_archive_block *blocks;
    uint32_t capacity;
    uint64_t walked; /* frames up to here are in `blocks` */

    /* Of a stream. */
    enum coding coding;
    ZSTD_DCtx *context;
    z_stream gzip;
    bool inside; /* a member or frame has begun and not ended */
    bool ended;
    enum lb_err end; /* how */
    lb_archive_reason end_reason;
    char *input;
    size_t input_at, input_end;
    char *text;
    size_t text_size, text_len, handed; /* `handed` bytes at the front went to the caller */
};

struct lb_archive_decoder {
    ZSTD_DCtx *context;
    char *packed;
    char *raw;
    size_t packed_size, raw_size;
};

static bool grow(char **buffer, size_t *size, size_t wanted)
{
    if (wanted <= *size)
        return true;
    char *grown = lb_realloc(*buffer, wanted);
    if (grown == NULL)
        return false;
    *buffer = grown;
    *size = wanted;
    return true;
}

static bool add_block(struct lb_archive *archive, const struct archive_frame_at *frame)
{
    if (archive->blocks == NULL || archive->summary.block_count == archive->capacity) {
        uint32_t capacity = archive->capacity > 0 ? archive->capacity * 2 : 64;
        struct lb_archive_block *blocks = lb_realloc(archive->blocks, capacity * sizeof(*blocks));

        if (blocks == NULL)
            return false;
        archive->blocks = blocks;
        archive->capacity = capacity;
    }
    archive->blocks[archive->summary.block_count++] = (struct lb_archive_block){
        .offset = archive->walked,
        .packed = (uint32_t)frame->packed,
        .raw = frame->kind == ARCHIVE_FRAME_DATA ? (uint32_t)frame->raw : 0,
        .first_ns = INT64_MAX,
        .last_ns = INT64_MIN,
    };
    return true;
}

/* LB_LIMIT: a frame too large for a block, or of unknown size. `torn`: whether bytes of a torn frame are a block. */
static enum lb_err walk_on(struct lb_archive *archive, uint64_t size, bool torn)
{
    struct archive_frame_at frame;

    for (; archive->walked < size; archive->walked += frame.packed) {
        if (!archive_walk(archive->fd, archive->walked, size, &frame))
            return LB_IO;
        if (frame.kind == ARCHIVE_FRAME_TORN && !torn)
            break;
        if (frame.kind == ARCHIVE_FRAME_DATA && frame.raw > BLOCK_RAW_MAX)
            return LB_LIMIT;
        if (frame.kind != ARCHIVE_FRAME_SKIPPABLE && !add_block(archive, &frame))
            return LB_NOMEM;
    }
    archive->summary.packed_bytes = size;
    return LB_OK;
}

static enum lb_err open_stream(struct lb_archive *archive)
{
    archive->summary.kind = LB_ARCHIVE_STREAM;
    archive->summary.block_count = 0;
    archive->input = lb_alloc(INPUT);
    if (archive->input == NULL)
        return LB_NOMEM;
    while (archive->input_end < 4) {
        ssize_t got = read(archive->fd, archive->input + archive->input_end, INPUT - archive->input_end);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return LB_IO;
        if (got == 0)
            break;
        archive->input_end += (size_t)got;
    }
    if (archive->input_end >= 2 && memcmp(archive->input, "\x1f\x8b", 2) == 0)
        archive->coding = CODING_GZIP;
    else if (archive->input_end >= 4 && memcmp(archive->input, "\x28\xb5\x2f\xfd", 4) == 0)
        archive->coding = CODING_ZSTD;
    if (archive->coding == CODING_ZSTD && (archive->context = ZSTD_createDCtx()) == NULL)
        return LB_NOMEM;
    if (archive->coding == CODING_GZIP && inflateInit2(&archive->gzip, 15 + 16) != Z_OK)
        return LB_NOMEM;
    return LB_OK;
}

static bool ends_in_seek_table(int fd, uint64_t size)
{
    unsigned char bytes[4];

    return size > 9 && pread(fd, bytes, 4, (off_t)(size - 4)) == 4 && memcmp(bytes, "\xb1\xea\x92\x8f", 4) == 0;
}

static enum lb_err open_file(struct lb_archive *archive, uint64_t size)
{
    unsigned char magic[4];

    if (pread(archive->fd, magic, 4, 0) != 4 || (memcmp(magic, "\x28\xb5\x2f\xfd", 4) != 0 &&
                                                 (memcmp(magic + 1, "\x2a\x4d\x18", 3) != 0 || magic[0] >> 4 != 5)))
        return open_stream(archive);
    archive->summary.kind = ends_in_seek_table(archive->fd, size) ? LB_ARCHIVE_SEALED : LB_ARCHIVE_BLOCKS;
    enum lb_err err = walk_on(archive, size, true);
    return err == LB_LIMIT ? open_stream(archive) : err;
}

static struct lb_archive *new_archive(const char *path)
{
    struct lb_archive *self = lb_alloc(sizeof(*self));

    if (self == NULL)
        return NULL;
    self->summary.first_ns = INT64_MAX;
    self->summary.last_ns = INT64_MIN;
    self->fd = open(path, O_RDONLY | O_CLOEXEC);
    return self;
}

enum lb_err lb_archive_open(struct lb_archive **archive, const char *path, lb_archive_reason *reason)
{
    struct lb_archive *self = new_archive(path);
    struct stat status;
    enum lb_err err = LB_IO;

    *archive = NULL;
    *reason = NULL;
    if (self == NULL)
        return LB_NOMEM;
    if (self->fd >= 0 && fstat(self->fd, &status) == 0) {
        self->summary.packed_bytes = (uint64_t)status.st_size;
        if (S_ISDIR(status.st_mode))
            errno = EISDIR;
        else
            err = S_ISREG(status.st_mode) ? open_file(self, (uint64_t)status.st_size) : open_stream(self);
    }
    if (err == LB_OK) {
        *archive = self;
        return LB_OK;
    }
    int saved = errno;
    lb_archive_close(self);
    errno = saved;
    return err;
}

void lb_archive_close(struct lb_archive *archive)
{
    if (archive->fd >= 0)
        close(archive->fd);
    if (archive->coding == CODING_GZIP)
        inflateEnd(&archive->gzip);
    ZSTD_freeDCtx(archive->context);
    lb_free(archive->blocks);
    lb_free(archive->input);
    lb_free(archive->text);
    lb_free(archive);
}

const struct lb_archive_summary *lb_archive_summary(const struct lb_archive *archive)
{
    return &archive->summary;
}

const struct lb_archive_block *lb_archive_blocks(const struct lb_archive *archive)
{
    return archive->blocks;
}

enum lb_err lb_archive_select(const struct lb_archive *archive, const struct lb_archive_query *query, uint64_t *bits)
{
    (void)query;
    for (uint32_t i = 0; i < archive->summary.block_count; i++)
        bits[i / 64] |= UINT64_C(1) << (i % 64);
    return LB_OK;
}

enum lb_err lb_archive_refresh(struct lb_archive *archive)
{
    struct stat status;

    if (archive->summary.kind != LB_ARCHIVE_BLOCKS)
        return LB_OK;
    if (fstat(archive->fd, &status) != 0)
        return LB_IO;
    /* The reserve at the end becomes data. */
    const struct lb_archive_block *last =
        archive->summary.block_count > 0 ? &archive->blocks[archive->summary.block_count - 1] : NULL;
    archive->walked = last != NULL ? last->offset + last->packed : 0;
    return walk_on(archive, (uint64_t)status.st_size, false);
}

struct lb_archive_decoder *lb_archive_decoder_new(void)
{
    struct lb_archive_decoder *decoder = lb_alloc(sizeof(*decoder));

    if (decoder != NULL && (decoder->context = ZSTD_createDCtx()) == NULL) {
        lb_free(decoder);
        return NULL;
    }
    return decoder;
}

void lb_archive_decoder_free(struct lb_archive_decoder *decoder)
{
    ZSTD_freeDCtx(decoder->context);
    lb_free(decoder->packed);
    lb_free(decoder->raw);
    lb_free(decoder);
}

enum lb_err lb_archive_read(struct lb_archive *archive, struct lb_archive_decoder *decoder, uint32_t block, bool verify,
                            struct lb_str *text, lb_archive_reason *reason)
{
    const struct lb_archive_block *at = &archive->blocks[block];

    (void)verify; /* the checksum is always looked at */
    *text = (struct lb_str){ "", 0 };
    *reason = "it is no frame of zstd, or one that was cut off";
    if (at->raw == 0)
        return LB_BAD_INPUT;
    if (!grow(&decoder->packed, &decoder->packed_size, at->packed) ||
        !grow(&decoder->raw, &decoder->raw_size, (size_t)at->raw + 1))
        return LB_NOMEM;
    ssize_t got = pread(archive->fd, decoder->packed, at->packed, (off_t)at->offset);
    *reason = NULL;
    if (got < 0)
        return LB_IO;
    *reason = "the file was cut short meanwhile";
    if (got != (ssize_t)at->packed)
        return LB_BAD_INPUT;
    size_t raw = ZSTD_decompressDCtx(decoder->context, decoder->raw, at->raw, decoder->packed, at->packed);
    *reason = ZSTD_getErrorName(raw);
    if (ZSTD_isError(raw) != 0)
        return LB_BAD_INPUT;
    *reason = NULL;
    if (raw > 0 && decoder->raw[raw - 1] != '\n')
        decoder->raw[raw++] = '\n';
    *text = (struct lb_str){ decoder->raw, raw };
    return LB_OK;
}

/* Unpacks some input into the text. */
static enum lb_err unpack(struct lb_archive *archive, lb_archive_reason *reason)
{
    size_t available = archive->input_end - archive->input_at;
    size_t room = archive->text_size - archive->text_len;
    char *out = archive->text + archive->text_len;

    if (archive->coding == CODING_PLAIN) {
        size_t count = available < room ? available : room;
        memcpy(out, archive->input + archive->input_at, count);
        archive->input_at += count;
        archive->text_len += count;
    } else if (archive->coding == CODING_ZSTD) {
        ZSTD_inBuffer from = { archive->input, archive->input_end, archive->input_at };
        ZSTD_outBuffer to = { out, room, 0 };
        size_t left = ZSTD_decompressStream(archive->context, &to, &from);

        archive->input_at = from.pos;
        archive->text_len += to.pos;
        archive->inside = left != 0;
        *reason = ZSTD_getErrorName(left);
        if (ZSTD_isError(left) != 0)
            return LB_BAD_INPUT;
    } else {
        archive->gzip.next_in = (unsigned char *)archive->input + archive->input_at;
        archive->gzip.avail_in = (unsigned)available;
        archive->gzip.next_out = (unsigned char *)out;
        archive->gzip.avail_out = (unsigned)room;
        int got = inflate(&archive->gzip, Z_NO_FLUSH);

        archive->input_at = archive->input_end - archive->gzip.avail_in;
        archive->text_len += room - archive->gzip.avail_out;
        archive->inside = got != Z_STREAM_END;
        *reason = "damaged gzip data";
        if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR)
            return LB_BAD_INPUT;
        if (got == Z_STREAM_END)
            inflateReset(&archive->gzip);
    }
    return LB_OK;
}

/* LB_END: there is no more input. */
static enum lb_err fill(struct lb_archive *archive, lb_archive_reason *reason)
{
    if (archive->input_at == archive->input_end) {
        ssize_t got;

        do
            got = read(archive->fd, archive->input, INPUT);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return LB_IO;
        archive->input_at = 0;
        archive->input_end = (size_t)got;
        *reason = "it ends in the middle of a frame";
        if (got == 0)
            return archive->inside ? LB_BAD_INPUT : LB_END;
    }
    return unpack(archive, reason);
}

static size_t whole_lines(const struct lb_archive *archive)
{
    const char *end = archive->text_len > 0 ? memrchr(archive->text, '\n', archive->text_len) : NULL;

    return end != NULL ? (size_t)(end - archive->text) + 1 : 0;
}

enum lb_err lb_archive_next(struct lb_archive *archive, struct lb_archive_decoder *decoder, struct lb_str *text,
                            lb_archive_reason *reason)
{
    (void)decoder;
    *reason = NULL;
    if (archive->handed > 0)
        memmove(archive->text, archive->text + archive->handed, archive->text_len - archive->handed);
    archive->text_len -= archive->handed;
    archive->handed = 0;
    while (!archive->ended && (archive->text_len < PIECE || whole_lines(archive) == 0)) {
        if (archive->text_len > LINE_MAX_BYTES) {
            *reason = "it has a line of more than 64 MiB";
            return LB_BAD_INPUT;
        }
        if (archive->text_size - archive->text_len < INPUT &&
            !grow(&archive->text, &archive->text_size, archive->text_size + PIECE + INPUT))
            return LB_NOMEM;
        archive->end = fill(archive, &archive->end_reason);
        archive->ended = archive->end != LB_OK;
    }
    archive->handed = archive->ended && archive->end == LB_END ? archive->text_len : whole_lines(archive);
    if (archive->handed == 0) {
        *reason = archive->end == LB_BAD_INPUT ? archive->end_reason : NULL;
        return archive->end;
    }
    if (archive->text[archive->handed - 1] != '\n') {
        if (!grow(&archive->text, &archive->text_size, archive->text_len + 1))
            return LB_NOMEM;
        archive->text[archive->text_len++] = '\n';
        archive->handed = archive->text_len;
    }
    *text = (struct lb_str){ archive->text, archive->handed };
    return LB_OK;
}

enum lb_err lb_archive_index(const char *path, lb_archive_reason *reason)
{
    (void)path;
    *reason = "this build has no index";
    return LB_BAD_INPUT;
}
