/* alert_flood_test.c - a million keys that come once hide nobody, and memory stays what it is said to be. */
#include "alert_ground.h"
#include "alert_room.h"

#include <malloc.h>

enum { ONCE = 1000 * 1000, ATTACKERS = 20, NEAR = 50, THRESHOLD = 50 };

#define OVER (10 * MINUTE)

/* Under a sanitizer the heap is not the C library's, and all takes ten times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SEEDS = 1, SANITIZED = true };
#else
enum { SEEDS = 4, SANITIZED = false };
#endif

/* One record of a key: those that come once, attackers and near-misses have numbers one behind the other. */
static void come(struct lb_alert_runner *runner, uint32_t who, int64_t at)
{
    char key[32];
    struct lb_alert_input input = { .stream = 11, .time_ns = BEGIN + at, .number = 1 };
    int len = snprintf(key, sizeof(key), "ip=%u", who);

    input.key = (struct lb_str){ key, (size_t)len };
    runner->now = input.time_ns;
    lb_alert_apply(runner, &input);
}

struct crowd {
    uint32_t left[ATTACKERS + NEAR];
    uint32_t records;
};

static struct crowd crowd_of(uint64_t *random)
{
    struct crowd crowd = { .records = ONCE };

    for (uint32_t i = 0; i < ATTACKERS + NEAR; i++) {
        crowd.left[i] =
            i < ATTACKERS ? 60 + (uint32_t)(lb_random(random) % 141) : 30 + (uint32_t)(lb_random(random) % 20);
        crowd.records += crowd.left[i];
    }
    return crowd;
}

/* All of them in a random order, evenly over a window. */
static void flood(struct lb_alert_runner *runner, struct crowd crowd, int64_t from, uint64_t *random)
{
    uint32_t once = ONCE;
    uint32_t busy = crowd.records - ONCE;

    for (uint32_t i = 0; i < crowd.records; i++) {
        int64_t at = from + (OVER - LB_SECOND) / crowd.records * i;
        uint64_t pick = lb_random(random) % (once + busy);
        uint32_t who = 0;

        if (pick < once) {
            come(runner, 1000 + --once, at);
            continue;
        }
        for (pick -= once; pick >= crowd.left[who]; who++)
            pick -= crowd.left[who];
        crowd.left[who]--;
        busy--;
        come(runner, who, at);
    }
}

static void all_attackers_are_found_and_nobody_else(void **state)
{
    (void)state;
    for (uint64_t seed = lb_seed(); seed < lb_seed() + SEEDS; seed++) {
        struct fixture *self = open_ground();
        struct lb_alert_runner *runner;
        uint64_t random = seed;
        bool found[ATTACKERS + NEAR] = { false };
        size_t heap;

        self->rules[0] = count_rule("logins", OVER, "at least 50");
        start(self);
        heap = mallinfo2().uordblks + mallinfo2().hblkhd;
        runner = &self->engine->runners[0];
        flood(runner, crowd_of(&random), 0, &random);
        lb_alert_engine_flush(self->engine);
        for (uint32_t i = 0; i < self->told_count; i++) {
            unsigned who = 0;

            assert_non_null(strstr(self->told[i].line, "firing critical"));
            assert_int_equal(sscanf(self->told[i].line, "logins {\"ip\":\"%u\"}", &who), 1);
            if (who >= ATTACKERS)
                fail_msg("seed %llu: %u is no attacker (%s)", (unsigned long long)seed, who, self->told[i].message);
            assert_false(found[who]);
            found[who] = true;
        }
        for (uint32_t who = 0; who < ATTACKERS; who++)
            if (!found[who])
                fail_msg("seed %llu: attacker %u was not found", (unsigned long long)seed, who);
        assert_true(runner->flood.records > 900 * 1000);
        assert_int_equal(runner->keys.count, self->alerting.max_keys);
        /* Two sketches, 4096 keys with a few samples each; what is accounted for is what the heap has. */
        size_t used = lb_alert_room_cap(runner, 1, 0);
        assert_in_range(used, 4 << 20, 12 << 20);
        heap = mallinfo2().uordblks + mallinfo2().hblkhd - heap;
        if (!SANITIZED)
            assert_in_range(heap, used, used + used / 10);
        print_message("seed %llu: %zu KiB for keys and door, heap %zu KiB, %llu of %u records at the door\n",
                      (unsigned long long)seed, used / 1024, heap / 1024, (unsigned long long)runner->flood.records,
                      ONCE);
        close_ground(self);
    }
}

static void who_comes_in_late_is_told_to_be_approximate(void **state)
{
    struct fixture *self = open_ground();
    struct lb_alert_runner *runner;

    (void)state;
    self->alerting.max_keys = 100;
    self->rules[0] = count_rule("logins", OVER, "at least 50");
    start(self);
    runner = &self->engine->runners[0];
    for (uint32_t i = 0; i < 200; i++)
        come(runner, 1000 + i, i);
    for (int i = 0; i < 49; i++)
        come(runner, 7, MINUTE + i * LB_SECOND);
    lb_alert_engine_flush(self->engine);
    assert_int_equal(self->told_count, 0);
    come(runner, 7, MINUTE + 49 * LB_SECOND);
    lb_alert_engine_flush(self->engine);
    assert_int_equal(self->told_count, 1);
    assert_non_null(strstr(self->told[0].message, "count() is about 50 (at least 50) over 10m for ip=7"));
    /* With 50 of its own it is no longer. */
    struct lb_alert_key *key = lb_alert_keys_find(&runner->keys, LB_STR("ip=7"), lb_alert_hash(LB_STR("ip=7")));
    assert_non_null(key);
    assert_in_range(key->base, 10, 12);
    assert_true(lb_alert_room_approximate(runner->rule, key, LB_SEVERITY_CRITICAL));
    for (int i = 50; i < 63; i++)
        come(runner, 7, MINUTE + i * LB_SECOND);
    assert_false(lb_alert_room_approximate(runner->rule, key, LB_SEVERITY_CRITICAL));
    close_ground(self);
}

/* What was believed to have come leaves the window as if it had. */
static void what_is_believed_grows_old(void **state)
{
    struct fixture *self = open_ground();
    struct lb_alert_runner *runner;

    (void)state;
    self->alerting.max_keys = 100;
    self->rules[0] = count_rule("logins", OVER, "at least 50");
    start(self);
    runner = &self->engine->runners[0];
    for (uint32_t i = 0; i < 200; i++)
        come(runner, 1000 + i, i);
    /* Fewer than 50 in any ten minutes, for an hour. */
    for (int64_t at = 0; at < 60 * MINUTE; at += 13 * LB_SECOND)
        come(runner, 7, at);
    lb_alert_engine_flush(self->engine);
    assert_int_equal(self->told_count, 0);
    close_ground(self);
}

static void the_door_closes_when_the_flood_is_over(void **state)
{
    struct fixture *self = open_ground();
    struct lb_alert_runner *runner;

    (void)state;
    self->alerting.max_keys = 100;
    self->rules[0] = count_rule("logins", MINUTE, "at least 50");
    start(self);
    runner = &self->engine->runners[0];
    for (uint32_t i = 0; i < 1000; i++)
        come(runner, 1000 + i, i);
    assert_int_equal(lb_alert_flood_bytes(&runner->flood) > 0, true);
    assert_int_equal(runner->flood.records, 900);
    idle(self, MINUTE, 20 * MINUTE);
    assert_int_equal(lb_alert_flood_bytes(&runner->flood), 0);
    assert_int_equal(runner->keys.count, 0);
    assert_int_equal(runner->flood.told, 900);
    close_ground(self);
}

static void small_thresholds_and_other_functions_have_no_door(void **state)
{
    struct lb_alert_rule rule = count_rule("r", MINUTE, "at least 50");

    (void)state;
    assert_int_equal(lb_alert_flood_threshold(&rule), 50);
    set(&rule, LB_SEVERITY_LOW, "above 19");
    assert_int_equal(lb_alert_flood_threshold(&rule), 20);
    set(&rule, LB_SEVERITY_INFO, "at least 3");
    assert_int_equal(lb_alert_flood_threshold(&rule), 0);
    rule = count_rule("r", MINUTE, "below 50");
    assert_int_equal(lb_alert_flood_threshold(&rule), 0);
    rule = count_rule("r", MINUTE, "at least 50");
    rule.by.count = 0;
    assert_int_equal(lb_alert_flood_threshold(&rule), 0);
    rule = count_rule("r", MINUTE, "at least 50");
    rule.function = LB_ALERT_SUM;
    assert_int_equal(lb_alert_flood_threshold(&rule), 0);
    rule.function = LB_ALERT_RATE;
    assert_int_equal(lb_alert_flood_threshold(&rule), 3000);
}

static void without_memory_for_a_door_nobody_comes_in(void **state)
{
    (void)state;
    for (long n = 1; n < 6; n++) {
        struct lb_alert_flood door = { 0 };
        struct lb_alert_known known;
        uint64_t let_in = 0;

        lb_alloc_fail_at = n;
        for (int i = 0; i < 20; i++)
            let_in += lb_alert_flood_enter(&door, &(struct lb_alert_visitor){ 7, LB_STR("a"), BEGIN, BEGIN }, OVER, 10,
                                           &known);
        lb_alloc_fail_at = 0;
        assert_in_range(let_in, 9, 11);
        lb_alert_flood_free(&door);
    }
}

/* --- memory --------------------------------------------------------------- */

static void beyond_the_cap_the_largest_rule_gives_back_and_what_fires_stays(void **state)
{
    struct fixture *self = open_ground();
    size_t before;

    (void)state;
    self->rules[0] = count_rule("large", OVER, "at least 5");
    self->rules[1] = count_rule("small", OVER, "at least 5");
    self->alerting.rule_count = 2;
    start(self);
    for (uint32_t i = 0; i < 3000; i++)
        come(&self->engine->runners[0], i, i);
    for (uint32_t i = 0; i < 100; i++)
        come(&self->engine->runners[1], i, i);
    for (uint32_t i = 0; i < 50 * 5; i++)
        come(&self->engine->runners[0], i / 5, 4000 + i);
    assert_int_equal(self->engine->runners[0].keys.count, 3000);
    before = lb_alert_room_cap(self->engine->runners, 2, 0);
    assert_in_range(before, 1 << 20, 8 << 20);
    assert_in_range(lb_alert_room_cap(self->engine->runners, 2, before / 2), before / 4, before / 2);
    assert_int_equal(self->engine->runners[1].keys.count, 100);
    assert_in_range(self->engine->runners[0].keys.count, 1000, 2000);
    assert_true(self->engine->runners[0].keys.evicted > 1000);
    /* Impossible: all goes but what fires. */
    assert_in_range(lb_alert_room_cap(self->engine->runners, 2, 1), 1, before / 4);
    assert_int_equal(self->engine->runners[0].keys.count, 50);
    assert_int_equal(self->engine->runners[1].keys.count, 0);
    close_ground(self);
}

/* Slots, sketches and registers count too. */
static void what_a_busy_key_has_is_accounted_for(void **state)
{
    static const enum lb_alert_function functions[] = { LB_ALERT_COUNT, LB_ALERT_PERCENTILE, LB_ALERT_DISTINCT,
                                                        LB_ALERT_STDDEV };

    (void)state;
    for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++) {
        struct fixture *self = open_ground();
        size_t heap;

        self->rules[0] = count_rule("r", OVER, "at least 1000000000");
        self->rules[0].function = functions[f];
        self->rules[0].quantile = 0.9;
        start(self);
        heap = mallinfo2().uordblks;
        for (int i = 0; i < 3000; i++) {
            struct lb_alert_input input = { .stream = 11,
                                            .time_ns = BEGIN + i * LB_SECOND / 5,
                                            .number = (double)(i * 7919 % 100003),
                                            .key = LB_STR("ip=10.0.0.1") };

            self->engine->runners[0].now = input.time_ns;
            lb_alert_apply(&self->engine->runners[0], &input);
        }
        heap = mallinfo2().uordblks - heap;
        /* What was given back may still lie in the allocator's caches. */
        if (!SANITIZED)
            assert_in_range(self->engine->runners[0].keys.bytes, heap * 6 / 10, heap);
        close_ground(self);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_attackers_are_found_and_nobody_else),
        cmocka_unit_test(who_comes_in_late_is_told_to_be_approximate),
        cmocka_unit_test(what_is_believed_grows_old),
        cmocka_unit_test(the_door_closes_when_the_flood_is_over),
        cmocka_unit_test(small_thresholds_and_other_functions_have_no_door),
        cmocka_unit_test(without_memory_for_a_door_nobody_comes_in),
        cmocka_unit_test(beyond_the_cap_the_largest_rule_gives_back_and_what_fires_stays),
        cmocka_unit_test(what_a_busy_key_has_is_accounted_for),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/alert_flood", tests, NULL, NULL);
}
