/* automatic_test.c - which parser a line is taken for; what is left alone. */
#include "automatic.c"

#include "lb_test.h"
#include "lb_test_batch.h"

static struct lb_batch batch;
static struct lb_scratch scratch;

static const char *taken_of(const char *line)
{
    struct lb_record record = { .message = lb_value_text(lb_str_from(line)),
                                .level = LB_LEVEL_NONE,
                                .flags = LB_RECORD_NO_TIME };
    struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };
    const struct lb_parser_type *taken = automatic_apply(&record, &context);

    if (taken == NULL)
        assert_text(((struct lb_str){ record.message.ptr, record.message.len }), line);
    return taken != NULL ? taken->module.name : "none";
}

static void a_line_is_known_by_its_look(void **unused)
{
    static const char *const cases[][2] = {
        { "{\"level\":\"info\",\"msg\":\"m\"}", "json" },
        { "  {\"level\":\"info\"}", "json" },
        { "@cee: {\"level\":\"info\"}", "json" },
        { "<34>1 2026-03-01T10:00:00Z h app 7 - - m", "syslog" },
        { "<34>Mar  1 10:00:00 h app[7]: m", "syslog" },
        { "Mar  1 10:00:00 h app[7]: m", "syslog" },
        { "2026-03-01T10:00:00.123456+01:00 h app[7]: m", "syslog" },
        { "Sun Mar  1 10:00:00 2026 daemon.notice netifd: up", "syslog" },
        { "Sun Mar  1 10:00:00 2026 [error] no. 5", "text" },
        { "=INFO REPORT==== 1-Mar-2026::10:00:00 ===", "text" },
        { "[2026-03-01T10:00:00.123] [ERROR] default - no", "text" },
        { "[2026-03-01T10:00:00.123Z] \"GET / HTTP/2\" 200 - 0 1 3 2 \"-\" \"-\" \"-\" \"-\" \"-\"", "nginx" },
        { "https://shop.example/a?b=c", "none" },
        { "CEF:0|A|B|1|2|scan|8|src=192.0.2.1", "cef" },
        { "LEEF:2.0|A|B|1|2|^|src=192.0.2.1", "leef" },
        { "2026-03-01T10:00:00Z stderr F it broke", "cri" },
        { "E20260301 10:00:00.000000 7 a.go:70] gone", "klog" },
        { "[7] 01 Mar 10:00:00.000 # no", "redis" },
        { "1:signal-handler (1772359200) Received SIGTERM", "redis" },
        { "I [01/Mar/2026:10:00:00 +0000] Load: Wrote \"/etc/x\", 14...", "text" },
        { "1:M 01 Mar 2026 10:00:00.000 # no", "redis" },
        { "2026/03/01 11:00:00 [error] 1#2: *3 broken, client: 192.0.2.1", "nginx" },
        { "[Sun Mar 01 10:00:00.000000 2026] [core:error] [pid 4] m", "apache" },
        { "192.0.2.1 - al [01/Mar/2026:11:00:00 +0100] \"GET /a HTTP/1.1\" 200 612 \"-\" \"curl\"", "nginx" },
        { "2026-03-01T10:00:00.000000Z 8 [Warning] [MY-010926] [Server] no", "mysql" },
        { "2026-03-01 10:00:00 140 [Note] Event scheduler", "mysql" },
        { "260301  9:00:00 [Note] ready", "mysql" },
        { "# User@Host: root[root] @ localhost []", "mysql" },
        { "2026-03-01T10:00:00.001Z debug wcp [auth/session.go:156] expired", "text" },
        { "2026-03-01T10:00:00.118Z Db(167) Hostd[1001]: [Originator@6876 sub=x] started", "text" },
        { "03-01 10:00:00.870 V/Config( 1766): updated", "logcat" },
        { "03-01 10:00:00.870  1766  1790 W Config: updated", "logcat" },
        { "V/Config( 1766): updated", "logcat" },
        { "(2026-03-01 10:00:00): [nss] [reconnect] (0x0020): no", "sssd" },
        { "2026-03-01 10:00:00.612 UTC,\"al\",\"shop\",20,\"[local]\",5ff2.4f,1,\"startup\",2026-03-01 10:00:00 "
          "UTC,3/1,0,FATAL,28000,\"role \"\"al\"\" does not exist\",,,,,,,,,\"\"",
          "postgres" },
        { "2026-03-01 11:00:00 CET [42] al@shop LOG:  duration: 1.50 ms  statement: select 1", "postgres" },
        { "192.0.2.1:9 [01/Mar/2026:10:00:00.123] in out/s1 1/2/3/4/5 200 7 - - ---- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"",
          "haproxy" },
        { "2026-03-01 10:00:00,000 [main] ERROR c.a.Shop - it broke", "text" },
        { "time=2026-03-01T10:00:00Z level=warn msg=\"a b\"", "logfmt" },
        { "time:2026-03-01T10:00:00Z\tlevel:warn\tmessage:m", "ltsv" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (strcmp(taken_of(cases[i][0]), cases[i][1]) != 0)
            fail_msg("%s: taken for %s, expected %s", cases[i][0], taken_of(cases[i][0]), cases[i][1]);
}

static void prose_is_left_alone(void **unused)
{
    static const char *const lines[] = {
        "",
        "hello",
        "the server has started",
        "x = y",
        "Mar",
        "[",
        "[1] done",
        "12",
        "1 34-   89T and more: than that",
        "{not json",
        "{\"a\":1} x",
        "<b>bold</b>",
        "connection to db lost err=timeout",
        "I am here",
        "May be",
        "1. first",
        "\t\tindented",
        "CEF: yes",
        "key:\tvalue",
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (strcmp(taken_of(lines[i]), "none") != 0)
            fail_msg("\"%s\" was taken for %s", lines[i], taken_of(lines[i]));
}

/* Time and level of lines whose time does not stand in front; their text stays whole. */
static void a_time_behind_other_words_is_found(void **unused)
{
    static const struct {
        const char *line;
        uint8_t level;
    } cases[] = {
        { "[INFO:repo] repo:47 2026-03-01 10:00:00,000: Setting", LB_LEVEL_INFO },
        { "Thread-1950::INFO::2026-03-01 10:00:00,000::dispatcher", LB_LEVEL_INFO },
        { "INFO   | jvm 1    | 2026/03/01 10:00:00 | errata", LB_LEVEL_INFO },
        { "[pid: 7|app: 0|req: 1/2] 192.0.2.1 () {44 vars in 1322 bytes} [Sun Mar  1 10:00:00 2026] GET /",
          LB_LEVEL_NONE },
        { "(W) 2026-03-01 10:00:00 x", LB_LEVEL_WARN },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_record record = { .message = lb_value_text(lb_str_from(cases[i].line)),
                                    .level = LB_LEVEL_NONE,
                                    .flags = LB_RECORD_NO_TIME };
        struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };

        if (automatic_apply(&record, &context) != &lb_parser_text || record.level != cases[i].level ||
            record.time_ns != INT64_C(1772359200) * LB_SECOND)
            fail_msg("%s: level %u, time %lld", cases[i].line, record.level, (long long)record.time_ns);
    }
}

static void an_object_inside_of_syslog_is_read_too(void **unused)
{
    struct lb_record record = { .message = lb_value_text(
                                    LB_STR("<14>Mar  1 10:00:00 h app[7]: @cee: {\"msg\":\"m\",\"n\":1}")),
                                .level = LB_LEVEL_NONE };
    struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };

    (void)unused;
    assert_ptr_equal(automatic_apply(&record, &context), &lb_parser_syslog);
    assert_text(((struct lb_str){ record.message.ptr, record.message.len }), "m");
    assert_non_null(lb_record_field(&record, LB_STR("n")));
}

/* The message, the program and the host of a line of syslog that carries another format. */
static void a_format_inside_of_syslog_is_read_too(void **unused)
{
    static const struct {
        const char *line;
        const char *field;
        const char *value;
    } cases[] = {
        { "<171>1 2026-03-01T10:00:00+00:00 fw nginx - - - 2026/03/01 11:00:00 [error] 245#23: *914 open() failed, "
          "client: 192.0.2.1",
          "pid", "245" },
        { "Mar  1 10:00:00 fw nginx: 192.0.2.1 - al [01/Mar/2026:11:00:00 +0100] \"GET /a HTTP/1.1\" 200 612 \"-\" "
          "\"curl\"",
          "path", "/a" },
        { "Mar  1 10:00:00 fw CEF:0|A|B|1|2|n|8|src=192.0.2.1", "src", "192.0.2.1" },
        { "<14>Mar  1 10:00:00 fw CEF:0|A|B|1|2|n|8|src=192.0.2.1", "src", "192.0.2.1" },
        { "<14>Mar  1 10:00:00 fw kernel: host=x dir=in src=192.0.2.1 note=\"two words\"", "src", "192.0.2.1" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_record record = { .message = lb_value_text(lb_str_from(cases[i].line)), .level = LB_LEVEL_NONE };
        struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };
        const struct lb_field *field;

        assert_ptr_equal(automatic_apply(&record, &context), &lb_parser_syslog);
        field = lb_record_field(&record, lb_str_from(cases[i].field));
        assert_text(((struct lb_str){ record.host.ptr, record.host.len }), "fw");
        assert_non_null(field);
        assert_text(((struct lb_str){ field->value.ptr, field->value.len }), cases[i].value);
    }
}

static void seconds_in_front_tell_the_zone(void **unused)
{
    static const struct {
        const char *line;
        int64_t second;
    } cases[] = {
        { "1772359200.2161960.0 [01/Mar/2026 11:00:00] admin - failed", 1772359200 },
        { "1772359200.2161960.0 [01/Mar/2026 11:00:01] admin - failed", 1772362801 },
        { "17723592001.2 [01/Mar/2026 11:00:00] admin - failed", 1772362800 },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_record record = { .message = lb_value_text(lb_str_from(cases[i].line)),
                                    .level = LB_LEVEL_NONE,
                                    .flags = LB_RECORD_NO_TIME };
        struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };

        assert_ptr_equal(automatic_apply(&record, &context), &lb_parser_text);
        assert_int_equal(record.time_ns, cases[i].second * LB_SECOND);
    }
}

static void a_sentence_with_pairs_inside_of_syslog_stays_one(void **unused)
{
    static const char *const lines[] = {
        "Mar  1 10:00:00 fw sshd[7]: 2 more failures; logname= uid=0 euid=0 tty=ssh",
        "Mar  1 10:00:00 fw kernel: DROP IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2",
        "Mar  1 10:00:00 fw app[7]: a=1 b=2",
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct lb_record record = { .message = lb_value_text(lb_str_from(lines[i])), .level = LB_LEVEL_NONE };
        struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };

        assert_ptr_equal(automatic_apply(&record, &context), &lb_parser_syslog);
        assert_text(((struct lb_str){ record.message.ptr, record.message.len }), strstr(lines[i], ": ") + 2);
    }
}

/* Or a line of such heads would be read as deep as it is long. */
static void a_runtime_inside_of_a_runtime_is_text(void **unused)
{
    struct lb_record record = { .message = lb_value_text(LB_STR("2026-03-01T10:00:00Z stdout F 2026-03-01T10:00:00Z "
                                                                "stdout F 2026-03-01T10:00:00Z stdout F m")),
                                .level = LB_LEVEL_NONE,
                                .flags = LB_RECORD_NO_TIME };
    struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };

    (void)unused;
    assert_non_null(automatic_apply(&record, &context));
    assert_false(context.inside);
    assert_text(((struct lb_str){ record.message.ptr, record.message.len }),
                "stdout F 2026-03-01T10:00:00Z stdout F m");
}

int main(void)
{
    static char memory[4096];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_known_by_its_look),
        cmocka_unit_test(prose_is_left_alone),
        cmocka_unit_test(a_time_behind_other_words_is_found),
        cmocka_unit_test(an_object_inside_of_syslog_is_read_too),
        cmocka_unit_test(a_format_inside_of_syslog_is_read_too),
        cmocka_unit_test(seconds_in_front_tell_the_zone),
        cmocka_unit_test(a_sentence_with_pairs_inside_of_syslog_stays_one),
        cmocka_unit_test(a_runtime_inside_of_a_runtime_is_text),
    };

    scratch = (struct lb_scratch){ memory, sizeof(memory), 0 };
    lb_arena_init(&batch.arena, 1024 * 1024);
    int failed = cmocka_run_group_tests_name("parse/automatic", tests, NULL, NULL);
    lb_arena_free(&batch.arena);
    return failed;
}
