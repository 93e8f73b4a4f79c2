/* parser_nginx_test.c - access and error lines of nginx; the corpus. */
#include "parser_nginx.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

static void access_lines_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "192.0.2.1 - alice [01/Mar/2026:11:00:00 +0100] \"GET /a?b=c HTTP/1.1\" 200 612 \"http://x/\" \"curl/8 (x)\"",
          "2026-03-01T10:00:00Z||||GET /a?b=c HTTP/1.1|client_ip=192.0.2.1;user=alice;method=GET;path=/a?b=c;"
          "protocol=HTTP/1.1;status=[200];bytes=[612];referrer=http://x/;user_agent=curl/8 (x);" },
        { "2001:db8::1 - - [29/Feb/2024:00:00:00 +0000] \"\" 400 0 \"-\" \"-\" \"198.51.100.1, 192.0.2.9\"",
          "2024-02-29T00:00:00Z|||||client_ip=2001:db8::1;status=[400];bytes=[0];forwarded_for=198.51.100.1, "
          "192.0.2.9;" },
        { "192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"\\x16\\x03\" 400 150 \"\" \"a \\\"b\\\"\" \"2.75\"",
          "2026-03-01T10:00:00Z||||\\x16\\x03|client_ip=192.0.2.1;status=[400];bytes=[150];user_agent=a "
          "\\\"b\\\";gzip_ratio=[2.75];" },
        { "shop.example 192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/2.0\" 200 - \"-\" \"x\" rt=0.1 u=2",
          "2026-03-01T10:00:00Z||||GET / HTTP/2.0|vhost=shop.example;client_ip=192.0.2.1;method=GET;path=/;"
          "protocol=HTTP/2.0;status=[200];user_agent=x;extra=rt=0.1 u=2;" },
        { "\"198.51.100.1, 198.51.100.2\" 10.0.0.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /a b HTTP/1.1\" 200 1",
          "2026-03-01T10:00:00Z||||GET /a b HTTP/1.1|client_ip=198.51.100.1;forwarded_for=198.51.100.1, "
          "198.51.100.2;proxy_ip=10.0.0.1;method=GET;path=/a b;protocol=HTTP/1.1;status=[200];bytes=[1];" },
        { "192.0.2.1 - [198.51.100.1] - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"x\" 462 0.0505 "
          "[ns-app-80] [] 10.0.0.1:80, 10.0.0.2:80 0, 12 0.001, 0.049 502, 200 abc",
          "2026-03-01T10:00:00Z||||GET / HTTP/1.1|client_ip=192.0.2.1;method=GET;path=/;protocol=HTTP/1.1;"
          "status=[200];bytes=[1];user_agent=x;request_bytes=[462];duration_ms=[50.5];upstream=ns-app-80;"
          "upstream_address=10.0.0.1:80, 10.0.0.2:80;upstream_bytes=0, 12;upstream_status=502, 200;"
          "request_id=abc;" },
        /* Traefik; Envoy, by itself and as Istio configures it */
        { "192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 404 19 \"-\" \"-\" 12 \"web@docker\" "
          "\"http://10.0.0.4:80\" 3ms",
          "2026-03-01T10:00:00Z||||GET / HTTP/1.1|client_ip=192.0.2.1;method=GET;path=/;protocol=HTTP/1.1;status=[404];"
          "bytes=[19];request_number=[12];router=web@docker;upstream_address=http://10.0.0.4:80;duration_ms=[3];" },
        { "[2026-03-01T10:00:00.123Z] \"GET /a HTTP/2\" 200 - 0 5028 3 2 \"192.0.2.1,10.0.0.1\" \"curl\" \"id1\" "
          "\"h.example\" "
          "\"10.0.0.4:80\"",
          "2026-03-01T10:00:00.123Z||||GET /a HTTP/2|method=GET;path=/a;protocol=HTTP/2;status=[200];request_bytes=[0];"
          "bytes=[5028];duration_ms=[3];upstream_duration_ms=[2];client_ip=192.0.2.1;forwarded_for=192.0.2.1,10.0.0.1;"
          "user_agent=curl;request_id=id1;vhost=h.example;upstream_address=10.0.0.4:80;" },
        { "[2026-03-01T10:00:00.123Z] \"- - -\" 0 UH no_healthy_upstream - \"-\" 0 0 1 - \"-\" \"-\" \"-\" \"-\" \"-\" "
          "a - b",
          "2026-03-01T10:00:00.123Z||||- - -|status=[0];response_flags=UH;request_bytes=[0];bytes=[0];duration_ms=[1];"
          "extra=a - b;" },
        { "[2026-03-01T10:00:00.123Z] \"GET / HTTP/2\" 200", NULL },
        { "", NULL },
        { "plain text", NULL },
        { "a - - [x] \"GET / HTTP/1.1\" 200 1", NULL },
        { "- [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1", NULL },
        { "192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1 200 1", NULL },
        { "192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET / HTTP/1.1\" abc 1", NULL },
        { "192.0.2.1 - - [31/Feb/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1", NULL },
        { "192.0.2.1 - - [01/Mar/2026:10:00:00 +0000]", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void error_lines_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "2026/03/01 10:00:00 [error] 32#33: *6 open() \"/x, y\" failed (2: No such file), client: 192.0.2.1, server: "
          "_, "
          "request: \"GET /x HTTP/1.1\", upstream: \"http://10.0.0.1/\", host: \"shop:80\", referrer: \"\"",
          "2026-03-01T10:00:00Z|error|||open() \"/x, y\" failed (2: No such file)|pid=[32];tid=[33];connection=[6];"
          "client_ip=192.0.2.1;server=_;method=GET;path=/x;protocol=HTTP/1.1;upstream=http://10.0.0.1/;"
          "request_host=shop:80;" },
        { "2026/03/01 10:00:00 [notice] 1#1: signal process started",
          "2026-03-01T10:00:00Z|notice|||signal process started|pid=[1];tid=[1];" },
        { "2026/03/01 10:00:00 [emerg] 1#1: two\nlines",
          "2026-03-01T10:00:00Z|emergency|||two\nlines|pid=[1];tid=[1];" },
        { "2026/03/01 10:00:00 [loud] 1#1: x", NULL },
        { "2026/13/01 10:00:00 [error] 1#1: x", NULL },
        { "2026/03/01 10:00:00 [error] x", NULL },
        { "2026/03/01", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
}

static void times_of_the_error_log_are_in_the_zone_that_is_told(void **unused)
{
    static struct test_parser zoned;
    struct zoned own = { .timezone = LB_STR("Europe/Berlin") };

    (void)unused;
    test_parser_init(&zoned, &lb_parser_nginx, &own);
    assert_int_equal(test_parser_open(&zoned), LB_OK);
    assert_int_equal(test_parse(&zoned, LB_STR("2026/07/01 12:00:00 [info] 1#1: x")), LB_OK);
    assert_string_equal(test_summary(&zoned), "2026-07-01T10:00:00Z|info|||x|pid=[1];tid=[1];");
    test_parser_free(&zoned);
}

/* --- the corpus ----------------------------------------------------------------- */

static const struct field_name vrl_names[] = {
    { "client", "client_ip" },
    { "remote_addr", "client_ip" },
    { "remote", "client_ip" },
    { "remote_user", "user" },
    { "request", NULL }, /* ours is cut, or the message */
    { "size", "bytes" },
    { "code", "status" },
    { "body_bytes_size", "bytes" },
    { "referer", "referrer" },
    { "http_referer", "referrer" },
    { "agent", "user_agent" },
    { "http_user_agent", "user_agent" },
    { "http_x_forwarded_for", "forwarded_for" },
    { "compression", "gzip_ratio" },
    { "request_length", "request_bytes" },
    { "request_time", NULL }, /* in seconds there */
    { "upstream_addr", "upstream_address" },
    { "proxy_upstream_name", "upstream" },
    { "req_id", "request_id" },
    { "severity", "level" },
    { "cid", "connection" },
    { "host", NULL }, /* of the request in one source, of the log in another */
    { "message", NULL },
    { "excess", NULL }, /* in the message here */
    { "zone", NULL },
    { "time", "timestamp" },
    { NULL, NULL },
};

static void check(struct lb_str row, struct corpus_score *score)
{
    struct lb_str input = corpus_text(corpus_get(row, "in"));
    bool valid = lb_str_is(corpus_get(row, "valid"), "true");
    bool same;

    /* Only refused there because another format was told. */
    if (lb_str_is(corpus_get(row, "name"), "\"main_line_invalid\""))
        valid = true;
    same = (test_parse(&test, input) == LB_OK) == valid;
    if (same && corpus_get(row, "expect").ptr != NULL)
        same = corpus_agrees(&test, corpus_get(row, "expect"), vrl_names);
    corpus_count(score, same, row);
    free((char *)(uintptr_t)input.ptr);
}

static void the_cases_of_the_corpus_agree(void **unused)
{
    struct corpus_score score = { 0 };
    struct corpus corpus;
    struct lb_str row;

    (void)unused;
    if (!corpus_open(&corpus, "parse/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &row)) {
        struct lb_str kind = corpus_get(row, "kind");

        if (lb_str_is(kind, "\"nginx_log\"") || lb_str_is(kind, "\"nginx\""))
            check(row, &score);
    }
    corpus_close(&corpus);
    printf("[ CORPUS   ] cases: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

static void the_events_of_another_shipper_agree(void **unused)
{
    static const struct field_name names[] = {
        { "@timestamp", "timestamp" },
        { "http.request.method", "method" },
        { "http.response.status_code", "status" },
        { "http.response.body.bytes", "bytes" },
        { "url.original", "path" },
        { "user.name", "user" },
        { "user_agent.original", "user_agent" },
        { "http.request.referrer", "referrer" },
        { "log.level", "level" },
        { "process.pid", "pid" },
        { "process.thread.id", "tid" },
        { "nginx.error.connection_id", "connection" },
        { NULL, NULL },
    };
    static struct test_parser zoned;
    struct zoned own = { .timezone = LB_STR("-02:00") };
    struct corpus_score score = { 0 };

    (void)unused;
    test_parser_init(&zoned, &lb_parser_nginx, &own);
    assert_int_equal(test_parser_open(&zoned), LB_OK);
    corpus_events(&zoned, "beats/nginx/access/access.log", names, &score);
    corpus_events(&zoned, "beats/nginx/access/test.log", names, &score);
    corpus_events(&zoned, "beats/nginx/error/error.log", names, &score);
    test_parser_free(&zoned);
    if (score.all == 0)
        skip();
    printf("[ CORPUS   ] events: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_lines_are_cut),
        cmocka_unit_test(error_lines_are_cut),
        cmocka_unit_test(times_of_the_error_log_are_in_the_zone_that_is_told),
        cmocka_unit_test(the_cases_of_the_corpus_agree),
        cmocka_unit_test(the_events_of_another_shipper_agree),
    };

    test_parser_init(&test, &lb_parser_nginx, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_nginx", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
