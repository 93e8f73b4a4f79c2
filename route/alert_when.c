/*
 * alert_when.c - `when:` of a rule: conditions, into steps and parts.
 *
 *   any        = all { "or" all }
 *   all        = one { "and" one }
 *   one        = "(" any ")" | comparison | "absent" | "each" | detector "(" arguments ")"
 *   comparison = sum ("above" | "at least" | "below" | "at most" | "> >= < <=") number
 *
 * A rule with one condition is like any rule with one threshold, so it becomes
 * one. With several it is a formula whose value is 1 while they hold.
 */
#include "alert_conf.h"

#include "alert_detector.h"
#include "lb_clock.h"
#include "lb_time.h"

#include <stdio.h>

enum { DEPTH_MAX = 16, WORDS_MAX = 64 };

#define EACH_OVER LB_SECOND
#define DEADLINE_OVER (24 * 3600 * LB_SECOND)
#define HIT_OVER (5 * 60 * LB_SECOND)

/* What is read, and how deep it stands. */
struct when {
    struct lb_alert_text text;
    struct lb_alert_rule *rule;
    struct lb_place zone; /* of the option */
    unsigned depth;
};

static const char *here(const struct when *self)
{
    return self->text.whole.ptr + self->text.at;
}

static bool fault(struct when *self, const char *ptr, const char *what)
{
    lb_diag_error(self->text.diag, lb_alert_text_place(&self->text, ptr), "%s", what);
    return false;
}

/* --- words ---------------------------------------------------------------- */

static const char *nearest(struct lb_str word)
{
    const char *words[WORDS_MAX + 1] = { "each", "absent" };
    int count = 2;

    for (const char *const *name = lb_alert_function_names(); *name != NULL && count < WORDS_MAX; name++)
        words[count++] = *name;
    for (const struct lb_alert_detector_type *const *type = lb_alert_detector_types();
         *type != NULL && count < WORDS_MAX; type++)
        words[count++] = (*type)->name;
    words[count] = NULL;
    return lb_nearest(word, words);
}

static bool is_function(struct lb_str word)
{
    for (const char *const *name = lb_alert_function_names(); *name != NULL; name++)
        if (lb_str_is(word, *name))
            return true;
    return false;
}

static bool unknown_word(struct when *self, struct lb_str word)
{
    const char *near = nearest(word);

    if (word.len == 0)
        return fault(self, here(self),
                     self->text.at == self->text.whole.len
                         ? "expected a condition such as count() > 5 or absent, but the text ends here"
                         : "expected a condition such as count() > 5 or absent");
    if (near != NULL)
        lb_diag_error(self->text.diag, lb_alert_text_place(&self->text, word.ptr),
                      "unknown condition \"" LB_STR_FMT "\"; did you mean \"%s\"?", LB_STR_ARG(word), near);
    else
        lb_diag_error(self->text.diag, lb_alert_text_place(&self->text, word.ptr),
                      "unknown condition \"" LB_STR_FMT "\"; expected a function such as count(), or each, absent, "
                      "new(…), change(…), spike(…), drop(…), seq(…) or missing(…)",
                      LB_STR_ARG(word));
    return false;
}

/* The word that stands next, behind blanks. */
static struct lb_str next_word(struct when *self)
{
    (void)lb_alert_text_peek(&self->text);
    return lb_alert_text_word(&self->text);
}

static bool take_word(struct when *self, const char *word)
{
    struct lb_str next = next_word(self);

    if (!lb_str_is(next, word))
        return false;
    self->text.at += next.len;
    return true;
}

/* --- conditions ----------------------------------------------------------- */

static bool add_compare(struct when *self, struct lb_threshold threshold)
{
    bool down = threshold.comparison == LB_BELOW || threshold.comparison == LB_AT_MOST;

    self->rule->falling = self->rule->falling || down;
    return lb_alert_formula_add(&self->text, self->rule,
                                (struct lb_alert_step){ .kind = LB_STEP_COMPARE, .threshold = threshold });
}

/* Also as some people write it, which is told when it is reached. */
static bool joins(char next, struct lb_str word)
{
    return next == '&' || next == '|' || lb_str_is(word, "and") || lb_str_is(word, "or") || lb_str_is(word, "AND") ||
           lb_str_is(word, "OR");
}

/* Up to `and`, `or`, a parenthesis or the end. */
static struct lb_str limit_text(const struct when *self)
{
    struct lb_alert_text text = self->text;
    size_t from = text.at;
    size_t to = from;

    for (char next = lb_alert_text_peek(&text); next != '\0' && next != ')'; next = lb_alert_text_peek(&text)) {
        struct lb_str word = lb_alert_text_word(&text);

        if (joins(next, word))
            break;
        text.at += word.len > 0 ? word.len : 1;
        to = text.at;
    }
    return lb_alert_trim((struct lb_str){ text.whole.ptr + from, to - from });
}

/* How a limit is read depends on what is measured: that of a single function has its units. */
static bool take_limit(struct when *self, const struct lb_alert_rule *measured)
{
    static const struct lb_alert_rule number = { .function = LB_ALERT_FORMULA };
    struct lb_str text = limit_text(self);
    struct lb_threshold threshold;

    if (text.len == 0)
        return fault(self, here(self), "expected a limit behind the value, such as > 5 or at least 5");
    if (!lb_threshold_read(text, measured != NULL ? measured : &number, &threshold,
                           lb_alert_text_place(&self->text, text.ptr), self->text.diag))
        return false;
    if (measured != NULL)
        self->rule->parts[measured->part].threshold_texts[0] = text;
    self->text.at = (size_t)(text.ptr + text.len - self->text.whole.ptr);
    return add_compare(self, threshold);
}

static bool take_comparison(struct when *self)
{
    struct lb_alert_rule *rule = self->rule;
    uint32_t steps = rule->formula.count;

    if (!lb_alert_formula_sum(&self->text, rule))
        return false;
    bool single = rule->formula.count == steps + 1 && rule->formula.steps[steps].kind == LB_STEP_PART;
    return take_limit(self, single ? &rule->parts[rule->part_count - 1] : NULL);
}

static bool add_part_step(struct when *self, const struct lb_alert_rule *part)
{
    return lb_alert_formula_add(&self->text, self->rule,
                                (struct lb_alert_step){ .kind = LB_STEP_PART, .part = (uint16_t)part->part });
}

/* `by 03:00` behind `absent`, if it is there. */
static bool take_deadline(struct when *self)
{
    const char *start;
    char text[8] = "";
    size_t len = 0;
    unsigned hour;
    unsigned minute;
    int used = 0;

    if (!take_word(self, "by"))
        return true;
    (void)lb_alert_text_peek(&self->text);
    start = here(self);
    while (self->text.at + len < self->text.whole.len && len < sizeof(text) - 1 &&
           strchr("0123456789:", start[len]) != NULL) {
        text[len] = start[len];
        len++;
    }
    if (sscanf(text, "%2u:%2u%n", &hour, &minute, &used) != 2 || (size_t)used != len || hour > 23 || minute > 59)
        return fault(self, start, "expected a time of the day behind \"absent by\", such as 03:00");
    self->text.at += len;
    self->rule->deadline_s = (int32_t)(hour * 3600 + minute * 60);
    self->rule->zone = lb_time_zone_new(&self->text.config->arena, self->rule->zone_name,
                                        self->rule->zone_name.len > 0 ? self->zone : self->text.place, self->text.diag);
    return self->rule->zone != NULL;
}

/* `absent` is a count of nothing. */
static bool take_absent(struct when *self, struct lb_alert_call *call)
{
    struct lb_alert_rule *part = lb_alert_part_new(&self->text, self->rule, call);

    if (part == NULL || !take_deadline(self))
        return false;
    if (self->rule->zone != NULL)
        part->over_ns = DEADLINE_OVER;
    if (part->over_ns == 0)
        return fault(self, call->word.ptr, "absent for how long? add \"over\" to the rule, such as over: 5m");
    part->function = LB_ALERT_COUNT;
    part->threshold_texts[0] = LB_STR("none");
    self->rule->absent = true;
    return add_part_step(self, part) &&
           add_compare(self, (struct lb_threshold){ .set = true, .comparison = LB_BELOW, .number = 1 });
}

static bool take_each(struct when *self, struct lb_alert_call *call)
{
    struct lb_alert_rule *part = lb_alert_part_new(&self->text, self->rule, call);

    if (part == NULL)
        return false;
    part->function = LB_ALERT_COUNT;
    part->threshold_texts[0] = LB_STR("every record");
    if (part->over_ns == 0)
        part->over_ns = EACH_OVER;
    self->rule->each = true;
    return add_part_step(self, part) &&
           add_compare(self, (struct lb_threshold){ .set = true, .comparison = LB_AT_LEAST, .number = 1 });
}

/* A detector says when something happens; that it did within `over` is the condition. */
static bool take_detector(struct when *self, const struct lb_alert_detector_type *type)
{
    struct lb_alert_call call;
    struct lb_alert_rule *part;

    if (!lb_alert_call_take(&self->text, &call))
        return false;
    part = lb_alert_part_new(&self->text, self->rule, &call);
    if (part == NULL)
        return false;
    part->function = LB_ALERT_COUNT;
    part->detector = type;
    part->min_count = self->rule->min_count;
    (void)lb_alert_window_take(&call.arguments, &part->over_ns);
    part->detector_text = call.arguments;
    part->threshold_texts[0] = LB_STR("once");
    if (part->over_ns == 0)
        part->over_ns = HIT_OVER;
    return type->read(self->text.config, call.arguments, lb_alert_text_place(&self->text, call.arguments.ptr), part,
                      self->text.diag) &&
           add_part_step(self, part) &&
           add_compare(self, (struct lb_threshold){ .set = true, .comparison = LB_AT_LEAST, .number = 1 });
}

/* True if a parenthesis that stands next belongs to arithmetic: an operator or a limit follows it. */
static bool groups_numbers(struct when *self)
{
    struct lb_alert_text behind = self->text;
    struct lb_str word;

    behind.at = lb_alert_text_close(self->text.whole, self->text.at);
    if (behind.at == behind.whole.len)
        return false;
    behind.at++;
    char next = lb_alert_text_peek(&behind);
    word = lb_alert_text_word(&behind);
    return (next != '\0' && strchr("+-*/<>=", next) != NULL) || lb_str_is(word, "above") || lb_str_is(word, "below") ||
           lb_str_is(word, "at");
}

static bool take_any(struct when *self);

static bool take_group(struct when *self)
{
    const char *open = here(self);

    if (++self->depth > DEPTH_MAX)
        return fault(self, open, "parentheses are nested too deep");
    self->text.at++;
    if (!take_any(self))
        return false;
    self->depth--;
    return lb_alert_text_take(&self->text, ')') || fault(self, open, "this parenthesis is not closed");
}

static bool take_one(struct when *self)
{
    char next = lb_alert_text_peek(&self->text);
    struct lb_str word = next_word(self);
    const struct lb_alert_detector_type *type = lb_alert_detector_find(word);
    struct lb_alert_call call = { word, { word.ptr + word.len, 0 }, word };

    if (next == '(' && !groups_numbers(self))
        return take_group(self);
    if (take_word(self, "absent"))
        return take_absent(self, &call);
    if (take_word(self, "each"))
        return take_each(self, &call);
    if (lb_str_is(word, "not"))
        return fault(self, word.ptr, "conditions have no \"not\"; turn the comparison round, such as count() < 5");
    if (type != NULL)
        return take_detector(self, type);
    if (next == '(' || (next >= '0' && next <= '9') || is_function(word))
        return take_comparison(self);
    return unknown_word(self, word);
}

static bool chain(struct when *self, const char *word, enum lb_alert_step_kind kind, bool (*take)(struct when *self))
{
    if (!take(self))
        return false;
    while (take_word(self, word))
        if (!take(self) || !lb_alert_formula_add(&self->text, self->rule, (struct lb_alert_step){ .kind = kind }))
            return false;
    return true;
}

static bool take_all(struct when *self)
{
    return chain(self, "and", LB_STEP_AND, take_one);
}

static bool take_any(struct when *self)
{
    return chain(self, "or", LB_STEP_OR, take_all);
}

/* --- the whole ------------------------------------------------------------ */

static bool report_rest(struct when *self)
{
    struct lb_str word = next_word(self);
    static const char *const habits[][2] = { { "AND", "and" }, { "OR", "or" }, { "&&", "and" }, { "||", "or" } };

    for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++) {
        struct lb_str habit = lb_str_from(habits[i][0]);

        if (self->text.whole.len - self->text.at < habit.len || memcmp(here(self), habit.ptr, habit.len) != 0)
            continue;
        lb_diag_error(self->text.diag, lb_alert_text_place(&self->text, here(self)), "write \"%s\" for \"%s\"",
                      habits[i][1], habits[i][0]);
        return false;
    }
    if (here(self)[0] == ')')
        return fault(self, here(self), "this parenthesis closes nothing");
    if (lb_str_is(word, "over") || lb_str_is(word, "by"))
        return fault(self, word.ptr, "\"over\" and \"by\" are keys of their own: write them beside \"when\"");
    return fault(self, here(self), "expected \"and\", \"or\" or the end");
}

/* One condition: the rule itself measures it. */
static void become_part(struct lb_alert_rule *rule, enum lb_severity severity)
{
    const struct lb_alert_rule *part = &rule->parts[0];

    rule->function = part->function;
    rule->quantile = part->quantile;
    rule->field = part->field;
    rule->inner = part->inner;
    rule->second = part->second;
    rule->detector = part->detector;
    rule->detector_text = part->detector_text;
    rule->detector_options = part->detector_options;
    rule->each = rule->each || (part->detector != NULL && part->detector->each);
    rule->value_text = part->value_text;
    rule->over_ns = part->over_ns;
    rule->thresholds[severity] = rule->formula.steps[1].threshold;
    rule->threshold_texts[severity] = part->threshold_texts[0];
    rule->parts = NULL;
    rule->part_count = 0;
    rule->formula = (struct lb_alert_formula){ 0 };
}

static bool become_formula(struct when *self, enum lb_severity severity)
{
    struct lb_alert_rule *rule = self->rule;

    rule->function = LB_ALERT_FORMULA;
    rule->value_text = rule->when_text;
    rule->thresholds[severity] = (struct lb_threshold){ .set = true, .comparison = LB_AT_LEAST, .number = 1 };
    rule->threshold_texts[severity] = rule->when_text;
    if (rule->each)
        return fault(self, self->text.whole.ptr, "\"each\" stands alone: other conditions are not of one record");
    if (rule->zone != NULL)
        return fault(self, self->text.whole.ptr, "\"absent by\" stands alone: it is decided once a day");
    return lb_alert_formula_end(&self->text, rule);
}

static bool is_one(const struct lb_alert_rule *rule)
{
    return rule->part_count == 1 && rule->formula.count == 2 && rule->formula.steps[1].kind == LB_STEP_COMPARE;
}

bool lb_alert_when_read(struct lb_config *config, const struct lb_node *node, enum lb_severity severity,
                        struct lb_place zone, struct lb_alert_rule *rule, struct lb_diag *diag)
{
    struct lb_str trimmed = lb_alert_trim(node->text);
    struct when self = { .rule = rule,
                         .zone = zone,
                         .text = { config, trimmed, lb_place_at(node->begin, (size_t)(trimmed.ptr - node->text.ptr)),
                                   diag, 0 } };

    rule->when_text = trimmed;
    if (!lb_alert_formula_begin(&self.text, rule) || !take_any(&self))
        return false;
    if (lb_alert_text_peek(&self.text) != '\0')
        return report_rest(&self);
    if (!is_one(rule))
        return become_formula(&self, severity);
    become_part(rule, severity);
    return true;
}
