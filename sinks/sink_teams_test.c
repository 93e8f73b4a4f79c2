#include "sink_teams.c"

#include "lb_channel.h"

#include <signal.h>

#define CARD "attachments.0.content"

static void a_card_holds_text_without_markdown(void **state)
{
    struct channel_bench bench;

    (void)state;
    channel_bench_make(&bench, &lb_sink_teams, NULL);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_tell(&bench, RESOLVED, true);
    channel_tell(&bench, "{\"level\":\"error\",\"service\":\"auth\",\"message\":\"" NASTY "\"}", false);
    channel_run_out(&bench);
    const char *body = channel_body(&bench, 0);
    assert_string_equal(channel_text(body, "type"), "message");
    assert_string_equal(channel_text(body, "attachments.0.contentType"), "application/vnd.microsoft.card.adaptive");
    assert_string_equal(channel_text(body, CARD ".type"), "AdaptiveCard");
    assert_string_equal(channel_text(body, CARD ".version"), "1.2");
    assert_string_equal(channel_text(body, CARD ".body.0.inlines.0.text"), "Firing: error_rate (P1)");
    assert_string_equal(channel_text(body, CARD ".body.0.inlines.0.color"), "Attention");
    assert_string_equal(channel_text(body, CARD ".body.1.inlines.0.text"), "[P1] error_rate: firing for payments");
    assert_string_equal(channel_text(body, CARD ".body.2.inlines.0.text"), "severity");
    assert_string_equal(channel_text(body, CARD ".body.2.inlines.2.text"), "P1");
    assert_string_equal(channel_text(channel_body(&bench, 1), CARD ".body.0.inlines.0.color"), "Good");
    for (unsigned i = 0; i < 3; i++) {
        assert_null(strstr(channel_body(&bench, i), "\"TextBlock\"")); /* would read Markdown */
        assert_null(strstr(channel_body(&bench, i), "\"FactSet\""));
    }
    assert_non_null(strstr(channel_text(channel_body(&bench, 2), CARD ".body.1.inlines.0.text"), "**b** [x]"));
    assert_int_equal(channel_mark(&bench), 3);
    channel_bench_close(&bench);
}

/* Characters of three bytes wherever there is room. */
static struct lb_str wide(char *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy(out + 3 * i, "\xe6\xbc\xa2", 3);
    return (struct lb_str){ out, 3 * count };
}

static void a_card_stays_below_28_kilobytes(void **state)
{
    enum { COUNT = 300000 };
    struct channel_bench bench;
    char *text = malloc((size_t)3 * COUNT);
    struct lb_buffer out;

    (void)state;
    lb_buffer_init(&out, 65536);
    lb_buffer_print(&out, "{\"level\":\"error\",\"state\":\"firing\",\"rule\":\"r\",\"severity\":\"low\",\"key\":{");
    for (int i = 0; i < 16; i++) {
        lb_buffer_print(&out, "%s\"k%d", i > 0 ? "," : "", i);
        lb_buffer_append_str(&out, wide(text, 60));
        lb_buffer_print(&out, "\":\"");
        lb_buffer_append_str(&out, wide(text, 200));
        lb_buffer_print(&out, "\"");
    }
    lb_buffer_print(&out, "}}%c", '\0');
    assert_false(out.failed);
    channel_bench_make(&bench, &lb_sink_teams, NULL);
    channel_bench_open(&bench);
    channel_tell_megabyte(&bench, true);
    channel_tell_megabyte(&bench, false);
    struct lb_record record = lb_test_record(&bench.rig.arena, out.ptr);
    record.flags = LB_RECORD_ALERT;
    record.message = lb_value_text(wide(text, COUNT));
    channel_tell_record(&bench, record);
    channel_run_out(&bench);
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(strlen(channel_body(&bench, i)), 2000, 28 * 1024);
        assert_true(lb_json_valid(lb_str_from(channel_body(&bench, i))));
    }
    assert_int_equal(channel_mark(&bench), 3);
    free(text);
    lb_buffer_free(&out);
    channel_bench_close(&bench);
}

#define SAYS(length, text) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" text
#define FAILED "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error "

static void an_error_in_the_body_of_a_200_counts(void **state)
{
    static const struct {
        const char *answer;
        unsigned requests;
        const char *kind; /* of a dead letter */
    } cases[] = {
        { SAYS("1", "1"), 1, NULL },
        { ANSWER("202 Accepted", ""), 1, NULL },
        { SAYS("92", FAILED "429"), 2, NULL },
        { SAYS("92", FAILED "413"), 1, "http_413" },
        { SAYS("89", FAILED), 1, "http_0" },
        { ANSWER("400 Bad Request", ""), 1, "http_400" },
        { ANSWER("502 Bad Gateway", ""), 2, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct channel_bench bench;
        const char *script[] = { cases[i].answer, NULL };

        channel_bench_make(&bench, &lb_sink_teams, script);
        channel_bench_open(&bench);
        channel_tell(&bench, FIRING, true);
        channel_run_out(&bench);
        assert_int_equal(receiver_count(&bench.receiver), cases[i].requests);
        assert_int_equal(channel_mark(&bench), 1);
        char *letters = channel_letters(&bench);
        assert_int_equal(letters[0] != '\0', cases[i].kind != NULL);
        assert_true(cases[i].kind == NULL || strstr(letters, cases[i].kind) != NULL);
        free(letters);
        channel_bench_close(&bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_card_holds_text_without_markdown),
        cmocka_unit_test(a_card_stays_below_28_kilobytes),
        cmocka_unit_test(an_error_in_the_body_of_a_200_counts),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_teams", tests, NULL, NULL);
}
