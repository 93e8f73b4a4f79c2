/* alert_firsts_test.c - never a false "new" within what is kept, and few missed ones beyond it. */
#include "alert_firsts.c"

#include "lb_test.h"

#define DAY (24 * 3600 * LB_SECOND)

static uint64_t value(uint64_t i)
{
    uint64_t state = i * UINT64_C(0x9E3779B97F4A7C15) + 1;

    return lb_random(&state) ^ state;
}

static bool see(struct lb_alert_firsts *firsts, uint64_t i, int64_t time)
{
    bool fresh;

    assert_int_equal(lb_alert_firsts_see(firsts, value(i), time, &fresh), LB_OK);
    return fresh;
}

static void ten_thousand_are_exact(void **state)
{
    struct lb_alert_firsts firsts = { 0 };

    (void)state;
    for (int turn = 0; turn < 2; turn++)
        for (uint64_t i = 0; i < LB_ALERT_FIRSTS_EXACT; i++)
            assert_int_equal(see(&firsts, i, 0), turn == 0);
    assert_null(firsts.filters[0]);
    assert_in_range(lb_alert_firsts_bytes(&firsts), 80000, 170000);
    lb_alert_firsts_free(&firsts);
}

static void what_was_seen_is_not_new_for_a_hundred_thousand_others(void **state)
{
    enum { VALUES = 100000 };
    struct lb_alert_firsts firsts = { 0 };
    uint64_t missed = 0;

    (void)state;
    for (uint64_t i = 0; i < VALUES; i++)
        missed += !see(&firsts, i, 0);
    for (uint64_t i = 0; i < VALUES; i++)
        assert_false(see(&firsts, i, 0));
    /* 1 % when the filter is full; on the way there less. */
    assert_in_range(missed, 0, VALUES / 100);
    lb_alert_firsts_free(&firsts);
}

static void memory_is_bounded_and_nothing_is_allocated_in_the_end(void **state)
{
    struct lb_alert_firsts firsts = { 0 };
    uint64_t missed = 0;
    long before = 0;

    (void)state;
    for (uint64_t i = 0; i < 1000000; i++) {
        if (i == 300000)
            before = lb_alloc_count;
        missed += !see(&firsts, i, 0);
    }
    assert_int_equal(lb_alloc_count, before);
    assert_in_range(lb_alert_firsts_bytes(&firsts), 100000, 420000);
    assert_in_range(missed, 1, 1000000 * 2 / 100);
    lb_alert_firsts_free(&firsts);
}

static void what_is_seen_every_day_stays_among_the_exact_ones(void **state)
{
    struct lb_alert_firsts firsts = { 0 };

    (void)state;
    for (uint64_t i = 0; i < LB_ALERT_FIRSTS_EXACT; i++)
        see(&firsts, i, i < 100 ? DAY * 2 : DAY);
    for (uint64_t i = 0; i < 5000; i++)
        see(&firsts, 1000000 + i, DAY);
    for (uint64_t i = 0; i < 100; i++)
        assert_true(firsts.hashes[slot_of(&firsts, value(i))] == value(i));
    lb_alert_firsts_free(&firsts);
}

static void it_comes_back_and_damage_is_refused(void **state)
{
    static const uint64_t sizes[] = { 0, 1, 40, 5000, 12000, 250000 };

    (void)state;
    for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        struct lb_alert_firsts firsts = { 0 };
        struct lb_alert_firsts again = { 0 };
        struct lb_buffer bytes;
        struct lb_str rest;

        lb_buffer_init(&bytes, 1 << 22);
        for (uint64_t i = 0; i < sizes[n]; i++)
            see(&firsts, i, 0);
        lb_alert_firsts_write(&firsts, &bytes);
        rest = lb_buffer_str(&bytes);
        assert_true(lb_alert_firsts_restore(&again, &rest));
        assert_int_equal(rest.len, 0);
        for (uint64_t i = 0; i < 30000; i++)
            assert_int_equal(see(&firsts, i * 17, 0), see(&again, i * 17, 0));
        lb_alert_firsts_free(&again);
        for (size_t len = 0; len < bytes.len; len += 1 + bytes.len / 50) {
            rest = (struct lb_str){ bytes.ptr, len };
            assert_false(lb_alert_firsts_restore(&again, &rest));
            lb_alert_firsts_free(&again);
        }
        for (size_t at = 0; at < 40 && at < bytes.len; at++) {
            bytes.ptr[at] ^= 0x41;
            rest = lb_buffer_str(&bytes);
            if (lb_alert_firsts_restore(&again, &rest))
                see(&again, 3, 0);
            lb_alert_firsts_free(&again);
            bytes.ptr[at] ^= 0x41;
        }
        lb_alert_firsts_free(&firsts);
        lb_buffer_free(&bytes);
    }
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    for (long n = 1; n < 30; n++) {
        struct lb_alert_firsts firsts = { 0 };
        uint64_t failed = 0;

        lb_alloc_fail_at = n;
        for (uint64_t i = 0; i < 12000; i++) {
            bool fresh;

            failed += lb_alert_firsts_see(&firsts, value(i), 0, &fresh) == LB_NOMEM;
        }
        lb_alloc_fail_at = 0;
        assert_in_range(failed, 0, 1);
        lb_alert_firsts_free(&firsts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_are_exact),
        cmocka_unit_test(what_was_seen_is_not_new_for_a_hundred_thousand_others),
        cmocka_unit_test(memory_is_bounded_and_nothing_is_allocated_in_the_end),
        cmocka_unit_test(what_is_seen_every_day_stays_among_the_exact_ones),
        cmocka_unit_test(it_comes_back_and_damage_is_refused),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests_name("route/alert_firsts", tests, NULL, NULL);
}
