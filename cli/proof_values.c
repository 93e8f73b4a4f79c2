/*
 * proof_values.c - single values of a file of tests: moments, ranges, sinks,
 * replies, JSON.
 *
 * A place in messages is the value's own, so that a wrong name in a list is
 * found by its column.
 */
#include "proof.h"

#include "time_argument.h"

#include "lb_json.h"
#include "lb_time.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES = 128, TIMEOUT_S = 15 };

/* --- moments -------------------------------------------------------------------------- */

static bool is_date(struct lb_str text)
{
    return text.len >= 10 && text.ptr[4] == '-' && text.ptr[7] == '-';
}

/* "10:02:15Z", of the same day as `date` (a whole RFC 3339 time). */
static bool read_clock(struct lb_str date, struct lb_str text, int64_t *time_ns)
{
    char whole[TEXT_BYTES];

    if (!is_date(date) || text.len < 8 || text.ptr[2] != ':')
        return false;
    snprintf(whole, sizeof(whole), "%.11s" LB_STR_FMT, date.ptr, LB_STR_ARG(text));
    return lb_time_rfc3339(lb_str_from(whole), time_ns);
}

/* A time behind `start`, a date, or a clock time of the day of `before`. */
static bool read_moment(int64_t start, struct lb_str before, struct lb_str text, int64_t *time_ns)
{
    char word[TEXT_BYTES];
    int64_t offset = 0;

    if (text.len >= sizeof(word))
        return false;
    snprintf(word, sizeof(word), LB_STR_FMT, LB_STR_ARG(text));
    if (is_date(text))
        return lb_time_rfc3339(text, time_ns);
    if (read_clock(before, text, time_ns))
        return true;
    if (strcmp(word, "0") != 0 && strcmp(word, "0s") != 0 && !duration_argument(word, &offset))
        return false;
    *time_ns = start + offset;
    return true;
}

bool proof_read_time(const struct proof_reader *self, const struct lb_node *node, int64_t *time_ns)
{
    if (node->kind == LB_NODE_SCALAR && read_moment(self->proof->start_ns, LB_STR(""), node->text, time_ns))
        return true;
    lb_diag_error(self->diag, node->place, "expected a time behind the start such as 90s, or a date, got \"%.40s\"",
                  node->kind == LB_NODE_SCALAR ? node->text.ptr : "a list or map");
    return false;
}

/* Where ".." stands, or NULL. */
static const char *find_dots(struct lb_str text)
{
    return text.len > 2 ? memmem(text.ptr, text.len, "..", 2) : NULL;
}

bool proof_read_range(const struct proof_reader *self, const struct lb_node *node, struct proof_range *range)
{
    struct lb_str text = node->kind == LB_NODE_SCALAR ? node->text : LB_STR("");
    const char *dots = find_dots(text);
    struct lb_str low = { text.ptr, dots != NULL ? (size_t)(dots - text.ptr) : text.len };
    struct lb_str high = dots != NULL ? (struct lb_str){ dots + 2, text.len - low.len - 2 } : low;
    int64_t start = self->proof->start_ns;

    range->set = read_moment(start, LB_STR(""), low, &range->from) && read_moment(start, low, high, &range->to);
    if (!range->set) {
        lb_diag_error(self->diag, node->place,
                      "expected moments such as 74s..78s, or 2026-05-05T10:02:10Z..10:02:15Z, got \"%.60s\"", text.ptr);
        return false;
    }
    /* Rules are looked at every second: a single moment is the second that follows it. */
    if (dots == NULL)
        range->to += LB_SECOND;
    if (range->to >= range->from)
        return true;
    lb_diag_error(self->diag, node->place, "\"%.60s\" ends before it begins", text.ptr);
    return false;
}

/* --- numbers ---------------------------------------------------------------------------- */

static bool read_number(struct lb_str text, double *number)
{
    char word[TEXT_BYTES];
    char *end;

    if (text.len == 0 || text.len >= sizeof(word))
        return false;
    snprintf(word, sizeof(word), LB_STR_FMT, LB_STR_ARG(text));
    *number = strtod(word, &end);
    if (end == word || !isfinite(*number))
        return false;
    if (strcmp(end, "%") == 0)
        *number /= 100;
    return *end == '\0' || strcmp(end, "%") == 0;
}

bool proof_read_value(const struct proof_reader *self, const struct lb_node *node, double *low, double *high)
{
    struct lb_str text = node->kind == LB_NODE_SCALAR ? node->text : LB_STR("");
    const char *dots = find_dots(text);
    struct lb_str first = { text.ptr, dots != NULL ? (size_t)(dots - text.ptr) : text.len };
    struct lb_str second = dots != NULL ? (struct lb_str){ dots + 2, text.len - first.len - 2 } : first;

    if (!read_number(first, low) || !read_number(second, high)) {
        lb_diag_error(self->diag, node->place, "expected a number such as 5, 7.3%% or 4..6, got \"%.40s\"", text.ptr);
        return false;
    }
    /* What is written with few digits need not be the value's last one. */
    if (dots == NULL) {
        double slack = 1e-6 * fmax(1, fabs(*low));

        *low -= slack;
        *high += slack;
    }
    return true;
}

/* --- names ------------------------------------------------------------------------------ */

enum { NAMES_MAX = LB_RULES_MAX };

static bool unknown(const struct proof_reader *self, const struct lb_node *node, const char *word,
                    const char *const *names)
{
    const char *nearest = lb_nearest(node->text, names);

    if (nearest != NULL)
        lb_diag_error(self->diag, node->place, "there is no %s \"%.80s\"; did you mean \"%s\"?", word, node->text.ptr,
                      nearest);
    else
        lb_diag_error(self->diag, node->place, "there is no %s \"%.80s\" in the configuration", word, node->text.ptr);
    return false;
}

static bool add_sink(const struct proof_reader *self, const struct lb_node *node, uint64_t *sinks)
{
    const struct lb_config *config = self->file->config;
    const char *names[LB_SINKS_MAX + 1] = { NULL };

    for (uint32_t i = 0; i < config->sink_count; i++) {
        names[i] = config->sinks[i].section.name.ptr;
        if (node->kind == LB_NODE_SCALAR && lb_str_equal(config->sinks[i].section.name, node->text)) {
            *sinks |= UINT64_C(1) << i;
            return true;
        }
    }
    if (node->kind == LB_NODE_SCALAR)
        return unknown(self, node, "sink", names);
    lb_diag_error(self->diag, node->place, "expected the name of a sink");
    return false;
}

bool proof_read_sinks(const struct proof_reader *self, const struct lb_node *node, uint64_t *sinks)
{
    bool ok = true;

    *sinks = 0;
    if (node->kind != LB_NODE_LIST)
        return add_sink(self, node, sinks);
    for (uint32_t i = 0; i < node->count; i++)
        ok = add_sink(self, &node->values[i], sinks) && ok;
    return ok;
}

bool proof_read_rule(const struct proof_reader *self, const struct lb_node *node, struct lb_str *rule)
{
    const struct lb_alerting *alerting = &self->file->config->alerting;
    const char *names[NAMES_MAX + 1] = { NULL };

    if (node->kind != LB_NODE_SCALAR) {
        lb_diag_error(self->diag, node->place, "expected the name of a rule");
        return false;
    }
    *rule = node->text;
    for (uint32_t i = 0; i < alerting->rule_count && i < NAMES_MAX; i++) {
        names[i] = alerting->rules[i].name.ptr;
        if (lb_str_equal(alerting->rules[i].name, node->text))
            return true;
    }
    return unknown(self, node, "rule", names);
}

/* --- replies ---------------------------------------------------------------------------- */

/* "200", "429 retry-after 2", "hang": what the service answers, and what a sink makes of that unless it is told else.
 */
static bool read_reply(struct lb_str text, struct proof_reply *reply)
{
    char word[TEXT_BYTES];
    char *end;

    *reply = (struct proof_reply){ .text = text };
    if (text.len >= sizeof(word))
        return false;
    snprintf(word, sizeof(word), LB_STR_FMT, LB_STR_ARG(text));
    if (strcmp(word, "hang") == 0) {
        reply->takes_ns = TIMEOUT_S * LB_SECOND;
        return true;
    }
    long status = strtol(word, &end, 10);
    if (end == word || status < 100 || status > 599)
        return false;
    reply->delivered = status >= 200 && status < 300;
    reply->refused = !reply->delivered && status < 500 && status != 408 && status != 425 && status != 429;
    if (*end == '\0')
        return true;
    if (strncmp(end, " retry-after ", 13) != 0)
        return false;
    double seconds = strtod(end + 13, &end);
    reply->wait_ns = (int64_t)(seconds * 1e9);
    return *end == '\0' && seconds > 0 && seconds <= 86400;
}

bool proof_read_replies(const struct proof_reader *self, const struct lb_node *node, struct proof_fault *fault)
{
    const struct lb_node *items = node->kind == LB_NODE_LIST ? node->values : node;
    uint32_t count = node->kind == LB_NODE_LIST ? node->count : 1;
    bool ok = true;

    fault->replies = lb_arena_zalloc(&self->file->tree->arena, (count + 1) * sizeof(*fault->replies));
    if (fault->replies == NULL)
        return false;
    fault->reply_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].kind == LB_NODE_SCALAR && read_reply(items[i].text, &fault->replies[i]))
            continue;
        lb_diag_error(self->diag, items[i].place,
                      "expected a status such as 200 or 503, 429 retry-after 2, or hang, got \"%.40s\"",
                      items[i].kind == LB_NODE_SCALAR ? items[i].text.ptr : "a list or map");
        ok = false;
    }
    return ok;
}

/* --- JSON --------------------------------------------------------------------------------- */

/* Plain text that JSON takes as it is. */
static bool is_bare(const struct lb_node *node)
{
    return !node->quoted && node->text.len > 0 &&
           (*node->text.ptr == '-' || isdigit((unsigned char)*node->text.ptr) ||
            isalpha((unsigned char)*node->text.ptr)) &&
           lb_json_valid(node->text);
}

static void write_string(struct lb_buffer *out, struct lb_str text)
{
    lb_buffer_append_char(out, '"');
    lb_json_escape(out, text);
    lb_buffer_append_char(out, '"');
}

static void write_scalar(struct lb_buffer *out, const struct lb_node *node)
{
    if (!node->quoted && node->text.len == 0)
        lb_buffer_append_str(out, LB_STR("null"));
    else if (is_bare(node))
        lb_buffer_append_str(out, node->text);
    else
        write_string(out, node->text);
}

/* The depth of a tree is bounded by what reads it. */
void proof_write_json(struct lb_buffer *out, const struct lb_node *node)
{
    if (node->kind == LB_NODE_SCALAR) {
        write_scalar(out, node);
        return;
    }
    lb_buffer_append_char(out, node->kind == LB_NODE_LIST ? '[' : '{');
    for (uint32_t i = 0; i < node->count; i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        if (node->kind == LB_NODE_MAP) {
            write_string(out, node->keys[i].text);
            lb_buffer_append_char(out, ':');
        }
        proof_write_json(out, &node->values[i]);
    }
    lb_buffer_append_char(out, node->kind == LB_NODE_LIST ? ']' : '}');
}
