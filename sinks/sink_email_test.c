#include "sink_email.c"

#include "lb_channel.h"

#include <signal.h>

static struct lb_str to[] = { { "ops@example.org", 15 }, { "Boss <boss@example.org>", 23 } };

static void make_bench(struct channel_bench *bench)
{
    channel_bench_make(bench, &lb_sink_email, NULL);
    struct sink_email *self = bench->sink->state;
    bench->channel->http.url = LB_STR("smtp://127.0.0.1:1");
    self->from = LB_STR("Log Boom <logs@example.org>");
    self->to = (struct lb_strs){ to, 2 };
}

/* What follows the header's name up to the end of its line. */
static void assert_header(const struct http_request *request, const char *name, const char *value)
{
    char line[256];

    snprintf(line, sizeof(line), "\r\n%s: %s\r\n", name, value);
    if (memmem(request->body.ptr, request->body.len, line, strlen(line)) == NULL)
        fail_msg("no %s in %.*s", line, (int)request->body.len, request->body.ptr);
}

static void each_recipient_has_a_mail_in_a_lane_of_its_own(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench);
    channel_bench_open(&bench);
    channel_tell(&bench, FIRING, true);
    const struct http_request *first = bench.channel->queue.first;
    assert_int_equal(first->lane, 1);
    assert_int_equal(first->next->lane, 2);
    assert_int_equal(first->next->kind, 1);
    assert_null(first->next->next);
    assert_int_equal(first->body.len, first->next->body.len);
    assert_memory_equal(first->body.ptr, first->next->body.ptr, first->body.len);
    assert_memory_equal(first->body.ptr, "From: Log Boom <logs@example.org>\r\n", 35);
    assert_header(first, "To", "ops@example.org,\r\n Boss <boss@example.org>");
    assert_header(first, "Subject", "Firing: error_rate (P1), service=payments, zone=a<b>&c");
    assert_header(first, "References", "<alert.0123456789abcdef@example.org>");
    assert_header(first, "In-Reply-To", "<alert.0123456789abcdef@example.org>");
    assert_header(first, "Auto-Submitted", "auto-generated");
    channel_bench_close(&bench);
}

static void no_text_becomes_a_header_or_a_long_line(void **state)
{
    struct channel_bench bench;

    (void)state;
    make_bench(&bench);
    bench.channel->http.queue_bytes = 256 << 20; /* nobody takes them here */
    channel_bench_open(&bench);
    channel_tell(&bench, "{\"level\":\"error\",\"service\":\"a\\r\\nBcc: x@y\",\"message\":\"" NASTY "\"}", false);
    channel_tell_megabyte(&bench, true);
    for (const struct http_request *at = bench.channel->queue.first; at != NULL; at = at->next) {
        size_t line = 0;

        assert_in_range(at->body.len, 100, 20000);
        for (size_t i = 0; i < at->body.len; i++) {
            char c = at->body.ptr[i];

            line = c == '\n' ? 0 : line + 1;
            assert_in_range(line, 0, 78);
            assert_true((c >= ' ' && c <= '~') || (c == '\r' && at->body.ptr[i + 1] == '\n') ||
                        (c == '\n' && i > 0 && at->body.ptr[i - 1] == '\r'));
        }
        const char *end = memmem(at->body.ptr, at->body.len, "\r\n\r\n", 4);
        assert_non_null(end);
        assert_null(memmem(at->body.ptr, (size_t)(end - at->body.ptr), "\nBcc:", 5));
        assert_null(memmem(at->body.ptr, (size_t)(end - at->body.ptr), "\nX-Evil:", 8));
        assert_non_null(memmem(at->body.ptr, (size_t)(end - at->body.ptr), "\nContent-Transfer-Encoding:", 27));
    }
    channel_bench_close(&bench);
}

static void without_memory_it_waits_and_says_all_of_it(void **state)
{
    unsigned failed = 0;

    (void)state;
    lb_clock_set(INT64_C(1767225600) * LB_SECOND);
    for (long n = 1; n < 40; n++) {
        static char expected[8192];
        static size_t expected_len;
        struct channel_bench bench;

        make_bench(&bench);
        channel_bench_open(&bench);
        struct rig_batch *batch = rig_batch(&bench.rig, 0, 1);
        struct lb_record record = lb_test_record(&bench.rig.arena, FIRING);
        record.flags = LB_RECORD_ALERT;
        record.end = 1;
        batch->records[0] = record;
        struct lb_token *token = lb_token_issue(bench.rig.stream, 0, 1, false);
        lb_alloc_fail_at = n == 1 ? 0 : n - 1;
        enum lb_err err = channel_write(bench.sink, &batch->batch, &batch->selection, token);
        lb_alloc_fail_at = 0;
        if (err != LB_OK) {
            failed++;
            assert_int_equal(channel_write(bench.sink, &batch->batch, &batch->selection, token), LB_OK);
        }
        lb_token_done(token, LB_DELIVERED, NULL);
        lb_batch_unref(&batch->batch);
        const struct http_request *first = bench.channel->queue.first;
        assert_non_null(first->next);
        const char *mail = memmem(first->body.ptr, first->body.len, "\r\nIn-Reply-To", 13); /* behind the record's id */
        size_t len = first->body.len - (size_t)(mail - first->body.ptr);
        if (n == 1) {
            expected_len = len;
            memcpy(expected, mail, len);
        }
        assert_int_equal(len, expected_len);
        assert_memory_equal(mail, expected, len);
        channel_bench_close(&bench);
    }
    lb_clock_set(LB_TIME_NONE);
    assert_in_range(failed, 5, 39);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_recipient_has_a_mail_in_a_lane_of_its_own),
        cmocka_unit_test(no_text_becomes_a_header_or_a_long_line),
        cmocka_unit_test(without_memory_it_waits_and_says_all_of_it),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_email", tests, NULL, NULL);
}
