/*
 * prop_pool.c - sources that take, wait and are woken, workers that settle,
 * consumers that let go, all at once: every source gets all the batches it
 * wants (no wake-up is lost, nobody starves), memory stays within bounds, and
 * in the end all credit is back.
 */
#include "lb_test.h"

#include "lb_limits.h"
#include "lb_pool.h"
#include "lb_queue.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

enum {
    SOURCES = 5,
    WORKERS = 2,
    TURNS = 4000,
    POOL = 1024 * 1024,
    HELD = 3, /* batches that a source keeps unfinished */
    LARGEST = 600 * 1024,
    PATIENCE_S = 60,
};

struct source {
    struct lb_share *share;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    unsigned wakes;
    unsigned faults;
    uint64_t random;
};

static struct lb_pool *pool;
static struct lb_queue queue;
static struct source sources[SOURCES];
static atomic_size_t largest_used;

static void wake(void *context)
{
    struct source *source = context;

    pthread_mutex_lock(&source->lock);
    source->wakes++;
    pthread_cond_signal(&source->more);
    pthread_mutex_unlock(&source->lock);
}

/* Waits for one wake-up; a source that is not called within a minute has been forgotten. */
static bool wait_for_wake(struct source *source)
{
    struct timespec until;
    int failed = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&source->lock);
    while (source->wakes == 0 && failed != ETIMEDOUT)
        failed = pthread_cond_timedwait(&source->more, &source->lock, &until);
    source->wakes = 0;
    pthread_mutex_unlock(&source->lock);
    return failed != ETIMEDOUT;
}

static size_t random_size(uint64_t *random)
{
    static const size_t sizes[] = { 1, LB_SLAB_SMALL, LB_SLAB_SMALL, LB_SLAB_MEDIUM, LB_SLAB_LARGE };
    uint64_t choice = lb_random(random);

    return choice % 100 == 0 ? LARGEST : sizes[choice / 100 % 5];
}

/* What it keeps unfinished it pushes before it waits, as a source does whose lines time out. */
static void *read_all(void *context)
{
    struct source *source = context;
    struct lb_batch *held[HELD] = { NULL };

    for (unsigned turn = 0; turn < TURNS; turn++) {
        size_t size = random_size(&source->random);
        struct lb_batch *batch;

        while ((batch = lb_pool_take(source->share, size, NULL)) == NULL) {
            for (unsigned i = 0; i < HELD; i++) {
                if (held[i] != NULL)
                    lb_queue_push(&queue, held[i]);
                held[i] = NULL;
            }
            if (!wait_for_wake(source)) {
                source->faults++;
                return NULL;
            }
        }
        size_t used = lb_pool_used(pool);
        size_t seen = largest_used;
        while (used > seen && !atomic_compare_exchange_weak(&largest_used, &seen, used))
            ;
        batch->bytes[0] = 'x';
        unsigned slot = (unsigned)(lb_random(&source->random) % HELD);
        if (held[slot] != NULL)
            lb_queue_push(&queue, held[slot]);
        held[slot] = batch;
    }
    for (unsigned i = 0; i < HELD; i++) {
        if (held[i] != NULL)
            lb_queue_push(&queue, held[i]);
    }
    return NULL;
}

static void *work(void *context)
{
    uint64_t random = lb_seed() + (uint64_t)(uintptr_t)context;
    struct lb_batch *batch;

    while ((batch = lb_queue_pop(&queue)) != NULL) {
        if (lb_arena_alloc(&batch->arena, lb_random(&random) % batch->capacity) != NULL)
            lb_pool_settle(batch);
        lb_batch_ref(batch);
        lb_batch_unref(batch);
        lb_batch_unref(batch);
    }
    return NULL;
}

static void no_credit_and_no_wake_up_is_lost(void **state)
{
    pthread_t workers[WORKERS];

    (void)state;
    pool = lb_pool_new(POOL);
    lb_queue_init(&queue);
    for (unsigned i = 0; i < SOURCES; i++) {
        struct source *source = &sources[i];

        pthread_mutex_init(&source->lock, NULL);
        pthread_cond_init(&source->more, NULL);
        source->random = lb_seed() + i;
        source->share = lb_share_new(pool, i == 0 ? POOL / 2 : POOL / (i + 1));
        lb_share_on_credit(source->share, wake, source);
    }
    for (uintptr_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, work, (void *)i), 0);
    for (unsigned i = 0; i < SOURCES; i++)
        assert_int_equal(pthread_create(&sources[i].thread, NULL, read_all, &sources[i]), 0);
    for (unsigned i = 0; i < SOURCES; i++)
        pthread_join(sources[i].thread, NULL);
    lb_queue_close(&queue);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    for (unsigned i = 0; i < SOURCES; i++) {
        assert_int_equal(sources[i].faults, 0);
        assert_int_equal(lb_share_used(sources[i].share), 0);
        lb_share_free(sources[i].share);
    }
    assert_int_equal(lb_pool_used(pool), 0);
    /* One batch may overdraw it, and arenas may outgrow their estimates. */
    assert_in_range(largest_used, POOL / 2, POOL + 8 * LARGEST);
    lb_pool_free(pool);
    lb_queue_free(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(no_credit_and_no_wake_up_is_lost) };

    return cmocka_run_group_tests_name("property/pool", tests, NULL, NULL);
}
