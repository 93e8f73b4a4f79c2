/* alert_words.c - whether the fields that a rule names in `by`, `text` and `equal` are there. */
#include "alert_conf.h"

enum { BY_MAX = 16 };

bool lb_alert_by_check(const struct lb_alert_rule *rule, const struct lb_node *node, struct lb_diag *diag)
{
    if (rule->by.count > BY_MAX) {
        lb_diag_error(diag, node->place, "more than %d fields in \"by\"", BY_MAX);
        return false;
    }
    for (size_t i = 0; i < rule->by.count; i++) {
        bool twice = false;

        for (size_t j = 0; j < i; j++)
            twice = twice || lb_str_equal(rule->by.items[i], rule->by.items[j]);
        if (!twice && rule->by.items[i].len > 0)
            continue;
        lb_diag_error(diag, node->place,
                      twice ? "\"by\" names the field \"" LB_STR_FMT "\" twice" : "\"by\" has an empty name" LB_STR_FMT,
                      LB_STR_ARG(rule->by.items[i]));
        return false;
    }
    return true;
}

static bool known_in_text(const struct lb_alert_rule *rule, struct lb_str name)
{
    static const char *const names[] = { "rule", "value", "severity", "threshold", "over", NULL };

    for (int i = 0; names[i] != NULL; i++)
        if (lb_str_is(name, names[i]))
            return true;
    for (size_t i = 0; i < rule->by.count; i++)
        if (lb_str_equal(name, rule->by.items[i]))
            return true;
    return false;
}

bool lb_alert_text_check(const struct lb_alert_rule *rule, const struct lb_node *node, struct lb_diag *diag)
{
    const char *end = rule->text.ptr + rule->text.len;
    const char *open = memchr(rule->text.ptr, '{', rule->text.len);

    while (open != NULL) {
        const char *close = memchr(open, '}', (size_t)(end - open));
        struct lb_place place = lb_place_at(node->begin, (size_t)(open - rule->text.ptr));

        if (close == NULL) {
            lb_diag_error(diag, place, "\"text\": `{` without `}`");
            return false;
        }
        if (!known_in_text(rule, (struct lb_str){ open + 1, (size_t)(close - open) - 1 })) {
            lb_diag_error(diag, place,
                          "\"text\": unknown %.*s; expected {rule}, {value}, {severity}, {threshold}, {over} or a "
                          "field of \"by\"",
                          (int)(close - open) + 1, open);
            return false;
        }
        open = memchr(close, '{', (size_t)(end - close));
    }
    return true;
}

bool lb_alert_equal_check(const struct lb_alert_rule *rule, const struct lb_node *node, struct lb_diag *diag)
{
    for (size_t i = 0; i < rule->equal.count; i++) {
        bool known = false;

        for (size_t j = 0; j < rule->by.count; j++)
            known = known || lb_str_equal(rule->equal.items[i], rule->by.items[j]);
        if (known && rule->inhibits.count > 0)
            continue;
        lb_diag_error(diag, lb_node_get(node, "equal")->place,
                      known ? "\"equal\" says what \"inhibits\" looks at; there is none in this rule"
                            : "\"equal\" names \"" LB_STR_FMT "\", which is not in \"by\" of this rule",
                      LB_STR_ARG(rule->equal.items[i]));
        return false;
    }
    return true;
}
