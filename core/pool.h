/*
 * pool.h - what the rest of core/ tells the pool about its batches.
 */
#ifndef LB_CORE_POOL_H
#define LB_CORE_POOL_H

#include "lb_pool.h"

/* The last reference is gone: slab and credit are free again. Any thread; may call a share's wake. */
void lb_pool_give_back(struct lb_batch *batch);

/*
 * The batch has left its source, so it comes back without the source's doing. What a source keeps (the rest of a
 * line that nobody finishes) does not: a share with nothing on its way is woken for the least that is free.
 */
void lb_pool_moving(struct lb_batch *batch);

#endif
