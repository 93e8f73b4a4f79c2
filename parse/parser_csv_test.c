/* parser_csv_test.c - cells by columns or header, quotes, other delimiters, faults; the corpus. */
#include "parser_csv.c"

#include "lb_test_parser.h"

static struct lb_str names[] = { LB_STR("time"), LB_STR("level"), LB_STR("message"), LB_STR("n") };
static struct csv_state state;
static struct test_parser test;

static void use(const struct csv_state *wanted)
{
    test_parser_free(&test);
    state = *wanted;
    test_parser_init(&test, &lb_parser_csv, &state);
    assert_int_equal(test_parser_open(&test), LB_OK);
}

static void cells_are_named_by_their_columns(void **unused)
{
    static const struct parser_case cases[] = {
        { "2026-03-01T10:00:00Z,warn,\"a \"\"b\"\", c\",7", "2026-03-01T10:00:00Z|warn|||a \"b\", c|n=7;" },
        { "2026-03-01T10:00:00Z,,hello,", "2026-03-01T10:00:00Z||||hello|" },
        { ",,\"\",1,2,3", "|||||n=1;column_5=2;column_6=3;" },
        { ",error,\"two\nlines\"", "|error|||two\nlines|" },
        { "x,y,5\" pipe,", "||||5\" pipe|time=x;level=y;" },
        { "no cells", NULL },
        { "", NULL },
        { "a,\"never closed", NULL },
        { "a,\"b\"c,d", NULL },
    };

    (void)unused;
    use(&(struct csv_state){ .columns = { names, 4 }, .delimiter = LB_STR(",") });
    test_parser_cases(&test, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_without_room(&test, "2026-03-01T10:00:00Z,warn,m,7");
}

static void a_header_names_them_too(void **unused)
{
    static const struct parser_case cases[] = { { "1;\"two;2\";three", "|||||a=1;b c=two;2;d=three;" } };

    (void)unused;
    use(&(struct csv_state){ .header = LB_STR("a;\"b c\"; d"), .delimiter = LB_STR(";") });
    test_parser_cases(&test, cases, 1);
}

static void without_columns_cells_have_numbers(void **unused)
{
    static const struct parser_case cases[] = {
        { "a,,\"b\"", "|||||column_1=a;column_3=b;" },
        { "prose", NULL },
        { "", NULL },
    };
    static struct test_parser plain;
    struct csv_state own = { 0 };

    (void)unused;
    assert_non_null(lb_parser_builtin(LB_STR("csv")));
    assert_non_null(lb_parser_builtin(LB_STR("tsv")));
    test_parser_init(&plain, &lb_parser_csv, &own);
    test_parser_cases(&plain, cases, sizeof(cases) / sizeof(cases[0]));
    test_parser_free(&plain);
    test_parser_init(&plain, &lb_parser_tsv, &own);
    assert_int_equal(test_parse(&plain, LB_STR("a\tb,c")), LB_OK);
    assert_string_equal(test_summary(&plain), "|||||column_1=a;column_2=b,c;");
    test_parser_free(&plain);
}

static void tabs_are_the_delimiter_of_tsv(void **unused)
{
    static struct test_parser tabs;
    struct csv_state own = { .columns = { names, 4 } };

    (void)unused;
    test_parser_init(&tabs, &lb_parser_tsv, &own);
    assert_int_equal(test_parser_open(&tabs), LB_OK);
    assert_int_equal(test_parse(&tabs, LB_STR("2026-03-01T10:00:00Z\terror\t\"a\tb\"\t7")), LB_OK);
    assert_string_equal(test_summary(&tabs), "2026-03-01T10:00:00Z|error|||a\tb|n=7;");
    test_parser_free(&tabs);
}

static void faults_are_told(void **unused)
{
    static const struct csv_state faulty[] = {
        { .columns = { names, 4 }, .header = LB_STR("a,b"), .delimiter = LB_STR(",") },
        { .columns = { names, 4 }, .delimiter = LB_STR(",,") },
        { .columns = { names, 4 }, .delimiter = LB_STR("\"") },
        { .header = LB_STR("a,\"b"), .delimiter = LB_STR(",") },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(faulty) / sizeof(faulty[0]); i++) {
        test_parser_free(&test);
        state = faulty[i];
        test_parser_init(&test, &lb_parser_csv, &state);
        assert_int_equal(test_parser_open(&test), LB_BAD_CONF);
        assert_int_equal(test.diag.errors, 1);
    }
}

/* --- the corpus ----------------------------------------------------------------- */

static void check(struct lb_str row, struct corpus_score *score)
{
    struct lb_str delimiter = corpus_text(corpus_get(corpus_get(row, "args"), "delimiter"));
    struct lb_str input = corpus_text(corpus_get(row, "in"));
    bool valid = lb_str_is(corpus_get(row, "valid"), "true");
    struct lb_str column = LB_STR("column_1");
    const char *ptr = corpus_get(row, "expect").ptr;
    bool same;

    test_parser_free(&test);
    state = (struct csv_state){ .columns = { &column, 1 }, .delimiter = delimiter.len > 0 ? delimiter : LB_STR(",") };
    test_parser_init(&test, &lb_parser_csv, &state);
    same = (test_parser_open(&test) == LB_OK) == valid;
    if (same && valid && (same = test_parse(&test, input) == LB_OK)) {
        int number = 1;

        for (ptr = corpus_skip_blanks(ptr + 1); *ptr == '"'; ptr = corpus_skip_blanks(corpus_skip(ptr))) {
            char name[32];

            snprintf(name, sizeof(name), "column_%d", number++);
            same = same && same_as_expected(&test, name, (struct lb_str){ ptr, (size_t)(corpus_skip(ptr) - ptr) });
        }
    }
    corpus_count(score, same, row);
    test_parser_free(&test);
    test_parser_init(&test, &lb_parser_csv, &state);
    free((char *)(uintptr_t)delimiter.ptr);
    free((char *)(uintptr_t)input.ptr);
}

static void the_corpus_agrees(void **unused)
{
    struct corpus_score score = { 0 };
    struct corpus corpus;
    struct lb_str row;

    (void)unused;
    if (!corpus_open(&corpus, "parse/cases.jsonl"))
        skip();
    while (corpus_next(&corpus, &row))
        if (lb_str_is(corpus_get(row, "kind"), "\"csv\""))
            check(row, &score);
    corpus_close(&corpus);
    printf("[ CORPUS   ] csv: %d of %d\n", score.right, score.all);
    assert_int_equal(score.right, score.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_named_by_their_columns),
        cmocka_unit_test(a_header_names_them_too),
        cmocka_unit_test(without_columns_cells_have_numbers),
        cmocka_unit_test(tabs_are_the_delimiter_of_tsv),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(the_corpus_agrees),
    };

    test_parser_init(&test, &lb_parser_csv, &state);
    int failed = cmocka_run_group_tests_name("parse/parser_csv", tests, NULL, NULL);
    test_parser_free(&test);
    return failed;
}
