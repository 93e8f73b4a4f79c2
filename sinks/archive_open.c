/*
 * archive_open.c - archives of every kind: opened, and read block by block.
 *
 * Without an index the blocks are the frames, found by their headers. Damaged
 * bytes between two frames are a block of their own with raw 0, so that who
 * reads the blocks meets the damage at its place.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for the name of a parameter */
#include "archive_bytes.h"
#include "archive_reader.h"
#include "archive_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_RAW_MAX = 16 * 1024 * 1024, SLACK = 8 };

static bool add_block(struct lb_archive *archive, const struct archive_frame_at *frame)
{
    uint32_t count = archive->summary.block_count;

    if (!grow_bytes((void **)&archive->blocks, &archive->blocks_size, (count + 1) * sizeof(*archive->blocks)) ||
        archive->blocks == NULL)
        return false;
    archive->blocks[count] = (struct lb_archive_block){
        .offset = archive->walked,
        .packed = (uint32_t)frame->packed,
        .raw = frame->kind == ARCHIVE_FRAME_DATA ? (uint32_t)frame->raw : 0,
        .first_ns = INT64_MAX,
        .last_ns = INT64_MIN,
    };
    archive->summary.block_count++;
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
        bool empty = frame.kind == ARCHIVE_FRAME_SKIPPABLE || (frame.kind == ARCHIVE_FRAME_DATA && frame.raw == 0);
        if (!empty && !add_block(archive, &frame))
            return LB_NOMEM;
    }
    archive->summary.packed_bytes = size;
    return LB_OK;
}

static enum lb_err open_stream(struct lb_archive *archive)
{
    archive->summary.kind = LB_ARCHIVE_STREAM;
    archive->summary.block_count = 0;
    return archive_stream_open(&archive->stream, archive->fd);
}

/* --- with an index ------------------------------------------------------------------ */

/* All services are known by name. */
static bool knows_services(const struct archive_index *index)
{
    for (uint32_t i = 0; i < index->block_count; i++) {
        if ((index->more[i].services & ARCHIVE_SERVICE_OTHER) != 0)
            return false;
    }
    return true;
}

static void take_index(struct lb_archive *archive, struct archive_index *index)
{
    struct lb_archive_summary *summary = &archive->summary;

    archive->index = index;
    summary->kind = LB_ARCHIVE_SEALED;
    summary->block_count = index->block_count;
    summary->raw_bytes = index->raw_bytes;
    summary->index_bytes = index->bytes;
    summary->first_ns = index->first_ns;
    summary->last_ns = index->last_ns;
    if (knows_services(index)) {
        summary->services = index->services;
        summary->service_count = index->service_count;
    }
}

/* Its own index, or one beside it. LB_END: none, or none that can be used: then `reason` says why. */
static enum lb_err find_index(struct lb_archive *archive, const char *path, uint64_t size, lb_archive_reason *reason)
{
    struct archive_index *index = NULL;
    enum lb_err err = archive_index_find(&index, archive->fd, size, reason);

    if (err == LB_END)
        err = archive_sidecar_find(&index, path, archive->fd, reason);
    if (err == LB_OK)
        take_index(archive, index);
    return err == LB_BAD_INPUT || err == LB_IO ? LB_END : err;
}

/* --- opening ------------------------------------------------------------------------- */

static bool is_zstd(int fd)
{
    unsigned char magic[4];

    return archive_read_at(fd, magic, sizeof(magic), 0) &&
           (get_u32(magic) == ZSTD_MAGICNUMBER ||
            (get_u32(magic) & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START);
}

/* Other tools cut files into frames anywhere: then a line goes on in the next one. */
static enum lb_err find_cut_lines(struct lb_archive *archive, bool *cut)
{
    enum { LOOKED_AT = 2 };
    struct lb_archive_decoder *decoder = lb_archive_decoder_new();
    enum lb_err err = decoder != NULL ? LB_OK : LB_NOMEM;
    lb_archive_reason reason;
    struct lb_str text;

    *cut = false;
    for (uint32_t i = 0; err == LB_OK && i < LOOKED_AT && i + 1 < archive->summary.block_count; i++) {
        err = lb_archive_read(archive, decoder, i, false, &text, &reason);
        if (err == LB_OK && text.len > archive->blocks[i].raw) /* a newline was added */
            *cut = true;
        err = err == LB_NOMEM ? err : LB_OK;
    }
    if (decoder != NULL)
        lb_archive_decoder_free(decoder);
    return err;
}

static enum lb_err open_file(struct lb_archive *archive, const char *path, uint64_t size, lb_archive_reason *reason)
{
    bool cut = false;

    if (!is_zstd(archive->fd))
        return open_stream(archive);
    enum lb_err err = find_index(archive, path, size, reason);
    if (err != LB_END)
        return err;
    archive->summary.kind = LB_ARCHIVE_BLOCKS;
    err = walk_on(archive, size, true);
    if (err == LB_OK)
        err = find_cut_lines(archive, &cut);
    return err == LB_LIMIT || cut ? open_stream(archive) : err;
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
        else if (S_ISREG(status.st_mode))
            err = open_file(self, path, (uint64_t)status.st_size, reason);
        else
            err = open_stream(self);
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
    archive_stream_close(&archive->stream);
    archive_index_free(archive->index);
    lb_free(archive->blocks);
    lb_free(archive);
}

const struct lb_archive_summary *lb_archive_summary(const struct lb_archive *archive)
{
    return &archive->summary;
}

const struct lb_archive_block *lb_archive_blocks(const struct lb_archive *archive)
{
    return archive->index != NULL ? archive->index->blocks : archive->blocks;
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

/* --- reading --------------------------------------------------------------------------- */

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
    archive_terms_free(decoder->terms);
    lb_free(decoder->packed);
    lb_free(decoder->raw);
    lb_free(decoder);
}

/* A repair made the block skippable. */
static bool is_hole(const unsigned char *packed, uint32_t size)
{
    return get_u32(packed) == ARCHIVE_MAGIC_HOLE && get_u32(packed + 4) == size - ARCHIVE_FRAME_HEADER;
}

static enum lb_err unpack(struct lb_archive_decoder *decoder, const struct lb_archive_block *block, bool verify,
                          struct lb_str *text, lb_archive_reason *reason)
{
    if (block->packed >= ARCHIVE_FRAME_HEADER && is_hole(decoder->packed, block->packed))
        return LB_OK;
    *reason = "it is no frame of zstd, or one whose bytes are not those that were written";
    if (block->raw == 0)
        return LB_BAD_INPUT;
    ZSTD_DCtx_setParameter(decoder->context, ZSTD_d_forceIgnoreChecksum,
                           verify ? ZSTD_d_validateChecksum : ZSTD_d_ignoreChecksum);
    char *raw = decoder->raw;
    size_t size = ZSTD_decompressDCtx(decoder->context, raw, block->raw, decoder->packed, block->packed);
    *reason = ZSTD_getErrorName(size);
    if (ZSTD_isError(size) != 0)
        return LB_BAD_INPUT;
    *reason = "it holds another number of bytes than its index says";
    if (size != block->raw)
        return LB_BAD_INPUT;
    *reason = NULL;
    if (raw[size - 1] != '\n')
        raw[size++] = '\n';
    *text = (struct lb_str){ raw, size };
    return LB_OK;
}

enum lb_err lb_archive_read(struct lb_archive *archive, struct lb_archive_decoder *decoder, uint32_t block, bool verify,
                            struct lb_str *text, lb_archive_reason *reason)
{
    const struct lb_archive_block *at = &lb_archive_blocks(archive)[block];
    uint32_t size = at->raw > 0 || at->packed < ARCHIVE_FRAME_HEADER ? at->packed : ARCHIVE_FRAME_HEADER;

    *text = (struct lb_str){ "", 0 };
    *reason = NULL;
    if (!grow_bytes(&decoder->packed, &decoder->packed_size, size) ||
        !grow_bytes(&decoder->raw, &decoder->raw_size, (size_t)at->raw + 1 + SLACK))
        return LB_NOMEM;
    if (!archive_read_at(archive->fd, decoder->packed, size, at->offset)) {
        *reason = errno == 0 ? "the file was cut short meanwhile" : NULL;
        return errno == 0 ? LB_BAD_INPUT : LB_IO;
    }
    return unpack(decoder, at, verify, text, reason);
}
