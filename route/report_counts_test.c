/* report_counts_test.c - what reports count, compare, keep and when they are made. */
#include "report_counts.c"

#include "lb_arena.h"
#include "lb_clock.h"
#include "lb_diag.h"
#include "lb_test.h"
#include "lb_time.h"

#define HOUR (3600 * LB_SECOND)
#define BEGIN (1767225600 * LB_SECOND) /* 2026-01-01T00:00:00Z, a Thursday */

static struct lb_arena arena;

static struct lb_report report_of(const char *zone, int weekday, int64_t day_s)
{
    struct lb_diag diag = { 0 };
    struct lb_report report = {
        .name = LB_STR("daily"), .weekday = weekday, .day_s = day_s, .top = 3, .compare = true
    };

    report.zone = lb_time_zone_new(&arena, lb_str_from(zone), (struct lb_place){ 0 }, &diag);
    assert_non_null(report.zone);
    lb_diag_free(&diag);
    return report;
}

static void count(struct lb_report_counts *counts, const char *service, uint8_t level, const char *message,
                  const char *ms)
{
    struct lb_field fields[2] = { { lb_value_text(LB_STR("duration_ms")),
                                    lb_value_of(lb_str_from(ms != NULL ? ms : "0"), LB_VALUE_NUMBER) },
                                  { lb_value_text(LB_STR("route")), lb_value_text(LB_STR("/pay")) } };
    struct lb_record record = { .service = lb_value_text(lb_str_from(service)),
                                .message = lb_value_text(lb_str_from(message)),
                                .level = level,
                                .fields = fields,
                                .field_count = ms != NULL ? 2 : 0 };

    lb_report_count(counts, &record);
}

static void expect(const struct lb_report_counts *counts, const char *const *wanted)
{
    struct lb_report report = report_of("+00:00", -1, 0);
    struct lb_report_alerts alerts = { .count = 0 };
    struct lb_buffer out;

    lb_report_add_alert(&alerts, LB_STR("rare"));
    lb_report_add_alert(&alerts, LB_STR("often"));
    lb_report_add_alert(&alerts, LB_STR("often"));
    lb_buffer_init(&out, LB_REPORT_TEXT_BYTES);
    lb_report_write(&report, counts, &alerts, BEGIN + 24 * HOUR, &out);
    lb_buffer_append_char(&out, '\0');
    for (; *wanted != NULL; wanted++)
        if (strstr(out.ptr, *wanted) == NULL)
            fail_msg("expected \"%s\" in:\n%s", *wanted, out.ptr);
    lb_buffer_free(&out);
}

/* A day, then another that is compared with it. */
static struct lb_report_counts *two_days(void)
{
    struct lb_report_counts *counts = lb_report_counts_new(BEGIN - 24 * HOUR);

    assert_non_null(counts);
    for (int i = 0; i < 10; i++)
        count(counts, "api", LB_LEVEL_ERROR, "card 17 refused", NULL);
    lb_report_turn(counts, BEGIN);
    for (int i = 0; i < 15; i++)
        count(counts, "api", LB_LEVEL_ERROR, "card 18 refused", NULL);
    for (int i = 0; i < 100; i++)
        count(counts, "api", LB_LEVEL_INFO, "ok", i < 90 ? "10" : "500");
    count(counts, "db", LB_LEVEL_CRITICAL, "disk is gone", NULL);
    return counts;
}

static const char *const two_days_texts[] = { "# daily: 2026-01-01 00:00 to 2026-01-02 00:00",
                                              "16 errors in 116 records",
                                              "- api: 15 of 115, 10 before (+50%)",
                                              "- db: 1 of 1, none before",
                                              "- 1 times: disk is gone",
                                              "- often: 2\n- rare: 1\n",
                                              "- api /pay: about ",
                                              NULL };

static void compares_with_the_day_before(void **state)
{
    struct lb_report_counts *counts = two_days();

    (void)state;
    expect(counts, two_days_texts);
    assert_int_equal(counts->new_count, 1);
    double p95 = lb_report_percentile(&counts->slow[0], 0.95);
    assert_true(p95 > 475 && p95 < 525);
    assert_true(lb_report_percentile(&counts->slow[0], 0.5) < 10.5);
    lb_report_counts_free(counts);
}

static void a_restart_forgets_nothing(void **state)
{
    struct lb_report_counts *counts = two_days();
    struct lb_report_counts *again;
    struct lb_buffer bytes;

    (void)state;
    lb_buffer_init(&bytes, 16 * 1024 * 1024);
    lb_report_counts_save(counts, &bytes);
    again = lb_report_counts_restore(lb_buffer_str(&bytes));
    assert_non_null(again);
    expect(again, two_days_texts);
    count(again, "api", LB_LEVEL_ERROR, "card 19 refused", NULL);
    assert_int_equal(again->new_count, 1); /* it knows that kind of message */
    assert_int_equal(again->services[0].errors, 16);
    lb_report_counts_free(again);
    for (size_t i = 0; i < bytes.len; i += 97) {
        bytes.ptr[i] ^= 1;
        assert_null(lb_report_counts_restore(lb_buffer_str(&bytes)));
        bytes.ptr[i] ^= 1;
        assert_null(lb_report_counts_restore((struct lb_str){ bytes.ptr, i }));
    }
    lb_buffer_free(&bytes);
    lb_report_counts_free(counts);
}

static void is_bounded(void **state)
{
    struct lb_report_counts *counts = lb_report_counts_new(BEGIN);
    char name[32];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "service-%d", i);
        count(counts, name, LB_LEVEL_ERROR, "x", "5");
    }
    assert_int_equal(counts->service_count, LB_REPORT_SERVICES_MAX);
    assert_int_equal(counts->others.errors, 3000 - LB_REPORT_SERVICES_MAX);
    assert_int_equal(counts->slow_count, LB_REPORT_SLOW_MAX);
    lb_report_turn(counts, BEGIN + HOUR);
    lb_report_turn(counts, BEGIN + 2 * HOUR);
    assert_int_equal(counts->service_count, 0); /* silent ones give their place back */
    lb_report_counts_free(counts);
}

static void is_made_when_the_clock_there_says_so(void **state)
{
    struct lb_report daily = report_of("Europe/Berlin", -1, 8 * 3600);
    struct lb_report monday = report_of("+00:00", 0, 8 * 3600);
    int64_t march = 1774738800 * LB_SECOND; /* 2026-03-28T23:00:00Z: midnight in Berlin, the day of summer time */

    (void)state;
    assert_int_equal(lb_report_next(&daily, BEGIN), BEGIN + 7 * HOUR);
    assert_int_equal(lb_report_next(&daily, BEGIN + 7 * HOUR), BEGIN + 31 * HOUR);
    assert_int_equal(lb_report_next(&daily, march), march + 7 * HOUR);
    assert_int_equal(lb_report_next(&monday, BEGIN), BEGIN + (4 * 24 + 8) * HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_with_the_day_before),
        cmocka_unit_test(a_restart_forgets_nothing),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(is_made_when_the_clock_there_says_so),
    };

    lb_arena_init(&arena, 16 * 1024 * 1024);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lb_arena_free(&arena);
    return failed;
}
