/* tail_scan_test.c - logs that are rotated while the directory is looked at. */
#include "tail_world.h"

#include <fcntl.h>

/* Right behind the look at app.log it is rotated. */
static struct world *rotated_behind_a_look;

int stat(const char *path, struct stat *status)
{
    int result = fstatat(AT_FDCWD, path, status, 0);
    const char *name = strrchr(path, '/');
    struct world *world = rotated_behind_a_look;

    if (world == NULL || result != 0 || name == NULL || strcmp(name, "/app.log") != 0)
        return result;
    rotated_behind_a_look = NULL;
    world_rename(world, "log/app.log", "log/app.log.1");
    world_write(world, "log/app.log", "two\n");
    return result;
}

/* What is at its path by then is no reason to take it for another file, and to read it once more. */
static void a_known_log_that_is_rotated_while_it_is_looked_at_goes_on(void **state)
{
    static const char *const patterns[] = { "app.log", "app.lo?", "*" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct world world;

        world_init(&world, patterns[i]);
        world_write(&world, "log/app.log", "one\n");
        world_start(&world);
        world_stop(&world);
        rotated_behind_a_look = &world;
        world_start(&world);
        assert_null(rotated_behind_a_look);
        world_stop(&world);
        world_expect(&world, "one\ntwo\n");
        world_free(&world);
    }
}

/* `read_from: end` counts to the end of the file that it is about. */
static void a_new_log_that_is_rotated_while_it_is_looked_at_begins_at_its_own_end(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.lo?");
    world.options.read_from = LB_TAIL_FROM_END;
    world_write(&world, "log/app.log", "from before our time\n");
    assert_int_equal(
        utimensat(AT_FDCWD, world_path(&world, "log/app.log"), (struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0), 0);
    rotated_behind_a_look = &world;
    world_start(&world);
    world_run(&world);
    world_write(&world, "log/app.log", "three\n");
    world_stop(&world);
    world_expect(&world, "three\n");
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_log_that_is_rotated_while_it_is_looked_at_goes_on),
        cmocka_unit_test(a_new_log_that_is_rotated_while_it_is_looked_at_begins_at_its_own_end),
    };

    return cmocka_run_group_tests_name("ingest/tail_scan", tests, world_quiet, NULL);
}
