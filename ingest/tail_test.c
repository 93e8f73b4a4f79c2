/* tail_test.c - files that come, grow and are read again after a restart; whose turn it is. */
#include "tail_world.h"

#include <fcntl.h>

static void reads_lines_as_they_come_and_waits_for_their_end(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "one\ntwo\r\n\n\r\nthr");
    world_start(&world);
    world_run(&world);
    world_commit_all(&world);
    world_expect(&world, "one\ntwo\n");
    world_write(&world, "log/app.log", "ee\n");
    world_run(&world);
    world_commit_all(&world);
    world_expect(&world, "one\ntwo\nthree\n");
    world_stop(&world);
    world_free(&world);
}

static void sees_new_files_and_directories_at_once(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "**/*.log");
    world_start(&world);
    world_run(&world);
    world_write(&world, "log/late.log", "late\n");
    world_run(&world);
    assert_int_equal(mkdir(world_path(&world, "log/sub"), 0755), 0);
    world_write(&world, "log/sub/deep.log", "deep\n");
    world_run(&world);
    world_write(&world, "log/sub/other.txt", "not ours\n");
    world_write(&world, "log/sub/deep.log", "deeper\n");
    world_run(&world);
    world_commit_all(&world);
    world_expect(&world, "late\ndeep\ndeeper\n");
    world_stop(&world);
    world_free(&world);
}

static void goes_on_where_it_stopped(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "one\ntwo\n");
    world_start(&world);
    world_stop(&world);
    world_write(&world, "log/app.log", "three\n");
    world_start(&world);
    world_run(&world);
    world_commit(&world, 0);
    world_crash(&world); /* the other consumer has not committed `three` */
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\ntwo\nthree\n");
    world_free(&world);
}

static void read_from_end_skips_what_was_there_at_the_first_start(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world.options.read_from = LB_TAIL_FROM_END;
    world_write(&world, "log/app.log", "old\nunfinish");
    world_start(&world);
    world_run(&world);
    world_write(&world, "log/app.log", "ed\nnew\n");
    world_write(&world, "log/late.log", "late\n");
    world_run(&world);
    world_crash(&world); /* nothing was committed, and still `old` stays out */
    world_rename(&world, "log/app.log", "log/app.1");
    world_write(&world, "log/app.log", "successor\n");
    world_write(&world, "log/unknown.log", "was not there before\n");
    world_start(&world);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_not_equal(world.committed[0].items[i].text, "old");
    world_free(&world);
}

static void ignore_older_skips_the_content_of_old_files(void **state)
{
    struct world world;
    struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };

    (void)state;
    world_init(&world, "*.log");
    world.options.ignore_older_ns = 3600 * LB_SECOND;
    world_write(&world, "log/old.log", "old\n");
    world_write(&world, "log/young.log", "young\n");
    assert_int_equal(utimensat(AT_FDCWD, world_path(&world, "log/old.log"), old, 0), 0);
    world_start(&world);
    world_run(&world);
    world_write(&world, "log/old.log", "new\n");
    world_stop(&world);
    world_expect(&world, "young\nnew\n");
    world_free(&world);
}

static void waits_without_credit_and_loses_nothing(void **state)
{
    struct world world;
    struct lb_batch *held[2000];
    size_t count = 0;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    while ((held[count] = lb_pool_take(world.source.share, LB_SLAB_SMALL, NULL)) != NULL)
        assert_true(++count < 2000);
    assert_int_equal(lb_tail_turn(world.tail), LB_TAIL_WAIT);
    assert_int_equal(lb_tail_turn(world.tail), LB_TAIL_WAIT);
    while (count > 0)
        lb_batch_unref(held[--count]);
    world_stop(&world);
    world_expect(&world, "one\n");
    world_free(&world);
}

static void follows_more_files_than_it_keeps_open(void **state)
{
    enum { FILES = LB_TAIL_FDS_MAX + 100 };
    struct world world;
    char name[32];

    (void)state;
    world_init(&world, "*.log");
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "log/%u.log", i);
        world_write(&world, name, "one\n");
    }
    world_start(&world);
    world_run(&world);
    assert_true(world.tail->fd_count <= LB_TAIL_FDS_MAX);
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "log/%u.log", i);
        world_write(&world, name, "two\n");
    }
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 2 * FILES);
    world_free(&world);
}

static void with_exit_at_eof_the_last_line_needs_no_newline(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world.source.exit_at_eof = true;
    world_write(&world, "log/app.log", "one\nrest");
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\nrest\n");
    world_free(&world);
}

static void a_last_line_ends_after_its_timeout(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world.options.line_timeout_ns = 5 * LB_SECOND;
    world_write(&world, "log/a.log", "one\ntw");
    world_start(&world);
    world_run(&world);
    world_later(&world, 3);
    world_write(&world, "log/a.log", "o");
    world_run(&world);
    world_later(&world, 3);
    world_commit_all(&world);
    world_expect(&world, "one\n");
    world_later(&world, 3);
    world_commit_all(&world);
    world_expect(&world, "one\ntwo\n");
    world_write(&world, "log/a.log", "\nthree\n");
    world_stop(&world);
    world_expect(&world, "one\ntwo\nthree\n");
    world_free(&world);
}

static void without_inotify_scans_find_everything(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    lb_clock_set(lb_clock_now());
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    close(world.tail->watch.fd);
    world.tail->watch.fd = -1;
    world_run(&world);
    world_write(&world, "log/app.log", "two\n");
    world_rename(&world, "log/app.log", "log/app.log.1");
    world_write(&world, "log/app.log", "three\n");
    world_later(&world, 6);
    world_write(&world, "log/app.log.1", "four\n");
    world_later(&world, 6);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 4);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines_as_they_come_and_waits_for_their_end),
        cmocka_unit_test(sees_new_files_and_directories_at_once),
        cmocka_unit_test(goes_on_where_it_stopped),
        cmocka_unit_test(read_from_end_skips_what_was_there_at_the_first_start),
        cmocka_unit_test(ignore_older_skips_the_content_of_old_files),
        cmocka_unit_test(waits_without_credit_and_loses_nothing),
        cmocka_unit_test(follows_more_files_than_it_keeps_open),
        cmocka_unit_test(with_exit_at_eof_the_last_line_needs_no_newline),
        cmocka_unit_test(a_last_line_ends_after_its_timeout),
        cmocka_unit_test(without_inotify_scans_find_everything),
    };

    return cmocka_run_group_tests_name("ingest/tail", tests, world_quiet, NULL);
}
