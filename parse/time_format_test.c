/*
 * Compiled time formats and zones. Expected values were worked out by date(1) with TZ.
 */
#include "lb_corpus.h"
#include "lb_test.h"

#include "time_format.c"
#include "time_zone.c"

#include <time.h>

#define NOW (INT64_C(1503238617) * LB_SECOND) /* 2017-08-20T14:16:57Z */

static const struct lb_place place = { "test.yaml", 3, 10 };

struct format_case {
    const char *format;
    const char *zone;
    const char *text;
    const char *expected; /* NULL: refused */
};

static void check(const struct format_case *test)
{
    struct lb_arena arena;
    struct lb_diag diag = { 0 };
    struct lb_time_format *format;
    int64_t time = 0;
    char out[LB_TIME_TEXT_SIZE];

    lb_arena_init(&arena, 1 << 20);
    format = lb_time_format_new(&arena, lb_str_from(test->format), lb_str_from(test->zone), place, &diag);
    if (format == NULL)
        fail_msg("format %s: %s", test->format, diag.count > 0 ? diag.entries[0].text : "no reason");
    if (lb_time_format_parse(format, lb_str_from(test->text), NOW, &time)) {
        struct lb_str written = { out, lb_time_write(time, out) };

        if (test->expected == NULL || !lb_str_is(written, test->expected))
            fail_msg("%s with %s in %s: expected %s, got " LB_STR_FMT, test->text, test->format, test->zone,
                     test->expected, LB_STR_ARG(written));
    } else if (test->expected != NULL) {
        fail_msg("%s with %s was refused", test->text, test->format);
    }
    lb_diag_free(&diag);
    lb_arena_free(&arena);
}

static void reads_what_the_pattern_says(void **state)
{
    static const struct format_case cases[] = {
        { "%Y-%m-%d %H:%M:%S,%L", "", "2026-01-31 12:34:56,789", "2026-01-31T12:34:56.789Z" },
        { "%d/%b/%Y:%H:%M:%S %z", "", "18/Jul/2025:14:14:48 -0400", "2025-07-18T18:14:48Z" },
        { "%d/%b/%Y:%H:%M:%S %z", "Europe/Berlin", "18/Jul/2025:14:14:48 -0400", "2025-07-18T18:14:48Z" },
        { "%FT%T.%f%z", "", "2026-01-31T12:34:56.123456789+01:00", "2026-01-31T11:34:56.123456789Z" },
        { "%D %R", "", "01/31/26 12:34", "2026-01-31T12:34:00Z" },
        { "%a %b %e %H:%M:%S %Z %Y", "", "Mon Jan  2 15:04:05 MST 2006", "2006-01-02T22:04:05Z" },
        { "%A, %d %B %Y %I:%M %p", "", "Monday, 02 January 2006 03:04 PM", "2006-01-02T15:04:00Z" },
        { "%d.%m.%Y %l:%M%P", "", "02.01.2006 12:04am", "2006-01-02T00:04:00Z" },
        { "%Y%j%H%M%S", "", "2024366235959", "2024-12-31T23:59:59Z" },
        { "%s.%L", "", "1540369190.25", "2018-10-24T08:19:50.250Z" },
        { "%s", "Europe/Berlin", "1540369190", "2018-10-24T08:19:50Z" },
        { "%b %d %H:%M:%S", "", "Aug 19 04:06:58", "2017-08-19T04:06:58Z" },
        { "%H:%M:%S", "", "04:06:58", "2017-08-20T04:06:58Z" },
        { "%Y %m %d", "", "2026    1 \t 31", "2026-01-31T00:00:00Z" },
        { "100%% %Y", "", "100% 2026", "2026-01-01T00:00:00Z" },
        { "rfc3339", "", "2026-01-31T12:34:56Z", "2026-01-31T12:34:56Z" },
        { "epoch", "", "99999999999", NULL },
        { "epoch", "", "1540369190.5", "2018-10-24T08:19:50.500Z" },
        { "epoch_ms", "", "1540369190", "1970-01-18T19:52:49.190Z" },
        { "epoch_us", "", "1540369190466951", "2018-10-24T08:19:50.466951Z" },
        { "epoch_ns", "", "1540369190466951123", "2018-10-24T08:19:50.466951123Z" },
        { "guess", "", "05/18/2018 12:00:53 AM", "2018-05-18T00:00:53Z" },
        { "%Y-%m-%d", "", "2026-02-29", NULL },
        { "%Y-%m-%d", "", "2026-02-28 and more", NULL },
        { "%Y-%m-%d", "", "2026-02", NULL },
        { "%H:%M", "", "24:00", NULL },
        { "%I:%M %p", "", "13:00 PM", NULL },
        { "%s", "", "999999999999", NULL },
        { "%Y%j", "", "2024367", NULL },
        { "%Y", "", "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(&cases[i]);
}

static void remembers_a_text_but_not_across_formats_or_years(void **state)
{
    struct lb_arena arena;
    struct lb_diag diag = { 0 };
    struct lb_time_format *formats[3];
    int64_t time;

    (void)state;
    lb_arena_init(&arena, 1 << 20);
    formats[0] = lb_time_format_new(&arena, LB_STR("%Y-%m-%d"), LB_STR(""), place, &diag);
    formats[1] = lb_time_format_new(&arena, LB_STR("%Y-%d-%m"), LB_STR(""), place, &diag);
    formats[2] = lb_time_format_new(&arena, LB_STR("%b %d"), LB_STR(""), place, &diag);
    for (int round = 0; round < 3; round++) {
        assert_true(lb_time_format_parse(formats[0], LB_STR("2017-02-03"), NOW, &time));
        assert_int_equal(time, INT64_C(1486080000) * LB_SECOND);
        assert_true(lb_time_format_parse(formats[1], LB_STR("2017-02-03"), NOW, &time));
        assert_int_equal(time, INT64_C(1488412800) * LB_SECOND);
        assert_true(lb_time_format_parse(formats[2], LB_STR("Feb 03"), NOW + round * 365 * 86400 * LB_SECOND, &time));
        assert_int_equal(time, (INT64_C(1486080000) + round * 365 * 86400) * LB_SECOND);
    }
    lb_arena_free(&arena);
}

static void knows_the_zones_and_their_summers(void **state)
{
#define SECONDS "%Y-%m-%d %H:%M:%S"
    static const struct format_case cases[] = {
        { SECONDS, "+02:00", "2026-01-31 12:00:00", "2026-01-31T10:00:00Z" },
        { SECONDS, "-0730", "2026-01-31 12:00:00", "2026-01-31T19:30:00Z" },
        { SECONDS, "UTC", "2026-01-31 12:00:00", "2026-01-31T12:00:00Z" },
        { SECONDS, "Etc/UTC", "2026-01-31 12:00:00", "2026-01-31T12:00:00Z" },
        { SECONDS, "Europe/Berlin", "2026-01-31 12:00:00", "2026-01-31T11:00:00Z" },
        { SECONDS, "Europe/Berlin", "2026-07-31 12:00:00", "2026-07-31T10:00:00Z" },
        { SECONDS, "Europe/Berlin", "1890-01-01 00:00:00", "1889-12-31T23:06:32Z" },
        /* 29 March 2026: 02:00 becomes 03:00; 25 October: 03:00 becomes 02:00. */
        { SECONDS, "Europe/Berlin", "2026-03-29 01:59:59", "2026-03-29T00:59:59Z" },
        { SECONDS, "Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29T01:30:00Z" },
        { SECONDS, "Europe/Berlin", "2026-03-29 03:00:00", "2026-03-29T01:00:00Z" },
        { SECONDS, "Europe/Berlin", "2026-10-25 01:59:59", "2026-10-24T23:59:59Z" },
        { SECONDS, "Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30:00Z" },
        { SECONDS, "Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25T02:00:00Z" },
        /* Past 2037 the rule at the end of the file holds. */
        { SECONDS, "Europe/Berlin", "2060-07-01 12:00:00", "2060-07-01T10:00:00Z" },
        { SECONDS, "Europe/Berlin", "2060-12-01 12:00:00", "2060-12-01T11:00:00Z" },
        { SECONDS, "America/New_York", "2026-07-04 00:00:00", "2026-07-04T04:00:00Z" },
        { SECONDS, "America/New_York", "2026-12-04 00:00:00", "2026-12-04T05:00:00Z" },
        { SECONDS, "America/New_York", "2050-07-04 00:00:00", "2050-07-04T04:00:00Z" },
        { SECONDS, "Australia/Sydney", "2026-01-01 00:00:00", "2025-12-31T13:00:00Z" },
        { SECONDS, "Australia/Sydney", "2060-01-01 00:00:00", "2059-12-31T13:00:00Z" },
        { SECONDS, "Australia/Sydney", "2060-06-01 00:00:00", "2060-05-31T14:00:00Z" },
        { SECONDS, "Asia/Kolkata", "2026-01-01 00:00:00", "2025-12-31T18:30:00Z" },
        /* A guess says its zone or has this one. */
        { "guess", "+02:00", "2026-01-31 12:00:00.5", "2026-01-31T10:00:00.500Z" },
        { "guess", "+02:00", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z" },
        { "guess", "+02:00", "2026-01-31 12:00:00 -01:00", "2026-01-31T13:00:00Z" },
        { "guess", "+02:00", "31/Jan/2026 12:00:00", "2026-01-31T10:00:00Z" },
        { "guess", "+02:00", "31/Jan/2026:12:00:00 +0000", "2026-01-31T12:00:00Z" },
        { "guess", "+02:00", "1769860800", "2026-01-31T12:00:00Z" },
        { SECONDS, "Asia/Kathmandu", "2026-01-01 00:00:00", "2025-12-31T18:15:00Z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(&cases[i]);
}

static void agrees_with_localtime_every_11_hours(void **state)
{
    static const char *const names[] = { "Europe/London", "America/St_Johns",  "Asia/Tokyo",
                                         "Africa/Cairo",  "America/Sao_Paulo", "Pacific/Auckland" };
    const char *reason;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct lb_arena arena;
        struct time_zone zone;

        lb_arena_init(&arena, 1 << 20);
        assert_int_equal(time_zone_open(&zone, &arena, lb_str_from(names[i]), &reason), LB_OK);
        setenv("TZ", names[i], 1);
        tzset();
        for (time_t now = 0; now < 4000000000; now += 39600) {
            struct tm local;

            localtime_r(&now, &local);
            if (time_zone_offset(&zone, now) != local.tm_gmtoff)
                fail_msg("%s at %ld: %d instead of %ld", names[i], (long)now, time_zone_offset(&zone, now),
                         local.tm_gmtoff);
        }
        lb_arena_free(&arena);
    }
    unsetenv("TZ");
    tzset();
}

/* A file without transitions, as `zic -b slim` writes it: all is in the rule. */
static void expands_the_rule_of_a_slim_file(void **state)
{
    static const char rules[][40] = { "EST5EDT,M3.2.0,M11.1.0", "<-03>3", "CET-1CEST,M3.5.0,M10.5.0/3",
                                      "AEST-10AEDT,M10.1.0,M4.1.0/3" };
    static const struct {
        int rule;
        int64_t second;
        int offset;
    } cases[] = {
        { 0, 1783137600, -14400 }, { 0, 1796342400, -18000 }, { 1, 1783137600, -10800 }, { 2, 1783137600, 7200 },
        { 2, 1796342400, 3600 },   { 3, 1783137600, 36000 },  { 3, 1796342400, 39600 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct time_zone_change changes[TIME_ZONE_CHANGES_MAX];
        struct time_zone zone = { .changes = changes };
        struct rule rule = { 0 };

        assert_true(read_rule(lb_str_from(rules[cases[i].rule]), &rule));
        expand_rule(&zone, &rule);
        assert_int_equal(time_zone_offset(&zone, cases[i].second), cases[i].offset);
    }
}

static void refuses_rules_and_files_that_are_none(void **state)
{
    static const char *const rules[] = {
        "", "X", "EST", "EST5EDT,", "EST5EDT,M13.1.0,M1.1.0", "EST5EDT,M3.2.0", "EST5EDT,M3.2.0,M11.1.0,", "<EST5"
    };
    unsigned char bytes[200] = "TZif2";
    struct tzif tzif = { 0 };
    struct rule rule;

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        assert_false(read_rule(lb_str_from(rules[i]), &rule));
    memset(bytes + 5, 0xff, sizeof(bytes) - 5);
    for (size_t len = 0; len <= sizeof(bytes); len++)
        assert_false(open_tzif(&tzif, bytes, len));
}

struct fault_case {
    const char *format;
    const char *zone;
    const char *text;
    uint32_t column;
};

static void tells_what_is_wrong_and_where(void **state)
{
    static const struct fault_case cases[] = {
        { "%Y-%q", "", "'%q' is not known", 14 },
        { "%Y-%", "", "single %", 14 },
        { "rfc333", "", "did you mean 'rfc3339'?", 10 },
        { "", "", "is no time format", 10 },
        { "%Y", "Europe/Berlim", "is not in /usr/share/zoneinfo", 10 },
        { "%Y", "../../../etc/passwd", "is no name of a time zone", 10 },
        { "%Y", "/etc/passwd", "is no name of a time zone", 10 },
        { "%Y", "tzdata.zi", "is no name of a time zone", 10 },
        { "%Y", "Europe", "is no time zone file", 10 },
        { "%Y----------------------------------------------------------------", "", "too long", 75 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_arena arena;
        struct lb_diag diag = { 0 };

        lb_arena_init(&arena, 1 << 20);
        assert_null(lb_time_format_new(&arena, lb_str_from(cases[i].format), lb_str_from(cases[i].zone), place, &diag));
        assert_int_equal(diag.errors, 1);
        if (strstr(diag.entries[0].text, cases[i].text) == NULL)
            fail_msg("expected \"%s\" in \"%s\"", cases[i].text, diag.entries[0].text);
        assert_int_equal(diag.entries[0].place.column, cases[i].column);
        lb_diag_free(&diag);
        lb_arena_free(&arena);
    }
}

static void reads_the_formats_of_the_corpus(void **state)
{
    struct corpus corpus;
    struct lb_str line;
    int right = 0;

    (void)state;
    if (!corpus_open(&corpus, "timestamps/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &line)) {
        struct lb_str pattern = corpus_text(corpus_get(line, "format"));
        struct lb_str text = corpus_text(corpus_get(line, "in"));
        struct lb_str offset = corpus_get(line, "assume_utc_offset");
        struct lb_arena arena;
        struct lb_diag diag = { 0 };
        int64_t time = LB_TIME_NONE;

        lb_arena_init(&arena, 1 << 20);
        if (memchr(pattern.ptr, '%', pattern.len) != NULL) {
            struct lb_time_format *format = lb_time_format_new(&arena, pattern, LB_STR(""), place, &diag);
            int64_t expected = strtoll(corpus_get(line, "epoch").ptr, NULL, 10) * LB_SECOND;

            assert_non_null(format);
            if (corpus_get(line, "frac").ptr != NULL)
                expected += (int64_t)(strtod(corpus_get(line, "frac").ptr, NULL) * 10000 + 0.5) * 100000;
            if (offset.ptr != NULL)
                format->zone.first_offset = (int32_t)strtol(offset.ptr, NULL, 10);
            if (!lb_time_format_parse(format, text, NOW, &time) || time != expected)
                fail_msg("wrong: " LB_STR_FMT, LB_STR_ARG(line));
            right++;
        }
        lb_diag_free(&diag);
        lb_arena_free(&arena);
        free((void *)pattern.ptr);
        free((void *)text.ptr);
    }
    corpus_close(&corpus);
    printf("timestamps, with a format: %d right\n", right);
    assert_true(right >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_pattern_says),
        cmocka_unit_test(remembers_a_text_but_not_across_formats_or_years),
        cmocka_unit_test(knows_the_zones_and_their_summers),
        cmocka_unit_test(agrees_with_localtime_every_11_hours),
        cmocka_unit_test(expands_the_rule_of_a_slim_file),
        cmocka_unit_test(refuses_rules_and_files_that_are_none),
        cmocka_unit_test(tells_what_is_wrong_and_where),
        cmocka_unit_test(reads_the_formats_of_the_corpus),
    };

    return cmocka_run_group_tests_name("parse/time_format", tests, NULL, NULL);
}
