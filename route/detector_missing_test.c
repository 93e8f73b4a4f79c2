/* detector_missing_test.c - what should have followed and did not. */
#include "detector_ground.h"

#define JOB "missing(event == done after event == started within 10m)"

static struct fixture *open_missing(const char *text)
{
    struct fixture *self = open_ground();

    self->rules[0] = detector_rule("stuck", text, 5 * MINUTE);
    start(self);
    return self;
}

static void what_does_not_follow_is_told_at_its_deadline(void **state)
{
    struct fixture *self = open_missing(JOB);

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "event=started");
    saw(self, MINUTE, "ip=10.0.0.2", "event=started");
    saw(self, 9 * MINUTE, "ip=10.0.0.2", "event=done");
    idle(self, 9 * MINUTE, 10 * MINUTE + 30 * LB_SECOND);
    assert_int_equal(self->told_count, 0);
    idle(self, 10 * MINUTE + 31 * LB_SECOND, 30 * MINUTE);
    assert_int_equal(self->told_count, 2);
    expect_told(self, 0, "stuck " IP1 " firing critical", 10 * MINUTE);
    expect_message(
        self, 0, "stuck: no \"event == done\" within 10m after \"event == started\" for ip=10.0.0.1, since 00:10:00Z");
    expect_told(self, 1, "stuck " IP1 " resolved critical", 15 * MINUTE + 30 * LB_SECOND);
    close_detector_ground(self);
}

static void what_follows_in_time_by_the_events_counts_though_it_comes_late(void **state)
{
    struct fixture *self = open_missing(JOB);

    (void)state;
    saw(self, 0, "", "event=started");
    idle(self, LB_SECOND, 10 * MINUTE + 20 * LB_SECOND);
    saw_at(self, 10 * MINUTE, 10 * MINUTE + 25 * LB_SECOND, "", "event=done");
    idle(self, 10 * MINUTE + 26 * LB_SECOND, 30 * MINUTE);
    assert_int_equal(self->told_count, 0);
    close_detector_ground(self);
}

static void what_follows_may_come_before_what_it_follows(void **state)
{
    struct fixture *self = open_missing(JOB);

    (void)state;
    saw(self, 60 * LB_SECOND, "", "event=done");
    saw_at(self, 50 * LB_SECOND, 60 * LB_SECOND, "", "event=started");
    idle(self, 2 * MINUTE, 30 * MINUTE);
    assert_int_equal(self->told_count, 0);
    /* What was done before does not count for what begins then. */
    saw(self, 31 * MINUTE, "", "event=done");
    saw(self, 32 * MINUTE, "", "event=started");
    idle(self, 33 * MINUTE, 43 * MINUTE);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "stuck {} firing critical", 42 * MINUTE);
    close_detector_ground(self);
}

static void a_beat_must_be_followed_by_another(void **state)
{
    struct fixture *self = open_missing("missing(event == beat after event == beat within 1m)");

    (void)state;
    for (int i = 0; i < 10; i++)
        saw(self, i * 50 * LB_SECOND, "", "event=beat");
    assert_int_equal(self->told_count, 0);
    idle(self, 451 * LB_SECOND, 600 * LB_SECOND);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "stuck {} firing critical", 510 * LB_SECOND);
    close_detector_ground(self);
}

/* Old records, read fast: a stream that is behind is judged by its own time. */
static void a_stream_that_is_behind_is_judged_by_its_own_time(void **state)
{
    struct fixture *self = open_missing(JOB);

    (void)state;
    self->alerting.max_age_ns = 24 * 60 * MINUTE;
    lb_alert_engine_free(self->engine);
    start(self);
    saw_at(self, 0, 120 * MINUTE, "ip=10.0.0.1", "event=started");
    idle(self, 120 * MINUTE, 121 * MINUTE);
    assert_int_equal(self->told_count, 0);
    self->input.id = 12;
    saw(self, 121 * MINUTE, "ip=10.0.0.2", "event=started");
    idle(self, 121 * MINUTE, 122 * MINUTE);
    assert_int_equal(self->told_count, 0);
    self->input.id = 11;
    saw_at(self, 9 * MINUTE, 122 * MINUTE, "ip=10.0.0.1", "event=done");
    idle(self, 122 * MINUTE, 130 * MINUTE);
    assert_int_equal(self->told_count, 0);
    idle(self, 130 * MINUTE, 132 * MINUTE);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "stuck " IP2 " firing critical", 131 * MINUTE);
    close_detector_ground(self);
}

static void at_the_end_what_is_overdue_is_told(void **state)
{
    struct fixture *self = open_missing(JOB);

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "event=started");
    saw(self, 10 * MINUTE + LB_SECOND, "ip=10.0.0.2", "event=started");
    assert_int_equal(self->told_count, 0);
    lb_alert_engine_tick(self->engine, BEGIN + 10 * MINUTE + LB_SECOND, true);
    lb_alert_engine_flush(self->engine);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "stuck " IP1 " firing critical", 10 * MINUTE);
    close_detector_ground(self);
}

static void it_goes_on_over_a_restart(void **state)
{
    struct fixture *self = open_missing(JOB);

    (void)state;
    saw(self, 0, "ip=10.0.0.1", "event=started");
    saw(self, LB_SECOND, "ip=10.0.0.2", "event=started");
    restart_engine(self);
    saw(self, MINUTE, "ip=10.0.0.2", "event=done");
    restart_engine(self);
    idle(self, MINUTE, 12 * MINUTE);
    assert_int_equal(self->told_count, 1);
    expect_told(self, 0, "stuck " IP1 " firing critical", 10 * MINUTE);
    survives_damage(self);
    idle(self, 12 * MINUTE, 40 * MINUTE);
    close_detector_ground(self);
}

static void keys_are_bounded(void **state)
{
    struct fixture *self = open_ground();
    long before = 0;

    (void)state;
    self->alerting.max_keys = 100;
    self->rules[0] = detector_rule("stuck", JOB, 5 * MINUTE);
    self->rules[0].sinks = 0;
    start(self);
    for (int i = 0; i < 1000; i++) {
        char key[32];

        if (i == 200)
            before = lb_alloc_count;
        snprintf(key, sizeof(key), "ip=10.0.1.%d", i);
        saw(self, i, key, "event=started");
    }
    assert_int_equal(lb_alloc_count, before);
    assert_int_equal(self->engine->runners[0].detector.forgotten, 900);
    idle(self, MINUTE, 12 * MINUTE);
    assert_int_equal(self->engine->runners[0].keys.count, 100);
    close_detector_ground(self);
}

static void what_is_written_wrong_is_told(void **state)
{
    (void)state;
    refuses("missing()");
    refuses("missing(event == a after event == b)");
    refuses("missing(event == a within 5m)");
    refuses("missing(event == a after within 5m)");
    refuses("missing(event == a after event == b within 60w)");
    lb_arena_free(&detector_config.arena);
    detector_config = (struct lb_config){ 0 };
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_follow_is_told_at_its_deadline),
        cmocka_unit_test(what_follows_in_time_by_the_events_counts_though_it_comes_late),
        cmocka_unit_test(what_follows_may_come_before_what_it_follows),
        cmocka_unit_test(a_beat_must_be_followed_by_another),
        cmocka_unit_test(a_stream_that_is_behind_is_judged_by_its_own_time),
        cmocka_unit_test(at_the_end_what_is_overdue_is_told),
        cmocka_unit_test(it_goes_on_over_a_restart),
        cmocka_unit_test(keys_are_bounded),
        cmocka_unit_test(what_is_written_wrong_is_told),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/detector_missing", tests, NULL, NULL);
}
