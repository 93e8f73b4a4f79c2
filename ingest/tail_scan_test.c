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

/* As where the inode of a deleted log, which no descriptor holds, is that of the next file: `to` has other content. */
static void use_inode_again(struct world *world, const char *from, const char *to)
{
    struct lb_tail_file *file = lb_tail_find_path(world->tail, world_path(world, from));

    assert_non_null(file);
    lb_tail_file_close(world->tail, file);
    world_rename(world, from, "gone");
    world_run(world);
    assert_int_equal(truncate(world_path(world, "gone"), 0), 0);
    world_write_packed(world, "gone", "packed\n");
    world_rename(world, "gone", to);
    world_run(world);
}

static void a_compressed_file_is_no_log_whose_inode_it_has(void **state)
{
    (void)state;
    for (unsigned wanted = 0; wanted < 2; wanted++) {
        struct world world;

        world_init(&world, "*.log");
        snprintf(world.patterns[1], sizeof(world.patterns[1]), "%s/log/*.gz", world.dir);
        world.include[1] = lb_str_from(world.patterns[1]);
        world.options.include.count += wanted;
        world_write(&world, "log/app.log", "a line of some length\n");
        world_start(&world);
        world_run(&world);
        use_inode_again(&world, "log/app.log", "log/other.gz");
        world_later(&world, 20);
        world_stop(&world);
        world_expect(&world, wanted != 0 ? "a line of some length\npacked\n" : "a line of some length\n");
        world_start(&world);
        world_stop(&world);
        world_expect(&world, wanted != 0 ? "a line of some length\npacked\n" : "a line of some length\n");
        world_free(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_log_that_is_rotated_while_it_is_looked_at_goes_on),
        cmocka_unit_test(a_new_log_that_is_rotated_while_it_is_looked_at_begins_at_its_own_end),
        cmocka_unit_test(a_compressed_file_is_no_log_whose_inode_it_has),
    };

    return cmocka_run_group_tests_name("ingest/tail_scan", tests, world_quiet, NULL);
}
