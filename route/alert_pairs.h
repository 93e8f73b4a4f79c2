/*
 * alert_pairs.h - what seq() and missing() share: two expressions and a time,
 * and how they are read.
 */
#ifndef LB_ALERT_PAIRS_H
#define LB_ALERT_PAIRS_H

#include "alert_arguments.h"

/* Bit 0 of a sight is `first`, which is rule->inner; bit 1 is `second`. The texts are as written. */
struct lb_alert_pair {
    struct lb_str first;
    struct lb_str second;
    struct lb_str within_text;
    int64_t within_ns;
};

enum { LB_ALERT_PAIR_FIRST = 1, LB_ALERT_PAIR_SECOND = 2 };

/*
 * Two expressions with `word` between them, then `within` and a time. `swapped`: the second event stands first, as in
 * `B after A`. `help` says what is expected. Fills the rule.
 */
struct lb_alert_pair_words {
    const char *word;
    bool swapped;
    const char *help;
};
bool lb_alert_pair_read(struct lb_config *config, struct lb_alert_argument argument,
                        const struct lb_alert_pair_words *words, struct lb_alert_rule *rule, struct lb_diag *diag);

#endif
