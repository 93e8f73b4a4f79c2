#include "sink_sms.c"

#include "channel_text.c"
#include "lb_channel.h"

#include <signal.h>

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"

static struct lb_str people[] = { { "+4915112345678", 14 }, { "+15005550006", 12 } };

static void make_bench(struct channel_bench *bench, const char *const *script)
{
    channel_bench_make(bench, &lb_sink_sms, script);
    struct sink_sms *self = bench->sink->state;
    self->account = LB_STR(ACCOUNT);
    self->token = LB_STR("t0ken");
    self->from = LB_STR("+15005550001");
    self->to = (struct lb_strs){ people, 2 };
}

/* A member of a form, decoded. */
static const char *form(const char *body, const char *name)
{
    static char value[8192];
    size_t len = strlen(name);
    size_t used = 0;
    const char *at = strstr(body, name);

    if (at == NULL || at[len] != '=')
        fail_msg("no %s in %s", name, body);
    for (at += len + 1; *at != '\0' && *at != '&'; at++) {
        char byte = *at;

        assert_true(byte > ' ' && byte < 0x7f && byte != '+');
        if (byte == '%') {
            const char hex[3] = { at[1], at[2], '\0' };

            byte = (char)strtol(hex, NULL, 16);
            at += 2;
        }
        value[used++] = byte;
    }
    value[used] = '\0';
    return value;
}

static void everybody_gets_a_message(void **state)
{
    static const char *const script[] = { ANSWER("201 Created", ""), ANSWER("201 Created", ""), NULL };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, script);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 2);
    static const char line[] = "POST /2010-04-01/Accounts/" ACCOUNT "/Messages.json HTTP/1.1\r\n";
    for (unsigned i = 0; i < 2; i++) {
        assert_memory_equal(channel_head(&bench, i), line, strlen(line));
        assert_non_null(strcasestr(channel_head(&bench, i), "\r\nContent-Type: application/x-www-form-urlencoded"));
        /* base64 of the account, a colon and the token */
        assert_non_null(strstr(channel_head(&bench, i), "\r\nAuthorization: Basic "
                                                        "QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjp0MGtlbg=="));
        assert_string_equal(form(channel_body(&bench, i), "To"), people[i].ptr);
        assert_string_equal(form(channel_body(&bench, i), "From"), "+15005550001");
        assert_string_equal(form(channel_body(&bench, i), "Body"), "[P1] error_rate: firing for payments");
    }
    assert_int_equal(channel_mark(&bench), 1);
    channel_bench_close(&bench);
}

static void a_message_is_one_segment(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    struct sink_sms *self = bench.sink->state;
    self->to.count = 1;
    self->from = LB_STR("MG0123456789abcdef0123456789abcdef");
    channel_bench_open(&bench);
    channel_tell_megabyte(&bench, true);
    channel_tell_megabyte(&bench, false);
    channel_tell(&bench, "{\"level\":\"error\",\"service\":\"auth\",\"message\":\"" NASTY "\"}", false);
    channel_run_out(&bench);
    for (unsigned i = 0; i < 3; i++) {
        struct lb_str text = lb_str_from(form(channel_body(&bench, i), "Body"));
        size_t septets = 0;

        assert_null(strpbrk(text.ptr, "\r\n`"));
        for (size_t at = 0; at < text.len;) {
            size_t each = gsm_septets(next_character(text, &at));

            assert_true(each > 0);
            septets += each;
        }
        assert_in_range(septets, 20, 160);
    }
    assert_string_equal(form(channel_body(&bench, 0), "MessagingServiceSid"), "MG0123456789abcdef0123456789abcdef");
    static const char text[] = "error: auth: <!channel> <@U1> &amp; @everyone **b**";
    assert_memory_equal(form(channel_body(&bench, 2), "Body"), text, strlen(text));
    assert_int_equal(channel_mark(&bench), 3);
    channel_bench_close(&bench);
}

static void one_who_cannot_be_reached_does_not_keep_it_from_the_others(void **state)
{
    static const char *const script[] = { ANSWER("400 Bad Request", ""), ANSWER("429 Too Many Requests", ""),
                                          ANSWER("201 Created", ""), NULL };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, script);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    channel_run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 3);
    assert_string_equal(form(channel_body(&bench, 2), "To"), people[1].ptr);
    char *letters = channel_letters(&bench);
    assert_non_null(strstr(letters, "\"kind\":\"http_400\""));
    free(letters);
    assert_int_equal(channel_mark(&bench), 1);
    channel_bench_close(&bench);
}

static void check_says_what_is_wrong(void **state)
{
    static struct lb_str wrong[] = { { "4915112345678", 13 }, { "+49 151", 7 }, { "", 0 }, { "+1", 2 } };
    struct channel_bench bench;

    (void)state;
    make_bench(&bench, NULL);
    struct sink_sms *self = bench.sink->state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        self->to = (struct lb_strs){ &wrong[i], 1 };
        assert_int_equal(check(bench.sink, &bench.rig.diag), LB_BAD_CONF);
        assert_int_equal(bench.rig.diag.errors, i + 1);
        assert_non_null(strstr(bench.rig.diag.entries[i].text, "to: expected 1 to 50 numbers"));
    }
    self->to = (struct lb_strs){ people, 2 };
    uint32_t errors = bench.rig.diag.errors;
    self->account = LB_STR("AC0123");
    self->from = LB_STR("a name of more than eleven");
    self->token = LB_STR("x\r\ny");
    assert_int_equal(check(bench.sink, &bench.rig.diag), LB_BAD_CONF);
    assert_int_equal(bench.rig.diag.errors, errors + 3);
    self->account = LB_STR(ACCOUNT);
    self->token = LB_STR("t0ken");
    self->from = LB_STR("logboom");
    channel_bench_open(&bench);
    channel_bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_gets_a_message),
        cmocka_unit_test(a_message_is_one_segment),
        cmocka_unit_test(one_who_cannot_be_reached_does_not_keep_it_from_the_others),
        cmocka_unit_test(check_says_what_is_wrong),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_sms", tests, NULL, NULL);
}
