/*
 * probe_body.c - what an answer says: a pattern it must match, members of a
 * JSON body, samples of a Prometheus text body.
 *
 * The other side may send anything. JSON is checked as a whole before a
 * member is looked for, a pattern has a limit of steps, and a line that is no
 * sample is passed over.
 */
#include "probe.h"

#include "lb_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- what it must be like ------------------------------------------------------------ */

static bool matches(struct probe_source *self, const struct probe_run *run, struct probe_result *result)
{
    struct lb_str body = result->body;

    if (run->pattern == NULL)
        return true;
    int found = pcre2_match(run->pattern, (PCRE2_SPTR)(body.ptr != NULL ? body.ptr : ""), body.len, 0, 0, self->matched,
                            self->limits);
    if (found >= 0)
        return true;
    if (found == PCRE2_ERROR_NOMATCH)
        snprintf(result->reason, sizeof(result->reason), "the body (%zu bytes) does not match %.150s", body.len,
                 run->check->match.ptr);
    else
        snprintf(result->reason, sizeof(result->reason),
                 "the pattern takes too many steps in this body; make it simpler: %.120s", run->check->match.ptr);
    return false;
}

bool probe_body_accept(struct probe_source *self, const struct probe_run *run, struct probe_result *result)
{
    if (!matches(self, run, result))
        return false;
    if (run->check->json.count == 0 || lb_json_valid(result->body))
        return true;
    snprintf(result->reason, sizeof(result->reason), "the body (%zu bytes%s) is no JSON, so its fields cannot be read",
             result->body.len, result->body.len >= PROBE_BODY_BYTES_MAX ? ", and more that is not read" : "");
    return false;
}

/* --- JSON ------------------------------------------------------------------------------ */

static const struct lb_value none = { .kind = LB_VALUE_NONE };

static struct lb_value element(struct lb_value array, struct lb_str index)
{
    struct lb_str text = { array.ptr, array.len };
    struct lb_value value = none;
    size_t at = 1;
    char *end;
    unsigned long number = strtoul(index.ptr, &end, 10); /* a dot or a NUL is behind it */

    if (end != index.ptr + index.len || index.len == 0)
        return none;
    for (unsigned long i = 0; i <= number; i++) {
        if (lb_json_next_element(text, &at, &value) != LB_OK)
            return none;
    }
    return value;
}

static struct lb_value whole(struct lb_str body)
{
    size_t blanks = 0;

    while (blanks < body.len && strchr(" \t\r\n", body.ptr[blanks]) != NULL && body.ptr[blanks] != '\0')
        blanks++;
    if (blanks == body.len)
        return none;
    body = (struct lb_str){ body.ptr + blanks, body.len - blanks };
    return lb_value_of(body, body.ptr[0] == '{'   ? LB_VALUE_OBJECT
                             : body.ptr[0] == '[' ? LB_VALUE_ARRAY
                                                  : LB_VALUE_NONE);
}

/* `queue.workers.0.busy`; the body is valid. */
static struct lb_value find(struct lb_str body, struct lb_str path)
{
    struct lb_value value = whole(body);

    while (path.len > 0 && value.kind != LB_VALUE_NONE) {
        const char *dot = memchr(path.ptr, '.', path.len);
        struct lb_str part = { path.ptr, dot != NULL ? (size_t)(dot - path.ptr) : path.len };
        size_t used = part.len + (dot != NULL);

        value = value.kind == LB_VALUE_OBJECT  ? lb_value_member(value, part)
                : value.kind == LB_VALUE_ARRAY ? element(value, part)
                                               : none;
        path = (struct lb_str){ path.ptr + used, path.len - used };
    }
    return value;
}

static void report_json(struct reporter *out, const struct probe_check *check, struct lb_str body)
{
    if (check->json.count == 0 || !lb_json_valid(body))
        return;
    for (size_t i = 0; i < check->json.count; i++)
        reporter_value(out, check->json.items[i].name, find(body, check->json.items[i].value));
}

/* --- Prometheus text --------------------------------------------------------------------- */

/* `name{a="b",c="d"}`: the name, and what stands between the braces. */
struct selector {
    struct lb_str name;
    struct lb_str labels;
};

static struct lb_str trimmed(struct lb_str text)
{
    while (text.len > 0 && (*text.ptr == ' ' || *text.ptr == '\t' || *text.ptr == ',')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r,", text.ptr[text.len - 1]) != NULL)
        text.len--;
    return text;
}

/* Splits; moves `line` behind it. The end of the labels is a brace outside of quotes. */
static bool take_series(struct lb_str *line, struct selector *series)
{
    size_t name = 0;
    bool quoted = false;

    *series = (struct selector){ { line->ptr, 0 }, { line->ptr, 0 } };
    while (name < line->len && strchr(" \t{", line->ptr[name]) == NULL)
        name++;
    series->name = (struct lb_str){ line->ptr, name };
    size_t at = name;
    while (at < line->len && line->ptr[at] == ' ')
        at++;
    if (at < line->len && line->ptr[at] == '{') {
        size_t start = ++at;

        for (; at < line->len && (quoted || line->ptr[at] != '}'); at++) {
            if (quoted && line->ptr[at] == '\\')
                at++;
            else if (line->ptr[at] == '"')
                quoted = !quoted;
        }
        if (at >= line->len)
            return false;
        series->labels = (struct lb_str){ line->ptr + start, at - start };
        at++;
    }
    *line = (struct lb_str){ line->ptr + at, line->len - at };
    return name > 0;
}

/* The next `name="value"` of labels. */
static bool take_label(struct lb_str *labels, struct lb_str *label)
{
    struct lb_str text = trimmed(*labels);
    bool quoted = false;
    size_t at = 0;

    for (; at < text.len && (quoted || text.ptr[at] != ','); at++) {
        if (quoted && text.ptr[at] == '\\')
            at++;
        else if (text.ptr[at] == '"')
            quoted = !quoted;
    }
    if (at > text.len)
        at = text.len;
    *label = trimmed((struct lb_str){ text.ptr, at });
    *labels = (struct lb_str){ text.ptr + at, text.len - at };
    return label->len > 0;
}

static bool has_label(struct lb_str labels, struct lb_str wanted)
{
    struct lb_str label;

    while (take_label(&labels, &label)) {
        if (lb_str_equal(label, wanted))
            return true;
    }
    return false;
}

static bool selects(const struct selector *wanted, const struct selector *series)
{
    struct lb_str labels = wanted->labels;
    struct lb_str label;

    if (!lb_str_equal(wanted->name, series->name))
        return false;
    while (take_label(&labels, &label)) {
        if (!has_label(series->labels, label))
            return false;
    }
    return true;
}

static bool read_sample(struct lb_str text, double *number)
{
    char word[64];
    char *end;
    size_t len = 0;

    text = trimmed(text);
    while (len < text.len && len < sizeof(word) - 1 && text.ptr[len] != ' ' && text.ptr[len] != '\t')
        len++;
    if (len == 0)
        return false;
    memcpy(word, text.ptr, len);
    word[len] = '\0';
    *number = strtod(word, &end);
    return *end == '\0' && isfinite(*number);
}

/* The sum of all samples that are meant; false: there is none. */
static bool sum(struct lb_str body, struct lb_str text, double *total)
{
    struct selector wanted;
    struct selector series;
    bool found = false;
    double number;

    if (!take_series(&text, &wanted))
        return false;
    for (*total = 0; body.len > 0;) {
        const char *newline = memchr(body.ptr, '\n', body.len);
        struct lb_str line = { body.ptr, newline != NULL ? (size_t)(newline - body.ptr) : body.len };
        size_t used = line.len + (newline != NULL);

        body = (struct lb_str){ body.ptr + used, body.len - used };
        if (line.len == 0 || line.ptr[0] == '#' || !lb_str_starts(line, wanted.name))
            continue;
        if (take_series(&line, &series) && selects(&wanted, &series) && read_sample(line, &number)) {
            *total += number;
            found = true;
        }
    }
    return found && isfinite(*total);
}

static void report_prometheus(struct reporter *out, const struct probe_check *check, struct lb_str body)
{
    for (size_t i = 0; i < check->prometheus.count; i++) {
        char text[64];
        double total;

        if (!sum(body, check->prometheus.items[i].value, &total))
            continue;
        int len = snprintf(text, sizeof(text), "%.15g", total);
        reporter_value(out, check->prometheus.items[i].name,
                       lb_value_of((struct lb_str){ text, (size_t)len }, LB_VALUE_NUMBER));
    }
}

void probe_body_report(struct reporter *out, const struct probe_check *check, struct lb_str body)
{
    if (body.len == 0)
        return;
    report_json(out, check, body);
    report_prometheus(out, check, body);
}
