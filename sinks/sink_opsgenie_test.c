#include "sink_opsgenie.c"

#include "lb_channel.h"

#include <signal.h>

#define KEY "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"

static void make_bench(struct channel_bench *bench, const char *const *script)
{
    channel_bench_make(bench, &lb_sink_opsgenie, script);
    ((struct sink_opsgenie *)bench->sink->state)->api_key = LB_STR(KEY);
}

static void an_alert_is_created_and_closed_by_its_alias(void **state)
{
    static const char *const script[] = { ANSWER("202 Accepted", ""), ANSWER("202 Accepted", ""), NULL };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, script);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_tell(&bench, RESOLVED, true);
    channel_run_out(&bench);
    assert_memory_equal(channel_head(&bench, 0), "POST /v2/alerts HTTP/1.1\r\n", 26);
    assert_non_null(strstr(channel_head(&bench, 0), "\r\nAuthorization: GenieKey " KEY));
    const char *body = channel_body(&bench, 0);
    assert_string_equal(channel_text(body, "message"), "[P1] error_rate: firing for payments");
    assert_string_equal(channel_text(body, "alias"), "00112233445566778899aabbccddeeff");
    assert_string_equal(channel_text(body, "priority"), "P1");
    assert_string_equal(channel_text(body, "entity"), "payments");
    assert_string_equal(channel_text(body, "tags.1"), "error_rate");
    assert_string_equal(channel_text(body, "details.zone"), "a<b>&c");
    assert_non_null(strstr(channel_text(body, "description"), "\nthreshold: above 5%\n"));
    static const char closing[] =
        "POST /v2/alerts/00112233445566778899aabbccddeeff/close?identifierType=alias HTTP/1.1\r\n";
    assert_memory_equal(channel_head(&bench, 1), closing, strlen(closing));
    assert_string_equal(channel_text(channel_body(&bench, 1), "note"), "[P1] error_rate: resolved for payments");
    assert_int_equal(channel_mark(&bench), 2);
    channel_bench_close(&bench);
}

static void a_megabyte_stays_within_the_limits(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    channel_bench_open(&bench);
    channel_tell_megabyte(&bench, true);
    channel_tell_megabyte(&bench, false);
    channel_run_out(&bench);
    for (unsigned i = 0; i < 2; i++) {
        const char *body = channel_body(&bench, i);

        assert_in_range(channel_units(channel_text(body, "message")), 100, 130);
        assert_in_range(channel_units(channel_text(body, "description")), 1000, 15000);
        assert_in_range(channel_units(channel_text(body, "details")), 1, 8000);
        assert_in_range(channel_units(channel_text(body, "entity")), 1, 512);
    }
    assert_int_equal(channel_mark(&bench), 2);
    channel_bench_close(&bench);
}

static void a_refused_one_is_a_dead_letter_without_the_key(void **state)
{
    static const char *const script[] = { ANSWER("429 Too Many Requests", ""), ANSWER("422 Unprocessable", ""), NULL };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, script);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 2);
    char *letters = channel_letters(&bench);
    assert_non_null(strstr(letters, "\"kind\":\"http_422\""));
    assert_null(strstr(letters, KEY));
    free(letters);
    channel_bench_close(&bench);
}

static void a_key_that_would_write_a_header_is_a_fault(void **state)
{
    static const char *const keys[] = { "", "x\r\nEvil: 1", "with blank" };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    struct sink_opsgenie *self = bench.sink->state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        self->api_key = lb_str_from(keys[i]);
        assert_int_equal(check(bench.sink, &bench.rig.diag), LB_BAD_CONF);
        assert_int_equal(bench.rig.diag.errors, i + 1);
    }
    self->api_key = LB_STR(KEY);
    channel_bench_open(&bench);
    channel_bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_is_created_and_closed_by_its_alias),
        cmocka_unit_test(a_megabyte_stays_within_the_limits),
        cmocka_unit_test(a_refused_one_is_a_dead_letter_without_the_key),
        cmocka_unit_test(a_key_that_would_write_a_header_is_a_fault),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_opsgenie", tests, NULL, NULL);
}
