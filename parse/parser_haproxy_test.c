/* parser_haproxy_test.c - lines of HTTP, TCP and errors, with and without the header of syslog; the corpus. */
#include "parser_haproxy.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

static void lines_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "192.0.2.1:1234 [01/Mar/2026:10:00:00.250] web~ app/node1 10/0/1/-1/+48 200 +3313 - SID=1 --VN 3/2/0/1/0 4/5 "
          "{Mozilla|x} {nginx} \"GET /a?b HTTP/1.1\"",
          "2026-03-01T10:00:00.250Z||||GET /a?b HTTP/1.1|client_ip=192.0.2.1;client_port=[1234];frontend=web~;"
          "backend=app;server=node1;request_ms=[10];queue_ms=[0];connect_ms=[1];response_ms=[-1];duration_ms=[48];"
          "status=[200];bytes=[3313];response_cookie=SID=1;termination=--VN;active_connections=[3];"
          "frontend_connections=[2];backend_connections=[0];server_connections=[1];retries=[0];server_queue=[4];"
          "backend_queue=[5];request_headers=Mozilla|x;response_headers=nginx;method=GET;path=/a?b;"
          "protocol=HTTP/1.1;" },
        { "Mar  1 10:00:01 lb1 haproxy[7]: 2001:db8::1:99 [01/Mar/2026:10:00:00.000] in out/s1 1/1/861 1485 -- "
          "2/1/0/0/0 0/0",
          "2026-03-01T10:00:00Z||haproxy|lb1|2001:db8::1:99 [01/Mar/2026:10:00:00.000] in out/s1 1/1/861 1485 -- "
          "2/1/0/0/0 0/0|pid=[7];client_ip=2001:db8::1;client_port=[99];frontend=in;backend=out;server=s1;"
          "queue_ms=[1];connect_ms=[1];duration_ms=[861];bytes=[1485];termination=--;active_connections=[2];"
          "frontend_connections=[1];backend_connections=[0];server_connections=[0];retries=[0];server_queue=[0];"
          "backend_queue=[0];" },
        { "192.0.2.1:1 [01/Mar/2026:10:00:00.000] web/ssl: SSL handshake failure",
          "2026-03-01T10:00:00Z||||SSL handshake failure|client_ip=192.0.2.1;client_port=[1];frontend=web;" },
        { "2026-03-01T10:00:01+00:00 lb1 haproxy[7]: Connect from 192.0.2.1:5 to 192.0.2.2:80 (main/HTTP)",
          "||haproxy|lb1|Connect from 192.0.2.1:5 to 192.0.2.2:80 (main/HTTP)|pid=[7];client_ip=192.0.2.1;"
          "client_port=[5];destination_ip=192.0.2.2;destination_port=[80];frontend=main;" },
        { "Mar  1 10:00:01 lb1 haproxy[7]: Proxy web started.", "||haproxy|lb1|Proxy web started.|pid=[7];" },
        { "192.0.2.1:1 [01/Mar/2026:10:00:00.000] web app/s1 0/0/0/0/0 400 5 - - PR-- 1/1/0/0/0 0/0 \"<BADREQ>",
          "2026-03-01T10:00:00Z||||<BADREQ>|client_ip=192.0.2.1;client_port=[1];frontend=web;backend=app;server=s1;"
          "request_ms=[0];queue_ms=[0];connect_ms=[0];response_ms=[0];duration_ms=[0];status=[400];bytes=[5];"
          "termination=PR--;active_connections=[1];frontend_connections=[1];backend_connections=[0];"
          "server_connections=[0];retries=[0];server_queue=[0];backend_queue=[0];" },
        { "Proxy web started.", NULL },
        { "", NULL },
        { "192.0.2.1:1 [x] web app/s1", NULL },
        { "192.0.2.1:1 [01/Mar/2026:10:00:00.000] web app/s1 0/0 400 5 - - PR-- 1/1/0/0/0 0/0", NULL },
        { "192.0.2.1:1 [01/Mar/2026:10:00:00.000] web app/s1 0/0/0/0/0 400 5 - - PR-- 1/1/0 0/0", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

/* --- the corpus ----------------------------------------------------------------- */

static void the_events_of_another_shipper_agree(void **unused)
{
    static const struct field_name names[] = {
        { "source.address", "client_ip" },
        { "source.port", "client_port" },
        { "destination.ip", "destination_ip" },
        { "destination.port", "destination_port" },
        { "process.pid", "pid" },
        { "haproxy.frontend_name", "frontend" },
        { "haproxy.backend_name", "backend" },
        { "haproxy.server_name", "server" },
        { "haproxy.bytes_read", "bytes" },
        { "haproxy.connections.active", "active_connections" },
        { "haproxy.connections.retries", "retries" },
        { "haproxy.backend_queue", "backend_queue" },
        { "haproxy.termination_state", "termination" },
        { "haproxy.http.request.raw_request_line", "message" },
        { "haproxy.http.request.time_wait_ms", "request_ms" },
        { "haproxy.total_waiting_time_ms", "queue_ms" },
        { "haproxy.connection_wait_time_ms", "connect_ms" },
        { "haproxy.http.request.time_wait_without_data_ms", "response_ms" },
        { "http.request.method", "method" },
        { "http.response.status_code", "status" },
        { NULL, NULL },
    };
    struct corpus_score score = { 0 };

    (void)unused;
    corpus_events(&test, "beats/haproxy/log/default.log", names, &score);
    corpus_events(&test, "beats/haproxy/log/httplog-no-headers.log", names, &score);
    if (score.all == 0)
        skip();
    printf("[ CORPUS   ] events: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

static void lines_of_the_corpus_agree(void **unused)
{
    static const struct field_name names[] = {
        { "client_ip", "client_ip" },
        { "client_port", "client_port" },
        { "http_status_code", "status" },
        { "bytes_read", "bytes" },
        { "http_verb", "method" },
        { "http_request", "path" },
        { "backend_name", "backend" },
        { "server_name", "server" },
        { "feconn", "frontend_connections" },
        { "time_duration", "duration_ms" },
        { NULL, NULL },
    };
    struct corpus_score score = { 0 };
    struct corpus corpus;
    struct lb_str row;

    (void)unused;
    if (!corpus_open(&corpus, "apps/lines.jsonl"))
        skip();
    while (corpus_next(&corpus, &row)) {
        struct lb_str input = corpus_text(corpus_get(row, "in"));

        if (lb_str_is(corpus_get(row, "type"), "\"haproxy\"")) {
            bool same = test_parse(&test, input) == LB_OK;

            /* "frontend/bind" is taken for a server there. */
            if (same && test_field(&test, "backend").len > 0)
                same = corpus_agrees_in(&test, corpus_get(row, "fields"), names);
            corpus_count(&score, same, row);
        }
        free((char *)(uintptr_t)input.ptr);
    }
    corpus_close(&corpus);
    printf("[ CORPUS   ] lines: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

static void samples_of_the_corpus_are_taken(void **unused)
{
    (void)unused;
    assert_true(corpus_samples(&test, "\"haproxy_log\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut),
        cmocka_unit_test(the_events_of_another_shipper_agree),
        cmocka_unit_test(lines_of_the_corpus_agree),
        cmocka_unit_test(samples_of_the_corpus_are_taken),
    };

    test_parser_init(&test, &lb_parser_haproxy, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_haproxy", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
