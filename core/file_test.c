/* file_test.c - a file is what it was or what it is now. */
#include "file.c"

#include "lb_test.h"

#include <sys/stat.h>

static const char *name_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "/tmp/lb_file_test.%d.%s", (int)getpid(), name);
    return path;
}

static void replaces_and_reads_back(void **state)
{
    const char *path = name_of("a");
    struct lb_buffer out;

    (void)state;
    lb_buffer_init(&out, 1024 * 1024);
    assert_int_equal(lb_file_read(path, &out), LB_END);
    assert_true(lb_file_replace(path, LB_STR("first")));
    assert_true(lb_file_replace(path, LB_STR("second")));
    assert_int_equal(lb_file_read(path, &out), LB_OK);
    assert_text(lb_buffer_str(&out), "second");
    lb_buffer_free(&out);
    lb_buffer_init(&out, 3);
    assert_int_equal(lb_file_read(path, &out), LB_LIMIT);
    lb_buffer_free(&out);
    unlink(path);
}

static void a_failure_leaves_it_as_it_was(void **state)
{
    char path[128];
    char temp[160];
    struct lb_buffer out;

    (void)state;
    snprintf(path, sizeof(path), "%s", name_of("b"));
    snprintf(temp, sizeof(temp), "%s.new", path);
    assert_true(lb_file_replace(path, LB_STR("kept")));
    assert_int_equal(mkdir(temp, 0700), 0);
    assert_false(lb_file_replace(path, LB_STR("lost")));
    lb_buffer_init(&out, 1024 * 1024);
    assert_int_equal(lb_file_read(path, &out), LB_OK);
    assert_text(lb_buffer_str(&out), "kept");
    lb_buffer_free(&out);
    rmdir(temp);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_and_reads_back),
        cmocka_unit_test(a_failure_leaves_it_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
