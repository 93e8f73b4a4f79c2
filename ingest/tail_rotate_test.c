/* tail_rotate_test.c - logs that are renamed once more while they are looked for. */
#include "tail_world.h"

static bool find_and_rotate(const char *path, const struct lb_tail_identity *identity, char *found);
#define lb_tail_find_inode find_and_rotate
#include "tail_rotate.c"
#undef lb_tail_find_inode

/* The next rotation comes when the file has just been found under the name of the last one. */
static struct world *rotating;

static bool find_and_rotate(const char *path, const struct lb_tail_identity *identity, char *found)
{
    bool hit = lb_tail_find_inode(path, identity, found);

    if (rotating != NULL && hit) {
        world_rename(rotating, "log/app.log.1", "log/app.log.2");
        world_write(rotating, "log/app.log.1", "of another log\n");
        rotating = NULL;
    }
    return hit;
}

static void a_log_that_is_rotated_again_while_it_is_looked_for_is_read_to_its_end(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    world_run(&world);
    close(world.tail->watch.fd); /* nothing but scans tells what happens */
    world.tail->watch.fd = -1;
    lb_tail_file_close(world.tail, world.tail->files[0]); /* as when there are too many */
    world_write(&world, "log/app.log", "two\n");
    world_rename(&world, "log/app.log", "log/app.log.1");
    rotating = &world;
    for (unsigned i = 0; i < 3; i++) {
        lb_clock_set(lb_clock_monotonic() + 60 * LB_SECOND);
        lb_tail_tick(world.tail);
        world_run(&world);
    }
    assert_null(rotating);
    world_stop(&world);
    world_expect(&world, "one\ntwo\nof another log\n");
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_is_rotated_again_while_it_is_looked_for_is_read_to_its_end),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("ingest/tail_rotate", tests, NULL, NULL);
}
