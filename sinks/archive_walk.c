/*
 * archive_walk.c - the frames of a .zst file, found by their headers (RFC 8878 section 3.1).
 *
 * Where no frame begins, or one contradicts itself, the next place is looked
 * for where a whole frame stands that is followed by another or by the end:
 * what compressed bytes look like by chance does not pass for one.
 */
#include "archive_walk.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { MAGIC_DATA = 0xFD2FB528, MAGIC_SKIPPABLE = 0x184D2A50, MAGIC_SKIPPABLE_MASK = 0xFFFFFFF0 };
enum { HEADER_MAX = 18, WINDOW = 64 * 1024, BLOCK_MAX = 128 * 1024, BLOCK_RLE = 1, BLOCK_RESERVED = 3 };

static uint64_t read_le(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;

    for (size_t i = count; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}

/* As many of `count` bytes as there are; negative: errno says why. */
static ssize_t read_at(int fd, uint64_t offset, void *bytes, size_t count)
{
    size_t done = 0;

    while (done < count) {
        ssize_t got = pread(fd, (char *)bytes + done, count - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* The header behind the magic: its length, and the size of the content. 0: it is none. */
static size_t read_header(const unsigned char *bytes, size_t count, uint64_t *raw, bool *checksum)
{
    static const unsigned char id_sizes[] = { 0, 1, 2, 4 };
    unsigned char descriptor = bytes[4];
    bool single = (descriptor >> 5 & 1) != 0;
    size_t content_size = (size_t)1 << (descriptor >> 6);
    size_t at = 5 + (single ? 0 : 1) + id_sizes[descriptor & 3];

    if (content_size == 1 && !single)
        content_size = 0;
    if ((descriptor & 8) != 0 || at + content_size > count)
        return 0;
    *checksum = (descriptor & 4) != 0;
    *raw = content_size == 0 ? ARCHIVE_RAW_UNKNOWN : read_le(bytes + at, content_size) + (content_size == 2 ? 256 : 0);
    return at + content_size;
}

/* From `at`, the first block header, to behind the checksum. */
static bool walk_blocks(int fd, uint64_t at, uint64_t size, bool checksum, struct archive_frame_at *frame)
{
    uint64_t begin = at;
    bool last = false;

    while (!last) {
        unsigned char bytes[3];
        ssize_t got = read_at(fd, at, bytes, sizeof(bytes));

        if (got < 0)
            return false;
        if (got < (ssize_t)sizeof(bytes)) {
            frame->kind = ARCHIVE_FRAME_TORN;
            return true;
        }
        uint64_t header = read_le(bytes, sizeof(bytes));
        unsigned kind = header >> 1 & 3;
        if (kind == BLOCK_RESERVED || header >> 3 > BLOCK_MAX) {
            frame->kind = ARCHIVE_FRAME_DAMAGED;
            return true;
        }
        last = (header & 1) != 0;
        at += sizeof(bytes) + (kind == BLOCK_RLE ? 1 : header >> 3);
    }
    at += checksum ? 4 : 0;
    frame->kind = at > size ? ARCHIVE_FRAME_TORN : ARCHIVE_FRAME_DATA;
    frame->packed += at - begin;
    return true;
}

static bool walk_one(int fd, uint64_t offset, uint64_t size, struct archive_frame_at *frame)
{
    unsigned char bytes[HEADER_MAX];
    ssize_t count = read_at(fd, offset, bytes, sizeof(bytes));
    bool checksum = false;

    *frame = (struct archive_frame_at){ .kind = ARCHIVE_FRAME_DAMAGED };
    if (count < 0)
        return false;
    if (count < 8) {
        frame->kind = ARCHIVE_FRAME_TORN;
        return true;
    }
    uint32_t magic = (uint32_t)read_le(bytes, 4);
    if ((magic & MAGIC_SKIPPABLE_MASK) == MAGIC_SKIPPABLE) {
        frame->packed = 8 + read_le(bytes + 4, 4);
        frame->kind = offset + frame->packed > size ? ARCHIVE_FRAME_TORN : ARCHIVE_FRAME_SKIPPABLE;
        return true;
    }
    if (magic != MAGIC_DATA)
        return true;
    frame->packed = read_header(bytes, (size_t)count, &frame->raw, &checksum);
    if (frame->packed == 0)
        return true;
    return walk_blocks(fd, offset + frame->packed, size, checksum, frame);
}

static bool looks_like_frame(const unsigned char *bytes)
{
    uint32_t magic = (uint32_t)read_le(bytes, 4);

    return magic == MAGIC_DATA || (magic & MAGIC_SKIPPABLE_MASK) == MAGIC_SKIPPABLE;
}

/* Whether a whole frame stands at `offset`, and the end or another begins behind it. */
static bool is_frame(int fd, uint64_t offset, uint64_t size)
{
    struct archive_frame_at frame;
    struct archive_frame_at next;

    if (!walk_one(fd, offset, size, &frame) || frame.kind > ARCHIVE_FRAME_SKIPPABLE)
        return false;
    return offset + frame.packed == size ||
           (walk_one(fd, offset + frame.packed, size, &next) && next.kind != ARCHIVE_FRAME_DAMAGED);
}

/* Where the next frame begins behind `offset`, or `size`. */
static bool find_next(int fd, uint64_t offset, uint64_t size, uint64_t *next)
{
    unsigned char window[WINDOW];

    for (uint64_t at = offset + 1; at + 8 <= size; at += WINDOW - 3) {
        ssize_t count = read_at(fd, at, window, sizeof(window));

        if (count < 0)
            return false;
        for (ssize_t i = 0; i + 4 <= count; i++) {
            if (looks_like_frame(window + i) && is_frame(fd, at + (uint64_t)i, size)) {
                *next = at + (uint64_t)i;
                return true;
            }
        }
    }
    *next = size;
    return true;
}

bool archive_walk(int fd, uint64_t offset, uint64_t size, struct archive_frame_at *frame)
{
    uint64_t next = size;

    if (!walk_one(fd, offset, size, frame))
        return false;
    if (frame->kind == ARCHIVE_FRAME_DATA || frame->kind == ARCHIVE_FRAME_SKIPPABLE)
        return true;
    /* A flipped length can point past the end: it is torn only when nothing whole follows. */
    if (!find_next(fd, offset, size, &next))
        return false;
    if (next < size)
        frame->kind = ARCHIVE_FRAME_DAMAGED;
    frame->packed = next - offset;
    return true;
}
