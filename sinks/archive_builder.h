/*
 * archive_builder.h - the index of a file while its blocks are written.
 *
 * Full segments go to a nameless file beside the archive, so that memory does
 * not grow with it. One thread.
 */
#ifndef ARCHIVE_BUILDER_H
#define ARCHIVE_BUILDER_H

#include "archive_facts.h"
#include "archive_ids.h"
#include "archive_words.h"

#include <zstd.h>

struct archive_builder {
    struct archive_index index; /* what is known so far */
    size_t blocks_size, more_size, segments_size;
    struct archive_facts facts;
    struct archive_words words;
    struct archive_ids ids;
    struct lb_buffer text, postings, pages; /* of a segment while it is closed */
    ZSTD_CCtx *context;
    uint64_t segment_packed; /* bytes of the data of the segment */
    int spill;
    uint64_t spilled;
    uint64_t levels[LB_ARCHIVE_LEVELS];
};

/* `beside`: a path whose directory takes the nameless file. LB_IO: errno says why. */
enum lb_err archive_builder_open(struct archive_builder *builder, const char *beside) LB_MUST_USE;
void archive_builder_close(struct archive_builder *builder);

/* The next block. `text` is followed by ARCHIVE_SLACK readable bytes; NULL: it is damaged. */
enum lb_err archive_builder_add(struct archive_builder *builder, uint64_t offset, uint32_t packed,
                                const struct lb_str *text) LB_MUST_USE;

/* The words and ids of block `number` of a segment; sets ARCHIVE_BLOCK_WORDS and _IDS where not all are noted. */
enum lb_err archive_terms_add(struct archive_words *words, struct archive_ids *ids, struct lb_str text, uint32_t number,
                              uint32_t *flags) LB_MUST_USE;

/* Closes the last segment; then index.bytes says how long the payload is. */
enum lb_err archive_builder_end(struct archive_builder *builder) LB_MUST_USE;

/* Hands the payload out in pieces. */
typedef enum lb_err (*archive_builder_out)(void *context, const void *bytes, size_t len);
enum lb_err archive_builder_write(const struct archive_builder *builder, archive_builder_out out,
                                  void *context) LB_MUST_USE;

#endif
