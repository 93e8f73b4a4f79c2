/* histogram_test.c - counts stay exact while buckets grow. */
#include "histogram.c"

#include "lb_test.h"

static void buckets_are_joined_without_losing_a_count(void **state)
{
    struct histogram histogram;
    uint64_t sums[2] = { 0 };
    int64_t begin = 1769862600 * LB_SECOND;

    (void)state;
    histogram_init(&histogram, 0);
    assert_int_equal(histogram_name(&histogram, LB_STR("a")), 0);
    assert_int_equal(histogram_name(&histogram, LB_STR("b")), 1);
    for (int i = 0; i < 10000; i++) /* in no order: 7919 is prime to 10000 */
        histogram_add(&histogram, begin + (int64_t)(i * 7919 % 10000) * 10 * LB_SECOND, (uint32_t)(i % 2), 1);
    assert_false(histogram.failed);
    assert_in_range(histogram.count, 2, HISTOGRAM_ROWS_AUTO);
    for (size_t i = 0; i < histogram.count; i++) {
        sums[0] += histogram.buckets[i].counts[0];
        sums[1] += histogram.buckets[i].counts[1];
        assert_true(i == 0 || histogram.buckets[i - 1].number < histogram.buckets[i].number);
    }
    assert_int_equal(sums[0], 5000);
    assert_int_equal(sums[1], 5000);
    assert_int_equal(histogram.every_ns, 3600 * LB_SECOND);
    histogram_free(&histogram);
}

static void a_given_width_stays(void **state)
{
    struct histogram histogram;

    (void)state;
    histogram_init(&histogram, 7 * LB_SECOND);
    for (int i = 0; i < 700; i++)
        histogram_add(&histogram, (int64_t)i * LB_SECOND - histogram.offset_ns, 0, 2);
    assert_int_equal(histogram.count, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(histogram.buckets[i].counts[0], 14);
    assert_true(histogram_is_one(&histogram, -histogram.offset_ns, 7 * LB_SECOND - 1 - histogram.offset_ns));
    assert_false(histogram_is_one(&histogram, -histogram.offset_ns, 7 * LB_SECOND - histogram.offset_ns));
    assert_false(histogram_is_one(&histogram, INT64_MIN, INT64_MAX));
    histogram_free(&histogram);
}

static void names_past_the_last_are_the_others(void **state)
{
    struct histogram histogram;
    char name[2] = "A";

    (void)state;
    histogram_init(&histogram, LB_SECOND);
    for (int i = 0; i < 40; i++, name[0]++)
        assert_int_equal(histogram_name(&histogram, lb_str_from(name)),
                         i < HISTOGRAM_NAMES_MAX - 1 ? i : HISTOGRAM_NAMES_MAX - 1);
    assert_text(histogram.names[HISTOGRAM_NAMES_MAX - 1], "(others)");
    histogram_free(&histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_joined_without_losing_a_count),
        cmocka_unit_test(a_given_width_stays),
        cmocka_unit_test(names_past_the_last_are_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
