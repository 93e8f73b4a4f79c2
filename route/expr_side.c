/*
 * expr_side.c - the right side of a comparison: a value, a list, a pattern.
 *
 * What it means depends on the field: for `level` words are levels and
 * compare by severity (`level >= warn`: warn and worse), for `severity` the
 * severities of alerts, for `timestamp` times. Elsewhere a word that reads as
 * a number is one, and all else is text.
 */
#include "expr.h"

#include "lb_level.h"
#include "lb_time.h"

enum {
    PRECISE_DIGITS = 15, /* a double keeps whole numbers of that many digits */
    LEVEL_MASK = (1 << LB_LEVEL_COUNT) - 1,
    SEVERITY_COUNT = 5,
};

static bool is_value(const struct lb_expr_parser *parser)
{
    if (parser->token.kind == LB_EXPR_WORD) {
        struct lb_str raw = parser->token.raw;

        return lb_str_is(raw, "true") || lb_str_is(raw, "false") || !lb_expr_is_reserved(raw);
    }
    return parser->token.kind == LB_EXPR_STRING;
}

/* Digits that a double would round: such numbers are compared as text. */
static bool is_too_long(struct lb_str word)
{
    size_t digits = 0;

    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] == '.' || (word.ptr[i] | 0x20) == 'e')
            return false;
        digits += word.ptr[i] >= '0' && word.ptr[i] <= '9';
    }
    return digits > PRECISE_DIGITS;
}

static struct lb_expr_literal literal_of(const struct lb_expr_token *token, struct lb_str name)
{
    struct lb_expr_literal literal = { .text = token->value };
    struct lb_str unit;

    if (token->kind == LB_EXPR_WORD && !is_too_long(token->value))
        literal.is_number = lb_expr_read_number(token->value, name, &literal.number, &unit) == LB_EXPR_NUMBER;
    return literal;
}

/* Reports a word that is none of those that are known. */
static void report_unknown(struct lb_expr_parser *parser, const char *ptr, const char *what, struct lb_str word,
                           const char *nearest, const char *known)
{
    if (nearest != NULL)
        lb_expr_error(parser->source, ptr, "unknown %s `" LB_STR_FMT "`; did you mean `%s`?", what, LB_STR_ARG(word),
                      nearest);
    else
        lb_expr_error(parser->source, ptr, "unknown %s `" LB_STR_FMT "`: expected one of %s", what, LB_STR_ARG(word),
                      known);
}

static bool add_level(struct lb_expr_parser *parser, struct lb_expr_test *test, unsigned relations)
{
    static const char *const words[] = { "emergency", "alert", "critical", "error",   "warn",  "notice",
                                         "info",      "debug", "trace",    "warning", "fatal", NULL };
    struct lb_str word = parser->token.value;
    uint8_t level = lb_level_parse(word);

    if (level == LB_LEVEL_NONE) {
        report_unknown(parser, parser->token.raw.ptr, "level", word, lb_nearest(word, words),
                       "emergency alert critical error warn notice info debug trace");
        return false;
    }
    /* A worse level has the smaller number. */
    for (unsigned i = 0; i < LB_LEVEL_COUNT; i++) {
        if (lb_expr_relate(level, i) & relations)
            test->mask |= (uint16_t)(1U << i);
    }
    test->op = LB_EXPR_OP_LEVEL;
    return true;
}

static void add_severity(struct lb_expr_test *test, int rank, unsigned relations)
{
    for (int i = 0; i < SEVERITY_COUNT; i++) {
        if (lb_expr_relate(i, rank) & relations)
            test->mask |= (uint16_t)(1U << i);
    }
    test->op = LB_EXPR_OP_SEVERITY;
}

static bool read_time(struct lb_expr_parser *parser, struct lb_expr_test *test, unsigned relations)
{
    if (!lb_time_rfc3339(parser->token.value, &test->time_ns)) {
        lb_expr_expected(parser, "a time such as \"2026-01-31T12:00:00Z\" (UTC unless it says otherwise)");
        return false;
    }
    test->op = LB_EXPR_OP_TIME;
    test->mask = (uint16_t)relations;
    return true;
}

static bool add_literal(struct lb_expr_parser *parser, struct lb_expr_test *test, struct lb_expr_literal literal)
{
    uint32_t count = test->literal_count;

    /* Grown at powers of two. */
    if ((count & (count - 1)) == 0) {
        struct lb_expr_literal *grown = lb_expr_alloc(parser->source, (count > 0 ? 2 * count : 1) * sizeof(*grown));

        if (grown == NULL)
            return false;
        if (count > 0)
            memcpy(grown, test->literals, count * sizeof(*grown));
        test->literals = grown;
    }
    test->literals[test->literal_count++] = literal;
    test->numbers |= literal.is_number;
    return true;
}

static bool read_order(struct lb_expr_parser *parser, struct lb_expr_test *test,
                       const struct lb_expr_operator *comparison)
{
    struct lb_expr_literal literal = { .text = parser->token.value, .is_number = true };
    struct lb_str unit;
    const char *start = parser->token.raw.ptr;

    switch (lb_expr_read_number(parser->token.value, test->name, &literal.number, &unit)) {
    case LB_EXPR_NUMBER: test->mask = comparison->relations; return add_literal(parser, test, literal);
    case LB_EXPR_BAD_UNIT:
        report_unknown(parser, lb_expr_origin(&parser->token, (size_t)(unit.ptr - parser->token.value.ptr)), "unit",
                       unit, lb_nearest(unit, lb_expr_units()), "ns us ms s m h d w B kB MB GB TB KiB MiB GiB TiB %");
        return false;
    case LB_EXPR_NOT_NUMBER: break;
    }
    lb_expr_error(parser->source, start,
                  "expected a number behind `%s`, got `" LB_STR_FMT
                  "`; a field is compared with a value, never with another field",
                  comparison->word, LB_STR_ARG(parser->token.raw));
    return false;
}

/* The right side of == != < <= > >=. Where it becomes a mask, that holds the `!` of `!=` too. */
static bool read_value(struct lb_expr_parser *parser, struct lb_expr_test *test,
                       const struct lb_expr_operator *comparison)
{
    int rank = lb_str_is(test->name, "severity") ? lb_expr_severity(parser->token.value) : -1;

    if (lb_str_is(test->name, "level") || lb_str_is(test->name, "timestamp") || rank >= 0)
        test->negated = false;
    if (lb_str_is(test->name, "level"))
        return add_level(parser, test, comparison->relations);
    if (lb_str_is(test->name, "timestamp"))
        return read_time(parser, test, comparison->relations);
    if (rank >= 0) {
        add_severity(test, rank, comparison->relations);
        return true;
    }
    if (comparison->op == LB_EXPR_OP_ORDER)
        return read_order(parser, test, comparison);
    return add_literal(parser, test, literal_of(&parser->token, test->name));
}

/* One value of a list. `*ranked` counts those that are severities. */
static bool add_member(struct lb_expr_parser *parser, struct lb_expr_test *test, uint32_t *ranked)
{
    int rank = lb_str_is(test->name, "severity") ? lb_expr_severity(parser->token.value) : -1;

    if (!is_value(parser)) {
        lb_expr_expected(parser, "a value");
        return false;
    }
    if (lb_str_is(test->name, "level"))
        return add_level(parser, test, LB_EXPR_EQUAL);
    if (rank >= 0) {
        test->mask |= (uint16_t)(1U << rank);
        ++*ranked;
    }
    return add_literal(parser, test, literal_of(&parser->token, test->name));
}

/* Lists of levels, or of nothing but severities, become masks. */
static void finish_list(struct lb_expr_test *test, uint32_t ranked)
{
    if (ranked > 0 && ranked == test->literal_count)
        test->op = LB_EXPR_OP_SEVERITY;
    if (test->op == LB_EXPR_OP_EQUAL || !test->negated)
        return;
    test->mask ^= test->op == LB_EXPR_OP_LEVEL ? LEVEL_MASK : (1 << SEVERITY_COUNT) - 1;
    test->negated = false;
}

/* `("blocked.txt")` behind `file`. */
static bool read_file(struct lb_expr_parser *parser, struct lb_expr_test *test)
{
    char reason[LB_EXPR_LIST_REASON_BYTES];
    struct lb_expr_listed *listed = lb_expr_alloc(parser->source, sizeof(*listed));
    const char *start;

    lb_expr_advance(parser, false);
    if (listed == NULL || !lb_expr_is_mark(parser, '(')) {
        lb_expr_expected(parser, "(\"PATH\") behind `file`");
        return false;
    }
    lb_expr_advance(parser, false);
    if (parser->token.kind != LB_EXPR_STRING) {
        lb_expr_expected(parser, "a path in quotes, as in file(\"blocked.txt\")");
        return false;
    }
    start = parser->token.raw.ptr;
    listed->list = lb_expr_list_new(parser->token.value, parser->source->place.file, reason);
    if (listed->list == NULL) {
        lb_expr_error(parser->source, start, "%s", reason);
        return false;
    }
    listed->next = parser->expr->lists;
    parser->expr->lists = listed;
    test->list = listed->list;
    test->op = LB_EXPR_OP_LISTED;
    lb_expr_advance(parser, false);
    if (lb_expr_is_mark(parser, ')'))
        return true;
    lb_expr_expected(parser, "`)` behind the path");
    return false;
}

static bool read_list(struct lb_expr_parser *parser, struct lb_expr_test *test)
{
    char close = lb_expr_is_mark(parser, '[') ? ']' : ')';
    const char *start = parser->token.raw.ptr;
    uint32_t ranked = 0;

    if (lb_expr_is_word(parser, "file"))
        return read_file(parser, test);
    if (!lb_expr_is_mark(parser, '(') && !lb_expr_is_mark(parser, '[')) {
        lb_expr_expected(parser, "a list behind `in`, as in (a, b) or file(\"list.txt\")");
        return false;
    }
    lb_expr_advance(parser, false);
    if (lb_expr_is_mark(parser, close)) {
        lb_expr_error(parser->source, start, "this list is empty: expected values between commas, as in (a, b)");
        return false;
    }
    while (add_member(parser, test, &ranked)) {
        lb_expr_advance(parser, false);
        if (lb_expr_is_mark(parser, close)) {
            finish_list(test, ranked);
            return true;
        }
        if (!lb_expr_is_mark(parser, ',')) {
            lb_expr_expected(parser, close == ')' ? "`,` or `)`" : "`,` or `]`");
            return false;
        }
        lb_expr_advance(parser, false);
    }
    return false;
}

static bool read_pattern(struct lb_expr_parser *parser, struct lb_expr_test *test)
{
    struct lb_expr_literal literal = { 0 };
    bool anchored;

    if (!is_value(parser) && parser->token.kind != LB_EXPR_SLASHED) {
        lb_expr_expected(parser, "a regular expression in quotes or slashes");
        return false;
    }
    if (lb_expr_regex_literal(parser->source->arena, parser->token.value, &literal.text, &anchored)) {
        test->op = anchored ? LB_EXPR_OP_STARTS : LB_EXPR_OP_CONTAINS;
        return add_literal(parser, test, literal);
    }
    struct lb_expr_regex *regex = lb_expr_regex_new(parser->source, &parser->token);
    if (regex == NULL)
        return false;
    regex->next = parser->expr->regexes;
    parser->expr->regexes = regex;
    test->regex = regex;
    return true;
}

bool lb_expr_parse_side(struct lb_expr_parser *parser, struct lb_expr_test *test,
                        const struct lb_expr_operator *comparison)
{
    bool done;

    if (comparison->list)
        done = read_list(parser, test);
    else if (comparison->op == LB_EXPR_OP_MATCH)
        done = read_pattern(parser, test);
    else if (!is_value(parser)) {
        lb_expr_expected(parser, "a value");
        done = false;
    } else if (comparison->relations != 0)
        done = read_value(parser, test, comparison);
    else
        done = add_literal(parser, test, (struct lb_expr_literal){ .text = parser->token.value });
    if (done)
        lb_expr_advance(parser, false);
    return done;
}
