/* tail_delete_test.c - `after: delete`: only what everybody has, and all of it. */
#include "tail_world.h"

#include <fcntl.h>

static void a_file_is_deleted_only_when_all_have_committed_all(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*");
    world.options.after = LB_TAIL_AFTER_DELETE;
    world_write(&world, "log/a.log", "one\n\n");
    world_write_packed(&world, "log/b.gz", "not ours\n");
    world_start(&world);
    world_run(&world);
    world_later(&world, 60);
    world_commit(&world, 0);
    world_later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    world_crash(&world);
    world_start(&world);
    world_run(&world);
    world_commit_all(&world);
    world_write(&world, "log/a.log", "two");
    world_later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    world_write(&world, "log/a.log", "\n");
    world_run(&world);
    world_later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    world_commit_all(&world);
    int writer = open(world_path(&world, "log/a.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    world_later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    close(writer);
    world_later(&world, 60);
    assert_int_not_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    assert_int_equal(access(world_path(&world, "log/b.gz"), F_OK), 0);
    world_stop(&world);
    world_expect(&world, "one\ntwo\n");
    world_free(&world);
}

/* The copy took over the position of a log that was truncated. All of it was read before, but may not be safe yet. */
static void a_copy_is_not_deleted_before_all_have_what_was_read_of_the_log(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log*");
    world.options.after = LB_TAIL_AFTER_DELETE;
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    world_run(&world);
    world_commit_all(&world);
    world_write(&world, "log/app.log", "two\n");
    world_run(&world);
    world_write(&world, "log/app.log.1", "one\ntwo\n");
    assert_int_equal(truncate(world_path(&world, "log/app.log"), 0), 0);
    world_run(&world);
    world_later(&world, 60);
    world_later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/app.log.1"), F_OK), 0);
    world_crash(&world);
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\ntwo\n");
    world_free(&world);
}

static void what_was_skipped_is_not_deleted(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world.options.after = LB_TAIL_AFTER_DELETE;
    world.options.read_from = LB_TAIL_FROM_END;
    world_write(&world, "log/a.log", "one\n");
    world_start(&world);
    world_write(&world, "log/a.log", "two\n");
    world_run(&world);
    world_commit_all(&world);
    world_later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    world_stop(&world);
    world_expect(&world, "two\n");
    world_free(&world);
}

/* Behind that look at a.log, counted from now, it is rotated; 0: not any more. */
static unsigned looks_left;
static struct world *rotated;

int stat(const char *path, struct stat *status)
{
    int result = fstatat(AT_FDCWD, path, status, 0);
    const char *name = strrchr(path, '/');

    if (looks_left == 0 || name == NULL || strcmp(name, "/a.log") != 0 || --looks_left > 0)
        return result;
    world_rename(rotated, "log/a.log", "log/a.log.1");
    world_write(rotated, "log/a.log", "two\n");
    return result;
}

static void a_log_that_was_begun_meanwhile_is_not_deleted_instead(void **state)
{
    (void)state;
    for (unsigned look = 1; look < 8; look++) {
        struct world world;

        world_init(&world, "*.log");
        world.options.after = LB_TAIL_AFTER_DELETE;
        world_write(&world, "log/a.log", "one\n");
        world_start(&world);
        world_run(&world);
        world_commit_all(&world);
        rotated = &world;
        looks_left = look;
        lb_clock_set(lb_clock_monotonic() + 60 * LB_SECOND);
        lb_tail_tick(world.tail);
        bool was_rotated = looks_left == 0;
        looks_left = 0;
        if (was_rotated) {
            assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
            world_run(&world);
            world_write(&world, "log/a.log", "three\n");
        }
        world_stop(&world);
        world_expect(&world, was_rotated ? "one\ntwo\nthree\n" : "one\n");
        world_free(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_deleted_only_when_all_have_committed_all),
        cmocka_unit_test(a_copy_is_not_deleted_before_all_have_what_was_read_of_the_log),
        cmocka_unit_test(what_was_skipped_is_not_deleted),
        cmocka_unit_test(a_log_that_was_begun_meanwhile_is_not_deleted_instead),
    };

    return cmocka_run_group_tests_name("ingest/tail_delete", tests, world_quiet, NULL);
}
