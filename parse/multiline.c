/*
 * multiline.c - rules for events of several lines: reading them, and asking.
 *
 * Patterns see the first bytes of a line only (LINE_BYTES): what tells lines
 * apart stands in front, and a line may be a megabyte. `continues` and `end`
 * look at the last bytes as well.
 */
#include "multiline.h"

#include "lb_alloc.h"
#include "lb_clock.h"
#include "lb_conf.h"
#include "lb_diag.h"
#include "regex_match.h"

#include <stddef.h>

enum { LINE_BYTES = 4096, STEPS = 100 * 1000 };

enum pattern { START, CONTINUATION, CONTINUES, END, PATTERNS };

struct lb_multiline {
    bool automatic;
    struct lb_str texts[PATTERNS];
    struct regex regexes[PATTERNS];
    bool has[PATTERNS];
    uint64_t count;
    uint64_t max_lines;
    int64_t timeout_ns;
};

#define MEMBER(name) offsetof(struct lb_multiline, name)

static const struct lb_option options[] = {
    { .name = "start",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(texts[START]),
      .help = "An event begins where it matches" },
    { .name = "continuation",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(texts[CONTINUATION]),
      .help = "A line that matches goes on with the event before it; one that does not begins another" },
    { .name = "continues",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(texts[CONTINUES]),
      .help = "A line that matches is continued by the next, as a backslash at its end may say" },
    { .name = "end",
      .kind = LB_OPTION_STRING,
      .offset = MEMBER(texts[END]),
      .help = "A line that matches ends its event" },
    { .name = "count",
      .kind = LB_OPTION_COUNT,
      .offset = MEMBER(count),
      .fallback = "0",
      .help = "So many lines are one event",
      .max = 10000 },
    { .name = "max_lines",
      .kind = LB_OPTION_COUNT,
      .offset = MEMBER(max_lines),
      .fallback = "1000",
      .help = "What is longer goes on as another event",
      .min = 1,
      .max = 100000 },
    { .name = "timeout",
      .kind = LB_OPTION_DURATION,
      .offset = MEMBER(timeout_ns),
      .fallback = "2s",
      .help = "An event is whole when nothing has come for so long",
      .min = 10 * LB_MILLISECOND,
      .max = 3600 * LB_SECOND },
    { 0 },
};

/* --- asking ---------------------------------------------------------------- */

static struct lb_str front_of(struct lb_str line)
{
    return (struct lb_str){ line.ptr, line.len < LINE_BYTES ? line.len : LINE_BYTES };
}

static struct lb_str back_of(struct lb_str line)
{
    return line.len <= LINE_BYTES ? line : (struct lb_str){ line.ptr + line.len - LINE_BYTES, LINE_BYTES };
}

static bool matches(const struct lb_multiline *rule, enum pattern pattern, struct lb_str text)
{
    const char *reason;

    return rule->has[pattern] && regex_match(&rule->regexes[pattern], text, &reason) != NULL;
}

/* By the patterns, if an event is open and may go on. */
static bool goes_on(const struct lb_multiline *rule, const struct lb_multiline_state *state, struct lb_str line)
{
    if (rule->count > 0)
        return state->lines < rule->count;
    if (state->expects)
        return true;
    if (matches(rule, START, front_of(line)))
        return false;
    if (rule->has[CONTINUATION])
        return matches(rule, CONTINUATION, front_of(line));
    return rule->has[START] || (rule->has[END] && !rule->has[CONTINUES]);
}

bool lb_multiline_joins(const struct lb_multiline *rule, struct lb_multiline_state *state, struct lb_str line)
{
    bool joins;

    if (rule->automatic) {
        joins = multiline_trace_joins(state, line) && state->lines < rule->max_lines;
    } else {
        joins = state->open && !state->closed && state->lines < rule->max_lines && goes_on(rule, state, line);
        state->open = true;
        state->closed = matches(rule, END, back_of(line));
        state->expects = matches(rule, CONTINUES, back_of(line));
    }
    state->lines = joins ? state->lines + 1 : 1;
    if (rule->count > 0 && state->lines >= rule->count)
        state->closed = true;
    return joins;
}

int64_t lb_multiline_timeout(const struct lb_multiline *rule)
{
    return rule->timeout_ns;
}

/* --- reading ----------------------------------------------------------------- */

static const char *const names[PATTERNS] = { "start", "continuation", "continues", "end" };

static bool compile(struct lb_multiline *rule, enum pattern pattern, const struct lb_node *node, const char *subject,
                    struct lb_diag *diag)
{
    PCRE2_UCHAR text[256] = "";
    int error = 0;
    size_t at = 0;
    enum lb_err err = regex_compile(&rule->regexes[pattern], rule->texts[pattern], STEPS, &error, &at);

    rule->has[pattern] = err == LB_OK;
    if (err == LB_OK)
        return true;
    (void)pcre2_get_error_message(error, text, sizeof(text));
    const struct lb_node *value = lb_node_get(node, names[pattern]);
    struct lb_place place = value != NULL ? value->place : node->place;

    lb_diag_error(diag, place, "%s\"multiline.%s\": the pattern is wrong here (character %zu): %s", subject,
                  names[pattern], at + 1, err == LB_NOMEM ? "out of memory" : (const char *)text);
    return false;
}

static bool read_map(struct lb_config *config, const struct lb_node *node, const char *subject,
                     struct lb_multiline *rule, struct lb_diag *diag)
{
    bool ok = lb_options_fill(config, options, node, rule, diag);
    bool any = rule->count > 0;

    for (int i = 0; ok && i < PATTERNS; i++) {
        if (rule->texts[i].len == 0)
            continue;
        any = true;
        ok = compile(rule, (enum pattern)i, node, subject, diag);
    }
    if (ok && !any) {
        lb_diag_error(
            diag, node->place,
            "%s\"multiline\": expected at least one of start, continuation, continues, end and count; or auto",
            subject);
        return false;
    }
    if (ok && rule->count > 0 &&
        (rule->has[START] || rule->has[CONTINUATION] || rule->has[CONTINUES] || rule->has[END])) {
        lb_diag_error(diag, node->place, "%s\"multiline\": count stands alone; remove it or the patterns", subject);
        return false;
    }
    return ok;
}

bool lb_multiline_read(struct lb_config *config, const struct lb_node *node, const char *subject,
                       struct lb_multiline **rule, struct lb_diag *diag)
{
    bool scalar = node != NULL && node->kind == LB_NODE_SCALAR;
    bool ok = true;

    *rule = NULL;
    if (node == NULL || (scalar && (lb_str_is(node->text, "none") || lb_str_is(node->text, "false"))))
        return true;
    if (node->kind != LB_NODE_MAP && !(scalar && lb_str_is(node->text, "auto"))) {
        lb_diag_error(diag, node->place, "%s\"multiline\": expected none, auto or a map such as {start: '^\\d{4}-'}",
                      subject);
        return false;
    }
    struct lb_multiline *self = lb_alloc(sizeof(*self));
    if (self == NULL) {
        lb_diag_error(diag, node->place, "%s\"multiline\": out of memory", subject);
        return false;
    }
    self->automatic = scalar;
    self->max_lines = 1000;
    self->timeout_ns = 2 * LB_SECOND;
    if (!scalar)
        ok = read_map(config, node, subject, self, diag);
    if (ok)
        *rule = self;
    else
        lb_multiline_free(self);
    return ok;
}

void lb_multiline_free(struct lb_multiline *rule)
{
    if (rule == NULL)
        return;
    for (int i = 0; i < PATTERNS; i++)
        if (rule->has[i])
            regex_free(&rule->regexes[i]);
    lb_free(rule);
}
