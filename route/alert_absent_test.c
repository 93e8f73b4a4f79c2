/* alert_absent_test.c - every record as an occurrence, and what never came. */
#include "alert_when_ground.h"

#define HOUR (60 * MINUTE)

static const char *line_of(const struct when_ground *self, uint32_t i)
{
    assert_true(i < self->ground->told_count);
    return self->ground->told[i].line;
}

static int64_t at_of(const struct when_ground *self, uint32_t i)
{
    assert_true(i < self->ground->told_count);
    return self->ground->told[i].at - BEGIN;
}

/* The clock in large steps, where the second does not matter. */
static void wait_long(struct when_ground *self, int64_t from, int64_t to, int64_t step)
{
    for (int64_t at = from; at <= to; at += step) {
        lb_clock_set(BEGIN + at);
        lb_alert_engine_tick(self->ground->engine, BEGIN + at, false);
        lb_alert_engine_flush(self->ground->engine);
    }
}

/* --- each ----------------------------------------------------------------- */

static void each_record_is_told_without_a_cooldown(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: each\n      severity: high\n      cooldown: 0s\n      by: user\n");
    happen(&self, 0, "info user=a amount=1");
    happen(&self, 0, "info user=a amount=2");
    happen(&self, 5 * LB_SECOND, "info user=a amount=3");
    assert_int_equal(self.ground->told_count, 3);
    assert_string_equal(line_of(&self, 0), "r {\"user\":\"a\"} firing high");
    assert_string_equal(line_of(&self, 1), "r {\"user\":\"a\"} repeated high");
    assert_string_equal(line_of(&self, 2), "r {\"user\":\"a\"} repeated high");
    assert_int_equal(at_of(&self, 2), 5 * LB_SECOND);
    assert_non_null(strstr(self.ground->told[1].message, "r: info user=a amount=2 for user=a"));
    idle(self.ground, 6 * LB_SECOND, 2 * MINUTE);
    assert_int_equal(self.ground->told_count, 4);
    assert_string_equal(line_of(&self, 3), "r {\"user\":\"a\"} resolved high");
    assert_string_equal(self.ground->told[0].id, self.ground->told[3].id);
    close_when(&self);
}

static void what_the_cooldown_holds_back_is_counted(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: each\n      severity: high\n      cooldown: 1m\n");
    for (int i = 0; i < 150; i++)
        happen(&self, i * LB_SECOND, "error");
    assert_int_equal(self.ground->told_count, 3);
    assert_null(strstr(self.ground->told[0].message, "held back"));
    assert_non_null(strstr(self.ground->told[1].message, "59 more were held back"));
    assert_int_equal(at_of(&self, 1), MINUTE);
    assert_int_equal(at_of(&self, 2), 2 * MINUTE);
    idle(self.ground, 150 * LB_SECOND, 5 * MINUTE);
    assert_int_equal(self.ground->told_count, 4);
    assert_string_equal(line_of(&self, 3), "r {} resolved high");
    assert_non_null(strstr(self.ground->told[3].message, "29 more were held back"));
    close_when(&self);
}

static void the_cooldown_goes_on_over_incidents_and_a_restart(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: each\n      severity: high\n      cooldown: 10m\n");
    happen(&self, 0, "error");
    idle(self.ground, LB_SECOND, 2 * MINUTE);
    assert_int_equal(self.ground->told_count, 2);
    happen(&self, 3 * MINUTE, "error");
    restart(&self);
    happen(&self, 4 * MINUTE, "error");
    idle(self.ground, 4 * MINUTE, 9 * MINUTE);
    assert_int_equal(self.ground->told_count, 2);
    happen(&self, 11 * MINUTE, "error");
    assert_int_equal(self.ground->told_count, 3);
    assert_string_equal(line_of(&self, 2), "r {} firing high");
    assert_non_null(strstr(self.ground->told[2].message, "2 more were held back"));
    close_when(&self);
}

/* --- absent --------------------------------------------------------------- */

static void a_key_that_falls_silent_is_told_once_and_called_off_once(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: absent\n      over: 5m\n      by: service\n      severity: high\n");
    for (int i = 0; i < 20; i++) {
        happen(&self, i * MINUTE, "info service=a");
        if (i < 10)
            happen(&self, i * MINUTE + 1, "info service=b");
    }
    wait_long(&self, 20 * MINUTE, 23 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    assert_string_equal(line_of(&self, 0), "r {\"service\":\"b\"} firing high");
    assert_int_equal(at_of(&self, 0), 14 * MINUTE + 1);
    assert_non_null(strstr(self.ground->told[0].message, "r: no record for 5m for service=b"));
    happen(&self, 23 * MINUTE, "info service=b");
    wait_long(&self, 23 * MINUTE, 24 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 2);
    assert_string_equal(line_of(&self, 1), "r {\"service\":\"b\"} resolved high");
    close_when(&self);
}

static void a_key_that_is_silent_for_very_long_is_forgotten(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: absent\n      over: 5m\n      by: service\n      severity: high\n      forget: 2h\n");
    for (int i = 0; i < 7; i++)
        happen(&self, i * MINUTE, "info service=b");
    wait_long(&self, 7 * MINUTE, 10 * HOUR, 10 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 2);
    assert_string_equal(line_of(&self, 1), "r {\"service\":\"b\"} resolved high");
    assert_non_null(strstr(self.ground->told[1].message, "forgotten"));
    assert_in_range(at_of(&self, 1), 2 * HOUR + 6 * MINUTE, 2 * HOUR + 7 * MINUTE);
    assert_int_equal(self.ground->engine->runners[0].keys.count, 0);
    close_when(&self);
}

static void keys_that_must_be_there_are_missed_though_never_seen(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: absent\n      over: 5m\n      by: [host, job]\n      severity: high\n"
                     "      forget: 1h\n      keys: ['db1, backup', 'db2,backup']\n");
    for (int i = 0; i < 60; i++)
        happen(&self, i * 10 * LB_SECOND, "info host=db1 job=backup");
    wait_long(&self, 10 * MINUTE, 3 * HOUR, 10 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 2);
    assert_string_equal(line_of(&self, 0), "r {\"host\":\"db2\",\"job\":\"backup\"} firing high");
    assert_int_equal(at_of(&self, 0), 5 * MINUTE);
    assert_string_equal(line_of(&self, 1), "r {\"host\":\"db1\",\"job\":\"backup\"} firing high");
    restart(&self);
    wait_long(&self, 3 * HOUR, 4 * HOUR, 10 * LB_SECOND);
    assert_int_equal(self.ground->told_count, 2);
    happen(&self, 5 * HOUR, "info host=db2 job=backup");
    wait_long(&self, 5 * HOUR, 5 * HOUR + MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 3);
    assert_string_equal(line_of(&self, 2), "r {\"host\":\"db2\",\"job\":\"backup\"} resolved high");
    close_when(&self);
}

static void what_a_restart_finds_silent_is_missed_from_there_on(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: absent\n      over: 5m\n      by: service\n      severity: high\n");
    for (int i = 0; i < 7; i++)
        happen(&self, i * MINUTE, "info service=b");
    restart(&self);
    wait_long(&self, 7 * MINUTE, 20 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    assert_string_equal(line_of(&self, 0), "r {\"service\":\"b\"} firing high");
    restart(&self);
    wait_long(&self, 20 * MINUTE, 40 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    happen(&self, 40 * MINUTE, "info service=b");
    wait_long(&self, 40 * MINUTE, 42 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 2);
    assert_string_equal(self.ground->told[0].id, self.ground->told[1].id);
    close_when(&self);
}

static int64_t behind_now;

static int64_t fake_behind(void *context, uint64_t stream)
{
    (void)context;
    (void)stream;
    return behind_now;
}

static void what_was_not_read_is_not_missed(void **state)
{
    struct when_ground self;

    (void)state;
    behind_now = 0;
    open_when(&self, "      when: absent\n      over: 5m\n      by: service\n      severity: high\n"
                     "      unknown_after: 10m\n");
    lb_alert_engine_ask(self.ground->engine, &(struct lb_alert_outside){ .behind = fake_behind });
    for (int i = 0; i < 7; i++)
        happen(&self, i * MINUTE, "info service=b");
    behind_now = 40 * LB_SECOND;
    wait_long(&self, 7 * MINUTE, 16 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 0);
    wait_long(&self, 16 * MINUTE, 30 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    assert_string_equal(line_of(&self, 0), "r  unknown high");
    assert_non_null(strstr(self.ground->told[0].message, "unknown for 1 key"));
    /* It had come all the time. */
    for (int i = 7; i < 30; i++)
        arrive(&self, i * MINUTE, 30 * MINUTE, "info service=b");
    behind_now = 0;
    wait_long(&self, 30 * MINUTE, 31 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 2);
    assert_string_equal(line_of(&self, 1), "r  resolved high");
    assert_non_null(strstr(self.ground->told[1].message, "known again"));
    assert_string_equal(self.ground->told[0].id, self.ground->told[1].id);
    wait_long(&self, 31 * MINUTE, 40 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 3);
    assert_string_equal(line_of(&self, 2), "r {\"service\":\"b\"} firing high");
    assert_int_equal(at_of(&self, 2), 34 * MINUTE);
    close_when(&self);
}

/* Told that it is unknown, then started anew. */
static void open_unknown(struct when_ground *self)
{
    static const struct lb_alert_outside outside = { .behind = fake_behind };

    behind_now = 0;
    open_when(self, "      when: absent\n      over: 5m\n      by: service\n      severity: high\n"
                    "      unknown_after: 10m\n");
    lb_alert_engine_ask(self->ground->engine, &outside);
    happen(self, 0, "info service=b");
    behind_now = 40 * LB_SECOND;
    wait_long(self, MINUTE, 20 * MINUTE, LB_SECOND);
    assert_int_equal(self->ground->told_count, 1);
    restart(self);
    lb_alert_engine_ask(self->ground->engine, &outside);
}

static void what_was_unknown_before_a_restart_ends_behind_it(void **state)
{
    struct when_ground self;

    (void)state;
    open_unknown(&self);
    for (int i = 1; i < 20; i++) /* it had come all the time */
        arrive(&self, i * MINUTE, 20 * MINUTE, "info service=b");
    behind_now = 0;
    for (int i = 20; i < 37; i++)
        happen(&self, i * MINUTE, "info service=b");
    assert_int_equal(self.ground->told_count, 2);
    assert_string_equal(line_of(&self, 1), "r  resolved high");
    assert_string_equal(self.ground->told[0].id, self.ground->told[1].id);
    close_when(&self);
}

static void what_is_unknown_still_is_not_told_again(void **state)
{
    struct when_ground self;

    (void)state;
    open_unknown(&self);
    wait_long(&self, 20 * MINUTE, 60 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 1);
    for (int i = 1; i < 60; i++)
        arrive(&self, i * MINUTE, 60 * MINUTE, "info service=b");
    behind_now = 0;
    wait_long(&self, 60 * MINUTE, 61 * MINUTE, LB_SECOND);
    assert_int_equal(self.ground->told_count, 2);
    assert_string_equal(line_of(&self, 1), "r  resolved high");
    assert_string_equal(self.ground->told[0].id, self.ground->told[1].id);
    close_when(&self);
}

/* --- absent by ------------------------------------------------------------ */

/* BEGIN is midnight of 1 January in UTC. */
static void a_deadline_that_is_missed_is_told_once_until_something_comes(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: absent by 03:00\n      zone: Europe/Berlin\n      by: job\n      severity: high\n");
    happen(&self, HOUR, "info job=backup"); /* 02:00 there */
    wait_long(&self, HOUR, 24 * HOUR, MINUTE);
    happen(&self, 24 * HOUR + 30 * MINUTE, "info job=backup"); /* the 2nd: 01:30, met */
    wait_long(&self, 25 * HOUR, 48 * HOUR, MINUTE);
    assert_int_equal(self.ground->told_count, 0);
    wait_long(&self, 48 * HOUR, 120 * HOUR, MINUTE); /* nothing on the 3rd, 4th and 5th */
    assert_int_equal(self.ground->told_count, 1);
    assert_string_equal(line_of(&self, 0), "r {\"job\":\"backup\"} firing high");
    assert_int_equal(at_of(&self, 0), 50 * HOUR);
    assert_non_null(strstr(self.ground->told[0].message, "no record by 03:00 for job=backup"));
    happen(&self, 120 * HOUR + 1, "info job=backup"); /* the 6th, 01:00 */
    wait_long(&self, 121 * HOUR, 144 * HOUR, MINUTE);
    assert_int_equal(self.ground->told_count, 2);
    assert_string_equal(line_of(&self, 1), "r {\"job\":\"backup\"} resolved high");
    assert_in_range(at_of(&self, 1), 120 * HOUR, 120 * HOUR + MINUTE);
    close_when(&self);
}

static void a_deadline_is_kept_over_a_restart_and_a_late_record_meets_it(void **state)
{
    struct when_ground self;

    (void)state;
    open_when(&self, "      when: absent by 03:00\n      zone: UTC\n      severity: high\n      forget: 0s\n");
    wait_long(&self, 0, 5 * HOUR, MINUTE); /* the first one was not watched for a day */
    assert_int_equal(self.ground->told_count, 0);
    restart(&self);
    wait_long(&self, 5 * HOUR, 27 * HOUR, MINUTE);
    arrive(&self, 27 * HOUR - LB_SECOND, 27 * HOUR + 20 * LB_SECOND, "info job=backup");
    wait_long(&self, 27 * HOUR + MINUTE, 50 * HOUR, MINUTE);
    assert_int_equal(self.ground->told_count, 0);
    wait_long(&self, 50 * HOUR, 52 * HOUR, MINUTE);
    assert_int_equal(self.ground->told_count, 1);
    assert_int_equal(at_of(&self, 0), 51 * HOUR);
    restart(&self);
    wait_long(&self, 52 * HOUR, 80 * HOUR, MINUTE);
    assert_int_equal(self.ground->told_count, 1);
    happen(&self, 80 * HOUR, "info job=backup");
    wait_long(&self, 80 * HOUR, 81 * HOUR, MINUTE);
    assert_int_equal(self.ground->told_count, 2);
    close_when(&self);
}

/* --- faults --------------------------------------------------------------- */

static void says_what_belongs_to_absent(void **state)
{
    static const char *const faults[][2] = {
        { "      when: absent by 25:00\n      severity: low\n", "a time of the day" },
        { "      when: absent by noon\n      severity: low\n", "a time of the day" },
        { "      when: absent by 03:00\n      severity: low\n      zone: Europe/Berlim\n", "Berlim" },
        { "      when: absent\n      over: 1m\n      severity: low\n      zone: UTC\n", "absent by 03:00" },
        { "      when: absent\n      over: 1m\n      severity: low\n      keys: a\n", "\"by\": add it" },
        { "      when: count() > 3\n      over: 1m\n      severity: low\n      forget: 1h\n", "belongs to" },
        { "      value: count()\n      over: 1m\n      low: above 3\n      unknown_after: 1h\n", "belongs to" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct lb_diag diag;
        struct lb_config *config = read_rules_text("", faults[i][0], &diag);
        bool found = false;

        if (config != NULL)
            fail_msg("taken:\n%s", faults[i][0]);
        for (uint32_t j = 0; j < diag.count; j++)
            found = found || strstr(diag.entries[j].text, faults[i][1]) != NULL;
        if (!found)
            lb_diag_print(&diag, stdout);
        assert_true(found);
        lb_diag_free(&diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_is_told_without_a_cooldown),
        cmocka_unit_test(what_the_cooldown_holds_back_is_counted),
        cmocka_unit_test(the_cooldown_goes_on_over_incidents_and_a_restart),
        cmocka_unit_test(a_key_that_falls_silent_is_told_once_and_called_off_once),
        cmocka_unit_test(a_key_that_is_silent_for_very_long_is_forgotten),
        cmocka_unit_test(keys_that_must_be_there_are_missed_though_never_seen),
        cmocka_unit_test(what_a_restart_finds_silent_is_missed_from_there_on),
        cmocka_unit_test(what_was_not_read_is_not_missed),
        cmocka_unit_test(what_was_unknown_before_a_restart_ends_behind_it),
        cmocka_unit_test(what_is_unknown_still_is_not_told_again),
        cmocka_unit_test(a_deadline_that_is_missed_is_told_once_until_something_comes),
        cmocka_unit_test(a_deadline_is_kept_over_a_restart_and_a_late_record_meets_it),
        cmocka_unit_test(says_what_belongs_to_absent),
    };

    return cmocka_run_group_tests_name("route/alert_absent", tests, NULL, NULL);
}
