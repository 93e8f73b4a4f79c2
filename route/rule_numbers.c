/*
 * rule_numbers.c - for each field that rules compare with numbers, a table of the pieces between those numbers.
 *
 * The tricky thing is what is no number: `>` and its like are false for it, but `==` also compares the text, and
 * "5s" may be spelled as the rule has it. So a text keeps the rules that ask for equality.
 */
#include "rule_numbers.h"

#include "expr.h"
#include "lb_alloc.h"

#include <math.h>
#include <stdlib.h>

enum {
    FIELDS_MAX = 64,
    CUTS_MAX = 2048, /* of one field: what rules ask for beyond them is looked at in each rule */
    WORTH = 3,       /* fewer rules are asked one by one */
};

/* Rows of a field's table: what there may be in a record. */
enum { ROW_NONE, ROW_TEXT, ROW_NUMBERS };

struct lb_number_field {
    const struct lb_expr_test *test; /* the first that asks for it */
    double *cuts;                    /* ascending, no two alike */
    uint32_t cut_count;
    size_t cut_capacity;
    uint32_t test_count;
    uint64_t *users; /* rules that ask for it */
    uint64_t *rows;  /* for each row, rules that may hold: none, a text, below the first cut, that cut, above it, ... */
};

static size_t row_count(const struct lb_number_field *field)
{
    return ROW_NUMBERS + 2 * (size_t)field->cut_count + 1;
}

/* --- what a rule asks for --------------------------------------------------- */

/* Read from a record, the text is that number too. */
static bool reads_the_same(const struct lb_expr_literal *literal)
{
    struct lb_value value = { .kind = LB_VALUE_TEXT, .ptr = literal->text.ptr, .len = (uint32_t)literal->text.len };
    double number;

    return literal->is_number && !isnan(literal->number) &&
           (!lb_value_number(value, &number) || number == literal->number);
}

static bool compares_numbers(const struct lb_expr_test *test)
{
    if ((test->op != LB_EXPR_OP_ORDER && test->op != LB_EXPR_OP_EQUAL) || test->negated ||
        test->when_false != LB_EXPR_REJECT || test->literal_count == 0)
        return false;
    for (uint32_t i = 0; i < test->literal_count; i++)
        if (!reads_the_same(&test->literals[i]))
            return false;
    return true;
}

/* The next test, from `at` on, that compares a number and must hold; NULL: none. */
static const struct lb_expr_test *next_test(const struct lb_expr *where, uint16_t *at)
{
    while (*at < LB_EXPR_REJECT) {
        const struct lb_expr_test *test = &where->tests[*at];

        *at = lb_expr_behind(test);
        if (compares_numbers(test))
            return test;
    }
    return NULL;
}

/* NULL: the field is not in the table. */
static struct lb_number_field *find_field(const struct lb_rule_numbers *self, const struct lb_expr_test *test)
{
    for (uint32_t i = 0; i < self->field_count; i++)
        if (self->fields[i].test->field == test->field && lb_str_equal(self->fields[i].test->name, test->name))
            return &self->fields[i];
    return NULL;
}

/* --- the cuts ----------------------------------------------------------------- */

static bool add_cut(struct lb_number_field *field, double number)
{
    double *cuts = lb_grown(field->cuts, field->cut_count, &field->cut_capacity, sizeof(*cuts));

    if (cuts == NULL)
        return false;
    field->cuts = cuts;
    field->cuts[field->cut_count++] = number;
    return true;
}

static bool note_test(struct lb_rule_numbers *self, const struct lb_expr_test *test)
{
    struct lb_number_field *field = find_field(self, test);

    if (field == NULL && self->field_count < FIELDS_MAX) {
        field = &self->fields[self->field_count++];
        field->test = test;
    }
    if (field == NULL || field->cut_count + test->literal_count > CUTS_MAX)
        return true;
    field->test_count++;
    for (uint32_t i = 0; i < test->literal_count; i++)
        if (!add_cut(field, test->literals[i].number))
            return false;
    return true;
}

static int by_number(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static void sort_cuts(struct lb_number_field *field)
{
    uint32_t kept = 0;

    qsort(field->cuts, field->cut_count, sizeof(*field->cuts), by_number);
    for (uint32_t i = 0; i < field->cut_count; i++)
        if (kept == 0 || field->cuts[i] != field->cuts[kept - 1])
            field->cuts[kept++] = field->cuts[i];
    field->cut_count = kept;
}

/* The row of a number: of the piece it is in, or of the cut that it is. */
static size_t row_of(const struct lb_number_field *field, double number)
{
    uint32_t low = 0;
    uint32_t high = field->cut_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (field->cuts[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return ROW_NUMBERS + 2 * (size_t)low + (low < field->cut_count && field->cuts[low] == number);
}

/* --- the table ----------------------------------------------------------------- */

/* True where the test may hold, whatever number of that row it is. */
static bool holds_in(const struct lb_number_field *field, const struct lb_expr_test *test, size_t row)
{
    if (row == ROW_NONE)
        return false;
    if (row == ROW_TEXT)
        return test->op == LB_EXPR_OP_EQUAL;
    for (uint32_t i = 0; i < test->literal_count; i++) {
        size_t own = row_of(field, test->literals[i].number);
        unsigned relation = row == own ? LB_EXPR_EQUAL : row < own ? LB_EXPR_LESS : LB_EXPR_GREATER;

        if ((relation & (test->op == LB_EXPR_OP_EQUAL ? LB_EXPR_EQUAL : test->mask)) != 0)
            return true;
    }
    return false;
}

/* What had no room among the cuts has no row of its own. */
static bool is_cut(const struct lb_number_field *field, const struct lb_expr_test *test)
{
    for (uint32_t i = 0; i < test->literal_count; i++)
        if ((row_of(field, test->literals[i].number) - ROW_NUMBERS) % 2 == 0)
            return false;
    return true;
}

static void add_rule(struct lb_rule_numbers *self, const struct lb_expr *where, uint32_t rule)
{
    const struct lb_expr_test *test;
    uint64_t bit = UINT64_C(1) << rule % 64;
    uint16_t at = where->entry;

    while ((test = next_test(where, &at)) != NULL) {
        struct lb_number_field *field = find_field(self, test);

        if (field == NULL || !is_cut(field, test))
            continue;
        field->users[rule / 64] |= bit;
        for (size_t row = 0; row < row_count(field); row++)
            if (!holds_in(field, test, row))
                field->rows[row * self->words + rule / 64] &= ~bit;
    }
}

static void free_field(struct lb_number_field *field)
{
    lb_free(field->cuts);
    lb_free(field->users);
    lb_free(field->rows);
}

/* Fields of few rules are not worth their row. */
static void forget_rare(struct lb_rule_numbers *self)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < self->field_count; i++) {
        if (self->fields[i].test_count < WORTH)
            free_field(&self->fields[i]);
        else
            self->fields[kept++] = self->fields[i];
    }
    self->field_count = kept;
}

static bool make_rows(struct lb_rule_numbers *self, struct lb_number_field *field)
{
    sort_cuts(field);
    size_t bytes = row_count(field) * self->words * sizeof(*field->rows);

    field->users = lb_alloc(self->words * sizeof(*field->users));
    field->rows = lb_alloc(bytes);
    if (field->users == NULL || field->rows == NULL)
        return false;
    memset(field->rows, 0xff, bytes);
    return true;
}

bool lb_rule_numbers_init(struct lb_rule_numbers *self, const struct lb_alerting *alerting)
{
    *self = (struct lb_rule_numbers){ .words = (alerting->rule_count + 63) / 64 };
    self->fields = lb_alloc(FIELDS_MAX * sizeof(*self->fields));
    if (self->fields == NULL)
        return false;
    for (uint32_t i = 0; i < alerting->rule_count; i++) {
        const struct lb_expr *where = alerting->rules[i].where;
        uint16_t at = where != NULL ? where->entry : LB_EXPR_REJECT;
        const struct lb_expr_test *test;

        while ((test = next_test(where, &at)) != NULL)
            if (!note_test(self, test))
                return false;
    }
    forget_rare(self);
    for (uint32_t i = 0; i < self->field_count; i++)
        if (!make_rows(self, &self->fields[i]))
            return false;
    for (uint32_t i = 0; i < alerting->rule_count; i++)
        if (alerting->rules[i].where != NULL)
            add_rule(self, alerting->rules[i].where, i);
    return true;
}

void lb_rule_numbers_free(struct lb_rule_numbers *self)
{
    for (uint32_t i = 0; i < self->field_count; i++)
        free_field(&self->fields[i]);
    lb_free(self->fields);
    *self = (struct lb_rule_numbers){ 0 };
}

/* --- asking it -------------------------------------------------------------- */

static bool is_worth(const struct lb_rule_numbers *self, const struct lb_number_field *field, const uint64_t *live)
{
    int count = 0;

    for (uint32_t word = 0; word < self->words; word++)
        count += __builtin_popcountll(field->users[word] & live[word]);
    return count >= WORTH;
}

void lb_rule_numbers_ask(const struct lb_rule_numbers *self, const struct lb_record *record, struct lb_scratch *scratch,
                         uint64_t *live)
{
    for (uint32_t i = 0; i < self->field_count; i++) {
        const struct lb_number_field *field = &self->fields[i];
        size_t used = scratch->used;
        size_t row = ROW_NONE;
        double number;

        if (!is_worth(self, field, live))
            continue;
        struct lb_value value = lb_expr_test_value(field->test, record, scratch);
        if (value.kind != LB_VALUE_NONE)
            row = lb_value_number(value, &number) && !isnan(number) ? row_of(field, number) : ROW_TEXT;
        scratch->used = used;
        for (uint32_t word = 0; word < self->words; word++)
            live[word] &= field->rows[row * self->words + word];
    }
}
