/*
 * archive_seal.c - a live archive becomes a sealed one: larger frames at a
 * high level, an index, a seek table; by one rename over its own name.
 *
 * Memory holds one frame of the live file, the lines of one block and one
 * segment of the index. What cannot be read is carried over as it is: a frame
 * of the new file with the same bytes, so nothing is lost by sealing.
 */
#include "archive_builder.h"
#include "archive_bytes.h"
#include "archive_walk.h"

#include "lb_directories.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY = 256 * 1024, TABLE_MAX = 1024 * 1024 * 1024 };

struct seal {
    const struct lb_seal_options *options;
    lb_archive_reason *reason;
    int in, out;
    struct stat status; /* of the live file */
    uint64_t written;
    EVP_MD_CTX *hash;
    ZSTD_CCtx *packer;
    ZSTD_DCtx *unpacker;
    void *packed, *frame;
    size_t packed_size, frame_size;
    void *text; /* lines that are not written yet, and behind them room for a frame and the slack */
    size_t text_size, text_len;
    struct archive_builder builder;
    struct lb_buffer table; /* the seek table's entries */
    uint32_t damaged;
};

/* --- output ---------------------------------------------------------------------- */

static enum lb_err put(void *context, const void *bytes, size_t len)
{
    struct seal *self = context;

    if (!archive_write_at(self->out, bytes, len, self->written))
        return LB_IO;
    self->written += len;
    return EVP_DigestUpdate(self->hash, bytes, len) == 1 ? LB_OK : LB_NOMEM;
}

static enum lb_err put_entry(struct seal *self, uint32_t packed, uint32_t raw)
{
    unsigned char entry[ARCHIVE_SEEK_ENTRY];

    put_u32(entry, packed);
    put_u32(entry + 4, raw);
    lb_buffer_append(&self->table, (const char *)entry, sizeof(entry));
    return self->table.failed ? LB_NOMEM : LB_OK;
}

static bool is_told_to_stop(const struct seal *self)
{
    return self->options->stop != NULL && self->options->stop(self->options->context);
}

static enum lb_err put_block(struct seal *self, struct lb_str text)
{
    uint64_t offset = self->written;

    if (is_told_to_stop(self))
        return LB_AGAIN;
    if (!grow_bytes(&self->frame, &self->frame_size, ZSTD_compressBound(text.len)))
        return LB_NOMEM;
    size_t size = ZSTD_compress2(self->packer, self->frame, self->frame_size, text.ptr, text.len);
    if (ZSTD_isError(size) != 0)
        return LB_NOMEM;
    enum lb_err err = put(self, self->frame, size);
    if (err == LB_OK)
        err = archive_builder_add(&self->builder, offset, (uint32_t)size, &text);
    return err == LB_OK ? put_entry(self, (uint32_t)size, (uint32_t)text.len) : err;
}

/* Where a block of the waiting text ends: whole lines, as many as fit, one at least. 0: not yet. */
static size_t block_end(const char *text, size_t len, size_t block, bool all)
{
    if (len <= block)
        return all ? len : 0;
    const char *end = memrchr(text, '\n', block);
    if (end == NULL)
        end = memchr(text + block, '\n', len - block);
    if (end != NULL)
        return (size_t)(end - text) + 1;
    return all ? len : 0;
}

static enum lb_err put_blocks(struct seal *self, bool all)
{
    size_t block = self->options->block > 0 ? self->options->block : ARCHIVE_BLOCK_RAW;
    const char *text = self->text;
    size_t at = 0;
    size_t size;
    enum lb_err err = LB_OK;

    while (err == LB_OK && at < self->text_len && (size = block_end(text + at, self->text_len - at, block, all)) > 0) {
        err = put_block(self, (struct lb_str){ text + at, size });
        at += size;
    }
    if (at > 0)
        memmove(self->text, text + at, self->text_len - at);
    self->text_len -= at;
    return err;
}

/* --- input ------------------------------------------------------------------------- */

static enum lb_err put_damaged(struct seal *self, uint64_t offset, uint64_t size)
{
    enum lb_err err = put_blocks(self, true);
    uint64_t at = self->written;

    if (size > UINT32_MAX || size < ARCHIVE_FRAME_HEADER) {
        *self->reason = "a part of it is no frame of zstd";
        return LB_BAD_INPUT;
    }
    if (err == LB_OK && !grow_bytes(&self->packed, &self->packed_size, COPY))
        err = LB_NOMEM;
    for (uint64_t done = 0; err == LB_OK && done < size;) {
        size_t part = size - done < COPY ? (size_t)(size - done) : COPY;

        if (!archive_read_at(self->in, self->packed, part, offset + done))
            return LB_IO;
        err = put(self, self->packed, part);
        done += part;
    }
    if (err == LB_OK)
        err = archive_builder_add(&self->builder, at, (uint32_t)size, NULL);
    self->damaged++;
    return err == LB_OK ? put_entry(self, (uint32_t)size, 0) : err;
}

static enum lb_err take_frame(struct seal *self, uint64_t offset, const struct archive_frame_at *frame)
{
    if (frame->raw > ARCHIVE_BLOCK_RAW_MAX || frame->packed > ZSTD_compressBound(ARCHIVE_BLOCK_RAW_MAX)) {
        *self->reason = "it has a frame larger than 128 MiB, or one that does not say its size";
        return LB_BAD_INPUT;
    }
    if (!grow_bytes(&self->packed, &self->packed_size, frame->packed) ||
        !grow_bytes(&self->text, &self->text_size, self->text_len + frame->raw + ARCHIVE_SLACK))
        return LB_NOMEM;
    if (!archive_read_at(self->in, self->packed, frame->packed, offset))
        return LB_IO;
    size_t raw = ZSTD_decompressDCtx(self->unpacker, (char *)self->text + self->text_len, frame->raw, self->packed,
                                     frame->packed);
    if (ZSTD_isError(raw) != 0 || raw != frame->raw)
        return put_damaged(self, offset, frame->packed);
    self->text_len += raw;
    return put_blocks(self, false);
}

static enum lb_err take_file(struct seal *self)
{
    uint64_t size = (uint64_t)self->status.st_size;
    struct archive_frame_at frame;
    enum lb_err err = LB_OK;

    for (uint64_t offset = 0; err == LB_OK && offset < size; offset += frame.packed) {
        if (!archive_walk(self->in, offset, size, &frame))
            return LB_IO;
        switch (frame.kind) {
        case ARCHIVE_FRAME_DATA: err = take_frame(self, offset, &frame); break;
        case ARCHIVE_FRAME_DAMAGED: err = put_damaged(self, offset, frame.packed); break;
        case ARCHIVE_FRAME_TORN:
            *self->reason = "it ends in the middle of a frame; `logboom recover` cuts that off";
            return LB_BAD_INPUT;
        default: break;
        }
    }
    if (err == LB_OK)
        err = put_blocks(self, true);
    if (err == LB_OK && self->builder.index.block_count == self->damaged) {
        *self->reason = "no frame of it can be read";
        err = LB_BAD_INPUT;
    }
    return err;
}

/* --- the tail -------------------------------------------------------------------------- */

static enum lb_err put_header(struct seal *self, uint32_t magic, uint32_t size)
{
    unsigned char header[ARCHIVE_FRAME_HEADER];

    put_u32(header, magic);
    put_u32(header + 4, size);
    return put(self, header, sizeof(header));
}

static enum lb_err put_index(struct seal *self)
{
    enum lb_err err = archive_builder_end(&self->builder);
    uint32_t bytes = self->builder.index.bytes;

    self->builder.index.data_end = self->written;
    if (err == LB_OK)
        err = put_header(self, ARCHIVE_MAGIC_INDEX, bytes);
    if (err == LB_OK)
        err = archive_builder_write(&self->builder, put, self);
    return err == LB_OK ? put_entry(self, bytes + ARCHIVE_FRAME_HEADER, 0) : err;
}

static enum lb_err put_seek_table(struct seal *self)
{
    unsigned char footer[ARCHIVE_SEEK_FOOTER] = { 0 };
    size_t size = self->table.len + sizeof(footer);

    put_u32(footer, (uint32_t)(self->table.len / ARCHIVE_SEEK_ENTRY));
    put_u32(footer + 5, ARCHIVE_SEEK_MAGIC);
    enum lb_err err = put_header(self, ARCHIVE_MAGIC_SEEK, (uint32_t)size);
    if (err == LB_OK)
        err = put(self, self->table.ptr, self->table.len);
    return err == LB_OK ? put(self, footer, sizeof(footer)) : err;
}

/* Somebody may have deleted it meanwhile, and then its name is free for the next file. */
static bool is_there(const struct seal *self, const char *path)
{
    struct stat named;

    if (lstat(path, &named) == 0 && named.st_ino == self->status.st_ino && named.st_dev == self->status.st_dev)
        return true;
    errno = ENOENT;
    return false;
}

/* The time of its last record stays that of the file: retention goes by it. */
static enum lb_err replace(struct seal *self, const char *path)
{
    struct timespec times[2] = { self->status.st_atim, self->status.st_mtim };
    struct stat now;

    if (fstat(self->in, &now) != 0)
        return LB_IO;
    if (now.st_size != self->status.st_size) {
        *self->reason = "it grew while it was sealed";
        return LB_BAD_INPUT;
    }
    if (fchmod(self->out, self->options->mode) != 0 || futimens(self->out, times) != 0 || fsync(self->out) != 0 ||
        !is_there(self, path) || rename(self->options->temp, path) != 0)
        return LB_IO;
    /* It must be found under its name after a power cut. */
    return lb_directories_sync(path) ? LB_OK : LB_IO;
}

/* --- all of it ---------------------------------------------------------------------------- */

static void fill_result(const struct archive_index *index, const uint64_t *levels, uint64_t size,
                        struct lb_seal_result *result)
{
    result->raw_bytes = index->raw_bytes;
    result->packed_bytes = size;
    result->index_bytes = size - index->data_end;
    result->lines = index->lines;
    result->first_ns = index->first_ns;
    result->last_ns = index->last_ns;
    for (size_t i = 0; i < LB_ARCHIVE_LEVELS; i++)
        result->levels[i] = levels[i];
}

static enum lb_err hash_file(struct seal *self)
{
    uint64_t size = (uint64_t)self->status.st_size;

    if (!grow_bytes(&self->packed, &self->packed_size, COPY))
        return LB_NOMEM;
    for (uint64_t at = 0; at < size;) {
        size_t part = size - at < COPY ? (size_t)(size - at) : COPY;

        if (!archive_read_at(self->in, self->packed, part, at))
            return LB_IO;
        if (EVP_DigestUpdate(self->hash, self->packed, part) != 1)
            return LB_NOMEM;
        at += part;
    }
    return LB_OK;
}

/* It was sealed before, by one who could not tell any more. */
static enum lb_err tell_sealed(struct seal *self, const struct archive_index *index, struct lb_seal_result *result)
{
    uint64_t levels[LB_ARCHIVE_LEVELS] = { 0 };

    for (uint32_t i = 0; i < index->block_count; i++) {
        for (size_t level = 0; level < LB_ARCHIVE_LEVELS; level++)
            levels[level] += index->blocks[i].levels[level];
        result->damaged += (index->more[i].flags & ARCHIVE_BLOCK_DAMAGED) != 0;
    }
    fill_result(index, levels, (uint64_t)self->status.st_size, result);
    return hash_file(self);
}

static enum lb_err make(struct seal *self, const char *path, struct lb_seal_result *result)
{
    *self->reason = NULL;
    unlink(self->options->temp); /* of a seal that a crash ended */
    self->out = open(self->options->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (self->out < 0)
        return LB_IO;
    enum lb_err err = archive_builder_open(&self->builder, self->options->temp);
    if (err == LB_OK)
        err = take_file(self);
    if (err == LB_OK)
        err = put_index(self);
    if (err == LB_OK)
        err = put_seek_table(self);
    if (err == LB_OK)
        err = replace(self, path);
    if (err == LB_OK) {
        fill_result(&self->builder.index, self->builder.levels, self->written, result);
        result->damaged = self->damaged;
    }
    int saved = errno;
    archive_builder_close(&self->builder);
    close(self->out);
    if (err != LB_OK)
        unlink(self->options->temp);
    errno = saved;
    return err;
}

static enum lb_err seal_file(struct seal *self, const char *path, struct lb_seal_result *result)
{
    struct archive_index *index = NULL;
    unsigned int size = 0;

    if (self->hash == NULL || self->packer == NULL || self->unpacker == NULL ||
        EVP_DigestInit_ex(self->hash, EVP_sha256(), NULL) != 1)
        return LB_NOMEM;
    if (self->in < 0 || fstat(self->in, &self->status) != 0)
        return LB_IO;
    ZSTD_CCtx_setParameter(self->packer, ZSTD_c_compressionLevel, self->options->level);
    ZSTD_CCtx_setParameter(self->packer, ZSTD_c_contentSizeFlag, 1);
    ZSTD_CCtx_setParameter(self->packer, ZSTD_c_checksumFlag, 1);
    enum lb_err err = LB_END;
    if (!self->options->again)
        err = archive_index_find(&index, self->in, (uint64_t)self->status.st_size, self->reason);
    if (err == LB_OK)
        err = tell_sealed(self, index, result);
    else if (err == LB_END || err == LB_BAD_INPUT) /* an index that is damaged is made anew */
        err = make(self, path, result);
    archive_index_free(index);
    if (err == LB_OK && EVP_DigestFinal_ex(self->hash, result->sha256, &size) != 1)
        err = LB_NOMEM;
    return err;
}

enum lb_err lb_archive_seal(const char *path, const struct lb_seal_options *options, struct lb_seal_result *result,
                            lb_archive_reason *reason)
{
    struct seal self = {
        .options = options,
        .reason = reason,
        .in = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW),
        .hash = EVP_MD_CTX_new(),
        .packer = ZSTD_createCCtx(),
        .unpacker = ZSTD_createDCtx(),
    };

    *result = (struct lb_seal_result){ 0 };
    *reason = NULL;
    lb_buffer_init(&self.table, TABLE_MAX);
    enum lb_err err = seal_file(&self, path, result);
    int saved = errno;
    if (self.in >= 0)
        close(self.in);
    EVP_MD_CTX_free(self.hash);
    ZSTD_freeCCtx(self.packer);
    ZSTD_freeDCtx(self.unpacker);
    lb_free(self.packed);
    lb_free(self.frame);
    lb_free(self.text);
    lb_buffer_free(&self.table);
    errno = saved;
    return err;
}
