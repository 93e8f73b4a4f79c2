/*
 * rule_numbers.h - which alert rules let a number in.
 *
 * Many rules may compare one field with numbers: `duration_ms > 500`,
 * `status == 404`, `user in (1, 7)`. Those numbers cut the line into pieces, and
 * for each piece it is known which rules hold there: so the field is read once
 * for all of them. It leaves out no rule that would match. Read-only once made;
 * any number of threads.
 */
#ifndef LB_ROUTE_RULE_NUMBERS_H
#define LB_ROUTE_RULE_NUMBERS_H

#include "lb_alert.h"

struct lb_rule_numbers {
    uint32_t words; /* of 64 rules */
    uint32_t field_count;
    struct lb_number_field *fields;
};

/* False: out of memory. */
bool lb_rule_numbers_init(struct lb_rule_numbers *self, const struct lb_alerting *alerting);
void lb_rule_numbers_free(struct lb_rule_numbers *self);

/* Clears in the `words` words of `live` rules whose `where` cannot hold. */
void lb_rule_numbers_ask(const struct lb_rule_numbers *self, const struct lb_record *record, struct lb_scratch *scratch,
                         uint64_t *live);

#endif
