#include "sink_telegram.c"

#include "lb_channel.h"

#include <signal.h>

#define TOKEN "123456789:AAH-abc_defghijklmnop"
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n{\"ok\":true,\"result\":{\"message_id\":1234}}"

static const char *const fine[] = { OK_ANSWER, OK_ANSWER, OK_ANSWER, NULL };

static void make_bench(struct channel_bench *bench, const char *const *script)
{
    channel_bench_make(bench, &lb_sink_telegram, script);
    struct sink_telegram *self = bench->sink->state;
    self->token = LB_STR(TOKEN);
    self->chat_id = LB_STR("-1001234567890");
}

static void a_message_is_plain_text(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, fine);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_tell(&bench, RESOLVED, true);
    channel_tell(&bench, "{\"level\":\"error\",\"service\":\"auth\",\"message\":\"" NASTY "\"}", false);
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 3);
    static const char line[] = "POST /bot" TOKEN "/sendMessage HTTP/1.1\r\n";
    assert_memory_equal(channel_head(&bench, 0), line, strlen(line));
    const char *body = channel_body(&bench, 0);
    assert_string_equal(channel_text(body, "chat_id"), "-1001234567890");
    assert_int_equal(channel_find(lb_str_from(body), "parse_mode").kind, LB_VALUE_NONE);
    static const char text[] = "Firing: error_rate (P1)\n[P1] error_rate: firing for payments\n\nseverity: P1\n";
    assert_memory_equal(channel_text(body, "text"), text, strlen(text));
    assert_non_null(strstr(channel_text(body, "text"), "\n> second \"x\"\n"));
    assert_string_equal(channel_text(channel_body(&bench, 1), "disable_notification"), "true");
    assert_non_null(strstr(channel_text(channel_body(&bench, 2), "text"), "<!channel> <@U1> &amp; @everyone **b**"));
    assert_int_equal(channel_mark(&bench), 3);
    channel_bench_close(&bench);
}

static void a_megabyte_is_cut_to_4096_characters(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, fine);
    channel_bench_open(&bench);
    channel_tell_megabyte(&bench, true);
    channel_tell_megabyte(&bench, false);
    channel_run_out(&bench);
    for (unsigned i = 0; i < 2; i++)
        assert_in_range(channel_units(channel_text(channel_body(&bench, i), "text")), 2000, 4096);
    assert_int_equal(channel_mark(&bench), 2);
    channel_bench_close(&bench);
}

static void it_comes_back_when_told_and_believes_only_an_ok(void **state)
{
    static const char *const script[] = {
        "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 61\r\n\r\n"
        "{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":35}} ",
        OK_ANSWER,
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"ok\":false}",
        ANSWER("403 Forbidden", ""),
        NULL,
    };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, script);
    channel_bench_open(&bench);
    int64_t before = lb_clock_monotonic();
    channel_tell(&bench, FIRING, true);
    channel_run_tries(&bench, 1);
    assert_true(bench.channel->queue.first->not_before >= before + 35 * LB_SECOND);
    bench.channel->queue.first->not_before = 0;
    channel_tell(&bench, RESOLVED, true);
    channel_tell(&bench, RESOLVED, true);
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 4);
    assert_int_equal(channel_mark(&bench), 3);
    char *letters = channel_letters(&bench);
    assert_non_null(strstr(letters, "\"kind\":\"http_200\""));
    assert_non_null(strstr(letters, "\"kind\":\"http_403\""));
    assert_null(strstr(letters, "AAH-abc"));
    free(letters);
    channel_bench_close(&bench);
}

static void a_token_or_a_chat_of_the_wrong_form_is_a_fault(void **state)
{
    static const struct {
        const char *token, *chat_id;
        uint32_t errors;
    } cases[] = {
        { TOKEN, "@channel_name", 0 },
        { TOKEN, "42", 0 },
        { "", "42", 1 },
        { "123/../x:abcdefghijklmnop", "42", 1 },
        { TOKEN, "", 1 },
        { "x", "a b", 2 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct channel_bench bench;

        make_bench(&bench, NULL);
        struct sink_telegram *self = bench.sink->state;
        self->token = lb_str_from(cases[i].token);
        self->chat_id = lb_str_from(cases[i].chat_id);
        assert_int_equal(check(bench.sink, &bench.rig.diag), cases[i].errors > 0 ? LB_BAD_CONF : LB_OK);
        assert_int_equal(bench.rig.diag.errors, cases[i].errors);
        self->token = LB_STR(TOKEN);
        self->chat_id = LB_STR("1");
        channel_bench_open(&bench);
        channel_bench_close(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_plain_text),
        cmocka_unit_test(a_megabyte_is_cut_to_4096_characters),
        cmocka_unit_test(it_comes_back_when_told_and_believes_only_an_ok),
        cmocka_unit_test(a_token_or_a_chat_of_the_wrong_form_is_a_fault),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_telegram", tests, NULL, NULL);
}
