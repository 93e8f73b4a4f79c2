/* temporary_dir_test.c - where the directory is made, and that nothing of it is left. */
#include "temporary_dir.c"

#include "lb_test.h"

#include <errno.h>
#include <sys/stat.h>

static void touch(const char *dir, const char *name)
{
    char path[PATH_SIZE];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static bool is_there(const char *dir)
{
    struct stat status;

    return stat(dir, &status) == 0;
}

static void is_below_tmpdir_and_goes_with_its_files(void **state)
{
    const char *const names[] = { "ledger", "refused", NULL };
    char base[TEMPORARY_DIR_SIZE];
    char dir[TEMPORARY_DIR_SIZE];

    (void)state;
    unsetenv("TMPDIR");
    assert_true(temporary_dir_make(base));
    assert_int_equal(strncmp(base, "/tmp/logboom.", 13), 0);
    setenv("TMPDIR", base, 1);
    assert_true(temporary_dir_make(dir));
    assert_int_equal(strncmp(dir, base, strlen(base)), 0);
    touch(dir, "ledger");
    touch(dir, "other");
    temporary_dir_remove(dir, names);
    assert_true(is_there(dir)); /* what it does not know it leaves */
    temporary_dir_remove(dir, (const char *const[]){ "other", NULL });
    assert_false(is_there(dir));
    temporary_dir_remove(base, names);
    assert_false(is_there(base));
    temporary_dir_remove("", names);
}

/* A name that is cut would be another directory. */
static void a_name_that_is_too_long_is_not_cut(void **state)
{
    const char *const names[] = { NULL };
    char base[TEMPORARY_DIR_SIZE + 1];
    char dir[TEMPORARY_DIR_SIZE];

    (void)state;
    memset(base, 'x', sizeof(base) - 1);
    base[0] = '/';
    base[sizeof(base) - 1] = '\0';
    setenv("TMPDIR", base, 1);
    assert_true(temporary_dir_make(dir));
    assert_int_equal(strncmp(dir, "/tmp/logboom.", 13), 0);
    temporary_dir_remove(dir, names);
}

static void says_why_not(void **state)
{
    char dir[TEMPORARY_DIR_SIZE];

    (void)state;
    setenv("TMPDIR", "/nonexistent", 1);
    assert_false(temporary_dir_make(dir));
    assert_int_equal(errno, ENOENT);
    assert_string_equal(dir, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_below_tmpdir_and_goes_with_its_files),
        cmocka_unit_test(a_name_that_is_too_long_is_not_cut),
        cmocka_unit_test(says_why_not),
    };

    return cmocka_run_group_tests_name("cli/temporary_dir", tests, NULL, NULL);
}
