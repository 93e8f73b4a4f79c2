/*
 * pool.c - credit, free lists, and whose turn it is.
 *
 * The tricky things:
 *  - A share that holds nothing may overdraw the pool by one batch, if the
 *    pool itself is not overdrawn: so nobody starves, however large the slab.
 *  - A share that waits is woken when much is free, not for each small batch;
 *    but if nothing of its own is on its way (it only keeps unfinished lines),
 *    nobody would come again to wake it, so then the least is enough.
 *  - While one waits for the pool, another that has more than an equal part
 *    of it waits too.
 */
#include "pool.h"

#include "lb_alloc.h"
#include "lb_limits.h"
#include "lb_log.h"
#include "lb_stream.h"

#include <assert.h>
#include <pthread.h>

#define MODULE "pool"

enum {
    CLASS_COUNT = 4, /* three with free lists; the last are slabs made for one long event, never kept */
    CLASS_EXACT = 3,
    SLAB_ALIGNMENT = 64,
    ARENA_KEEP_MIN = 16 * 1024,
    ARENA_BYTES_MIN = 1024 * 1024,
    ARENA_FACTOR = 16,
    RATIO_ONE = 1024, /* arena bytes per slab byte, in 1/1024 */
    RATIO_WEIGHT = 8, /* of the batches before, against the newest */
    POOL_ROOM = 8,    /* worth waking: 1/8 of the pool is free */
    SHARE_ROOM = 4,   /* and 1/4 of the share */
};

static const uint32_t class_bytes[CLASS_EXACT] = { LB_SLAB_SMALL, LB_SLAB_MEDIUM, LB_SLAB_LARGE };

/* A batch with what only the pool knows of it; the slab stands behind it in the same allocation. */
struct slab {
    struct lb_batch batch;
    uint8_t class;
    bool moving;
};

struct lb_share {
    struct lb_pool *pool;
    size_t bytes_max;
    size_t used;
    uint32_t batches;
    atomic_uint moving;          /* of them, on their way */
    uint32_t ratio[CLASS_COUNT]; /* what the arenas of its batches took, learned */
    bool closed;                 /* freed with its last batch */

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
    size_t idle;         /* bytes in the free lists */
    struct lb_batch *free[CLASS_EXACT];
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

static void free_slabs(struct lb_batch *batch)
{
    while (batch != NULL) {
        struct lb_batch *next = batch->next;

        lb_arena_free(&batch->arena);
        lb_free(batch);
        batch = next;
    }
}

void lb_pool_free(struct lb_pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->used == 0);
    for (unsigned i = 0; i < CLASS_EXACT; i++)
        free_slabs(pool->free[i]);
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
    for (unsigned i = 0; i < CLASS_COUNT; i++)
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

static unsigned class_of(size_t bytes)
{
    unsigned class = 0;

    while (class < CLASS_EXACT && bytes > class_bytes[class])
        class ++;
    return class;
}

static size_t footprint(const struct lb_batch *batch)
{
    return batch->capacity + batch->arena.bytes_held;
}

static size_t arena_estimate(const struct lb_share *share, unsigned class, size_t capacity)
{
    return (size_t)((uint64_t)capacity * share->ratio[class] / RATIO_ONE);
}

static struct lb_batch *pop_free(struct lb_pool *pool, unsigned class)
{
    struct lb_batch *batch = pool->free[class];

    if (batch != NULL) {
        pool->free[class] = batch->next;
        pool->idle -= footprint(batch);
    }
    return batch;
}

/* Takes idle slabs out of the lists, the largest first, until all that is held fits the pool; a chain to be freed. */
static struct lb_batch *trim(struct lb_pool *pool, size_t idle_max)
{
    struct lb_batch *chain = NULL;

    for (unsigned class = CLASS_EXACT; class -- > 0;) {
        while (pool->idle > idle_max && pool->free[class] != NULL) {
            struct lb_batch *batch = pop_free(pool, class);

            batch->next = chain;
            chain = batch;
        }
    }
    return chain;
}

static size_t idle_max(const struct lb_pool *pool)
{
    return pool->used < pool->bytes_max ? pool->bytes_max - pool->used : 0;
}

static struct lb_batch *new_slab(unsigned class, size_t capacity)
{
    size_t head = (sizeof(struct slab) + SLAB_ALIGNMENT - 1) / SLAB_ALIGNMENT * SLAB_ALIGNMENT;
    struct slab *slab = lb_alloc(head + SLAB_ALIGNMENT + capacity);

    if (slab == NULL)
        return NULL;
    uintptr_t bytes = ((uintptr_t)slab + head + SLAB_ALIGNMENT - 1) & ~(uintptr_t)(SLAB_ALIGNMENT - 1);
    slab->class = (uint8_t) class;
    slab->batch.bytes = (char *)slab + (bytes - (uintptr_t)slab);
    slab->batch.capacity = (uint32_t)capacity;
    size_t arena_max = capacity * ARENA_FACTOR;
    lb_arena_init(&slab->batch.arena, arena_max > ARENA_BYTES_MIN ? arena_max : ARENA_BYTES_MIN);
    return &slab->batch;
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
    ((struct slab *)(void *)batch)->moving = false;
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
    unsigned class = class_of(bytes);
    size_t capacity = class < CLASS_EXACT ? class_bytes[class] : (bytes + 7) & ~(size_t)7;
    struct lb_batch *unwanted = NULL;

    assert(bytes <= INT32_MAX);
    pthread_mutex_lock(&pool->lock);
    struct lb_batch *batch = class < CLASS_EXACT ? pool->free[class] : NULL;
    size_t held = batch != NULL ? batch->arena.bytes_held : 0;
    size_t need = capacity + larger(arena_estimate(share, class, capacity), held);
    if (!may_take(share, need, 0) || must_yield(share, need)) {
        start_waiting(share, need);
        pthread_mutex_unlock(&pool->lock);
        return NULL;
    }
    stop_waiting(share);
    add_credit(share, need);
    share->batches++;
    if (batch != NULL)
        batch = pop_free(pool, class);
    unwanted = trim(pool, idle_max(pool));
    pthread_mutex_unlock(&pool->lock);

    free_slabs(unwanted);
    if (batch == NULL)
        batch = new_slab(class, capacity);
    if (batch != NULL)
        prepare(batch, share, need, stream);
    else
        give_up(share, need);
    return batch;
}

/* --- giving back ------------------------------------------------------------------------ */

void lb_pool_moving(struct lb_batch *batch)
{
    struct slab *slab = (struct slab *)(void *)batch;

    if (batch->pool == NULL || slab->moving)
        return;
    slab->moving = true;
    atomic_fetch_add(&batch->share->moving, 1);
}

void lb_pool_settle(struct lb_batch *batch)
{
    struct lb_pool *pool = batch->pool;
    struct lb_share *share = batch->share;
    size_t real = footprint(batch);

    if (pool == NULL)
        return;
    uint32_t *ratio = &share->ratio[((struct slab *)(void *)batch)->class];
    uint64_t seen = (uint64_t)batch->arena.bytes_held * RATIO_ONE / batch->capacity;

    pthread_mutex_lock(&pool->lock);
    *ratio = (uint32_t)(((uint64_t)*ratio * (RATIO_WEIGHT - 1) + seen) / RATIO_WEIGHT);
    add_credit(share, real);
    repay_credit(share, batch->credit);
    bool less = real < batch->credit;
    batch->credit = real;
    if (less)
        wake_waiting(pool);
    pthread_mutex_unlock(&pool->lock);
}

/* How much of its arena a recycled batch keeps: what the next one is likely to take. */
static size_t arena_keep(const struct lb_share *share, const struct lb_batch *batch, unsigned class)
{
    size_t learned = arena_estimate(share, class, batch->capacity);

    return larger(larger(2 * (size_t)batch->capacity, learned + learned / 2), ARENA_KEEP_MIN);
}

void lb_pool_give_back(struct lb_batch *batch)
{
    struct slab *slab = (struct slab *)(void *)batch;
    struct lb_pool *pool = batch->pool;
    struct lb_share *share = batch->share;
    struct lb_stream *stream = batch->stream;
    size_t credit = batch->credit;

    pthread_mutex_lock(&pool->lock);
    size_t keep = arena_keep(share, batch, slab->class);
    pthread_mutex_unlock(&pool->lock);
    lb_arena_reset(&batch->arena, keep);

    bool moving = slab->moving;
    bool recycle = slab->class < CLASS_EXACT;
    if (!recycle) {
        batch->next = NULL;
        free_slabs(batch);
    }
    pthread_mutex_lock(&pool->lock);
    if (recycle) {
        batch->next = pool->free[slab->class];
        pool->free[slab->class] = batch;
        pool->idle += footprint(batch);
    }
    repay_credit(share, credit);
    share->batches--;
    if (moving)
        atomic_fetch_sub(&share->moving, 1);
    struct lb_share *ended = share->closed && share->batches == 0 ? share : NULL;
    wake_waiting(pool);
    struct lb_batch *unwanted = trim(pool, idle_max(pool));
    pthread_mutex_unlock(&pool->lock);
    free_slabs(unwanted);
    lb_free(ended);
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
