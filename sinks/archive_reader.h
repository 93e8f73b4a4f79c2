/*
 * archive_reader.h - an open archive: blocks with or without an index, or a
 * stream that is unpacked from front to back.
 */
#ifndef ARCHIVE_READER_H
#define ARCHIVE_READER_H

#include "archive_index.h"

#include <zlib.h>
#include <zstd.h>

enum archive_coding { ARCHIVE_PLAIN, ARCHIVE_GZIP, ARCHIVE_ZSTD };

struct archive_stream {
    int fd; /* borrowed */
    enum archive_coding coding;
    ZSTD_DCtx *context;
    z_stream gzip;
    bool inside; /* a member or frame has begun and not ended */
    bool ended;
    enum lb_err end; /* how */
    lb_archive_reason end_reason;
    void *input;
    size_t input_size, input_at, input_end;
    void *text;
    size_t text_size, text_len, handed; /* `handed` bytes at the front went to the caller */
};

struct lb_archive {
    int fd;
    struct lb_archive_summary summary;
    struct archive_index *index; /* of a sealed one */
    struct lb_archive_block *blocks;
    size_t blocks_size;
    uint64_t walked; /* frames up to here are in `blocks` */
    struct archive_stream stream;
};

struct lb_archive_decoder {
    ZSTD_DCtx *context;
    void *packed, *raw;
    size_t packed_size, raw_size;
    struct archive_terms *terms; /* what lb_archive_check() knows of the segment it looked at last */
};

void archive_terms_free(struct archive_terms *terms);

/* Looks at the first bytes of what `fd` reads and gets ready for the rest. */
enum lb_err archive_stream_open(struct archive_stream *stream, int fd) LB_MUST_USE;
void archive_stream_close(struct archive_stream *stream);

/* FILE.lbx beside `path`, if it is there and of this file. LB_END: there is none. LB_BAD_INPUT: it is of no use. */
enum lb_err archive_sidecar_find(struct archive_index **index, const char *path, int fd,
                                 lb_archive_reason *reason) LB_MUST_USE;

#endif
