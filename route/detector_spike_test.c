/* detector_spike_test.c - spike and drop: against the window before, some time ago, and what is usual. */
#include "detector_ground.h"

static struct fixture *open_spike(const char *text)
{
    struct fixture *self = open_ground();

    self->rules[0] = detector_rule("traffic", text, 5 * MINUTE);
    start(self);
    return self;
}

/* So many records in each minute of [from, to), evenly. */
static void flow(struct fixture *self, int64_t from, int64_t to, int per_minute, const char *words)
{
    for (int64_t at = from; at < to; at += MINUTE / per_minute)
        saw(self, at, "ip=10.0.0.1", words);
}

static void five_times_as_much_is_told_at_the_record_that_makes_it_so(void **state)
{
    struct fixture *self = open_spike("spike(count(), 5x)");

    (void)state;
    flow(self, 0, 20 * MINUTE, 4, "");
    assert_int_equal(self->told_count, 0);
    /* 20 in five minutes before; the hundredth within five minutes is a spike. */
    flow(self, 20 * MINUTE, 22 * MINUTE, 60, "");
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "traffic " IP1 " firing critical");
    assert_in_range(self->told[0].at - BEGIN, 21 * MINUTE, 22 * MINUTE);
    assert_non_null(strstr(self->told[0].message, "traffic: count() is 100, just before 20 (5x as much) for ip="));
    flow(self, 22 * MINUTE, 60 * MINUTE, 4, "");
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[1].line, "traffic " IP1 " resolved critical");
    close_detector_ground(self);
}

static void few_records_are_no_spike(void **state)
{
    struct fixture *self = open_spike("spike(count(), 3x)");

    (void)state;
    /* 1 → 9, with 10 asked for; then 2 → 11, which is far enough. */
    saw(self, 0, "ip=10.0.0.1", "");
    saw(self, 8 * MINUTE, "ip=10.0.0.1", "");
    for (int i = 0; i < 9; i++)
        saw(self, 13 * MINUTE + i * LB_SECOND, "ip=10.0.0.1", "");
    idle(self, 14 * MINUTE, 30 * MINUTE);
    assert_int_equal(self->told_count, 0);
    saw(self, 31 * MINUTE, "ip=10.0.0.1", "");
    saw(self, 32 * MINUTE, "ip=10.0.0.1", "");
    for (int i = 0; i < 11; i++)
        saw(self, 36 * MINUTE + 30 * LB_SECOND + i, "ip=10.0.0.1", "");
    assert_int_equal(self->told_count, 1);
    close_detector_ground(self);
}

static void a_key_that_nobody_knew_is_no_spike(void **state)
{
    struct fixture *self = open_spike("spike(count(), 3x)");

    (void)state;
    flow(self, 0, 4 * MINUTE, 60, "");
    assert_int_equal(self->told_count, 0);
    close_detector_ground(self);
}

static void it_is_told_when_it_stops(void **state)
{
    struct fixture *self = open_spike("drop(count(), 4x)");

    (void)state;
    flow(self, 0, 20 * MINUTE, 10, "");
    assert_int_equal(self->told_count, 0);
    idle(self, 20 * MINUTE, 40 * MINUTE);
    assert_int_equal(self->told_count, 2);
    assert_string_equal(self->told[0].line, "traffic " IP1 " firing critical");
    /* 12 are left of 50 when the fourth minute is almost over. */
    assert_in_range(self->told[0].at - BEGIN, 23 * MINUTE + 30 * LB_SECOND, 24 * MINUTE + 30 * LB_SECOND);
    assert_non_null(strstr(self->told[0].message, "x less)"));
    assert_string_equal(self->told[1].line, "traffic " IP1 " resolved critical");
    close_detector_ground(self);
}

static void an_average_is_held_against_that_of_an_hour_ago(void **state)
{
    struct fixture *self = open_spike("spike(avg(ms), 3x vs 1h)");

    (void)state;
    flow(self, 0, 70 * MINUTE, 6, "ms=100");
    assert_int_equal(self->told_count, 0);
    flow(self, 70 * MINUTE, 80 * MINUTE, 6, "ms=400");
    assert_int_equal(self->told_count, 1);
    assert_string_equal(self->told[0].line, "traffic " IP1 " firing critical");
    assert_non_null(strstr(self->told[0].message, "avg(ms) is "));
    assert_non_null(strstr(self->told[0].message, ", 1h ago 100 ("));
    close_detector_ground(self);
}

static void what_is_usual_at_that_hour_is_none(void **state)
{
    struct fixture *self = open_spike("spike(count(), 3x vs usual)");
    int64_t hour = 60 * MINUTE;

    (void)state;
    /* Four days: busy at nine, quiet otherwise. */
    for (int64_t day = 0; day < 4; day++)
        for (int64_t h = 0; h < 24; h++)
            flow(self, (day * 24 + h) * hour, (day * 24 + h + 1) * hour, h == 9 ? 30 : 3, "");
    assert_int_equal(self->told_count, 0);
    flow(self, 4 * 24 * hour, (4 * 24 + 3) * hour, 3, "");
    assert_int_equal(self->told_count, 0);
    flow(self, (4 * 24 + 3) * hour, (4 * 24 + 3) * hour + 4 * MINUTE, 30, "");
    assert_int_equal(self->told_count, 1);
    assert_non_null(strstr(self->told[0].message, "count() is "));
    assert_non_null(strstr(self->told[0].message, ", usually 15 ("));
    close_detector_ground(self);
}

static void it_goes_on_over_a_restart(void **state)
{
    static const char *const conditions[] = { "spike(count(), 5x)", "spike(rate(), 5x vs 10m)",
                                              "spike(sum(ms), 5x vs 20m)" };

    (void)state;
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        struct fixture *self = open_spike(conditions[i]);

        flow(self, 0, 15 * MINUTE, 4, "ms=10");
        restart_engine(self);
        flow(self, 15 * MINUTE, 40 * MINUTE, 4, "ms=10");
        restart_engine(self);
        assert_int_equal(self->told_count, 0);
        flow(self, 40 * MINUTE, 44 * MINUTE, 60, "ms=10");
        assert_int_equal(self->told_count, 1);
        survives_damage(self);
        close_detector_ground(self);
    }
}

static void what_is_usual_survives_a_restart(void **state)
{
    struct fixture *self = open_spike("drop(count(), 3x vs usual)");

    (void)state;
    flow(self, 0, 5 * 24 * 60 * MINUTE, 6, "");
    restart_engine(self);
    assert_int_equal(self->told_count, 0);
    idle(self, 5 * 24 * 60 * MINUTE, 5 * 24 * 60 * MINUTE + 10 * MINUTE);
    assert_int_equal(self->told_count, 1);
    assert_non_null(strstr(self->told[0].message, ", usually 30"));
    close_detector_ground(self);
}

static void memory_is_bounded(void **state)
{
    struct fixture *self = open_ground();
    struct lb_alert_runner *runner;
    long before = 0;

    (void)state;
    self->rules[0] = detector_rule("traffic", "spike(count(), 5x vs 1w)", MINUTE);
    start(self);
    runner = &self->engine->runners[0];
    for (int i = 0; i < 600; i++) {
        char key[32];

        if (i == 300)
            before = lb_alloc_count;
        snprintf(key, sizeof(key), "ip=10.0.1.%d", i);
        saw(self, i, key, "");
    }
    assert_int_equal(lb_alloc_count, before);
    assert_in_range(runner->detector.forgotten, 300, 560);
    close_detector_ground(self);
}

static void what_is_written_wrong_is_told(void **state)
{
    (void)state;
    refuses("spike()");
    refuses("spike(count())");
    refuses("spike(count(), 5)");
    refuses("spike(count(), 1x)");
    refuses("spike(count(), x)");
    refuses("spike(count(), 5x vs)");
    refuses("spike(count(), 5x vs often)");
    refuses("spike(p95(ms), 5x)");
    refuses("spike(max(ms), 5x vs usual)");
    refuses("spike(nothing(), 5x)");
    refuses("spike(count(message ~ \"a.*b\") / count(message ~ \"c.*d\"), 5x)");
    refuses("spike(count(message ~ \"a.*b\") / nothing(), 5x)");
    refuses("drop(count(level >), 5x)");
    lb_arena_free(&detector_config.arena);
    detector_config = (struct lb_config){ 0 };
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_times_as_much_is_told_at_the_record_that_makes_it_so),
        cmocka_unit_test(few_records_are_no_spike),
        cmocka_unit_test(a_key_that_nobody_knew_is_no_spike),
        cmocka_unit_test(it_is_told_when_it_stops),
        cmocka_unit_test(an_average_is_held_against_that_of_an_hour_ago),
        cmocka_unit_test(what_is_usual_at_that_hour_is_none),
        cmocka_unit_test(it_goes_on_over_a_restart),
        cmocka_unit_test(what_is_usual_survives_a_restart),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(what_is_written_wrong_is_told),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("route/detector_spike", tests, NULL, NULL);
}
