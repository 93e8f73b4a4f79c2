/* detector_new_test.c - new(field) and new(pattern): what was never there is told once. */
#include "detector_ground.h"

static struct fixture *open_new(const char *text, int64_t learn)
{
    struct fixture *self = open_ground();

    self->rules[0] = detector_rule("region", text, 5 * MINUTE);
    self->rules[0].learn_ns = learn;
    start(self);
    return self;
}

static void a_value_is_new_once(void **state)
{
    struct fixture *self = open_new("new(region)", 0);

    (void)state;
    saw(self, 0, "", "user=kim");
    assert_int_equal(self->told_count, 0);
    saw(self, 1, "", "region=eu");
    assert_int_equal(self->told_count, 1);
    expect_message(self, 0, "region: new value \"eu\" of region, since 00:00:00Z");
    idle(self, LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    saw(self, 11 * MINUTE, "", "region=eu");
    assert_int_equal(self->told_count, 2);
    saw(self, 12 * MINUTE, "", "region=us");
    saw(self, 12 * MINUTE + 1, "", "region=asia");
    assert_int_equal(self->told_count, 3);
    assert_string_equal(self->told[2].line, "region {} firing critical");
    close_detector_ground(self);
}

static void what_a_key_brings_at_first_is_only_learned(void **state)
{
    struct fixture *self = open_new("new(region)", 60 * MINUTE);

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "region=eu");
    saw(self, 59 * MINUTE, "ip=10.0.0.1", "region=us");
    saw(self, 61 * MINUTE, "ip=10.0.0.1", "region=us");
    assert_int_equal(self->told_count, 0);
    /* Another key learns for itself. */
    saw(self, 62 * MINUTE, "ip=10.0.0.2", "region=asia");
    assert_int_equal(self->told_count, 0);
    saw(self, 63 * MINUTE, "ip=10.0.0.1", "region=asia");
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "region " IP1 " firing critical", 63 * MINUTE);
    close_detector_ground(self);
}

static void known_values_are_not_new(void **state)
{
    static struct lb_str known[] = { { "eu", 2 }, { "us, kim", 7 } };
    struct fixture *self = open_new("new(region)", 0);

    (void)state;
    self->rules[0].known = (struct lb_strs){ known, 2 };
    saw(self, 0, "", "region=eu");
    assert_int_equal(self->told_count, 0);
    saw(self, 1, "", "region=us");
    assert_int_equal(self->told_count, 1);
    close_detector_ground(self);
}

static void several_fields_are_new_together(void **state)
{
    static struct lb_str known[] = { { "us, kim", 7 } };
    struct fixture *self = open_new("new(region, user)", 0);

    (void)state;
    self->rules[0].known = (struct lb_strs){ known, 1 };
    saw(self, 0, "", "region=us user=kim");
    saw(self, 1, "", "region=eu");
    assert_int_equal(self->told_count, 0);
    saw(self, 2, "", "region=eu user=kim");
    assert_int_equal(self->told_count, 1);
    expect_message(self, 0, "region: new value \"eu, kim\" of region, user, since 00:00:00Z");
    idle(self, LB_SECOND, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    /* "e, ukim" is not "eu, kim". */
    saw(self, 11 * MINUTE, "", "user=kim region=eu");
    assert_int_equal(self->told_count, 2);
    saw(self, 12 * MINUTE, "", "region=e user=ukim");
    assert_int_equal(self->told_count, 3);
    close_detector_ground(self);
}

static void a_pattern_is_new_once(void **state)
{
    struct fixture *self = open_new("new(pattern)", 60 * MINUTE);

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "Failed password for root from 10.0.0.1 port 22");
    saw(self, 61 * MINUTE, "ip=10.0.0.1", "Failed password for kim from 10.0.0.7 port 5");
    assert_int_equal(self->told_count, 0);
    saw(self, 62 * MINUTE, "ip=10.0.0.1", "disk /dev/sda1 is full");
    assert_int_equal(self->told_count, 1);
    assert_non_null(strstr(self->told[0].message, "region: new pattern \"disk <path> is full\" ("));
    saw(self, 63 * MINUTE, "ip=10.0.0.1", "disk /dev/sdb2 is full");
    idle(self, 63 * MINUTE, 100 * MINUTE);
    assert_int_equal(self->told_count, 2);
    close_detector_ground(self);
}

static void what_is_known_survives_a_restart(void **state)
{
    static const char *const conditions[] = { "new(region)", "new(pattern)" };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fixture *self = open_new(conditions[i], MINUTE);

        saw(self, 0, "ip=10.0.0.1", "region=eu");
        restart_engine(self);
        saw(self, 2 * MINUTE, "ip=10.0.0.1", "region=eu");
        assert_int_equal(self->told_count, 0);
        restart_engine(self);
        saw(self, 3 * MINUTE, "ip=10.0.0.1", "region=us and more words");
        assert_int_equal(self->told_count, 1);
        restart_engine(self);
        saw(self, 4 * MINUTE, "ip=10.0.0.1", "region=us and more words");
        assert_int_equal(self->told_count, 1);
        survives_damage(self);
        close_detector_ground(self);
    }
}

/* Told in another way, or at another severity, what is known stays known. */
static void a_rule_that_means_the_same_goes_on_with_what_it_knows(void **state)
{
    struct fixture *self = open_new("new(region)", 0);
    struct lb_alert_rule other[2];
    struct lb_alerting alerting = self->alerting;
    struct lb_alert_change *change;

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "region=eu");
    assert_int_equal(self->told_count, 1);
    other[0] = self->rules[0];
    other[0].cooldown_ns = MINUTE;
    other[1] = detector_rule("other", "new(region)", 5 * MINUTE);
    alerting.rules = other;
    alerting.rule_count = 2;
    change = lb_alert_change_new(&alerting, SINKS);
    assert_non_null(change);
    take_change(self->engine, change);
    /* What fired is resolved, for its window begins anew. */
    saw(self, 10 * MINUTE, "ip=10.0.0.1", "region=eu");
    idle(self, 10 * MINUTE, 11 * MINUTE);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "region " IP1 " resolved critical");
    close_detector_ground(self);
}

static void it_needs_names_of_fields(void **state)
{
    (void)state;
    refuses("new()");
    refuses("new(a b)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_new_once),
        cmocka_unit_test(what_a_key_brings_at_first_is_only_learned),
        cmocka_unit_test(known_values_are_not_new),
        cmocka_unit_test(several_fields_are_new_together),
        cmocka_unit_test(a_pattern_is_new_once),
        cmocka_unit_test(what_is_known_survives_a_restart),
        cmocka_unit_test(a_rule_that_means_the_same_goes_on_with_what_it_knows),
        cmocka_unit_test(it_needs_names_of_fields),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/detector_new", tests, NULL, NULL);
}
