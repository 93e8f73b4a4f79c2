/*
 * proof_file.c - a file of tests, read by option tables, so that a key nobody
 * knows is told with its place and the nearest one.
 *
 * The configuration is read before the tests: names of rules and sinks in
 * them must be in it. Variables of the file are put into the environment
 * before that.
 */
#include "proof.h"

#include "lb_json.h"
#include "lb_time.h"

#include <stdio.h>
#include <stdlib.h>

#define START_DEFAULT (INT64_C(1767571200) * LB_SECOND) /* 2026-01-05T00:00:00Z, a Monday */

enum { TEXT_BYTES_MAX = 16 * 1024 * 1024, COUNT_MAX = 100 * 1000 * 1000 };

struct file_options {
    struct lb_str config;
    const struct lb_node *rules;
    const struct lb_node *alerting;
    struct lb_pairs variables;
    const struct lb_node *tests;
};

#define FILE_OPTION(member) offsetof(struct file_options, member)

static const struct lb_option file_options[] = {
    { .name = "config",
      .kind = LB_OPTION_STRING,
      .offset = FILE_OPTION(config),
      .flags = LB_OPTION_PATH,
      .help = "the configuration that is tested, beside this file" },
    { .name = "rules",
      .kind = LB_OPTION_NODE,
      .offset = FILE_OPTION(rules),
      .help = "instead of it: rules, all of which tell the sink \"told\"" },
    { .name = "alerting",
      .kind = LB_OPTION_NODE,
      .offset = FILE_OPTION(alerting),
      .help = "instead of it: an `alerting:` section whose only sink is \"told\"" },
    { .name = "variables",
      .kind = LB_OPTION_PAIRS,
      .offset = FILE_OPTION(variables),
      .help = "what ${NAME} in the configuration stands for" },
    { .name = "tests", .kind = LB_OPTION_NODE, .offset = FILE_OPTION(tests), .help = "a list of tests",
      .flags = LB_OPTION_REQUIRED },
    { 0 },
};

struct test_options {
    struct lb_str name;
    struct lb_str start;
    const struct lb_node *until;
    const struct lb_node *input;
    const struct lb_node *expect;
    const struct lb_node *never;
    const struct lb_node *faults;
    const struct lb_node *notices_max;
    bool strict;
    struct lb_str golden;
    struct lb_str source;
    const struct lb_node *line;
    struct lb_strs lines;
    const struct lb_node *record;
    const struct lb_node *records;
    const struct lb_node *without;
    const struct lb_node *to;
    const struct lb_node *dropped;
    const struct lb_node *feeds;
};

#define TEST_OPTION(member) offsetof(struct test_options, member)
#define TEST_NODE(word, member, text)                                                                                  \
    { .name = (word), .kind = LB_OPTION_NODE, .offset = TEST_OPTION(member), .help = (text) }

static const struct lb_option test_options[] = {
    { .name = "name", .kind = LB_OPTION_STRING, .offset = TEST_OPTION(name), .flags = LB_OPTION_REQUIRED,
      .help = "what it shows, in a few words" },
    { .name = "start", .kind = LB_OPTION_STRING, .offset = TEST_OPTION(start),
      .help = "the time at which it begins; a Monday, or the first record of a file" },
    TEST_NODE("until", until, "when it ends"),
    TEST_NODE("input", input, "records or lines, one or a list"),
    TEST_NODE("expect", expect, "a list of notices that are told"),
    TEST_NODE("never", never, "a list of notices that are not"),
    TEST_NODE("faults", faults, "restarts, and what sinks answer"),
    TEST_NODE("max_notifications", notices_max, "so many notices at most"),
    { .name = "strict", .kind = LB_OPTION_BOOL, .offset = TEST_OPTION(strict), .fallback = "false",
      .help = "nothing may be told but what is expected" },
    { .name = "golden", .kind = LB_OPTION_STRING, .offset = TEST_OPTION(golden), .flags = LB_OPTION_PATH,
      .help = "a file with the notices as records, one a line" },
    { .name = "source", .kind = LB_OPTION_STRING, .offset = TEST_OPTION(source),
      .help = "of `line` and `lines`; the first one unless given" },
    TEST_NODE("line", line, "a line as it comes"),
    { .name = "lines", .kind = LB_OPTION_STRINGS, .offset = TEST_OPTION(lines), .help = "several" },
    TEST_NODE("record", record, "fields of the record that the line becomes"),
    TEST_NODE("records", records, "one map for each record: fields, without, to, dropped, feeds"),
    TEST_NODE("without", without, "fields that it does not have"),
    TEST_NODE("to", to, "the sinks that it goes to, all of them"),
    TEST_NODE("dropped", dropped, "whether a filter drops it"),
    TEST_NODE("feeds", feeds, "rules that look at it, all of them"),
    { 0 },
};

struct input_options {
    const struct lb_node *from;
    const struct lb_node *at;
    const struct lb_node *arrive;
    int64_t every_ns;
    uint64_t count;
    const struct lb_node *record;
    const struct lb_node *line;
    struct lb_strs lines;
    struct lb_str file;
    struct lb_str source;
    struct lb_str stream;
};

#define INPUT_OPTION(member) offsetof(struct input_options, member)
#define INPUT_NODE(word, member, text)                                                                                 \
    { .name = (word), .kind = LB_OPTION_NODE, .offset = INPUT_OPTION(member), .help = (text) }

static const struct lb_option input_options[] = {
    INPUT_NODE("from", from, "when the first happens"),
    INPUT_NODE("at", at, "the same, of a single one"),
    INPUT_NODE("arrive", arrive, "when the first arrives, if that is later"),
    { .name = "every", .kind = LB_OPTION_DURATION, .offset = INPUT_OPTION(every_ns), .fallback = "1s",
      .help = "from one to the next" },
    { .name = "n", .kind = LB_OPTION_COUNT, .offset = INPUT_OPTION(count), .help = "how many; 1, or all `lines`",
      .max = COUNT_MAX },
    INPUT_NODE("record", record, "fields; {n} in a value is 1, 2, 3 …"),
    INPUT_NODE("line", line, "a line as it comes; {timestamp} is the time at which it happens"),
    { .name = "lines", .kind = LB_OPTION_STRINGS, .offset = INPUT_OPTION(lines), .help = "several, in turn" },
    { .name = "file", .kind = LB_OPTION_STRING, .offset = INPUT_OPTION(file), .flags = LB_OPTION_PATH,
      .help = "an archive, .jsonl, .zst, .gz or plain text: each line arrives at its own time" },
    { .name = "source", .kind = LB_OPTION_STRING, .offset = INPUT_OPTION(source),
      .help = "where it comes from; the first one unless given" },
    { .name = "stream", .kind = LB_OPTION_STRING, .offset = INPUT_OPTION(stream),
      .help = "a file or connection of its own within the source" },
    { 0 },
};

struct expect_options {
    const struct lb_node *at;
    const struct lb_node *rule;
    const struct lb_node *key;
    int state;
    int severity;
    const struct lb_node *value;
    struct lb_str message;
    const struct lb_node *to;
    const struct lb_node *deliveries;
    const struct lb_node *times;
};

static const char *const states[] = { "any", "firing", "updated", "repeated", "resolved", "summary", NULL };
static const char *const severities[] = { "any", "info", "low", "medium", "high", "critical", "warning", NULL };

#define EXPECT_OPTION(member) offsetof(struct expect_options, member)
#define EXPECT_NODE(word, member, text)                                                                                \
    { .name = (word), .kind = LB_OPTION_NODE, .offset = EXPECT_OPTION(member), .help = (text) }

static const struct lb_option expect_options[] = {
    EXPECT_NODE("at", at, "when it is told, such as 74s..78s"),
    EXPECT_NODE("rule", rule, "of which rule"),
    EXPECT_NODE("key", key, "the fields of `by`, those that are written"),
    { .name = "state", .kind = LB_OPTION_CHOICE, .offset = EXPECT_OPTION(state), .fallback = "any", .choices = states,
      .help = "firing, updated, repeated, resolved or summary" },
    { .name = "severity", .kind = LB_OPTION_CHOICE, .offset = EXPECT_OPTION(severity), .fallback = "any",
      .choices = severities, .help = "info to critical" },
    EXPECT_NODE("value", value, "5, 7.3% or 4..6"),
    { .name = "message", .kind = LB_OPTION_STRING, .offset = EXPECT_OPTION(message), .help = "a part of its words" },
    EXPECT_NODE("to", to, "sinks that get it; others may"),
    EXPECT_NODE("deliveries", deliveries, "how often it is delivered to them, duplicates included"),
    EXPECT_NODE("times", times, "how many notices are like that; at least one unless given"),
    { 0 },
};

struct fault_options {
    const struct lb_node *at;
    const struct lb_node *restart;
    int64_t down_ns;
    const struct lb_node *sink;
    const struct lb_node *replies;
};

#define FAULT_OPTION(member) offsetof(struct fault_options, member)
#define FAULT_NODE(word, member, text)                                                                                 \
    { .name = (word), .kind = LB_OPTION_NODE, .offset = FAULT_OPTION(member), .help = (text) }

static const struct lb_option fault_options[] = {
    FAULT_NODE("at", at, "when"),
    FAULT_NODE("restart", restart, "kill (kill -9), or stop (what rules know is saved)"),
    { .name = "down", .kind = LB_OPTION_DURATION, .offset = FAULT_OPTION(down_ns), .fallback = "0s",
      .help = "how long it is away" },
    FAULT_NODE("sink", sink, "a sink that answers"),
    FAULT_NODE("replies", replies, "what, one after the other: 200, 503, 429 retry-after 2, hang; then 200"),
    { 0 },
};

/* --- what tests share ------------------------------------------------------------------------ */

static bool no_room(const struct proof_reader *self, const struct lb_node *node)
{
    lb_diag_error(self->diag, node->place, "the file is too large");
    return false;
}

static bool fill(const struct proof_reader *self, const struct lb_option *options, const struct lb_node *node,
                 void *state)
{
    return lb_options_fill(self->file->tree, options, node, state, self->diag);
}

/* One, or a list of them; `*count` of them. */
static const struct lb_node *items_of(const struct lb_node *node, uint32_t *count)
{
    *count = node == NULL ? 0 : node->kind == LB_NODE_LIST ? node->count : 1;
    return node != NULL && node->kind == LB_NODE_LIST ? node->values : node;
}

static bool read_whole(const struct proof_reader *self, const struct lb_node *node, int64_t *number)
{
    char *end = NULL;

    *number = PROOF_COUNT_ANY;
    if (node == NULL)
        return true;
    if (node->kind == LB_NODE_SCALAR && node->text.len > 0 && node->text.len < 10)
        *number = strtol(node->text.ptr, &end, 10);
    if (end != NULL && *end == '\0' && *number >= 0)
        return true;
    lb_diag_error(self->diag, node->place, "expected a whole number");
    return false;
}

static bool read_names(const struct proof_reader *self, const struct lb_node *node, struct lb_strs *names)
{
    uint32_t count;
    const struct lb_node *items = items_of(node, &count);

    names->count = count;
    names->items = lb_arena_zalloc(&self->file->tree->arena, (count + 1) * sizeof(struct lb_str));
    if (names->items == NULL)
        return no_room(self, node);
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].kind != LB_NODE_SCALAR) {
            lb_diag_error(self->diag, items[i].place, "expected a name");
            return false;
        }
        names->items[i] = items[i].text;
    }
    return true;
}

static bool find_source(const struct proof_reader *self, struct lb_str name, struct lb_place place, uint32_t *index)
{
    const struct lb_config *config = self->file->config;
    const char *names[LB_SOURCES_MAX + 1] = { NULL };

    *index = 0;
    if (name.len == 0)
        return true;
    for (uint32_t i = 0; i < config->source_count; i++) {
        names[i] = config->sources[i].section.name.ptr;
        *index = i;
        if (lb_str_equal(config->sources[i].section.name, name))
            return true;
    }
    const char *nearest = lb_nearest(name, names);
    lb_diag_error(self->diag, place, "there is no source \"" LB_STR_FMT "\"%s%s%s", LB_STR_ARG(name),
                  nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                  nearest != NULL ? "\"?" : "");
    return false;
}

/* --- inputs ---------------------------------------------------------------------------------- */

/* The members of a record as JSON, without braces. */
static bool read_record(const struct proof_reader *self, const struct lb_node *node, struct proof_input *input)
{
    struct lb_buffer json;

    if (node->kind != LB_NODE_MAP) {
        lb_diag_error(self->diag, node->place, "expected a map of fields such as {service: api, level: error}");
        return false;
    }
    lb_buffer_init(&json, TEXT_BYTES_MAX);
    proof_write_json(&json, node);
    input->record = json.len >= 2 && !json.failed
                        ? lb_arena_copy(&self->file->tree->arena, (struct lb_str){ json.ptr + 1, json.len - 2 })
                        : (struct lb_str){ NULL, 0 };
    lb_buffer_free(&json);
    input->timed = lb_node_get(node, "timestamp") != NULL;
    input->worded = lb_node_get(node, "message") != NULL;
    return input->record.ptr != NULL || no_room(self, node);
}

static bool one_line(const struct proof_reader *self, const struct lb_node *node, struct lb_strs *lines)
{
    if (node->kind == LB_NODE_SCALAR)
        return read_names(self, node, lines);
    lb_diag_error(self->diag, node->place, "expected a line of text; quote it");
    return false;
}

static bool read_what(const struct proof_reader *self, const struct input_options *options,
                      const struct lb_node *node, struct proof_input *input)
{
    int given = (options->record != NULL) + (options->line != NULL) + (options->lines.count > 0) +
                (options->file.len > 0);

    if (given != 1) {
        lb_diag_error(self->diag, node->place, "expected one of \"record\", \"line\", \"lines\" and \"file\"");
        return false;
    }
    input->file = options->file;
    input->lines = options->lines;
    if (options->record != NULL)
        return read_record(self, options->record, input);
    return options->line == NULL || one_line(self, options->line, &input->lines);
}

static bool read_input(const struct proof_reader *self, const struct lb_node *node, struct proof_input *input)
{
    struct input_options options = { 0 };
    const struct lb_node *from;
    bool ok = fill(self, input_options, node, &options);

    if (!ok)
        return false;
    from = options.from != NULL ? options.from : options.at;
    *input = (struct proof_input){ .place = node->place,
                                   .from_ns = self->proof->start_ns,
                                   .every_ns = options.every_ns,
                                   .sourced = options.source.len > 0,
                                   .stream = options.stream };
    ok = read_what(self, &options, node, input) &&
         find_source(self, options.source, lb_node_get(node, "source") != NULL ? lb_node_get(node, "source")->place
                                                                             : node->place,
                     &input->source) &&
         (from == NULL || proof_read_time(self, from, &input->from_ns));
    input->arrive_ns = input->from_ns;
    ok = ok && (options.arrive == NULL || proof_read_time(self, options.arrive, &input->arrive_ns));
    input->count = options.count > 0 ? options.count : input->lines.count > 0 ? input->lines.count : 1;
    return ok;
}

/* --- expectations ------------------------------------------------------------------------------ */

static bool read_expectation(const struct proof_reader *self, const struct lb_node *node,
                             struct proof_expectation *expectation)
{
    struct expect_options options = { 0 };

    if (!fill(self, expect_options, node, &options))
        return false;
    *expectation = (struct proof_expectation){ .place = node->place,
                                               .severity = options.severity - 1,
                                               .message = options.message,
                                               .key = options.key };
    if (expectation->severity == LB_SEVERITY_COUNT) /* warning */
        expectation->severity = LB_SEVERITY_MEDIUM;
    if (options.state > 0)
        expectation->state = lb_str_from(states[options.state]);
    expectation->has_value = options.value != NULL;
    if (options.key != NULL && options.key->kind != LB_NODE_MAP) {
        lb_diag_error(self->diag, options.key->place, "expected a map such as {service: api}");
        return false;
    }
    return (options.at == NULL || proof_read_range(self, options.at, &expectation->at)) &&
           (options.rule == NULL || proof_read_rule(self, options.rule, &expectation->rule)) &&
           (options.value == NULL ||
            proof_read_value(self, options.value, &expectation->value_low, &expectation->value_high)) &&
           (options.to == NULL || proof_read_sinks(self, options.to, &expectation->to)) &&
           read_whole(self, options.deliveries, &expectation->deliveries) &&
           read_whole(self, options.times, &expectation->times);
}

static bool read_expectations(const struct proof_reader *self, const struct lb_node *node,
                              struct proof_expectation **expectations, uint32_t *count)
{
    const struct lb_node *items = items_of(node, count);
    bool ok = true;

    *expectations = lb_arena_zalloc(&self->file->tree->arena, (*count + 1) * sizeof(**expectations));
    if (*expectations == NULL)
        return no_room(self, node);
    for (uint32_t i = 0; i < *count; i++)
        ok = read_expectation(self, &items[i], &(*expectations)[i]) && ok;
    return ok;
}

/* --- faults ------------------------------------------------------------------------------------- */

static bool read_fault(const struct proof_reader *self, const struct lb_node *node, struct proof_fault *fault)
{
    struct fault_options options = { 0 };
    uint64_t sinks = 0;

    if (!fill(self, fault_options, node, &options))
        return false;
    *fault = (struct proof_fault){ .place = node->place, .kind = PROOF_REPLIES, .at_ns = self->proof->start_ns,
                                   .down_ns = options.down_ns };
    if (options.at != NULL && !proof_read_time(self, options.at, &fault->at_ns))
        return false;
    if ((options.restart != NULL) == (options.sink != NULL) || (options.sink != NULL) != (options.replies != NULL) ||
        (options.restart != NULL && options.at == NULL)) {
        lb_diag_error(self->diag, node->place, "expected {at: 10s, restart: kill} or {sink: NAME, replies: [503, 200]}");
        return false;
    }
    if (options.sink != NULL) {
        bool ok = options.sink->kind == LB_NODE_SCALAR && proof_read_sinks(self, options.sink, &sinks);

        fault->sink = sinks != 0 ? (uint32_t)__builtin_ctzll(sinks) : 0;
        return ok && proof_read_replies(self, options.replies, fault);
    }
    fault->kind = lb_str_is(options.restart->text, "kill") ? PROOF_KILL : PROOF_STOP;
    if (fault->kind == PROOF_KILL || lb_str_is(options.restart->text, "stop"))
        return true;
    lb_diag_error(self->diag, options.restart->place, "expected kill or stop, got \"%.40s\"",
                  options.restart->kind == LB_NODE_SCALAR ? options.restart->text.ptr : "a list or map");
    return false;
}

/* --- pipeline tests ------------------------------------------------------------------------------ */

struct record_options {
    const struct lb_node *fields;
    const struct lb_node *without;
    const struct lb_node *to;
    const struct lb_node *dropped;
    const struct lb_node *feeds;
};

#define RECORD_NODE(word, member, text)                                                                                \
    { .name = (word), .kind = LB_OPTION_NODE, .offset = offsetof(struct record_options, member), .help = (text) }

static const struct lb_option record_options[] = {
    RECORD_NODE("fields", fields, "fields that it has"),
    RECORD_NODE("without", without, "fields that it does not have"),
    RECORD_NODE("to", to, "the sinks that it goes to, all of them"),
    RECORD_NODE("dropped", dropped, "whether a filter drops it"),
    RECORD_NODE("feeds", feeds, "rules that look at it, all of them"),
    { 0 },
};

static bool read_feeds(const struct proof_reader *self, const struct lb_node *node, struct lb_strs *rules)
{
    uint32_t count;
    const struct lb_node *items = items_of(node, &count);
    bool ok = read_names(self, node, rules);

    for (uint32_t i = 0; ok && i < count; i++)
        ok = proof_read_rule(self, &items[i], &rules->items[i]);
    return ok;
}

static bool set_record(const struct proof_reader *self, const struct record_options *options, struct lb_place place,
                       struct proof_record *record)
{
    const struct lb_node *dropped = options->dropped;

    *record = (struct proof_record){ .place = place,
                                     .fields = options->fields,
                                     .has_to = options->to != NULL,
                                     .has_dropped = dropped != NULL };
    if (options->fields != NULL && options->fields->kind != LB_NODE_MAP) {
        lb_diag_error(self->diag, options->fields->place, "expected a map of fields such as {level: error}");
        return false;
    }
    record->dropped = dropped != NULL && lb_str_is(dropped->text, "true");
    if (dropped != NULL && !record->dropped && !lb_str_is(dropped->text, "false")) {
        lb_diag_error(self->diag, dropped->place, "\"dropped\": expected true or false");
        return false;
    }
    return (options->without == NULL || read_names(self, options->without, &record->without)) &&
           (options->to == NULL || proof_read_sinks(self, options->to, &record->to)) &&
           (options->feeds == NULL || read_feeds(self, options->feeds, &record->rules));
}

static bool read_pipeline(const struct proof_reader *self, const struct test_options *options,
                          const struct lb_node *node)
{
    struct proof *proof = self->proof;
    struct record_options single = { options->record, options->without, options->to, options->dropped, options->feeds };
    uint32_t count;
    const struct lb_node *items = items_of(options->records, &count);
    bool ok = true;

    proof->pipeline = true;
    proof->input_count = 1;
    proof->inputs[0] = (struct proof_input){ .place = node->place,
                                             .from_ns = proof->start_ns,
                                             .arrive_ns = proof->start_ns,
                                             .lines = options->lines };
    if (options->line != NULL && !one_line(self, options->line, &proof->inputs[0].lines))
        return false;
    proof->inputs[0].count = proof->inputs[0].lines.count;
    proof->record_count = options->records != NULL ? count : 1;
    proof->records = lb_arena_zalloc(&self->file->tree->arena, (proof->record_count + 1) * sizeof(*proof->records));
    if (proof->records == NULL)
        return no_room(self, node);
    for (uint32_t i = 0; i < count; i++) {
        struct record_options each = { 0 };

        ok = fill(self, record_options, &items[i], &each) &&
             set_record(self, &each, items[i].place, &proof->records[i]) && ok;
    }
    if (options->records == NULL)
        ok = set_record(self, &single, options->record != NULL ? options->record->place : node->place,
                        &proof->records[0]);
    return find_source(self, options->source, node->place, &proof->inputs[0].source) && ok;
}

/* --- one test ------------------------------------------------------------------------------------- */

static bool has_pipeline_keys(const struct test_options *options)
{
    return options->line != NULL || options->lines.count > 0 || options->record != NULL || options->records != NULL ||
           options->dropped != NULL || options->without != NULL || options->to != NULL || options->feeds != NULL;
}

static bool check_kind(const struct proof_reader *self, const struct test_options *options, const struct lb_node *node)
{
    bool pipeline = has_pipeline_keys(options);
    bool alerts = options->input != NULL || options->expect != NULL || options->never != NULL ||
                  options->faults != NULL || options->notices_max != NULL;

    if (pipeline && alerts)
        lb_diag_error(self->diag, node->place,
                      "a test has either \"line\" and what becomes of it, or \"input\" and the alerts that follow");
    else if (pipeline && (options->line != NULL) == (options->lines.count > 0))
        lb_diag_error(self->diag, node->place, "expected \"line\" or \"lines\"");
    else if (!pipeline && options->input == NULL && options->expect == NULL && options->never == NULL)
        lb_diag_error(self->diag, node->place, "nothing is tested: expected \"line\" and \"record\", or \"input\" and "
                                               "\"expect\" or \"never\"");
    else
        return true;
    return false;
}

/* When it ends, unless that is written: ten minutes after the last thing that is known of. */
static int64_t end_of(const struct proof *proof)
{
    int64_t end = proof->start_ns;

    for (uint32_t i = 0; i < proof->input_count; i++) {
        const struct proof_input *input = &proof->inputs[i];
        int64_t last = input->arrive_ns + (int64_t)(input->count - 1) * input->every_ns;

        if (input->file.len == 0 && last > end)
            end = last;
    }
    for (uint32_t i = 0; i < proof->expected_count; i++)
        if (proof->expected[i].at.set && proof->expected[i].at.to > end)
            end = proof->expected[i].at.to;
    for (uint32_t i = 0; i < proof->fault_count; i++)
        if (proof->faults[i].at_ns + proof->faults[i].down_ns > end)
            end = proof->faults[i].at_ns + proof->faults[i].down_ns;
    return end + 600 * LB_SECOND;
}

static bool read_alerts(const struct proof_reader *self, const struct test_options *options)
{
    struct proof *proof = self->proof;
    const struct lb_node *inputs = items_of(options->input, &proof->input_count);
    const struct lb_node *faults = items_of(options->faults, &proof->fault_count);
    struct lb_arena *arena = &self->file->tree->arena;
    bool ok = true;

    proof->inputs = lb_arena_zalloc(arena, (proof->input_count + 1) * sizeof(*proof->inputs));
    proof->faults = lb_arena_zalloc(arena, (proof->fault_count + 1) * sizeof(*proof->faults));
    if (proof->inputs == NULL || proof->faults == NULL)
        return no_room(self, options->input);
    for (uint32_t i = 0; i < proof->input_count; i++)
        ok = read_input(self, &inputs[i], &proof->inputs[i]) && ok;
    for (uint32_t i = 0; i < proof->fault_count; i++)
        ok = read_fault(self, &faults[i], &proof->faults[i]) && ok;
    ok = read_expectations(self, options->expect, &proof->expected, &proof->expected_count) && ok;
    ok = read_expectations(self, options->never, &proof->never, &proof->never_count) && ok;
    return read_whole(self, options->notices_max, &proof->notices_max) && ok;
}

/* With recorded lines it begins when they do. */
static bool begin_with_file(const struct proof_reader *self, const struct lb_node *input)
{
    uint32_t count;
    const struct lb_node *items = items_of(input, &count);
    int64_t first_ns = INT64_MAX;
    bool ok = true;

    for (uint32_t i = 0; i < count; i++) {
        const struct lb_node *node = lb_node_get(&items[i], "file");
        int64_t time_ns;

        if (node == NULL || node->kind != LB_NODE_SCALAR)
            continue;
        const char *path = lb_config_path(self->file->tree, node->place, node->text);
        if (path != NULL && proof_file_begins(path, &time_ns)) {
            first_ns = time_ns < first_ns ? time_ns : first_ns;
            continue;
        }
        lb_diag_error(self->diag, node->place, "\"%.200s\" has no line that can be read", node->text.ptr);
        ok = false;
    }
    if (first_ns != INT64_MAX)
        self->proof->start_ns = first_ns;
    return ok;
}

static bool read_start(const struct proof_reader *self, const struct test_options *options, const struct lb_node *node)
{
    self->proof->start_ns = START_DEFAULT;
    if (options->start.len == 0)
        return begin_with_file(self, options->input);
    if (lb_time_rfc3339(options->start, &self->proof->start_ns))
        return true;
    lb_diag_error(self->diag, lb_node_get(node, "start")->place,
                  "\"start\": expected a time such as 2026-01-05T10:00:00Z, got \"%.40s\"", options->start.ptr);
    return false;
}

static bool read_proof(const struct proof_reader *self, const struct lb_node *node)
{
    struct test_options options = { 0 };
    struct proof *proof = self->proof;
    bool ok = fill(self, test_options, node, &options);

    if (node->kind != LB_NODE_MAP || !ok)
        return false;
    *proof = (struct proof){ .place = node->place,
                             .name = options.name,
                             .strict = options.strict,
                             .notices_max = PROOF_COUNT_ANY,
                             .golden = options.golden };
    proof->inputs = lb_arena_zalloc(&self->file->tree->arena, sizeof(*proof->inputs));
    if (proof->inputs == NULL)
        return no_room(self, node);
    ok = read_start(self, &options, node) && check_kind(self, &options, node);
    if (!ok)
        return false;
    ok = has_pipeline_keys(&options) ? read_pipeline(self, &options, node) : read_alerts(self, &options);
    if (!ok)
        return false;
    proof->until_ns = end_of(proof);
    proof->until_given = options.until != NULL;
    return options.until == NULL || proof_read_time(self, options.until, &proof->until_ns);
}

/* --- the file --------------------------------------------------------------------------------------- */

/* A configuration around the rules of the file. Variables in it were replaced: a dollar that is left is one. */
static bool write_config(struct proof_file *file, const struct lb_node *node, bool rules)
{
    struct lb_buffer json;
    struct lb_buffer text;

    lb_buffer_init(&json, TEXT_BYTES_MAX);
    lb_buffer_init(&text, TEXT_BYTES_MAX);
    proof_write_json(&json, node);
    lb_buffer_append_str(&text, LB_STR("{sources: {test: {type: stdin}}, sinks: {told: {type: stdout}}, alerting: "));
    if (rules)
        lb_buffer_append_str(&text, LB_STR("{routes: [{to: told}], rules: "));
    for (size_t i = 0; i < json.len; i++) {
        lb_buffer_append_char(&text, json.ptr[i]);
        if (json.ptr[i] == '$')
            lb_buffer_append_char(&text, '$');
    }
    lb_buffer_append_str(&text, rules ? LB_STR("}}") : LB_STR("}"));
    file->config_text = lb_arena_copy(&file->tree->arena, lb_buffer_str(&text));
    bool ok = !json.failed && !text.failed && file->config_text.ptr != NULL;
    lb_buffer_free(&json);
    lb_buffer_free(&text);
    return ok;
}

static bool choose_config(struct proof_file *file, const struct file_options *options, struct lb_diag *diag)
{
    int given = (options->config.len > 0) + (options->rules != NULL) + (options->alerting != NULL);

    file->config_path = options->config;
    for (size_t i = 0; i < options->variables.count; i++)
        setenv(options->variables.items[i].name.ptr, options->variables.items[i].value.ptr, 1);
    if (given != 1)
        lb_diag_error(diag, file->tree->root->place, "expected one of \"config\", \"rules\" and \"alerting\"");
    else if (options->config.len == 0 && !write_config(file, options->rules != NULL ? options->rules : options->alerting,
                                                      options->rules != NULL))
        lb_diag_error(diag, file->tree->root->place, "the file is too large");
    else
        return true;
    return false;
}

static struct lb_config *load_config(const struct proof_file *file, struct lb_diag *diag)
{
    char name[512];

    if (file->config_path.len > 0)
        return lb_config_load(file->config_path.ptr, diag);
    snprintf(name, sizeof(name), "%s (its rules)", file->path);
    return lb_config_parse(name, file->config_text, diag);
}

struct lb_config *proof_file_config(const struct proof_file *file, struct lb_diag *diag)
{
    struct lb_diag quiet = { 0 }; /* warnings were told when it was read first */
    struct lb_config *config = load_config(file, &quiet);

    lb_diag_free(&quiet);
    if (config == NULL || lb_config_open(config, diag))
        return config;
    lb_config_free(config);
    return NULL;
}

static bool read_tests(struct proof_file *file, const struct lb_node *tests, struct lb_diag *diag)
{
    bool ok = true;

    if (tests->kind != LB_NODE_LIST) {
        lb_diag_error(diag, tests->place, "\"tests\": expected a list");
        return false;
    }
    file->proofs = lb_arena_zalloc(&file->tree->arena, (tests->count + 1) * sizeof(*file->proofs));
    file->fired = lb_arena_zalloc(&file->tree->arena,
                                  (file->config->alerting.rule_count + 1) * LB_SEVERITY_COUNT * sizeof(bool));
    if (file->proofs == NULL || file->fired == NULL)
        return false;
    file->proof_count = tests->count;
    for (uint32_t i = 0; i < tests->count; i++) {
        struct proof_reader reader = { file, diag, &file->proofs[i] };

        ok = read_proof(&reader, &tests->values[i]) && ok;
    }
    return ok;
}

bool proof_file_read(struct proof_file *file, const char *path, struct lb_diag *diag)
{
    struct file_options options = { 0 };

    *file = (struct proof_file){ .path = path };
    file->tree = lb_config_tree(path, diag);
    if (file->tree == NULL || !lb_options_fill(file->tree, file_options, file->tree->root, &options, diag) ||
        !choose_config(file, &options, diag))
        return false;
    file->config = load_config(file, diag);
    if (file->config == NULL || !lb_config_open(file->config, diag))
        return false;
    if (file->config->source_count == 0) {
        lb_diag_error(diag, file->tree->root->place, "the configuration has no source");
        return false;
    }
    return read_tests(file, options.tests, diag) && diag->errors == 0;
}

void proof_file_close(struct proof_file *file)
{
    if (file->config != NULL)
        lb_config_free(file->config);
    if (file->tree != NULL)
        lb_config_free(file->tree);
    file->config = NULL;
    file->tree = NULL;
}
