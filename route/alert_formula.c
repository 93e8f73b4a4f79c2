/*
 * alert_formula.c - arithmetic over functions, into steps and parts.
 *
 *   sum      = product { ("+" | "-") product }
 *   product  = operand { ("*" | "/") operand }
 *   operand  = number | "(" sum ")" | function "(" [argument] ["," window] ")"
 *
 * Steps are written in postfix order as they are read, so there is no tree.
 * Each function becomes a part: a rule of its own that measures and never
 * fires.
 */
#include "alert_conf.h"

#include "lb_clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BYTES = 32, DEPTH_MAX = 16 };

static bool too_large(struct lb_alert_text *text)
{
    lb_diag_error(text->diag, text->place, "the configuration is too large");
    return false;
}

bool lb_alert_formula_begin(struct lb_alert_text *text, struct lb_alert_rule *rule)
{
    rule->formula = (struct lb_alert_formula){ 0 };
    rule->formula.steps = lb_arena_zalloc(&text->config->arena, LB_ALERT_STEPS_MAX * sizeof(*rule->formula.steps));
    rule->parts = lb_arena_zalloc(&text->config->arena, LB_ALERT_PARTS_MAX * sizeof(*rule->parts));
    rule->part_count = 0;
    return (rule->formula.steps != NULL && rule->parts != NULL) || too_large(text);
}

bool lb_alert_formula_add(struct lb_alert_text *text, struct lb_alert_rule *rule, struct lb_alert_step step)
{
    if (rule->formula.count == LB_ALERT_STEPS_MAX) {
        lb_diag_error(text->diag, lb_alert_text_place(text, text->whole.ptr + text->at),
                      "this is too long: a rule has at most %d numbers, functions and operators", LB_ALERT_STEPS_MAX);
        return false;
    }
    rule->formula.steps[rule->formula.count++] = step;
    return true;
}

/* --- parts ---------------------------------------------------------------- */

/* No name that people write has this byte. */
static struct lb_str part_name(struct lb_config *config, const struct lb_alert_rule *rule)
{
    return lb_arena_print(&config->arena, LB_STR_FMT "\x1f%u", LB_STR_ARG(rule->name), rule->part_count);
}

struct lb_alert_rule *lb_alert_part_new(struct lb_alert_text *text, struct lb_alert_rule *rule,
                                        const struct lb_alert_call *call)
{
    struct lb_alert_rule *part = &rule->parts[rule->part_count];

    if (rule->part_count == LB_ALERT_PARTS_MAX) {
        lb_diag_error(text->diag, lb_alert_text_place(text, call->word.ptr), "a rule has at most %d functions",
                      LB_ALERT_PARTS_MAX);
        return NULL;
    }
    *part = (struct lb_alert_rule){ .name = part_name(text->config, rule),
                                    .place = rule->place,
                                    .where = rule->where,
                                    .value_text = call->written,
                                    .over_ns = rule->over_ns,
                                    .learn_ns = rule->learn_ns,
                                    .known = rule->known,
                                    .by = rule->by,
                                    .is_part = true,
                                    .part = rule->part_count };
    if (part->name.ptr == NULL) {
        too_large(text);
        return NULL;
    }
    rule->part_count++;
    return part;
}

static bool check_window(struct lb_alert_text *text, const struct lb_alert_call *call, struct lb_alert_rule *part)
{
    bool newest = part->function == LB_ALERT_LAST || part->function == LB_ALERT_CONSECUTIVE;

    if (part->over_ns == 0 && newest)
        part->over_ns = (part->probe != LB_PROBE_NONE ? 60 : 3600) * LB_SECOND;
    if (part->over_ns >= LB_SECOND)
        return true;
    if (part->over_ns > 0)
        lb_diag_error(text->diag, lb_alert_text_place(text, call->word.ptr), "a window is at least 1s long");
    else
        lb_diag_error(text->diag, lb_alert_text_place(text, call->word.ptr),
                      "how far back does " LB_STR_FMT " look? add \"over\" to the rule, or a window: %s",
                      LB_STR_ARG(call->written), call->arguments.len > 0 ? "count(level >= error, 5m)" : "count(5m)");
    return false;
}

static bool take_function(struct lb_alert_text *text, struct lb_alert_rule *rule)
{
    struct lb_alert_call call;
    struct lb_alert_rule *part;

    if (!lb_alert_call_take(text, &call))
        return false;
    part = lb_alert_part_new(text, rule, &call);
    if (part == NULL)
        return false;
    (void)lb_alert_window_take(&call.arguments, &part->over_ns);
    return lb_alert_function_read(text, &call, part) && check_window(text, &call, part) &&
           lb_alert_formula_add(text, rule,
                                (struct lb_alert_step){ .kind = LB_STEP_PART, .part = (uint16_t)part->part });
}

/* --- arithmetic ----------------------------------------------------------- */

static bool take_number(struct lb_alert_text *text, struct lb_alert_rule *rule)
{
    const char *start = text->whole.ptr + text->at;
    size_t left = text->whole.len - text->at;
    char digits[NUMBER_BYTES + 1] = "";
    size_t len = 0;
    char *end;

    for (; len < left && len < NUMBER_BYTES && strchr("0123456789.", start[len]) != NULL; len++)
        digits[len] = start[len];
    double number = strtod(digits, &end);
    if (len == 0 || *end != '\0') {
        lb_diag_error(text->diag, lb_alert_text_place(text, start), "expected a number or a function, got \"%.*s\"",
                      (int)(left < NUMBER_BYTES ? left : NUMBER_BYTES), start);
        return false;
    }
    text->at += len;
    return lb_alert_formula_add(text, rule, (struct lb_alert_step){ .kind = LB_STEP_NUMBER, .number = number });
}

static bool sum_at(struct lb_alert_text *text, struct lb_alert_rule *rule, unsigned depth);

static bool take_group(struct lb_alert_text *text, struct lb_alert_rule *rule, unsigned depth)
{
    const char *open = text->whole.ptr + text->at;

    text->at++;
    if (depth == DEPTH_MAX) {
        lb_diag_error(text->diag, lb_alert_text_place(text, open), "parentheses are nested deeper than %d levels",
                      DEPTH_MAX);
        return false;
    }
    if (!sum_at(text, rule, depth + 1))
        return false;
    if (lb_alert_text_take(text, ')'))
        return true;
    lb_diag_error(text->diag, lb_alert_text_place(text, open), "this parenthesis is not closed");
    return false;
}

static bool operand(struct lb_alert_text *text, struct lb_alert_rule *rule, unsigned depth)
{
    char next = lb_alert_text_peek(text);

    if (next == '(')
        return take_group(text, rule, depth);
    if (next == '\0') {
        lb_diag_error(text->diag, lb_alert_text_place(text, text->whole.ptr + text->at),
                      "expected a number or a function, but the text ends here");
        return false;
    }
    return lb_alert_text_word(text).len > 0 && (next < '0' || next > '9') ? take_function(text, rule)
                                                                          : take_number(text, rule);
}

/* The operator that stands next, of these two, is taken. */
static bool take_operator(struct lb_alert_text *text, char first, char second, char *taken)
{
    char next = lb_alert_text_peek(text);

    if (next == '\0' || (next != first && next != second))
        return false;
    *taken = next;
    text->at++;
    return true;
}

static bool product(struct lb_alert_text *text, struct lb_alert_rule *rule, unsigned depth)
{
    char sign;

    if (!operand(text, rule, depth))
        return false;
    while (take_operator(text, '*', '/', &sign)) {
        enum lb_alert_step_kind kind = sign == '*' ? LB_STEP_MULTIPLY : LB_STEP_DIVIDE;

        if (!operand(text, rule, depth) || !lb_alert_formula_add(text, rule, (struct lb_alert_step){ .kind = kind }))
            return false;
    }
    return true;
}

static bool sum_at(struct lb_alert_text *text, struct lb_alert_rule *rule, unsigned depth)
{
    char sign;

    if (!product(text, rule, depth))
        return false;
    while (take_operator(text, '+', '-', &sign)) {
        enum lb_alert_step_kind kind = sign == '+' ? LB_STEP_ADD : LB_STEP_SUBTRACT;

        if (!product(text, rule, depth) || !lb_alert_formula_add(text, rule, (struct lb_alert_step){ .kind = kind }))
            return false;
    }
    return true;
}

bool lb_alert_formula_sum(struct lb_alert_text *text, struct lb_alert_rule *rule)
{
    return sum_at(text, rule, 0);
}

bool lb_alert_formula_end(struct lb_alert_text *text, struct lb_alert_rule *rule)
{
    rule->over_ns = 0;
    for (uint32_t i = 0; i < rule->part_count; i++)
        if (rule->parts[i].over_ns > rule->over_ns)
            rule->over_ns = rule->parts[i].over_ns;
    if (rule->part_count > 0)
        return true;
    lb_diag_error(text->diag, text->place, "nothing is measured here: expected a function such as count()");
    return false;
}
