/*
 * rule_index.h - which alert rules may look at a record.
 *
 * Most rules are of one service, one kind of event, or only of errors, and
 * most records are of another one. What a rule's `where` asks for in any case
 * (a field that is one of some texts, a level, a number, some letters of the
 * message) is looked up once for all rules, so that rules that cannot match
 * cost next to nothing. It leaves out no rule that would match. Read-only once made; any number of threads.
 */
#ifndef LB_ROUTE_RULE_INDEX_H
#define LB_ROUTE_RULE_INDEX_H

#include "lb_alert.h"
#include "rule_numbers.h"

struct lb_expr_test;

/* The numbers of rules as bits, lowest first. */
struct lb_rule_index {
    uint32_t words;     /* of 64 rules */
    uint64_t *always;   /* rules that ask for no such field */
    uint64_t *by_level; /* for each level (and one more: none), rules that let it in */
    struct lb_rule_gate *gates;
    uint32_t gate_count;
    struct lb_str *needles; /* no two alike */
    uint32_t needle_count;
    uint64_t *needless;                 /* rules that ask for no letters of the message */
    uint64_t *by_needle;                /* for each bit of a needle, rules that ask for it */
    uint64_t *pairs;                    /* for each pair of letters, needles that it stands for */
    const struct lb_expr_test *message; /* of a rule with a needle */
    struct lb_rule_numbers numbers;
    uint16_t *starts; /* of each rule: the test where its `where` goes on, its gate being known to hold */
};

/* False: out of memory. */
bool lb_rule_index_init(struct lb_rule_index *index, const struct lb_alerting *alerting);
void lb_rule_index_free(struct lb_rule_index *index);

/* Sets the `words` words of `live`: rules whose `where` may hold. */
void lb_rule_index_ask(const struct lb_rule_index *index, const struct lb_record *record, struct lb_scratch *scratch,
                       uint64_t *live);

#endif
