/* tail_map_test.c - against a plain list of pairs. */
#include "tail_map.c"

#include "lb_test.h"

enum { PAIRS = 300, STEPS = 20000 };

struct pair {
    uint64_t key;
    bool present;
};

static bool holds(const struct lb_tail_map *map, uint64_t key, const void *value)
{
    uint32_t cursor = 0;
    const void *found;

    while ((found = lb_tail_map_each(map, key, &cursor)) != NULL)
        if (found == value)
            return true;
    return false;
}

static void holds_what_was_put_and_not_removed(void **state)
{
    struct lb_tail_map map = { 0 };
    static struct pair pairs[PAIRS];
    uint64_t random = lb_seed();

    (void)state;
    for (unsigned i = 0; i < STEPS; i++) {
        struct pair *pair = &pairs[lb_random(&random) % PAIRS];

        if (pair->present)
            lb_tail_map_remove(&map, pair->key, pair);
        else {
            pair->key = lb_random(&random) % 100; /* several share a key */
            assert_true(lb_tail_map_put(&map, pair->key, pair));
        }
        pair->present = !pair->present;
        if (i % 97 == 0)
            for (unsigned n = 0; n < PAIRS; n++)
                assert_int_equal(holds(&map, pairs[n].key, &pairs[n]), pairs[n].present);
    }
    lb_tail_map_free(&map);
}

static void an_empty_map_holds_nothing(void **state)
{
    struct lb_tail_map map = { 0 };
    uint32_t cursor = 0;

    (void)state;
    assert_null(lb_tail_map_each(&map, 1, &cursor));
    lb_tail_map_remove(&map, 1, &map);
    lb_tail_map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_put_and_not_removed),
        cmocka_unit_test(an_empty_map_holds_nothing),
    };

    return cmocka_run_group_tests_name("ingest/tail_map", tests, NULL, NULL);
}
