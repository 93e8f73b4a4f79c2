/* pool_test.c - credit, shares, who is woken when, and what memory is kept. */
#include "lb_test.h"

#include "lb_limits.h"

#include "pool.c"

enum { KIB = 1024 };

static void count_wake(void *context)
{
    (*(unsigned *)context)++;
}

struct fixture {
    struct lb_pool *pool;
    struct lb_share *a;
    struct lb_share *b;
    unsigned woken_a;
    unsigned woken_b;
};

/* 1 MiB; a may have half of it, b all. A medium batch costs 128 KiB at first. */
static int set_up(void **state)
{
    struct fixture *self = calloc(1, sizeof(*self));

    self->pool = lb_pool_new(1024 * KIB);
    self->a = lb_share_new(self->pool, 512 * KIB);
    self->b = lb_share_new(self->pool, 1024 * KIB);
    lb_share_on_credit(self->a, count_wake, &self->woken_a);
    lb_share_on_credit(self->b, count_wake, &self->woken_b);
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *self = *state;

    assert_int_equal(lb_pool_used(self->pool), 0);
    lb_share_free(self->a);
    lb_share_free(self->b);
    assert_null(self->pool->waiting);
    lb_pool_free(self->pool);
    free(self);
    return 0;
}

static struct lb_batch *take(struct lb_share *share, size_t bytes)
{
    return lb_pool_take(share, bytes, NULL);
}

/* Takes medium batches until there is no more credit. */
static unsigned take_all(struct lb_share *share, struct lb_batch **batches)
{
    unsigned count = 0;

    while ((batches[count] = take(share, LB_SLAB_MEDIUM)) != NULL)
        count++;
    return count;
}

static void slabs_come_in_classes_and_larger_ones_exactly(void **state)
{
    static const struct {
        size_t wanted;
        size_t capacity;
    } cases[] = {
        { 0, 4 * KIB },
        { 1, 4 * KIB },
        { 4 * KIB, 4 * KIB },
        { 4 * KIB + 1, 64 * KIB },
        { 64 * KIB + 1, 256 * KIB },
        { 256 * KIB, 256 * KIB },
        { 256 * KIB + 1, 256 * KIB + 8 },
        { 16 * KIB * KIB, 16 * KIB * KIB },
    };
    struct fixture *self = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_batch *batch = take(self->b, cases[i].wanted);

        assert_non_null(batch);
        assert_int_equal(batch->capacity, cases[i].capacity);
        assert_int_equal((uintptr_t)batch->bytes % 64, 0);
        assert_in_range(batch->arena.bytes_max, 1024 * KIB, 16 * (size_t)batch->capacity + 1024 * KIB);
        memset(batch->bytes, 'x', batch->capacity);
        lb_batch_unref(batch);
    }
}

static void a_share_gets_no_more_than_its_part(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *batches[32];
    unsigned count = take_all(self->a, batches);

    assert_int_equal(count, 4);
    assert_int_equal(lb_share_used(self->a), 512 * KIB);
    assert_int_equal(lb_pool_used(self->pool), 512 * KIB);
    while (count > 0)
        lb_batch_unref(batches[--count]);
    assert_int_equal(lb_share_used(self->a), 0);
}

static void a_share_that_holds_nothing_gets_a_slab_of_any_size_unless_the_pool_is_overdrawn(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *small = take(self->b, 1);
    struct lb_batch *huge = take(self->a, 4 * KIB * KIB);

    assert_non_null(huge);
    assert_true(lb_pool_used(self->pool) > lb_pool_max(self->pool));
    assert_null(take(self->b, 1));
    assert_int_equal(self->woken_b, 0);
    lb_batch_unref(huge);
    assert_int_equal(self->woken_b, 1);
    lb_batch_unref(small);
    huge = take(self->b, 4 * KIB * KIB);
    assert_non_null(huge);
    assert_null(take(self->a, 1));
    lb_batch_unref(huge);
    assert_int_equal(self->woken_a, 1);
}

static void a_waiting_share_is_woken_once_when_much_is_free(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *batches[512];
    unsigned count = 0;

    while ((batches[count] = take(self->a, LB_SLAB_SMALL)) != NULL)
        lb_pool_moving(batches[count++]);
    assert_int_equal(count, 64);
    unsigned returned = 0;
    while (self->woken_a == 0) {
        lb_batch_unref(batches[--count]);
        returned++;
    }
    assert_int_equal(returned, 16); /* a quarter of its part */
    while (count > 0)
        lb_batch_unref(batches[--count]);
    assert_int_equal(self->woken_a, 1);
}

/* Of several streams of one share one waits for a large slab; another's small one must not make the pool forget it. */
static void a_success_in_between_does_not_end_the_waiting(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *batches[32];
    unsigned count = 0;

    while (count < 3) {
        batches[count] = take(self->a, LB_SLAB_MEDIUM);
        lb_pool_moving(batches[count++]);
    }
    assert_null(take(self->a, LB_SLAB_LARGE));
    struct lb_batch *small = take(self->a, LB_SLAB_SMALL);
    assert_non_null(small);
    lb_pool_moving(small);
    while (count > 0)
        lb_batch_unref(batches[--count]);
    lb_batch_unref(small);
    assert_int_equal(self->woken_a, 1);
}

/* Connections that keep unfinished lines: what they hold does not come back by itself. */
static void a_share_with_nothing_on_its_way_is_woken_for_the_least(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *batches[512];
    unsigned count = 0;

    while ((batches[count] = take(self->a, LB_SLAB_SMALL)) != NULL)
        count++;
    lb_pool_moving(batches[0]);
    lb_batch_unref(batches[0]);
    assert_int_equal(self->woken_a, 1);
    while (count > 1)
        lb_batch_unref(batches[--count]);
}

static void those_who_wait_are_woken_in_turn(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *batches[32];
    struct lb_batch *more[32];
    unsigned count = take_all(self->b, batches);

    assert_int_equal(count, 8);
    assert_null(take(self->a, LB_SLAB_MEDIUM));
    assert_ptr_equal(self->pool->waiting, self->b);
    lb_batch_unref(batches[--count]); /* b has nothing on its way: it comes first, and the room is promised to it */
    assert_int_equal(self->woken_b, 1);
    assert_int_equal(self->woken_a, 0);
    lb_batch_unref(batches[--count]);
    assert_int_equal(self->woken_a, 1);
    unsigned others = take_all(self->a, more);
    assert_in_range(others, 1, 2);
    while (others > 0)
        lb_batch_unref(more[--others]);
    while (count > 0)
        lb_batch_unref(batches[--count]);
}

static void one_with_more_than_an_equal_part_lets_others_go_first(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *batches[6];
    unsigned count = 0;

    self->a->bytes_max = 1024 * KIB;
    struct lb_batch *held = take(self->a, LB_SLAB_MEDIUM);
    for (; count < 6; count++) {
        batches[count] = take(self->b, LB_SLAB_MEDIUM);
        lb_pool_moving(batches[count]);
    }
    assert_null(take(self->a, LB_SLAB_LARGE));
    assert_null(take(self->b, LB_SLAB_MEDIUM)); /* there would be room for it */
    while (self->woken_a == 0)
        lb_batch_unref(batches[--count]);
    assert_int_equal(count, 3);
    assert_int_equal(self->woken_b, 0);
    struct lb_batch *large = take(self->a, LB_SLAB_LARGE);
    assert_non_null(large);
    lb_batch_unref(large);
    assert_int_equal(self->woken_b, 1);
    while (count > 0)
        lb_batch_unref(batches[--count]);
    lb_batch_unref(held);
}

static void settling_corrects_the_credit_and_teaches_the_next(void **state)
{
    struct fixture *self = *state;
    size_t first = 0;
    size_t last = 0;

    for (unsigned round = 0; round < 60; round++) {
        struct lb_batch *batch = take(self->a, LB_SLAB_MEDIUM);

        last = batch->credit;
        first = round == 0 ? last : first;
        assert_non_null(lb_arena_alloc(&batch->arena, 200 * KIB));
        lb_pool_settle(batch);
        assert_int_equal(batch->credit, batch->capacity + batch->arena.bytes_held);
        assert_int_equal(lb_pool_used(self->pool), batch->credit);
        lb_batch_unref(batch);
    }
    assert_int_equal(first, 128 * KIB);
    assert_in_range(last, 255 * KIB, 300 * KIB);
}

static void settling_for_less_wakes_who_waits(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *batches[32];
    unsigned count = take_all(self->a, batches);

    lb_pool_settle(batches[0]); /* its arena took nothing */
    assert_int_equal(self->woken_a, 0);
    lb_pool_settle(batches[1]);
    assert_int_equal(self->woken_a, 1);
    while (count > 0)
        lb_batch_unref(batches[--count]);
}

static void a_steady_state_takes_nothing_from_the_heap(void **state)
{
    struct fixture *self = *state;
    long before = 0;

    for (unsigned round = 0; round < 200; round++) {
        struct lb_batch *small = take(self->a, LB_SLAB_SMALL);
        struct lb_batch *medium = take(self->a, LB_SLAB_MEDIUM);

        assert_true(lb_arena_alloc(&small->arena, 3 * KIB) != NULL);
        for (unsigned i = 0; i < 20; i++)
            assert_true(lb_arena_alloc(&medium->arena, 10 * KIB) != NULL);
        lb_pool_settle(small);
        lb_pool_settle(medium);
        lb_batch_unref(small);
        lb_batch_unref(medium);
        if (round == 99)
            before = lb_alloc_count;
    }
    assert_int_equal(lb_alloc_count, before);
}

static void a_recycled_batch_is_as_new(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *batch = take(self->a, LB_SLAB_SMALL);

    batch->length = 7;
    batch->event_count = 1;
    batch->counted = true;
    batch->position = 99;
    batch->record_count = 3;
    batch->sequence = 5;
    lb_pool_moving(batch);
    lb_batch_unref(batch);
    struct lb_batch *again = take(self->b, LB_SLAB_SMALL);
    assert_ptr_equal(again, batch);
    assert_int_equal(again->length + again->event_count + again->position + again->record_count + again->sequence, 0);
    assert_false(again->counted);
    assert_ptr_equal(again->share, self->b);
    assert_int_equal(again->references, 1);
    lb_batch_unref(again);
    assert_int_equal(self->a->moving, 0);
    assert_int_equal(self->b->moving, 0);
}

/* 256 small ones in use at once, then large ones: the small ones' memory must go. */
static void memory_in_use_and_idle_stays_within_the_pool(void **state)
{
    struct fixture *self = *state;
    struct lb_batch *batches[512];
    unsigned count = 0;

    while ((batches[count] = take(self->b, LB_SLAB_SMALL)) != NULL)
        count++;
    while (count > 0)
        lb_batch_unref(batches[--count]);
    assert_in_range(self->pool->slabs.idle, 256 * KIB, 1024 * KIB);
    struct lb_batch *large = take(self->b, LB_SLAB_LARGE);
    struct lb_batch *another = take(self->a, LB_SLAB_LARGE);
    assert_in_range(self->pool->slabs.idle + lb_pool_used(self->pool), 0, 1024 * KIB);
    struct lb_batch *huge = take(self->a, 2048 * KIB);
    assert_null(huge);
    lb_batch_unref(another);
    lb_batch_unref(large);
    assert_in_range(self->pool->slabs.idle, 0, 1024 * KIB);
    huge = take(self->a, 2048 * KIB);
    assert_non_null(huge);
    assert_int_equal(self->pool->slabs.idle, 0);
    lb_batch_unref(huge);
    assert_int_equal(self->pool->slabs.idle, 0); /* larger ones are not kept */
}

static void without_memory_the_credit_is_back_and_the_share_waits(void **state)
{
    struct fixture *self = *state;

    lb_log_level = LB_LEVEL_EMERGENCY;
    lb_alloc_fail_at = 1;
    assert_null(take(self->a, LB_SLAB_SMALL));
    lb_alloc_fail_at = 0;
    assert_int_equal(lb_pool_used(self->pool), 0);
    struct lb_batch *batch = take(self->b, LB_SLAB_SMALL);
    lb_batch_unref(batch);
    assert_int_equal(self->woken_a, 1);
}

static void a_share_may_go_before_its_last_batch(void **state)
{
    struct fixture *self = *state;
    struct lb_share *share = lb_share_new(self->pool, 64 * KIB);
    struct lb_batch *batch = lb_pool_take(share, 1, NULL);

    lb_share_free(share);
    lb_pool_settle(batch);
    lb_batch_unref(batch);
}

#define POOL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(slabs_come_in_classes_and_larger_ones_exactly),
        POOL_TEST(a_share_gets_no_more_than_its_part),
        POOL_TEST(a_share_that_holds_nothing_gets_a_slab_of_any_size_unless_the_pool_is_overdrawn),
        POOL_TEST(a_waiting_share_is_woken_once_when_much_is_free),
        POOL_TEST(a_success_in_between_does_not_end_the_waiting),
        POOL_TEST(a_share_with_nothing_on_its_way_is_woken_for_the_least),
        POOL_TEST(those_who_wait_are_woken_in_turn),
        POOL_TEST(one_with_more_than_an_equal_part_lets_others_go_first),
        POOL_TEST(settling_corrects_the_credit_and_teaches_the_next),
        POOL_TEST(settling_for_less_wakes_who_waits),
        POOL_TEST(a_steady_state_takes_nothing_from_the_heap),
        POOL_TEST(a_recycled_batch_is_as_new),
        POOL_TEST(memory_in_use_and_idle_stays_within_the_pool),
        POOL_TEST(without_memory_the_credit_is_back_and_the_share_waits),
        POOL_TEST(a_share_may_go_before_its_last_batch),
    };

    return cmocka_run_group_tests_name("core/pool", tests, NULL, NULL);
}
