#include "syslog_message.h"

#include "lb_rig.h"
#include "lb_test.h"
#include "lb_test_record.h"

#include "syslog_link.h"

struct bench {
    struct lb_arena arena;
    struct lb_diag diag;
    struct lb_formatter formatter;
    struct lb_scratch scratch;
    struct syslog_form form;
    struct syslog_parts parts;
    struct lb_buffer out;
    struct lb_batch batch;
};

static void open_bench(struct bench *bench, struct lb_stream *stream)
{
    memset(bench, 0, sizeof(*bench));
    lb_arena_init(&bench->arena, 1 << 24);
    lb_buffer_init(&bench->out, 1 << 24);
    lb_buffer_init(&bench->parts.words, LB_SCRATCH_BYTES);
    bench->scratch = (struct lb_scratch){ calloc(1, LB_SCRATCH_BYTES), LB_SCRATCH_BYTES, 0 };
    bench->formatter = (struct lb_formatter){ .format = LB_FORMAT_JSON, .scratch = &bench->scratch };
    bench->formatter.time.second = INT64_MIN;
    bench->parts.formatter = &bench->formatter;
    bench->batch.stream = stream;
    bench->form = (struct syslog_form){ .facility = 1,
                                        .severity = LB_LEVEL_NONE,
                                        .bytes_max = 8192,
                                        .host = LB_STR("here"),
                                        .app_name = lb_template_new(&bench->arena, LB_STR("{service|logboom}"),
                                                                    (struct lb_place){ 0 }, &bench->diag) };
}

static void close_bench(struct bench *bench)
{
    lb_arena_free(&bench->arena);
    lb_buffer_free(&bench->out);
    lb_buffer_free(&bench->parts.words);
    free(bench->scratch.ptr);
}

static const char *written(struct bench *bench, const char *json, unsigned flags)
{
    struct lb_record record = lb_test_record(&bench->arena, json);

    record.flags |= (uint16_t)flags;
    record.time_ns = INT64_C(1767225600123456789);
    lb_buffer_reset(&bench->out);
    assert_true(syslog_message_write(&bench->form, &bench->parts, &bench->batch, &record, &bench->out));
    lb_buffer_append_char(&bench->out, '\0');
    bench->out.len--;
    return bench->out.ptr;
}

#define HEAD ""

static void a_record_is_a_message(void **state)
{
    static const struct {
        const char *json;
        const char *expected;
    } cases[] = {
        { "{" HEAD "\"level\":\"error\",\"service\":\"shop\",\"host\":\"web1\",\"message\":\"it broke\",\"pid\":42}",
          "<11>1 2026-01-01T00:00:00.123456Z web1 shop 42 - - it broke" },
        { "{" HEAD "\"message\":\"no level\"}", "<14>1 2026-01-01T00:00:00.123456Z here logboom - - - no level" },
        { "{" HEAD "\"level\":\"trace\",\"service\":\"a b\\u00e9]\",\"message\":\"x\\r\\n<13>1 forged\\u0000\"}",
          "<15>1 2026-01-01T00:00:00.123456Z here a_b__] - - - x  <13>1 forged " },
        { "{" HEAD "\"level\":\"emergency\",\"msgid\":\"ID 7\",\"structured_data\":{\"x@1\":{\"a\":\"q\\\"]\\\\\"},"
          "\"logboom@32473\":{\"b\":\"c\"},\"e f\":{}},\"message\":\"m\"}",
          "<8>1 2026-01-01T00:00:00.123456Z here logboom - ID_7 [x@1 a=\"q\\\"\\]\\\\\"][e_f] m" },
    };
    struct bench bench;
    struct rig rig;
    char dir[] = "/tmp/syslog_test.XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    rig_open(&rig, dir);
    rig_open_stream(&rig);
    open_bench(&bench, rig.stream);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(written(&bench, cases[i].json, 0), cases[i].expected);
    struct lb_str fields[] = { LB_STR("user.id"), LB_STR("nothing") };
    bench.form.fields = (struct lb_strs){ fields, 2 };
    bench.form.facility = 23;
    bench.form.severity = LB_LEVEL_NOTICE;
    assert_string_equal(written(&bench, "{" HEAD "\"level\":\"error\",\"user\":{\"id\":7},\"message\":\"m\"}", 0),
                        "<189>1 2026-01-01T00:00:00.123456Z here logboom - - [logboom@32473 user.id=\"7\"] m");
    bench.form.json = true;
    const char *text = written(&bench, "{" HEAD "\"message\":\"m\"}", 0);
    assert_non_null(strstr(text, " - - - {\"timestamp\":\"2026-01-01T00:00:00.123456789Z\",\"message\":\"m\"}"));
    close_bench(&bench);
    rig_close(&rig);
}

#define ALERT_RECORD                                                                                                   \
    "{" HEAD "\"level\":\"critical\",\"service\":\"pay\",\"message\":\"m\",\"event\":\"alert\",\"rule\":\"r\","        \
    "\"state\":\"firing\",\"severity\":\"high\",\"key\":{\"ip=\\\"]\":\"a\\\"]b\\n\"},\"fingerprint\":\"f00d\"}"

static void an_alert_is_structured_data(void **state)
{
    struct bench bench;
    struct rig rig;
    char dir[] = "/tmp/syslog_test.XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    rig_open(&rig, dir);
    rig_open_stream(&rig);
    open_bench(&bench, rig.stream);
    assert_string_equal(written(&bench, ALERT_RECORD, LB_RECORD_ALERT),
                        "<10>1 2026-01-01T00:00:00.123456Z here pay - alert [logboom@32473 rule=\"r\" state=\"firing\" "
                        "fingerprint=\"f00d\" severity=\"high\" ip___=\"a\\\"\\]b \"] m");
    /* A log line that says so is no alert. */
    assert_string_equal(written(&bench, ALERT_RECORD, 0), "<10>1 2026-01-01T00:00:00.123456Z here pay - - - m");
    close_bench(&bench);
    rig_close(&rig);
}

static void a_megabyte_is_cut_between_characters(void **state)
{
    size_t len = 1 << 20;
    struct bench bench;
    struct rig rig;
    char dir[] = "/tmp/syslog_test.XXXXXX";
    char *json = malloc(len + 256);

    (void)state;
    assert_non_null(mkdtemp(dir));
    rig_open(&rig, dir);
    rig_open_stream(&rig);
    open_bench(&bench, rig.stream);
    size_t at = (size_t)sprintf(json, "{" HEAD "\"service\":\"s\\u0061\",\"message\":\"\\n");
    for (size_t i = 0; i < len / 3; i++, at += 3)
        memcpy(json + at, "\xe6\xbc\xa2", 3);
    memcpy(json + at, "\"}", 3);
    for (size_t max = 480; max < 490; max++) {
        bench.form.bytes_max = max;
        const char *text = written(&bench, json, 0);
        assert_in_range(strlen(text), max - 4, max);
        assert_int_equal(lb_utf8_valid(lb_str_from(text)), strlen(text));
        assert_non_null(strstr(text, " here sa - - - "));
    }
    free(json);
    close_bench(&bench);
    rig_close(&rig);
}

static void addresses_are_read(void **state)
{
    static const struct {
        const char *text;
        enum syslog_way way;
        const char *host;
        const char *port;
    } good[] = {
        { "udp://10.0.0.1", SYSLOG_UDP, "10.0.0.1", "514" },
        { "tcp://logs:1514", SYSLOG_TCP, "logs", "1514" },
        { "tls://logs.example.org", SYSLOG_TLS, "logs.example.org", "6514" },
        { "tls://[::1]:10", SYSLOG_TLS, "::1", "10" },
        { "unix:///dev/log", SYSLOG_UNIX, "/dev/log", NULL },
        { "tcp://[fe80::1]", SYSLOG_TCP, "fe80::1", "514" },
    };
    static const char *const bad[] = { "",          "logs:514", "http://h",      "udp://",         "udp://:514",
                                       "tcp://h:0", "tcp://h:", "tcp://h:70000", "unix://dev/log", "tcp://[::1:514",
                                       "tcp://u@h", "tcp://h/x" };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct syslog_target target = { 0 };

        assert_true(syslog_target_read(&target, lb_str_from(good[i].text)));
        assert_int_equal(target.way, good[i].way);
        assert_string_equal(target.host, good[i].host);
        if (good[i].port != NULL)
            assert_string_equal(target.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct syslog_target target = { 0 };

        if (syslog_target_read(&target, lb_str_from(bad[i])))
            fail_msg("%s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_a_message),
        cmocka_unit_test(an_alert_is_structured_data),
        cmocka_unit_test(a_megabyte_is_cut_between_characters),
        cmocka_unit_test(addresses_are_read),
    };

    return cmocka_run_group_tests_name("sinks/syslog_message", tests, NULL, NULL);
}
