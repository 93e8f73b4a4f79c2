/* alert_keys_test.c - who is kept, who makes room. */
#include "alert_keys.c"

#include "lb_test.h"

static struct lb_str name_of(int i, char *out)
{
    return (struct lb_str){ out, (size_t)sprintf(out, "client_ip=10.0.0.%d", i) };
}

static struct lb_alert_key *add(struct lb_alert_keys *keys, int i)
{
    char text[64];
    struct lb_str name = name_of(i, text);

    return lb_alert_keys_add(keys, name, lb_alert_hash(name));
}

static struct lb_alert_key *find(const struct lb_alert_keys *keys, int i)
{
    char text[64];
    struct lb_str name = name_of(i, text);

    return lb_alert_keys_find(keys, name, lb_alert_hash(name));
}

static void finds_what_was_added_through_growth_and_removal(void **state)
{
    struct lb_alert_keys keys;
    uint64_t random = lb_seed();
    bool present[500] = { false };

    (void)state;
    lb_alert_keys_init(&keys, 1000);
    for (int step = 0; step < 20000; step++) {
        int i = (int)(lb_random(&random) % 500);

        if (present[i])
            lb_alert_keys_remove(&keys, find(&keys, i));
        else
            assert_non_null(add(&keys, i));
        present[i] = !present[i];
        for (int probe = 0; probe < 5; probe++) {
            int j = (int)(lb_random(&random) % 500);

            assert_int_equal(find(&keys, j) != NULL, present[j]);
        }
    }
    lb_alert_keys_free(&keys);
}

static void the_least_active_idle_key_makes_room(void **state)
{
    struct lb_alert_keys keys;

    (void)state;
    lb_alert_keys_init(&keys, 3);
    for (int i = 0; i < 3; i++)
        assert_non_null(add(&keys, i));
    lb_alert_keys_move(&keys, find(&keys, 0), LB_ALERT_IDLE);
    assert_non_null(add(&keys, 3));
    assert_null(find(&keys, 1));
    assert_non_null(find(&keys, 0));
    assert_int_equal(keys.evicted, 1);
    lb_alert_keys_free(&keys);
}

static void a_watched_key_makes_room_only_when_none_is_idle(void **state)
{
    struct lb_alert_keys keys;

    (void)state;
    lb_alert_keys_init(&keys, 2);
    lb_alert_keys_move(&keys, add(&keys, 0), LB_ALERT_WATCHED);
    assert_non_null(add(&keys, 1));
    assert_non_null(add(&keys, 2));
    assert_non_null(find(&keys, 0));
    lb_alert_keys_move(&keys, find(&keys, 2), LB_ALERT_FIRING);
    assert_non_null(add(&keys, 3));
    assert_null(find(&keys, 0));
    lb_alert_keys_free(&keys);
}

static void a_firing_key_never_makes_room(void **state)
{
    struct lb_alert_keys keys;

    (void)state;
    lb_alert_keys_init(&keys, 2);
    lb_alert_keys_move(&keys, add(&keys, 0), LB_ALERT_FIRING);
    lb_alert_keys_move(&keys, add(&keys, 1), LB_ALERT_FIRING);
    assert_null(add(&keys, 2));
    assert_int_equal(keys.refused, 1);
    assert_non_null(find(&keys, 0));
    lb_alert_keys_free(&keys);
}

static void a_flood_of_keys_allocates_nothing(void **state)
{
    struct lb_alert_keys keys;
    long before;

    (void)state;
    lb_alert_keys_init(&keys, 100);
    for (int i = 0; i < 100; i++)
        assert_non_null(add(&keys, i));
    before = atomic_load(&lb_alloc_count);
    for (int i = 100; i < 100000; i++)
        assert_non_null(add(&keys, i));
    assert_int_equal(atomic_load(&lb_alloc_count), before);
    assert_int_equal(keys.count, 100);
    assert_int_equal(keys.evicted, 100000 - 100);
    lb_alert_keys_free(&keys);
}

static void keys_that_are_cut_are_told_apart(void **state)
{
    static char text[LB_KEY_BYTES_MAX + 10];
    struct lb_str one = { text, sizeof(text) };
    struct lb_alert_keys keys;
    struct lb_alert_key *first;

    (void)state;
    memset(text, 'a', sizeof(text));
    lb_alert_keys_init(&keys, 10);
    first = lb_alert_keys_add(&keys, one, lb_alert_hash(one));
    assert_ptr_equal(lb_alert_keys_find(&keys, one, lb_alert_hash(one)), first);
    text[sizeof(text) - 1] = 'b';
    assert_null(lb_alert_keys_find(&keys, one, lb_alert_hash(one)));
    lb_alert_keys_free(&keys);
}

static void a_failing_allocation_refuses_the_key(void **state)
{
    (void)state;
    for (int n = 1; n <= 2; n++) {
        struct lb_alert_keys keys;

        lb_alert_keys_init(&keys, 10);
        atomic_store(&lb_alloc_fail_at, n);
        assert_null(add(&keys, 1));
        atomic_store(&lb_alloc_fail_at, 0);
        assert_int_equal(keys.refused, 1);
        assert_non_null(add(&keys, 1));
        lb_alert_keys_free(&keys);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added_through_growth_and_removal),
        cmocka_unit_test(the_least_active_idle_key_makes_room),
        cmocka_unit_test(a_watched_key_makes_room_only_when_none_is_idle),
        cmocka_unit_test(a_firing_key_never_makes_room),
        cmocka_unit_test(a_flood_of_keys_allocates_nothing),
        cmocka_unit_test(keys_that_are_cut_are_told_apart),
        cmocka_unit_test(a_failing_allocation_refuses_the_key),
    };

    return cmocka_run_group_tests_name("route/alert_keys", tests, NULL, NULL);
}
