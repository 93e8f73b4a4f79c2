/* arena_test.c - chunks are kept, limits hold, failures are told. */
#include "arena.c"

#include "lb_test.h"

static void gives_aligned_bytes_that_do_not_overlap(void **state)
{
    struct lb_arena arena;
    char *last = NULL;

    (void)state;
    lb_arena_init(&arena, 1 << 20);
    for (size_t size = 1; size < 3000; size += 7) {
        char *ptr = lb_arena_alloc(&arena, size);

        assert_non_null(ptr);
        assert_int_equal((uintptr_t)ptr % 8, 0);
        memset(ptr, (int)size, size);
        assert_ptr_not_equal(ptr, last);
        if (last != NULL)
            assert_int_equal((unsigned char)last[0], (unsigned char)(size - 7));
        last = ptr;
    }
    lb_arena_free(&arena);
}

static void returns_null_at_the_limit_and_goes_on_with_less(void **state)
{
    struct lb_arena arena;

    (void)state;
    lb_arena_init(&arena, 64 * 1024);
    assert_null(lb_arena_alloc(&arena, 65 * 1024));
    assert_non_null(lb_arena_alloc(&arena, 60 * 1024));
    assert_null(lb_arena_alloc(&arena, 8 * 1024));
    assert_non_null(lb_arena_alloc(&arena, 1024));
    assert_true(arena.bytes_held <= arena.bytes_max);
    lb_arena_free(&arena);
}

static void a_recycled_arena_allocates_nothing(void **state)
{
    struct lb_arena arena;

    (void)state;
    lb_arena_init(&arena, 1 << 20);
    for (int i = 0; i < 300; i++)
        assert_non_null(lb_arena_alloc(&arena, 1000));
    long before = lb_alloc_count;
    for (int round = 0; round < 10; round++) {
        lb_arena_reset(&arena, 1 << 20);
        for (int i = 0; i < 300; i++)
            assert_non_null(lb_arena_alloc(&arena, 1000));
    }
    assert_int_equal(lb_alloc_count, before);
    lb_arena_reset(&arena, 0);
    assert_int_equal(arena.bytes_held, 0);
    lb_arena_free(&arena);
}

static void survives_each_failing_allocation(void **state)
{
    (void)state;
    for (long n = 1; n < 6; n++) {
        struct lb_arena arena;

        lb_arena_init(&arena, 1 << 20);
        lb_alloc_fail_at = n;
        for (int i = 0; i < 100; i++)
            (void)lb_arena_alloc(&arena, 1500);
        lb_alloc_fail_at = 0;
        assert_non_null(lb_arena_alloc(&arena, 100));
        lb_arena_free(&arena);
    }
}

static void copies_end_with_a_nul(void **state)
{
    struct lb_arena arena;

    (void)state;
    lb_arena_init(&arena, 4096);
    struct lb_str copy = lb_arena_copy(&arena, LB_STR("abc"));
    assert_text(copy, "abc");
    assert_int_equal(copy.ptr[3], '\0');
    assert_text(lb_arena_print(&arena, "%d-%s", 7, "x"), "7-x");
    lb_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_bytes_that_do_not_overlap),
        cmocka_unit_test(returns_null_at_the_limit_and_goes_on_with_less),
        cmocka_unit_test(a_recycled_arena_allocates_nothing),
        cmocka_unit_test(survives_each_failing_allocation),
        cmocka_unit_test(copies_end_with_a_nul),
    };
    return cmocka_run_group_tests_name("core/arena", tests, NULL, NULL);
}
