/*
 * directories_test.c - what is made is synced up to the root, whoever made it.
 */
#include "lb_directories.h"

#include "lb_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SYNCED_MAX = 64 };

static ino_t synced[SYNCED_MAX];
static int synced_count;
static int fails_at; /* the call that fails, from 1; 0: none */

int fsync(int fd)
{
    struct stat status;

    assert_int_equal(fstat(fd, &status), 0);
    assert_true(synced_count < SYNCED_MAX);
    synced[synced_count++] = status.st_ino;
    if (synced_count == fails_at) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static bool was_synced(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    for (int i = 0; i < synced_count; i++) {
        if (synced[i] == status.st_ino)
            return true;
    }
    return false;
}

static void begin(char *root)
{
    synced_count = fails_at = 0;
    strcpy(root, "/tmp/directories.XXXXXX");
    assert_non_null(mkdtemp(root));
    assert_int_equal(chdir(root), 0);
}

static void end(const char *root)
{
    assert_int_equal(chdir("/"), 0);
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    assert_int_equal(system(command), 0);
}

static void all_above_is_synced_though_it_was_there(void **state)
{
    char root[32];

    (void)state;
    begin(root);
    assert_true(lb_directories_make("a/b/file", 0700));
    assert_true(lb_directories_make("a/b/file", 0700));
    assert_int_equal(synced_count, 0);
    assert_true(lb_directories_sync("a/b/file"));
    assert_true(was_synced("a/b"));
    assert_true(was_synced("a"));
    assert_true(was_synced("."));
    end(root);
}

/* The name of a file behind a symbolic link stands where the link leads. */
static void a_link_is_followed_to_where_the_names_are(void **state)
{
    char root[32];

    (void)state;
    begin(root);
    assert_true(lb_directories_make("a/b/file", 0700));
    assert_int_equal(symlink("a/b", "link"), 0);
    assert_true(lb_directories_sync("link/file"));
    assert_true(was_synced("a/b"));
    assert_true(was_synced("a"));
    end(root);
}

static void a_failure_at_any_height_is_told(void **state)
{
    char root[32];

    (void)state;
    begin(root);
    assert_true(lb_directories_make("a/b/", 0700));
    for (int at = 1; at <= 3; at++) {
        synced_count = 0;
        fails_at = at;
        assert_false(lb_directories_sync("a/b/"));
        assert_int_equal(errno, EIO);
    }
    fails_at = 0;
    assert_false(lb_directories_sync("none/file"));
    assert_int_equal(errno, ENOENT);
    assert_false(lb_directories_make("", 0700));
    end(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_above_is_synced_though_it_was_there),
        cmocka_unit_test(a_link_is_followed_to_where_the_names_are),
        cmocka_unit_test(a_failure_at_any_height_is_told),
    };

    return cmocka_run_group_tests_name("core/directories", tests, NULL, NULL);
}
