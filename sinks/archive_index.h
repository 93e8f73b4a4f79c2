/*
 * archive_index.h - the index of a sealed archive: what it says of each block.
 *
 * It lies in a skippable frame behind the data, or in a sidecar FILE.lbx. At
 * opening the small parts are read and checked (what blocks hold, services,
 * where the rest lies); words and ids stay on disk until a query needs them.
 * Segments of up to ARCHIVE_SEGMENT_BLOCKS blocks bound the memory of the
 * writer and of a query. Layout, byte by byte: docs/archive-format.md.
 */
#ifndef ARCHIVE_INDEX_H
#define ARCHIVE_INDEX_H

#include "lb_archive.h"

enum {
    ARCHIVE_MAGIC_INDEX = 0x184D2A5B, /* skippable frames: the index, */
    ARCHIVE_MAGIC_SEEK = 0x184D2A5E,  /* the seek table of zstd's seekable format, */
    ARCHIVE_MAGIC_HOLE = 0x184D2A5C,  /* and what was a block before a repair */
    ARCHIVE_FRAME_HEADER = 8,
    ARCHIVE_SEEK_FOOTER = 9,
    ARCHIVE_SEEK_ENTRY = 8,
};
#define ARCHIVE_SEEK_MAGIC UINT32_C(0x8F92EAB1)

enum {
    ARCHIVE_INDEX_MAGIC = 0x3158424C, /* "LBX1" */
    ARCHIVE_INDEX_VERSION = 1,
    ARCHIVE_HEADER_BYTES = 128,
    ARCHIVE_BLOCK_BYTES = 88,
    ARCHIVE_SEGMENT_BYTES = 64,
    ARCHIVE_BLOCK_RAW = 1024 * 1024,           /* what a block is filled up to, in whole lines */
    ARCHIVE_BLOCK_RAW_MAX = 128 * 1024 * 1024, /* a single line may be longer: 16 MiB, escaped */
    ARCHIVE_BLOCKS_MAX = 1 << 24,
    ARCHIVE_SEGMENT_BLOCKS = 512,
    ARCHIVE_SERVICES_MAX = 63, /* further ones share bit 63 */
    ARCHIVE_SERVICE_BYTES = 256,
    ARCHIVE_WORDS_MAX = 65536, /* of a segment */
    ARCHIVE_WORD_BYTES = 63,
    ARCHIVE_PAGE = 4096, /* of the id filter: 4092 bytes of bits, CRC32C */
    ARCHIVE_PAGE_BITS = (ARCHIVE_PAGE - 4) * 8,
    ARCHIVE_ID_HASHES_MAX = 6,
};
#define ARCHIVE_SERVICE_OTHER (UINT64_C(1) << 63) /* one of more than fit, or not sure */

enum archive_block_flag {
    ARCHIVE_BLOCK_UNSURE = 1,  /* times, levels or services of some lines depend on who reads them */
    ARCHIVE_BLOCK_IDS = 2,     /* it has more ids than are noted */
    ARCHIVE_BLOCK_WORDS = 4,   /* it has more words than are noted */
    ARCHIVE_BLOCK_DAMAGED = 8, /* it was damaged when the file was sealed */
    ARCHIVE_BLOCK_GONE = 16,   /* it was damaged, and a repair made it skippable: it holds no lines */
};

/* What stands beside struct lb_archive_block. */
struct archive_block_more {
    uint64_t services; /* bit n: it has lines of service n */
    uint32_t flags;
};

/* Bytes of the payload, packed by zstd. */
struct archive_section {
    uint32_t offset;
    uint32_t packed;
    uint32_t raw;
    uint32_t crc;
};

struct archive_segment {
    uint32_t first_block;
    uint32_t block_count;
    uint32_t word_count;
    uint32_t rows; /* of the id filter, a bit for each block of the segment; 0: no ids */
    struct archive_section words;
    struct archive_section postings;
    uint32_t ids_offset; /* pages */
    uint32_t ids_bytes;
    uint32_t hashes; /* rows that an id stands in */
    bool streaks;    /* they are noted; not so in archives from before there were any */
};

struct archive_index {
    uint64_t serial; /* no other index of this process has it */
    int fd;          /* borrowed: the archive's; of a sidecar its own */
    bool owns_fd;
    uint64_t at;       /* where the payload begins in it */
    uint32_t bytes;    /* of the payload */
    uint64_t data_end; /* the blocks lie before */
    uint64_t mtime_ns; /* of a sidecar: of the file that it is of, */
    uint64_t print;    /* and what its first and last bytes were */
    uint64_t raw_bytes;
    uint64_t lines;
    int64_t first_ns, last_ns;
    uint32_t block_count;
    struct lb_archive_block *blocks;
    struct archive_block_more *more;
    uint32_t segment_count;
    struct archive_segment *segments;
    uint32_t service_count;
    struct lb_str *services;
    unsigned char *bytes_read; /* the tables, where the services' names stand */
};

/*
 * Reads and checks the tables of a payload of `bytes` bytes. LB_BAD_INPUT: `reason` says what is wrong. All that
 * later code relies on holds after LB_OK: blocks lie in order before `data_end`, sections inside the payload.
 */
enum lb_err archive_index_load(struct archive_index **index, int fd, uint64_t at, uint32_t bytes,
                               lb_archive_reason *reason) LB_MUST_USE;
void archive_index_free(struct archive_index *index);

/* The index in front of the seek table at the end of a file. LB_END: there is none, or no seek table. */
enum lb_err archive_index_find(struct archive_index **index, int fd, uint64_t size,
                               lb_archive_reason *reason) LB_MUST_USE;

/* Unpacks a section to `*bytes`, which the caller frees. LB_BAD_INPUT: it is damaged. */
enum lb_err archive_section_read(const struct archive_index *index, const struct archive_section *section,
                                 unsigned char **bytes) LB_MUST_USE;

/* Bytes of a page with its checksum: the last one is as long as it needs to be. */
uint32_t archive_page_size(const struct archive_segment *segment, uint32_t number);

/* One page of ids into `page`. LB_BAD_INPUT: it is damaged. */
enum lb_err archive_page_read(const struct archive_index *index, const struct archive_segment *segment, uint32_t number,
                              unsigned char *page) LB_MUST_USE;

/* The tables as they stand in the payload: for the writer, and for a repair in place. */
void archive_header_put(const struct archive_index *index, const uint32_t crcs[3], uint32_t services_bytes,
                        unsigned char *header);
void archive_block_put(const struct lb_archive_block *block, const struct archive_block_more *more,
                       unsigned char *bytes);
void archive_segment_put(const struct archive_segment *segment, unsigned char *bytes);

/* CRC of the blocks changes and with it that of the header: what lb_archive_repair() does to the tables. */
enum lb_err archive_index_mend(int fd, const struct archive_index *index) LB_MUST_USE;

#endif
