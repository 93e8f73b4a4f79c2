/*
 * archive_frame.c - a file that grows and is a valid .zst at every instant.
 *
 *   data frame … data frame | reserve: skippable frame of zeros | end
 *
 * A write of many pages can be cut by kill -9 at any page, and a torn frame
 * makes some readers drop the whole file. So a frame is written inside the
 * reserve's payload first, with the header of a smaller reserve behind it,
 * but for its own first 8 bytes; then one write of 8 bytes turns the
 * reserve's header into the frame's beginning. The reserve itself grows page
 * by page, each a skippable frame of its own until one write of 8 bytes makes
 * the first of them cover all. A write that stays in one page is never cut;
 * all is padded to 8 bytes, so headers never straddle two.
 *
 * A reader may have seen the end of the file just before it grew, and go on
 * reading there a moment later. The reserve is therefore some frames long
 * (it grows behind a frame, not before the next), so that what was the end
 * stays the beginning of a skippable frame for much longer than that moment.
 */
#include "archive_frame.h"

#include "lb_alloc.h"

#include <errno.h>
#include <unistd.h>

enum {
    HEADER = 8,
    PAD_MAGIC = 0x184D2A5C,
    RESERVE_MAGIC = 0x184D2A5D,
    RESERVE_FRAMES = 4, /* so many times the last frame */
    RESERVE_MAX = 2 * 1024 * 1024,
    PAGE = 4096,                   /* or a part of one */
    TAIL_MAX = 3 * HEADER,         /* pad and next header behind a frame */
    FRAME_KEPT = 2 * OUTPUT_CHUNK, /* a longer frame's memory is given back */
};

static void put_u32(char *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (char)(value >> (8 * i));
}

/* Header of a skippable frame that covers `size` bytes, itself included. */
static void put_header(char *out, uint32_t magic, uint64_t size)
{
    put_u32(out, magic);
    put_u32(out + 4, (uint32_t)(size - HEADER));
}

static bool write_at(int fd, const char *ptr, size_t len, uint64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, ptr, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        ptr += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

bool archive_writer_open(struct archive_writer *writer, int level)
{
    writer->context = ZSTD_createCCtx();
    if (writer->context == NULL)
        return false;
    ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(writer->context, ZSTD_c_contentSizeFlag, 1);
    ZSTD_CCtx_setParameter(writer->context, ZSTD_c_checksumFlag, 1);
    return true;
}

void archive_writer_close(struct archive_writer *writer)
{
    ZSTD_freeCCtx(writer->context);
    lb_free(writer->frame);
    *writer = (struct archive_writer){ 0 };
}

static bool reserve_frame(struct archive_writer *writer, size_t size)
{
    if (size <= writer->capacity)
        return true;

    char *frame = lb_realloc(writer->frame, size);

    if (frame == NULL) {
        errno = ENOMEM;
        return false;
    }
    writer->frame = frame;
    writer->capacity = size;
    return true;
}

/* Compresses into writer->frame, padded to a multiple of 8. 0: errno says why. */
static size_t compress(struct archive_writer *writer, struct lb_str lines)
{
    if (!reserve_frame(writer, ZSTD_compressBound(lines.len) + TAIL_MAX))
        return 0;

    size_t size = ZSTD_compress2(writer->context, writer->frame, writer->capacity, lines.ptr, lines.len);

    if (ZSTD_isError(size)) {
        errno = ENOMEM;
        return 0;
    }
    if (size % 8 != 0) {
        size_t padded = (size + HEADER + 7) / 8 * 8;

        memset(writer->frame + size, 0, padded - size);
        put_header(writer->frame + size, PAD_MAGIC, padded - size);
        size = padded;
    }
    return size;
}

/* One page, or the rest of one, behind the end: a skippable frame. */
static bool add_page(int fd, uint64_t end, size_t len)
{
    char page[PAGE] = { 0 };

    put_header(page, RESERVE_MAGIC, len);
    ssize_t n = pwrite(fd, page, len, (off_t)end);

    if (n == (ssize_t)len)
        return true;
    int err = n < 0 ? errno : ENOSPC;
    if (n > 0 && ftruncate(fd, (off_t)end) != 0)
        err = errno;
    errno = err;
    return false;
}

/* Makes the reserve at least `size` bytes long. If it fails half-way, what was added stays valid and is used later. */
static bool grow_reserve(struct output_file *file, uint64_t size)
{
    uint64_t wanted = (file->length + size + PAGE - 1) / PAGE * PAGE;
    uint64_t end = file->end;
    char header[HEADER];

    while (end < wanted) {
        size_t len = PAGE - end % PAGE;

        if (!add_page(file->fd, end, len))
            return false;
        end += len;
    }
    put_header(header, RESERVE_MAGIC, end - file->length);
    if (!write_at(file->fd, header, HEADER, file->length))
        return false;
    file->end = end;
    return true;
}

static bool publish(struct output_file *file, char *frame, size_t size)
{
    if (file->end - file->length < size && !grow_reserve(file, size))
        return false;

    uint64_t left = file->end - file->length - size;
    size_t tail = left > 0 ? HEADER : 0;

    if (left > 0)
        put_header(frame + size, RESERVE_MAGIC, left);
    if (!write_at(file->fd, frame + HEADER, size + tail - HEADER, file->length + HEADER))
        return false;
    if (!write_at(file->fd, frame, HEADER, file->length))
        return false;
    file->length += size;

    uint64_t ahead = size * RESERVE_FRAMES < RESERVE_MAX ? size * RESERVE_FRAMES : RESERVE_MAX;

    /* Where this fails there is time to say so when the next frame does not fit. */
    if (file->end - file->length < ahead)
        (void)grow_reserve(file, ahead);
    return true;
}

bool archive_append(struct archive_writer *writer, struct output_file *file, struct lb_str lines)
{
    size_t size = compress(writer, lines);
    bool ok = size > 0 && publish(file, writer->frame, size);

    if (writer->capacity > FRAME_KEPT) {
        int err = errno;

        lb_free(writer->frame);
        writer->frame = NULL;
        writer->capacity = 0;
        errno = err;
    }
    return ok;
}
