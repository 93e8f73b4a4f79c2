/*
 * prop_sequencer.c - queue, workers and sequencer with real threads: each
 * batch is handed on once, in order, by one thread at a time, and each is
 * seen as its worker left it.
 */
#include "lb_test.h"

#include "lb_queue.h"
#include "lb_sequencer.h"

#include <pthread.h>
#include <sched.h>

enum { BATCHES = 20000, WORKERS = 6 };

struct run {
    struct lb_queue queue;
    struct lb_sequencer *sequencer;
    struct lb_batch *batches;
    atomic_uint inside;
    uint64_t next; /* not atomic: only one thread may be in emit() */
    unsigned faults;
};

static void emit(void *context, struct lb_batch *batch)
{
    struct run *run = context;

    run->faults += atomic_fetch_add(&run->inside, 1) != 0;
    run->faults += batch->sequence != run->next;
    run->faults += batch->record_count != (uint32_t)(batch->sequence * 7);
    run->next++;
    atomic_fetch_sub(&run->inside, 1);
    lb_batch_unref(batch);
}

static void *work(void *context)
{
    struct run *run = context;
    uint64_t random = lb_seed() ^ (uint64_t)(uintptr_t)&random;
    struct lb_batch *batch;

    while ((batch = lb_queue_pop(&run->queue)) != NULL) {
        if (lb_random(&random) % 8 == 0)
            sched_yield();
        batch->record_count = (uint32_t)(batch->sequence * 7);
        lb_sequencer_done(run->sequencer, batch);
    }
    return NULL;
}

static void every_batch_is_handed_on_once_and_in_order(void **state)
{
    struct run run = { .next = 0 };
    pthread_t threads[WORKERS];

    (void)state;
    run.batches = calloc(BATCHES, sizeof(*run.batches));
    run.sequencer = lb_sequencer_new(emit, &run);
    lb_queue_init(&run.queue);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &run), 0);
    for (unsigned i = 0; i < BATCHES; i++) {
        run.batches[i].references = 1;
        lb_queue_push(&run.queue, &run.batches[i]);
    }
    lb_queue_close(&run.queue);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(run.faults, 0);
    assert_int_equal(run.next, BATCHES);
    for (unsigned i = 0; i < BATCHES; i++)
        assert_int_equal(run.batches[i].references, 0);
    lb_sequencer_free(run.sequencer);
    lb_queue_free(&run.queue);
    free(run.batches);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_batch_is_handed_on_once_and_in_order) };

    return cmocka_run_group_tests_name("property/sequencer", tests, NULL, NULL);
}
