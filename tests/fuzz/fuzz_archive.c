/*
 * fuzz_archive.c - opening, asking and reading files that hold any bytes.
 *
 * The first byte says what they are: a whole file; the payload of an index
 * behind one good frame, with checksums that are made right, so that what
 * lies behind them is reached; or the unpacked words, postings and id filter
 * of one segment. Texts lie in memory and end in a newline, select sets no
 * bit past the last block.
 */
#include "lb_archive.h"
#include "lb_crc32c.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

enum { HEADER = 128, BLOCK = 88, SEGMENT = 64, FILE_MAX = 1 << 20, BLOCKS_READ = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Counts that fit into the payload, and the checksums that the reader wants to see. */
static void make_plausible(uint8_t *payload, size_t size, uint64_t data_end)
{
    size_t at = HEADER;
    size_t parts[3];

    memcpy(payload, "LBX1\1\0\0\0", 8);
    uint32_t blocks = get_u32(payload + 12) % ((uint32_t)((size - at) / BLOCK) + 1);
    parts[0] = (size_t)blocks * BLOCK;
    uint32_t segments = get_u32(payload + 16) % ((uint32_t)((size - at - parts[0]) / SEGMENT) + 1);
    parts[1] = (size_t)segments * SEGMENT;
    parts[2] = get_u32(payload + 68) % (uint32_t)(size - at - parts[0] - parts[1] + 1);
    put_u32(payload + 12, blocks);
    put_u32(payload + 16, segments);
    put_u32(payload + 24, (uint32_t)data_end);
    put_u32(payload + 28, 0);
    put_u32(payload + 64, (uint32_t)size);
    put_u32(payload + 68, (uint32_t)parts[2]);
    for (size_t i = 0; i < 3; i++) {
        put_u32(payload + 72 + 4 * i, lb_crc32c(0, payload + at, parts[i]));
        at += parts[i];
    }
    put_u32(payload + 124, lb_crc32c(0, payload, 124));
}

static const char line[] = "{\"timestamp\":\"2026-01-31T12:00:00Z\",\"level\":\"info\",\"message\":\"hello\"}\n";

/* Frames of one line each, so many. Returns their length; each has `*one` bytes. */
static size_t put_frames(uint8_t *file, uint32_t count, size_t *one)
{
    *one = ZSTD_compress(file, FILE_MAX, line, sizeof(line) - 1, 1);
    for (uint32_t i = 1; i < count; i++)
        memcpy(file + i * *one, file, *one);
    return count * *one;
}

/* The payload at `payload` becomes a frame, and a seek table whose last entry leads to it follows. */
static size_t put_tail(uint8_t *file, uint8_t *payload, size_t size)
{
    uint8_t *at = payload + size;

    put_u32(payload - 8, 0x184D2A5B);
    put_u32(payload - 4, (uint32_t)size);
    put_u32(at, 0x184D2A5E);
    put_u32(at + 4, 8 + 9);
    put_u32(at + 8, (uint32_t)size + 8);
    put_u32(at + 12, 0);
    put_u32(at + 16, 1);
    at[20] = 0;
    put_u32(at + 21, 0x8F92EAB1);
    return (size_t)(at + 25 - file);
}

static size_t build_payload(const uint8_t *data, size_t size, uint8_t *file)
{
    size_t one;
    size_t frames = put_frames(file, 1, &one);
    uint8_t *payload = file + frames + 8;

    memcpy(payload, data, size);
    make_plausible(payload, size, frames);
    return put_tail(file, payload, size);
}

/* A section that unpacks to these bytes. */
static size_t put_section(uint8_t *payload, uint8_t *entry, size_t at, const uint8_t *bytes, size_t size)
{
    size_t packed = ZSTD_compress(payload + at, FILE_MAX / 4, bytes, size, 1);

    put_u32(entry, (uint32_t)at);
    put_u32(entry + 4, (uint32_t)packed);
    put_u32(entry + 8, (uint32_t)size);
    put_u32(entry + 12, lb_crc32c(0, payload + at, packed));
    return at + packed;
}

/* One segment: blocks, length of the words, words, postings; the last bytes are also the filter. */
static size_t build_terms(const uint8_t *data, size_t size, uint8_t *file)
{
    uint32_t blocks = data[0] % 64 + 1u;
    size_t words = (data[1] | (size_t)data[2] << 8) % (size - 3 + 1);
    size_t one;
    size_t frames = put_frames(file, blocks, &one);
    uint8_t *payload = file + frames + 8;
    uint8_t *segment = payload + HEADER + (size_t)blocks * BLOCK;
    size_t at = HEADER + (size_t)blocks * BLOCK + SEGMENT;
    uint32_t rows = (uint32_t)(size > 16 ? 64 / blocks * 2 : 0);
    size_t filter = ((size_t)rows * blocks + 7) / 8;

    memset(payload, 0, at);
    for (uint32_t i = 0; i < blocks; i++) {
        put_u32(payload + HEADER + (size_t)i * BLOCK, (uint32_t)(i * one));
        put_u32(payload + HEADER + (size_t)i * BLOCK + 8, (uint32_t)one);
        put_u32(payload + HEADER + (size_t)i * BLOCK + 12, sizeof(line) - 1);
    }
    put_u32(segment + 4, blocks);
    put_u32(segment + 8, data[0] / 64 * 3u);
    put_u32(segment + 12, rows);
    at = put_section(payload, segment + 16, at, data + 3, words);
    at = put_section(payload, segment + 32, at, data + 3 + words, size - 3 - words);
    put_u32(segment + 48, (uint32_t)at);
    put_u32(segment + 52, (uint32_t)(filter + (filter > 0 ? 4 : 0)));
    put_u32(segment + 56, data[0] % 7u);
    if (filter > 0) {
        memcpy(payload + at, data + size - 16, filter > 16 ? 16 : filter);
        put_u32(payload + at + filter, lb_crc32c(0, payload + at, filter));
        at += filter + 4;
    }
    put_u32(payload + 12, blocks);
    put_u32(payload + 16, 1);
    put_u32(payload + 68, 0);
    make_plausible(payload, at, frames);
    return put_tail(file, payload, at);
}

static void ask(struct lb_archive *archive)
{
    static const char *const literals[] = { "hello", "error", "0123456789abcdef", "llo", "\"level\":\"info\"" };
    const struct lb_archive_summary *summary = lb_archive_summary(archive);
    uint64_t *bits = calloc(summary->block_count / 64 + 1, sizeof(*bits));

    for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
        struct lb_str literal = lb_str_from(literals[i]);
        struct lb_archive_clause clause = { &literal, 1 };
        struct lb_archive_query query = { .all = &clause,
                                          .count = 1,
                                          .fold = i % 2 == 0,
                                          .since_ns = i == 1 ? 5 : INT64_MIN,
                                          .until_ns = INT64_MAX,
                                          .levels = (uint16_t)(i == 2 ? 1 << 6 : 0),
                                          .services = i == 3 ? &literal : NULL,
                                          .service_count = i == 3 };

        enum lb_err err = lb_archive_select(archive, &query, bits);
        assert(err == LB_OK || err == LB_BAD_INPUT || err == LB_NOMEM);
        assert(bits[summary->block_count / 64] >> (summary->block_count % 64) == 0);
    }
    free(bits);
}

static void read_blocks(struct lb_archive *archive)
{
    struct lb_archive_decoder *decoder = lb_archive_decoder_new();
    uint32_t count = lb_archive_summary(archive)->block_count;
    lb_archive_reason reason;
    struct lb_str text;

    assert(decoder != NULL);
    for (uint32_t i = 0; i < count && i < BLOCKS_READ; i++) {
        if (lb_archive_read(archive, decoder, i, i % 2 == 0, &text, &reason) == LB_OK)
            assert(text.len == 0 || text.ptr[text.len - 1] == '\n');
        if (lb_archive_check(archive, decoder, i, &text, &reason) == LB_BAD_INPUT)
            assert(reason != NULL);
    }
    if (lb_archive_check_index(archive, &reason) == LB_BAD_INPUT)
        assert(reason != NULL);
    if (lb_archive_summary(archive)->kind == LB_ARCHIVE_STREAM) {
        while (lb_archive_next(archive, decoder, &text, &reason) == LB_OK)
            assert(text.len > 0 && text.ptr[text.len - 1] == '\n');
    }
    lb_archive_decoder_free(decoder);
}

static int write_memory(const char *name, const uint8_t *bytes, size_t size)
{
    int fd = memfd_create(name, 0);

    assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_MAX];
    lb_archive_reason reason = NULL;
    struct lb_archive *archive;
    char path[64];

    if (size < 1 || size > FILE_MAX / 2)
        return 0;
    size_t length = size - 1;
    if (data[0] % 3 == 1 && length >= HEADER)
        length = build_payload(data + 1, length, file);
    else if (data[0] % 3 == 2 && length >= 4)
        length = build_terms(data + 1, length, file);
    else
        memcpy(file, data + 1, length);
    int fd = write_memory("archive", file, length);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (lb_archive_open(&archive, path, &reason) == LB_OK) {
        ask(archive);
        read_blocks(archive);
        lb_archive_close(archive);
    }
    close(fd);
    return 0;
}
