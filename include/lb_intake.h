/*
 * lb_intake.h - what comes over the network, on disk before it goes on.
 *
 *   source ─▶ [list] ─▶ journal, many batches with one fsync ─▶ queue
 *
 * A source with `durable:` gives its batches to an intake instead of the
 * queue. A thread writes them to a journal (data_dir/intake/SOURCE), tells
 * the source what is safe, and passes them on as batches of one durable
 * stream, whose positions are those of the journal. So marks work as they do
 * for files: what no mark covers is read back after a restart, under the same
 * ids. All connections and sockets of a source share that stream; what their
 * own streams said (host, name) goes along with each batch.
 *
 * Nothing is held for ever: while those behind lag, batches are let go once
 * they are on disk, and read back in order as credit allows. When max_bytes is
 * reached or the disk takes nothing, batches wait, with the credit they hold,
 * and so does the source.
 */
#ifndef LB_INTAKE_H
#define LB_INTAKE_H

#include "lb_source.h"

struct lb_intake;

struct lb_intake_options {
    struct lb_str data_dir;
    uint64_t max_bytes; /* on disk */
    size_t lag_bytes;   /* of the source's share in use: those behind lag */
    struct lb_share
        *read_share; /* what is read back takes credit here; the intake's from open() on, also if it fails */

    /*
     * Optional, on the intake's thread: all up to the batch that lb_intake_put() called `number` is on disk. For a
     * source that answers its peers.
     */
    void (*safe)(void *context, uint64_t number);
    void *safe_context;
};

/* Its source's share, queue and streams are set. Takes batches from now on; reads and writes nothing yet. */
enum lb_err lb_intake_open(struct lb_intake **intake, const struct lb_source *source,
                           const struct lb_intake_options *options) LB_MUST_USE;

/*
 * Opens journal and stream, and begins. LB_IO: errno says why. `later`: where they cannot be opened (say, an instance
 * that this one replaces has records on their way), the thread tries until they can; batches are written meanwhile as
 * far as that goes, and wait.
 */
enum lb_err lb_intake_start(struct lb_intake *self, bool later) LB_MUST_USE;

/* Takes over a filled batch of the source's stream, counted. Returns its number: 1, 2, 3 … One thread at a time. */
uint64_t lb_intake_put(struct lb_intake *self, struct lb_batch *batch);

/*
 * Nobody puts any more: what is there is written, past max_bytes too, and goes on or stays for the next start. What
 * cannot be written goes on as if the source were not durable. The queue is open still.
 */
void lb_intake_finish(struct lb_intake *self);

/* After finish, and best after the last commit: forgets what all have. May be NULL. */
void lb_intake_free(struct lb_intake *self);

struct lb_intake_state {
    bool ok;
    char problem[256]; /* when not ok */
    uint64_t bytes;    /* on disk */
    bool behind;       /* what goes on is read back */
    int64_t oldest_ns; /* age of the oldest batch that has not gone on; 0: there is none */
};

void lb_intake_state(struct lb_intake *self, struct lb_intake_state *state);

/* Warns of intakes below data_dir that hold something and belong to none of these durable sources. */
void lb_intake_tell_orphans(struct lb_str data_dir, const struct lb_strs *sources);

/* To the intake, where there is one, or straight to the workers. Returns the intake's number of it, or 0. */
static inline uint64_t lb_source_push(const struct lb_source *source, struct lb_batch *batch)
{
    if (source->intake != NULL)
        return lb_intake_put(source->intake, batch);
    lb_queue_push(source->queue, batch);
    return 0;
}

#endif
