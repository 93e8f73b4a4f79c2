/*
 * lb_entry.h - records that a source has read with all their parts, on their
 * way to the workers.
 *
 * Not every source has lines: an entry of a journal, a message of a broker
 * comes with its time, its level, fields, and a number of its own. The source
 * writes an entry as one event of a batch; the envelope makes the record of
 * it. Its place in the stream is that number, so numbers may have gaps, and a
 * batch covers less than 2^32 of them.
 */
#ifndef LB_ENTRY_H
#define LB_ENTRY_H

#include "lb_batch.h"
#include "lb_parser.h"

struct lb_entry {
    uint64_t position; /* not below that of the batch */
    int64_t time_ns;   /* LB_TIME_NONE: that of arrival */
    uint8_t level;     /* enum lb_level */
    bool truncated;
    struct lb_str service;
    struct lb_str host;
    struct lb_str fields; /* a JSON object, or empty */
    struct lb_str message;
};

/* Room in a slab that the entry takes, besides the table of events. */
size_t lb_entry_size(const struct lb_entry *entry);

/* Appends it, and moves batch->position_end behind it. False: there is no room, or it is too far from the first. */
bool lb_entry_append(struct lb_batch *batch, const struct lb_entry *entry);

extern const struct lb_envelope lb_envelope_entries;

#endif
