#include "lb_test.h"

#include "channel_text.c"

static struct lb_buffer out;

static const char *written(void)
{
    lb_buffer_append_char(&out, '\0');
    assert_false(out.failed);
    return out.ptr;
}

static const char *clean(const char *text, size_t max, unsigned form)
{
    lb_buffer_reset(&out);
    channel_clean(&out, lb_str_from(text), max, form);
    return written();
}

static void text_is_made_harmless(void **state)
{
    static const struct {
        const char *text;
        size_t max;
        unsigned form;
        const char *expected;
    } cases[] = {
        { "", 10, CHANNEL_LINE, "" },
        { "a b", 10, CHANNEL_LINE, "a b" },
        { "a\r\nb\tc\x1b[31m\x7f", 20, CHANNEL_LINE, "a  b c [31m " },
        { "a\r\nb", 20, CHANNEL_LINES, "a \nb" },
        { "\xff\xc3(\xe2\x82", 20, CHANNEL_LINE, "\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd" },
        { "a\xe2\x80\xa8z\xe2\x80\xaez", 20, CHANNEL_LINE, "a z z" },
        { "a\xc2\x85z", 20, CHANNEL_LINE, "a z" },
        { "<!channel> & <@U1>", 99, CHANNEL_ENTITIES, "&lt;!channel&gt; &amp; &lt;@U1&gt;" },
        { "a ``` b", 99, CHANNEL_CODE, "a ''' b" },
        { "**b** [x](http://y) <@1>", 99, CHANNEL_MARKDOWN, "\\*\\*b\\*\\* \\[x\\]\\(http\\://y\\) \\<\\@1\\>" },
        { "abcdef", 6, CHANNEL_LINE, "abcdef" },
        { "abcdefg", 6, CHANNEL_LINE, "abcde\xe2\x80\xa6" },
        { "a\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 5, CHANNEL_LINE, "a\xf0\x9f\x98\x80\xf0\x9f\x98\x80" },
        { "a\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 4, CHANNEL_LINE, "a\xf0\x9f\x98\x80\xe2\x80\xa6" },
        { "ab&cd", 6, CHANNEL_ENTITIES, "ab\xe2\x80\xa6" },
        { "ab", 1, CHANNEL_LINE, "\xe2\x80\xa6" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(clean(cases[i].text, cases[i].max, cases[i].form), cases[i].expected);
}

static void it_is_valid_and_within_its_limit_whatever_comes_in(void **state)
{
    uint64_t random = lb_seed();
    char text[64];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t len = lb_random(&random) % sizeof(text);
        size_t max = 1 + lb_random(&random) % 40;
        unsigned form = lb_random(&random) & 15;

        for (size_t i = 0; i < len; i++) {
            static const char often[] = "<&`\\\"\n\xe2\x80\xa8\xf0\x9f\x98\x80";
            uint64_t pick = lb_random(&random);

            text[i] = pick % 2 == 0 ? often[pick / 2 % (sizeof(often) - 1)] : (char)(pick >> 8);
        }
        lb_buffer_reset(&out);
        channel_json_clean(&out, (struct lb_str){ text, len }, max, form);
        assert_true(lb_json_valid(lb_buffer_str(&out)));
        size_t inside = lb_json_unescape((struct lb_str){ out.ptr + 1, out.len - 2 }, out.ptr);
        size_t units = 0;
        for (size_t at = 0; at < inside;) {
            uint32_t character = next_character((struct lb_str){ out.ptr, inside }, &at);

            units += character >= BEYOND_BMP ? 2 : 1;
            assert_true(!is_control(character) || (character == '\n' && (form & CHANNEL_LINES) != 0));
            assert_true(character != '`' || (form & CHANNEL_CODE) == 0);
        }
        assert_in_range(units, 0, max);
    }
}

static void a_megabyte_costs_no_more_than_the_limit(void **state)
{
    size_t len = 1 << 20;
    char *text = malloc(len);

    (void)state;
    memset(text, 'x', len);
    lb_buffer_reset(&out);
    channel_clean(&out, (struct lb_str){ text, len }, 100, CHANNEL_LINE);
    assert_int_equal(out.len, 99 + 3);
    free(text);
}

static void an_sms_is_in_its_alphabet(void **state)
{
    static const struct {
        const char *text;
        size_t max;
        const char *expected;
    } cases[] = {
        { "error_rate: 7% > 5% @ \"x\"", 160, "error_rate: 7% > 5% @ \"x\"" },
        { "a\r\nb `c` \xe2\x80\x93 \xe2\x80\x9cq\xe2\x80\x9d", 160, "a  b 'c' - \"q\"" },
        { "gr\xc3\xbc\xc3\x9f \xce\xa9 \xe2\x82\xac \xe6\xbc\xa2 \xf0\x9f\x98\x80 \xff", 160,
          "gr\xc3\xbc\xc3\x9f \xce\xa9 \xe2\x82\xac ? ? ?" },
        { "abc", 2, "ab" },
        { "a[b", 2, "a" }, /* a bracket takes two */
        { "a[b", 3, "a[" },
        { "a[b]", 6, "a[b]" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lb_buffer_reset(&out);
        channel_gsm7(&out, lb_str_from(cases[i].text), cases[i].max);
        assert_string_equal(written(), cases[i].expected);
    }
}

static void a_form_and_a_path_hold_no_special_byte(void **state)
{
    (void)state;
    lb_buffer_reset(&out);
    channel_percent(&out, (struct lb_str){ "a-Z_0.~ &=+/?%\r\n\0\xc3\xbc", 19 });
    assert_string_equal(written(), "a-Z_0.~%20%26%3D%2B%2F%3F%25%0D%0A%00%C3%BC");
}

static void a_front_ends_between_characters(void **state)
{
    (void)state;
    assert_text(channel_front(LB_STR("abc"), 3), "abc");
    assert_text(channel_front(LB_STR("ab\xc3\xbc"), 3), "ab");
    assert_text(channel_front(LB_STR("\xf0\x9f\x98\x80"), 3), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_made_harmless),
        cmocka_unit_test(it_is_valid_and_within_its_limit_whatever_comes_in),
        cmocka_unit_test(a_megabyte_costs_no_more_than_the_limit),
        cmocka_unit_test(an_sms_is_in_its_alphabet),
        cmocka_unit_test(a_form_and_a_path_hold_no_special_byte),
        cmocka_unit_test(a_front_ends_between_characters),
    };

    lb_buffer_init(&out, 1 << 22);
    int failed = cmocka_run_group_tests_name("sinks/channel_text", tests, NULL, NULL);
    lb_buffer_free(&out);
    return failed;
}
