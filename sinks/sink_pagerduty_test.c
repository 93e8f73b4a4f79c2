#include "sink_pagerduty.c"

#include "lb_channel.h"

#include <signal.h>

#define KEY "0123456789abcdef0123456789ABCDEF"

static void make_bench(struct channel_bench *bench, const char *const *script)
{
    channel_bench_make(bench, &lb_sink_pagerduty, script);
    ((struct sink_pagerduty *)bench->sink->state)->routing_key = LB_STR(KEY);
}

static void an_incident_is_opened_and_resolved_by_its_fingerprint(void **state)
{
    static const char *const script[] = { ANSWER("202 Accepted", ""), ANSWER("202 Accepted", ""), NULL };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, script);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_tell(&bench, RESOLVED, true);
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 2);
    assert_memory_equal(channel_head(&bench, 0), "POST /v2/enqueue HTTP/1.1\r\n", 27);
    const char *body = channel_body(&bench, 0);
    assert_string_equal(channel_text(body, "routing_key"), KEY);
    assert_string_equal(channel_text(body, "event_action"), "trigger");
    assert_string_equal(channel_text(body, "dedup_key"), "00112233445566778899aabbccddeeff");
    assert_string_equal(channel_text(body, "payload.summary"), "[P1] error_rate: firing for payments");
    assert_string_equal(channel_text(body, "payload.source"), "payments");
    assert_string_equal(channel_text(body, "payload.severity"), "critical");
    assert_string_equal(channel_text(body, "payload.timestamp"), "2026-01-01T00:00:00Z");
    assert_string_equal(channel_text(body, "payload.class"), "error_rate");
    assert_string_equal(channel_text(body, "payload.custom_details.facts.threshold"), "above 5%");
    assert_string_equal(channel_text(body, "payload.custom_details.facts.zone"), "a<b>&c");
    assert_string_equal(channel_text(body, "payload.custom_details.facts.team"), "pay");
    assert_string_equal(channel_text(body, "payload.custom_details.samples.1"), "second \"x\"");
    assert_string_equal(channel_text(body, "links.0.href"), "https://wiki.example.org/errors");
    body = channel_body(&bench, 1);
    assert_string_equal(channel_text(body, "event_action"), "resolve");
    assert_string_equal(channel_text(body, "dedup_key"), "00112233445566778899aabbccddeeff");
    assert_int_equal(channel_find(lb_str_from(body), "payload").kind, LB_VALUE_NONE);
    assert_int_equal(channel_mark(&bench), 2);
    channel_bench_close(&bench);
}

static void each_record_is_an_incident_of_its_own(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    channel_bench_open(&bench);
    channel_tell(&bench, RESOLVED, false); /* a log line calls nobody off */
    channel_tell(&bench, "{\"level\":\"warn\",\"message\":\"" NASTY "\"}", false);
    channel_run_out(&bench);
    const char *body = channel_body(&bench, 0);
    assert_string_equal(channel_text(body, "event_action"), "trigger");
    assert_string_not_equal(channel_text(body, "dedup_key"), channel_text(channel_body(&bench, 1), "dedup_key"));
    body = channel_body(&bench, 1);
    assert_string_equal(channel_text(body, "payload.severity"), "warning");
    assert_string_equal(channel_text(body, "payload.source"), "logboom");
    assert_null(strpbrk(channel_text(body, "payload.summary"), "\r\n"));
    channel_bench_close(&bench);
}

static void a_megabyte_is_cut(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    channel_bench_open(&bench);
    channel_tell_megabyte(&bench, true);
    channel_run_out(&bench);
    const char *body = channel_body(&bench, 0);
    assert_in_range(strlen(body), 1, 512000);
    assert_in_range(channel_units(channel_text(body, "payload.summary")), 1000, 1024);
    assert_int_equal(channel_mark(&bench), 1);
    channel_bench_close(&bench);
}

static void an_invalid_event_is_a_dead_letter_and_throttling_is_not(void **state)
{
    static const char *const script[] = { ANSWER("429 Too Many Requests", ""), ANSWER("500 Oops", ""),
                                          ANSWER("202 Accepted", ""), ANSWER("400 Bad Request", ""), NULL };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, script);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_tell(&bench, RESOLVED, true);
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 4);
    assert_int_equal(channel_mark(&bench), 2);
    char *letters = channel_letters(&bench);
    assert_non_null(strstr(letters, "\"kind\":\"http_400\""));
    assert_non_null(strstr(letters, "\"state\":\"resolved\""));
    assert_null(strstr(letters, "firing"));
    assert_non_null(strstr(letters, ",\"alert\":true,\"record\":{")); /* replayed it resolves */
    assert_null(strstr(letters, KEY));
    free(letters);
    channel_bench_close(&bench);
}

static void each_state_is_what_it_means_for_an_incident(void **state)
{
    static const struct {
        const char *record;
        const char *action;
        const char *severity; /* of a trigger */
    } cases[] = {
        { ALERT("escalated", "3"), "trigger", "critical" },  { ALERT("flapping", "3"), "trigger", "critical" },
        { ALERT("acknowledged", "3"), "acknowledge", NULL }, { ALERT("suppressed", "3"), "resolve", NULL },
        { ALERT("digest", "3"), "trigger", "info" },         { ALERT("heartbeat", "3"), "trigger", "info" },
        { ALERT("report", "3"), "trigger", "info" },         { ALERT("something_new", "3"), "trigger", "info" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const char *const script[] = { "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}", NULL };
        struct channel_bench bench;

        make_bench(&bench, script);
        channel_bench_open(&bench);
        channel_tell(&bench, cases[i].record, true);
        channel_run_out(&bench);
        const char *body = channel_body(&bench, 0);
        assert_string_equal(channel_text(body, "event_action"), cases[i].action);
        assert_int_equal(channel_find(lb_str_from(body), "payload").kind,
                         cases[i].severity != NULL ? LB_VALUE_OBJECT : LB_VALUE_NONE);
        if (cases[i].severity != NULL)
            assert_string_equal(channel_text(body, "payload.severity"), cases[i].severity);
        channel_bench_close(&bench);
    }
}

static void a_key_of_the_wrong_form_is_a_fault(void **state)
{
    static const char *const keys[] = { "", "short", KEY "0", "0123456789abcdef0123456789ABCDE\n",
                                        "0123456789abcdef 123456789ABCDEF" };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    struct sink_pagerduty *self = bench.sink->state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        self->routing_key = lb_str_from(keys[i]);
        assert_int_equal(check(bench.sink, &bench.rig.diag), LB_BAD_CONF);
        assert_int_equal(bench.rig.diag.errors, i + 1);
        assert_non_null(strstr(bench.rig.diag.entries[i].text, "routing_key: expected the integration key"));
        assert_null(strstr(bench.rig.diag.entries[i].text, "0123"));
    }
    self->routing_key = LB_STR(KEY);
    bench.channel->http.url = LB_STR("https://events.pagerduty.com/?x");
    assert_int_equal(check(bench.sink, &bench.rig.diag), LB_BAD_CONF);
    bench.channel->http.url = LB_STR("https://events.pagerduty.com/");
    channel_bench_open(&bench);
    channel_bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_incident_is_opened_and_resolved_by_its_fingerprint),
        cmocka_unit_test(each_record_is_an_incident_of_its_own),
        cmocka_unit_test(a_megabyte_is_cut),
        cmocka_unit_test(an_invalid_event_is_a_dead_letter_and_throttling_is_not),
        cmocka_unit_test(each_state_is_what_it_means_for_an_incident),
        cmocka_unit_test(a_key_of_the_wrong_form_is_a_fault),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_pagerduty", tests, NULL, NULL);
}
