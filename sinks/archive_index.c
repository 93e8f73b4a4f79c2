/*
 * archive_index.c - the tables of an index, read from bytes that nobody vouches for.
 *
 * Every number is held against its bounds here, once; the rest of the code
 * relies on that.
 */
#include "archive_index.h"

#include "archive_bytes.h"

#include "lb_crc32c.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum {
    TABLES_MAX = 1024 * 1024 * 1024, /* what opening a file may read */
    SECTION_RAW_MAX = 8 * 1024 * 1024,
    AT_BLOCK_COUNT = 12,
    AT_SEGMENT_COUNT = 16,
    AT_SERVICE_COUNT = 20,
    AT_DATA_END = 24,
    AT_RAW_BYTES = 32,
    AT_LINES = 40,
    AT_FIRST = 48,
    AT_LAST = 56,
    AT_BYTES = 64,
    AT_SERVICES_BYTES = 68,
    AT_CRCS = 72, /* of blocks, segments, services */
    AT_MTIME = 88,
    AT_PRINT = 96,
    AT_CRC = 124,
};

bool archive_read_at(int fd, void *bytes, size_t len, uint64_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = pread(fd, (char *)bytes + done, len - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = 0;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

bool archive_write_at(int fd, const void *bytes, size_t len, uint64_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t put = pwrite(fd, (const char *)bytes + done, len - done, (off_t)(offset + done));

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        done += (size_t)put;
    }
    return true;
}

/* --- writing ------------------------------------------------------------------- */

void archive_header_put(const struct archive_index *index, const uint32_t crcs[3], uint32_t services_bytes,
                        unsigned char *header)
{
    memset(header, 0, ARCHIVE_HEADER_BYTES);
    put_u32(header, ARCHIVE_INDEX_MAGIC);
    put_u32(header + 4, ARCHIVE_INDEX_VERSION);
    put_u32(header + AT_BLOCK_COUNT, index->block_count);
    put_u32(header + AT_SEGMENT_COUNT, index->segment_count);
    put_u32(header + AT_SERVICE_COUNT, index->service_count);
    put_u64(header + AT_DATA_END, index->data_end);
    put_u64(header + AT_RAW_BYTES, index->raw_bytes);
    put_u64(header + AT_LINES, index->lines);
    put_u64(header + AT_FIRST, (uint64_t)index->first_ns);
    put_u64(header + AT_LAST, (uint64_t)index->last_ns);
    put_u32(header + AT_BYTES, index->bytes);
    put_u32(header + AT_SERVICES_BYTES, services_bytes);
    for (size_t i = 0; i < 3; i++)
        put_u32(header + AT_CRCS + 4 * i, crcs[i]);
    put_u64(header + AT_MTIME, index->mtime_ns);
    put_u64(header + AT_PRINT, index->print);
    put_u32(header + AT_CRC, lb_crc32c(0, header, AT_CRC));
}

void archive_block_put(const struct lb_archive_block *block, const struct archive_block_more *more,
                       unsigned char *bytes)
{
    put_u64(bytes, block->offset);
    put_u32(bytes + 8, block->packed);
    put_u32(bytes + 12, block->raw);
    put_u64(bytes + 16, (uint64_t)block->first_ns);
    put_u64(bytes + 24, (uint64_t)block->last_ns);
    put_u32(bytes + 32, block->lines);
    for (size_t i = 0; i < LB_ARCHIVE_LEVELS; i++)
        put_u32(bytes + 36 + 4 * i, block->levels[i]);
    put_u32(bytes + 76, more->flags);
    put_u64(bytes + 80, more->services);
}

static void section_put(const struct archive_section *section, unsigned char *bytes)
{
    put_u32(bytes, section->offset);
    put_u32(bytes + 4, section->packed);
    put_u32(bytes + 8, section->raw);
    put_u32(bytes + 12, section->crc);
}

void archive_segment_put(const struct archive_segment *segment, unsigned char *bytes)
{
    memset(bytes, 0, ARCHIVE_SEGMENT_BYTES);
    put_u32(bytes, segment->first_block);
    put_u32(bytes + 4, segment->block_count);
    put_u32(bytes + 8, segment->word_count);
    put_u32(bytes + 12, segment->rows);
    section_put(&segment->words, bytes + 16);
    section_put(&segment->postings, bytes + 32);
    put_u32(bytes + 48, segment->ids_offset);
    put_u32(bytes + 52, segment->ids_bytes);
    put_u32(bytes + 56, segment->hashes);
    put_u32(bytes + 60, segment->streaks);
}

/* --- reading ------------------------------------------------------------------- */

static bool read_block(const unsigned char *bytes, struct lb_archive_block *block, struct archive_block_more *more)
{
    uint64_t lines = 0;

    block->offset = get_u64(bytes);
    block->packed = get_u32(bytes + 8);
    block->raw = get_u32(bytes + 12);
    block->first_ns = (int64_t)get_u64(bytes + 16);
    block->last_ns = (int64_t)get_u64(bytes + 24);
    block->lines = get_u32(bytes + 32);
    for (size_t i = 0; i < LB_ARCHIVE_LEVELS; i++) {
        block->levels[i] = get_u32(bytes + 36 + 4 * i);
        lines += block->levels[i];
    }
    more->flags = get_u32(bytes + 76);
    more->services = get_u64(bytes + 80);
    return block->packed >= ARCHIVE_FRAME_HEADER && block->raw <= ARCHIVE_BLOCK_RAW_MAX && lines == block->lines &&
           (block->lines == 0 || block->first_ns <= block->last_ns);
}

static bool read_blocks(struct archive_index *self, const unsigned char *bytes)
{
    uint64_t end = 0;

    for (uint32_t i = 0; i < self->block_count; i++, bytes += ARCHIVE_BLOCK_BYTES) {
        struct lb_archive_block *block = &self->blocks[i];

        if (!read_block(bytes, block, &self->more[i]) || block->offset < end || block->offset > self->data_end ||
            block->packed > self->data_end - block->offset)
            return false;
        end = block->offset + block->packed;
    }
    return true;
}

static bool read_section(const struct archive_index *self, const unsigned char *bytes, struct archive_section *section)
{
    section->offset = get_u32(bytes);
    section->packed = get_u32(bytes + 4);
    section->raw = get_u32(bytes + 8);
    section->crc = get_u32(bytes + 12);
    return section->offset <= self->bytes && section->packed <= self->bytes - section->offset &&
           section->raw <= SECTION_RAW_MAX;
}

/* Segments cover all blocks in order. */
static bool read_segments(struct archive_index *self, const unsigned char *bytes)
{
    uint32_t next = 0;

    for (uint32_t i = 0; i < self->segment_count; i++, bytes += ARCHIVE_SEGMENT_BYTES) {
        struct archive_segment *segment = &self->segments[i];

        segment->first_block = get_u32(bytes);
        segment->block_count = get_u32(bytes + 4);
        segment->word_count = get_u32(bytes + 8);
        segment->rows = get_u32(bytes + 12);
        segment->ids_offset = get_u32(bytes + 48);
        segment->ids_bytes = get_u32(bytes + 52);
        segment->hashes = get_u32(bytes + 56);
        segment->streaks = (get_u32(bytes + 60) & 1) != 0;
        uint64_t bits = (uint64_t)segment->rows * segment->block_count;
        uint64_t pages = (bits + ARCHIVE_PAGE_BITS - 1) / ARCHIVE_PAGE_BITS;
        uint64_t ids_bytes = (bits + 7) / 8 + 4 * pages;
        if (segment->first_block != next || segment->block_count == 0 ||
            segment->block_count > ARCHIVE_SEGMENT_BLOCKS || segment->block_count > self->block_count - next ||
            segment->word_count > ARCHIVE_WORDS_MAX || segment->hashes > ARCHIVE_ID_HASHES_MAX ||
            !read_section(self, bytes + 16, &segment->words) || !read_section(self, bytes + 32, &segment->postings) ||
            segment->ids_bytes != ids_bytes || segment->ids_offset > self->bytes ||
            segment->ids_bytes > self->bytes - segment->ids_offset)
            return false;
        next += segment->block_count;
    }
    return next == self->block_count;
}

static bool read_services(struct archive_index *self, const unsigned char *bytes, uint32_t len)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < self->service_count; i++) {
        if (len - at < 2)
            return false;
        uint32_t size = bytes[at] | (uint32_t)bytes[at + 1] << 8;
        at += 2;
        if (size > len - at)
            return false;
        self->services[i] = (struct lb_str){ (const char *)bytes + at, size };
        at += size;
    }
    return at == len;
}

static bool read_header(struct archive_index *self, const unsigned char *header)
{
    if (get_u32(header + AT_CRC) != lb_crc32c(0, header, AT_CRC))
        return false;
    self->block_count = get_u32(header + AT_BLOCK_COUNT);
    self->segment_count = get_u32(header + AT_SEGMENT_COUNT);
    self->service_count = get_u32(header + AT_SERVICE_COUNT);
    self->data_end = get_u64(header + AT_DATA_END);
    self->raw_bytes = get_u64(header + AT_RAW_BYTES);
    self->lines = get_u64(header + AT_LINES);
    self->first_ns = (int64_t)get_u64(header + AT_FIRST);
    self->last_ns = (int64_t)get_u64(header + AT_LAST);
    self->mtime_ns = get_u64(header + AT_MTIME);
    self->print = get_u64(header + AT_PRINT);
    return get_u32(header + AT_BYTES) == self->bytes && self->block_count <= ARCHIVE_BLOCKS_MAX &&
           self->segment_count <= self->block_count && self->service_count <= ARCHIVE_SERVICES_MAX;
}

/* The tables behind the header, checked. */
static enum lb_err read_tables(struct archive_index *self, const unsigned char *header, lb_archive_reason *reason)
{
    uint32_t services_bytes = get_u32(header + AT_SERVICES_BYTES);
    size_t blocks_bytes = (size_t)self->block_count * ARCHIVE_BLOCK_BYTES;
    size_t segments_bytes = (size_t)self->segment_count * ARCHIVE_SEGMENT_BYTES;
    size_t total = blocks_bytes + segments_bytes + services_bytes;

    *reason = "its index is damaged";
    if (total > TABLES_MAX || total > self->bytes - ARCHIVE_HEADER_BYTES)
        return LB_BAD_INPUT;
    self->bytes_read = lb_alloc(total + 1);
    self->blocks = lb_alloc((self->block_count + 1) * sizeof(*self->blocks));
    self->more = lb_alloc((self->block_count + 1) * sizeof(*self->more));
    self->segments = lb_alloc((self->segment_count + 1) * sizeof(*self->segments));
    self->services = lb_alloc((self->service_count + 1) * sizeof(*self->services));
    if (self->bytes_read == NULL || self->blocks == NULL || self->more == NULL || self->segments == NULL ||
        self->services == NULL)
        return LB_NOMEM;
    if (!archive_read_at(self->fd, self->bytes_read, total, self->at + ARCHIVE_HEADER_BYTES))
        return errno == 0 ? LB_BAD_INPUT : LB_IO;
    const unsigned char *segments = self->bytes_read + blocks_bytes;
    const unsigned char *services = segments + segments_bytes;
    if (lb_crc32c(0, self->bytes_read, blocks_bytes) != get_u32(header + AT_CRCS) ||
        lb_crc32c(0, segments, segments_bytes) != get_u32(header + AT_CRCS + 4) ||
        lb_crc32c(0, services, services_bytes) != get_u32(header + AT_CRCS + 8) ||
        !read_blocks(self, self->bytes_read) || !read_segments(self, segments) ||
        !read_services(self, services, services_bytes))
        return LB_BAD_INPUT;
    *reason = NULL;
    return LB_OK;
}

static enum lb_err load(struct archive_index *self, lb_archive_reason *reason)
{
    unsigned char header[ARCHIVE_HEADER_BYTES];

    *reason = "its index is damaged";
    if (self->bytes < sizeof(header))
        return LB_BAD_INPUT;
    if (!archive_read_at(self->fd, header, sizeof(header), self->at))
        return errno == 0 ? LB_BAD_INPUT : LB_IO;
    if (get_u32(header) != ARCHIVE_INDEX_MAGIC)
        return LB_BAD_INPUT;
    if (get_u32(header + 4) != ARCHIVE_INDEX_VERSION) {
        *reason = "its index is of another version of logboom";
        return LB_BAD_INPUT;
    }
    return read_header(self, header) ? read_tables(self, header, reason) : LB_BAD_INPUT;
}

static _Atomic uint64_t serials;

enum lb_err archive_index_load(struct archive_index **index, int fd, uint64_t at, uint32_t bytes,
                               lb_archive_reason *reason)
{
    struct archive_index *self = lb_alloc(sizeof(*self));

    *index = NULL;
    if (self == NULL)
        return LB_NOMEM;
    self->serial = atomic_fetch_add(&serials, 1) + 1;
    self->fd = fd;
    self->at = at;
    self->bytes = bytes;
    enum lb_err err = load(self, reason);
    if (err == LB_OK)
        *index = self;
    else
        archive_index_free(self);
    return err;
}

void archive_index_free(struct archive_index *index)
{
    if (index == NULL)
        return;
    if (index->owns_fd)
        close(index->fd);
    lb_free(index->blocks);
    lb_free(index->more);
    lb_free(index->segments);
    lb_free(index->services);
    lb_free(index->bytes_read);
    lb_free(index);
}

enum lb_err archive_index_find(struct archive_index **index, int fd, uint64_t size, lb_archive_reason *reason)
{
    unsigned char footer[ARCHIVE_SEEK_FOOTER];
    unsigned char entry[ARCHIVE_SEEK_ENTRY];
    unsigned char header[ARCHIVE_FRAME_HEADER];

    *index = NULL;
    if (size < ARCHIVE_FRAME_HEADER + sizeof(footer) ||
        !archive_read_at(fd, footer, sizeof(footer), size - sizeof(footer)) ||
        get_u32(footer + 5) != ARCHIVE_SEEK_MAGIC || footer[4] != 0)
        return LB_END;
    uint64_t table = (uint64_t)get_u32(footer) * sizeof(entry) + sizeof(footer) + sizeof(header);
    if (table > size || get_u32(footer) == 0 ||
        !archive_read_at(fd, entry, sizeof(entry), size - sizeof(footer) - sizeof(entry)))
        return LB_END;
    /* The last frame before the table is the index. */
    uint64_t bytes = get_u32(entry);
    uint64_t at = size - table - bytes;
    if (bytes > size - table || bytes < sizeof(header) || !archive_read_at(fd, header, sizeof(header), at) ||
        get_u32(header) != ARCHIVE_MAGIC_INDEX)
        return LB_END;
    *reason = "its index is damaged";
    if (get_u32(header + 4) != bytes - sizeof(header))
        return LB_BAD_INPUT;
    enum lb_err err = archive_index_load(index, fd, at + sizeof(header), (uint32_t)(bytes - sizeof(header)), reason);
    if (err == LB_OK && (*index)->data_end != at) {
        archive_index_free(*index);
        *index = NULL;
        *reason = "its index is that of another file";
        return LB_BAD_INPUT;
    }
    return err;
}

/* --- parts that a query needs ------------------------------------------------------ */

static enum lb_err unpack(const struct archive_section *section, const unsigned char *packed, unsigned char *raw)
{
    if (lb_crc32c(0, packed, section->packed) != section->crc)
        return LB_BAD_INPUT;
    size_t got = ZSTD_decompress(raw, section->raw, packed, section->packed);
    return got == section->raw ? LB_OK : LB_BAD_INPUT;
}

enum lb_err archive_section_read(const struct archive_index *index, const struct archive_section *section,
                                 unsigned char **bytes)
{
    unsigned char *packed = lb_alloc((size_t)section->packed + 1);
    unsigned char *raw = lb_alloc((size_t)section->raw + 8); /* searched by words of 8 bytes */
    enum lb_err err = packed != NULL && raw != NULL ? LB_OK : LB_NOMEM;

    if (err == LB_OK && !archive_read_at(index->fd, packed, section->packed, index->at + section->offset))
        err = errno == 0 ? LB_BAD_INPUT : LB_IO;
    if (err == LB_OK)
        err = unpack(section, packed, raw);
    lb_free(packed);
    if (err != LB_OK) {
        lb_free(raw);
        raw = NULL;
    }
    *bytes = raw;
    return err;
}

uint32_t archive_page_size(const struct archive_segment *segment, uint32_t number)
{
    uint32_t left = segment->ids_bytes - number * ARCHIVE_PAGE;

    return left < ARCHIVE_PAGE ? left : ARCHIVE_PAGE;
}

enum lb_err archive_page_read(const struct archive_index *index, const struct archive_segment *segment, uint32_t number,
                              unsigned char *page)
{
    uint32_t size = archive_page_size(segment, number);
    uint64_t at = index->at + segment->ids_offset + (uint64_t)number * ARCHIVE_PAGE;

    if (!archive_read_at(index->fd, page, size, at))
        return errno == 0 ? LB_BAD_INPUT : LB_IO;
    return lb_crc32c(0, page, size - 4) == get_u32(page + size - 4) ? LB_OK : LB_BAD_INPUT;
}

/* --- mending -------------------------------------------------------------------------- */

enum lb_err archive_index_mend(int fd, const struct archive_index *index)
{
    size_t bytes = (size_t)index->block_count * ARCHIVE_BLOCK_BYTES;
    unsigned char header[ARCHIVE_HEADER_BYTES];
    unsigned char *table = lb_alloc(bytes + 1);
    enum lb_err err = table != NULL ? LB_OK : LB_NOMEM;

    if (err == LB_OK && !archive_read_at(fd, header, sizeof(header), index->at))
        err = LB_IO;
    if (err == LB_OK) {
        for (uint32_t i = 0; i < index->block_count; i++)
            archive_block_put(&index->blocks[i], &index->more[i], table + (size_t)i * ARCHIVE_BLOCK_BYTES);
        put_u64(header + AT_RAW_BYTES, index->raw_bytes);
        put_u64(header + AT_LINES, index->lines);
        put_u32(header + AT_CRCS, lb_crc32c(0, table, bytes));
        put_u32(header + AT_CRC, lb_crc32c(0, header, AT_CRC));
        if (!archive_write_at(fd, table, bytes, index->at + ARCHIVE_HEADER_BYTES) ||
            !archive_write_at(fd, header, sizeof(header), index->at))
            err = LB_IO;
    }
    lb_free(table);
    return err;
}
