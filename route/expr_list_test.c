/* expr_list_test.c - values in files: read, changed, gone. */
#include "expr.h"

#include "lb_clock.h"
#include "lb_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static char path[64];

static void write_list(const char *text)
{
    char temp[80];
    FILE *file;

    snprintf(temp, sizeof(temp), "%s.new", path);
    file = fopen(temp, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(temp, path), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/lb_expr_list_test.%d", (int)getpid());
    write_list("# blocked\n\nFR\n  de \r\n10.0.0.1\nUnited States\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    lb_clock_set(LB_TIME_NONE);
    return 0;
}

/* `@` stands for the path. */
static struct lb_expr *compile(struct lb_arena *arena, const char *words, struct lb_diag *diag)
{
    const char *at = strchrnul(words, '@');
    char text[200];

    snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - words), words, *at == '@' ? path : "",
             *at == '@' ? at + 1 : "");
    lb_arena_init(arena, 256 * 1024);
    *diag = (struct lb_diag){ 0 };
    return lb_expr_new(arena, lb_str_from(text), (struct lb_place){ "c.yaml", 1, 1 }, diag);
}

static bool matches(const struct lb_expr *expr, const char *country)
{
    struct lb_field field = { lb_value_text(LB_STR("country")), lb_value_text(lb_str_from(country)) };
    struct lb_record record = { .fields = &field, .field_count = 1, .field_capacity = 1 };
    char bytes[256];
    struct lb_scratch scratch = { bytes, sizeof(bytes), 0 };

    return lb_expr_match(expr, &record, &scratch);
}

static void values_of_a_file_are_a_list(void **state)
{
    struct lb_arena arena;
    struct lb_diag diag;
    struct lb_expr *expr = compile(&arena, "country in file(\"@\") or country == \"IT\"", &diag);
    struct lb_expr *not_in;
    struct lb_arena other;

    (void)state;
    assert_non_null(expr);
    assert_true(matches(expr, "FR") && matches(expr, "de") && matches(expr, "United States"));
    assert_true(matches(expr, "10.0.0.1") && matches(expr, "IT"));
    assert_false(matches(expr, "DE") || matches(expr, "# blocked") || matches(expr, ""));
    not_in = compile(&other, "country not in file('@')", &diag);
    assert_non_null(not_in);
    assert_false(matches(not_in, "FR"));
    assert_true(matches(not_in, "ES"));
    lb_expr_free(not_in);
    lb_expr_free(expr);
    lb_expr_free(expr);
    assert_false(lb_expr_lists_look());
    lb_arena_free(&arena);
    lb_arena_free(&other);
}

static void a_file_that_changes_is_read_again(void **state)
{
    struct lb_arena arena;
    struct lb_diag diag;
    struct lb_expr *expr = compile(&arena, "country in file(\"@\")", &diag);

    (void)state;
    assert_non_null(expr);
    assert_true(lb_expr_lists_look());
    assert_true(matches(expr, "FR"));
    for (int i = 0; i < 5; i++) {
        lb_clock_set(i * 100 * LB_SECOND + LB_SECOND);
        write_list(i % 2 == 0 ? "ES\n" : "FR");
        assert_true(lb_expr_lists_look());
        assert_int_equal(matches(expr, "ES"), i % 2 == 0);
        assert_int_equal(matches(expr, "FR"), i % 2 != 0);
    }
    /* Gone: it stays as it was, until it is there again. */
    unlink(path);
    assert_true(lb_expr_lists_look());
    assert_true(matches(expr, "ES"));
    write_list("PT\n");
    assert_true(lb_expr_lists_look());
    assert_true(matches(expr, "PT"));
    assert_false(matches(expr, "ES"));
    lb_expr_free(expr);
    lb_arena_free(&arena);
}

struct asker {
    const struct lb_expr *expr;
    atomic_bool end;
    bool wrong;
};

/* FR is in all versions of the file. */
static void *ask(void *context)
{
    struct asker *self = context;

    while (!atomic_load(&self->end))
        self->wrong = self->wrong || !matches(self->expr, "FR");
    return NULL;
}

static void it_is_asked_while_it_changes(void **state)
{
    struct lb_arena arena;
    struct lb_diag diag;
    struct lb_expr *expr = compile(&arena, "country in file(\"@\")", &diag);
    struct asker asker = { .expr = expr };
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
    for (int i = 0; i < 200; i++) {
        write_list(i % 2 == 0 ? "FR\nES\nPT\n" : "FR\n");
        lb_expr_lists_look();
    }
    atomic_store(&asker.end, true);
    pthread_join(thread, NULL);
    assert_false(asker.wrong);
    lb_expr_free(expr);
    lb_arena_free(&arena);
}

static void says_what_is_wrong_with_it(void **state)
{
    static const struct {
        const char *text;
        uint32_t column;
        const char *words;
    } faults[] = {
        { "country in file(\"/nowhere/list.txt\")", 17, "cannot read the list /nowhere/list.txt: No such file" },
        { "country in file(\"/tmp\")", 17, "cannot read the list /tmp" },
        { "country in file(list)", 17, "a path in quotes" },
        { "country in file \"@\"", 17, "behind `file`" },
        { "country in file(\"@\"", 0, "behind the path" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct lb_arena arena;
        struct lb_diag diag;

        assert_null(compile(&arena, faults[i].text, &diag));
        assert_int_equal(diag.errors, 1);
        if (strstr(diag.entries[0].text, faults[i].words) == NULL ||
            (faults[i].column != 0 && diag.entries[0].place.column != faults[i].column))
            fail_msg("%s: %u: %s", faults[i].text, diag.entries[0].place.column, diag.entries[0].text);
        lb_diag_free(&diag);
        lb_arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_of_a_file_are_a_list, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_changes_is_read_again, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_asked_while_it_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(says_what_is_wrong_with_it, setup, teardown),
    };

    return cmocka_run_group_tests_name("route/expr_list", tests, NULL, NULL);
}
