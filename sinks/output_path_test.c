#include "lb_test.h"

#include "output_path.c"

static struct lb_arena arena;
static struct lb_diag diag;

static void open_pattern(struct output_pattern *pattern, const char *text)
{
    const struct lb_template *template = lb_template_new(&arena, lb_str_from(text), (struct lb_place){ 0 }, &diag);

    assert_non_null(template);
    assert_true(output_pattern_open(pattern, template));
}

static void a_pattern_matches_what_its_template_can_make_and_nothing_else(void **state)
{
    static const struct {
        const char *template;
        const char *path;
        bool matches;
    } cases[] = {
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/2026-01-31.jsonl.zst", true },
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/2026-01-31.2.jsonl.zst", true },
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/2026-01-31.17.jsonl.zst", true },
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/2026-01-31.x.jsonl.zst", false },
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/2026-01-31.jsonl.zst.bak", false },
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/sub/2026-01-31.jsonl.zst", false },
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a//2026-01-31.jsonl.zst", false },
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/26-01-31.jsonl.zst", false },
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/b/web/2026-01-31.jsonl.zst", false },
        { "{service}-{host}.zst", "web-h1.zst", true },
        { "{service}-{host}.zst", "web-h1.2.zst", true },
        { "{service}-{host}.zst", "web.zst", false },
        { "all.log", "all.log", true },
        { "all.log", "all.2.log", true },
        { "all.log", "all.log.2", false },
        { "noext", "noext.3", true },
        { "50%%{{x}}.zst", "50%{x}.zst", true },
        { "%H%j.zst", "23365.zst", true },
        { "100%.zst", "100%.zst", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct output_pattern pattern;

        open_pattern(&pattern, cases[i].template);
        if (output_pattern_matches(&pattern, cases[i].path) != cases[i].matches)
            fail_msg("%s against %s", cases[i].path, cases[i].template);
        output_pattern_free(&pattern);
    }
}

static void the_service_of_a_path_is_known(void **state)
{
    static const struct {
        const char *template;
        const char *path;
        const char *service;
    } cases[] = {
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/2026-01-31.jsonl.zst", "web" },
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/2026-01-31.12.jsonl.zst", "web" },
        { "/a/%Y/{service|none}-{host}.zst", "/a/2026/web-h1.zst", "web" },
        { "/a/{host}/{service}.zst", "/a/h1/web.zst", "web" },
        { "/a/{services}/x.zst", "/a/web/x.zst", "" },
        { "/a/{host}.zst", "/a/h1.zst", "" },
        { "/a/{service}.zst", "/b/web.zst", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct output_pattern pattern;

        open_pattern(&pattern, cases[i].template);
        struct lb_str service = output_pattern_service(&pattern, cases[i].path);
        if (!lb_str_is(service, cases[i].service))
            fail_msg("%s: " LB_STR_FMT, cases[i].path, LB_STR_ARG(service));
        output_pattern_free(&pattern);
    }
}

static void the_number_stands_before_the_extensions_and_comes_off_again(void **state)
{
    static const struct {
        const char *template;
        const char *base;
        const char *second;
    } cases[] = {
        { "/a/{service}/%Y-%m-%d.jsonl.zst", "/a/web/2026-01-31.jsonl.zst", "/a/web/2026-01-31.2.jsonl.zst" },
        { "/a/{service}.zst", "/a/web.v2.zst", "/a/web.v2.2.zst" },
        { "/a/{service}.jsonl.zst", "/a/web.v2.jsonl.zst", "/a/web.v2.2.jsonl.zst" },
        { "/a.b/{service}", "/a.b/web.x", "/a.b/web.x.2" },
        { "/a/problems.log", "/a/problems.log", "/a/problems.2.log" },
        { "/a/my.app.jsonl.zst", "/a/my.app.jsonl.zst", "/a/my.app.2.jsonl.zst" },
        { "/a/.hidden", "/a/.hidden", "/a/.hidden.2" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct output_pattern pattern;
        char buffer[256];

        open_pattern(&pattern, cases[i].template);
        char *first = output_path_numbered(&pattern, lb_str_from(cases[i].base), 1);
        char *second = output_path_numbered(&pattern, lb_str_from(cases[i].base), 2);
        assert_string_equal(first, cases[i].base);
        assert_string_equal(second, cases[i].second);
        assert_text(output_path_base(&pattern, lb_str_from(second), 2, buffer), cases[i].base);
        assert_text(output_path_base(&pattern, lb_str_from(first), 1, buffer), cases[i].base);
        lb_free(first);
        lb_free(second);
        output_pattern_free(&pattern);
    }
}

static void the_root_is_the_constant_directory(void **state)
{
    static const char *const cases[][2] = {
        { "/var/log/logboom/{service}/%Y.zst", "/var/log/logboom/" },
        { "/var/log/x-{service}/a.zst", "/var/log/" },
        { "/var/log/all.zst", "/var/log/" },
        { "all.zst", "" },
        { "{service}/a.zst", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct output_pattern pattern;

        open_pattern(&pattern, cases[i][0]);
        assert_text(((struct lb_str){ pattern.text, pattern.root_len }), cases[i][1]);
        output_pattern_free(&pattern);
    }
}

static void a_path_changes_as_often_as_its_finest_date(void **state)
{
    static const struct {
        const char *template;
        int64_t granularity_ns;
        bool by_service;
    } cases[] = {
        { "/a/%Y-%m-%d.zst", DAY, true },
        { "/a/{service}/%Y-%m-%d-%H.zst", 3600 * LB_SECOND, true },
        { "/a/{service}/%H%M.zst", 60 * LB_SECOND, true },
        { "/a/{host}/%S.zst", LB_SECOND, false },
        { "/a/{service}.zst", INT64_MAX, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct output_pattern pattern;

        open_pattern(&pattern, cases[i].template);
        assert_int_equal(pattern.granularity_ns, cases[i].granularity_ns);
        assert_int_equal(pattern.by_service, cases[i].by_service);
        output_pattern_free(&pattern);
    }
}

static void the_date_of_a_path_is_as_fine_as_its_template(void **state)
{
    static const struct {
        const char *template;
        int64_t a, b; /* seconds from 2026-01-30T12:00:00Z */
        bool same;
    } cases[] = {
        { "{service}.zst", 0, 400 * 86400, true },
        { "%Y/{service}.zst", 0, 300 * 86400, true },
        { "%Y/{service}.zst", 0, 336 * 86400, false },
        { "%Y/%m/{service}.zst", 0, 86400, true },
        { "%Y/%m/{service}.zst", 0, 2 * 86400, false },
        { "%Y-%m-%d.zst", 0, 43199, true },
        { "%Y-%m-%d.zst", 0, 43200, false },
        { "%Y-%j.zst", 0, 43200, false },
        { "%H-%Y.zst", 0, 3599, true },
        { "%H-%Y.zst", 0, 3600, false },
    };
    const int64_t noon = 1769774400;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct output_pattern pattern;

        open_pattern(&pattern, cases[i].template);
        if (output_pattern_same_date(&pattern, (noon + cases[i].a) * LB_SECOND, (noon + cases[i].b) * LB_SECOND) !=
            cases[i].same)
            fail_msg("%s, case %zu", cases[i].template, i);
        output_pattern_free(&pattern);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_matches_what_its_template_can_make_and_nothing_else),
        cmocka_unit_test(the_service_of_a_path_is_known),
        cmocka_unit_test(the_date_of_a_path_is_as_fine_as_its_template),
        cmocka_unit_test(the_number_stands_before_the_extensions_and_comes_off_again),
        cmocka_unit_test(the_root_is_the_constant_directory),
        cmocka_unit_test(a_path_changes_as_often_as_its_finest_date),
    };

    lb_arena_init(&arena, 1 << 20);
    int failed = cmocka_run_group_tests_name("sinks/output_path", tests, NULL, NULL);
    lb_arena_free(&arena);
    lb_diag_free(&diag);
    return failed;
}
