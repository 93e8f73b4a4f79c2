/*
 * Rates: each peer has its own, a burst passes, time gives it back, and nothing that was held back goes untold.
 */
#include "lb_test.h"

#include "peer_rate.c"

struct heard {
    uint64_t total;
    uint32_t calls;
};

static void hear(void *context, const struct in6_addr *peer, uint64_t held_back)
{
    struct heard *heard = context;

    (void)peer;
    heard->total += held_back;
    heard->calls++;
}

static struct in6_addr peer_of(uint32_t number)
{
    struct in6_addr peer = { 0 };

    memcpy(peer.s6_addr + 12, &number, sizeof(number));
    return peer;
}

static uint32_t try(struct peer_rate *rate, uint32_t number, uint32_t times, int64_t now)
{
    struct in6_addr peer = peer_of(number);
    uint32_t passed = 0;

    for (uint32_t i = 0; i < times; i++)
        passed += peer_rate_admit(rate, &peer, now);
    return passed;
}

static void lets_a_burst_pass_and_then_the_rate(void **state)
{
    const struct rate_settings settings = { .records = 10, .per_ns = LB_SECOND, .burst = 25 };
    struct heard heard = { 0 };
    struct peer_rate *rate = peer_rate_new(&settings, hear, &heard);
    int64_t now = 1000 * LB_SECOND;

    (void)state;
    assert_int_equal(try(rate, 1, 100, now), 25);
    assert_int_equal(try(rate, 2, 100, now), 25);
    assert_int_equal(try(rate, 1, 100, now + LB_SECOND / 2), 5);
    assert_int_equal(try(rate, 1, 100, now + 3 * LB_SECOND / 2), 10);
    assert_int_equal(try(rate, 1, 100, now + 3600 * LB_SECOND), 25);
    peer_rate_tell(rate);
    assert_int_equal(heard.calls, 2);
    assert_int_equal(heard.total, 500 - 25 - 25 - 5 - 10 - 25);
    peer_rate_tell(rate);
    assert_int_equal(heard.calls, 2);
    peer_rate_free(rate);
}

static void more_peers_than_fit_are_bounded_and_told(void **state)
{
    const struct rate_settings settings = { .records = 1, .per_ns = 3600 * LB_SECOND };
    struct heard heard = { 0 };
    struct peer_rate *rate = peer_rate_new(&settings, hear, &heard);
    uint64_t passed = 0;

    (void)state;
    for (uint32_t i = 0; i < 100000; i++)
        passed += try(rate, i, 3, i);
    peer_rate_free(rate);
    assert_int_equal(passed + heard.total, 300000);
    assert_int_equal(passed, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_a_burst_pass_and_then_the_rate),
        cmocka_unit_test(more_peers_than_fit_are_bounded_and_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
