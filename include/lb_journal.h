/*
 * lb_journal.h - a bounded queue of byte strings on disk.
 *
 * What spools are made of: one directory, segments of some MiB, each entry
 * with length and CRC32C. One thread appends and one reads; both may run at
 * once. Appended entries are safe when lb_journal_sync() has returned: many
 * appends, one fsync. A position counts the bytes of the journal since it was
 * made; a segment's name is the position of its first byte, so opening lists
 * names and looks into the last segment only, however large the backlog.
 *
 * Damage costs what is damaged: an entry whose checksum does not fit is
 * skipped, counted and told; a segment without a readable head costs that
 * segment. Nothing in a journal stops logboom from starting.
 */
#ifndef LB_JOURNAL_H
#define LB_JOURNAL_H

#include "lb_buffer.h"
#include "lb_err.h"

#include <stdbool.h>
#include <stdint.h>

struct lb_journal;
struct lb_journal_reader;

struct lb_journal_options {
    uint64_t segment_bytes; /* a segment that is longer gets a successor; 0: 16 MiB */
    uint64_t max_bytes;     /* of all segments; 0: no bound. An empty journal takes one entry of any size */

    /*
     * What the owner knows: entries from `end` on never counted, so they are cut; positions go on from `end` even where
     * less is found. Without it the journal is taken as it is found, but for a torn tail.
     */
    bool end_known;
    uint64_t end;
};

/* Makes the directory where it is missing; cuts a torn tail. LB_IO: errno says why. */
enum lb_err lb_journal_open(struct lb_journal **journal, const char *directory,
                            const struct lb_journal_options *options) LB_MUST_USE;
void lb_journal_close(struct lb_journal *journal); /* readers first */

/*
 * Takes a copy of at least one byte. `end` (may be NULL): the position behind the entry. LB_LIMIT: max_bytes is reached
 * (nothing was taken). LB_IO (say, ENOSPC): nothing was taken, and the journal ends with a whole entry; try again
 * later.
 */
enum lb_err lb_journal_append(struct lb_journal *journal, struct lb_str payload, uint64_t *end) LB_MUST_USE;

/*
 * All that was appended is on disk. After a failed fsync the segment is given up: what was appended since the last
 * sync is written anew to the next segment; only if that fails too, LB_IO: then it is not safe, try again later.
 */
enum lb_err lb_journal_sync(struct lb_journal *journal) LB_MUST_USE;

/* Forgets what was appended since the last sync. The appending thread. */
void lb_journal_undo(struct lb_journal *journal);

/* Positions of the first byte that is still there and behind the last; bytes on disk between them. Any thread. */
uint64_t lb_journal_begin(const struct lb_journal *journal);
uint64_t lb_journal_end(const struct lb_journal *journal);
uint64_t lb_journal_bytes(const struct lb_journal *journal);

/* Deletes segments that lie wholly below `position`. Any thread. */
void lb_journal_trim(struct lb_journal *journal, uint64_t position);

/* Where all was trimmed, deletes the segment that is being appended to as well. The appending thread. */
void lb_journal_tidy(struct lb_journal *journal);

/*
 * Deletes the oldest segment, whatever is in it (but not the one that is being appended to: LB_END), after `visit` has
 * seen each of its entries that can be read. A reader that stood there goes on behind it. The appending thread.
 */
enum lb_err lb_journal_drop_oldest(struct lb_journal *journal,
                                   void (*visit)(void *context, struct lb_str payload, uint64_t start),
                                   void *context) LB_MUST_USE;

/* Entries (or, for a lost head, segments) that were skipped because they were damaged, since it was opened. */
uint64_t lb_journal_damaged(const struct lb_journal *journal);

/* Begins at the first entry at or behind `position` (one that lb_journal_append() or read gave, or 0). NULL: memory. */
struct lb_journal_reader *lb_journal_reader_new(struct lb_journal *journal, uint64_t position);
void lb_journal_reader_free(struct lb_journal_reader *reader);

/*
 * The next entry that is synced, into `payload` (reset first); it lies at [start, end). LB_AGAIN: there is none yet.
 * LB_IO: the disk fails here; trying again later starts at the same entry (which counts as damaged after some tries).
 */
enum lb_err lb_journal_read(struct lb_journal_reader *reader, struct lb_buffer *payload, uint64_t *start,
                            uint64_t *end) LB_MUST_USE;

#endif
