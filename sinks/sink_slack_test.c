#include "sink_slack.c"

#include "lb_channel.h"

#include <signal.h>

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static const char *const fine[] = { OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER, NULL };

static void an_alert_is_an_attachment_of_its_colour(void **state)
{
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_slack, fine);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_tell(&bench, RESOLVED, true);
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 2);
    const char *body = channel_body(&bench, 0);
    assert_string_equal(channel_text(body, "text"), "Firing: error_rate (P1)");
    assert_string_equal(channel_text(body, "attachments.0.color"), "#B3261E");
    assert_string_equal(channel_text(body, "attachments.0.blocks.0.type"), "section");
    assert_string_equal(channel_text(body, "attachments.0.blocks.0.text.type"), "plain_text");
    assert_string_equal(channel_text(body, "attachments.0.blocks.0.text.text"), "[P1] error_rate: firing for payments");
    assert_string_equal(channel_text(body, "attachments.0.blocks.1.fields.0.text"), "severity\nP1");
    assert_string_equal(channel_text(body, "attachments.0.blocks.1.fields.1.text"),
                        "runbook\nhttps://wiki.example.org/errors");
    assert_string_equal(channel_text(body, "attachments.0.blocks.1.fields.2.text"), "service\npayments");
    assert_string_equal(channel_text(body, "attachments.0.blocks.1.fields.3.text"), "zone\na&lt;b&gt;&amp;c");
    assert_int_equal(channel_find(lb_str_from(body), "attachments.0.blocks.1.fields.10").kind, LB_VALUE_NONE);
    assert_string_equal(channel_text(body, "attachments.0.blocks.2.type"), "section");
    assert_string_equal(channel_text(body, "attachments.0.blocks.3.text.type"), "mrkdwn");
    assert_string_equal(channel_text(body, "attachments.0.blocks.3.text.text"),
                        "```timeout ''' &lt;!channel&gt; @everyone\nsecond \"x\"```");
    body = channel_body(&bench, 1);
    assert_string_equal(channel_text(body, "text"), "Resolved: error_rate");
    assert_string_equal(channel_text(body, "attachments.0.color"), "#2EB67D");
    assert_non_null(strcasestr(channel_head(&bench, 0), "\r\nContent-Type: application/json"));
    assert_int_equal(channel_mark(&bench), 2);
    channel_bench_close(&bench);
}

static void every_state_has_words(void **state)
{
    static const struct {
        const char *record;
        const char *text;
    } cases[] = {
        { ALERT("escalated", "3"), "Escalated: error_rate (P1)" },
        { ALERT("acknowledged", "3"), "Acknowledged: error_rate (P1)" },
        { ALERT("flapping", "3"), "Flapping: error_rate (P1)" },
        { ALERT("suppressed", "3"), "Suppressed: error_rate" },
        { ALERT("digest", "3"), "Digest: error_rate" },
        { ALERT("heartbeat", "3"), "Heartbeat: error_rate" },
        { ALERT("something &new", "3"), "Something &amp;new: error_rate" },
        { "{\"message\":\"all is well\",\"state\":\"report\"}", "Report" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct channel_bench bench;

        channel_bench_make(&bench, &lb_sink_slack, fine);
        channel_bench_open(&bench);
        channel_tell(&bench, cases[i].record, true);
        channel_run_out(&bench);
        assert_string_equal(channel_text(channel_body(&bench, 0), "text"), cases[i].text);
        channel_bench_close(&bench);
    }
}

static void a_record_that_looks_like_an_alert_is_told_as_a_record(void **state)
{
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_slack, fine);
    channel_bench_open(&bench);
    channel_tell(&bench, RESOLVED, false);
    channel_tell(&bench, "{\"level\":\"error\",\"service\":\"auth\",\"message\":\"" NASTY "\"}", false);
    channel_tell(&bench, "{}", false);
    channel_run_out(&bench);
    assert_string_equal(channel_text(channel_body(&bench, 0), "text"), "critical: payments");
    const char *body = channel_body(&bench, 1);
    assert_string_equal(channel_text(body, "text"), "error: auth");
    const char *text = channel_text(body, "attachments.0.blocks.0.text.text");
    assert_null(strpbrk(text, "<>\r"));
    assert_memory_equal(text, "&lt;!channel&gt; &lt;@U1&gt; &amp;amp;", 37);
    assert_string_equal(channel_text(channel_body(&bench, 2), "attachments.0.blocks.0.text.text"), "log");
    channel_bench_close(&bench);
}

static void a_megabyte_is_cut_not_refused(void **state)
{
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_slack, fine);
    channel_bench_open(&bench);
    channel_tell_megabyte(&bench, true);
    channel_tell_megabyte(&bench, false);
    channel_run_out(&bench);
    for (unsigned i = 0; i < 2; i++) {
        const char *body = channel_body(&bench, i);

        assert_in_range(channel_units(channel_text(body, "attachments.0.blocks.0.text.text")), 2900, 3000);
        assert_in_range(channel_units(channel_text(body, "text")), 1, 150);
    }
    assert_int_equal(channel_mark(&bench), 2);
    channel_bench_close(&bench);
}

#define ANSWER_OF(status, more, length, body) "HTTP/1.1 " status "\r\n" more "Content-Length: " length "\r\n\r\n" body

static void what_slack_answers_decides(void **state)
{
    static const struct {
        const char *answer;
        bool again; /* tried again, else a dead letter */
        int64_t wait;
    } cases[] = {
        { ANSWER_OF("429 Too Many Requests", "Retry-After: 7\r\n", "0", ""), true, 7 * LB_SECOND },
        { ANSWER_OF("429 Too Many Requests", "", "53",
                    "{\"retry_after\":9,\"ok\":false,\"error\":\"rate_limited\"}     "),
          true, 9 * LB_SECOND },
        { ANSWER_OF("200 OK", "", "53", "{\"retry_after\":9,\"ok\":false,\"error\":\"rate_limited\"}     "), true,
          9 * LB_SECOND },
        { ANSWER_OF("500 Oops", "", "12", "rollup_error"), true, 0 },
        { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\no", true, 0 }, /* half an answer */
        { ANSWER_OF("400 Bad Request", "", "15", "invalid_payload"), false, 0 },
        { ANSWER_OF("403 Forbidden", "", "13", "invalid_token"), false, 0 },
        { ANSWER_OF("404 Not Found", "", "10", "no_service"), false, 0 },
        { ANSWER_OF("410 Gone", "", "19", "channel_is_archived"), false, 0 },
        { ANSWER_OF("200 OK", "", "13", "<html></html>"), false, 0 }, /* not Slack */
        { ANSWER_OF("302 Found", "Location: http://127.0.0.1:1/\r\n", "0", ""), false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct channel_bench bench;
        const char *script[] = { cases[i].answer, OK_ANSWER, NULL };

        channel_bench_make(&bench, &lb_sink_slack, script);
        channel_bench_open(&bench);
        channel_tell(&bench, FIRING, true);
        int64_t before = lb_clock_monotonic();
        if (cases[i].again && cases[i].wait > 0) {
            channel_run_tries(&bench, 1);
            assert_true(bench.channel->queue.first->not_before >= before + cases[i].wait);
            assert_int_equal(channel_mark(&bench), 0);
        } else {
            channel_run_out(&bench);
            assert_int_equal(receiver_count(&bench.receiver), cases[i].again ? 2 : 1);
            assert_int_equal(channel_mark(&bench), 1);
            char *letters = channel_letters(&bench);
            assert_int_equal(strstr(letters, "\"rule\":\"error_rate\"") != NULL, !cases[i].again);
            assert_null(strstr(letters, "attachments")); /* the record, not what Slack gets */
            free(letters);
        }
        channel_bench_close(&bench);
    }
}

static void who_never_answers_is_tried_again(void **state)
{
    static const char *const script[] = { ANSWER_NEVER, OK_ANSWER, NULL };
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_slack, script);
    bench.channel->http.timeout_ns = 200 * LB_MILLISECOND;
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_run_tries(&bench, 1);
    bench.channel->http.timeout_ns = 10 * LB_SECOND;
    channel_run_out(&bench);
    assert_true(receiver_count(&bench.receiver) >= 2);
    assert_int_equal(channel_mark(&bench), 1);
    channel_bench_close(&bench);
}

static void more_than_a_burst_is_paced(void **state)
{
    struct channel_bench bench;
    const char *script[] = { OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER, NULL };

    (void)state;
    channel_bench_make(&bench, &lb_sink_slack, script);
    channel_bench_open(&bench);
    bench.channel->queue.every_ns = 3600 * LB_SECOND;
    bench.channel->queue.burst_ns = 3 * bench.channel->queue.every_ns;
    for (int i = 0; i < 5; i++)
        channel_tell(&bench, FIRING, true);
    int64_t begin = lb_clock_monotonic();
    while (receiver_count(&bench.receiver) < 3 || bench.channel->queue.in_flight > 0) {
        assert_true(lb_clock_monotonic() < begin + RECEIVER_SECONDS * LB_SECOND);
        http_queue_step(&bench.channel->queue, 10);
    }
    assert_true(http_queue_step(&bench.channel->queue, 10) > begin + 1800 * LB_SECOND);
    assert_int_equal(receiver_count(&bench.receiver), 3);
    bench.channel->queue.burst_ns = 100 * bench.channel->queue.every_ns;
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 5);
    channel_bench_close(&bench);
}

static void a_bad_address_is_a_fault_that_does_not_show_it(void **state)
{
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_slack, fine);
    bench.channel->http.url = LB_STR("ftp://hooks.slack.com/services/T0/hunter2");
    assert_int_equal(check(bench.sink, &bench.rig.diag), LB_BAD_CONF);
    assert_non_null(strstr(bench.rig.diag.entries[0].text, "url: expected"));
    assert_null(strstr(bench.rig.diag.entries[0].text, "hunter2"));
    bench.channel->http.url = lb_str_from(bench.receiver.url);
    channel_bench_open(&bench);
    channel_bench_close(&bench);
}

static void without_memory_it_waits_and_tells_once(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (long n = 1; n < 40; n++) {
        struct channel_bench bench;

        channel_bench_make(&bench, &lb_sink_slack, fine);
        channel_bench_open(&bench);
        struct rig_batch *batch = rig_batch(&bench.rig, 0, 3);
        struct lb_token *token = lb_token_issue(bench.rig.stream, 0, 3, false);
        lb_alloc_fail_at = n;
        enum lb_err err = bench.sink->type->write(bench.sink, &batch->batch, &batch->selection, token);
        lb_alloc_fail_at = 0;
        if (err != LB_OK) {
            failed++;
            assert_int_equal(bench.sink->type->write(bench.sink, &batch->batch, &batch->selection, token), LB_OK);
        }
        lb_token_done(token, LB_DELIVERED, NULL);
        lb_batch_unref(&batch->batch);
        channel_run_out(&bench);
        assert_int_equal(receiver_count(&bench.receiver), 3);
        for (unsigned i = 0; i < 3; i++) {
            char expected[8];

            snprintf(expected, sizeof(expected), "%u", i);
            assert_string_equal(channel_text(channel_body(&bench, i), "attachments.0.blocks.0.text.text"), expected);
        }
        assert_int_equal(channel_mark(&bench), 3);
        channel_bench_close(&bench);
    }
    assert_in_range(failed, 5, 39);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_is_an_attachment_of_its_colour),
        cmocka_unit_test(every_state_has_words),
        cmocka_unit_test(a_record_that_looks_like_an_alert_is_told_as_a_record),
        cmocka_unit_test(a_megabyte_is_cut_not_refused),
        cmocka_unit_test(what_slack_answers_decides),
        cmocka_unit_test(who_never_answers_is_tried_again),
        cmocka_unit_test(more_than_a_burst_is_paced),
        cmocka_unit_test(a_bad_address_is_a_fault_that_does_not_show_it),
        cmocka_unit_test(without_memory_it_waits_and_tells_once),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_slack", tests, NULL, NULL);
}
