/* tail_test.c - files that grow, rotate, vanish and come back, over restarts. */
#include "tail_world.h"

#include <fcntl.h>
#include <xxhash.h>
#include <zlib.h>

static int quiet(void **state)
{
    (void)state;
    lb_log_level = LB_LEVEL_ERROR;
    return 0;
}

static void later(struct world *world, int64_t seconds)
{
    lb_clock_set(lb_clock_monotonic() + seconds * LB_SECOND);
    lb_tail_tick(world->tail);
    world_run(world);
}

static void commit(struct world *world)
{
    for (uint32_t consumer = 0; consumer < WORLD_CONSUMERS; consumer++)
        world_commit(world, consumer);
}

static void reads_lines_as_they_come_and_waits_for_their_end(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "one\ntwo\r\n\n\r\nthr");
    world_start(&world);
    world_run(&world);
    commit(&world);
    world_expect(&world, "one\ntwo\n");
    world_write(&world, "log/app.log", "ee\n");
    world_run(&world);
    commit(&world);
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
    commit(&world);
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
    later(&world, 1);
    commit(&world);
    world_expect(&world, "one\n");
    later(&world, 11);
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

static void finds_a_file_renamed_while_down(void **state)
{
    static const char *const patterns[] = { "app.log", "app.log*" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world world;

        world_init(&world, patterns[i]);
        world_write(&world, "log/app.log", "one\n");
        world_start(&world);
        world_stop(&world);
        world_write(&world, "log/app.log", "two\n");
        world_rename(&world, "log/app.log", "log/app.log.1");
        world_write(&world, "log/app.log", "other\n");
        world_start(&world);
        world_stop(&world);
        world_rename(&world, "log/app.log.1", "log/app.log.2");
        world_start(&world);
        world_stop(&world);
        assert_int_equal(world.committed[0].count, 3);
        assert_string_equal(world.committed[0].items[0].text, "one");
        assert_true(strcmp(world.committed[0].items[1].text, "two") == 0 ||
                    strcmp(world.committed[0].items[2].text, "two") == 0);
        world_free(&world);
    }
}

/* Right behind the look that finds app.log.1, all logs are rotated. */
static struct world *rotated_behind_a_look;

int lstat(const char *path, struct stat *status)
{
    int result = fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
    const char *name = strrchr(path, '/');
    struct world *world = rotated_behind_a_look;

    if (world == NULL || result != 0 || name == NULL || strcmp(name, "/app.log.1") != 0)
        return result;
    rotated_behind_a_look = NULL;
    world_rename(world, "log/app.log.1", "log/app.log.2");
    world_rename(world, "log/app.log", "log/app.log.1");
    world_write(world, "log/app.log", "three\n");
    return result;
}

static void finds_a_file_renamed_while_it_is_looked_for(void **state)
{
    static const char *const words[] = { "one", "two", "three" };
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    world_stop(&world);
    world_rename(&world, "log/app.log", "log/app.log.1");
    world_write(&world, "log/app.log", "two\n");
    rotated_behind_a_look = &world;
    world_start(&world);
    assert_null(rotated_behind_a_look);
    world_stop(&world);
    world_start(&world);
    world_stop(&world);
    for (size_t i = 0; i < 3; i++) {
        unsigned count = 0;

        for (size_t j = 0; j < world.committed[0].count; j++)
            count += strcmp(world.committed[0].items[j].text, words[i]) == 0;
        assert_int_equal(count, 1);
    }
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
    later(&world, 1);
    later(&world, 6);
    close(fd);
    assert_int_equal(world.tail->file_count, 1);
    later(&world, 31);
    assert_int_equal(world.tail->file_count, 0);
    world_stop(&world);
    world_expect(&world, "one\ntwo\nrest\n");
    world_free(&world);
}

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

static void copy(struct world *world, const char *from, const char *to)
{
    char text[1024];
    FILE *file = fopen(world_path(world, from), "re");
    size_t len = fread(text, 1, sizeof(text) - 1, file);

    text[len] = '\0';
    fclose(file);
    world_write(world, to, text);
}

static void copytruncate(struct world *world)
{
    copy(world, "log/app.log", "log/app.log.1");
    assert_int_equal(truncate(world_path(world, "log/app.log"), 0), 0);
}

static void reads_the_rest_of_a_truncated_file_from_its_copy(void **state)
{
    static const char *const patterns[] = { "app.log", "app.log*" };

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct world world;

        world_init(&world, patterns[i % 2]);
        /* A log of a few bytes is known by all of them. */
        world_write(&world, "log/app.log", i < 4 ? "the first line of this log\n" : "first\n");
        world_start(&world);
        if (i % 4 < 2)
            world_run(&world);
        else
            world_stop(&world);
        world_write(&world, "log/app.log", "unread\n");
        copytruncate(&world);
        world_write(&world, "log/app.log", "a new beginning, and longer than all of it was\n");
        if (i % 4 >= 2)
            world_start(&world);
        world_run(&world);
        world_stop(&world);
        world_start(&world);
        world_stop(&world);
        assert_int_equal(world.committed[0].count, 3);
        assert_int_equal(world.committed[1].count, 3);
        world_free(&world);
    }
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

static void long_lines_take_larger_slabs_and_overlong_ones_are_cut(void **state)
{
    static const size_t sizes[] = { 100, 5000, 70000, 300000, 1024 * 1024, 1024 * 1024 + 1, 3 * 1024 * 1024, 10 };
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    struct world world;
    char *line = malloc(3 * 1024 * 1024 + 2);

    (void)state;
    world_init(&world, "*.log");
    for (size_t i = 0; i < COUNT; i++) {
        memset(line, 'a' + (int)i, sizes[i]);
        line[sizes[i]] = '\n';
        line[sizes[i] + 1] = '\0';
        world_write(&world, "log/app.log", line);
    }
    world_start(&world);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const struct world_line *got = &world.committed[0].items[i];
        bool cut = sizes[i] > LB_LINE_BYTES;

        assert_int_equal(got->text[0], 'a' + (int)i);
        assert_int_equal(strlen(got->text), cut ? LB_LINE_BYTES : sizes[i]);
        assert_int_equal(got->truncated, cut);
    }
    free(line);
    world_free(&world);
}

static void a_long_line_that_grows_slowly_is_not_read_again_and_again(void **state)
{
    struct world world;
    char piece[1001];

    (void)state;
    memset(piece, 'x', 1000);
    piece[1000] = '\0';
    world_init(&world, "*.log");
    world_start(&world);
    for (unsigned i = 0; i < 500; i++) {
        world_write(&world, "log/app.log", piece);
        world_run(&world);
    }
    assert_true(world.tail->files[0]->scanned == 500 * 1000);
    assert_int_equal(world.batches, 0);
    world_write(&world, "log/app.log", "\nshort\n");
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 2);
    assert_int_equal(strlen(world.committed[0].items[0].text), 500 * 1000);
    world_free(&world);
}

static void a_slab_of_tiny_lines_holds_a_bounded_number_of_events(void **state)
{
    struct world world;
    char text[20001];

    (void)state;
    for (size_t i = 0; i < 20000; i += 2)
        memcpy(text + i, "x\n", 2);
    text[20000] = '\0';
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", text);
    world_start(&world);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 10000);
    world_free(&world);
}

static void quiet_files_take_small_slabs(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    world_run(&world);
    assert_int_equal(world.largest, LB_SLAB_SMALL);
    world_stop(&world);
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

/* One consumer ended in the middle of a line (the end of the file, then); the line grew. No byte comes twice. */
static void events_end_where_a_consumer_was(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world.source.exit_at_eof = true;
    world_write(&world, "log/app.log", "one\nhalf");
    world_start(&world);
    world_run(&world);
    world_commit(&world, 0);
    world_crash(&world);
    world_write(&world, "log/app.log", " and half\n");
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\nhalf\n and half\n");
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
    later(&world, 6);
    world_write(&world, "log/app.log.1", "four\n");
    later(&world, 6);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 4);
    world_free(&world);
}

static void write_packed(struct world *world, const char *name, const char *text)
{
    gzFile file = gzopen(world_path(world, name), "ab");

    assert_non_null(file);
    assert_int_equal(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    gzclose(file);
}

static void a_compressed_file_is_read_once_whatever_was_committed(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.gz");
    write_packed(&world, "log/a.gz", "one\ntwo\n");
    world_start(&world);
    world_run(&world);
    world_commit(&world, 1); /* the other has nothing */
    world_crash(&world);
    write_packed(&world, "log/b.gz", "three\nfour");
    world_start(&world);
    world_run(&world);
    commit(&world);
    later(&world, 1); /* what everybody has is noted */
    commit(&world);
    world_crash(&world);
    world_start(&world);
    assert_true(world.tail->files[0]->finished && world.tail->files[1]->finished);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 4); /* in any order of the files */
    assert_int_equal(world.committed[1].count, 4);
    world_free(&world);
}

static void a_compressed_file_that_grows_by_a_member_goes_on(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.gz");
    write_packed(&world, "log/a.gz", "one\n");
    world_start(&world);
    world_run(&world);
    commit(&world);
    later(&world, 1);
    write_packed(&world, "log/a.gz", "two\n");
    world_run(&world);
    commit(&world);
    world_stop(&world);
    write_packed(&world, "log/a.gz", "three\n");
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\ntwo\nthree\n");
    world_free(&world);
}

static void overlong_lines_of_a_compressed_file_are_cut(void **state)
{
    struct world world;
    char *text = malloc(2000001);

    (void)state;
    world_init(&world, "*.gz");
    world.source.options.max_line = 4096;
    memset(text, 'x', 2000000);
    text[2000000] = '\0';
    memcpy(text + 4096, "\n", 1);           /* just as long as may be */
    memcpy(text + 4097 + 5000, "\n", 1);    /* in one slab */
    memcpy(text + 1000000, "\nshort\n", 7); /* over many */
    write_packed(&world, "log/a.gz", text); /* and one that never ends */
    free(text);
    world_start(&world);
    world_stop(&world);
    world_start(&world);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(strlen(world.committed[0].items[i].text), i == 3 ? 5 : 4096);
        assert_int_equal(world.committed[0].items[i].truncated, i != 0 && i != 3);
    }
    world_free(&world);
}

static void a_file_is_deleted_only_when_all_have_committed_all(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*");
    world.options.after = LB_TAIL_AFTER_DELETE;
    world_write(&world, "log/a.log", "one\n\n");
    write_packed(&world, "log/b.gz", "not ours\n");
    world_start(&world);
    world_run(&world);
    later(&world, 60);
    world_commit(&world, 0);
    later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    world_crash(&world);
    world_start(&world);
    world_run(&world);
    commit(&world);
    world_write(&world, "log/a.log", "two");
    later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    world_write(&world, "log/a.log", "\n");
    world_run(&world);
    later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    commit(&world);
    int writer = open(world_path(&world, "log/a.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    close(writer);
    later(&world, 60);
    assert_int_not_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    assert_int_equal(access(world_path(&world, "log/b.gz"), F_OK), 0);
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
    commit(&world);
    later(&world, 60);
    assert_int_equal(access(world_path(&world, "log/a.log"), F_OK), 0);
    world_stop(&world);
    world_expect(&world, "two\n");
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
    later(&world, 3);
    world_write(&world, "log/a.log", "o");
    world_run(&world);
    later(&world, 3);
    commit(&world);
    world_expect(&world, "one\n");
    later(&world, 3);
    commit(&world);
    world_expect(&world, "one\ntwo\n");
    world_write(&world, "log/a.log", "\nthree\n");
    world_stop(&world);
    world_expect(&world, "one\ntwo\nthree\n");
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines_as_they_come_and_waits_for_their_end),
        cmocka_unit_test(sees_new_files_and_directories_at_once),
        cmocka_unit_test(goes_on_where_it_stopped),
        cmocka_unit_test(follows_a_renamed_file_to_its_end),
        cmocka_unit_test(a_line_that_rotation_parts_is_one_line),
        cmocka_unit_test(a_rotated_file_without_a_last_newline_ends_after_a_while),
        cmocka_unit_test(follows_a_file_that_is_filled_and_renamed_before_it_is_looked_at),
        cmocka_unit_test(a_log_stays_ours_while_it_is_empty),
        cmocka_unit_test(finds_a_file_renamed_while_down),
        cmocka_unit_test(finds_a_file_renamed_while_it_is_looked_for),
        cmocka_unit_test(reads_a_deleted_file_to_its_end),
        cmocka_unit_test(forgets_a_file_that_was_deleted_while_down),
        cmocka_unit_test(keeps_positions_while_a_file_system_is_not_mounted),
        cmocka_unit_test(a_truncated_file_starts_over),
        cmocka_unit_test(reads_the_rest_of_a_truncated_file_from_its_copy),
        cmocka_unit_test(a_head_does_not_grow_by_what_was_never_read),
        cmocka_unit_test(an_inode_that_is_used_again_is_another_file),
        cmocka_unit_test(a_switched_link_leads_to_the_next_file),
        cmocka_unit_test(read_from_end_skips_what_was_there_at_the_first_start),
        cmocka_unit_test(ignore_older_skips_the_content_of_old_files),
        cmocka_unit_test(long_lines_take_larger_slabs_and_overlong_ones_are_cut),
        cmocka_unit_test(a_long_line_that_grows_slowly_is_not_read_again_and_again),
        cmocka_unit_test(a_slab_of_tiny_lines_holds_a_bounded_number_of_events),
        cmocka_unit_test(quiet_files_take_small_slabs),
        cmocka_unit_test(waits_without_credit_and_loses_nothing),
        cmocka_unit_test(follows_more_files_than_it_keeps_open),
        cmocka_unit_test(with_exit_at_eof_the_last_line_needs_no_newline),
        cmocka_unit_test(events_end_where_a_consumer_was),
        cmocka_unit_test(without_inotify_scans_find_everything),
        cmocka_unit_test(a_compressed_file_is_read_once_whatever_was_committed),
        cmocka_unit_test(a_compressed_file_that_grows_by_a_member_goes_on),
        cmocka_unit_test(overlong_lines_of_a_compressed_file_are_cut),
        cmocka_unit_test(a_file_is_deleted_only_when_all_have_committed_all),
        cmocka_unit_test(what_was_skipped_is_not_deleted),
        cmocka_unit_test(a_last_line_ends_after_its_timeout),
    };

    return cmocka_run_group_tests_name("ingest/tail", tests, quiet, NULL);
}
