/*
 * expr_compare.c - the left side of a comparison, and its operator.
 *
 * Half of this file is for people who know other languages: their operators
 * are told the word that means the same here. There is one spelling of each.
 */
#include "expr.h"
#include "fields.h"

#include "lb_limits.h"

static const struct lb_expr_operator operators[] = {
    { "==", LB_EXPR_OP_EQUAL, false, LB_EXPR_EQUAL, false },
    { "=", LB_EXPR_OP_EQUAL, false, LB_EXPR_EQUAL, false },
    { "!=", LB_EXPR_OP_EQUAL, true, LB_EXPR_LESS | LB_EXPR_GREATER, false },
    { "<", LB_EXPR_OP_ORDER, false, LB_EXPR_LESS, false },
    { "<=", LB_EXPR_OP_ORDER, false, LB_EXPR_LESS | LB_EXPR_EQUAL, false },
    { ">", LB_EXPR_OP_ORDER, false, LB_EXPR_GREATER, false },
    { ">=", LB_EXPR_OP_ORDER, false, LB_EXPR_GREATER | LB_EXPR_EQUAL, false },
    { "~", LB_EXPR_OP_MATCH, false, 0, false },
    { "!~", LB_EXPR_OP_MATCH, true, 0, false },
    { "in", LB_EXPR_OP_EQUAL, false, LB_EXPR_EQUAL, true },
    { "contains", LB_EXPR_OP_CONTAINS, false, 0, false },
    { "startswith", LB_EXPR_OP_STARTS, false, 0, false },
    { "endswith", LB_EXPR_OP_ENDS, false, 0, false },
};

enum { OPERATOR_COUNT = sizeof(operators) / sizeof(operators[0]) };

/* What people write who come from elsewhere. */
static const char *const habits[][2] = {
    { "=>", ">=" },
    { "=<", "<=" },
    { "<>", "!=" },
    { "===", "==" },
    { "!==", "!=" },
    { "=!", "!=" },
    { "~=", "~" },
    { "=~", "~" },
    { "~~", "~" },
    { "!=~", "!~" },
    { "eq", "==" },
    { "is", "==" },
    { "equals", "==" },
    { "ne", "!=" },
    { "gt", ">" },
    { "gte", ">=" },
    { "ge", ">=" },
    { "lt", "<" },
    { "lte", "<=" },
    { "le", "<=" },
    { "matches", "~" },
    { "match", "~" },
    { "regex", "~" },
    { "like", "contains" },
    { "includes", "contains" },
    { "^", "startswith" },
    { "$", "endswith" },
    { "*", "contains" },
    { "hasPrefix", "startswith" },
    { "hasSuffix", "endswith" },
    { "starts_with", "startswith" },
    { "ends_with", "endswith" },
};

static const struct lb_expr_operator *find_operator(struct lb_str word)
{
    for (size_t i = 0; i < OPERATOR_COUNT; i++) {
        if (lb_str_is(word, operators[i].word))
            return &operators[i];
    }
    return NULL;
}

static const char *nearest_operator(struct lb_str word)
{
    static const char *const words[] = { "in", "contains", "startswith", "endswith", NULL };

    for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++) {
        if (lb_str_is(word, habits[i][0]))
            return habits[i][1];
    }
    return lb_nearest(word, words);
}

static void report_operator(struct lb_expr_parser *parser, struct lb_str name)
{
    struct lb_str raw = parser->token.raw;
    bool ends = parser->token.kind == LB_EXPR_END || lb_expr_is_mark(parser, ')') || lb_expr_is_word(parser, "and") ||
                lb_expr_is_word(parser, "or");

    if (parser->token.kind == LB_EXPR_BROKEN)
        return;
    if (ends) {
        lb_expr_error(parser->source, raw.ptr,
                      "expected an operator behind `" LB_STR_FMT "`, as in ==, >=, ~ or contains; "
                      "`has " LB_STR_FMT "` asks whether the field is there",
                      LB_STR_ARG(name), LB_STR_ARG(name));
        return;
    }
    const char *instead = nearest_operator(raw);
    if (instead != NULL)
        lb_expr_error(parser->source, raw.ptr, "unknown operator `" LB_STR_FMT "`; did you mean `%s`?", LB_STR_ARG(raw),
                      instead);
    else
        lb_expr_error(parser->source, raw.ptr,
                      "unknown operator `" LB_STR_FMT
                      "`: expected one of == != < <= > >= ~ !~ in contains startswith endswith",
                      LB_STR_ARG(raw));
}

/* --- the left side ------------------------------------------------------------- */

static bool begins_name(char c)
{
    return c == '_' || c == '@' || c == '$' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (unsigned char)c >= 0x80;
}

bool lb_expr_is_reserved(struct lb_str word)
{
    static const char *const words[] = { "and",      "or",         "not",      "has",  "in",
                                         "contains", "startswith", "endswith", "true", "false" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (lb_str_is(word, words[i]))
            return true;
    }
    return false;
}

static bool note_field(struct lb_expr_parser *parser, struct lb_str name)
{
    struct lb_expr *expr = parser->expr;

    for (size_t i = 0; i < expr->fields.count; i++) {
        if (lb_str_equal(expr->fields.items[i], name))
            return true;
    }
    if (expr->fields.count == expr->field_capacity) {
        size_t capacity = expr->field_capacity > 0 ? 2 * expr->field_capacity : 8;
        struct lb_str *items = lb_expr_alloc(parser->source, capacity * sizeof(*items));

        if (items == NULL)
            return false;
        if (expr->fields.count > 0)
            memcpy(items, expr->fields.items, expr->fields.count * sizeof(*items));
        expr->fields.items = items;
        expr->field_capacity = capacity;
    }
    expr->fields.items[expr->fields.count++] = name;
    return true;
}

static uint8_t field_of(struct lb_str name)
{
    switch (lb_leading_of(name)) {
    case LB_LEADING_SERVICE: return LB_EXPR_SERVICE;
    case LB_LEADING_MESSAGE: return LB_EXPR_MESSAGE;
    case LB_LEADING_HOST: return LB_EXPR_HOST;
    case LB_LEADING_NONE: return memchr(name.ptr, '.', name.len) != NULL ? LB_EXPR_NAMED : LB_EXPR_PLAIN;
    default: return LB_EXPR_NAMED;
    }
}

static bool check_parts(struct lb_expr_parser *parser, struct lb_str name)
{
    int parts = 1;

    for (size_t i = 0; i < name.len; i++)
        parts += name.ptr[i] == '.';
    if (parts <= LB_NAME_PARTS_MAX)
        return true;
    lb_expr_error(parser->source, name.ptr, "`" LB_STR_FMT "` has more than %d parts between dots", LB_STR_ARG(name),
                  LB_NAME_PARTS_MAX);
    return false;
}

bool lb_expr_parse_name(struct lb_expr_parser *parser, struct lb_expr_test *test)
{
    struct lb_str raw = parser->token.raw;

    if (lb_str_is(raw, "!") || lb_str_is(raw, "NOT")) {
        lb_expr_error(parser->source, raw.ptr, "unknown operator `" LB_STR_FMT "`; did you mean `not`?",
                      LB_STR_ARG(raw));
        return false;
    }
    if (parser->token.kind == LB_EXPR_STRING ||
        (parser->token.kind == LB_EXPR_WORD && !begins_name(raw.ptr[0]) && !lb_expr_is_reserved(raw))) {
        lb_expr_error(parser->source, raw.ptr,
                      "expected the name of a field, got the value `" LB_STR_FMT "`; the field comes first, as in "
                      "service == \"shop\"",
                      LB_STR_ARG(raw));
        return false;
    }
    if (parser->token.kind != LB_EXPR_WORD || lb_expr_is_reserved(raw)) {
        lb_expr_expected(parser, "the name of a field");
        return false;
    }
    test->name = raw;
    test->field = field_of(raw);
    lb_expr_advance(parser, false);
    return check_parts(parser, raw) && note_field(parser, raw);
}

/* `not in` and its like. */
static bool take_not(struct lb_expr_parser *parser)
{
    if (!lb_expr_is_word(parser, "not"))
        return false;
    lb_expr_advance(parser, false);
    return true;
}

bool lb_expr_parse_comparison(struct lb_expr_parser *parser, struct lb_expr_test *test)
{
    bool not_before = take_not(parser);
    const struct lb_expr_operator *found = NULL;

    if (parser->token.kind == LB_EXPR_WORD || parser->token.kind == LB_EXPR_OPERATOR)
        found = find_operator(parser->token.raw);
    if (found == NULL || (not_before && parser->token.kind != LB_EXPR_WORD)) {
        report_operator(parser, test->name);
        return false;
    }
    test->op = found->op;
    test->negated = found->negated || not_before;
    lb_expr_advance(parser, found->op == LB_EXPR_OP_MATCH);
    return lb_expr_parse_side(parser, test, found);
}
