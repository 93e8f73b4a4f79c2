#include "lb_test.h"

#include "manifest_writer.c"

#include "lb_disk.h"

#include <pthread.h>

static char dir[40];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/manifest_test.XXXXXX");
    disk.only = "/MANIFEST";
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static const char *file_path(void)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/MANIFEST.jsonl", dir);
    return path;
}

static bool append(const char *path)
{
    struct lb_buffer line;

    lb_buffer_init(&line, 64 * 1024);
    manifest_begin(&line, "sealed", path);
    bool ok = manifest_append(dir, lb_buffer_str(&line));
    lb_buffer_free(&line);
    return ok;
}

/* The number of lines; each must be whole and have the hash of the one before. */
static unsigned check_chain(void)
{
    static char line[LINE_BYTES_MAX];
    char hex[MANIFEST_HEX_SIZE] = "0000000000000000000000000000000000000000000000000000000000000000";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned lines = 0;
    FILE *file = fopen(file_path(), "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        size_t len = strcspn(line, "\n");

        assert_int_equal(line[len], '\n');
        assert_true(lb_json_valid((struct lb_str){ line, len }));
        if (strstr(line, hex) == NULL)
            fail_msg("line %u does not hold %s: %s", lines + 1, hex, line);
        EVP_Digest(line, len, digest, NULL, EVP_sha256(), NULL);
        manifest_hex(digest, hex);
        lines++;
    }
    fclose(file);
    return lines;
}

static off_t size_of_file(void)
{
    struct stat status;

    return stat(file_path(), &status) == 0 ? status.st_size : -1;
}

static void each_line_has_the_hash_of_the_one_before(void **state)
{
    (void)state;
    assert_true(append("web/2026-01-01.jsonl.zst"));
    assert_true(append("a \"quoted\"\n\x01 name"));
    assert_true(append("web/2026-01-01.2.jsonl.zst"));
    assert_int_equal(check_chain(), 3);
}

static void a_crash_at_any_byte_costs_the_last_line_only(void **state)
{
    (void)state;
    assert_true(append("first"));
    off_t first = size_of_file();
    assert_true(append("second"));
    off_t second = size_of_file();
    for (off_t cut = first; cut < second; cut++) {
        assert_int_equal(truncate(file_path(), cut), 0);
        assert_true(manifest_mend(dir));
        assert_int_equal(size_of_file(), first);
        assert_true(append("second"));
        assert_int_equal(check_chain(), 2);
    }
    for (off_t cut = 0; cut < first; cut++) {
        assert_int_equal(truncate(file_path(), cut), 0);
        assert_true(append("first"));
        assert_int_equal(check_chain(), 1);
    }
}

/* A power cut can leave a longer file whose end was never written. */
static void zeros_at_the_end_are_cut_off(void **state)
{
    (void)state;
    assert_true(append("first"));
    off_t first = size_of_file();
    assert_int_equal(truncate(file_path(), first + 5000), 0);
    assert_true(append("second"));
    assert_int_equal(check_chain(), 2);
}

static void a_disk_that_fails_leaves_the_file_as_it_was(void **state)
{
    (void)state;
    assert_true(append("first"));
    off_t first = size_of_file();
    disk_fail(&disk.write, 0, 1, ENOSPC);
    assert_false(append("second"));
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(size_of_file(), first);
    disk_fail(&disk.sync, 0, 1, EIO);
    assert_false(append("second"));
    assert_int_equal(errno, EIO);
    assert_int_equal(size_of_file(), first);
    atomic_store(&disk.odd, true);
    assert_true(append("second"));
    atomic_store(&disk.odd, false);
    assert_int_equal(check_chain(), 2);
}

static void nothing_to_mend_is_fine(void **state)
{
    (void)state;
    assert_true(manifest_mend(dir));
    assert_int_equal(size_of_file(), -1); /* and makes nothing */
    assert_false(manifest_append("/nowhere/at/all", LB_STR("{")));
    assert_int_equal(errno, ENOENT);
}

enum { WRITERS = 4, LINES = 25 };

static void *write_lines(void *context)
{
    for (unsigned i = 0; i < LINES; i++) {
        if (!append(context))
            return context;
    }
    return NULL;
}

static void any_number_may_write_at_once(void **state)
{
    pthread_t writers[WRITERS];
    void *failed;

    (void)state;
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_lines, (void *)"path"), 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(check_chain(), WRITERS * LINES);
}

struct last_line {
    char path[64];
    bool sealed;
    unsigned count;
};

static void take_line(void *context, struct lb_str path, bool sealed)
{
    struct last_line *last = context;

    snprintf(last->path, sizeof(last->path), LB_STR_FMT, LB_STR_ARG(path));
    last->sealed = sealed;
    last->count++;
}

static void lines_are_read_in_order_and_others_passed_over(void **state)
{
    struct last_line last = { .count = 0 };
    FILE *file;

    (void)state;
    assert_true(append("web/a"));
    file = fopen(file_path(), "a");
    fputs("no object\n{\"path\":\"\"}\n{\"event\":\"deleted\",\"path\":\"w\\u0065b/b\"}\n", file);
    fclose(file);
    manifest_each(dir, take_line, &last);
    assert_int_equal(last.count, 2);
    assert_string_equal(last.path, "web/b");
    assert_false(last.sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
        TEST(each_line_has_the_hash_of_the_one_before),
        TEST(a_crash_at_any_byte_costs_the_last_line_only),
        TEST(zeros_at_the_end_are_cut_off),
        TEST(a_disk_that_fails_leaves_the_file_as_it_was),
        TEST(nothing_to_mend_is_fine),
        TEST(any_number_may_write_at_once),
        TEST(lines_are_read_in_order_and_others_passed_over),
    };

    return cmocka_run_group_tests_name("sinks/manifest_writer", tests, NULL, NULL);
}
