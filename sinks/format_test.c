/* format_test.c - records as json, logfmt, text and raw. */
#include "format.c"

#include "lb_limits.h"
#include "lb_parser.h"
#include "lb_test.h"
#include "lb_test_batch.h"

static struct lb_batch batch;
static struct lb_buffer out;
static char room[LB_SCRATCH_BYTES];
static struct lb_scratch scratch = { room, sizeof(room), 0 };

static struct lb_record parsed(const char *text)
{
    struct lb_record record = { .message = lb_value_text(lb_str_from(text)),
                                .time_ns = 1772359200 * LB_SECOND,
                                .level = LB_LEVEL_NONE };
    struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };
    struct lb_parser_chain chain = { .automatic = true };

    lb_parser_chain_apply(&chain, &record, &context);
    return record;
}

static struct lb_str written(enum lb_format format, const struct lb_record *record)
{
    struct lb_formatter formatter = { .format = format, .scratch = &scratch };

    lb_buffer_reset(&out);
    lb_format_write(&formatter, &batch, record, &out);
    assert_false(out.failed);
    assert_int_equal(out.ptr[out.len - 1], '\n');
    return (struct lb_str){ out.ptr, out.len - 1 };
}

#define TIME "\"timestamp\":\"2026-03-01T10:00:00Z\""

static void json_has_leading_keys_then_fields_in_order(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        { "plain text", "{" TIME ",\"message\":\"plain text\"}" },
        { "a \"quoted\"\ttab \xff", "{" TIME ",\"message\":\"a \\\"quoted\\\"\\ttab \xef\xbf\xbd\"}" },
        { "{\"a\":1.50,\"msg\":\"m\\n\",\"b\":\"x\",\"c\":{\"d\": [1, "
          "2]},\"host\":\"h\",\"level\":\"warn\",\"e\":true,\"f\":null,"
          "\"service\":\"s\"}",
          "{" TIME ",\"level\":\"warn\",\"service\":\"s\",\"host\":\"h\",\"message\":\"m\\n\",\"a\":1.50,\"b\":\"x\","
          "\"c\":{\"d\": [1, 2]},\"e\":true,\"f\":null}" },
        { "{ \"a\" : 1 , \"b\":\"x\" , \"c\":2,\"d\":3 }", "{" TIME ",\"a\":1,\"b\":\"x\",\"c\":2,\"d\":3}" },
        { "{}", "{" TIME "}" },
        { "{\"k\\u00e9\":\"v\\u00e9\",\"b\":2}", "{" TIME ",\"k\\u00e9\":\"v\\u00e9\",\"b\":2}" },
        { "{\"bad\":\"x\xff\",\"b\":2,\"n\":[\"\xff\"]}",
          "{" TIME ",\"bad\":\"x\xef\xbf\xbd\",\"b\":2,\"n\":[\"\xef\xbf\xbd\"]}" },
        { "{\"msg\":\"first\",\"message\":\"second\",\"a\":1}",
          "{" TIME ",\"message\":\"first\",\"message_\":\"second\",\"a\":1}" },
        { "{\"msg\":\"first\",\"a\":1,\"mess\\u0061ge\":\"second\",\"b\":2}",
          "{" TIME ",\"message\":\"first\",\"a\":1,\"mess\\u0061ge_\":\"second\",\"b\":2}" },
        { "{\"timestamp\":\"never\",\"level\":\"odd\",\"service\":{\"name\":\"s\"},\"truncated\":1,\"facility\":2}",
          "{" TIME ",\"service\":\"s\",\"timestamp_\":\"never\",\"level\":\"odd\",\"service_\":{\"name\":\"s\"},"
          "\"truncated\":1,\"facility\":2}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_record record = parsed(cases[i].text);

        assert_text(written(LB_FORMAT_JSON, &record), cases[i].expected);
        assert_true(lb_json_valid(lb_buffer_str(&out)));
    }
}

static void json_tells_facility_and_what_went_wrong(void **state)
{
    struct lb_record record = parsed("{\"facility\":1,\"parse_error\":2,\"truncated\":3,\"a\":4}");

    (void)state;
    record.facility = 5;
    record.flags = LB_RECORD_PARSE_ERROR | LB_RECORD_TRUNCATED;
    record.reason = LB_STR("expected \"more\"");
    assert_text(written(LB_FORMAT_JSON, &record),
                "{" TIME ",\"facility\":\"auth\",\"facility_\":1,\"parse_error_\":2,\"truncated_\":3,\"a\":4,"
                "\"parse_error\":\"expected \\\"more\\\"\",\"truncated\":true}");
}

static void json_leaves_out_removed_fields_and_writes_changed_ones(void **state)
{
    struct lb_record record = parsed("{\"a\":1,\"b\":\"two\",\"c\":3,\"d\":\"four\",\"e\":5}");

    (void)state;
    record.fields[2].value.kind = LB_VALUE_NONE;
    record.fields[3].value = lb_value_text(LB_STR("new \"text\""));
    assert_true(
        lb_record_add(&record, &batch.arena, lb_value_text(LB_STR("with \"quotes\"")), lb_value_text(LB_STR("x"))));
    assert_text(written(LB_FORMAT_JSON, &record),
                "{" TIME ",\"a\":1,\"b\":\"two\",\"d\":\"new \\\"text\\\"\",\"e\":5,\"with \\\"quotes\\\"\":\"x\"}");
    record.fields[1].value.len = 2; /* shortened where it stands */
    assert_text(written(LB_FORMAT_JSON, &record),
                "{" TIME ",\"a\":1,\"b\":\"tw\",\"d\":\"new \\\"text\\\"\",\"e\":5,\"with \\\"quotes\\\"\":\"x\"}");
}

static void json_leading_keys_are_strings_whatever_they_were(void **state)
{
    struct lb_record record = parsed("{\"a\":{\"b\":\"c\"},\"n\":5}");

    (void)state;
    record.message = record.fields[0].value;
    record.service = record.fields[1].value;
    record.field_count = 0;
    assert_text(written(LB_FORMAT_JSON, &record), "{" TIME ",\"service\":\"5\",\"message\":\"{\\\"b\\\":\\\"c\\\"}\"}");
}

static void json_writes_the_rest_and_renames_in_it(void **state)
{
    struct lb_record record = parsed("{\"a\":1}");

    (void)state;
    record.message = lb_value_text(LB_STR("m"));
    record.rest = LB_STR("\"b\": 2 , \"message\":\"x\",\"c\":\"\xff\"");
    record.rest.len -= 5 + 1;
    assert_text(written(LB_FORMAT_JSON, &record), "{" TIME ",\"message\":\"m\",\"a\":1,\"b\":2,\"message_\":\"x\"}");
}

/* Fields that stand side by side but are not JSON members as written must not be copied as if they were. */
static void only_members_as_they_were_written_are_copied_as_a_run(void **state)
{
    static const char text[] = "key1=value1,key2=value2 \"a\"=\"b\" 'c':'d'";
    struct lb_record record = { .time_ns = 1772359200 * LB_SECOND, .level = LB_LEVEL_NONE };

    (void)state;
    for (int i = 0; i < 4; i++) {
        static const struct {
            uint32_t key, key_len, value, value_len;
        } places[] = { { 0, 4, 5, 6 }, { 12, 4, 17, 6 }, { 25, 1, 29, 1 }, { 33, 1, 37, 1 } };

        lb_record_add(&record, &batch.arena,
                      lb_value_of((struct lb_str){ text + places[i].key, places[i].key_len }, LB_VALUE_CLEAN),
                      lb_value_of((struct lb_str){ text + places[i].value, places[i].value_len }, LB_VALUE_CLEAN));
    }
    assert_text(written(LB_FORMAT_JSON, &record),
                "{" TIME ",\"key1\":\"value1\",\"key2\":\"value2\",\"a\":\"b\",\"c\":\"d\"}");
}

static void logfmt_quotes_what_needs_it(void **state)
{
    struct lb_record record =
        parsed("{\"level\":\"error\",\"service\":\"my shop\",\"host\":\"h1\",\"msg\":\"it \\\"broke\\\"\\nhere\","
               "\"n\":1.5,\"empty\":\"\",\"eq\":\"a=b\",\"odd key\":\"caf\xc3\xa9\",\"o\":{\"a\":\"b\"},\"t\":true}");

    (void)state;
    assert_text(
        written(LB_FORMAT_LOGFMT, &record),
        "timestamp=2026-03-01T10:00:00Z level=error service=\"my shop\" host=h1 message=\"it \\\"broke\\\"\\nhere\" "
        "n=1.5 empty=\"\" eq=\"a=b\" odd_key=\"caf\xc3\xa9\" o=\"{\\\"a\\\":\\\"b\\\"}\" t=true");
    record = parsed("text \xff");
    record.flags = LB_RECORD_PARSE_ERROR | LB_RECORD_TRUNCATED;
    record.reason = LB_STR("no json");
    record.facility = 4;
    assert_text(written(LB_FORMAT_LOGFMT, &record),
                "timestamp=2026-03-01T10:00:00Z message=\"text \xef\xbf\xbd\" facility=daemon parse_error=\"no json\" "
                "truncated=true");
}

static void text_is_one_line_for_eyes(void **state)
{
    struct lb_record record =
        parsed("{\"level\":\"warn\",\"service\":\"shop\",\"host\":\"h1\",\"msg\":\"say \\\"hi\\\" \\\\ \\u001b[31m\\n"
               "caf\\u00e9 \\ud83d\\ude00\\u007f\",\"a\":\"b c\"}");

    (void)state;
    assert_text(
        written(LB_FORMAT_TEXT, &record),
        "2026-03-01T10:00:00Z WARN h1 shop: say \"hi\" \\ \\u001b[31m\\ncaf\xc3\xa9 \xf0\x9f\x98\x80\\u007f a=\"b c\"");
    record = parsed("plain \x07 \xff");
    assert_text(written(LB_FORMAT_TEXT, &record), "2026-03-01T10:00:00Z plain \\u0007 \xef\xbf\xbd");
    record = parsed("{\"service\":\"s\"}");
    assert_text(written(LB_FORMAT_TEXT, &record), "2026-03-01T10:00:00Z s:");
}

static void raw_is_the_message_alone(void **state)
{
    struct lb_record record = parsed("as it \"is\"\t\xff");

    (void)state;
    assert_text(written(LB_FORMAT_RAW, &record), "as it \"is\"\t\xff");
    record = parsed("{\"msg\":\"two\\nlines\",\"a\":1}");
    assert_text(written(LB_FORMAT_RAW, &record), "two\nlines");
    record = parsed("{\"a\":1}");
    assert_text(written(LB_FORMAT_RAW, &record), "{" TIME ",\"a\":1}");
}

static void a_full_buffer_is_marked_and_holds_no_more(void **state)
{
    struct lb_record record = parsed("{\"msg\":\"some text\",\"message\":\"dup\",\"a\":\"0123456789\",\"b\":\"x\"}");

    (void)state;
    for (int format = 0; format < 4; format++) {
        for (size_t size = 0; size < 200; size++) {
            struct lb_formatter formatter = { .format = (enum lb_format)format, .scratch = &scratch };
            struct lb_buffer small;

            lb_buffer_init(&small, size);
            for (int i = 0; i < 20; i++)
                lb_format_write(&formatter, &batch, &record, &small);
            assert_true(small.failed);
            assert_true(small.len <= size);
            lb_buffer_free(&small);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_leading_keys_then_fields_in_order),
        cmocka_unit_test(json_tells_facility_and_what_went_wrong),
        cmocka_unit_test(json_leaves_out_removed_fields_and_writes_changed_ones),
        cmocka_unit_test(json_leading_keys_are_strings_whatever_they_were),
        cmocka_unit_test(json_writes_the_rest_and_renames_in_it),
        cmocka_unit_test(only_members_as_they_were_written_are_copied_as_a_run),
        cmocka_unit_test(logfmt_quotes_what_needs_it),
        cmocka_unit_test(text_is_one_line_for_eyes),
        cmocka_unit_test(raw_is_the_message_alone),
        cmocka_unit_test(a_full_buffer_is_marked_and_holds_no_more),
    };

    lb_test_batch_init(&batch, NULL, 0);
    lb_buffer_init(&out, 1 << 20);
    int failed = cmocka_run_group_tests_name("sinks/format", tests, NULL, NULL);
    lb_buffer_free(&out);
    lb_test_batch_free(&batch);
    return failed;
}
