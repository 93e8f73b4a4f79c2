/*
 * prop_expr.c - an expression means what its tree says.
 *
 * Random trees are written as text and compiled; the program must decide as
 * a plain evaluation of the tree does, for every record of a set. Whatever is
 * called constant must be so for all of them.
 */
#include "lb_test.h"
#include "lb_test_record.h"

#include "lb_buffer.h"
#include "lb_expr.h"

enum { ROUNDS = 3000, NODES_MAX = 64, TEXT_MAX = 8192 };

enum kind { AND, OR, NOT, TRUE, FALSE, LEAF };

struct node {
    enum kind kind;
    int leaf; /* index of leaves */
    struct node *left;
    struct node *right;
};

/* Comparisons whose truth is worked out here by hand for each record below. */
struct leaf {
    const char *text;
    bool truth[4];
};

static const char *const records[4] = {
    "{\"level\":\"error\",\"service\":\"pay\",\"status\":500,\"message\":\"a \\\"b\\\" c\",\"http\":{\"code\":7}}",
    "{\"level\":\"debug\",\"service\":\"auth\",\"status\":\"200\",\"message\":\"hello\"}",
    "{\"service\":\"\",\"status\":\"abc\",\"message\":\"\",\"http.code\":7}",
    "{\"level\":\"warn\",\"took_ms\":1500,\"status\":null}",
};

static const struct leaf leaves[] = {
    { "level >= warn", { true, false, false, true } },
    { "level < warn", { false, true, false, false } },
    { "level != error", { false, true, false, true } },
    { "service == pay", { true, false, false, false } },
    { "service != pay", { false, true, true, false } },
    { "service in (\"pay\", \"auth\")", { true, true, false, false } },
    { "has service", { true, true, true, false } },
    { "status >= 200", { true, true, false, false } },
    { "status == 200", { false, true, false, false } },
    { "status != 200", { true, false, true, true } },
    { "message contains 'b\"'", { true, false, false, false } },
    { "message ~ \"^h.*o$\"", { false, true, false, false } },
    { "message !~ \"^h.*o$\"", { true, false, true, false } },
    { "http.code == 7", { true, false, true, false } },
    { "took_ms > 1s", { false, false, false, true } },
};

enum { LEAF_COUNT = sizeof(leaves) / sizeof(leaves[0]) };

struct generator {
    uint64_t random;
    struct node nodes[NODES_MAX];
    int count;
};

static struct node *make(struct generator *self, int depth)
{
    struct node *node = &self->nodes[self->count++];
    unsigned choice = (unsigned)(lb_random(&self->random) % 16);
    bool room = depth < 6 && self->count < NODES_MAX - 16;

    *node = (struct node){ .kind = LEAF, .leaf = (int)(lb_random(&self->random) % LEAF_COUNT) };
    if (choice == 0)
        node->kind = lb_random(&self->random) % 2 == 0 ? TRUE : FALSE;
    if (!room || choice < 4)
        return node;
    node->kind = choice < 8 ? AND : choice < 12 ? OR : choice < 14 ? NOT : LEAF;
    if (node->kind != LEAF)
        node->left = make(self, depth + 1);
    if (node->kind == AND || node->kind == OR)
        node->right = make(self, depth + 1);
    return node;
}

static bool evaluate(const struct node *node, int record)
{
    switch (node->kind) {
    case AND: return evaluate(node->left, record) & evaluate(node->right, record);
    case OR: return evaluate(node->left, record) | evaluate(node->right, record);
    case NOT: return !evaluate(node->left, record);
    case TRUE: return true;
    case FALSE: return false;
    case LEAF: break;
    }
    return leaves[node->leaf].truth[record];
}

/* Parentheses where the tree needs them, and at times where it does not. */
static void write_node(struct generator *self, const struct node *node, int binding, struct lb_buffer *out)
{
    int own = node->kind == OR ? 1 : node->kind == AND ? 2 : 3;
    bool parentheses = own < binding || lb_random(&self->random) % 8 == 0;

    if (parentheses)
        lb_buffer_append_char(out, '(');
    switch (node->kind) {
    case AND:
    case OR:
        write_node(self, node->left, own, out);
        lb_buffer_print(out, node->kind == AND ? " and " : "  or\t");
        write_node(self, node->right, own, out);
        break;
    case NOT:
        lb_buffer_print(out, "not ");
        write_node(self, node->left, 3, out);
        break;
    case TRUE: lb_buffer_print(out, "true"); break;
    case FALSE: lb_buffer_print(out, "false"); break;
    case LEAF: lb_buffer_append_str(out, lb_str_from(leaves[node->leaf].text)); break;
    }
    if (parentheses)
        lb_buffer_append_char(out, ')');
}

static void check_tree(struct generator *self, const struct node *root, struct lb_arena *arena)
{
    char memory[1024];
    struct lb_scratch scratch = { memory, sizeof(memory), 0 };
    struct lb_diag diag = { 0 };
    struct lb_buffer text;

    lb_buffer_init(&text, TEXT_MAX);
    write_node(self, root, 0, &text);
    struct lb_expr *expr = lb_expr_new(arena, lb_buffer_str(&text), (struct lb_place){ "prop", 1, 1 }, &diag);
    if (expr == NULL)
        fail_msg("seed %llu: " LB_STR_FMT ": %s", (unsigned long long)lb_seed(), LB_STR_ARG(lb_buffer_str(&text)),
                 diag.entries[0].text);
    for (int i = 0; i < 4; i++) {
        struct lb_record record = lb_test_record(arena, records[i]);
        bool expected = evaluate(root, i);

        if (lb_expr_match(expr, &record, &scratch) != expected ||
            lb_expr_constant(expr) == (expected ? LB_EXPR_NEVER : LB_EXPR_ALWAYS))
            fail_msg("seed %llu: record %d: " LB_STR_FMT " is %s", (unsigned long long)lb_seed(), i,
                     LB_STR_ARG(lb_buffer_str(&text)), expected ? "true" : "false");
    }
    lb_expr_free(expr);
    lb_buffer_free(&text);
}

static void a_program_decides_as_its_tree_does(void **state)
{
    static struct generator generator;
    struct lb_arena arena;

    (void)state;
    generator.random = lb_seed() | 1;
    lb_arena_init(&arena, 1 << 20);
    for (int i = 0; i < ROUNDS; i++) {
        generator.count = 0;
        check_tree(&generator, make(&generator, 0), &arena);
        lb_arena_reset(&arena, SIZE_MAX);
    }
    lb_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_decides_as_its_tree_does),
    };

    return cmocka_run_group_tests_name("property/expr", tests, NULL, NULL);
}
