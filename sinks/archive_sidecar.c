/*
 * archive_sidecar.c - an index beside a file that is not ours: FILE.lbx.
 *
 * It is the payload of an index and nothing else. It belongs to one state of
 * the file: size, time of change, first and last bytes. Of another state it
 * is of no use, for blocks would be left out that hold a match.
 */
#include "archive_builder.h"
#include "archive_bytes.h"
#include "archive_reader.h"
#include "archive_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { PRINT_BYTES = 64 * 1024, FRAME_RAW_MAX = 16 * 1024 * 1024 };

struct state {
    uint64_t size;
    uint64_t mtime_ns;
    uint64_t print; /* of the first and the last bytes */
};

static enum lb_err read_state(int fd, struct state *state)
{
    unsigned char *bytes = lb_alloc(2 * (size_t)PRINT_BYTES);
    struct stat status;
    enum lb_err err = bytes != NULL ? LB_OK : LB_NOMEM;

    if (err == LB_OK && fstat(fd, &status) != 0)
        err = LB_IO;
    if (err == LB_OK) {
        uint64_t size = (uint64_t)status.st_size;
        size_t part = size < PRINT_BYTES ? (size_t)size : PRINT_BYTES;

        state->size = size;
        state->mtime_ns = (uint64_t)status.st_mtim.tv_sec * 1000000000 + (uint64_t)status.st_mtim.tv_nsec;
        if (!archive_read_at(fd, bytes, part, 0) || !archive_read_at(fd, bytes + part, part, size - part))
            err = LB_IO;
        else
            state->print = XXH64(bytes, 2 * part, 0);
    }
    lb_free(bytes);
    return err;
}

/* --- reading --------------------------------------------------------------------- */

static enum lb_err load(struct archive_index **index, int sidecar, int fd, lb_archive_reason *reason)
{
    struct state state = { 0 };
    struct stat status;

    *reason = "the index beside it cannot be read";
    if (fstat(sidecar, &status) != 0 || status.st_size < ARCHIVE_HEADER_BYTES || status.st_size > UINT32_MAX)
        return LB_BAD_INPUT;
    enum lb_err err = archive_index_load(index, sidecar, 0, (uint32_t)status.st_size, reason);
    if (err == LB_BAD_INPUT)
        *reason = "the index beside it is damaged; `logboom index` makes it anew";
    if (err != LB_OK)
        return err;
    err = read_state(fd, &state);
    if (err == LB_OK && state.size == (*index)->data_end && state.mtime_ns == (*index)->mtime_ns &&
        state.print == (*index)->print)
        return LB_OK;
    archive_index_free(*index);
    *index = NULL;
    *reason = "the index beside it is of another state of the file; `logboom index` makes it anew";
    return err == LB_OK ? LB_BAD_INPUT : err;
}

enum lb_err archive_sidecar_find(struct archive_index **index, const char *path, int fd, lb_archive_reason *reason)
{
    char name[PATH_MAX];

    *index = NULL;
    if (snprintf(name, sizeof(name), "%s.lbx", path) >= (int)sizeof(name))
        return LB_END;
    int sidecar = open(name, O_RDONLY | O_CLOEXEC);
    if (sidecar < 0)
        return LB_END;
    enum lb_err err = load(index, sidecar, fd, reason);
    if (err == LB_OK)
        (*index)->owns_fd = true;
    else
        close(sidecar);
    return err;
}

/* --- making ------------------------------------------------------------------------- */

struct making {
    lb_archive_reason *reason;
    int in, out;
    uint64_t written;
    struct state state;
    ZSTD_DCtx *unpacker;
    void *packed, *raw;
    size_t packed_size, raw_size;
    struct archive_builder builder;
};

static enum lb_err refuse(struct making *self, lb_archive_reason reason)
{
    *self->reason = reason;
    return LB_BAD_INPUT;
}

static enum lb_err take_frame(struct making *self, uint64_t offset, const struct archive_frame_at *frame)
{
    if (frame->raw > FRAME_RAW_MAX)
        return refuse(self, "a frame of it is larger than 16 MiB, or does not say its size: it can only be read from "
                            "front to back");
    if (frame->raw == 0)
        return LB_OK;
    if (!grow_bytes(&self->packed, &self->packed_size, frame->packed) ||
        !grow_bytes(&self->raw, &self->raw_size, frame->raw + ARCHIVE_SLACK))
        return LB_NOMEM;
    if (!archive_read_at(self->in, self->packed, frame->packed, offset))
        return LB_IO;
    size_t raw = ZSTD_decompressDCtx(self->unpacker, self->raw, frame->raw, self->packed, frame->packed);
    if (ZSTD_isError(raw) != 0 || raw != frame->raw)
        return archive_builder_add(&self->builder, offset, (uint32_t)frame->packed, NULL);
    struct lb_str text = { self->raw, raw };
    if (offset + frame->packed < self->state.size && text.ptr[text.len - 1] != '\n')
        return refuse(self, "its frames do not end at the ends of lines");
    return archive_builder_add(&self->builder, offset, (uint32_t)frame->packed, &text);
}

static enum lb_err take_file(struct making *self)
{
    struct archive_frame_at frame;
    enum lb_err err = LB_OK;

    for (uint64_t offset = 0; err == LB_OK && offset < self->state.size; offset += frame.packed) {
        if (!archive_walk(self->in, offset, self->state.size, &frame))
            return LB_IO;
        if (frame.kind == ARCHIVE_FRAME_DATA)
            err = take_frame(self, offset, &frame);
        else if (frame.kind != ARCHIVE_FRAME_SKIPPABLE && offset == 0 && frame.packed == self->state.size)
            err = refuse(self, "it is no .zst; only files of several zstd frames can have an index");
        else if (frame.kind != ARCHIVE_FRAME_SKIPPABLE && frame.packed <= UINT32_MAX &&
                 frame.packed >= ARCHIVE_FRAME_HEADER)
            err = archive_builder_add(&self->builder, offset, (uint32_t)frame.packed, NULL);
    }
    if (err == LB_OK && self->builder.index.block_count < 2)
        err = refuse(self, "it is a single frame, which can only be read from front to back");
    return err;
}

static enum lb_err put(void *context, const void *bytes, size_t len)
{
    struct making *self = context;

    if (!archive_write_at(self->out, bytes, len, self->written))
        return LB_IO;
    self->written += len;
    return LB_OK;
}

static enum lb_err write_sidecar(struct making *self, const char *temp, const char *name)
{
    struct archive_index *index = &self->builder.index;
    struct state now;

    enum lb_err err = archive_builder_end(&self->builder);
    if (err != LB_OK)
        return err;
    err = read_state(self->in, &now);
    if (err != LB_OK)
        return err;
    if (now.size != self->state.size || now.mtime_ns != self->state.mtime_ns)
        return refuse(self, "it changed while it was read");
    index->data_end = self->state.size;
    index->mtime_ns = self->state.mtime_ns;
    index->print = self->state.print;
    unlink(temp);
    self->out = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (self->out < 0)
        return LB_IO;
    err = archive_builder_write(&self->builder, put, self);
    if (err == LB_OK && (fsync(self->out) != 0 || rename(temp, name) != 0))
        err = LB_IO;
    int saved = errno;
    close(self->out);
    if (err != LB_OK)
        unlink(temp);
    errno = saved;
    return err;
}

/* .FILE.lbx and FILE.lbx in the directory of FILE. */
static bool names_of(const char *path, char *temp, char *name)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;

    return snprintf(name, PATH_MAX, "%s.lbx", path) < PATH_MAX &&
           snprintf(temp, PATH_MAX, "%.*s.%s.lbx", (int)(base - path), path, base) < PATH_MAX;
}

static enum lb_err make(struct making *self, const char *path)
{
    struct archive_index *own = NULL;
    char temp[PATH_MAX];
    char name[PATH_MAX];

    if (self->in < 0)
        return LB_IO;
    if (self->unpacker == NULL)
        return LB_NOMEM;
    if (!names_of(path, temp, name))
        return refuse(self, "its name is too long");
    enum lb_err err = read_state(self->in, &self->state);
    if (err != LB_OK)
        return err;
    err = archive_index_find(&own, self->in, self->state.size, self->reason);
    archive_index_free(own);
    if (err == LB_NOMEM)
        return err;
    if (err == LB_OK)
        return refuse(self, "it has its index inside");
    err = archive_builder_open(&self->builder, temp);
    if (err == LB_OK)
        err = take_file(self);
    if (err == LB_OK)
        err = write_sidecar(self, temp, name);
    int saved = errno;
    archive_builder_close(&self->builder);
    errno = saved;
    return err;
}

enum lb_err lb_archive_index(const char *path, lb_archive_reason *reason)
{
    struct making self = { .reason = reason, .in = open(path, O_RDONLY | O_CLOEXEC), .unpacker = ZSTD_createDCtx() };

    *reason = NULL;
    enum lb_err err = make(&self, path);
    int saved = errno;
    if (err != LB_BAD_INPUT)
        *reason = NULL;
    if (self.in >= 0)
        close(self.in);
    ZSTD_freeDCtx(self.unpacker);
    lb_free(self.packed);
    lb_free(self.raw);
    errno = saved;
    return err;
}
