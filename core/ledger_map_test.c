/* ledger_map_test.c - the skip list against a plain sorted table. */
#include "lb_test.h"

#include "lb_alloc.h"

#include "ledger_map.c"

enum { KEYS = 200 };

static struct lb_str key_of(unsigned i, char text[8])
{
    int len = snprintf(text, 8, "%c%u", 'a' + (char)(i % 7), i / 7);

    return (struct lb_str){ text, (size_t)len };
}

static void put(struct lb_ledger_map *map, struct lb_str key, struct lb_str value)
{
    assert_int_equal(lb_ledger_map_reserve(map, key, value.len), LB_OK);
    lb_ledger_map_put(map, key, value);
}

static bool has(struct lb_ledger_map *map, struct lb_str key)
{
    struct lb_ledger_node *node = lb_ledger_map_seek(map, key);

    return node != NULL && lb_str_equal(lb_ledger_node_key(node), key);
}

static void holds_what_was_put_in_the_order_of_the_keys(void **state)
{
    struct lb_ledger_map map;
    bool model[KEYS] = { false };
    uint64_t random = lb_seed();
    size_t bytes = 0;
    char text[8];

    (void)state;
    lb_ledger_map_init(&map);
    for (unsigned round = 0; round < 5000; round++) {
        unsigned i = (unsigned)(lb_random(&random) % KEYS);
        struct lb_str key = key_of(i, text);

        model[i] = lb_random(&random) % 3 != 0;
        if (model[i]) {
            put(&map, key, key);
        } else {
            lb_ledger_map_delete(&map, key);
            lb_ledger_map_release(&map, key);
        }
    }
    size_t present = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(has(&map, key_of(i, text)), model[i]);
        present += model[i];
        bytes += model[i] ? 2 * key_of(i, text).len : 0;
    }
    assert_int_equal(map.count, present);
    assert_int_equal(map.text_bytes, bytes);
    struct lb_ledger_node *before = NULL;
    for (struct lb_ledger_node *node = lb_ledger_map_seek(&map, LB_STR("")); node != NULL;
         node = lb_ledger_map_next(node)) {
        if (before != NULL)
            assert_true(compare(lb_ledger_node_key(before), lb_ledger_node_key(node)) < 0);
        before = node;
        present--;
    }
    assert_int_equal(present, 0);
    lb_ledger_map_free(&map);
}

static void what_is_reserved_and_not_put_is_not_seen(void **state)
{
    struct lb_ledger_map map;

    (void)state;
    lb_ledger_map_init(&map);
    put(&map, LB_STR("b"), LB_STR("1"));
    assert_int_equal(lb_ledger_map_reserve(&map, LB_STR("a"), 5), LB_OK);
    assert_text(lb_ledger_node_key(lb_ledger_map_seek(&map, LB_STR(""))), "b");
    assert_int_equal(map.count, 1);
    lb_ledger_map_release(&map, LB_STR("a"));
    lb_ledger_map_release(&map, LB_STR("b")); /* it is put: nothing happens */
    assert_true(has(&map, LB_STR("b")));
    lb_ledger_map_free(&map);
}

static void a_value_that_fits_takes_no_memory(void **state)
{
    struct lb_ledger_map map;

    (void)state;
    lb_ledger_map_init(&map);
    put(&map, LB_STR("mark"), LB_STR("1"));
    long before = lb_alloc_count;
    put(&map, LB_STR("mark"), LB_STR("18446744073709551615"));
    put(&map, LB_STR("mark"), LB_STR("7"));
    assert_int_equal(lb_alloc_count, before);
    assert_text(lb_ledger_node_value(lb_ledger_map_seek(&map, LB_STR("mark"))), "7");
    lb_ledger_map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_put_in_the_order_of_the_keys),
        cmocka_unit_test(what_is_reserved_and_not_put_is_not_seen),
        cmocka_unit_test(a_value_that_fits_takes_no_memory),
    };

    return cmocka_run_group_tests_name("core/ledger_map", tests, NULL, NULL);
}
