/* parser_logcat_test.c - Android's one-line forms; the corpus. */
#include "parser_logcat.c"

#include "lb_test_parser.h"

static struct zoned state;
static struct test_parser test;

static void lines_are_cut(void **unused)
{
    static const struct parser_case cases[] = {
        { "2026-03-01 10:00:00.870 V/Config( 1766): updated [a]",
          "2026-03-01T10:00:00.870Z|trace|||updated [a]|logger=Config;pid=[1766];" },
        { "12-31 23:59:59.870  1766  1790 W Config: updated: yes",
          "2025-12-31T23:59:59.870Z|warn|||updated: yes|pid=[1766];tid=[1790];logger=Config;" },
        { "2026-03-01 10:00:00.971 +0100  root  1215  1216 A [a][b]c: m",
          "2026-03-01T09:00:00.971Z|critical|||m|user=root;pid=[1215];tid=[1216];logger=[a][b]c;" },
        { "2026-03-01 10:00:00.870  1766  1790 D no tag",
          "2026-03-01T10:00:00.870Z|debug|||no tag|pid=[1766];tid=[1790];" },
        { "E/My Tag(7): m", "|error|||m|logger=My Tag;pid=[7];" },
        { "X/Tag(7): m", NULL },
        { "E/Tag(x): m", NULL },
        { "E/Tag", NULL },
        { "E/", NULL },
        { "E", NULL },
        { "13-01 10:00:00.870  1766  1790 W Config: m", NULL },
        { "03-01 10:00:00.870  1766  W Config: m", NULL },
        { "03-01 10:00:00.870", NULL },
        { "03-01 10:00:00.870 ", NULL },
        { "03-01 10:00:00.870  1  2 W", NULL },
        { "", NULL },
    };

    (void)unused;
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, cases[0].line);
}

static void the_corpus_is_read(void **unused)
{
    (void)unused;
    if (!corpus_samples(&test, "\"logcat_log\""))
        fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines_are_cut), cmocka_unit_test(the_corpus_is_read) };

    test_parser_init(&test, &lb_parser_logcat, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_logcat", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
