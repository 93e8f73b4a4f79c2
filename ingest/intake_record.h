/*
 * intake_record.h - a batch as bytes, and back.
 *
 * One entry of an intake's journal is one batch as the source filled it: raw
 * bytes, table of events, senders. Parsing comes afterwards, each time, so an
 * entry outlives a change of parsers. Numbers are little-endian; the layout is
 * in docs/delivery.md.
 */
#ifndef INTAKE_RECORD_H
#define INTAKE_RECORD_H

#include "lb_batch.h"
#include "lb_buffer.h"
#include "lb_err.h"

enum { INTAKE_ENTRY_MAX = 512 * 1024 * 1024 };

/* What can be known of an entry before there is a batch for it. */
struct intake_head {
    uint32_t version;
    uint32_t events;
    uint32_t length; /* of the bytes */
    uint32_t name_len;
    uint32_t host_len;
    uint32_t peers_len; /* 0: there are none */
    int64_t arrival_ns;
};

/* Appends an entry to `out`, which says whether it failed. */
void intake_encode(const struct lb_batch *batch, struct lb_buffer *out);

/* LB_BAD_INPUT: it is no entry, or of a version that is not known here. */
enum lb_err intake_decode_head(struct lb_str payload, struct intake_head *head) LB_MUST_USE;

/* How large a slab has to be for it. */
size_t intake_slab_bytes(const struct intake_head *head);

/* Into an empty batch with such a slab; positions are the caller's to set. LB_BAD_INPUT, LB_NOMEM (the arena). */
enum lb_err intake_decode(struct lb_str payload, struct lb_batch *batch) LB_MUST_USE;

/* What the batch's stream, or an entry, says of where it came from, into the arena of the batch. False: no memory. */
bool intake_note_origin(struct lb_batch *batch, struct lb_str name, struct lb_str host);

#endif
