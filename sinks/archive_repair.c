/*
 * archive_repair.c - makes damaged frames skippable, in place.
 *
 * A frame whose first eight bytes become {0x184D2A5C, length} is passed over
 * by every zstd reader, which then reads the frames behind it. Nothing else
 * of the file changes, so seek table and index keep their offsets.
 */
#include "lb_archive.h"

#include "archive_walk.h"

#include "lb_alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { MAGIC_DAMAGED = 0x184D2A5C, FRAME_MAX = 64 * 1024 * 1024 };

struct repair {
    int fd;
    uint64_t size;
    ZSTD_DCtx *context;
    char *packed;
    char *raw;
    size_t packed_size;
    size_t raw_size;
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

/* LB_BAD_INPUT: its bytes are not what was written. */
static enum lb_err check(struct repair *self, uint64_t offset, const struct archive_frame_at *frame)
{
    if (frame->raw > FRAME_MAX || frame->packed > FRAME_MAX)
        return LB_LIMIT;
    if (!grow(&self->packed, &self->packed_size, frame->packed) ||
        !grow(&self->raw, &self->raw_size, frame->raw > 0 ? frame->raw : 1))
        return LB_NOMEM;
    ssize_t got = pread(self->fd, self->packed, frame->packed, (off_t)offset);
    if (got != (ssize_t)frame->packed)
        return LB_IO;
    size_t raw = ZSTD_decompressDCtx(self->context, self->raw, self->raw_size, self->packed, frame->packed);
    return ZSTD_isError(raw) != 0 || raw != frame->raw ? LB_BAD_INPUT : LB_OK;
}

static bool make_skippable(struct repair *self, uint64_t offset, uint64_t packed)
{
    unsigned char header[8];

    for (int i = 0; i < 4; i++) {
        header[i] = (unsigned char)((uint32_t)MAGIC_DAMAGED >> (8 * i));
        header[4 + i] = (unsigned char)((packed - sizeof(header)) >> (8 * i));
    }
    return pwrite(self->fd, header, sizeof(header), (off_t)offset) == (ssize_t)sizeof(header);
}

/* LB_OK: nothing is wrong with the frame, or nothing is left of what was. */
static enum lb_err repair_frame(struct repair *self, uint64_t offset, const struct archive_frame_at *frame,
                                lb_archive_reason *reason)
{
    if (offset == 0 && frame->packed == self->size)
        *reason = "it holds no whole frame of zstd";
    else if (frame->kind == ARCHIVE_FRAME_TORN || frame->packed < 8)
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
            *reason = "it has a frame larger than 64 MiB, or one that does not say its size";
        else if (err == LB_BAD_INPUT)
            err = repair_frame(self, offset, &frame, reason);
        if (err != LB_OK)
            return err == LB_LIMIT ? LB_BAD_INPUT : err;
        (*blocks)++;
        *bytes += frame.packed;
    }
    return fsync(self->fd) == 0 ? LB_OK : LB_IO;
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
        err = repair_file(&self, blocks, bytes, reason);
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
