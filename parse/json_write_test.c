/* json_write_test.c - text becomes valid JSON strings, values valid JSON. */
#include "json_write.c"

#include "lb_test.h"

static struct lb_buffer out;

static struct lb_str written(struct lb_value value)
{
    lb_buffer_reset(&out);
    lb_json_write_value(&out, value);
    return lb_buffer_str(&out);
}

static void text_is_escaped_and_repaired(void **state)
{
    static const struct {
        struct lb_str text;
        const char *expected;
    } cases[] = {
        { LB_STR(""), "\"\"" },
        { LB_STR("plain"), "\"plain\"" },
        { LB_STR("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"" },
        { LB_STR("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"" },
        { LB_STR("\0\x01\x1b[0m\x1f"), "\"\\u0000\\u0001\\u001b[0m\\u001f\"" },
        { LB_STR("caf\xc3\xa9"), "\"caf\xc3\xa9\"" },
        { LB_STR("\xff"
                 "a\xc3"),
          "\"\xef\xbf\xbd"
          "a\xef\xbf\xbd\"" },
        { LB_STR("\xe2\x82\"\xac"), "\"\xef\xbf\xbd\xef\xbf\xbd\\\"\xef\xbf\xbd\"" },
        { LB_STR("a long text that has more than thirty-two bytes\nand goes on \xf0\x9f\x98\x80 after that"),
          "\"a long text that has more than thirty-two bytes\\nand goes on \xf0\x9f\x98\x80 after that\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_text(written(lb_value_text(cases[i].text)), cases[i].expected);
        assert_true(lb_json_valid(lb_buffer_str(&out)));
    }
}

static void values_are_copied_as_they_are_written(void **state)
{
    (void)state;
    assert_text(written(lb_value_of(LB_STR("a\\nb"), LB_VALUE_ESCAPED)), "\"a\\nb\"");
    assert_text(written(lb_value_of(LB_STR("clean"), LB_VALUE_CLEAN)), "\"clean\"");
    assert_text(written(lb_value_of(LB_STR("1.50"), LB_VALUE_NUMBER)), "1.50");
    assert_text(written(lb_value_of(LB_STR("{\"a\": 1}"), LB_VALUE_OBJECT)), "{\"a\": 1}");
    assert_text(written(lb_value_of(LB_STR(""), LB_VALUE_NONE)), "null");
}

static void invalid_utf8_is_replaced_in_strings_and_nested_values(void **state)
{
    struct lb_value value = lb_value_of(LB_STR("a\xff\\n"), LB_VALUE_ESCAPED);

    (void)state;
    value.flags = LB_VALUE_BAD_UTF8;
    assert_text(written(value), "\"a\xef\xbf\xbd\\n\"");
    value = lb_value_of(LB_STR("[\"\xc3\"]"), LB_VALUE_ARRAY);
    value.flags = LB_VALUE_BAD_UTF8;
    assert_text(written(value), "[\"\xef\xbf\xbd\"]");
}

static void a_full_buffer_fails_without_harm(void **state)
{
    struct lb_buffer small;

    (void)state;
    lb_buffer_init(&small, 300);
    for (int i = 0; i < 40; i++)
        lb_json_write_value(&small, lb_value_text(LB_STR("some text \x01\x02\x03")));
    assert_true(small.failed);
    assert_true(small.len <= 300);
    lb_buffer_free(&small);
}

static void utf8_is_valid_up_to_the_first_wrong_byte(void **state)
{
    static const struct {
        struct lb_str text;
        size_t valid;
    } cases[] = {
        { LB_STR(""), 0 },
        { LB_STR("0123456789abcdef"), 16 },
        { LB_STR("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), 21 },
        { LB_STR("\xc0\x80"), 0 },
        { LB_STR("\xc1\xbf"), 0 },
        { LB_STR("a\x80"), 1 },
        { LB_STR("\xe0\x9f\x80"), 0 },
        { LB_STR("\xed\xa0\x80"), 0 },
        { LB_STR("\xf0\x8f\x80\x80"), 0 },
        { LB_STR("\xf4\x90\x80\x80"), 0 },
        { LB_STR("\xf5\x80\x80\x80"), 0 },
        { LB_STR("0123456789\xe2\x82"), 10 },
        { LB_STR("\xf0\x9f\x98"), 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(lb_utf8_valid(cases[i].text), cases[i].valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped_and_repaired),
        cmocka_unit_test(values_are_copied_as_they_are_written),
        cmocka_unit_test(invalid_utf8_is_replaced_in_strings_and_nested_values),
        cmocka_unit_test(a_full_buffer_fails_without_harm),
        cmocka_unit_test(utf8_is_valid_up_to_the_first_wrong_byte),
    };

    lb_buffer_init(&out, 1 << 20);
    int failed = cmocka_run_group_tests_name("parse/json_write", tests, NULL, NULL);
    lb_buffer_free(&out);
    return failed;
}
