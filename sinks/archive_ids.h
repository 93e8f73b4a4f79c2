/*
 * archive_ids.h - the ids of a segment while it is made: the hashes of each
 * block, each once, and at the end a filter with a row of bits for each of
 * `rows` places and a bit for each block in a row.
 */
#ifndef ARCHIVE_IDS_H
#define ARCHIVE_IDS_H

#include "archive_terms.h"

#include "lb_buffer.h"

enum {
    ARCHIVE_IDS_MAX = 32 * 1024,               /* of a block */
    ARCHIVE_SEGMENT_IDS_MAX = 2 * 1024 * 1024, /* a segment that has them is closed */
    ARCHIVE_ID_BITS = 8,                       /* an id, in a block that has as many as blocks have */
};

struct archive_ids {
    bool streaks;    /* are noted; archives from before there were any are checked without */
    uint32_t *slots; /* the hashes of the block that is read */
    uint32_t *hashes;
    size_t hashes_size; /* bytes */
    uint32_t count;
    uint32_t first;                        /* of the block that is read */
    uint32_t ends[ARCHIVE_SEGMENT_BLOCKS]; /* of the hashes of each block */
};

bool archive_ids_open(struct archive_ids *ids);
void archive_ids_close(struct archive_ids *ids);

/* The segment's next block begins; its ids are noted, one by one; it ends. LB_LIMIT: it has too many. */
void archive_ids_begin(struct archive_ids *ids);
enum lb_err archive_ids_add(struct archive_ids *ids, struct lb_str id) LB_MUST_USE;
void archive_ids_end(struct archive_ids *ids, uint32_t block, bool keep);

/* Appends the pages of the filter, at most `bytes_max` of bits, and empties the segment. */
enum lb_err archive_ids_write(struct archive_ids *ids, uint64_t bytes_max, struct archive_segment *segment,
                              struct lb_buffer *pages) LB_MUST_USE;

#endif
