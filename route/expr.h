/*
 * expr.h - what the parts of the expression compiler share.
 *
 *   text ─ lexer ─▶ tokens ─ parser, values ─▶ tree ─ expr.c ─▶ tests ─ run ─▶ yes or no
 *
 * A program is an array of tests, each with two successors, so `not` only
 * swaps them, constants leave no code, and and/or stop as soon as they can.
 */
#ifndef LB_ROUTE_EXPR_H
#define LB_ROUTE_EXPR_H

#include "expr_list.h"
#include "lb_expr.h"

enum {
    LB_EXPR_DEPTH_MAX = 64,   /* parentheses and `not` within each other */
    LB_EXPR_TESTS_MAX = 4096, /* comparisons in one expression */
    LB_EXPR_ACCEPT = 0xffff,  /* successors that end the run */
    LB_EXPR_REJECT = 0xfffe,
};

/* --- tokens ---------------------------------------------------------------- */

enum lb_expr_token_kind {
    LB_EXPR_END,
    LB_EXPR_WORD,     /* names, numbers, keywords, bare words */
    LB_EXPR_STRING,   /* '…' or "…" */
    LB_EXPR_SLASHED,  /* /…/, only where a pattern may stand */
    LB_EXPR_OPERATOR, /* a run of = ! < > ~ & | */
    LB_EXPR_MARK,     /* ( ) [ ] , */
    LB_EXPR_BROKEN,   /* the error is reported */
};

struct lb_expr_token {
    enum lb_expr_token_kind kind;
    struct lb_str raw;   /* as written */
    struct lb_str value; /* without quotes and escapes */
};

/* One error is reported for each expression: the first. */
struct lb_expr_source {
    struct lb_str text;
    size_t at; /* of the next byte to read */
    struct lb_arena *arena;
    struct lb_place place; /* of text.ptr */
    struct lb_diag *diag;
    bool failed;
};

/* `pattern`: a slash begins a regular expression. */
struct lb_expr_token lb_expr_next(struct lb_expr_source *source, bool pattern);

/* Where byte `offset` of a token's value stands in the text. */
const char *lb_expr_origin(const struct lb_expr_token *token, size_t offset);

/* Reports what is wrong at `ptr`, which points into the text. */
void lb_expr_error(struct lb_expr_source *source, const char *ptr, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* lb_arena_alloc() that reports when the arena is full. */
void *lb_expr_alloc(struct lb_expr_source *source, size_t size);

/* --- what is compared ------------------------------------------------------ */

/* Bits, so that `<=` is LESS or EQUAL. */
enum lb_expr_relation { LB_EXPR_LESS = 1, LB_EXPR_EQUAL = 2, LB_EXPR_GREATER = 4 };

static inline unsigned lb_expr_relate(double left, double right)
{
    if (left == right)
        return LB_EXPR_EQUAL;
    if (left < right)
        return LB_EXPR_LESS;
    return left > right ? LB_EXPR_GREATER : 0;
}

/* The right side of a comparison. */
struct lb_expr_literal {
    struct lb_str text;
    double number;
    bool is_number;
};

enum lb_expr_number { LB_EXPR_NOT_NUMBER, LB_EXPR_NUMBER, LB_EXPR_BAD_UNIT };

/* Reads `word` as a number with units, in the unit of the field of that name. `*unit`: what follows the digits. */
enum lb_expr_number lb_expr_read_number(struct lb_str word, struct lb_str field, double *number, struct lb_str *unit);

/* For errors: the units that there are, NULL at the end. */
const char *const *lb_expr_units(void);

/* The rank of a severity's word: info 0, low, medium (or warning), high, critical 4; or -1. Lower case only. */
int lb_expr_severity(struct lb_str word);

/* A compiled pattern. */
struct lb_expr_regex;

/* NULL with an error. Frees itself through lb_expr_regex_free(). */
struct lb_expr_regex *lb_expr_regex_new(struct lb_expr_source *source, const struct lb_expr_token *token);
void lb_expr_regex_free(struct lb_expr_regex *regex);
bool lb_expr_regex_match(const struct lb_expr_regex *regex, struct lb_str text);

/* The same for patterns that stand outside expressions. On a fault `reason` has room for LB_EXPR_REASON_BYTES. */
enum { LB_EXPR_REASON_BYTES = 160 };
bool lb_expr_regex_compile(struct lb_expr_regex *regex, struct lb_str pattern, char *reason, size_t *offset);

/* The first match at or behind `from`. */
enum lb_expr_found { LB_EXPR_NOT_FOUND, LB_EXPR_FOUND, LB_EXPR_GIVEN_UP };
enum lb_expr_found lb_expr_regex_find(const struct lb_expr_regex *regex, struct lb_str text, size_t from,
                                      size_t span[2]);

/*
 * True when the pattern only looks for fixed bytes, which are then in `literal` (in the arena); `anchored`: at the
 * start of the text.
 */
bool lb_expr_regex_literal(struct lb_arena *arena, struct lb_str pattern, struct lb_str *literal, bool *anchored);

/* Bytes that stand in every text that the pattern matches, letters in either case. Empty: none are known. */
struct lb_str lb_expr_regex_needed(struct lb_str pattern);

/* --- tests and trees ------------------------------------------------------- */

enum lb_expr_field {
    LB_EXPR_NAMED, /* to be looked for by lb_record_get() */
    LB_EXPR_PLAIN, /* a field, surely */
    LB_EXPR_SERVICE,
    LB_EXPR_HOST,
    LB_EXPR_MESSAGE,
};

enum lb_expr_op {
    LB_EXPR_OP_LEVEL,    /* the level is in `mask` */
    LB_EXPR_OP_SEVERITY, /* the severity's rank is in `mask` */
    LB_EXPR_OP_TIME,     /* `mask` of relations to `time_ns` */
    LB_EXPR_OP_HAS,
    LB_EXPR_OP_EQUAL, /* any of the literals */
    LB_EXPR_OP_ORDER, /* `mask` of relations to the number */
    LB_EXPR_OP_CONTAINS,
    LB_EXPR_OP_STARTS,
    LB_EXPR_OP_ENDS,
    LB_EXPR_OP_MATCH,
    LB_EXPR_OP_LISTED, /* in a file */
};

struct lb_expr_test {
    uint8_t op;
    uint8_t field;
    bool negated; /* `!=`, `!~`, `not in`: but false all the same where the field is missing */
    bool numbers; /* any literal is one */
    uint16_t mask;
    uint16_t when_true;
    uint16_t when_false;
    uint32_t literal_count;
    struct lb_str name;
    struct lb_expr_literal *literals;
    const struct lb_expr_regex *regex;
    const struct lb_expr_list *list;
    int64_t time_ns;
};

enum lb_expr_node_kind {
    LB_EXPR_NODE_AND,
    LB_EXPR_NODE_OR,
    LB_EXPR_NODE_NOT,
    LB_EXPR_NODE_TRUE,
    LB_EXPR_NODE_FALSE,
    LB_EXPR_NODE_TEST,
};

/* The test behind `test` if that must hold, or must not, for the whole to hold; LB_EXPR_REJECT: none. */
static inline uint16_t lb_expr_behind(const struct lb_expr_test *test)
{
    if (test->when_false == LB_EXPR_REJECT)
        return test->when_true;
    return test->when_true == LB_EXPR_REJECT ? test->when_false : LB_EXPR_REJECT;
}

/* The value that the test compares, of the record or in the scratch; kind LB_VALUE_NONE: the record has no such field.
 */
struct lb_value lb_expr_test_value(const struct lb_expr_test *test, const struct lb_record *record,
                                   struct lb_scratch *scratch);

/* The text that the test compares, in the record or the scratch. False: the record has no such field. */
bool lb_expr_test_text(const struct lb_expr_test *test, const struct lb_record *record, struct lb_scratch *scratch,
                       struct lb_str *text);

/* As lb_expr_match(), from a test on: what stands before it is known. LB_EXPR_ACCEPT: true. */
bool lb_expr_match_from(const struct lb_expr *expr, uint16_t at, const struct lb_record *record,
                        struct lb_scratch *scratch);

struct lb_expr_node {
    enum lb_expr_node_kind kind;
    struct lb_expr_node *last; /* child; the program is made from its end */
    struct lb_expr_node *previous;
    struct lb_expr_test test;
};

/* A list that an expression holds. */
struct lb_expr_listed {
    struct lb_expr_listed *next;
    struct lb_expr_list *list;
};

struct lb_expr {
    struct lb_str text;
    struct lb_strs fields;
    size_t field_capacity;
    struct lb_expr_regex *regexes;
    struct lb_expr_listed *lists;
    struct lb_expr_test *tests;
    uint32_t test_count;
    uint16_t entry;
};

struct lb_expr_regex {
    struct lb_expr_regex *next; /* of the same expression */
    void *code;                 /* pcre2_code */
    void *limits;               /* pcre2_match_context */
    struct lb_str pattern;
};

/* The tree of the whole text; fills fields, regexes and the count of tests of `expr`. NULL with an error. */
struct lb_expr_node *lb_expr_parse(struct lb_expr_source *source, struct lb_expr *expr);

/*
 * The part of it that reads one comparison: a field, an operator and a right side. Takes tokens up to the one behind
 * it, which is then in `token`.
 */
struct lb_expr_parser {
    struct lb_expr_source *source;
    struct lb_expr *expr;
    struct lb_expr_token token; /* the next one that nobody has taken */
    struct lb_expr_token last;  /* the one before */
    unsigned depth;
};

void lb_expr_advance(struct lb_expr_parser *parser, bool pattern);
bool lb_expr_is_word(const struct lb_expr_parser *parser, const char *word);
bool lb_expr_is_mark(const struct lb_expr_parser *parser, char mark);
bool lb_expr_parse_comparison(struct lb_expr_parser *parser, struct lb_expr_test *test);

bool lb_expr_is_reserved(struct lb_str word);

struct lb_expr_operator {
    const char *word;
    uint8_t op; /* enum lb_expr_op */
    bool negated;
    uint8_t relations; /* 0: it does not compare sizes */
    bool list;         /* values in parentheses follow */
};

/* The right side of a comparison into `test`, whose name, op and negated are set. */
bool lb_expr_parse_side(struct lb_expr_parser *parser, struct lb_expr_test *test,
                        const struct lb_expr_operator *comparison);

/* Takes a field's name and notes it in expr->fields. */
bool lb_expr_parse_name(struct lb_expr_parser *parser, struct lb_expr_test *test);

/* Reports that `expected` should stand where the next token is. */
void lb_expr_expected(struct lb_expr_parser *parser, const char *expected);

#endif
