/*
 * lb_pool.h - slabs, and the credit to fill them.
 *
 * Only sources wait. A source takes credit for a batch, its arena included,
 * before it reads; when the pool or the source's share of it is used up it
 * gets NULL and is called back when bytes are free again. Everything behind
 * the sources therefore has room for the whole pool, and pushing never fails
 * or blocks. An arena that outgrows its estimate is accounted when the batch
 * leaves its worker: the pool may be overdrawn by that much, and by one batch
 * of a share that holds nothing (so that everybody gets one, however large),
 * and gives nothing new until it is repaid.
 *
 * Thread-safe. A recycled batch keeps its slab and arena: in a steady state
 * nothing is allocated.
 */
#ifndef LB_POOL_H
#define LB_POOL_H

#include "lb_batch.h"
#include "lb_err.h"

struct lb_pool *lb_pool_new(size_t bytes_max);
void lb_pool_free(struct lb_pool *pool); /* every batch is back */

/* A part of the pool for one source, at most `bytes_max`, so that one source cannot starve another. */
struct lb_share *lb_share_new(struct lb_pool *pool, size_t bytes_max);
void lb_share_free(struct lb_share *share); /* its last batches may come back later; `wake` does not run any more */

/*
 * A batch whose slab has at least `bytes` bytes (rounded up to a class), for `stream`, with one reference; or NULL.
 * After NULL, `wake(context)` is called once, from any thread, when it is worth while to try again; it holds no lock.
 * With `wake` NULL lb_share_on_credit() returns when no call of it is running any more.
 */
struct lb_batch *lb_pool_take(struct lb_share *share, size_t bytes, struct lb_stream *stream);
void lb_share_on_credit(struct lb_share *share, void (*wake)(void *context), void *context);

/* Accounts what the arena really took. Called by the worker that is done with the batch. */
void lb_pool_settle(struct lb_batch *batch);

/* Bytes in use and the bound, for metrics and health. */
size_t lb_pool_used(const struct lb_pool *pool);
size_t lb_pool_max(const struct lb_pool *pool);
size_t lb_share_used(const struct lb_share *share);

#endif
