#include "sink_alertmanager.c"

#include "lb_channel.h"

#include <signal.h>

static void make_bench(struct channel_bench *bench, const char *const *script)
{
    channel_bench_make(bench, &lb_sink_alertmanager, script);
    bench->channel->http.url = lb_str_from(bench->address);
}

/* Writes a path into a static text. */
static const char *at(unsigned i, const char *path)
{
    static char text[2][80];
    static unsigned turn;

    turn = !turn;
    snprintf(text[turn], sizeof(text[turn]), "%u.%s", i, path);
    return text[turn];
}

static int64_t time_of(const char *body, unsigned i, const char *member)
{
    int64_t time;

    assert_true(lb_time_rfc3339(lb_str_from(channel_text(body, at(i, member))), &time));
    return time;
}

static void an_alert_has_labels_and_an_end_ahead_until_it_is_over(void **state)
{
    struct channel_bench bench;
    int64_t before = lb_clock_now();

    (void)state;
    make_bench(&bench, NULL);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_tell(&bench, RESOLVED, true);
    channel_run_out(&bench);
    assert_memory_equal(channel_head(&bench, 0), "POST /api/v2/alerts HTTP/1.1\r\n", 30);
    const char *body = channel_body(&bench, 0);
    assert_string_equal(channel_text(body, "0.labels"),
                        "{\"alertname\":\"error_rate\",\"severity\":\"critical\",\"service\":\"payments\","
                        "\"zone\":\"a<b>&c\",\"team\":\"pay\"}");
    assert_string_equal(channel_text(body, "0.annotations.description"), "[P1] error_rate: firing for payments");
    assert_string_equal(channel_text(body, "0.annotations.runbook_url"), "https://wiki.example.org/errors");
    assert_string_equal(channel_text(body, "0.startsAt"), "2026-01-01T00:00:00Z");
    assert_in_range(time_of(body, 0, "endsAt") - before, 4 * 60 * LB_SECOND, 6 * 60 * LB_SECOND);
    assert_int_equal(channel_find(lb_str_from(body), "1").kind, LB_VALUE_NONE);
    body = channel_body(&bench, 1);
    assert_true(time_of(body, 0, "endsAt") <= lb_clock_now());
    assert_true(time_of(body, 0, "endsAt") >= before - LB_SECOND);
    assert_string_equal(channel_text(body, "0.labels"), channel_text(channel_body(&bench, 0), "0.labels"));
    assert_int_equal(channel_mark(&bench), 2);
    channel_bench_close(&bench);
}

static void another_severity_ends_the_one_before(void **state)
{
    struct channel_bench bench;
    struct lb_record record;

    (void)state;
    make_bench(&bench, NULL);
    channel_bench_open(&bench);
    record = lb_test_record(&bench.rig.arena, ALERT("updated", "2"));
    record.flags = LB_RECORD_ALERT;
    assert_true(lb_record_add(&record, &bench.rig.arena, lb_value_of(LB_STR("previous_severity"), LB_VALUE_CLEAN),
                              lb_value_of(LB_STR("low"), LB_VALUE_CLEAN)));
    channel_tell_record(&bench, record);
    channel_run_out(&bench);
    const char *body = channel_body(&bench, 0);
    assert_string_equal(channel_text(body, "0.labels.severity"), "low");
    assert_string_equal(channel_text(body, "1.labels.severity"), "critical");
    assert_true(time_of(body, 0, "endsAt") <= lb_clock_now());
    assert_true(time_of(body, 1, "endsAt") > lb_clock_now() + 60 * LB_SECOND);
    channel_bench_close(&bench);
}

/* A tick at that time, and what it has sent until the queue is empty. */
static int64_t tick_at(struct channel_bench *bench, int64_t monotonic)
{
    int64_t next = bench->sink->type->tick(bench->sink, monotonic);

    channel_run_out(bench);
    return next;
}

static void what_fires_is_repeated_every_minute_until_it_is_over(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_run_out(&bench);
    int64_t now = lb_clock_monotonic();
    tick_at(&bench, now); /* what was written */
    int64_t next = tick_at(&bench, now);
    assert_in_range(next - now, 50 * LB_SECOND, 60 * LB_SECOND);
    assert_int_equal(receiver_count(&bench.receiver), 1);
    for (unsigned round = 1; round <= 3; round++) {
        tick_at(&bench, now += 61 * LB_SECOND);
        tick_at(&bench, now);
        assert_int_equal(receiver_count(&bench.receiver), 1 + round);
        assert_string_equal(channel_text(channel_body(&bench, round), "0.labels"),
                            channel_text(channel_body(&bench, 0), "0.labels"));
        assert_true(time_of(channel_body(&bench, round), 0, "endsAt") > lb_clock_now() + 4 * 60 * LB_SECOND);
    }
    channel_tell(&bench, RESOLVED, true);
    channel_run_out(&bench);
    tick_at(&bench, now);
    assert_int_equal(tick_at(&bench, now + 61 * LB_SECOND), INT64_MAX);
    assert_int_equal(receiver_count(&bench.receiver), 5);
    assert_int_equal(channel_mark(&bench), 2);
    channel_bench_close(&bench);
}

static void each_try_says_anew_until_when(void **state)
{
    static const char *const script[] = { ANSWER("503 Busy", ""), ANSWER("503 Busy", ""), NULL };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, script);
    channel_bench_open(&bench);
    channel_tell(&bench,
                 "{\"state\":\"firing\",\"rule\":\"r\",\"severity\":\"low\",\"fingerprint\":\"f\",\"message\":"
                 "\"x},\\\"endsAt\\\":\\\"2020-01-01T00:00:00Z\\\"\","
                 "\"key\":{\"endsAt\":\"2020-01-01T00:00:00Z\",\"z\":\"}\"},"
                 "\"started_at\":\"2026-01-01T00:00:00Z\"}",
                 true);
    struct lb_buffer *body = &bench.channel->queue.first->body;
    char *found = memmem(body->ptr, body->len, "},\"endsAt\":\"", 12);
    assert_non_null(found);
    memcpy(found + 12, "1999-12-31T23:59:59Z", 20); /* it has waited for long */
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 3);
    for (unsigned i = 0; i < 3; i++) {
        const char *sent = channel_body(&bench, i);

        assert_true(time_of(sent, 0, "endsAt") > lb_clock_now() + 4 * 60 * LB_SECOND);
        assert_string_equal(channel_text(sent, "0.labels.endsAt"), "2020-01-01T00:00:00Z");
        assert_non_null(strstr(channel_text(sent, "0.annotations.description"), "\"2020-01-01T00:00:00Z\""));
    }
    channel_bench_close(&bench);
}

static void what_was_refused_is_not_sent_again(void **state)
{
    static const char *const script[] = { ANSWER("400 Bad Request", ""), ANSWER("400 Bad Request", ""), NULL };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, script);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 1);
    char *letters = channel_letters(&bench);
    assert_non_null(strstr(letters, "\"kind\":\"http_400\""));
    assert_null(strstr(letters, "endsAt"));
    size_t len = strlen(letters);
    free(letters);
    int64_t now = lb_clock_monotonic() + 61 * LB_SECOND;
    tick_at(&bench, now);
    tick_at(&bench, now);
    assert_int_equal(receiver_count(&bench.receiver),
                     2); /* the repeat of what fires is refused too, and leaves no letter */
    letters = channel_letters(&bench);
    assert_int_equal(strlen(letters), len);
    free(letters);
    assert_int_equal(channel_mark(&bench), 1);
    channel_bench_close(&bench);
}

static void labels_have_names_that_are_taken_and_each_once(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    channel_bench_open(&bench);
    channel_tell(&bench,
                 "{\"state\":\"firing\",\"rule\":\"r\",\"severity\":\"low\",\"fingerprint\":\"f\",\"message\":\"m\","
                 "\"key\":{\"http.path\":\"/x\",\"http-path\":\"/y\",\"severity\":\"none\",\"1st\":\"v\","
                 "\"empty\":\"\"},\"labels\":{\"team\":\"a\\r\\nb\"}}",
                 true);
    channel_tell(&bench, "{\"level\":\"error\",\"service\":\"auth\",\"message\":\"" NASTY "\"}", false);
    channel_tell_megabyte(&bench, true);
    channel_run_out(&bench);
    assert_string_equal(channel_text(channel_body(&bench, 0), "0.labels"),
                        "{\"alertname\":\"r\",\"severity\":\"low\",\"http_path\":\"/x\",\"_st\":\"v\","
                        "\"team\":\"a  b\"}");
    assert_string_equal(channel_text(channel_body(&bench, 1), "0.labels"),
                        "{\"alertname\":\"log_record\",\"severity\":\"high\",\"service\":\"auth\"}");
    assert_in_range(channel_units(channel_text(channel_body(&bench, 2), "0.annotations.description")), 1000, 4096);
    assert_int_equal(channel_mark(&bench), 3);
    channel_bench_close(&bench);
}

/* Alertmanager refuses one whose end is before its beginning, and both may lie in one second, or the clocks differ. */
static void nothing_ends_before_it_began(void **state)
{
    static const int64_t ages[] = { 0, 3 * LB_MILLISECOND, -5 * LB_SECOND };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    channel_bench_open(&bench);
    for (unsigned i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
        char started[LB_TIME_TEXT_SIZE];
        char json[256];

        lb_clock_set(INT64_C(1767225600) * LB_SECOND + 500 * LB_MILLISECOND);
        started[lb_time_write(lb_clock_now() - ages[i], started)] = '\0';
        snprintf(json, sizeof(json),
                 "{\"state\":\"resolved\",\"rule\":\"r\",\"severity\":\"low\",\"fingerprint\":\"f\","
                 "\"message\":\"m\",\"started_at\":\"%s\"}",
                 started);
        channel_tell(&bench, json, true);
        lb_clock_set(LB_TIME_NONE);
        channel_run_out(&bench);
        const char *body = channel_body(&bench, i);
        assert_true(time_of(body, 0, "endsAt") > time_of(body, 0, "startsAt"));
    }
    channel_bench_close(&bench);
}

/* Another run of logboom: the same options and ledger, a new state. */
static void restart(struct channel_bench *bench, const struct sink_alertmanager *options_only)
{
    bench->sink->type->close(bench->sink);
    memcpy(bench->sink->state, options_only, sizeof(*options_only));
    channel_bench_open(bench);
}

static void what_fires_is_repeated_after_a_restart_and_what_is_over_is_not(void **state)
{
    struct channel_bench bench;
    struct sink_alertmanager options_only;

    (void)state;
    make_bench(&bench, NULL);
    memcpy(&options_only, bench.sink->state, sizeof(options_only));
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_run_out(&bench);
    restart(&bench, &options_only);
    tick_at(&bench, lb_clock_monotonic());
    tick_at(&bench, lb_clock_monotonic());
    assert_int_equal(receiver_count(&bench.receiver), 2);
    assert_string_equal(channel_text(channel_body(&bench, 1), "0.labels"),
                        channel_text(channel_body(&bench, 0), "0.labels"));
    assert_true(time_of(channel_body(&bench, 1), 0, "endsAt") > lb_clock_now() + 4 * 60 * LB_SECOND);
    restart(&bench, &options_only);
    channel_tell(&bench, RESOLVED, true);
    channel_run_out(&bench);
    restart(&bench, &options_only);
    assert_int_equal(((struct sink_alertmanager *)bench.sink->state)->firing.count, 0);
    tick_at(&bench, lb_clock_monotonic());
    assert_int_equal(tick_at(&bench, lb_clock_monotonic() + 61 * LB_SECOND), INT64_MAX);
    assert_int_equal(receiver_count(&bench.receiver), 3);
    channel_bench_close(&bench);
}

static void what_nobody_has_told_for_a_week_is_dropped(void **state)
{
    struct channel_bench bench;
    struct sink_alertmanager options_only;

    (void)state;
    make_bench(&bench, NULL);
    memcpy(&options_only, bench.sink->state, sizeof(options_only));
    channel_bench_open(&bench);
    struct firing_table *table = &((struct sink_alertmanager *)bench.sink->state)->firing;
    int64_t now = lb_clock_now();
    assert_true(firing_put(table, LB_STR("old"), LB_STR("{"), now - FIRING_KEEP - LB_SECOND));
    assert_true(firing_put(table, LB_STR("young"), LB_STR("{\"a\":\"b c\""), now - FIRING_KEEP + 3600 * LB_SECOND));
    restart(&bench, &options_only);
    assert_int_equal(table->count, 1);
    assert_string_equal(table->first->fingerprint, "young");
    assert_int_equal(table->first->told_ns, now - FIRING_KEEP + 3600 * LB_SECOND);
    assert_text(((struct lb_str){ table->first->text, table->first->length }), "{\"a\":\"b c\"");
    firing_expire(table, now + 7200 * LB_SECOND);
    assert_int_equal(table->count, 0);
    assert_int_equal(table->bytes, 0);
    channel_bench_close(&bench);
}

static void the_table_is_bounded_and_long_repeats_are_cut_into_requests(void **state)
{
    enum { ALERTS = 150, LONG = 3000 };
    struct channel_bench bench;

    char *text = malloc(LONG + 1);

    (void)state;
    make_bench(&bench, NULL);
    channel_bench_open(&bench);
    struct sink_alertmanager *self = bench.sink->state;
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    for (unsigned i = 0; i < ALERTS; i++) {
        char fingerprint[16];

        snprintf(fingerprint, sizeof(fingerprint), "%u", i);
        assert_true(firing_put(&self->firing, lb_str_from(fingerprint), (struct lb_str){ text, LONG }, lb_clock_now()));
    }
    int64_t now = lb_clock_monotonic() + 61 * LB_SECOND;
    for (unsigned i = 0; i < 5; i++)
        idle(bench.sink, now);
    unsigned requests = 0;
    for (const struct http_request *each = bench.channel->queue.first; each != NULL; each = each->next) {
        assert_in_range(each->body.len, LONG, REPEAT_BYTES + 2 * LONG);
        requests++;
    }
    assert_int_equal(requests, ALERTS * LONG / REPEAT_BYTES + 1);
    size_t kept = self->firing.count;
    for (unsigned i = ALERTS; i < 2 * FIRING_MAX; i++) {
        char fingerprint[16];

        snprintf(fingerprint, sizeof(fingerprint), "%u", i);
        kept += firing_put(&self->firing, lb_str_from(fingerprint), (struct lb_str){ text, 100 }, lb_clock_now());
    }
    assert_int_equal(kept, FIRING_MAX);
    assert_int_equal(self->firing.count, FIRING_MAX);
    free(text);

    channel_bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_has_labels_and_an_end_ahead_until_it_is_over),
        cmocka_unit_test(another_severity_ends_the_one_before),
        cmocka_unit_test(what_fires_is_repeated_every_minute_until_it_is_over),
        cmocka_unit_test(each_try_says_anew_until_when),
        cmocka_unit_test(what_was_refused_is_not_sent_again),
        cmocka_unit_test(labels_have_names_that_are_taken_and_each_once),
        cmocka_unit_test(nothing_ends_before_it_began),
        cmocka_unit_test(what_fires_is_repeated_after_a_restart_and_what_is_over_is_not),
        cmocka_unit_test(what_nobody_has_told_for_a_week_is_dropped),
        cmocka_unit_test(the_table_is_bounded_and_long_repeats_are_cut_into_requests),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_alertmanager", tests, NULL, NULL);
}
