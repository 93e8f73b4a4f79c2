/* archive_paths_test.c - which files are behind a PATH, and in which order. */
#include "archive_paths.c"

#include "lb_test.h"

#include <fcntl.h>
#include <unistd.h>

static void touch(const char *root, const char *name)
{
    char *path = join(root, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
    lb_free(path);
}

static void make_directory(const char *root, const char *name)
{
    char *path = join(root, name);

    assert_int_equal(mkdir(path, 0700), 0);
    lb_free(path);
}

static void names_are_in_the_order_of_time(void **state)
{
    static const char *const names[] = { "shop/2026-01-31.jsonl.zst",    "shop/2026-01-31.2.jsonl.zst",
                                         "shop/2026-01-31.10.jsonl.zst", "shop/2026-02-01.jsonl.zst",
                                         "shop-a/2026-01-30.jsonl.zst",  "web" };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            int order = archive_path_compare(names[i], names[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void a_directory_is_its_visible_files(void **state)
{
    char root[] = "/tmp/lb-paths-XXXXXX";
    struct archive_paths paths = { 0 };
    static const char *const expected[] = { "a/1.zst", "a/b/2.zst", "c.log" };

    (void)state;
    assert_non_null(mkdtemp(root));
    make_directory(root, "a");
    make_directory(root, "a/b");
    make_directory(root, ".hidden");
    touch(root, "c.log");
    touch(root, "a/1.zst");
    touch(root, "a/b/2.zst");
    touch(root, "a/1.zst.lbx");
    touch(root, "a/.tmp-1.zst");
    touch(root, ".hidden/3.zst");
    touch(root, "MANIFEST.jsonl");

    archive_paths_add(&paths, root);
    assert_false(paths.failed);
    assert_int_equal(paths.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(paths.items[i].name + strlen(root) + 1, expected[i]);
    archive_paths_add(&paths, "-");
    assert_int_equal(paths.items[3].given, 1);
    archive_paths_free(&paths);

    char *manifest = join(root, "MANIFEST.jsonl");
    archive_paths_add(&paths, manifest);
    assert_int_equal(paths.count, 1);
    archive_paths_free(&paths);
    lb_free(manifest);
}

static void what_is_missing_is_told(void **state)
{
    struct archive_paths paths = { 0 };

    (void)state;
    archive_paths_add(&paths, "/nonexistent/of/course");
    assert_true(paths.failed);
    assert_int_equal(paths.count, 0);
    archive_paths_free(&paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_in_the_order_of_time),
        cmocka_unit_test(a_directory_is_its_visible_files),
        cmocka_unit_test(what_is_missing_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
