/*
 * alert_value.c - `value:` of a rule: a function, and what it is a function of.
 *
 * count, rate, ratio and consecutive look at which records match an
 * expression; the others measure a field. What is a number and what stands for
 * it is decided by the workers (feeds.c), the rest by the window.
 */
#include "alert_conf.h"

#include "lb_clock.h"
#include "lb_expr.h"

enum argument { EXPRESSION_OR_NOTHING, EXPRESSION, FIELD };

struct function {
    const char *name;
    enum lb_alert_function function;
    enum argument argument;
    double quantile;
};

static const struct function functions[] = {
    { "count", LB_ALERT_COUNT, EXPRESSION_OR_NOTHING, 0 },
    { "rate", LB_ALERT_RATE, EXPRESSION_OR_NOTHING, 0 },
    { "ratio", LB_ALERT_RATIO, EXPRESSION, 0 },
    { "consecutive", LB_ALERT_CONSECUTIVE, EXPRESSION, 0 },
    { "sum", LB_ALERT_SUM, FIELD, 0 },
    { "avg", LB_ALERT_AVG, FIELD, 0 },
    { "min", LB_ALERT_MIN, FIELD, 0 },
    { "max", LB_ALERT_MAX, FIELD, 0 },
    { "stddev", LB_ALERT_STDDEV, FIELD, 0 },
    { "p50", LB_ALERT_PERCENTILE, FIELD, 0.5 },
    { "p75", LB_ALERT_PERCENTILE, FIELD, 0.75 },
    { "p90", LB_ALERT_PERCENTILE, FIELD, 0.9 },
    { "p95", LB_ALERT_PERCENTILE, FIELD, 0.95 },
    { "p99", LB_ALERT_PERCENTILE, FIELD, 0.99 },
    { "p999", LB_ALERT_PERCENTILE, FIELD, 0.999 },
    { "last", LB_ALERT_LAST, FIELD, 0 },
    { "distinct", LB_ALERT_DISTINCT, FIELD, 0 },
};

enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

static const char value_examples[] = "count(), ratio(level >= error), avg(duration_ms) or p95(duration_ms)";

struct lb_str lb_alert_trim(struct lb_str text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1]) != NULL)
        text.len--;
    return text;
}

static struct lb_place place_of(const struct lb_node *node, const char *ptr)
{
    return lb_place_at(node->begin, (size_t)(ptr - node->text.ptr));
}

static bool value_fault(const struct lb_node *node, const char *ptr, struct lb_diag *diag, const char *what,
                        struct lb_str word)
{
    lb_diag_error(diag, place_of(node, ptr), "%s \"" LB_STR_FMT "\"; expected %s", what, LB_STR_ARG(word),
                  value_examples);
    return false;
}

static const struct function *find_function(struct lb_str word)
{
    for (int i = 0; i < FUNCTIONS; i++)
        if (lb_str_is(word, functions[i].name))
            return &functions[i];
    return NULL;
}

static bool unknown_function(const struct lb_node *node, struct lb_str word, struct lb_diag *diag)
{
    const char *names[FUNCTIONS + 1] = { NULL };

    for (int i = 0; i < FUNCTIONS; i++)
        names[i] = functions[i].name;
    const char *near = lb_nearest(word, names);

    if (near == NULL)
        return value_fault(node, word.ptr, diag, "unknown function", word);
    lb_diag_error(diag, place_of(node, word.ptr), "unknown function \"" LB_STR_FMT "\"; did you mean \"%s\"?",
                  LB_STR_ARG(word), near);
    return false;
}

/* The text does not end with a parenthesis. */
static bool unended(const struct lb_node *node, struct lb_str text, size_t close, struct lb_diag *diag)
{
    struct lb_str rest = lb_alert_trim((struct lb_str){ text.ptr + close + 1, text.len - close - 1 });

    if (!lb_str_starts(rest, LB_STR("over ")) && !lb_str_starts(rest, LB_STR("by ")))
        return value_fault(node, rest.ptr, diag, "unexpected", rest);
    lb_diag_error(diag, place_of(node, rest.ptr),
                  "\"over\" and \"by\" are keys of their own: write them beside \"value\"");
    return false;
}

static bool is_name(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(" \t()=<>!~,\"'", text.ptr[i]) != NULL)
            return false;
    return true;
}

static bool read_field(const struct lb_node *node, const struct function *function, struct lb_str inner,
                       struct lb_alert_rule *rule, struct lb_diag *diag)
{
    rule->field = inner;
    if (inner.len > 0 && is_name(inner))
        return true;
    lb_diag_error(diag, place_of(node, inner.ptr),
                  "%s needs the name of one field, such as %s(duration_ms); which records count is said by \"where\"",
                  function->name, function->name);
    return false;
}

static bool read_expression(struct lb_config *config, const struct lb_node *node, const struct function *function,
                            struct lb_str inner, struct lb_alert_rule *rule, struct lb_diag *diag)
{
    if (inner.len == 0 && function->argument == EXPRESSION_OR_NOTHING)
        return true;
    if (inner.len == 0) {
        lb_diag_error(diag, place_of(node, inner.ptr), "%s needs an expression: which %s, such as %s(level >= error)",
                      function->name, function->function == LB_ALERT_RATIO ? "part of the records?" : "records?",
                      function->name);
        return false;
    }
    rule->inner = lb_expr_new(&config->arena, inner, place_of(node, inner.ptr), diag);
    return rule->inner != NULL;
}

static size_t last_index(struct lb_str text, char c)
{
    const char *found = memrchr(text.ptr, c, text.len);

    return found != NULL ? (size_t)(found - text.ptr) : text.len;
}

bool lb_alert_value_read(struct lb_config *config, const struct lb_node *node, struct lb_alert_rule *rule,
                         struct lb_diag *diag)
{
    struct lb_str text = lb_alert_trim(node->text);
    const char *open = memchr(text.ptr, '(', text.len);
    size_t close = last_index(text, ')');
    struct lb_str inner;
    struct lb_str word;

    rule->value_text = text;
    if (open == NULL)
        return value_fault(node, text.ptr, diag, "not a function:", text);
    word = lb_alert_trim((struct lb_str){ text.ptr, (size_t)(open - text.ptr) });
    const struct function *function = find_function(word);
    if (function == NULL)
        return unknown_function(node, word, diag);
    if (close == text.len || text.ptr + close < open)
        return value_fault(node, text.ptr + text.len, diag, "missing the closing parenthesis of", text);
    if (close != text.len - 1)
        return unended(node, text, close, diag);
    inner = lb_alert_trim((struct lb_str){ open + 1, (size_t)(text.ptr + close - open) - 1 });
    rule->function = function->function;
    rule->quantile = function->quantile;
    if (function->argument == FIELD)
        return read_field(node, function, inner, rule, diag);
    return read_expression(config, node, function, inner, rule, diag);
}
