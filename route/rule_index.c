/*
 * rule_index.c - one table of texts for each field that rules ask for.
 *
 * A test of an expression must hold when the program rejects as soon as it
 * fails, and so must those that are reached only behind it. Of these the first
 * that compares a field with texts is the rule's gate; a later one where a crowd
 * of rules has the first. Texts that are numbers also equal other spellings of
 * the same number, so they make no gate (rule_numbers.c has them).
 *
 * A rule may have a needle: what its pattern needs to be in the message. The
 * two rarest pairs of letters of a needle, without their case, stand for it.
 * One way through the message gathers which needles have their pairs in it; a
 * rule whose needle has not is left out.
 */
#include "rule_index.h"

#include "expr.h"
#include "lb_alloc.h"

#include <xxhash.h>

enum { LEVELS = LB_LEVEL_COUNT + 1 };
enum { PAIRS = 1024, MESSAGE_MAX = 4096 }; /* a longer message has nearly all pairs anyway */

enum { CROWD = 32 }; /* so many rules of one text are told apart by another one that they ask for */

enum { NEEDLE_BITS = 32 }; /* needle n is bit n % 32 for one of its pairs, and 32 bits above that for the other */

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

static bool is_gate(const struct lb_expr_test *test)
{
    return test->op == LB_EXPR_OP_EQUAL && !test->negated && !test->numbers && test->when_false == LB_EXPR_REJECT;
}

/* The next test, from `at` on, that can be a gate; NULL: none. */
static const struct lb_expr_test *next_gate(const struct lb_expr *where, uint16_t *at)
{
    while (*at < LB_EXPR_REJECT) {
        const struct lb_expr_test *test = &where->tests[*at];

        *at = lb_expr_behind(test);
        if (is_gate(test))
            return test;
    }
    return NULL;
}

static bool opens_with(const struct lb_expr_test *test, const struct lb_expr_test *other)
{
    if (test->field != other->field || !lb_str_equal(test->name, other->name))
        return false;
    for (uint32_t i = 0; i < test->literal_count; i++)
        if (lb_str_equal(test->literals[i].text, other->literals[0].text))
            return true;
    return false;
}

/* How many rules ask for the (first) text of that test. */
static uint32_t sharers(const struct lb_alerting *alerting, const struct lb_expr_test *test)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < alerting->rule_count; i++) {
        const struct lb_expr *where = alerting->rules[i].where;
        uint16_t at = where != NULL ? where->entry : LB_EXPR_REJECT;
        const struct lb_expr_test *other;
        bool shares = false;

        while (!shares && (other = next_gate(where, &at)) != NULL)
            shares = opens_with(other, test);
        count += shares;
    }
    return count;
}

/* Mostly the first: it is known to hold then, and a field more to ask for costs each record. But not one of a crowd. */
static const struct lb_expr_test *gate_of(const struct lb_alerting *alerting, const struct lb_expr *where)
{
    uint16_t at = where != NULL ? where->entry : LB_EXPR_REJECT;
    const struct lb_expr_test *best = next_gate(where, &at);
    uint32_t crowd = best != NULL && at < LB_EXPR_REJECT ? sharers(alerting, best) : 0;
    const struct lb_expr_test *other;

    while (crowd >= CROWD && (other = next_gate(where, &at)) != NULL) {
        uint32_t count = sharers(alerting, other);

        if (count < crowd / 4) {
            best = other;
            crowd = count;
        }
    }
    return best;
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
        at = lb_expr_behind(test);
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
        at = lb_expr_behind(test);
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
static unsigned pair_of(const char *at)
{
    return ((unsigned)at[0] & 31) | ((unsigned)at[1] & 31) << 5;
}

/* How often a byte comes in messages, in thousandths: letters as in English, digits as the letters they look like. */
static double share_of(unsigned letter)
{
    static const uint8_t shares[32] = { 160, 65, 13, 24, 34, 100, 18, 16, 42, 57, 3, 7, 34, 24, 58, 62,
                                        22,  6,  50, 53, 75, 25,  9,  18, 4,  17, 4, 3, 3,  3,  3,  3 };

    return shares[letter];
}

/* What is common in messages, or in the needles of many rules, tells little. */
static double share_of_pair(const char *at, const uint16_t *uses)
{
    return share_of((unsigned)at[0] & 31) * share_of((unsigned)at[1] & 31) * uses[pair_of(at)];
}

/* The place of the rarest pair, away from `taken` if it can be. */
static size_t rarest_pair(struct lb_str text, const uint16_t *uses, size_t taken)
{
    size_t rarest = taken < text.len ? taken : 0;
    bool found = false;

    for (size_t i = 0; i + 1 < text.len; i++) {
        bool apart = i + 1 < taken || i > taken + 1;

        if (apart && (!found || share_of_pair(text.ptr + i, uses) < share_of_pair(text.ptr + rarest, uses))) {
            rarest = i;
            found = true;
        }
    }
    return rarest;
}

/* Chooses the pairs of all needles. */
static void note_pairs(struct lb_rule_index *index)
{
    uint16_t uses[PAIRS] = { 0 };

    for (uint32_t i = 0; i < index->needle_count; i++)
        for (size_t k = 0; k + 1 < index->needles[i].len; k++)
            uses[pair_of(index->needles[i].ptr + k)]++;
    for (uint32_t i = 0; i < index->needle_count; i++) {
        struct lb_str text = index->needles[i];
        size_t one = rarest_pair(text, uses, text.len + 1);
        size_t other = rarest_pair(text, uses, one);

        index->pairs[pair_of(text.ptr + one)] |= UINT64_C(1) << i % NEEDLE_BITS;
        index->pairs[pair_of(text.ptr + other)] |= UINT64_C(1) << (NEEDLE_BITS + i % NEEDLE_BITS);
    }
}

static uint64_t *needle_rules(const struct lb_rule_index *index, uint32_t needle)
{
    return index->by_needle + (size_t)(needle % NEEDLE_BITS) * index->words;
}

/* The rule is looked at only where the message may have that text. */
static void add_needle(struct lb_rule_index *index, struct lb_str text, uint32_t rule)
{
    uint32_t at = 0;

    while (at < index->needle_count && !lb_str_equal(index->needles[at], text))
        at++;
    if (at == index->needle_count)
        index->needles[index->needle_count++] = text; /* there is room for one of each rule */
    set_bit(needle_rules(index, at), rule);
}

static bool add_rule(struct lb_rule_index *index, const struct lb_alerting *alerting, uint32_t number)
{
    const struct lb_alert_rule *rule = &alerting->rules[number];
    const struct lb_expr_test *gate;
    struct lb_str needle;
    unsigned levels;

    if (rule->part_count > 0 || rule->probe != LB_PROBE_NONE)
        return true; /* its parts are fed, or nothing is */
    index->starts[number] = rule->where != NULL ? rule->where->entry : LB_EXPR_ACCEPT;
    levels = levels_of(rule->where);
    for (uint32_t level = 0; level < LEVELS; level++)
        if ((levels >> level & 1) != 0)
            set_bit(index->by_level + (size_t)level * index->words, number);
    needle = needle_of(rule->where, &index->message);
    if (needle.len >= 2)
        add_needle(index, needle, number);
    else
        set_bit(index->needless, number);
    gate = gate_of(alerting, rule->where);
    if (gate == NULL) {
        set_bit(index->always, number);
        return true;
    }
    if (gate == &rule->where->tests[rule->where->entry])
        index->starts[number] = gate->when_true;
    return add_texts(index, gate, number);
}

static void *words_of(const struct lb_rule_index *index, size_t count)
{
    return lb_alloc(count * index->words * sizeof(uint64_t));
}

bool lb_rule_index_init(struct lb_rule_index *index, const struct lb_alerting *alerting)
{
    *index = (struct lb_rule_index){ .words = (alerting->rule_count + 63) / 64 };
    index->always = words_of(index, 1);
    index->by_level = words_of(index, LEVELS);
    index->gates = lb_alloc(alerting->rule_count * sizeof(*index->gates));
    index->needles = lb_alloc(alerting->rule_count * sizeof(*index->needles));
    index->needless = words_of(index, 1);
    index->by_needle = words_of(index, NEEDLE_BITS);
    index->pairs = lb_alloc(PAIRS * sizeof(*index->pairs));
    index->starts = lb_alloc(alerting->rule_count * sizeof(*index->starts));
    if (index->always == NULL || index->by_level == NULL || index->gates == NULL || index->needles == NULL ||
        index->needless == NULL || index->by_needle == NULL || index->pairs == NULL || index->starts == NULL)
        return false;
    for (uint32_t i = 0; i < alerting->rule_count; i++)
        if (!add_rule(index, alerting, i))
            return false;
    note_pairs(index);
    return lb_rule_numbers_init(&index->numbers, alerting);
}

void lb_rule_index_free(struct lb_rule_index *index)
{
    for (uint32_t i = 0; i < index->gate_count; i++) {
        for (uint32_t k = 0; k < index->gates[i].capacity; k++)
            lb_free(index->gates[i].table[k].rules);
        lb_free(index->gates[i].table);
    }
    lb_rule_numbers_free(&index->numbers);
    lb_free(index->gates);
    lb_free(index->needles);
    lb_free(index->pairs);
    lb_free(index->by_needle);
    lb_free(index->needless);
    lb_free(index->starts);
    lb_free(index->always);
    lb_free(index->by_level);
    *index = (struct lb_rule_index){ 0 };
}

/* --- asking it -------------------------------------------------------------- */

static void let_in(const struct lb_rule_index *index, uint64_t *live, const uint64_t *rules)
{
    for (uint32_t word = 0; word < index->words; word++)
        live[word] |= rules[word];
}

/* The four pairs that begin at every other one of eight bytes, each in 16 bits (little-endian). */
static inline uint64_t four_pairs(const char *at)
{
    uint64_t eight;

    memcpy(&eight, at, sizeof(eight));
    return (eight & UINT64_C(0x001f001f001f001f)) | (eight >> 3 & UINT64_C(0x03e003e003e003e0));
}

static inline uint64_t found_by(const uint64_t *needles, uint64_t pairs)
{
    return needles[pairs & 0xffff] | needles[pairs >> 16 & 0xffff] | needles[pairs >> 32 & 0xffff] |
           needles[pairs >> 48];
}

/* Needles that may be in the text, as bits. */
static uint32_t needles_in(const struct lb_rule_index *index, struct lb_str text)
{
    const uint64_t *needles = index->pairs;
    uint64_t found = 0;
    size_t at = 0;

    if (text.len > MESSAGE_MAX)
        return UINT32_MAX;
    for (; at + 9 <= text.len; at += 8)
        found |= found_by(needles, four_pairs(text.ptr + at)) | found_by(needles, four_pairs(text.ptr + at + 1));
    for (; at + 2 <= text.len; at++)
        found |= needles[pair_of(text.ptr + at)];
    return (uint32_t)(found >> NEEDLE_BITS & found);
}

/* Leaves out the rules whose needle is not in the message. */
static void ask_message(const struct lb_rule_index *index, const struct lb_record *record, struct lb_scratch *scratch,
                        uint64_t *live)
{
    size_t used = scratch->used;
    struct lb_str text = LB_STR("");
    uint32_t found;

    (void)lb_expr_test_text(index->message, record, scratch, &text);
    found = needles_in(index, text);
    scratch->used = used;
    for (uint32_t word = 0; word < index->words; word++) {
        uint64_t allowed = index->needless[word];

        for (uint32_t bits = found; bits != 0; bits &= bits - 1)
            allowed |= needle_rules(index, (uint32_t)__builtin_ctz(bits))[word];
        live[word] &= allowed;
    }
}

static void ask_gate(const struct lb_rule_index *index, const struct lb_rule_gate *gate, const struct lb_record *record,
                     struct lb_scratch *scratch, uint64_t *live)
{
    size_t used = scratch->used;
    struct lb_str text;

    if (lb_expr_test_text(gate->test, record, scratch, &text)) {
        const struct entry *entry = place(gate, text);

        if (entry->text.ptr != NULL)
            let_in(index, live, entry->rules);
    }
    scratch->used = used;
}

void lb_rule_index_ask(const struct lb_rule_index *index, const struct lb_record *record, struct lb_scratch *scratch,
                       uint64_t *live)
{
    uint32_t level = record->level < LB_LEVEL_COUNT ? record->level : LB_LEVEL_COUNT;
    const uint64_t *allowed = index->by_level + (size_t)level * index->words;

    memcpy(live, index->always, index->words * sizeof(*live));
    for (uint32_t i = 0; i < index->gate_count; i++)
        ask_gate(index, &index->gates[i], record, scratch, live);
    if (index->needle_count > 0)
        ask_message(index, record, scratch, live);
    for (uint32_t word = 0; word < index->words; word++)
        live[word] &= allowed[word];
    lb_rule_numbers_ask(&index->numbers, record, scratch, live);
}
