/* yaml_test.c - the tree, its places, and its limits. */
#include "yaml.c"

#include "lb_buffer.h"
#include "lb_test.h"

struct reading {
    struct lb_arena arena;
    struct lb_diag diag;
    struct lb_yaml yaml;
    struct lb_node *root;
};

static void read_text(struct reading *self, struct lb_str text)
{
    *self = (struct reading){ 0 };
    lb_arena_init(&self->arena, LB_CONF_ARENA_MAX);
    self->yaml = (struct lb_yaml){ .arena = &self->arena, .diag = &self->diag };
    self->root = lb_yaml_read(&self->yaml, "f", text);
}

static void forget(struct reading *self)
{
    lb_diag_free(&self->diag);
    lb_arena_free(&self->arena);
}

/* kind, place, begin and text of each node, one a line. */
static void dump(struct lb_buffer *out, const struct lb_node *node, unsigned indent)
{
    static const char *const kinds[] = { "text", "list", "map" };

    lb_buffer_print(out, "%*s%s %u:%u", (int)indent, "", kinds[node->kind], node->place.line, node->place.column);
    if (node->kind == LB_NODE_SCALAR)
        lb_buffer_print(out, " %u:%u [" LB_STR_FMT "]", node->begin.line, node->begin.column, LB_STR_ARG(node->text));
    lb_buffer_print(out, "%s%s%s\n", node->quoted ? " quoted" : "", node->flow ? " flow" : "", node->cut ? " cut" : "");
    for (uint32_t i = 0; node->kind != LB_NODE_SCALAR && i < node->count; i++) {
        if (node->kind == LB_NODE_MAP)
            dump(out, &node->keys[i], indent + 1);
        dump(out, &node->values[i], indent + 2);
    }
}

static void keeps_the_place_of_every_key_and_value(void **state)
{
    static const struct {
        const char *text;
        const char *tree;
    } cases[] = {
        { "a: b\n", "map 1:1\n text 1:1 1:1 [a]\n  text 1:4 1:4 [b]\n" },
        { "a: 'b'\nc: \"d\"\n", "map 1:1\n text 1:1 1:1 [a]\n  text 1:4 1:5 [b] quoted\n"
                                " text 2:1 2:1 [c]\n  text 2:4 2:5 [d] quoted\n" },
        { "a:\n  b: 1\n", "map 1:1\n text 1:1 1:1 [a]\n  map 1:1\n   text 2:3 2:3 [b]\n    text 2:6 2:6 [1]\n" },
        { "a: {b: 1}\n", "map 1:1\n text 1:1 1:1 [a]\n  map 1:4 flow\n   text 1:5 1:5 [b]\n    text 1:8 1:8 [1]\n" },
        { "a:\n  - 1\n", "map 1:1\n text 1:1 1:1 [a]\n  list 1:1\n    text 2:5 2:5 [1]\n" },
        { "a: [1]\n", "map 1:1\n text 1:1 1:1 [a]\n  list 1:4 flow\n    text 1:5 1:5 [1]\n" },
        { "a: >\n\n   b\n   c\n", "map 1:1\n text 1:1 1:1 [a]\n  text 1:4 2:4 [\nb c\n] quoted\n" },
        { "a: |-\n  b\n", "map 1:1\n text 1:1 1:1 [a]\n  text 1:4 2:3 [b] quoted\n" },
        { "a:\n", "map 1:1\n text 1:1 1:1 [a]\n  text 1:3 1:3 []\n" },
        { "a: b  # c\n", "map 1:1\n text 1:1 1:1 [a]\n  text 1:4 1:4 [b] cut\n" },
        { "\xef\xbb\xbf"
          "a: \xc3\xa9 # c\nb: c\n",
          "map 1:1\n text 1:1 1:1 [a]\n  text 1:4 1:4 [\xc3\xa9] cut\n text 2:1 2:1 [b]\n  text 2:4 2:4 [c]\n" },
        { "a: &x b\nc: *x\n",
          "map 1:1\n text 1:1 1:1 [a]\n  text 1:4 1:7 [b]\n text 2:1 2:1 [c]\n  text 2:4 1:7 [b]\n" },
        { "%YAML 1.2\n---\na: b\n...\n", "map 3:1\n text 3:1 3:1 [a]\n  text 3:4 3:4 [b]\n" },
        { "", "map 1:1\n" },
        { "# x\n", "map 1:1\n" },
        { "x", "text 1:1 1:1 [x]\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reading reading;
        struct lb_buffer out;

        read_text(&reading, lb_str_from(cases[i].text));
        assert_non_null(reading.root);
        assert_int_equal(reading.diag.errors, 0);
        lb_buffer_init(&out, 1 << 20);
        dump(&out, reading.root, 0);
        assert_text(lb_buffer_str(&out), cases[i].tree);
        lb_buffer_free(&out);
        forget(&reading);
    }
}

static void expect_refusal(struct lb_str text, const char *told)
{
    struct reading reading;

    read_text(&reading, text);
    assert_null(reading.root);
    assert_int_equal(reading.diag.errors, 1);
    if (strcmp(reading.diag.entries[0].text, told) != 0)
        fail_msg("expected \"%s\", got \"%s\"", told, reading.diag.entries[0].text);
    forget(&reading);
}

/* Nine lists of nine aliases each: 9^9 values. */
static void stops_a_billion_laughs(void **state)
{
    char text[1024] = "a0: &a0 [x]\n";

    (void)state;
    for (int i = 1; i < 10; i++) {
        size_t len = strlen(text);

        snprintf(text + len, sizeof(text) - len, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    expect_refusal(lb_str_from(text), "too large: more than 200000 values; an alias counts as what it stands for");
}

static void stops_at_the_depth_limit(void **state)
{
    char text[4096];
    size_t len = 0;

    (void)state;
    memset(text, '[', 100);
    text[100] = '\0';
    expect_refusal(lb_str_from(text), "maps and lists stand too deep inside each other");
    /* Through aliases, each a step deeper than the last. */
    len += (size_t)snprintf(text, sizeof(text), "a0: &a0 [x]\n");
    for (int i = 1; i < 70; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    expect_refusal(lb_str_from(text), "maps and lists stand too deep inside each other");
}

static void stops_at_the_size_limit(void **state)
{
    size_t len = LB_CONF_BYTES_MAX + 1;
    char *text = lb_alloc(len + 1);

    (void)state;
    memset(text, ' ', len);
    expect_refusal((struct lb_str){ text, len }, "the file is larger than 16 MiB");
    lb_free(text);
}

static void stops_at_the_limit_of_values(void **state)
{
    size_t count = LB_CONF_NODES_MAX + 10;
    char *text = lb_alloc(count * 2 + 2);

    (void)state;
    text[0] = '[';
    for (size_t i = 0; i < count; i++)
        memcpy(text + 1 + i * 2, "a,", 2);
    expect_refusal((struct lb_str){ text, count * 2 + 1 },
                   "too large: more than 200000 values; an alias counts as what it stands for");
    lb_free(text);
}

static void stops_at_the_limit_of_anchors(void **state)
{
    char *text = lb_alloc(8192);
    size_t len = 0;

    (void)state;
    for (int i = 0; i < LB_CONF_ANCHORS_MAX + 1; i++)
        len += (size_t)snprintf(text + len, 8192 - len, "- &a%d x\n", i);
    expect_refusal((struct lb_str){ text, len }, "too many anchors");
    lb_free(text);
}

static void survives_the_failure_of_every_allocation(void **state)
{
    static const char text[] = "a: &x [1, {b: 'c', d: \"${LB_NONE:-e}\"}]\nf: *x\ng: >\n  text\n";

    (void)state;
    for (long n = 1; n < 20; n++) {
        struct reading reading;

        lb_alloc_fail_at = n;
        read_text(&reading, lb_str_from(text));
        lb_alloc_fail_at = 0;
        assert_true(reading.root != NULL || reading.diag.errors > 0);
        forget(&reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_place_of_every_key_and_value),
        cmocka_unit_test(stops_a_billion_laughs),
        cmocka_unit_test(stops_at_the_depth_limit),
        cmocka_unit_test(stops_at_the_size_limit),
        cmocka_unit_test(stops_at_the_limit_of_values),
        cmocka_unit_test(stops_at_the_limit_of_anchors),
        cmocka_unit_test(survives_the_failure_of_every_allocation),
    };

    return cmocka_run_group_tests_name("conf/yaml", tests, NULL, NULL);
}
