/* tail_identity_test.c - who a file is: inodes that are used again, heads that grow, files that are gone. */
#include "tail_world.h"

#include <fcntl.h>
#include <xxhash.h>

static size_t known(struct world *world)
{
    return world->tail->known_count;
}

static void forgets_a_file_that_was_deleted_while_down(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "one\n");
    world_write(&world, "log/other.log", "1\n");
    world_start(&world);
    world_stop(&world);
    assert_int_equal(unlink(world_path(&world, "log/app.log")), 0);
    world_start(&world);
    assert_int_equal(known(&world), 2);
    world_stop(&world);
    world_start(&world);
    assert_int_equal(known(&world), 1);
    world_stop(&world);
    world_free(&world);
}

static void keeps_positions_while_a_file_system_is_not_mounted(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    world_stop(&world);
    world_rename(&world, "log", "away");
    assert_int_equal(mkdir(world_path(&world, "log"), 0755), 0);
    world_start(&world);
    world_stop(&world);
    assert_int_equal(rmdir(world_path(&world, "log")), 0);
    world_rename(&world, "away", "log");
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\n");
    world_free(&world);
}

/* A truncation between a read and the look at the head: the head of the new log must not become that of the old one. */
static void a_head_does_not_grow_by_what_was_never_read(void **state)
{
    struct world world;
    struct lb_tail_identity identity = { .length = 6, .fingerprint = XXH64("line 1", 6, 0) };
    char bytes[] = "line 1\nline 2\n";
    struct lb_batch batch = { .bytes = bytes, .length = 14 };

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/other.log", "another line, longer than that\n");
    world_write(&world, "log/like.log", "line 1\nline 3, longer than that\n");
    world_write(&world, "log/same.log", "line 1\nline 2\nline 3\n");
    static const char *const names[] = { "log/other.log", "log/like.log", "log/same.log" };
    for (size_t i = 0; i < 3; i++) {
        int fd = open(world_path(&world, names[i]), O_RDONLY | O_CLOEXEC);

        assert_int_equal(lb_tail_grow_head(&identity, fd, &batch), i == 2);
        assert_int_equal(identity.length, i == 2 ? 21 : 6);
        close(fd);
    }
    world_free(&world);
}

static void an_inode_that_is_used_again_is_another_file(void **state)
{
    struct world world;
    struct stat before;
    struct stat after;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "the old content\n");
    world_start(&world);
    world_stop(&world);
    assert_int_equal(stat(world_path(&world, "log/app.log"), &before), 0);
    assert_int_equal(unlink(world_path(&world, "log/app.log")), 0);
    world_write(&world, "log/new.log", "the new content, longer\n");
    assert_int_equal(stat(world_path(&world, "log/new.log"), &after), 0);
    if (before.st_ino != after.st_ino)
        print_message("this file system did not use the inode again\n");
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "the old content\nthe new content, longer\n");
    world_free(&world);
}

static void a_switched_link_leads_to_the_next_file(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "current.log");
    world_write(&world, "a.txt", "a one\n");
    world_write(&world, "b.txt", "b one\n");
    assert_int_equal(symlink("../a.txt", world_path(&world, "log/current.log")), 0);
    world_start(&world);
    world_run(&world);
    world_write(&world, "a.txt", "a two\n");
    assert_int_equal(symlink("../b.txt", world_path(&world, "log/next")), 0);
    world_rename(&world, "log/next", "log/current.log");
    world_run(&world);
    world_write(&world, "a.txt", "a three\n");
    world_run(&world);
    world_write(&world, "b.txt", "b two\n");
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 5);
    world_start(&world);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 5);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgets_a_file_that_was_deleted_while_down),
        cmocka_unit_test(keeps_positions_while_a_file_system_is_not_mounted),
        cmocka_unit_test(a_head_does_not_grow_by_what_was_never_read),
        cmocka_unit_test(an_inode_that_is_used_again_is_another_file),
        cmocka_unit_test(a_switched_link_leads_to_the_next_file),
    };

    return cmocka_run_group_tests_name("ingest/tail_identity", tests, world_quiet, NULL);
}
