/* detector_change_test.c - change(field): when it is one, in any order of arrival. */
#include "detector_ground.h"

static struct fixture *open_changes(const char *text)
{
    struct fixture *self = open_ground();

    self->rules[0] = detector_rule("region", text, 5 * MINUTE);
    start(self);
    return self;
}

static void another_value_of_the_same_key_is_told_with_both(void **state)
{
    struct fixture *self = open_changes("change(region)");

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "region=eu");
    saw(self, 1, "ip=10.0.0.2", "region=us");
    saw(self, 2, "ip=10.0.0.1", "region=eu");
    saw(self, 3, "ip=10.0.0.1", "user=kim");
    assert_int_equal(self->told_count, 0);
    saw(self, MINUTE, "ip=10.0.0.1", "region=us");
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "region " IP1 " firing critical", MINUTE);
    expect_message(self, 0, "region: region changed from \"eu\" to \"us\" for ip=10.0.0.1, since 00:01:00Z");
    idle(self, MINUTE, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    expect_told(self, 1, "region " IP1 " resolved critical", 6 * MINUTE + 30 * LB_SECOND);
    expect_message(self, 1,
                   "region: resolved after 5m30s for ip=10.0.0.1: the last was region changed from \"eu\" to \"us\"");
    close_detector_ground(self);
}

static void any_of_several_fields_is_enough(void **state)
{
    struct fixture *self = open_changes("change(region, plan)");

    (void)state;
    saw(self, 0, "", "region=eu plan=a");
    saw(self, 1, "", "plan=a");
    assert_int_equal(self->told_count, 0);
    saw(self, 2, "", "plan=b");
    assert_int_equal(self->told_count, 1);
    assert_non_null(strstr(self->told[0].message, "plan changed from \"a\" to \"b\""));
    close_detector_ground(self);
}

/* In order of time they are eu, us, eu; the us comes last. */
static void a_value_that_comes_late_is_a_change_where_it_belongs(void **state)
{
    struct fixture *self = open_changes("change(region)");

    (void)state;
    saw(self, 10 * LB_SECOND, "", "region=eu");
    saw(self, 20 * LB_SECOND, "", "region=eu");
    saw(self, 30 * LB_SECOND, "", "region=eu");
    assert_int_equal(self->told_count, 0);
    saw_at(self, 15 * LB_SECOND, 30 * LB_SECOND, "", "region=us");
    assert_int_equal(self->told_count, 1);
    close_detector_ground(self);
}

static void what_comes_too_late_is_no_change(void **state)
{
    struct fixture *self = open_changes("change(region)");

    (void)state;
    saw(self, 10 * LB_SECOND, "", "region=eu");
    saw(self, 2 * MINUTE, "", "region=eu");
    saw_at(self, 60 * LB_SECOND, 2 * MINUTE, "", "region=us");
    assert_int_equal(self->told_count, 0);
    close_detector_ground(self);
}

static void long_values_are_cut_but_compared_whole(void **state)
{
    struct fixture *self = open_changes("change(region)");
    char words[2][200];

    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(words[i], 'x', sizeof(words[i]));
        memcpy(words[i], "region=", 7);
        words[i][198] = (char)('a' + i);
        words[i][199] = '\0';
    }
    saw(self, 0, "", words[0]);
    saw(self, 1, "", words[0]);
    assert_int_equal(self->told_count, 0);
    saw(self, 2, "", words[1]);
    assert_int_equal(self->told_count, 1);
    assert_non_null(strstr(self->told[0].message, "xxx...\" to \"xxx"));
    close_detector_ground(self);
}

static void the_value_before_a_restart_counts_after_it(void **state)
{
    struct fixture *self = open_changes("change(region)");

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "region=eu");
    restart_engine(self);
    saw(self, MINUTE, "ip=10.0.0.1", "region=eu");
    assert_int_equal(self->told_count, 0);
    restart_engine(self);
    saw(self, 2 * MINUTE, "ip=10.0.0.1", "region=us");
    assert_int_equal(self->told_count, 1);
    restart_engine(self);
    idle(self, 2 * MINUTE, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    assert_non_null(strstr(self->told[1].message, "the last was region changed from"));
    survives_damage(self);
    close_detector_ground(self);
}

static void keys_are_bounded_and_the_idle_ones_go(void **state)
{
    struct fixture *self = open_ground();
    long before = 0;

    (void)state;
    self->alerting.max_keys = 100;
    self->rules[0] = detector_rule("region", "change(region)", 5 * MINUTE);
    start(self);
    for (int i = 0; i < 1000; i++) {
        char key[32];

        if (i == 200)
            before = lb_alloc_count;
        snprintf(key, sizeof(key), "ip=10.0.1.%d", i);
        saw(self, i, key, "region=eu");
    }
    assert_int_equal(lb_alloc_count, before);
    assert_int_equal(self->engine->runners[0].detector.forgotten, 900);
    close_detector_ground(self);
}

static void it_needs_names_of_fields(void **state)
{
    (void)state;
    refuses("change()");
    refuses("change(a,)");
    refuses("change(a b)");
    refuses("change(a, b, c, d, e)");
    lb_arena_free(&detector_config.arena);
    detector_config = (struct lb_config){ 0 };
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_value_of_the_same_key_is_told_with_both),
        cmocka_unit_test(any_of_several_fields_is_enough),
        cmocka_unit_test(a_value_that_comes_late_is_a_change_where_it_belongs),
        cmocka_unit_test(what_comes_too_late_is_no_change),
        cmocka_unit_test(long_values_are_cut_but_compared_whole),
        cmocka_unit_test(the_value_before_a_restart_counts_after_it),
        cmocka_unit_test(keys_are_bounded_and_the_idle_ones_go),
        cmocka_unit_test(it_needs_names_of_fields),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/detector_change", tests, NULL, NULL);
}
