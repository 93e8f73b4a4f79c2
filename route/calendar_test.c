/* calendar_test.c - windows that people write, against instants that are in them or not, in several zones. */
#include "calendar.c"

#include "lb_test.h"

#include <stdlib.h>

struct ground {
    struct lb_arena arena;
    struct lb_diag diag;
};

struct written {
    const char *weekly;
    const char *monthly;
    const char *every;
    const char *months;
    const char *years;
    const char *from;
    const char *until;
    const char *zone;
    bool moments;
};

static struct lb_strs texts_of(struct lb_str *room, const char *text)
{
    *room = lb_str_from(text != NULL ? text : "");
    return (struct lb_strs){ room, text != NULL };
}

static struct lb_str str_of(const char *text)
{
    return lb_str_from(text != NULL ? text : "");
}

static const struct lb_calendar *make(struct ground *ground, const struct written *written)
{
    struct lb_str rooms[5];
    struct lb_calendar_text text = { .weekly = texts_of(&rooms[0], written->weekly),
                                     .monthly = texts_of(&rooms[1], written->monthly),
                                     .every = texts_of(&rooms[2], written->every),
                                     .months = texts_of(&rooms[3], written->months),
                                     .years = texts_of(&rooms[4], written->years),
                                     .from = str_of(written->from),
                                     .until = str_of(written->until),
                                     .zone = str_of(written->zone != NULL ? written->zone : "UTC"),
                                     .moments = written->moments,
                                     .place = { "test", 1, 1 } };

    lb_arena_init(&ground->arena, 1024 * 1024);
    ground->diag = (struct lb_diag){ 0 };
    return lb_calendar_new(&ground->arena, &text, &ground->diag);
}

static void end(struct ground *ground)
{
    lb_diag_free(&ground->diag);
    lb_arena_free(&ground->arena);
}

static int64_t at(const char *text)
{
    int64_t time;

    if (!lb_time_rfc3339(lb_str_from(text), &time))
        fail_msg("%s is no time", text);
    return time;
}

struct row {
    struct written written;
    const char *in[6];
    const char *out[6];
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ground ground;
        const struct lb_calendar *calendar = make(&ground, &rows[i].written);

        if (calendar == NULL)
            fail_msg("row %zu: %s", i, ground.diag.entries[0].text);
        for (size_t j = 0; j < 6 && rows[i].in[j] != NULL; j++)
            if (!lb_calendar_find(calendar, at(rows[i].in[j]), NULL))
                fail_msg("row %zu: %s is in it", i, rows[i].in[j]);
        for (size_t j = 0; j < 6 && rows[i].out[j] != NULL; j++)
            if (lb_calendar_find(calendar, at(rows[i].out[j]), NULL))
                fail_msg("row %zu: %s is not in it", i, rows[i].out[j]);
        end(&ground);
    }
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void knows_days_of_the_week(void **state)
{
    static const struct row rows[] = {
        { { .weekly = "Sun 02:00-04:00" },
          { "2026-11-29T02:00:00Z", "2026-11-29T03:59:59.999Z" },
          { "2026-11-29T01:59:59Z", "2026-11-29T04:00:00Z", "2026-11-28T03:00:00Z" } },
        { { .weekly = "Mon-Fri 09:00-12:00, 13:00-17:00, sat 10:00-14:00" },
          { "2026-11-30T09:00:00Z", "2026-12-04T16:00:00Z", "2026-12-05T10:00:00Z" },
          { "2026-11-30T12:30:00Z", "2026-12-05T09:30:00Z", "2026-12-05T14:00:00Z", "2026-12-06T10:00:00Z" } },
        { { .weekly = "Sat-Mon" },
          { "2026-11-28T00:00:00Z", "2026-11-29T12:00:00Z", "2026-11-30T23:59:59Z" },
          { "2026-12-01T00:00:00Z", "2026-11-27T23:59:59Z" } },
        { { .weekly = "Fri 22:00-06:00" },
          { "2026-11-27T22:00:00Z", "2026-11-28T05:59:00Z" },
          { "2026-11-27T05:00:00Z", "2026-11-28T06:00:00Z", "2026-11-28T22:30:00Z" } },
        { { .weekly = "weekdays 00:00-24:00, weekends 12:00-13:00" },
          { "2026-11-26T23:59:00Z", "2026-11-28T12:30:00Z" },
          { "2026-11-28T11:00:00Z", "2026-11-28T00:00:00Z" } },
        { { .every = "day 23:30-00:30" },
          { "2026-11-26T23:30:00Z", "2026-11-27T00:29:59Z" },
          { "2026-11-27T00:30:00Z", "2026-11-26T23:29:59Z" } },
        { { .every = "12:00-13:00" }, { "2026-11-26T12:30:00Z" }, { "2026-11-26T13:00:00Z" } },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void knows_days_of_the_month_from_both_ends(void **state)
{
    static const struct row rows[] = {
        { { .monthly = "first Sunday 02:00-04:00" },
          { "2026-11-01T02:30:00Z", "2026-12-06T03:00:00Z" },
          { "2026-11-08T02:30:00Z", "2026-11-29T02:30:00Z" } },
        { { .monthly = "last friday" },
          { "2026-11-27T12:00:00Z", "2026-02-27T12:00:00Z" },
          { "2026-11-20T12:00:00Z", "2026-12-04T12:00:00Z" } },
        { { .monthly = "fifth Monday" },
          { "2026-11-30T12:00:00Z" },
          { "2026-12-28T12:00:00Z", "2026-11-23T12:00:00Z" } },
        { { .monthly = "1-7" },
          { "2026-11-01T00:00:00Z", "2026-11-07T23:59:59Z" },
          { "2026-11-08T00:00:00Z", "2026-10-31T23:59:59Z" } },
        { { .monthly = "last day" },
          { "2026-02-28T12:00:00Z", "2028-02-29T12:00:00Z", "2026-04-30T00:00:00Z" },
          { "2028-02-28T12:00:00Z", "2026-05-01T00:00:00Z" } },
        { { .monthly = "-3--2" },
          { "2026-02-26T12:00:00Z", "2026-02-27T12:00:00Z", "2026-12-29T12:00:00Z" },
          { "2026-02-28T12:00:00Z", "2026-02-25T12:00:00Z", "2026-12-31T12:00:00Z" } },
        { { .monthly = "25..-1" },
          { "2026-02-25T00:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T00:00:00Z" },
          { "2026-02-24T23:59:59Z", "2026-03-01T00:00:00Z" } },
        /* What is past the end of a month is cut there; a range that begins past it has no day. */
        { { .monthly = "27-31" }, { "2026-02-28T12:00:00Z", "2026-02-27T00:00:00Z" }, { "2026-03-01T12:00:00Z" } },
        { { .monthly = "30-31" }, { "2026-04-30T12:00:00Z" }, { "2026-02-28T12:00:00Z", "2026-03-01T12:00:00Z" } },
        { { .monthly = "-31--28" },
          { "2026-02-01T12:00:00Z", "2026-03-01T12:00:00Z", "2026-03-04T12:00:00Z" },
          { "2026-02-02T12:00:00Z", "2026-03-05T12:00:00Z" } },
        { { .monthly = "1-7 Sun, 15 02:00-03:00" },
          { "2026-11-01T02:30:00Z", "2026-11-15T02:30:00Z" },
          { "2026-11-02T02:30:00Z", "2026-11-22T02:30:00Z", "2026-11-15T03:30:00Z" } },
        { { .monthly = "last day 22:00-06:00", .months = "mar" },
          { "2026-03-31T22:00:00Z", "2026-04-01T05:00:00Z" },
          { "2026-04-30T23:00:00Z", "2026-03-31T05:00:00Z" } },
        { { .monthly = "1", .months = "nov-feb", .years = "2026-2027" },
          { "2026-11-01T12:00:00Z", "2027-02-01T12:00:00Z", "2026-01-01T00:00:00Z" },
          { "2026-03-01T12:00:00Z", "2028-01-01T12:00:00Z", "2025-12-01T12:00:00Z" } },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void knows_dates(void **state)
{
    static const struct row rows[] = {
        { { .every = "2026-12-24 18:00 / 2026-12-27 08:00", .zone = "Europe/Berlin" },
          { "2026-12-24T17:00:00Z", "2026-12-25T12:00:00Z", "2026-12-27T06:59:59Z" },
          { "2026-12-24T16:59:59Z", "2026-12-27T07:00:00Z" } },
        { { .from = "2026-12-24", .until = "2026-12-27" },
          { "2026-12-24T00:00:00Z", "2026-12-26T23:59:59Z" },
          { "2026-12-27T00:00:00Z", "2026-12-23T23:59:59Z" } },
        { { .from = "2026-12-24T18:00:00+02:00", .until = "2026-12-24T18:00:00Z", .zone = "Asia/Tokyo" },
          { "2026-12-24T16:00:00Z", "2026-12-24T17:59:59Z" },
          { "2026-12-24T15:59:59Z", "2026-12-24T18:00:00Z" } },
        { { .weekly = "Sun 02:00-04:00", .from = "2026-12-01", .until = "2026-12-13 03:00" },
          { "2026-12-06T03:30:00Z", "2026-12-13T02:59:00Z" },
          { "2026-11-29T03:00:00Z", "2026-12-13T03:00:00Z" } },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void follows_the_clocks_of_its_zone(void **state)
{
    static const struct row rows[] = {
        /* Sydney: +11:00 in summer, back to +10:00 on 2026-04-05 at 03:00, forward on 2026-10-04 at 02:00. */
        { { .weekly = "Sun 09:00-17:00", .zone = "Australia/Sydney" },
          { "2026-03-28T22:00:00Z", "2026-04-04T23:00:00Z", "2026-04-05T06:59:59Z", "2026-10-03T22:00:00Z" },
          { "2026-03-28T21:59:59Z", "2026-04-04T22:59:59Z", "2026-04-05T07:00:00Z", "2026-10-04T06:00:00Z" } },
        { { .monthly = "first Sunday 01:00-04:00", .zone = "Australia/Sydney", .months = "apr" },
          { "2026-04-04T14:00:00Z", "2026-04-04T17:59:59Z" }, /* four hours long */
          { "2026-04-04T13:59:59Z", "2026-04-04T18:00:00Z" } },
        { { .monthly = "first Sunday 01:00-04:00", .zone = "Australia/Sydney", .months = "oct" },
          { "2026-10-03T15:00:00Z", "2026-10-03T16:59:59Z" }, /* two hours long */
          { "2026-10-03T14:59:59Z", "2026-10-03T17:00:00Z" } },
        /* Wholly or partly in the hour that is skipped: moved. */
        { { .monthly = "first Sunday 02:15-02:45", .zone = "Australia/Sydney", .months = "oct" },
          { "2026-10-03T16:15:00Z", "2026-10-03T16:44:59Z" },
          { "2026-10-03T16:14:59Z", "2026-10-03T16:45:00Z", "2026-10-03T15:30:00Z" } },
        { { .monthly = "first Sunday 02:30-03:00", .zone = "Australia/Sydney", .months = "oct" },
          { "2026-10-03T16:30:00Z", "2026-10-03T16:59:59Z" },
          { "2026-10-03T16:29:59Z", "2026-10-03T17:00:00Z" } },
        /* New York: the month ends at midnight there. */
        { { .monthly = "last day", .zone = "America/New_York" },
          { "2026-11-30T05:00:00Z", "2026-12-01T04:59:59Z", "2026-07-31T04:00:00Z", "2026-08-01T03:59:59Z" },
          { "2026-11-30T04:59:59Z", "2026-12-01T05:00:00Z", "2026-07-31T03:59:59Z", "2026-08-01T04:00:00Z" } },
        { { .monthly = "1", .zone = "America/New_York" }, { "2026-12-01T05:00:00Z" }, { "2026-12-01T04:59:59Z" } },
        { { .weekly = "Mon 00:00-01:00", .zone = "+05:30" }, { "2026-11-29T18:30:00Z" }, { "2026-11-29T19:30:00Z" } },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void says_when_a_window_ends(void **state)
{
    static const struct {
        struct written written;
        const char *now;
        const char *from;
        const char *until;
    } rows[] = {
        { { .weekly = "Sun 02:00-04:00", .zone = "Europe/Paris" },
          "2026-11-29T02:00:00Z",
          "2026-11-29T01:00:00Z",
          "2026-11-29T03:00:00Z" },
        /* One after the other without a gap is one. */
        { { .weekly = "Fri 22:00-24:00, Sat-Sun" },
          "2026-11-27T23:00:00Z",
          "2026-11-27T22:00:00Z",
          "2026-11-30T00:00:00Z" },
        { { .every = "day 22:00-02:00, day 01:00-06:00" },
          "2026-11-27T23:00:00Z",
          "2026-11-27T22:00:00Z",
          "2026-11-28T06:00:00Z" },
        { { .every = "2026-12-24 / 2026-12-27, 2026-12-26 / 2026-12-29" },
          "2026-12-25T00:00:00Z",
          "2026-12-24T00:00:00Z",
          "2026-12-29T00:00:00Z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ground ground;
        const struct lb_calendar *calendar = make(&ground, &rows[i].written);
        struct lb_span span = { 0 };

        assert_non_null(calendar);
        assert_true(lb_calendar_find(calendar, at(rows[i].now), &span));
        assert_int_equal(span.from, at(rows[i].from));
        assert_int_equal(span.until, at(rows[i].until));
        end(&ground);
    }
}

static void finds_the_next_one(void **state)
{
    static const struct {
        struct written written;
        const char *now;
        const char *next; /* NULL: none */
    } rows[] = {
        { { .weekly = "Sun 02:00-04:00" }, "2026-11-26T00:00:00Z", "2026-11-29T02:00:00Z" },
        { { .weekly = "Sun 02:00-04:00" }, "2026-11-29T02:00:00Z", "2026-11-29T02:00:00Z" },
        { { .weekly = "Sun 02:00-04:00" }, "2026-11-29T02:00:01Z", "2026-12-06T02:00:00Z" },
        { { .monthly = "29", .months = "feb" }, "2026-11-29T02:00:01Z", "2028-02-29T00:00:00Z" },
        { { .from = "2026-12-24", .until = "2026-12-27" }, "2026-11-26T00:00:00Z", "2026-12-24T00:00:00Z" },
        { { .from = "2026-12-24", .until = "2026-12-27" }, "2026-12-25T00:00:00Z", NULL },
        { { .weekly = "Mon", .years = "2025" }, "2026-01-01T00:00:00Z", NULL },
        { { .weekly = "Mon", .years = "2090" }, "2026-01-01T00:00:00Z", "2090-01-02T00:00:00Z" },
        { { .every = "Mon 08:00", .zone = "Europe/Berlin", .moments = true },
          "2026-11-26T00:00:00Z",
          "2026-11-30T07:00:00Z" },
        { { .every = "08:00, 20:00", .moments = true }, "2026-11-26T08:00:01Z", "2026-11-26T20:00:00Z" },
        { { .every = "first day", .moments = true }, "2026-11-26T08:00:01Z", "2026-12-01T00:00:00Z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ground ground;
        const struct lb_calendar *calendar = make(&ground, &rows[i].written);
        struct lb_span span = { 0 };

        if (calendar == NULL)
            fail_msg("row %zu: %s", i, ground.diag.entries[0].text);
        assert_int_equal(lb_calendar_next(calendar, at(rows[i].now), &span), rows[i].next != NULL);
        if (rows[i].next != NULL)
            assert_int_equal(span.from, at(rows[i].next));
        end(&ground);
    }
}

/* Minute by minute over two years: what find() says agrees with the list that next() gives. */
static void next_and_find_agree(void **state)
{
    static const struct written rows[] = {
        { .weekly = "Sun 01:30-03:30", .zone = "Europe/Berlin" },
        { .weekly = "Sat 23:00-02:30, Sun 02:10-02:50", .zone = "America/New_York" },
        { .monthly = "last day 22:00-06:00, -7..-1 Sun 00:00-01:00", .zone = "Australia/Sydney" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ground ground;
        const struct lb_calendar *calendar = make(&ground, &rows[i]);
        struct lb_span span = { 0 };
        int64_t until = at("2026-01-01T00:00:00Z");

        assert_non_null(calendar);
        for (int64_t now = until; now < at("2028-01-01T00:00:00Z"); now += 600 * LB_SECOND) {
            if (!lb_calendar_find(calendar, now, NULL))
                continue;
            if (now >= until) {
                assert_true(lb_calendar_find(calendar, now, &span));
                assert_true(span.from <= now && now < span.until);
                until = span.until;
            }
            assert_true(lb_calendar_next(calendar, span.from, &span));
            assert_true(span.from <= now);
        }
        end(&ground);
    }
}

static void refuses_what_makes_no_sense(void **state)
{
    static const struct {
        struct written written;
        const char *says;
        uint32_t column;
    } rows[] = {
        { { .weekly = "Sum 02:00-04:00" }, "expected a day of the week at \"Sum", 1 },
        { { .weekly = "Sun 02:00" }, "and the time at which the window ends", 10 },
        { { .weekly = "Sun 02:00-25:00" }, "from 00:00 to 24:00", 11 },
        { { .weekly = "Sun 02:00-02:00" }, "this window is empty", 5 },
        { { .weekly = "Sun 24:00-02:00" }, "this window is empty", 5 },
        { { .weekly = "Sun 02:00-04:00 Mon" }, "expected \",\"", 17 },
        { { .weekly = "Sun 02:00-04:00," }, "behind \",\"", 17 },
        { { .weekly = "first Sunday" }, "belong under `monthly`", 1 },
        { { .weekly = "" }, "expected when", 1 },
        { { .monthly = "Sunday 02:00-04:00" }, "belong under `weekly`", 1 },
        { { .monthly = "32" }, "expected days (1 to 31", 1 },
        { { .monthly = "0" }, "expected days (1 to 31", 1 },
        { { .monthly = "7-1" }, "the earlier one first", 1 },
        { { .monthly = "-1--7" }, "the earlier one first", 1 },
        { { .monthly = "-5-7" }, "the earlier one first", 1 },
        { { .monthly = "first week" }, "expected \"day\" or a day of the week", 7 },
        { { .monthly = "30", .months = "feb" }, "never comes", 1 },
        { { .monthly = "1", .months = "foo" }, "expected a month", 1 },
        { { .monthly = "1", .years = "26" }, "expected a year", 1 },
        { { .monthly = "1", .years = "2028-2026" }, "the earlier one first", 1 },
        { { .every = "2026-12-24 18:00" }, "expected \"/\"", 17 },
        { { .every = "2026-12-24 18:00 / 2026-12-24 17:00" }, "ends before it begins", 36 },
        { { .every = "2026-02-30 / 2026-03-01" }, "expected a date", 11 },
        { { .every = "4026-12-24 / 4026-12-25" }, "expected a date", 5 },
        { { .from = "2026-12-24" }, "when?", 1 },
        { { .from = "2026-12-24", .until = "2026-12-23" }, "`until` must be after `from`", 1 },
        { { .weekly = "Sun", .zone = "Europe/Pariss" }, "time zone 'Europe/Pariss' is not in", 1 },
        { { .weekly = "Sun", .until = "1990-01-01" }, "never comes", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ground ground;

        assert_null(make(&ground, &rows[i].written));
        assert_int_not_equal(ground.diag.errors, 0);
        if (strstr(ground.diag.entries[0].text, rows[i].says) == NULL)
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, ground.diag.entries[0].text, rows[i].says);
        assert_int_equal(ground.diag.entries[0].place.column, rows[i].column);
        end(&ground);
    }
}

static void is_in_the_zone_of_the_machine_unless_told(void **state)
{
    struct ground ground;
    struct lb_str text = LB_STR("Sun 02:00-04:00");
    struct lb_calendar_text written = { .weekly = { &text, 1 } };

    (void)state;
    setenv("TZ", ":Asia/Tokyo", 1);
    lb_arena_init(&ground.arena, 1024 * 1024);
    ground.diag = (struct lb_diag){ 0 };
    const struct lb_calendar *calendar = lb_calendar_new(&ground.arena, &written, &ground.diag);
    assert_non_null(calendar);
    assert_true(lb_calendar_find(calendar, at("2026-11-28T17:30:00Z"), NULL));
    assert_false(lb_calendar_find(calendar, at("2026-11-29T02:30:00Z"), NULL));
    end(&ground);
    unsetenv("TZ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_days_of_the_week),
        cmocka_unit_test(knows_days_of_the_month_from_both_ends),
        cmocka_unit_test(knows_dates),
        cmocka_unit_test(follows_the_clocks_of_its_zone),
        cmocka_unit_test(says_when_a_window_ends),
        cmocka_unit_test(finds_the_next_one),
        cmocka_unit_test(next_and_find_agree),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test(is_in_the_zone_of_the_machine_unless_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
