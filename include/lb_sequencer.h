/*
 * lb_sequencer.h - finished batches leave in the order in which they came.
 *
 * Workers finish batches in any order; lb_sequencer_done() keeps those whose
 * turn has not come and hands on, in order, all whose turn it is, by calling
 * `emit` from whichever worker brought the missing one. `emit` is never run
 * by two threads at once. It must not block.
 */
#ifndef LB_SEQUENCER_H
#define LB_SEQUENCER_H

#include "lb_batch.h"

struct lb_sequencer;

struct lb_sequencer *lb_sequencer_new(void (*emit)(void *context, struct lb_batch *batch), void *context);
void lb_sequencer_free(struct lb_sequencer *sequencer);

/* Gives the batch away. Sequences start at 0 and have no gaps. */
void lb_sequencer_done(struct lb_sequencer *sequencer, struct lb_batch *batch);

#endif
