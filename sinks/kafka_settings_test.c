#include "lb_test.h"

#include "lb_tsan_kafka.h"

#include "kafka_settings.c"

static bool passes(struct lb_pair *pairs, size_t count, struct lb_diag *diag)
{
    struct lb_str broker = LB_STR("127.0.0.1:1");
    const struct lb_sink sink = { .section.name = LB_STR("bus") };
    const struct kafka_settings settings = {
        .brokers = { &broker, 1 }, .linger_ns = 20 * LB_MILLISECOND, .queue_bytes = 16 << 20, .others = { pairs, count }
    };

    return kafka_settings_check(&sink, &settings, diag);
}

static void settings_that_the_guarantee_stands_on_are_refused(void **state)
{
    static const struct {
        const char *name, *value;
        const char *fault; /* part of the message; NULL: good */
    } cases[] = {
        { "socket.keepalive.enable", "true", NULL },
        { "security.protocol", "plaintext", NULL },
        { "message.max.bytes", "5000000", NULL },
        { "acks", "1", "logboom decides" },
        { "request.required.acks", "0", "logboom decides" },
        { "enable.idempotence", "false", "logboom decides" },
        { "transactional.id", "x", "logboom decides" },
        { "message.timeout.ms", "1000", "logboom decides" },
        { "delivery.timeout.ms", "1000", "logboom decides" },
        { "retries", "3", "logboom decides" },
        { "message.send.max.retries", "3", "logboom decides" },
        { "delivery.report.only.error", "true", "logboom decides" },
        { "enabled_events", "1", "logboom decides" },
        { "queuing.strategy", "lifo", "logboom decides" },
        { "bootstrap.servers", "x:1", "\"brokers\"" },
        { "linger.ms", "5", "\"linger\"" },
        { "queue.buffering.max.kbytes", "5", "\"queue\"" },
        { "compression.type", "gzip", "\"compression\"" },
        { "sasl.usrname", "hunter2", "no such setting" },
        { "socket.timeout.ms", "hunter2", "does not take" },
        { "dr_msg_cb", "hunter2", "does not take" },
        { "max.in.flight", "100", "librdkafka says" },
        { "ssl.ca.location", "/does/not/exist.pem", NULL }, /* not used without TLS */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_pair pair = { lb_str_from(cases[i].name), lb_str_from(cases[i].value) };
        struct lb_diag diag = { 0 };
        bool good = passes(&pair, 1, &diag);
        const char *text = diag.count > 0 ? diag.entries[0].text : "";

        if (good != (cases[i].fault == NULL) || diag.errors != (cases[i].fault != NULL))
            fail_msg("%s: %s", cases[i].name, text);
        if (cases[i].fault != NULL && strstr(text, cases[i].fault) == NULL)
            fail_msg("%s: %s", cases[i].name, text);
        assert_null(strstr(text, "hunter2"));
        lb_diag_free(&diag);
    }
}

static void check_opens_certificates(void **state)
{
    struct lb_diag diag = { 0 };
    struct lb_pair pairs[] = { { LB_STR("security.protocol"), LB_STR("ssl") },
                               { LB_STR("ssl.ca.location"), LB_STR("/does/not/exist.pem") } };

    (void)state;
    assert_false(passes(pairs, 2, &diag));
    assert_non_null(strstr(diag.entries[0].text, "ssl.ca.location"));
    lb_diag_free(&diag);
}

static void a_broker_is_a_host_and_a_port(void **state)
{
    static const struct {
        const char *broker;
        bool good;
    } cases[] = {
        { "kafka1", true },         { "kafka1:9092", true },   { "10.0.0.1:9092", true },
        { "[::1]:9092", true },     { "[::1]", true },         { "", false },
        { ":9092", false },         { "kafka1:", false },      { "kafka1:99999", false },
        { "kafka1:9092x", false },  { "kafka 1:9092", false }, { "::1:9092", false },
        { "a:9092,b:9092", false }, { "kafka1:0", false },     { "kafka1:-1", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (is_broker(lb_str_from(cases[i].broker)) != cases[i].good)
            fail_msg("\"%s\"", cases[i].broker);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_the_guarantee_stands_on_are_refused),
        cmocka_unit_test(check_opens_certificates),
        cmocka_unit_test(a_broker_is_a_host_and_a_port),
    };

    return cmocka_run_group_tests_name("sinks/kafka_settings", tests, NULL, NULL);
}
