/* alert_window_test.c - what a window holds at which end. */
#include "alert_window.c"

#include "lb_test.h"

#define SECOND INT64_C(1000000000)

static struct lb_alert_shape shape_of(int64_t over_s, int64_t lateness_s, bool delayed)
{
    struct lb_alert_shape shape;

    lb_alert_shape_init(&shape, over_s * SECOND, lateness_s * SECOND, delayed);
    return shape;
}

static void add(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t time)
{
    assert_int_equal(lb_alert_window_add(window, shape, (struct lb_alert_sample){ time, 1 }), LB_OK);
}

/* Walks to `end`; returns how many samples the window holds there. */
static uint64_t count_at(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t end)
{
    struct lb_alert_segment segment = { 0, 0, window->cursor.totals, 0 };

    while (lb_alert_window_next(window, shape, end, &segment))
        continue;
    return segment.totals.count;
}

static void holds_the_sample_at_its_end_and_not_the_one_at_its_old_edge(void **state)
{
    struct lb_alert_shape shape = shape_of(60, 0, false);
    struct lb_alert_window window = { 0 };

    (void)state;
    lb_alert_window_init(&window, &shape, 100 * SECOND - 1);
    add(&window, &shape, 100 * SECOND);
    assert_int_equal(count_at(&window, &shape, 100 * SECOND), 1);
    add(&window, &shape, 160 * SECOND - 1);
    assert_int_equal(count_at(&window, &shape, 160 * SECOND - 1), 2);
    assert_int_equal(count_at(&window, &shape, 160 * SECOND), 1);
    lb_alert_window_free(&window);
}

static void walks_each_change_once(void **state)
{
    struct lb_alert_shape shape = shape_of(10, 0, false);
    struct lb_alert_window window = { 0 };
    static const struct lb_alert_segment expected[] = {
        { 1, 5 * SECOND - 1, { 1, 1 }, 1 },
        { 5 * SECOND, 10 * SECOND - 1, { 2, 2 }, 2 },
        { 10 * SECOND, 15 * SECOND - 1, { 1, 1 }, 1 },
        { 15 * SECOND, 99 * SECOND, { 0, 0 }, 0 },
    };
    struct lb_alert_segment segment;

    (void)state;
    lb_alert_window_init(&window, &shape, -1);
    add(&window, &shape, 0);
    assert_int_equal(count_at(&window, &shape, 0), 1);
    add(&window, &shape, 5 * SECOND);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(lb_alert_window_next(&window, &shape, 99 * SECOND, &segment));
        assert_int_equal(segment.from, expected[i].from);
        assert_int_equal(segment.to, expected[i].to);
        assert_int_equal(segment.totals.count, expected[i].totals.count);
        assert_true(segment.value == expected[i].value);
    }
    assert_false(lb_alert_window_next(&window, &shape, 99 * SECOND, &segment));
    lb_alert_window_free(&window);
}

static void finds_a_burst_that_a_late_sample_completes(void **state)
{
    struct lb_alert_shape shape = shape_of(60, 60, false);
    struct lb_alert_window window = { 0 };
    struct lb_alert_segment segment;
    struct lb_alert_cursor cursor;
    uint64_t most = 0;

    (void)state;
    lb_alert_window_init(&window, &shape, -1);
    add(&window, &shape, 0);
    (void)count_at(&window, &shape, 30 * SECOND);
    add(&window, &shape, 30 * SECOND);
    (void)count_at(&window, &shape, 99 * SECOND);
    add(&window, &shape, 100 * SECOND);
    assert_int_equal(count_at(&window, &shape, 100 * SECOND), 1);
    add(&window, &shape, 50 * SECOND);
    assert_int_equal(window.cursor.totals.count, 2);
    cursor = lb_alert_window_seek(&window, &shape, 50 * SECOND);
    while (lb_alert_cursor_next(&window, &shape, &cursor, 100 * SECOND, &segment))
        most = segment.totals.count > most ? segment.totals.count : most;
    assert_int_equal(most, 3);
    lb_alert_window_free(&window);
}

static void refuses_what_is_older_than_all_open_windows(void **state)
{
    struct lb_alert_shape shape = shape_of(60, 30, false);
    struct lb_alert_window window = { 0 };
    struct lb_alert_sample old = { 10 * SECOND, 1 };

    (void)state;
    lb_alert_window_init(&window, &shape, 100 * SECOND);
    assert_int_equal(lb_alert_window_add(&window, &shape, old), LB_LIMIT);
    old.time_ns++;
    assert_int_equal(lb_alert_window_add(&window, &shape, old), LB_OK);
    lb_alert_window_free(&window);
}

static void holds_samples_ahead_of_a_delayed_end_back(void **state)
{
    struct lb_alert_shape shape = shape_of(10, 30, true);
    struct lb_alert_window window = { 0 };

    (void)state;
    lb_alert_window_init(&window, &shape, 0);
    add(&window, &shape, 20 * SECOND);
    add(&window, &shape, 15 * SECOND);
    assert_int_equal(count_at(&window, &shape, 14 * SECOND), 0);
    assert_int_equal(count_at(&window, &shape, 20 * SECOND), 2);
    assert_int_equal(count_at(&window, &shape, 29 * SECOND), 1);
    assert_int_equal(count_at(&window, &shape, 30 * SECOND), 0);
    lb_alert_window_free(&window);
}

/* One sample a millisecond, then silence. */
static void feed_many(struct lb_alert_window *window, const struct lb_alert_shape *shape, int64_t from, int count)
{
    for (int i = 0; i < count; i++) {
        int64_t time = from + i * SECOND / 1000;

        (void)count_at(window, shape, time - 1);
        add(window, shape, time);
        (void)count_at(window, shape, time);
    }
}

static void counts_bursts_in_slots_and_is_exact_again_when_few_are_left(void **state)
{
    struct lb_alert_shape shape = shape_of(60, 30, false);
    struct lb_alert_window window = { 0 };

    (void)state;
    lb_alert_window_init(&window, &shape, 0);
    feed_many(&window, &shape, 1000 * SECOND, 5000);
    assert_true(window.slotted);
    assert_int_equal(window.cursor.totals.count, 5000);
    assert_int_equal(count_at(&window, &shape, 1050 * SECOND), 5000);
    assert_int_equal(count_at(&window, &shape, 1066 * SECOND), 0);
    add(&window, &shape, 1200 * SECOND);
    assert_int_equal(count_at(&window, &shape, 1200 * SECOND), 1);
    assert_false(window.slotted);
    assert_int_equal(count_at(&window, &shape, 1260 * SECOND - 1), 1);
    assert_int_equal(count_at(&window, &shape, 1260 * SECOND), 0);
    assert_true(lb_alert_window_empty(&window));
    lb_alert_window_free(&window);
}

static void takes_a_silence_of_years_in_few_steps(void **state)
{
    struct lb_alert_shape shape = shape_of(60, 30, false);
    struct lb_alert_window window = { 0 };
    struct lb_alert_segment segment;
    int steps = 0;

    (void)state;
    lb_alert_window_init(&window, &shape, 0);
    feed_many(&window, &shape, 1000 * SECOND, 5000);
    while (lb_alert_window_next(&window, &shape, INT64_C(1000000000) * SECOND, &segment))
        steps++;
    assert_true(steps < 2 * LB_ALERT_SLOTS_MAX);
    assert_int_equal(segment.totals.count, 0);
    lb_alert_window_free(&window);
}

static void allocates_nothing_once_it_has_its_size(void **state)
{
    struct lb_alert_shape shape = shape_of(60, 30, false);
    struct lb_alert_window window = { 0 };
    long before;

    (void)state;
    lb_alert_window_init(&window, &shape, 0);
    feed_many(&window, &shape, 1000 * SECOND, 1000);
    before = atomic_load(&lb_alloc_count);
    feed_many(&window, &shape, 1001 * SECOND, 5000);
    assert_int_equal(atomic_load(&lb_alloc_count), before);
    lb_alert_window_free(&window);
}

static void keeps_rings_small_whatever_the_lateness(void **state)
{
    (void)state;
    for (int64_t over = 1; over < 100000; over *= 3)
        for (int64_t late = 0; late < 3600; late = late * 7 + 1)
            assert_true(shape_of(over, late, false).slot_ring <= LB_ALERT_SLOTS_MAX + 4);
}

static void survives_a_failing_allocation(void **state)
{
    struct lb_alert_shape shape = shape_of(60, 30, false);

    (void)state;
    for (int n = 1; n < 10; n++) {
        struct lb_alert_window window = { 0 };
        int refused = 0;

        lb_alert_window_init(&window, &shape, -1);
        atomic_store(&lb_alloc_fail_at, n);
        for (int i = 0; i < 400; i++)
            refused += lb_alert_window_add(&window, &shape, (struct lb_alert_sample){ i, 1 }) == LB_NOMEM;
        atomic_store(&lb_alloc_fail_at, 0);
        assert_true(refused <= 1);
        lb_alert_window_free(&window);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_the_sample_at_its_end_and_not_the_one_at_its_old_edge),
        cmocka_unit_test(walks_each_change_once),
        cmocka_unit_test(finds_a_burst_that_a_late_sample_completes),
        cmocka_unit_test(refuses_what_is_older_than_all_open_windows),
        cmocka_unit_test(holds_samples_ahead_of_a_delayed_end_back),
        cmocka_unit_test(counts_bursts_in_slots_and_is_exact_again_when_few_are_left),
        cmocka_unit_test(takes_a_silence_of_years_in_few_steps),
        cmocka_unit_test(allocates_nothing_once_it_has_its_size),
        cmocka_unit_test(keeps_rings_small_whatever_the_lateness),
        cmocka_unit_test(survives_a_failing_allocation),
    };

    return cmocka_run_group_tests_name("route/alert_window", tests, NULL, NULL);
}
