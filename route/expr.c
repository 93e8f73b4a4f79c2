/*
 * expr.c - from the tree to the program, and what can be asked of it.
 *
 * The program is written from its end: what a test leads to is known when the
 * test is written. A test that leads to the same place either way is left
 * out, so an expression that is true or false for every record folds to
 * nothing by itself.
 */
#include "expr.h"

#include <assert.h>

/* Writes what decides `node` and returns where it begins. */
static uint16_t emit(struct lb_expr *expr, const struct lb_expr_node *node, uint16_t when_true, uint16_t when_false)
{
    uint16_t entry;

    switch (node->kind) {
    case LB_EXPR_NODE_TRUE: return when_true;
    case LB_EXPR_NODE_FALSE: return when_false;
    case LB_EXPR_NODE_NOT: return emit(expr, node->last, when_false, when_true);
    case LB_EXPR_NODE_AND:
        entry = when_true;
        for (const struct lb_expr_node *child = node->last; child != NULL; child = child->previous)
            entry = emit(expr, child, entry, when_false);
        return entry;
    case LB_EXPR_NODE_OR:
        entry = when_false;
        for (const struct lb_expr_node *child = node->last; child != NULL; child = child->previous)
            entry = emit(expr, child, when_true, entry);
        return entry;
    case LB_EXPR_NODE_TEST: break;
    }
    if (when_true == when_false)
        return when_true;
    struct lb_expr_test *test = &expr->tests[expr->test_count];
    *test = node->test;
    test->when_true = when_true;
    test->when_false = when_false;
    return (uint16_t)expr->test_count++;
}

static bool build(struct lb_expr *expr, struct lb_expr_source *source)
{
    struct lb_expr_node *root = lb_expr_parse(source, expr);
    uint32_t parsed = expr->test_count;

    if (root == NULL)
        return false;
    assert(parsed <= LB_EXPR_TESTS_MAX);
    expr->tests = lb_expr_alloc(source, parsed * sizeof(*expr->tests));
    if (expr->tests == NULL)
        return false;
    expr->test_count = 0;
    expr->entry = emit(expr, root, LB_EXPR_ACCEPT, LB_EXPR_REJECT);
    return true;
}

struct lb_expr *lb_expr_new(struct lb_arena *arena, struct lb_str text, struct lb_place place, struct lb_diag *diag)
{
    struct lb_expr *expr = lb_arena_zalloc(arena, sizeof(*expr));
    struct lb_str copy = lb_arena_copy(arena, text);

    if (expr == NULL || copy.ptr == NULL) {
        lb_diag_error(diag, place, "no memory is left for this expression");
        return NULL;
    }
    struct lb_expr_source source = { .text = copy, .arena = arena, .place = place, .diag = diag };
    expr->text = copy;
    if (!build(expr, &source)) {
        lb_expr_free(expr);
        return NULL;
    }
    return expr;
}

void lb_expr_free(struct lb_expr *expr)
{
    for (struct lb_expr_regex *regex = expr->regexes; regex != NULL; regex = regex->next)
        lb_expr_regex_free(regex);
    expr->regexes = NULL;
    for (struct lb_expr_listed *listed = expr->lists; listed != NULL; listed = listed->next)
        lb_expr_list_free(listed->list);
    expr->lists = NULL;
}

struct lb_strs lb_expr_fields(const struct lb_expr *expr)
{
    return expr->fields;
}

enum lb_expr_constant lb_expr_constant(const struct lb_expr *expr)
{
    if (expr->entry == LB_EXPR_ACCEPT)
        return LB_EXPR_ALWAYS;
    return expr->entry == LB_EXPR_REJECT ? LB_EXPR_NEVER : LB_EXPR_VARIES;
}

struct lb_str lb_expr_text(const struct lb_expr *expr)
{
    return expr->text;
}
