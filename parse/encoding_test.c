/* encoding_test.c - names, text, what stands for no character. */
#include "encoding.c"

#include "lb_test.h"

static struct lb_arena arena;

static const char *text_of(const char *name, const char *bytes, size_t len)
{
    static char out[256];
    struct lb_encoding encoding;

    assert_true(lb_encoding_find(lb_str_from(name), &encoding));
    struct lb_str text = lb_encoding_text(&encoding, (struct lb_str){ bytes, len }, &arena);
    assert_non_null(text.ptr);
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return out;
}

static void text_becomes_utf8(void **unused)
{
    (void)unused;
    assert_string_equal(text_of("latin1", "caf\xe9", 4), "café");
    assert_string_equal(text_of("windows-1252", "\x80 5", 3), "€ 5");
    assert_string_equal(text_of("Shift_JIS", "\x93\xfa\x96\x7b", 4), "日本");
    assert_string_equal(text_of("utf-16", "a\0\xe9\0", 4), "aé");
    assert_string_equal(text_of("utf-16-be", "\0a\0\xe9", 4), "aé");
    assert_string_equal(text_of("utf-16", "=\xd8\0\xde", 4), "😀");
    assert_string_equal(text_of("windows-1255", "\xf9\xec\xe5\xed", 4), "שלום");
    assert_string_equal(text_of("latin1", "", 0), "");
}

static void what_is_no_character_is_replaced(void **unused)
{
    (void)unused;
    assert_string_equal(text_of("utf-16",
                                "a\0\0\xd8"
                                "b\0",
                                6),
                        "a\xef\xbf\xbd"
                        "b");
    assert_string_equal(text_of("utf-16", "a\0b", 3), "a\xef\xbf\xbd");
    assert_string_equal(text_of("utf-8",
                                "a\xff"
                                "b",
                                3),
                        "a\xef\xbf\xbd"
                        "b");
    assert_string_equal(text_of("utf-8", "\xfa\xae\xae\xae\xae", 5), /* five bytes were a letter once */
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(text_of("euc-jp", "\xff\xff\xff", 3), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void names_are_known_or_not(void **unused)
{
    struct lb_encoding encoding;

    (void)unused;
    assert_false(lb_encoding_find(LB_STR("klingon"), &encoding));
    assert_false(lb_encoding_find(LB_STR(""), &encoding));
    assert_true(lb_encoding_find(LB_STR("UTF-16BE"), &encoding));
    assert_int_equal(encoding.width, 2);
    assert_true(encoding.big);
    assert_true(lb_encoding_find(LB_STR("utf-32"), &encoding));
    assert_int_equal(encoding.width, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_utf8),
        cmocka_unit_test(what_is_no_character_is_replaced),
        cmocka_unit_test(names_are_known_or_not),
    };

    lb_arena_init(&arena, 64 * 1024);
    int failed = cmocka_run_group_tests_name("parse/encoding", tests, NULL, NULL);
    lb_arena_free(&arena);
    return failed;
}
