#include "lb_test.h"

#include "http_queue.c"

#include "lb_receiver.h"
#include "lb_rig.h"

#include <signal.h>

struct bench {
    struct rig rig;
    struct receiver receiver;
    struct lb_sink *sink;
    struct http_settings settings;
    struct http_queue queue;
};

static const struct lb_sink_type plain = { .module = { .name = "plain", .state_size = 8 } };
static char dir[64];
static char letters[96];

/* A queue towards a receiver with that script. */
static void open_bench(struct bench *bench, const char *const *script)
{
    memset(bench, 0, sizeof(*bench));
    snprintf(dir, sizeof(dir), "/tmp/http_queue_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    rig_open(&bench->rig, dir);
    bench->sink = rig_sink(&bench->rig, &plain, "hook");
    snprintf(letters, sizeof(letters), "%s/letters.jsonl", dir);
    bench->sink->options.dead_letter = lb_str_from(letters);
    rig_open_stream(&bench->rig);
    receiver_start(&bench->receiver, script);
    bench->settings = (struct http_settings){ .url = lb_str_from(bench->receiver.url),
                                              .timeout_ns = RECEIVER_SECONDS * LB_SECOND,
                                              .connect_timeout_ns = RECEIVER_SECONDS * LB_SECOND,
                                              .concurrency = 1,
                                              .queue_bytes = 1 << 20,
                                              .retry_first_ns = LB_MILLISECOND,
                                              .retry_max_ns = 4 * LB_MILLISECOND,
                                              .retry_after_max_ns = 86400 * LB_SECOND,
                                              .verify = true };
}

static void start_queue(struct bench *bench)
{
    assert_int_equal(http_queue_open(&bench->queue, bench->sink, &bench->settings), LB_OK);
}

static void close_bench(struct bench *bench)
{
    char command[128];

    http_queue_close(&bench->queue);
    receiver_stop(&bench->receiver);
    rig_close(&bench->rig);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

static struct lb_token *token_until(struct bench *bench, uint64_t end)
{
    return lb_token_issue(bench->rig.stream, 0, end, false);
}

static void add(struct http_request *request, const char *body, const char *id, struct lb_token *token)
{
    uint32_t start;

    http_request_begin(request, &start);
    lb_buffer_append(&request->body, body, strlen(body));
    assert_true(http_request_end(request, start, id, token));
}

/* As a sink's write() and the delivery code do: the record holds the token, then the delivery lets its own hold go. */
static struct http_request *push(struct bench *bench, const char *body, uint64_t end)
{
    struct http_request *request = http_request_new(HTTP_OBJECT, 1024);
    struct lb_token *token = token_until(bench, end);

    assert_non_null(request);
    add(request, body, "00000000000000ab-1", token);
    http_request_seal(request);
    http_queue_push(&bench->queue, request);
    lb_token_done(token, LB_DELIVERED, NULL);
    return request;
}

/* Steps until nothing is queued. */
static void run_out(struct bench *bench)
{
    int64_t deadline = lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND;

    while (bench->queue.first != NULL) {
        assert_true(lb_clock_monotonic() < deadline);
        http_queue_sleep(&bench->queue, http_queue_step(&bench->queue, 10));
    }
}

/* Steps until the first request has had an answer. */
static void run_one_try(struct bench *bench)
{
    int64_t deadline = lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND;

    while (bench->queue.first != NULL && (bench->queue.first->attempt == 0 || bench->queue.first->in_flight)) {
        assert_true(lb_clock_monotonic() < deadline);
        http_queue_step(&bench->queue, 10);
    }
}

/* The same, and the next try may follow at once, but only when the test goes on. */
static void run_one_try_and_hold(struct bench *bench)
{
    int64_t first_ns = bench->settings.retry_first_ns;
    int64_t max_ns = bench->settings.retry_max_ns;

    bench->settings.retry_first_ns = bench->settings.retry_max_ns = 3600 * LB_SECOND;
    run_one_try(bench);
    bench->settings.retry_first_ns = first_ns;
    bench->settings.retry_max_ns = max_ns;
    for (struct http_request *request = bench->queue.first; request != NULL; request = request->next)
        request->not_before = 0;
}

static uint64_t mark(struct bench *bench)
{
    lb_dead_letters_flush(bench->sink, lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND);
    return lb_stream_mark(bench->rig.stream, 0);
}

static void the_bound_of_the_wait_doubles_up_to_the_maximum(void **state)
{
    static const struct {
        int64_t first, max;
        uint32_t attempt;
        int64_t bound;
    } cases[] = {
        { LB_SECOND, 300 * LB_SECOND, 1, LB_SECOND },
        { LB_SECOND, 300 * LB_SECOND, 2, 2 * LB_SECOND },
        { LB_SECOND, 300 * LB_SECOND, 5, 16 * LB_SECOND },
        { LB_SECOND, 300 * LB_SECOND, 9, 256 * LB_SECOND },
        { LB_SECOND, 300 * LB_SECOND, 10, 300 * LB_SECOND },
        { LB_SECOND, 300 * LB_SECOND, UINT32_MAX, 300 * LB_SECOND },
        { LB_SECOND, 300 * LB_SECOND, 0, LB_SECOND },
        { 600 * LB_SECOND, 300 * LB_SECOND, 1, 300 * LB_SECOND },
        { 3600 * LB_SECOND, 86400 * LB_SECOND, UINT32_MAX, 86400 * LB_SECOND },
        { LB_MILLISECOND, LB_MILLISECOND, 7, LB_MILLISECOND },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(http_backoff_bound(cases[i].first, cases[i].max, cases[i].attempt), cases[i].bound);
}

static void waits_are_spread_below_the_bound(void **state)
{
    struct http_settings settings = { .retry_first_ns = LB_SECOND,
                                      .retry_max_ns = 8 * LB_SECOND,
                                      .retry_after_max_ns = LB_SECOND };
    struct http_queue queue = { .settings = &settings, .random = lb_seed() };
    struct http_request request = { .attempt = 3 };
    struct http_slot slot = { .easy = curl_easy_init(), .request = &request };
    unsigned quarters[4] = { 0 };

    (void)state;
    for (int i = 0; i < 4000; i++) {
        int64_t wait = wait_before_next(&queue, &slot);

        assert_in_range(wait, 1, 4 * LB_SECOND);
        quarters[(wait - 1) / LB_SECOND]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(quarters[i], 800, 1200);
    curl_easy_cleanup(slot.easy);
}

static void a_failed_request_keeps_its_place(void **state)
{
    static const char *const script[] = { ANSWER("503 Busy", ""), ANSWER("200 OK", ""), ANSWER("429 Slow", ""),
                                          ANSWER("500 Oops", ""), NULL };
    static const char *const expected[] = { "a", "a", "b", "b", "b", "c" };
    struct bench bench;

    (void)state;
    open_bench(&bench, script);
    start_queue(&bench);
    push(&bench, "a", 1);
    push(&bench, "b", 2);
    push(&bench, "c", 3);
    run_out(&bench);
    assert_int_equal(bench.receiver.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(bench.receiver.requests[i].body, expected[i]);
    assert_int_equal(mark(&bench), 3);
    assert_int_equal(bench.queue.bytes, 0);
    close_bench(&bench);
}

static void one_that_waits_holds_up_its_lane_only(void **state)
{
    static const char *const script[] = { ANSWER("503 Busy", "Retry-After: 3600\r\n"), NULL };
    struct bench bench;
    int64_t deadline = lb_clock_monotonic() + RECEIVER_SECONDS * LB_SECOND;

    (void)state;
    open_bench(&bench, script);
    start_queue(&bench);
    push(&bench, "{\"n\":1}", 1)->lane = 1;
    push(&bench, "{\"n\":2}", 2)->lane = 2;
    push(&bench, "{\"n\":3}", 3)->lane = 1;
    push(&bench, "{\"n\":4}", 4)->lane = 2;
    while (receiver_count(&bench.receiver) < 3 || bench.queue.in_flight > 0) {
        assert_true(lb_clock_monotonic() < deadline);
        http_queue_step(&bench.queue, 10);
    }
    /* Nothing more may leave, and it says when to come again. */
    assert_true(http_queue_step(&bench.queue, 10) > lb_clock_monotonic());
    assert_int_equal(receiver_count(&bench.receiver), 3);
    assert_string_equal(bench.receiver.requests[1].body, "{\"n\":2}");
    assert_string_equal(bench.receiver.requests[2].body, "{\"n\":4}");
    bench.queue.first->not_before = 0;
    run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 5);
    assert_string_equal(bench.receiver.requests[3].body, "{\"n\":1}");
    assert_string_equal(bench.receiver.requests[4].body, "{\"n\":3}");
    assert_int_equal(mark(&bench), 4);
    close_bench(&bench);
}

static void judge_gone(struct lb_sink *sink, const struct http_request *request, struct http_verdict *verdict)
{
    struct bench *bench = *(struct bench **)sink->state;

    (void)request;
    bench->queue.gone = bench->queue.gone || verdict->status == 410;
}

static void an_endpoint_that_is_gone_is_asked_no_more(void **state)
{
    static const char *const script[] = { ANSWER("200 OK", ""), ANSWER("410 Gone", ""), NULL };
    struct bench bench;

    (void)state;
    open_bench(&bench, script);
    start_queue(&bench);
    *(struct bench **)bench.sink->state = &bench;
    bench.queue.judge = judge_gone;
    for (uint64_t i = 1; i <= 5; i++)
        push(&bench, "{\"n\":1}", i);
    run_out(&bench);
    push(&bench, "{\"n\":6}", 6);
    run_out(&bench);
    assert_int_equal(receiver_count(&bench.receiver), 2);
    assert_int_equal(mark(&bench), 6);
    close_bench(&bench);
}

static void a_status_decides_between_delivered_refused_and_later(void **state)
{
    static const struct {
        const char *answer;
        unsigned tries;
    } cases[] = {
        { ANSWER("200 OK", ""), 1 },
        { ANSWER("202 Accepted", ""), 1 },
        { ANSWER("299 Odd", ""), 1 },
        { "HTTP/1.1 204 No Content\r\n\r\n", 1 },
        { ANSWER("301 Moved", "Location: http://127.0.0.1:1/\r\n"), 1 },
        { ANSWER("302 Found", "Location: http://127.0.0.1:1/\r\n"), 1 },
        { ANSWER("400 Bad", ""), 1 },
        { ANSWER("401 Who", ""), 1 },
        { ANSWER("404 None", ""), 1 },
        { ANSWER("410 Gone", ""), 1 },
        { ANSWER("413 Large", ""), 1 },
        { ANSWER("408 Timeout", ""), 2 },
        { ANSWER("425 Early", ""), 2 },
        { ANSWER("429 Slow", ""), 2 },
        { ANSWER("500 Oops", ""), 2 },
        { ANSWER("503 Busy", ""), 2 },
        { ANSWER("599 Odd", ""), 2 },
        { "SSH-2.0-OpenSSH_9.2\r\nConnection: close\r\n", 2 },
        { "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nhalf", 2 },
        { "HTTP/1.1 2", 2 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const script[] = { cases[i].answer, NULL };
        struct bench bench;

        open_bench(&bench, script);
        start_queue(&bench);
        push(&bench, "x", 1);
        run_out(&bench);
        if (bench.receiver.count != cases[i].tries)
            fail_msg("%s: %u tries", cases[i].answer, bench.receiver.count);
        assert_int_equal(mark(&bench), 1);
        assert_int_equal(lb_streams_outstanding(bench.rig.streams, 0), 0);
        close_bench(&bench);
    }
}

static void http_date(char *out, size_t size, int64_t offset_s)
{
    time_t when = (time_t)(lb_clock_now() / LB_SECOND + offset_s);
    struct tm utc;

    gmtime_r(&when, &utc);
    strftime(out, size, "%a, %d %b %Y %H:%M:%S GMT", &utc);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    char soon[64];
    char past[64];

    (void)state;
    http_date(soon, sizeof(soon), 30);
    http_date(past, sizeof(past), -3000);
    const struct {
        const char *value; /* NULL: no such header */
        int64_t least_ms, most_ms;
    } cases[] = {
        { "7", 7000, 7000 },    { "1", 1000, 1000 },  { "999999999", INT64_C(86400) * 1000, INT64_C(86400) * 1000 },
        { soon, 28000, 30000 }, { past, 0, 60000 },   { "0", 0, 60000 },
        { "-5", 0, 60000 },     { "soon", 0, 60000 }, { "", 0, 60000 },
        { NULL, 0, 60000 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char answer[256];
        const char *const script[] = { answer, NULL };
        struct bench bench;

        http_date(soon, sizeof(soon), 30); /* from now, however long the cases before have taken */
        snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nContent-Length: 0\r\n%s%s%s\r\n",
                 i % 2 == 0 ? "429 Slow" : "503 Busy", cases[i].value != NULL ? "Retry-After: " : "",
                 cases[i].value != NULL ? cases[i].value : "", cases[i].value != NULL ? "\r\n" : "");
        open_bench(&bench, script);
        bench.settings.retry_first_ns = bench.settings.retry_max_ns = 60 * LB_SECOND; /* so that it waits */
        start_queue(&bench);
        push(&bench, "x", 1);
        int64_t before = lb_clock_monotonic();
        run_one_try(&bench);
        assert_non_null(bench.queue.first);
        int64_t not_before = bench.queue.first->not_before;
        if (not_before < before + cases[i].least_ms * LB_MILLISECOND ||
            not_before > lb_clock_monotonic() + cases[i].most_ms * LB_MILLISECOND)
            fail_msg("Retry-After: %s: waits %lld ms", cases[i].value != NULL ? cases[i].value : "(none)",
                     (long long)(not_before - before) / 1000000);
        assert_int_equal(mark(&bench), 0);
        close_bench(&bench);
    }
}

static void a_huge_answer_is_judged_by_its_status(void **state)
{
    enum { SIZE = 1024 * 1024 };
    static const struct {
        const char *status;
        uint64_t mark;
    } cases[] = { { "200 OK", 1 }, { "400 Bad", 1 }, { "500 Oops", 0 } };
    char *answer = malloc(SIZE + 200);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *const script[] = { answer, NULL };
        struct bench bench;
        int len = sprintf(answer, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n", cases[i].status, (int)SIZE);

        memset(answer + len, 'x', SIZE);
        answer[len + SIZE] = '\0';
        open_bench(&bench, script);
        bench.settings.retry_first_ns = bench.settings.retry_max_ns = 3600 * LB_SECOND;
        start_queue(&bench);
        push(&bench, "x", 1);
        run_one_try(&bench);
        assert_int_equal(mark(&bench), cases[i].mark);
        assert_int_equal(bench.receiver.count, 1);
        close_bench(&bench);
    }
    free(answer);
}

static void what_the_receiver_says_stays_one_short_line(void **state)
{
    struct http_slot slot = { 0 };
    char reason[HTTP_REASON_BYTES];

    (void)state;
    memset(slot.answer, 'x', sizeof(slot.answer));
    slot.answer_len = sizeof(slot.answer);
    describe(&slot, CURLE_OK, 500, reason);
    assert_int_equal(strlen(reason), strlen("the receiver answered 500 ") + sizeof(slot.answer));
    slot.answer_len = (size_t)sprintf(slot.answer, "no\r\n2026 error: \x1b[31mfake\xff\n");
    describe(&slot, CURLE_OK, 400, reason);
    assert_string_equal(reason, "the receiver answered 400 no  2026 error:  [31mfake");
    slot.answer_len = 0;
    describe(&slot, CURLE_OK, 503, reason);
    assert_string_equal(reason, "the receiver answered 503");
    describe(&slot, CURLE_COULDNT_CONNECT, 0, reason);
    assert_string_equal(reason, curl_easy_strerror(CURLE_COULDNT_CONNECT));
}

static void a_token_in_several_requests_waits_for_the_last(void **state)
{
    static const char *const script[] = { ANSWER("200 OK", ""), ANSWER("503 Busy", ""), NULL };
    struct bench bench;

    (void)state;
    open_bench(&bench, script);
    start_queue(&bench);
    struct lb_token *token = token_until(&bench, 1);
    for (int i = 0; i < 2; i++) {
        struct http_request *request = http_request_new(HTTP_ARRAY, 64);

        for (int record = 0; record < 3; record++)
            add(request, "1", "a", token);
        http_request_seal(request);
        http_queue_push(&bench.queue, request);
    }
    lb_token_done(token, LB_DELIVERED, NULL);
    run_one_try_and_hold(&bench);
    assert_int_equal(mark(&bench), 0);
    run_out(&bench);
    assert_int_equal(mark(&bench), 1);
    close_bench(&bench);
}

static void many_tokens_are_each_let_go_once(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    start_queue(&bench);
    struct http_request *request = http_request_new(HTTP_ARRAY, 1024);
    for (uint64_t i = 0; i < 50; i++) {
        struct lb_token *token = token_until(&bench, i + 1);

        add(request, "7", "a", token);
        lb_token_done(token, LB_DELIVERED, NULL);
    }
    http_request_seal(request);
    http_queue_push(&bench.queue, request);
    assert_int_equal(mark(&bench), 0);
    run_out(&bench);
    assert_int_equal(mark(&bench), 50);
    assert_int_equal(lb_streams_outstanding(bench.rig.streams, 0), 0);
    close_bench(&bench);
}

static void without_memory_nothing_is_held(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    start_queue(&bench);
    struct lb_token *token = token_until(&bench, 1);
    lb_alloc_fail_at = 1;
    assert_null(http_request_new(HTTP_OBJECT, 64));
    struct http_request *request = http_request_new(HTTP_OBJECT, 64);
    uint32_t start;
    for (long n = 1; n <= 2; n++) {
        http_request_begin(request, &start);
        lb_alloc_fail_at = n;
        lb_buffer_append_char(&request->body, '1');
        lb_buffer_append_char(&request->body, '2');
        assert_false(http_request_end(request, start, "a", token));
        assert_int_equal(request->body.len, 0);
    }
    lb_alloc_fail_at = 0;
    http_request_free(request);
    lb_token_done(token, LB_DELIVERED, NULL);
    assert_int_equal(mark(&bench), 1);
    close_bench(&bench);
}

static void at_most_concurrency_requests_are_in_flight(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    bench.settings.concurrency = 3;
    bench.receiver.hold = 3;
    start_queue(&bench);
    for (uint64_t i = 0; i < 5; i++)
        push(&bench, "x", i + 1);
    http_queue_step(&bench.queue, 0);
    assert_int_equal(bench.queue.in_flight, 3);
    run_out(&bench);
    assert_int_equal(bench.receiver.count, 5);
    assert_int_equal(mark(&bench), 5);
    close_bench(&bench);
}

/* A request of the records [first, first + count), each with a token of its own. */
static void push_array(struct bench *bench, unsigned first, unsigned count)
{
    struct http_request *request = http_request_new(HTTP_ARRAY, 4096);
    char id[LB_RECORD_ID_SIZE];
    char json[32];

    for (unsigned n = first; n < first + count; n++) {
        struct lb_token *token = token_until(bench, n + 1);

        snprintf(id, sizeof(id), "00000000000000ab-%x", n);
        snprintf(json, sizeof(json), "{\"n\":%u}", n);
        add(request, json, id, token);
        lb_token_done(token, LB_DELIVERED, NULL);
    }
    http_request_seal(request);
    http_queue_push(&bench->queue, request);
}

static void expect_bodies(struct bench *bench, const char *const *bodies, unsigned count)
{
    assert_int_equal(bench->receiver.count, count);
    for (unsigned i = 0; i < count; i++)
        assert_string_equal(bench->receiver.requests[i].body, bodies[i]);
}

static void expect_letters(const char *const *parts, unsigned count)
{
    FILE *file = fopen(letters, "re");
    char line[1024];

    assert_true(file != NULL || count == 0);
    for (unsigned i = 0; i < count; i++) {
        assert_non_null(fgets(line, sizeof(line), file));
        if (strstr(line, parts[i]) == NULL)
            fail_msg("expected %s in %s", parts[i], line);
    }
    if (file != NULL) {
        assert_null(fgets(line, sizeof(line), file));
        fclose(file);
    }
}

static void halves_find_the_record_at_fault(void **state)
{
    static const char *const script[] = { ANSWER("400 Bad", ""),
                                          ANSWER("200 OK", ""),
                                          ANSWER("503 Busy", ""),
                                          ANSWER("413 Large", ""),
                                          ANSWER("422 Bad", ""),
                                          ANSWER("200 OK", ""),
                                          NULL };
    static const char *const bodies[] = {
        "[{\"n\":0},{\"n\":1},{\"n\":2},{\"n\":3}]",
        "[{\"n\":0},{\"n\":1}]",
        "[{\"n\":2},{\"n\":3}]",
        "[{\"n\":2},{\"n\":3}]",
        "[{\"n\":2}]",
        "[{\"n\":3}]",
    };
    static const char *const kept[] = { "\"id\":\"00000000000000ab-2\",\"kind\":\"http_422\"" };
    struct bench bench;

    (void)state;
    open_bench(&bench, script);
    start_queue(&bench);
    push_array(&bench, 0, 4);
    run_out(&bench);
    assert_int_equal(mark(&bench), 4);
    expect_bodies(&bench, bodies, 6);
    expect_letters(kept, 1);
    assert_int_equal(bench.queue.bytes, 0);
    close_bench(&bench);
}

#define ITEMS(length, text) "HTTP/1.1 207 Multi\r\nContent-Length: " length "\r\n\r\n" text

static void only_what_failed_is_sent_again(void **state)
{
    static const char *const script[] = {
        ITEMS("85",
              "{\"items\":[{\"status\":201},{\"status\":429},{\"status\":400,\"error\":\"odd\"},{\"status\":503}]}"),
        ITEMS("31", "[{\"status\":200},{\"status\":500}]"),
        ANSWER("200 OK", ""),
        NULL,
    };
    static const char *const bodies[] = {
        "[{\"n\":0},{\"n\":1},{\"n\":2},{\"n\":3}]",
        "[{\"n\":1},{\"n\":3}]",
        "[{\"n\":3}]",
    };
    static const char *const kept[] = { "answered 400 for this record odd\",\"attempts\":1,\"record\":{\"n\":2}}" };
    struct bench bench;

    (void)state;
    assert_int_equal(strlen(strchr(script[0], '{')), 85);
    assert_int_equal(strlen(strchr(script[1], '[')), 31);
    open_bench(&bench, script);
    start_queue(&bench);
    push_array(&bench, 0, 4);
    run_one_try_and_hold(&bench);
    assert_int_equal(mark(&bench), 1);
    run_out(&bench);
    assert_int_equal(mark(&bench), 4);
    expect_bodies(&bench, bodies, 3);
    expect_letters(kept, 1);
    close_bench(&bench);
}

/* An answer that tells of another number of records, or of none, is judged by its status. */
static void an_answer_about_something_else_is_no_answer_record_by_record(void **state)
{
    static const char *const script[] = { ITEMS("16", "[{\"status\":400}]"), ITEMS("11", "{\"ok\":true}"), NULL };
    struct bench bench;

    (void)state;
    open_bench(&bench, script);
    start_queue(&bench);
    push_array(&bench, 0, 2);
    push_array(&bench, 2, 2);
    run_out(&bench);
    assert_int_equal(mark(&bench), 4);
    assert_int_equal(bench.receiver.count, 2);
    expect_letters(NULL, 0);
    close_bench(&bench);
}

static void what_cannot_be_kept_is_tried_again(void **state)
{
    static const char *const script[] = { ANSWER("400 Bad", ""), ANSWER("400 Bad", ""), NULL };
    static const char *const kept[] = { "\"attempts\":2" };
    struct bench bench;

    (void)state;
    open_bench(&bench, script);
    start_queue(&bench);
    push(&bench, "{\"n\":0}", 1);
    lb_alloc_fail_at = 1; /* whatever it is: nothing may be lost by it */
    while (bench.queue.first != NULL && bench.queue.first->not_before == 0) {
        lb_alloc_fail_at = 1;
        http_queue_step(&bench.queue, 10);
    }
    lb_alloc_fail_at = 0;
    assert_non_null(bench.queue.first);
    assert_int_equal(mark(&bench), 0);
    run_out(&bench);
    assert_int_equal(mark(&bench), 1);
    assert_int_equal(bench.receiver.count, 2);
    expect_letters(kept, 1);
    close_bench(&bench);
}

static void an_open_circuit_tries_one_request_at_a_time(void **state)
{
    static const char *const script[] = { ANSWER("503 a", ""), ANSWER("503 b", ""), ANSWER("503 c", ""),
                                          ANSWER("503 d", ""), ANSWER("503 e", ""), NULL };
    struct bench bench;

    (void)state;
    open_bench(&bench, script);
    bench.settings.concurrency = 3;
    bench.settings.breaker = 3;
    start_queue(&bench);
    for (uint64_t i = 0; i < 6; i++)
        push(&bench, "x", i + 1);
    while (!bench.queue.pace.open)
        http_queue_step(&bench.queue, 5);
    assert_int_equal(bench.queue.circuit->value, 1);
    while (bench.queue.in_flight > 0)
        http_queue_step(&bench.queue, 5);
    while (bench.queue.pace.open) {
        http_queue_step(&bench.queue, 1);
        assert_true(bench.queue.in_flight <= 1 || !bench.queue.pace.open);
    }
    assert_int_equal(bench.queue.circuit->value, 0);
    run_out(&bench);
    assert_int_equal(mark(&bench), 6);
    assert_int_equal(bench.receiver.count, 11);
    close_bench(&bench);
}

static void lines_are_their_own_content_type(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    start_queue(&bench);
    struct http_request *request = http_request_new(HTTP_LINES, 64);
    struct lb_token *token = token_until(&bench, 1);
    add(request, "{\"n\":0}\n", "a", token);
    add(request, "{\"n\":1}\n", "b", token);
    http_request_seal(request);
    http_queue_push(&bench.queue, request);
    lb_token_done(token, LB_DELIVERED, NULL);
    run_out(&bench);
    assert_string_equal(bench.receiver.requests[0].body, "{\"n\":0}\n{\"n\":1}\n");
    assert_non_null(strstr(bench.receiver.requests[0].head, "Content-Type: application/x-ndjson"));
    close_bench(&bench);
}

static void a_receiver_that_is_not_there_is_tried_again(void **state)
{
    struct bench bench;
    uint16_t port;
    char url[64];
    int nobody = receiver_bind(&port);

    (void)state;
    open_bench(&bench, NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    bench.settings.url = lb_str_from(url);
    bench.settings.retry_first_ns = bench.settings.retry_max_ns = 3600 * LB_SECOND; /* one try and no more */
    start_queue(&bench);
    push(&bench, "x", 1);
    run_one_try(&bench);
    assert_non_null(bench.queue.first);
    assert_int_equal(bench.queue.first->attempt, 1);
    assert_int_equal(mark(&bench), 0);
    close_bench(&bench);
    close(nobody);
}

static void closing_does_not_wait_for_an_answer(void **state)
{
    static const char *const script[] = { ANSWER_NEVER, NULL };
    struct bench bench;

    (void)state;
    open_bench(&bench, script);
    bench.settings.timeout_ns = 600 * LB_SECOND;
    start_queue(&bench);
    push(&bench, "x", 1);
    push(&bench, "y", 2);
    while (receiver_count(&bench.receiver) == 0)
        http_queue_step(&bench.queue, 10);
    int64_t before = lb_clock_monotonic();
    http_queue_close(&bench.queue);
    assert_true(lb_clock_monotonic() - before < RECEIVER_SECONDS * LB_SECOND);
    assert_int_equal(mark(&bench), 0);
    assert_int_equal(lb_streams_outstanding(bench.rig.streams, 0), 2);
    bench.queue = (struct http_queue){ .settings = &bench.settings };
    close_bench(&bench);
}

static void the_queue_is_full_by_the_memory_it_takes(void **state)
{
    struct bench bench;
    unsigned count = 0;

    (void)state;
    open_bench(&bench, NULL);
    bench.settings.queue_bytes = 65536;
    start_queue(&bench);
    for (; !http_queue_full(&bench.queue); count++)
        push(&bench, "x", count + 1);
    assert_in_range(count, 65536 / 1024, 65536 / 256);
    close_bench(&bench);
}

static void configured_headers_are_sent(void **state)
{
    struct bench bench;
    struct lb_pair pairs[] = { { LB_STR("Authorization"), LB_STR("Bearer abc") }, { LB_STR("X-Team"), LB_STR("a b") } };

    (void)state;
    open_bench(&bench, NULL);
    bench.settings.headers = (struct lb_pairs){ pairs, 2 };
    start_queue(&bench);
    push(&bench, "x", 1);
    run_out(&bench);
    const char *head = bench.receiver.requests[0].head;
    assert_non_null(strstr(head, "POST /in HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(head, "\r\nAuthorization: Bearer abc\r\n"));
    assert_non_null(strstr(head, "\r\nX-Team: a b"));
    assert_null(strcasestr(head, "expect:"));
    close_bench(&bench);
}

static bool cannot_sign(struct lb_sink *sink, const struct http_request *request, struct curl_slist **list)
{
    (void)sink, (void)request, (void)list;
    return false;
}

static void nothing_is_sent_unsigned(void **state)
{
    struct bench bench;

    (void)state;
    open_bench(&bench, NULL);
    bench.queue.sign = cannot_sign;
    start_queue(&bench);
    push(&bench, "x", 1);
    http_queue_step(&bench.queue, 10);
    assert_int_equal(bench.queue.in_flight, 0);
    assert_non_null(bench.queue.first);
    assert_int_equal(bench.receiver.count, 0);
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_of_the_wait_doubles_up_to_the_maximum),
        cmocka_unit_test(waits_are_spread_below_the_bound),
        cmocka_unit_test(a_failed_request_keeps_its_place),
        cmocka_unit_test(one_that_waits_holds_up_its_lane_only),
        cmocka_unit_test(an_endpoint_that_is_gone_is_asked_no_more),
        cmocka_unit_test(a_status_decides_between_delivered_refused_and_later),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(a_huge_answer_is_judged_by_its_status),
        cmocka_unit_test(what_the_receiver_says_stays_one_short_line),
        cmocka_unit_test(a_token_in_several_requests_waits_for_the_last),
        cmocka_unit_test(many_tokens_are_each_let_go_once),
        cmocka_unit_test(without_memory_nothing_is_held),
        cmocka_unit_test(at_most_concurrency_requests_are_in_flight),
        cmocka_unit_test(halves_find_the_record_at_fault),
        cmocka_unit_test(only_what_failed_is_sent_again),
        cmocka_unit_test(an_answer_about_something_else_is_no_answer_record_by_record),
        cmocka_unit_test(what_cannot_be_kept_is_tried_again),
        cmocka_unit_test(an_open_circuit_tries_one_request_at_a_time),
        cmocka_unit_test(lines_are_their_own_content_type),
        cmocka_unit_test(a_receiver_that_is_not_there_is_tried_again),
        cmocka_unit_test(closing_does_not_wait_for_an_answer),
        cmocka_unit_test(the_queue_is_full_by_the_memory_it_takes),
        cmocka_unit_test(configured_headers_are_sent),
        cmocka_unit_test(nothing_is_sent_unsigned),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sinks/http_queue", tests, NULL, NULL);
}
