/*
 * Timestamps: what is read must be the right nanosecond, what is none must be refused. Expected values were worked out
 * by hand or by date(1).
 */
#include "lb_corpus.h"
#include "lb_test.h"

#include "time.c"
#include "time_guess.c"
#include "time_parts.c"

#define NOW (INT64_C(1549615069) * LB_SECOND) /* 2019-02-08T08:37:49Z */

struct reading_case {
    const char *text;
    const char *expected; /* NULL: refused */
};

static void check_time(const char *text, bool ok, int64_t time_ns, const char *expected)
{
    char out[LB_TIME_TEXT_SIZE];
    struct lb_str written = { out, 0 };

    if (expected == NULL) {
        if (ok)
            fail_msg("\"%s\" was read, but is no time", text);
        return;
    }
    if (!ok)
        fail_msg("\"%s\" was refused", text);
    written.len = lb_time_write(time_ns, out);
    if (!lb_str_is(written, expected))
        fail_msg("\"%s\": expected %s, got " LB_STR_FMT, text, expected, LB_STR_ARG(written));
}

static void reads_rfc3339_and_its_usual_variants(void **state)
{
    static const struct reading_case cases[] = {
        { "2026-01-31T12:34:56Z", "2026-01-31T12:34:56Z" },
        { "2026-01-31t12:34:56z", "2026-01-31T12:34:56Z" },
        { "2026-01-31 12:34:56", "2026-01-31T12:34:56Z" },
        { "2026-01-31T12:34:56.5Z", "2026-01-31T12:34:56.500Z" },
        { "2026-01-31T12:34:56,123456Z", "2026-01-31T12:34:56.123456Z" },
        { "2026-01-31T12:34:56.1234567891234Z", "2026-01-31T12:34:56.123456789Z" },
        { "2026-01-31T12:34:56+02:00", "2026-01-31T10:34:56Z" },
        { "2026-01-31T12:34:56.25-0730", "2026-01-31T20:04:56.250Z" },
        { "2026-01-31T12:34:56-07", "2026-01-31T19:34:56Z" },
        { "2026-01-31T12:34:56Z+00:00", "2026-01-31T12:34:56Z" },
        { "2026-01-31 12:34:56.5 UTC", "2026-01-31T12:34:56.500Z" },
        { "2026-01-31 12:34:56 +0100", "2026-01-31T11:34:56Z" },
        { "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z" },
        { "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z" },
        { "1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z" },
        { "1800-01-01T00:00:00Z", "1800-01-01T00:00:00Z" },
        { "2262-04-11T23:47:16Z", "2262-04-11T23:47:16Z" },
        { "2262-04-12T00:00:00Z", NULL },
        { "0001-01-01T00:00:00Z", NULL },
        { "2023-02-29T00:00:00Z", NULL },
        { "2026-13-01T00:00:00Z", NULL },
        { "2026-00-01T00:00:00Z", NULL },
        { "2026-01-32T00:00:00Z", NULL },
        { "2026-01-31T24:00:00Z", NULL },
        { "2026-01-31T12:60:00Z", NULL },
        { "2026-01-31T12:34:61Z", NULL },
        { "2026-01-31T12:34:56.Z", NULL },
        { "2026-01-31T12:34:56+24:00", NULL },
        { "2026-01-31T12:34:56+02:60", NULL },
        { "2026-01-31T12:34:56Z+07:00", NULL },
        { "2026-01-31T12:34:56Zulu", NULL },
        { "2026-01-31T12:34:5", NULL },
        { "2026/01/31T12:34:56Z", NULL },
        { "2026-01-31X12:34:56Z", NULL },
        { "2026-01-31T12:34:56 home", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t time = 0;
        bool ok = lb_time_rfc3339(lb_str_from(cases[i].text), &time);

        check_time(cases[i].text, ok, time, cases[i].expected);
    }
}

static void takes_the_unit_of_an_epoch_from_its_size(void **state)
{
    static const struct reading_case cases[] = {
        { "0", "1970-01-01T00:00:00Z" },
        { "1540369190", "2018-10-24T08:19:50Z" },
        { "1540369190.25", "2018-10-24T08:19:50.250Z" },
        { "1540369190466", "2018-10-24T08:19:50.466Z" },
        { "1540369190466.5", "2018-10-24T08:19:50.466500Z" },
        { "1540369190466951", "2018-10-24T08:19:50.466951Z" },
        { "1540369190466951123", "2018-10-24T08:19:50.466951123Z" },
        { "-1.5", "1969-12-31T23:59:58.500Z" },
        { "99999999999999999999", NULL },
        { "9223372036854775807", "2262-04-11T23:47:16.854775807Z" },
        { "99999999999", NULL },
        { "1540369190.", NULL },
        { "1.5e9", NULL },
        { "-", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t time = 0;
        bool ok = lb_time_epoch(lb_str_from(cases[i].text), &time);

        check_time(cases[i].text, ok, time, cases[i].expected);
    }
}

static void guesses_the_usual_forms(void **state)
{
    static const struct reading_case cases[] = {
        { "18/Jul/2025:14:14:48 -0400", "2025-07-18T18:14:48Z" },
        { "[18/Jul/2025:14:14:48 +0000]", "2025-07-18T14:14:48Z" },
        { "Wed Jul 05 09:19:24.428126 2023", "2023-07-05T09:19:24.428126Z" },
        { "Mon Jan  2 15:04:05 MST 2006", "2006-01-02T22:04:05Z" },
        { "Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z" },
        { "Monday, 02-Jan-06 15:04:05 UTC", "2006-01-02T15:04:05Z" },
        { "19-Oct-2022 05:34:02.425", "2022-10-19T05:34:02.425Z" },
        { "2023/09/23 09:58:54", "2023-09-23T09:58:54Z" },
        { "2006-01-02 15:04:05,000 +0200 CEST", "2006-01-02T13:04:05Z" },
        { "2017 May 08 Mon 18:57:57.578", "2017-05-08T18:57:57.578Z" },
        { "05/18/2018 12:00:53 PM", "2018-05-18T12:00:53Z" },
        { "05/18/2018 12:00:53 AM", "2018-05-18T00:00:53Z" },
        { "18/05/2018 12:00:53", "2018-05-18T12:00:53Z" },
        { "18.05.2018 12:00:53", "2018-05-18T12:00:53Z" },
        { "03.05.2018 12:00:53", "2018-05-03T12:00:53Z" },
        { "17/06/09 20:10:40", "2017-06-09T20:10:40Z" },
        { "20060102T150405Z", "2006-01-02T15:04:05Z" },
        { "20060102 15:04:05.250", "2006-01-02T15:04:05.250Z" },
        { "20060102150405", "2006-01-02T15:04:05Z" },
        { "2006-01-02_15:04:05", "2006-01-02T15:04:05Z" },
        { "Jan 02, 2006 3:04:05 PM", "2006-01-02T15:04:05Z" },
        { "Dec 31 23:59:58", "2018-12-31T23:59:58Z" },
        { "02-Jan-06 03.04.05.250000 PM", "2006-01-02T15:04:05.250Z" },
        { "2006-01-02-15.04.05.250000", "2006-01-02T15:04:05.250Z" },
        { "2006-01-02T15:04:05.25+01:00[Europe/Berlin]", "2006-01-02T14:04:05.250Z" },
        { "2006-01-02 15:04:05.25 +0100 CET m=+0.01", "2006-01-02T14:04:05.250Z" },
        { "/Date(1136214245250+0100)/", "2006-01-02T15:04:05.250Z" },
        { "02-Jan-2006 15:04:05 Europe/Berlin", "2006-01-02T14:04:05Z" },
        { "[02-Jul-2006 15:04:05 Europe/Berlin]", "2006-07-02T13:04:05Z" },
        { "2006-07-02 15:04:05.25 America/Argentina/Buenos_Aires", "2006-07-02T18:04:05.250Z" },
        { "2006-07-02T15:04:05 Etc/GMT+2", "2006-07-02T17:04:05Z" },
        { "2006-07-02 15:04:05 Europe/Nowhere", NULL },
        { "2006-07-02 15:04:05 Europe/../../etc/passwd", NULL },
        { "10/02-15:04:05.250", "2018-10-02T15:04:05.250Z" },
        { "10-02|15:04:05.250", "2018-10-02T15:04:05.250Z" },
        { "10-02 15:04:05", "2018-10-02T15:04:05Z" },
        { "13-02 15:04:05", NULL },
        { "2-Jan-2006::15:04:05", "2006-01-02T15:04:05Z" },
        { "1540369190466951", "2018-10-24T08:19:50.466951Z" },
        { "2013-00-01 12:01:22", NULL },
        { "@4000000043", NULL },
        { "12345678", NULL },
        { "2006-01-02", NULL },
        { "12:30:01", NULL },
        { "May the force", NULL },
        { "13:04:05 PM", NULL },
        { "Wed415409540360466", NULL },
        { "", NULL },
        { "[", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t time = 0;
        bool ok = lb_time_guess(lb_str_from(cases[i].text), NOW, &time);

        check_time(cases[i].text, ok, time, cases[i].expected);
    }
}

struct syslog_case {
    const char *text;
    const char *expected;
    size_t used;
};

static void reads_syslog_stamps_and_says_how_far(void **state)
{
    static const struct syslog_case cases[] = {
        { "Oct 11 22:14:15 mymachine su: x", "2018-10-11T22:14:15Z", 15 },
        { "Mar 27 19:06:53 host", "2018-03-27T19:06:53Z", 15 },
        { "Mar  7 19:06:53 host", "2019-03-07T19:06:53Z", 15 },
        { "Mar 7 19:06:53 host", "2019-03-07T19:06:53Z", 14 },
        { "Mar 07 19:06:53 host", "2019-03-07T19:06:53Z", 15 },
        { "AUG 10 22:18:24 2009  host", "2009-08-10T22:18:24Z", 20 },
        { "Mar 7 2008 19:06:53: host", "2008-03-07T19:06:53Z", 20 },
        { "1990 Oct 22 10:52:01 TZ-6 host", "1990-10-22T10:52:01Z", 20 },
        { "Aug 24 05:34:00 CST 1987 host", "1987-08-24T11:34:00Z", 24 },
        { "Aug 24 05:34:00 CST host", "2018-08-24T05:34:00Z", 15 },
        { "Nov 18 21:03:22.631 GMT: %C", "2018-11-18T21:03:22.631Z", 24 },
        { "Nov 18 21:03:22,5 host", "2018-11-18T21:03:22.500Z", 17 },
        { "Aug 30 23:00:05", "2018-08-30T23:00:05Z", 15 },
        { "Feb 29 12:00:00 h", NULL, 15 },
        { "Oct 11 25:14:15 h", NULL, 15 },
        { "Oct 11 22:14:15x", NULL, 0 },
        { "Feb 25 17:32:18 2007:db8::1 x", "2019-02-25T17:32:18Z", 15 },
        { "Oct 11", NULL, 0 },
        { "Okt 11 22:14:15 h", NULL, 0 },
        { "October", NULL, 0 },
        { "", NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t time = 0;
        size_t used = 99;
        bool ok = lb_time_rfc3164(lb_str_from(cases[i].text), NOW, &time, &used);

        check_time(cases[i].text, ok, time, cases[i].expected);
        if (used != cases[i].used)
            fail_msg("\"%s\": %zu bytes taken instead of %zu", cases[i].text, used, cases[i].used);
    }
}

static void takes_the_latest_year_that_is_not_in_the_future(void **state)
{
    static const struct {
        const char *now;
        const char *text;
        const char *expected;
    } cases[] = {
        { "2018-01-03T08:32:21Z", "Dec 31 23:59:58", "2017-12-31T23:59:58Z" },
        { "2017-12-13T08:10:23Z", "Jan  3 17:46:12", "2018-01-03T17:46:12Z" },
        { "2020-03-01T00:00:00Z", "Feb 29 12:00:00", "2020-02-29T12:00:00Z" },
        { "2026-11-21T00:00:00Z", "Feb 29 12:00:00", NULL },
        { "2019-02-08T00:00:00Z", "Oct 11 22:14:15", "2018-10-11T22:14:15Z" },
        { "2021-02-20T00:00:00Z", "Feb 29 12:00:00", "2020-02-29T12:00:00Z" },
        { "2021-03-20T00:00:00Z", "Feb 29 12:00:00", NULL },
        { "1969-12-31T00:00:00Z", "Jan  1 00:00:00", "1970-01-01T00:00:00Z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t now;
        int64_t time = 0;
        size_t used;
        bool ok;

        assert_true(lb_time_rfc3339(lb_str_from(cases[i].now), &now));
        ok = lb_time_rfc3164(lb_str_from(cases[i].text), now, &time, &used);
        check_time(cases[i].text, ok, time, cases[i].expected);
    }
}

static void days_and_dates_are_inverse_over_a_thousand_years(void **state)
{
    int year;
    int month;
    int day;

    (void)state;
    for (int64_t days = lb_time_days(1600, 1, 1); days < lb_time_days(2600, 1, 1); days++) {
        lb_time_civil(days, &year, &month, &day);
        assert_true(date_exists(year, month, day));
        assert_int_equal(lb_time_days(year, month, day), days);
    }
    assert_int_equal(lb_time_days(1970, 1, 1), 0);
    assert_int_equal(lb_time_days(2000, 3, 1), 11017);
}

static void writes_the_fewest_digits_and_the_cache_agrees(void **state)
{
    static const int64_t steps[] = { 1, 1000, LB_MILLISECOND, LB_SECOND, 7 * LB_SECOND + 5 };
    struct lb_time_cache cache = { 0 };
    uint64_t seed = lb_seed();

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t time = (int64_t)(lb_random(&seed) >> 2) / steps[i % 5] * steps[i % 5] * (i % 2 != 0 ? 1 : -1);
        char plain[LB_TIME_TEXT_SIZE];
        char cached[LB_TIME_TEXT_SIZE];
        size_t len = lb_time_write(time, plain);
        int64_t again = 0;

        assert_in_range(len, 20, 30);
        for (int n = 0; n < 2; n++) {
            assert_int_equal(lb_time_write_cached(&cache, time, cached), len);
            assert_memory_equal(cached, plain, len);
        }
        assert_true(lb_time_rfc3339((struct lb_str){ plain, len }, &again));
        assert_int_equal(again, time);
    }
}

static int64_t expected_time(struct lb_str line)
{
    struct lb_str text = corpus_text(corpus_get(line, "time"));
    int64_t time = LB_TIME_NONE;

    if (text.len > 4 && memcmp(text.ptr, "????", 4) == 0) {
        char *dated = strdup(text.ptr);

        memcpy(dated, "2018", 4);
        assert_true(lb_time_rfc3339(lb_str_from(dated), &time));
        free(dated);
    } else if (text.len > 0) {
        assert_true(lb_time_rfc3339(text, &time));
    }
    free((void *)text.ptr);
    text = corpus_get(line, "epoch_ns");
    return text.ptr != NULL ? strtoll(text.ptr, NULL, 10) : time;
}

static void guesses_what_the_corpus_has(void **state)
{
    struct corpus corpus;
    struct lb_str line;
    int right = 0;
    int wrong = 0;

    (void)state;
    if (!corpus_open(&corpus, "timestamps/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &line)) {
        struct lb_str format = corpus_text(corpus_get(line, "format"));
        struct lb_str text = corpus_text(corpus_get(line, "in"));
        int64_t time = LB_TIME_NONE;

        if (memchr(format.ptr, '%', format.len) == NULL) {
            if (!lb_time_guess(text, NOW, &time))
                time = LB_TIME_NONE;
            if (time == expected_time(line)) {
                right++;
            } else {
                wrong++;
                printf("wrong: " LB_STR_FMT "\n", LB_STR_ARG(line));
            }
        }
        free((void *)format.ptr);
        free((void *)text.ptr);
    }
    corpus_close(&corpus);
    printf("timestamps, guessed: %d right, %d wrong\n", right, wrong);
    assert_int_equal(wrong, 0);
    assert_true(right > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_rfc3339_and_its_usual_variants),
        cmocka_unit_test(takes_the_unit_of_an_epoch_from_its_size),
        cmocka_unit_test(guesses_the_usual_forms),
        cmocka_unit_test(reads_syslog_stamps_and_says_how_far),
        cmocka_unit_test(takes_the_latest_year_that_is_not_in_the_future),
        cmocka_unit_test(days_and_dates_are_inverse_over_a_thousand_years),
        cmocka_unit_test(writes_the_fewest_digits_and_the_cache_agrees),
        cmocka_unit_test(guesses_what_the_corpus_has),
    };

    return cmocka_run_group_tests_name("parse/time", tests, NULL, NULL);
}
