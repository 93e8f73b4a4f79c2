/* buffer_test.c - grows to its bound and says when it could not. */
#include "buffer.c"

#include "lb_test.h"

static void grows_to_its_bound_and_no_further(void **state)
{
    struct lb_buffer buffer;

    (void)state;
    lb_buffer_init(&buffer, 1000);
    for (int i = 0; i < 100; i++)
        lb_buffer_append_str(&buffer, LB_STR("0123456789"));
    assert_int_equal(buffer.len, 1000);
    assert_false(buffer.failed);
    lb_buffer_append_char(&buffer, 'x');
    assert_true(buffer.failed);
    assert_int_equal(buffer.len, 1000);
    lb_buffer_reset(&buffer);
    lb_buffer_print(&buffer, "%s=%d", "n", 5);
    assert_text(lb_buffer_str(&buffer), "n=5");
    lb_buffer_free(&buffer);
}

static void a_failing_allocation_is_noted(void **state)
{
    struct lb_buffer buffer;

    (void)state;
    lb_buffer_init(&buffer, 1000);
    lb_alloc_fail_at = 1;
    lb_buffer_append_str(&buffer, LB_STR("abc"));
    lb_alloc_fail_at = 0;
    assert_true(buffer.failed);
    assert_int_equal(buffer.len, 0);
    lb_buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_to_its_bound_and_no_further),
        cmocka_unit_test(a_failing_allocation_is_noted),
    };
    return cmocka_run_group_tests_name("core/buffer", tests, NULL, NULL);
}
