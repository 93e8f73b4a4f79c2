/* quoted_test.c - escapes that are JSON's stay as they are, others are decoded. */
#include "quoted.c"

#include "lb_test.h"

static void escapes_are_kept_or_decoded(void **state)
{
    static const struct {
        const char *inside;
        uint8_t kind;
        const char *expected; /* the value's bytes; NULL: refused */
    } cases[] = {
        { "plain", LB_VALUE_TEXT, "plain" },
        { "", LB_VALUE_TEXT, "" },
        { "a\\n\\\"b\\\\", LB_VALUE_ESCAPED, "a\\n\\\"b\\\\" },
        { "\\u00e9\\ud83d\\ude00", LB_VALUE_ESCAPED, "\\u00e9\\ud83d\\ude00" },
        { "\\x41\\n", LB_VALUE_TEXT, "A\n" },
        { "\\a\\v\\'", LB_VALUE_TEXT, "\a\v'" },
        { "tab\there \\t", LB_VALUE_TEXT, "tab\there \t" },
        { "\\q\\u00e9", LB_VALUE_TEXT, "\\q\xc3\xa9" },
        { "\\x41\\u20ac\\ud800", LB_VALUE_TEXT, "A\xe2\x82\xac\xef\xbf\xbd" },
        { "\\x4", 0, NULL },
        { "\\xg1", 0, NULL },
        { "\\u12", 0, NULL },
        { "\\u12:4", 0, NULL },
    };
    struct lb_arena arena;

    (void)state;
    lb_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_value value;
        enum lb_err err = quoted_value(lb_str_from(cases[i].inside), &arena, &value);

        assert_int_equal(err, cases[i].expected != NULL ? LB_OK : LB_BAD_INPUT);
        if (err != LB_OK)
            continue;
        assert_int_equal(value.kind, cases[i].kind);
        assert_text(((struct lb_str){ value.ptr, value.len }), cases[i].expected);
    }
    lb_arena_free(&arena);
}

static void bad_utf8_is_marked(void **state)
{
    struct lb_arena arena;
    struct lb_value value;

    (void)state;
    lb_arena_init(&arena, 1 << 20);
    assert_int_equal(quoted_value(LB_STR("\\n\xff"), &arena, &value), LB_OK);
    assert_int_equal(value.kind, LB_VALUE_ESCAPED);
    assert_int_equal(value.flags, LB_VALUE_BAD_UTF8);
    lb_arena_free(&arena);
}

static void a_full_arena_is_told(void **state)
{
    struct lb_arena arena;
    struct lb_value value;

    (void)state;
    lb_arena_init(&arena, 0);
    assert_int_equal(quoted_value(LB_STR("\\x41"), &arena, &value), LB_LIMIT);
    lb_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_are_kept_or_decoded),
        cmocka_unit_test(bad_utf8_is_marked),
        cmocka_unit_test(a_full_arena_is_told),
    };

    return cmocka_run_group_tests_name("parse/quoted", tests, NULL, NULL);
}
