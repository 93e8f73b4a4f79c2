/*
 * archive_frame.c - a file that grows and is a valid .zst at every instant.
 *
 *   data frame … data frame | reserve: skippable frame over a hole | end
 *
 * A write of many pages can be cut by kill -9 at any page, and a torn frame
 * makes some readers drop the whole file. So a frame is written inside the
 * reserve's payload first, with the header of a smaller reserve behind it,
 * but for its own first 8 bytes; then one write of 8 bytes turns the
 * reserve's header into the frame's beginning. All is padded to 8 bytes, so
 * that no header straddles two pages: a write within one page is never cut.
 *
 * What a reader saw as the end of the file must stay the beginning of a
 * frame, for it may go on reading there, an hour later. So a frame that does
 * not fit goes behind the end, into a new reserve, and what is left of the
 * old one stays as a pad over a hole. A new file gets its reserve while it is
 * still hidden, and keeps it over a crash; only where a long file needs
 * another one are there two steps (grow, header) with an instant between.
 */
#include "archive_frame.h"

#include "lb_alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    HEADER = 8,
    PAD_MAGIC = 0x184D2A5C,
    RESERVE_MAGIC = 0x184D2A5D,
    RESERVE_MIN = 1024 * 1024,
    RESERVE_MAX = 8 * 1024 * 1024,
    RESERVE_STEP = 4096,
    TAIL_MAX = 2 * HEADER,         /* a pad behind a frame */
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
        if (n < 0)
            return false;
        if (n == 0) {
            errno = EIO;
            return false;
        }
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
    if (writer->frame != NULL && size <= writer->capacity)
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

/* A reserve for at least `size` bytes behind the end; what is left of the old one stays as a pad. */
static bool add_reserve(struct output_file *file, size_t size)
{
    uint64_t wanted = file->length < RESERVE_MIN ? RESERVE_MIN : file->length;
    char header[HEADER];

    if (wanted > RESERVE_MAX)
        wanted = RESERVE_MAX;
    if (wanted < size)
        wanted = size;

    uint64_t end = (file->end + wanted + RESERVE_STEP - 1) / RESERVE_STEP * RESERVE_STEP;

    put_header(header, RESERVE_MAGIC, end - file->end);
    if (ftruncate(file->fd, (off_t)end) != 0)
        return false;
    if (!write_at(file->fd, header, HEADER, file->end)) {
        int err = errno;

        errno = ftruncate(file->fd, (off_t)file->end) == 0 ? err : errno;
        return false;
    }
    file->length = file->end;
    file->end = end;
    return true;
}

/* The 8 bytes that turn the reserve's header into the frame's beginning; or the header stays as it was. */
static bool flip(struct output_file *file, const char *frame)
{
    char header[HEADER];

    if (write_at(file->fd, frame, HEADER, file->length))
        return true;

    int err = errno;

    put_header(header, RESERVE_MAGIC, file->end - file->length);
    if (!write_at(file->fd, header, HEADER, file->length))
        err = EIO; /* neither: only giving the file up makes it whole */
    errno = err;
    return false;
}

bool archive_append_frame(struct output_file *file, struct lb_str bytes)
{
    if (file->end - file->length < bytes.len && !add_reserve(file, bytes.len))
        return false;

    uint64_t left = file->end - file->length - bytes.len;
    char header[HEADER];

    put_header(header, RESERVE_MAGIC, left);
    if (left > 0 && !write_at(file->fd, header, HEADER, file->length + bytes.len))
        return false;
    if (!write_at(file->fd, bytes.ptr + HEADER, bytes.len - HEADER, file->length + HEADER))
        return false;
    if (!flip(file, bytes.ptr))
        return false;
    file->length += bytes.len;
    return true;
}

bool archive_cut(struct output_file *file, int fd, uint64_t size)
{
    uint64_t left = size - file->length;
    char header[HEADER];

    /* The reserve stays, and with it what readers saw as the end; what a lost commit left in it becomes a hole. */
    if (left >= HEADER && left % 8 == 0 && left <= 2 * RESERVE_MAX) {
        put_header(header, RESERVE_MAGIC, left);
        if (!write_at(fd, header, HEADER, file->length))
            return false;
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(file->length + HEADER),
                        (off_t)(left - HEADER));
        file->end = size;
        return true;
    }
    file->end = file->length;
    return ftruncate(fd, (off_t)file->length) == 0;
}

bool archive_append(struct archive_writer *writer, struct output_file *file, struct lb_str lines, struct lb_str *bytes)
{
    if (writer->capacity > FRAME_KEPT && lines.len <= OUTPUT_CHUNK) {
        lb_free(writer->frame);
        writer->frame = NULL;
        writer->capacity = 0;
    }
    bytes->len = compress(writer, lines);
    bytes->ptr = writer->frame;
    return bytes->len > 0 && archive_append_frame(file, *bytes);
}
