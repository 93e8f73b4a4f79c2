/*
 * rule_index.c - one table of texts for each field that rules ask for.
 *
 * A test of an expression must hold when the program rejects as soon as it
 * fails, and so must those that are reached only behind it. Of these the first
 * that compares a field with texts is the rule's gate. Texts that are numbers
 * also equal other spellings of the same number, so they make no gate.
 *
 * A rule without a gate may have a needle: what its pattern needs to be in the
 * message. Of the message it is noted which pairs of letters it has, without
 * their case, and a rule with a pair that it has not is left out.
 */
#include "rule_index.h"

#include "expr.h"
#include "lb_alloc.h"

#include <xxhash.h>

enum { LEVELS = LB_LEVEL_COUNT + 1 };
enum { PAIRS = 1024, NEEDLE_PAIRS = 6, MESSAGE_MAX = 4096 }; /* a longer message has nearly all pairs anyway */

struct lb_rule_needle {
    uint16_t pairs[NEEDLE_PAIRS];
    uint16_t rule;
};

/* A text, and the rules that it opens. */
struct entry {
    struct lb_str text; /* ptr NULL: free */
    uint64_t *rules;
};

struct lb_rule_gate {
    const struct lb_expr_test *test; /* the first that asks for this field */
    struct entry *table;
    uint32_t capacity;
    uint32_t count;
};

static void set_bit(uint64_t *words, uint32_t bit)
{
    words[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* --- what a rule asks for --------------------------------------------------- */

/* The test behind `test` if that must hold; LB_EXPR_ACCEPT or more: none. */
static uint16_t behind(const struct lb_expr_test *test)
{
    if (test->when_false == LB_EXPR_REJECT)
        return test->when_true;
    return test->when_true == LB_EXPR_REJECT ? test->when_false : LB_EXPR_REJECT;
}

static bool is_gate(const struct lb_expr_test *test)
{
    return test->op == LB_EXPR_OP_EQUAL && !test->negated && !test->numbers && test->when_false == LB_EXPR_REJECT;
}

static const struct lb_expr_test *gate_of(const struct lb_expr *where)
{
    uint16_t at = where != NULL ? where->entry : LB_EXPR_REJECT;

    while (at < LB_EXPR_REJECT && !is_gate(&where->tests[at]))
        at = behind(&where->tests[at]);
    return at < LB_EXPR_REJECT ? &where->tests[at] : NULL;
}

static struct lb_str needle_in(const struct lb_expr_test *test)
{
    if (test->field != LB_EXPR_MESSAGE || test->negated || test->when_false != LB_EXPR_REJECT)
        return LB_STR("");
    if (test->op == LB_EXPR_OP_CONTAINS || test->op == LB_EXPR_OP_STARTS || test->op == LB_EXPR_OP_ENDS)
        return test->literals[0].text;
    return test->op == LB_EXPR_OP_MATCH ? lb_expr_regex_needed(test->regex->pattern) : LB_STR("");
}

/* The longest needle of it, and whose it is. */
static struct lb_str needle_of(const struct lb_expr *where, const struct lb_expr_test **owner)
{
    struct lb_str longest = LB_STR("");
    uint16_t at = where != NULL ? where->entry : LB_EXPR_REJECT;

    while (at < LB_EXPR_REJECT) {
        const struct lb_expr_test *test = &where->tests[at];
        struct lb_str needle = needle_in(test);

        if (needle.len > longest.len) {
            longest = needle;
            *owner = test;
        }
        at = behind(test);
    }
    return longest;
}

/* The levels that may pass, as bits; a record without one is the last of them. */
static unsigned levels_of(const struct lb_expr *where)
{
    unsigned levels = (1U << LEVELS) - 1;
    uint16_t at = where != NULL ? where->entry : LB_EXPR_REJECT;

    while (at < LB_EXPR_REJECT) {
        const struct lb_expr_test *test = &where->tests[at];
        unsigned holds = test->mask & ((1U << LB_LEVEL_COUNT) - 1);

        if (test->op == LB_EXPR_OP_LEVEL && test->when_false == LB_EXPR_REJECT)
            levels &= holds;
        else if (test->op == LB_EXPR_OP_LEVEL && test->when_true == LB_EXPR_REJECT)
            levels &= ~holds;
        at = behind(test);
    }
    return levels;
}

/* --- making it -------------------------------------------------------------- */

static struct lb_rule_gate *gate_for(struct lb_rule_index *index, const struct lb_expr_test *test)
{
    for (uint32_t i = 0; i < index->gate_count; i++)
        if (index->gates[i].test->field == test->field && lb_str_equal(index->gates[i].test->name, test->name))
            return &index->gates[i];
    struct lb_rule_gate *gate = &index->gates[index->gate_count++]; /* there is room for one of each rule */
    gate->test = test;
    return gate;
}

/* The place of that text, or the free one where it belongs. */
static struct entry *place(const struct lb_rule_gate *gate, struct lb_str text)
{
    uint32_t at = (uint32_t)XXH3_64bits(text.ptr, text.len) & (gate->capacity - 1);

    while (gate->table[at].text.ptr != NULL && !lb_str_equal(gate->table[at].text, text))
        at = (at + 1) & (gate->capacity - 1);
    return &gate->table[at];
}

static bool grow(struct lb_rule_gate *gate)
{
    struct lb_rule_gate bigger = { gate->test, NULL, gate->capacity > 0 ? 2 * gate->capacity : 16, gate->count };

    if ((gate->count + 1) * 2 <= gate->capacity)
        return true;
    bigger.table = lb_alloc(bigger.capacity * sizeof(*bigger.table));
    if (bigger.table == NULL)
        return false;
    for (uint32_t i = 0; i < gate->capacity; i++)
        if (gate->table[i].text.ptr != NULL)
            *place(&bigger, gate->table[i].text) = gate->table[i];
    lb_free(gate->table);
    *gate = bigger;
    return true;
}

static bool add_texts(struct lb_rule_index *index, const struct lb_expr_test *test, uint32_t rule)
{
    struct lb_rule_gate *gate = gate_for(index, test);

    for (uint32_t i = 0; i < test->literal_count; i++) {
        struct entry *entry = grow(gate) ? place(gate, test->literals[i].text) : NULL;

        if (entry == NULL)
            return false;
        if (entry->text.ptr == NULL) {
            entry->rules = lb_alloc(index->words * sizeof(*entry->rules));
            if (entry->rules == NULL)
                return false;
            entry->text = test->literals[i].text.len > 0 ? test->literals[i].text : LB_STR("");
            gate->count++;
        }
        set_bit(entry->rules, rule);
    }
    return true;
}

/* Two bytes without the bits that tell capitals from small letters. */
static uint16_t pair_of(const char *at)
{
    return (uint16_t)(((unsigned)at[0] & 31) << 5 | ((unsigned)at[1] & 31));
}

static void add_needle(struct lb_rule_index *index, struct lb_str text, uint32_t rule)
{
    struct lb_rule_needle *needle = &index->needles[index->needle_count++]; /* there is room for one of each rule */

    needle->rule = (uint16_t)rule;
    for (size_t i = 0; i < NEEDLE_PAIRS; i++)
        needle->pairs[i] = pair_of(text.ptr + (text.len - 2) * i / (NEEDLE_PAIRS - 1));
}

static bool add_rule(struct lb_rule_index *index, const struct lb_alert_rule *rule, uint32_t number)
{
    const struct lb_expr_test *gate;
    struct lb_str needle;
    unsigned levels;

    if (rule->part_count > 0 || rule->probe != LB_PROBE_NONE)
        return true; /* its parts are fed, or nothing is */
    gate = gate_of(rule->where);
    levels = levels_of(rule->where);
    for (uint32_t level = 0; level < LEVELS; level++)
        if ((levels >> level & 1) != 0)
            set_bit(index->by_level + (size_t)level * index->words, number);
    if (gate != NULL)
        return add_texts(index, gate, number);
    needle = needle_of(rule->where, &index->message);
    if (needle.len >= 2)
        add_needle(index, needle, number);
    else
        set_bit(index->always, number);
    return true;
}

bool lb_rule_index_init(struct lb_rule_index *index, const struct lb_alerting *alerting)
{
    *index = (struct lb_rule_index){ .words = (alerting->rule_count + 63) / 64 };
    index->always = lb_alloc(index->words * sizeof(*index->always));
    index->by_level = lb_alloc((size_t)LEVELS * index->words * sizeof(*index->by_level));
    index->gates = lb_alloc(alerting->rule_count * sizeof(*index->gates));
    index->needles = lb_alloc(alerting->rule_count * sizeof(*index->needles));
    if (index->always == NULL || index->by_level == NULL || index->gates == NULL || index->needles == NULL)
        return false;
    for (uint32_t i = 0; i < alerting->rule_count; i++)
        if (!add_rule(index, &alerting->rules[i], i))
            return false;
    return true;
}

void lb_rule_index_free(struct lb_rule_index *index)
{
    for (uint32_t i = 0; i < index->gate_count; i++) {
        for (uint32_t k = 0; k < index->gates[i].capacity; k++)
            lb_free(index->gates[i].table[k].rules);
        lb_free(index->gates[i].table);
    }
    lb_free(index->gates);
    lb_free(index->needles);
    lb_free(index->always);
    lb_free(index->by_level);
    *index = (struct lb_rule_index){ 0 };
}

/* --- asking it -------------------------------------------------------------- */

static void note_pairs(struct lb_str text, uint64_t *pairs)
{
    if (text.len > MESSAGE_MAX) {
        memset(pairs, 0xff, PAIRS / 8);
        return;
    }
    memset(pairs, 0, PAIRS / 8);
    for (size_t i = 0; i + 1 < text.len; i++) {
        uint16_t pair = pair_of(text.ptr + i);

        pairs[pair / 64] |= UINT64_C(1) << pair % 64;
    }
}

static void ask_needles(const struct lb_rule_index *index, struct lb_str text, uint64_t *live)
{
    uint64_t pairs[PAIRS / 64];

    note_pairs(text, pairs);
    for (uint32_t i = 0; i < index->needle_count; i++) {
        const struct lb_rule_needle *needle = &index->needles[i];
        int k = 0;

        while (k < NEEDLE_PAIRS && (pairs[needle->pairs[k] / 64] >> needle->pairs[k] % 64 & 1) != 0)
            k++;
        if (k == NEEDLE_PAIRS)
            set_bit(live, needle->rule);
    }
}

void lb_rule_index_ask(const struct lb_rule_index *index, const struct lb_record *record, struct lb_scratch *scratch,
                       uint64_t *live)
{
    uint32_t level = record->level < LB_LEVEL_COUNT ? record->level : LB_LEVEL_COUNT;
    const uint64_t *allowed = index->by_level + (size_t)level * index->words;

    memcpy(live, index->always, index->words * sizeof(*live));
    for (uint32_t i = 0; i < index->gate_count; i++) {
        size_t used = scratch->used;
        struct lb_str text;

        if (lb_expr_test_text(index->gates[i].test, record, scratch, &text)) {
            const struct entry *entry = place(&index->gates[i], text);

            for (uint32_t word = 0; word < index->words && entry->text.ptr != NULL; word++)
                live[word] |= entry->rules[word];
        }
        scratch->used = used;
    }
    if (index->needle_count > 0) {
        size_t used = scratch->used;
        struct lb_str text;

        if (lb_expr_test_text(index->message, record, scratch, &text))
            ask_needles(index, text, live);
        scratch->used = used;
    }
    for (uint32_t word = 0; word < index->words; word++)
        live[word] &= allowed[word];
}
