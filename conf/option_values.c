/*
 * option_values.c - one scalar → one member: text, numbers, units, words,
 * expressions, templates.
 *
 * Quotes do not change a type: '${WORKERS}' has to be quoted inside braces
 * and is still a number.
 */
#include "options.h"

#include "lb_expr.h"
#include "lb_level.h"
#include "lb_template.h"
#include "units.h"
#include "variables.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool read_string(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                        struct lb_str *member)
{
    *member = node->text;
    if (node->text.len == 0 && (option->flags & LB_OPTION_REQUIRED) != 0)
        return lb_filling_fault(self, option, node->place, "it must not be empty");
    if ((option->flags & LB_OPTION_PATH) != 0 && node->text.len > 0) {
        const char *path = lb_path_beside(self->arena, node->begin, node->text);

        if (path == NULL)
            return lb_filling_fault(self, option, node->place, "the configuration is too large");
        *member = lb_str_from(path);
    }
    return true;
}

static bool read_bool(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                      bool *member)
{
    static const char *const yes[] = { "yes", "on", "True", "TRUE", "1", NULL };
    static const char *const no[] = { "no", "off", "False", "FALSE", "0", NULL };

    *member = lb_str_is(node->text, "true");
    if (*member || lb_str_is(node->text, "false"))
        return true;
    for (size_t i = 0; yes[i] != NULL; i++) {
        if (lb_str_is(node->text, yes[i]) || lb_str_is(node->text, no[i]))
            return lb_filling_fault(self, option, node->place, "expected true or false, got \"%s\"; did you mean %s?",
                                    node->text.ptr, lb_str_is(node->text, yes[i]) ? "true" : "false");
    }
    return lb_filling_mismatch(self, option, node);
}

static bool is_bounded(const struct lb_option *option)
{
    return option->min != 0 || option->max != 0;
}

/* A number as the option's kind writes it. */
static void print_bound(const struct lb_option *option, int64_t number, char *out)
{
    if (option->kind == LB_OPTION_DURATION)
        lb_duration_print(number, out);
    else if (option->kind == LB_OPTION_SIZE)
        lb_size_print((uint64_t)number, out);
    else
        snprintf(out, LB_UNIT_TEXT_SIZE, "%lld", (long long)number);
}

static bool check_bounds(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                         uint64_t number)
{
    char bound[LB_UNIT_TEXT_SIZE];
    bool small = option->min > 0 && number < (uint64_t)option->min;
    bool large = option->max > 0 && number > (uint64_t)option->max;

    if (!is_bounded(option) || (!small && !large))
        return true;
    print_bound(option, small ? option->min : option->max, bound);
    return lb_filling_fault(self, option, node->place, "expected at %s %s, got %.80s", small ? "least" : "most", bound,
                            node->text.ptr);
}

static bool read_count(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                       uint64_t *member)
{
    char *end;

    if (node->text.len == 0 || strspn(node->text.ptr, "0123456789") != node->text.len)
        return lb_filling_mismatch(self, option, node);
    errno = 0;
    *member = strtoull(node->text.ptr, &end, 10);
    if (errno != 0)
        return lb_filling_fault(self, option, node->place, "the number is too large");
    return check_bounds(self, option, node, *member);
}

static bool read_number(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                        double *member)
{
    char *end = NULL;

    if (node->text.len == 0 || strspn(node->text.ptr, "0123456789+-.eE") != node->text.len)
        return lb_filling_mismatch(self, option, node);
    *member = strtod(node->text.ptr, &end);
    if (*end != '\0' || !isfinite(*member))
        return lb_filling_mismatch(self, option, node);
    return true;
}

/* What is wrong with a number that has a unit, or should have one. */
static bool unit_fault(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                       enum lb_unit_result result)
{
    bool is_size = option->kind == LB_OPTION_SIZE;
    const char *units = is_size ? "B, kB, MB, GB, KiB, MiB or GiB" : "ms, s, m, h, d or w";

    char guess[LB_UNIT_TEXT_SIZE];

    if (result == LB_UNIT_UNKNOWN && lb_unit_guess(node->text, is_size, guess))
        return lb_filling_fault(self, option, node->place, "unknown unit in \"%.80s\"; did you mean \"%s\"?",
                                node->text.ptr, guess);
    switch (result) {
    case LB_UNIT_MISSING:
        return lb_filling_fault(self, option, node->place, "give a unit, for example %.40s%s", node->text.ptr,
                                is_size ? "KiB" : "s");
    case LB_UNIT_UNKNOWN:
        return lb_filling_fault(self, option, node->place, "unknown unit in \"%.80s\"; expected %s", node->text.ptr,
                                units);
    case LB_UNIT_TOO_LARGE:
        return lb_filling_fault(self, option, node->place, "\"%.80s\" is too large", node->text.ptr);
    default: return lb_filling_mismatch(self, option, node);
    }
}

static bool read_duration(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                          int64_t *member)
{
    enum lb_unit_result result = lb_duration_read(node->text, member);

    if (result != LB_UNIT_OK)
        return unit_fault(self, option, node, result);
    return check_bounds(self, option, node, (uint64_t)*member);
}

static bool read_size(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                      uint64_t *member)
{
    enum lb_unit_result result = lb_size_read(node->text, member);

    if (result != LB_UNIT_OK)
        return unit_fault(self, option, node, result);
    return check_bounds(self, option, node, *member);
}

static bool word_fault(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                       const char *const *words)
{
    const char *nearest = lb_nearest(node->text, words);

    if (nearest != NULL)
        return lb_filling_fault(self, option, node->place, "unknown word \"%.80s\"; did you mean \"%s\"?",
                                node->text.ptr, nearest);
    return lb_filling_fault(self, option, node->place, "expected %s, got \"%.80s\"",
                            lb_words_join(self->arena, words, "or"), node->text.ptr);
}

static bool read_choice(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                        int *member)
{
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (lb_str_is(node->text, option->choices[i])) {
            *member = i;
            return true;
        }
    }
    return word_fault(self, option, node, option->choices);
}

static bool read_level(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                       uint8_t *member)
{
    const char *words[LB_LEVEL_COUNT + 1] = { NULL };

    *member = lb_level_parse(node->text);
    if (*member != LB_LEVEL_NONE)
        return true;
    for (int i = 0; i < LB_LEVEL_COUNT; i++)
        words[i] = lb_level_name((uint8_t)i).ptr;
    return word_fault(self, option, node, words);
}

bool lb_filling_scalar(const struct lb_filling *self, const struct lb_option *option, const struct lb_node *node,
                       void *member)
{
    if (node->kind != LB_NODE_SCALAR || lb_node_is_nothing(node))
        return lb_filling_mismatch(self, option, node);
    switch (option->kind) {
    case LB_OPTION_STRING: return read_string(self, option, node, member);
    case LB_OPTION_BOOL: return read_bool(self, option, node, member);
    case LB_OPTION_COUNT: return read_count(self, option, node, member);
    case LB_OPTION_NUMBER: return read_number(self, option, node, member);
    case LB_OPTION_DURATION: return read_duration(self, option, node, member);
    case LB_OPTION_SIZE: return read_size(self, option, node, member);
    case LB_OPTION_CHOICE: return read_choice(self, option, node, member);
    case LB_OPTION_LEVEL: return read_level(self, option, node, member);
    case LB_OPTION_WHERE: {
        const struct lb_expr *expr = lb_expr_new(self->arena, node->text, node->begin, self->diag);

        *(const struct lb_expr **)member = expr;
        return expr != NULL;
    }
    case LB_OPTION_TEMPLATE: {
        const struct lb_template *text = lb_template_new(self->arena, node->text, node->begin, self->diag);

        *(const struct lb_template **)member = text;
        return text != NULL;
    }
    default: return false;
    }
}
