/*
 * alert_value.c - `value:` of a rule: a function, and what it is a function of, or arithmetic with several.
 *
 * count, rate, ratio and consecutive look at which records match an
 * expression; the others measure a field. What is a number and what stands for
 * it is decided by the workers (feeds.c), the rest by the window.
 */
#include "alert_conf.h"

#include "lb_clock.h"
#include "lb_expr.h"
#include "lb_metrics.h"

#include <stdio.h>

enum argument { EXPRESSION_OR_NOTHING, EXPRESSION, FIELD, SOURCE_SECONDS, SOURCE_BYTES, SINK };

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
    { "lag", LB_ALERT_LAST, SOURCE_SECONDS, 0 },
    { "lag_bytes", LB_ALERT_LAST, SOURCE_BYTES, 0 },
    { "queue", LB_ALERT_LAST, SINK, 0 },
};

enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

static const char value_examples[] = "count(), ratio(level >= error), avg(duration_ms) or p95(duration_ms)";

const char *const *lb_alert_function_names(void)
{
    static const char *names[FUNCTIONS + 1];

    for (int i = 0; i < FUNCTIONS; i++)
        names[i] = functions[i].name;
    return names;
}

static bool fault(const struct lb_alert_text *text, const char *ptr, const char *what, struct lb_str word)
{
    lb_diag_error(text->diag, lb_alert_text_place(text, ptr), "%s \"" LB_STR_FMT "\"; expected %s", what,
                  LB_STR_ARG(word), value_examples);
    return false;
}

static const struct function *find_function(struct lb_str word)
{
    for (int i = 0; i < FUNCTIONS; i++)
        if (lb_str_is(word, functions[i].name))
            return &functions[i];
    return NULL;
}

static bool unknown_function(const struct lb_alert_text *text, struct lb_str word)
{
    const char *near = lb_nearest(word, lb_alert_function_names());

    if (near == NULL)
        return fault(text, word.ptr, "unknown function", word);
    lb_diag_error(text->diag, lb_alert_text_place(text, word.ptr),
                  "unknown function \"" LB_STR_FMT "\"; did you mean \"%s\"?", LB_STR_ARG(word), near);
    return false;
}

static bool is_name(struct lb_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(" \t()=<>!~,\"'", text.ptr[i]) != NULL)
            return false;
    return true;
}

static bool read_field(const struct lb_alert_text *text, const struct function *function, struct lb_str inner,
                       struct lb_alert_rule *rule)
{
    rule->field = inner;
    if (inner.len > 0 && is_name(inner))
        return true;
    lb_diag_error(text->diag, lb_alert_text_place(text, inner.ptr),
                  "%s needs the name of one field, such as %s(duration_ms); which records count is said by \"where\"",
                  function->name, function->name);
    return false;
}

static bool read_expression(const struct lb_alert_text *text, const struct function *function, struct lb_str inner,
                            struct lb_alert_rule *rule)
{
    if (inner.len == 0 && function->argument == EXPRESSION_OR_NOTHING)
        return true;
    if (inner.len == 0) {
        lb_diag_error(text->diag, lb_alert_text_place(text, inner.ptr),
                      "%s needs an expression: which %s, such as %s(level >= error)", function->name,
                      function->function == LB_ALERT_RATIO ? "part of the records?" : "records?", function->name);
        return false;
    }
    rule->inner = lb_expr_new(&text->config->arena, inner, lb_alert_text_place(text, inner.ptr), text->diag);
    return rule->inner != NULL;
}

static bool read_queue(struct lb_config *config, const struct lb_sink *sink, struct lb_alert_rule *rule)
{
    char name[2 * LB_NAME_BYTES_MAX + 1];
    char labels[4 * LB_NAME_BYTES_MAX];

    snprintf(name, sizeof(name), LB_STR_FMT, LB_STR_ARG(sink->section.name));
    lb_metric_labels(labels, sizeof(labels), "sink", name, "type", sink->type->module.name, (char *)NULL);
    rule->probe_labels = lb_arena_print(&config->arena, "%s", labels);
    rule->probe_spool = sink->options.when_full == LB_FULL_SPOOL;
    rule->probe_full = (double)(rule->probe_spool ? sink->options.spool_max : config->memory);
    return rule->probe_labels.ptr != NULL;
}

/* The name of a source or sink, which conf/ has read before. */
static bool read_probe(const struct lb_alert_text *text, const struct function *function, struct lb_str inner,
                       struct lb_alert_rule *rule)
{
    const struct lb_config *config = text->config;
    bool sink = function->argument == SINK;
    uint32_t count = sink ? config->sink_count : config->source_count;
    const char *names[(LB_SOURCES_MAX > LB_SINKS_MAX ? LB_SOURCES_MAX : LB_SINKS_MAX) + 1] = { NULL };

    rule->probe = sink ? LB_PROBE_QUEUE : function->argument == SOURCE_SECONDS ? LB_PROBE_LAG : LB_PROBE_LAG_BYTES;
    rule->probe_name = inner;
    rule->field = sink ? LB_STR("queue_pct") : LB_STR("lag"); /* its unit: %, or seconds and bytes */
    for (uint32_t i = 0; i < count; i++) {
        struct lb_str name = sink ? config->sinks[i].section.name : config->sources[i].section.name;

        if (lb_str_equal(name, inner))
            return !sink || read_queue(text->config, &config->sinks[i], rule);
        names[i] = name.ptr;
    }
    const char *near = lb_nearest(inner, names);
    lb_diag_error(text->diag, lb_alert_text_place(text, inner.ptr),
                  "%s needs the name of a %s, got \"" LB_STR_FMT "\"%s%s%s", function->name, sink ? "sink" : "source",
                  LB_STR_ARG(inner), near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                  near != NULL ? "\"?" : "");
    return false;
}

bool lb_alert_function_read(const struct lb_alert_text *text, const struct lb_alert_call *call,
                            struct lb_alert_rule *rule)
{
    const struct function *function = find_function(call->word);

    if (function == NULL)
        return unknown_function(text, call->word);
    rule->function = function->function;
    rule->quantile = function->quantile;
    if (function->argument == FIELD)
        return read_field(text, function, call->arguments, rule);
    if (function->argument == SOURCE_SECONDS || function->argument == SOURCE_BYTES || function->argument == SINK)
        return read_probe(text, function, call->arguments, rule);
    return read_expression(text, function, call->arguments, rule);
}

bool lb_alert_call_take(struct lb_alert_text *text, struct lb_alert_call *call)
{
    struct lb_str whole = text->whole;
    size_t open;
    size_t close;

    (void)lb_alert_text_peek(text);
    open = text->at;
    call->word = lb_alert_text_word(text);
    text->at += call->word.len;
    if (call->word.len == 0 || lb_alert_text_peek(text) != '(') {
        struct lb_str rest = { whole.ptr + open, whole.len - open };

        text->at = open;
        return fault(text, rest.ptr, "not a function:", rest);
    }
    close = lb_alert_text_close(whole, text->at);
    if (close == whole.len)
        return fault(text, whole.ptr + whole.len, "missing the closing parenthesis of",
                     (struct lb_str){ whole.ptr + open, whole.len - open });
    call->arguments = lb_alert_trim((struct lb_str){ whole.ptr + text->at + 1, close - text->at - 1 });
    call->written = (struct lb_str){ whole.ptr + open, close + 1 - open };
    text->at = close + 1;
    return true;
}

/* --- `value:` as a whole -------------------------------------------------- */

/* Behind a whole value. */
static bool unended(const struct lb_alert_text *text)
{
    struct lb_str rest = { text->whole.ptr + text->at, text->whole.len - text->at };

    if (!lb_str_starts(rest, LB_STR("over ")) && !lb_str_starts(rest, LB_STR("by ")))
        return fault(text, rest.ptr, "unexpected", rest);
    lb_diag_error(text->diag, lb_alert_text_place(text, rest.ptr),
                  "\"over\" and \"by\" are keys of their own: write them beside \"value\"");
    return false;
}

static bool is_arithmetic(struct lb_alert_text *text)
{
    char next = lb_alert_text_peek(text);

    return next != '\0' && strchr("+-*/", next) != NULL;
}

static bool read_formula(struct lb_alert_text *text, struct lb_alert_rule *rule)
{
    rule->function = LB_ALERT_FORMULA;
    text->at = 0;
    if (!lb_alert_formula_begin(text, rule) || !lb_alert_formula_sum(text, rule))
        return false;
    if (lb_alert_text_peek(text) != '\0')
        return unended(text);
    return lb_alert_formula_end(text, rule);
}

static bool read_one(const struct lb_alert_text *text, struct lb_alert_call *call, struct lb_alert_rule *rule)
{
    struct lb_str inner = call->arguments;
    int64_t over;

    if (lb_alert_window_take(&inner, &over) && find_function(call->word) != NULL) {
        lb_diag_error(text->diag, lb_alert_text_place(text, call->arguments.ptr),
                      "the window of a single function is a key of its own: write \"over\" beside \"value\"");
        return false;
    }
    return lb_alert_function_read(text, call, rule);
}

bool lb_alert_value_read(struct lb_config *config, const struct lb_node *node, struct lb_alert_rule *rule,
                         struct lb_diag *diag)
{
    struct lb_str trimmed = lb_alert_trim(node->text);
    struct lb_alert_text text = { config, trimmed, lb_place_at(node->begin, (size_t)(trimmed.ptr - node->text.ptr)),
                                  diag, 0 };
    struct lb_alert_call call;
    char first = lb_alert_text_peek(&text);

    rule->value_text = trimmed;
    if (first == '(' || first == '-' || (first >= '0' && first <= '9'))
        return read_formula(&text, rule);
    if (!lb_alert_call_take(&text, &call))
        return false;
    if (is_arithmetic(&text))
        return read_formula(&text, rule);
    if (lb_alert_text_peek(&text) != '\0')
        return unended(&text);
    return read_one(&text, &call, rule);
}
