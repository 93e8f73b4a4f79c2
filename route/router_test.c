/* router_test.c - which sinks a record goes to, and what each sink gets of a batch. */
#include "lb_test.h"
#include "lb_test_record.h"

#include "router.c"

struct fixture {
    struct lb_arena arena;
    struct lb_diag diag;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    lb_arena_init(&fixture->arena, 1 << 20);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    lb_arena_free(&fixture->arena);
    free(fixture);
    return 0;
}

static const struct lb_expr *where(struct fixture *fixture, const char *text)
{
    return lb_expr_new(&fixture->arena, lb_str_from(text), (struct lb_place){ "t", 1, 1 }, &fixture->diag);
}

static void all_routes_that_match_count_until_one_stops(void **state)
{
    static const struct {
        const char *json;
        uint64_t expected;
    } rows[] = {
        { "{\"level\":\"error\",\"service\":\"a\"}", 1 | 2 | 4 },
        { "{\"level\":\"error\",\"service\":\"b\"}", 1 | 2 | 8 },
        { "{\"level\":\"info\",\"service\":\"a\"}", 4 },
        { "{\"level\":\"info\",\"service\":\"b\"}", 8 },
        { "{}", 8 },
    };
    struct fixture *fixture = *state;
    const struct lb_route routes[] = {
        { .where = where(fixture, "level >= warn"), .sinks = 1 | 2 },
        { .where = where(fixture, "service == a"), .sinks = 4, .stop = true },
        { .sinks = 8 },
    };
    struct lb_scratch scratch = { 0 };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lb_record record = lb_test_record(&fixture->arena, rows[i].json);

        assert_int_equal(lb_route_match(routes, 3, &record, &scratch), rows[i].expected);
    }
}

static void each_sink_gets_its_records_in_order_and_all_needs_no_list(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t masks[] = { 1 | 2, 1, 1 | 8, 1 | 2 };
    struct lb_batch batch = { .record_count = 4 };

    lb_arena_init(&batch.arena, 1 << 16);
    assert_true(lb_route_select(&batch, masks, 4));
    assert_int_equal(batch.selections[0].count, 4);
    assert_null(batch.selections[0].indexes);
    assert_int_equal(batch.selections[1].count, 2);
    assert_int_equal(batch.selections[1].indexes[0], 0);
    assert_int_equal(batch.selections[1].indexes[1], 3);
    assert_int_equal(batch.selections[2].count, 0);
    assert_int_equal(batch.selections[3].count, 1);
    assert_int_equal(batch.selections[3].indexes[0], 2);
    lb_arena_free(&batch.arena);
    (void)fixture;
}

static void random_masks_become_the_same_selections(void **state)
{
    enum { RECORDS = 500 };
    uint64_t random = lb_seed() | 1;
    uint64_t masks[RECORDS];
    uint64_t back[RECORDS] = { 0 };
    struct lb_batch batch = { .record_count = RECORDS };

    (void)state;
    for (int i = 0; i < RECORDS; i++)
        masks[i] = (lb_random(&random) | (UINT64_C(1) << 62)) & ~(UINT64_C(1) << 63);
    lb_arena_init(&batch.arena, 1 << 20);
    assert_true(lb_route_select(&batch, masks, LB_SINKS_MAX));
    for (uint32_t sink = 0; sink < LB_SINKS_MAX; sink++) {
        const struct lb_selection *selection = &batch.selections[sink];

        for (uint32_t i = 0; i < selection->count; i++)
            back[selection->indexes != NULL ? selection->indexes[i] : i] |= UINT64_C(1) << sink;
    }
    assert_memory_equal(masks, back, sizeof(masks));
    lb_arena_free(&batch.arena);
}

static void says_when_the_arena_is_full(void **state)
{
    const uint64_t masks[] = { 1, 0 };
    struct lb_batch batch = { .record_count = 2 };

    (void)state;
    lb_arena_init(&batch.arena, 32);
    assert_false(lb_route_select(&batch, masks, 1));
    lb_arena_free(&batch.arena);
    lb_arena_init(&batch.arena, 4);
    assert_false(lb_route_select(&batch, masks, 1));
    lb_arena_free(&batch.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_routes_that_match_count_until_one_stops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_sink_gets_its_records_in_order_and_all_needs_no_list, set_up, tear_down),
        cmocka_unit_test(random_masks_become_the_same_selections),
        cmocka_unit_test(says_when_the_arena_is_full),
    };

    return cmocka_run_group_tests_name("route/router", tests, NULL, NULL);
}
