#include "sink_discord.c"

#include "lb_channel.h"

#include <signal.h>

static void an_embed_calls_nobody_and_shows_no_markup(void **state)
{
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_discord, NULL);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_tell(&bench, RESOLVED, true);
    channel_tell(&bench, "{\"level\":\"error\",\"service\":\"auth\",\"message\":\"" NASTY "\"}", false);
    channel_run_out(&bench);
    const char *body = channel_body(&bench, 0);
    assert_string_equal(channel_text(body, "allowed_mentions.parse"), "[]");
    assert_string_equal(channel_text(body, "embeds.0.title"), "Firing\\: error\\_rate \\(P1\\)");
    assert_string_equal(channel_text(body, "embeds.0.color"), "11740702"); /* 0xb3261e */
    assert_string_equal(channel_text(body, "embeds.0.timestamp"), "2026-01-01T00:00:00Z");
    assert_string_equal(channel_text(body, "embeds.0.description"),
                        "\\[P1\\] error\\_rate\\: firing for payments\n```\n"
                        "timeout ''' <!channel> @everyone\nsecond \"x\"\n```");
    assert_string_equal(channel_text(body, "embeds.0.fields.0.name"), "severity");
    assert_string_equal(channel_text(body, "embeds.0.fields.0.value"), "P1");
    assert_string_equal(channel_text(channel_body(&bench, 1), "embeds.0.color"), "3061373"); /* 0x2eb67d */
    body = channel_body(&bench, 2);
    assert_string_equal(channel_text(body, "allowed_mentions.parse"), "[]");
    const char *text = channel_text(body, "embeds.0.description");
    for (const char *at = text; (at = strpbrk(at, "<>@*`[]()")) != NULL; at++)
        assert_true(at > text && at[-1] == '\\');
    assert_int_equal(channel_mark(&bench), 3);
    channel_bench_close(&bench);
}

static void a_megabyte_is_cut_to_what_an_embed_may_hold(void **state)
{
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_discord, NULL);
    channel_bench_open(&bench);
    channel_tell_megabyte(&bench, true);
    channel_tell_megabyte(&bench, false);
    channel_run_out(&bench);
    for (unsigned i = 0; i < 2; i++) {
        const char *body = channel_body(&bench, i);
        size_t units = channel_units(channel_text(body, "embeds.0.title"));
        size_t description = channel_units(channel_text(body, "embeds.0.description"));

        assert_in_range(units, 1, 256);
        assert_in_range(description, 1500, 4096);
        units += description;
        for (unsigned n = 0; n < 25; n++) {
            char path[40];

            snprintf(path, sizeof(path), "embeds.0.fields.%u.value", n);
            if (channel_find(lb_str_from(body), path).kind == LB_VALUE_NONE)
                break;
            units += channel_units(channel_text(body, path));
            snprintf(path, sizeof(path), "embeds.0.fields.%u.name", n);
            units += channel_units(channel_text(body, path));
        }
        assert_in_range(units, 1, 6000);
    }
    assert_int_equal(channel_mark(&bench), 2);
    channel_bench_close(&bench);
}

static void a_limit_is_waited_for_and_a_deleted_webhook_is_refused(void **state)
{
    static const char *const script[] = {
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 52\r\n\r\n"
        "{\"message\":\"slow down\",\"retry_after\":64.57,\"g\":true}",
        ANSWER("204 No Content", ""),
        ANSWER("404 Not Found", ""),
        NULL,
    };
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_discord, script);
    channel_bench_open(&bench);
    int64_t before = lb_clock_monotonic();
    channel_tell(&bench, FIRING, true);
    channel_run_tries(&bench, 1);
    assert_true(bench.channel->queue.first->not_before >= before + 64570 * LB_MILLISECOND);
    bench.channel->queue.first->not_before = 0;
    channel_tell(&bench, RESOLVED, true);
    channel_run_out(&bench);
    assert_int_equal(channel_mark(&bench), 2);
    char *letters = channel_letters(&bench);
    assert_non_null(strstr(letters, "\"kind\":\"http_404\""));
    assert_null(strstr(letters, "embeds"));
    free(letters);
    channel_bench_close(&bench);
}

static void the_last_one_that_is_allowed_is_followed_by_a_wait(void **state)
{
    static const char *const script[] = {
        ANSWER("204 No Content", "X-RateLimit-Remaining: 1\r\nX-RateLimit-Reset-After: 3600\r\n"),
        ANSWER("204 No Content", "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset-After: 1800.5\r\n"),
        NULL,
    };
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_discord, script);
    channel_bench_open(&bench);
    int64_t before = lb_clock_monotonic();
    for (int i = 0; i < 4; i++)
        channel_tell(&bench, FIRING, true);
    while (bench.channel->queue.hold_until == 0) {
        assert_true(lb_clock_monotonic() < before + RECEIVER_SECONDS * LB_SECOND);
        http_queue_step(&bench.channel->queue, 10);
    }
    assert_true(bench.channel->queue.hold_until >= before + 1800500 * LB_MILLISECOND);
    assert_true(http_queue_step(&bench.channel->queue, 10) > before + 1800 * LB_SECOND);
    assert_int_equal(receiver_count(&bench.receiver), 2);
    bench.channel->queue.hold_until = 0;
    channel_run_out(&bench);
    assert_int_equal(channel_mark(&bench), 4);
    channel_bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_embed_calls_nobody_and_shows_no_markup),
        cmocka_unit_test(a_megabyte_is_cut_to_what_an_embed_may_hold),
        cmocka_unit_test(a_limit_is_waited_for_and_a_deleted_webhook_is_refused),
        cmocka_unit_test(the_last_one_that_is_allowed_is_followed_by_a_wait),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_discord", tests, NULL, NULL);
}
