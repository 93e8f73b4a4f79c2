/* replay_file_test.c - what is left of dead letters is put in the place of those that were read, and of no others. */
#include "replay.h"

#include "lb_sink.h"
#include "lb_test.h"

#include <stdio.h>
#include <unistd.h>

static char dir[40];
static char path[64];
static char older[64];

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/replay_file.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    snprintf(path, sizeof(path), "%s/letters.jsonl", dir);
    snprintf(older, sizeof(older), "%s/letters.jsonl.2", dir);
    return 0;
}

static int remove_dir(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_file(const char *name, const char *expected)
{
    char text[512] = "";
    FILE *file = fopen(name, "re");

    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(text, expected);
}

#define LETTER(n)                                                                                                      \
    "{\"timestamp\":\"2026-01-01T00:00:00Z\",\"sink\":\"gone\",\"id\":\"0000000000000001-000000000000000" n            \
    "\",\"record\":{\"message\":\"" n "\"}}\n"

/* `then: drop_oldest`: what was read is PATH.2 by the time that it is sent, and PATH holds others. */
static void letters_that_were_written_meanwhile_stay(void **state)
{
    struct lb_config config = { 0 };
    struct letter_choice choice = { &config, { 0 }, INT64_MIN, INT64_MAX };
    struct letter_file file;
    uint64_t left;

    (void)state;
    for (unsigned done = 1; done <= 2; done++) { /* 2: nothing is left of what was read */
        write_file(path, LETTER("1") LETTER("2"));
        assert_true(letter_file_open(&file, path, &choice, dir));
        for (unsigned i = 0; i < done; i++)
            file.letters[i].state = LETTER_DONE;
        assert_int_equal(rename(path, older), 0);
        write_file(path, LETTER("3"));
        bool finished = letter_file_finish(&file, &left);
        letter_file_close(&file);
        expect_file(path, LETTER("3"));
        assert_false(finished);
        expect_file(older, LETTER("1") LETTER("2"));
    }
}

static void what_is_left_takes_the_place_of_what_was_read(void **state)
{
    struct lb_config config = { 0 };
    struct letter_choice choice = { &config, { 0 }, INT64_MIN, INT64_MAX };
    struct letter_file file;
    uint64_t left;

    (void)state;
    write_file(path, LETTER("1") LETTER("2"));
    assert_true(letter_file_open(&file, path, &choice, dir));
    file.letters[0].state = LETTER_DONE;
    assert_true(letter_file_finish(&file, &left));
    letter_file_close(&file);
    assert_int_equal(left, 1);
    expect_file(path, LETTER("2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(letters_that_were_written_meanwhile_stay, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_is_left_takes_the_place_of_what_was_read, make_dir, remove_dir),
    };

    return cmocka_run_group_tests_name("cli/replay_file", tests, NULL, NULL);
}
