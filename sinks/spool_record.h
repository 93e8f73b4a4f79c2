/*
 * spool_record.h - records as bytes, and back.
 *
 * One entry of a spool is the selection of one batch for one sink: all that a
 * sink may need to write the records again, byte for byte the same, under the
 * same ids. A sequence of plain msgpack values, no arrays or maps, so that a
 * reader needs no memory for what a damaged count promises; the layout is in
 * docs/delivery.md.
 */
#ifndef SPOOL_RECORD_H
#define SPOOL_RECORD_H

#include "lb_batch.h"
#include "lb_buffer.h"
#include "lb_err.h"

enum { SPOOL_ENTRY_MAX = 512 * 1024 * 1024 };

/* What can be known of an entry without reading its records. */
struct spool_head {
    uint64_t origin; /* id of the stream that the records came from */
    uint64_t position;
    int64_t arrival_ns;
    uint32_t count;
};

/* A batch that was read back. It borrows the payload; `batch.stream` is the caller's to set. */
struct spool_batch {
    struct lb_batch batch;
    struct lb_selection selection; /* all of them */
};

/* Appends an entry to `out`, which says whether it failed. */
void spool_encode(const struct lb_batch *batch, const struct lb_selection *selection, struct lb_buffer *out);

/* LB_BAD_INPUT: it is no entry. */
enum lb_err spool_decode_head(struct lb_str payload, struct spool_head *head) LB_MUST_USE;

/*
 * Into `spool`, whose arena is reset first. LB_BAD_INPUT: not one whole entry; LB_NOMEM. The payload must not change
 * while the batch is in use.
 */
enum lb_err spool_decode(struct lb_str payload, struct spool_batch *spool) LB_MUST_USE;

void spool_batch_init(struct spool_batch *spool);
void spool_batch_free(struct spool_batch *spool);

#endif
