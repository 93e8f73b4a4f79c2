/* diag_test.c - faults come out sorted, bounded, with the nearest right word. */
#include "diag.c"

#include "lb_test.h"

static void finds_the_nearest_word(void **state)
{
    static const char *const words[] = { "rotate", "retry", "path", "format", "keep", "compression", NULL };
    static const struct {
        const char *word;
        const char *nearest;
    } rows[] = {
        { "rotat", "rotate" },  { "rotaet", "rotate" }, { "Path", "path" },
        { "fromat", "format" }, { "keeep", "keep" },    { "compresion", "compression" },
        { "banana", NULL },     { "", NULL },           { "x", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *nearest = lb_nearest(lb_str_from(rows[i].word), words);

        if (rows[i].nearest == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, rows[i].nearest);
    }
}

static void prints_in_order_of_place(void **state)
{
    struct lb_diag diag = { 0 };
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    lb_diag_error(&diag, (struct lb_place){ "a.yaml", 9, 1 }, "the %s", "second");
    lb_diag_warn(&diag, (struct lb_place){ "a.yaml", 2, 5 }, "the first");
    lb_diag_error(&diag, (struct lb_place){ "a.yaml", 0, 0 }, "of the file");
    lb_diag_print(&diag, out);
    fclose(out);
    assert_string_equal(text, "a.yaml: error: of the file\na.yaml:2:5: warning: the first\n"
                              "a.yaml:9:1: error: the second\n");
    assert_int_equal(diag.errors, 2);
    free(text);
    lb_diag_free(&diag);
}

static void is_bounded(void **state)
{
    struct lb_diag diag = { 0 };

    (void)state;
    for (int i = 0; i < LB_DIAGS_MAX + 5; i++)
        lb_diag_error(&diag, (struct lb_place){ "a", 1, 1 }, "fault %d", i);
    assert_int_equal(diag.count, LB_DIAGS_MAX);
    assert_int_equal(diag.dropped, 5);
    assert_int_equal(diag.errors, LB_DIAGS_MAX + 5);
    lb_diag_free(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_nearest_word),
        cmocka_unit_test(prints_in_order_of_place),
        cmocka_unit_test(is_bounded),
    };
    return cmocka_run_group_tests_name("core/diag", tests, NULL, NULL);
}
