/* tail_siblings_test.c - logs that were rotated or copied while nobody looked. */
#include "tail_world.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>

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

/* A rotation in the middle of a directory takes a name that is still to come to where it was read already. */
static struct world *passed_over;
static time_t stood_still;

struct dirent *readdir(DIR *directory)
{
    struct dirent *(*next)(DIR * directory);
    struct world *world = passed_over;

    *(void **)&next = dlsym(RTLD_NEXT, "readdir");
    struct dirent *entry = next(directory);
    if (world == NULL || entry == NULL || strcmp(entry->d_name, "app.log.1") != 0)
        return entry;
    passed_over = NULL;
    world_rename(world, "log/app.log.1", "log/app.log.2");
    stood_still += 5; /* and then the process was not run for a while */
    return NULL;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);

    now->tv_sec += stood_still;
    return result;
}

static void looks_again_for_a_file_that_was_passed_over_long_ago(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    world_stop(&world);
    world_rename(&world, "log/app.log", "log/app.log.1");
    world_write(&world, "log/app.log.1", "two\n");
    passed_over = &world;
    world_start(&world);
    assert_null(passed_over);
    world_stop(&world);
    world_expect(&world, "one\ntwo\n");
    stood_still = 0;
    world_free(&world);
}

static bool directories_fail;

DIR *opendir(const char *path)
{
    DIR *(*call)(const char *path);

    *(void **)&call = dlsym(RTLD_NEXT, "opendir");
    if (!directories_fail)
        return call(path);
    errno = EMFILE;
    return NULL;
}

static void poll_all(struct world *world, int64_t seconds)
{
    world->tail->scan_wanted = true;
    world->tail->scan_after_ns = 0;
    world_later(world, seconds);
}

/* Where no event tells its new name: what was not found for a moment is not deleted, and its position stays. */
static void a_file_that_could_not_be_looked_for_is_found_later(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log");
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    close(world.tail->watch.fd);
    world.tail->watch.fd = -1;
    world_run(&world);
    world_rename(&world, "log/app.log", "log/app.log.1");
    directories_fail = true;
    poll_all(&world, 1);
    directories_fail = false;
    world_write(&world, "log/app.log", "two\n");
    for (unsigned i = 0; i < 8; i++)
        poll_all(&world, 60);
    world_write(&world, "log/app.log.1", "three\n");
    world_rename(&world, "log/app.log.1", "log/app.log.2");
    poll_all(&world, 60);
    poll_all(&world, 60);
    world_stop(&world);
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\ntwo\nthree\n");
    world_free(&world);
}

/* As the kubelet compresses them: under another name until it is whole. */
static void a_file_that_is_being_compressed_is_no_missed_log(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "0.log");
    world_write(&world, "log/0.log", "one\n");
    world_start(&world);
    world_run(&world);
    world_rename(&world, "log/0.log", "log/0.log.20261126-101500");
    world_write(&world, "log/0.log", "two\n");
    world_run(&world);
    world_write_packed(&world, "log/0.log.20261126-101500.tmp", "one\n");
    world_run(&world);
    world_later(&world, 20);
    world_rename(&world, "log/0.log.20261126-101500.tmp", "log/0.log.20261126-101500.gz");
    assert_int_equal(unlink(world_path(&world, "log/0.log.20261126-101500")), 0);
    world_later(&world, 20);
    world_stop(&world);
    world_expect(&world, "one\ntwo\n");
    world_free(&world);
}

/* The young log has no more than a time yet, with which every log begins. */
static void a_missed_log_is_no_copy_of_one_that_has_just_begun(void **state)
{
    static const char *const begun[] = { "2026-11-26T", "2026-11-26T10:00:00Z a line of some length\n2026-" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world world;
        char expected[200];

        world_init(&world, "app.log");
        world_write(&world, "log/app.log", begun[i]);
        world_start(&world);
        world_run(&world);
        world_write(&world, "log/app.log.1", "2026-11-26T10:00:00Z a line of some length\nanother\n");
        world_run(&world);
        world_write(&world, "log/app.log", "the rest\n");
        world_stop(&world);
        snprintf(expected, sizeof(expected), "%s2026-11-26T10:00:00Z a line of some length\nanother\n%s",
                 i == 0 ? "" : "2026-11-26T10:00:00Z a line of some length\n",
                 i == 0 ? "2026-11-26Tthe rest\n" : "2026-the rest\n");
        world_expect(&world, expected);
        world_free(&world);
    }
}

/* Twice the copy is seen before its original is cut, and the original has not been read by then. */
static void each_content_of_a_log_is_compared_with_its_copies(void **state)
{
    static const char *const copies[] = { "log/app.log.1", "log/app.log.2" };
    static const char *const texts[] = { "the first line, of some length\n", "the second line, of some length\n" };
    struct world world;

    (void)state;
    world_init(&world, "*");
    world_start(&world);
    for (size_t i = 0; i < 2; i++) {
        world_write(&world, copies[i], texts[i]);
        world_write(&world, "log/app.log", texts[i]);
        world_run(&world);
        assert_int_equal(truncate(world_path(&world, "log/app.log"), 0), 0);
        world_later(&world, 6);
    }
    world_stop(&world);
    world_expect(&world, "the first line, of some length\nthe second line, of some length\n");
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

/* A copy is held for a while; then the process is not run for longer than that, and meanwhile the original is cut. */
static void a_copy_is_none_of_its_own_before_its_original_was_looked_at(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log*");
    world_write(&world, "log/app.log", "the first line of this log\n");
    world_start(&world);
    world_run(&world);
    copy(&world, "log/app.log", "log/app.log.1");
    world_run(&world);
    assert_int_equal(truncate(world_path(&world, "log/app.log"), 0), 0);
    world_write(&world, "log/app.log", "a new beginning, and longer than all of it was\n");
    world_write(&world, "log/app.log.0", "another\n"); /* whose stream is to be opened, with all others */
    world_later(&world, 60);
    world_later(&world, 60);
    world_stop(&world);
    world_expect(&world, "the first line of this log\nanother\na new beginning, and longer than all of it was\n");
    world_free(&world);
}

/* As where it is compressed at once, by `copytruncate` with `compress`. */
static void a_copy_that_is_deleted_while_it_is_held_is_still_one(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log*");
    world_write(&world, "log/app.log", "the first line of this log\n");
    world_start(&world);
    world_run(&world);
    copy(&world, "log/app.log", "log/app.log.1");
    world_run(&world);
    assert_int_equal(truncate(world_path(&world, "log/app.log"), 0), 0);
    assert_int_equal(unlink(world_path(&world, "log/app.log.1")), 0);
    world_later(&world, 60);
    world_later(&world, 6);
    world_stop(&world);
    world_expect(&world, "the first line of this log\n");
    world_free(&world);
}

/* The copy is made while we are down, and the original is cut when we are back: a large one takes that long. */
static void a_copy_in_the_making_at_the_start_is_none_of_its_own(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "app.log*");
    world_write(&world, "log/app.log", "the first line of this log\n");
    world_start(&world);
    world_stop(&world);
    world_write(&world, "log/app.log", "unread\n");
    copy(&world, "log/app.log", "log/app.log.1");
    world_start(&world);
    world_run(&world);
    assert_int_equal(truncate(world_path(&world, "log/app.log"), 0), 0);
    world_write(&world, "log/app.log", "a new beginning, and longer than all of it was\n");
    world_later(&world, 6);
    world_later(&world, 6);
    world_stop(&world);
    world_expect(&world, "the first line of this log\nunread\na new beginning, and longer than all of it was\n");
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_file_renamed_while_down),
        cmocka_unit_test(finds_a_file_renamed_while_it_is_looked_for),
        cmocka_unit_test(looks_again_for_a_file_that_was_passed_over_long_ago),
        cmocka_unit_test(a_file_that_could_not_be_looked_for_is_found_later),
        cmocka_unit_test(a_file_that_is_being_compressed_is_no_missed_log),
        cmocka_unit_test(each_content_of_a_log_is_compared_with_its_copies),
        cmocka_unit_test(a_missed_log_is_no_copy_of_one_that_has_just_begun),
        cmocka_unit_test(a_copy_is_none_of_its_own_before_its_original_was_looked_at),
        cmocka_unit_test(a_copy_that_is_deleted_while_it_is_held_is_still_one),
        cmocka_unit_test(a_copy_in_the_making_at_the_start_is_none_of_its_own),
        cmocka_unit_test(reads_the_rest_of_a_truncated_file_from_its_copy),
    };

    return cmocka_run_group_tests_name("ingest/tail_siblings", tests, world_quiet, NULL);
}
