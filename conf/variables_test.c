/* variables_test.c - ${…} in values. */
#include "variables.c"

#include "lb_test.h"

static void set_up_environment(void)
{
    setenv("LB_WORD", "word", 1);
    setenv("LB_EMPTY", "", 1);
    unsetenv("LB_NONE");
}

/* A scalar at line 4, column 3; a block's text begins a line below. */
static struct lb_node scalar(const char *file, struct lb_str text, bool is_block)
{
    return (struct lb_node){
        .kind = LB_NODE_SCALAR, .place = { file, 4, 3 }, .begin = { file, is_block ? 5 : 4, 3 }, .text = text
    };
}

static void replaces_variables(void **state)
{
    static const struct {
        const char *text;
        const char *result; /* NULL: a fault */
    } cases[] = {
        { "", "" },
        { "plain", "plain" },
        { "${LB_WORD}", "word" },
        { "a${LB_WORD}b${LB_WORD}c", "awordbwordc" },
        { "${LB_EMPTY}", "" },
        { "${LB_EMPTY:-other}", "other" },
        { "${LB_NONE:-other}", "other" },
        { "${LB_NONE:-}", "" },
        { "${LB_WORD:-other}", "word" },
        { "${LB_NONE:-a:-b}", "a:-b" },
        { "$$", "$" },
        { "$${LB_WORD}", "${LB_WORD}" },
        { "^a$", "^a$" },
        { "$1 $ x", "$1 $ x" },
        { "${LB_NONE}", NULL },
        { "${}", NULL },
        { "${1A}", NULL },
        { "${LB_WORD", NULL },
        { "${LB_NONE:-${LB_WORD}}", NULL },
        { "${file:}", NULL },
        { "${file:/no/such}", NULL },
        { "${file:/dev/null}", NULL },
        { "${file:/tmp}", NULL },
    };

    (void)state;
    set_up_environment();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_arena arena;
        struct lb_diag diag = { 0 };
        struct lb_node node = scalar("f", lb_str_from(cases[i].text), false);

        lb_arena_init(&arena, 1 << 20);
        bool ok = lb_variables_expand(&arena, &node, &diag);
        if (ok != (cases[i].result != NULL) || ok != (diag.errors == 0))
            fail_msg("%s", cases[i].text);
        assert_text(node.text, ok ? cases[i].result : cases[i].text);
        lb_diag_free(&diag);
        lb_arena_free(&arena);
    }
}

static void reads_files_beside_the_configuration(void **state)
{
    char directory[] = "/tmp/lb_variables_XXXXXX";
    char path[128];
    char conf[128];
    struct lb_arena arena;
    struct lb_diag diag = { 0 };
    struct lb_node node = scalar(conf, LB_STR("<${file:token}>"), false);

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/token", directory);
    snprintf(conf, sizeof(conf), "%s/a.yaml", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("secret ${LB_WORD}\r\n", file);
    fclose(file);
    lb_arena_init(&arena, 1 << 20);
    assert_true(lb_variables_expand(&arena, &node, &diag));
    assert_text(node.text, "<secret ${LB_WORD}>");
    lb_arena_free(&arena);
    lb_diag_free(&diag);
    unlink(path);
    rmdir(directory);
}

static void tells_the_place_of_a_fault(void **state)
{
    static const char text[] = "\xc3\xa9 ${LB_WORD}\nab ${LB_NONE} ${LB_NONE}";

    (void)state;
    set_up_environment();
    for (int is_block = 0; is_block < 2; is_block++) {
        struct lb_node node = scalar("f", LB_STR(text), is_block);
        struct lb_arena arena;
        struct lb_diag diag = { 0 };

        lb_arena_init(&arena, 1 << 20);
        assert_false(lb_variables_expand(&arena, &node, &diag));
        assert_int_equal(diag.count, 1);
        assert_int_equal(diag.entries[0].place.line, is_block ? 6 : 4);
        assert_int_equal(diag.entries[0].place.column, is_block ? 6 : 19);
        lb_diag_free(&diag);
        lb_arena_free(&arena);
    }
}

/* A million variables in one value neither take for ever nor fill the memory. */
static void bounds_what_a_value_can_grow_to(void **state)
{
    enum { COUNT = 100000 };
    static char bytes[COUNT * 10 + 1];
    struct lb_arena arena;
    struct lb_diag diag = { 0 };
    static char value[3000];

    (void)state;
    memset(value, 'x', sizeof(value) - 1);
    setenv("LB_LONG", value, 1);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(bytes + i * 10, "${LB_LONG}", 10);
    struct lb_node node = scalar("f", (struct lb_str){ bytes, COUNT * 10 }, false);
    lb_arena_init(&arena, 8 << 20);
    assert_false(lb_variables_expand(&arena, &node, &diag));
    assert_string_equal(diag.entries[0].text, "the value is too long with its variables replaced");
    lb_diag_free(&diag);
    lb_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_variables),
        cmocka_unit_test(reads_files_beside_the_configuration),
        cmocka_unit_test(tells_the_place_of_a_fault),
        cmocka_unit_test(bounds_what_a_value_can_grow_to),
    };

    return cmocka_run_group_tests_name("conf/variables", tests, NULL, NULL);
}
