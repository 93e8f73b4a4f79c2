/*
 * proof_record.c - pipeline tests: the records that lines became against
 * those expected.
 *
 * Looked at while the batch is there: what a record holds is read out of it
 * as any route would read it.
 */
#include "proof.h"

#include "lb_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES = 1024 };

static struct lb_str name_of(const struct proof_run *run, uint32_t i)
{
    return run->config->sinks[i].section.name;
}

static void say_sinks(const struct proof_run *run, uint64_t sinks, char *text)
{
    size_t len = 0;

    snprintf(text, TEXT_BYTES, "nowhere");
    for (uint32_t i = 0; i < run->config->sink_count && len < TEXT_BYTES; i++)
        if ((sinks >> i & 1) != 0)
            len += (size_t)snprintf(text + len, TEXT_BYTES - len, "%s" LB_STR_FMT, len > 0 ? ", " : "",
                                    LB_STR_ARG(name_of(run, i)));
}

static uint64_t sinks_of(const struct lb_batch *batch, uint32_t sink_count, uint32_t record)
{
    uint64_t sinks = 0;

    for (uint32_t i = 0; i < sink_count; i++) {
        const struct lb_selection *selection = &batch->selections[i];

        for (uint32_t k = 0; k < selection->count; k++)
            if (lb_batch_selected(batch, selection, k) == &batch->records[record])
                sinks |= UINT64_C(1) << i;
    }
    return sinks;
}

/* --- values ---------------------------------------------------------------------------------- */

static bool is_number(const struct lb_node *node, double *number)
{
    char *end = NULL;

    if (node->quoted || node->text.len == 0)
        return false;
    *number = strtod(node->text.ptr, &end);
    return *end == '\0' && isfinite(*number);
}

static bool same_value(struct proof_run *run, struct lb_value value, const struct lb_node *wanted, struct lb_str text)
{
    double number;
    double found;
    struct lb_buffer json;

    if (wanted->kind == LB_NODE_SCALAR) {
        if (lb_str_equal(text, wanted->text))
            return true;
        return is_number(wanted, &number) && lb_value_number(value, &found) &&
               fabs(number - found) <= 1e-9 * fmax(1, fabs(number));
    }
    lb_buffer_init(&json, LB_LINE_BYTES_MAX);
    proof_write_json(&json, wanted);
    bool same = lb_str_equal(lb_buffer_str(&json), text);
    lb_buffer_free(&json);
    (void)run;
    return same;
}

/* A null is expected to be there as one, or not to be there. */
static bool is_null(const struct lb_node *node)
{
    return node->kind == LB_NODE_SCALAR && !node->quoted &&
           (node->text.len == 0 || lb_str_is(node->text, "null") || lb_str_is(node->text, "~"));
}

static void compare_field(struct proof_run *run, const struct lb_record *record, struct lb_str name,
                          const struct lb_node *wanted)
{
    run->scratch.used = 0;
    struct lb_value value = lb_record_get(record, name, &run->scratch);
    struct lb_str text = lb_value_str(value, &run->scratch);

    if (is_null(wanted) && (value.kind == LB_VALUE_NONE || value.kind == LB_VALUE_NULL))
        return;
    if (value.kind != LB_VALUE_NONE && same_value(run, value, wanted, text))
        return;
    struct lb_buffer json;
    lb_buffer_init(&json, LB_LINE_BYTES_MAX);
    proof_write_json(&json, wanted);
    if (value.kind == LB_VALUE_NONE)
        proof_fail(run, "expected  %.*s " LB_STR_FMT ", the record has no such field (line %u)", (int)name.len,
                   name.ptr, LB_STR_ARG(lb_buffer_str(&json)), wanted->place.line);
    else
        proof_fail(run, "expected  %.*s " LB_STR_FMT ", got \"" LB_STR_FMT "\" (line %u)", (int)name.len, name.ptr,
                   LB_STR_ARG(lb_buffer_str(&json)), LB_STR_ARG(text), wanted->place.line);
    lb_buffer_free(&json);
}

/* --- rules -------------------------------------------------------------------------------------- */

static bool feeds(const struct proof_run *run, const struct lb_batch *batch, uint32_t record, struct lb_str rule)
{
    for (uint32_t i = 0; i < batch->feed_count; i++)
        if (batch->feeds[i].record == record &&
            lb_str_equal(run->config->alerting.rules[batch->feeds[i].rule].name, rule))
            return true;
    return false;
}

static bool is_wanted(const struct lb_strs *rules, struct lb_str rule)
{
    for (size_t i = 0; i < rules->count; i++)
        if (lb_str_equal(rules->items[i], rule))
            return true;
    return false;
}

static void compare_feeds(struct proof_run *run, const struct lb_batch *batch, uint32_t record,
                          const struct proof_record *wanted)
{
    if (wanted->rules.items == NULL)
        return;
    for (uint32_t i = 0; i < run->config->alerting.rule_count; i++) {
        struct lb_str rule = run->config->alerting.rules[i].name;
        bool expected = is_wanted(&wanted->rules, rule);

        if (feeds(run, batch, record, rule) != expected)
            proof_fail(run, "expected  the record %s rule " LB_STR_FMT " (line %u)",
                       expected ? "to feed" : "not to feed", LB_STR_ARG(rule), wanted->place.line);
    }
}

/* --- records ------------------------------------------------------------------------------------- */

static void compare_fields(struct proof_run *run, const struct lb_record *record, const struct proof_record *wanted)
{
    for (uint32_t i = 0; wanted->fields != NULL && i < wanted->fields->count; i++)
        compare_field(run, record, wanted->fields->keys[i].text, &wanted->fields->values[i]);
    for (size_t i = 0; i < wanted->without.count; i++) {
        run->scratch.used = 0;
        if (lb_record_get(record, wanted->without.items[i], &run->scratch).kind != LB_VALUE_NONE)
            proof_fail(run, "expected  no field " LB_STR_FMT " (line %u)", LB_STR_ARG(wanted->without.items[i]),
                       wanted->place.line);
    }
}

static void compare(struct proof_run *run, const struct lb_batch *batch, uint32_t index,
                    const struct proof_record *wanted)
{
    const struct lb_record *record = &batch->records[index];
    bool dropped = (record->flags & LB_RECORD_DROPPED) != 0;
    uint64_t sinks = sinks_of(batch, run->config->sink_count, index);
    char expected[TEXT_BYTES];
    char found[TEXT_BYTES];

    if (dropped != (wanted->has_dropped && wanted->dropped)) {
        proof_fail(run, "expected  the record to %s, a filter %s it (line %u)", dropped ? "pass" : "be dropped",
                   dropped ? "drops" : "does not drop", wanted->place.line);
        return;
    }
    compare_fields(run, record, wanted);
    if (wanted->has_to && sinks != wanted->to) {
        say_sinks(run, wanted->to, expected);
        say_sinks(run, sinks, found);
        proof_fail(run, "expected  it to go to %s, it goes to %s (line %u)", expected, found, wanted->place.line);
    }
    if (!dropped)
        compare_feeds(run, batch, index, wanted);
}

static void tell_record(struct proof_run *run, const struct lb_batch *batch, uint32_t index)
{
    struct lb_buffer line;

    lb_buffer_init(&line, LB_LINE_BYTES_MAX);
    run->scratch.used = 0;
    lb_format_write(&run->formatter, batch, &batch->records[index], &line);
    while (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    proof_fail(run, "  record %u  " LB_STR_FMT, index + 1, LB_STR_ARG(lb_buffer_str(&line)));
    lb_buffer_free(&line);
}

void proof_compare_records(struct proof_run *run, const struct lb_batch *batch)
{
    const struct proof *proof = run->proof;

    for (uint32_t i = 0; i < batch->record_count; i++) {
        uint32_t before = run->failure_count;

        if (run->records_seen < proof->record_count)
            compare(run, batch, i, &proof->records[run->records_seen]);
        run->records_seen++;
        if (run->failure_count > before)
            tell_record(run, batch, i);
    }
}

void proof_compare_end(struct proof_run *run)
{
    if (run->records_seen != run->proof->record_count)
        proof_fail(run, "expected  %u record%s, the lines became %u", run->proof->record_count,
                   run->proof->record_count == 1 ? "" : "s", run->records_seen);
}
