#include "mail_text.h"

#include "lb_clock.h"
#include "lb_test.h"

#include <stdio.h>

static const char *written(struct lb_buffer *out)
{
    lb_buffer_append_char(out, '\0');
    assert_false(out->failed);
    out->len--;
    return out->ptr;
}

static void a_header_is_plain_or_in_encoded_words(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        { "Firing: error_rate (P1)", "Firing: error_rate (P1)" },
        { "", "" },
        { "caf\xc3\xa9", "=?UTF-8?B?Y2Fmw6k=?=" },
        { "=?UTF-8?Q?forged?=", "=?UTF-8?B?PT9VVEYtOD9RP2ZvcmdlZD89?=" },
    };
    struct lb_buffer out;

    (void)state;
    lb_buffer_init(&out, 65536);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lb_buffer_reset(&out);
        mail_header_text(&out, lb_str_from(cases[i].text));
        assert_string_equal(written(&out), cases[i].expected);
    }
    lb_buffer_free(&out);
}

/* Every character of four bytes stays whole, and no line is longer than a mail's may be. */
static void a_long_header_is_folded_between_characters(void **state)
{
    char text[4 * 100 + 1] = "";
    struct lb_buffer out;
    size_t words = 0;

    (void)state;
    for (int i = 0; i < 100; i++)
        memcpy(text + (size_t)4 * (size_t)i, "\xf0\x9f\xaa\xb5", 5);
    lb_buffer_init(&out, 65536);
    mail_header_text(&out, lb_str_from(text));
    for (const char *line = written(&out); line != NULL; words++) {
        const char *end = strstr(line, "\r\n");
        size_t len = end != NULL ? (size_t)(end - line) : strlen(line);

        assert_in_range(len, 1, 67);
        /* 36 bytes: nine characters. */
        if (end != NULL)
            assert_memory_equal(line + len - 2, "?=", 2);
        line = end != NULL ? end + 3 : NULL;
    }
    assert_int_equal(words, 12);
    lb_buffer_free(&out);
}

static void a_body_is_quoted_printable(void **state)
{
    struct lb_buffer out;
    char text[200];

    (void)state;
    lb_buffer_init(&out, 65536);
    mail_quoted_printable(&out, LB_STR("a=b \nc\xc3\xa9\t.\n.\n"));
    assert_string_equal(written(&out), "a=3Db=20\r\nc=C3=A9=09.\r\n.\r\n");
    lb_buffer_reset(&out);
    mail_quoted_printable(&out, LB_STR(""));
    assert_string_equal(written(&out), "\r\n");
    lb_buffer_reset(&out);
    memset(text, 'x', sizeof(text));
    mail_quoted_printable(&out, (struct lb_str){ text, sizeof(text) });
    const char *body = written(&out);
    assert_memory_equal(body + 75, "=\r\nx", 4);
    assert_int_equal(out.len, sizeof(text) + 3 + 3 + 2);
    lb_buffer_free(&out);
}

static void a_date_is_that_of_mail(void **state)
{
    struct lb_buffer out;

    (void)state;
    lb_buffer_init(&out, 1024);
    mail_date(&out, 0);
    assert_string_equal(written(&out), "Thu, 01 Jan 1970 00:00:00 +0000");
    lb_buffer_reset(&out);
    mail_date(&out, INT64_C(1795659961) * LB_SECOND);
    assert_string_equal(written(&out), "Thu, 26 Nov 2026 02:26:01 +0000");
    lb_buffer_free(&out);
}

static void only_plain_addresses_are_taken(void **state)
{
    static const char *const good[][2] = {
        { "ops@example.org", "ops@example.org" },
        { "Log Boom <logs+x@example.org>", "logs+x@example.org" },
        { "<o@h>", NULL }, /* a name is missing */
    };
    static const char *const bad[] = { "",
                                       "ops",
                                       "@example.org",
                                       "ops@",
                                       "a b@h.org",
                                       "a@h.org, b@h",
                                       "a@h\r\nRCPT x",
                                       "Ops <a@h.org> x",
                                       "\"x\" <a@h>",
                                       "a@h.org>",
                                       "Ops <a@h.org",
                                       "\xc3\xa9@h.org" };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct lb_str address = mail_address(lb_str_from(good[i][0]));

        assert_int_equal(address.len, good[i][1] != NULL ? strlen(good[i][1]) : 0);
        if (good[i][1] != NULL)
            assert_memory_equal(address.ptr, good[i][1], address.len);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(mail_address(lb_str_from(bad[i])).len, 0);
    assert_true(lb_str_is(mail_domain(LB_STR("a@b.c")), "b.c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_plain_or_in_encoded_words),
        cmocka_unit_test(a_long_header_is_folded_between_characters),
        cmocka_unit_test(a_body_is_quoted_printable),
        cmocka_unit_test(a_date_is_that_of_mail),
        cmocka_unit_test(only_plain_addresses_are_taken),
    };

    return cmocka_run_group_tests_name("sinks/mail_text", tests, NULL, NULL);
}
