/*
 * slab.h - the memory of batches, used again and again.
 *
 * A batch, its slab and what its arena holds are one thing here. Slabs of a
 * class wait in a list until they are wanted again; larger ones, made for one
 * long event, are never kept. Nothing here locks: pool.c does.
 */
#ifndef LB_CORE_SLAB_H
#define LB_CORE_SLAB_H

#include "lb_batch.h"

enum { LB_SLAB_EXACT = 3, LB_SLAB_CLASSES = 4 }; /* three classes of lb_limits.h, and those made to measure */

/* A batch with what only the pool knows of it; the slab stands behind it in the same allocation. */
struct lb_slab {
    struct lb_batch batch; /* the first member: one is the other */
    uint8_t size_class;
    bool moving;
    size_t arena_keep; /* bytes that its arena keeps when it is used again */
};

/* Those that wait. */
struct lb_slabs {
    struct lb_batch *free[LB_SLAB_EXACT];
    size_t idle; /* bytes of all of them, arenas included */
};

static inline struct lb_slab *lb_slab_of(struct lb_batch *batch)
{
    return (struct lb_slab *)(void *)batch;
}

unsigned lb_slab_class(size_t bytes);
size_t lb_slab_capacity(size_t bytes); /* `bytes` rounded up to their class, or to 8 */

/* NULL: out of memory. */
struct lb_batch *lb_slab_new(size_t bytes);

/* What it takes of the memory: slab and arena. */
size_t lb_slab_footprint(const struct lb_batch *batch);

/* The next of that class, or NULL; taken out. */
struct lb_batch *lb_slabs_pop(struct lb_slabs *slabs, unsigned size_class);
void lb_slabs_push(struct lb_slabs *slabs, struct lb_batch *batch);

/* Takes out the largest until no more than `idle_max` bytes wait: a chain for lb_slabs_free, outside of any lock. */
struct lb_batch *lb_slabs_trim(struct lb_slabs *slabs, size_t idle_max);
void lb_slabs_free(struct lb_batch *chain);

#endif
