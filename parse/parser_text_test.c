/* parser_text_test.c - the layouts of applications; the corpus. */
#include "parser_text.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

#define T "2026-03-01T10:00:00Z"
#define MS "2026-03-01T10:00:00.123Z"

static void layouts_are_told(void **unused)
{
    static const struct parser_case cases[] = {
        /* log4j and logback */
        { "2026-03-01 10:00:00,123 [main] INFO  com.acme.Shop - Started in 5 s",
          MS "|info|||Started in 5 s|thread=main;logger=com.acme.Shop;" },
        { "2026-03-01 10:00:00,123 WARN  [pool-1 thread 2] server.Server: two\nlines",
          MS "|warn|||[pool-1 thread 2] server.Server: two\nlines|" },
        { "10:00:00.123 [main] ERROR c.a.Shop - x", "|error|||x|time=10:00:00.123;thread=main;logger=c.a.Shop;" },
        { "01 Mar 2026 10:00:00,123 DEBUG x y", MS "|debug|||x y|" },
        { "01-Mar-2026 10:00:00.123 SEVERE [http-nio-80] org.apache.X.run boom",
          MS "|error|||[http-nio-80] org.apache.X.run boom|" },
        { "[2026-03-01T10:00:00,123][INFO ][o.o.j.Plugin ] [node-1] Loaded",
          MS "|info|||[node-1] Loaded|logger=o.o.j.Plugin;" },
        { "2026-03-01T11:00:00.123+01:00  INFO 4711 --- [           main] c.e.Application      : Started",
          MS "|info|||Started|pid=[4711];thread=main;logger=c.e.Application;" },
        /* Python */
        { "2026-03-01 10:00:00,123 - my.module - ERROR - it broke", MS "|error|||it broke|logger=my.module;" },
        { "WARNING:root:careful: hot", "|warn|||careful: hot|logger=root;" },
        { "2026-03-01 10:00:00,123 INFO imageService up", MS "|info|||imageService up|" },
        { "INFO:     192.0.2.1:5 - \"GET /\" 200", "|info|||192.0.2.1:5 - \"GET /\" 200|" },
        { "2026-03-01 10:00:00,123 7 INFO db odoo.x: m", MS "|info|||db odoo.x: m|pid=[7];" },
        { "2026-03-01 10:00:00,123 7 times", MS "||||7 times|" },
        { "2026-03-01 10:00:00.123 WARNING (MainThread) [ha.http.ban] x",
          MS "|warn|||x|thread=MainThread;logger=ha.http.ban;" },
        /* winston */
        { "\x1b[32minfo\x1b[39m: hello {\"service\":\"shop\",\"n\":1,\"timestamp\":\"2026-03-01T10:00:00.123Z\"}",
          MS "|info|shop||hello|n=[1];" },
        { "2026-03-01T10:00:00.123Z [error]: no {\"a\":1} there", MS "|error|||no {\"a\":1} there|" },
        { "2026-03-01T10:00:00.123Z 192.0.2.1  {     \"a\": 1, \"b\": 2 }", MS "||||192.0.2.1|a=[1];b=[2];" },
        { "2026-03-01T10:00:00.123Z x {   }", MS "||||x {   }|" },
        /* others */
        { "[2026-03-01 10:00:00] local.ERROR: bad {\"user\":5}", T "|error|||bad|logger=local;user=[5];" },
        { "[2026-03-01T10:00:00Z ERROR main] by default", T "|error|||by default|logger=main;" },
        { "[2026-03-01 10:00:00.123] [mylogger] [info] Some message", MS "|info|||Some message|thread=mylogger;" },
        { "2026/03/01 10:00:00 main.go:63: creating", T "||||main.go:63: creating|" },
        { "2026-03-01T10:00:00Z warn vlcm [config.go:377] x", T "|warn|||vlcm [config.go:377] x|" },
        { "2026-03-01 10:00:00 CET error x", "2026-03-01T09:00:00Z|error|||x|" },
        { "INFO   | jvm 1    | x", "|info|||jvm 1    | x|" },
        { "[2026-03-01 10:00:00.123][vault::api][ERROR] no", MS "|error|||no|logger=vault::api;" },
        { "2026/03/01 10:00:00 [2026-03-01 10:00:00.123] [router:x] GET /", MS "||||[router:x] GET /|" },
        { "2026-03-01 10:00:00 foo.bar said hi", T "||||foo.bar said hi|" },
        /* the level is not the first word, or the time not the only one */
        { "2026-03-01T10:00:00.123Z worker-5  INFO  org.a.Factory Initializing",
          MS "|info|||Initializing|thread=worker-5;logger=org.a.Factory;" },
        { "2026-03-01 10:00:00 server Error while", T "||||server Error while|" },
        { "2026-03-01T10:00:00Z esxupdate: 7: root: INFO: Command", T "|info|||Command|logger=root;" },
        { "2026-03-01T10:00:00.123Z [worker-5  INFO  c.v.Util  opId=] m", MS "|info|||m|thread=worker-5;" },
        { "[2026-03-01 10:00:00.123 F5A5 info 'vm' opID=1-d] m", MS "|info|||m|thread=F5A5;logger='vm' opID=1-d;" },
        { "2026-03-01T10:00:00 AM UTC [7]DEBUG:fw:m", T "|debug|||fw:m|thread=7;" },
        { "Sun Mar  1 10:00:00 UTC 2026 m", T "||||m|" },
        { "1772359200.123 execve(\"/bin/ls\")", MS "||||execve(\"/bin/ls\")|" },
        { "17723592.123 x", NULL },
        /* ESXi */
        { "2026-03-01T10:00:00.123Z Db(167) Hostd[7]: m", MS "|debug|||Hostd[7]: m|" },
        { "2026-03-01T10:00:00.123Z Er(14)[+] Hostd[7]: m", MS "|error|||Hostd[7]: m|" },
        { "2026-03-01T10:00:00.123Z Wa(x) m", MS "||||Wa(x) m|" },
        { "error: bare", "|error|||bare|" },
        { "2026-03-01 10:00:00", T "|||||" },
        { "Error while reading", NULL },
        { "nothing of the kind", NULL },
        { "at 10:00 we meet", NULL },
        { "[x] y", NULL },
        { "{\"a\":1}", NULL },
        { "\x1b[", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void times_are_in_the_zone_that_is_told(void **unused)
{
    static struct test_parser zoned;
    struct zoned own = { .timezone = LB_STR("+02:00") };

    (void)unused;
    test_parser_init(&zoned, &lb_parser_java, &own);
    assert_int_equal(test_parser_open(&zoned), LB_OK);
    assert_int_equal(test_parse(&zoned, LB_STR("2026-03-01 12:00:00,123 INFO x")), LB_OK);
    assert_string_equal(test_summary(&zoned), MS "|info|||x|");
    assert_int_equal(test_parse(&zoned, LB_STR("2026-03-01T10:00:00.123Z INFO x")), LB_OK);
    assert_string_equal(test_summary(&zoned), MS "|info|||x|");
    test_parser_free(&zoned);
}

static void a_zone_that_is_none_is_told(void **unused)
{
    static struct test_parser zoned;
    struct zoned own = { .timezone = LB_STR("Europe/Nowhere") };

    (void)unused;
    test_parser_init(&zoned, &lb_parser_text, &own);
    assert_int_equal(test_parser_open(&zoned), LB_BAD_CONF);
    assert_int_equal(zoned.diag.errors, 1);
    test_parser_free(&zoned);
}

/* --- the corpus ----------------------------------------------------------------- */

static void the_samples_are_taken(void **unused)
{
    static const char *const formats[] = { "\"java_log\"",   "\"candlepin_log\"", "\"engine_log\"",
                                           "\"idea_log\"",   "\"laravel_log\"",   "\"env_logger_log\"",
                                           "\"spdlog_log\"", "\"zookeeper_log\"", "\"vmw_vc_svc_log\"" };
    struct corpus_score score = { 0 };

    (void)unused;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        corpus_count(&score, corpus_samples(&test, formats[i]), lb_str_from(formats[i]));
    assert_int_equal(score.right, score.all);
}

static void the_events_of_another_shipper_agree(void **unused)
{
    static const struct field_name names[] = {
        { "@timestamp", "timestamp" },
        { "log.level", "level" },
        { NULL, NULL },
    };
    static const char *const logs[] = {
        "beats/kafka/log/server.log",
        "beats/kafka/log/server-2.0.0.log",
        "beats/kafka/log/state-change.log",
        "beats/logstash/log/logstash-plain-7.4.log",
        "beats/logstash/log/logstash-plain.log",
        "beats/elasticsearch/deprecation/elasticsearch_deprecation.log",
        "beats/elasticsearch/deprecation/other_elasticsearch_deprecation.log",
    };
    static struct test_parser zoned;
    struct zoned own = { .timezone = LB_STR("-02:00") };
    struct corpus_score score = { 0 };

    (void)unused;
    test_parser_init(&zoned, &lb_parser_text, &own);
    assert_int_equal(test_parser_open(&zoned), LB_OK);
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
        corpus_events(&zoned, logs[i], names, &score);
    test_parser_free(&zoned);
    if (score.all == 0)
        skip();
    printf("[ CORPUS   ] events: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts_are_told),
        cmocka_unit_test(times_are_in_the_zone_that_is_told),
        cmocka_unit_test(a_zone_that_is_none_is_told),
        cmocka_unit_test(the_samples_are_taken),
        cmocka_unit_test(the_events_of_another_shipper_agree),
    };

    test_parser_init(&test, &lb_parser_text, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_text", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
