/*
 * archive_repair.c - makes damaged frames skippable, in place.
 *
 * A frame whose first eight bytes become {0x184D2A5C, length} is passed over
 * by every zstd reader, which then reads the frames behind it. No byte moves,
 * so seek table and index keep their offsets; they are told that the block is
 * gone. An index that is damaged itself is made anew, by sealing once more.
 */
#include "archive_bytes.h"
#include "archive_index.h"
#include "archive_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { SEAL_LEVEL = 9 };

struct repair {
    int fd;
    uint64_t size;
    struct timespec times[2]; /* of the file before */
    ZSTD_DCtx *context;
    void *packed;
    void *raw;
    size_t packed_size;
    size_t raw_size;
};

/* LB_BAD_INPUT: its bytes are not what was written. */
static enum lb_err check(struct repair *self, uint64_t offset, const struct archive_frame_at *frame)
{
    if (frame->raw > ARCHIVE_BLOCK_RAW_MAX || frame->packed > ZSTD_compressBound(ARCHIVE_BLOCK_RAW_MAX))
        return LB_LIMIT;
    if (!grow_bytes(&self->packed, &self->packed_size, frame->packed) ||
        !grow_bytes(&self->raw, &self->raw_size, frame->raw > 0 ? frame->raw : 1))
        return LB_NOMEM;
    if (!archive_read_at(self->fd, self->packed, frame->packed, offset))
        return LB_IO;
    size_t raw = ZSTD_decompressDCtx(self->context, self->raw, self->raw_size, self->packed, frame->packed);
    return ZSTD_isError(raw) != 0 || raw != frame->raw ? LB_BAD_INPUT : LB_OK;
}

static bool make_skippable(struct repair *self, uint64_t offset, uint64_t packed)
{
    unsigned char header[ARCHIVE_FRAME_HEADER];

    put_u32(header, ARCHIVE_MAGIC_HOLE);
    put_u32(header + 4, (uint32_t)(packed - sizeof(header)));
    return archive_write_at(self->fd, header, sizeof(header), offset);
}

/* LB_OK: nothing is wrong with the frame, or nothing is left of what was. */
static enum lb_err repair_frame(struct repair *self, uint64_t offset, const struct archive_frame_at *frame,
                                lb_archive_reason *reason)
{
    if (offset == 0 && frame->packed == self->size)
        *reason = "it holds no whole frame of zstd";
    else if (frame->kind == ARCHIVE_FRAME_TORN || frame->packed < ARCHIVE_FRAME_HEADER)
        *reason = "it ends in the middle of a frame; `logboom recover` cuts that off";
    else
        return make_skippable(self, offset, frame->packed) ? LB_OK : LB_IO;
    return LB_BAD_INPUT;
}

static enum lb_err repair_file(struct repair *self, uint32_t *blocks, uint64_t *bytes, lb_archive_reason *reason)
{
    struct archive_frame_at frame;

    for (uint64_t offset = 0; offset < self->size; offset += frame.packed) {
        if (!archive_walk(self->fd, offset, self->size, &frame))
            return LB_IO;
        enum lb_err err = frame.kind > ARCHIVE_FRAME_SKIPPABLE ? LB_BAD_INPUT : LB_OK;
        if (frame.kind == ARCHIVE_FRAME_DATA)
            err = check(self, offset, &frame);
        if (err == LB_OK)
            continue;
        if (err == LB_LIMIT)
            *reason = "it has a frame larger than 128 MiB, or one that does not say its size";
        else if (err == LB_BAD_INPUT)
            err = repair_frame(self, offset, &frame, reason);
        if (err != LB_OK)
            return err == LB_LIMIT ? LB_BAD_INPUT : err;
        (*blocks)++;
        *bytes += frame.packed;
    }
    return LB_OK;
}

/* --- the index ---------------------------------------------------------------------- */

static bool clear_entry(struct repair *self, const struct archive_index *index, uint32_t block)
{
    unsigned char raw[4] = { 0 };
    uint64_t table = index->at + index->bytes + ARCHIVE_FRAME_HEADER;

    return archive_write_at(self->fd, raw, sizeof(raw), table + (uint64_t)block * ARCHIVE_SEEK_ENTRY + 4);
}

static bool is_hole(struct repair *self, const struct lb_archive_block *block)
{
    unsigned char header[ARCHIVE_FRAME_HEADER];

    return archive_read_at(self->fd, header, sizeof(header), block->offset) && get_u32(header) == ARCHIVE_MAGIC_HOLE &&
           get_u32(header + 4) == block->packed - sizeof(header);
}

/* The index says where blocks are: a flipped byte in a header cannot lead astray. */
static enum lb_err repair_block(struct repair *self, struct archive_index *index, uint32_t number, bool *lost,
                                bool *changed)
{
    struct lb_archive_block *block = &index->blocks[number];
    struct archive_frame_at frame = { ARCHIVE_FRAME_DATA, block->packed, block->raw };

    *lost = false;
    if ((index->more[number].flags & ARCHIVE_BLOCK_GONE) != 0)
        return LB_OK;
    bool hole = is_hole(self, block);
    enum lb_err err = block->raw > 0 && !hole ? check(self, block->offset, &frame) : LB_BAD_INPUT;
    if (err != LB_BAD_INPUT)
        return err;
    *lost = !hole;
    *changed = true;
    if (!make_skippable(self, block->offset, block->packed) || !clear_entry(self, index, number))
        return LB_IO;
    index->raw_bytes -= block->raw;
    index->lines -= block->lines;
    index->more[number] = (struct archive_block_more){ .flags = ARCHIVE_BLOCK_GONE };
    *block = (struct lb_archive_block){
        .offset = block->offset, .packed = block->packed, .first_ns = INT64_MAX, .last_ns = INT64_MIN
    };
    return LB_OK;
}

static enum lb_err repair_sealed(struct repair *self, struct archive_index *index, uint32_t *blocks, uint64_t *bytes)
{
    enum lb_err err = LB_OK;
    bool changed = false;

    for (uint32_t i = 0; err == LB_OK && i < index->block_count; i++) {
        bool lost = false;

        err = repair_block(self, index, i, &lost, &changed);
        *blocks += lost;
        *bytes += lost ? index->blocks[i].packed : 0;
    }
    return err == LB_OK && changed ? archive_index_mend(self->fd, index) : err;
}

static enum lb_err seal_again(struct repair *self, const char *path, lb_archive_reason *reason)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    struct lb_seal_result result;
    struct stat status;
    char temp[PATH_MAX];

    if (fstat(self->fd, &status) != 0)
        return LB_IO;
    if (snprintf(temp, sizeof(temp), "%.*s.%s.repair", (int)(base - path), path, base) >= (int)sizeof(temp)) {
        errno = ENAMETOOLONG;
        return LB_IO;
    }
    struct lb_seal_options options = {
        .level = SEAL_LEVEL, .again = true, .temp = temp, .mode = status.st_mode & 07777
    };
    return lb_archive_seal(path, &options, &result, reason);
}

/* Opening looks at the tables alone. */
static enum lb_err check_index(const char *path, lb_archive_reason *reason)
{
    struct lb_archive *archive = NULL;
    enum lb_err err = lb_archive_open(&archive, path, reason);

    if (err != LB_OK)
        return err;
    err = lb_archive_check_index(archive, reason);
    lb_archive_close(archive);
    return err;
}

static enum lb_err repair_any(struct repair *self, const char *path, uint32_t *blocks, uint64_t *bytes,
                              lb_archive_reason *reason)
{
    struct archive_index *index = NULL;
    enum lb_err found = archive_index_find(&index, self->fd, self->size, reason);
    enum lb_err err = found;

    *reason = NULL;
    if (found == LB_OK)
        err = repair_sealed(self, index, blocks, bytes);
    else if (found == LB_END || found == LB_BAD_INPUT)
        err = repair_file(self, blocks, bytes, reason);
    archive_index_free(index);
    /* The file is no younger for it: retention goes by its time. */
    if (err == LB_OK && (futimens(self->fd, self->times) != 0 || fsync(self->fd) != 0))
        err = LB_IO;
    if (err == LB_OK && found == LB_OK)
        found = check_index(path, reason);
    *reason = err == LB_BAD_INPUT ? *reason : NULL;
    if (err != LB_OK || found != LB_BAD_INPUT)
        return err;
    err = seal_again(self, path, reason);
    if (err == LB_OK)
        *reason = "its index was damaged and is made anew";
    return err;
}

enum lb_err lb_archive_repair(const char *path, uint32_t *blocks, uint64_t *bytes, lb_archive_reason *reason)
{
    struct repair self = { .fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), .context = ZSTD_createDCtx() };
    struct stat status;
    enum lb_err err = LB_IO;

    *blocks = 0;
    *bytes = 0;
    if (self.fd >= 0 && self.context == NULL) {
        err = LB_NOMEM;
    } else if (self.fd >= 0 && fstat(self.fd, &status) == 0) {
        self.size = (uint64_t)status.st_size;
        self.times[0] = status.st_atim;
        self.times[1] = status.st_mtim;
        err = repair_any(&self, path, blocks, bytes, reason);
    }
    int saved = errno;
    ZSTD_freeDCtx(self.context);
    lb_free(self.packed);
    lb_free(self.raw);
    if (self.fd >= 0)
        close(self.fd);
    errno = saved;
    return err;
}
