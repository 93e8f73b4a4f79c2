/* reference_test.c - what the manual and `logboom help` say of the fake modules. */
#include "reference.c"

#include "lb_fake_modules.h"
#include "lb_test.h"

#include <stdlib.h>

static char *printed(bool (*print)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    assert_true(print(file));
    fclose(file);
    return text;
}

static bool print_all(FILE *out)
{
    lb_reference_write(out);
    return true;
}

static bool print_archive(FILE *out)
{
    return lb_reference_help(out, "sink.archive");
}

static bool print_stdin(FILE *out)
{
    return lb_reference_help(out, "stdin");
}

static void writes_a_row_for_every_option(void **state)
{
    static const char *const rows[] = {
        "### source.file\n\nFollows text files.\n",
        "| `include` | text or list | required | Patterns of the files to read |\n",
        "| `tls.cert` | file | required | The certificate |\n",
        "| `read_from` | one of head, end | `head` | Where to begin |\n",
        "| `ignore_older` | duration, at most 365d |  | Age of files to skip |\n",
        "| `max_line` | size, at least 64B, at most 16MiB | `1MiB` | Longer events are cut and marked `truncated` |\n",
        "| `rotate.size` | size, at least 64KiB | `256MiB` | Largest file |\n",
        "| `retries` | whole number, at least 1, at most 100 | `5` | How often |\n",
        "| `password` | text, never shown |  | Of the user |\n",
        "In short `drop: …` stands for `drop: {where: …}`.\n",
        "| `http.listen` | text |",
        "| `stop` | true or false | `false` |",
    };
    char *text = printed(print_all);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strstr(text, rows[i]) == NULL)
            fail_msg("missing: %s", rows[i]);
    }
    free(text);
}

static void explains_one_module(void **state)
{
    static const char own[] = "sink.archive: Zstd files.\n"
                              "\n"
                              "Options\n"
                              "  path                   template; required\n"
                              "                         where the files are written\n"
                              "  rotate                 map\n"
                              "                         when a new file begins\n"
                              "  rotate.size            size, at least 64KiB; default 256MiB\n"
                              "                         largest file\n"
                              "  rotate.every           duration, at least 1m; default 1d\n"
                              "                         oldest file\n"
                              "  format                 one of json, text, logfmt; default json\n"
                              "                         of records\n"
                              "\n"
                              "Options of every sink\n";
    char *text = printed(print_archive);

    (void)state;
    assert_int_equal(strncmp(text, own, sizeof(own) - 1), 0);
    free(text);
    text = printed(print_stdin);
    assert_non_null(strstr(text, "source.stdin: Standard input.\n\nOptions of every source\n"));
    free(text);
}

static void knows_no_other_names(void **state)
{
    static const char *const names[] = {
        "", ".", "sink", "sink.", "sink.file", "sinks.archive", "nothing", "source.file.x"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_false(lb_reference_help(stdout, names[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_row_for_every_option),
        cmocka_unit_test(explains_one_module),
        cmocka_unit_test(knows_no_other_names),
    };

    return cmocka_run_group_tests_name("conf/reference", tests, NULL, NULL);
}
