/*
 * expr_run.c - one record against a program.
 *
 * Text is compared where it stands; only a JSON string with escapes is
 * decoded, into the scratch, which is as it was when the test is done. So
 * many tests of one record never fill it up.
 */
#include "expr.h"

/* The usual names without a search. Where the record has none of it, a field may have that name. */
static struct lb_value fetch(const struct lb_expr_test *test, const struct lb_record *record,
                             struct lb_scratch *scratch)
{
    struct lb_value value = { .kind = LB_VALUE_NONE };

    if (test->field == LB_EXPR_PLAIN) {
        const struct lb_field *field = lb_record_field(record, test->name);

        return field != NULL ? field->value : value;
    }
    if (test->field == LB_EXPR_SERVICE)
        value = record->service;
    else if (test->field == LB_EXPR_HOST)
        value = record->host;
    else if (test->field == LB_EXPR_MESSAGE)
        value = record->message;
    return value.kind != LB_VALUE_NONE ? value : lb_record_get(record, test->name, scratch);
}

static struct lb_str text_of(struct lb_value value, struct lb_scratch *scratch)
{
    if (value.kind == LB_VALUE_ESCAPED)
        return lb_value_str(value, scratch);
    return value.len > 0 ? (struct lb_str){ value.ptr, value.len } : LB_STR("");
}

struct lb_value lb_expr_test_value(const struct lb_expr_test *test, const struct lb_record *record,
                                   struct lb_scratch *scratch)
{
    return fetch(test, record, scratch);
}

bool lb_expr_test_text(const struct lb_expr_test *test, const struct lb_record *record, struct lb_scratch *scratch,
                       struct lb_str *text)
{
    struct lb_value value = fetch(test, record, scratch);

    if (value.kind == LB_VALUE_NONE)
        return false;
    *text = text_of(value, scratch);
    return true;
}

static bool equals_any(const struct lb_expr_test *test, struct lb_value value, struct lb_str text)
{
    double number;

    for (uint32_t i = 0; i < test->literal_count; i++) {
        if (lb_str_equal(text, test->literals[i].text))
            return true;
    }
    if (!test->numbers || !lb_value_number(value, &number))
        return false;
    for (uint32_t i = 0; i < test->literal_count; i++) {
        if (test->literals[i].is_number && test->literals[i].number == number)
            return true;
    }
    return false;
}

static bool in_order(const struct lb_expr_test *test, struct lb_value value)
{
    double number;

    return lb_value_number(value, &number) && (lb_expr_relate(number, test->literals[0].number) & test->mask) != 0;
}

static bool contains(struct lb_str text, struct lb_str part)
{
    return part.len == 0 || memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

static bool ends_with(struct lb_str text, struct lb_str suffix)
{
    return text.len >= suffix.len &&
           lb_str_equal((struct lb_str){ text.ptr + text.len - suffix.len, suffix.len }, suffix);
}

static bool has_severity(const struct lb_expr_test *test, struct lb_str text)
{
    int rank = lb_expr_severity(text);

    return rank >= 0 && (test->mask >> rank & 1) != 0;
}

/* The field is there. */
static bool compare(const struct lb_expr_test *test, struct lb_value value, struct lb_scratch *scratch)
{
    struct lb_str text;

    if (test->op == LB_EXPR_OP_HAS)
        return true;
    text = text_of(value, scratch);
    switch (test->op) {
    case LB_EXPR_OP_EQUAL: return equals_any(test, value, text);
    case LB_EXPR_OP_ORDER: return in_order(test, value);
    case LB_EXPR_OP_CONTAINS: return contains(text, test->literals[0].text);
    case LB_EXPR_OP_STARTS: return lb_str_starts(text, test->literals[0].text);
    case LB_EXPR_OP_ENDS: return ends_with(text, test->literals[0].text);
    case LB_EXPR_OP_LISTED: return lb_expr_list_has(test->list, text);
    case LB_EXPR_OP_MATCH: return lb_expr_regex_match(test->regex, text);
    case LB_EXPR_OP_SEVERITY: return has_severity(test, text);
    default: return false;
    }
}

static bool holds(const struct lb_expr_test *test, const struct lb_record *record, struct lb_scratch *scratch)
{
    size_t used = scratch->used;

    if (test->op == LB_EXPR_OP_LEVEL)
        return record->level < LB_LEVEL_COUNT && (test->mask >> record->level & 1) != 0;
    if (test->op == LB_EXPR_OP_TIME) {
        unsigned relation = record->time_ns == test->time_ns  ? LB_EXPR_EQUAL
                            : record->time_ns < test->time_ns ? LB_EXPR_LESS
                                                              : LB_EXPR_GREATER;

        return (relation & test->mask) != 0;
    }
    struct lb_value value = fetch(test, record, scratch);
    bool result = value.kind != LB_VALUE_NONE && compare(test, value, scratch) != test->negated;
    scratch->used = used;
    return result;
}

bool lb_expr_match(const struct lb_expr *expr, const struct lb_record *record, struct lb_scratch *scratch)
{
    return lb_expr_match_from(expr, expr->entry, record, scratch);
}

bool lb_expr_match_from(const struct lb_expr *expr, uint16_t at, const struct lb_record *record,
                        struct lb_scratch *scratch)
{
    while (at < LB_EXPR_REJECT) {
        const struct lb_expr_test *test = &expr->tests[at];

        at = holds(test, record, scratch) ? test->when_true : test->when_false;
    }
    return at == LB_EXPR_ACCEPT;
}
