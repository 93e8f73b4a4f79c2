/* tail_glob_test.c - what patterns match, and that walking finds the same. */
#include "tail_glob.c"

#include "lb_test.h"

#include <ftw.h>
#include <unistd.h>

static const struct {
    const char *pattern;
    const char *path;
    bool matches;
} cases[] = {
    { "/var/log/app.log", "/var/log/app.log", true },
    { "/var/log/*.log", "/var/log/app.log", true },
    { "/var/log/*.log", "/var/log/app.log.1", false },
    { "/var/log/*.log", "/var/log/sub/app.log", false },
    { "/var/log/*.log", "/var/log/.hidden.log", false },
    { "/var/log/.*.log", "/var/log/.hidden.log", true },
    { "/var/*/app.log", "/var/log/app.log", true },
    { "/var/**/app.log", "/var/app.log", true },
    { "/var/**/app.log", "/var/log/a/b/app.log", true },
    { "/var/**/app.log", "/var/log/.git/app.log", false },
    { "/var/**", "/var/log/app.log", true },
    { "/**/x/**/*.log", "/a/x/b/c/d.log", true },
    { "/var/log/app-[0-9].log", "/var/log/app-7.log", true },
    { "/var/log/app-?.log", "/var/log/app-77.log", false },
    { "/var/log/a\\*b", "/var/log/a*b", true },
    { "/var/log/a\\*b", "/var/log/axb", false },
    { "//var//log/*.log", "/var/log/app.log", true },
    { "/var/log/", "/var/log", true },
};

static void matches_by_component(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (lb_glob_match(cases[i].pattern, cases[i].path) != cases[i].matches)
            fail_msg("%s %s %s", cases[i].pattern, cases[i].matches ? "should match" : "should not match",
                     cases[i].path);
}

static void excludes_win_and_names_alone_suffice(void **state)
{
    struct lb_str include[] = { LB_STR("/log/*.log") };
    struct lb_str exclude[] = { LB_STR("debug*"), LB_STR("/log/secret.log") };
    struct lb_tail_options options = { .include = { include, 1 }, .exclude = { exclude, 2 } };

    (void)state;
    assert_true(lb_tail_matches(&options, "/log/app.log"));
    assert_false(lb_tail_matches(&options, "/log/debug.log"));
    assert_false(lb_tail_matches(&options, "/log/secret.log"));
    assert_false(lb_tail_matches(&options, "/other/app.log"));
}

static void the_base_ends_before_the_first_wildcard(void **state)
{
    (void)state;
    assert_int_equal(lb_glob_base("/var/log/*.log"), strlen("/var/log"));
    assert_int_equal(lb_glob_base("/var/log/app.log"), strlen("/var/log"));
    assert_int_equal(lb_glob_base("/var/lib/docker/*/x-*.log"), strlen("/var/lib/docker"));
    assert_int_equal(lb_glob_base("/*.log"), 0);
    assert_int_equal(lb_glob_base("/app.log"), 0);
}

static void compressed_files_need_a_pattern_that_ends_so(void **state)
{
    struct lb_str include[] = { LB_STR("/log/app.log*"), LB_STR("/log/*.zst") };
    struct lb_tail_options options = { .include = { include, 2 } };

    (void)state;
    assert_true(lb_tail_matches(&options, "/log/app.log.1"));
    assert_false(lb_tail_matches(&options, "/log/app.log.2.gz"));
    assert_true(lb_tail_covers(&options, "/log/app.log.2.gz"));
    assert_true(lb_tail_matches(&options, "/log/app.log.3.zst"));
    assert_string_equal(lb_tail_packed("/log/app.log.2.gz"), ".gz");
    assert_null(lb_tail_packed("/log/gz"));
}

/* --- walking --------------------------------------------------------------------- */

static const char *const files[] = {
    "a.log", "b.txt", "sub/a.log", "sub/deep/er/a.log", ".hidden/a.log", "sub/.a.log", "x1/y/a.log", "x2/y/b.log",
};

static const char *const patterns[] = {
    "*.log", "*/a.log", "**/a.log", "**", "x?/y/*.log", "sub/deep/*/a.log", "none/*"
};

struct found {
    const char *root;
    bool seen[sizeof(files) / sizeof(files[0])];
    unsigned directories;
};

static void note_directory(void *context, const char *path)
{
    struct found *found = context;

    assert_int_equal(path[0], '/');
    found->directories++;
}

static void note_match(void *context, const char *path)
{
    struct found *found = context;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (strcmp(path + strlen(found->root) + 1, files[i]) == 0)
            found->seen[i] = true;
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *at)
{
    (void)status, (void)flag, (void)at;
    return remove(path);
}

static void make_files(const char *root)
{
    static const char *const directories[] = {
        "sub", "sub/deep", "sub/deep/er", ".hidden", "x1", "x1/y", "x2", "x2/y"
    };
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", root, directories[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", root, files[i]);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        fclose(file);
    }
    snprintf(path, sizeof(path), "%s/sub/loop", root);
    assert_int_equal(symlink("..", path), 0);
}

static void walking_finds_what_matches_and_nothing_else(void **state)
{
    char root[] = "/tmp/lb_glob_XXXXXX";
    char text[PATH_MAX];

    (void)state;
    assert_non_null(mkdtemp(root));
    make_files(root);
    for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++) {
        struct found found = { .root = root };
        struct lb_glob_visitor visitor = { note_directory, note_match, &found };

        snprintf(text, sizeof(text), "%s/%s", root, patterns[p]);
        lb_glob_walk(text, &visitor);
        assert_true(found.directories > 0);
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
            char path[PATH_MAX];

            snprintf(path, sizeof(path), "%s/%s", root, files[i]);
            if (found.seen[i] != lb_glob_match(text, path))
                fail_msg("pattern %s, file %s: %s", patterns[p], files[i], found.seen[i] ? "found" : "not found");
        }
    }
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_by_component),
        cmocka_unit_test(compressed_files_need_a_pattern_that_ends_so),
        cmocka_unit_test(excludes_win_and_names_alone_suffice),
        cmocka_unit_test(the_base_ends_before_the_first_wildcard),
        cmocka_unit_test(walking_finds_what_matches_and_nothing_else),
    };

    return cmocka_run_group_tests_name("ingest/tail_glob", tests, NULL, NULL);
}
