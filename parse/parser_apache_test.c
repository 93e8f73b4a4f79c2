/* parser_apache_test.c - access and error lines of Apache; the corpus. */
#include "parser_apache.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

static void access_lines_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "192.0.2.1 - frank [01/Mar/2026:10:00:00 +0000] \"GET /pb.gif HTTP/1.0\" 200 2326",
          "2026-03-01T10:00:00Z||||GET /pb.gif HTTP/1.0|client_ip=192.0.2.1;user=frank;method=GET;path=/pb.gif;"
          "protocol=HTTP/1.0;status=[200];bytes=[2326];" },
        { "www.example.com:443 192.0.2.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /\\\" HTTP/1.1\" 200 - \"a \\\\\" "
          "\"b\"",
          "2026-03-01T10:00:00Z||||GET /\\\" HTTP/1.1|vhost=www.example.com:443;client_ip=192.0.2.1;method=GET;"
          "path=/\\\";protocol=HTTP/1.1;status=[200];referrer=a \\\\;user_agent=b;" },
        { "192.0.2.1 - - [01/Mar/2026 10:00:00] \"GET /x\" 200 -",
          "2026-03-01T10:00:00Z||||GET /x|client_ip=192.0.2.1;method=GET;path=/x;status=[200];" },
        { "- - - [-] \"-\" - -", "||||-|" },
        { "[01/Mar/2026:10:00:00 +0000] 192.0.2.1 TLSv1.3 TLS_AES_128_GCM_SHA256 \"GET / HTTP/1.1\" 5",
          "2026-03-01T10:00:00Z||||GET / HTTP/1.1|client_ip=192.0.2.1;tls_version=TLSv1.3;"
          "tls_cipher=TLS_AES_128_GCM_SHA256;method=GET;path=/;protocol=HTTP/1.1;bytes=[5];" },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void error_lines_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "[Sun Mar 01 10:00:00.123456 2026] [core:error] [pid 4803:tid 3814] [client [2001:db8::1]:6044] AH00135: no, "
          "referer: http://x/",
          "2026-03-01T10:00:00.123456Z|error|||AH00135: no|module=core;pid=[4803];tid=3814;client_ip=2001:db8::1;"
          "client_port=[6044];referrer=http://x/;" },
        { "[Sun Mar 01 10:00:00 2026] [notice] caught SIGTERM", "2026-03-01T10:00:00Z|notice|||caught SIGTERM|" },
        { "[01/Mar/2026:10:00:00 +0000] [rewrite:trace3] [pid 1] x [client y] z",
          "2026-03-01T10:00:00Z|trace|||x [client y] z|module=rewrite;pid=[1];" },
        { "[Sun Mar 01 10:00:00 2026] [quiet] x", NULL },
        { "[Sun Mar 01 10:00:00 2026] x", NULL },
        { "[x] [error] y", NULL },
        { "[", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
}

/* --- the corpus ----------------------------------------------------------------- */

static const struct field_name case_names[] = {
    { "host", "client_ip" },   { "client", "client_ip" },
    { "port", "client_port" }, { "identity", "ident" },
    { "size", "bytes" },       { "code", "status" },
    { "referer", "referrer" }, { "agent", "user_agent" },
    { "severity", "level" },   { "thread", "tid" },
    { "time", "timestamp" },   { "message1", NULL }, /* two parts of what is one message here */
    { "message2", NULL },      { NULL, NULL },
};

/*
 * Other on purpose: a line of dashes alone says nothing and is left as it is; 138633 behind a point is a fraction, not
 * a number of nanoseconds.
 */
static bool is_other_on_purpose(struct lb_str row)
{
    struct lb_str name = corpus_get(row, "name");

    return lb_str_is(name, "\"log_line_valid_empty\"") || lb_str_is(name, "\"error_line_thread_id\"");
}

static void check(struct lb_str row, struct corpus_score *score)
{
    struct lb_str input = corpus_text(corpus_get(row, "in"));
    bool valid = lb_str_is(corpus_get(row, "valid"), "true");
    bool same = (test_parse(&test, input) == LB_OK) == valid;

    if (same && valid)
        same = corpus_agrees(&test, corpus_get(row, "expect"), case_names);
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

        if ((lb_str_is(kind, "\"apache_log\"") || lb_str_is(kind, "\"common_log\"") ||
             lb_str_is(kind, "\"apache2\"")) &&
            !is_other_on_purpose(row))
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
        { "source.address", "client_ip" },
        { "source.port", "client_port" },
        { "log.level", "level" },
        { "process.pid", "pid" },
        { "process.thread.id", "tid" },
        { "apache.error.module", "module" },
        { "tls.cipher", "tls_cipher" },
        { "message", "message" },
        { NULL, NULL },
    };
    static const char *const logs[] = {
        "beats/apache/access/ssl-request.log",   "beats/apache/access/test-vhost.log",
        "beats/apache/access/ubuntu-2.2.22.log", "beats/apache/error/test.log",
        "beats/apache/error/sublevel.log",
    };
    static struct test_parser zoned;
    struct zoned own = { .timezone = LB_STR("-02:00") };
    struct corpus_score score = { 0 };

    (void)unused;
    test_parser_init(&zoned, &lb_parser_apache, &own);
    assert_int_equal(test_parser_open(&zoned), LB_OK);
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
        corpus_events(&zoned, logs[i], names, &score);
    test_parser_free(&zoned);
    if (score.all == 0)
        skip();
    printf("[ CORPUS   ] events: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

/* "status":{"200":1680,…} of the facts. */
static long fact(struct lb_str facts, const char *group, const char *key)
{
    struct lb_str count = corpus_get(corpus_get(facts, group), key);

    return count.ptr != NULL ? strtol(count.ptr, NULL, 10) : 0;
}

static void check_log(struct lb_str facts, const char *name)
{
    struct corpus log;
    struct lb_str line;
    long found = 0, missing = 0, get = 0, lines = 0, refused = 0;
    int64_t bytes = 0;

    if (!corpus_open(&log, name))
        skip();
    while (corpus_next(&log, &line)) {
        double number = 0;

        lines++;
        refused += test_parse(&test, line) != LB_OK;
        found += lb_str_is(test_field(&test, "status"), "200");
        missing += lb_str_is(test_field(&test, "status"), "404");
        get += lb_str_is(test_field(&test, "method"), "GET");
        if (lb_value_number(lb_record_get(&test.record, LB_STR("bytes"), &test.scratch), &number))
            bytes += (int64_t)number;
    }
    corpus_close(&log);
    assert_int_equal(refused, 0);
    assert_int_equal(lines, strtol(corpus_get(facts, "lines").ptr, NULL, 10));
    assert_int_equal(found, fact(facts, "status", "200"));
    assert_int_equal(missing, fact(facts, "status", "404"));
    assert_int_equal(get, fact(facts, "method", "GET"));
    assert_int_equal(bytes, strtoll(corpus_get(facts, "body_bytes").ptr, NULL, 10));
    printf("[ CORPUS   ] %s: %ld of %ld lines\n", name, lines - refused, lines);
}

static void counts_of_the_logs_of_the_corpus_agree(void **unused)
{
    struct corpus corpus;
    struct lb_str facts;

    (void)unused;
    if (!corpus_open(&corpus, "access/facts.jsonl"))
        skip();
    while (corpus_next(&corpus, &facts)) {
        struct lb_str name = corpus_text(corpus_get(facts, "log"));

        check_log(facts, name.ptr);
        free((char *)(uintptr_t)name.ptr);
    }
    corpus_close(&corpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_lines_are_cut),
        cmocka_unit_test(error_lines_are_cut),
        cmocka_unit_test(the_cases_of_the_corpus_agree),
        cmocka_unit_test(the_events_of_another_shipper_agree),
        cmocka_unit_test(counts_of_the_logs_of_the_corpus_agree),
    };

    test_parser_init(&test, &lb_parser_apache, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_apache", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
