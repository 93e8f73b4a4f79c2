/* parser_json_test.c - members become the record's own keys or its fields; the corpus of loggers. */
#include "parser_json.c"

#include "lb_conf.h"
#include "lb_corpus.h"
#include "lb_test.h"
#include "lb_test_batch.h"

static struct lb_batch batch;
static char room[4096];
static struct lb_scratch scratch = { room, sizeof(room), 0 };

static struct lb_record record_of(struct lb_str text)
{
    return (struct lb_record){
        .message = lb_value_text(text), .level = LB_LEVEL_NONE, .time_ns = batch.arrival_ns, .flags = LB_RECORD_NO_TIME
    };
}

static enum lb_err parse_with(const struct leading_settings *settings, struct lb_record *record)
{
    struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };
    enum lb_err err = parse(settings, record, &context);

    if (err == LB_BAD_INPUT)
        assert_non_null(context.reason);
    return err;
}

static struct lb_record parsed(const char *text)
{
    struct lb_record record = record_of(lb_str_from(text));

    assert_int_equal(parse_with(&leading_plain, &record), LB_OK);
    return record;
}

static const char *summary(const struct lb_record *record)
{
    static char out[2048];
    size_t len = 0;

    scratch.used = 0;
    if ((record->flags & LB_RECORD_NO_TIME) == 0)
        len += lb_time_write(record->time_ns, out);
    len += (size_t)snprintf(out + len, sizeof(out) - len, "|%s|", lb_level_name(record->level).ptr);
    const struct lb_value texts[] = { record->service, record->host, record->message };
    for (int i = 0; i < 3; i++) {
        struct lb_str text = lb_value_str(texts[i], &scratch);

        len += (size_t)snprintf(out + len, sizeof(out) - len, LB_STR_FMT "|", LB_STR_ARG(text));
    }
    for (uint32_t i = 0; i < record->field_count; i++) {
        struct lb_str key = lb_value_str(record->fields[i].key, &scratch);
        struct lb_str value = lb_value_str(record->fields[i].value, &scratch);

        len += (size_t)snprintf(out + len, sizeof(out) - len, LB_STR_FMT "=" LB_STR_FMT ";", LB_STR_ARG(key),
                                LB_STR_ARG(value));
    }
    return out;
}

static void members_become_leading_keys_or_fields(void **state)
{
    static const struct {
        const char *text;
        const char *expected; /* time|level|service|host|message|fields */
    } cases[] = {
        { "{\"time\":\"2026-03-01T10:00:00.5Z\",\"level\":\"WARN\",\"msg\":\"hi\",\"service\":\"a\",\"host\":\"h\","
          "\"n\":1}",
          "2026-03-01T10:00:00.500Z|warn|a|h|hi|n=1;" },
        { "  {\"@timestamp\":\"2026-03-01T10:00:00+01:00\",\"log.level\":\"error\",\"message\":\"m\"}  ",
          "2026-03-01T09:00:00Z|error|||m|" },
        { "{\"Timestamp\":\"2026-03-01 10:00:00\",\"Level\":\"Information\",\"MESSAGE\":\"m\",\"HostName\":\"h\"}",
          "2026-03-01T10:00:00Z|info||h|m|" },
        { "{\"ts\":1772359200.25,\"level\":30,\"msg\":\"pino\"}", "2026-03-01T10:00:00.250Z|info|||pino|" },
        { "{\"time\":\"1772359200000\",\"severity\":\"crit\"}", "2026-03-01T10:00:00Z|critical||||" },
        { "{\"PRIORITY\":\"3\",\"MESSAGE\":\"m\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"_HOSTNAME\":\"h\"}",
          "|error|sshd|h|m|" },
        { "{\"level\":\"no such level\",\"message\":\"m\"}", "||||m|level=no such level;" },
        { "{\"level\":\"WARN    \",\"message\":\"\"}", "|warn||||" },
        { "{\"time\":\"soon\",\"ts\":\"2026-03-01T10:00:00Z\"}", "2026-03-01T10:00:00Z|||||time=soon;" },
        { "{\"time\":0.123,\"message\":\"took long\"}", "||||took long|time=0.123;" },
        { "{\"message\":{\"a\":1},\"msg\":\"second\"}", "||||second|message={\"a\":1};" },
        { "{\"message\":5}", "|||||message=5;" },
        { "{\"msg\":\"first\",\"message\":\"second\"}", "||||first|message=second;" },
        { "{\"text\":\"weak\",\"message\":\"strong\",\"t\":1,\"app\":\"x\"}", "||x||strong|text=weak;t=1;" },
        { "{\"event\":\"started\",\"level\":\"debug\",\"logger\":\"x\"}", "|debug|||started|logger=x;" },
        { "{\"log\":{\"level\":\"warn\"},\"service\":{\"name\":\"shop\"},\"host\":{\"hostname\":\"h\"},\"message\":"
          "\"m\"}",
          "|warn|shop|h|m|log={\"level\":\"warn\"};service={\"name\":\"shop\"};host={\"hostname\":\"h\"};" },
        { "{\"service\":\"\",\"host\":null,\"level\":true}", "|||||service=;host=null;level=true;" },
        { "{\"m\\u0073g\":\"escaped key\"}", "|||||msg=escaped key;" },
        { "{}", "|||||" },
        { "{\"name\":\"svc\",\"hostname\":\"h\",\"level\":50,\"msg\":\"bunyan\"}", "|error|svc|h|bunyan|" },
        { "{\"name\":\"x\",\"level\":\"info\",\"msg\":\"m\"}", "|info|||m|name=x;" },
        { "{\"@t\":\"2026-03-01T10:00:00Z\",\"@mt\":\"Hi {User}\",\"User\":1}",
          "2026-03-01T10:00:00Z|info|||Hi {User}|User=1;" },
        { "{\"t\":{\"$date\":\"2026-03-01T10:00:00Z\"},\"s\":\"D2\",\"c\":\"NETWORK\",\"msg\":\"m\"}",
          "2026-03-01T10:00:00Z|debug|||m|t={\"$date\":\"2026-03-01T10:00:00Z\"};c=NETWORK;" },
        { "{\"s\":\"W\",\"msg\":\"m\"}", "||||m|s=W;" },
        { "{\"invLogLevel\":\"Warning\",\"msg\":\"m\"}", "|warn|||m|" },
        { "{\"loglevels\":\"Warning\",\"msg\":\"m\"}", "||||m|loglevels=Warning;" },
        /* times as objects, other names */
        { "{\"time\":{\"$date\":1772359200250},\"msg\":\"m\"}",
          "2026-03-01T10:00:00.250Z||||m|time={\"$date\":1772359200250};" },
        { "{\"instant\":{\"epochSecond\":1772359200,\"nanoOfSecond\":5000000},\"message\":\"m\"}",
          "2026-03-01T10:00:00.005Z||||m|instant={\"epochSecond\":1772359200,\"nanoOfSecond\":5000000};" },
        { "{\"timestamp\":{\"seconds\":1772359200,\"nanos\":250000000},\"textPayload\":\"m\"}",
          "2026-03-01T10:00:00.250Z||||m|timestamp={\"seconds\":1772359200,\"nanos\":250000000};" },
        { "{\"timestamp\":{\"minutes\":5},\"msg\":\"m\"}", "||||m|timestamp={\"minutes\":5};" },
        { "{\"ts\":1.77235920025e9,\"msg\":\"m\"}", "2026-03-01T10:00:00.250Z||||m|" },
        { "{\"ts\":1e2,\"msg\":\"m\"}", "||||m|ts=1e2;" },
        { "{\"timeUnixNano\":\"1772359200250000000\",\"severityNumber\":17,\"body\":{\"stringValue\":\"m\"}}",
          "2026-03-01T10:00:00.250Z|error|||m|severityNumber=17;body={\"stringValue\":\"m\"};" },
        { "{\"severityNumber\":9,\"severityText\":\"WARN\"}", "|warn||||severityNumber=9;" },
        { "{\"severityNumber\":25}", "|||||severityNumber=25;" },
        { "{\"severity\":\"ERROR\",\"jsonPayload\":{\"message\":\"m\"}}",
          "|error|||m|jsonPayload={\"message\":\"m\"};" },
        { "{\"record\":{\"level\":{\"name\":\"ERROR\"},\"message\":\"m\",\"time\":{\"timestamp\":1772359200.25}}}",
          "2026-03-01T10:00:00.250Z|error|||m|record={\"level\":{\"name\":\"ERROR\"},\"message\":\"m\",\"time\":{"
          "\"timestamp\":1772359200.25}};" },
        { "{\"RenderedMessage\":\"m\",\"MessageTemplate\":\"{x}\",\"Level\":\"Warning\"}",
          "|warn|||m|MessageTemplate={x};" },
        { "{\"level\":\"INFO\",\"fields\":{\"message\":\"m\",\"a\":1}}",
          "|info|||m|fields={\"message\":\"m\",\"a\":1};" },
        { "{\"message\":\"a\\n\\u00e9\"}", "||||a\n\xc3\xa9|" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_record record = parsed(cases[i].text);

        if (strcmp(summary(&record), cases[i].expected) != 0)
            fail_msg("%s: expected %s, got %s", cases[i].text, cases[i].expected, summary(&record));
    }
}

static void what_is_no_object_leaves_the_record_as_it_was(void **state)
{
    static const char *const cases[] = { "", "text", "[1]", "{\"a\":1} and more", "{\"a\":1", "{\"a\":1}{\"b\":2}" };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_record record = record_of(lb_str_from(cases[i]));

        assert_int_equal(parse_with(&leading_plain, &record), LB_BAD_INPUT);
        assert_text(((struct lb_str){ record.message.ptr, record.message.len }), cases[i]);
        assert_int_equal(record.field_count, 0);
        assert_int_equal(record.flags, LB_RECORD_NO_TIME);
    }
}

static void a_full_arena_leaves_the_record_as_it_was(void **state)
{
    struct lb_record record = record_of(LB_STR("{\"a\":1,\"message\":\"m\"}"));
    struct lb_arena saved = batch.arena;

    (void)state;
    lb_arena_init(&batch.arena, 16);
    assert_int_equal(parse_with(&leading_plain, &record), LB_LIMIT);
    batch.arena = saved;
    assert_int_equal(record.message.kind, LB_VALUE_TEXT);
    assert_int_equal(record.field_count, 0);
}

static void what_the_envelope_said_is_kept_or_overridden(void **state)
{
    struct lb_record record = record_of(LB_STR("{\"time\":\"2026-03-01T10:00:00Z\",\"a\":1}"));

    (void)state;
    assert_true(lb_record_add(&record, &batch.arena, lb_value_text(LB_STR("stream")), lb_value_text(LB_STR("stdout"))));
    record.time_ns = 5;
    record.flags = 0;
    record.host = lb_value_text(LB_STR("h"));
    assert_int_equal(parse_with(&leading_plain, &record), LB_OK);
    assert_string_equal(summary(&record), "2026-03-01T10:00:00Z|||h||stream=stdout;a=1;");
}

static void an_escaped_message_is_read_too(void **state)
{
    struct lb_record record = record_of(LB_STR("{\\\"msg\\\":\\\"inner\\\",\\\"a\\\":1}"));

    (void)state;
    record.message.kind = LB_VALUE_ESCAPED;
    assert_int_equal(parse_with(&leading_plain, &record), LB_OK);
    assert_string_equal(summary(&record), "||||inner|a=1;");
}

static void members_past_the_limit_stay_in_the_rest(void **state)
{
    static char text[64 * 1024];
    size_t len = 1;

    (void)state;
    text[0] = '{';
    for (int i = 0; i < LB_RECORD_FIELDS_MAX + 2; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"k%d\":%d", i > 0 ? "," : "", i, i);
    text[len++] = '}';
    struct lb_record record = record_of((struct lb_str){ text, len });
    assert_int_equal(parse_with(&leading_plain, &record), LB_OK);
    assert_int_equal(record.field_count, LB_RECORD_FIELDS_MAX);
    assert_text(record.rest, "\"k512\":512,\"k513\":513");
}

static void keys_and_the_format_of_the_time_can_be_given(void **state)
{
    struct leading_settings settings = { .format = LB_STR("%d.%m.%Y %H:%M:%S"), .timezone = LB_STR("+02:00") };
    struct lb_parser parser = { .type = &lb_parser_json, .state = &settings };
    struct lb_diag diag = { 0 };
    struct lb_record record =
        record_of(LB_STR("{\"when\":\"01.03.2026 12:00:00\",\"meta\":{\"sev\":\"error\"},\"msg\":\"no\","
                         "\"what\":\"yes\",\"service\":\"no\",\"time\":\"2020-01-01T00:00:00Z\"}"));

    (void)state;
    settings.keys[LEADING_TIME] = LB_STR("when");
    settings.keys[LEADING_LEVEL] = LB_STR("meta.sev");
    settings.keys[LEADING_MESSAGE] = LB_STR("what");
    settings.keys[LEADING_SERVICE] = LB_STR("missing");
    assert_int_equal(leading_open(&parser, &diag), LB_OK);
    assert_int_equal(parse_with(&settings, &record), LB_OK);
    assert_string_equal(summary(&record), "2026-03-01T10:00:00Z|error|||yes|meta={\"sev\":\"error\"};msg=no;service=no;"
                                          "time=2020-01-01T00:00:00Z;");
    leading_close(&parser);
    lb_diag_free(&diag);
}

static void a_bad_format_is_told(void **state)
{
    struct leading_settings settings = { .format = LB_STR("%Q") };
    struct lb_parser parser = { .type = &lb_parser_json, .state = &settings };
    struct lb_diag diag = { 0 };

    (void)state;
    assert_int_equal(leading_open(&parser, &diag), LB_BAD_CONF);
    assert_int_equal(diag.errors, 1);
    leading_close(&parser);
    lb_diag_free(&diag);
}

static void every_alias_is_found_in_any_case(void **state)
{
    static const char *const names[] = { "t",
                                         "ts",
                                         "@t",
                                         "@l",
                                         "@m",
                                         "msg",
                                         "lvl",
                                         "@mt",
                                         "app",
                                         "log",
                                         "time",
                                         "body",
                                         "date",
                                         "host",
                                         "text",
                                         "name",
                                         "fields",
                                         "level",
                                         "event",
                                         "message",
                                         "service",
                                         "asctime",
                                         "hostname",
                                         "severity",
                                         "loglevel",
                                         "priority",
                                         "datetime",
                                         "app_name",
                                         "timestamp",
                                         "eventTime",
                                         "levelname",
                                         "error_severity",
                                         "log.level",
                                         "log_level",
                                         "host.name",
                                         "_hostname",
                                         "@timestamp",
                                         "level_name",
                                         "timeMillis",
                                         "application",
                                         "serviceName",
                                         "service.name",
                                         "service_name",
                                         "severityText",
                                         "short_message",
                                         "syslog_identifier",
                                         "__realtime_timestamp" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[32];
        struct lb_value key = { text, (uint32_t)strlen(names[i]), LB_VALUE_CLEAN, 0 };

        snprintf(text, sizeof(text), "%s", names[i]);
        for (int upper = 0; upper < 2; upper++) {
            if (leading_key_of(key).role == LEADING_NO_ROLE)
                fail_msg("%s has no role", text);
            for (uint32_t n = 0; n < key.len; n++)
                text[n] = (char)(text[n] >= 'a' && text[n] <= 'z' ? text[n] - 32 : text[n]);
        }
    }
}

static void other_keys_have_no_role(void **state)
{
    static const char *const names[] = { "",           "x",         "tt",
                                         "msh",        "timf",      "levels",
                                         "messagf",    "servicf",   "timestampt",
                                         "@timestamq", "log.levek", "a key that is longer than all of them" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct lb_value key = lb_value_of(lb_str_from(names[i]), LB_VALUE_CLEAN);

        assert_int_equal(leading_key_of(key).role, LEADING_NO_ROLE);
    }
}

/* --- the corpus ----------------------------------------------------------------- */

struct score {
    int right;
    int all;
};

static void count(struct score *score, bool right, struct lb_str id, const char *what)
{
    score->all++;
    score->right += right;
    if (!right && getenv("LB_SHOW") != NULL)
        printf("%s: " LB_STR_FMT "\n", what, LB_STR_ARG(id));
}

/* `fatal` has no level of its own: critical and all that is worse. */
static bool same_level(uint8_t level, struct lb_str expected)
{
    if (lb_str_is(expected, "\"fatal\""))
        return level <= LB_LEVEL_CRITICAL;
    return level == lb_level_parse((struct lb_str){ expected.ptr + 1, expected.len - 2 });
}

static bool same_text(struct lb_value value, struct lb_str expected_json)
{
    struct lb_str expected = corpus_text(expected_json);

    scratch.used = 0;
    bool same = lb_str_equal(lb_value_str(value, &scratch), expected);
    free((char *)(uintptr_t)expected.ptr);
    return same;
}

static void check_row(struct lb_str row, struct score scores[4])
{
    struct lb_str id = corpus_get(row, "id");
    struct lb_str input = corpus_text(corpus_get(row, "in"));
    struct lb_str expect = corpus_get(row, "expect");
    bool is_json = !lb_str_is(corpus_get(row, "json"), "false") && corpus_get(row, "json").ptr != NULL;
    struct lb_record record = record_of(input);
    enum lb_err err = parse_with(&leading_plain, &record);

    if ((err == LB_OK) != is_json)
        fail_msg(LB_STR_FMT ": JSON or not", LB_STR_ARG(id));
    if (is_json && expect.ptr != NULL) {
        struct lb_str time = corpus_get(expect, "time");
        int64_t time_ns = 0;

        if (corpus_get(expect, "level").ptr != NULL)
            count(&scores[0], same_level(record.level, corpus_get(expect, "level")), id, "level");
        if (corpus_get(expect, "message").ptr != NULL)
            count(&scores[1], same_text(record.message, corpus_get(expect, "message")), id, "message");
        if (corpus_get(expect, "service").ptr != NULL)
            count(&scores[2], same_text(record.service, corpus_get(expect, "service")), id, "service");
        if (time.ptr != NULL && lb_time_rfc3339((struct lb_str){ time.ptr + 1, time.len - 2 }, &time_ns))
            count(&scores[3], record.time_ns == time_ns, id, "time");
    }
    free((char *)(uintptr_t)input.ptr);
}

static void the_loggers_of_the_corpus_are_understood(void **state)
{
    struct score scores[4] = { 0 };
    static const char *const names[] = { "level", "message", "service", "time" };
    struct corpus corpus;
    struct lb_str row;

    (void)state;
    if (!corpus_open(&corpus, "applog/lines.jsonl"))
        skip();
    while (corpus_next(&corpus, &row))
        check_row(row, scores);
    corpus_close(&corpus);
    for (int i = 0; i < 4; i++)
        printf("[ CORPUS   ] %s: %d of %d\n", names[i], scores[i].right, scores[i].all);
    for (int i = 0; i < 4; i++)
        assert_true(scores[i].right * 100 >= scores[i].all * 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_become_leading_keys_or_fields),
        cmocka_unit_test(what_is_no_object_leaves_the_record_as_it_was),
        cmocka_unit_test(a_full_arena_leaves_the_record_as_it_was),
        cmocka_unit_test(what_the_envelope_said_is_kept_or_overridden),
        cmocka_unit_test(an_escaped_message_is_read_too),
        cmocka_unit_test(members_past_the_limit_stay_in_the_rest),
        cmocka_unit_test(keys_and_the_format_of_the_time_can_be_given),
        cmocka_unit_test(a_bad_format_is_told),
        cmocka_unit_test(every_alias_is_found_in_any_case),
        cmocka_unit_test(other_keys_have_no_role),
        cmocka_unit_test(the_loggers_of_the_corpus_are_understood),
    };

    lb_test_batch_init(&batch, NULL, 0);
    int failed = cmocka_run_group_tests_name("parse/parser_json", tests, NULL, NULL);
    lb_test_batch_free(&batch);
    return failed;
}
