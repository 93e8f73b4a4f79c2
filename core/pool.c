/*
 * pool.c - credit, and whose turn it is.
 *
 * The tricky things:
 *  - A share that holds nothing may overdraw the pool by one batch, if the
 *    pool itself is not overdrawn: so nobody starves, however large the slab.
 *  - A share that waits is woken when much is free, not for each small batch;
 *    but if nothing of its own is on its way (it only keeps unfinished lines),
 *    nobody would come again to wake it, so then the least is enough.
 *  - A share has many streams and one place in the queue: it keeps the place
 *    when another of its streams gets a batch meanwhile. Losing it would leave
 *    the one that waits asleep for ever; a wake too many costs a look.
 *  - While one waits for the pool, another that has more than an equal part
 *    of it waits too.
 */
#include "pool.h"

#include "lb_alloc.h"
#include "lb_log.h"
#include "lb_stream.h"
#include "slab.h"

#include <assert.h>
#include <pthread.h>

#define MODULE "pool"

enum {
    ARENA_KEEP_MIN = 16 * 1024,
    RATIO_ONE = 1024, /* arena bytes per slab byte, in 1/1024 */
    RATIO_WEIGHT = 8, /* of the batches before, against the newest */
    POOL_ROOM = 8,    /* worth waking: 1/8 of the pool is free */
    SHARE_ROOM = 4,   /* and 1/4 of the share */
};

struct lb_share {
    struct lb_pool *pool;
    size_t bytes_max;
    size_t used;
    uint32_t batches;
    atomic_uint moving;              /* of them, on their way */
    uint32_t ratio[LB_SLAB_CLASSES]; /* what the arenas of its batches took, learned */
    bool closed;                     /* freed with its last batch */

    /* While it waits. */
    bool waiting;
    bool wants_pool; /* its own share would allow it */
    size_t wanted;
    struct lb_share *next_waiting;
    void (*wake)(void *context);
    void *context;
    uint32_t waking; /* calls of `wake` that run now */
};

struct lb_pool {
    pthread_mutex_t lock; /* guards all below, and the shares */
    pthread_cond_t woken; /* a call of `wake` has returned */
    size_t bytes_max;
    _Atomic size_t used; /* credit; written under the lock */
    struct lb_slabs slabs;
    uint32_t share_count;
    uint32_t pool_waiters;
    struct lb_share *waiting; /* the longest first */
};

/* --- pool and shares ------------------------------------------------------------ */

struct lb_pool *lb_pool_new(size_t bytes_max)
{
    struct lb_pool *pool = lb_alloc(sizeof(*pool));

    if (pool == NULL)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->woken, NULL);
    pool->bytes_max = bytes_max;
    return pool;
}

void lb_pool_free(struct lb_pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->used == 0);
    lb_slabs_free(lb_slabs_trim(&pool->slabs, 0));
    pthread_cond_destroy(&pool->woken);
    pthread_mutex_destroy(&pool->lock);
    lb_free(pool);
}

struct lb_share *lb_share_new(struct lb_pool *pool, size_t bytes_max)
{
    struct lb_share *share = lb_alloc(sizeof(*share));

    if (share == NULL)
        return NULL;
    share->pool = pool;
    share->bytes_max = bytes_max;
    for (unsigned i = 0; i < LB_SLAB_CLASSES; i++)
        share->ratio[i] = RATIO_ONE;
    pthread_mutex_lock(&pool->lock);
    pool->share_count++;
    pthread_mutex_unlock(&pool->lock);
    return share;
}

static void stop_waiting(struct lb_share *share)
{
    struct lb_share **link = &share->pool->waiting;

    if (!share->waiting)
        return;
    while (*link != share)
        link = &(*link)->next_waiting;
    *link = share->next_waiting;
    share->waiting = false;
    share->pool->pool_waiters -= share->wants_pool;
}

void lb_share_free(struct lb_share *share)
{
    if (share == NULL)
        return;
    struct lb_pool *pool = share->pool;

    pthread_mutex_lock(&pool->lock);
    stop_waiting(share);
    share->wake = NULL;
    while (share->waking > 0)
        pthread_cond_wait(&pool->woken, &pool->lock);
    share->closed = true;
    pool->share_count--;
    bool last = share->batches == 0;
    pthread_mutex_unlock(&pool->lock);
    if (last)
        lb_free(share);
}

void lb_share_on_credit(struct lb_share *share, void (*wake)(void *context), void *context)
{
    pthread_mutex_lock(&share->pool->lock);
    share->wake = wake;
    share->context = context;
    while (wake == NULL && share->waking > 0)
        pthread_cond_wait(&share->pool->woken, &share->pool->lock);
    pthread_mutex_unlock(&share->pool->lock);
}

/* --- credit ----------------------------------------------------------------------- */

/* `promised`: what others were told just now that they may take. */
static bool may_take(const struct lb_share *share, size_t need, size_t promised)
{
    const struct lb_pool *pool = share->pool;

    if (share->batches == 0)
        return pool->used + promised < pool->bytes_max;
    return pool->used + promised + need <= pool->bytes_max && share->used + need <= share->bytes_max;
}

/* Others wait for the pool, and this share has more than an equal part and will be called again. */
static bool must_yield(const struct lb_share *share, size_t need)
{
    const struct lb_pool *pool = share->pool;

    return pool->pool_waiters > (share->waiting && share->wants_pool) && share->moving > 0 &&
           share->used + need > pool->bytes_max / pool->share_count;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool worth_waking(const struct lb_share *share, size_t promised)
{
    const struct lb_pool *pool = share->pool;

    if (!may_take(share, share->wanted, promised))
        return false;
    if (share->moving == 0)
        return true;
    return !must_yield(share, share->wanted) &&
           pool->used + promised + larger(share->wanted, pool->bytes_max / POOL_ROOM) <= pool->bytes_max &&
           share->used + larger(share->wanted, share->bytes_max / SHARE_ROOM) <= share->bytes_max;
}

static void start_waiting(struct lb_share *share, size_t need)
{
    struct lb_share **link = &share->pool->waiting;

    stop_waiting(share);
    while (*link != NULL)
        link = &(*link)->next_waiting;
    *link = share;
    share->next_waiting = NULL;
    share->waiting = true;
    share->wanted = need;
    share->wants_pool = share->batches == 0 || share->used + need <= share->bytes_max;
    share->pool->pool_waiters += share->wants_pool;
}

static void add_credit(struct lb_share *share, size_t bytes)
{
    share->pool->used += bytes;
    share->used += bytes;
}

static void repay_credit(struct lb_share *share, size_t bytes)
{
    share->pool->used -= bytes;
    share->used -= bytes;
}

/* The next whose turn it is, no longer waiting; `promised` grows by what it may take. */
static struct lb_share *next_to_wake(struct lb_pool *pool, size_t *promised)
{
    struct lb_share *share = pool->waiting;

    while (share != NULL && !worth_waking(share, *promised))
        share = share->next_waiting;
    if (share != NULL) {
        *promised += share->wanted;
        stop_waiting(share);
    }
    return share;
}

/* With the lock held; gives it up around each call. */
static void wake_waiting(struct lb_pool *pool)
{
    struct lb_share *share;
    size_t promised = 0;

    while ((share = next_to_wake(pool, &promised)) != NULL) {
        void (*wake)(void *context) = share->wake;
        void *context = share->context;

        if (wake == NULL)
            continue;
        share->waking++;
        pthread_mutex_unlock(&pool->lock);
        wake(context);
        pthread_mutex_lock(&pool->lock);
        share->waking--;
        pthread_cond_broadcast(&pool->woken);
    }
}

/* --- taking ------------------------------------------------------------------------- */

static size_t arena_estimate(const struct lb_share *share, unsigned size_class, size_t capacity)
{
    return (size_t)((uint64_t)capacity * share->ratio[size_class] / RATIO_ONE);
}

/* How much of its arena a batch keeps for the next time: what the next one is likely to take. */
static size_t arena_keep(size_t capacity, size_t estimate)
{
    return larger(larger(2 * capacity, estimate + estimate / 2), ARENA_KEEP_MIN);
}

static size_t idle_max(const struct lb_pool *pool)
{
    return pool->used < pool->bytes_max ? pool->bytes_max - pool->used : 0;
}

/* With the lock held: credit for one batch, or its turn to wait. 0: wait. `*recycled` is a batch to use again, if any.
 */
static size_t take_credit(struct lb_share *share, size_t bytes, struct lb_batch **recycled)
{
    struct lb_pool *pool = share->pool;
    unsigned size_class = lb_slab_class(bytes);
    size_t capacity = lb_slab_capacity(bytes);
    struct lb_batch *batch = lb_slabs_pop(&pool->slabs, size_class);
    size_t held = batch != NULL ? batch->arena.bytes_held : 0;
    size_t need = capacity + larger(arena_estimate(share, size_class, capacity), held);

    if (!may_take(share, need, 0) || must_yield(share, need)) {
        if (batch != NULL)
            lb_slabs_push(&pool->slabs, batch);
        start_waiting(share, need);
        return 0;
    }
    add_credit(share, need);
    share->batches++;
    *recycled = batch;
    return need;
}

/* All but slab and arena as new. */
static void prepare(struct lb_batch *batch, struct lb_share *share, size_t credit, struct lb_stream *stream)
{
    *batch = (struct lb_batch){
        .bytes = batch->bytes,
        .capacity = batch->capacity,
        .arena = batch->arena,
        .pool = share->pool,
        .share = share,
        .credit = credit,
        .stream = stream,
        .references = 1,
    };
    lb_slab_of(batch)->moving = false;
    lb_slab_of(batch)->arena_keep = arena_keep(batch->capacity, 0);
    if (stream != NULL)
        lb_stream_ref(stream);
}

/* Credit is there, memory is not: as if there were no credit. */
static void give_up(struct lb_share *share, size_t need)
{
    LB_ERROR(MODULE, "no memory for a slab, the source waits bytes=%zu", need);
    pthread_mutex_lock(&share->pool->lock);
    repay_credit(share, need);
    share->batches--;
    start_waiting(share, need);
    pthread_mutex_unlock(&share->pool->lock);
}

struct lb_batch *lb_pool_take(struct lb_share *share, size_t bytes, struct lb_stream *stream)
{
    struct lb_pool *pool = share->pool;
    struct lb_batch *batch = NULL;

    assert(bytes <= INT32_MAX);
    pthread_mutex_lock(&pool->lock);
    size_t credit = take_credit(share, bytes, &batch);
    struct lb_batch *unwanted = credit > 0 ? lb_slabs_trim(&pool->slabs, idle_max(pool)) : NULL;
    pthread_mutex_unlock(&pool->lock);
    if (credit == 0)
        return NULL;
    lb_slabs_free(unwanted);
    if (batch == NULL)
        batch = lb_slab_new(bytes);
    if (batch != NULL)
        prepare(batch, share, credit, stream);
    else
        give_up(share, credit);
    return batch;
}

/* --- giving back ------------------------------------------------------------------------ */

void lb_pool_moving(struct lb_batch *batch)
{
    if (batch->pool == NULL || lb_slab_of(batch)->moving)
        return;
    lb_slab_of(batch)->moving = true;
    atomic_fetch_add(&batch->share->moving, 1);
}

void lb_pool_settle(struct lb_batch *batch)
{
    struct lb_pool *pool = batch->pool;
    struct lb_share *share = batch->share;

    if (pool == NULL)
        return;
    size_t real = lb_slab_footprint(batch);
    struct lb_slab *slab = lb_slab_of(batch);
    uint32_t *ratio = &share->ratio[slab->size_class];
    uint64_t seen = (uint64_t)batch->arena.bytes_held * RATIO_ONE / batch->capacity;

    pthread_mutex_lock(&pool->lock);
    *ratio = (uint32_t)(((uint64_t)*ratio * (RATIO_WEIGHT - 1) + seen) / RATIO_WEIGHT);
    slab->arena_keep = arena_keep(batch->capacity, arena_estimate(share, slab->size_class, batch->capacity));
    add_credit(share, real);
    repay_credit(share, batch->credit);
    bool less = real < batch->credit;
    batch->credit = real;
    if (less)
        wake_waiting(pool);
    pthread_mutex_unlock(&pool->lock);
}

/* With the lock held. True if the share was closed, and this was its last batch. */
static bool return_credit(struct lb_share *share, size_t credit, bool moving)
{
    repay_credit(share, credit);
    share->batches--;
    if (moving)
        atomic_fetch_sub(&share->moving, 1);
    return share->closed && share->batches == 0;
}

void lb_pool_give_back(struct lb_batch *batch)
{
    struct lb_pool *pool = batch->pool;
    struct lb_share *share = batch->share;
    struct lb_stream *stream = batch->stream;
    struct lb_slab *slab = lb_slab_of(batch);
    struct lb_batch *exact = NULL;

    lb_arena_reset(&batch->arena, slab->arena_keep);
    batch->next = NULL;
    pthread_mutex_lock(&pool->lock);
    bool share_ended = return_credit(share, batch->credit, slab->moving);
    if (slab->size_class < LB_SLAB_EXACT)
        lb_slabs_push(&pool->slabs, batch);
    else
        exact = batch;
    struct lb_batch *unwanted = lb_slabs_trim(&pool->slabs, idle_max(pool));
    wake_waiting(pool);
    pthread_mutex_unlock(&pool->lock);
    lb_slabs_free(exact);
    lb_slabs_free(unwanted);
    if (share_ended)
        lb_free(share);
    if (stream != NULL)
        lb_stream_unref(stream);
}

/* --- for metrics ---------------------------------------------------------------------------- */

size_t lb_pool_used(const struct lb_pool *pool)
{
    return pool->used;
}

size_t lb_pool_max(const struct lb_pool *pool)
{
    return pool->bytes_max;
}

size_t lb_share_used(const struct lb_share *share)
{
    size_t used;

    pthread_mutex_lock(&share->pool->lock);
    used = share->used;
    pthread_mutex_unlock(&share->pool->lock);
    return used;
}
