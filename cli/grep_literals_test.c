/* grep_literals_test.c - what is read from patterns; that it is never too much, prop_grep and fuzz_literals show. */
#include "grep_literals.c"

#include "lb_test.h"

/* The clauses as text: "a|b & c". */
static const char *text_of(const struct grep_literals *literals)
{
    static char text[4096];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < literals->count; i++) {
        for (size_t k = 0; k < literals->clauses[i].count; k++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s" LB_STR_FMT,
                                    k > 0   ? "|"
                                    : i > 0 ? " & "
                                            : "",
                                    LB_STR_ARG(literals->clauses[i].any[k]));
    }
    return text;
}

struct expected {
    const char *pattern;
    const char *clauses;
    bool exact;
};

static void check(const struct expected *expected, size_t count, struct grep_syntax syntax)
{
    for (size_t i = 0; i < count; i++) {
        struct lb_str pattern = lb_str_from(expected[i].pattern);
        struct grep_literals literals;

        grep_literals_init(&literals, &(struct lb_strs){ &pattern, 1 }, syntax);
        if (strcmp(text_of(&literals), expected[i].clauses) != 0 || literals.is_exact != expected[i].exact)
            fail_msg("%s: expected %s%s, got %s%s", expected[i].pattern, expected[i].clauses,
                     expected[i].exact ? " exactly" : "", text_of(&literals), literals.is_exact ? " exactly" : "");
        grep_literals_free(&literals);
    }
}

static void literals_are_found_in_every_construct(void **state)
{
    static const struct expected cases[] = {
        { "disk full", "disk full", true },
        { "", "", false },
        { "disk.*full", "full & disk", false },
        { "timeout|refused|denied", "timeout|refused|denied", true },
        { "(?:timed|time) ?out", "timed out|timedout|time out|timeout", true },
        { "erro+r", "erro & or", false },
        { "erro*r", "err & r", false },
        { "(ab){3}", "ababab", true },
        { "(ab){2,}c", "abab & abc", false },
        { "[Ll]ink", "Link|link", true },
        { "[^Ll]ink", "ink", false },
        { "user=\\d+ failed", " failed & user=", false },
        { "^foo$", "foo", false },
        { "\\bfoo\\b", "foo", false },
        { "foo(?=bar)", "foo & bar", false },
        { "foo(?!bar)", "foo", false },
        { "(?<=foo)bar", "bar & foo", false },
        { "\\Qa.b|c\\E+d", "a.b|c & cd", false },
        { "\\Qa.b|c\\Ed", "a.b|cd", true },
        { "a\\.b\\x2dc\\tz", "a.b-c\tz", true },
        { "(?x) disk \\ full # and so on", "disk full", true },
        { "(?<name>abc)\\k<name>d", "abc & d", false },
        { "(?i)Disk(?-i)FULL",
          "diskfull|dis\xe2\x84\xaa"
          "full|di\xc5\xbfkfull|di\xc5\xbf\xe2\x84\xaa"
          "full",
          false },
        { "a(?i:b)c", "abc", false },
        { "a{2}b{0}c", "aac", true },
        { "caf\xc3\xa9s?", "caf\xc3\xa9s|caf\xc3\xa9", true },
        { "{\"level\":\"error\"", "{\"level\":\"error\"", true },
        { "x(?#any) y", "x y", true },
        { "1?+1", "11|1", false }, /* what is possessive never gives back */
        { "(?>a|ab)c", "ac|abc", false },
    };

    (void)state;
    check(cases, sizeof(cases) / sizeof(cases[0]), (struct grep_syntax){ .utf = true });
}

static void what_is_not_understood_is_anything(void **state)
{
    static const struct expected cases[] = {
        { "foo(*ACCEPT)bar", "", false },
        { "(*UTF)foo", "", false },
        { "(?(?=a)b|c)foo", "", false },
        { "(a)foo\\1bar", "afoo & bar", false },
        { "(?R)?foo", "foo", false },
        { "foo\\12", "", false },
        { "[[:alpha:]]foo", "foo", false },
        { "[\\Q]\\E]foo", "", false },
        { "foo{,3}bar", "", false },
        { "abc|", "", false },
        { "(foo)?", "", false },
        { "a|.", "", false },
    };

    (void)state;
    check(cases, sizeof(cases) / sizeof(cases[0]), (struct grep_syntax){ .utf = true });
}

static void letters_without_case_have_every_form(void **state)
{
    static const struct expected folded[] = {
        { "Error", "error", true },
        { "K", "k|\xe2\x84\xaa", true },
        { "\xc3\xa9t", "t", false },
        { "Disk\xc3\x84", "disk|dis\xe2\x84\xaa|di\xc5\xbfk|di\xc5\xbf\xe2\x84\xaa", false },
        { "[kx]", "k|\xe2\x84\xaa|x", true },
    };
    static const struct expected bytes[] = { { "Disk", "disk", true }, { "a\xe9", "a", false } };
    static const struct expected fixed[] = { { "a.*\\E", "a.*\\E", true }, { "[x", "[x", true } };

    (void)state;
    check(folded, sizeof(folded) / sizeof(folded[0]), (struct grep_syntax){ .utf = true, .fold = true });
    check(bytes, sizeof(bytes) / sizeof(bytes[0]), (struct grep_syntax){ .fold = true });
    check(fixed, sizeof(fixed) / sizeof(fixed[0]), (struct grep_syntax){ .utf = true, .fixed = true });
}

static void several_patterns_are_alternatives(void **state)
{
    struct lb_str patterns[300];
    struct grep_literals literals;
    char words[300][8];

    (void)state;
    for (size_t i = 0; i < 300; i++) {
        snprintf(words[i], sizeof(words[i]), "w%zu", i);
        patterns[i] = lb_str_from(words[i]);
    }
    grep_literals_init(&literals, &(struct lb_strs){ patterns, 200 }, (struct grep_syntax){ .utf = true });
    assert_int_equal(literals.count, 1);
    assert_int_equal(literals.clauses[0].count, 200);
    grep_literals_free(&literals);
    grep_literals_init(&literals, &(struct lb_strs){ patterns, 300 }, (struct grep_syntax){ .utf = true });
    assert_int_equal(literals.count, 0); /* too many: anything */
    assert_false(literals.is_exact);
    grep_literals_free(&literals);
    patterns[1] = LB_STR("");
    grep_literals_init(&literals, &(struct lb_strs){ patterns, 2 }, (struct grep_syntax){ .utf = true });
    assert_true(literals.is_all);
    grep_literals_free(&literals);
}

static void nested_repeats_stay_small(void **state)
{
    static const char *const patterns[] = {
        "(((((a{60}){60}){60}){60}){60}){60}",
        "((((((a.b){60}){60}){60}){60}){60}){60}",
        "[ab][cd][ef][gh][ij][kl][mn][op][qr][st]",
        "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        struct lb_str pattern = lb_str_from(patterns[i]);
        struct grep_literals literals;

        grep_literals_init(&literals, &(struct lb_strs){ &pattern, 1 }, (struct grep_syntax){ .utf = true });
        assert_true(literals.arena.bytes_held <= ARENA_BYTES);
        assert_true(literals.count <= GREP_CLAUSES_MAX);
        grep_literals_free(&literals);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_found_in_every_construct),
        cmocka_unit_test(what_is_not_understood_is_anything),
        cmocka_unit_test(letters_without_case_have_every_form),
        cmocka_unit_test(several_patterns_are_alternatives),
        cmocka_unit_test(nested_repeats_stay_small),
    };

    return cmocka_run_group_tests_name("cli/grep_literals", tests, NULL, NULL);
}
