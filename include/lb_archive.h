/*
 * lb_archive.h - files of log lines, read by blocks: archives of any age, and
 * whatever else a person would grep.
 *
 * A sealed archive has an index (zone maps, level counts, words, winnowed
 * ids) that tells which blocks cannot hold a line that is looked for. A live
 * one has frames but no index. Both are read by blocks in any order, by any
 * number of threads. Foreign files (.gz, .zst of one frame, plain text) are
 * read from front to back: one thread, blocks as they come.
 *
 * A block holds whole lines. Layout: docs/archive-format.md.
 */
#ifndef LB_ARCHIVE_H
#define LB_ARCHIVE_H

#include "lb_buffer.h"
#include "lb_err.h"
#include "lb_level.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LB_ARCHIVE_LEVELS = 10 }; /* counts by enum lb_level; the last: lines without a level */

enum lb_archive_kind {
    LB_ARCHIVE_SEALED, /* blocks with an index, in the file or in a sidecar FILE.lbx */
    LB_ARCHIVE_BLOCKS, /* independent frames of at most 16 MiB with their sizes, without an index: live archives */
    LB_ARCHIVE_STREAM, /* any other .zst, .gz, plain text: lb_archive_next() only */
};

struct lb_archive_block {
    uint64_t offset; /* in the file */
    uint32_t packed; /* bytes there, */
    uint32_t raw;    /* and unpacked */

    /* Sealed archives only; otherwise first_ns > last_ns: nothing is known. */
    int64_t first_ns; /* times of the records in it, */
    int64_t last_ns;  /* both included; records without a readable time make it the widest */
    uint32_t lines;
    uint32_t levels[LB_ARCHIVE_LEVELS];
};

struct lb_archive_summary {
    enum lb_archive_kind kind;
    uint32_t block_count;
    uint64_t packed_bytes; /* of the file */
    uint64_t raw_bytes;    /* 0: not known */
    uint64_t index_bytes;
    int64_t first_ns, last_ns;     /* as in a block */
    const struct lb_str *services; /* sealed: all there are, for a short way out; else NULL */
    uint32_t service_count;
};

struct lb_archive;

/* What every line that is looked for must hold: one literal at least of every clause. Plain bytes, never empty. */
struct lb_archive_clause {
    const struct lb_str *any;
    size_t count;
};

struct lb_archive_query {
    const struct lb_archive_clause *all;
    size_t count;
    bool fold;        /* ASCII letters match without regard to case */
    int64_t since_ns; /* records of [since, until); INT64_MIN and INT64_MAX: any */
    int64_t until_ns;
    uint16_t levels;               /* bit n: level n counts; 0: any */
    const struct lb_str *services; /* any of these, as they are written; NULL: any */
    size_t service_count;
};

/* Why a block or file cannot be read, for a person; a literal or the text of errno. */
typedef const char *lb_archive_reason;

/* LB_IO: errno says why. LB_BAD_INPUT: `reason` says why. A damaged index makes it LB_ARCHIVE_BLOCKS with a reason. */
enum lb_err lb_archive_open(struct lb_archive **archive, const char *path, lb_archive_reason *reason) LB_MUST_USE;
void lb_archive_close(struct lb_archive *archive);

const struct lb_archive_summary *lb_archive_summary(const struct lb_archive *archive);
const struct lb_archive_block *lb_archive_blocks(const struct lb_archive *archive); /* block_count of them */

/*
 * Sets bit n of `bits` (block_count bits, zeroed by the caller) for each block that may hold what is looked for: never
 * leaves one out that does. LB_NOMEM; LB_BAD_INPUT: the index is damaged, all bits are set. Thread-safe.
 */
enum lb_err lb_archive_select(const struct lb_archive *archive, const struct lb_archive_query *query,
                              uint64_t *bits) LB_MUST_USE;

/* One per thread: the decoder and its buffers. */
struct lb_archive_decoder;
struct lb_archive_decoder *lb_archive_decoder_new(void);
void lb_archive_decoder_free(struct lb_archive_decoder *decoder);

/*
 * The text of a block: valid until the next call. Ends with a newline (one is added where the file lacks it).
 * Empty where a repair left a hole. `verify`: the checksum too; a flipped byte can pass without it. LB_BAD_INPUT: it
 * is damaged, `reason` says how.
 */
enum lb_err lb_archive_read(struct lb_archive *archive, struct lb_archive_decoder *decoder, uint32_t block, bool verify,
                            struct lb_str *text, lb_archive_reason *reason) LB_MUST_USE;

/*
 * Reads a block with its checksum, and holds all that the index says of it (counts, times, services, words, ids)
 * against it; to be called block by block, in order. LB_BAD_INPUT: as in lb_archive_read(), or the index leaves
 * something out.
 */
enum lb_err lb_archive_check(struct lb_archive *archive, struct lb_archive_decoder *decoder, uint32_t block,
                             struct lb_str *text, lb_archive_reason *reason) LB_MUST_USE;

/* All of the index that opening does not look at, and the seek table. LB_BAD_INPUT: `reason` says what is damaged. */
enum lb_err lb_archive_check_index(const struct lb_archive *archive, lb_archive_reason *reason) LB_MUST_USE;

/* Of a LB_ARCHIVE_STREAM: the next piece of whole lines, at most 1 MiB unless one line is longer. LB_END at the end. */
enum lb_err lb_archive_next(struct lb_archive *archive, struct lb_archive_decoder *decoder, struct lb_str *text,
                            lb_archive_reason *reason) LB_MUST_USE;

/* Where the newest record of a growing file can be waited for: the blocks that came since are added. */
enum lb_err lb_archive_refresh(struct lb_archive *archive) LB_MUST_USE;

/* --- making and mending ------------------------------------------------------------------ */

struct lb_seal_options {
    int level;                   /* of zstd, 9 by default */
    uint32_t block;              /* raw bytes of a block; 0: 1 MiB, which compresses and searches well */
    bool again;                  /* also where the file is sealed already */
    const char *temp;            /* a hidden name in the same directory */
    unsigned mode;               /* of the file: 0440 */
    bool (*stop)(void *context); /* asked between blocks; may be NULL */
    void *context;
};

struct lb_seal_result {
    uint64_t raw_bytes, packed_bytes, index_bytes;
    uint64_t lines;
    int64_t first_ns, last_ns;
    uint64_t levels[LB_ARCHIVE_LEVELS];
    unsigned char sha256[32]; /* of the file as it is now */
    uint32_t damaged;         /* blocks that could not be read; their bytes went over as they are */
};

/*
 * Makes a live archive a sealed one: re-blocked, indexed, by one atomic rename over its own name; its mtime stays. The
 * file is as it was on anything but LB_OK. A damaged block goes over byte for byte, for a repair to deal with. Of a
 * sealed archive only the result is filled in. LB_BAD_INPUT: it is no archive, or one with a torn end. LB_AGAIN: told
 * to stop.
 */
enum lb_err lb_archive_seal(const char *path, const struct lb_seal_options *options, struct lb_seal_result *result,
                            lb_archive_reason *reason) LB_MUST_USE;

/* An index beside a foreign file: FILE.lbx, for .zst of several frames; others are LB_BAD_INPUT with the reason. */
enum lb_err lb_archive_index(const char *path, lb_archive_reason *reason) LB_MUST_USE;

/*
 * Makes damaged frames skippable, in place, so that ordinary tools read all others; the index knows then that they are
 * gone. A damaged index is made anew: LB_OK with `reason`.
 */
enum lb_err lb_archive_repair(const char *path, uint32_t *blocks, uint64_t *bytes,
                              lb_archive_reason *reason) LB_MUST_USE;

/* Cuts what a crash left half-written behind the last whole frame of a live archive. `bytes`: how much went. */
enum lb_err lb_archive_recover(const char *path, uint64_t *bytes, lb_archive_reason *reason) LB_MUST_USE;

#endif
