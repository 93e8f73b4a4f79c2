/*
 * expr_parser.c - and, or, not and parentheses: the tree above the comparisons.
 *
 *   any        = all { "or" all }
 *   all        = one { "and" one }
 *   one        = "not" one | "(" any ")" | "true" | "false" | "has" field | comparison
 *
 * Children hang on their parent by the last one, because the program is made
 * from its end.
 */
#include "expr.h"

void lb_expr_advance(struct lb_expr_parser *parser, bool pattern)
{
    parser->last = parser->token;
    parser->token = lb_expr_next(parser->source, pattern);
}

bool lb_expr_is_word(const struct lb_expr_parser *parser, const char *word)
{
    return parser->token.kind == LB_EXPR_WORD && lb_str_is(parser->token.raw, word);
}

bool lb_expr_is_mark(const struct lb_expr_parser *parser, char mark)
{
    return parser->token.kind == LB_EXPR_MARK && parser->token.raw.ptr[0] == mark;
}

void lb_expr_expected(struct lb_expr_parser *parser, const char *expected)
{
    struct lb_str raw = parser->token.raw;

    if (parser->token.kind == LB_EXPR_END)
        lb_expr_error(parser->source, raw.ptr, "expected %s, but the expression ends here", expected);
    else if (parser->token.kind != LB_EXPR_BROKEN)
        lb_expr_error(parser->source, raw.ptr, "expected %s, got `" LB_STR_FMT "`", expected, LB_STR_ARG(raw));
}

static struct lb_expr_node *new_node(struct lb_expr_parser *parser, enum lb_expr_node_kind kind)
{
    struct lb_expr_node *node = lb_expr_alloc(parser->source, sizeof(*node));

    if (node != NULL)
        node->kind = kind;
    return node;
}

static struct lb_expr_node *parse_any(struct lb_expr_parser *parser);

static bool enter(struct lb_expr_parser *parser)
{
    if (++parser->depth <= LB_EXPR_DEPTH_MAX)
        return true;
    lb_expr_error(parser->source, parser->token.raw.ptr, "this is nested deeper than %d levels", LB_EXPR_DEPTH_MAX);
    return false;
}

static struct lb_expr_node *parse_group(struct lb_expr_parser *parser)
{
    const char *start = parser->token.raw.ptr;
    struct lb_expr_node *node;

    if (!enter(parser))
        return NULL;
    lb_expr_advance(parser, false);
    if (lb_expr_is_mark(parser, ')')) {
        lb_expr_error(parser->source, start, "these parentheses are empty: expected a comparison between them");
        return NULL;
    }
    node = parse_any(parser);
    if (node == NULL)
        return NULL;
    if (parser->token.kind == LB_EXPR_END) {
        lb_expr_error(parser->source, start, "this parenthesis is not closed: expected ) before the end");
        return NULL;
    }
    if (!lb_expr_is_mark(parser, ')')) {
        lb_expr_expected(parser, "`and`, `or` or `)`");
        return NULL;
    }
    lb_expr_advance(parser, false);
    parser->depth--;
    return node;
}

static struct lb_expr_node *parse_one(struct lb_expr_parser *parser);

static struct lb_expr_node *parse_not(struct lb_expr_parser *parser)
{
    struct lb_expr_node *node = new_node(parser, LB_EXPR_NODE_NOT);

    if (node == NULL || !enter(parser))
        return NULL;
    lb_expr_advance(parser, false);
    node->last = parse_one(parser);
    parser->depth--;
    return node->last != NULL ? node : NULL;
}

static struct lb_expr_node *parse_test(struct lb_expr_parser *parser)
{
    struct lb_expr_node *node = new_node(parser, LB_EXPR_NODE_TEST);
    bool has = lb_expr_is_word(parser, "has");

    if (node == NULL)
        return NULL;
    if (parser->expr->test_count == LB_EXPR_TESTS_MAX) {
        lb_expr_error(parser->source, parser->token.raw.ptr, "an expression has at most %d comparisons",
                      LB_EXPR_TESTS_MAX);
        return NULL;
    }
    if (has) {
        lb_expr_advance(parser, false);
        node->test.op = LB_EXPR_OP_HAS;
    }
    if (!lb_expr_parse_name(parser, &node->test) || (!has && !lb_expr_parse_comparison(parser, &node->test)))
        return NULL;
    parser->expr->test_count++;
    return node;
}

static struct lb_expr_node *parse_one(struct lb_expr_parser *parser)
{
    if (lb_expr_is_word(parser, "not"))
        return parse_not(parser);
    if (lb_expr_is_mark(parser, '('))
        return parse_group(parser);
    if (lb_expr_is_word(parser, "true") || lb_expr_is_word(parser, "false")) {
        bool truth = lb_expr_is_word(parser, "true");

        lb_expr_advance(parser, false);
        return new_node(parser, truth ? LB_EXPR_NODE_TRUE : LB_EXPR_NODE_FALSE);
    }
    return parse_test(parser);
}

/* Children between `word`s; a single one stays alone. */
static struct lb_expr_node *parse_chain(struct lb_expr_parser *parser, enum lb_expr_node_kind kind, const char *word,
                                        struct lb_expr_node *(*parse_child)(struct lb_expr_parser *))
{
    struct lb_expr_node *child = parse_child(parser);
    struct lb_expr_node *node;

    if (child == NULL || !lb_expr_is_word(parser, word))
        return child;
    node = new_node(parser, kind);
    if (node == NULL)
        return NULL;
    node->last = child;
    while (lb_expr_is_word(parser, word)) {
        lb_expr_advance(parser, false);
        child = parse_child(parser);
        if (child == NULL)
            return NULL;
        child->previous = node->last;
        node->last = child;
    }
    return node;
}

static struct lb_expr_node *parse_all(struct lb_expr_parser *parser)
{
    return parse_chain(parser, LB_EXPR_NODE_AND, "and", parse_one);
}

static struct lb_expr_node *parse_any(struct lb_expr_parser *parser)
{
    return parse_chain(parser, LB_EXPR_NODE_OR, "or", parse_all);
}

/* What stands behind a whole expression. */
static void report_rest(struct lb_expr_parser *parser)
{
    struct lb_str raw = parser->token.raw;
    const char *instead = NULL;

    if (parser->token.kind == LB_EXPR_BROKEN)
        return;
    if (lb_str_is(raw, "&&") || lb_str_is(raw, "&") || lb_str_is(raw, "AND") || lb_str_is(raw, "And"))
        instead = "and";
    else if (lb_str_is(raw, "||") || lb_str_is(raw, "|") || lb_str_is(raw, "OR") || lb_str_is(raw, "Or"))
        instead = "or";
    if (instead != NULL)
        lb_expr_error(parser->source, raw.ptr, "unknown operator `" LB_STR_FMT "`; did you mean `%s`?", LB_STR_ARG(raw),
                      instead);
    else if (lb_expr_is_mark(parser, ')'))
        lb_expr_error(parser->source, raw.ptr, "this `)` closes nothing");
    else if (parser->last.kind == LB_EXPR_WORD && parser->token.kind == LB_EXPR_WORD)
        lb_expr_error(parser->source, raw.ptr,
                      "expected `and`, `or` or the end, got `" LB_STR_FMT "`; a text with blanks needs quotes",
                      LB_STR_ARG(raw));
    else
        lb_expr_expected(parser, "`and`, `or` or the end");
}

struct lb_expr_node *lb_expr_parse(struct lb_expr_source *source, struct lb_expr *expr)
{
    struct lb_expr_parser parser = { .source = source, .expr = expr };
    struct lb_expr_node *node;

    lb_expr_advance(&parser, false);
    if (parser.token.kind == LB_EXPR_END) {
        lb_expr_error(source, source->text.ptr, "this expression is empty: expected a comparison, as in level >= warn");
        return NULL;
    }
    node = parse_any(&parser);
    if (node != NULL && parser.token.kind != LB_EXPR_END) {
        report_rest(&parser);
        return NULL;
    }
    return source->failed ? NULL : node;
}
