/* alert_pairs.c - `A -> B within 5m` and `B after A within 2h`. */
#include "alert_pairs.h"

#include "lb_expr.h"

static const struct lb_expr *expression(struct lb_config *config, struct lb_alert_argument argument,
                                        struct lb_diag *diag)
{
    return lb_expr_new(&config->arena, argument.text, argument.place, diag);
}

bool lb_alert_pair_read(struct lb_config *config, struct lb_alert_argument argument,
                        const struct lb_alert_pair_words *words, struct lb_alert_rule *rule, struct lb_diag *diag)
{
    struct lb_alert_pair *pair = lb_arena_zalloc(&config->arena, sizeof(*pair));
    struct lb_alert_argument both;
    struct lb_alert_argument within;
    struct lb_alert_argument first;
    struct lb_alert_argument second;

    rule->detector_options = pair;
    if (pair == NULL)
        return false;
    if (!lb_alert_argument_split(argument, "within", &both, &within) ||
        !lb_alert_argument_split(both, words->word, words->swapped ? &second : &first,
                                 words->swapped ? &first : &second) ||
        first.text.len == 0 || second.text.len == 0) {
        lb_diag_error(diag, argument.place, "%s", words->help);
        return false;
    }
    *pair = (struct lb_alert_pair){ .first = first.text, .second = second.text, .within_text = within.text };
    rule->inner = expression(config, first, diag);
    rule->second = expression(config, second, diag);
    return lb_alert_argument_duration(within, &pair->within_ns, diag) && rule->inner != NULL && rule->second != NULL;
}
