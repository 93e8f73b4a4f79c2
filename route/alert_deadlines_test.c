/* alert_deadlines_test.c - the heap against a plain table of times. */
#include "alert_deadlines.c"

#include "lb_test.h"

enum { PLACES = 300 };

static int64_t times[PLACES]; /* -1: none */

/* Every third place belongs to a stream that is behind. */
static bool is_due(void *context, uint32_t place)
{
    (void)context;
    return place % 3 != 0;
}

static void expect_heap(const struct lb_alert_deadlines *deadlines)
{
    uint32_t count = 0;

    for (uint32_t place = 0; place < PLACES; place++) {
        uint32_t position = place < deadlines->places ? deadlines->positions[place] : 0;

        assert_int_equal(position != 0, times[place] >= 0);
        if (position == 0)
            continue;
        count++;
        assert_int_equal(deadlines->heap[position - 1].place, place);
        assert_int_equal(deadlines->heap[position - 1].time, times[place]);
    }
    assert_int_equal(count, deadlines->count);
    for (uint32_t i = 1; i < deadlines->count; i++)
        assert_false(is_before(&deadlines->heap[i], &deadlines->heap[(i - 1) / 2]));
}

static void finds_what_is_due_and_no_other(void **state)
{
    struct lb_alert_deadlines deadlines = { 0 };
    uint64_t random = lb_seed();

    (void)state;
    memset(times, -1, sizeof(times));
    for (int step = 0; step < 20000; step++) {
        uint32_t place = (uint32_t)(lb_random(&random) % PLACES);

        if (lb_random(&random) % 3 == 0) {
            lb_alert_deadlines_remove(&deadlines, place);
            times[place] = -1;
        } else {
            times[place] = (int64_t)(lb_random(&random) % 1000);
            assert_true(lb_alert_deadlines_set(&deadlines, place, times[place]));
        }
        if (step % 50 != 0)
            continue;
        expect_heap(&deadlines);
        int64_t limit = (int64_t)(lb_random(&random) % 1000);
        uint32_t places[PLACES];
        bool found[PLACES] = { false };
        size_t count = lb_alert_deadlines_due(&deadlines, limit, is_due, NULL, places, PLACES);
        for (size_t i = 0; i < count; i++) {
            assert_false(found[places[i]]);
            found[places[i]] = true;
        }
        for (uint32_t i = 0; i < PLACES; i++)
            assert_int_equal(found[i], times[i] >= 0 && times[i] <= limit && i % 3 != 0);
        assert_in_range(lb_alert_deadlines_due(&deadlines, 1000, is_due, NULL, places, 7), count < 7 ? count : 7, 7);
    }
    lb_alert_deadlines_free(&deadlines);
}

static void without_memory_the_others_stay(void **state)
{
    (void)state;
    for (long n = 1; n < 20; n++) {
        struct lb_alert_deadlines deadlines = { 0 };

        memset(times, -1, sizeof(times));
        lb_alloc_fail_at = n;
        for (uint32_t place = 0; place < PLACES; place++)
            if (lb_alert_deadlines_set(&deadlines, place, 1000 - place))
                times[place] = 1000 - place;
        lb_alloc_fail_at = 0;
        expect_heap(&deadlines);
        assert_true(deadlines.count >= PLACES - 1);
        lb_alert_deadlines_free(&deadlines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_is_due_and_no_other),
        cmocka_unit_test(without_memory_the_others_stay),
    };

    return cmocka_run_group_tests_name("route/alert_deadlines", tests, NULL, NULL);
}
