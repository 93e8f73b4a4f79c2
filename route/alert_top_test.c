/* alert_top_test.c - the frequent ones are among them, and their counts bracket the truth. */
#include "alert_top.c"

#include "lb_test.h"

static void the_frequent_ones_are_found_among_many(void **state)
{
    enum { RARE = 20000, OFTEN = 10, EACH = 900 };
    struct lb_alert_top top = { 0 };
    const struct lb_alert_top_entry *list[OFTEN];
    uint64_t random = lb_seed();
    uint32_t left[OFTEN];
    uint32_t sent = 0;

    (void)state;
    for (uint32_t i = 0; i < OFTEN; i++)
        sent += left[i] = EACH - 20 * i;
    for (uint32_t i = 0; i < RARE || sent > 0;) {
        char text[32];
        uint64_t which = lb_random(&random) % (RARE + OFTEN * EACH);

        if (which < RARE || left[which % OFTEN] == 0) {
            snprintf(text, sizeof(text), "rare %u", i++);
            lb_alert_top_add(&top, 1000 + i, lb_str_from(text));
        } else {
            snprintf(text, sizeof(text), "often %u", (unsigned)(which % OFTEN));
            lb_alert_top_add(&top, which % OFTEN, lb_str_from(text));
            left[which % OFTEN]--;
            sent--;
        }
    }
    assert_int_equal(lb_alert_top_list(&top, list, OFTEN), OFTEN);
    for (uint32_t i = 0; i < OFTEN; i++) {
        unsigned which = 0;

        if (i > 0)
            assert_true(lb_alert_top_surely(list[i - 1]) >= lb_alert_top_surely(list[i]));
        if (sscanf(list[i]->text, "often %u", &which) != 1)
            continue;
        assert_true(list[i]->count >= EACH - 20 * which);
        assert_true(list[i]->count - list[i]->error <= EACH - 20 * which);
    }
    for (uint64_t hash = 0; hash < OFTEN; hash++) {
        uint32_t at = 0;

        while (at < top.count && top.hashes[at] != hash)
            at++;
        assert_true(at < top.count);
    }
}

static void a_list_is_in_order_and_as_long_as_asked(void **state)
{
    struct lb_alert_top top = { 0 };
    const struct lb_alert_top_entry *list[8];

    (void)state;
    assert_int_equal(lb_alert_top_list(&top, list, 8), 0);
    for (uint64_t i = 0; i < 6; i++)
        for (uint64_t n = 0; n <= i; n++)
            lb_alert_top_add(&top, i, (struct lb_str){ "abcdef" + i, 1 });
    assert_int_equal(lb_alert_top_list(&top, list, 3), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(list[i]->count, 6 - i);
        assert_int_equal(list[i]->text[0], "fed"[i]);
    }
    assert_int_equal(lb_alert_top_list(&top, list, 8), 6);
    assert_int_equal(lb_alert_top_list(&top, list, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frequent_ones_are_found_among_many),
        cmocka_unit_test(a_list_is_in_order_and_as_long_as_asked),
    };

    return cmocka_run_group_tests_name("route/alert_top", tests, NULL, NULL);
}
