#include "lb_test.h"

#include "http_policy.c"

static void the_defaults_try_again_what_may_pass(void **state)
{
    static const struct {
        long status;
        enum http_action action;
    } cases[] = {
        { 200, HTTP_ACCEPT }, { 207, HTTP_ACCEPT }, { 299, HTTP_ACCEPT }, { 300, HTTP_REFUSE },   { 301, HTTP_REFUSE },
        { 400, HTTP_SPLIT },  { 401, HTTP_REFUSE }, { 404, HTTP_REFUSE }, { 408, HTTP_RETRY },    { 409, HTTP_REFUSE },
        { 413, HTTP_SPLIT },  { 422, HTTP_SPLIT },  { 425, HTTP_RETRY },  { 429, HTTP_RETRY },    { 499, HTTP_REFUSE },
        { 500, HTTP_RETRY },  { 501, HTTP_RETRY },  { 599, HTTP_RETRY },  { 600, HTTP_REFUSE },   { 0, HTTP_REFUSE },
        { 100, HTTP_REFUSE }, { -1, HTTP_REFUSE },  { 199, HTTP_REFUSE }, { 99999, HTTP_REFUSE },
    };
    struct http_policy policy;
    const struct lb_pair *fault;

    (void)state;
    assert_true(http_policy_make(&policy, &(struct lb_pairs){ NULL, 0 }, &fault));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (http_policy_action(&policy, cases[i].status) != cases[i].action)
            fail_msg("%ld", cases[i].status);
    }
}

static void a_single_status_is_stronger_than_its_class(void **state)
{
    struct lb_pair items[] = { { LB_STR("501"), LB_STR("refuse") },
                               { LB_STR("4xx"), LB_STR("retry") },
                               { LB_STR("5xx"), LB_STR("split") },
                               { LB_STR("409"), LB_STR("accept") } };
    struct lb_pairs rules = { items, 4 };
    struct http_policy policy;
    const struct lb_pair *fault;

    (void)state;
    assert_true(http_policy_make(&policy, &rules, &fault));
    assert_null(fault);
    assert_int_equal(http_policy_action(&policy, 501), HTTP_REFUSE);
    assert_int_equal(http_policy_action(&policy, 502), HTTP_SPLIT);
    assert_int_equal(http_policy_action(&policy, 400), HTTP_RETRY);
    assert_int_equal(http_policy_action(&policy, 499), HTTP_RETRY);
    assert_int_equal(http_policy_action(&policy, 409), HTTP_ACCEPT);
    assert_int_equal(http_policy_action(&policy, 200), HTTP_ACCEPT);
}

static void wrong_rules_are_faults(void **state)
{
    static const char *const wrong[][2] = {
        { "4o4", "retry" }, { "40", "retry" },  { "4040", "retry" }, { "99", "retry" },
        { "600", "retry" }, { "xxx", "retry" }, { "4x4", "retry" },  { "404", "again" },
        { "404", "" },      { "", "retry" },    { "100", "accept" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct lb_pair items[] = { { LB_STR("404"), LB_STR("retry") },
                                   { lb_str_from(wrong[i][0]), lb_str_from(wrong[i][1]) } };
        struct lb_pairs rules = { items, 2 };
        struct http_policy policy;
        const struct lb_pair *fault;

        if (http_policy_make(&policy, &rules, &fault))
            fail_msg("%s: %s", wrong[i][0], wrong[i][1]);
        assert_ptr_equal(fault, &items[1]);
    }
}

static void the_circuit_opens_after_failures_in_a_row(void **state)
{
    struct http_pace pace;
    int64_t now = LB_SECOND;

    (void)state;
    http_pace_init(&pace, 8, 3);
    assert_int_equal(http_pace_allowed(&pace), 8);
    assert_false(http_pace_failure(&pace, now, now, now + 5));
    assert_false(http_pace_failure(&pace, now, now, now + 5));
    assert_false(http_pace_success(&pace, now, now + 1));
    assert_false(http_pace_failure(&pace, now, now, now + 5));
    assert_false(http_pace_failure(&pace, now, now, now + 5));
    assert_true(http_pace_failure(&pace, now, now, now + 7));
    assert_int_equal(http_pace_allowed(&pace), 1);
    assert_int_equal(pace.probe_at, now + 7);
    assert_false(http_pace_failure(&pace, now, now, now + 9));
    assert_int_equal(pace.probe_at, now + 9);
    assert_true(http_pace_success(&pace, now, now + 1));
    assert_false(pace.open);
}

static void without_a_breaker_it_never_opens(void **state)
{
    struct http_pace pace;

    (void)state;
    http_pace_init(&pace, 4, 0);
    for (int64_t i = 1; i < 1000; i++)
        assert_false(http_pace_failure(&pace, i, i, i));
    assert_int_equal(http_pace_allowed(&pace), 1);
}

static void the_limit_halves_once_for_what_was_in_flight_together(void **state)
{
    struct http_pace pace;

    (void)state;
    http_pace_init(&pace, 16, 0);
    for (int i = 0; i < 16; i++)
        http_pace_failure(&pace, 1000, 2000 + i, 0);
    assert_int_equal(http_pace_allowed(&pace), 8);
    http_pace_failure(&pace, 3000, 4000, 0);
    assert_int_equal(http_pace_allowed(&pace), 4);
}

static void the_limit_grows_by_one_a_round_up_to_its_bound(void **state)
{
    struct http_pace pace;
    int64_t now = 0;

    (void)state;
    http_pace_init(&pace, 16, 0);
    for (int i = 0; i < 4; i++) {
        now += LB_SECOND;
        http_pace_failure(&pace, now, now + 1, 0);
    }
    assert_int_equal(http_pace_allowed(&pace), 1);
    for (unsigned limit = 1; limit < 16; limit++) {
        assert_in_range(http_pace_allowed(&pace), limit - 1, limit + 1);
        for (unsigned i = 0; i < limit; i++) {
            now += LB_MILLISECOND;
            http_pace_success(&pace, now - LB_MILLISECOND, now);
        }
    }
    for (int i = 0; i < 100; i++) {
        now += LB_MILLISECOND;
        http_pace_success(&pace, now - LB_MILLISECOND, now);
    }
    assert_int_equal(http_pace_allowed(&pace), 16);
}

static void answers_that_get_slow_lower_the_limit(void **state)
{
    struct http_pace pace;
    int64_t now = LB_SECOND;

    (void)state;
    http_pace_init(&pace, 16, 0);
    for (int i = 0; i < 50; i++) {
        now += 20 * LB_MILLISECOND;
        http_pace_success(&pace, now - (10 + i % 3) * LB_MILLISECOND, now);
    }
    assert_int_equal(http_pace_allowed(&pace), 16);
    now += 2 * LB_SECOND;
    http_pace_success(&pace, now - LB_SECOND, now);
    assert_int_equal(http_pace_allowed(&pace), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_try_again_what_may_pass),
        cmocka_unit_test(a_single_status_is_stronger_than_its_class),
        cmocka_unit_test(wrong_rules_are_faults),
        cmocka_unit_test(the_circuit_opens_after_failures_in_a_row),
        cmocka_unit_test(without_a_breaker_it_never_opens),
        cmocka_unit_test(the_limit_halves_once_for_what_was_in_flight_together),
        cmocka_unit_test(the_limit_grows_by_one_a_round_up_to_its_bound),
        cmocka_unit_test(answers_that_get_slow_lower_the_limit),
    };

    return cmocka_run_group_tests_name("sinks/http_policy", tests, NULL, NULL);
}
