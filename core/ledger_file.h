/*
 * ledger_file.h - a file of checksummed records that only grows, or is
 * replaced whole. What the records say is ledger.c's.
 *
 *   header: magic (8 bytes), version (u32), CRC32C of both (u32)
 *   record: length of the payload (u32), CRC32C of length and payload (u32), payload
 *
 * All numbers are little-endian. Not thread-safe.
 */
#ifndef LB_CORE_LEDGER_FILE_H
#define LB_CORE_LEDGER_FILE_H

#include "lb_err.h"
#include "lb_str.h"

#include <stdint.h>

enum { LB_LEDGER_HEADER_BYTES = 16, LB_LEDGER_RECORD_BYTES = 8 };

struct lb_ledger_file {
    char *path;
    char *temporary; /* where it is rewritten */
    int fd;
    uint64_t length;   /* of what is known to be good */
    bool must_rewrite; /* it cannot be appended to: an fsync failed, or a torn end could not be cut off */
};

/*
 * Opens or creates it and calls `replay` for the payload of each record in order. The first record that is torn or
 * damaged (or that `replay` refuses by LB_BAD_INPUT), and all behind it, is cut off.
 */
enum lb_err lb_ledger_file_open(struct lb_ledger_file *file, const char *path,
                                enum lb_err (*replay)(void *context, struct lb_str payload), void *context) LB_MUST_USE;
void lb_ledger_file_close(struct lb_ledger_file *file);

/*
 * A record is LB_LEDGER_RECORD_BYTES for its head, filled in here, and the payload. Durable on LB_OK. LB_IO: errno says
 * why, the file is as it was or `must_rewrite` is set.
 */
enum lb_err lb_ledger_file_append(struct lb_ledger_file *file, char *record, size_t len) LB_MUST_USE;

/* Replaces the file by one that holds these two records (length 0: none), by rename. LB_IO: as above. */
enum lb_err lb_ledger_file_rewrite(struct lb_ledger_file *file, char *first, size_t first_len, char *second,
                                   size_t second_len) LB_MUST_USE;

#endif
