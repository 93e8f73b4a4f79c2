/* slab_test.c - classes, alignment, and what waits to be used again. */
#include "lb_test.h"

#include "slab.c"

enum { KIB = 1024 };

static void a_slab_is_aligned_and_has_at_least_what_was_asked_for(void **state)
{
    static const struct {
        size_t bytes;
        unsigned size_class;
        size_t capacity;
    } cases[] = {
        { 0, 0, 4 * KIB },
        { 4 * KIB, 0, 4 * KIB },
        { 4 * KIB + 1, 1, 64 * KIB },
        { 256 * KIB, 2, 256 * KIB },
        { 256 * KIB + 1, LB_SLAB_EXACT, 256 * KIB + 8 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_batch *batch = lb_slab_new(cases[i].bytes);

        assert_int_equal(lb_slab_of(batch)->size_class, cases[i].size_class);
        assert_int_equal(batch->capacity, cases[i].capacity);
        assert_int_equal((uintptr_t)batch->bytes % SLAB_ALIGNMENT, 0);
        memset(batch->bytes, 'x', batch->capacity);
        lb_slabs_free(batch);
    }
}

static void the_arena_of_a_small_slab_may_grow_too(void **state)
{
    struct lb_batch *small = lb_slab_new(1);
    struct lb_batch *large = lb_slab_new(LB_SLAB_LARGE);

    (void)state;
    assert_int_equal(small->arena.bytes_max, 1024 * KIB);
    assert_int_equal(large->arena.bytes_max, 16 * LB_SLAB_LARGE);
    lb_slabs_free(small);
    lb_slabs_free(large);
}

static void what_waits_is_counted_and_trimmed_from_the_largest(void **state)
{
    static const size_t sizes[] = { LB_SLAB_SMALL, LB_SLAB_LARGE, LB_SLAB_SMALL, LB_SLAB_MEDIUM };
    struct lb_slabs slabs = { .idle = 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        lb_slabs_push(&slabs, lb_slab_new(sizes[i]));
    assert_int_equal(slabs.idle, (4 + 256 + 4 + 64) * KIB);
    assert_null(lb_slabs_trim(&slabs, slabs.idle));
    lb_slabs_free(lb_slabs_trim(&slabs, 70 * KIB));
    assert_int_equal(slabs.idle, 8 * KIB);
    assert_null(lb_slabs_pop(&slabs, 1));
    assert_null(lb_slabs_pop(&slabs, LB_SLAB_EXACT));
    lb_slabs_free(lb_slabs_pop(&slabs, 0));
    assert_int_equal(slabs.idle, 4 * KIB);
    lb_slabs_free(lb_slabs_trim(&slabs, 0));
    assert_int_equal(slabs.idle, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slab_is_aligned_and_has_at_least_what_was_asked_for),
        cmocka_unit_test(the_arena_of_a_small_slab_may_grow_too),
        cmocka_unit_test(what_waits_is_counted_and_trimmed_from_the_largest),
    };

    return cmocka_run_group_tests_name("core/slab", tests, NULL, NULL);
}
