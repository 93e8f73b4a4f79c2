#include "lb_test.h"

#include "lb_conf.h"
#include "lb_json.h"
#include "lb_receiver.h"
#include "lb_rig.h"

#include "sink_webhook.c"

#include <signal.h>

struct bench {
    struct rig rig;
    struct receiver receiver;
    struct lb_sink *sink;
    struct sink_webhook *self;
    uint64_t pushed;
};

static char dir[64];

/* A sink towards a receiver with that script, with small times; set further options, then open_hook(). */
static void make_bench(struct bench *bench, const char *const *script)
{
    memset(bench, 0, sizeof(*bench));
    snprintf(dir, sizeof(dir), "/tmp/sink_webhook_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    rig_open(&bench->rig, dir);
    bench->sink = rig_sink(&bench->rig, &lb_sink_webhook, "hook");
    bench->self = bench->sink->state;
    assert_true(lb_options_defaults(options, bench->self, &bench->rig.arena));
    static char letters[96];
    snprintf(letters, sizeof(letters), "%s/letters.jsonl", dir);
    bench->sink->options.dead_letter = lb_str_from(letters);
    rig_open_stream(&bench->rig);
    receiver_start(&bench->receiver, script);
    bench->self->http.url = lb_str_from(bench->receiver.url);
    bench->self->http.retry_first_ns = LB_MILLISECOND;
    bench->self->http.retry_max_ns = 4 * LB_MILLISECOND;
}

static void open_hook(struct bench *bench)
{
    assert_int_equal(open_sink(bench->sink, &bench->rig.diag), LB_OK);
}

static void close_bench(struct bench *bench)
{
    char command[128];

    close_sink(bench->sink);
    receiver_stop(&bench->receiver);
    rig_close(&bench->rig);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

/* As the delivery code does. `failures`: so many LB_AGAIN are allowed. */
static void push(struct bench *bench, uint32_t count, unsigned failures)
{
    struct rig_batch *batch = rig_batch(&bench->rig, bench->pushed, count);

    bench->pushed += count;

    struct lb_token *token = lb_token_issue(bench->rig.stream, 0, bench->pushed, false);

    while (write_batch(bench->sink, &batch->batch, &batch->selection, token) != LB_OK)
        assert_true(failures-- > 0);
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_batch_unref(&batch->batch);
}

static void drain_within(struct bench *bench, int64_t time_ns)
{
    drain(bench->sink, lb_clock_monotonic() + time_ns);
}

static uint64_t mark(struct bench *bench)
{
    lb_dead_letters_flush(bench->sink, lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND);
    return lb_stream_mark(bench->rig.stream, 0);
}

/* --- secrets and signatures ---------------------------------------------------- */

static void a_bad_secret_is_a_fault_that_does_not_show_it(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    struct lb_str secret = LB_STR("whsec_hunter2");
    bench.self->secrets = (struct lb_strs){ &secret, 1 };
    assert_int_equal(check(bench.sink, &bench.rig.diag), LB_BAD_CONF);
    assert_int_equal(bench.rig.diag.errors, 1);
    assert_null(strstr(bench.rig.diag.entries[0].text, "hunter2"));
    bench.self->secrets.count = 0;
    open_hook(&bench);
    close_bench(&bench);
}

static void each_try_is_signed_with_its_own_time(void **state)
{
    struct bench bench;
    struct http_request request = { .id = "lb_00000000000000ab-5" };
    static const char *const expected[] = {
        "webhook-id: lb_00000000000000ab-5",
        "Idempotency-Key: lb_00000000000000ab-5",
        "webhook-timestamp: 1767225600",
        "webhook-signature: v1,BzWzDDpoXMu0uXM/kq/Bv3DXOHSfeae4Z8cJDshbzOs= "
        "v1,KWM/sErK68jh3+WPgW38XNiC9Qx9uDFDQEbEY0EWo8s=",
    };

    (void)state;
    make_bench(&bench, NULL);
    struct lb_str secrets[] = { LB_STR("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"), LB_STR("a plain text") };
    bench.self->secrets = (struct lb_strs){ secrets, 2 };
    open_hook(&bench);
    lb_buffer_init(&request.body, 64);
    lb_buffer_append_str(&request.body, LB_STR("{\"a\":1}"));
    lb_clock_set(1767225600 * LB_SECOND);
    struct curl_slist *list = NULL;
    assert_true(sign(bench.sink, &request, &list));
    const struct curl_slist *at = list;
    for (size_t i = 0; i < 4; i++, at = at->next)
        assert_string_equal(at->data, expected[i]);
    assert_null(at);
    curl_slist_free_all(list);
    lb_clock_set(1767225601 * LB_SECOND);
    list = NULL;
    assert_true(sign(bench.sink, &request, &list));
    assert_string_equal(list->next->next->data, "webhook-timestamp: 1767225601");
    assert_string_not_equal(list->next->next->next->data, expected[3]);
    curl_slist_free_all(list);
    lb_clock_set(LB_TIME_NONE);
    lb_buffer_free(&request.body);
    close_bench(&bench);
}

/* --- requests -------------------------------------------------------------------- */

/* The value of a header of request `i`, cut out of the head. */
static const char *header(struct bench *bench, unsigned i, const char *name)
{
    static char value[256];
    const char *line = strcasestr(bench->receiver.requests[i].head, name);

    assert_non_null(line);
    line += strlen(name) + 2;
    snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r"), line);
    return value;
}

static void one_record_is_an_object_several_an_array(void **state)
{
    static const struct {
        uint64_t count;
        uint32_t records;
        unsigned requests;
    } cases[] = { { 1, 3, 3 }, { 2, 4, 2 }, { 10, 25, 3 }, { 100, 25, 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench bench;
        unsigned n = 0;

        make_bench(&bench, NULL);
        bench.self->batch_count = cases[i].count;
        open_hook(&bench);
        push(&bench, cases[i].records, 0);
        drain_within(&bench, RECEIVER_SECONDS * LB_SECOND);
        assert_int_equal(bench.receiver.count, cases[i].requests);
        for (unsigned r = 0; r < bench.receiver.count; r++) {
            const char *body = bench.receiver.requests[r].body;

            assert_true(lb_json_valid(lb_str_from(body)));
            assert_int_equal(body[0], cases[i].count > 1 ? '[' : '{');
            for (const char *at = body; (at = strstr(at, "\"message\":\"")) != NULL; n++)
                assert_int_equal(strtoul(at += 11, NULL, 10), n);
        }
        assert_int_equal(n, cases[i].records);
        assert_int_equal(mark(&bench), cases[i].records);
        close_bench(&bench);
    }
}

static void a_body_that_has_reached_its_size_is_sent(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    bench.self->batch_count = 1000;
    bench.self->batch_size = 1024;
    open_hook(&bench);
    push(&bench, 60, 0);
    drain_within(&bench, RECEIVER_SECONDS * LB_SECOND);
    assert_in_range(bench.receiver.count, 3, 20);
    for (unsigned r = 0; r < bench.receiver.count; r++)
        assert_in_range(strlen(bench.receiver.requests[r].body), 1, 1024 + 256);
    assert_int_equal(mark(&bench), 60);
    close_bench(&bench);
}

static void the_id_says_which_records_and_stays_over_tries(void **state)
{
    static const char *const script[] = { ANSWER("500 Oops", ""), ANSWER("503 Busy", ""), NULL };
    struct bench bench;
    char first[256];

    (void)state;
    make_bench(&bench, script);
    bench.self->batch_count = 2;
    open_hook(&bench);
    push(&bench, 4, 0);
    drain_within(&bench, RECEIVER_SECONDS * LB_SECOND);
    assert_int_equal(bench.receiver.count, 4);
    snprintf(first, sizeof(first), "%s", header(&bench, 0, "webhook-id"));
    assert_string_equal(header(&bench, 1, "webhook-id"), first);
    assert_string_equal(header(&bench, 2, "webhook-id"), first);
    assert_string_equal(header(&bench, 2, "idempotency-key"), first);
    assert_string_not_equal(header(&bench, 3, "webhook-id"), first);
    assert_null(strchr(first, '.'));
    close_bench(&bench);
}

/* A receiver that keeps ids must not take the longer request for the shorter one. */
static void the_id_differs_when_other_records_stand_behind_the_first(void **state)
{
    char ids[3][HTTP_ID_BYTES];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct bench bench;

        make_bench(&bench, NULL);
        bench.self->batch_count = 100;
        open_hook(&bench);
        bench.rig.stream->id = 0xab; /* the same stream in another run */
        push(&bench, i == 2 ? 6 : 5, 0);
        finish_request(bench.self);
        snprintf(ids[i], sizeof(ids[i]), "%s", bench.self->queue.first->id);
        close_bench(&bench);
    }
    assert_string_equal(ids[0], ids[1]);
    assert_string_not_equal(ids[0], ids[2]);
    assert_memory_equal(ids[0], ids[2], strlen("lb_00000000000000ab-0"));
}

static void a_record_waits_for_others_no_longer_than_told(void **state)
{
    struct bench bench;

    (void)state;
    make_bench(&bench, NULL);
    bench.self->batch_count = 10;
    bench.self->batch_every_ns = 3 * LB_SECOND;
    open_hook(&bench);
    lb_clock_set(1767225600 * LB_SECOND);
    push(&bench, 1, 0);
    assert_int_equal(tick(bench.sink, lb_clock_monotonic()), lb_clock_monotonic() + LB_SECOND);
    lb_clock_set(1767225602 * LB_SECOND);
    assert_int_equal(tick(bench.sink, lb_clock_monotonic()), lb_clock_monotonic() + LB_SECOND);
    assert_non_null(bench.self->open);
    lb_clock_set(1767225603 * LB_SECOND);
    tick(bench.sink, lb_clock_monotonic());
    assert_null(bench.self->open);
    lb_clock_set(LB_TIME_NONE);
    drain_within(&bench, RECEIVER_SECONDS * LB_SECOND);
    assert_int_equal(mark(&bench), 1);
    close_bench(&bench);
}

static void without_memory_records_wait_and_arrive_once(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (long n = 1; n < 200 && failed < n; n++) {
        struct bench bench;
        unsigned seen[12] = { 0 };

        make_bench(&bench, NULL);
        bench.self->batch_count = 5;
        open_hook(&bench);
        struct rig_batch *batch = rig_batch(&bench.rig, 0, 12);
        struct lb_token *token = lb_token_issue(bench.rig.stream, 0, 12, false);
        lb_alloc_fail_at = n;
        enum lb_err err = write_batch(bench.sink, &batch->batch, &batch->selection, token);
        lb_alloc_fail_at = 0;
        failed += err != LB_OK;
        if (err != LB_OK) {
            tick(bench.sink, INT64_MAX); /* what is there may be sent meanwhile, but nothing empty or broken */
            assert_int_equal(write_batch(bench.sink, &batch->batch, &batch->selection, token), LB_OK);
        }
        lb_token_done(token, LB_DELIVERED, NULL);
        lb_batch_unref(&batch->batch);
        drain_within(&bench, RECEIVER_SECONDS * LB_SECOND);
        for (unsigned r = 0; r < bench.receiver.count; r++) {
            const char *body = bench.receiver.requests[r].body;

            assert_true(lb_json_valid(lb_str_from(body)));
            for (const char *at = body; (at = strstr(at, "\"message\":\"")) != NULL;)
                seen[strtoul(at += 11, NULL, 10)]++;
        }
        for (size_t i = 0; i < 12; i++)
            assert_int_equal(seen[i], 1);
        assert_int_equal(mark(&bench), 12);
        close_bench(&bench);
    }
    assert_in_range(failed, 5, 100);
}

static void a_full_queue_takes_nothing_more_and_goes_on_later(void **state)
{
    static const char *const script[] = { ANSWER("503 Busy", "Retry-After: 3600\r\n"), NULL };
    struct bench bench;

    (void)state;
    make_bench(&bench, script);
    bench.self->batch_count = 10;
    bench.self->http.queue_bytes = 4096;
    open_hook(&bench);
    while (!http_queue_full(&bench.self->queue))
        push(&bench, 10, 0);
    const struct http_request *first = bench.self->queue.first;
    while (first->not_before == 0) /* until it is told to wait */
        http_queue_step(&bench.self->queue, 10);
    struct rig_batch *batch = rig_batch(&bench.rig, bench.pushed, 10);
    struct lb_token *token = lb_token_issue(bench.rig.stream, 0, bench.pushed + 10, false);
    assert_int_equal(write_batch(bench.sink, &batch->batch, &batch->selection, token), LB_AGAIN);
    assert_int_equal(mark(&bench), 0);
    bench.self->queue.first->not_before = 0; /* as if that time were over */
    while (write_batch(bench.sink, &batch->batch, &batch->selection, token) != LB_OK)
        tick(bench.sink, lb_clock_monotonic());
    lb_token_done(token, LB_DELIVERED, NULL);
    lb_batch_unref(&batch->batch);
    drain_within(&bench, RECEIVER_SECONDS * LB_SECOND);
    assert_int_equal(mark(&bench), bench.pushed + 10);
    assert_int_equal(bench.receiver.count, bench.pushed / 10 + 2);
    close_bench(&bench);
}

static void a_shutdown_ends_in_time_with_a_receiver_that_never_answers(void **state)
{
    static const char *const script[] = { ANSWER("200 OK", ""), ANSWER_NEVER, NULL };
    struct bench bench;

    (void)state;
    make_bench(&bench, script);
    bench.self->http.timeout_ns = 600 * LB_SECOND; /* of the request, far longer than of the shutdown */
    open_hook(&bench);
    push(&bench, 3, 0);
    int64_t before = lb_clock_monotonic();
    drain_within(&bench, 300 * LB_MILLISECOND);
    assert_in_range(lb_clock_monotonic() - before, 290 * LB_MILLISECOND, RECEIVER_SECONDS * LB_SECOND);
    assert_int_equal(mark(&bench), 0);
    before = lb_clock_monotonic();
    close_bench(&bench);
    assert_true(lb_clock_monotonic() - before < RECEIVER_SECONDS * LB_SECOND);
}

static void the_delivery_code_delivers_through_it(void **state)
{
    static const char *const script[] = { ANSWER("500 Oops", ""), ANSWER("400 Bad", ""), NULL };
    struct bench bench;

    (void)state;
    make_bench(&bench, script);
    open_hook(&bench);
    assert_int_equal(lb_delivery_start(bench.sink, bench.rig.streams, LB_SECOND), LB_OK);
    for (uint64_t i = 0; i < 10; i++)
        rig_push(&bench.rig, i * 2, 2);
    assert_true(lb_delivery_stop(bench.sink->delivery, lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND));
    assert_int_equal(bench.receiver.count, 21);
    assert_int_equal(mark(&bench), 20);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_secret_is_a_fault_that_does_not_show_it),
        cmocka_unit_test(each_try_is_signed_with_its_own_time),
        cmocka_unit_test(one_record_is_an_object_several_an_array),
        cmocka_unit_test(a_body_that_has_reached_its_size_is_sent),
        cmocka_unit_test(the_id_says_which_records_and_stays_over_tries),
        cmocka_unit_test(the_id_differs_when_other_records_stand_behind_the_first),
        cmocka_unit_test(a_record_waits_for_others_no_longer_than_told),
        cmocka_unit_test(without_memory_records_wait_and_arrive_once),
        cmocka_unit_test(a_full_queue_takes_nothing_more_and_goes_on_later),
        cmocka_unit_test(a_shutdown_ends_in_time_with_a_receiver_that_never_answers),
        cmocka_unit_test(the_delivery_code_delivers_through_it),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/sink_webhook", tests, NULL, NULL);
}
