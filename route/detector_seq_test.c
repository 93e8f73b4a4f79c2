/* detector_seq_test.c - one event and then another: by the time of the events, within the time. */
#include "detector_ground.h"

#define LOGIN "seq(event == failed -> event == ok within 5m)"

static struct fixture *open_seq(const char *text)
{
    struct fixture *self = open_ground();

    self->rules[0] = detector_rule("break_in", text, 5 * MINUTE);
    start(self);
    return self;
}

static void the_second_event_within_the_time_is_told(void **state)
{
    struct fixture *self = open_seq(LOGIN);

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "event=ok");
    saw(self, MINUTE, "ip=10.0.0.1", "event=failed");
    saw(self, 2 * MINUTE, "ip=10.0.0.2", "event=ok");
    assert_int_equal(self->told_count, 0);
    saw(self, 6 * MINUTE, "ip=10.0.0.1", "event=ok");
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "break_in " IP1 " firing critical", 6 * MINUTE);
    expect_message(self, 0,
                   "break_in: \"event == ok\" after \"event == failed\" within 5m for ip=10.0.0.1, since 00:06:00Z");
    close_detector_ground(self);
}

static void later_than_that_it_is_not(void **state)
{
    struct fixture *self = open_seq(LOGIN);

    (void)state;
    saw(self, 0, "", "event=failed");
    saw(self, 5 * MINUTE + 1, "", "event=ok");
    assert_int_equal(self->told_count, 0);
    close_detector_ground(self);
}

static void the_order_is_that_of_the_events_not_of_arrival(void **state)
{
    struct fixture *self = open_seq(LOGIN);

    (void)state;
    /* The failure comes 20 s late. */
    saw(self, 2 * MINUTE, "", "event=ok");
    assert_int_equal(self->told_count, 0);
    saw_at(self, 2 * MINUTE - 10 * LB_SECOND, 2 * MINUTE + 10 * LB_SECOND, "", "event=failed");
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "break_in {} firing critical", 2 * MINUTE);
    idle(self, 3 * MINUTE, 10 * MINUTE);
    assert_int_equal(self->told_count, 2);
    /* And here it was after all before. */
    saw(self, 11 * MINUTE, "", "event=failed");
    saw_at(self, 11 * MINUTE - LB_SECOND, 11 * MINUTE, "", "event=ok");
    assert_int_equal(self->told_count, 2);
    close_detector_ground(self);
}

static void no_record_follows_itself(void **state)
{
    struct fixture *self = open_seq("seq(event == ok -> event == ok within 1m)");

    (void)state;
    saw(self, 0, "", "event=ok");
    assert_int_equal(self->told_count, 0);
    saw(self, 2 * MINUTE, "", "event=ok");
    assert_int_equal(self->told_count, 0);
    saw(self, 2 * MINUTE + 30 * LB_SECOND, "", "event=ok");
    assert_int_equal(self->told_count, 1);
    close_detector_ground(self);
}

static void it_goes_on_over_a_restart(void **state)
{
    struct fixture *self = open_seq(LOGIN);

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "event=failed");
    restart_engine(self);
    saw(self, MINUTE, "ip=10.0.0.1", "event=ok");
    assert_int_equal(self->told_count, 1);
    survives_damage(self);
    close_detector_ground(self);
}

static void keys_are_bounded(void **state)
{
    struct fixture *self = open_ground();
    long before = 0;

    (void)state;
    self->alerting.max_keys = 100;
    self->rules[0] = detector_rule("break_in", LOGIN, 5 * MINUTE);
    start(self);
    for (int i = 0; i < 1000; i++) {
        char key[32];

        if (i == 200)
            before = lb_alloc_count;
        snprintf(key, sizeof(key), "ip=10.0.1.%d", i);
        saw(self, i, key, "event=failed");
    }
    assert_int_equal(lb_alloc_count, before);
    assert_int_equal(self->engine->runners[0].detector.forgotten, 900);
    saw(self, MINUTE, "ip=10.0.1.999", "event=ok");
    assert_int_equal(self->told_count, 1);
    close_detector_ground(self);
}

static void what_is_written_wrong_is_told(void **state)
{
    (void)state;
    refuses("seq()");
    refuses("seq(event == a -> event == b)");
    refuses("seq(event == a within 5m)");
    refuses("seq(-> event == b within 5m)");
    refuses("seq(event == a -> event == b within 5)");
    refuses("seq(event == a -> event == b within 5 minutes)");
    refuses("seq(event == a -> event == within 5m)");
    lb_arena_free(&detector_config.arena);
    detector_config = (struct lb_config){ 0 };
}

/* The words may also stand in quotes, or in parentheses. */
static void expressions_may_hold_the_words(void **state)
{
    struct fixture *self = open_seq("seq(event == \"a -> b within 1m\" -> (event == x or event == \"y\") within 2m)");
    const struct lb_alert_rule *rule = &self->rules[0];

    (void)state;
    assert_text(lb_expr_text(rule->inner), "event == \"a -> b within 1m\"");
    assert_text(lb_expr_text(rule->second), "(event == x or event == \"y\")");
    close_detector_ground(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_event_within_the_time_is_told),
        cmocka_unit_test(later_than_that_it_is_not),
        cmocka_unit_test(the_order_is_that_of_the_events_not_of_arrival),
        cmocka_unit_test(no_record_follows_itself),
        cmocka_unit_test(it_goes_on_over_a_restart),
        cmocka_unit_test(keys_are_bounded),
        cmocka_unit_test(what_is_written_wrong_is_told),
        cmocka_unit_test(expressions_may_hold_the_words),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/detector_seq", tests, NULL, NULL);
}
