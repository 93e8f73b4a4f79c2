/* expr_needed_test.c - what a pattern needs is in every text that it matches. */
#include "lb_test.h"

#include "expr.h"

#include <ctype.h>

struct row {
    const char *pattern;
    const char *needed;
};

static const struct row rows[] = {
    { "(?i)connection (refused|reset) by peer", "connection " },
    { "Failed password", "Failed password" },
    { "(?i)fail|invalid", "" },
    { "abc*defg?hi", "def" },
    { "ab{0,3}cdef{2}g", "cde" },
    { "ab+cd", "ab" },
    { "^a\\.bcd$", "bcd" },
    { "a[b-d]efg[]x]hi", "efg" },
    { "a[[:alpha:]]efg", "" },
    { "(?x)a b c d", "" },
    { "(?i-x:abc)def", "" },
    { "(?:abc(?:d|e))fghi", "fghi" },
    { "(?<name>abc)de", "de" },
    { "(abc)+de", "de" },
    { "abc(?=x)de", "abc" },
    { "(*UTF)abc", "" },
    { "abc(?#a)b)def", "" },
    { "a\\Qb|c\\Ed", "" },
    { "a\\x{41}bcd", "" },
    { "\\d+ errors?", " error" },
    { "abc\\1def", "" },
    { "a{x|bc}def", "" },
    { "ab\xc3\xa9gh", "" },
    { "abc)", "" },
    { "", "" },
    { "\\", "" },
    { "[", "" },
    { "(", "" },
};

static void finds_the_longest_that_is_surely_needed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lb_str needed = lb_expr_regex_needed(lb_str_from(rows[i].pattern));

        if (!lb_str_is(needed, rows[i].needed))
            fail_msg("%s needs \"" LB_STR_FMT "\"", rows[i].pattern, LB_STR_ARG(needed));
    }
}

static bool contains_caseless(struct lb_str text, struct lb_str part)
{
    for (size_t at = 0; at + part.len <= text.len; at++) {
        size_t i = 0;

        while (i < part.len && tolower((unsigned char)text.ptr[at + i]) == tolower((unsigned char)part.ptr[i]))
            i++;
        if (i == part.len)
            return true;
    }
    return false;
}

static const char *const pieces[] = { "a",   "b",   "B",   "ab",    "bab", "(",   ")",   "(?i)", "(?:",  "|",
                                      "*",   "?",   "+",   "{0,2}", "{2}", "[",   "]",   "[ab]", "[^a]", ".",
                                      "\\.", "\\w", "\\b", "^",     "$",   "\\Q", "\\E", "(?x)", " ",    "{",
                                      "}",   "#",   "-",   "\\x61", "(?=", "(?!", "\\K", "\\1",  "[]a]", "(?|" };

/* Patterns of random pieces, those that PCRE takes, against random texts. */
static void is_in_all_that_matches(void **state)
{
    uint64_t random = lb_seed();
    int matched = 0;

    (void)state;
    for (int run = 0; run < 60000; run++) {
        struct lb_expr_regex regex = { 0 };
        char reason[LB_EXPR_REASON_BYTES];
        char pattern[128] = "";
        size_t offset;

        for (uint64_t left = 1 + lb_random(&random) % 7; left > 0; left--)
            strcat(pattern, pieces[lb_random(&random) % (sizeof(pieces) / sizeof(pieces[0]))]);
        if (!lb_expr_regex_compile(&regex, lb_str_from(pattern), reason, &offset))
            continue;
        struct lb_str needed = lb_expr_regex_needed(lb_str_from(pattern));
        for (int i = 0; i < 12 && needed.len > 0; i++) {
            char text[12];
            size_t len = lb_random(&random) % sizeof(text);

            for (size_t k = 0; k < len; k++)
                text[k] = "abABba -.{}#"[lb_random(&random) % 12];
            if (!lb_expr_regex_match(&regex, (struct lb_str){ text, len }))
                continue;
            matched++;
            if (!contains_caseless((struct lb_str){ text, len }, needed))
                fail_msg("LB_SEED=%llu: %s matches \"%.*s\" without \"" LB_STR_FMT "\"", (unsigned long long)lb_seed(),
                         pattern, (int)len, text, LB_STR_ARG(needed));
        }
        lb_expr_regex_free(&regex);
    }
    assert_true(matched > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_longest_that_is_surely_needed),
        cmocka_unit_test(is_in_all_that_matches),
    };

    return cmocka_run_group_tests_name("route/expr_needed", tests, NULL, NULL);
}
