/* self_watch_test.c - what is wrong with logboom, on a clock that the tests set. */
#include "self_watch.c"

#include "lb_test.h"

#define BEGIN (1767225600 * LB_SECOND)

static const struct lb_self_options options = { .enabled = true,
                                                .disk_low = 10,
                                                .disk_critical = 5,
                                                .disk_full_within_ns = 4 * 60 * MINUTE,
                                                .sink_ns = 2 * MINUTE,
                                                .behind_ns = 5 * MINUTE,
                                                .silent_ns = 15 * MINUTE,
                                                .rotation_ns = 15 * MINUTE,
                                                .parse_errors = 5,
                                                .parse_errors_least = 100,
                                                .clock_least = 100 };

struct fixture {
    struct self_watch *watch;
    struct self_facts facts;
    struct lb_self_finding findings[LB_SELF_FINDINGS_MAX];
    uint32_t count;
};

static int set_up(void **state)
{
    struct fixture *self = calloc(1, sizeof(*self));

    self->watch = self_watch_new();
    self->facts = (struct self_facts){ .now = BEGIN, .disk_count = 1, .sink_count = 1, .source_count = 1 };
    self->facts.disks[0] = (struct self_disk){ "/data", 1000, 500 };
    self->facts.sinks[0] = (struct self_sink){ .name = "hook", .problem = "", .dead_letter_last = "" };
    self->facts.sources[0] = (struct self_source){ .name = "app", .rotation_left = -1 };
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *self = *state;

    self_watch_free(self->watch);
    free(self);
    return 0;
}

/* Time passes second by second, with so many records in each. */
static void pass(struct fixture *self, int64_t time, int64_t records)
{
    for (int64_t until = self->facts.now + time; self->facts.now < until;) {
        self->facts.now += LB_SECOND;
        self->facts.sources[0].records += records;
        self->count = self_watch_step(self->watch, &options, &self->facts, self->findings, LB_SELF_FINDINGS_MAX);
    }
}

static void expect_none(const struct fixture *self)
{
    if (self->count > 0)
        fail_msg("expected nothing, got check %d of %s: %s", self->findings[0].check, self->findings[0].name,
                 self->findings[0].text);
}

static void expect(const struct fixture *self, enum lb_self_check check, int8_t severity, const char *name,
                   const char *text)
{
    assert_int_equal(self->count, 1);
    assert_int_equal(self->findings[0].check, check);
    assert_int_equal(self->findings[0].severity, severity);
    assert_string_equal(self->findings[0].name, name);
    if (strstr(self->findings[0].text, text) == NULL)
        fail_msg("expected \"%s\" in \"%s\"", text, self->findings[0].text);
}

static void a_disk(void **state)
{
    struct fixture *self = *state;

    pass(self, MINUTE, 0);
    expect_none(self);
    self->facts.disks[0].free = 95;
    pass(self, LB_SECOND, 0);
    expect(self, LB_SELF_DISK, LB_SEVERITY_HIGH, "/data", "9.5%");
    self->facts.disks[0].free = 49;
    pass(self, LB_SECOND, 0);
    expect(self, LB_SELF_DISK, LB_SEVERITY_CRITICAL, "/data", "4.9%");
    self->facts.disks[0].free = 55; /* not clearly above its limit */
    pass(self, LB_SECOND, 0);
    expect(self, LB_SELF_DISK, LB_SEVERITY_CRITICAL, "/data", "5.5%");
    self->facts.disks[0].free = 0;
    pass(self, LB_SECOND, 0);
    expect(self, LB_SELF_DISK, LB_SEVERITY_CRITICAL, "/data", "the disk is full");
    self->facts.disks[0].free = 500;
    pass(self, 11 * MINUTE, 0);
    expect_none(self);
}

static void a_disk_that_will_be_full(void **state)
{
    struct fixture *self = *state;

    self->facts.disks[0] = (struct self_disk){ "/data", 1000000, 900000 };
    for (int minute = 0; minute < 10; minute++) {
        pass(self, MINUTE, 0);
        self->facts.disks[0].free -= 1000; /* that is 15 hours */
    }
    expect_none(self);
    for (int minute = 0; minute < 10; minute++) {
        pass(self, MINUTE, 0);
        self->facts.disks[0].free -= 10000; /* and that 80 minutes */
    }
    expect(self, LB_SELF_DISK, LB_SEVERITY_HIGH, "/data", "full in about 1h");
    pass(self, 11 * MINUTE, 0);
    expect_none(self);
}

static void a_sink(void **state)
{
    struct fixture *self = *state;

    self->facts.sinks[0].failing_since = self->facts.now;
    self->facts.sinks[0].problem = "connection refused";
    pass(self, 2 * MINUTE - LB_SECOND, 0);
    expect_none(self);
    pass(self, LB_SECOND, 0);
    expect(self, LB_SELF_SINK, LB_SEVERITY_HIGH, "hook", "delivers nothing for 2m: connection refused");
    assert_int_equal(self->findings[0].since, BEGIN);
    self->facts.sinks[0].failing_since = 0;
    pass(self, LB_SECOND, 0);
    expect_none(self);
    self->facts.sinks[0].blocked_since = self->facts.now;
    pass(self, 2 * MINUTE, 0);
    expect(self, LB_SELF_SINK, LB_SEVERITY_HIGH, "hook", "takes nothing");
}

static void dead_letters(void **state)
{
    struct fixture *self = *state;

    self->facts.sinks[0].dead_letters = 7; /* of before */
    pass(self, MINUTE, 0);
    expect_none(self);
    self->facts.sinks[0].dead_letters = 9;
    self->facts.sinks[0].dead_letter_last = "400 Bad Request";
    pass(self, MINUTE, 0);
    expect(self, LB_SELF_DEAD_LETTERS, LB_SEVERITY_MEDIUM, "hook", "2 records were refused for good within 10m");
    pass(self, 11 * MINUTE, 0);
    expect_none(self);
}

static void parse_errors(void **state)
{
    struct fixture *self = *state;

    pass(self, 10 * MINUTE, 10);
    self->facts.sources[0].parse_errors = 140; /* of 3000 */
    pass(self, LB_SECOND, 10);
    expect_none(self);
    self->facts.sources[0].parse_errors = 200;
    pass(self, LB_SECOND, 10);
    expect(self, LB_SELF_PARSE_ERRORS, LB_SEVERITY_MEDIUM, "app", "could not be parsed");
    pass(self, 6 * MINUTE, 10);
    expect_none(self);
}

static void few_records_are_no_sign(void **state)
{
    struct fixture *self = *state;

    pass(self, MINUTE, 0);
    self->facts.sources[0].records = self->facts.sources[0].parse_errors = 99;
    pass(self, LB_SECOND, 0);
    expect_none(self);
}

static void a_source_behind(void **state)
{
    struct fixture *self = *state;

    for (int second = 0; second < 300; second++) {
        self->facts.sources[0].behind_ns += LB_SECOND;
        self->facts.sources[0].unread += 1000000;
        pass(self, LB_SECOND, 1);
    }
    expect(self, LB_SELF_SOURCE_BEHIND, LB_SEVERITY_HIGH, "app", "the source is 5m behind");
    self->facts.sources[0].behind_ns = 0;
    self->facts.sources[0].unread = 0;
    pass(self, LB_SECOND, 1);
    expect_none(self);
    self->facts.sources[0].unread = 9000000; /* much to read, and it becomes less */
    for (int second = 0; second < 600; second++) {
        self->facts.sources[0].behind_ns += LB_SECOND;
        self->facts.sources[0].unread -= 10000;
        pass(self, LB_SECOND, 1);
        expect_none(self);
    }
}

static void a_source_that_was_busy(void **state)
{
    struct fixture *self = *state;

    pass(self, 60 * MINUTE, 1);
    pass(self, 14 * MINUTE, 0);
    expect_none(self);
    pass(self, MINUTE, 0);
    expect(self, LB_SELF_SOURCE_SILENT, LB_SEVERITY_MEDIUM, "app", "nothing came for 15m");
    pass(self, 24 * 60 * MINUTE, 0);
    expect(self, LB_SELF_SOURCE_SILENT, LB_SEVERITY_MEDIUM, "app", "nothing came for 24h15m");
    pass(self, LB_SECOND, 1);
    expect_none(self);
}

static void a_source_that_is_often_silent(void **state)
{
    struct fixture *self = *state;

    for (int hour = 0; hour < 48; hour++) {
        pass(self, LB_SECOND, 1);
        for (int minute = 0; minute < 60; minute++) {
            pass(self, MINUTE, 0);
            expect_none(self);
        }
    }
}

static void a_clock_and_lost_alerts(void **state)
{
    struct fixture *self = *state;

    pass(self, MINUTE, 0);
    self->facts.ahead = 99;
    pass(self, LB_SECOND, 0);
    expect_none(self);
    self->facts.ahead = 100;
    pass(self, LB_SECOND, 0);
    expect(self, LB_SELF_CLOCK, LB_SEVERITY_MEDIUM, "", "a clock is wrong");
    pass(self, 6 * MINUTE, 0);
    expect_none(self);
    self->facts.lost = 1;
    pass(self, LB_SECOND, 0);
    expect(self, LB_SELF_ALERTS_LOST, LB_SEVERITY_CRITICAL, "", "1 alerts within 10m");
}

static void what_is_no_more_is_forgotten(void **state)
{
    struct fixture *self = *state;

    pass(self, MINUTE, 1);
    assert_int_equal(self->watch->count, 4);
    self->facts.sink_count = self->facts.source_count = 0;
    pass(self, 61 * MINUTE, 0);
    assert_int_equal(self->watch->count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void unread_lines_that_rotation_takes(void **state)
{
    struct fixture *self = *state;

    pass(self, MINUTE, 1);
    expect_none(self);
    self->facts.sources[0].unread = 3 * 1024 * 1024;
    self->facts.sources[0].rotation_left = 16 * MINUTE;
    pass(self, LB_SECOND, 1);
    expect_none(self);
    self->facts.sources[0].rotation_left = 4 * MINUTE;
    pass(self, LB_SECOND, 1);
    expect(self, LB_SELF_ROTATION, LB_SEVERITY_HIGH, "app",
           "3.0 MiB are not read, and rotation begins to take them in about 4m");
    self->facts.sources[0].rotation_left = 18 * MINUTE; /* not clearly above its limit */
    pass(self, LB_SECOND, 1);
    expect(self, LB_SELF_ROTATION, LB_SEVERITY_HIGH, "app", "18m");
    self->facts.sources[0].rotation_left = 0;
    pass(self, LB_SECOND, 1);
    expect(self, LB_SELF_ROTATION, LB_SEVERITY_HIGH, "app", "about 0s");
    self->facts.sources[0].rotation_left = 24 * 60 * MINUTE;
    pass(self, LB_SECOND, 1);
    expect_none(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_disk),
        TEST(a_disk_that_will_be_full),
        TEST(a_sink),
        TEST(dead_letters),
        TEST(parse_errors),
        TEST(few_records_are_no_sign),
        TEST(a_source_behind),
        TEST(unread_lines_that_rotation_takes),
        TEST(a_source_that_was_busy),
        TEST(a_source_that_is_often_silent),
        TEST(a_clock_and_lost_alerts),
        TEST(what_is_no_more_is_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
