/* tail_rotate_test.c - logs that are renamed, also once more while they are looked for, deleted and truncated. */
#include "tail_world.h"

#include <fcntl.h>

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

/* --- renamed, deleted, truncated ---------------------------------------------------------- */

static void follows_a_renamed_file_to_its_end(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    world_run(&world);
    world_write(&world, "log/app.log", "two\n");
    world_rename(&world, "log/app.log", "log/app.log.1");
    world_write(&world, "log/app.log", "new one\n");
    world_write(&world, "log/app.log.1", "three\n");
    world_run(&world);
    world_write(&world, "log/app.log.1", "four\n");
    world_run(&world);
    world_stop(&world);
    world_expect(&world, "one\ntwo\nthree\nnew one\nfour\n");
    world_free(&world);
}

static void a_line_that_rotation_parts_is_one_line(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    world_write(&world, "log/app.log", "one\ntw");
    world_start(&world);
    world_run(&world);
    world_rename(&world, "log/app.log", "log/app.log.1");
    world_run(&world);
    world_write(&world, "log/app.log.1", "o\n");
    world_stop(&world);
    world_expect(&world, "one\ntwo\n");
    world_free(&world);
}

static void a_rotated_file_without_a_last_newline_ends_after_a_while(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    lb_clock_set(lb_clock_now());
    world_write(&world, "log/app.log", "one\nrest");
    world_start(&world);
    world_run(&world);
    world_rename(&world, "log/app.log", "log/app.log.1");
    world_later(&world, 1);
    world_commit_all(&world);
    world_expect(&world, "one\n");
    world_later(&world, 11);
    world_stop(&world);
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\nrest\n");
    world_free(&world);
}

/* It was empty when it was found, so there is nothing yet by which its content is known. */
static void follows_a_file_that_is_filled_and_renamed_before_it_is_looked_at(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    world_write(&world, "log/app.log", "");
    world_start(&world);
    close(world.tail->watch.fd);
    world.tail->watch.fd = -1;
    world_run(&world);
    world_write(&world, "log/app.log", "one\n");
    world_rename(&world, "log/app.log", "log/app.log.1");
    world.tail->scan_wanted = true;
    world.tail->scan_after_ns = 0;
    world_stop(&world);
    world_expect(&world, "one\n");
    world_free(&world);
}

/* No position tells any more that the log is ours: it was cut to nothing before the restart. */
static void a_log_stays_ours_while_it_is_empty(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    world_write(&world, "log/app.log", "the first line of this log\n");
    world_start(&world);
    world_stop(&world);
    assert_int_equal(truncate(world_path(&world, "log/app.log"), 0), 0);
    world_start(&world);
    world_stop(&world);
    world_write(&world, "log/app.log", "two\n");
    world_rename(&world, "log/app.log", "log/app.log.1");
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "the first line of this log\ntwo\n");
    world_free(&world);
}

static void reads_a_deleted_file_to_its_end(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    lb_clock_set(lb_clock_now());
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    world_run(&world);
    int fd = open(world_path(&world, "log/app.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(unlink(world_path(&world, "log/app.log")), 0);
    assert_int_equal(write(fd, "two\nrest", 8), 8);
    world_later(&world, 1);
    world_later(&world, 6);
    close(fd);
    assert_int_equal(world.tail->file_count, 1);
    world_later(&world, 31);
    assert_int_equal(world.tail->file_count, 0);
    world_stop(&world);
    world_expect(&world, "one\ntwo\nrest\n");
    world_free(&world);
}

static void a_truncated_file_starts_over(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "first one\nfirst two\n");
    world_start(&world);
    world_run(&world);
    assert_int_equal(truncate(world_path(&world, "log/app.log"), 0), 0);
    world_write(&world, "log/app.log", "second one\n");
    world_run(&world);
    assert_int_equal(truncate(world_path(&world, "log/app.log"), 0), 0);
    world_write(&world, "log/app.log", "third is longer than all that was there before\n");
    world_run(&world);
    world_stop(&world);
    world_expect(&world, "first one\nfirst two\nsecond one\nthird is longer than all that was there before\n");
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_is_rotated_again_while_it_is_looked_for_is_read_to_its_end),
        cmocka_unit_test(follows_a_renamed_file_to_its_end),
        cmocka_unit_test(a_line_that_rotation_parts_is_one_line),
        cmocka_unit_test(a_rotated_file_without_a_last_newline_ends_after_a_while),
        cmocka_unit_test(follows_a_file_that_is_filled_and_renamed_before_it_is_looked_at),
        cmocka_unit_test(a_log_stays_ours_while_it_is_empty),
        cmocka_unit_test(reads_a_deleted_file_to_its_end),
        cmocka_unit_test(a_truncated_file_starts_over),
    };

    lb_log_level = LB_LEVEL_EMERGENCY;
    return cmocka_run_group_tests_name("ingest/tail_rotate", tests, NULL, NULL);
}
