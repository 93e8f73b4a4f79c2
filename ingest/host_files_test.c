/* host_files_test.c - lines and numbers of files that hold anything. */
#include "host_files.c"

#include "lb_test.h"

static char directory[] = "/tmp/lb_files_XXXXXX";

static void write_file(const char *bytes, size_t len)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/f", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

/* The lines joined by |, each cut to eight bytes. */
static const char *lines_of(const char *bytes, size_t len)
{
    static char text[1024];
    struct host_file file;
    struct lb_str line;

    text[0] = '\0';
    write_file(bytes, len);
    assert_true(host_open(&file, lb_str_from(directory), "/f"));
    while (host_line(&file, &line)) {
        size_t used = strlen(text);

        assert_true(line.len <= HOST_LINE_BYTES);
        snprintf(text + used, sizeof(text) - used, "%.*s|", (int)(line.len < 8 ? line.len : 8), line.ptr);
    }
    host_close(&file);
    return text;
}

static void reads_lines_and_a_last_one_without_an_end(void **state)
{
    (void)state;
    assert_string_equal(lines_of("", 0), "");
    assert_string_equal(lines_of("\n\n", 2), "||");
    assert_string_equal(lines_of("a\nb", 3), "a|b|");
}

static void a_long_line_is_cut_and_the_next_is_whole(void **state)
{
    static char text[5 * HOST_LINE_BYTES];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t len = HOST_LINE_BYTES - 2; len < sizeof(text) - 8; len += len < HOST_LINE_BYTES + 4 ? 1 : 777) {
        memset(text, 'x', sizeof(text));
        memcpy(text + len, "\nnext\n", 6);
        assert_string_equal(lines_of(text, len + 6), "xxxxxxxx|next|");
    }
    memset(text, 'x', sizeof(text));
    assert_string_equal(lines_of(text, sizeof(text)), "xxxxxxxx|");
    assert_string_equal(lines_of(text, HOST_LINE_BYTES), "xxxxxxxx|");
}

static void a_file_without_an_end_is_not_read_past_its_bound(void **state)
{
    enum { BYTES = HOST_FILE_BYTES_MAX + 100000 };
    char *text = calloc(1, BYTES);
    struct host_file file;
    struct lb_str line;

    (void)state;
    for (size_t i = 99; i < BYTES; i += 100)
        text[i] = '\n';
    write_file(text, BYTES);
    assert_true(host_open(&file, lb_str_from(directory), "/f"));
    while (host_line(&file, &line))
        ;
    assert_in_range(file.total, HOST_FILE_BYTES_MAX, HOST_FILE_BYTES_MAX + HOST_LINE_BYTES);
    host_close(&file);
    free(text);
}

static void devices_and_directories_are_none(void **state)
{
    struct host_file file;

    (void)state;
    assert_false(host_open(&file, LB_STR("/"), "/dev/zero"));
    assert_false(host_open(&file, LB_STR("/"), "/tmp"));
    assert_false(host_open(&file, LB_STR("/"), "/no/such/file"));
    assert_int_equal(errno, ENOENT);
}

static void numbers_do_not_overflow(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t number;
    } cases[] = { { "0", true, 0 },
                  { "  42 kB", true, 42 },
                  { "18446744073709551615", true, UINT64_MAX },
                  { "18446744073709551616", false, 0 },
                  { "99999999999999999999999", false, 0 },
                  { "-1", false, 0 },
                  { "max", false, 0 },
                  { "", false, 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_str text = lb_str_from(cases[i].text);
        uint64_t number = 0;

        assert_int_equal(host_take_number(&text, &number), cases[i].ok);
        assert_int_equal(number, cases[i].number);
    }
}

static void finds_the_number_of_a_key(void **state)
{
    uint64_t number;

    (void)state;
    write_file("oom 1\noom_kill_x 2\noom_kill 3\n", 30);
    assert_true(host_keyed(lb_str_from(directory), "/f", "oom_kill", &number));
    assert_int_equal(number, 3);
    assert_false(host_keyed(lb_str_from(directory), "/f", "none", &number));
    write_file("17\n", 3);
    assert_true(host_number(lb_str_from(directory), &number, "/%s", "f"));
    assert_int_equal(number, 17);
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "%s/f", directory);
    unlink(path);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines_and_a_last_one_without_an_end),
        cmocka_unit_test(a_long_line_is_cut_and_the_next_is_whole),
        cmocka_unit_test(a_file_without_an_end_is_not_read_past_its_bound),
        cmocka_unit_test(devices_and_directories_are_none),
        cmocka_unit_test(numbers_do_not_overflow),
        cmocka_unit_test(finds_the_number_of_a_key),
    };

    return cmocka_run_group_tests_name("ingest/host_files", tests, make_directory, remove_directory);
}
